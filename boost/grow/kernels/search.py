"""The kernels that search nodes for splits while their histograms are in the cache, and whole small trees."""

from __future__ import annotations

import numpy as np

from boost.grow.kernels.histogram import (
    SMALL_TABLE,
    fill,
    fill_columns,
    fill_sparse,
    plan_histograms,
    release,
)
from boost.grow.kernels.partition import make_children, partition, settle
from boost.grow.kernels.records import (
    BEGIN,
    BY_ROWS,
    DEPTH,
    END,
    RANGE_BEGIN,
    RANGE_END,
    RANGE_NODE,
    RANGE_PARTIAL,
    SEARCH,
    DenseBins,
    Stop,
)
from boost.grow.kernels.small_node import split_small_node
from boost.grow.kernels.split import find_splits
from boost.jit import by_type, field_type, kernel

# A node of the last level is small when its rows are so many times those of a small node above.
SMALL_OF_LAST = 3


@kernel(allocates=False)
def _fill_dense(state, ranges, first, last):
    bins, features = state.bins, state.features
    if bins.columns.size <= SMALL_TABLE:
        fill_columns(bins.columns, state.gpairs, state.order, ranges, first, last, features, state.hist)
    else:
        fill(bins.codes, state.gpairs, state.order, ranges, first, last, features, state.hist)


@kernel(allocates=False)
def _fill_sparse(state, ranges, first, last):
    fill_sparse(state.bins, state.gpairs, state.order, ranges, first, last, state.hist)


@by_type
def sum_rows(state, ranges, first, last):
    """Sum the gradient pairs of some row ranges by bin."""
    dense = getattr(field_type(state, "bins"), "instance_class", None) is DenseBins
    return _fill_dense if dense else _fill_sparse


@kernel(lazy=True, allocates=False)
def search(state, scratch, ranges, at, level, first, last):
    """Sum up and split one node after another, or one pair of siblings after another.

    Parameters
    ----------
    state : TreeState
    scratch : Scratch
        Of this thread.
    ranges : (ranges, 4), see `plan_histograms`
    at : the first range of these nodes
    level : the first node of the level
    first, last : the range of nodes to do
    """
    tree_plan = state.nodes.plan
    n = first
    while n < last:
        after = n + (2 if n else 1)
        begin = at
        while at < ranges.shape[0] and ranges[at, RANGE_NODE] < after:
            at += 1
        sum_rows(state, ranges, begin, at)
        find_splits(state, scratch.run, level, n, after)
        for k in range(n, after):
            if tree_plan[k, SEARCH] == BY_ROWS:
                split_small_node(state, k, level, scratch)
        n = after


@kernel(lazy=True, allocates=False)
def grow_tree(state, scratch, rows, slots, work, stop):
    """Grow a tree level by level on one thread; return its nodes, or -1 when there are not enough slots.

    What `boost.grow.hist.HistGrower` does step by step, for tables that are so small that its steps would
    cost more than their work. There must be room for all nodes.

    Parameters
    ----------
    state : TreeState
    scratch : Scratch
    rows : Rows
    slots : Slots
    work : Work
    stop : Stop
        Its `small` holds for all levels but the last one, where `SMALL_OF_LAST` times as many rows are few.
    """
    nodes = state.nodes
    tree, gains, ranges = nodes.tree, nodes.gains, work.ranges
    first = 0
    size = 1
    leaves = 1
    while first < size:
        last = size
        # no histogram of the last level will be subtracted from
        small = stop.small
        if tree[first, DEPTH] + 1 == stop.max_depth:
            small *= SMALL_OF_LAST
        here = Stop(stop.smallest, stop.max_depth, stop.max_leaves, small)
        count = plan_histograms(nodes, slots, ranges, first, last, here)
        if count < 0:
            return np.int64(-1)
        search(state, scratch, ranges[:count], 0, first, first, last)
        count = 0
        for n in range(first, last):
            if gains[n] > 0.0 and stop.max_leaves > 0 and leaves == stop.max_leaves:
                gains[n] = 0.0
            if gains[n] > 0.0:
                leaves += 1
                ranges[count, RANGE_NODE] = n
                ranges[count, RANGE_BEGIN] = tree[n, BEGIN]
                ranges[count, RANGE_END] = tree[n, END]
                ranges[count, RANGE_PARTIAL] = 0
                count += 1
        release(nodes, slots, first, last)
        partition(state.bins, nodes, rows, ranges, work.lefts, 0, count)
        settle(ranges, count, work.lefts, rows, work.middles)
        size = make_children(nodes, work.middles, state.features.directions, state.limits, first, last, size)
        first = last
    return size

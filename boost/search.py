"""The kernels that search nodes for splits while their histograms are in the cache, and whole small trees."""

from __future__ import annotations

import numpy as np

from boost.histogram import (
    clear_marked,
    fill,
    fill_sparse,
    mark,
    mark_sparse,
    plan_histograms,
    release,
)
from boost.jit import kernel
from boost.partition import make_children, partition, settle
from boost.score import LEAST
from boost.split import find_marked, find_splits


@kernel(lazy=True)
def search(
    codes,
    pairs,
    rows,
    steps,
    step,
    features,
    offsets,
    hist,
    plan,
    level,
    first,
    last,
    allowed,
    categorical,
    limits,
    bounds,
    directions,
    sums,
    gains,
    left_sums,
    found,
    sets,
    tree,
    table,
    marks,
):
    """Sum up and split one node after another, or one pair of siblings after another.

    Parameters
    ----------
    steps : (steps, 4), see `plan_histograms`
    step : the first step of these nodes
    table, marks : see `mark`; of this thread alone
    others : see `fill` and `find_splits`
    """
    n = first
    while n < last:
        after = n + (2 if n else 1)
        begin = step
        while step < steps.shape[0] and steps[step, 0] < after:
            step += 1
        fill(codes, pairs, rows, steps, begin, step, features, offsets, hist)
        find_splits(
            hist,
            plan,
            level,
            n,
            after,
            features,
            allowed,
            offsets,
            categorical,
            limits,
            bounds,
            directions,
            sums,
            gains,
            left_sums,
            found,
            sets,
        )
        for k in range(n, after):
            if plan[k, 2] == 2:
                mark(codes, pairs, rows, tree[k, 3], tree[k, 4], features, offsets, table, marks)
                mask = min(k - level, allowed.shape[0] - 1)
                find_marked(
                    k,
                    table,
                    marks,
                    mask,
                    features,
                    allowed,
                    offsets,
                    categorical,
                    limits,
                    sums,
                    gains,
                    left_sums,
                    found,
                    sets,
                )
                clear_marked(table, marks)
        n = after


@kernel(lazy=True)
def search_sparse(
    indptr,
    bins,
    pairs,
    rows,
    steps,
    step,
    features,
    offsets,
    hist,
    plan,
    level,
    first,
    last,
    allowed,
    categorical,
    limits,
    bounds,
    directions,
    sums,
    gains,
    left_sums,
    found,
    sets,
    tree,
    table,
    marks,
):
    """Do what `search` does for a sparse table, see `fill_sparse`."""
    n = first
    while n < last:
        after = n + (2 if n else 1)
        begin = step
        while step < steps.shape[0] and steps[step, 0] < after:
            step += 1
        fill_sparse(indptr, bins, pairs, rows, steps, begin, step, hist)
        find_splits(
            hist,
            plan,
            level,
            n,
            after,
            features,
            allowed,
            offsets,
            categorical,
            limits,
            bounds,
            directions,
            sums,
            gains,
            left_sums,
            found,
            sets,
        )
        for k in range(n, after):
            if plan[k, 2] == 2:
                mark_sparse(indptr, bins, pairs, rows, tree[k, 3], tree[k, 4], table, marks)
                mask = min(k - level, allowed.shape[0] - 1)
                find_marked(
                    k,
                    table,
                    marks,
                    mask,
                    features,
                    allowed,
                    offsets,
                    categorical,
                    limits,
                    sums,
                    gains,
                    left_sums,
                    found,
                    sets,
                )
                clear_marked(table, marks)
        n = after


@kernel(lazy=True)
def grow_tree(
    codes,
    columns,
    missing,
    pairs,
    rows,
    spare,
    features,
    offsets,
    hist,
    plan,
    free,
    used,
    steps,
    lefts,
    tree,
    middles,
    categorical,
    limits,
    bounds,
    directions,
    sums,
    gains,
    left_sums,
    found,
    sets,
    max_depth,
    max_leaves,
    few,
    table,
    marks,
):
    """Grow a tree level by level on one thread; return its nodes, or -1 when there are not enough histograms.

    What `HistGrower` does step by step, for tables that are so small that its steps would cost more than
    their work. There must be room for all nodes.

    Parameters
    ----------
    max_leaves : 0 means no limit
    others : see `plan_histograms`, `search`, `partition` and `make_children`
    """
    nothing = np.empty((0, 0), dtype=np.uint8)
    first = 0
    size = 1
    leaves = 1
    while first < size:
        last = size
        count = plan_histograms(
            first, last, 2.0 * limits[LEAST], max_depth, few, tree, sums, plan, free, used, steps
        )
        if count < 0:
            return -1
        search(
            codes,
            pairs,
            rows,
            steps[:count],
            0,
            features,
            offsets,
            hist,
            plan,
            first,
            first,
            last,
            nothing,
            categorical,
            limits,
            bounds,
            directions,
            sums,
            gains,
            left_sums,
            found,
            sets,
            tree,
            table,
            marks,
        )
        count = 0
        for n in range(first, last):
            if gains[n] > 0.0 and max_leaves > 0 and leaves == max_leaves:
                gains[n] = 0.0
            if gains[n] > 0.0:
                leaves += 1
                steps[count, 0] = n
                steps[count, 1] = tree[n, 3]
                steps[count, 2] = tree[n, 4]
                steps[count, 3] = 0
                count += 1
        release(first, last, gains, plan, free, used)
        partition(columns, missing, found, sets, steps, 0, count, rows, spare, lefts)
        settle(steps, count, lefts, rows, spare, middles)
        size = make_children(
            first, last, size, gains, middles, tree, sums, left_sums, found, directions, bounds, limits
        )
        first = last
    return size

"""The kernels that search nodes for splits while their histograms are in the cache, and whole small trees."""

from __future__ import annotations

from typing import Any, NamedTuple

from numba.extending import overload
from numpy.typing import NDArray

from boost.grow.kernels.histogram import (
    SMALL_TABLE,
    fill,
    fill_columns,
    fill_sparse,
    plan_histograms,
    release,
)
from boost.grow.kernels.partition import make_children, partition, settle
from boost.grow.kernels.score import LEAST
from boost.grow.kernels.small_node import find_few, mark_rows, take_rows
from boost.grow.kernels.split import find_splits
from boost.jit import kernel

# A node of the last level has few rows when they are so many times those of a node above.
LAST_FEW = 3


class DenseBins(NamedTuple):
    """The bins of a table, row by row and column by column: see `boost.data.binning.BinnedMatrix`."""

    codes: NDArray
    columns: NDArray


class SparseBins(NamedTuple):
    """The bins of the present entries, row by row: see `boost.data.binning.SparseBinnedMatrix`."""

    indptr: NDArray
    bins: NDArray


def sum_rows(table: Any, *others: Any) -> None:
    """Sum the pairs of rows by bin: `fill` for a dense table, `fill_sparse` for a sparse one."""
    raise TypeError("only kernels call this")


def copy_few(table: Any, *others: Any) -> None:
    """Prepare a node of few rows: `take_rows` for a dense table, `mark_rows` for a sparse one."""
    raise TypeError("only kernels call this")


def _is_dense(table: Any) -> bool:
    return getattr(table, "instance_class", None) is DenseBins


@overload(sum_rows)
def _sum_rows(table, pairs, rows, steps, first, last, chosen, offsets, hist):  # type: ignore[no-untyped-def]
    def dense(table, pairs, rows, steps, first, last, chosen, offsets, hist):  # type: ignore[no-untyped-def]
        if table.columns.size <= SMALL_TABLE:
            fill_columns(table.columns, pairs, rows, steps, first, last, chosen, offsets, hist)
        else:
            fill(table.codes, pairs, rows, steps, first, last, chosen, offsets, hist)

    def sparse(table, pairs, rows, steps, first, last, chosen, offsets, hist):  # type: ignore[no-untyped-def]
        fill_sparse(table.indptr, table.bins, pairs, rows, steps, first, last, hist)

    return dense if _is_dense(table) else sparse


@overload(copy_few)
def _copy_few(table, pairs, rows, begin, end, chosen, few):  # type: ignore[no-untyped-def]
    def dense(table, pairs, rows, begin, end, chosen, few):  # type: ignore[no-untyped-def]
        take_rows(table.codes, table.columns, pairs, rows, begin, end, chosen, few)

    def sparse(table, pairs, rows, begin, end, chosen, few):  # type: ignore[no-untyped-def]
        mark_rows(table.indptr, table.bins, pairs, rows, begin, end, few)

    return dense if _is_dense(table) else sparse


@kernel(lazy=True)
def search(table, pairs, rows, steps, step, hist, few, nodes, level, first, last, features, limits):
    """Sum up and split one node after another, or one pair of siblings after another.

    Parameters
    ----------
    table : DenseBins or SparseBins
    pairs, rows, hist : see `fill`
    steps : (steps, 4), see `plan_histograms`
    step : the first step of these nodes
    few : Few
    others : see `find_splits`
    """
    n = first
    while n < last:
        after = n + (2 if n else 1)
        begin = step
        while step < steps.shape[0] and steps[step, 0] < after:
            step += 1
        sum_rows(table, pairs, rows, steps, begin, step, features.chosen, features.offsets, hist)
        find_splits(hist, nodes, level, n, after, features, limits)
        for k in range(n, after):
            if nodes.plan[k, 2] == 2:
                copy_few(table, pairs, rows, nodes.tree[k, 3], nodes.tree[k, 4], features.chosen, few)
                find_few(few, k, nodes, level, features, limits)
        n = after


@kernel(lazy=True)
def grow_tree(
    table,
    columns,
    missing,
    pairs,
    rows,
    spare,
    hist,
    free,
    used,
    steps,
    lefts,
    middles,
    few,
    nodes,
    features,
    limits,
    max_depth,
    max_leaves,
    most_few,
):
    """Grow a tree level by level on one thread; return its nodes, or -1 when there are not enough histograms.

    What `HistGrower` does step by step, for tables that are so small that its steps would cost more than
    their work. There must be room for all nodes.

    Parameters
    ----------
    max_leaves : 0 means no limit
    most_few : a node of at most so many rows needs no histogram; of the last level, `LAST_FEW` times as many
    others : see `plan_histograms`, `search`, `partition` and `make_children`
    """
    tree, sums, gains, found = nodes.tree, nodes.sums, nodes.gains, nodes.found
    first = 0
    size = 1
    leaves = 1
    while first < size:
        last = size
        # nobody will subtract from the histograms of the last level
        few_rows = LAST_FEW * most_few if tree[first, 2] + 1 == max_depth else most_few
        count = plan_histograms(
            first, last, 2.0 * limits[LEAST], max_depth, few_rows, tree, sums, nodes.plan, free, used, steps
        )
        if count < 0:
            return -1
        search(table, pairs, rows, steps[:count], 0, hist, few, nodes, first, first, last, features, limits)
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
        release(first, last, gains, nodes.plan, free, used)
        partition(columns, missing, found, nodes.sets, steps, 0, count, rows, spare, lefts)
        settle(steps, count, lefts, rows, spare, middles)
        size = make_children(
            first,
            last,
            size,
            gains,
            middles,
            tree,
            sums,
            nodes.left_sums,
            found,
            features.directions,
            nodes.bounds,
            limits,
        )
        first = last
    return size

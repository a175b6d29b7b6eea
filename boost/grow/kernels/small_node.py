"""The kernels that split small nodes: only the bins that hold rows of theirs are looked at."""

from __future__ import annotations

import numpy as np

from boost.data.binning import BinnedMatrix, SparseBinnedMatrix
from boost.grow.kernels.categorical import is_categorical, keep, try_categories
from boost.grow.kernels.histogram import SMALL_TABLE
from boost.grow.kernels.records import BEGIN, END, GRAD, HESS, DenseBins, Scratch
from boost.grow.kernels.score import LEAST
from boost.grow.kernels.split import RUN_BINS, decide, make_run, node_score, scan, sum_bins, too_light
from boost.jit import by_type, field_type, is_none, kernel, lowest_bit, prefetch

# How many rows ahead of the one in work memory is asked for.
AHEAD = 8
ALL = np.uint64(2**64 - 1)
# Stands for the numbers of the bins of a feature in a run when none is left out.
ALL_BINS = -1


def make_scratch(binned: BinnedMatrix | SparseBinnedMatrix, rows: int) -> Scratch:
    """Return the room of one thread, for small nodes of at most so many rows of a table."""
    widest = int(np.diff(binned.offsets).max(initial=0))
    if isinstance(binned, BinnedMatrix):
        codes, bins = np.empty(rows * binned.features, dtype=binned.codes.dtype), widest
    else:
        codes, bins, rows = np.empty(0, dtype=np.uint8), int(binned.offsets[-1]), 0
    marks = np.zeros(-(-bins // 64), dtype=np.uint64)
    return Scratch(codes, np.empty((rows, 2)), np.zeros((bins, 2)), marks, make_run(widest))


@kernel(allocates=False)
def take_rows(state, begin, end, scratch):
    """Copy codes and gradient pairs of the rows of a node of a dense table.

    Parameters
    ----------
    state : TreeState
    begin, end : the node's range of rows
    scratch : Scratch
    """
    codes, columns, order = state.bins.codes, state.bins.columns, state.order
    gpairs, chosen = state.gpairs, state.features.chosen
    taken, taken_gpairs = scratch.codes, scratch.gpairs
    size = np.uint64(end - begin)
    if columns.size <= SMALL_TABLE:
        for k in range(size):
            i = order[np.uint64(begin) + k]
            taken_gpairs[k, GRAD] = gpairs[i, GRAD]
            taken_gpairs[k, HESS] = gpairs[i, HESS]
        to = np.uint64(0)
        for j in range(np.uint64(chosen.size)):
            column = columns[chosen[j]]
            for k in range(size):
                taken[to] = column[order[np.uint64(begin) + k]]
                to += np.uint64(1)
        return
    for k in range(size):
        r = begin + np.int64(k)
        if r + AHEAD < end:
            prefetch(codes, np.int64(order[r + AHEAD]) * codes.shape[1])
            prefetch(gpairs, 2 * np.int64(order[r + AHEAD]))
        i = order[r]
        taken_gpairs[k, GRAD] = gpairs[i, GRAD]
        taken_gpairs[k, HESS] = gpairs[i, HESS]
        row_codes = codes[i]
        to = np.uint64(k)
        for j in range(np.uint64(chosen.size)):
            taken[to] = row_codes[chosen[j]]
            to += size


@kernel(allocates=False)
def mark_rows(state, begin, end, scratch):
    """Sum the gradient pairs of the rows of a node of a sparse table by bin, and mark these bins."""
    indptr, bins, order, gpairs = state.bins.indptr, state.bins.bins, state.order, state.gpairs
    table = scratch.table
    marks = scratch.marks
    for r in range(begin, end):
        i = order[r]
        g = gpairs[i, GRAD]
        h = gpairs[i, HESS]
        for e in range(indptr[i], indptr[i + 1]):
            b = np.uint64(bins[e])
            table[b, GRAD] += g
            table[b, HESS] += h
            marks[b >> np.uint64(6)] |= np.uint64(1) << (b & np.uint64(63))


@kernel(inline="always", allocates=False)
def sum_codes(scratch, j, size, marked):
    """Sum the gradient pairs of the rows that were copied by the bins of the j-th feature, and mark these."""
    codes, gpairs, table, marks = scratch.codes, scratch.gpairs, scratch.table, scratch.marks
    at = np.uint64(j * size)
    if marked:
        for k in range(np.uint64(size)):
            b = np.uint64(codes[at + k])
            marks[b >> np.uint64(6)] |= np.uint64(1) << (b & np.uint64(63))
    for k in range(np.uint64(size)):
        b = np.uint64(codes[at + k])
        g = gpairs[k, GRAD]  # both before a store that may change them, as far as LLVM can tell
        h = gpairs[k, HESS]
        table[b, GRAD] += g
        table[b, HESS] += h


@kernel(allocates=False)
def clear_marked(table, marks):
    """Make a table and its marks zero again."""
    for w in range(marks.size):
        word = marks[w]
        while word != 0:
            b = 64 * w + lowest_bit(word)
            table[b, GRAD] = 0.0
            table[b, HESS] = 0.0
            word &= word - np.uint64(1)
        marks[w] = 0


@kernel(inline="always", allocates=False)
def sum_marked(scratch, begin, bins, at):
    """Write the running sums over the marked bins of one feature, and their numbers, from index `at` on.

    Returns the index after the last one. The sums in the table are zero afterwards.
    """
    table, marks, run = scratch.table, scratch.marks, scratch.run
    gradients, hessians, number = run.below_g, run.below_h, run.number
    end = begin + bins
    g = h = 0.0
    to = np.uint64(at)
    for w in range(begin >> 6, ((end - 1) >> 6) + 1):
        first = 64 * w
        word = marks[w]
        if first < begin:
            word &= ALL << np.uint64(begin - first)
        if first + 64 > end:
            word &= ALL >> np.uint64(first + 64 - end)
        while word != 0:
            b = first + lowest_bit(word)
            word &= word - np.uint64(1)
            g += table[b, GRAD]
            h += table[b, HESS]
            table[b, GRAD] = 0.0
            table[b, HESS] = 0.0
            gradients[to] = g
            hessians[to] = h
            number[to] = b - begin
            to += np.uint64(1)
    return np.int64(to)


@kernel(allocates=False)
def split_taken(state, n, level, scratch):
    """Do what `boost.grow.kernels.split.find_splits` does for one small node, whose weight is not bounded.

    Parameters
    ----------
    state : TreeState
    n : the node
    level : the first node of the level
    scratch : Scratch
        After `take_rows` or `mark_rows`; empty again afterwards.
    """
    nodes, features, limits = state.nodes, state.features, state.limits
    chosen, offsets, allowed = features.chosen, features.offsets, features.allowed
    table, marks, run = scratch.table, scratch.marks, scratch.run
    start, number, below_g, below_h = run.start, run.number, run.below_g, run.below_h
    size = nodes.tree[n, END] - nodes.tree[n, BEGIN]
    copied = scratch.codes.size > 0
    parent = node_score(nodes.bounds, n, nodes.sums[n, GRAD], nodes.sums[n, HESS], limits)
    best = parent
    mask = n - level
    if mask >= allowed.shape[0]:
        mask = allowed.shape[0] - 1
    count = 0
    for j in range(chosen.size):
        f = np.int64(chosen[j])
        bins = offsets[f + 1] - offsets[f] - 1
        begin = np.int64(0) if copied else offsets[f]
        usable = mask < 0 or allowed[mask, f] != 0
        categorical = is_categorical(features, f)
        full = copied and not categorical and 2 * size > bins  # most bins are not empty
        if usable and copied:
            sum_codes(scratch, j, size, not full)
        if usable and not categorical:
            at = start[count]
            if full:
                sum_bins(table, table, False, begin, bins, below_g, below_h, at)
                for b in range(np.uint64(bins)):
                    table[b, GRAD] = 0.0
                    table[b, HESS] = 0.0
                number[at] = ALL_BINS
                at += bins
            else:
                at = sum_marked(scratch, begin, bins, at)
            if at > start[count] and not too_light(below_h, start[count], at, limits[LEAST]):
                run.feature[count] = f
                count += 1
                start[count] = at
            if copied:
                table[bins, GRAD] = 0.0
                table[bins, HESS] = 0.0
                for w in range((bins >> 6) + 1):
                    marks[w] = 0
        if count and (start[count] >= RUN_BINS or categorical or j + 1 == chosen.size):
            value, s, at, side, left_g, left_h = scan(run, count, n, nodes, features, limits, best)
            if at >= 0:
                best = value
                cut = at - start[s] if number[start[s]] == ALL_BINS else number[at]
                keep(nodes, n, run.feature[s], cut, side, left_g, left_h)
            count = 0
        if usable and categorical:
            best = try_categories(state, run, table, begin, f, n, best)
            if copied:
                clear_marked(table, marks)
    if not copied:
        clear_marked(table, marks)
    decide(nodes, n, best, parent, limits)


@kernel(allocates=False)
def _split_dense(state, n, level, scratch):
    take_rows(state, state.nodes.tree[n, BEGIN], state.nodes.tree[n, END], scratch)
    split_taken(state, n, level, scratch)


@kernel(allocates=False)
def _split_sparse(state, n, level, scratch):
    mark_rows(state, state.nodes.tree[n, BEGIN], state.nodes.tree[n, END], scratch)
    split_taken(state, n, level, scratch)


@kernel(allocates=False)
def _no_small_nodes(state, n, level, scratch):
    pass


@by_type
def split_small_node(state, n, level, scratch):
    """Find the best split of one small node from its rows; there are none where weights are bounded."""
    if not is_none(field_type(state, "nodes", "bounds")):
        return _no_small_nodes
    dense = getattr(field_type(state, "bins"), "instance_class", None) is DenseBins
    return _split_dense if dense else _split_sparse

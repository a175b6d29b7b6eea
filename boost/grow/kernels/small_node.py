"""The kernels that split nodes of few rows: only the bins that hold some of them are looked at."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from boost.data.binning import BinnedMatrix, SparseBinnedMatrix
from boost.grow.kernels.categorical import mark_categories, scan_categories
from boost.grow.kernels.histogram import SMALL_TABLE
from boost.grow.kernels.score import ALPHA, LAMBDA, LEAST, score
from boost.grow.kernels.split import RUN_BINS, decide, keep, make_run, scan, sum_bins, too_light
from boost.jit import kernel, lowest_bit, prefetch

# How many rows ahead of the one in work memory is asked for.
AHEAD = 8
ALL = np.uint64(2**64 - 1)
# Stands for the numbers of the bins of a feature in a run when none is left out.
ALL_BINS = -1


class Few(NamedTuple):
    """Room for the rows of one node, of one thread alone.

    Attributes
    ----------
    codes : (most rows * features,), or (0,) for a sparse table
        The codes of the node's rows, feature after feature: the table of a single feature fits the first
        cache, which that of all of them does not.
    pairs : (most rows, 2), or (0, 2)
        The gradient pairs of these rows.
    table : (bins of the widest feature, 2), or (all bins, 2) for a sparse table
        Sums by bin, zero between two uses.
    marks : (words,)
        A bit for each row of `table` that is not empty; zero between two uses.
    """

    codes: NDArray
    pairs: NDArray[np.float64]
    table: NDArray[np.float64]
    marks: NDArray[np.uint64]


def make_few(binned: BinnedMatrix | SparseBinnedMatrix, rows: int) -> Few:
    """Return room for nodes of at most so many rows of a table."""
    if isinstance(binned, BinnedMatrix):
        codes = np.empty(rows * binned.features, dtype=binned.codes.dtype)
        bins = int(np.diff(binned.offsets).max())
    else:
        codes, bins, rows = np.empty(0, dtype=np.uint8), int(binned.offsets[-1]), 0
    marks = np.zeros(-(-bins // 64), dtype=np.uint64)
    return Few(codes, np.empty((rows, 2)), np.zeros((bins, 2)), marks)


@kernel()
def take_rows(codes, columns, pairs, rows, begin, end, chosen, few):
    """Copy codes and pairs of the rows of a node of a dense table.

    Parameters
    ----------
    codes, pairs, rows : see `boost.grow.kernels.histogram.fill`
    columns : (all features, rows), the same codes
    begin, end : the node's range in `rows`
    chosen : the features to copy
    few : Few
    """
    size = np.uint64(end - begin)
    if columns.size <= SMALL_TABLE:
        for k in range(size):
            i = rows[np.uint64(begin) + k]
            few.pairs[k, 0] = pairs[i, 0]
            few.pairs[k, 1] = pairs[i, 1]
        to = np.uint64(0)
        for j in range(np.uint64(chosen.size)):
            column = columns[chosen[j]]
            for k in range(size):
                few.codes[to] = column[rows[np.uint64(begin) + k]]
                to += np.uint64(1)
        return
    for k in range(size):
        r = begin + np.int64(k)
        if r + AHEAD < end:
            prefetch(codes, np.int64(rows[r + AHEAD]) * codes.shape[1])
            prefetch(pairs, 2 * np.int64(rows[r + AHEAD]))
        i = rows[r]
        few.pairs[k, 0] = pairs[i, 0]
        few.pairs[k, 1] = pairs[i, 1]
        own = codes[i]
        to = np.uint64(k)
        for j in range(np.uint64(chosen.size)):
            few.codes[to] = own[chosen[j]]
            to += size


@kernel()
def mark_rows(indptr, bins, pairs, rows, begin, end, few):
    """Sum the pairs of the rows of a node of a sparse table by bin, and mark these; see `fill_sparse`."""
    table = few.table
    marks = few.marks
    for r in range(begin, end):
        i = rows[r]
        g = pairs[i, 0]
        h = pairs[i, 1]
        for e in range(indptr[i], indptr[i + 1]):
            b = np.uint64(bins[e])
            table[b, 0] += g
            table[b, 1] += h
            marks[b >> np.uint64(6)] |= np.uint64(1) << (b & np.uint64(63))


@kernel(inline="always")
def sum_codes(few, j, size, marked):
    """Sum the pairs of the rows that were copied by the bins of one feature, the j-th, and mark these."""
    at = np.uint64(j * size)
    if marked:
        for k in range(np.uint64(size)):
            b = np.uint64(few.codes[at + k])
            few.marks[b >> np.uint64(6)] |= np.uint64(1) << (b & np.uint64(63))
    for k in range(np.uint64(size)):
        b = np.uint64(few.codes[at + k])
        g = few.pairs[k, 0]  # both before a store that may change them, for all LLVM knows
        h = few.pairs[k, 1]
        few.table[b, 0] += g
        few.table[b, 1] += h


@kernel()
def clear_marked(few):
    """Make a table and its marks zero again."""
    for w in range(few.marks.size):
        word = few.marks[w]
        while word != 0:
            b = 64 * w + lowest_bit(word)
            few.table[b, 0] = 0.0
            few.table[b, 1] = 0.0
            word &= word - np.uint64(1)
        few.marks[w] = 0


@kernel(inline="always")
def sum_marked(few, begin, bins, gradients, hessians, number, at):
    """Write the running sums over the marked bins of one feature, and their numbers, from place `at` on.

    Returns the place after the last one. The sums in the table are zero afterwards.
    """
    end = begin + bins
    g = h = 0.0
    to = np.uint64(at)
    for w in range(begin >> 6, ((end - 1) >> 6) + 1):
        first = 64 * w
        word = few.marks[w]
        if first < begin:
            word &= ALL << np.uint64(begin - first)
        if first + 64 > end:
            word &= ALL >> np.uint64(first + 64 - end)
        while word != 0:
            b = first + lowest_bit(word)
            word &= word - np.uint64(1)
            g += few.table[b, 0]
            h += few.table[b, 1]
            few.table[b, 0] = 0.0
            few.table[b, 1] = 0.0
            gradients[to] = g
            hessians[to] = h
            number[to] = b - begin
            to += np.uint64(1)
    return np.int64(to)


@kernel()
def find_few(few, n, nodes, level, features, limits):
    """Do what `find_splits` does for one node of few rows, whose weights are not bounded.

    Parameters
    ----------
    few : Few
        After `take_rows` or `mark_rows`; empty again afterwards.
    n : the node
    others : see `find_splits`
    """
    size = nodes.tree[n, 4] - nodes.tree[n, 3]
    copied = few.codes.size > 0
    table = few.table
    marks = few.marks
    run = make_run(features)
    start = run.start
    number = np.empty(run.below_g.size, dtype=np.int64)
    unbounded = np.zeros(0)
    total_g = nodes.sums[n, 0]
    total_h = nodes.sums[n, 1]
    parent = score(total_g, total_h, limits[ALPHA], limits[LAMBDA])
    best = parent
    mask = min(n - level, features.allowed.shape[0] - 1)
    count = 0
    for j in range(features.chosen.size):
        f = features.chosen[j]
        bins = features.offsets[f + 1] - features.offsets[f] - 1
        begin = np.int64(0) if copied else features.offsets[f]
        usable = mask < 0 or features.allowed[mask, f] != 0
        categorical = features.categorical[f] != 0
        full = copied and not categorical and 2 * size > bins  # most bins are not empty
        if usable and copied:
            sum_codes(few, j, size, not full)
        if usable and not categorical:
            at = start[count]
            if full:
                sum_bins(table, table, False, begin, bins, run.below_g, run.below_h, at)
                for b in range(np.uint64(bins)):
                    table[b, 0] = 0.0
                    table[b, 1] = 0.0
                number[at] = ALL_BINS
                at += bins
            else:
                at = sum_marked(few, begin, bins, run.below_g, run.below_h, number, at)
            if at > start[count] and not too_light(run.below_h, start[count], at, limits[LEAST]):
                run.feature[count] = f
                count += 1
                start[count] = at
            if copied:
                table[bins, 0] = 0.0
                table[bins, 1] = 0.0
                marks[: (bins >> 6) + 1] = 0
        if count and (start[count] >= RUN_BINS or categorical or j + 1 == features.chosen.size):
            value, s, at, side, left_g, left_h = scan(
                run, count, total_g, total_h, limits, best, unbounded, features.directions
            )
            if at >= 0:
                best = value
                cut = at - start[s] if number[start[s]] == ALL_BINS else number[at]
                keep(nodes, n, run.feature[s], cut, side, left_g, left_h)
            count = 0
        if usable and categorical:
            value, at, side, left_g, left_h = scan_categories(
                table, begin, bins, total_g, total_h, limits, best, unbounded
            )
            if side >= 0:
                best = value
                keep(nodes, n, f, -1, side, left_g, left_h)
                mark_categories(table, begin, bins, at, limits, nodes.sets[n])
            if copied:
                clear_marked(few)
    if not copied:
        clear_marked(few)
    decide(nodes, n, best, parent, limits)

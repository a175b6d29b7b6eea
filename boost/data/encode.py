"""Kernels that replace values by the numbers of their bins."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from boost.jit import kernel

# Rows that are encoded together: a block of one feature and the tables of its cuts stay in the L1 cache.
BLOCK = 256
# Columns that are gathered together: the values of a row in one cache line.
LINE = 16
LOWEST = np.int32(-(2**31))
HIGHEST = np.int32(2**31 - 1)
INFINITY = np.int32(0x7F800000)


# Columns of `CutIndex.scale`.
LOWEST_KEY, HIGHEST_KEY, SHIFT, STEPS = range(4)
# Rows of the block that `encode` works in.
LOW, KEY = range(2)


class CutIndex(NamedTuple):
    """The cuts of all features, with tables that shorten the search for a bin.

    Attributes
    ----------
    indptr : (features + 1,)
        Where the cuts of each feature start, as in `sketch.Cuts`.
    keys : (2 * cuts,)
        The keys of feature f's cuts from ``2 * indptr[f]`` on, followed by as many copies of the highest key,
        so that a search needs no check for the end.
    scale : (features, 4)
        Columns LOWEST_KEY, HIGHEST_KEY, SHIFT (from a key to its interval) and STEPS (of a search).
    starts : (features, intervals)
        The number of cuts below each interval.
    """

    indptr: NDArray[np.int64]
    keys: NDArray[np.int32]
    scale: NDArray[np.int32]
    starts: NDArray[np.int32]


class EntryColumns(NamedTuple):
    """`col_indptr`, `col_rows` and `col_codes` of a `boost.data.binned_matrix.SparseBinnedMatrix`."""

    starts: NDArray[np.int64]
    rows: NDArray[np.uint32]
    codes: NDArray[np.unsignedinteger]


@kernel(inline="always", allocates=False)
def key_of(bits):
    """Map the bits of a float32 to an int32 of the same order; both zeros are 0, NaN is beyond infinity."""
    return bits if bits >= np.int32(0) else np.int32(LOWEST - bits)


@kernel(lazy=True, allocates=False)
def index_cuts(cuts, index):
    """Divide the range of each feature's cuts into intervals, so that a search visits few cuts.

    Intervals are of equal width in the floats' bits: of equal width within a power of two, and of equal ratio
    over many powers of two. That suits features far from zero as well as those of many magnitudes.

    Parameters
    ----------
    cuts : (cuts,), int32, the bits of the cuts, feature after feature
    index : CutIndex
        All fields but `indptr` are output.
    """
    indptr, keys, scale, starts = index.indptr, index.keys, index.scale, index.starts
    for f in range(indptr.size - 1):
        count = indptr[f + 1] - indptr[f]
        base = 2 * indptr[f]
        for j in range(count):
            keys[base + j] = key_of(cuts[indptr[f] + j])
            keys[base + count + j] = HIGHEST
        lowest = np.int64(keys[base]) if count else np.int64(0)
        highest = np.int64(keys[base + count - 1]) if count else np.int64(0)
        shift = 0
        while (highest - lowest) >> shift >= starts.shape[1]:
            shift += 1
        most = 0
        j = 0
        for b in range(starts.shape[1]):
            starts[f, b] = j
            before = j
            while j < count and (np.int64(keys[base + j]) - lowest) >> shift <= b:
                j += 1
            if j - before > most:
                most = j - before
        scale[f, LOWEST_KEY] = lowest
        scale[f, HIGHEST_KEY] = highest
        scale[f, SHIFT] = shift
        scale[f, STEPS] = most


@kernel(lazy=True, allocates=False)
def encode(x, index, first, scratch, codes, columns):
    """Write each value's bin: the number of cuts <= x. NaN gets the code after the last bin.

    Parameters
    ----------
    x : (rows, features), the bits of the values
    index : CutIndex
    first : the number of the first row
    scratch : (2, BLOCK), int32, overwritten
    codes : (all rows, features), output
    columns : (features, all rows), output: the same codes
    """
    indptr, keys, scale, starts = index.indptr, index.keys, index.scale, index.starts
    low, key = scratch[LOW], scratch[KEY]
    for top in range(0, x.shape[0], BLOCK):
        rows = np.uint32(BLOCK if x.shape[0] - top > BLOCK else x.shape[0] - top)
        block = x[top:]
        written = codes[first + top :]
        for f in range(x.shape[1]):
            table = keys[2 * indptr[f] :]
            start = starts[f]
            lowest = scale[f, LOWEST_KEY]
            highest = scale[f, HIGHEST_KEY]
            shift = np.uint32(scale[f, SHIFT])
            missing = np.int32(indptr[f + 1] - indptr[f] + 1)
            for i in range(rows):
                key[i] = key_of(block[i, f])
            for i in range(rows):
                inside = key[i] if key[i] > lowest else lowest
                inside = inside if inside < highest else highest
                low[i] = start[np.uint32(np.uint32(np.uint32(inside) - np.uint32(lowest)) >> shift)]
            # All rows take each step of the binary search together: their loads are independent, and no
            # branch is mispredicted.
            rest = np.uint32(scale[f, STEPS])
            while rest > 0:
                half = np.uint32((rest + 1) >> 1)
                for i in range(rows):
                    here = np.uint32(np.uint32(low[i]) + half)
                    low[i] = here if table[np.uint32(here - 1)] <= key[i] else low[i]
                rest = np.uint32(rest - half)
            out = columns[f, first + top :]
            for i in range(rows):
                absent = key[i] > INFINITY or key[i] < -INFINITY
                out[i] = missing if absent else low[i]
            for i in range(rows):
                written[i, f] = out[i]


@kernel(lazy=True, allocates=False)
def gather_columns(x, weights, first, values, held, counts):
    """Write the present values of a range of columns, each column contiguous.

    Parameters
    ----------
    x : (rows, all features)
    weights : (rows,) or (0,)
    first : the first feature
    values : (features to gather, at least rows), output
    held : as `values`, or (features to gather, 0), output: the weights of those values
    counts : (features to gather,), output: the number of present values
    """
    width = values.shape[0]
    for j in range(width):
        counts[j] = 0
    for left in range(0, width, LINE):
        right = width if width < left + LINE else left + LINE
        for top in range(0, x.shape[0], BLOCK):
            end = x.shape[0] if x.shape[0] < top + BLOCK else top + BLOCK
            for j in range(left, right):
                out = values[j]
                n = counts[j]
                for i in range(top, end):
                    if weights.size:
                        held[j, n] = weights[i]
                    value = x[i, first + j]
                    out[n] = value
                    n += 1 if value == value else 0
                counts[j] = n


@kernel(lazy=True, allocates=False)
def encode_entries(values, starts, cuts, indptr, first, last, codes):
    """Write the codes of the entries of some columns.

    Parameters
    ----------
    values : (entries,), column after column, none missing
    starts : (features + 1,), where the entries of a column start
    cuts, indptr : `values` and `indptr` of `sketch.Cuts`
    first, last : the range of columns
    codes : (entries,), output
    """
    for f in range(first, last):
        table = cuts[indptr[f] :]
        for top in range(starts[f], starts[f + 1], BLOCK):
            end = np.uint64(starts[f + 1] if starts[f + 1] < top + BLOCK else top + BLOCK)
            for i in range(np.uint64(top), end):
                codes[i] = 0
            rest = indptr[f + 1] - indptr[f]
            while rest > 0:  # all entries of a block take each step together, as in `encode`
                half = (rest + 1) >> 1
                for i in range(np.uint64(top), end):
                    here = np.uint64(codes[i]) + np.uint64(half)
                    codes[i] = here if table[here - np.uint64(1)] <= values[i] else codes[i]
                rest -= half


@kernel(allocates=False)
def lower_bound(rows, begin, end, row):
    """Return the first index in [begin, end] whose row is at least `row`; `rows` is increasing."""
    while begin < end:
        middle = (begin + end) // 2
        if rows[middle] < row:
            begin = middle + 1
        else:
            end = middle
    return begin


@kernel(lazy=True, allocates=False)
def _entries_by_row(columns, offsets, free, first, last, bins):
    starts, rows, codes = columns.starts, columns.rows, columns.codes
    for f in range(starts.size - 1):
        e = lower_bound(rows, starts[f], starts[f + 1], first)
        while e < starts[f + 1] and rows[e] < last:
            i = rows[e] - first
            bins[free[i]] = offsets[f] + codes[e]
            free[i] += 1
            e += 1


def entries_by_row(
    columns: EntryColumns,
    offsets: NDArray[np.int64],
    indptr: NDArray[np.int64],
    first: int,
    last: int,
    bins: NDArray[np.int32],
) -> None:
    """Write the histogram bins of the entries of some rows.

    Parameters
    ----------
    columns : EntryColumns
    offsets : (features + 1,)
    indptr : (all rows + 1,), where the entries of a row start in `bins`
    first, last : the range of rows
    bins : (entries,), output
    """
    _entries_by_row(columns, offsets, indptr[first:last].copy(), first, last, bins)

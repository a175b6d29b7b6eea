"""Kernels that replace values by the numbers of their bins."""

from __future__ import annotations

import numpy as np

from boost.jit import kernel

# Rows that are encoded in step: a block of one feature and the tables of its cuts stay in the first cache.
BLOCK = 256
# Columns that are gathered in step: what one cache line of a row holds.
LINE = 16
LOWEST = np.int32(-(2**31))
HIGHEST = np.int32(2**31 - 1)
INFINITY = np.int32(0x7F800000)


@kernel()
def key_of(bits):
    """Map the bits of a float32 to an int32 of the same order; both zeros are 0, NaN is beyond infinity."""
    return bits if bits >= np.int32(0) else np.int32(LOWEST - bits)


@kernel("void(int32[::1], int64[::1], int32[::1], int32[:,::1], int32[:,::1])")
def index_cuts(cuts, indptr, keys, scale, starts):
    """Divide the range of each feature's cuts into intervals, so that a search has few cuts left to look at.

    Intervals are even in the order of the floats' bits: even within a power of two, and of equal ratio over
    many of them, so that a feature far from zero and one of many magnitudes are both served well.

    Parameters
    ----------
    cuts : the bits of the cuts, end to end
    indptr : (features + 1,), see `Cuts`
    keys : (2 * cuts,), output: the keys of feature f's cuts from ``2 * indptr[f]``; as many places after them
        hold the highest key, so that a search need not look where they end
    scale : (features, 4), output: lowest and highest key, shift from a key to its interval, steps of a search
    starts : (features, intervals), output: the number of cuts below each interval
    """
    for f in range(indptr.size - 1):
        count = indptr[f + 1] - indptr[f]
        own = keys[2 * indptr[f] : 2 * indptr[f + 1]]
        for j in range(count):
            own[j] = key_of(cuts[indptr[f] + j])
            own[count + j] = HIGHEST
        lowest = np.int64(own[0]) if count else np.int64(0)
        highest = np.int64(own[count - 1]) if count else np.int64(0)
        shift = 0
        while (highest - lowest) >> shift >= starts.shape[1]:
            shift += 1
        most = 0
        j = 0
        for b in range(starts.shape[1]):
            starts[f, b] = j
            before = j
            while j < count and (np.int64(own[j]) - lowest) >> shift <= b:
                j += 1
            most = max(most, j - before)
        scale[f, 0] = lowest
        scale[f, 1] = highest
        scale[f, 2] = shift
        scale[f, 3] = most


_ENCODE = (
    "void(int32[:,::1], int32[::1], int64[::1], int32[:,::1], int32[:,::1], int64, {0}[:,::1], {0}[:,::1])"
)


@kernel(_ENCODE.format("uint8"), _ENCODE.format("uint16"))
def encode(x, keys, indptr, scale, starts, first, codes, columns):
    """Write each value's bin: the number of cuts <= x. NaN gets the code after the last bin.

    Parameters
    ----------
    x : (rows, features), the bits of the values
    keys, indptr, scale, starts : see `index_cuts`
    first : the number of the first row
    codes : (all rows, features), output
    columns : (features, all rows), output: the same codes
    """
    low = np.empty(BLOCK, dtype=np.uint32)
    key = np.empty(BLOCK, dtype=np.int32)
    for top in range(0, x.shape[0], BLOCK):
        rows = np.uint32(min(BLOCK, x.shape[0] - top))
        block = x[top : top + rows]
        written = codes[first + top : first + top + rows]
        for f in range(x.shape[1]):
            table = keys[2 * indptr[f] : 2 * indptr[f + 1]]
            start = starts[f]
            lowest = scale[f, 0]
            highest = scale[f, 1]
            shift = np.uint32(scale[f, 2])
            missing = np.uint32(indptr[f + 1] - indptr[f] + 1)
            for i in range(rows):
                key[i] = key_of(block[i, f])
            for i in range(rows):
                inside = min(max(key[i], lowest), highest)
                low[i] = start[np.uint32(np.uint32(np.uint32(inside) - np.uint32(lowest)) >> shift)]
            # All rows take the same step at the same time: none waits for another, and no branch is guessed.
            rest = np.uint32(scale[f, 3])
            while rest > 0:
                half = np.uint32((rest + 1) >> 1)
                for i in range(rows):
                    here = np.uint32(low[i] + half)
                    low[i] = here if table[np.uint32(here - 1)] <= key[i] else low[i]
                rest = np.uint32(rest - half)
            out = columns[f, first + top : first + top + rows]
            for i in range(rows):
                absent = key[i] > INFINITY or key[i] < -INFINITY
                out[i] = missing if absent else low[i]
            for i in range(rows):
                written[i, f] = out[i]


@kernel("void(float32[:,::1], float64[::1], int64, float32[:,::1], float64[:,::1], int64[::1])")
def gather_columns(x, weights, first, values, held, counts):
    """Write the present values of some columns side by side.

    Parameters
    ----------
    x : (rows, all features)
    weights : (rows,) or (0,)
    first : the first feature to do
    values : (features to do, at least rows), output
    held : as `values`, or (features to do, 0), output: the weights of those values
    counts : (features to do,), output: how many values are present
    """
    width = values.shape[0]
    counts[:] = 0
    for left in range(0, width, LINE):
        right = min(left + LINE, width)
        for top in range(0, x.shape[0], BLOCK):
            block = x[top : top + BLOCK]
            for j in range(left, right):
                out = values[j]
                n = counts[j]
                if weights.size:
                    for i in range(block.shape[0]):
                        held[j, n] = weights[top + i]
                        value = block[i, first + j]
                        out[n] = value
                        n += value == value
                else:
                    for i in range(block.shape[0]):
                        value = block[i, first + j]
                        out[n] = value
                        n += value == value
                counts[j] = n


_COLUMNS = "void(float32[::1], int64[::1], float32[::1], int64[::1], int64, int64, {}[::1])"


@kernel(_COLUMNS.format("uint8"), _COLUMNS.format("uint16"))
def encode_entries(values, starts, cuts, indptr, first, last, codes):
    """Write the codes of the entries of some columns.

    Parameters
    ----------
    values : (entries,), column after column, none missing
    starts : (features + 1,), where the entries of a column start
    cuts, indptr : see `Cuts`
    first, last : the columns to do
    codes : (entries,), output
    """
    low = np.empty(BLOCK, dtype=np.uint32)
    for f in range(first, last):
        table = cuts[indptr[f] : indptr[f + 1]]
        for top in range(starts[f], starts[f + 1], BLOCK):
            block = values[top : min(top + BLOCK, starts[f + 1])]
            for i in range(block.size):
                low[i] = 0
            rest = np.uint32(table.size)
            while rest > 0:  # in step, as in `encode`
                half = np.uint32((rest + 1) >> 1)
                for i in range(block.size):
                    here = np.uint32(low[i] + half)
                    low[i] = here if table[np.uint32(here - 1)] <= block[i] else low[i]
                rest = np.uint32(rest - half)
            for i in range(block.size):
                codes[top + i] = low[i]


_BY_ROW = "void(int64[::1], uint32[::1], {}[::1], int64[::1], int64[::1], int64, int64, int32[::1])"


@kernel(_BY_ROW.format("uint8"), _BY_ROW.format("uint16"))
def entries_by_row(starts, rows, codes, offsets, indptr, first, last, bins):
    """Write the places in a histogram of the entries of some rows.

    Parameters
    ----------
    starts, rows, codes : the entries column by column, see `SparseBinnedMatrix`
    offsets : (features + 1,)
    indptr : (all rows + 1,), where the entries of a row start in `bins`
    first, last : the rows to do
    bins : (entries,), output
    """
    free = indptr[first:last].copy()
    for f in range(starts.size - 1):
        e = starts[f] + np.searchsorted(rows[starts[f] : starts[f + 1]], np.uint32(first))
        while e < starts[f + 1] and rows[e] < last:
            i = rows[e] - first
            bins[free[i]] = offsets[f] + codes[e]
            free[i] += 1
            e += 1

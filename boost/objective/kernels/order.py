"""Kernel: the rows of each group by falling value."""

from __future__ import annotations

import numpy as np

from boost.jit import kernel

# Groups up to this size are sorted by insertion.
FEW = 48
SIGN = np.uint64(1 << 63)


@kernel("void(float64[::1], int64[::1], int64, int64, int64[::1])")
def falling(values, bounds, first, last, order):
    """Sort the rows of some groups; equal values stay in their order.

    Parameters
    ----------
    values : (rows,), without NaN
    bounds : (groups + 1,), where the groups start
    first, last : the groups to sort
    order : (rows,), output: row numbers, group after group

    Notes
    -----
    O(rows): larger groups are sorted by the bytes of their values, from the last to the first, so that no
    branch is guessed wrongly. Bytes that all values share, as of values that were once float32, are skipped.
    """
    longest = 0
    for g in range(first, last):
        longest = max(longest, bounds[g + 1] - bounds[g])
    bits = values.view(np.uint64)
    key, other_key = np.empty(longest, np.uint64), np.empty(longest, np.uint64)
    row, other_row = np.empty(longest, np.int64), np.empty(longest, np.int64)
    count = np.empty((8, 256), np.int64)
    for g in range(first, last):
        begin = bounds[g]
        rows = bounds[g + 1] - begin
        for i in range(rows):
            b = bits[begin + i]
            # Small keys are large values; the two zeros are one.
            key[i] = b if b > SIGN else ~(b | SIGN)
            row[i] = begin + i
        if rows <= FEW:
            for i in range(1, rows):
                k, r = key[i], row[i]
                j = i
                while j > 0 and key[j - 1] > k:
                    key[j] = key[j - 1]
                    row[j] = row[j - 1]
                    j -= 1
                key[j] = k
                row[j] = r
        else:
            count[:] = 0
            for i in range(rows):
                for p in range(8):
                    count[p, (key[i] >> np.uint64(8 * p)) & np.uint64(255)] += 1
            for p in range(8):
                shift = np.uint64(8 * p)
                place = count[p]
                if place[(key[0] >> shift) & np.uint64(255)] == rows:
                    continue
                total = 0
                for b in range(256):
                    total, place[b] = total + place[b], total
                for i in range(rows):
                    b = (key[i] >> shift) & np.uint64(255)
                    other_key[place[b]] = key[i]
                    other_row[place[b]] = row[i]
                    place[b] += 1
                key, other_key = other_key, key
                row, other_row = other_row, row
        order[begin : begin + rows] = row[:rows]

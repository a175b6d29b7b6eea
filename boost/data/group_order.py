"""The kernel that sorts the rows of each query group by decreasing value."""

from __future__ import annotations

import numpy as np

from boost.jit import kernel

# Query groups of at most this many rows are sorted by insertion.
SMALL_GROUP = 48
SIGN = np.uint64(1 << 63)


@kernel("void(float64[::1], int64[::1], int64, int64, int64[::1])")
def sort_groups(values, bounds, first, last, order):
    """Sort the rows of each of a range of query groups by decreasing value; the sort is stable.

    Parameters
    ----------
    values : (rows,), without NaN
    bounds : (groups + 1,), where the groups start
    first, last : the range of groups to sort
    order : (rows,), output: row numbers, group after group

    Notes
    -----
    O(rows): larger groups are sorted by radix, byte by byte from the lowest on, without unpredictable
    branches. Bytes that all values of a group share, as in values converted from float32, are skipped.
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
            # Small keys are large values; both zeros have the same key.
            key[i] = b if b > SIGN else ~(b | SIGN)
            row[i] = begin + i
        if rows <= SMALL_GROUP:
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
                target = count[p]  # from the number of a byte's keys to where the next one goes
                if target[(key[0] >> shift) & np.uint64(255)] == rows:
                    continue
                total = 0
                for b in range(256):
                    total, target[b] = total + target[b], total
                for i in range(rows):
                    b = (key[i] >> shift) & np.uint64(255)
                    other_key[target[b]] = key[i]
                    other_row[target[b]] = row[i]
                    target[b] += 1
                key, other_key = other_key, key
                row, other_row = other_row, row
        for i in range(rows):  # assigning slices would compile Numba's code for broadcasting errors
            order[begin + i] = row[i]

"""The kernel that proposes where the columns of a tree may be split, from sorted entries."""

from __future__ import annotations

import numpy as np

from boost.grow.kernels.exact_scan import AHEAD, LOWER, UPPER
from boost.jit import kernel, prefetch


@kernel("int64(uint64[::1], float64[:,::1], int64, int64, int64, int64[:,::1])")
def propose(entries, pairs, begin, end, most, gaps):
    """Propose where a column may be split: at equal parts of its hessian. O(entries).

    Parameters
    ----------
    entries, pairs : see `scan`
    begin, end : the entries of the column
    most : a column with at most so many distinct values may be split between any two of them
    gaps : (most, 2), output: the keys of the values on both sides of each proposal

    Returns
    -------
    int
        The number of proposals, below `most`. Each is at the first change of value at or past a multiple of
        the sum of hessians over `most`.
    """
    spacing = 0.0
    for _ in range(2):
        count = 0
        goal = spacing
        sum_h = 0.0
        before = np.uint32(0)
        for k in range(begin, end):
            prefetch(pairs, np.int64((entries[np.uint64(k) + AHEAD] & LOWER) << np.uint64(1)))
            entry = entries[np.uint64(k)]
            row = entry & LOWER
            value = np.uint32(entry >> UPPER)
            if pairs[row, 0] == 0.0 and pairs[row, 1] == 0.0:
                continue
            if value != before and before != 0 and sum_h >= goal:
                if count < most:
                    gaps[count, 0] = before
                    gaps[count, 1] = value
                count += 1
                if spacing > 0.0:
                    goal = spacing * (np.floor(sum_h / spacing) + 1.0)
            sum_h += pairs[row, 1]
            before = value
        if count < most:
            return count
        spacing = sum_h / most
        if not spacing > 0.0:
            return 0
    return min(count, most - 1)

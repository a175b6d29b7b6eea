"""The kernel that proposes split candidates of a column for a tree, from sorted entries."""

from __future__ import annotations

import numpy as np

from boost.grow.kernels.exact_records import KEY_SHIFT, ROW_MASK
from boost.grow.kernels.exact_scan import AHEAD, no_weight
from boost.grow.kernels.records import HESS
from boost.jit import kernel, prefetch

# Columns of `gaps`: the keys of the values on both sides of a candidate.
GAP_LOW, GAP_HIGH = range(2)


@kernel("int64(uint64[::1], float64[:,::1], int64, int64, int64, int64[:,::1])", allocates=False)
def propose(entries, gpairs, begin, end, most, gaps):
    """Propose candidates for a column at equal fractions of its hessian. O(entries).

    Parameters
    ----------
    entries, gpairs : see `boost.grow.kernels.exact_records.Entries`
    begin, end : the range of the column in `entries`
    most : a column of at most this many distinct values has a candidate between any two of them
    gaps : (most, 2), output: see `GAP_LOW`

    Returns
    -------
    int
        The number of candidates, below `most`. Each is at the first change of value at or past a multiple of
        the sum of hessians over `most`.
    """
    spacing = 0.0
    for _ in range(2):
        count = 0
        goal = spacing
        sum_h = 0.0
        before = np.uint32(0)
        for k in range(begin, end):
            prefetch(gpairs, np.int64((entries[np.uint64(k) + AHEAD] & ROW_MASK) << np.uint64(1)))
            entry = entries[np.uint64(k)]
            row = entry & ROW_MASK
            value = np.uint32(entry >> KEY_SHIFT)
            if no_weight(gpairs, row):
                continue
            if value != before and before != 0 and sum_h >= goal:
                if count < most:
                    gaps[count, GAP_LOW] = before
                    gaps[count, GAP_HIGH] = value
                count += 1
                if spacing > 0.0:
                    goal = spacing * (np.floor(sum_h / spacing) + 1.0)
            sum_h += gpairs[row, HESS]
            before = value
        if count < most:
            return count
        spacing = sum_h / most
        if not spacing > 0.0:
            return 0
    return min(count, most - 1)

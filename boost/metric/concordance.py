"""The kernel that counts the row pairs of each query group that are ordered correctly."""

from __future__ import annotations

import numpy as np

from boost.jit import kernel


@kernel(allocates=False)
def _up_to(tree, level):
    """Return the sum of a Fenwick tree over its first `level` elements."""
    total = 0
    while level > 0:
        total += tree[level]
        level -= level & -level
    return total


@kernel("void(float64[::1], int64[::1], int64[::1], float64[::1])")
def concordance(score, level, bounds, out):
    """Write the fraction of each group's pairs of different levels that the scores order in the same way.

    Parameters
    ----------
    score : (rows,), decreasing in each group
    level : (rows,), from 0 to fewer than the group's rows
    bounds : (groups + 1,), where the groups start
    out : (groups,), output; equal scores count half; NaN for a group of one level

    Notes
    -----
    O(rows log rows): a Fenwick tree counts the visited rows of each level.
    """
    longest = 0
    for g in range(out.size):
        longest = max(longest, bounds[g + 1] - bounds[g])
    tree = np.empty(longest + 1, np.int64)
    count = np.empty(longest, np.int64)
    for g in range(out.size):
        begin, end = bounds[g], bounds[g + 1]
        rows = end - begin
        tree[: rows + 1] = 0
        count[:rows] = 0
        for i in range(begin, end):
            count[level[i]] += 1
        same = 0
        for k in range(rows):
            same += count[k] * (count[k] - 1) // 2
        pairs = rows * (rows - 1) // 2 - same
        count[:rows] = 0
        # Twice the number of pairs in the right order.
        right = 0
        first = begin
        while first < end:
            last = first
            while last < end and score[last] == score[first]:
                last += 1
            for i in range(first, last):
                # Rows of higher scores and levels are in the right order.
                right += 2 * (first - begin - _up_to(tree, level[i] + 1))
            for i in range(first, last):
                # Pairs of equal scores and different levels count half.
                right += i - first - count[level[i]]
                count[level[i]] += 1
            for i in range(first, last):
                count[level[i]] = 0
                at = level[i] + 1
                while at <= rows:
                    tree[at] += 1
                    at += at & -at
            first = last
        out[g] = right / (2.0 * pairs) if pairs else np.nan

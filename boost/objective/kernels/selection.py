"""Quantiles of groups of rows, by selection: no group is sorted."""

from __future__ import annotations

import numpy as np

from boost.jit import kernel

STEP, OFFSET = np.uint64(6364136223846793005), np.uint64(1442695040888963407)
HIGH = np.uint64(33)


@kernel()
def _pivot(values, count, seed):
    """Return the middle one of three of the first `count` values, and the next seed.

    They are drawn: for places that are fixed, some orders of the values take quadratic time.
    """
    seed = seed * STEP + OFFSET
    a = values[np.int64((seed >> HIGH) % np.uint64(count))]
    seed = seed * STEP + OFFSET
    b = values[np.int64((seed >> HIGH) % np.uint64(count))]
    seed = seed * STEP + OFFSET
    c = values[np.int64((seed >> HIGH) % np.uint64(count))]
    return max(min(a, b), min(max(a, b), c)), seed


@kernel()
def _select(values, spare, count, place):
    """Return the values of a rank and of the next one; both arrays are overwritten. O(count) on average.

    Values are copied, and the place of the next copy moves on or not: there is no branch to mispredict.
    """
    seed = np.uint64(count)
    above = np.inf  # the smallest value beyond those that are left
    while True:
        pivot, seed = _pivot(values, count, seed)
        less = 0
        for i in range(count):
            spare[less] = values[i]
            less += values[i] < pivot
        if place < less:
            values, spare, count, above = spare, values, less, pivot
            continue
        more = 0
        for i in range(count):
            spare[more] = values[i]
            more += values[i] > pivot
        equal = count - more
        if place >= equal:
            values, spare, count, place = spare, values, more, place - equal
            continue
        if place + 1 < equal:
            return pivot, pivot
        for i in range(more):
            above = min(above, spare[i])
        return pivot, above


@kernel()
def _select_weighted(values, spare, weight, spare_weight, count, level):
    """Return the first value, in rising order, up to which the weights reach their share.

    All arrays are overwritten. O(count) on average.
    """
    wanted = 0.0
    for i in range(count):
        wanted += weight[i]
    wanted *= level
    seed = np.uint64(count)
    while True:
        pivot, seed = _pivot(values, count, seed)
        less, below, same = 0, 0.0, 0.0
        for i in range(count):
            spare[less] = values[i]
            spare_weight[less] = weight[i]
            less += values[i] < pivot
            below += weight[i] if values[i] < pivot else 0.0
            same += weight[i] if values[i] == pivot else 0.0
        if less > 0 and below >= wanted:
            values, spare, weight, spare_weight, count = spare, values, spare_weight, weight, less
            continue
        more = 0
        for i in range(count):
            spare[more] = values[i]
            spare_weight[more] = weight[i]
            more += values[i] > pivot
        if more == 0 or below + same >= wanted:
            return pivot
        wanted -= below + same
        values, spare, weight, spare_weight, count = spare, values, spare_weight, weight, more


@kernel(
    "void(float64[::1], float64[::1], boolean, float64, uint32[::1], int64[::1], int64[::1], int64, int64, "
    "float64[::1])"
)
def group_quantiles(values, weight, even, level, rows, begins, ends, first, last, out):
    """Write the quantile of each group from `first` to `last`, without it; zero for a group of no weight.

    Parameters
    ----------
    values : (all rows,)
    weight : (all rows,) or (0,)
    even : whether all weights that are not zero are the same
    level : in (0, 1)
    rows : the rows, group after group
    begins, ends : (groups,), the ranges in `rows`
    first, last
    out : (groups,), output
    """
    longest = 0
    for g in range(first, last):
        longest = max(longest, ends[g] - begins[g])
    found, spare = np.empty(longest), np.empty(longest)
    share, spare_share = np.empty(0 if even else longest), np.empty(0 if even else longest)
    for g in range(first, last):
        count = 0
        for i in range(begins[g], ends[g]):
            row = rows[i]
            found[count] = values[row]
            if not even:
                share[count] = weight[row]
            count += 1 if weight.size == 0 else weight[row] > 0.0
        if count == 0:
            out[g] = 0.0
        elif not even:
            out[g] = _select_weighted(found, spare, share, spare_share, count, level)
        else:
            place = min(max(level * (count + 1) - 1.0, 0.0), count - 1.0)
            low, high = _select(found, spare, count, np.int64(place))
            part = place - np.int64(place)
            out[g] = low if part == 0.0 else low + part * (high - low)

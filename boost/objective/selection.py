"""The kernel of quantiles in ranges of rows: by selection (quickselect), without sorting."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from boost.jit import kernel

# A linear congruential generator modulo 2**64: its factor and increment, and the shift to its better bits.
STEP, OFFSET = np.uint64(6364136223846793005), np.uint64(1442695040888963407)
HIGH = np.uint64(33)


class RowRanges(NamedTuple):
    """Ranges of row numbers, such as those of the leaves of a tree.

    Attributes
    ----------
    rows : (rows,)
        Row numbers, range after range.
    begins, ends : (ranges,)
    """

    rows: NDArray[np.uint32]
    begins: NDArray[np.int64]
    ends: NDArray[np.int64]


@kernel(allocates=False)
def _pivot(values, count, seed):
    """Return the median of three of the first `count` values, and the next seed.

    The three are drawn at random: with fixed positions, some orders of the values take quadratic time.
    """
    seed = seed * STEP + OFFSET
    a = values[np.int64((seed >> HIGH) % np.uint64(count))]
    seed = seed * STEP + OFFSET
    b = values[np.int64((seed >> HIGH) % np.uint64(count))]
    seed = seed * STEP + OFFSET
    c = values[np.int64((seed >> HIGH) % np.uint64(count))]
    return max(min(a, b), min(max(a, b), c)), seed


@kernel(allocates=False)
def _select(values, spare, count, rank):
    """Return the values of a rank and of the next one; both arrays are overwritten. O(count) on average.

    Each value is copied, and the index of the next copy advances or not: there is no branch to mispredict.
    """
    seed = np.uint64(count)
    above = np.inf  # the smallest value above the remaining ones
    while True:
        pivot, seed = _pivot(values, count, seed)
        less = 0
        for i in range(count):
            spare[less] = values[i]
            less += values[i] < pivot
        if rank < less:
            values, spare, count, above = spare, values, less, pivot
            continue
        more = 0
        for i in range(count):
            spare[more] = values[i]
            more += values[i] > pivot
        equal = count - more
        if rank >= equal:
            values, spare, count, rank = spare, values, more, rank - equal
            continue
        if rank + 1 < equal:
            return pivot, pivot
        for i in range(more):
            above = min(above, spare[i])
        return pivot, above


@kernel(allocates=False)
def _select_weighted(values, spare, weight, spare_weight, count, level):
    """Return the first value, in increasing order, at which the cumulative weight reaches its share.

    All arrays are overwritten. O(count) on average.
    """
    target = 0.0
    for i in range(count):
        target += weight[i]
    target *= level
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
        if less > 0 and below >= target:
            values, spare, weight, spare_weight, count = spare, values, spare_weight, weight, less
            continue
        more = 0
        for i in range(count):
            spare[more] = values[i]
            spare_weight[more] = weight[i]
            more += values[i] > pivot
        if more == 0 or below + same >= target:
            return pivot
        target -= below + same
        values, spare, weight, spare_weight, count = spare, values, spare_weight, weight, more


@kernel(lazy=True)
def range_quantiles(values, weight, equal, level, ranges, first, last, out):
    """Write a quantile of the values in each range; zero for a range of zero weight.

    Parameters
    ----------
    values : (all rows,)
    weight : (all rows,), or (0,) for one each
    equal : whether all weights other than zero are equal
    level : in (0, 1)
    ranges : RowRanges
    first, last : the ranges to process
    out : (ranges,), output
    """
    rows, begins, ends = ranges.rows, ranges.begins, ranges.ends
    longest = 0
    for g in range(first, last):
        longest = max(longest, ends[g] - begins[g])
    chosen, spare = np.empty(longest), np.empty(longest)
    share, spare_share = np.empty(0 if equal else longest), np.empty(0 if equal else longest)
    for g in range(first, last):
        count = 0
        for i in range(begins[g], ends[g]):
            row = rows[i]
            chosen[count] = values[row]
            if not equal:
                share[count] = weight[row]
            count += 1 if weight.size == 0 else weight[row] > 0.0
        if count == 0:
            out[g] = 0.0
        elif not equal:
            out[g] = _select_weighted(chosen, spare, share, spare_share, count, level)
        else:
            position = min(max(level * (count + 1) - 1.0, 0.0), count - 1.0)
            low, high = _select(chosen, spare, count, np.int64(position))
            part = position - np.int64(position)
            out[g] = low if part == 0.0 else low + part * (high - low)

"""Kernels from rows to histograms: encode values, round gradients, sum gradient pairs by bin.

All sums are sums of integers below 2**53 that are held in float64, where they are exact: the order of
addition, and with it the number of threads, cannot change a bit of them.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from boost.jit import kernel

# Sums of rounded gradients stay below 2**53; one bit is left for the rounding of many small rows.
SUM_BITS = 52
# Rows that are encoded in step.
BLOCK = 256


@kernel(
    "void(float32[:,::1], float32[::1], int64[::1], uint8[:,::1])",
    "void(float32[:,::1], float32[::1], int64[::1], uint16[:,::1])",
)
def encode(x, cuts, indptr, codes):
    """Write each value's bin: the number of cuts <= x. NaN gets the code after the last bin.

    Arrow: x (rows, features) -> codes (rows, features).
    """
    low = np.empty(BLOCK, dtype=np.uint32)
    block = np.empty(BLOCK, dtype=np.float32)
    for first in range(0, x.shape[0], BLOCK):
        rows = min(BLOCK, x.shape[0] - first)
        for f in range(x.shape[1]):
            table = cuts[indptr[f] : indptr[f + 1]]
            for i in range(rows):
                low[i] = 0
                block[i] = x[first + i, f]
            rest = np.uint32(table.size)
            # All rows take the same step at the same time: none waits for another, and no branch is guessed.
            while rest > 0:
                half = np.uint32((rest + 1) >> 1)
                for i in range(rows):
                    here = np.uint32(low[i] + half)
                    low[i] = here if table[np.uint32(here - 1)] <= block[i] else low[i]
                rest = np.uint32(rest - half)
            for i in range(rows):
                codes[first + i, f] = low[i] if block[i] == block[i] else table.size + 1


@kernel("void(float64[:], float64[::1], float64, int64, float64[:,::1])")
def scale_and_round(values, weight, scale, column, pairs):
    """Write one column of the gradient pairs: round(weight * round(value * scale)).

    Rounding before weighting makes a row of weight k the same as k rows, to the bit.
    """
    if weight.size == 0:
        for i in range(values.size):
            pairs[i, column] = np.rint(values[i] * scale)
    else:
        for i in range(values.size):
            pairs[i, column] = np.rint(weight[i] * np.rint(values[i] * scale))


def power_of_two(total: float) -> float:
    """Return the largest power of two that keeps a sum of absolute values within `SUM_BITS` bits."""
    if not total > 0:
        return 1.0
    return math.ldexp(1.0, min(1000, SUM_BITS - math.frexp(total)[1]))


def round_gradients(
    grad: NDArray[np.float64],
    hess: NDArray[np.float64],
    weight: NDArray[np.float64],
    pairs: NDArray[np.float64],
) -> tuple[float, float]:
    """Scale gradients and hessians by powers of two, and round them to integers.

    Parameters
    ----------
    grad, hess : float64 arrays of shape (rows,)
    weight : float64 array of shape (rows,) or (0,)
        Of rows; an empty array means one each.
    pairs : float64 array of shape (rows, 2)
        Output.

    Returns
    -------
    (float, float)
        The factors on gradients and on hessians.
    """
    scales = []
    for column, values in enumerate((grad, hess)):
        size = np.abs(values)
        scale = power_of_two(float(np.dot(size, weight) if weight.size else size.sum()))
        scale_and_round(values, weight, scale, column, pairs)
        scales.append(scale)
    return scales[0], scales[1]


_FILL = (
    "void({0}[:,::1], float64[:,::1], uint32[::1], int64[::1], int64[::1], int64[:,::1], int64, int64,"
    " int32[::1], int64[::1], float64[:,:,::1], float64[:,:,::1])"
)


@kernel(_FILL.format("uint8"), _FILL.format("uint16"))
def fill(codes, pairs, rows, begins, ends, plan, first, last, features, offsets, parents, hist):
    """Make the histograms of some nodes, for some features. O(rows of the summed nodes * features).

    Parameters
    ----------
    codes : (rows, all features)
    pairs : (rows, 2)
    rows : row numbers, those of a node side by side
    begins, ends : (nodes,), each node's range in `rows`
    plan : (steps, 4), see `plan_level`
    first, last : the steps to do
    features : the features to do
    offsets : (all features + 1,)
    parents : (places, bins, 2), the histograms of the level above
    hist : (places, bins, 2), output
    """
    width = features.size
    # Unsigned places need no test for negative ones, which count from the end.
    start = np.empty(width, dtype=np.uint64)
    for j in range(width):
        start[j] = offsets[features[j]]
    lowest = features[0]
    side_by_side = features[width - 1] - lowest + 1 == width
    for step in range(first, last):
        place = plan[step, 1]
        table = hist[place]
        if plan[step, 2] >= 0:
            whole = parents[plan[step, 2]]
            other = hist[plan[step, 3]]
            for j in range(width):
                for b in range(offsets[features[j]], offsets[features[j] + 1]):
                    table[b, 0] = whole[b, 0] - other[b, 0]
                    table[b, 1] = whole[b, 1] - other[b, 1]
            continue
        for j in range(width):
            for b in range(offsets[features[j]], offsets[features[j] + 1]):
                table[b, 0] = 0.0
                table[b, 1] = 0.0
        n = plan[step, 0]
        if side_by_side:
            for r in range(begins[n], ends[n]):
                i = rows[r]
                g = pairs[i, 0]
                h = pairs[i, 1]
                for j in range(width):
                    b = start[j] + np.uint64(codes[i, np.uint64(lowest + j)])
                    table[b, 0] += g
                    table[b, 1] += h
        else:
            for r in range(begins[n], ends[n]):
                i = rows[r]
                g = pairs[i, 0]
                h = pairs[i, 1]
                for j in range(width):
                    b = start[j] + np.uint64(codes[i, np.uint64(features[j])])
                    table[b, 0] += g
                    table[b, 1] += h


@kernel(
    "int64(int64[::1], int64[::1], int32[::1], float64[:,::1], int64, int64, int64, float64, int64[::1],"
    " int64[:,::1])"
)
def plan_level(begins, ends, parent, sums, first, last, above, smallest, places, plan):
    """Decide how each node of a level gets its histogram, and return the number of steps.

    Parameters
    ----------
    begins, ends, parent : (nodes,)
    sums : (nodes, 5), see `find_splits`
    first, last : the nodes of the level; siblings are neighbours, the left one first
    above : first node of the level above, or negative where its histograms are not at hand
    smallest : a node whose hessian is below this has no split
    places : (nodes,); on entry, the places of the level above; on return, also those of this level, and -1
        for a node that needs no histogram
    plan : (steps, 4), output: the node, its place, and to subtract also the parent's place and that of the
        sibling; those two are negative for a node whose rows are to be summed
    """
    used = 0
    steps = 0
    for n in range(first, last):
        places[n] = -1
        if ends[n] - begins[n] > 1 and sums[n, 1] >= smallest:
            places[n] = used
            used += 1
    n = first
    while n < last:
        source = -1
        if above >= 0 and n + 1 < last:
            source = places[parent[n]]
        if source < 0:
            if places[n] >= 0:
                plan[steps, 0] = n
                plan[steps, 1] = places[n]
                plan[steps, 2] = -1
                plan[steps, 3] = -1
                steps += 1
            n += 1
            continue
        small = n
        large = n + 1
        if ends[large] - begins[large] < ends[small] - begins[small]:
            small, large = large, small
        if places[small] >= 0 or places[large] >= 0:
            if places[small] < 0 and 2 * (ends[small] - begins[small]) < ends[large] - begins[large]:
                # Not to be split itself, but the quickest way to its sibling's histogram.
                places[small] = used
                used += 1
            if places[small] >= 0:
                plan[steps, 0] = small
                plan[steps, 1] = places[small]
                plan[steps, 2] = -1
                plan[steps, 3] = -1
                steps += 1
            if places[large] >= 0:
                plan[steps, 0] = large
                plan[steps, 1] = places[large]
                plan[steps, 2] = source if places[small] >= 0 else -1
                plan[steps, 3] = places[small]
                steps += 1
        n += 2
    return steps

"""Gradients of the pairwise ranking loss."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from boost.jit import kernel

Floats = NDArray[np.float64]
# A row further below the best of its segment counts as this far below: exp(-700) is not yet an underflow.
LONGEST = 700.0
TINY = 1e-16


@kernel(
    "void(float64[::1], float64[::1], float64[::1], int64[::1], int64[::1], float64[::1], float64[::1])",
    fastmath={"reassoc", "contract"},
)
def sum_pairs(margin, label, weight, order, bounds, grad, hess):
    """Write each row's mean derivatives over the rows of its segment that have another label.

    Parameters
    ----------
    margin, label : (rows,)
    weight : (rows,), how much a row counts as the partner of others
    order : (rows,), row numbers, segment after segment, in each by falling label
    bounds : (segments + 1,), where the segments start
    grad, hess : (rows,), output

    Notes
    -----
    O(pairs). With p = exp(margin), the chance that j ranks above i is p_j / (p_i + p_j): one division a pair
    and no exponential. The derivatives of a pair are that chance c (with opposite signs) and c (1 - c) for
    both.
    """
    longest = 0
    for s in range(bounds.size - 1):
        longest = max(longest, bounds[s + 1] - bounds[s])
    power = np.empty(longest)
    share = np.empty(longest)
    g = np.empty(longest)
    h = np.empty(longest)
    for s in range(bounds.size - 1):
        begin = bounds[s]
        rows = bounds[s + 1] - begin
        highest = margin[order[begin]]
        for i in range(rows):
            highest = max(highest, margin[order[begin + i]])
        total = 0.0
        for i in range(rows):
            row = order[begin + i]
            power[i] = math.exp(max(margin[row] - highest, -LONGEST))
            share[i] = weight[row]
            total += share[i]
            g[i] = 0.0
            h[i] = 0.0
        first = 0
        while first < rows:
            # Rows first to last - 1 have the same label; all that come after have a lower one.
            tied = 0.0
            last = first
            while last < rows and label[order[begin + last]] == label[order[begin + first]]:
                tied += share[last]
                last += 1
            lower = rows - last
            # Counted from zero, the loop over them can be vectorised.
            powers, shares, below_g, below_h = power[last:rows], share[last:rows], g[last:rows], h[last:rows]
            for i in range(first, last):
                mine = power[i]
                own = share[i]
                sum_g = 0.0
                sum_h = 0.0
                for j in range(lower):
                    chance = powers[j] / (mine + powers[j])
                    spread = chance - chance * chance
                    sum_g += shares[j] * chance
                    sum_h += shares[j] * spread
                    below_g[j] += own * chance
                    below_h[j] += own * spread
                row = order[begin + i]
                scale = 1.0 / (total - tied) if total > tied else 0.0
                grad[row] = (g[i] - sum_g) * scale
                hess[row] = max(2.0 * (h[i] + sum_h) * scale, TINY)
            first = last


def segments(
    label: Floats, bounds: NDArray[np.int64], most: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cut groups into segments of at most `most` rows, drawn by chance, and sort each by falling label.

    Parameters
    ----------
    label : float64 array of shape (rows,)
    bounds : int64 array of shape (groups + 1,)
        Where the groups start; their rows are neighbours.
    most : int

    Returns
    -------
    order, bounds : int64 arrays of shapes (rows,) and (segments + 1,)
    """
    sizes = np.diff(bounds)
    parts = -(-sizes // most)
    if not (parts > 1).any():
        order = np.lexsort((-label, np.repeat(np.arange(sizes.size), sizes)))
        return order.astype(np.int64), bounds
    shuffled = np.arange(label.size)
    pieces = []
    for begin, size, count in zip(bounds[:-1].tolist(), sizes.tolist(), parts.tolist(), strict=True):
        if count > 1:
            shuffled[begin : begin + size] = begin + rng.permutation(size)
        pieces.append(begin + np.arange(count) * size // count)
    starts = np.append(np.concatenate(pieces), label.size).astype(np.int64)
    place = np.repeat(np.arange(starts.size - 1), np.diff(starts))
    return shuffled[np.lexsort((-label[shuffled], place))].astype(np.int64), starts

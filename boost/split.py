"""The kernel that finds the best split of each node from its histogram."""

from __future__ import annotations

import numpy as np

from boost.jit import kernel

NOISE = 1e-10


@kernel()
def score(g, h, alpha, reg_lambda):
    """Structure score of a leaf without the factor 1/2: T(g)**2 / (h + lambda) with T the soft threshold."""
    over = max(abs(g) - alpha, 0.0)
    return over * over / (h + reg_lambda) if over > 0.0 else 0.0


@kernel()
def beats(left_g, left_h, right_g, right_h, alpha, reg_lambda, best):
    """Return the sum of the scores of two children when it is above `best`, or else `best`.

    The usual answer is no, and costs no division: a / b + c / d > best asks whether a d + c b > best b d.
    Rounding may say yes to an equal, so the division decides. Swapping left and right does not change a bit
    of it.
    """
    over_left = max(abs(left_g) - alpha, 0.0)
    over_right = max(abs(right_g) - alpha, 0.0)
    left_bottom = left_h + reg_lambda
    right_bottom = right_h + reg_lambda
    top = over_left * over_left * right_bottom + over_right * over_right * left_bottom
    bottom = left_bottom * right_bottom
    if top > best * bottom:
        return max(best, top / bottom)
    return best


@kernel(
    "void(float64[:,:,::1], int64[::1], int64, int64, int32[::1], int64[::1], float64[::1], float64[:,::1],"
    " int64[:,::1])"
)
def find_splits(hist, places, first, last, features, offsets, limits, sums, found):
    """Find the best split of each node. O(nodes * bins).

    Parameters
    ----------
    hist : (places, bins, 2)
    places : (nodes,), each node's place in `hist`; negative for a node that is not to be split
    first, last : the range of nodes to do
    features : the allowed features, increasing
    offsets : (all features + 1,)
    limits : alpha, lambda, min_child_weight and the smallest gain, in the units of the rounded sums
    sums : (nodes, 5); columns 0 and 1 hold the node's own sums on entry; on return column 2 holds the gain
        (0 for no split) and columns 3 and 4 the sums of the left child
    found : (nodes, 3), output: feature, bin, and whether missing values go left

    Notes
    -----
    A split at bin b sends the bins <= b to the left. Missing values go right in the first scan, and left in
    the second, which only a feature with missing values in this node needs (XGBoost paper, algorithm 3).
    Of equal gains, the first one found stands: the lower feature, then the lower bin. An empty bin changes no
    sum, so it never beats the bin before it and needs no test of its own.
    """
    alpha = limits[0]
    reg_lambda = limits[1]
    smallest = limits[2]
    for n in range(first, last):
        place = places[n]
        sums[n, 2] = 0.0
        if place < 0:
            continue
        table = hist[place]
        total_g = sums[n, 0]
        total_h = sums[n, 1]
        parent = score(total_g, total_h, alpha, reg_lambda)
        best = parent
        for j in range(features.size):
            f = features[j]
            begin = offsets[f]
            last = offsets[f + 1] - 1  # the bin of missing values
            missing = table[last, 0] != 0.0 or table[last, 1] != 0.0
            left_g = 0.0
            left_h = 0.0
            # With every present value on the left, there is something on the right only if some are missing.
            for b in range(begin, last if missing else last - 1):
                left_g += table[np.uint64(b), 0]
                left_h += table[np.uint64(b), 1]
                right_h = total_h - left_h
                if right_h < smallest or right_h <= 0.0:
                    break
                if left_h < smallest or left_h <= 0.0:
                    continue
                value = beats(left_g, left_h, total_g - left_g, right_h, alpha, reg_lambda, best)
                if value > best:
                    best = value
                    sums[n, 3] = left_g
                    sums[n, 4] = left_h
                    found[n, 0] = f
                    found[n, 1] = b - begin
                    found[n, 2] = 0
            if not missing:
                continue
            right_g = 0.0
            right_h = 0.0
            for b in range(last - 1, begin, -1):
                right_g += table[np.uint64(b), 0]
                right_h += table[np.uint64(b), 1]
                left_h = total_h - right_h
                if left_h < smallest or left_h <= 0.0:
                    break
                if right_h < smallest or right_h <= 0.0:
                    continue
                left_g = total_g - right_g
                value = beats(left_g, left_h, right_g, right_h, alpha, reg_lambda, best)
                if value > best:
                    best = value
                    sums[n, 3] = left_g
                    sums[n, 4] = left_h
                    found[n, 0] = f
                    found[n, 1] = b - 1 - begin
                    found[n, 2] = 1
        gain = best - parent
        # A gain that is nothing but the rounding of the scores is none.
        if gain > NOISE * best and gain >= limits[3]:
            sums[n, 2] = gain

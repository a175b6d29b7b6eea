"""The kernel that computes areas under ROC and precision-recall curves."""

from __future__ import annotations

import math

import numpy as np

from boost.jit import kernel


@kernel(
    "void(float64[::1], float64[::1], float64[::1], int64[::1], int64[::1], boolean, float64[::1])",
    allocates=False,
)
def areas(score, ones, zeros, order, bounds, recall, area):
    """Write the area under the ROC curve or the precision-recall curve of each group.

    Parameters
    ----------
    score : (rows,)
    ones, zeros : (rows,), the weight of each row that has label 1, and label 0
    order : (rows,), row numbers, group after group, in each by decreasing score
    bounds : (groups + 1,), where the groups start
    recall : whether to compute the area under the precision-recall curve
    area : (groups,), output; NaN for a group of one class

    Notes
    -----
    Rows of equal scores are one step of the curve. Within a step, the number of zeros is linear in the number
    h of ones, slope h + offset. So the precision h / ((1 + slope) h + offset) is not linear, and its integral
    has a closed form.
    """
    for g in range(area.size):
        hits, misses, total = 0.0, 0.0, 0.0
        at = bounds[g]
        while at < bounds[g + 1]:
            step = score[order[at]]
            hit, miss = 0.0, 0.0
            while at < bounds[g + 1] and score[order[at]] == step:
                hit += ones[order[at]]
                miss += zeros[order[at]]
                at += 1
            if not recall:
                total += miss * (hits + 0.5 * hit)
            elif hit > 0.0:
                slope = miss / hit
                offset = misses - slope * hits
                part = hit
                if offset != 0.0:
                    passed = hits + misses
                    part -= offset / (1.0 + slope) * math.log((passed + hit + miss) / passed)
                total += part / (1.0 + slope)
            hits += hit
            misses += miss
        whole = hits if recall else hits * misses
        area[g] = total / whole if hits > 0.0 and misses > 0.0 else np.nan

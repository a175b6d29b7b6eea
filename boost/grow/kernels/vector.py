"""The kernels of leaves that hold a value for each output: their histograms, and their splits."""

from __future__ import annotations

import numpy as np

from boost.grow.kernels.score import ALPHA, LAMBDA, LEAST, score
from boost.grow.kernels.split import decide
from boost.jit import kernel


@kernel(lazy=True)
def fill_vectors(codes, pairs, rows, parts, first, last, features, offsets, hist):
    """Do what `fill` does for several outputs: `pairs` and `hist` end with 2 * outputs."""
    width = pairs.shape[1]
    for p in range(first, last):
        table = hist[parts[p, 3]]
        for j in range(features.size):
            table[offsets[features[j]] : offsets[features[j] + 1]] = 0.0
        for r in range(parts[p, 1], parts[p, 2]):
            i = rows[r]
            pair = pairs[i]
            for j in range(features.size):
                entry = table[offsets[features[j]] + codes[i, features[j]]]
                for k in range(width):
                    entry[k] += pair[k]


@kernel(lazy=True)
def find_vector_splits(hist, nodes, level, first, last, features, limits):
    """Do what `boost.grow.kernels.split.find_splits` does for leaves that hold a value for each output.

    Scores add up over outputs. `hist` has 2 * outputs in place of 2: gradient and hessian of each output. A
    child's hessian is the mean over the outputs. Features are numerical and nothing is bounded.
    """
    plan, sums, left_sums = nodes.plan, nodes.sums, nodes.left_sums
    gains, found = nodes.gains, nodes.found
    offsets, allowed = features.offsets, features.allowed
    width = sums.shape[1]
    alpha = limits[ALPHA]
    reg_lambda = limits[LAMBDA]
    least = limits[LEAST] * (width // 2)
    left = np.empty(width)
    present = np.empty(width)
    for n in range(first, last):
        gains[n] = 0.0
        if plan[n, 0] < 0:
            continue
        table = hist[plan[n, 0]]
        whole = plan[n, 1] < 0
        other = hist[plan[n, 0] if whole else plan[n, 1]]
        parent = 0.0
        for k in range(0, width, 2):
            parent += score(sums[n, k], sums[n, k + 1], alpha, reg_lambda)
        best = parent
        mask = min(n - level, allowed.shape[0] - 1)
        for j in range(features.chosen.size):
            f = features.chosen[j]
            begin = offsets[f]
            end = offsets[f + 1] - 1
            if not whole:
                for b in range(begin, end):
                    for k in range(width):
                        table[b, k] -= other[b, k]
            if plan[n, 2] == 0 or (mask >= 0 and allowed[mask, f] == 0):
                continue
            for k in range(width):
                present[k] = 0.0
            for b in range(begin, end):
                for k in range(width):
                    present[k] += table[b, k]
            missing = False
            for k in range(width):
                missing = missing or present[k] != sums[n, k]
            for side in range(2 if missing else 1):
                for k in range(width):
                    left[k] = sums[n, k] - present[k] if side else 0.0
                for b in range(begin, end):
                    left_h = right_h = value = 0.0
                    for k in range(width):
                        left[k] += table[b, k]
                    for k in range(0, width, 2):
                        left_h += left[k + 1]
                        right_h += sums[n, k + 1] - left[k + 1]
                    if left_h < least or right_h < least:
                        continue
                    for k in range(0, width, 2):
                        value += score(left[k], left[k + 1], alpha, reg_lambda)
                        value += score(sums[n, k] - left[k], sums[n, k + 1] - left[k + 1], alpha, reg_lambda)
                    if value > best:
                        best = value
                        for k in range(width):
                            left_sums[n, k] = left[k]
                        found[n, 0] = f
                        found[n, 1] = b - begin
                        found[n, 2] = side
        if plan[n, 2] != 0:
            decide(nodes, n, best, parent, limits)

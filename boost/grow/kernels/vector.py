"""The kernels of leaves that hold a value for each output: their histograms, and their splits."""

from __future__ import annotations

import numpy as np

from boost.grow.kernels.records import (
    BIN,
    FEATURE,
    HESS,
    MISSING_LEFT,
    NO_SEARCH,
    RANGE_BEGIN,
    RANGE_END,
    RANGE_SLOT,
    SEARCH,
    SLOT,
    SUBTRAHEND,
)
from boost.grow.kernels.score import ALPHA, LAMBDA, LEAST, score, score_of_weight, weigh
from boost.grow.kernels.split import decide
from boost.jit import by_type, field_type, is_none, kernel


@kernel(lazy=True, allocates=False)
def fill_vectors(codes, gpairs, order, ranges, first, last, features, hist):
    """Do what `boost.grow.kernels.histogram.fill` does for several outputs: two columns for each of them."""
    chosen, offsets = features.chosen, features.offsets
    width = gpairs.shape[1]
    for p in range(first, last):
        table = hist[ranges[p, RANGE_SLOT]]
        for j in range(chosen.size):
            for b in range(offsets[chosen[j]], offsets[chosen[j] + 1]):
                for k in range(width):
                    table[b, k] = 0.0
        for r in range(ranges[p, RANGE_BEGIN], ranges[p, RANGE_END]):
            i = order[r]
            gpair = gpairs[i]
            for j in range(chosen.size):
                entry = table[offsets[chosen[j]] + codes[i, chosen[j]]]
                for k in range(width):
                    entry[k] += gpair[k]


@kernel(allocates=False)
def _free_score(nodes, g, h, alpha, reg_lambda, limits):
    return score(g, h, alpha, reg_lambda)


@kernel(allocates=False)
def _limited_score(nodes, g, h, alpha, reg_lambda, limits):
    return score_of_weight(g, h, weigh(g, h, limits, -np.inf, np.inf), limits)


@by_type
def output_score(nodes, g, h, alpha, reg_lambda, limits):
    """Return the score of one output of a leaf, whose weight `max_delta_step` may limit."""
    return _free_score if is_none(field_type(nodes, "bounds")) else _limited_score


@kernel(lazy=True, allocates=False)
def find_vector_splits(state, left, present, level, first, last):
    """Do what `boost.grow.kernels.split.find_splits` does for leaves that hold a value for each output.

    Scores add up over outputs. A child's hessian is the mean over the outputs. Features are numerical and
    have no direction.

    Parameters
    ----------
    state : TreeState
    left, present : (2 * outputs,), overwritten
    level : the first node of the level
    first, last : the range of nodes to do
    """
    nodes, limits, hist = state.nodes, state.limits, state.hist
    plan, sums, left_sums = nodes.plan, nodes.sums, nodes.left_sums
    gains, splits = nodes.gains, nodes.splits
    chosen, offsets, allowed = state.features.chosen, state.features.offsets, state.features.allowed
    width = sums.shape[1]
    alpha = limits[ALPHA]
    reg_lambda = limits[LAMBDA]
    least = limits[LEAST] * (width // 2)
    for n in range(first, last):
        gains[n] = 0.0
        if plan[n, SLOT] < 0:
            continue
        table = hist[plan[n, SLOT]]
        whole = plan[n, SUBTRAHEND] < 0
        other = hist[plan[n, SLOT] if whole else plan[n, SUBTRAHEND]]
        parent = 0.0
        for k in range(0, width, 2):
            parent += output_score(nodes, sums[n, k], sums[n, k + HESS], alpha, reg_lambda, limits)
        best = parent
        mask = n - level
        if mask >= allowed.shape[0]:
            mask = allowed.shape[0] - 1
        for j in range(chosen.size):
            f = chosen[j]
            begin = offsets[f]
            end = offsets[f + 1] - 1
            if not whole:
                for b in range(begin, end):
                    for k in range(width):
                        table[b, k] -= other[b, k]
            if plan[n, SEARCH] == NO_SEARCH or (mask >= 0 and allowed[mask, f] == 0):
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
                        left_h += left[k + HESS]
                        right_h += sums[n, k + HESS] - left[k + HESS]
                    if left_h < least or right_h < least:
                        continue
                    for k in range(0, width, 2):
                        right_g, right_k = sums[n, k] - left[k], sums[n, k + HESS] - left[k + HESS]
                        value += output_score(nodes, left[k], left[k + HESS], alpha, reg_lambda, limits)
                        value += output_score(nodes, right_g, right_k, alpha, reg_lambda, limits)
                    if value > best:
                        best = value
                        for k in range(width):
                            left_sums[n, k] = left[k]
                        splits[n, FEATURE] = f
                        splits[n, BIN] = b - begin
                        splits[n, MISSING_LEFT] = side
        if plan[n, SEARCH] != NO_SEARCH:
            decide(nodes, n, best, parent, limits)

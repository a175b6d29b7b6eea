"""The kernels that find the best split of a node by a categorical feature."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from boost.grow.kernels.partition import bounds_of
from boost.grow.kernels.records import (
    BIN,
    BY_CATEGORIES,
    FEATURE,
    GRAD,
    HESS,
    MISSING_LEFT,
)
from boost.grow.kernels.score import (
    LEAST,
    MOST_CATEGORIES,
    ONE_HOT,
    SET_LAMBDA,
    SET_LEAST,
    SMOOTH,
    bounded_scores,
    weigh,
)
from boost.jit import by_type, field_type, is_none, kernel

BITS = 64  # of a word of a set


class Sums(NamedTuple):
    """Sums of gradients and hessians."""

    g: float
    h: float


@kernel(allocates=False)
def order_categories(run, table, begin, bins, nodes, n, limits):
    """Write the categories that occur in a node, by the rising weight of a leaf of their own, then by number.

    A category too light for a leaf of its own (`min_child_weight`) has weight 0, as in XGBoost. Ordered by
    the weight of their few rows, such categories would fill the ends of the order, where the sets begin.
    With `SMOOTH`, each category has so much more hessian of the node's gradient ratio, so that the categories
    of few rows are near the node's weight, and the lightest ones at it. With `SET_LEAST`, categories below it
    are not ordered: they go left, like those that do not occur.

    Parameters
    ----------
    run : Run
        Its `number` is output: the categories in order. So are `above_g`, the weight of each, and `above_h`,
        how many categories of lower numbers do not occur. `spare` is overwritten.
    table : (bins, 2), a histogram
    begin, bins : the range of the feature
    nodes, n : NodeArrays, and the node
    limits : (LIMITS,), the split parameters

    Returns
    -------
    (used, absent, light)
        How many categories are ordered, how many do not occur (0 with `SET_LEAST`), and the weight of those.
    """
    weight, absent_below, order, merged = run.above_g, run.above_h, run.number, run.spare
    used = absent = 0
    least = limits[SET_LEAST]
    more_h = limits[SMOOTH]
    more_g = more_h * (nodes.sums[n, GRAD] / nodes.sums[n, HESS]) if more_h > 0.0 else 0.0
    light = weigh(more_g, more_h, limits, -np.inf, np.inf)
    for c in range(bins):
        g = table[begin + c, GRAD]
        h = table[begin + c, HESS]
        if least > 0.0 and h < least:
            continue
        if g != 0.0 or h != 0.0:
            order[used] = c
            used += 1
            absent_below[c] = absent
            heavy = least > 0.0 or h >= limits[LEAST]
            weight[c] = weigh(g + more_g, h + more_h, limits, -np.inf, np.inf) if heavy else light
        else:
            absent += 1
    width = 1
    while width < used:  # merge neighbouring runs of this width; equal weights keep their order
        for left in range(0, used, 2 * width):
            middle = left + width
            end = middle + width
            if middle > used:
                middle = used
            if end > used:
                end = used
            i = left
            j = middle
            for k in range(left, end):
                if i < middle and (j >= end or not weight[order[j]] < weight[order[i]]):
                    merged[k] = order[i]
                    i += 1
                else:
                    merged[k] = order[j]
                    j += 1
        for k in range(used):
            order[k] = merged[k]
        width *= 2
    return used, absent, light


@kernel(allocates=False)
def try_set(right, missing, nodes, n, limits, ridge, best):
    """Try a set of categories on the right, with missing values on the left, then on the right.

    Parameters
    ----------
    right, missing : Sums
        Of the set, and of the node's rows without a category.
    ridge : what is added to `LAMBDA`
    best : the sum of scores to beat

    Returns
    -------
    (best sum of scores, whether missing values go left, left sums): -1 when nothing beats `best`.
    """
    side = np.int64(-1)
    at_g = at_h = 0.0
    lower, upper = bounds_of(nodes, n)
    for missing_right in range(2 if missing.g != 0.0 or missing.h != 0.0 else 1):
        right_g = right.g + (missing.g if missing_right else 0.0)
        right_h = right.h + (missing.h if missing_right else 0.0)
        left_g = nodes.sums[n, GRAD] - right_g
        left_h = nodes.sums[n, HESS] - right_h
        if left_h < limits[LEAST] or right_h < limits[LEAST]:
            continue
        value = bounded_scores(left_g, left_h + ridge, right_g, right_h + ridge, limits, lower, upper, 0.0)
        if value > best:
            best = value
            side = np.int64(1 - missing_right)
            at_g = left_g
            at_h = left_h
    return best, side, at_g, at_h


@kernel(allocates=False)
def scan_categories(run, table, begin, bins, n, nodes, limits, best):
    """Try the splits of node `n` by a categorical feature.

    Few categories (`ONE_HOT`): each against the rest. More: the best partition of all is one of those that
    cut the order by weight in two (Fisher, "On grouping for maximum homogeneity", 1958); the smaller side, of
    at most `MOST_CATEGORIES`, is the set that goes right. As in XGBoost, categories that do not occur are in
    the order, at the weight of the light ones: what they take of a set's room is not left for light ones.

    Returns
    -------
    (best sum of scores, set, whether missing values go left, left sums): the set is a category, or, above
    zero, 1 + the number of categories from the low end, or, below, minus that from the high end. Whether
    missing values go left is -1 when nothing beats `best`.
    """
    present_g = present_h = 0.0
    for c in range(bins):
        present_g += table[begin + c, GRAD]
        present_h += table[begin + c, HESS]
    missing = Sums(nodes.sums[n, GRAD] - present_g, nodes.sums[n, HESS] - present_h)
    chosen = np.int64(0)
    missing_left = np.int64(-1)
    at_g = at_h = 0.0
    # One against the rest is a split like that of a number.
    if bins < limits[ONE_HOT]:
        for c in range(bins):
            right = Sums(table[begin + c, GRAD], table[begin + c, HESS])
            value, side, left_g, left_h = try_set(right, missing, nodes, n, limits, 0.0, best)
            if side >= 0:
                best, chosen, missing_left, at_g, at_h = value, c, side, left_g, left_h
        return best, chosen, missing_left, at_g, at_h
    used, absent, light = order_categories(run, table, begin, bins, nodes, n, limits)
    ridge = limits[SET_LAMBDA]
    most = np.int64(limits[MOST_CATEGORIES])
    for end in range(2):
        g = h = 0.0
        for i in range(used):
            c = run.number[used - 1 - i if end else i]
            size = i + 1
            if run.above_g[c] == light:
                below = np.int64(run.above_h[c])
                size += absent - below if end else below
            elif (run.above_g[c] > light) == (end == 0):
                size += absent
            if size > most:
                break
            g += table[begin + c, GRAD]
            h += table[begin + c, HESS]
            value, side, left_g, left_h = try_set(Sums(g, h), missing, nodes, n, limits, ridge, best)
            if side >= 0:
                best, chosen, missing_left = value, -(i + 1) if end else i + 1, side
                at_g, at_h = left_g, left_h
    return best, chosen, missing_left, at_g, at_h


@kernel(allocates=False)
def mark_categories(run, table, begin, bins, nodes, n, chosen, limits):
    """Set the bits of the categories of the set that `scan_categories` returned."""
    words = nodes.sets[n]
    for w in range(words.size):
        words[w] = 0
    if bins < limits[ONE_HOT]:
        words[chosen >> 6] |= np.uint64(1) << np.uint64(chosen & (BITS - 1))
        return
    used, _, _ = order_categories(run, table, begin, bins, nodes, n, limits)
    for i in range(abs(chosen)):
        c = run.number[i] if chosen > 0 else run.number[used - 1 - i]
        words[c >> 6] |= np.uint64(1) << np.uint64(c & (BITS - 1))


@kernel(allocates=False)
def _numerical(features, feature):
    return False


@kernel(allocates=False)
def _any_kind(features, feature):
    return features.categorical[feature] != 0


@by_type
def is_categorical(features, feature):
    """Return whether a feature is categorical."""
    return _numerical if is_none(field_type(features, "categorical")) else _any_kind


@kernel(allocates=False)
def _no_categories(state, run, table, begin, f, n, best):
    return best


@kernel(allocates=False)
def _categories(state, run, table, begin, f, n, best):
    nodes, limits, offsets = state.nodes, state.limits, state.features.offsets
    bins = offsets[f + 1] - offsets[f] - 1
    value, chosen, side, left_g, left_h = scan_categories(run, table, begin, bins, n, nodes, limits, best)
    if side < 0:
        return best
    keep(nodes, n, f, BY_CATEGORIES, side, left_g, left_h)
    mark_categories(run, table, begin, bins, nodes, n, chosen, limits)
    return value


@by_type
def try_categories(state, run, table, begin, f, n, best):
    """Try the splits of node `n` by a categorical feature, whose bins start at `begin` in the histogram.

    The best split so far is kept in `state.nodes`.

    Returns
    -------
    float
        Its sum of scores.
    """
    return _no_categories if is_none(field_type(state, "features", "categorical")) else _categories


@kernel(allocates=False)
def keep(nodes, n, feature, at, side, left_g, left_h):
    """Write down the best split of a node so far."""
    nodes.left_sums[n, GRAD] = left_g
    nodes.left_sums[n, HESS] = left_h
    nodes.splits[n, FEATURE] = feature
    nodes.splits[n, BIN] = at
    nodes.splits[n, MISSING_LEFT] = side

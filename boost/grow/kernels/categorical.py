"""The kernels that find the best split of a node by a categorical feature."""

from __future__ import annotations

import numpy as np

from boost.grow.kernels.score import LAMBDA, LEAST, MOST_CATEGORIES, ONE_HOT, bounded_scores
from boost.jit import kernel


@kernel()
def order_categories(table, begin, bins, reg_lambda):
    """Return the categories that occur in a node, by rising g / (h + lambda), then by number."""
    number = np.empty(bins, dtype=np.int64)
    used = 0
    for c in range(bins):
        if table[begin + c, 0] != 0.0 or table[begin + c, 1] != 0.0:
            number[used] = c
            used += 1
    ratio = np.empty(used)
    for i in range(used):
        c = begin + number[i]
        bottom = table[c, 1] + reg_lambda
        ratio[i] = table[c, 0] / bottom if bottom > 0.0 else 0.0
    order = np.argsort(ratio, kind="mergesort")
    out = np.empty(used, dtype=np.int64)
    for i in range(used):
        out[i] = number[order[i]]
    return out


@kernel()
def try_categories(right_g, right_h, miss_g, miss_h, total_g, total_h, limits, best, node):
    """Try a set of categories on the right, with missing values on the left, then on the right.

    Returns the best sum of scores, whether missing values go left (-1 when nothing beats `best`), and the
    left sums.
    """
    found = -1
    at_g = at_h = 0.0
    lower = node[0] if node.size else -np.inf
    upper = node[1] if node.size else np.inf
    for side in range(2 if miss_g != 0.0 or miss_h != 0.0 else 1):
        other_g = right_g + (miss_g if side else 0.0)
        other_h = right_h + (miss_h if side else 0.0)
        left_g = total_g - other_g
        left_h = total_h - other_h
        if left_h < limits[LEAST] or other_h < limits[LEAST]:
            continue
        value = bounded_scores(left_g, left_h, other_g, other_h, limits, lower, upper, 0.0)
        if value > best:
            best = value
            found = 1 - side
            at_g = left_g
            at_h = left_h
    return best, found, at_g, at_h


@kernel()
def scan_categories(table, begin, bins, total_g, total_h, limits, best, node):
    """Try the splits of a categorical feature.

    Few categories (`ONE_HOT`): each against the rest. More: the best partition of all is one of those that
    cut the order by g / (h + lambda) in two (Fisher, "On grouping for maximum homogeneity", 1958); the
    smaller side, of at most `MOST_CATEGORIES`, is the set that goes right.

    Returns
    -------
    (best sum of scores, set, whether missing values go left, left sums): the set is a category, or, above
    zero, 1 + the number of categories from the low end, or, below, minus that from the high end; `bins` and
    more is never reached. Whether missing values go left is -1 when nothing beats `best`.
    """
    present_g = present_h = 0.0
    for c in range(bins):
        present_g += table[begin + c, 0]
        present_h += table[begin + c, 1]
    miss_g = total_g - present_g
    miss_h = total_h - present_h
    at = 0
    absent_left = -1
    at_g = at_h = 0.0
    if bins < limits[ONE_HOT]:
        for c in range(bins):
            g = table[begin + c, 0]
            h = table[begin + c, 1]
            value, side, left_g, left_h = try_categories(
                g, h, miss_g, miss_h, total_g, total_h, limits, best, node
            )
            if side >= 0:
                best, at, absent_left, at_g, at_h = value, c, side, left_g, left_h
        return best, at, absent_left, at_g, at_h
    order = order_categories(table, begin, bins, limits[LAMBDA])
    for end in range(2):
        g = h = 0.0
        for i in range(min(order.size, np.int64(limits[MOST_CATEGORIES]))):
            c = begin + order[order.size - 1 - i if end else i]
            g += table[c, 0]
            h += table[c, 1]
            value, side, left_g, left_h = try_categories(
                g, h, miss_g, miss_h, total_g, total_h, limits, best, node
            )
            if side >= 0:
                best, at, absent_left, at_g, at_h = value, -(i + 1) if end else i + 1, side, left_g, left_h
    return best, at, absent_left, at_g, at_h


@kernel()
def mark_categories(table, begin, bins, at, limits, words):
    """Set the bits of the categories of the set that `scan_categories` found."""
    for w in range(words.size):
        words[w] = 0
    if bins < limits[ONE_HOT]:
        words[at >> 6] |= np.uint64(1) << np.uint64(at & 63)
        return
    order = order_categories(table, begin, bins, limits[LAMBDA])
    for i in range(abs(at)):
        c = order[i] if at > 0 else order[order.size - 1 - i]
        words[c >> 6] |= np.uint64(1) << np.uint64(c & 63)

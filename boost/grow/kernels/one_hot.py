"""Indicators: columns of a single value, which a row has or has not, as one-hot encoding makes them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from boost.data.sorted_columns import SortedColumns
from boost.grow.kernels.exact_records import (
    BEGIN,
    END,
    FEATURE,
    HIGH,
    LOW,
    LOWER,
    MISSING_LEFT,
    SCORE,
    SUM_G,
    SUM_H,
    UPPER,
)
from boost.grow.kernels.exact_scan import Node, children_score
from boost.grow.kernels.records import GRAD, HESS
from boost.grow.kernels.score import ALPHA, LAMBDA, LEAST, fraction
from boost.jit import kernel, prefetch

# How many rows ahead memory is prefetched.
AHEAD = 8


class Indicators(NamedTuple):
    """The indicators of a table, row by row.

    A split on an indicator separates the rows of a node that have its value from those that do not. One pass
    over the rows of a node adds the gradients of each row to those of its indicators. Sorted columns would
    instead be partitioned into thousands of pieces of a few entries each.

    Attributes
    ----------
    features : int64 array of shape (indicators,)
        Their columns in the table, increasing.
    keys : int64 array of shape (indicators,)
        Keys of their values, see `boost.data.sorted_columns.value_keys`.
    indptr : int64 array of shape (rows + 1,)
        Where each row starts.
    codes : int32 array of shape (entries,)
        The numbers of the indicators that each row has.
    """

    features: NDArray[np.int64]
    keys: NDArray[np.int64]
    indptr: NDArray[np.int64]
    codes: NDArray[np.int32]


def find_indicators(columns: SortedColumns, constant: NDArray[np.uint8]) -> Indicators:
    """Return the indicators of a table; none where rows have fewer than one of them on average.

    Parameters
    ----------
    columns : SortedColumns
    constant : uint8 array of shape (features,)
        Whether the present values of a column are all the same.
    """
    counts = np.diff(columns.indptr)
    features = np.flatnonzero((constant > 0) & (counts > 0) & (counts < columns.rows))
    if counts[features].sum() < columns.rows:
        features = features[:0]
    entries = np.concatenate(
        [columns.entries[:0], *(columns.entries[columns.indptr[f] : columns.indptr[f + 1]] for f in features)]
    )
    rows = entries.astype(np.uint32)  # the lower half
    order = np.argsort(rows, kind="stable")
    indptr = np.concatenate(([0], np.cumsum(np.bincount(rows, minlength=columns.rows))))
    codes = np.repeat(np.arange(features.size, dtype=np.int32), counts[features])[order]
    keys = (columns.entries[columns.indptr[features]] >> np.uint64(32)).astype(np.int64)
    return Indicators(features.astype(np.int64), keys, indptr, codes)


class _Scratch(NamedTuple):
    """Scratch for the indicators of one node.

    Attributes
    ----------
    sums : (indicators, 2)
        Sums of the gradient pairs by indicator; zero between nodes.
    node_of : (indicators,)
        The last node in which an indicator occurred.
    present : (indicators + 1,)
        The indicators that occur in the node.
    absent : (indicators, 2)
        By place in `present`: sums over the rows without the indicator.
    scores : (indicators,)
        By place in `present`.
    """

    sums: NDArray[np.float64]
    node_of: NDArray[np.int32]
    present: NDArray[np.int32]
    absent: NDArray[np.float64]
    scores: NDArray[np.float64]


@kernel(inline="always", allocates=False)
def sum_indicators(indicators, gpairs, ranges, n, scratch):
    """Sum the gradient pairs of the rows of node `n` by indicator; return how many indicators occur."""
    indptr, codes, rows = indicators.indptr, indicators.codes, ranges.rows
    sums, node_of, present = scratch.sums, scratch.node_of, scratch.present
    count = np.uint64(0)
    node = np.int32(n)
    end = ranges.ends[n]
    for r in range(ranges.begins[n], end):
        if r + AHEAD < end:
            later = np.int64(rows[r + AHEAD])
            prefetch(gpairs, 2 * later)
            prefetch(codes, indptr[later])
        i = rows[r]
        g = gpairs[i, GRAD]
        h = gpairs[i, HESS]
        for e in range(np.uint64(indptr[i]), np.uint64(indptr[i + 1])):
            c = np.uint64(codes[e])
            present[count] = c  # kept where the indicator occurs for the first time
            count += np.uint64(node_of[c] != node)
            node_of[c] = node
            sums[c, GRAD] += g
            sums[c, HESS] += h
    return count


@kernel(allocates=False)
def score_absent(scratch, count, node, limits):
    """Write the scores of splits that send the rows without an indicator left; vectorised.

    They are those of `children_score` where weights are not bounded.
    """
    absent, scores = scratch.absent, scratch.scores
    alpha = limits[ALPHA]
    reg_lambda = limits[LAMBDA]
    least = limits[LEAST]
    total_g, total_h = node.g, node.h
    for t in range(count):
        g = absent[t, GRAD]
        h = absent[t, HESS]
        top, bottom = fraction(g, h, total_g - g, total_h - h, alpha, reg_lambda)
        allowed = (h >= least) & (total_h - h >= least)
        scores[t] = top / bottom if allowed else -np.inf


@kernel(lazy=True)
def scan_indicators(indicators, gpairs, ranges, level, rules, splits, first, last):
    """Find the best split of each node of a level by an indicator. O(entries of the nodes' rows).

    Parameters
    ----------
    indicators : Indicators
    gpairs : (rows, 2)
    ranges : boost.grow.kernels.exact_records.RowRanges
    level, rules, splits, first, last : see `boost.grow.kernels.exact_scan.scan`
        BEGIN of a split is the number of the indicator, and END is -1.
    """
    features = indicators.features
    scratch = _Scratch(
        np.zeros((features.size, 2)),
        np.full(features.size, -1, dtype=np.int32),
        np.empty(features.size + 1, dtype=np.int32),
        np.empty((features.size, 2)),
        np.empty(features.size),
    )
    sums, absent, scores, present = scratch.sums, scratch.absent, scratch.scores, scratch.present
    location, children = splits.location, splits.children
    for n in range(first, last):
        best = level.nodes[n, SCORE]
        children[n, SCORE] = best
        location[n, FEATURE] = -1
        if not level.splittable[n]:
            continue
        count = sum_indicators(indicators, gpairs, ranges, n, scratch)
        node = Node(
            level.nodes[n, SUM_G], level.nodes[n, SUM_H], level.nodes[n, LOWER], level.nodes[n, UPPER]
        )
        # Gathering and computing are separate loops, so that the second one is vectorised.
        for t in range(count):
            c = np.uint64(present[t])
            absent[t, GRAD] = node.g - sums[c, GRAD]
            absent[t, HESS] = node.h - sums[c, HESS]
            sums[c, GRAD] = 0.0
            sums[c, HESS] = 0.0
        if not rules.bounded:
            score_absent(scratch, count, node, rules.limits)
        mask = n if level.allowed.shape[0] > 1 else 0
        for t in range(count):
            c = np.uint64(present[t])
            if rules.bounded:
                direction = rules.directions[features[c]] if rules.directions.size else np.int8(0)
                scores[t] = children_score(absent[t, GRAD], absent[t, HESS], node, direction, rules)
            # Without absent rows, nothing is left of the split.
            if not scores[t] >= best or (absent[t, GRAD] == 0.0 and absent[t, HESS] == 0.0):
                continue
            f = features[c]
            if level.allowed[mask, f] and (scores[t] > best or f < location[n, FEATURE]):
                best = scores[t]
                children[n, SUM_G] = absent[t, GRAD]
                children[n, SUM_H] = absent[t, HESS]
                location[n, FEATURE] = f
                location[n, BEGIN] = c
                location[n, END] = -1
                location[n, LOW] = 0
                location[n, HIGH] = indicators.keys[c]
                location[n, MISSING_LEFT] = 1
        children[n, SCORE] = best

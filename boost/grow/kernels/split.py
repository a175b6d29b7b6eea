"""The kernels that find the best split of each node from its histogram."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from boost.grow.kernels.categorical import mark_categories, scan_categories
from boost.grow.kernels.score import (
    ALPHA,
    GAIN,
    LAMBDA,
    LEAST,
    NOISE,
    beats,
    bounded_scores,
    may_beat,
    score,
    score_of_weight,
    weigh,
)
from boost.jit import kernel

# Bins are looked at in steps of so many, which vectors of any width divide.
STRIDE = 128
# Features are scanned together until they have so many bins: what the first cache holds.
RUN_BINS = 1024
# A feature of at most so many bins is not worth being summed in four quarters.
NARROW = 16


class Run(NamedTuple):
    """Numerical features that are scanned together, one after the other.

    Attributes
    ----------
    below_g, below_h : (at least all bins and `STRIDE` more,)
        The sums of the gradients and the hessians of each feature's present values up to a bin.
    above_g, above_h : as those
        The sums past a bin; only `scan` writes them, where values are missing.
    start : (features + 1,)
        Where each feature's bins start in these.
    feature : (features,)
        Their numbers.
    """

    below_g: NDArray[np.float64]
    below_h: NDArray[np.float64]
    above_g: NDArray[np.float64]
    above_h: NDArray[np.float64]
    start: NDArray[np.int64]
    feature: NDArray[np.int64]


class Features(NamedTuple):
    """What nodes may be split by.

    Attributes
    ----------
    chosen : (features,)
        The features of the tree, increasing.
    allowed : (0, 0), or (1 or nodes of the level, all features)
        Zero for a feature that a node may not use; empty when all nodes may use all of the tree's.
    offsets : (all features + 1,)
        See `boost.data.binning.BinnedMatrix`.
    categorical : (all features,)
    directions : (all features,), or (0,)
        Of the monotone constraints.
    """

    chosen: NDArray[np.int32]
    allowed: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    categorical: NDArray[np.uint8]
    directions: NDArray[np.int8]


class NodeArrays(NamedTuple):
    """The nodes of a tree as kernels see them, a row for each.

    Attributes
    ----------
    tree : (nodes, 5)
        Left child or -1 (the right one is the next), parent, depth, and the range of the node's rows.
    plan : (nodes, 3)
        The node's histogram (or -1), the one that is to be subtracted from it first (or -1), and whether a
        split is wanted: 1, or 2 where the rows are so few that there is no histogram.
    sums, left_sums : (nodes, 2 * outputs)
        The node's own sums, and those of its left child.
    bounds : (nodes, 2), or (0, 2)
        The bounds of the nodes' weights; empty when nothing is bounded.
    gains : (nodes,)
        0 for no split.
    found : (nodes, 3)
        Feature, bin (for a categorical feature -1), and whether missing values go left.
    sets : (nodes, words)
        The categories that go right.
    """

    tree: NDArray[np.int64]
    plan: NDArray[np.int64]
    sums: NDArray[np.float64]
    left_sums: NDArray[np.float64]
    bounds: NDArray[np.float64]
    gains: NDArray[np.float64]
    found: NDArray[np.int64]
    sets: NDArray[np.uint64]


@kernel()
def make_run(features):
    """Return room for a run of any of these features."""
    widest = 0
    for j in range(features.chosen.size):
        f = features.chosen[j]
        widest = max(widest, features.offsets[f + 1] - features.offsets[f])
    room = RUN_BINS + widest + STRIDE
    return Run(
        np.empty(room),
        np.empty(room),
        np.empty(room),
        np.empty(room),
        np.zeros(RUN_BINS + 2, dtype=np.int64),
        np.empty(RUN_BINS + 1, dtype=np.int64),
    )


@kernel(inline="always")
def sum_few(table, other, subtract, begin, bins, gradients, hessians, at):
    """Do what `sum_many` does for a feature of few bins."""
    to = np.uint64(at)
    g = h = 0.0
    for b in range(np.uint64(begin), np.uint64(begin + bins)):
        if subtract:
            table[b, 0] -= other[b, 0]
            table[b, 1] -= other[b, 1]
        g += table[b, 0]
        h += table[b, 1]
        gradients[to] = g
        hessians[to] = h
        to += np.uint64(1)


@kernel()
def sum_many(table, other, subtract, begin, bins, gradients, hessians, at):
    """Write the running sums over the bins of one feature.

    Four quarters run side by side, because a sum waits for the one before; the sums are exact, so that
    their order does not matter.

    Parameters
    ----------
    table : (bins, 2), a histogram; with `subtract`, less `other` from now on
    begin, bins : the range of the feature
    gradients, hessians : output, from the place `at` on
    """
    if subtract:
        for b in range(np.uint64(begin), np.uint64(begin + bins)):
            table[b, 0] -= other[b, 0]
            table[b, 1] -= other[b, 1]
    quarter = bins // 4
    g0 = h0 = g1 = h1 = g2 = h2 = g3 = h3 = 0.0
    b0 = np.uint64(begin)
    b1 = np.uint64(begin + quarter)
    b2 = np.uint64(begin + 2 * quarter)
    b3 = np.uint64(begin + 3 * quarter)
    to0 = np.uint64(at)
    to1 = np.uint64(at + quarter)
    to2 = np.uint64(at + 2 * quarter)
    to3 = np.uint64(at + 3 * quarter)
    for i in range(np.uint64(quarter)):
        g0 += table[b0 + i, 0]
        h0 += table[b0 + i, 1]
        gradients[to0 + i] = g0
        hessians[to0 + i] = h0
        g1 += table[b1 + i, 0]
        h1 += table[b1 + i, 1]
        gradients[to1 + i] = g1
        hessians[to1 + i] = h1
        g2 += table[b2 + i, 0]
        h2 += table[b2 + i, 1]
        gradients[to2 + i] = g2
        hessians[to2 + i] = h2
        g3 += table[b3 + i, 0]
        h3 += table[b3 + i, 1]
        gradients[to3 + i] = g3
        hessians[to3 + i] = h3
    g1 += g0
    h1 += h0
    g2 += g1
    h2 += h1
    g3 += g2
    h3 += h2
    for part in range(1, 4):
        more_g = g0 if part == 1 else g1 if part == 2 else g2
        more_h = h0 if part == 1 else h1 if part == 2 else h2
        for i in range(np.uint64(at + part * quarter), np.uint64(at + part * quarter + quarter)):
            gradients[i] += more_g
            hessians[i] += more_h
    for i in range(4 * quarter, bins):
        g3 += table[begin + i, 0]
        h3 += table[begin + i, 1]
        gradients[at + i] = g3
        hessians[at + i] = h3


@kernel(inline="always")
def sum_bins(table, other, subtract, begin, bins, gradients, hessians, at):
    """Do what `sum_many` does for a feature of any number of bins."""
    if bins <= NARROW:
        sum_few(table, other, subtract, begin, bins, gradients, hessians, at)
    else:
        sum_many(table, other, subtract, begin, bins, gradients, hessians, at)


@kernel(inline="always")
def too_light(hessians, begin, end, least):
    """Return whether one child is too light wherever a feature is cut, as of a feature of few entries."""
    present = hessians[end - 1]
    if present >= least:  # the last cut leaves all present values on one side
        return False
    lowest = highest = present
    for i in range(begin, end - 1):
        lowest = min(lowest, hessians[i])
        highest = max(highest, hessians[i])
    return highest < least and present - lowest < least


@kernel()
def any_beats(gradients, hessians, begin, total_g, total_h, limits, best):
    """Return whether one of the next `STRIDE` splits may beat `best`: many at a time."""
    alpha = limits[ALPHA]
    reg_lambda = limits[LAMBDA]
    least = limits[LEAST]
    hit = np.int64(0)
    for i in range(np.uint64(begin), np.uint64(begin + STRIDE)):
        hit |= may_beat(gradients[i], hessians[i], total_g, total_h, alpha, reg_lambda, least, best)
    return hit != 0


@kernel()
def scan(run, count, total_g, total_h, limits, best, node, directions):
    """Try the splits of the features of a run.

    Each feature is tried with missing values on the right and then on the left, which only a feature with
    missing values in this node needs (XGBoost paper, algorithm 3).

    Parameters
    ----------
    run : Run
    count : number of features in it
    total_g, total_h : the node's own sums
    best : the sum of scores to beat
    node : (2,), the bounds of the node's weights; (0,) when nothing is bounded
    others : see `find_splits`

    Returns
    -------
    (best sum of scores, feature's place in the run, bin's place in the run, whether missing values go left,
    left sums): the places are -1 when nothing beats `best`.
    """
    of = at = -1
    at_side = 0
    at_g = at_h = 0.0
    least = limits[LEAST]
    start = run.start
    sides = 1
    for s in range(count):
        last = start[s + 1] - 1
        if run.below_g[last] != total_g or run.below_h[last] != total_h:
            sides = 2
            break
    end = start[count]
    for i in range(end, end + STRIDE):
        run.below_g[i] = run.above_g[i] = 0.0
        run.below_h[i] = run.above_h[i] = np.inf  # which no split passes
    if sides == 2:
        for s in range(count):
            present_g = run.below_g[start[s + 1] - 1]
            present_h = run.below_h[start[s + 1] - 1]
            for i in range(np.uint64(start[s]), np.uint64(start[s + 1])):
                run.above_g[i] = present_g - run.below_g[i]
                run.above_h[i] = present_h - run.below_h[i]
    s = 0
    for begin in range(0, end, STRIDE):
        if node.size == 0:
            some = any_beats(run.below_g, run.below_h, begin, total_g, total_h, limits, best)
            if sides == 2 and not some:
                some = any_beats(run.above_g, run.above_h, begin, total_g, total_h, limits, best)
            if not some:
                continue
        while start[s + 1] <= begin:
            s += 1
        # The whole of each feature that is in this step: of equals, the first one is to stand.
        f = s
        while f < count and start[f] < begin + STRIDE:
            direction = np.float64(directions[run.feature[f]]) if directions.size else 0.0
            for side in range(sides):
                for i in range(start[f], start[f + 1]):
                    left_g = total_g - run.above_g[i] if side else run.below_g[i]
                    left_h = total_h - run.above_h[i] if side else run.below_h[i]
                    right_g = total_g - left_g
                    right_h = total_h - left_h
                    if left_h < least or right_h < least:
                        continue
                    if node.size == 0:
                        value = beats(left_g, left_h, right_g, right_h, limits[ALPHA], limits[LAMBDA], best)
                    else:
                        value = bounded_scores(
                            left_g, left_h, right_g, right_h, limits, node[0], node[1], direction
                        )
                    if value > best:
                        best = value
                        of = f
                        at = i
                        at_side = side
                        at_g = left_g
                        at_h = left_h
            f += 1
    return best, of, at, at_side, at_g, at_h


@kernel()
def keep(nodes, n, feature, at, side, left_g, left_h):
    """Write down the best split of a node so far."""
    nodes.left_sums[n, 0] = left_g
    nodes.left_sums[n, 1] = left_h
    nodes.found[n, 0] = feature
    nodes.found[n, 1] = at
    nodes.found[n, 2] = side


@kernel()
def decide(nodes, n, best, parent, limits):
    """Write the gain of a node's best split, if it is one."""
    gain = best - parent
    # A gain that is nothing but the rounding of the scores is none.
    nodes.gains[n] = gain if gain > NOISE * abs(best) and gain >= limits[GAIN] else 0.0


@kernel(lazy=True)
def find_splits(hist, nodes, level, first, last, features, limits):
    """Find the best split of each node. O(nodes * bins).

    Parameters
    ----------
    hist : (places, bins, 2)
    nodes : NodeArrays
        `gains`, `left_sums`, `found` and `sets` are output.
    level : the first node of the level
    first, last : the range of nodes to do
    features : Features
    limits : see `boost.grow.kernels.score.LIMITS`

    Notes
    -----
    A split at bin b sends the bins <= b to the left. Missing values have no bin that is looked at: their
    sums are what the present values leave of the node's. Of equal gains, the first one found stands: the
    lower feature, then missing values on the right, then the lower bin. An empty bin changes no sum, so it
    never beats the bin before it and needs no test of its own.
    """
    run = make_run(features)
    start = run.start
    offsets = features.offsets
    bounded = nodes.bounds.shape[0] > 0
    node = np.zeros(2 if bounded else 0)
    for n in range(first, last):
        nodes.gains[n] = 0.0
        if nodes.plan[n, 0] < 0:
            continue
        table = hist[nodes.plan[n, 0]]
        whole = nodes.plan[n, 1] < 0
        other = hist[nodes.plan[n, 0] if whole else nodes.plan[n, 1]]
        total_g = nodes.sums[n, 0]
        total_h = nodes.sums[n, 1]
        if bounded:
            node[0] = nodes.bounds[n, 0]
            node[1] = nodes.bounds[n, 1]
            w = weigh(total_g, total_h, limits, node[0], node[1])
            parent = score_of_weight(total_g, total_h, w, limits)
        else:
            parent = score(total_g, total_h, limits[ALPHA], limits[LAMBDA])
        best = parent
        best_set = 0
        wanted = nodes.plan[n, 2] != 0
        mask = min(n - level, features.allowed.shape[0] - 1)
        count = 0
        for j in range(features.chosen.size):
            f = features.chosen[j]
            begin = offsets[f]
            bins = offsets[f + 1] - begin - 1
            at = start[count]
            sum_bins(table, other, not whole, begin, bins, run.below_g, run.below_h, at)
            usable = wanted and (mask < 0 or features.allowed[mask, f] != 0)
            categorical = features.categorical[f] != 0
            if usable and not categorical and not too_light(run.below_h, at, at + bins, limits[LEAST]):
                run.feature[count] = f
                count += 1
                start[count] = at + bins
            # Features are tried in their order, those between two categorical ones together.
            if count and (start[count] >= RUN_BINS or categorical or j + 1 == features.chosen.size):
                value, s, at, side, left_g, left_h = scan(
                    run, count, total_g, total_h, limits, best, node, features.directions
                )
                if at >= 0:
                    best = value
                    keep(nodes, n, run.feature[s], at - start[s], side, left_g, left_h)
                count = 0
            if usable and categorical:
                value, at, side, left_g, left_h = scan_categories(
                    table, begin, bins, total_g, total_h, limits, best, node
                )
                if side >= 0:
                    best = value
                    best_set = at
                    keep(nodes, n, f, -1, side, left_g, left_h)
        if not wanted:
            continue
        decide(nodes, n, best, parent, limits)
        if nodes.gains[n] > 0.0 and nodes.found[n, 1] < 0:
            f = nodes.found[n, 0]
            bins = offsets[f + 1] - offsets[f] - 1
            mark_categories(table, offsets[f], bins, best_set, limits, nodes.sets[n])

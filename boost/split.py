"""The kernels that find the best split of each node from its histogram."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from boost.category import mark_categories, scan_categories
from boost.jit import kernel, lowest_bit
from boost.score import (
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


@kernel()
def make_run(features, offsets):
    """Return room for a run of any of these features."""
    widest = 0
    for j in range(features.size):
        widest = max(widest, offsets[features[j] + 1] - offsets[features[j]])
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


@kernel(
    "void(float64[:,:,::1], int64[:,::1], int64, int64, int64, int32[::1], uint8[:,::1], int64[::1],"
    " uint8[::1], float64[::1], float64[:,::1], int8[::1], float64[:,::1], float64[::1], float64[:,::1],"
    " int64[:,::1], uint64[:,::1])"
)
def find_splits(
    hist,
    plan,
    level,
    first,
    last,
    features,
    allowed,
    offsets,
    categorical,
    limits,
    bounds,
    directions,
    sums,
    gains,
    left_sums,
    found,
    sets,
):
    """Find the best split of each node. O(nodes * bins).

    Parameters
    ----------
    hist : (places, bins, 2)
    plan : (nodes, 3): each node's place in `hist` (or -1), the place that is to be subtracted from it first
        (or -1), and whether a split is wanted: 1, or 2 where the rows are so few that no histogram is
    level : the first node of the level
    first, last : the range of nodes to do
    features : the features of the tree, increasing
    allowed : (0, 0) when all of these may be used, or (1 or nodes of the level, all features)
    offsets : (all features + 1,)
    categorical : (all features,)
    limits : see `LIMITS`
    bounds : (nodes, 2), the bounds of the nodes' weights; (0, 2) when nothing is bounded
    directions : (all features,), or (0,)
    sums : (nodes, 2), each node's own sums
    gains : (nodes,), output: the gain, 0 for no split
    left_sums : (nodes, 2), output
    found : (nodes, 3), output: feature, bin (for a categorical feature -1), and whether missing values go
        left
    sets : (nodes, words), output: the categories that go right

    Notes
    -----
    A split at bin b sends the bins <= b to the left. Missing values have no bin that is looked at.
    Their sums are what the present values leave of the node's. Of equal gains, the first one found stands:
    the lower feature, then missing values on the right, then the lower bin. An empty bin changes no sum, so
    it never beats the bin before it and needs no test of its own.
    """
    run = make_run(features, offsets)
    start = run.start
    bounded = bounds.shape[0] > 0
    node = np.zeros(2 if bounded else 0)
    for n in range(first, last):
        gains[n] = 0.0
        if plan[n, 0] < 0:
            continue
        table = hist[plan[n, 0]]
        whole = plan[n, 1] < 0
        other = hist[plan[n, 0] if whole else plan[n, 1]]
        total_g = sums[n, 0]
        total_h = sums[n, 1]
        if bounded:
            node[0] = bounds[n, 0]
            node[1] = bounds[n, 1]
            w = weigh(total_g, total_h, limits, node[0], node[1])
            parent = score_of_weight(total_g, total_h, w, limits)
        else:
            parent = score(total_g, total_h, limits[ALPHA], limits[LAMBDA])
        best = parent
        best_set = 0
        mask = min(n - level, allowed.shape[0] - 1)
        count = 0
        for j in range(features.size):
            f = features[j]
            begin = offsets[f]
            bins = offsets[f + 1] - begin - 1
            at = start[count]
            if bins <= NARROW:
                sum_few(table, other, not whole, begin, bins, run.below_g, run.below_h, at)
            else:
                sum_many(table, other, not whole, begin, bins, run.below_g, run.below_h, at)
            usable = plan[n, 2] != 0 and (mask < 0 or allowed[mask, f] != 0)
            if usable and not categorical[f] and not too_light(run.below_h, at, at + bins, limits[LEAST]):
                run.feature[count] = f
                count += 1
                start[count] = at + bins
            # Features are tried in their order, those between two categorical ones together.
            if count and (start[count] >= RUN_BINS or categorical[f] or j + 1 == features.size):
                value, s, at, side, left_g, left_h = scan(
                    run, count, total_g, total_h, limits, best, node, directions
                )
                if at >= 0:
                    best = value
                    left_sums[n, 0] = left_g
                    left_sums[n, 1] = left_h
                    found[n, 0] = run.feature[s]
                    found[n, 1] = at - start[s]
                    found[n, 2] = side
                count = 0
            if usable and categorical[f]:
                value, at, side, left_g, left_h = scan_categories(
                    table, begin, bins, total_g, total_h, limits, best, node
                )
                if side >= 0:
                    best = value
                    best_set = at
                    left_sums[n, 0] = left_g
                    left_sums[n, 1] = left_h
                    found[n, 0] = f
                    found[n, 1] = -1
                    found[n, 2] = side
        gain = best - parent
        # A gain that is nothing but the rounding of the scores is none.
        if gain > NOISE * abs(best) and gain >= limits[GAIN]:
            gains[n] = gain
            if found[n, 1] < 0:
                f = found[n, 0]
                mark_categories(table, offsets[f], offsets[f + 1] - offsets[f] - 1, best_set, limits, sets[n])


@kernel()
def find_marked(
    n,
    table,
    marks,
    mask,
    features,
    allowed,
    offsets,
    categorical,
    limits,
    sums,
    gains,
    left_sums,
    found,
    sets,
):
    """Do what `find_splits` does for one node with few rows, and so with few bins that are not empty.

    Its weights are not bounded. Only these bins are looked at: the others change no sum.

    Parameters
    ----------
    n : the node
    table : (bins, 2)
    marks : (words,), a bit for each bin that is not empty
    mask : the row of `allowed`, or -1
    others : see `find_splits`
    """
    run = make_run(features, offsets)
    start = run.start
    number = np.empty(run.below_g.size, dtype=np.int64)
    nothing = np.zeros(0)
    anywhere = np.zeros(0, dtype=np.int8)
    total_g = sums[n, 0]
    total_h = sums[n, 1]
    parent = score(total_g, total_h, limits[ALPHA], limits[LAMBDA])
    best = parent
    count = 0
    for j in range(features.size):
        f = features[j]
        begin = offsets[f]
        end = offsets[f + 1] - 1
        usable = mask < 0 or allowed[mask, f] != 0
        if usable and not categorical[f]:
            g = h = 0.0
            at = start[count]
            b = begin
            while b < end:
                word = marks[b >> 6] >> np.uint64(b & 63)
                if word == 0:
                    b = (b | 63) + 1
                    continue
                b += lowest_bit(word)
                if b >= end:
                    break
                g += table[b, 0]
                h += table[b, 1]
                run.below_g[at] = g
                run.below_h[at] = h
                number[at] = b - begin
                at += 1
                b += 1
            if at > start[count] and not too_light(run.below_h, start[count], at, limits[LEAST]):
                run.feature[count] = f
                count += 1
                start[count] = at
        if count and (start[count] >= RUN_BINS or categorical[f] or j + 1 == features.size):
            value, s, at, side, left_g, left_h = scan(
                run, count, total_g, total_h, limits, best, nothing, anywhere
            )
            if at >= 0:
                best = value
                left_sums[n, 0] = left_g
                left_sums[n, 1] = left_h
                found[n, 0] = run.feature[s]
                found[n, 1] = number[at]
                found[n, 2] = side
            count = 0
        if usable and categorical[f]:
            value, at, side, left_g, left_h = scan_categories(
                table, begin, end - begin, total_g, total_h, limits, best, nothing
            )
            if side >= 0:
                best = value
                left_sums[n, 0] = left_g
                left_sums[n, 1] = left_h
                found[n, 0] = f
                found[n, 1] = -1
                found[n, 2] = side
                mark_categories(table, begin, end - begin, at, limits, sets[n])
    gain = best - parent
    gains[n] = gain if gain > NOISE * abs(best) and gain >= limits[GAIN] else 0.0


@kernel(lazy=True)
def find_vector_splits(
    hist, plan, level, first, last, features, allowed, offsets, limits, sums, gains, left_sums, found
):
    """Do what `find_splits` does for leaves that hold a value for each output: scores add up over outputs.

    Arrays as there, with 2 * outputs in place of 2: gradient and hessian of each output. A child's hessian
    is the mean over the outputs. Features are numerical and nothing is bounded.
    """
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
        for j in range(features.size):
            f = features[j]
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
        gain = best - parent
        if gain > NOISE * abs(best) and gain >= limits[GAIN]:
            gains[n] = gain

"""The kernels that find the best split of each node from its histogram."""

from __future__ import annotations

import numpy as np

from boost.grow.kernels.categorical import is_categorical, keep, try_categories
from boost.grow.kernels.records import (
    GRAD,
    HESS,
    LOWER,
    NO_SEARCH,
    SEARCH,
    SLOT,
    SUBTRAHEND,
    UPPER,
    Run,
)
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
from boost.jit import by_type, field_type, is_none, kernel

# Bins that are looked at in one step, which vectors of any width divide.
STRIDE = 128
# Features are scanned together until they have so many bins: what the first cache holds.
RUN_BINS = 1024
# A feature of at most so many bins is not worth being summed in four quarters.
NARROW = 16


def make_run(widest: int) -> Run:
    """Return room for a run of features of at most so many bins."""
    room = RUN_BINS + widest + STRIDE
    below_g, below_h, above_g, above_h = np.empty((4, room))
    return Run(
        below_g,
        below_h,
        above_g,
        above_h,
        start=np.zeros(RUN_BINS + 2, dtype=np.int64),
        feature=np.empty(RUN_BINS + 1, dtype=np.int64),
        number=np.empty(room, dtype=np.int64),
        spare=np.empty(room, dtype=np.int64),
    )


# What depends on bounds, directions and categories: `by_type` leaves out what this fit does not have.


@kernel(allocates=False)
def _free_score(bounds, n, g, h, limits):
    return score(g, h, limits[ALPHA], limits[LAMBDA])


@kernel(allocates=False)
def _bounded_score(bounds, n, g, h, limits):
    w = weigh(g, h, limits, bounds[n, LOWER], bounds[n, UPPER])
    return score_of_weight(g, h, w, limits)


@by_type
def node_score(bounds, n, g, h, limits):
    """Return the score of node `n`, whose weight may be bounded."""
    return _free_score if is_none(bounds) else _bounded_score


@kernel(allocates=False)
def _no_direction(directions, feature):
    return 0.0


@kernel(allocates=False)
def _direction(directions, feature):
    return np.float64(directions[feature])


@by_type
def direction_of(directions, feature):
    """Return the direction of a feature's monotone constraint, 0.0 for none."""
    return _no_direction if is_none(directions) else _direction


@kernel(allocates=False)
def _free_pair_score(nodes, n, left_g, left_h, direction, limits, best):
    right_g = nodes.sums[n, GRAD] - left_g
    right_h = nodes.sums[n, HESS] - left_h
    return beats(left_g, left_h, right_g, right_h, limits[ALPHA], limits[LAMBDA], best)


@kernel(allocates=False)
def _bounded_pair_score(nodes, n, left_g, left_h, direction, limits, best):
    right_g = nodes.sums[n, GRAD] - left_g
    right_h = nodes.sums[n, HESS] - left_h
    lower, upper = nodes.bounds[n, LOWER], nodes.bounds[n, UPPER]
    return bounded_scores(left_g, left_h, right_g, right_h, limits, lower, upper, direction)


@by_type
def pair_score(nodes, n, left_g, left_h, direction, limits, best):
    """Return the sum of the scores of two children; where it is not above `best`, any number up to that."""
    return _free_pair_score if is_none(field_type(nodes, "bounds")) else _bounded_pair_score


@kernel(allocates=False)
def _any_may_beat(nodes, gradients, hessians, begin, n, limits, best):
    alpha = limits[ALPHA]
    reg_lambda = limits[LAMBDA]
    least = limits[LEAST]
    total_g = nodes.sums[n, GRAD]
    total_h = nodes.sums[n, HESS]
    hit = np.int64(0)
    for i in range(np.uint64(begin), np.uint64(begin + STRIDE)):
        hit |= may_beat(gradients[i], hessians[i], total_g, total_h, alpha, reg_lambda, least, best)
    return hit != 0


@kernel(allocates=False)
def _always(nodes, gradients, hessians, begin, n, limits, best):
    return True


@by_type
def any_beats(nodes, gradients, hessians, begin, n, limits, best):
    """Return whether one of the next `STRIDE` splits may beat `best`: many at a time.

    Where weights are bounded, each is looked at.
    """
    return _any_may_beat if is_none(field_type(nodes, "bounds")) else _always


@kernel(inline="always", allocates=False)
def sum_narrow(table, other, subtract, begin, bins, gradients, hessians, at):
    """Do what `sum_wide` does for a feature of at most `NARROW` bins."""
    to = np.uint64(at)
    g = h = 0.0
    for b in range(np.uint64(begin), np.uint64(begin + bins)):
        if subtract:
            table[b, GRAD] -= other[b, GRAD]
            table[b, HESS] -= other[b, HESS]
        g += table[b, GRAD]
        h += table[b, HESS]
        gradients[to] = g
        hessians[to] = h
        to += np.uint64(1)


@kernel(allocates=False)
def sum_wide(table, other, subtract, begin, bins, gradients, hessians, at):
    """Write the running sums over the bins of one feature.

    Four quarters run side by side, because a sum waits for the one before; the sums are exact, so that
    their order does not matter.

    Parameters
    ----------
    table : (bins, 2), a histogram; with `subtract`, less `other` from now on
    begin, bins : the range of the feature
    gradients, hessians : output, from the index `at` on
    """
    if subtract:
        for b in range(np.uint64(begin), np.uint64(begin + bins)):
            table[b, GRAD] -= other[b, GRAD]
            table[b, HESS] -= other[b, HESS]
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
        g0 += table[b0 + i, GRAD]
        h0 += table[b0 + i, HESS]
        gradients[to0 + i] = g0
        hessians[to0 + i] = h0
        g1 += table[b1 + i, GRAD]
        h1 += table[b1 + i, HESS]
        gradients[to1 + i] = g1
        hessians[to1 + i] = h1
        g2 += table[b2 + i, GRAD]
        h2 += table[b2 + i, HESS]
        gradients[to2 + i] = g2
        hessians[to2 + i] = h2
        g3 += table[b3 + i, GRAD]
        h3 += table[b3 + i, HESS]
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
        g3 += table[begin + i, GRAD]
        h3 += table[begin + i, HESS]
        gradients[at + i] = g3
        hessians[at + i] = h3


@kernel(inline="always", allocates=False)
def sum_bins(table, other, subtract, begin, bins, gradients, hessians, at):
    """Do what `sum_wide` does for a feature of any number of bins."""
    if bins <= NARROW:
        sum_narrow(table, other, subtract, begin, bins, gradients, hessians, at)
    else:
        sum_wide(table, other, subtract, begin, bins, gradients, hessians, at)


@kernel(inline="always", allocates=False)
def too_light(hessians, begin, end, least):
    """Return whether one child is too light wherever a feature is cut, as of a feature of few entries."""
    present = hessians[end - 1]
    if present >= least:  # the last cut leaves all present values on one side
        return False
    lowest = highest = present
    for i in range(begin, end - 1):
        h = hessians[i]
        lowest = h if h < lowest else lowest
        highest = h if h > highest else highest
    return highest < least and present - lowest < least


@kernel(allocates=False)
def scan(run, count, n, nodes, features, limits, best):
    """Try the splits of node `n` by the features of a run.

    Each feature is tried with missing values on the right and then on the left, which only a feature with
    missing values in this node needs (XGBoost paper, algorithm 3).

    Parameters
    ----------
    run : Run
    count : number of features in it
    nodes : NodeArrays
    features : Features
    limits : see `boost.grow.kernels.score.make_limits`
    best : the sum of scores to beat

    Returns
    -------
    (best sum of scores, feature's index in the run, bin's index in the run, whether missing values go left,
    left sums): the indices are -1 when nothing beats `best`.
    """
    below_g, below_h, above_g, above_h, start = run.below_g, run.below_h, run.above_g, run.above_h, run.start
    total_g = nodes.sums[n, GRAD]
    total_h = nodes.sums[n, HESS]
    of = at = np.int64(-1)
    at_side = np.int64(0)
    at_g = at_h = 0.0
    least = limits[LEAST]
    sides = 1
    for s in range(count):
        last = start[s + 1] - 1
        if below_g[last] != total_g or below_h[last] != total_h:
            sides = 2
            break
    end = start[count]
    for i in range(end, end + STRIDE):
        below_g[i] = above_g[i] = 0.0
        below_h[i] = above_h[i] = np.inf  # which no split passes
    if sides == 2:
        for s in range(count):
            present_g = below_g[start[s + 1] - 1]
            present_h = below_h[start[s + 1] - 1]
            for i in range(np.uint64(start[s]), np.uint64(start[s + 1])):
                above_g[i] = present_g - below_g[i]
                above_h[i] = present_h - below_h[i]
    s = 0
    for begin in range(0, end, STRIDE):
        some = any_beats(nodes, below_g, below_h, begin, n, limits, best)
        if sides == 2 and not some:
            some = any_beats(nodes, above_g, above_h, begin, n, limits, best)
        if not some:
            continue
        while start[s + 1] <= begin:
            s += 1
        # The whole of each feature that is in this step: of equals, the first one is to stand.
        f = s
        while f < count and start[f] < begin + STRIDE:
            direction = direction_of(features.directions, run.feature[f])
            for side in range(sides):
                for i in range(start[f], start[f + 1]):
                    left_g = total_g - above_g[i] if side else below_g[i]
                    left_h = total_h - above_h[i] if side else below_h[i]
                    if left_h < least or total_h - left_h < least:
                        continue
                    value = pair_score(nodes, n, left_g, left_h, direction, limits, best)
                    if value > best:
                        best = value
                        of = f
                        at = i
                        at_side = side
                        at_g = left_g
                        at_h = left_h
            f += 1
    return best, of, at, at_side, at_g, at_h


@kernel(allocates=False)
def decide(nodes, n, best, parent, limits):
    """Write the gain of a node's best split, if it has one."""
    gain = best - parent
    # A gain that is nothing but the rounding of the scores is none.
    nodes.gains[n] = gain if gain > NOISE * abs(best) and gain >= limits[GAIN] else 0.0


@kernel(lazy=True, allocates=False)
def find_splits(state, run, level, first, last):
    """Find the best split of each node. O(nodes * bins).

    Parameters
    ----------
    state : TreeState
        `gains`, `left_sums`, `splits` and `sets` of its nodes are output.
    run : Run
        Of this thread.
    level : the first node of the level
    first, last : the range of nodes to do

    Notes
    -----
    A split at bin b sends the bins <= b to the left. Missing values have no bin that is looked at: their
    sums are what the present values leave of the node's. Of equal gains, the first one stands: the
    lower feature, then missing values on the right, then the lower bin. An empty bin changes no sum, so it
    never beats the bin before it and needs no test of its own.
    """
    nodes, features, limits, hist = state.nodes, state.features, state.limits, state.hist
    start, below_g, below_h = run.start, run.below_g, run.below_h
    chosen, offsets, allowed = features.chosen, features.offsets, features.allowed
    plan = nodes.plan
    for n in range(first, last):
        nodes.gains[n] = 0.0
        if plan[n, SLOT] < 0:
            continue
        table = hist[plan[n, SLOT]]
        whole = plan[n, SUBTRAHEND] < 0
        other = hist[plan[n, SLOT] if whole else plan[n, SUBTRAHEND]]
        parent = node_score(nodes.bounds, n, nodes.sums[n, GRAD], nodes.sums[n, HESS], limits)
        best = parent
        searched = plan[n, SEARCH] != NO_SEARCH
        mask = n - level
        if mask >= allowed.shape[0]:
            mask = allowed.shape[0] - 1
        count = 0
        for j in range(chosen.size):
            f = np.int64(chosen[j])
            begin = offsets[f]
            bins = offsets[f + 1] - begin - 1
            at = start[count]
            sum_bins(table, other, not whole, begin, bins, below_g, below_h, at)
            usable = searched and (mask < 0 or allowed[mask, f] != 0)
            categorical = is_categorical(features, f)
            if usable and not categorical and not too_light(below_h, at, at + bins, limits[LEAST]):
                run.feature[count] = f
                count += 1
                start[count] = at + bins
            # Features are tried in their order, those between two categorical ones together.
            if count and (start[count] >= RUN_BINS or categorical or j + 1 == chosen.size):
                value, s, at, side, left_g, left_h = scan(run, count, n, nodes, features, limits, best)
                if at >= 0:
                    best = value
                    keep(nodes, n, run.feature[s], at - start[s], side, left_g, left_h)
                count = 0
            if usable and categorical:
                best = try_categories(state, run, table, begin, f, n, best)
        if searched:
            decide(nodes, n, best, parent, limits)

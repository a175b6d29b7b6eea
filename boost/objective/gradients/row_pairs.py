"""Kernels that sum the derivatives of ranking losses over pairs of rows (LambdaMART).

All losses have one form. A pair of rows of one query group, i before j in order of decreasing margin, whose
labels differ, adds

    weight * log(1 + exp(-(margin of the higher label - margin of the lower one)))

with weight = abs((f_i - g_j) (d_i - e_j)) (u_i + u_j) / distance, treated as a constant: the change of the
metric if the two rows swapped places, over the distance of their margins plus 0.01 (or over 1).

- rank:pairwise: f = d = 1 and g = e = 0, which makes the change 1.
- rank:ndcg: f = g = gain over the best sum of the group, d = e = 1 / log2(place + 2).
- rank:map: d = 1, e = 0, and f and g from the numbers of ones up to the places.

References
----------
C. Burges, "From RankNet to LambdaRank to LambdaMART: An Overview", MSR-TR-2010-82.
Z. Hu et al., "Unbiased LambdaMART: An Unbiased Pairwise Learning-to-Rank Algorithm", WWW 2019.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from boost.jit import kernel

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
PAIRWISE, NDCG, MAP = 0, 1, 2
# Margins are clipped this far below the highest of their group: exp(-700) does not underflow.
CLIP = 700.0
TINY = 1e-16
# Added to the distance of two margins.
DISTANCE_OFFSET = 0.01
# Sums over pairs may be reordered and contracted, so that their loops are vectorised.
FAST_SUMS = {"reassoc", "contract"}


class Queries(NamedTuple):
    """The query groups of a table, and the quantities of its labels that pairs need.

    Attributes
    ----------
    bounds : (groups + 1,)
        Where the groups start.
    label : (rows,)
    share : (rows,)
        The factor u of a pair's weight, see the formula above.
    gain : (rows,) for rank:ndcg, or empty
        Gains over the best sum of the group.
    discount : (longest group,) for rank:ndcg, or empty
        The discount of each place.
    by_label : (rows,), or empty when no pairs are drawn
        Row numbers, group after group, in each by decreasing label.
    """

    bounds: Ints
    label: Floats
    share: Floats
    gain: Floats
    discount: Floats
    by_label: Ints


class Ranked(NamedTuple):
    """The rows of query groups in order of decreasing margin.

    Attributes
    ----------
    margin : (rows,)
    order : (rows,)
        Row numbers, group after group. For rank:pairwise with all pairs, any order within a group will do.
    """

    margin: Floats
    order: Ints


class PairOptions(NamedTuple):
    """Which pairs are formed, and how they are weighted.

    Attributes
    ----------
    kind : int
        PAIRWISE, NDCG or MAP.
    pairs : int
        How many of the first rows are paired with all rows after them, or how many partners each row draws.
    seed : uint64
        For drawing.
    by_distance : bool
        Whether weights are divided by the distance of the margins.
    logarithmic : bool
        Whether the sum S of the gradients of a group is scaled to log2(1 + S).
    """

    kind: int
    pairs: int
    seed: np.uint64
    by_distance: bool
    logarithmic: bool


class Bias(NamedTuple):
    """Position bias: its estimates, and the losses for the next estimates; empty without bias.

    A position is the index of a row in its group, in the order of the table.

    Attributes
    ----------
    relevant, irrelevant : (positions,)
        The probability that a row in this position is observed as relevant (ti+) or as not relevant (tj-),
        relative to the first position.
    relevant_loss, irrelevant_loss : (rows,), output
    """

    relevant: Floats
    irrelevant: Floats
    relevant_loss: Floats
    irrelevant_loss: Floats


class _Group(NamedTuple):
    """The rows of one query group in order of decreasing margin; each array is (longest group,).

    `power` is exp(margin - highest margin); `f`, `g`, `d`, `e` and `u` are the factors of the weights;
    `slope` and `curvature` are the sums of the derivatives.
    """

    power: Floats
    margin: Floats
    label: Floats
    f: Floats
    g: Floats
    d: Floats
    e: Floats
    u: Floats
    slope: Floats
    curvature: Floats


@kernel(inline="always")
def _make_group(queries, first, last):
    # Numba's tuples take no generator: one argument for each field.
    longest = 0
    for n in range(first, last):
        longest = max(longest, queries.bounds[n + 1] - queries.bounds[n])
    return _Group(
        np.empty(longest),
        np.empty(longest),
        np.empty(longest),
        np.empty(longest),
        np.empty(longest),
        np.empty(longest),
        np.empty(longest),
        np.empty(longest),
        np.empty(longest),
        np.empty(longest),
    )


@kernel(fastmath=FAST_SUMS, allocates=False)
def _write_factors(group, rows, kind, discount):
    """Write the factors of the weights; `group.f` holds the gains of the rows for rank:ndcg."""
    f, g, d, e = group.f, group.g, group.d, group.e
    if kind == NDCG:
        for r in range(rows):
            g[r] = f[r]
            d[r] = e[r] = discount[r]
        return
    for r in range(rows):
        f[r] = d[r] = 1.0
        g[r] = e[r] = 0.0
    if kind == MAP:
        ones = 0.0
        precisions = 0.0  # sum of label / place
        for r in range(rows):
            # The sums are those up to the place before for g, and including this place for f.
            label = group.label[r]
            place = r + 1.0
            g[r] = (ones + label) / place - precisions
            ones += label
            precisions += label / place
            f[r] = (ones + (1.0 - label)) / place - precisions
        for r in range(rows if ones > 0.0 else 0):
            f[r] /= ones
            g[r] /= ones


@kernel(fastmath=FAST_SUMS, allocates=False)
def _load_group(group, n, ranked, queries, options):
    """Copy the rows of query group `n`; return the factor and the offset of the distances of margins."""
    begin = queries.bounds[n]
    order = ranked.order[begin : queries.bounds[n + 1]]
    rows = order.size
    margin = group.margin
    for r in range(rows):
        margin[r] = ranked.margin[order[r]]
    highest = lowest = margin[0]
    for r in range(rows):
        highest, lowest = max(highest, margin[r]), min(lowest, margin[r])
    for r in range(rows):
        row = order[r]
        group.power[r] = math.exp(max(margin[r] - highest, -CLIP))
        group.label[r] = queries.label[row]
        group.u[r] = queries.share[row]
        if options.kind == NDCG:
            group.f[r] = queries.gain[row]
        group.slope[r] = 0.0
        group.curvature[r] = 0.0
    _write_factors(group, rows, options.kind, queries.discount)
    if options.by_distance and highest != lowest:
        return 1.0, DISTANCE_OFFSET
    return 0.0, 1.0


@kernel(fastmath=FAST_SUMS, allocates=False)
def _pair(p_i, p_j, s_i, s_j, y_i, y_j, change, scaling):
    """Return the gradient of j (that of i is its negative), the hessian, the chance of j, and the weight.

    With p = exp(margin), the chance that j is above i is p_j / (p_i + p_j): no exponential, and one
    division for that and the distance.
    """
    distance = abs(s_i - s_j) * scaling[0] + scaling[1]
    both = p_i + p_j
    inverse = 1.0 / (both * distance)
    weight = abs(change) * both * inverse
    weight = weight if y_i != y_j else 0.0
    chance = p_j * distance * inverse
    slope = weight * (chance - (1.0 if y_i < y_j else 0.0))
    return slope, 2.0 * weight * (chance - chance * chance), chance, weight


@kernel(fastmath=FAST_SUMS, allocates=False)
def _debias(i, j, begin, y_i, y_j, chance, weight, bias):
    """Add a pair's loss to those of its positions, and return the factor that corrects its derivatives.

    Parameters
    ----------
    i, j : row numbers
    begin : the first row of the group
    y_i, y_j, chance, weight : see `_pair`
    bias : Bias
    """
    if y_i == y_j:
        return 1.0
    high, low, wrong = (i, j, chance) if y_i > y_j else (j, i, 1.0 - chance)
    at_high, at_low = high - begin, low - begin
    if at_high >= bias.relevant.size or at_low >= bias.relevant.size:
        return 1.0
    loss = -math.log(max(wrong, TINY)) * weight
    relevant, irrelevant = bias.relevant[at_high], bias.irrelevant[at_low]
    if irrelevant >= TINY:
        bias.relevant_loss[high] += loss / irrelevant
    if relevant >= TINY:
        bias.irrelevant_loss[low] += loss / relevant
    return 1.0 / (relevant * irrelevant) if relevant >= TINY and irrelevant >= TINY else 1.0


@kernel(fastmath=FAST_SUMS, allocates=False)
def _write_group(group, order, total, options, grad, hess):
    """Write the derivatives of the rows of a group, whose row numbers are `order`."""
    scale = 1.0
    if options.logarithmic and total > 0.0:
        scale = math.log2(1.0 + 2.0 * total) / (2.0 * total)
    for r in range(order.size):
        row = order[r]
        grad[row] = group.slope[r] * scale
        hess[row] = max(group.curvature[r] * scale, TINY)


@kernel(lazy=True, fastmath=FAST_SUMS)
def sum_pairs(ranked, queries, options, first, last, grad, hess):
    """Write the derivatives of query groups: sums over pairs of the first rows with all rows after them.

    Parameters
    ----------
    ranked : Ranked
    queries : Queries
    options : PairOptions
    first, last : the range of groups
    grad, hess : (rows,), output

    Notes
    -----
    O(pairs), in the order of rows, so that threads may share groups.
    """
    group = _make_group(queries, first, last)
    bounds = queries.bounds
    for n in range(first, last):
        scaling = _load_group(group, n, ranked, queries, options)
        rows = bounds[n + 1] - bounds[n]
        total = 0.0
        for i in range(min(options.pairs, rows - 1)):
            # Counted from zero, the loop over the rows after can be vectorised.
            p_i, s_i, y_i = group.power[i], group.margin[i], group.label[i]
            f_i, d_i, u_i = group.f[i], group.d[i], group.u[i]
            p, s, y = group.power[i + 1 : rows], group.margin[i + 1 : rows], group.label[i + 1 : rows]
            g, e, u = group.g[i + 1 : rows], group.e[i + 1 : rows], group.u[i + 1 : rows]
            slope, curvature = group.slope[i + 1 : rows], group.curvature[i + 1 : rows]
            sum_x, sum_h = 0.0, 0.0
            for j in range(rows - i - 1):
                change = (f_i - g[j]) * (d_i - e[j]) * (u_i + u[j])
                x, h, chance, weight = _pair(p_i, p[j], s_i, s[j], y_i, y[j], change, scaling)
                sum_x += x
                sum_h += h
                total += abs(x)
                slope[j] += x
                curvature[j] += h
            group.slope[i] -= sum_x
            group.curvature[i] += sum_h
        _write_group(group, ranked.order[bounds[n] : bounds[n + 1]], total, options, grad, hess)


@kernel(lazy=True, fastmath=FAST_SUMS)
def sum_pairs_unbiased(ranked, queries, options, bias, first, last, grad, hess):
    """Write the derivatives of `sum_pairs`, corrected for position bias; `bias.*_loss` are output, too."""
    group = _make_group(queries, first, last)
    bounds = queries.bounds
    for n in range(first, last):
        scaling = _load_group(group, n, ranked, queries, options)
        order = ranked.order[bounds[n] : bounds[n + 1]]
        rows = order.size
        total = 0.0
        for i in range(min(options.pairs, rows - 1)):
            for j in range(i + 1, rows):
                change = (group.f[i] - group.g[j]) * (group.d[i] - group.e[j]) * (group.u[i] + group.u[j])
                y_i, y_j = group.label[i], group.label[j]
                p_i, p_j, s_i, s_j = group.power[i], group.power[j], group.margin[i], group.margin[j]
                x, h, chance, weight = _pair(p_i, p_j, s_i, s_j, y_i, y_j, change, scaling)
                scale = _debias(order[i], order[j], bounds[n], y_i, y_j, chance, weight, bias)
                group.slope[i] -= x * scale
                group.slope[j] += x * scale
                group.curvature[i] += h * scale
                group.curvature[j] += h * scale
                total += abs(x * scale)
        _write_group(group, order, total, options, grad, hess)


@kernel(allocates=False)
def _draw(seed, number, size):
    """Return a number below size, drawn by the output function of the splitmix64 generator."""
    z = seed + np.uint64(number + 1) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return np.int64(((z >> np.uint64(32)) * np.uint64(size)) >> np.uint64(32))


@kernel(lazy=True, fastmath=FAST_SUMS)
def sum_drawn_pairs(ranked, queries, options, bias, first, last, grad, hess):
    """Write the derivatives of query groups: sums over pairs of each row with rows drawn from other labels.

    `queries.by_label` must not be empty; `bias` may be. Other parameters as of `sum_pairs`.
    """
    group = _make_group(queries, first, last)
    place = np.empty(group.power.size, np.int64)
    for n in range(first, last):
        scaling = _load_group(group, n, ranked, queries, options)
        begin = queries.bounds[n]
        order = ranked.order[begin : queries.bounds[n + 1]]
        by_label = queries.by_label[begin : queries.bounds[n + 1]]
        rows = order.size
        for r in range(rows):
            place[order[r] - begin] = r
        total = 0.0
        start = 0
        while start < rows:
            # Rows start to stop - 1 of `by_label` have one label; partners are drawn from the others.
            stop = start
            value = queries.label[by_label[start]]
            while stop < rows and queries.label[by_label[stop]] == value:
                stop += 1
            others = rows - (stop - start)
            for k in range(start, stop if others else start):
                row = by_label[k]
                for draw in range(options.pairs):
                    at = _draw(options.seed, row * options.pairs + draw, others)
                    partner = by_label[at if at < start else at + stop - start]
                    i, j = place[row - begin], place[partner - begin]
                    if i > j:
                        i, j = j, i
                    change = (group.f[i] - group.g[j]) * (group.d[i] - group.e[j]) * (group.u[i] + group.u[j])
                    y_i, y_j = group.label[i], group.label[j]
                    p_i, p_j, s_i, s_j = group.power[i], group.power[j], group.margin[i], group.margin[j]
                    x, h, chance, weight = _pair(p_i, p_j, s_i, s_j, y_i, y_j, change, scaling)
                    if bias.relevant.size:
                        scale = _debias(order[i], order[j], begin, y_i, y_j, chance, weight, bias)
                        x *= scale
                        h *= scale
                    group.slope[i] -= x
                    group.slope[j] += x
                    group.curvature[i] += h
                    group.curvature[j] += h
                    total += abs(x)
            start = stop
        _write_group(group, order, total, options, grad, hess)

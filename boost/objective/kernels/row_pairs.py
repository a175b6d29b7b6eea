"""Kernels: gradients of ranking losses, pair by pair (LambdaMART).

All losses have one form. A pair of rows of one group, i before j by prediction, whose labels differ, adds

    weight * log(1 + exp(-(margin of the higher label - margin of the lower one)))

with weight = abs((f_i - g_j) (d_i - e_j)) (u_i + u_j) / distance, taken as a constant: how much the metric
would change if the two changed places, over the distance of the margins plus 0.01 (or over 1).

- rank:pairwise: f = d = 1, g = e = 0, no change of a metric.
- rank:ndcg: f = g = gain over the best sum of the group, d = e = 1 / log2(place + 2).
- rank:map: d = 1, e = 0, and f and g from the numbers of ones up to the places.

References
----------
C. Burges, "From RankNet to LambdaRank to LambdaMART: An Overview", MSR-TR-2010-82.
Z. Hu et al., "Unbiased LambdaMART: An Unbiased Pairwise Learning-to-Rank Algorithm", WWW 2019.
"""

from __future__ import annotations

import math

import numpy as np

from boost.jit import kernel

PAIRWISE, NDCG, MAP = 0, 1, 2
# A row further below the best of its group counts as this far below: exp(-700) is not yet an underflow.
LONGEST = 700.0
TINY = 1e-16
NEAR = 0.01


@kernel()
def _pair(p_i, p_j, s_i, s_j, y_i, y_j, change, distant, nearest):
    """Return the gradient of j (that of i is its negative), the hessian, the chance of j, and the weight.

    With p = exp(margin), the chance that j is above i is p_j / (p_i + p_j): no exponential, and one division
    for that and the distance.
    """
    distance = abs(s_i - s_j) * distant + nearest
    both = p_i + p_j
    inverse = 1.0 / (both * distance)
    weight = abs(change) * both * inverse
    weight = weight if y_i != y_j else 0.0
    chance = p_j * distance * inverse
    slope = weight * (chance - (1.0 if y_i < y_j else 0.0))
    return slope, 2.0 * weight * (chance - chance * chance), chance, weight


@kernel()
def _places(kind, label, gain, discount, f, g, d, e):
    """Write what the change of the metric is made of, for rows in their places of one group."""
    rows = label.size
    ones = 0.0
    area = 0.0
    for r in range(rows):
        f[r] = 1.0
        g[r] = 0.0
        d[r] = 1.0
        e[r] = 0.0
        if kind == NDCG:
            f[r] = g[r] = gain[r]
            d[r] = e[r] = discount[r]
        elif kind == MAP:
            # ones and area: sums of label and of label / place, up to the place before, then up to this one.
            place = r + 1.0
            g[r] = (ones + label[r]) / place - area
            ones += label[r]
            area += label[r] / place
            f[r] = (ones + (1.0 - label[r])) / place - area
    if kind == MAP and ones > 0.0:
        for r in range(rows):
            f[r] /= ones
            g[r] /= ones


@kernel()
def _debias(i, j, begin, y_i, y_j, chance, weight, ahead, behind, ahead_loss, behind_loss):
    """Add the pair's loss to those of its positions, and return the factor that takes the positions out.

    A position is a row's place in the table, within its group.
    """
    if y_i == y_j:
        return 1.0
    high, low, wrong = (i, j, chance) if y_i > y_j else (j, i, 1.0 - chance)
    at_high, at_low = high - begin, low - begin
    if at_high >= ahead.size or at_low >= ahead.size:
        return 1.0
    loss = -math.log(max(wrong, TINY)) * weight
    seen, unseen = ahead[at_high] >= TINY, behind[at_low] >= TINY
    if unseen:
        ahead_loss[high] += loss / behind[at_low]
    if seen:
        behind_loss[low] += loss / ahead[at_high]
    return 1.0 / (ahead[at_high] * behind[at_low]) if seen and unseen else 1.0


@kernel()
def _draw(seed, number, size):
    """Return a number below size, drawn by the splitmix64 generator's output function."""
    z = seed + np.uint64(number + 1) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return np.int64(((z >> np.uint64(32)) * np.uint64(size)) >> np.uint64(32))


@kernel(
    "void(float64[::1], float64[::1], float64[::1], float64[::1], float64[::1], int64[::1], int64[::1], "
    "int64[::1], int64, int64, int64, int64, uint64, boolean, boolean, float64[::1], float64[::1], "
    "float64[::1], float64[::1], float64[::1], float64[::1])",
    fastmath={"reassoc", "contract"},
)
def sum_pairs(
    margin,
    label,
    gain,
    discount,
    share,
    order,
    bounds,
    by_label,
    kind,
    first,
    last,
    pairs,
    seed,
    distant,
    logarithm,
    ahead,
    behind,
    ahead_loss,
    behind_loss,
    grad,
    hess,
):
    """Write the sums of the rows' derivatives over pairs of some groups.

    Parameters
    ----------
    margin, label : (rows,)
    gain : (rows,) for rank:ndcg, over the best sum of the group; else empty
    discount : (longest group,) for rank:ndcg, by place; else empty
    share : (rows,), the u of the weight
    order : (rows,), row numbers, group after group, in each by falling margin (any order will do for
        rank:pairwise with all pairs)
    bounds : (groups + 1,), where the groups start
    by_label : (rows,) to draw pairs, row numbers, group after group, in each by falling label; empty to take
        the first rows
    kind : PAIRWISE, NDCG or MAP
    first, last : the groups to do
    pairs : how many first rows are compared with all after them, or how many partners each row draws
    seed : of what is drawn
    distant : whether weights are over the distance of the margins
    logarithm : whether a group's sums S are scaled to log2(1 + S)
    ahead, behind : (positions,), how much likelier than in the first position a row is to be seen and found
        relevant or not (ti+ and tj-); empty when it is alike
    ahead_loss, behind_loss : (rows,), output of the losses that the next estimates are made of; or empty
    grad, hess : (rows,), output

    Notes
    -----
    O(pairs), in the order of rows, so that threads may share groups.
    """
    longest = 0
    for n in range(first, last):
        longest = max(longest, bounds[n + 1] - bounds[n])
    power, score, level, part = np.empty(longest), np.empty(longest), np.empty(longest), np.empty(longest)
    worth, f, g, d, e = (
        np.zeros(longest),
        np.empty(longest),
        np.empty(longest),
        np.empty(longest),
        np.empty(longest),
    )
    down, curve = np.empty(longest), np.empty(longest)
    place = np.empty(longest if by_label.size else 0, np.int64)
    biased = ahead.size > 0
    for n in range(first, last):
        begin = bounds[n]
        rows = bounds[n + 1] - begin
        for r in range(rows):
            score[r] = margin[order[begin + r]]
        highest, lowest = score[0], score[0]
        for r in range(rows):
            highest, lowest = max(highest, score[r]), min(lowest, score[r])
        for r in range(rows):
            row = order[begin + r]
            power[r] = math.exp(max(score[r] - highest, -LONGEST))
            level[r] = label[row]
            part[r] = share[row]
            if kind == NDCG:
                worth[r] = gain[row]
            down[r] = 0.0
            curve[r] = 0.0
        _places(kind, level[:rows], worth, discount, f, g, d, e)
        far = 1.0 if distant and highest != lowest else 0.0
        near = NEAR if far == 1.0 else 1.0
        total = 0.0
        if by_label.size == 0:
            for i in range(min(pairs, rows - 1)):
                # Counted from zero, the loop over the rows after can be vectorised.
                size = rows - i - 1
                p_i, s_i, y_i, f_i, d_i, u_i = power[i], score[i], level[i], f[i], d[i], part[i]
                p, s, y = power[i + 1 : rows], score[i + 1 : rows], level[i + 1 : rows]
                gs, es, u = g[i + 1 : rows], e[i + 1 : rows], part[i + 1 : rows]
                downs, curves = down[i + 1 : rows], curve[i + 1 : rows]
                if biased:
                    for j in range(size):
                        change = (f_i - gs[j]) * (d_i - es[j]) * (u_i + u[j])
                        x, h, chance, weight = _pair(p_i, p[j], s_i, s[j], y_i, y[j], change, far, near)
                        scale = _debias(
                            order[begin + i],
                            order[begin + i + 1 + j],
                            begin,
                            y_i,
                            y[j],
                            chance,
                            weight,
                            ahead,
                            behind,
                            ahead_loss,
                            behind_loss,
                        )
                        down[i] -= x * scale
                        downs[j] += x * scale
                        curve[i] += h * scale
                        curves[j] += h * scale
                        total += abs(x * scale)
                else:
                    sum_x, sum_h = 0.0, 0.0
                    for j in range(size):
                        change = (f_i - gs[j]) * (d_i - es[j]) * (u_i + u[j])
                        x, h, chance, weight = _pair(p_i, p[j], s_i, s[j], y_i, y[j], change, far, near)
                        sum_x += x
                        sum_h += h
                        total += abs(x)
                        downs[j] += x
                        curves[j] += h
                    down[i] -= sum_x
                    curve[i] += sum_h
        else:
            for r in range(rows):
                place[order[begin + r] - begin] = r
            start = 0
            while start < rows:
                # Places start to stop - 1 by label have one label; partners are drawn from the others.
                stop = start
                value = label[by_label[begin + start]]
                while stop < rows and label[by_label[begin + stop]] == value:
                    stop += 1
                others = rows - (stop - start)
                for k in range(start, stop if others else start):
                    row = by_label[begin + k]
                    for draw in range(pairs):
                        at = _draw(seed, row * pairs + draw, others)
                        mate = by_label[begin + (at if at < start else at + stop - start)]
                        i, j = place[row - begin], place[mate - begin]
                        if i > j:
                            i, j = j, i
                        change = (f[i] - g[j]) * (d[i] - e[j]) * (part[i] + part[j])
                        x, h, chance, weight = _pair(
                            power[i], power[j], score[i], score[j], level[i], level[j], change, far, near
                        )
                        if biased:
                            scale = _debias(
                                order[begin + i],
                                order[begin + j],
                                begin,
                                level[i],
                                level[j],
                                chance,
                                weight,
                                ahead,
                                behind,
                                ahead_loss,
                                behind_loss,
                            )
                            x *= scale
                            h *= scale
                        down[i] -= x
                        down[j] += x
                        curve[i] += h
                        curve[j] += h
                        total += abs(x)
                start = stop
        scale = 1.0
        if logarithm and total > 0.0:
            scale = math.log2(1.0 + 2.0 * total) / (2.0 * total)
        for r in range(rows):
            row = order[begin + r]
            grad[row] = down[r] * scale
            hess[row] = max(curve[r] * scale, TINY)

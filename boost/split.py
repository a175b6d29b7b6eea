"""The kernels that find the best split of each node from its histogram."""

from __future__ import annotations

import numpy as np

from boost.jit import kernel, lowest_bit

# A gain below this share of the scores is their rounding.
NOISE = 1e-10
# Bins are looked at in steps of so many, which vectors of any width divide.
STRIDE = 32
# Places in the array of limits, all in the units of the rounded sums. LEAST, the smallest hessian of a child,
# is at least one: sums are whole numbers, and a child needs some weight.
ALPHA, LAMBDA, LEAST, GAIN, STEP, ONE_HOT, MOST_CATEGORIES = range(7)
LIMITS = 7


@kernel()
def score(g, h, alpha, reg_lambda):
    """Structure score of a leaf without the factor 1/2: T(g)**2 / (h + lambda) with T the soft threshold."""
    over = max(abs(g) - alpha, 0.0)
    return over * over / (h + reg_lambda) if over > 0.0 else 0.0


@kernel()
def weigh(g, h, limits, lower, upper):
    """Return the best weight of a leaf within its bounds."""
    over = max(abs(g) - limits[ALPHA], 0.0)
    bottom = h + limits[LAMBDA]
    w = 0.0
    if over > 0.0 and bottom > 0.0:
        w = over / bottom if g < 0.0 else -over / bottom
    step = limits[STEP]
    if step > 0.0:
        w = min(max(w, -step), step)
    return min(max(w, lower), upper)


@kernel()
def score_of_weight(g, h, w, limits):
    """Return the structure score of a leaf that has the weight `w`; `score` is the largest of these."""
    return -(2.0 * g * w + (h + limits[LAMBDA]) * w * w + 2.0 * limits[ALPHA] * abs(w))


@kernel()
def bounded_scores(left_g, left_h, right_g, right_h, limits, lower, upper, direction):
    """Return the sum of the scores of two bounded children, -inf where they break a direction."""
    left = weigh(left_g, left_h, limits, lower, upper)
    right = weigh(right_g, right_h, limits, lower, upper)
    if direction * (right - left) < 0.0:
        return -np.inf
    return score_of_weight(left_g, left_h, left, limits) + score_of_weight(right_g, right_h, right, limits)


@kernel()
def beats(left_g, left_h, right_g, right_h, alpha, reg_lambda, best):
    """Return the sum of the scores of two children when it is above `best`, or else `best`.

    The usual answer is no, and costs no division: a / b + c / d > best asks whether a d + c b > best b d.
    Rounding may say yes to an equal, so the division decides. Swapping left and right does not change a bit
    of it.
    """
    over_left = max(abs(left_g) - alpha, 0.0)
    over_right = max(abs(right_g) - alpha, 0.0)
    left_bottom = left_h + reg_lambda
    right_bottom = right_h + reg_lambda
    top = over_left * over_left * right_bottom + over_right * over_right * left_bottom
    bottom = left_bottom * right_bottom
    if top > best * bottom:
        return max(best, top / bottom)
    return best


@kernel()
def running_sums(table, other, subtract, begin, bins, gradients, hessians):
    """Write the sums of the first bins of one feature, and return those of all of them.

    Four quarters run side by side, because a sum waits for the one before; the sums are exact, so that
    their order does not matter.

    Parameters
    ----------
    table : (bins, 2), a histogram; with `subtract`, less `other` from now on
    begin, bins : the range of the feature
    gradients, hessians : (at least bins, rounded up to `STRIDE`), output; after the last bin comes an
        infinite hessian, which no split passes
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
    r1 = np.uint64(quarter)
    r2 = np.uint64(2 * quarter)
    r3 = np.uint64(3 * quarter)
    for i in range(np.uint64(quarter)):
        g0 += table[b0 + i, 0]
        h0 += table[b0 + i, 1]
        gradients[i] = g0
        hessians[i] = h0
        g1 += table[b1 + i, 0]
        h1 += table[b1 + i, 1]
        gradients[r1 + i] = g1
        hessians[r1 + i] = h1
        g2 += table[b2 + i, 0]
        h2 += table[b2 + i, 1]
        gradients[r2 + i] = g2
        hessians[r2 + i] = h2
        g3 += table[b3 + i, 0]
        h3 += table[b3 + i, 1]
        gradients[r3 + i] = g3
        hessians[r3 + i] = h3
    g1 += g0
    h1 += h0
    g2 += g1
    h2 += h1
    g3 += g2
    h3 += h2
    for part in range(1, 4):
        more_g = g0 if part == 1 else g1 if part == 2 else g2
        more_h = h0 if part == 1 else h1 if part == 2 else h2
        for i in range(part * quarter, part * quarter + quarter):
            gradients[i] += more_g
            hessians[i] += more_h
    for i in range(4 * quarter, bins):
        g3 += table[begin + i, 0]
        h3 += table[begin + i, 1]
        gradients[i] = g3
        hessians[i] = h3
    for i in range(bins, -(-bins // STRIDE) * STRIDE):
        gradients[i] = 0.0
        hessians[i] = np.inf
    return g3, h3


@kernel()
def any_beats(gradients, hessians, bins, add_g, add_h, total_g, total_h, limits, best):
    """Return whether some split may beat `best`: no branches, many bins at a time."""
    alpha = limits[ALPHA]
    reg_lambda = limits[LAMBDA]
    least = limits[LEAST]
    hit = np.int64(0)
    for i in range(-(-bins // STRIDE) * STRIDE):
        left_g = gradients[i] + add_g
        left_h = hessians[i] + add_h
        right_g = total_g - left_g
        right_h = total_h - left_h
        over_left = max(abs(left_g) - alpha, 0.0)
        over_right = max(abs(right_g) - alpha, 0.0)
        left_bottom = left_h + reg_lambda
        right_bottom = right_h + reg_lambda
        top = over_left * over_left * right_bottom + over_right * over_right * left_bottom
        hit |= (
            np.int64(top > best * (left_bottom * right_bottom))
            & np.int64(left_h >= least)
            & np.int64(right_h >= least)
        )
    return hit != 0


@kernel()
def scan(gradients, hessians, bins, add_g, add_h, total_g, total_h, limits, best, node):
    """Try the splits of a numerical feature in one direction; return the best scores, bin and left sums.

    The bin is -1 when nothing beats `best`. `add_g` and `add_h` are what goes left besides the first bins.
    `node` holds the bounds of the node's weights and the feature's direction, or is empty when nothing is
    bounded.
    """
    at = -1
    at_g = at_h = 0.0
    least = limits[LEAST]
    if node.size == 0 and not any_beats(
        gradients, hessians, bins, add_g, add_h, total_g, total_h, limits, best
    ):
        return best, at, at_g, at_h
    for i in range(bins):
        left_g = gradients[i] + add_g
        left_h = hessians[i] + add_h
        right_g = total_g - left_g
        right_h = total_h - left_h
        if left_h < least or right_h < least:
            continue
        if node.size == 0:
            value = beats(left_g, left_h, right_g, right_h, limits[ALPHA], limits[LAMBDA], best)
        else:
            value = bounded_scores(left_g, left_h, right_g, right_h, limits, node[0], node[1], node[2])
        if value > best:
            best = value
            at = i
            at_g = left_g
            at_h = left_h
    return best, at, at_g, at_h


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
    A split at bin b sends the bins <= b to the left. Missing values go right in the first scan, and left in
    the second, which only a feature with missing values in this node needs (XGBoost paper, algorithm 3).
    Their sums are what the present values leave of the node's. Of equal gains, the first one found stands:
    the lower feature, then missing values on the right, then the lower bin. An empty bin changes no sum, so
    it never beats the bin before it and needs no test of its own.
    """
    widest = 0
    for j in range(features.size):
        widest = max(widest, offsets[features[j] + 1] - offsets[features[j]])
    gradients = np.empty(-(-widest // STRIDE) * STRIDE)
    hessians = np.empty_like(gradients)
    bounded = bounds.shape[0] > 0
    node = np.zeros(3 if bounded else 0)
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
        for j in range(features.size):
            f = features[j]
            begin = offsets[f]
            bins = offsets[f + 1] - begin - 1
            present_g, present_h = running_sums(table, other, not whole, begin, bins, gradients, hessians)
            if plan[n, 2] == 0 or (mask >= 0 and allowed[mask, f] == 0):
                continue
            if categorical[f]:
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
                continue
            if bounded:
                node[2] = directions[f] if directions.size else 0.0
            missing_g = total_g - present_g
            missing_h = total_h - present_h
            for side in range(2 if missing_g != 0.0 or missing_h != 0.0 else 1):
                add_g = missing_g if side else 0.0
                add_h = missing_h if side else 0.0
                value, at, left_g, left_h = scan(
                    gradients, hessians, bins, add_g, add_h, total_g, total_h, limits, best, node
                )
                if at >= 0:
                    best = value
                    left_sums[n, 0] = left_g
                    left_sums[n, 1] = left_h
                    found[n, 0] = f
                    found[n, 1] = at
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
    widest = 0
    for j in range(features.size):
        widest = max(widest, offsets[features[j] + 1] - offsets[features[j]])
    gradients = np.empty(-(-widest // STRIDE) * STRIDE)
    hessians = np.empty_like(gradients)
    number = np.empty(widest, dtype=np.int64)
    nothing = np.zeros(0)
    total_g = sums[n, 0]
    total_h = sums[n, 1]
    parent = score(total_g, total_h, limits[ALPHA], limits[LAMBDA])
    best = parent
    for j in range(features.size):
        f = features[j]
        if mask >= 0 and allowed[mask, f] == 0:
            continue
        begin = offsets[f]
        end = offsets[f + 1] - 1
        if categorical[f]:
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
            continue
        g = h = 0.0
        count = 0
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
            gradients[count] = g
            hessians[count] = h
            number[count] = b - begin
            count += 1
            b += 1
        if count == 0:
            continue
        for i in range(count, -(-count // STRIDE) * STRIDE):
            gradients[i] = 0.0
            hessians[i] = np.inf
        missing_g = total_g - g
        missing_h = total_h - h
        for side in range(2 if missing_g != 0.0 or missing_h != 0.0 else 1):
            add_g = missing_g if side else 0.0
            add_h = missing_h if side else 0.0
            value, at, left_g, left_h = scan(
                gradients, hessians, count, add_g, add_h, total_g, total_h, limits, best, nothing
            )
            if at >= 0:
                best = value
                left_sums[n, 0] = left_g
                left_sums[n, 1] = left_h
                found[n, 0] = f
                found[n, 1] = number[at]
                found[n, 2] = side
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

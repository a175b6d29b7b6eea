"""The kernels of exact growing: part sorted entries between children, and scan them for the best split.

A piece is the run of entries that one feature has in one node: row of `pieces`, with the columns feature,
begin and end. The pieces of a node lie side by side; a feature without entries in a node has none there.
"""

from __future__ import annotations

import numpy as np

from boost.grow.kernels.score import ALPHA, LAMBDA, LEAST, STEP, bounded_scores, fraction, may_beat
from boost.jit import kernel, prefetch

# Boundaries that are looked at in step.
CHUNK = 256
# How many entries ahead the gradients are asked for.
AHEAD = np.uint64(24)
# A product that rounding made too small must not hide a better split.
SLACK = 1.0 - 1e-14
UPPER = np.uint64(32)
LOWER = np.uint64(0xFFFFFFFF)
# Columns of `found`.
FEATURE, LOW, HIGH, MISSING_LEFT, BEGIN, END = range(6)


@kernel()
def pair_score(left_g, left_h, total_g, total_h, low, high, direction, bounded, limits):
    """Return the sum of the scores of two children, minus infinity where they are not allowed.

    Without a direction, swapping left and right does not change a bit of it.
    """
    right_g = total_g - left_g
    right_h = total_h - left_h
    if left_h < limits[LEAST] or right_h < limits[LEAST]:
        return -np.inf
    if bounded:
        return bounded_scores(left_g, left_h, right_g, right_h, limits, low, high, direction)
    top, bottom = fraction(left_g, left_h, right_g, right_h, limits[ALPHA], limits[LAMBDA])
    return top / bottom


@kernel()
def any_beats(g, h, count, entries, first, any_place, total_g, total_h, add_g, add_h, limits, best):
    """Return whether some place may beat `best`: many places at a time.

    Unless `any_place`, entry `first` + i is the last one on the left of place i, and another value must come
    after it.
    """
    alpha = limits[ALPHA]
    reg_lambda = limits[LAMBDA]
    least = limits[LEAST]
    threshold = best * SLACK
    at = np.uint64(first)
    hit = np.int64(0)
    for i in range(np.uint64(count)):
        changes = (entries[at + i] ^ entries[at + i + np.uint64(1)]) > LOWER
        left_g = g[i] + add_g
        left_h = h[i] + add_h
        hit |= may_beat(left_g, left_h, total_g, total_h, alpha, reg_lambda, least, threshold) & np.int64(
            changes | any_place
        )
    return hit != 0


@kernel()
def neighbours(entries, pairs, begin, end, k):
    """Return the keys on both sides of the place after entry `k`, 0 for none.

    Rows without gradient and hessian are not there.
    """
    low = k
    while low >= begin and no_weight(pairs, entries[np.uint64(low)] & LOWER):
        low -= 1
    high = k + 1
    while high < end and no_weight(pairs, entries[np.uint64(high)] & LOWER):
        high += 1
    below = np.int64(entries[np.uint64(low)] >> UPPER) if low >= begin else 0
    return below, np.int64(entries[np.uint64(high)] >> UPPER) if high < end else 0


@kernel()
def no_weight(pairs, row):
    """Return whether a row counts for nothing."""
    return pairs[row, 0] == 0.0 and pairs[row, 1] == 0.0


@kernel()
def gather(entries, pairs, begin, end, sum_g, sum_h, g, h):
    """Write the running sums of some entries, and return the last ones."""
    first = np.uint64(begin)
    for i in range(np.uint64(end - begin)):
        prefetch(pairs, np.int64((entries[first + i + AHEAD] & LOWER) << np.uint64(1)))
        row = entries[first + i] & LOWER
        sum_g += pairs[row, 0]
        sum_h += pairs[row, 1]
        g[i] = sum_g
        h[i] = sum_h
    return sum_g, sum_h


@kernel()
def select(entries, begin, end, step, goal, g, h, places):
    """Keep the changes of value at or past a multiple of `step`; return their number and the next goal."""
    count = 0
    for i in range(end - begin):
        k = np.uint64(begin + i)
        if h[i] >= goal and (entries[k] ^ entries[k + np.uint64(1)]) > LOWER:
            goal = step * (np.floor(h[i] / step) + 1.0)
            g[count] = g[i]
            h[count] = h[i]
            places[count] = begin + i
            count += 1
    return count, goal


@kernel()
def sum_piece(entries, pairs, begin, end):
    """Return the sums of the gradient pairs of some entries; of two sums, none waits for the other."""
    g = h = g2 = h2 = 0.0
    k = np.uint64(begin)
    last = np.uint64(end)
    while k + np.uint64(1) < last:
        prefetch(pairs, np.int64((entries[k + AHEAD] & LOWER) << np.uint64(1)))
        row = entries[k] & LOWER
        row2 = entries[k + np.uint64(1)] & LOWER
        g += pairs[row, 0]
        h += pairs[row, 1]
        g2 += pairs[row2, 0]
        h2 += pairs[row2, 1]
        k += np.uint64(2)
    if k < last:
        row = entries[k] & LOWER
        g += pairs[row, 0]
        h += pairs[row, 1]
    return g + g2, h + h2


_SCAN = (
    "void(uint64[::1], float64[:,::1], int64[:,::1], int64[::1], int64[::1], int64, int64, uint8[::1],"
    " int64[::1], float64[:,::1], uint8[:,::1], int8[::1], uint8[::1], float64[::1], float64,"
    " float64[:,::1], int64[:,::1])"
)


@kernel(_SCAN)
def scan(
    entries,
    pairs,
    pieces,
    starts,
    stops,
    first,
    last,
    open_nodes,
    counts,
    nodes,
    allowed,
    directions,
    constant,
    limits,
    spacing,
    best,
    found,
):
    """Find the best split of each node of a level from its pieces. O(entries of the pieces).

    Parameters
    ----------
    entries : (entries + AHEAD,), see `SortedColumns`
    pairs : (rows, 2)
    pieces : (pieces, 3)
    starts, stops : (nodes of the level,), the pieces of each node
    first, last : the nodes to do
    open_nodes : (nodes of the level,), zero for a node that cannot be split
    counts : (nodes of the level,), rows of each node
    nodes : (nodes of the level, 5), sums of gradients and hessians, lower and upper bound of the weights, and
        the score to beat
    allowed : (nodes of the level, all features), or (1, all features) for the same in all nodes; zero for a
        feature that may not be used
    directions : (all features,) for monotone constraints, or (0,)
    constant : (all features,), whether the present values of a column are all the same
    limits : see `boost.grow.kernels.score`; the smallest hessian of a child is at least one unit
    spacing : the fraction of a piece's hessian from one candidate to the next; zero: every value is one
    best : (nodes of the level, 3), output: sum of the children's scores, and the sums of the left child
    found : (nodes of the level, 6), output: feature (negative for no split), the keys of the values on both
        sides, whether missing values go left, and the piece's range in `entries`. A key of 0 stands for a
        side that holds nothing but missing values.

    Notes
    -----
    Both default directions are looked at in the same scan, the left one only where rows of the node are
    missing (XGBoost paper, algorithm 3). Of equal gains, the first one stands: the lower feature, then
    missing values to the right, then the lower value there, or the higher one with missing values to the
    left. A column whose present values are all the same sends them right, and missing ones left, as XGBoost
    does. Rows without gradient and hessian are not there.
    """
    bounded = directions.size > 0 or limits[STEP] > 0.0
    g = np.empty(CHUNK)
    h = np.empty(CHUNK)
    places = np.empty(CHUNK, dtype=np.int64)
    for n in range(first, last):
        top = nodes[n, 4]
        best[n, 0] = top
        found[n, FEATURE] = -1
        if not open_nodes[n]:
            continue
        total_g = nodes[n, 0]
        total_h = nodes[n, 1]
        lower = nodes[n, 2]
        upper = nodes[n, 3]
        own = n if allowed.shape[0] > 1 else 0
        for p in range(starts[n], stops[n]):
            f = pieces[p, 0]
            if not allowed[own, f]:
                continue
            begin = pieces[p, 1]
            end = pieces[p, 2]
            direction = directions[f] if directions.size else np.int8(0)
            absent_g = 0.0
            absent_h = 0.0
            whole_h = total_h
            if end - begin < counts[n]:
                present_g, whole_h = sum_piece(entries, pairs, begin, end)
                absent_g = total_g - present_g
                absent_h = total_h - whole_h
            missing = absent_g != 0.0 or absent_h != 0.0
            # The best with missing values on the left is kept apart: its later finds win ties.
            top_left = top
            left_g = left_h = 0.0
            place = place_left = -1
            if missing:
                score = pair_score(
                    absent_g, absent_h, total_g, total_h, lower, upper, direction, bounded, limits
                )
                if score > top_left:
                    top_left = score
                    place_left = begin - 1
                    left_g = absent_g
                    left_h = absent_h
            step = spacing * whole_h
            goal = step
            sum_g = sum_h = 0.0
            k = begin
            if (entries[np.uint64(begin)] ^ entries[np.uint64(end - 1)]) <= LOWER:
                # A single value, as of a one-hot column: nothing to part but present from missing.
                sum_g = total_g - absent_g
                sum_h = total_h - absent_h
                k = end
            while k < end:
                until = min(k + CHUNK, end)
                sum_g, sum_h = gather(entries, pairs, k, until, sum_g, sum_h, g, h)
                # After the last entry, only missing values are left.
                count = min(until, end - 1) - k
                if step > 0.0:
                    count, goal = select(entries, k, k + count, step, goal, g, h, places)
                some = bounded or any_beats(
                    g, h, count, entries, k, step > 0.0, total_g, total_h, 0.0, 0.0, limits, top
                )
                if missing and not some:
                    some = any_beats(
                        g,
                        h,
                        count,
                        entries,
                        k,
                        step > 0.0,
                        total_g,
                        total_h,
                        absent_g,
                        absent_h,
                        limits,
                        top_left,
                    )
                for c in range(count if some else 0):
                    at = places[c] if step > 0.0 else k + c
                    if (entries[np.uint64(at)] ^ entries[np.uint64(at + 1)]) <= LOWER:
                        continue
                    score = pair_score(g[c], h[c], total_g, total_h, lower, upper, direction, bounded, limits)
                    if score > top:
                        top = score
                        place = at
                        best[n, 1] = g[c]
                        best[n, 2] = h[c]
                    if missing:
                        other_g = absent_g + g[c]
                        other_h = absent_h + h[c]
                        score = pair_score(
                            other_g, other_h, total_g, total_h, lower, upper, direction, bounded, limits
                        )
                        if score >= top_left:
                            top_left = score
                            place_left = at
                            left_g = other_g
                            left_h = other_h
                k = until
            if missing and not constant[f]:
                score = pair_score(sum_g, sum_h, total_g, total_h, lower, upper, direction, bounded, limits)
                if score > top:
                    top = score
                    place = end - 1
                    best[n, 1] = sum_g
                    best[n, 2] = sum_h
            missing_left = top_left > top
            if missing_left:
                top = top_left
                place = place_left
                best[n, 1] = left_g
                best[n, 2] = left_h
            if missing_left or place >= 0:
                found[n, FEATURE] = f
                found[n, LOW], found[n, HIGH] = neighbours(entries, pairs, begin, end, place)
                found[n, MISSING_LEFT] = missing_left
                found[n, BEGIN] = begin
                found[n, END] = end
        best[n, 0] = top


@kernel(
    "void(uint64[::1], uint64[::1], uint64[::1], uint8[::1], int64[:,::1], int64[::1], int64[::1],"
    " int64[::1]," + _SCAN.removeprefix("void(uint64[::1], ")
)
def advance(
    source,
    entries,
    spare,
    side,
    old_pieces,
    old_starts,
    old_stops,
    children,
    pairs,
    pieces,
    starts,
    stops,
    first,
    last,
    open_nodes,
    counts,
    nodes,
    allowed,
    directions,
    constant,
    limits,
    spacing,
    best,
    found,
):
    """Part the entries of split nodes between their children, and scan those. O(entries of the pieces).

    Nodes are done one after the other with all features, so that the gradients of a node stay in the cache.

    Parameters
    ----------
    source : where the entries are
    entries : where they go; may be the same
    spare : as long as the longest piece
    side : (rows,), one for a row that goes left
    old_pieces, old_starts, old_stops : the pieces of the level above
    children : (nodes of the level above,), the place of the left child in the level, or negative
    pieces, starts, stops : output, the pieces of the level
    first, last : the nodes of the level above to do

    See `scan` for the others.
    """
    free = 0
    for n in range(first, last):
        c = children[n]
        if c < 0:
            continue
        starts[c] = stops[c] = starts[c + 1] = stops[c + 1] = free
        if open_nodes[c] or open_nodes[c + 1]:
            size = old_stops[n] - old_starts[n]
            starts[c + 1] = stops[c + 1] = free + size
            for p in range(old_starts[n], old_stops[n]):
                begin = old_pieces[p, 1]
                end = old_pieces[p, 2]
                left = begin
                right = 0
                for k in range(begin, end):
                    entry = source[np.uint64(k)]
                    goes_left = side[entry & LOWER]
                    # Both places are written and one is kept: no branch to be guessed wrongly.
                    entries[np.uint64(left)] = entry
                    spare[np.uint64(right)] = entry
                    left += goes_left
                    right += 1 - goes_left
                if open_nodes[c + 1]:
                    for k in range(right):
                        entries[left + k] = spare[k]
                for child in range(2):
                    a = left if child else begin
                    b = end if child else left
                    # No split can part a single value that no row is without.
                    if a < b and not (
                        b - a == counts[c + child] and entries[a] >> UPPER == entries[b - 1] >> UPPER
                    ):
                        at = stops[c + child]
                        pieces[at, 0] = old_pieces[p, 0]
                        pieces[at, 1] = a
                        pieces[at, 2] = b
                        stops[c + child] = at + open_nodes[c + child]
            free += 2 * size
        scan(
            entries,
            pairs,
            pieces,
            starts,
            stops,
            c,
            c + 2,
            open_nodes,
            counts,
            nodes,
            allowed,
            directions,
            constant,
            limits,
            spacing,
            best,
            found,
        )


@kernel(
    "void(uint64[::1], int64[:,::1], int64[::1], int64[::1], int64[::1], int64[::1], int64, int64,"
    " uint32[::1], uint32[::1], uint8[::1], int64[::1], int32[::1])"
)
def divide(entries, found, cuts, begins, ends, middles, first, last, rows, spare, side, indptr, codes):
    """Reorder the rows of some nodes, those for the left child first; both sides keep their order.

    Parameters
    ----------
    entries : where the pieces of the level are, see `SortedColumns`
    found : (nodes of the level, 6), see `scan`
    cuts : (nodes of the level,), the smallest key that goes right; negative for a node that is not split
    begins, ends : (nodes of the level,), each node's range in `rows`
    middles : (nodes of the level,), output: where the right child's rows start
    first, last : the nodes to do
    rows : row numbers, changed in place
    spare : as long as `rows`
    side : (rows,), output: one for a row that goes left
    indptr, codes : see `boost.grow.kernels.one_hot.Indicators`
    """
    for n in range(first, last):
        if cuts[n] < 0:
            continue
        begin = begins[n]
        cut = np.uint64(cuts[n]) << UPPER
        if 0 <= found[n, END] < found[n, BEGIN] + ends[n] - begin:
            for r in range(begin, ends[n]):
                side[rows[r]] = found[n, MISSING_LEFT]
        if found[n, END] < 0:  # an indicator: rows that have it go right
            for r in range(begin, ends[n]):
                row = rows[r]
                absent = True
                for e in range(indptr[row], indptr[row + 1]):
                    absent &= codes[e] != found[n, BEGIN]
                side[row] = absent
        for k in range(found[n, BEGIN], found[n, END]):
            entry = entries[np.uint64(k)]
            side[entry & LOWER] = entry < cut
        left = begin
        right = 0
        for r in range(begin, ends[n]):
            row = rows[r]
            goes_left = side[row]
            rows[left] = row
            spare[begin + right] = row
            left += goes_left
            right += 1 - goes_left
        for r in range(right):
            rows[left + r] = spare[begin + r]
        middles[n] = left

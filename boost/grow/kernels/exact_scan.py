"""Kernels of exact growing: partition sorted entries between children, and scan them for the best split."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from boost.grow.kernels.exact_records import (
    BEGIN,
    END,
    FEATURE,
    HIGH,
    KEY_SHIFT,
    LOW,
    LOWER,
    MISSING_LEFT,
    ROW_MASK,
    SCORE,
    SUM_G,
    SUM_H,
    UPPER,
)
from boost.grow.kernels.records import GRAD, HESS
from boost.grow.kernels.score import ALPHA, LAMBDA, LEAST, bounded_scores, fraction, may_beat
from boost.jit import kernel, prefetch

# Entries that are scanned at once.
CHUNK = 256
# How many entries ahead gradient pairs are prefetched.
AHEAD = np.uint64(24)
# Rounding may make a product too small: the test without division must not reject a better split.
SLACK = 1.0 - 1e-14


class Node(NamedTuple):
    """The sums of a node, and the bounds of its weight."""

    g: float
    h: float
    lower: float
    upper: float


class _Chunk(NamedTuple):
    """Scratch for the candidates in a range of entries.

    Attributes
    ----------
    g, h : (CHUNK,)
        Sums of the gradient pairs of the piece up to each candidate.
    positions : (CHUNK,)
        The last entry on the left of each candidate, where these are selected.
    """

    g: NDArray[np.float64]
    h: NDArray[np.float64]
    positions: NDArray[np.int64]


class _Candidates(NamedTuple):
    """Which candidates a chunk holds.

    Attributes
    ----------
    first, number : int
        The first entry, and the number of candidates.
    selected : bool
        Whether their positions are in `_Chunk.positions`; else entry first + i is the last one on the left of
        candidate i, which is one where the next entry has another value.
    """

    first: int
    number: int
    selected: bool


@kernel(allocates=False)
def children_score(left_g, left_h, node, direction, rules):
    """Return the sum of the scores of two children, minus infinity where they are not allowed.

    Without a direction, swapping the children does not change a bit of it.
    """
    limits = rules.limits
    right_g = node.g - left_g
    right_h = node.h - left_h
    if left_h < limits[LEAST] or right_h < limits[LEAST]:
        return -np.inf
    if rules.bounded:
        return bounded_scores(left_g, left_h, right_g, right_h, limits, node.lower, node.upper, direction)
    top, bottom = fraction(left_g, left_h, right_g, right_h, limits[ALPHA], limits[LAMBDA])
    return top / bottom


@kernel(allocates=False)
def any_beats(entries, candidates, chunk, missing, node, limits, best):
    """Return whether some candidate may beat the score `best`: vectorised, and without divisions.

    `missing` holds the gradient and the hessian of missing values on the left.
    """
    alpha = limits[ALPHA]
    reg_lambda = limits[LAMBDA]
    least = limits[LEAST]
    threshold = best * SLACK
    add_g, add_h = missing
    total_g, total_h = node.g, node.h
    g, h = chunk.g, chunk.h
    selected = candidates.selected
    at = np.uint64(candidates.first)
    hit = np.int64(0)
    for i in range(np.uint64(candidates.number)):
        changes = (entries[at + i] ^ entries[at + i + np.uint64(1)]) > ROW_MASK
        left_g = g[i] + add_g
        left_h = h[i] + add_h
        hit |= may_beat(left_g, left_h, total_g, total_h, alpha, reg_lambda, least, threshold) & np.int64(
            changes | selected
        )
    return hit != 0


@kernel(allocates=False)
def no_weight(gpairs, row):
    """Return whether the gradient and the hessian of a row are zero, as of a row that is not sampled."""
    return gpairs[row, GRAD] == 0.0 and gpairs[row, HESS] == 0.0


@kernel(allocates=False)
def neighbours(data, begin, end, at):
    """Return the keys of the values before and after the boundary that follows entry `at`; 0 for none.

    Rows of zero gradient and hessian are skipped.
    """
    entries = data.entries
    low = at
    while low >= begin and no_weight(data.gpairs, entries[np.uint64(low)] & ROW_MASK):
        low -= 1
    high = at + 1
    while high < end and no_weight(data.gpairs, entries[np.uint64(high)] & ROW_MASK):
        high += 1
    below = np.int64(entries[np.uint64(low)] >> KEY_SHIFT) if low >= begin else 0
    return below, np.int64(entries[np.uint64(high)] >> KEY_SHIFT) if high < end else 0


@kernel(allocates=False)
def gather(data, begin, end, sum_g, sum_h, chunk):
    """Write the running sums of some entries, which continue given ones, and return the last sums."""
    entries, gpairs = data.entries, data.gpairs
    g, h = chunk.g, chunk.h
    first = np.uint64(begin)
    for i in range(np.uint64(end - begin)):
        prefetch(gpairs, np.int64((entries[first + i + AHEAD] & ROW_MASK) << np.uint64(1)))
        row = entries[first + i] & ROW_MASK
        sum_g += gpairs[row, GRAD]
        sum_h += gpairs[row, HESS]
        g[i] = sum_g
        h[i] = sum_h
    return sum_g, sum_h


@kernel(allocates=False)
def select(entries, begin, end, step, goal, chunk):
    """Keep the changes of value at or past a multiple of `step`; return their number and the next goal."""
    g, h, positions = chunk.g, chunk.h, chunk.positions
    count = 0
    for i in range(end - begin):
        k = np.uint64(begin + i)
        if h[i] >= goal and (entries[k] ^ entries[k + np.uint64(1)]) > ROW_MASK:
            goal = step * (np.floor(h[i] / step) + 1.0)
            g[count] = g[i]
            h[count] = h[i]
            positions[count] = begin + i
            count += 1
    return count, goal


@kernel(allocates=False)
def sum_piece(data, begin, end):
    """Return the sums of the gradient pairs of some entries; two accumulators each shorten the dependency."""
    entries, gpairs = data.entries, data.gpairs
    g = h = g2 = h2 = 0.0
    k = np.uint64(begin)
    last = np.uint64(end)
    while k + np.uint64(1) < last:
        prefetch(gpairs, np.int64((entries[k + AHEAD] & ROW_MASK) << np.uint64(1)))
        row = entries[k] & ROW_MASK
        row2 = entries[k + np.uint64(1)] & ROW_MASK
        g += gpairs[row, GRAD]
        h += gpairs[row, HESS]
        g2 += gpairs[row2, GRAD]
        h2 += gpairs[row2, HESS]
        k += np.uint64(2)
    if k < last:
        row = entries[k] & ROW_MASK
        g += gpairs[row, GRAD]
        h += gpairs[row, HESS]
    return g + g2, h + h2


@kernel(inline="always", allocates=False)
def scan_piece(data, piece, node, missing, rules, chunk, best):
    """Find the best split of one piece.

    Parameters
    ----------
    piece : a row of `Pieces.table`
    missing : the gradient and the hessian of the node's rows without an entry
    best : the score to beat

    Returns
    -------
    score, last entry on the left, gradient and hessian of the left child, whether missing values go left: the
    score is `best` where no split beats it.
    """
    entries = data.entries
    f, begin, end = piece[FEATURE], piece[BEGIN], piece[END]
    direction = rules.directions[f] if rules.directions.size else np.int8(0)
    missing_g, missing_h = missing
    has_missing = missing_g != 0.0 or missing_h != 0.0
    # Splits with missing values on the right, and on the left.
    right_best = left_best = best
    right_at = left_at = begin - 1
    right_g = right_h = left_g = left_h = 0.0
    if has_missing:
        score = children_score(missing_g, missing_h, node, direction, rules)
        if score > left_best:
            left_best = score
            left_g = missing_g
            left_h = missing_h
    step = rules.spacing * (node.h - missing_h)
    selected = step > 0.0
    goal = step
    sum_g = sum_h = 0.0
    k = begin
    if (entries[np.uint64(begin)] ^ entries[np.uint64(end - 1)]) <= ROW_MASK:
        # A single value, as in a one-hot column: a split can only separate present from missing values.
        sum_g = node.g - missing_g
        sum_h = node.h - missing_h
        k = end
    while k < end:
        until = min(k + CHUNK, end)
        sum_g, sum_h = gather(data, k, until, sum_g, sum_h, chunk)
        # Only missing values come after the last entry.
        count = min(until, end - 1) - k
        if selected:
            count, goal = select(entries, k, k + count, step, goal, chunk)
        candidates = _Candidates(k, count, selected)
        some = rules.bounded or any_beats(
            entries, candidates, chunk, (0.0, 0.0), node, rules.limits, right_best
        )
        if has_missing and not some:
            some = any_beats(entries, candidates, chunk, missing, node, rules.limits, left_best)
        for c in range(count if some else 0):
            at = chunk.positions[c] if selected else k + c
            if (entries[np.uint64(at)] ^ entries[np.uint64(at + 1)]) <= ROW_MASK:
                continue
            g, h = chunk.g[c], chunk.h[c]
            score = children_score(g, h, node, direction, rules)
            if score > right_best:
                right_best = score
                right_at = at
                right_g = g
                right_h = h
            if has_missing:
                g += missing_g
                h += missing_h
                score = children_score(g, h, node, direction, rules)
                if score >= left_best:  # of equal gains, the last one
                    left_best = score
                    left_at = at
                    left_g = g
                    left_h = h
        k = until
    if has_missing and not rules.constant[f]:
        score = children_score(sum_g, sum_h, node, direction, rules)
        if score > right_best:
            right_best = score
            right_at = end - 1
            right_g = sum_g
            right_h = sum_h
    if left_best > right_best:
        return left_best, left_at, left_g, left_h, 1
    return right_best, right_at, right_g, right_h, 0


@kernel()
def scan(data, pieces, level, rules, splits, first, last):
    """Find the best split of each node of a level from its pieces. O(entries of the pieces).

    Parameters
    ----------
    data : Entries
    pieces : Pieces
    level : Level
    rules : Rules
    splits : Splits
        Output.
    first, last : the range of nodes to do

    Notes
    -----
    Both default directions are considered in the same scan, the left one only where rows of the node have no
    entry (XGBoost paper, algorithm 3). Of equal gains, the first one is kept: the lower feature, then missing
    values to the right, then the lower value with missing values to the right, or the higher one with missing
    values to the left. In a column whose present values are all the same, these go right and missing values
    left, as in XGBoost. Rows of zero gradient and hessian are ignored.
    """
    chunk = _Chunk(np.empty(CHUNK), np.empty(CHUNK), np.empty(CHUNK, dtype=np.int64))
    for n in range(first, last):
        best = level.nodes[n, SCORE]
        splits.children[n, SCORE] = best
        splits.location[n, FEATURE] = -1
        if not level.splittable[n]:
            continue
        node = Node(
            level.nodes[n, SUM_G], level.nodes[n, SUM_H], level.nodes[n, LOWER], level.nodes[n, UPPER]
        )
        mask = n if level.allowed.shape[0] > 1 else 0
        for p in range(pieces.starts[n], pieces.stops[n]):
            f = pieces.table[p, FEATURE]
            if not level.allowed[mask, f]:
                continue
            begin, end = pieces.table[p, BEGIN], pieces.table[p, END]
            missing = (0.0, 0.0)
            if end - begin < level.counts[n]:
                present_g, present_h = sum_piece(data, begin, end)
                missing = (node.g - present_g, node.h - present_h)
            score, at, left_g, left_h, missing_left = scan_piece(
                data, pieces.table[p], node, missing, rules, chunk, best
            )
            if score > best:
                best = score
                splits.children[n, SUM_G] = left_g
                splits.children[n, SUM_H] = left_h
                low, high = neighbours(data, begin, end, at)
                splits.location[n, FEATURE] = f
                splits.location[n, BEGIN] = begin
                splits.location[n, END] = end
                splits.location[n, LOW] = low
                splits.location[n, HIGH] = high
                splits.location[n, MISSING_LEFT] = missing_left
        splits.children[n, SCORE] = best


@kernel(inline="always", allocates=False)
def partition_entries(move, entries, begin, end):
    """Partition a range of entries by the side of their rows; return where the right ones start.

    The right ones are left in `move.spare`.
    """
    left = begin
    right = 0
    for k in range(begin, end):
        entry = move.source[np.uint64(k)]
        goes_left = move.side[entry & ROW_MASK]
        # Both copies are written and one is kept: no branch to mispredict.
        entries[np.uint64(left)] = entry
        move.spare[np.uint64(right)] = entry
        left += goes_left
        right += 1 - goes_left
    return left


@kernel(inline="always", allocates=False)
def partition_node(move, n, entries, pieces, level, free):
    """Partition the entries of a node between its children, and write their pieces.

    Parameters
    ----------
    n : the node in the level above
    free : the first row of `pieces.table` that is not used

    Returns
    -------
    int
        The next value of `free`.
    """
    counts, splittable, old = level.counts, level.splittable, move.pieces
    left = move.children[n]
    right = left + 1
    size = old.stops[n] - old.starts[n] if splittable[left] or splittable[right] else 0
    pieces.starts[left] = pieces.stops[left] = free
    pieces.starts[right] = pieces.stops[right] = free + size
    for p in range(old.starts[n], old.starts[n] + size):
        begin, end = old.table[p, BEGIN], old.table[p, END]
        middle = partition_entries(move, entries, begin, end)
        if splittable[right]:
            for k in range(end - middle):
                entries[middle + k] = move.spare[k]
        for child in range(left, right + 1):
            a = begin if child == left else middle
            b = middle if child == left else end
            # A single value that all rows have cannot be split.
            if a < b and not (
                b - a == counts[child] and entries[a] >> KEY_SHIFT == entries[b - 1] >> KEY_SHIFT
            ):
                at = pieces.stops[child]
                pieces.table[at, FEATURE] = old.table[p, FEATURE]
                pieces.table[at, BEGIN] = a
                pieces.table[at, END] = b
                pieces.stops[child] = at + splittable[child]
    return free + 2 * size


@kernel(lazy=True)
def advance(move, data, pieces, level, rules, splits, first, last):
    """Partition the entries of split nodes between their children, and scan these. O(entries of the pieces).

    Nodes are processed one after the other with all features, so that the gradients of a node stay in the
    cache.

    Parameters
    ----------
    move : Move
    data : Entries
        `entries` is output.
    pieces : Pieces
        Output, but for the root. The table has a row more than there are pieces: one that is not kept is
        written, too.
    level, rules, splits : see `scan`
    first, last : the range of nodes of the level above to do
    """
    is_root = move.source.size == 0
    free = 0
    for n in range(first, last):
        child = move.children[n]
        if child < 0:
            continue
        if not is_root:
            free = partition_node(move, n, data.entries, pieces, level, free)
        scan(data, pieces, level, rules, splits, child, child + (1 if is_root else 2))


@kernel(lazy=True, allocates=False)
def divide(entries, location, cuts, indicators, ranges, middles, first, last):
    """Partition the rows of some nodes, those of the left child first; both sides keep their order.

    Parameters
    ----------
    entries : where the pieces of the level are
    location : see `Splits`; END is -1 where an indicator splits the node, and BEGIN is its number
    cuts : (nodes of the level,), the smallest key that goes right; negative for a node that is not split
    indicators : see `boost.grow.kernels.one_hot.Indicators`
    ranges : RowRanges
        `rows` and `side` are output.
    middles : (nodes of the level,), output: where the rows of the right child start
    first, last : the range of nodes to do
    """
    rows, spare, side = ranges.rows, ranges.spare, ranges.side
    for n in range(first, last):
        if cuts[n] < 0:
            continue
        begin, end = ranges.begins[n], ranges.ends[n]
        first_entry, last_entry = location[n, BEGIN], location[n, END]
        cut = np.uint64(cuts[n]) << KEY_SHIFT
        if last_entry < 0:  # rows that have the indicator go right
            for r in range(begin, end):
                row = rows[r]
                absent = True
                for e in range(indicators.indptr[row], indicators.indptr[row + 1]):
                    absent &= indicators.codes[e] != first_entry
                side[row] = absent
        else:
            if last_entry - first_entry < end - begin:  # some rows have no entry
                for r in range(begin, end):
                    side[rows[r]] = location[n, MISSING_LEFT]
            for k in range(first_entry, last_entry):
                entry = entries[np.uint64(k)]
                side[entry & ROW_MASK] = entry < cut
        left = begin
        right = 0
        for r in range(begin, end):
            row = rows[r]
            goes_left = side[row]
            rows[left] = row
            spare[begin + right] = row
            left += goes_left
            right += 1 - goes_left
        for r in range(right):
            rows[left + r] = spare[begin + r]
        middles[n] = left

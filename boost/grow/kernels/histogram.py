"""Kernels from gradients to histograms: round gradient pairs, share out rows, sum pairs by bin.

All sums are sums of integers below 2**53 that are held in float64, where they are exact: the order of
addition, and with it the number of threads, cannot change a bit of them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from boost.jit import kernel, prefetch

if TYPE_CHECKING:
    from boost.threads import Team

Floats = NDArray[np.float64]
# Sums of rounded gradients stay below 2**53; one bit is left for the rounding of many small rows.
SUM_BITS = 52
# Rows whose sizes are added up together, in blocks that no number of threads changes.
BLOCK_ROWS = 1 << 14
# How many rows ahead of the one in work memory is asked for.
AHEAD = 8
# A table of so many codes is in the second cache whole, and it is quicker to go column by column, whose sums
# fit the first cache.
SMALL_TABLE = 1 << 20


@kernel("void(float64[:,:], float64[:,:], float64[::1], int64, int64, float64[:,::1])")
def sum_sizes(grad, hess, weight, first, last, sizes):
    """Sum up |grad| and |hess|, weighted, over blocks of rows.

    Parameters
    ----------
    grad, hess : (rows, outputs)
    weight : (rows,) or (0,)
    first, last : the blocks to do
    sizes : (blocks, 2), output
    """
    outputs = grad.shape[1]
    for block in range(first, last):
        g = 0.0
        h = 0.0
        for i in range(block * BLOCK_ROWS, min((block + 1) * BLOCK_ROWS, grad.shape[0])):
            w = weight[i] if weight.size else 1.0
            for k in range(outputs):
                g += w * abs(grad[i, k])
                h += w * abs(hess[i, k])
        sizes[block, 0] = g
        sizes[block, 1] = h


@kernel(
    "void(float64[:,:], float64[:,:], float64[::1], float64, float64, int64, int64, float64[:,::1],"
    " float64[:,::1])"
)
def round_pairs(grad, hess, weight, grad_scale, hess_scale, first, last, pairs, sums):
    """Write round(weight * round(value * scale)) for gradients and hessians, side by side.

    Rounding before weighting makes a row of weight k the same as k rows, to the bit.

    Parameters
    ----------
    grad, hess : (rows, outputs)
    weight : (rows,) or (0,)
    grad_scale, hess_scale : factors
    first, last : the blocks to do
    pairs : (rows, 2 * outputs), output
    sums : (blocks, 2 * outputs), output: the sums over each block
    """
    outputs = grad.shape[1]
    for block in range(first, last):
        for k in range(outputs):
            g = 0.0
            h = 0.0
            for i in range(block * BLOCK_ROWS, min((block + 1) * BLOCK_ROWS, grad.shape[0])):
                own_g = np.rint(grad[i, k] * grad_scale)
                own_h = np.rint(hess[i, k] * hess_scale)
                if weight.size:
                    own_g = np.rint(weight[i] * own_g)
                    own_h = np.rint(weight[i] * own_h)
                pairs[i, 2 * k] = own_g
                pairs[i, 2 * k + 1] = own_h
                g += own_g
                h += own_h
            sums[block, 2 * k] = g
            sums[block, 2 * k + 1] = h


def power_of_two(total: float) -> float:
    """Return the largest power of two that keeps a sum of absolute values within `SUM_BITS` bits."""
    if not total > 0:
        return 1.0
    return math.ldexp(1.0, min(1000, SUM_BITS - math.frexp(total)[1]))


def round_gradients(
    grad: Floats, hess: Floats, weight: Floats, pairs: Floats, team: Team | None = None
) -> tuple[tuple[float, float], Floats]:
    """Scale gradients and hessians by powers of two, and round them to integers.

    Parameters
    ----------
    grad, hess : float64 arrays of shape (rows,) or (rows, outputs)
    weight : float64 array of shape (rows,) or (0,)
        Of rows; an empty array means one each.
    pairs : float64 array of shape (rows, 2 * outputs)
        Output: gradient and hessian of each output.
    team : Team, optional

    Returns
    -------
    scales : (float, float)
        The factors on gradients and on hessians.
    sums : float64 array of shape (2 * outputs,)
        The sums over all rows.
    """
    rows = pairs.shape[0]
    g, h = grad.reshape(rows, -1), hess.reshape(rows, -1)
    blocks = -(-rows // BLOCK_ROWS)
    sizes, sums = np.empty((blocks, 2)), np.empty((blocks, pairs.shape[1]))

    def measure(first: int, last: int) -> None:
        sum_sizes(g, h, weight, first, last, sizes)

    def write(first: int, last: int) -> None:
        round_pairs(g, h, weight, scales[0], scales[1], first, last, pairs, sums)

    work = float(pairs.size)
    _share(team, measure, blocks, work)
    total = sizes.sum(axis=0)
    scales = power_of_two(float(total[0])), power_of_two(float(total[1]))
    _share(team, write, blocks, 2 * work)
    return scales, sums.sum(axis=0)


def _share(team: Team | None, task, count: int, work: float) -> None:  # type: ignore[no-untyped-def]
    if team is None:
        task(0, count)
    else:
        team.share(task, count, work)


@kernel("int64(int64[:,::1], int64, int64, int64, int64[:,::1], int64[::1])")
def cut_rows(steps, count, threads, spill, parts, starts):
    """Cut the rows of some nodes into shares of one size for threads; return the number of parts.

    Parameters
    ----------
    steps : (steps, 4): node, begin, end of its rows, and place
    count : steps to cut
    threads : number of shares
    spill : the place of a thread's part that is not the first of its node is this and the thread's number
    parts : (at least count + threads, 4), output: node, begin, end and place
    starts : (threads + 1,), output: each thread's first part
    """
    total = 0
    for s in range(count):
        total += steps[s, 2] - steps[s, 1]
    used = 0
    done = 0
    thread = 0
    starts[0] = 0
    for s in range(count):
        begin = steps[s, 1]
        end = steps[s, 2]
        while begin < end:
            while thread + 1 < threads and done >= total * (thread + 1) // threads:
                thread += 1
                starts[thread] = used
            size = end - begin
            if thread + 1 < threads:
                size = min(size, total * (thread + 1) // threads - done)
            parts[used, 0] = steps[s, 0]
            parts[used, 1] = begin
            parts[used, 2] = begin + size
            parts[used, 3] = steps[s, 3] if begin == steps[s, 1] else spill + thread
            used += 1
            done += size
            begin += size
    while thread < threads:
        thread += 1
        starts[thread] = used
    return used


@kernel(lazy=True)
def fill(codes, pairs, rows, parts, first, last, features, offsets, hist):
    """Sum the pairs of rows by bin. O(rows * features).

    Parameters
    ----------
    codes : (rows, all features)
    pairs : (rows, 2)
    rows : row numbers, those of a node side by side and rising
    parts : (parts, 4), see `cut_rows`
    first, last : the parts to do; each begins its own place anew
    features : the features to do, increasing
    offsets : (all features + 1,)
    hist : (places, bins, 2), output
    """
    width = np.uint64(features.size)
    columns = codes.shape[1]
    # Unsigned indices need no test for negative ones, which count from the end.
    start = np.empty(width, dtype=np.uint64)
    column = np.empty(width, dtype=np.uint64)
    for j in range(features.size):
        start[j] = offsets[features[j]]
        column[j] = features[j]
    lowest = features[0]
    side_by_side = features[features.size - 1] - lowest + 1 == features.size
    for p in range(first, last):
        table = hist[parts[p, 3]]
        if side_by_side:
            table[offsets[lowest] : offsets[lowest + features.size]] = 0.0
        else:
            for j in range(features.size):
                table[offsets[features[j]] : offsets[features[j] + 1]] = 0.0
        begin = parts[p, 1]
        end = parts[p, 2]
        # Where most rows are there, the hardware sees the pattern by itself.
        scattered = end > begin and np.int64(rows[end - 1]) - np.int64(rows[begin]) > 2 * (end - begin)
        r = begin
        # Two rows at a time: their updates go to different bins mostly, and do not wait for each other.
        while r + 1 < end:
            if scattered and r + 1 + AHEAD < end:
                for d in range(2):
                    later = np.int64(rows[r + AHEAD + d])
                    prefetch(codes, later * columns)
                    prefetch(codes, later * columns + columns - 1)
                    prefetch(pairs, 2 * later)
            one = rows[r]
            two = rows[r + 1]
            g = pairs[one, 0]
            h = pairs[one, 1]
            g2 = pairs[two, 0]
            h2 = pairs[two, 1]
            if side_by_side:
                left = codes[one, lowest:]
                right = codes[two, lowest:]
                for j in range(width):
                    b = start[j] + np.uint64(left[np.uint64(j)])
                    table[b, 0] += g
                    table[b, 1] += h
                    b = start[j] + np.uint64(right[np.uint64(j)])
                    table[b, 0] += g2
                    table[b, 1] += h2
            else:
                for j in range(width):
                    b = start[j] + np.uint64(codes[one, column[j]])
                    table[b, 0] += g
                    table[b, 1] += h
                    b = start[j] + np.uint64(codes[two, column[j]])
                    table[b, 0] += g2
                    table[b, 1] += h2
            r += 2
        if r < end:
            one = rows[r]
            g = pairs[one, 0]
            h = pairs[one, 1]
            for j in range(width):
                b = start[j] + np.uint64(codes[one, column[j]])
                table[b, 0] += g
                table[b, 1] += h


@kernel(lazy=True)
def fill_columns(columns, pairs, rows, parts, first, last, features, offsets, hist):
    """Do what `fill` does column by column, for a table of at most `SMALL_TABLE` codes.

    Parameters
    ----------
    columns : (all features, rows), the codes
    """
    for p in range(first, last):
        begin = np.uint64(parts[p, 1])
        end = np.uint64(parts[p, 2])
        for j in range(features.size):
            f = features[j]
            table = hist[parts[p, 3], offsets[f] : offsets[f + 1]]
            table[:] = 0.0
            column = columns[f]
            for r in range(begin, end):
                i = rows[r]
                b = np.uint64(column[i])
                g = pairs[i, 0]  # both before a store that may change them, for all LLVM knows
                h = pairs[i, 1]
                table[b, 0] += g
                table[b, 1] += h


@kernel(lazy=True)
def fill_sparse(indptr, bins, pairs, rows, parts, first, last, hist):
    """Do what `fill` does for the present entries of a sparse table. O(entries of the rows + bins).

    Parameters
    ----------
    indptr, bins : see `SparseBinnedMatrix`
    """
    width = pairs.shape[1]
    for p in range(first, last):
        table = hist[parts[p, 3]]
        table[:] = 0.0
        for r in range(parts[p, 1], parts[p, 2]):
            i = rows[r]
            if width == 2:
                g = pairs[i, 0]
                h = pairs[i, 1]
                for e in range(indptr[i], indptr[i + 1]):
                    b = np.uint64(bins[e])
                    table[b, 0] += g
                    table[b, 1] += h
            else:
                for e in range(indptr[i], indptr[i + 1]):
                    for k in range(width):
                        table[bins[e], k] += pairs[i, k]


@kernel()
def _add_step(steps, count, node, tree, plan):
    steps[count, 0] = node
    steps[count, 1] = tree[node, 3]
    steps[count, 2] = tree[node, 4]
    steps[count, 3] = plan[node, 0]
    return count + 1


@kernel(
    "int64(int64, int64, float64, int64, int64, int64[:,::1], float64[:,::1], int64[:,::1], int64[::1],"
    " int64[::1], int64[:,::1])"
)
def plan_histograms(first, last, smallest, max_depth, few, tree, sums, plan, free, used, steps):
    """Decide how each new node gets its histogram; return the number of nodes whose rows are to be summed.

    A node takes over its parent's place when its sibling's histogram can be subtracted from that; the
    smaller of the two is summed. Returns -1, and changes nothing, when there are not enough places.

    Parameters
    ----------
    first, last : the new nodes: the root, or siblings side by side, the left one first
    smallest : a node whose hessian is below this has no split
    max_depth : a node of this depth has no split; 0 means no limit
    few : a node of at most so many rows needs no histogram, see `boost.grow.kernels.small_node`
    tree : (nodes, 5), see `make_children`
    sums : (nodes, 2 * outputs)
    plan : (nodes, 3), see `NodeArrays`; parents' places are read and given up, the new nodes'
        are written
    free : the places that are free, used[0] of them
    used : (1,)
    steps : (nodes, 4), output: the nodes to sum, their rows and places, see `cut_rows`
    """
    outputs = sums.shape[1] // 2
    room = used[0]
    for n in range(first, last):
        h = 0.0
        for k in range(outputs):
            h += sums[n, 2 * k + 1]
        plan[n, 0] = -1
        plan[n, 1] = -1
        rows = tree[n, 4] - tree[n, 3]
        wanted = rows > 1 and h >= smallest * outputs and (max_depth == 0 or tree[n, 2] < max_depth)
        plan[n, 2] = (2 if rows <= few else 1) if wanted else 0
    for work in range(2):  # first count, then do
        count = 0
        n = first
        while n < last:
            parent = tree[n, 1]
            place = plan[parent, 0] if parent >= 0 else -1
            pair = 1 if parent < 0 else 2
            needed = 0
            for k in range(n, n + pair):
                needed += plan[k, 2] == 1
            small = n
            large = n
            if pair == 2:
                size = tree[n, 4] - tree[n, 3]
                other = tree[n + 1, 4] - tree[n + 1, 3]
                small, large = (n, n + 1) if size <= other else (n + 1, n)
            subtract = (
                place >= 0
                and plan[large, 2] == 1
                and (
                    plan[small, 2] == 1
                    # Not to be split itself, but the quickest way to its sibling's histogram.
                    or 2 * (tree[small, 4] - tree[small, 3]) < tree[large, 4] - tree[large, 3]
                )
            )
            if work == 0:
                room -= 1 if subtract else needed - (1 if place >= 0 else 0)
                if room < 0:
                    return -1
            else:
                if place >= 0:
                    plan[parent, 0] = -1
                if subtract:
                    used[0] -= 1
                    plan[small, 0] = free[used[0]]
                    plan[large, 0] = place
                    plan[large, 1] = plan[small, 0]
                    count = _add_step(steps, count, small, tree, plan)
                else:
                    for k in range(n, n + pair):
                        if plan[k, 2] == 1:
                            if place >= 0:
                                plan[k, 0] = place
                                place = -1
                            else:
                                used[0] -= 1
                                plan[k, 0] = free[used[0]]
                            count = _add_step(steps, count, k, tree, plan)
                    if place >= 0:
                        free[used[0]] = place
                        used[0] += 1
            n += pair
    return count


@kernel("void(int64, int64, float64[::1], int64[:,::1], int64[::1], int64[::1])")
def release(first, last, gains, plan, free, used):
    """Give up the places of nodes that are not to be split."""
    for n in range(first, last):
        plan[n, 1] = -1
        if plan[n, 0] >= 0 and not gains[n] > 0.0:
            free[used[0]] = plan[n, 0]
            used[0] += 1
            plan[n, 0] = -1


@kernel("void(int64[:,::1], int64, int64, int64[:,::1], float64[:,:,::1])")
def merge_parts(parts, count, spill, plan, hist):
    """Add the parts that were summed apart to their nodes' histograms.

    Parameters
    ----------
    parts : (parts, 4), see `cut_rows`
    count : number of parts
    spill : places from here on are not a node's own
    plan : (nodes, 3), see `boost.grow.kernels.split.NodeArrays`
    hist : (places, bins, 2 * outputs), changed in place
    """
    for p in range(count):
        if parts[p, 3] >= spill:
            whole = hist[plan[parts[p, 0], 0]]
            part = hist[parts[p, 3]]
            for b in range(whole.shape[0]):
                for k in range(whole.shape[1]):
                    whole[b, k] += part[b, k]

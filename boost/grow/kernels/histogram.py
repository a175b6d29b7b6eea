"""Kernels of histograms: cut row ranges, sum gradient pairs by bin, plan which histograms are made.

All sums are sums of integers below 2**53 that are held in float64, where they are exact: the order of
addition, and with it the number of threads, cannot change a bit of them.
"""

from __future__ import annotations

import numpy as np

from boost.grow.kernels.records import (
    BEGIN,
    BY_HISTOGRAM,
    BY_ROWS,
    DEPTH,
    END,
    GRAD,
    HESS,
    NO_SEARCH,
    PARENT,
    RANGE_BEGIN,
    RANGE_END,
    RANGE_NODE,
    RANGE_SLOT,
    SEARCH,
    SLOT,
    SUBTRAHEND,
)
from boost.jit import kernel, prefetch

AHEAD = 8  # rows between a prefetch and its use
# A table of at most so many codes fits the second cache: it is quicker summed column by column.
SMALL_TABLE = 1 << 20


@kernel(lazy=True, allocates=False)
def cut_rows(ranges, count, threads, spill, parts, starts):
    """Cut the rows of some nodes into shares of one size for threads; return the number of parts.

    Parameters
    ----------
    ranges : (ranges, 4), the rows of nodes, and their histogram slots
    count : how many ranges to cut
    threads : number of shares
    spill : a part that is not the first of its node gets the slot with this number and the thread's added
    parts : (at least count + threads, 4), output: row ranges
    starts : (threads + 1,), output: each thread's first part
    """
    total = 0
    for s in range(count):
        total += ranges[s, RANGE_END] - ranges[s, RANGE_BEGIN]
    used = 0
    done = 0
    thread = 0
    starts[0] = 0
    for s in range(count):
        begin = ranges[s, RANGE_BEGIN]
        end = ranges[s, RANGE_END]
        while begin < end:
            while thread + 1 < threads and done >= total * (thread + 1) // threads:
                thread += 1
                starts[thread] = used
            size = end - begin
            if thread + 1 < threads:
                rest = total * (thread + 1) // threads - done
                size = rest if rest < size else size
            parts[used, RANGE_NODE] = ranges[s, RANGE_NODE]
            parts[used, RANGE_BEGIN] = begin
            parts[used, RANGE_END] = begin + size
            first = begin == ranges[s, RANGE_BEGIN]
            parts[used, RANGE_SLOT] = ranges[s, RANGE_SLOT] if first else spill + thread
            used += 1
            done += size
            begin += size
    while thread < threads:
        thread += 1
        starts[thread] = used
    return used


@kernel(lazy=True, allocates=False)
def fill(codes, gpairs, order, ranges, first, last, features, hist):
    """Sum the gradient pairs of rows by bin. O(rows * features).

    Parameters
    ----------
    codes : (rows, all features)
    gpairs : (rows, 2)
    order : row numbers, those of a node side by side and increasing
    ranges : (ranges, 4)
    first, last : the ranges to do; the slot of each is zeroed first
    features : Features
        Its `chosen` ones are done.
    hist : (slots, bins, 2), output
    """
    chosen, offsets = features.chosen, features.offsets
    width = np.uint64(chosen.size)
    columns = codes.shape[1]
    lowest = np.int64(chosen[0])
    start = offsets[lowest:]
    side_by_side = chosen[chosen.size - 1] - lowest + 1 == chosen.size
    for p in range(first, last):
        table = hist[ranges[p, RANGE_SLOT]]
        for j in range(chosen.size):
            for b in range(np.uint64(offsets[chosen[j]]), np.uint64(offsets[chosen[j] + 1])):
                table[b, GRAD] = 0.0
                table[b, HESS] = 0.0
        begin = ranges[p, RANGE_BEGIN]
        end = ranges[p, RANGE_END]
        # Where most rows are there, the hardware prefetches by itself.
        scattered = end > begin and np.int64(order[end - 1]) - np.int64(order[begin]) > 2 * (end - begin)
        r = begin
        # Two rows at a time: their updates go to different bins mostly, and do not wait for each other.
        while r + 1 < end:
            if scattered and r + 1 + AHEAD < end:
                for d in range(2):
                    later = np.int64(order[r + AHEAD + d])
                    prefetch(codes, later * columns)
                    prefetch(codes, later * columns + columns - 1)
                    prefetch(gpairs, 2 * later)
            one = order[r]
            two = order[r + 1]
            g = gpairs[one, GRAD]
            h = gpairs[one, HESS]
            g2 = gpairs[two, GRAD]
            h2 = gpairs[two, HESS]
            # Unsigned indices need no test for negative ones, which count from the end.
            if side_by_side:
                left = codes[one, lowest:]
                right = codes[two, lowest:]
                for j in range(width):
                    b = np.uint64(start[j]) + np.uint64(left[j])
                    table[b, GRAD] += g
                    table[b, HESS] += h
                    b = np.uint64(start[j]) + np.uint64(right[j])
                    table[b, GRAD] += g2
                    table[b, HESS] += h2
            else:
                for j in range(width):
                    column = np.uint64(chosen[j])
                    start_of = np.uint64(offsets[column])
                    b = start_of + np.uint64(codes[one, column])
                    table[b, GRAD] += g
                    table[b, HESS] += h
                    b = start_of + np.uint64(codes[two, column])
                    table[b, GRAD] += g2
                    table[b, HESS] += h2
            r += 2
        if r < end:
            one = order[r]
            g = gpairs[one, GRAD]
            h = gpairs[one, HESS]
            for j in range(width):
                column = np.uint64(chosen[j])
                b = np.uint64(offsets[column]) + np.uint64(codes[one, column])
                table[b, GRAD] += g
                table[b, HESS] += h


@kernel(lazy=True, allocates=False)
def fill_columns(columns, gpairs, order, ranges, first, last, features, hist):
    """Do what `fill` does column by column, for a table of at most `SMALL_TABLE` codes.

    Parameters
    ----------
    columns : (all features, rows), the codes
    others : see `fill`
    """
    chosen, offsets = features.chosen, features.offsets
    for p in range(first, last):
        begin = np.uint64(ranges[p, RANGE_BEGIN])
        end = np.uint64(ranges[p, RANGE_END])
        for j in range(chosen.size):
            f = chosen[j]
            table = hist[ranges[p, RANGE_SLOT], offsets[f] : offsets[f + 1]]
            for b in range(np.uint64(offsets[f + 1] - offsets[f])):
                table[b, GRAD] = 0.0
                table[b, HESS] = 0.0
            column = columns[f]
            for r in range(begin, end):
                i = order[r]
                b = np.uint64(column[i])
                g = gpairs[i, GRAD]  # both before a store that may change them, as far as LLVM can tell
                h = gpairs[i, HESS]
                table[b, GRAD] += g
                table[b, HESS] += h


@kernel(lazy=True, allocates=False)
def fill_sparse(table_bins, gpairs, order, ranges, first, last, hist):
    """Do what `fill` does for the present entries of a sparse table. O(entries of the rows + bins).

    Parameters
    ----------
    table_bins : SparseBins
    others : see `fill`; with several outputs, two columns for each
    """
    indptr, bins = table_bins.indptr, table_bins.bins
    width = gpairs.shape[1]
    for p in range(first, last):
        table = hist[ranges[p, RANGE_SLOT]]
        for b in range(np.uint64(table.shape[0])):
            for k in range(np.uint64(width)):
                table[b, k] = 0.0
        for r in range(ranges[p, RANGE_BEGIN], ranges[p, RANGE_END]):
            i = order[r]
            if width == 2:
                g = gpairs[i, GRAD]
                h = gpairs[i, HESS]
                for e in range(indptr[i], indptr[i + 1]):
                    b = np.uint64(bins[e])
                    table[b, GRAD] += g
                    table[b, HESS] += h
            else:
                for e in range(indptr[i], indptr[i + 1]):
                    for k in range(width):
                        table[bins[e], k] += gpairs[i, k]


@kernel(allocates=False)
def add_range(ranges, count, node, nodes):
    """Append the rows of a node to a list of row ranges; return how long it is then."""
    ranges[count, RANGE_NODE] = node
    ranges[count, RANGE_BEGIN] = nodes.tree[node, BEGIN]
    ranges[count, RANGE_END] = nodes.tree[node, END]
    ranges[count, RANGE_SLOT] = nodes.plan[node, SLOT]
    return count + 1


@kernel(lazy=True, allocates=False)
def plan_histograms(nodes, slots, ranges, first, last, stop):
    """Decide how each new node gets its histogram; return the number of nodes whose rows are to be summed.

    A node takes over its parent's slot when its sibling's histogram can be subtracted from that; the
    smaller of the two is summed. Returns -1, and changes nothing, when there are not enough slots.

    Parameters
    ----------
    nodes : NodeArrays
        In its `plan`, parents' slots are read and given up, the new nodes' are written.
    slots : Slots
    ranges : (nodes, 4), output: the nodes to sum, their rows and slots
    first, last : the new nodes: the root, or siblings side by side, the left one first
    stop : Stop
    """
    tree, plan, sums = nodes.tree, nodes.plan, nodes.sums
    free, n_free = slots.free, slots.n_free
    outputs = sums.shape[1] // 2
    room = n_free[0]
    for n in range(first, last):
        h = 0.0
        for k in range(outputs):
            h += sums[n, 2 * k + HESS]
        plan[n, SLOT] = -1
        plan[n, SUBTRAHEND] = -1
        rows = tree[n, END] - tree[n, BEGIN]
        plan[n, SEARCH] = NO_SEARCH
        if (
            rows > 1
            and h >= stop.smallest * outputs
            and (stop.max_depth == 0 or tree[n, DEPTH] < stop.max_depth)
        ):
            plan[n, SEARCH] = BY_ROWS if rows <= stop.small else BY_HISTOGRAM
    for work in range(2):  # first count, then do
        count = 0
        n = first
        while n < last:
            parent = tree[n, PARENT]
            slot = plan[parent, SLOT] if parent >= 0 else np.int64(-1)
            siblings = 1 if parent < 0 else 2
            needed = 0
            for k in range(n, n + siblings):
                needed += 1 if plan[k, SEARCH] == BY_HISTOGRAM else 0
            small = n
            large = n
            small_rows = large_rows = np.int64(0)
            if siblings == 2:
                small_rows = tree[n, END] - tree[n, BEGIN]
                large_rows = tree[n + 1, END] - tree[n + 1, BEGIN]
                large = n + 1
                if small_rows > large_rows:
                    small, large = n + 1, n
                    small_rows, large_rows = large_rows, small_rows
            subtract = (
                slot >= 0
                and plan[large, SEARCH] == BY_HISTOGRAM
                and (
                    plan[small, SEARCH] == BY_HISTOGRAM
                    # Not to be split itself, but the quickest way to its sibling's histogram.
                    or 2 * small_rows < large_rows
                )
            )
            if work == 0:
                room -= 1 if subtract else needed - (1 if slot >= 0 else 0)
                if room < 0:
                    return -1
            else:
                if slot >= 0:
                    plan[parent, SLOT] = -1
                if subtract:
                    n_free[0] -= 1
                    plan[small, SLOT] = free[n_free[0]]
                    plan[large, SLOT] = slot
                    plan[large, SUBTRAHEND] = plan[small, SLOT]
                    count = add_range(ranges, count, small, nodes)
                else:
                    for k in range(n, n + siblings):
                        if plan[k, SEARCH] == BY_HISTOGRAM:
                            if slot >= 0:
                                plan[k, SLOT] = slot
                                slot = np.int64(-1)
                            else:
                                n_free[0] -= 1
                                plan[k, SLOT] = free[n_free[0]]
                            count = add_range(ranges, count, k, nodes)
                    if slot >= 0:
                        free[n_free[0]] = slot
                        n_free[0] += 1
            n += siblings
    return count


@kernel(lazy=True, allocates=False)
def release(nodes, slots, first, last):
    """Give up the histogram slots of nodes that are not to be split."""
    plan, free, n_free = nodes.plan, slots.free, slots.n_free
    for n in range(first, last):
        plan[n, SUBTRAHEND] = -1
        if plan[n, SLOT] >= 0 and not nodes.gains[n] > 0.0:
            free[n_free[0]] = plan[n, SLOT]
            n_free[0] += 1
            plan[n, SLOT] = -1


@kernel(lazy=True, allocates=False)
def merge_parts(parts, count, spill, plan, hist):
    """Add the parts that were summed apart to their nodes' histograms.

    Parameters
    ----------
    parts : (parts, 4), see `cut_rows`
    count : number of parts
    spill : slots from here on belong to threads, not to nodes
    plan : (nodes, 3), see `NodeArrays`
    hist : (slots, bins, 2 * outputs), changed in place
    """
    for p in range(count):
        if parts[p, RANGE_SLOT] >= spill:
            whole = hist[plan[parts[p, RANGE_NODE], SLOT]]
            part = hist[parts[p, RANGE_SLOT]]
            for b in range(whole.shape[0]):
                for k in range(whole.shape[1]):
                    whole[b, k] += part[b, k]

"""The kernels that move rows: to the children of a split, and from leaves into the margins."""

from __future__ import annotations

import numpy as np

from boost.grow.kernels.records import (
    BEGIN,
    BIN,
    CONDITION,
    DEPTH,
    END,
    FEATURE,
    GAIN_OF_SPLIT,
    GRAD,
    HESS,
    HESSIAN,
    LEFT,
    LEFT_CHILD,
    LOWER,
    MISSING_LEFT,
    PARENT,
    PARENT_NODE,
    RANGE_BEGIN,
    RANGE_END,
    RANGE_NODE,
    RANGE_PARTIAL,
    RIGHT_CHILD,
    SPLIT_FEATURE,
    UPPER,
)
from boost.grow.kernels.score import weigh
from boost.jit import by_type, field_type, is_none, kernel, prefetch

# How many rows ahead memory is prefetched.
AHEAD = np.uint64(16)
LARGEST = float(np.finfo(np.float32).max)
ONLY_OUTPUT = 0  # of a tree whose leaves are numbers


@kernel(inline="always", allocates=False)
def by_bin(nodes, n, code, cut):
    """Return whether a code goes left in node `n`, when no feature is categorical."""
    return code <= cut


@kernel(inline="always", allocates=False)
def by_bin_or_set(nodes, n, code, cut):
    """Return whether a code goes left in node `n`, which may be split by a set of categories."""
    if cut >= 0:
        return code <= cut
    return (nodes.sets[n, code >> 6] >> np.uint64(code & 63)) & np.uint64(1) == 0


@by_type
def present_goes_left(nodes, n, code, cut):
    """Return whether the code of a present value goes left in node `n`."""
    return by_bin if is_none(field_type(nodes, "sets")) else by_bin_or_set


@kernel(allocates=False)
def move_rows(codes, missing, nodes, n, begin, end, rows):
    """Bring the rows of a node that go left to the front, and those that go right to `rows.spare`.

    Returns how many go left; both sides keep their order.

    Parameters
    ----------
    codes : (all rows,), those of the feature that splits the node
    missing : the code of missing values
    nodes : NodeArrays
    n : the node
    begin, end : the range of `rows.order` to move
    rows : Rows
    """
    order, spare = rows.order, rows.spare
    cut = nodes.splits[n, BIN]
    missing_left = nodes.splits[n, MISSING_LEFT] != 0
    # Where rows lie close together, the hardware prefetches by itself.
    scattered = end > begin and np.int64(order[end - 1]) - np.int64(order[begin]) > 32 * (end - begin)
    left = np.uint64(begin)
    right = np.uint64(begin)
    last = np.uint64(end)
    for r in range(left, last):
        if scattered and r + AHEAD < last:
            prefetch(codes, np.int64(order[r + AHEAD]))
        i = order[r]
        # Both are written and one is kept: no branch to be mispredicted half of the time.
        order[left] = i
        spare[right] = i
        code = np.int64(codes[i])
        goes_left = missing_left if code == missing else present_goes_left(nodes, n, code, cut)
        side = np.uint64(goes_left)
        left += side
        right += np.uint64(1) - side
    return np.int64(left) - begin


@kernel(allocates=False)
def finish_range(ranges, p, rows, lefts):
    """Bring the right rows of a range that is a whole node back behind the left ones."""
    if ranges[p, RANGE_PARTIAL] != 0:
        return
    begin = ranges[p, RANGE_BEGIN]
    middle = begin + lefts[p]
    for k in range(ranges[p, RANGE_END] - middle):
        rows.order[middle + k] = rows.spare[begin + k]


@kernel(lazy=True, allocates=False)
def partition(bins, nodes, rows, ranges, lefts, first, last):
    """Reorder the rows of some ranges, those for the left child first; both sides keep their order.

    Parameters
    ----------
    bins : DenseBins
    nodes : NodeArrays
    rows : Rows
        Its `order` is changed in place. The right rows of a range that is only a part of its node stay in
        `spare`, see `settle`; of `spare`, only the ranges are written.
    ranges : (ranges, 4), with `RANGE_PARTIAL`
    lefts : (ranges,), output: how many rows go left
    first, last : the ranges to do
    """
    for p in range(first, last):
        n = ranges[p, RANGE_NODE]
        f = nodes.splits[n, FEATURE]
        begin, end = ranges[p, RANGE_BEGIN], ranges[p, RANGE_END]
        lefts[p] = move_rows(bins.columns[f], bins.missing[f], nodes, n, begin, end, rows)
        finish_range(ranges, p, rows, lefts)


@kernel(lazy=True, allocates=False)
def partition_sparse(bins, column, nodes, rows, ranges, lefts, first, last):
    """Do what `partition` does for a sparse table. O(rows of the ranges + entries of their features).

    Parameters
    ----------
    bins : SparseBins
    column : (rows,), of this thread alone; -1 everywhere, on entry and on return
    others : see `partition`
    """
    indptr, entry_rows, codes = bins.col_indptr, bins.col_rows, bins.col_codes
    for p in range(first, last):
        n = ranges[p, RANGE_NODE]
        f = nodes.splits[n, FEATURE]
        for e in range(indptr[f], indptr[f + 1]):
            column[entry_rows[e]] = codes[e]
        begin, end = ranges[p, RANGE_BEGIN], ranges[p, RANGE_END]
        lefts[p] = move_rows(column, np.int64(-1), nodes, n, begin, end, rows)
        for e in range(indptr[f], indptr[f + 1]):
            column[entry_rows[e]] = -1
        finish_range(ranges, p, rows, lefts)


@kernel(lazy=True, allocates=False)
def settle(ranges, count, lefts, rows, middles):
    """Bring the ranges of each node together, and write where the right child's rows start.

    Parameters
    ----------
    ranges, lefts, rows : see `partition`
    count : number of ranges
    middles : (nodes,), output
    """
    order, spare = rows.order, rows.spare
    p = 0
    while p < count:
        n = ranges[p, RANGE_NODE]
        if ranges[p, RANGE_PARTIAL] == 0:
            middles[n] = ranges[p, RANGE_BEGIN] + lefts[p]
            p += 1
            continue
        last = p
        to = ranges[p, RANGE_BEGIN]
        while last < count and ranges[last, RANGE_NODE] == n:
            begin = ranges[last, RANGE_BEGIN]
            for k in range(lefts[last]):  # never to the right: what is overwritten was moved before
                order[to + k] = order[begin + k]
            to += lefts[last]
            last += 1
        middles[n] = to
        for q in range(p, last):
            begin = ranges[q, RANGE_BEGIN]
            size = ranges[q, RANGE_END] - begin - lefts[q]
            for k in range(size):
                order[to + k] = spare[begin + k]
            to += size
        p = last


@kernel(lazy=True, allocates=False)
def divide_rows(weight, active, out):
    """Write the numbers of the rows with a weight, and of those with zero weight; return how many have one.

    Parameters
    ----------
    weight : (rows,)
    active, out : (rows,), output
    """
    count = np.uint64(0)
    zero = np.uint64(0)
    for i in range(weight.size):
        # Both are written and one is kept: no branch to be mispredicted.
        active[count] = i
        out[zero] = i
        side = np.uint64(weight[i] != 0.0)
        count += side
        zero += np.uint64(1) - side
    return np.int64(count)


@kernel(lazy=True, allocates=False)
def carry_rows(bins, nodes, carried, size, grown, ranges, out):
    """Bring rows that a tree was not grown from to its leaves, and put the rows of each leaf together.

    Parameters
    ----------
    bins : DenseBins
    nodes : NodeArrays
    carried : Rows
        Its `order` holds the rows to bring, and is changed in place.
    size : number of nodes
    grown : (rows,), the rows that the tree was grown from, leaf after leaf
    ranges : (nodes, 4), scratch: of each node, the range of `carried` that it holds
    out : (rows,), output: for each leaf the rows of `grown`, then those that were brought
    """
    tree, splits = nodes.tree, nodes.splits
    ranges[0, RANGE_BEGIN] = 0
    ranges[0, RANGE_END] = carried.order.size
    to = 0
    for n in range(size):  # a child comes after its parent
        begin, end = ranges[n, RANGE_BEGIN], ranges[n, RANGE_END]
        left = tree[n, LEFT]
        if left < 0:
            continue
        middle = begin
        if begin < end:
            f = splits[n, FEATURE]
            middle = begin + move_rows(bins.columns[f], bins.missing[f], nodes, n, begin, end, carried)
            for k in range(end - middle):
                carried.order[middle + k] = carried.spare[begin + k]
        ranges[left, RANGE_BEGIN] = begin
        ranges[left, RANGE_END] = middle
        ranges[left + 1, RANGE_BEGIN] = middle
        ranges[left + 1, RANGE_END] = end
    for n in range(size):
        if tree[n, LEFT] < 0:
            for k in range(tree[n, BEGIN], tree[n, END]):
                out[to] = grown[k]
                to += 1
            for k in range(ranges[n, RANGE_BEGIN], ranges[n, RANGE_END]):
                out[to] = carried.order[k]
                to += 1


@kernel(allocates=False)
def _no_bounds(nodes, n, directions, limits, left):
    pass


@kernel(allocates=False)
def _inherit_bounds(nodes, n, directions, limits, left):
    bounds = nodes.bounds
    for child in range(left, left + 2):
        bounds[child, LOWER] = bounds[n, LOWER]
        bounds[child, UPPER] = bounds[n, UPPER]


@kernel(allocates=False)
def _split_bounds(nodes, n, directions, limits, left):
    bounds, sums = nodes.bounds, nodes.sums
    _inherit_bounds(nodes, n, directions, limits, left)
    direction = directions[nodes.splits[n, FEATURE]]
    if direction == 0:
        return
    lower = bounds[n, LOWER]
    upper = bounds[n, UPPER]
    left_weight = weigh(sums[left, GRAD], sums[left, HESS], limits, lower, upper)
    right_weight = weigh(sums[left + 1, GRAD], sums[left + 1, HESS], limits, lower, upper)
    middle = (left_weight + right_weight) / 2.0
    bounds[left, UPPER if direction > 0 else LOWER] = middle
    bounds[left + 1, LOWER if direction > 0 else UPPER] = middle


@by_type
def bound_children(nodes, n, directions, limits, left):
    """Write the bounds of the weights of a node's children, the first of which is `left`.

    The middle of their weights separates them where the feature has a direction.
    """
    if is_none(field_type(nodes, "bounds")):
        return _no_bounds
    return _inherit_bounds if is_none(directions) else _split_bounds


@kernel(lazy=True, allocates=False)
def make_children(nodes, middles, directions, limits, first, last, size):
    """Append the children of the nodes that were split, siblings side by side; return the number of all.

    Parameters
    ----------
    nodes : NodeArrays
        A node with a gain is split.
    middles : (nodes,), see `settle`
    directions, limits : see `Features` and `boost.grow.kernels.score.make_limits`
    first, last : the range of nodes
    size : number of nodes so far
    """
    tree, sums, left_sums, gains = nodes.tree, nodes.sums, nodes.left_sums, nodes.gains
    for n in range(first, last):
        if not gains[n] > 0.0:
            continue
        tree[n, LEFT] = size
        for side in range(2):
            child = size + side
            gains[child] = 0.0
            tree[child, LEFT] = -1
            tree[child, PARENT] = n
            tree[child, DEPTH] = tree[n, DEPTH] + 1
            tree[child, BEGIN] = middles[n] if side else tree[n, BEGIN]
            tree[child, END] = tree[n, END] if side else middles[n]
            for k in range(sums.shape[1]):
                sums[child, k] = sums[n, k] - left_sums[n, k] if side else left_sums[n, k]
        bound_children(nodes, n, directions, limits, size)
        size += 2
    return size


@kernel(allocates=False)
def _free(nodes, n):
    return -np.inf, np.inf


@kernel(allocates=False)
def _bounded(nodes, n):
    return nodes.bounds[n, LOWER], nodes.bounds[n, UPPER]


@by_type
def bounds_of(nodes, n):
    """Return the bounds of a node's weight."""
    return _free if is_none(field_type(nodes, "bounds")) else _bounded


@kernel(lazy=True, allocates=False)
def write_nodes(nodes, size, units, limits, cuts, out):
    """Write the nodes of a tree in the units of the loss.

    Parameters
    ----------
    nodes : NodeArrays
    size : number of nodes
    units : Units
    limits : see `boost.grow.kernels.score.make_limits`
    cuts : CutArrays
    out : TreeArrays
        Output.
    """
    tree, sums, splits = nodes.tree, nodes.sums, nodes.splits
    links, numbers, weights = out.links, out.numbers, out.weights
    outputs = sums.shape[1] // 2
    unit = units.hess_scale / units.grad_scale / units.grad_scale
    weight_unit = units.hess_scale / units.grad_scale
    for n in range(size):
        leaf = tree[n, LEFT] < 0
        lower, upper = bounds_of(nodes, n)
        hessian = 0.0
        for k in range(outputs):
            w = weigh(sums[n, 2 * k + GRAD], sums[n, 2 * k + HESS], limits, lower, upper) * weight_unit
            weights[n, k] = units.rate * w if leaf else w
            hessian += sums[n, 2 * k + HESS]
        links[LEFT_CHILD, n] = tree[n, LEFT]
        links[RIGHT_CHILD, n] = -1 if leaf else tree[n, LEFT] + 1
        links[PARENT_NODE, n] = tree[n, PARENT]
        hessian = hessian / outputs / units.hess_scale
        numbers[HESSIAN, n] = hessian if hessian < LARGEST else LARGEST
        if leaf:
            links[SPLIT_FEATURE, n] = 0
            numbers[CONDITION, n] = weights[n, ONLY_OUTPUT] if outputs == 1 else 0.0
            numbers[GAIN_OF_SPLIT, n] = 0.0
            out.default_left[n] = 0
            continue
        f = splits[n, FEATURE]
        links[SPLIT_FEATURE, n] = f
        gain = nodes.gains[n] * unit
        numbers[GAIN_OF_SPLIT, n] = gain if gain < LARGEST else LARGEST
        out.default_left[n] = splits[n, MISSING_LEFT]
        at = cuts.indptr[f] + splits[n, BIN]
        if splits[n, BIN] < 0:
            numbers[CONDITION, n] = 0.0
        elif at < cuts.indptr[f + 1]:
            numbers[CONDITION, n] = cuts.values[at]
        else:  # a split after the last bin separates the present values from the missing ones
            numbers[CONDITION, n] = LARGEST

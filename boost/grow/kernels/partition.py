"""The kernels that move rows: to the children of a split, and from leaves into the margins."""

from __future__ import annotations

import numpy as np

from boost.grow.kernels.score import weigh
from boost.jit import kernel, prefetch

# How many rows ahead of the one in work memory is asked for.
AHEAD = np.uint64(16)


@kernel(inline="always")
def goes_left(code, absent, cut, absent_left, n, sets):
    """Return whether a code goes left in node `n`."""
    if code == absent:
        return absent_left
    if cut >= 0:
        return code <= cut
    return (sets[n, code >> 6] >> np.uint64(code & 63)) & np.uint64(1) == 0


@kernel()
def move_rows(codes, absent, n, found, sets, begin, end, rows, spare):
    """Bring the rows of a node that go left to the front, and those that go right to `spare`.

    Returns how many go left; both sides keep their order.
    """
    cut = found[n, 1]
    absent_left = found[n, 2] != 0
    # Where rows lie close together, the hardware sees the pattern by itself.
    scattered = end > begin and np.int64(rows[end - 1]) - np.int64(rows[begin]) > 32 * (end - begin)
    left = np.uint64(begin)
    right = np.uint64(begin)
    last = np.uint64(end)
    # More rows than codes: each code is decided once, and a row needs a load in place of comparisons.
    answer = np.empty(absent + 1 if 0 <= absent < end - begin else 0, dtype=np.uint8)
    for code in range(answer.size):
        answer[code] = goes_left(code, absent, cut, absent_left, n, sets)
    for r in range(left, last):
        if scattered and r + AHEAD < last:
            prefetch(codes, np.int64(rows[r + AHEAD]))
        i = rows[r]
        # Both places are written and one is kept: no branch to be guessed wrongly half of the time.
        rows[left] = i
        spare[right] = i
        if answer.size:
            side = np.uint64(answer[codes[i]])
        else:
            side = np.uint64(goes_left(np.int64(codes[i]), absent, cut, absent_left, n, sets))
        left += side
        right += np.uint64(1) - side
    return np.int64(left) - begin


@kernel(lazy=True)
def partition(columns, missing, found, sets, parts, first, last, rows, spare, lefts):
    """Reorder the rows of some parts of nodes, those for the left child first; both sides keep their order.

    Parameters
    ----------
    columns : (features, rows), the codes column by column: one feature's codes fit a cache that whole rows do
        not
    missing : (features,), the code of missing values
    found, sets : (nodes, 3) and (nodes, words), see `find_splits`
    parts : (parts, 4): node, begin and end of its rows, and whether the part is not a whole node
    first, last : the parts to do
    rows : row numbers, changed in place; the right rows of a part of a node stay in `spare`, see `settle`
    spare : as long as `rows`; only the parts' own ranges are written
    lefts : (parts,), output: how many rows go left
    """
    for p in range(first, last):
        n, begin, end = parts[p, 0], parts[p, 1], parts[p, 2]
        f = found[n, 0]
        lefts[p] = move_rows(columns[f], missing[f], n, found, sets, begin, end, rows, spare)
        if parts[p, 3] == 0:
            middle = begin + lefts[p]
            for k in range(end - middle):
                rows[middle + k] = spare[begin + k]


@kernel(lazy=True)
def partition_sparse(
    col_indptr, col_rows, col_codes, column, found, sets, parts, first, last, rows, spare, lefts
):
    """Do what `partition` does for a sparse table. O(rows of the parts + entries of their features).

    Parameters
    ----------
    col_indptr, col_rows, col_codes : see `SparseBinnedMatrix`
    column : (rows,), of this thread alone; -1 everywhere, on entry and on return
    """
    for p in range(first, last):
        n, begin, end = parts[p, 0], parts[p, 1], parts[p, 2]
        f = found[n, 0]
        for e in range(col_indptr[f], col_indptr[f + 1]):
            column[col_rows[e]] = col_codes[e]
        lefts[p] = move_rows(column, -1, n, found, sets, begin, end, rows, spare)
        for e in range(col_indptr[f], col_indptr[f + 1]):
            column[col_rows[e]] = -1
        if parts[p, 3] == 0:
            middle = begin + lefts[p]
            for k in range(end - middle):
                rows[middle + k] = spare[begin + k]


@kernel("void(int64[:,::1], int64, int64[::1], uint32[::1], uint32[::1], int64[::1])")
def settle(parts, count, lefts, rows, spare, middles):
    """Bring the parts of each node together, and write where the right child's rows start.

    Parameters
    ----------
    parts, lefts, rows, spare : see `partition`
    count : number of parts
    middles : (nodes,), output
    """
    p = 0
    while p < count:
        n = parts[p, 0]
        if parts[p, 3] == 0:
            middles[n] = parts[p, 1] + lefts[p]
            p += 1
            continue
        last = p
        to = parts[p, 1]
        while last < count and parts[last, 0] == n:
            begin = parts[last, 1]
            for k in range(lefts[last]):  # never to the right: what is overwritten was moved before
                rows[to + k] = rows[begin + k]
            to += lefts[last]
            last += 1
        middles[n] = to
        for q in range(p, last):
            begin = parts[q, 1]
            size = parts[q, 2] - begin - lefts[q]
            for k in range(size):
                rows[to + k] = spare[begin + k]
            to += size
        p = last


@kernel(
    "int64(int64, int64, int64, float64[::1], int64[::1], int64[:,::1], float64[:,::1], float64[:,::1],"
    " int64[:,::1], int8[::1], float64[:,::1], float64[::1])"
)
def make_children(
    first, last, size, gains, middles, tree, sums, left_sums, found, directions, bounds, limits
):
    """Append the children of the nodes that were split, siblings side by side; return the number of all.

    Parameters
    ----------
    first, last : the range of nodes
    size : number of nodes so far
    gains : (nodes,); a node with a gain is split
    middles : (nodes,), see `settle`
    tree : (nodes, 5): left child or -1 (the right one is the next), parent, depth, and the range of rows
    sums, left_sums, found : see `find_splits`
    directions : (all features,) or (0,)
    bounds : (nodes, 2) or (0, 2); the middle of the children's weights parts the bounds of a feature with a
        direction
    limits : see `boost.grow.kernels.score.LIMITS`
    """
    for n in range(first, last):
        if not gains[n] > 0.0:
            continue
        tree[n, 0] = size
        for side in range(2):
            child = size + side
            gains[child] = 0.0
            tree[child, 0] = -1
            tree[child, 1] = n
            tree[child, 2] = tree[n, 2] + 1
            tree[child, 3] = middles[n] if side else tree[n, 3]
            tree[child, 4] = tree[n, 4] if side else middles[n]
            for k in range(sums.shape[1]):
                sums[child, k] = sums[n, k] - left_sums[n, k] if side else left_sums[n, k]
            if bounds.shape[0]:
                bounds[child] = bounds[n]
        if bounds.shape[0] and directions.size and directions[found[n, 0]] != 0:
            lower = bounds[n, 0]
            upper = bounds[n, 1]
            left = weigh(sums[size, 0], sums[size, 1], limits, lower, upper)
            right = weigh(sums[size + 1, 0], sums[size + 1, 1], limits, lower, upper)
            middle = (left + right) / 2.0
            rising = directions[found[n, 0]] > 0
            bounds[size, 1 if rising else 0] = middle
            bounds[size + 1, 0 if rising else 1] = middle
        size += 2
    return size


@kernel(
    "void(int64, float64, float64, float64, int64[:,::1], float64[:,::1], float64[::1], int64[:,::1],"
    " float64[:,::1], float64[::1], float32[::1], int64[::1], int32[:,::1], float32[:,::1], uint8[::1],"
    " float32[:,::1])"
)
def write_nodes(
    size,
    rate,
    grad_scale,
    hess_scale,
    tree,
    sums,
    gains,
    found,
    bounds,
    limits,
    cuts,
    indptr,
    links,
    numbers,
    default_left,
    weights,
):
    """Write the nodes of a tree in the units of the loss.

    Parameters
    ----------
    size : number of nodes
    rate : factor on the weights of leaves
    grad_scale, hess_scale : see `round_gradients`
    tree, sums, gains, found, bounds, limits : see `make_children`
    cuts, indptr : see `sketch.Cuts`
    links : (4, nodes), output: left and right child, parent, feature
    numbers : (3, nodes), output: the cut, or a leaf's weight; gain; mean hessian of the outputs
    default_left : (nodes,), output
    weights : (nodes, outputs), output
    """
    outputs = sums.shape[1] // 2
    unit = hess_scale / (grad_scale * grad_scale)
    largest = np.finfo(np.float32).max
    for n in range(size):
        leaf = tree[n, 0] < 0
        lower = bounds[n, 0] if bounds.shape[0] else -np.inf
        upper = bounds[n, 1] if bounds.shape[0] else np.inf
        hessian = 0.0
        for k in range(outputs):
            w = weigh(sums[n, 2 * k], sums[n, 2 * k + 1], limits, lower, upper) * (hess_scale / grad_scale)
            weights[n, k] = rate * w if leaf else w
            hessian += sums[n, 2 * k + 1]
        links[0, n] = tree[n, 0]
        links[1, n] = -1 if leaf else tree[n, 0] + 1
        links[2, n] = tree[n, 1]
        numbers[2, n] = min(hessian / outputs / hess_scale, largest)
        if leaf:
            links[3, n] = 0
            numbers[0, n] = weights[n, 0] if outputs == 1 else 0.0
            numbers[1, n] = 0.0
            default_left[n] = 0
            continue
        f = found[n, 0]
        links[3, n] = f
        numbers[1, n] = min(gains[n] * unit, largest)
        default_left[n] = found[n, 2]
        at = indptr[f] + found[n, 1]
        if found[n, 1] < 0:
            numbers[0, n] = 0.0
        elif at < indptr[f + 1]:
            numbers[0, n] = cuts[at]
        else:  # a split after the last bin parts the present values from the missing ones
            numbers[0, n] = largest

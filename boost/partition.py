"""The kernels that move rows: to the children of a split, and from leaves into the margins."""

from __future__ import annotations

from boost.jit import kernel

_PARTITION = (
    "void({0}[:,::1], int64[::1], int64[:,::1], float64[:,::1], int64[::1], int64[::1], int64[::1], int64,"
    " int64, uint32[::1], uint32[::1])"
)


@kernel(_PARTITION.format("uint8"), _PARTITION.format("uint16"))
def partition(columns, offsets, found, sums, begins, ends, middles, first, last, rows, spare):
    """Reorder the rows of some nodes, those for the left child first; both sides keep their order.

    Parameters
    ----------
    columns : (features, rows), the codes column by column: one feature's codes fit a cache that whole rows do
    not
    offsets : (features + 1,)
    found, sums : (nodes, 3) and (nodes, 5), see `find_splits`
    begins, ends : (nodes,), each node's range in `rows`
    middles : (nodes,), output: where the right child's rows start
    first, last : the range of nodes to do
    rows : row numbers, changed in place
    spare : as long as `rows`; only the nodes' own ranges are written
    """
    for n in range(first, last):
        if not sums[n, 2] > 0.0:
            continue
        f = found[n, 0]
        cut = found[n, 1]
        absent = offsets[f + 1] - offsets[f] - 1
        absent_left = found[n, 2] != 0
        codes = columns[f]
        begin = begins[n]
        left = begin
        right = 0
        for r in range(begin, ends[n]):
            i = rows[r]
            code = codes[i]
            # Both places are written and one is kept: no branch to be guessed wrongly half of the time.
            goes_left = absent_left if code == absent else code <= cut
            rows[left] = i
            spare[begin + right] = i
            left += goes_left
            right += not goes_left
        for r in range(right):
            rows[left + r] = spare[begin + r]
        middles[n] = left


@kernel("int64(int64, int64, int32[::1], int32[::1], int64[::1], int64[::1], int64[::1], float64[:,::1])")
def make_children(first, last, left, parent, begins, ends, middles, sums):
    """Append the children of the nodes that were split, siblings side by side; return the number of nodes.

    `left` gets the left child's number, or -1; the right child is the next one. See `find_splits` for `sums`.
    """
    size = last
    for n in range(first, last):
        left[n] = -1
        if not sums[n, 2] > 0.0:
            continue
        left[n] = size
        for side in range(2):
            child = size + side
            left[child] = -1
            parent[child] = n
            begins[child] = middles[n] if side else begins[n]
            ends[child] = ends[n] if side else middles[n]
            for k in range(2):
                sums[child, k] = sums[n, k] - sums[n, 3 + k] if side else sums[n, 3 + k]
            sums[child, 2] = 0.0
        size += 2
    return size


@kernel("void(uint32[::1], int64[::1], int64[::1], float32[::1], int64, int64, float64[:])")
def add_leaves(rows, begins, ends, values, first, last, margin):
    """Add each leaf's value to the margins of its rows: no tree is traversed in training."""
    for n in range(first, last):
        for r in range(begins[n], ends[n]):
            margin[rows[r]] += values[n]

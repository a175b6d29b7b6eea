"""Prediction: the kernels that traverse the trees of a forest.

Rows are traversed in blocks, all rows of a block at the same level of the same tree: their loads are
independent. A block is copied with each value twice: once with missing as minus infinity, which goes left,
once with missing as infinity. So a step is a load and a comparison, without a branch.
"""

from __future__ import annotations

import threading
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from boost.forest.packed import (
    CATEGORICAL,
    CHILD,
    CONDITION,
    DEPTH,
    KIND,
    LAST,
    NO_SIGN,
    OUTPUT,
    ROOT,
    SPLIT,
    START,
    VALUE,
    VECTOR,
    PackedForest,
    PackedTrees,
)
from boost.jit import by_type, field_type, is_none, kernel

# Most rows of a block, and the most bytes that their values may take: a part of an L2 cache.
BLOCK = 64
BLOCK_BYTES = 1 << 18
# A block of fewer rows is traversed row by row, many trees at the same time.
INTERLEAVED_BELOW = 8
# Levels between two checks whether all rows of a block have reached their leaves.
LEVELS = 8


class SparseEntries(NamedTuple):
    """The present entries of rows of a sparse table in CSR layout, see `boost.forest.traverse.SparseRows`."""

    starts: NDArray[np.int64]
    features: NDArray[np.int32]
    values: NDArray[np.float32]


@kernel(allocates=False)
def copy_block(x, begin, rows, block):
    """Copy rows with each value twice, missing as minus infinity and as infinity.

    Returns whether the values hold an infinity.
    """
    infinite = False
    for i in range(rows):
        for f in range(x.shape[1]):
            value = x[begin + i, f]
            infinite |= abs(value) == np.inf
            block[i, 2 * f] = value if value == value else -np.inf
            block[i, 2 * f + 1] = value if value == value else np.inf
    return infinite


@kernel(allocates=False)
def write_entries(entries, begin, rows, block, absent):
    """Write the entries of rows of a sparse table into a block; with `absent`, reset them to missing."""
    starts, features, values = entries.starts, entries.features, entries.values
    for i in range(rows):
        for e in range(starts[begin + i], starts[begin + i + 1]):
            f = features[e]
            block[i, 2 * f] = -np.inf if absent else values[e]
            block[i, 2 * f + 1] = np.inf if absent else values[e]


@kernel(allocates=False)
def goes_right(word, start, count, value, bits):
    """Return 1 when a value goes right at a categorical split, else 0.

    As in XGBoost, a value that is no category, or beyond the node's bits, goes left; a fraction is truncated.
    Missing values are infinities here, and take the node's default direction.
    """
    if value == np.inf:
        return np.uint32(word & 1)
    if not (value >= 0 and value < count):
        return np.uint32(0)
    code = np.uint32(value)
    return (bits[start + (code >> np.uint32(5))] >> (code & np.uint32(31))) & np.uint32(1)


@kernel(inline="always", allocates=False)
def _by_number(packed, row, n):
    return np.uint32(row[np.uint32(packed.nodes[n, SPLIT])] >= packed.values[n, CONDITION])


@kernel(inline="always", allocates=False)
def _by_number_or_category(packed, row, n):
    nodes = packed.nodes
    word = nodes[n, SPLIT]
    value = row[np.uint32(word & NO_SIGN)]
    if word < 0:
        return goes_right(word, nodes[n, START], nodes[n, LAST], value, packed.bits)
    return np.uint32(value >= packed.values[n, CONDITION])


@by_type
def branch(packed, row, n):
    """Return 1 when a row goes right at node `n`, else 0."""
    return _by_number if is_none(field_type(packed, "bits")) else _by_number_or_category


@kernel(allocates=False)
def _step_numbers(packed, t, block, rows, steps, node):
    nodes, values = packed.nodes, packed.values
    for _ in range(steps):
        for i in range(rows):
            n = node[i]
            right = block[i, np.uint32(nodes[n, SPLIT])] >= values[n, CONDITION]
            node[i] = np.uint32(nodes[n, CHILD]) + np.uint32(right)


@kernel(allocates=False)
def _step_any(packed, t, block, rows, steps, node):
    if not packed.trees[t, KIND] & CATEGORICAL:
        _step_numbers(packed, t, block, rows, steps, node)
        return
    for _ in range(steps):
        for i in range(rows):
            n = node[i]
            node[i] = np.uint32(packed.nodes[n, CHILD]) + _by_number_or_category(packed, block[i], n)


@by_type
def step(packed, t, block, rows, steps, node):
    """Move all rows of a block down `steps` levels of tree `t`."""
    return _step_numbers if is_none(field_type(packed, "bits")) else _step_any


@kernel(allocates=False)
def descend(packed, t, block, rows, node):
    """Find the leaf of each row of a block in tree `t`."""
    nodes = packed.nodes
    depth = np.int64(packed.trees[t, DEPTH])
    root = np.uint32(packed.trees[t, ROOT])
    for i in range(rows):
        node[i] = root
    for level in range(0, depth, LEVELS):
        if level:
            moving = False
            for i in range(rows):
                moving |= np.uint32(nodes[node[i], CHILD]) != node[i]
            if not moving:
                break
        step(packed, t, block, rows, LEVELS if depth - level > LEVELS else depth - level, node)


@kernel(allocates=False)
def descend_trees(packed, first, last, row, node):
    """Find the leaf of one row in each of a range of trees, level by level: the loads are independent."""
    nodes, trees = packed.nodes, packed.trees
    depth = np.int64(0)
    for t in range(first, last):
        node[t - first] = np.uint32(trees[t, ROOT])
        depth = trees[t, DEPTH] if trees[t, DEPTH] > depth else depth
    for _ in range(depth):
        for t in range(last - first):
            n = node[t]
            node[t] = np.uint32(nodes[n, CHILD]) + branch(packed, row, n)


@kernel(inline="always", allocates=False)
def _add_number(packed, t, node, margin, i):
    margin[i, packed.trees[t, OUTPUT]] += packed.weights[t] * packed.values[node, VALUE]


@kernel(inline="always", allocates=False)
def _add_any(packed, t, node, margin, i):
    if packed.trees[t, KIND] & VECTOR:
        row = packed.nodes[node, LAST]
        for k in range(margin.shape[1]):
            margin[i, k] += packed.weights[t] * packed.vectors[row, k]
    else:
        _add_number(packed, t, node, margin, i)


@by_type
def add_leaf(packed, t, node, margin, i):
    """Add the value of a leaf of tree `t` to the margins of row `i`."""
    return _add_number if is_none(field_type(packed, "vectors")) else _add_any


@kernel(allocates=False)
def add_block(packed, first, last, block, rows, node, margin, begin):
    """Add the values of trees to the margins of the rows of a block."""
    if rows < INTERLEAVED_BELOW:
        for i in range(rows):
            for start in range(first, last, BLOCK):
                end = start + BLOCK if start + BLOCK < last else last
                descend_trees(packed, start, end, block[i], node)
                for t in range(start, end):
                    add_leaf(packed, t, node[t - start], margin, begin + i)
        return
    for t in range(first, last):
        descend(packed, t, block, rows, node)
        for i in range(rows):
            add_leaf(packed, t, node[i], margin, begin + i)


@kernel(lazy=True, allocates=False)
def _add_trees(arrays, x, block, node, first, last, margin):
    packed = PackedTrees(arrays[0], arrays[1], arrays[2], arrays[3], arrays[4], arrays[5])
    most = block.shape[0]
    infinite = False
    for begin in range(0, x.shape[0], most):
        rows = most if x.shape[0] - begin > most else x.shape[0] - begin
        infinite |= copy_block(x, begin, rows, block)
        add_block(packed, first, last, block, rows, node, margin, begin)
    return infinite


def add_trees(
    packed: PackedForest, x: NDArray[np.float32], first: int, last: int, margin: NDArray[np.float64]
) -> bool:
    """Add the values of a range of trees to the margins of dense rows. O(rows * (features + trees * depth)).

    Parameters
    ----------
    packed : PackedForest
    x : (rows, features)
    first, last : the range of trees
    margin : (rows, outputs), changed in place

    Returns
    -------
    bool
        Whether x holds an infinity, which no table may.
    """
    block, node = new_block(x.shape[0], x.shape[1])
    return bool(_add_trees(packed.plain, x, block, node, first, last, margin))


@kernel(lazy=True, allocates=False)
def _add_trees_sparse(packed, entries, block, node, first, last, margin):
    most = block.shape[0]
    count = entries.starts.size - 1
    for begin in range(0, count, most):
        rows = most if count - begin > most else count - begin
        write_entries(entries, begin, rows, block, False)
        add_block(packed, first, last, block, rows, node, margin, begin)
        write_entries(entries, begin, rows, block, True)


def add_trees_sparse(
    packed: PackedForest,
    entries: SparseEntries,
    columns: int,
    first: int,
    last: int,
    margin: NDArray[np.float64],
) -> None:
    """Add the values of trees to the margins of sparse rows. O(entries + rows * trees * depth).

    Parameters
    ----------
    packed : PackedForest
    entries : SparseEntries
        Of the rows; `starts` has one element for each row, and the end.
    columns : number of features
    first, last, margin : as for `add_trees`
    """
    block, node = new_block(entries.starts.size - 1, columns)
    block[:, 0::2] = -np.inf
    block[:, 1::2] = np.inf
    _add_trees_sparse(packed.arrays, entries, block, node, first, last, margin)


@kernel(lazy=True, allocates=False)
def _find_leaves(packed, number, x, block, node, first, last, leaf):
    most = block.shape[0]
    for begin in range(0, x.shape[0], most):
        rows = most if x.shape[0] - begin > most else x.shape[0] - begin
        copy_block(x, begin, rows, block)
        for t in range(first, last):
            descend(packed, t, block, rows, node)
            for i in range(rows):
                leaf[begin + i, t - first] = number[node[i]]


def find_leaves(
    packed: PackedForest, x: NDArray[np.float32], first: int, last: int, leaf: NDArray[np.int32]
) -> None:
    """Write the leaf of each row in the trees ``first`` to ``last - 1``; `leaf` is (rows, last - first)."""
    block, node = new_block(x.shape[0], x.shape[1])
    _find_leaves(packed.arrays, packed.number, x, block, node, first, last, leaf)


# Memory for the prediction of one row, a tenth of whose time its allocation would take.
_one_row = threading.local()


def new_block(rows: int, features: int) -> tuple[NDArray[np.float32], NDArray[np.uint32]]:
    """Return memory for a block of rows and for the nodes that they have reached; for one row, it is kept."""
    if rows > 1:
        rows = max(1, min(rows, BLOCK, BLOCK_BYTES // (8 * max(1, features))))
        return np.empty((rows, 2 * features), np.float32), np.empty(BLOCK, np.uint32)
    if getattr(_one_row, "features", None) != features:
        _one_row.features = features
        _one_row.buffers = np.empty((1, 2 * features), np.float32), np.empty(BLOCK, np.uint32)
    return _one_row.buffers

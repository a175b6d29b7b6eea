"""Prediction: the trees of a forest packed for traversal, and the kernels that traverse them.

A node is four words of 32 bits, so that a step reads one cache line, and children are neighbours. For a
question about a number they are: twice the feature, plus one if a missing value goes right; the condition;
the left child; nothing. For a question about a category: the same first word with its sign bit set; where the
node's bits start; the left child; how many bits there are. A leaf is its own left child, its condition is
NaN, so that no value leaves it, and its last word is its value, or the row of its vector.

Rows go down in blocks, all rows of a block at the same level of the same tree: their loads do not wait for
each other. A block is copied with each value twice: once with missing as minus infinity, which goes left,
once with missing as infinity. So a step is a load and a comparison, without a branch.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from boost.jit import kernel

if TYPE_CHECKING:
    from boost.forest.tree import Tree

# Most rows that go down a tree in step, and the most bytes that their values may take: a part of an L2 cache.
BLOCK = 64
BLOCK_BYTES = 1 << 18
# Fewer rows than this go down many trees at a time, each alone.
ABREAST = 8
# Levels between two looks whether all rows of a block have reached their leaves.
LEVELS = 8
# Columns of the table of trees: the root, the depth, the output, what its splits and leaves are.
ROOT, DEPTH, GROUP, KIND = range(4)
CATEGORICAL, VECTOR = 1, 2
PACKING = threading.Lock()


@kernel(
    "int64(int32[::1], int32[::1], int32[::1], float32[::1], uint8[::1], int64, int32[:,::1], int32[::1])"
)
def pack(left, right, feature, condition, default_left, root, nodes, number):
    """Write the nodes of a tree of numerical splits, level after level, and return its depth.

    Parameters
    ----------
    left, right, feature, condition, default_left : (size,), see `Tree`
    root : int
        Where the tree's nodes go in `nodes`.
    nodes : (nodes, 4), output
    number : (nodes,), output: the number of a node within its tree
    """
    size = left.size
    values = nodes.view(np.float32)
    level = np.zeros(size, dtype=np.int32)
    number[root] = 0
    filled = 1
    depth = 0
    for done in range(size):
        if done == filled:  # the rest is not reached from the root
            break
        n = number[root + done]
        at = root + done
        depth = level[done]
        if left[n] < 0:
            nodes[at, 0] = 0
            values[at, 1] = np.nan
            nodes[at, 2] = at
            values[at, 3] = condition[n]
        else:
            nodes[at, 0] = 2 * feature[n] + (default_left[n] == 0)
            values[at, 1] = condition[n]
            nodes[at, 2] = root + filled
            nodes[at, 3] = 0
            number[root + filled] = left[n]
            number[root + filled + 1] = right[n]
            level[filled] = depth + 1
            level[filled + 1] = depth + 1
            filled += 2
    return depth


@kernel()
def copy_block(x, begin, rows, block):
    """Copy rows with each value twice, missing as minus infinity and as infinity.

    Returns whether there was an infinity among the values.
    """
    infinite = False
    for i in range(rows):
        for f in range(x.shape[1]):
            value = x[begin + i, f]
            infinite |= abs(value) == np.inf
            block[i, 2 * f] = value if value == value else -np.inf
            block[i, 2 * f + 1] = value if value == value else np.inf
    return infinite


@kernel()
def write_entries(starts, features, values, begin, rows, block, absent):
    """Write the present entries of rows of a sparse table into a block, or take them out again (`absent`)."""
    for i in range(rows):
        for e in range(starts[begin + i], starts[begin + i + 1]):
            f = features[e]
            block[i, 2 * f] = -np.inf if absent else values[e]
            block[i, 2 * f + 1] = np.inf if absent else values[e]


@kernel()
def goes_right(word, start, count, value, bits):
    """Answer a node's question about a category.

    As in XGBoost, what is no category, or is beyond the node's bits, goes left; a fraction is cut off.
    Missing values, which come as infinities, go where they are told to.
    """
    if value == np.inf:
        return np.uint32(word & 1)
    if not (value >= 0 and value < count):
        return np.uint32(0)
    code = np.uint32(value)
    return (bits[start + (code >> np.uint32(5))] >> (code & np.uint32(31))) & np.uint32(1)


@kernel()
def descend(block, rows, nodes, tree, bits, node):
    """Find the leaf of each row of a block in a tree."""
    conditions = nodes.view(np.float32)
    root = np.uint32(tree[ROOT])
    for i in range(rows):
        node[i] = root
    for level in range(0, tree[DEPTH], LEVELS):
        if level:
            moving = False
            for i in range(rows):
                moving |= np.uint32(nodes[node[i], 2]) != node[i]
            if not moving:
                break
        steps = min(tree[DEPTH] - level, LEVELS)
        if tree[KIND] & CATEGORICAL:
            for _ in range(steps):
                for i in range(rows):
                    n = node[i]
                    word = nodes[n, 0]
                    value = block[i, np.uint32(word & 0x7FFFFFFF)]
                    if word < 0:
                        right = goes_right(word, nodes[n, 1], nodes[n, 3], value, bits)
                    else:
                        right = np.uint32(value >= conditions[n, 1])
                    node[i] = np.uint32(nodes[n, 2]) + right
        else:
            for _ in range(steps):
                for i in range(rows):
                    n = node[i]
                    right = block[i, np.uint32(nodes[n, 0])] >= conditions[n, 1]
                    node[i] = np.uint32(nodes[n, 2]) + np.uint32(right)


@kernel()
def descend_abreast(block, row, nodes, trees, first, last, bits, node):
    """Find the leaf of one row in each of some trees, all at the same level: no load waits for another."""
    conditions = nodes.view(np.float32)
    depth = 0
    for t in range(first, last):
        node[t - first] = np.uint32(trees[t, ROOT])
        depth = max(depth, trees[t, DEPTH])
    for _ in range(depth):
        for t in range(last - first):
            n = node[t]
            word = nodes[n, 0]
            value = block[row, np.uint32(word & 0x7FFFFFFF)]
            if word < 0:
                right = goes_right(word, nodes[n, 1], nodes[n, 3], value, bits)
            else:
                right = np.uint32(value >= conditions[n, 1])
            node[t] = np.uint32(nodes[n, 2]) + right


@kernel()
def block_rows(features):
    """Return how many rows of so many features make a block."""
    return max(1, min(BLOCK, BLOCK_BYTES // (8 * features)))


@kernel(inline="always")
def add_leaf(node, nodes, values, trees, t, weight, vectors, margin, i):
    """Add the value of a leaf of tree `t` to the margins of a row."""
    if trees[t, KIND] & VECTOR:
        row = nodes[node, 3]
        for k in range(margin.shape[1]):
            margin[i, k] += weight * vectors[row, k]
    else:
        margin[i, trees[t, GROUP]] += weight * values[node, 3]


@kernel()
def add_block(block, rows, begin, nodes, trees, weights, bits, vectors, first, last, node, margin):
    """Add the values of trees to the margins of the rows of a block."""
    values = nodes.view(np.float32)
    if rows < ABREAST:
        for i in range(rows):
            for some in range(first, last, BLOCK):
                end = min(some + BLOCK, last)
                descend_abreast(block, i, nodes, trees, some, end, bits, node)
                for t in range(some, end):
                    add_leaf(node[t - some], nodes, values, trees, t, weights[t], vectors, margin, begin + i)
        return
    for t in range(first, last):
        descend(block, rows, nodes, trees[t], bits, node)
        weight = weights[t]
        for i in range(rows):
            add_leaf(node[i], nodes, values, trees, t, weight, vectors, margin, begin + i)


@kernel(
    "boolean(float32[:,::1], int32[:,::1], int32[:,::1], float64[::1], uint32[::1], float32[:,::1], int64,"
    " int64, float64[:,::1])"
)
def add_trees(x, nodes, trees, weights, bits, vectors, first, last, margin):
    """Add the values of trees to margins. O(rows * (features + trees * depth)); see `Forest.add_margins`.

    Parameters
    ----------
    x : (rows, features)
    nodes, trees, weights, bits, vectors : see `PackedForest`
    first, last : the range of trees
    margin : (rows, outputs), changed in place

    Returns
    -------
    bool
        Whether x holds an infinity, which no table may.
    """
    most = block_rows(x.shape[1])
    block = np.empty((min(most, x.shape[0]), 2 * x.shape[1]), dtype=np.float32)
    node = np.empty(BLOCK, dtype=np.uint32)
    infinite = False
    for begin in range(0, x.shape[0], most):
        rows = min(x.shape[0] - begin, most)
        infinite |= copy_block(x, begin, rows, block)
        add_block(block, rows, begin, nodes, trees, weights, bits, vectors, first, last, node, margin)
    return infinite


@kernel(lazy=True)
def add_trees_sparse(
    starts, features, entries, columns, nodes, trees, weights, bits, vectors, first, last, margin
):
    """Do what `add_trees` does for rows of a sparse table. O(entries + rows * trees * depth).

    Parameters
    ----------
    starts, features, entries : see `DMatrix.by_row`; `starts` is cut to the rows that are done
    columns : number of features
    others : see `add_trees`
    """
    count = starts.size - 1
    most = block_rows(columns)
    block = np.empty((min(most, count), 2 * columns), dtype=np.float32)
    for f in range(columns):
        block[:, 2 * f] = -np.inf
        block[:, 2 * f + 1] = np.inf
    node = np.empty(BLOCK, dtype=np.uint32)
    for begin in range(0, count, most):
        rows = min(count - begin, most)
        write_entries(starts, features, entries, begin, rows, block, False)
        add_block(block, rows, begin, nodes, trees, weights, bits, vectors, first, last, node, margin)
        write_entries(starts, features, entries, begin, rows, block, True)


@kernel(
    "void(float32[:,::1], int32[:,::1], int32[:,::1], uint32[::1], int32[::1], int64, int64, int32[:,::1])"
)
def find_leaves(x, nodes, trees, bits, number, first, last, leaf):
    """Write the leaf of each row in each tree; see `Forest.leaf_nodes`."""
    most = block_rows(x.shape[1])
    block = np.empty((min(most, x.shape[0]), 2 * x.shape[1]), dtype=np.float32)
    node = np.empty(most, dtype=np.uint32)
    for begin in range(0, x.shape[0], most):
        rows = min(x.shape[0] - begin, most)
        copy_block(x, begin, rows, block)
        for t in range(first, last):
            descend(block, rows, nodes, trees[t], bits, node)
            for i in range(rows):
                leaf[begin + i, t - first] = number[node[i]]


class PackedForest:
    """The arrays that the kernels traverse; they grow by doubling, and what is written never changes.

    Parameters
    ----------
    outputs : int
        Numbers in a vector leaf.

    Attributes
    ----------
    count : int
        Number of trees.
    nodes : int32 array of shape (at least nodes, 4)
    number : int32 array of shape (at least nodes,)
        The number of a node within its tree.
    trees : int32 array of shape (at least count, 4)
    weights : float64 array of shape (at least count,)
    bits : uint32 array
        For each categorical split, one bit for each category, lowest first: whether it goes right.
    vectors : float32 array of shape (at least vector leaves, outputs)
    """

    def __init__(self, outputs: int) -> None:
        self.count = self._nodes = self._bits = self._vectors = 0
        self.nodes = np.empty((0, 4), dtype=np.int32)
        self.number = np.empty(0, dtype=np.int32)
        self.trees = np.empty((0, 4), dtype=np.int32)
        self.weights = np.empty(0)
        self.bits = np.empty(0, dtype=np.uint32)
        self.vectors = np.empty((0, outputs), dtype=np.float32)

    def extend(self, trees: Sequence[Tree], groups: Sequence[int], weights: Sequence[float]) -> None:
        """Append the trees that are not there yet; arguments are about all trees of the forest."""
        with PACKING:
            size = sum(tree.size for tree in trees[self.count :])
            self.nodes = _with_room(self.nodes, self._nodes, size)
            self.number = _with_room(self.number, self._nodes, size)
            self.trees = _with_room(self.trees, self.count, len(trees) - self.count)
            self.weights = _with_room(self.weights, self.count, len(trees) - self.count)
            for t in range(self.count, len(trees)):
                self._append(trees[t], groups[t])
                self.weights[t] = weights[t]
                self.count = t + 1  # last: other threads may read the trees below it

    def _append(self, tree: Tree, group: int) -> None:
        root, end = self._nodes, self._nodes + tree.size
        # Arrays that come back from a memory map may be read-only, which no kernel is compiled for.
        left, right, feature, condition, default_left = (
            np.require(a, requirements="W")
            for a in (tree.left, tree.right, tree.feature, tree.condition, tree.default_left)
        )
        depth = pack(left, right, feature, condition, default_left, root, self.nodes, self.number)
        kind = (CATEGORICAL if tree.categories.size else 0) | (VECTOR if tree.vectors.size else 0)
        self.trees[self.count] = root, depth, group, kind
        nodes, number = self.nodes[root:end], self.number[root:end]
        if kind & CATEGORICAL:
            self._append_categories(tree, nodes, number)
        if kind & VECTOR:
            leaves = np.flatnonzero(tree.left[number] < 0)
            self.vectors = _with_room(self.vectors, self._vectors, leaves.size)
            nodes[leaves, 3] = np.arange(self._vectors, self._vectors + leaves.size)
            self.vectors[self._vectors : self._vectors + leaves.size] = tree.vectors[number[leaves]]
            self._vectors += leaves.size
        self._nodes = end

    def _append_categories(self, tree: Tree, nodes: NDArray[np.int32], number: NDArray[np.int32]) -> None:
        starts = tree.category_starts
        for at in np.flatnonzero(np.diff(starts)[number]):
            codes = tree.categories[starts[number[at]] : starts[number[at] + 1]]
            words = int(codes[-1]) // 32 + 1
            self.bits = _with_room(self.bits, self._bits, words)
            own = self.bits[self._bits : self._bits + words]
            own[:] = 0
            np.bitwise_or.at(own, codes >> 5, np.uint32(1) << (codes & 31).astype(np.uint32))
            nodes[at, 0] |= np.int32(-(2**31))
            nodes[at, 1], nodes[at, 3] = self._bits, int(codes[-1]) + 1
            self._bits += words


def _with_room(array: NDArray, used: int, more: int) -> NDArray:
    """Return the array, or a larger copy if there is no room for so many more rows."""
    if used + more <= array.shape[0]:
        return array
    grown = np.zeros((max(used + more, 2 * array.shape[0]), *array.shape[1:]), dtype=array.dtype)
    grown[:used] = array[:used]
    return grown

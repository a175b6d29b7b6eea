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
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from boost.jit import by_type, field_type, is_none, kernel

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


# Columns of a node: the question, the condition (or where the bits start), the left child, and the rest.
QUESTION, START, CHILD, LAST = range(4)
CONDITION, VALUE = START, LAST  # as float32
NO_SIGN = np.int32(0x7FFFFFFF)


class TreeNodes(NamedTuple):
    """The nodes of a tree of numerical splits, see `boost.forest.tree.Tree`."""

    left: NDArray[np.int32]
    right: NDArray[np.int32]
    feature: NDArray[np.int32]
    condition: NDArray[np.float32]
    default_left: NDArray[np.uint8]


class PackedTrees(NamedTuple):
    """The arrays of a `PackedForest`, for kernels. What no tree has is None, and is not compiled.

    Attributes
    ----------
    nodes : int32 array of shape (nodes, 4)
    values : float32 array of shape (nodes, 4)
        The same memory.
    trees : int32 array of shape (trees, 4)
    weights : float64 array of shape (trees,)
    bits : uint32 array, or None without categorical splits
    vectors : float32 array of shape (vector leaves, outputs), or None without vector leaves
    """

    nodes: NDArray[np.int32]
    values: NDArray[np.float32]
    trees: NDArray[np.int32]
    weights: NDArray[np.float64]
    bits: NDArray[np.uint32] | None
    vectors: NDArray[np.float32] | None


class SparseEntries(NamedTuple):
    """Rows of a sparse table, see `boost.forest.traverse.SparseRows`."""

    starts: NDArray[np.int64]
    features: NDArray[np.int32]
    values: NDArray[np.float32]


@kernel(lazy=True, allocates=False)
def pack(tree, root, nodes, values, number, level):
    """Write the nodes of a tree of numerical splits, level after level, and return its depth.

    Parameters
    ----------
    tree : TreeNodes
    root : int
        Where the tree's nodes go in `nodes`.
    nodes, values : (nodes, 4), output
        The same memory, as int32 and as float32.
    number : (nodes,), output: the number of a node within its tree
    level : (size,), overwritten
    """
    size = tree.left.size
    number[root] = 0
    level[0] = 0
    filled = 1
    depth = np.int32(0)
    for done in range(size):
        if done == filled:  # the rest is not reached from the root
            break
        n = number[root + done]
        at = root + done
        depth = level[done]
        left = tree.left[n]
        if left < 0:
            nodes[at, QUESTION] = 0
            values[at, CONDITION] = np.nan
            nodes[at, CHILD] = at
            values[at, VALUE] = tree.condition[n]
        else:
            nodes[at, QUESTION] = 2 * tree.feature[n] + (tree.default_left[n] == 0)
            values[at, CONDITION] = tree.condition[n]
            nodes[at, CHILD] = root + filled
            nodes[at, LAST] = 0
            number[root + filled] = left
            number[root + filled + 1] = tree.right[n]
            level[filled] = depth + 1
            level[filled + 1] = depth + 1
            filled += 2
    return depth


@kernel(allocates=False)
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


@kernel(allocates=False)
def write_entries(entries, begin, rows, block, absent):
    """Write the present entries of rows of a sparse table into a block, or take them out again (`absent`)."""
    starts, features, values = entries.starts, entries.features, entries.values
    for i in range(rows):
        for e in range(starts[begin + i], starts[begin + i + 1]):
            f = features[e]
            block[i, 2 * f] = -np.inf if absent else values[e]
            block[i, 2 * f + 1] = np.inf if absent else values[e]


@kernel(allocates=False)
def goes_right(word, start, count, value, bits):
    """Answer a node's question about a category.

    As in XGBoost, what is no category, or is beyond the node's bits, goes left; a fraction is cut off.
    Missing values come as infinities, and go where the node sends them.
    """
    if value == np.inf:
        return np.uint32(word & 1)
    if not (value >= 0 and value < count):
        return np.uint32(0)
    code = np.uint32(value)
    return (bits[start + (code >> np.uint32(5))] >> (code & np.uint32(31))) & np.uint32(1)


@kernel(inline="always", allocates=False)
def _by_number(packed, row, n):
    return np.uint32(row[np.uint32(packed.nodes[n, QUESTION])] >= packed.values[n, CONDITION])


@kernel(inline="always", allocates=False)
def _by_number_or_category(packed, row, n):
    nodes = packed.nodes
    word = nodes[n, QUESTION]
    value = row[np.uint32(word & NO_SIGN)]
    if word < 0:
        return goes_right(word, nodes[n, START], nodes[n, LAST], value, packed.bits)
    return np.uint32(value >= packed.values[n, CONDITION])


@by_type
def answer(packed, row, n):
    """Return 1 when a row goes right at node `n`, else 0."""
    return _by_number if is_none(field_type(packed, "bits")) else _by_number_or_category


@kernel(allocates=False)
def _step_numbers(packed, t, block, rows, steps, node):
    nodes, values = packed.nodes, packed.values
    for _ in range(steps):
        for i in range(rows):
            n = node[i]
            right = block[i, np.uint32(nodes[n, QUESTION])] >= values[n, CONDITION]
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
    """Let all rows of a block go down some levels of tree `t`."""
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
def descend_abreast(packed, first, last, row, node):
    """Find the leaf of one row in each of some trees, all at the same level: no load waits for another."""
    nodes, trees = packed.nodes, packed.trees
    depth = np.int64(0)
    for t in range(first, last):
        node[t - first] = np.uint32(trees[t, ROOT])
        depth = trees[t, DEPTH] if trees[t, DEPTH] > depth else depth
    for _ in range(depth):
        for t in range(last - first):
            n = node[t]
            node[t] = np.uint32(nodes[n, CHILD]) + answer(packed, row, n)


@kernel(inline="always", allocates=False)
def _add_number(packed, t, node, margin, i):
    margin[i, packed.trees[t, GROUP]] += packed.weights[t] * packed.values[node, VALUE]


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
    if rows < ABREAST:
        for i in range(rows):
            for some in range(first, last, BLOCK):
                end = some + BLOCK if some + BLOCK < last else last
                descend_abreast(packed, some, end, block[i], node)
                for t in range(some, end):
                    add_leaf(packed, t, node[t - some], margin, begin + i)
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
    """Add the values of trees to margins. O(rows * (features + trees * depth)); see `Forest.add_margins`.

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
    """Do what `add_trees` does for rows of a sparse table. O(entries + rows * trees * depth).

    Parameters
    ----------
    packed : PackedForest
    entries : SparseEntries
        Its `starts` are cut to the rows that are done.
    columns : number of features
    first, last, margin : see `add_trees`
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
    """Write the leaf of each row in each tree; see `Forest.leaf_nodes`."""
    block, node = new_block(x.shape[0], x.shape[1])
    _find_leaves(packed.arrays, packed.number, x, block, node, first, last, leaf)


def new_block(rows: int, features: int) -> tuple[NDArray[np.float32], NDArray[np.uint32]]:
    """Return room for a block of rows, and for the nodes that they are at."""
    if rows > 1:
        rows = max(1, min(rows, BLOCK, BLOCK_BYTES // (8 * max(1, features))))
    return np.empty((rows or 1, 2 * features), np.float32), np.empty(BLOCK, np.uint32)


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
    arrays : PackedTrees
        These arrays, for kernels.
    plain : tuple
        The same as a plain tuple, whose type Numba finds 1.5 us sooner: for the prediction of one row.
    """

    def __init__(self, outputs: int) -> None:
        self.count = self._nodes = self._bits = self._vectors = 0
        self.nodes = np.empty((0, 4), dtype=np.int32)
        self.number = np.empty(0, dtype=np.int32)
        self.trees = np.empty((0, 4), dtype=np.int32)
        self.weights = np.empty(0)
        self.bits = np.empty(0, dtype=np.uint32)
        self.vectors = np.empty((0, outputs), dtype=np.float32)

        self._gather()

    def _gather(self) -> None:
        """Update `arrays`, once for each change: the prediction of one row takes a few microseconds."""
        bits = self.bits if self._bits else None
        vectors = self.vectors if self._vectors else None
        values = self.nodes.view(np.float32)
        self.arrays = PackedTrees(self.nodes, values, self.trees, self.weights, bits, vectors)
        self.plain = tuple(self.arrays)

    def set_weights(self, weights: NDArray[np.float64]) -> None:
        """Replace the weights of all trees."""
        self.weights = weights
        self._gather()

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
                self._gather()
                self.count = t + 1  # last: other threads may read the trees below it

    def _append(self, tree: Tree, group: int) -> None:
        root, end = self._nodes, self._nodes + tree.size
        # Arrays that come back from a memory map may be read-only: kernels are compiled for one type.
        given = (getattr(tree, name) for name in TreeNodes._fields)
        arrays = TreeNodes(*(np.require(array, requirements=["C", "W"]) for array in given))
        level = np.empty(tree.size + 1, dtype=np.int32)
        depth = pack(arrays, root, self.nodes, self.nodes.view(np.float32), self.number, level)
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

"""`PackedForest`: the trees of a forest as the arrays that kernels traverse.

A node is four words of 32 bits, so that a step reads one cache line; the right child follows the left one.

============= ======================== ======================== ===============================
word          numerical split          categorical split        leaf
============= ======================== ======================== ===============================
SPLIT         2 * feature + missing    the same, sign bit set   0
START         the condition (float32)  where its bits start     NaN, so that no value leaves it
CHILD         the left child           the left child           the leaf itself
LAST          unused                   the number of bits       its value, or its vector's row
============= ======================== ======================== ===============================

"missing" is 1 if a missing value goes right, else 0.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from boost.jit import kernel

if TYPE_CHECKING:
    from boost.forest.tree import Tree

# Columns of the table of trees: the root, the depth, the output, and which of CATEGORICAL and VECTOR it has.
ROOT, DEPTH, OUTPUT, KIND = range(4)
CATEGORICAL, VECTOR = 1, 2
PACKING = threading.Lock()
# Columns of a node, as in the table above.
SPLIT, START, CHILD, LAST = range(4)
CONDITION, VALUE = START, LAST  # as float32
NO_SIGN = np.int32(0x7FFFFFFF)


class TreeNodes(NamedTuple):
    """The fields of a `boost.forest.tree.Tree` that `pack` reads."""

    left: NDArray[np.int32]
    right: NDArray[np.int32]
    feature: NDArray[np.int32]
    condition: NDArray[np.float32]
    default_left: NDArray[np.uint8]


class PackedTrees(NamedTuple):
    """The arrays of a `PackedForest`, for kernels.

    A feature that no tree has (categories, vectors) is None, so that its code is not compiled.

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
        if done == filled:  # the other nodes cannot be reached from the root
            break
        n = number[root + done]
        at = root + done
        depth = level[done]
        left = tree.left[n]
        if left < 0:
            nodes[at, SPLIT] = 0
            values[at, CONDITION] = np.nan
            nodes[at, CHILD] = at
            values[at, VALUE] = tree.condition[n]
        else:
            nodes[at, SPLIT] = 2 * tree.feature[n] + (tree.default_left[n] == 0)
            values[at, CONDITION] = tree.condition[n]
            nodes[at, CHILD] = root + filled
            nodes[at, LAST] = 0
            number[root + filled] = left
            number[root + filled + 1] = tree.right[n]
            level[filled] = depth + 1
            level[filled + 1] = depth + 1
            filled += 2
    return depth


class PackedForest:
    """The trees of a forest as arrays for the kernels; they grow by doubling, and written trees never change.

    Parameters
    ----------
    outputs : int
        Values in a vector leaf.

    Attributes
    ----------
    count : int
        Number of trees.
    source : list of float
        What the weights were read from; when the forest has another list, they have changed.
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
        self.source: Sequence[float] = ()
        self._gather()

    def _gather(self) -> None:
        """Update `arrays`, once for each change: the prediction of one row takes a few microseconds."""
        bits = self.bits if self._bits else None
        vectors = self.vectors if self._vectors else None
        values = self.nodes.view(np.float32)
        self.arrays = PackedTrees(self.nodes, values, self.trees, self.weights, bits, vectors)
        self.plain = tuple(self.arrays)

    def extend(self, trees: Sequence[Tree], outputs: Sequence[int], weights: Sequence[float]) -> None:
        """Append the trees after the first `count`, and replace the weights if their list is another one.

        The arguments are those of all trees of the forest; there are as many trees as weights.
        """
        with PACKING:
            if weights is not self.source:
                self.weights = np.array(weights, dtype=np.float64)
                self._gather()
                self.source = weights
            added = len(weights) - self.count
            size = sum(trees[t].size for t in range(self.count, len(weights)))
            self.nodes = _reserve(self.nodes, self._nodes, size)
            self.number = _reserve(self.number, self._nodes, size)
            self.trees = _reserve(self.trees, self.count, added)
            self.weights = _reserve(self.weights, self.count, added)
            for t in range(self.count, len(weights)):
                self._append(t, trees[t], outputs[t])
                self.weights[t] = weights[t]
            self._gather()
            self.count = len(weights)  # last: other threads may read the trees below it

    def _append(self, t: int, tree: Tree, output: int) -> None:
        root, end = self._nodes, self._nodes + tree.size
        # Arrays of a memory map may be read-only: another type for Numba, but kernels are compiled for one.
        given = (getattr(tree, name) for name in TreeNodes._fields)
        arrays = TreeNodes(*map(_ordinary, given))
        level = np.empty(tree.size + 1, dtype=np.int32)
        depth = pack(arrays, root, self.nodes, self.nodes.view(np.float32), self.number, level)
        kind = (CATEGORICAL if tree.categories.size else 0) | (VECTOR if tree.vectors.size else 0)
        self.trees[t] = root, depth, output, kind
        nodes, number = self.nodes[root:end], self.number[root:end]
        if kind & CATEGORICAL:
            self._append_categories(tree, nodes, number)
        if kind & VECTOR:
            leaves = np.flatnonzero(tree.left[number] < 0)
            self.vectors = _reserve(self.vectors, self._vectors, leaves.size)
            nodes[leaves, LAST] = np.arange(self._vectors, self._vectors + leaves.size)
            self.vectors[self._vectors : self._vectors + leaves.size] = tree.vectors[number[leaves]]
            self._vectors += leaves.size
        self._nodes = end

    def _append_categories(self, tree: Tree, nodes: NDArray[np.int32], number: NDArray[np.int32]) -> None:
        starts = tree.category_starts
        for at in np.flatnonzero(np.diff(starts)[number]):
            codes = tree.categories[starts[number[at]] : starts[number[at] + 1]]
            words = int(codes[-1]) // 32 + 1
            self.bits = _reserve(self.bits, self._bits, words)
            bits = self.bits[self._bits : self._bits + words]
            bits[:] = 0
            np.bitwise_or.at(bits, codes >> 5, np.uint32(1) << (codes & 31).astype(np.uint32))
            nodes[at, SPLIT] |= np.int32(-(2**31))
            nodes[at, START], nodes[at, LAST] = self._bits, int(codes[-1]) + 1
            self._bits += words


def _ordinary(array: NDArray) -> NDArray:
    """Return the array, or a copy if it is not contiguous or not writable."""
    flags = array.flags
    return array if flags.c_contiguous and flags.writeable else np.require(array, requirements=["C", "W"])


def _reserve(array: NDArray, used: int, more: int) -> NDArray:
    """Return the array if it has at least `used + more` rows, else a copy of at least twice the size."""
    if used + more <= array.shape[0]:
        return array
    grown = np.zeros((max(used + more, 2 * array.shape[0]), *array.shape[1:]), dtype=array.dtype)
    grown[:used] = array[:used]
    return grown

"""The outline of trees: their nodes in depth-first order, with what Shapley values need of each edge."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from boost.forest.packed import CHILD, DEPTH, KIND, LAST, NO_SIGN, ROOT, SPLIT, VALUE, VECTOR
from boost.jit import kernel

Floats = NDArray[np.float64]
# Columns of `Outline.steps`: the node; its depth; of the edge to it, the index of the feature in `used`, the
# depth of the edge before it on the same feature (0: none), and whether it leads to a right child; and the
# index in `used` of the feature that the node tests (-1: a leaf).
NODE, LEVEL, EDGE, BEFORE, IS_RIGHT, TESTED = range(6)
STEP_COLUMNS = 6
# Columns of `Outline.shares`: z of an edge, and of the edge before it on the same feature.
Z, Z_BEFORE = range(2)
SHARE_COLUMNS = 2
# Columns of `Traversal.pending`: a node, its depth, and whether it is a right child.
PENDING_NODE, PENDING_LEVEL, PENDING_RIGHT = range(3)
PENDING_COLUMNS = 3


class ForestArrays(NamedTuple):
    """The arrays of a `boost.forest.packed.PackedForest`.

    Attributes
    ----------
    nodes, values : (nodes, 4)
        The same memory, as int32 and as float32.
    trees : (trees, 4)
    weights : (trees,)
    bits : (words,)
    vectors : (leaf vectors, outputs)
    """

    nodes: NDArray[np.int32]
    values: NDArray[np.float32]
    trees: NDArray[np.int32]
    weights: Floats
    bits: NDArray[np.uint32]
    vectors: NDArray[np.float32]


class Cover(NamedTuple):
    """The hessians of the nodes.

    Attributes
    ----------
    number : (nodes,)
        The number of each packed node within its tree.
    hessian : (nodes,)
        By number, tree after tree.
    """

    number: NDArray[np.int32]
    hessian: NDArray[np.float32]


class Outline(NamedTuple):
    """The nodes of some trees in depth-first order, left before right.

    Attributes
    ----------
    steps : (at least nodes of the trees, STEP_COLUMNS)
    shares : (as steps, SHARE_COLUMNS)
    starts : (trees + 1,)
        Where the steps of each tree start.
    points : (trees,)
        How many points integrate each tree exactly; 0 for a root alone.
    """

    steps: NDArray[np.int32]
    shares: Floats
    starts: NDArray[np.int64]
    points: NDArray[np.int64]


class Traversal(NamedTuple):
    """Scratch for a depth-first traversal of trees of at most some depth.

    Attributes
    ----------
    pending : (depth + 2, PENDING_COLUMNS)
        The nodes to visit next.
    step_of : (depth + 1,)
        The steps of the path.
    tested : (depth + 1,)
        The number of distinct features that the path down to each level tests.
    share : (nodes,)
        z of the edge to a node alone.
    """

    pending: NDArray[np.int64]
    step_of: NDArray[np.int64]
    tested: NDArray[np.int64]
    share: Floats


@kernel(allocates=False)
def outline_tree(forest, cover, t, place, traversal, steps, shares):
    """Write the outline of a tree; see `outline_trees`.

    Parameters
    ----------
    steps, shares : those of the tree

    Returns
    -------
    steps, features : how many nodes are reached, and how many features the longest path tests
    """
    nodes, root = forest.nodes, forest.trees[t, ROOT]
    pending, step_of, tested, share = traversal.pending, traversal.step_of, traversal.tested, traversal.share
    tested[0] = 0
    pending[0, PENDING_NODE], pending[0, PENDING_LEVEL], pending[0, PENDING_RIGHT] = root, 0, 0
    size = 1
    count = 0
    most = 0
    while size:
        size -= 1
        at, level = pending[size, PENDING_NODE], pending[size, PENDING_LEVEL]
        is_right = pending[size, PENDING_RIGHT]
        here = steps[count]
        here[NODE] = at
        here[LEVEL] = level
        here[EDGE] = -1
        here[BEFORE] = 0
        here[IS_RIGHT] = is_right
        left = nodes[at, CHILD]
        here[TESTED] = -1 if left == at else place[(nodes[at, SPLIT] & NO_SIGN) >> 1]
        step_of[level] = count
        shares[count, Z] = shares[count, Z_BEFORE] = 1.0
        share[at] = 1.0
        if level:
            parent = steps[step_of[level - 1]]
            here[EDGE] = parent[TESTED]
            before = level - 1
            while before and steps[step_of[before], EDGE] != here[EDGE]:
                before -= 1
            here[BEFORE] = before
            whole = cover.hessian[root + cover.number[parent[NODE]]]
            part = cover.hessian[root + cover.number[at]]
            if not part > 0:
                part = np.float32(0)
            # No training row reached the node: both sides are as likely.
            z = np.float64(part) / np.float64(whole) if whole > 0 else 0.5
            share[at] = z
            if before:
                shares[count, Z_BEFORE] = shares[step_of[before], Z]
            shares[count, Z] = z * shares[count, Z_BEFORE]
            tested[level] = tested[level - 1] + (before == 0)
            if tested[level] > most:
                most = tested[level]
        if left != at:
            for child in range(1, -1, -1):  # the left child is taken first
                pending[size, PENDING_NODE] = left + child
                pending[size, PENDING_LEVEL] = level + 1
                pending[size, PENDING_RIGHT] = child
                size += 1
        count += 1
    return count, most


@kernel(allocates=False)
def mean_leaves(forest, t, steps, count, share, means):
    """Write the mean of the leaves below each node of a tree, whose outline has `count` steps."""
    nodes, values = forest.nodes, forest.values
    vector = (forest.trees[t, KIND] & VECTOR) != 0
    for k in range(count - 1, -1, -1):
        at = steps[k, NODE]
        left = nodes[at, CHILD]
        for o in range(means.shape[1]):
            if left != at:
                means[at, o] = share[left] * means[left, o] + share[left + 1] * means[left + 1, o]
            else:
                means[at, o] = forest.vectors[nodes[at, LAST], o] if vector else values[at, VALUE]


@kernel(lazy=True, allocates=False)
def outline_trees(forest, cover, first, place, traversal, outline, means):
    """Write the outlines of trees. O(nodes * depth).

    Parameters
    ----------
    forest : ForestArrays
    cover : Cover
    first : the first tree
    place : (features,), the index of each feature among those that the trees test
    traversal : Traversal
        For the deepest of the trees; overwritten.
    outline : Outline
        Output.
    means : (nodes, outputs of a tree), output: the mean of the leaves below each node, by their shares
    """
    starts = outline.starts
    starts[0] = 0
    for t in range(outline.points.size):
        steps, shares = outline.steps[starts[t] :], outline.shares[starts[t] :]
        count, longest = outline_tree(forest, cover, first + t, place, traversal, steps, shares)
        mean_leaves(forest, first + t, steps, count, traversal.share, means)
        starts[t + 1] = starts[t] + count
        outline.points[t] = (longest + 1) // 2


def make_traversal(forest: ForestArrays, first: int, last: int, nodes: int) -> Traversal:
    """Return scratch for the trees ``first`` to ``last - 1``, whose last node is `nodes` - 1."""
    depth = int(forest.trees[first:last, DEPTH].max(initial=0))
    pending = np.empty((depth + 2, PENDING_COLUMNS), dtype=np.int64)
    step_of, tested = np.empty(depth + 1, dtype=np.int64), np.empty(depth + 1, dtype=np.int64)
    return Traversal(pending, step_of, tested, np.empty(nodes))

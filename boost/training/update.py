"""`TreeUpdater`: in place of growing trees, those of an earlier model are refreshed and pruned, in order."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from boost.errors import ParameterError
from boost.forest.grown_tree import GrownTree
from boost.forest.traverse import leaf_nodes
from boost.forest.tree import NO_NODE, Tree
from boost.params import Params, largest_step

if TYPE_CHECKING:
    from boost.data.dmatrix import DMatrix
    from boost.forest.forest import Forest
    from boost.threads import Team

Floats = NDArray[np.float64]


class TreeUpdater:
    """Takes the place of a grower: a call of `grow` returns the next tree of a forest, changed by updaters.

    Parameters
    ----------
    forest : Forest
        The trees in the order in which they were grown; it is not changed.
    first : int
        The number of the first tree to return.
    data : DMatrix
        The training table, in the model's columns and codes.
    params : Params
        The trainer replaces it when the learning rate changes.
    team : Team

    Raises
    ------
    ParameterError
        For a forest without trees, with vector leaves, or of trees that dropout weighted.
    """

    # What is set in the table changes no tree by itself; rows may lie in other leaves when columns change.
    made_from = frozenset({"_names", "_types"})

    def __init__(self, forest: Forest, first: int, data: DMatrix, params: Params, team: Team) -> None:
        if not forest.trees:
            raise ParameterError("process_type='update' changes the trees of a model, but it has none")
        if forest.vector or params.booster == "dart":
            raise ParameterError("process_type='update' is for gbtree without vector leaves")
        self._forest, self._data, self._team = forest, data, team
        self._next = first
        self.params = params

    def grow(self, grad: Floats, hess: Floats, weight: Floats, rng: np.random.Generator) -> GrownTree:
        """Return the next tree; parameters as those of a grower.

        Raises
        ------
        ValueError
            After the last tree.
        """
        forest, t = self._forest, self._next
        if t == forest.trees:
            raise ValueError(f"process_type='update': all {forest.rounds} rounds of the model are updated")
        self._next += 1
        tree, rows = forest[t], self._data.num_row()
        leaf_of = leaf_nodes(forest, self._data.dense_rows, rows, t, t + 1, self._team)[:, 0].astype(np.int64)
        rate = self.params.eta / self.params.num_parallel_tree
        for updater in self.params.updater or ():
            if updater == "refresh":
                weighted = (grad * weight, hess * weight) if weight.size else (grad, hess)
                tree = refresh(tree, *node_sums(tree, leaf_of, weighted), self.params, rate)
            else:
                tree, at = prune(tree, self.params, rate)
                leaf_of = at[leaf_of]
        leaves = np.flatnonzero(tree.left == NO_NODE)
        ends = np.cumsum(np.bincount(leaf_of, minlength=tree.size)[leaves])
        order = np.argsort(leaf_of, kind="stable").astype(np.uint32)
        return GrownTree(tree, order, leaves, np.concatenate(([0], ends[:-1])), ends)


def by_level(tree: Tree) -> list[NDArray[np.int64]]:
    """Return the nodes of each level, from the root down."""
    levels = [np.zeros(1, dtype=np.int64)]
    while True:
        inner = levels[-1][tree.left[levels[-1]] != NO_NODE]
        if not inner.size:
            return levels
        levels.append(np.concatenate((tree.left[inner], tree.right[inner])).astype(np.int64))


def node_sums(tree: Tree, leaf_of: NDArray[np.int64], gpairs: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
    """Return the sums of weighted gradients and hessians of the rows of each node; (nodes,) each.

    Parameters
    ----------
    tree : Tree
    leaf_of : int64 array of shape (rows,)
        The leaf of each row.
    gpairs : float64 arrays of shape (rows,)
        Gradients and hessians, weights included.
    """
    both = np.stack([np.bincount(leaf_of, weights=values, minlength=tree.size) for values in gpairs])
    for level in reversed(by_level(tree)):
        inner = level[tree.left[level] != NO_NODE]
        both[:, inner] = both[:, tree.left[inner]] + both[:, tree.right[inner]]
    return both[0], both[1]


def refresh(tree: Tree, g: Floats, h: Floats, params: Params, rate: float) -> Tree:
    """Return the tree with the gains, hessians and weights that these sums give, and perhaps new leaves.

    Parameters
    ----------
    tree : Tree
    g, h : float64 arrays of shape (nodes,)
        From `node_sums`.
    params : Params
    rate : float
        The factor on the weights of new leaves.
    """
    over = np.maximum(np.abs(g) - params.alpha, 0.0)
    bottom = h + params.reg_lambda
    enough = (h >= params.min_child_weight) & (bottom > 0)
    safe = np.where(bottom > 0, bottom, 1.0)
    weight = np.where(enough, -np.sign(g) * over / safe, 0.0)
    step = largest_step(params)
    if step > 0:
        weight = np.clip(weight, -step, step)
    score = -(2.0 * g * weight + bottom * weight**2 + 2.0 * params.alpha * np.abs(weight))
    inner = tree.left != NO_NODE
    gain = np.where(inner, score[tree.left] + score[tree.right] - score, 0.0)
    new: dict[str, Any] = {"gain": gain.astype(np.float32), "hessian": h.astype(np.float32)}
    new["base_weight"] = np.where(inner, weight, tree.base_weight).astype(np.float32)
    if params.refresh_leaf:
        value = (rate * weight).astype(np.float32)
        new["condition"] = np.where(inner, tree.condition, value)
        new["base_weight"] = np.where(inner, new["base_weight"], value)
    return replace(tree, **new)


def prune(tree: Tree, params: Params, rate: float) -> tuple[Tree, NDArray[np.int64]]:
    """Turn splits into leaves, from the bottom up, whose gain is too small or which are too deep.

    Parameters
    ----------
    tree : Tree
    params : Params
        "gamma" and "max_depth".
    rate : float
        The factor on the weights of new leaves.

    Returns
    -------
    tree : Tree
    at : int64 array of shape (nodes,)
        The new number of each node; for a node that was removed, that of the leaf above it.
    """
    levels = by_level(tree)
    leaf = tree.left == NO_NODE
    for depth, level in reversed(list(enumerate(levels))):
        inner = level[~leaf[level]]
        ends = inner[leaf[tree.left[inner]] & leaf[tree.right[inner]]]
        deep = 0 < params.max_depth <= depth
        leaf[ends[(tree.gain[ends] < params.gamma) | deep]] = True
    kept = np.zeros(tree.size, dtype=bool)
    kept[0] = True
    owner = np.arange(tree.size)
    for level in levels:
        inner = level[tree.left[level] != NO_NODE]
        for child in (tree.left[inner], tree.right[inner]):
            kept[child] = kept[inner] & ~leaf[inner]
            owner[child] = np.where(kept[child], child, owner[inner])
    number = np.cumsum(kept) - 1
    if kept.all():
        return tree, number
    return _reduced(tree, kept, leaf, number, rate), number[owner]


def _reduced(
    tree: Tree, kept: NDArray[np.bool_], leaf: NDArray[np.bool_], number: NDArray[np.int64], rate: float
) -> Tree:
    """Return the tree of the nodes that are kept, of which some are new leaves; `number` numbers them."""
    split = kept & ~leaf
    new = kept & leaf & (tree.left != NO_NODE)
    value = (rate * tree.base_weight).astype(np.float32)

    def child(nodes: NDArray[np.int32]) -> NDArray[np.int32]:
        return np.where(split, number[nodes], NO_NODE)[kept].astype(np.int32)

    fields: dict[str, Any] = {
        "left": child(tree.left),
        "right": child(tree.right),
        "parent": np.where(tree.parent == NO_NODE, NO_NODE, number[tree.parent])[kept].astype(np.int32),
        "feature": np.where(split, tree.feature, 0)[kept].astype(np.int32),
        "condition": np.where(new, value, tree.condition)[kept],
        "default_left": np.where(split, tree.default_left, 0)[kept].astype(np.uint8),
        "base_weight": np.where(new, value, tree.base_weight)[kept],
        "gain": np.where(split, tree.gain, 0)[kept].astype(np.float32),
        "hessian": tree.hessian[kept],
    }
    if tree.category_starts.size:
        counts = np.where(split, np.diff(tree.category_starts), 0)
        of_split = np.repeat(split, np.diff(tree.category_starts))
        fields["categories"] = tree.categories[of_split]
        fields["category_starts"] = np.concatenate(([0], np.cumsum(counts[kept]))).astype(np.int64)
    return replace(tree, **fields)

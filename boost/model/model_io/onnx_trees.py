"""The trees of a forest as the attributes of ONNX's operator TreeEnsemble (ai.onnx.ml, version 5)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boost.forest.forest import Forest
from boost.forest.tree import Tree

# The kind of nodes: the row takes the true branch where its value is below the split.
BELOW = 1
Sets = dict[int, list[NDArray[np.int32]]]


class _Attributes:
    """The attributes of all trees; nodes and leaves are numbered in the order in which they are added."""

    def __init__(self, column_of: dict[tuple[int, bytes], int]) -> None:
        self.column_of = column_of
        self.roots: list[int] = []
        names = ("feature", "split", "missing", "true", "true_leaf", "false", "false_leaf")
        self.columns: dict[str, list[np.ndarray]] = {name: [] for name in names}
        self.weights: list[np.ndarray] = []
        self.targets: list[np.ndarray] = []
        self.nodes = self.leaves = 0

    def add(self, tree: Tree, values: np.ndarray, target: int) -> None:
        """Append a tree whose leaves have these values, float64 of shape (nodes,), for one output."""
        inner, ends = np.flatnonzero(tree.left >= 0), np.flatnonzero(tree.left < 0)
        number = np.empty(tree.size, np.int64)
        number[inner] = self.nodes + np.arange(inner.size)
        number[ends] = self.leaves + np.arange(ends.size)
        if inner.size and number[tree.left[0]] == number[tree.right[0]]:
            # onnxruntime takes a root whose branches have equal numbers, a leaf's and a node's, for a leaf
            number[ends] += 1
            self._add_leaves(np.zeros(1), target)
        self.roots.append(self.nodes)
        feature, split = tree.feature[inner].copy(), tree.condition[inner].astype(np.float64)
        for k, codes in _sets_of(tree, inner):
            feature[k], split[k] = self.column_of[int(feature[k]), codes.tobytes()], 0.5
        rows: dict[str, Any] = {"feature": feature, "split": split, "missing": tree.default_left[inner] != 0}
        for name, child in (("true", tree.left[inner]), ("false", tree.right[inner])):
            rows |= {name: number[child], f"{name}_leaf": tree.left[child] < 0}
        if not inner.size:  # a leaf alone: both branches lead to it
            rows = dict.fromkeys(self.columns, np.zeros(1))
            rows |= {"true": number[:1], "false": number[:1]}
            rows |= {"true_leaf": np.ones(1), "false_leaf": np.ones(1)}
        for name, column in rows.items():
            self.columns[name].append(np.asarray(column))
        self._add_leaves(values[ends], target)
        self.nodes += max(1, inner.size)

    def _add_leaves(self, values: np.ndarray, target: int) -> None:
        self.weights.append(values)
        self.targets.append(np.full(values.size, target))
        self.leaves += values.size


def sets_of(forest: Forest) -> Sets:
    """Return the sets of categories that the splits of each feature have, as increasing codes, each once."""
    found: Sets = {}
    seen: set[tuple[int, bytes]] = set()
    for t in range(forest.trees):
        tree = forest[t]
        inner = np.flatnonzero(tree.left >= 0)
        for k, codes in _sets_of(tree, inner):
            key = int(tree.feature[inner[k]]), codes.tobytes()
            if key not in seen:
                seen.add(key)
                found.setdefault(key[0], []).append(codes)
    return dict(sorted(found.items()))


def _sets_of(tree: Tree, inner: np.ndarray) -> Iterator[tuple[int, NDArray[np.int32]]]:
    """Yield the position among the splits, and the codes that go right, of each split by a set."""
    starts = tree.category_starts
    if starts.size:
        for k in np.flatnonzero(np.diff(starts)[inner]):
            yield int(k), tree.categories[starts[inner[k]] : starts[inner[k] + 1]].astype(np.int32)


def tree_attributes(forest: Forest, features: int, sets: Sets) -> dict[str, Any]:
    """Return the attributes by name: arrays of float64 and uint8 for tensors, lists of int for the others.

    A tree of vector leaves becomes a tree for each output, because a leaf has one value there.

    Parameters
    ----------
    forest : Forest
    features : int
        Columns before those of the sets.
    sets : dict of int to list of arrays
        From `sets_of`: each is a column, in this order, of 1 for its categories and 0 for others.
    """
    keys = [(feature, codes.tobytes()) for feature, every in sets.items() for codes in every]
    made = _Attributes({key: features + k for k, key in enumerate(keys)})
    for t in range(forest.trees):
        tree, weight = forest[t], forest.weights[t]
        if forest.vector:
            for k in range(forest.n_outputs):
                made.add(tree, weight * tree.vectors[:, k].astype(np.float64), k)
        else:
            made.add(tree, weight * tree.condition.astype(np.float64), forest.output(t))
    columns = {name: np.concatenate(parts) for name, parts in made.columns.items()}
    splits = columns.pop("split").astype(np.float64)
    whole = {name: column.astype(np.int64).tolist() for name, column in columns.items()}
    return {
        "n_targets": forest.n_outputs,
        "tree_roots": made.roots,
        "nodes_featureids": whole["feature"],
        "nodes_modes": np.full(made.nodes, BELOW, np.uint8),
        "nodes_splits": splits,
        "nodes_truenodeids": whole["true"],
        "nodes_trueleafs": whole["true_leaf"],
        "nodes_falsenodeids": whole["false"],
        "nodes_falseleafs": whole["false_leaf"],
        "nodes_missing_value_tracks_true": whole["missing"],
        "leaf_weights": np.concatenate(made.weights),
        "leaf_targetids": np.concatenate(made.targets).astype(np.int64).tolist(),
    }

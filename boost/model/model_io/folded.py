"""Trees with vector leaves and dropout in model files: their weights are multiplied into the leaves.

XGBoost reads the weights of trees for single-valued leaves only. A file therefore holds these trees as those
of a model without dropout, which predicts the same; the weights and the leaves before the multiplication,
with which training continues, are in an attribute that XGBoost keeps and does not read.
"""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boost.forest.forest import Forest
from boost.forest.tree import Tree

LEAF = np.dtype("<f4")


def fold(forest: Forest) -> tuple[Forest, str]:
    """Return a forest of weights 1 that predicts the same, and the text of the attribute."""
    leaves = [forest[t].vectors[forest[t].left < 0] for t in range(forest.trees)]
    weights = forest.weights
    other = Forest(forest.n_outputs, forest.parallel, vector=True)
    trees = [_with_leaves(forest[t], _scaled(leaves[t], weights[t])) for t in range(forest.trees)]
    other.extend(trees, [forest.output(t) for t in range(forest.trees)])
    raw = np.concatenate([np.empty((0, forest.n_outputs), LEAF), *leaves]).astype(LEAF).tobytes()
    return other, json.dumps({"weights": weights.tolist(), "leaves": base64.b64encode(raw).decode("ascii")})


def unfold(forest: Forest, text: str) -> Forest | None:
    """Return the forest that `fold` was given; None if the attribute is not that of these trees.

    Another program may have changed the trees, which are then those of a model without dropout.
    """
    try:
        entry: Any = json.loads(text)
        weights = np.array(entry["weights"], dtype=np.float64)
        raw = np.frombuffer(base64.b64decode(entry["leaves"], validate=True), dtype=LEAF).astype(np.float32)
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError, binascii.Error):
        return None
    counts = [forest[t].leaves for t in range(forest.trees)]
    if not forest.vector or weights.shape != (forest.trees,) or raw.size != sum(counts) * forest.n_outputs:
        return None
    if not (np.isfinite(weights).all() and np.isfinite(raw).all()):
        return None
    parts = np.split(raw.reshape(-1, forest.n_outputs), np.cumsum(counts)[:-1]) if counts else []
    for t, leaves in enumerate(parts):
        tree = forest[t]
        if not np.array_equal(_scaled(leaves, weights[t]), tree.vectors[tree.left < 0]):
            return None
    other = Forest(forest.n_outputs, forest.parallel, vector=True)
    trees = [_with_leaves(forest[t], leaves) for t, leaves in enumerate(parts)]
    other.extend(trees, [forest.output(t) for t in range(forest.trees)], weights.tolist())
    return other


def _scaled(leaves: NDArray[np.float32], weight: float) -> NDArray[np.float32]:
    with np.errstate(over="ignore", invalid="ignore"):
        return (leaves.astype(np.float64) * weight).astype(np.float32)


def _with_leaves(tree: Tree, leaves: NDArray[np.float32]) -> Tree:
    vectors = tree.vectors.copy()
    vectors[tree.left < 0] = leaves
    return replace(tree, vectors=vectors)

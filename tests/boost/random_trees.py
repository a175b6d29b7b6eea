"""Random trees and tables, and a traversal in Python as the reference for the tests of forests."""

from __future__ import annotations

import numpy as np

from boost.forest.forest import Forest
from boost.forest.tree import NO_NODE, Tree

FEATURES = 5
# Features from this one on are categorical in trees with categorical splits.
CATEGORICAL = 3


def random_tree(
    rng: np.random.Generator, splits: int, categorical: bool = False, outputs: int = 0, chain: bool = False
) -> Tree:
    """Return a tree made by splitting random leaves, or with `chain` always the newest leaf."""
    size = 2 * splits + 1
    left = np.full(size, NO_NODE, dtype=np.int32)
    right, parent = left.copy(), left.copy()
    feature = np.zeros(size, dtype=np.int32)
    sets: list[list[int]] = [[] for _ in range(size)]
    leaves = [0]
    for s in range(splits):
        n = leaves.pop(-1 if chain else int(rng.integers(len(leaves))))
        feature[n] = rng.integers(FEATURES)
        if categorical and feature[n] >= CATEGORICAL:
            sets[n] = sorted(set(rng.integers(0, rng.choice([4, 31, 32, 33, 100]), 3).tolist()))
        left[n], right[n] = 2 * s + 1, 2 * s + 2
        parent[[left[n], right[n]]] = n
        leaves += [int(left[n]), int(right[n])]
    categories = np.array([c for s in sets for c in s], dtype=np.int32)
    starts = np.cumsum([0, *map(len, sets)]) if categories.size else np.empty(0, dtype=np.int64)
    condition, weight, gain, hessian = rng.normal(size=(4, size)).astype(np.float32).round(2)
    return Tree(
        left=left,
        right=right,
        parent=parent,
        feature=feature,
        condition=condition,
        default_left=rng.integers(0, 2, size).astype(np.uint8),
        base_weight=np.where(left < 0, condition, weight),
        gain=np.where(left < 0, np.float32(0), abs(gain)),
        hessian=abs(hessian),
        categories=categories,
        category_starts=starts,
        vectors=rng.normal(size=(size, outputs)).astype(np.float32)
        if outputs
        else np.empty((0, 0), np.float32),
    )


def random_forest(
    rng: np.random.Generator, n_outputs: int = 1, parallel: int = 1, vector: bool = False, rounds: int = 3
) -> Forest:
    """Return a forest of random trees: some have categorical splits, some only a root."""
    forest = Forest(n_outputs, parallel, vector)
    for _ in range(rounds):
        for t in range(forest.round_trees):
            splits = int(rng.choice([0, 1, 3, 20, 60]))
            tree = random_tree(rng, splits, bool(rng.random() < 0.5), n_outputs if vector else 0)
            forest.add(tree, t // parallel)
    return forest


def random_rows(rng: np.random.Generator, rows: int) -> np.ndarray:
    """Rows with missing values; codes of categories, also negative, broken and unknown ones."""
    x = rng.normal(size=(rows, FEATURES)).round(2)
    x[:, CATEGORICAL:] = rng.integers(-1, 40, size=(rows, FEATURES - CATEGORICAL)) + rng.choice(
        [0, 0, 0, 0.5, 1000, 1e30], size=(rows, FEATURES - CATEGORICAL)
    )
    x[rng.random(x.shape) < 0.2] = np.nan
    return x.astype(np.float32)


def goes_left(tree: Tree, n: int, row: np.ndarray) -> bool:
    """Return whether a row goes left at a node."""
    value = row[tree.feature[n]]
    codes = (
        tree.categories[tree.category_starts[n] : tree.category_starts[n + 1]] if tree.categories.size else []
    )
    if np.isnan(value):
        return bool(tree.default_left[n])
    if len(codes):
        return bool(value < 0 or int(value) not in codes)
    return bool(value < tree.condition[n])


def leaf_of(tree: Tree, row: np.ndarray) -> int:
    """Return the leaf of a row."""
    n = 0
    while tree.left[n] >= 0:
        n = int(tree.left[n] if goes_left(tree, n, row) else tree.right[n])
    return n


def margins_by_traversal(forest: Forest, x: np.ndarray, first: int, last: int) -> np.ndarray:
    """Add up trees as `Forest.add_margins` does, one row after the other."""
    out = np.zeros((len(x), forest.n_outputs))
    for i, row in enumerate(x):
        for t in range(first, last):
            tree, n = forest[t], leaf_of(forest[t], row)
            if forest.vector:
                out[i] += forest.weights[t] * tree.vectors[n].astype(np.float64)
            else:
                out[i, forest.output(t)] += forest.weights[t] * float(tree.condition[n])
    return out

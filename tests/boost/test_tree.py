"""Forests: storage, and traversal against a walk in Python."""

from __future__ import annotations

import numpy as np
import pytest

import boost
from boost import DMatrix
from boost.tree import Forest, Tree


def walk(tree: Tree, row: np.ndarray) -> float:
    n = 0
    while tree.left[n] >= 0:
        value = row[tree.feature[n]]
        left = bool(tree.default_left[n]) if np.isnan(value) else value < tree.condition[n]
        n = tree.left[n] if left else tree.right[n]
    return float(tree.condition[n])


@pytest.mark.parametrize("depth", [1, 4, 40])
def test_traversal(depth: int) -> None:
    rng = np.random.default_rng(0)
    x = np.where(rng.random((333, 4)) < 0.2, np.nan, rng.normal(size=(333, 4))).astype(np.float32)
    # Weights that double from row to row make a tree that is one long chain.
    y = rng.normal(size=333) if depth < 40 else 2.0 ** np.arange(333).clip(0, 60)
    model = boost.train({"max_depth": depth, "min_child_weight": 0.0, "lambda": 0.0}, DMatrix(x, y), 3)
    want = [sum((walk(model.forest[t], row) for t in range(3)), float(model.base_score[0])) for row in x]
    np.testing.assert_array_equal(model.predict(x), want)


def test_storage() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(100, 3)), rng.integers(0, 3, size=100)
    model = boost.train({"objective": "multi:softprob", "num_class": 3}, DMatrix(x, y), 30)
    forest = model.forest
    assert (len(forest), forest.rounds, forest.groups) == (90, 30, 3)
    assert [forest.group(t) for t in range(4)] == [0, 1, 2, 0]
    assert sum(forest[t].size for t in range(90)) == forest.nodes
    before = model.predict(x, iteration_range=(0, 10)).tobytes()
    twin = forest.copy()
    forest.truncate(30)
    assert model.predict(x).tobytes() == before
    for t in range(30, 60):
        forest.add(twin[t], forest.trees % 3)
    model.forest = twin
    assert model.predict(x, iteration_range=(0, 10)).tobytes() == before


def test_mistakes() -> None:
    forest = Forest(2)
    with pytest.raises(IndexError, match="tree 0 of a forest of 0"):
        forest[0]
    with pytest.raises(ValueError, match="trees must be in"):
        forest.truncate(1)

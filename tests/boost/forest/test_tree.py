"""Forests: stored trees, their weights, and rounds."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import boost
from boost import DMatrix
from boost.forest.forest import Forest
from tests.boost.random_trees import leaf_of, random_forest, random_rows, random_tree


@pytest.mark.parametrize("depth", [1, 4, 40])
def test_trained_trees(depth: int) -> None:
    rng = np.random.default_rng(0)
    x = np.where(rng.random((333, 4)) < 0.2, np.nan, rng.normal(size=(333, 4))).astype(np.float32)
    # Weights that double from row to row make a tree that is one long chain.
    y = rng.normal(size=333) if depth < 40 else 2.0 ** np.arange(333).clip(0, 60)
    model = boost.train({"max_depth": depth, "min_child_weight": 0.0, "lambda": 0.0}, DMatrix(x, y), 3)
    trees = [model.forest[t] for t in range(3)]
    values = [[float(tree.condition[leaf_of(tree, row)]) for tree in trees] for row in x]
    want = [sum(v, float(model.base_score[0])) for v in values]
    np.testing.assert_array_equal(model.predict(x), want)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"grow_policy": "lossguide", "max_leaves": 20},
        {"tree_method": "exact"},
        {"tree_method": "approx"},
        {"tree_method": "approx", "approx_proposal": "local"},
    ],
)
def test_siblings_are_adjacent(params: dict[str, str]) -> None:
    # XGBoost takes the node after the left child as the right one, and ignores the file's entry.
    rng = np.random.default_rng(0)
    data = DMatrix(rng.normal(size=(200, 3)), rng.normal(size=200))
    tree = boost.train(params, data, 1).forest[0]
    inner = tree.left >= 0
    assert tree.leaves > 10
    np.testing.assert_array_equal(tree.right[inner], tree.left[inner] + 1)


def test_storage() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(100, 3)), rng.integers(0, 3, size=100)
    model = boost.train({"objective": "multi:softprob", "num_class": 3}, DMatrix(x, y), 30)
    forest = model.forest
    assert (len(forest), forest.rounds, forest.n_outputs) == (90, 30, 3)
    assert [forest.output(t) for t in range(4)] == [0, 1, 2, 0]
    assert sum(forest[t].size for t in range(90)) == forest.nodes
    before = model.predict(x, iteration_range=(0, 10)).tobytes()
    twin = forest.copy()
    forest.truncate(30)
    assert model.predict(x).tobytes() == before
    for t in range(30, 60):
        forest.add(twin[t], forest.trees % 3)
    model.forest = twin
    assert model.predict(x, iteration_range=(0, 10)).tobytes() == before


@pytest.mark.parametrize(
    ("n_outputs", "parallel", "vector", "trees"),
    [(1, 1, False, 1), (3, 1, False, 3), (3, 2, False, 6), (3, 2, True, 2), (1, 4, False, 4)],
)
def test_rounds(n_outputs: int, parallel: int, vector: bool, trees: int) -> None:
    forest = random_forest(np.random.default_rng(0), n_outputs, parallel, vector, rounds=5)
    assert (forest.round_trees, forest.rounds, forest.trees) == (trees, 5, 5 * trees)
    assert forest.trees_of_rounds(1, 3) == (trees, 3 * trees)
    assert forest.trees_of_rounds(5, 5) == (5 * trees, 5 * trees)
    part = forest.slice(1, 5, 2)
    assert (part.n_outputs, part.parallel, part.vector, part.rounds) == (n_outputs, parallel, vector, 2)
    kept = [*range(trees, 2 * trees), *range(3 * trees, 4 * trees)]
    assert [part[t] for t in range(part.trees)] == [forest[t] for t in kept]
    assert [part.output(t) for t in range(part.trees)] == [forest.output(t) for t in kept]
    forest.add(random_tree(np.random.default_rng(0), 2, outputs=n_outputs if vector else 0), 0)
    assert forest.rounds == 5 + (trees == 1)


def test_weights_go_with_their_trees() -> None:
    forest = random_forest(np.random.default_rng(0), rounds=4)
    assert forest.weights.tolist() == [1, 1, 1, 1]
    forest.weights = [0.5, 0.25, 2.0, 0.0]
    forest.add(random_tree(np.random.default_rng(0), 1), 0)
    assert forest.weights.tolist() == [0.5, 0.25, 2.0, 0.0, 1.0]
    assert forest.slice(1, 5, 2).weights.tolist() == [0.25, 0.0]
    twin = forest.copy()
    forest.truncate(2)
    forest.weights[0] = 9  # the property returns a copy
    assert forest.weights.tolist() == [0.5, 0.25]
    assert twin.weights.tolist() == [0.5, 0.25, 2.0, 0.0, 1.0]


def test_added_trees_do_not_share_memory_with_a_grower() -> None:
    tree = random_tree(np.random.default_rng(0), 5)
    forest = Forest()
    forest.add(tree, 0)
    tree.condition[:] = 7
    assert not (forest[0].condition == 7).any()


def test_pickle_and_copies() -> None:
    rng = np.random.default_rng(0)
    forest, x = random_forest(rng, 2, 2, True), random_rows(rng, 20)
    forest.weights = rng.random(forest.trees)
    want = np.zeros((20, 2))
    forest.add_margins(x, want, 0, forest.trees)
    for other in (forest.copy(), copy.deepcopy(forest), pickle.loads(pickle.dumps(forest))):
        out = np.zeros((20, 2))
        other.add_margins(x, out, 0, other.trees)
        assert out.tobytes() == want.tobytes() and other.rounds == 3


def test_importance_by_hand() -> None:
    forest = Forest()
    assert forest.importance("gain", 2).tolist() == [0, 0]
    for seed in range(2):
        forest.add(random_tree(np.random.default_rng(seed), 10), 0)
    inner = [(t, n) for t in range(2) for n in range(forest[t].size) if forest[t].left[n] >= 0]
    for f in range(5):
        gains = [float(forest[t].gain[n]) for t, n in inner if forest[t].feature[n] == f]
        covers = [float(forest[t].hessian[n]) for t, n in inner if forest[t].feature[n] == f]
        assert forest.importance("weight", 5)[f] == len(gains)
        assert forest.importance("total_gain", 5)[f] == pytest.approx(sum(gains))
        assert forest.importance("gain", 5)[f] == pytest.approx(sum(gains) / max(len(gains), 1))
        assert forest.importance("total_cover", 5)[f] == pytest.approx(sum(covers))
        assert forest.importance("cover", 5)[f] == pytest.approx(sum(covers) / max(len(covers), 1))


def test_mistakes() -> None:
    forest = Forest(2)
    with pytest.raises(IndexError, match="tree 0 of a forest of 0"):
        forest[0]
    with pytest.raises(ValueError, match="trees must be in"):
        forest.truncate(1)
    with pytest.raises(ValueError, match=r"output must be in \[0, 2\), got 2"):
        forest.add(random_tree(np.random.default_rng(0), 1), 2)
    with pytest.raises(ValueError, match="hold single values, those of the tree hold vectors of 2"):
        forest.add(random_tree(np.random.default_rng(0), 1, outputs=2), 0)
    with pytest.raises(ValueError, match="hold vectors of 2, those of the tree hold single values"):
        Forest(2, vector=True).add(random_tree(np.random.default_rng(0), 1), 0)
    with pytest.raises(ValueError, match=r"rounds must lie within \[0, 0\], got \(0, 1\)"):
        forest.slice(0, 1)
    with pytest.raises(ValueError, match="step must be at least 1, got 0"):
        forest.slice(0, 0, 0)
    with pytest.raises(ValueError, match="weights must be 0 finite numbers"):
        forest.weights = [1.0]
    with pytest.raises(ValueError, match="importance must be one of .*did you mean 'gain'"):
        forest.importance("gian", 1)

"""Prediction: the kernels against a traversal in Python, on random trees."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boost.forest.forest import Forest
from boost.forest.tree import Tree
from tests.boost.random_trees import (
    FEATURES,
    leaf_of,
    margins_by_traversal,
    random_forest,
    random_rows,
    random_tree,
)


def margins(forest: Forest, x: np.ndarray, first: int = 0, last: int | None = None) -> np.ndarray:
    out = np.zeros((len(x), forest.n_outputs))
    forest.add_margins(x, out, first, forest.trees if last is None else last)
    return out


def sparse_margins(forest: Forest, x: np.ndarray, first: int, last: int) -> np.ndarray:
    """The margins of the same rows, given as their present entries."""
    present = ~np.isnan(x)
    starts = np.concatenate(([0], np.cumsum(present.sum(axis=1))))
    features = np.nonzero(present)[1].astype(np.int32)
    out = np.zeros((len(x), forest.n_outputs))
    forest.add_sparse_margins(starts, features, x[present], x.shape[1], out, first, last)
    return out


@pytest.mark.slow
@given(
    st.integers(0, 2**32),
    st.sampled_from([(1, 1, False), (1, 3, False), (3, 1, False), (2, 2, False), (3, 1, True), (2, 2, True)]),
)
def test_margins_and_leaves_of_any_forest(seed: int, shape: tuple[int, int, bool]) -> None:
    rng = np.random.default_rng(seed)
    forest = random_forest(rng, *shape)
    if rng.random() < 0.5:
        forest.weights = rng.random(forest.trees)
    x = random_rows(rng, int(rng.choice([1, 2, 63, 64, 65, 130])))
    first, last = sorted(rng.integers(0, forest.trees + 1, 2).tolist())
    want = margins_by_traversal(forest, x, first, last)
    np.testing.assert_array_equal(margins(forest, x, first, last), want)
    np.testing.assert_array_equal(sparse_margins(forest, x, first, last), want)
    leaves = forest.leaf_nodes(x, first, last)
    assert leaves.dtype == np.int32
    assert leaves.tolist() == [[leaf_of(forest[t], row) for t in range(first, last)] for row in x]


def test_hand_worked_tree() -> None:
    # Feature 0 < 1.5: 10; else feature 1 is 2 or 33: 20; else 30. Missing goes left, then right.
    tree = Tree(
        left=np.array([1, -1, 3, -1, -1], np.int32),
        right=np.array([2, -1, 4, -1, -1], np.int32),
        parent=np.array([-1, 0, 0, 2, 2], np.int32),
        feature=np.array([0, 0, 1, 0, 0], np.int32),
        condition=np.array([1.5, 10, 0, 30, 20], np.float32),
        default_left=np.array([1, 0, 0, 0, 0], np.uint8),
        base_weight=np.zeros(5, np.float32),
        gain=np.zeros(5, np.float32),
        hessian=np.zeros(5, np.float32),
        categories=np.array([2, 33], np.int32),
        category_starts=np.array([0, 0, 0, 2, 2, 2]),
    )
    assert (tree.size, tree.leaves) == (5, 3)
    forest = Forest()
    forest.add(tree, 0)
    nan = np.nan
    cases = [
        (nan, nan, 10),
        (1.4999, 2, 10),
        (1.5, 2, 20),
        (1.5, 33, 20),
        (1.5, nan, 20),
        (1.5, 3, 30),
        (1.5, 2.9, 20),
        (1.5, -2, 30),
        (1.5, 34, 30),
        (1.5, 2 + 64, 30),
        (1.5, 1e30, 30),
    ]
    x = np.array([case[:2] for case in cases], dtype=np.float32)
    assert margins(forest, x)[:, 0].tolist() == [case[2] for case in cases]


@pytest.mark.parametrize("splits", [7, 9, 100, 500])
def test_chains(splits: int) -> None:
    rng = np.random.default_rng(splits)
    forest = Forest()
    for categorical in (False, True):
        forest.add(random_tree(rng, splits, categorical, chain=True), 0)
    x = random_rows(rng, 100)
    np.testing.assert_array_equal(margins(forest, x), margins_by_traversal(forest, x, 0, 2))


def test_any_cutting_gives_the_same_bits() -> None:
    rng = np.random.default_rng(0)
    forest, x = random_forest(rng, 2, rounds=20), random_rows(rng, 500)
    whole = margins(forest, x)
    parts = np.zeros_like(whole)
    for begin, end in ((0, 1), (1, 100), (100, 500)):
        for first, last in ((0, 7), (7, 8), (8, 40)):
            forest.add_margins(x[begin:end], parts[begin:end], first, last)
    assert parts.tobytes() == whole.tobytes()
    # Many columns make blocks of few rows.
    wide = np.hstack((x, np.full((500, 10_000), np.nan, dtype=np.float32)))
    assert margins(forest, wide).tobytes() == whole.tobytes()


@pytest.mark.parametrize("value", [np.inf, -np.inf])
@pytest.mark.parametrize("rows", [1, 70])
def test_infinities_are_noticed(rows: int, value: float) -> None:
    forest = random_forest(np.random.default_rng(0))
    x = np.full((rows, FEATURES), np.nan, dtype=np.float32)
    assert not forest.add_margins(x, np.zeros((rows, 1)), 0, forest.trees)
    x[-1, -1] = value
    assert forest.add_margins(x, np.zeros((rows, 1)), 0, forest.trees)


def test_threads_may_be_the_first_to_predict() -> None:
    rng = np.random.default_rng(0)
    forest, x = random_forest(rng, rounds=100), random_rows(rng, 64)
    want = margins(forest.copy(), x).tobytes()
    with ThreadPoolExecutor(4) as pool:
        assert {m.tobytes() for m in pool.map(lambda _: margins(forest, x), range(16))} == {want}


def test_forest_that_changes_between_predictions() -> None:
    rng = np.random.default_rng(1)
    source, x = random_forest(rng, 2, rounds=10), random_rows(rng, 70)
    forest = Forest(2)
    for t in range(20):
        forest.add(source[t], source.output(t))
        np.testing.assert_array_equal(margins(forest, x), margins_by_traversal(source, x, 0, t + 1))
    forest.weights = np.linspace(0, 1, 20)
    source.weights = forest.weights
    np.testing.assert_array_equal(margins(forest, x), margins_by_traversal(source, x, 0, 20))
    forest.truncate(4)
    forest.add(source[6], 0)
    forest.weights = [*source.weights[:4], source.weights[6]]
    want = margins_by_traversal(source, x, 0, 4) + margins_by_traversal(source, x, 6, 7)
    np.testing.assert_allclose(margins(forest, x), want, rtol=1e-14)
    assert margins(pickle.loads(pickle.dumps(forest)), x).tobytes() == margins(forest, x).tobytes()


def test_trees_in_read_only_memory() -> None:
    rng = np.random.default_rng(2)
    forest, x = random_forest(rng), random_rows(rng, 10)
    twin = pickle.loads(pickle.dumps(forest))
    for t in range(twin.trees):
        twin[t].left.flags.writeable = twin[t].condition.flags.writeable = False
    assert margins(twin, x).tobytes() == margins(forest, x).tobytes()


def test_rows_of_infinities_are_larger_or_smaller_than_any_condition() -> None:
    forest = Forest()
    forest.add(random_tree(np.random.default_rng(3), 30), 0)
    x = np.full((2, FEATURES), np.inf, dtype=np.float32)
    x[1] = -np.inf
    assert forest.leaf_nodes(x, 0, 1)[:, 0].tolist() == [leaf_of(forest[0], row) for row in x]

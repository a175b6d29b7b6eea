"""Trees worked by hand, and properties that follow from exact sums."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix

import boost
from boost import DMatrix
from boost.forest.tree import Tree
from boost.grow.hist import HistGrower
from boost.params import resolve
from boost.threads import Team

PLAIN = {"eta": 1.0, "lambda": 0.0, "min_child_weight": 0.0, "base_score": 0.0, "nthread": 1}


def one_tree(x: object, y: object, weight: object = None, **params: object) -> Tree:
    model = boost.train(PLAIN | params, DMatrix(x, y, weight=weight), 1)
    return model.forest[0]


def test_hand_worked_split() -> None:
    # Gradients of squared error at 0: -1, -1, -5, -5. The best cut is between 2 and 3.
    tree = one_tree([[1.0], [2.0], [3.0], [4.0]], [1.0, 1.0, 5.0, 5.0], max_depth=1)
    np.testing.assert_array_equal(tree.left, [1, -1, -1])
    np.testing.assert_array_equal(tree.right, [2, -1, -1])
    np.testing.assert_array_equal(tree.parent, [-1, 0, 0])
    np.testing.assert_array_equal(tree.condition, [2.5, 1, 5])
    np.testing.assert_array_equal(tree.base_weight, [3, 1, 5])
    np.testing.assert_array_equal(tree.hessian, [4, 2, 2])
    # 2**2 / 2 + 10**2 / 2 - 12**2 / 4
    np.testing.assert_array_equal(tree.gain, [16, 0, 0])


def test_hand_worked_penalties() -> None:
    x, y = [[1.0], [2.0], [3.0], [4.0]], [1.0, 1.0, 5.0, 5.0]
    tree = one_tree(x, y, max_depth=1, alpha=1.0, eta=0.5, **{"lambda": 2.0})
    # Leaf weights (|G| - 1) / (H + 2): 1 / 4 and 9 / 4, halved; root 11 / 6.
    np.testing.assert_allclose(tree.condition[1:], [0.125, 1.125])
    np.testing.assert_allclose(tree.base_weight[0], 11 / 6, rtol=1e-6)
    np.testing.assert_allclose(tree.gain[0], 1 / 4 + 81 / 4 - 121 / 6, rtol=1e-6)


def test_gamma_and_min_child_weight_reject_splits() -> None:
    x, y = [[1.0], [2.0], [3.0], [4.0]], [1.0, 1.0, 5.0, 5.0]
    assert one_tree(x, y, max_depth=1, gamma=16.0).size == 3
    assert one_tree(x, y, max_depth=1, gamma=16.01).size == 1
    assert one_tree(x, y, max_depth=1, min_child_weight=2.0).size == 3
    assert one_tree(x, y, max_depth=1, min_child_weight=2.01).size == 1
    # With at least 1.5 on each side, the best cut is still in the middle.
    tree = one_tree(x, [0.0, 9.0, 9.0, 9.0], max_depth=1, min_child_weight=1.5)
    assert tree.condition[0] == 2.5


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("extra", [{}, {"max_delta_step": 1e9}, {"grow_policy": "lossguide"}])
def test_of_equivalent_splits_the_lowest_is_chosen(sparse: bool, extra: dict[str, object]) -> None:
    # The second column is 2 or 10 where the first is 1, and 3 to 9 where the first is 2. So the bins of
    # 3 to 9 are empty in the left child, and eight cuts, 2.5 to 9.5, divide its rows in the same way: the
    # lowest one is chosen, as in XGBoost. Nodes with bounded weights have histograms; other nodes are
    # so small here that only the bins that hold rows are searched.
    b = [2, 2, 10, 10, *range(3, 10)]
    x = np.array([[2.0 if 2 < value < 10 else 1.0, value] for value in b])
    y = [0.0, 0.0, 10.0, 10.0, *[100.0] * 7]
    # Columns without any entry make the table so thin that it stays sparse.
    table = csr_matrix(np.hstack((x, np.zeros((11, 8))))) if sparse else x
    tree = one_tree(table, y, max_depth=2, **extra)
    left = tree.left[0]
    assert (tree.feature[0], tree.feature[left]) == (0, 1)
    assert tree.condition[left] == 2.5


@pytest.mark.parametrize(("missing_label", "goes_left"), [(1.0, 1), (5.0, 0)])
def test_learned_default_direction(missing_label: float, goes_left: int) -> None:
    x = [[1.0], [2.0], [3.0], [4.0], [np.nan]]
    tree = one_tree(x, [1.0, 1.0, 5.0, 5.0, missing_label], max_depth=1)
    assert tree.default_left[0] == goes_left
    np.testing.assert_array_equal(tree.condition, [2.5, 1, 5])
    assert tree.hessian[1] == 2 + goes_left


def test_split_between_present_and_missing() -> None:
    x = np.array([[1.0], [2.0], [np.nan], [np.nan]])
    model = boost.train(PLAIN | {"max_depth": 1}, DMatrix(x, [3.0, 3.0, 7.0, 7.0]), 1)
    np.testing.assert_array_equal(model.predict(x), [3, 3, 7, 7])
    np.testing.assert_array_equal(model.predict([[1e30], [-1e30]]), [3, 3])


def test_equal_gains_take_the_first_feature() -> None:
    x = np.array([[1.0, 1.0, -1.0], [2.0, 2.0, -2.0]])
    assert one_tree(x, [0.0, 1.0]).feature[0] == 0


def test_depth() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(300, 3)), rng.normal(size=300)
    for depth in (1, 2, 5):
        tree, level = one_tree(x, y, max_depth=depth), np.zeros(300, dtype=int)
        for n in range(1, tree.size):
            level[n] = level[tree.parent[n]] + 1
        assert level.max() == depth and depth < tree.leaves <= 2**depth
    deep = one_tree(x, y, max_depth=0)
    assert deep.leaves == 300  # no limit: one leaf a row
    model = boost.train(PLAIN | {"max_depth": 0}, DMatrix(x, y), 1)
    np.testing.assert_allclose(model.predict(x), y, rtol=1e-6)


def test_constant_column_and_all_missing_column() -> None:
    x = np.column_stack((np.ones(6), np.full(6, np.nan), [1.0, 2, 3, 4, 5, 6]))
    tree = one_tree(x, [0.0, 0, 0, 1, 1, 1], max_depth=1)
    assert tree.feature[0] == 2
    assert one_tree(x[:, :2], [0.0, 0, 0, 1, 1, 1]).size == 1


def grow(x: np.ndarray, grad: np.ndarray, memory: int = 1 << 28, **params: object) -> Tree:
    """Grow one tree whose nodes all have histograms, with `memory` bytes for them."""
    with Team(1) as team, mock.patch("boost.grow.hist.HISTOGRAM_BYTES", memory):
        grower = HistGrower(DMatrix(x), resolve(params), team)
        grower._small = 0
        return grower.grow(grad, np.ones(grad.size), np.empty(0), np.random.default_rng(0)).tree


def same(a: Tree, b: Tree) -> bool:
    return all(getattr(a, f).tobytes() == getattr(b, f).tobytes() for f in Tree.__slots__)


@settings(max_examples=15)
@given(st.integers(0, 2**31))
def test_subtracted_histograms_give_the_same_tree(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = np.where(rng.random((400, 6)) < 0.2, np.nan, rng.normal(size=(400, 6)).round(1))
    grad = rng.normal(size=400) * 10.0 ** rng.integers(-8, 8)
    # Without memory for the histograms of a level, it is processed in pieces, and each histogram is summed
    # from its rows.
    tree = grow(x, grad, max_depth=6)
    assert tree.leaves > 8
    assert same(tree, grow(x, grad, memory=1, max_depth=6))


@settings(max_examples=15)
@given(st.integers(0, 2**31))
def test_integer_weights_are_repeated_rows(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(60, 4)).round(1), rng.normal(size=60)
    w = rng.integers(0, 4, size=60)
    w[0] = 1
    times = np.repeat(np.arange(60), w)
    params = {"max_depth": 4, "nthread": 1}
    weighted = boost.train(params, DMatrix(x, y, weight=w), 5)
    repeated = boost.train(params, DMatrix(x[times], y[times]), 5)
    np.testing.assert_allclose(weighted.predict(x), repeated.predict(x), rtol=1e-6, atol=1e-6)


def test_gain_of_a_brute_force_search() -> None:
    rng = np.random.default_rng(5)
    for _ in range(10):
        x, y = rng.normal(size=(40, 3)).round(1), rng.normal(size=40).astype(np.float32)
        tree = one_tree(x, y, max_depth=1, **{"lambda": 1.0})
        best = 0.0
        for f in range(3):
            for cut in np.unique(x[:, f])[1:]:
                left = x[:, f] < cut
                scores = [y[m].sum(dtype=float) ** 2 / (m.sum() + 1) for m in (left, ~left)]
                best = max(best, sum(scores) - y.sum(dtype=float) ** 2 / 41)
        np.testing.assert_allclose(tree.gain[0], best, rtol=1e-5, atol=1e-9)


def test_colsample_uses_the_drawn_features_only() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(200, 10)), rng.normal(size=200)
    model = boost.train({"colsample_bytree": 0.2, "max_depth": 4, "seed": 3}, DMatrix(x, y), 20)
    used = [set(model.forest[t].feature[model.forest[t].left >= 0].tolist()) for t in range(20)]
    assert all(1 <= len(u) <= 2 for u in used) and len(set.union(*used)) > 5

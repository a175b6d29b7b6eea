"""Contributions: against all subsets of features, hand-worked games, XGBoost's and shap's."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import boost
from boost import Booster, DMatrix
from boost.forest.forest import Forest
from boost.forest.tree import NO_NODE, Tree
from tests.boost.random_trees import FEATURES, goes_left, random_forest, random_rows, random_tree
from tests.boost.small_models import KINDS, X, model_of, table_of


def booster_of(forest: Forest, features: int = FEATURES) -> Booster:
    """A model of some trees, which starts at 0.25."""
    booster = Booster({"objective": "reg:squarederror", "nthread": 1})
    booster.forest, booster.model.n_features = forest, features
    booster.objective.set_outputs(forest.n_outputs)
    booster.base_score = np.full(forest.n_outputs, 0.25)
    return booster


def with_covers(tree: Tree, rng: np.random.Generator) -> Tree:
    """A tree whose hessians add up; those of some leaves, and perhaps of whole subtrees, are zero."""
    hessian = np.where(rng.random(tree.size) < 0.2, 0, rng.integers(1, 9, tree.size)).astype(np.float32)
    for n in range(tree.size - 1, -1, -1):
        if tree.left[n] != NO_NODE:
            hessian[n] = hessian[tree.left[n]] + hessian[tree.right[n]]
    return replace(tree, hessian=hessian)


def covered(forest: Forest, rng: np.random.Generator) -> Forest:
    out = Forest(forest.n_outputs, forest.parallel, forest.vector)
    for t in range(forest.trees):
        out.add(with_covers(forest[t], rng), forest.output(t))
    return out


def share(tree: Tree, n: int, child: int) -> float:
    """The share of a node's rows that go to a child; one half for a node without rows."""
    return float(tree.hessian[child]) / float(tree.hessian[n]) if tree.hessian[n] > 0 else 0.5


def expected(tree: Tree, row: np.ndarray, known: frozenset[int], n: int = 0) -> np.ndarray:
    """The value of a tree when only some features are known: Lundberg's Algorithm 1."""
    if tree.left[n] == NO_NODE:
        return tree.vectors[n].astype(float) if tree.vectors.size else np.array([float(tree.condition[n])])
    left, right = int(tree.left[n]), int(tree.right[n])
    if int(tree.feature[n]) in known:
        return expected(tree, row, known, left if goes_left(tree, n, row) else right)
    return share(tree, n, left) * expected(tree, row, known, left) + share(tree, n, right) * expected(
        tree, row, known, right
    )


def by_subsets(forest: Forest, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shapley values and interaction values of one row, by their definitions."""
    players = range(FEATURES)
    game = {}
    for size in range(FEATURES + 1):
        for known in map(frozenset, combinations(players, size)):
            total = np.zeros(forest.n_outputs)
            for t in range(forest.trees):
                value = forest.weights[t] * expected(forest[t], row, known)
                total += value if forest.vector else np.eye(forest.n_outputs)[forest.output(t)] * value
            game[known] = total
    m = FEATURES
    phi = np.zeros((forest.n_outputs, m + 1))
    pairs = np.zeros((forest.n_outputs, m + 1, m + 1))
    phi[:, m] = game[frozenset()]
    for known, value in game.items():
        s = len(known)
        for i in set(players) - known:
            weight = math.factorial(s) * math.factorial(m - s - 1) / math.factorial(m)
            phi[:, i] += weight * (game[known | {i}] - value)
            for j in set(players) - known - {i}:
                weight = math.factorial(s) * math.factorial(m - s - 2) / (2 * math.factorial(m - 1))
                both = game[known | {i, j}] - game[known | {i}] - game[known | {j}] + value
                pairs[:, i, j] += weight * both
    for i in range(m):
        pairs[:, i, i] = phi[:, i] - pairs[:, i].sum(axis=1)
    pairs[:, m, m] = phi[:, m]
    return phi, pairs


@settings(max_examples=25)
@given(
    st.integers(0, 2**32),
    st.sampled_from([(1, 1, False), (1, 3, False), (3, 1, False), (2, 2, False), (3, 1, True), (2, 2, True)]),
)
def test_all_subsets_of_any_forest(seed: int, shape: tuple[int, int, bool]) -> None:
    rng = np.random.default_rng(seed)
    forest = covered(random_forest(rng, *shape, rounds=1), rng)
    forest.weights = rng.random(forest.trees)
    booster = booster_of(forest)
    x = random_rows(rng, 2)
    table = DMatrix(np.where(np.isfinite(x), x, np.nan))
    phi = booster.predict(table, pred_contribs=True, strict_shape=True)
    pairs = booster.predict(table, pred_interactions=True, strict_shape=True)
    for i in range(2):
        want, both = by_subsets(forest, table.dense_rows(i, i + 1)[0])
        want[:, -1] += 0.25
        both[:, -1, -1] += 0.25
        np.testing.assert_allclose(phi[i], want, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(pairs[i], both, rtol=1e-10, atol=1e-12)


def conjunction(features: int, value: float = 1.0) -> Tree:
    """A tree that is `value` where every feature is 1, else 0; each split divides its rows in halves."""
    size = 2 * features + 1
    left = np.full(size, NO_NODE, dtype=np.int32)
    feature, parent = np.zeros(size, np.int32), left.copy()
    condition = np.zeros(size, np.float32)
    hessian = np.ones(size, np.float32)
    at = 0
    for f in range(features):
        left[at], feature[at], condition[at] = 2 * f + 1, f, 0.5
        parent[[2 * f + 1, 2 * f + 2]] = at
        hessian[[2 * f + 1, 2 * f + 2]] = hessian[at] / 2
        at = 2 * f + 2
    condition[at] = value
    return Tree(
        left=left,
        right=np.where(left < 0, NO_NODE, left + 1).astype(np.int32),
        parent=parent,
        feature=feature,
        condition=condition,
        default_left=np.zeros(size, np.uint8),
        base_weight=condition,
        gain=np.zeros(size, np.float32),
        hessian=hessian,
    )


def test_the_model_of_fever_and_cough() -> None:
    # Lundberg, Erion and Lee, figure 1, model A: 80 for fever and cough together, else 0.
    forest = Forest()
    forest.add(conjunction(2, 80.0), 0)
    rows = np.array([[1, 1], [1, 0], [0, 1], [0, 0]], dtype=np.float32)
    phi = booster_of(forest, 2).predict(DMatrix(rows), pred_contribs=True)
    assert phi[:, 2].tolist() == [20.25] * 4
    np.testing.assert_allclose(phi[:, :2], [[30, 30], [10, -30], [-30, 10], [-10, -10]], rtol=1e-14)
    pairs = booster_of(forest, 2).predict(DMatrix(rows[:1]), pred_interactions=True)
    # The game is 20, 40, 40, 80: together the two add 20 more, half on each side of the diagonal.
    np.testing.assert_allclose(pairs[0], [[20, 10, 0], [10, 20, 0], [0, 0, 20.25]], rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("features", [1, 2, 3, 9, 60, 120])
def test_many_features_on_one_path_share_equally(features: int) -> None:
    forest = Forest()
    forest.add(conjunction(features), 0)
    row = np.ones((1, features), dtype=np.float32)
    phi = booster_of(forest, features).predict(DMatrix(row), pred_contribs=True)[0]
    np.testing.assert_allclose(phi[:-1], (1 - 0.5**features) / features, rtol=1e-12)


def test_an_unused_feature_contributes_nothing() -> None:
    forest = Forest()
    forest.add(conjunction(3), 0)
    rows = np.random.default_rng(0).normal(size=(40, 7)).astype(np.float32)
    booster = booster_of(forest, 7)
    assert not booster.predict(DMatrix(rows), pred_contribs=True)[:, 3:7].any()
    assert not booster.predict(DMatrix(rows), pred_interactions=True)[:, 3:7].any()


@pytest.mark.parametrize("kind", KINDS)
def test_contributions_sum_up_to_the_margin(kind: str) -> None:
    model, table = model_of(kind), table_of(kind)
    margin = model.predict(table, output_margin=True, strict_shape=True)
    phi = model.predict(table, pred_contribs=True, strict_shape=True)
    assert phi.shape == (*margin.shape, model.num_features() + 1)
    assert phi.dtype == np.float64
    scale = max(1.0, float(np.abs(margin).max()))
    np.testing.assert_allclose(phi.sum(axis=2), margin, rtol=0, atol=1e-12 * scale)
    rough = model.predict(table, pred_contribs=True, approx_contribs=True, strict_shape=True)
    np.testing.assert_allclose(rough.sum(axis=2), margin, rtol=0, atol=1e-12 * scale)
    np.testing.assert_allclose(rough[:, :, -1], phi[:, :, -1], rtol=1e-14)
    pairs = model.predict(table, pred_interactions=True, strict_shape=True)
    assert pairs.shape == (*phi.shape, phi.shape[2])
    np.testing.assert_allclose(pairs.sum(axis=3), phi, rtol=0, atol=1e-12 * scale)
    np.testing.assert_array_equal(pairs, pairs.transpose(0, 1, 3, 2))
    if margin.shape[1] == 1:
        assert model.predict(table, pred_contribs=True).shape == (len(margin), phi.shape[2])
        assert model.predict(table, pred_interactions=True).shape == (len(margin), *pairs.shape[2:])


@pytest.mark.parametrize("kind", [k for k in KINDS if k != "vectors"])
def test_equal_to_those_of_xgboost(kind: str, tmp_path: Path) -> None:
    xgb = pytest.importorskip("xgboost", minversion="3.2")
    model, table = model_of(kind), table_of(kind)
    model.save_model(tmp_path / "model.json")
    theirs = xgb.Booster(model_file=str(tmp_path / "model.json"))
    data = xgb.DMatrix(table, enable_categorical=True)
    calls: list[dict[str, Any]] = [
        {"pred_contribs": True},
        {"pred_contribs": True, "approx_contribs": True},
        {"pred_interactions": True},
        {"pred_contribs": True, "iteration_range": (0, 3)},
        {"pred_contribs": True, "strict_shape": True},
    ]
    for options in calls:
        want, got = theirs.predict(data, **options), model.predict(table, **options)
        assert got.shape == want.shape
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


def test_shap_takes_our_estimator_through_the_file(tmp_path: Path) -> None:
    shap = pytest.importorskip("shap")
    xgb = pytest.importorskip("xgboost", minversion="3.2")
    label = np.nan_to_num(X[:, 0]) - np.nan_to_num(X[:, 1]) ** 2
    estimator = boost.BoostRegressor(n_estimators=5, max_depth=4).fit(X, label)
    estimator.save_model(tmp_path / "model.json")
    explainer = shap.TreeExplainer(xgb.Booster(model_file=str(tmp_path / "model.json")))
    phi = estimator.get_booster().predict(X, pred_contribs=True)
    np.testing.assert_allclose(explainer.shap_values(X), phi[:, :-1], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(explainer.expected_value, phi[0, -1], rtol=1e-4)


def test_shap_plots_our_values() -> None:
    shap = pytest.importorskip("shap")
    label = np.digitize(np.nan_to_num(X[:, 0]), [-0.5, 0.5])
    model = boost.BoostClassifier(n_estimators=4, max_depth=3).fit(X, label)
    phi = model.get_booster().predict(X, pred_contribs=True)
    for k in range(3):
        found = shap.Explanation(phi[:, k, :-1], base_values=phi[:, k, -1], data=X)
        total = found.values.sum(axis=1) + found.base_values
        np.testing.assert_allclose(total, model.decision_function(X)[:, k], rtol=1e-9, atol=1e-9)
        assert found.abs.mean(0).values.argmax() == 0


@pytest.mark.parametrize("classes", [2, 3])
def test_shap_takes_our_classifier_through_the_file(tmp_path: Path, classes: int) -> None:
    shap = pytest.importorskip("shap")
    xgb = pytest.importorskip("xgboost", minversion="3.2")
    label = np.digitize(np.nan_to_num(X[:, 0]), [-0.5, 0.5][: classes - 1])
    model = boost.BoostClassifier(n_estimators=4, max_depth=3).fit(X, label)
    model.save_model(tmp_path / "model.json")
    theirs = xgb.XGBClassifier()
    theirs.load_model(tmp_path / "model.json")
    phi = model.get_booster().predict(X, pred_contribs=True, strict_shape=True)
    values = np.reshape(shap.TreeExplainer(theirs).shap_values(X), (len(X), X.shape[1], -1))
    np.testing.assert_allclose(values, phi[:, :, :-1].transpose(0, 2, 1), rtol=1e-4, atol=1e-5)


def test_the_approximation_by_hand() -> None:
    # The mean is 20; a fever makes it 40, a cough then 80.
    forest = Forest()
    forest.add(conjunction(2, 80.0), 0)
    rows = np.array([[1, 1], [1, 0], [0, 1]], dtype=np.float32)
    rough = booster_of(forest, 2).predict(DMatrix(rows), pred_contribs=True, approx_contribs=True)
    assert rough.tolist() == [[20, 40, 20.25], [20, -40, 20.25], [-20, 0, 20.25]]


def test_rounds_and_margins_to_start_from() -> None:
    model = model_of("squared error")
    parts = [model.predict(X, pred_contribs=True, iteration_range=(i, i + 1)) for i in range(4)]
    whole = model.predict(X, pred_contribs=True)
    np.testing.assert_allclose(sum(p[:, :-1] for p in parts), whole[:, :-1], atol=1e-12)
    given = np.linspace(-3, 3, len(X))
    moved = model.predict(DMatrix(X, base_margin=given), pred_contribs=True)
    np.testing.assert_array_equal(moved[:, :-1], whole[:, :-1])
    np.testing.assert_allclose(moved[:, -1] - given, whole[:, -1] - model.base_score[0], atol=1e-12)
    empty = model.predict(X, pred_contribs=True, iteration_range=(2, 2))
    assert not empty[:, :-1].any()
    np.testing.assert_allclose(empty[:, -1], model.base_score[0])


def test_threads_and_divisions_of_rows_give_the_same_bits() -> None:
    rng = np.random.default_rng(0)
    forest = Forest()
    for _ in range(20):
        forest.add(with_covers(random_tree(rng, 60, True), rng), 0)
    x = rng.normal(size=(3000, FEATURES)).astype(np.float32)
    booster = booster_of(forest)
    for options in ({"pred_contribs": True}, {"pred_contribs": True, "approx_contribs": True}):
        booster.set_param("nthread", 1)
        whole = booster.predict(x, **options)
        parts = [booster.predict(x[a:b], **options) for a, b in ((0, 1), (1, 34), (34, 3000))]
        assert np.concatenate(parts).tobytes() == whole.tobytes()
        booster.set_param("nthread", 3)
        assert booster.predict(x, **options).tobytes() == whole.tobytes()
    pairs = booster.predict(x[:70], pred_interactions=True)
    assert np.concatenate(
        [booster.predict(x[i : i + 1], pred_interactions=True) for i in range(70)]
    ).tobytes() == (pairs.tobytes())


def test_wide_tables() -> None:
    # The kernels allocate memory only for features that the trees split by.
    wide = np.zeros((50, 3000), dtype=np.float32)
    wide[:, [7, 2999]] = np.random.default_rng(1).normal(size=(50, 2))
    model = boost.train({"max_depth": 3}, DMatrix(wide, wide[:, 7] * wide[:, 2999]), 3)
    phi = model.predict(wide, pred_contribs=True)
    assert set(np.flatnonzero(phi.any(axis=0))) == {7, 2999, 3000}
    np.testing.assert_allclose(phi.sum(axis=1), model.predict(wide), atol=1e-12)


@pytest.mark.parametrize(
    "options",
    [
        {"pred_leaf": True, "pred_contribs": True},
        {"pred_contribs": True, "pred_interactions": True},
        {"pred_contribs": True, "output_margin": True},
        {"approx_contribs": True},
        {"approx_contribs": True, "pred_interactions": True},
        {"pred_contribs": True, "training": True},
    ],
)
def test_one_kind_at_a_time(options: dict[str, bool]) -> None:
    with pytest.raises(ValueError, match="give one of output_margin, pred_leaf, pred_contribs"):
        model_of("squared error").predict(X, **options)


def test_tables_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match="5 features, the data has 4|5 columns|4 columns"):
        model_of("squared error").predict(X[:, :4], pred_contribs=True)


@pytest.mark.parametrize("kind", KINDS)
def test_stages_end_with_the_model(kind: str) -> None:
    model, table = model_of(kind), table_of(kind)
    stages = list(model.staged_predict(table))
    assert len(stages) == model.num_boosted_rounds()
    for i, stage in enumerate(stages):
        np.testing.assert_array_equal(stage, model.predict(table, iteration_range=(0, i + 1)))
    margins = [m.copy() for m in model.staged_margins(table)]
    np.testing.assert_array_equal(margins[-1], model.predict(table, output_margin=True, strict_shape=True))
    *_, last = model.staged_predict(table, output_margin=True, strict_shape=True)
    np.testing.assert_array_equal(last, margins[-1])

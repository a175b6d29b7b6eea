"""Weights of any size: a common factor changes no model, in any loss and grower."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

import boost
from boost import DMatrix

ROWS = 1500
REGULARIZATION = {"lambda": 1.0, "alpha": 0.0, "gamma": 0.0, "min_child_weight": 2.0}
Arrays = dict[str, Any]


def _table() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, 5)).astype(np.float32)
    y = x[:, 0] * 3 + np.sin(3 * x[:, 1]) + 0.1 * rng.normal(size=ROWS)
    return x, y, rng.uniform(0.5, 1.5, ROWS)


X, Y, W = _table()
SIDE = np.random.default_rng(1).random(ROWS) < 0.3
SOME = np.where(SIDE, 0.0, W)
# For each case: parameters, labels, and other values, weights or fields of the table.
CASES: dict[str, tuple[Arrays, np.ndarray, Arrays]] = {
    "hist": ({}, Y, {}),
    "approx": ({"tree_method": "approx"}, Y, {}),
    "approx, local": ({"tree_method": "approx", "approx_proposal": "local"}, Y, {}),
    "exact": ({"tree_method": "exact"}, Y, {}),
    "lossguide": ({"grow_policy": "lossguide", "max_leaves": 12, "max_depth": 0}, Y, {}),
    "many threads": ({"nthread": 3, "grow_policy": "lossguide"}, Y, {}),
    "vector leaves": ({"multi_strategy": "multi_output_tree"}, np.column_stack((Y, X[:, 2])), {}),
    "outputs": ({}, np.column_stack((Y, X[:, 2])), {}),
    "sparse": ({}, Y, {"x": sp.csr_matrix(np.where(X > 0.5, X, 0))}),
    "indicators": ({"tree_method": "exact"}, Y, {"x": np.where(X > 0, 1, np.nan)}),
    "categories": ({}, Y, {"x": np.round(np.abs(3 * X)), "feature_types": ["c"] * 5}),
    "monotone": ({"monotone_constraints": [1, 0, 0, 0, 0]}, Y, {}),
    "step": ({"max_delta_step": 0.5}, Y, {}),
    "step, exact": ({"max_delta_step": 0.5, "tree_method": "exact"}, Y, {}),
    "gamma and alpha": ({"gamma": 3.0, "alpha": 2.0}, Y, {}),
    "dart": ({"booster": "dart", "rate_drop": 0.3}, Y, {}),
    "subsample": ({"subsample": 0.5, "colsample_bynode": 0.5}, Y, {}),
    "gradient-based": (
        {"subsample": 0.5, "sampling_method": "gradient_based", "lambda": 0.0, "min_child_weight": 0.0},
        Y,
        {},
    ),
    "weights of zero": ({}, Y, {"weight": SOME}),
    "whole weights": ({}, Y, {"weight": np.floor(4 * W)}),
    "reg:absoluteerror": ({}, Y, {"weight": SOME}),
    "reg:quantileerror": ({"quantile_alpha": [0.1, 0.9]}, Y, {}),
    "reg:expectileerror": ({"expectile_alpha": [0.1, 0.9]}, Y, {}),
    "reg:pseudohubererror": ({}, Y, {}),
    "reg:squaredlogerror": ({}, np.exp(Y / 3), {}),
    "reg:normal": ({}, Y, {}),
    "reg:gamma": ({}, np.exp(Y / 3), {}),
    "reg:tweedie": ({}, np.round(np.exp(Y / 3)), {}),
    "count:poisson": ({}, np.round(np.exp(Y / 3)), {}),
    "binary:logistic": ({"scale_pos_weight": 7.3}, Y > 0, {}),
    "binary:hinge": ({}, Y > 0, {}),
    "multi:softprob": ({"num_class": 3}, np.digitize(Y, [-1, 1]), {}),
    "survival:aft": (
        {},
        Y,
        {"label_lower_bound": np.exp(Y / 3), "label_upper_bound": np.exp(Y / 3) * np.where(SIDE, np.inf, 1)},
    ),
}
GROUPS = np.full(50, 30)


def train(case: str, factor: float) -> boost.Booster:
    given, label, fields = CASES[case]
    params = {**REGULARIZATION, **given}
    params |= {name: params[name] * factor for name in REGULARIZATION}
    if ":" in case:
        params["objective"] = case
    fields = {"weight": W, "x": X, **fields}
    table = DMatrix(fields.pop("x"), label, **{**fields, "weight": factor * fields["weight"]})
    return boost.train({"max_depth": 4, "nthread": 1, **params}, table, 4, verbose_eval=False)


def parts(model: boost.Booster) -> list[bytes]:
    """Return base score, structure and leaves of a model; gains and hessians are in units of the weights."""
    trees = [model.forest[t] for t in range(model.forest.trees)]
    arrays = [a for t in trees for a in (t.left, t.feature, t.condition, t.vectors, t.default_left)]
    return [model.base_score.tobytes(), *(a.tobytes() for a in arrays)]


@pytest.mark.parametrize("case", CASES)
def test_a_power_of_two_on_all_weights_changes_no_bit_of_trees(case: str) -> None:
    model = train(case, 1.0)
    assert model.forest[0].leaves > 4
    for power in (40, -60, 90):
        assert parts(train(case, 2.0**power)) == parts(model)


@pytest.mark.parametrize("case", CASES)
def test_any_factor_changes_predictions_by_rounding_only(case: str) -> None:
    x = CASES[case][2].get("x", X)
    expected = train(case, 1.0).predict(DMatrix(x), output_margin=True)
    for factor in (1e-30, 1.6e12, 1e13, 1e30):
        got = train(case, factor).predict(DMatrix(x), output_margin=True)
        # Weights are float32, so that a factor rounds them: that may move a cut, or swap two equal gains.
        near = np.isclose(got, expected, rtol=1e-4, atol=1e-4)
        assert near.mean() > 0.9 and np.abs(got - expected).max() < 0.5 * np.ptp(expected)


@pytest.mark.parametrize("factor", [1e-30, 1e13, 1e30])
def test_group_weights_of_any_size(factor: float) -> None:
    relevance = np.clip(np.round(Y + 3), 0, 5)
    params = {"objective": "rank:ndcg", "max_depth": 4}
    weight = np.random.default_rng(2).uniform(0.5, 2, 50)
    models = [
        boost.train(params, DMatrix(X, relevance, group=GROUPS, weight=w), 4)
        for w in (weight, weight * factor)
    ]
    np.testing.assert_allclose(models[0].predict(X), models[1].predict(X), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("factor", [1.6e12, 1e13, 1e20])
def test_cox_with_large_weights_ranks_as_with_small_ones(factor: float) -> None:
    """A weight counts as copies of a row, which makes the hessian larger: by a bounded factor."""
    time = np.exp(Y / 3) * np.where(SIDE, -1, 1)
    params = {"objective": "survival:cox", "max_depth": 4, "min_child_weight": 0, "lambda": 0, "eta": 0.1}
    margins = [
        boost.train(params, DMatrix(X, time, weight=w), 4).predict(DMatrix(X), output_margin=True)
        for w in (W * 1e3, W * factor)
    ]
    assert np.corrcoef(margins[0], margins[1])[0, 1] > 0.99


def test_a_sum_of_weights_of_2_to_the_52() -> None:
    """4,000 rows: the gradients were once rounded away."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(4000, 5)).astype(np.float32)
    y, weight = x[:, 0] * 2 + x[:, 1], rng.uniform(0.5, 1.5, 4000)
    expected = boost.train({"max_depth": 4}, DMatrix(x, y, weight=weight), 20).predict(x)
    got = boost.train({"max_depth": 4}, DMatrix(x, y, weight=weight * 1.6e12), 20).predict(x)
    assert np.abs(got - y).mean() < 1.05 * np.abs(expected - y).mean() < 0.3


def test_many_rows_of_large_weights() -> None:
    rng = np.random.default_rng(4)
    x = rng.normal(size=(100_000, 3)).astype(np.float32)
    y, weight = x[:, 0] * 2 + x[:, 1], rng.exponential(1.6e11, 100_000)
    params = {"max_depth": 4, "lambda": 0, "min_child_weight": 0}
    small = boost.train(params, DMatrix(x, y, weight=weight / 2.0**40), 3)
    large = boost.train(params, DMatrix(x, y, weight=weight), 3)
    assert small.predict(x).tobytes() == large.predict(x).tobytes()


@pytest.mark.parametrize("method", ["hist", "approx", "exact"])
def test_weights_of_many_magnitudes_follow_the_heavy_rows(method: str) -> None:
    rng = np.random.default_rng(5)
    weight = 10 ** rng.uniform(-12, 12, ROWS)
    weight[rng.random(ROWS) < 0.1] = 0.0
    heavy = weight > 1e10
    params = {"max_depth": 4, "tree_method": method, "eta": 0.5}
    margin = boost.train(params, DMatrix(X, Y, weight=weight), 30).predict(DMatrix(X))
    alone = boost.train(params, DMatrix(X[heavy], Y[heavy], weight=weight[heavy]), 30).predict(DMatrix(X))
    error = [np.sqrt(np.average((m - Y) ** 2, weights=weight)) for m in (margin, alone)]
    assert error[0] < 1.3 * error[1] + 0.05


@pytest.mark.parametrize("factor", [1e-6, 1.0, 1e12, 1e20])
def test_an_output_beside_a_much_larger_one_is_learned(factor: float) -> None:
    """Both labels depend on the same split, so that the trees of the larger one serve both."""
    side = X[:, :1] > 0
    label = np.where(side, 1.0, -1.0) * [1.0, factor]
    params = {"multi_strategy": "multi_output_tree", "max_depth": 1, "eta": 1.0, "lambda": 0}
    got = boost.train(params, DMatrix(side, label), 1).predict(side)
    np.testing.assert_allclose(got / [1.0, factor], np.sign(label), rtol=1e-5)


@pytest.mark.parametrize("factor", [1e-30, 1e-12, 1e12, 1e30])
def test_labels_of_any_size(factor: float) -> None:
    expected = boost.train({"max_depth": 4}, DMatrix(X, Y), 5).predict(X)
    got = boost.train({"max_depth": 4}, DMatrix(X, Y * factor), 5).predict(X)
    np.testing.assert_allclose(got / factor, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(("grad", "hess"), [(1e20, 1.0), (1e20, 1e20), (1e-20, 1e-20), (1.0, 1e-20)])
def test_custom_gradients_of_any_size(grad: float, hess: float) -> None:
    params = {"max_depth": 4, "lambda": 0, "min_child_weight": 0, "base_score": 0}

    def loss(size: float, curvature: float) -> Any:
        return lambda margin, table: ((margin - Y) * size, np.full(ROWS, curvature))

    expected = boost.train(params, DMatrix(X, Y), 1, obj=loss(1.0, 1.0)).predict(X)
    got = boost.train(params, DMatrix(X, Y), 1, obj=loss(grad, hess)).predict(X)
    np.testing.assert_allclose(got * (hess / grad), expected, rtol=1e-5, atol=1e-6)


def test_leaves_beyond_float32_are_refused_with_the_reason() -> None:
    params = {"lambda": 0, "min_child_weight": 0, "base_score": 0}

    def loss(margin: np.ndarray, table: DMatrix) -> tuple[np.ndarray, np.ndarray]:
        return np.full(ROWS, 1e20), np.full(ROWS, 1e-20)

    with pytest.raises(
        ValueError, match=r"round 0 made a leaf .*: -inf, of rows whose hessians sum up to 1.5e-17"
    ):
        boost.train(params, DMatrix(X, Y), 1, obj=loss)


@pytest.mark.parametrize("factor", [1e-30, 1e13, 1e30])
def test_metrics_and_early_stopping_at_any_factor(factor: float) -> None:
    names = ["rmse", "mae", "logloss", "auc", "aucpr", "error"]
    params = {"objective": "binary:logistic", "max_depth": 3, "eval_metric": names, "eta": 0.5}
    params |= {"lambda": 0.0, "min_child_weight": 0.0}
    runs = []
    for scale in (1.0, factor):
        train_table = DMatrix(X[:700], Y[:700] > 0.5 * X[:700, 3], weight=W[:700] * scale)
        test_table = DMatrix(X[700:], Y[700:] > 0, weight=W[700:] * scale)
        model = boost.train(
            params, train_table, 30, evals=[(test_table, "t")], early_stopping_rounds=3, verbose_eval=False
        )
        runs.append((model.num_boosted_rounds(), model.history["t"]))
    assert runs[0][0] == runs[1][0]
    for name in names:
        np.testing.assert_allclose(runs[0][1][name], runs[1][1][name], rtol=1e-3)

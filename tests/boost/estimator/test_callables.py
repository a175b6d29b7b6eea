"""Objectives and metrics that are functions of labels and predictions: weights, groups, lists, names."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss, mean_absolute_error, ndcg_score

from boost import (
    BoostClassifier,
    BoostForestClassifier,
    BoostForestRegressor,
    BoostRanker,
    BoostRegressor,
    DataError,
    ParameterError,
    XGBRanker,
)
from boost.callback import EarlyStopping

RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 4)).astype(np.float32)
Y = 2.0 * X[:, 0] + 0.1 * RNG.normal(size=400)
HALF = np.arange(400) % 2 == 0
WEIGHT = RNG.random(400)
CODE = np.digitize(X[:, 0], [-0.5, 0.5])
QID = np.repeat(np.arange(50), [3, 13] * 25)


def squared(label: Any, margin: Any) -> Any:
    return margin - label, np.ones_like(margin)


def squared_weighted(label: Any, margin: Any, sample_weight: Any = None) -> Any:
    grad, hess = squared(label, margin)
    if sample_weight is None:
        return grad, hess
    by_row = sample_weight.reshape(-1, *[1] * (grad.ndim - 1))
    return grad * by_row, hess * by_row


def logistic(label: Any, margin: Any) -> Any:
    p = 1.0 / (1.0 + np.exp(-margin))
    return p - label, np.maximum(p * (1.0 - p), 1e-16)


def softmax(label: Any, margin: Any) -> Any:
    p = np.exp(margin - margin.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    return p - np.eye(3)[label.astype(int)], np.maximum(2.0 * p * (1.0 - p), 1e-16)


@pytest.mark.parametrize("function", [squared, squared_weighted, partial(squared), partial(squared_weighted)])
@pytest.mark.parametrize("kind", [BoostRegressor, BoostForestRegressor])
def test_rows_without_weight_do_not_count(kind: type, function: Any) -> None:
    label = Y + 100.0 * HALF
    model = kind(n_estimators=50, objective=function).fit(X, label, sample_weight=np.where(HALF, 0.0, 1.0))
    assert abs((model.predict(X) - Y)[~HALF].mean()) < 0.1
    alone = kind(n_estimators=50, objective=function).fit(X, label)
    assert (alone.predict(X) - Y)[~HALF].mean() > 2.0


@pytest.mark.parametrize(
    ("kind", "function", "name", "label"),
    [
        (BoostRegressor, squared, "reg:squarederror", Y),
        (BoostRegressor, squared_weighted, "reg:squarederror", np.column_stack((Y, -X[:, 1], X[:, 2]))),
        (BoostRegressor, squared, "reg:squarederror", np.column_stack((Y, -X[:, 1], X[:, 2]))),
        (BoostForestRegressor, squared, "reg:squarederror", Y),
        (BoostClassifier, logistic, "binary:logistic", np.where(Y > 0, "b", "a")),
        (BoostForestClassifier, logistic, "binary:logistic", Y > 0),
        (BoostClassifier, softmax, "multi:softprob", CODE),
    ],
)
@pytest.mark.parametrize("strategy", ["one_output_per_tree", "multi_output_tree"])
def test_weighted_as_the_objective_of_that_name(
    kind: type, function: Any, name: str, label: Any, strategy: str
) -> None:
    options = {"n_estimators": 5, "base_score": 0.5, "multi_strategy": strategy}
    mine = kind(objective=function, **options).fit(X, label, sample_weight=WEIGHT)
    theirs = kind(objective=name, **options).fit(X, label, sample_weight=WEIGHT)
    plain = kind(objective=function, **options).fit(X, label)
    see = "predict_proba" if hasattr(kind, "predict_proba") else "predict"
    np.testing.assert_allclose(getattr(mine, see)(X), getattr(theirs, see)(X), rtol=1e-4, atol=1e-5)
    assert np.abs(getattr(mine, see)(X) - getattr(plain, see)(X)).max() > 1e-3


def test_class_weight_weighs_a_function() -> None:
    factor = {"a": 1.0, "b": 7.0}
    label = np.where(Y > 0.5, "b", "a")
    model = BoostClassifier(n_estimators=5, objective=logistic, base_score=0.5, class_weight=factor).fit(
        X, label
    )
    same = BoostClassifier(n_estimators=5, base_score=0.5, class_weight=factor).fit(X, label)
    np.testing.assert_allclose(model.predict_proba(X), same.predict_proba(X), rtol=1e-4, atol=1e-5)


def test_weights_that_a_function_must_be_given() -> None:
    seen: list[Any] = []

    def objective(label: Any, margin: Any, sample_weight: Any) -> Any:
        seen.append(sample_weight)
        return squared(label, margin)

    def metric(label: Any, prediction: Any, *, sample_weight: Any) -> float:
        seen.append(sample_weight)
        return 0.0

    model = BoostRegressor(n_estimators=1, objective=objective, eval_metric=metric)
    model.fit(X, Y, eval_set=[(X, Y)])
    assert seen == [None, None]
    model.fit(X, Y, WEIGHT, eval_set=[(X, Y)], sample_weight_eval_set=[2 * WEIGHT])
    np.testing.assert_array_equal(seen[2:], np.float32([WEIGHT, 2 * WEIGHT]))


@pytest.mark.parametrize(
    ("kind", "label", "function", "name"),
    [
        (BoostRegressor, Y, mean_absolute_error, "mae"),
        (BoostForestRegressor, Y, mean_absolute_error, "mae"),
        (BoostRegressor, np.column_stack((Y, -Y)), mean_absolute_error, "mae"),
        (BoostClassifier, Y > 0, log_loss, "logloss"),
        (BoostForestClassifier, Y > 0, log_loss, "logloss"),
        (BoostClassifier, CODE, log_loss, "mlogloss"),
    ],
)
def test_metrics_of_scikit_learn(kind: type, label: Any, function: Any, name: str) -> None:
    model = kind(n_estimators=3, eval_metric=[function, name])
    model.fit(X, label, WEIGHT, eval_set=[(X, label), (X, label)], sample_weight_eval_set=[None, WEIGHT])
    values = []
    for curves in model.evals_result_.values():
        assert list(curves) == [name, function.__name__]  # the functions are last, as in XGBoost
        np.testing.assert_allclose(curves[function.__name__], curves[name], rtol=1e-4)
        values.append(curves[name][-1])
    assert abs(values[0] - values[1]) > 1e-4


def test_weights_of_held_out_rows_and_of_classes() -> None:
    label = np.where(Y > 0.5, "b", "a")
    options: dict[str, Any] = {
        "n_estimators": 3,
        "validation_fraction": 0.3,
        "class_weight": {"a": 1, "b": 9},
    }
    model = BoostClassifier(eval_metric=["logloss", log_loss], **options).fit(X, label, WEIGHT)
    curves = model.evals_result_["validation_0"]
    np.testing.assert_allclose(curves["log_loss"], curves["logloss"], rtol=1e-4)


def test_early_stopping_on_a_function() -> None:
    for metric in (mean_absolute_error, ["rmse", mean_absolute_error]):
        model = BoostRegressor(n_estimators=300, early_stopping_rounds=5, eval_metric=metric)
        model.fit(X[:200], Y[:200], eval_set=[(X[200:], Y[200:])])
        curve = model.evals_result_["validation_0"]["mean_absolute_error"]
        assert model.best_iteration_ == int(np.argmin(curve)) < 299
    ranker = BoostRanker(n_estimators=100, early_stopping_rounds=5, eval_metric=per_group)
    ranker.fit(X, CODE, qid=QID, eval_set=[(X, CODE)], eval_qid=[QID])
    assert (
        ranker.best_iteration_ == int(np.argmax(ranker.evals_result_["validation_0"]["ndcg_per_group"])) > 0
    )


def test_functions_with_and_without_names() -> None:
    class Metric:
        def __call__(self, label: Any, prediction: Any) -> float:
            return 1.0

    model = BoostRegressor(n_estimators=1, eval_metric=[partial(mean_absolute_error), Metric(), "rmse"])
    model.fit(X, Y, eval_set=[(X, Y)])
    assert list(model.evals_result_["validation_0"]) == ["rmse", "mean_absolute_error", "Metric"]
    two = BoostRegressor(eval_metric=[lambda a, b: 1.0, lambda a, b: 2.0])
    with pytest.raises(ParameterError, match="two functions named '<lambda>': rename one of them"):
        two.fit(X, Y, eval_set=[(X, Y)])
    with pytest.raises(ParameterError, match="eval_metric must be a name or a list of names.*5"):
        BoostRegressor(eval_metric=[mean_absolute_error, 5]).fit(X, Y, eval_set=[(X, Y)])


def test_weights_that_a_metric_cannot_be_given() -> None:
    def metric(label: Any, prediction: Any) -> float:
        return 0.0

    model = BoostRegressor(n_estimators=1, eval_metric=metric)
    model.fit(X, Y, WEIGHT, eval_set=[(X, Y)])
    with pytest.raises(ParameterError, match="eval_metric 'metric' takes no sample_weight"):
        model.fit(X, Y, eval_set=[(X, Y)], sample_weight_eval_set=[WEIGHT])


@pytest.mark.parametrize(
    ("function", "match"),
    [
        (lambda label, margin: margin - label, "must return a pair"),
        (lambda label, margin: (margin[:5], margin[:5]), "must have the shape"),
        (lambda label, margin: (["a"] * len(label),) * 2, "must be real numbers"),
    ],
)
def test_wrong_objectives(function: Any, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        BoostRegressor(objective=function).fit(X, Y, WEIGHT)


# Query groups


def ndcg_per_group(label: Any, score: Any) -> float:
    return float(ndcg_score([label], [score]))


per_group = ndcg_per_group


def test_a_rankers_metric_is_called_for_each_group() -> None:
    sizes: list[int] = []

    def metric(label: Any, score: Any) -> float:
        assert label.shape == score.shape
        sizes.append(len(label))
        return float(len(label))

    group = [1, 399]
    model = BoostRanker(n_estimators=1, eval_metric=metric)
    model.fit(
        X, CODE, qid=QID, eval_set=[(X, CODE), (X, CODE)], eval_qid=[QID, None], eval_group=[None, group]
    )
    assert sizes == [3, 13] * 25 + [399]
    first, second = (curves["metric"][0] for curves in model.evals_result_.values())
    assert first == pytest.approx((25 * 9 + 25 * 169) / 400)  # a group counts by its rows
    assert second == pytest.approx((1.0 + 399.0 * 399.0) / 400)  # one row has nothing to order


def test_a_rankers_metric_as_in_xgboost() -> None:
    xgb = pytest.importorskip("xgboost", minversion="3.2")
    curves = []
    for kind in (XGBRanker, xgb.XGBRanker):
        model = kind(n_estimators=4, eval_metric=ndcg_per_group, max_depth=3, max_bin=255)
        model.fit(X, CODE, qid=QID, eval_set=[(X, CODE)], eval_qid=[QID])
        curves.append(model.evals_result_["validation_0"]["ndcg_per_group"])
    np.testing.assert_allclose(curves[0], curves[1], rtol=1e-3)


def test_a_rankers_metric_has_the_weights_of_groups() -> None:
    def size(label: Any, score: Any) -> float:
        held.append(len(label))
        return float(len(label))

    held: list[int] = []
    model = BoostRanker(n_estimators=1, validation_fraction=0.5, eval_metric=size)
    model.fit(X, CODE, qid=QID, group_weight=np.where(np.arange(50) % 2, 3.0, 1.0))
    weight = [3 * rows if rows == 13 else rows for rows in held]  # of all rows of a group
    assert set(held) == {3, 13}
    assert model.evals_result_["validation_0"]["size"][0] == pytest.approx(np.average(held, weights=weight))


def frames() -> dict[str, Any]:
    import polars as pl
    import pyarrow as pa

    plain = {name: X[:, f] for f, name in enumerate("abcd")}
    columns = {"a": plain["a"], "qid": QID, **plain}  # not the last one
    return {
        "pandas": (pd.DataFrame, plain, columns),
        "polars": (pl.DataFrame, plain, columns),
        "arrow": (pa.table, plain, columns),
    }


@pytest.mark.parametrize("library", ["pandas", "polars", "arrow"])
@pytest.mark.parametrize("kind", [BoostRanker, XGBRanker])
def test_the_column_of_query_ids(kind: type, library: str) -> None:
    make, plain, columns = frames()[library]
    frame, alone = make(columns), make(plain)
    model = kind(n_estimators=4, eval_metric=["ndcg", ndcg_per_group])
    model.fit(frame, CODE, eval_set=[(frame, CODE), (alone, CODE)], eval_qid=[None, QID])
    same = kind(n_estimators=4).fit(alone, CODE, qid=QID)
    assert list(model.feature_names_in_) == model.get_booster().feature_names == list("abcd")
    assert model.get_booster().save_raw() == same.get_booster().save_raw()
    first, second = model.evals_result_.values()
    assert first == second
    for see in (model.predict, model.apply, lambda x: list(model.staged_predict(x))[-1]):
        np.testing.assert_array_equal(see(frame), see(alone))
    assert model.score(frame, CODE) == model.score(alone, CODE, qid=QID)
    for given in ({"qid": QID}, {"group": [400]}):
        name = next(iter(given))
        with pytest.raises(DataError, match=f"X has a column 'qid', .*: give no {name}"):
            model.fit(frame, CODE, **given)
        with pytest.raises(DataError, match=f"X has a column 'qid', .*: give no {name}"):
            model.score(frame, CODE, **given)
        with pytest.raises(DataError, match=f"X has a column 'qid', .*: give no {name}"):
            model.fit(alone, CODE, qid=QID, eval_set=[(frame, CODE)], **{f"eval_{name}": [given[name]]})


def test_the_column_is_a_feature_of_other_estimators() -> None:
    frame = pd.DataFrame({"a": X[:, 0], "qid": QID})
    assert BoostRegressor(n_estimators=1).fit(frame, Y).get_booster().feature_names == ["a", "qid"]


def test_stops_by_a_callback_on_a_function() -> None:
    stop = EarlyStopping(rounds=3, metric_name="mean_absolute_error")
    model = BoostRegressor(n_estimators=300, eval_metric=[mean_absolute_error, "mae"], callbacks=[stop])
    model.fit(X[:200], Y[:200], eval_set=[(X[200:], Y[200:])])
    assert model.best_iteration_ == int(np.argmin(model.evals_result_["validation_0"]["mae"])) < 299

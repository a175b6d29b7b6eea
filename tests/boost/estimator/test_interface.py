"""The interface of XGBoost's estimators: intercepts, no rows, one class, weights of rankers and intervals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_regression
from sklearn.utils.estimator_checks import check_estimator

import boost
from boost import (
    BoostClassifier,
    BoostIntervalRegressor,
    BoostRanker,
    BoostRegressor,
    DMatrix,
    XGBModel,
    XGBRanker,
    XGBRegressor,
)

X, Y = make_regression(150, 4, noise=10.0, random_state=0)
LABEL = (Y > 0).astype(int)
THREE = np.digitize(Y, [-40, 40])
NOTHING = "has nothing to learn, the predictions are constant"


@pytest.mark.slow
@pytest.mark.parametrize(
    "estimator",
    [
        XGBModel(n_estimators=3),
        XGBRanker(n_estimators=3),
        BoostIntervalRegressor(BoostRegressor(n_estimators=3), coverage=0.4),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_scikit_learn_checks(estimator: Any) -> None:
    # Weights of the rows: XGBRanker takes those of query groups, and BoostIntervalRegressor draws other rows.
    weights = ("equivalence", *(("not_overwritten",) if isinstance(estimator, XGBRanker) else ()))
    done = check_estimator(estimator, on_skip=None, on_fail=None)
    failed = [c["check_name"] for c in done if c["status"] == "failed"]
    unexpected = [name for name in failed if not (name.startswith("check_sample_weight") and name.count("_"))]
    assert not unexpected
    assert all(any(w in name for w in weights) for name in failed)


def test_the_general_estimator() -> None:
    assert isinstance(BoostRegressor(), XGBModel) and isinstance(BoostRanker(), XGBModel)
    model = XGBModel(objective="count:poisson", n_estimators=4).fit(X, np.abs(Y))
    same = XGBRegressor(objective="count:poisson", n_estimators=4).fit(X, np.abs(Y))
    assert model.predict(X).tobytes() == same.predict(X).tobytes()


def test_intercept_and_coefficients() -> None:
    assert BoostRegressor(n_estimators=2).fit(X, Y).intercept_ == pytest.approx([Y.mean()], rel=1e-6)
    assert BoostClassifier(n_estimators=2).fit(X, LABEL).intercept_ == pytest.approx([LABEL.mean()])
    assert BoostRegressor(n_estimators=2, base_score=3.0).fit(X, Y).intercept_.tolist() == [3.0]
    assert BoostClassifier(n_estimators=2).fit(X, THREE).intercept_.shape == (3,)
    model = BoostRegressor(n_estimators=2).fit(X, np.column_stack((Y, -Y)))
    assert model.intercept_ == pytest.approx([Y.mean(), -Y.mean()], rel=1e-6)
    with pytest.raises(AttributeError, match="a model of trees has no coefficients; feature_importances_"):
        _ = model.coef_
    assert not hasattr(model, "coef_")


@pytest.mark.parametrize(
    ("estimator", "y", "shape"),
    [
        (BoostRegressor(n_estimators=2), Y, (0,)),
        (BoostRegressor(n_estimators=2), np.column_stack((Y, Y)), (0, 2)),
        (BoostClassifier(n_estimators=2), THREE, (0,)),
        (BoostRanker(n_estimators=2), LABEL, (0,)),
        (boost.BoostForestClassifier(n_estimators=2), LABEL, (0,)),
        (BoostIntervalRegressor(BoostRegressor(n_estimators=2)), Y, (0,)),
    ],
)
def test_no_rows(estimator: Any, y: Any, shape: tuple[int, ...]) -> None:
    for table in (X, pd.DataFrame(X).rename(columns=str)):
        estimator.fit(table, y)
        assert estimator.predict(table[:0]).shape == shape
        if hasattr(estimator, "apply"):
            assert estimator.apply(table[:0]).shape[0] == 0
            assert [part.shape for part in estimator.staged_predict(table[:0])][0] == shape
        if hasattr(estimator, "predict_proba"):
            assert estimator.predict_proba(table[:0]).shape == (0, estimator.n_classes_)
        with pytest.raises(ValueError, match=r"0 sample|n_samples=0|no rows"):
            estimator.fit(table[:0], y[:0])


def test_one_class(tmp_path: Path) -> None:
    for label in ("yes", 7):
        with pytest.warns(UserWarning, match=NOTHING):
            model = BoostClassifier(n_estimators=3).fit(X, np.full(150, label))
        assert model.classes_.tolist() == [label] and model.n_classes_ == 1
        assert (model.predict(X) == label).all()
        assert model.predict_proba(X).tolist() == [[1.0]] * 150
        model.save_model(tmp_path / "one.json")
        loaded = BoostClassifier()
        loaded.load_model(tmp_path / "one.json")
        assert (loaded.predict(X) == label).all() and loaded.n_classes_ == 1
    with pytest.warns(UserWarning, match="all labels of a query group are equal"):
        flat = BoostRanker(n_estimators=3).fit(X, np.repeat([0, 1], 75), group=[75, 75])
    assert np.ptp(flat.predict(X)) == 0


@pytest.mark.parametrize("kind", [BoostRanker, XGBRanker])
def test_weights_and_margins_of_rankers(kind: type) -> None:
    group, weight = [50, 60, 40], np.array([1.0, 5.0, 0.5])
    name = "group_weight" if kind is BoostRanker else "sample_weight"
    model = kind(n_estimators=3, eval_metric="ndcg@5").fit(
        X,
        LABEL,
        group=group,
        **{name: weight},
        eval_set=[(X, LABEL), (X, LABEL)],
        eval_group=[group, group],
        sample_weight_eval_set=[weight, None],
        base_margin_eval_set=[None, np.arange(150.0)],
    )
    weighed, moved = (curves["ndcg@5"][-1] for curves in model.evals_result().values())
    table = DMatrix(X, LABEL, group=group, weight=weight)
    assert weighed == pytest.approx(float(model.get_booster().eval(table).rsplit(":", 1)[1]))
    shifted = DMatrix(X, LABEL, group=group, base_margin=np.arange(150.0))
    assert moved == pytest.approx(float(model.get_booster().eval(shifted).rsplit(":", 1)[1]))
    assert model.predict(X, output_margin=True).tobytes() == model.predict(X).tobytes()
    start = np.full(150, 0.25)
    np.testing.assert_allclose(model.predict(X, base_margin=start), model.predict(X) + 0.25)
    if kind is XGBRanker:  # as in XGBoost, its score is the last metric of the training
        plain = DMatrix(X, LABEL, group=group)
        expected = float(model.get_booster().eval(plain).rsplit(":", 1)[1])
        assert model.score(X, LABEL, group=group) == pytest.approx(expected)


def test_names_of_columns_may_be_ignored() -> None:
    frame = pd.DataFrame(X, columns=list("abcd"))
    other = frame.set_axis(list("efgh"), axis=1)
    for model in (
        BoostRegressor(n_estimators=2).fit(frame, Y),
        BoostClassifier(n_estimators=2).fit(frame, LABEL),
    ):
        with pytest.raises(ValueError, match="feature names should match"):
            model.predict(other)
        same = model.predict(other, validate_features=False)
        assert same.tobytes() == model.predict(frame).tobytes()
    assert (
        model.predict_proba(other, validate_features=False).tobytes() == model.predict_proba(frame).tobytes()
    )


def test_weights_of_features() -> None:
    options = {"n_estimators": 10, "colsample_bynode": 0.5, "max_depth": 3}
    given = BoostRegressor(**options).fit(X, Y, feature_weights=[0, 0, 1, 1])
    same = BoostRegressor(**options, feature_weights=[0, 0, 1, 1]).fit(X, Y)
    assert given.predict(X).tobytes() == same.predict(X).tobytes()
    assert given.feature_importances_[:2].tolist() == [0, 0]


def test_intervals_with_weights() -> None:
    rng = np.random.default_rng(0)
    x = rng.random((4000, 1))
    noise = rng.normal(size=4000)
    strange = rng.random(4000) < 0.2
    y = x[:, 0] + np.where(strange, 5.0, 1.0) * noise
    model = BoostIntervalRegressor(BoostRegressor(n_estimators=20, max_depth=2), coverage=0.8, random_state=0)
    share = {}
    for name, weight in (("rows", np.ones(4000)), ("strange", np.where(strange, 20.0, 1.0))):
        ends = model.fit(x[:3000], y[:3000], sample_weight=weight[:3000]).predict_interval(x[3000:])
        inside = (ends[:, 0] <= y[3000:]) & (y[3000:] <= ends[:, 1])
        assert np.average(inside, weights=weight[3000:]) == pytest.approx(0.8, abs=0.05)
        share[name] = inside.mean()
    assert share["strange"] > share["rows"] + 0.1
    plain = model.fit(x, y).predict_interval(x)
    ones = model.fit(x, y, sample_weight=np.ones(4000)).predict_interval(x)
    np.testing.assert_allclose(ones, plain)
    tags = model.__sklearn_tags__()
    assert tags.input_tags.allow_nan and tags.input_tags.sparse

"""Pickles of earlier versions load, predict what they predicted, and can be used further."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator, clone

import boost
from boost.model.uncertainty import Uncertainty
from tests.boost.pickles.make import EXPECTED, FRAME, GROUPS, HERE, MAKERS, SHOWN, TWO, X, Y

KEPT: dict[str, Any] = json.loads(EXPECTED.read_text(encoding="utf-8"))
# Another version of scikit-learn may have written the pickle.
pytestmark = pytest.mark.filterwarnings("ignore:Trying to unpickle estimator")


def load(name: str) -> Any:
    return pickle.loads((HERE / f"{name}.pickle").read_bytes())


def test_all_pickles_are_listed() -> None:
    assert {path.stem for path in HERE.glob("*.pickle")} == set(KEPT) == set(MAKERS)


@pytest.mark.parametrize("name", [name for name, values in KEPT.items() if values is not None])
def test_recorded_predictions(name: str) -> None:
    loaded = load(name)
    rows = MAKERS[name][1][:SHOWN]
    values = loaded.predict(rows)
    if values.dtype.kind in "fc":
        np.testing.assert_allclose(values, np.array(KEPT[name]), rtol=1e-12, atol=1e-12)
    else:
        assert values.tolist() == KEPT[name]
    for again in (pickle.loads(pickle.dumps(loaded)), copy.deepcopy(loaded), copy.copy(loaded)):
        np.testing.assert_array_equal(again.predict(rows), values)


@pytest.mark.parametrize(
    "name", [name for name in KEPT if name.startswith("booster") and name != "booster-empty"]
)
def test_boosters_save_the_same_model_and_train_on(name: str) -> None:
    loaded = load(name)
    file = loaded.save_raw("json")
    assert boost.Booster(model_file=file).save_raw("json") == file
    if name == "booster-lightgbm":
        return
    group = GROUPS if name == "booster-ranking" else None
    y = np.digitize(Y, [-1, 0]) if name in ("booster-classes", "booster-ranking") else Y
    if name in ("booster-outputs", "booster-vectors"):
        y = TWO
    table = boost.DMatrix(FRAME if name == "booster-categories" else X, y, group=group)
    from_file = boost.Booster(loaded.params, model_file=file)
    rounds = loaded.num_boosted_rounds()
    for model in (loaded, from_file):
        model.update(table, rounds)
    assert loaded.num_boosted_rounds() == rounds + 1
    assert loaded.predict(table).tobytes() == from_file.predict(table).tobytes()


def test_state_of_a_booster() -> None:
    watched = load("booster-watched")
    assert watched.attr("purpose") == "test"
    assert set(watched.attributes()) == {"purpose", "best_iteration", "best_score"}
    assert watched.best_iteration == len(watched.history["b"]["rmse"]) - 1
    assert watched.params["max_depth"] == watched.params.max_depth == 2
    empty = load("booster-empty")
    assert empty.params.eta == 0.5 and empty.num_boosted_rounds() == empty.num_features() == 0
    assert load("booster-lightgbm").attr("lightgbm_objective") == "regression"
    assert load("booster-categories").categories == {1: ["w", "x", "yy", "zzz"]}


@pytest.mark.parametrize(
    "name", [name for name in KEPT if name.rpartition("-")[2] in ("regressor", "classifier", "ranker")]
)
def test_estimators_fit_again(name: str) -> None:
    estimator = load(name)
    assert isinstance(estimator, BaseEstimator)
    fresh = clone(estimator)
    label, options = Y, {}
    if "ranker" in name:
        label, options = np.digitize(Y, [-1, 0]), {"group": GROUPS}
    elif "classifier" in name:
        label = Y > 0
    fresh.fit(X, label, **options)
    assert fresh.predict(X[:3]).shape == (3,)
    assert getattr(fresh, "preset", "xgboost") == "xgboost"  # the defaults that they were made with


def test_estimators_and_their_state() -> None:
    unfitted = load("regressor-unfitted")
    assert unfitted.missing == -1.0 and not hasattr(unfitted, "booster_")
    with_callbacks = load("regressor-callbacks")
    kinds = [type(callback) for callback in with_callbacks.callbacks]
    assert kinds == [
        boost.callback.LearningRateScheduler,
        boost.callback.EarlyStopping,
        boost.callback.EvaluationMonitor,
    ]
    assert list(with_callbacks.evals_result_) == ["validation_0"]
    assert load("classifier").classes_.tolist() == ["low", "mid", "top"]
    ends = load("interval-regressor").predict_interval(X[:5])
    assert ends.shape == (5, 2) and (ends[:, 0] <= ends[:, 1]).all()


def test_tables_and_results() -> None:
    uncertainty = load("uncertainty")
    assert isinstance(uncertainty, Uncertainty) and uncertainty.mean.shape == (3,)
    table = load("table")
    assert isinstance(table, boost.DMatrix) and table.feature_names == ["a", "b", "c"]
    np.testing.assert_array_equal(table.dense_rows(0, 9), X[:9])
    np.testing.assert_array_equal(table.weight, np.arange(1.0, 10.0))
    sparse = load("table-sparse")
    assert sparse.is_sparse and sparse.num_row() == 9
    quantile = load("table-quantile")
    assert isinstance(quantile, boost.QuantileDMatrix)
    for loaded in (table, sparse, quantile):
        assert boost.train({}, loaded, 2).num_boosted_rounds() == 2

"""Estimators predict with the rounds up to the best one, whatever has found it."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import make_regression
from sklearn.metrics import r2_score

import boost
from boost import (
    BoostClassifier,
    Booster,
    BoostIntervalRegressor,
    BoostRanker,
    BoostRegressor,
    DMatrix,
)
from boost.callback import EarlyStopping

X, Y = make_regression(400, 5, noise=40.0, random_state=0)
CLASS = np.array(["low", "middle", "high"])[np.digitize(Y, [-50, 50])]
GRADE = np.digitize(Y, [-50, 50])
QID = np.repeat(np.arange(20), 10)
TRAIN, TEST = slice(0, 200), slice(200, 400)


def fitted(kind: type, label: Any, callback: bool = True, **options: Any) -> Any:
    groups = {"qid": QID, "eval_qid": [QID]} if kind is BoostRanker else {}
    stop = {"callbacks": [EarlyStopping(rounds=6)]} if callback else {"early_stopping_rounds": 6}
    model = kind(n_estimators=200, learning_rate=0.5, **stop, **options)
    return model.fit(X[TRAIN], label[TRAIN], eval_set=[(X[TEST], label[TEST])], **groups)


CASES = [
    (BoostRegressor, Y, {}),
    (BoostRegressor, np.column_stack((Y, -Y)), {}),
    (BoostRegressor, Y, {"num_parallel_tree": 2, "subsample": 0.5}),
    (BoostRegressor, np.column_stack((Y, -Y)), {"multi_strategy": "multi_output_tree"}),
    (BoostClassifier, CLASS, {}),
    (BoostClassifier, Y > 0, {}),
    (BoostClassifier, np.column_stack((Y > 0, X[:, 0] > 0)).astype(int), {}),
    (BoostRanker, GRADE, {}),
]


@pytest.mark.parametrize(("kind", "label", "options"), CASES)
def test_a_callback_is_the_parameter(kind: type, label: Any, options: dict[str, Any], tmp_path: Path) -> None:
    model, short = fitted(kind, label, **options), fitted(kind, label, callback=False, **options)
    booster, best = model.get_booster(), model.best_iteration
    assert best == model.best_iteration_ == short.best_iteration_
    assert best + 1 < booster.num_boosted_rounds() == best + 1 + 6  # it keeps them all
    path = tmp_path / "model.json"
    model.save_model(path)
    loaded = kind()
    loaded.load_model(path)
    for other in (model, pickle.loads(pickle.dumps(model)), loaded):
        sees = [other.predict, other.apply]
        sees += [
            getattr(other, name) for name in ("predict_proba", "decision_function") if hasattr(other, name)
        ]
        for see in sees:
            np.testing.assert_array_equal(see(X), getattr(short, see.__name__)(X))
        stages = list(other.staged_predict(X))
        assert len(stages) == best + 1
        np.testing.assert_array_equal(stages[-1], short.predict(X))
        score = {"qid": np.repeat(np.arange(40), 10)} if kind is BoostRanker else {}
        assert other.score(X, label, **score) == short.score(X, label, **score)
        for rounds in (None, (0, 0)):
            np.testing.assert_array_equal(other.predict(X, iteration_range=rounds), short.predict(X))
        whole = other.predict(X, iteration_range=(0, best + 7), **_margin(kind))
        assert not np.array_equal(whole, short.predict(X, **_margin(kind)))
    # The booster predicts with all rounds, as XGBoost's does, and its parts are those that are named.
    every = booster.predict(DMatrix(X), output_margin=True)
    assert np.array_equal(booster.inplace_predict(X, predict_type="margin"), every)
    part = booster[: best + 1].predict(DMatrix(X), output_margin=True)
    assert not np.array_equal(every, part)
    np.testing.assert_array_equal(part, short.get_booster().predict(DMatrix(X), output_margin=True))
    assert booster.model.best_iteration == best


def _margin(kind: type) -> dict[str, Any]:
    return {} if kind is BoostRanker else {"output_margin": True}


def test_a_later_fit_forgets_the_best_round() -> None:
    model = fitted(BoostRegressor, Y)
    best = model.best_iteration_
    model.set_params(callbacks=None, n_estimators=best + 3).fit(X[TRAIN], Y[TRAIN])
    assert not hasattr(model, "best_iteration_")
    np.testing.assert_array_equal(model.predict(X), model.get_booster().inplace_predict(X))
    assert model.apply(X).shape[1] == best + 3
    first = fitted(BoostRegressor, Y)
    more = BoostRegressor(n_estimators=2, learning_rate=0.5).fit(X[TRAIN], Y[TRAIN], xgb_model=first)
    assert more.apply(X).shape[1] == best + 9  # continues from all rounds, and uses them
    warm = fitted(BoostRegressor, Y, warm_start=True)
    warm.set_params(callbacks=None, n_estimators=best + 10).fit(X[TRAIN], Y[TRAIN])
    assert warm.apply(X).shape[1] == best + 10


def test_the_best_of_a_native_model(tmp_path: Path) -> None:
    data, test = DMatrix(X[TRAIN], Y[TRAIN]), DMatrix(X[TEST], Y[TEST])
    stop = EarlyStopping(rounds=6)
    native = boost.train(
        {"eta": 0.5}, data, 200, evals=[(test, "test")], callbacks=[stop], verbose_eval=False
    )
    path = tmp_path / "model.ubj"
    native.save_model(path)
    model = BoostRegressor()
    model.load_model(path)
    best = native.model.best_iteration
    np.testing.assert_array_equal(model.predict(X), native.predict(X, iteration_range=(0, best + 1)))
    saved = Booster(model_file=path)
    np.testing.assert_array_equal(saved.predict(X), native.predict(X))


def test_xgboosts_best_round(tmp_path: Path) -> None:
    xgb = pytest.importorskip("xgboost", minversion="3.2")
    theirs = xgb.XGBRegressor(n_estimators=200, learning_rate=0.5, callbacks=[xgb.callback.EarlyStopping(6)])
    theirs.fit(X[TRAIN], Y[TRAIN], eval_set=[(X[TEST], Y[TEST])], verbose=False)
    path = tmp_path / "model.json"
    theirs.save_model(path)
    ours = BoostRegressor()
    ours.load_model(path)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-4, atol=1e-3)


def test_save_best_keeps_the_best_alone() -> None:
    model = BoostRegressor(
        n_estimators=200, learning_rate=0.5, callbacks=[EarlyStopping(rounds=6, save_best=True)]
    )
    model.fit(X[TRAIN], Y[TRAIN], eval_set=[(X[TEST], Y[TEST])])
    assert model.get_booster().num_boosted_rounds() == model.best_iteration_ + 1 == model.apply(X).shape[1]


def test_dropout_predicts_with_the_weights_of_the_last_round() -> None:
    model = fitted(BoostRegressor, Y, booster="dart", rate_drop=0.2)
    booster, best = model.get_booster(), model.best_iteration_
    np.testing.assert_array_equal(model.predict(X), booster.predict(X, iteration_range=(0, best + 1)))


def test_intervals_are_those_of_the_best_round() -> None:
    base = BoostRegressor(
        n_estimators=200, learning_rate=0.5, validation_fraction=0.2, callbacks=[EarlyStopping(rounds=6)]
    )
    twin = BoostRegressor(
        n_estimators=200, learning_rate=0.5, validation_fraction=0.2, early_stopping_rounds=6
    )
    model, same = (BoostIntervalRegressor(b, coverage=0.8, random_state=0).fit(X, Y) for b in (base, twin))
    assert model.margin_ == same.margin_
    np.testing.assert_array_equal(model.predict_interval(X), same.predict_interval(X))
    np.testing.assert_array_equal(model.predict(X), same.predict(X))
    assert model.estimator_.best_iteration_ == same.estimator_.best_iteration_
    assert model.score(X, Y) == r2_score(Y, model.predict(X))

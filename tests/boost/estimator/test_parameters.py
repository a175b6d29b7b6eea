"""The parameters of the estimators: other names, None, generators, changes after a fit, XGBoost's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_regression
from sklearn.model_selection import GridSearchCV

import boost
from boost import (
    BoostClassifier,
    BoostForestRegressor,
    BoostRanker,
    BoostRegressor,
    XGBModel,
    XGBRanker,
)
from boost.callback import EarlyStopping, TrainingCheckPoint

X, Y = make_regression(120, 4, noise=10.0, random_state=0)
LABEL = (Y > 0).astype(int)
KINDS: list[tuple[type, Any]] = [
    (XGBModel, Y),
    (BoostRegressor, Y),
    (BoostClassifier, LABEL),
    (BoostRanker, LABEL),
    (XGBRanker, LABEL),
    (BoostForestRegressor, Y),
    (boost.BoostForestClassifier, LABEL),
]


@pytest.mark.parametrize(("kind", "y"), KINDS)
def test_other_names(kind: type, y: Any) -> None:
    named = {"learning_rate": 0.5, "n_jobs": 1, "random_state": 3, "reg_lambda": 2.0, "gamma": 0.1}
    others = {"eta": 0.5, "nthread": 1, "seed": 3, "lambda": 2.0, "min_split_loss": 0.1}
    common = {"n_estimators": 3, "subsample": 0.8}
    model, other = kind(**named, **common), kind(**others, **common)
    assert other.get_params() == pytest.approx(model.get_params(), nan_ok=True)
    assert clone(other).get_params() == pytest.approx(model.get_params(), nan_ok=True)
    same = other.fit(X, y).predict(X)
    assert same.tobytes() == model.fit(X, y).predict(X).tobytes()
    changed = kind(**common).set_params(**others).fit(X, y)
    assert changed.predict(X).tobytes() == same.tobytes()
    with pytest.raises(TypeError, match="got 'learning_rate' under two names, one is 'eta'"):
        kind(learning_rate=0.1, eta=0.2)


@pytest.mark.parametrize(("kind", "y"), KINDS)
def test_none_is_the_default(kind: type, y: Any) -> None:
    plain = kind().fit(X, y)
    none = kind(**dict.fromkeys(kind().get_params())).fit(X, y)
    assert none.predict(X).tobytes() == plain.predict(X).tobytes()
    assert none.get_num_boosting_rounds() == plain.get_num_boosting_rounds()
    np.testing.assert_array_equal(none.feature_importances_, plain.feature_importances_)
    assert none.get_xgb_params() == plain.get_xgb_params()


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("XGBRegressor", {}),
        ("XGBRegressor", {"max_depth": 2, "n_estimators": 5, "random_state": 1, "tree_method": "hist"}),
        ("XGBClassifier", {"scale_pos_weight": 2.0}),
        ("XGBRanker", {"objective": "rank:pairwise"}),
        ("XGBRFRegressor", {"n_estimators": 4}),
        ("XGBRFClassifier", {"max_depth": 3}),
        ("XGBModel", {"objective": "reg:squarederror"}),
    ],
)
def test_the_parameters_of_xgboost_are_taken(ours: str, theirs: dict[str, Any]) -> None:
    xgb = pytest.importorskip("xgboost", minversion="3.2")
    given = getattr(xgb, ours)(**theirs).get_params()
    model = getattr(boost, ours)(**given)
    model.fit(X, LABEL)
    assert clone(model).get_params() == pytest.approx(model.get_params(), nan_ok=True)
    plain = getattr(boost, ours)(**theirs).fit(X, LABEL)
    assert model.predict(X).tobytes() == plain.predict(X).tobytes()


def test_names_of_train_alone_and_unknown_names() -> None:
    model = BoostRegressor(n_estimators=2, max_dept=3, updater="grow_colmaker")
    assert model.get_params()["updater"] == "grow_colmaker"
    with pytest.warns(
        UserWarning, match="unknown parameter 'max_dept' is not used; did you mean 'max_depth'"
    ):
        model.fit(X, Y)
    exact = BoostRegressor(n_estimators=2, tree_method="exact").fit(X, Y)
    assert model.predict(X).tobytes() == exact.predict(X).tobytes()
    with pytest.warns(UserWarning, match="unknown parameter 'max_dept'"):
        clone(BoostRegressor(n_estimators=2).set_params(max_dept=3)).fit(X, Y)
    with pytest.raises(TypeError, match="BoostForestRegressor has no parameter 'early_stopping_rounds'"):
        BoostForestRegressor(early_stopping_rounds=3)
    with pytest.raises(TypeError, match="positional"):
        BoostRegressor(3)
    search = GridSearchCV(BoostRegressor(n_estimators=2), {"eta": [0.1, 1.0]}, cv=2).fit(X, Y)
    assert search.best_params_ == {"eta": 1.0}


def test_parameters_set_after_a_fit() -> None:
    model = BoostRegressor(n_estimators=3).fit(X, Y)
    before = model.predict(X)
    model.set_params(n_jobs=2, learning_rate=0.01, objective="reg:absoluteerror")
    params = model.get_booster().params
    assert (params.nthread, params.eta, params.objective) == (2, 0.01, "reg:squarederror")
    assert model.predict(X).tobytes() == before.tobytes()
    again = model.fit(X, Y)
    fresh = BoostRegressor(n_estimators=3, learning_rate=0.01, objective="reg:absoluteerror").fit(X, Y)
    assert again.predict(X).tobytes() == fresh.predict(X).tobytes()


@pytest.mark.parametrize("make", [np.random.RandomState, np.random.default_rng])
def test_random_states_that_are_drawn_from(make: Any) -> None:
    options = {"n_estimators": 3, "subsample": 0.5, "validation_fraction": 0.2}
    state = make(3)
    first = BoostRegressor(**options, random_state=state).fit(X, Y).predict(X)
    second = BoostRegressor(**options, random_state=state).fit(X, Y).predict(X)
    again = BoostRegressor(**options, random_state=make(3)).fit(X, Y).predict(X)
    assert first.tobytes() == again.tobytes() != second.tobytes()
    kind, inner = boost.BoostIntervalRegressor, BoostRegressor(n_estimators=3)
    first, second = (kind(inner, random_state=make(3)).fit(X, Y).predict(X) for _ in range(2))
    assert first.tobytes() == second.tobytes()


@pytest.mark.parametrize("kind", [np.int8, np.int32, np.uint16, np.int64])
def test_integers_of_numpy(kind: Any, tmp_path: Any) -> None:
    options = {
        "n_estimators": 3,
        "max_depth": 2,
        "random_state": 1,
        "n_jobs": 1,
        "max_bin": 16,
        "verbosity": 0,
    }
    plain = BoostRegressor(**options, early_stopping_rounds=2).fit(X, Y, eval_set=[(X, Y)])
    given = {name: kind(value) for name, value in options.items()}
    model = BoostRegressor(**given, early_stopping_rounds=kind(2)).fit(
        X, Y, eval_set=[(X, Y)], verbose=kind(0)
    )
    assert model.predict(X).tobytes() == plain.predict(X).tobytes()
    rounds = model.predict(X, iteration_range=(kind(0), kind(2)))
    assert rounds.tobytes() == plain.predict(X, iteration_range=(0, 2)).tobytes()
    booster, table = model.get_booster(), boost.DMatrix(X, Y)
    assert booster[kind(1)].num_boosted_rounds() == booster[kind(1) : kind(2)].num_boosted_rounds() == 1
    of_array = booster.predict(table, iteration_range=np.array([0, 2], dtype=kind))
    assert of_array.tobytes() == rounds.tobytes()
    hooks = [EarlyStopping(rounds=kind(2)), TrainingCheckPoint(tmp_path, interval=kind(1))]
    boost.train({}, table, kind(3), evals=[(table, "t")], callbacks=hooks, verbose_eval=kind(0))
    boost.cv({}, table, kind(2), nfold=kind(2), seed=kind(1), early_stopping_rounds=kind(2))
    with pytest.raises(ValueError, match="early_stopping_rounds must be an integer of at least 1, got 1.5"):
        EarlyStopping(rounds=1.5)  # type: ignore[arg-type]
    assert BoostRegressor(n_estimators=2, n_jobs=-2).fit(X, Y).predict(X).shape == (120,)

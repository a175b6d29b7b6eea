"""`fit`: when members are trained, when one model is, and what the estimators make of it."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

import boost
from boost import BoostClassifier, BoostRanker, BoostRegressor, DMatrix, XGBRegressor
from boost.callback import EarlyStopping
from boost.preset import Source, fit
from boost.preset.rounds import describe

RNG = np.random.default_rng(1)
X = RNG.normal(size=(300, 4)).astype(np.float32)
Y = X[:, 0] * X[:, 1] + X[:, 2] + RNG.normal(size=300)
LABEL = (Y > 0).astype(int)
COMMON = {"nthread": 1, "verbosity": 0}


def test_rows_left_out_find_better_rounds_than_a_constant_or_all_of_them() -> None:
    done = fit(Source(X, Y), COMMON)
    held = RNG.normal(size=(2000, 4)).astype(np.float32)
    truth = held[:, 0] * held[:, 1] + held[:, 2]

    def loss(booster: boost.Booster) -> float:
        return float(np.mean((booster.predict(DMatrix(held)) - truth) ** 2))

    assert done.choice.members == 5 and done.choice.rounds == done.booster.num_boosted_rounds()
    assert loss(done.booster) < 0.9 * loss(boost.train(COMMON, DMatrix(X, Y), 100))


def test_one_model_where_the_user_says_how_many_rounds() -> None:
    table = DMatrix(X, Y)
    given = fit(table, {**COMMON, "max_depth": 2}, rounds=7)
    assert (given.choice.members, given.choice.rounds) == (1, 7)
    assert given.booster.params.num_parallel_tree == 1 and given.booster.params.max_depth == 2
    same = boost.train({**COMMON, "max_depth": 2, **given.choice.params}, table, 7)
    assert same.save_raw() == given.booster.save_raw()
    watched = fit(table, COMMON, stopping=3, evals=[(DMatrix(X[:50], Y[:50]), "held")])
    assert watched.choice.members == 1
    for options in (
        {"callbacks": [EarlyStopping(rounds=3)]},
        {"obj": lambda m, d: (m - d.label, np.ones_like(m))},
    ):
        some = fit(table, COMMON, evals=[(table, "train")], options=options)
        assert some.choice.members == 1
    for params in ({"booster": "dart"}, {"num_parallel_tree": 3}):
        assert fit(table, {**COMMON, **params}, rounds=None).choice.members == 1


def test_the_preset_of_xgboost_is_train() -> None:
    table = DMatrix(X, Y)
    ours = fit(table, COMMON, preset="xgboost").booster
    assert ours.save_raw() == boost.train(COMMON, table, 100).save_raw()


def test_a_training_continues() -> None:
    table = DMatrix(X, Y)
    first = fit(table, COMMON)
    more = fit(table, COMMON, rounds=3, options={"xgb_model": first.booster})
    assert more.booster.num_boosted_rounds() == first.choice.rounds + 3


def test_tables_are_evaluated_after_each_round_of_the_mean(capsys: pytest.CaptureFixture[str]) -> None:
    model = BoostRegressor(n_jobs=1, verbosity=0).fit(X, Y, eval_set=[(X[:90], Y[:90])], verbose=1)
    values = model.evals_result()["validation_0"]["rmse"]
    rounds = model.get_booster().num_boosted_rounds()
    assert len(values) == rounds and len(capsys.readouterr().out.splitlines()) == rounds
    staged = [np.sqrt(np.mean((p - Y[:90]) ** 2)) for p in model.staged_predict(X[:90])]
    np.testing.assert_allclose(values, staged, rtol=1e-5)


def test_estimators_show_what_was_chosen() -> None:
    model = BoostClassifier(max_depth=2, n_jobs=1, verbosity=0).fit(X, LABEL)
    assert "max_depth" not in {*model.chosen_.params, *model.chosen_.varied}
    assert model.get_xgb_params()["eta"] == model.chosen_.params["eta"]
    assert model.learning_rate is None and clone(model).get_params() == model.get_params()
    assert model.best_iteration_ + 1 == model.chosen_.rounds
    assert {row["Tree"] for _, row in model.get_booster().trees_to_dataframe().iterrows()}
    plain = XGBRegressor(n_estimators=5, n_jobs=1).fit(X, Y)
    same = boost.train({"nthread": 1}, DMatrix(X, Y), 5)
    assert plain.get_booster().save_raw() == same.save_raw() and plain.chosen_.preset == "xgboost"
    with pytest.raises(ValueError, match="warm_start continues .* give n_estimators"):
        BoostRegressor(warm_start=True, n_jobs=1, verbosity=0).fit(X, Y).fit(X, Y)


def test_dates_become_parts() -> None:
    import pandas as pd

    day = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(300), unit="D")
    frame = pd.DataFrame({"day": day, "x": X[:, 0]})
    y = np.where(day.day_of_week >= 5, 5.0, 0.0)
    model = BoostRegressor(n_jobs=1, verbosity=0).fit(frame, y, eval_set=[(frame, y)])
    assert model.score(frame, y) > 0.9 and model.apply(frame).shape[0] == 300


def test_groups_are_described() -> None:
    table = DMatrix(X, LABEL, group=[10] * 30)
    assert describe(table, {"objective": "rank:ndcg"}).groups == 30
    assert describe(DMatrix(X, LABEL), {"objective": "rank:ndcg"}).groups == 1
    assert describe(DMatrix(X, LABEL), {"objective": "multi:softprob", "num_class": 4}).outputs == 4
    assert BoostRanker(n_jobs=1, verbosity=0).fit(X, LABEL, group=[10] * 30).chosen_.members == 5
    assert BoostRanker(n_jobs=1, verbosity=0).fit(X, LABEL).chosen_.members == 1

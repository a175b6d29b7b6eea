"""All estimators: continued training, held-out rows, staged predictions, files, importance."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.datasets import make_regression

import boost
from boost import Booster, BoostRanker, DMatrix, ParameterError, XGBClassifier, XGBRegressor
from boost.training.callback import EarlyStopping

X, Y = make_regression(300, 5, noise=20.0, random_state=0)
CLASS = np.array(["low", "middle", "high"])[np.digitize(Y, [-50, 50])]


@pytest.mark.parametrize(
    "make", [lambda x: x, np.asfortranarray, pd.DataFrame, sp.csr_array, lambda x: x.astype("f4")]
)
def test_the_same_model_as_train(make: Any) -> None:
    model = XGBRegressor(n_estimators=5, max_depth=3, n_jobs=1).fit(make(X), Y)
    params = {"max_depth": 3, "nthread": 1}
    plain = boost.train(params, DMatrix(X, Y), 5)
    assert model.predict(X).tobytes() == plain.predict(X).tobytes()
    if not isinstance(make(X), (pd.DataFrame, sp.csr_array)):
        assert model.get_booster().save_raw() == plain.save_raw()


def test_read_only_and_mapped_tables(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    np.save(path, X.astype(np.float32))
    mapped = np.load(path, mmap_mode="r")
    same = XGBRegressor(n_estimators=3).fit(X, Y)
    other = XGBRegressor(n_estimators=3).fit(mapped, Y)
    assert other.predict(mapped).tobytes() == same.predict(X).tobytes()


def test_integer_weights_equal_repeated_rows() -> None:
    rng = np.random.default_rng(0)
    weight = rng.integers(0, 4, 300)
    weighed = XGBClassifier(n_estimators=10, max_depth=3).fit(X, CLASS, sample_weight=weight)
    repeated = XGBClassifier(n_estimators=10, max_depth=3).fit(
        np.repeat(X, weight, axis=0), np.repeat(CLASS, weight)
    )
    np.testing.assert_allclose(weighed.predict_proba(X), repeated.predict_proba(X), rtol=1e-5)
    series = XGBClassifier(n_estimators=10, max_depth=3).fit(X, CLASS, sample_weight=pd.Series(weight))
    assert series.predict_proba(X).tobytes() == weighed.predict_proba(X).tobytes()


@pytest.mark.parametrize("kind", [XGBRegressor, XGBClassifier])
def test_warm_start(kind: type) -> None:
    y = Y if kind is XGBRegressor else CLASS
    model = kind(n_estimators=3, max_depth=3, warm_start=True).fit(X, y)
    first = model.get_booster()
    model.set_params(n_estimators=8).fit(X, y)
    whole = kind(n_estimators=8, max_depth=3).fit(X, y)
    assert model.get_booster().save_raw() == whole.get_booster().save_raw()
    assert first.num_boosted_rounds() == 3
    assert model.fit(X, y).get_booster().num_boosted_rounds() == 8
    with pytest.raises(ValueError, match="n_estimators=2 is less than the 8 rounds of the last fit"):
        model.set_params(n_estimators=2).fit(X, y)
    with pytest.raises(ValueError, match="warm_start continues from the last fit: give no xgb_model"):
        model.set_params(n_estimators=20).fit(X, y, xgb_model=first)
    with pytest.raises(ValueError, match="model has 5 features, the data has 4"):
        model.fit(X[:, :4], y)


def test_held_out_rows() -> None:
    seen: list[np.ndarray] = []

    def record_labels(label: np.ndarray, prediction: np.ndarray) -> float:
        seen.append(label)
        return float(np.abs(label - prediction).mean())

    options: dict[str, Any] = {"n_estimators": 200, "early_stopping_rounds": 3, "validation_fraction": 0.2}
    model = XGBRegressor(**options, eval_metric=record_labels, random_state=3).fit(X, Y)
    assert list(model.evals_result_) == ["validation_0"] and model.best_iteration_ < 199
    held = np.isin(Y.astype(np.float32), seen[0])
    assert held.sum() == 60
    rest = {"n_estimators": model.best_iteration_ + 1, "random_state": 3}
    same = XGBRegressor(**rest).fit(X[~held], Y[~held])
    assert same.predict(X).tobytes() == model.predict(X).tobytes()
    before = seen[0]
    seen.clear()
    again = XGBRegressor(**options, eval_metric=record_labels, random_state=3).fit(X, Y)
    assert np.array_equal(seen[0], before) and again.best_iteration_ == model.best_iteration_
    seen.clear()
    XGBRegressor(**options, eval_metric=record_labels, random_state=4).fit(X, Y)
    assert not np.array_equal(seen[0], before)


def test_held_out_rows_of_each_class_and_of_whole_groups() -> None:
    seen: list[np.ndarray] = []

    def record_labels(label: np.ndarray, prediction: np.ndarray) -> float:
        seen.append(label)
        return 0.0

    y = np.repeat(["a", "b"], [280, 20])
    XGBClassifier(n_estimators=1, validation_fraction=0.1, eval_metric=record_labels).fit(pd.DataFrame(X), y)
    assert np.unique(seen[0], return_counts=True)[1].tolist() == [28, 2]
    seen.clear()
    qid = np.repeat(np.arange(30), 10)
    model = BoostRanker(n_estimators=1, validation_fraction=0.1, eval_metric=record_labels)
    model.fit(X, qid.astype(float), qid=qid, group_weight=np.arange(1.0, 31.0))
    groups, counts = np.unique(np.concatenate(seen), return_counts=True)
    assert groups.size == 3 and set(counts) == {10}


def test_evaluation_rows_must_be_requested() -> None:
    with pytest.raises(ValueError, match="give eval_set to fit, or set validation_fraction"):
        XGBRegressor(early_stopping_rounds=2).fit(X, Y)
    with pytest.raises(ValueError, match="validation_fraction replaces eval_set"):
        XGBRegressor(validation_fraction=0.5).fit(X, Y, eval_set=[(X, Y)])
    with pytest.raises(
        ParameterError, match=r"validation_fraction must be a number in \(0, 1\), or None, got 1"
    ):
        XGBRegressor(validation_fraction=1).fit(X, Y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        XGBRegressor(validation_fraction=0.1).fit(X, Y, sample_weight=np.ones(5))
    with pytest.raises(ValueError, match="validation_fraction=0.1 of 3 leaves no rows"):
        XGBRegressor(validation_fraction=0.1).fit(X[:3], Y[:3])


def test_evaluation_tables_have_weights_and_margins() -> None:
    weight, margin = np.random.default_rng(0).random((2, 100))
    model = XGBRegressor(n_estimators=2, eval_metric="mae").fit(
        X[100:],
        Y[100:],
        eval_set=[(X[:100], Y[:100]), (X[:100], Y[:100]), (X[:100], Y[:100])],
        sample_weight_eval_set=[None, weight, None],
        base_margin_eval_set=[None, None, margin],
    )
    error = np.abs(model.predict(X[:100]) - Y[:100])
    moved = np.abs(model.predict(X[:100], base_margin=margin) - Y[:100])
    want = [error.mean(), np.average(error, weights=weight), moved.mean()]
    got = [curves["mae"][-1] for curves in model.evals_result_.values()]
    np.testing.assert_allclose(got, want, rtol=1e-6)
    with pytest.raises(ValueError, match="sample_weight_eval_set has 1 entries for 2 pairs in eval_set"):
        model.fit(X, Y, eval_set=[(X, Y), (X, Y)], sample_weight_eval_set=[weight])


def test_a_fit_removes_the_results_of_the_last_one() -> None:
    model = XGBRegressor(n_estimators=50, early_stopping_rounds=2, validation_fraction=0.3).fit(X, Y)
    assert model.best_iteration == model.best_iteration_ and model.best_score == model.best_score_
    model.set_params(early_stopping_rounds=None, validation_fraction=None).fit(X, Y)
    assert not {"best_iteration_", "best_score_", "evals_result_"} & set(vars(model))
    with pytest.raises(ValueError, match="not fitted"):
        model.evals_result()


def test_staged_predictions() -> None:
    model = XGBRegressor(n_estimators=4, max_depth=3).fit(X, Y)
    stages = list(model.staged_predict(X))
    assert len(stages) == 4 and stages[-1].tobytes() == model.predict(X).tobytes()
    for i, stage in enumerate(stages):
        assert stage.tobytes() == model.predict(X, iteration_range=(0, i + 1)).tobytes()
    two = XGBRegressor(n_estimators=2, booster="dart", rate_drop=0.5).fit(X, np.stack((Y, -Y), axis=1))
    stages = list(two.staged_predict(X))
    assert [s.shape for s in stages] == [(300, 2)] * 2 and stages[-1].tobytes() == two.predict(X).tobytes()
    classifier = XGBClassifier(n_estimators=3).fit(X, CLASS)
    shares, classes = list(classifier.staged_predict_proba(X)), list(classifier.staged_predict(X))
    assert len(shares) == len(classes) == 3
    assert shares[-1].tobytes() == classifier.predict_proba(X).tobytes()
    np.testing.assert_array_equal(classes[0], classifier.predict(X, iteration_range=(0, 1)))
    ranker = BoostRanker(n_estimators=3).fit(X, np.digitize(Y, [-50, 50]))
    assert [s.tobytes() for s in ranker.staged_predict(X)][-1] == ranker.predict(X).tobytes()


@pytest.mark.parametrize("kind", ["weight", "gain", "cover", "total_gain", "total_cover"])
def test_importance(kind: str) -> None:
    model = XGBRegressor(n_estimators=5, importance_type=kind).fit(X, Y)
    score = model.get_booster().get_score(kind)
    want = np.array([score.get(f"f{f}", 0.0) for f in range(5)])
    np.testing.assert_allclose(model.feature_importances_, want / want.sum())
    with pytest.raises(ParameterError, match="importance_type must be one of .* did you mean 'gain'"):
        XGBRegressor(importance_type="gains").fit(X, Y)


def test_files_and_pickles(tmp_path: Path) -> None:
    frame = pd.DataFrame(X, columns=list("abcde"))
    model = XGBRegressor(n_estimators=20, early_stopping_rounds=2, validation_fraction=0.2).fit(frame, Y)
    for name in ("model.json", "model.ubj"):
        model.save_model(tmp_path / name)
        other = XGBRegressor()
        other.load_model(tmp_path / name)
        assert other.predict(frame).tobytes() == model.predict(frame).tobytes()
        assert other.n_features_in_ == 5 and other.feature_names_in_.tolist() == list("abcde")
        assert other.best_iteration_ == model.best_iteration_
    again = pickle.loads(pickle.dumps(model))
    assert again.predict(frame).tobytes() == model.predict(frame).tobytes()
    assert again.get_params(deep=False).keys() == model.get_params(deep=False).keys()


def test_features_of_arrays() -> None:
    codes = np.random.default_rng(0).integers(0, 6, 300)
    x = np.column_stack((X[:, 0], codes))
    y = np.isin(codes, [1, 4]) * 100.0
    model = XGBRegressor(
        n_estimators=1, max_depth=1, learning_rate=1.0, reg_lambda=0.0, feature_types=["q", "c"]
    )
    np.testing.assert_allclose(model.fit(x, y).predict(x), y)
    assert model.get_booster().feature_types == ["q", "c"]
    drawn = XGBRegressor(n_estimators=5, colsample_bytree=0.5, feature_weights=[0, 1, 1, 1, 1]).fit(X, Y)
    assert drawn.feature_importances_[0] == 0 < drawn.feature_importances_[1:].max()
    frame = pd.DataFrame({"word": ["a", "b"] * 10, "n": range(20)})
    with pytest.raises(ValueError, match="word"):
        XGBRegressor(enable_categorical=False).fit(frame, np.arange(20.0))
    holes = XGBRegressor(n_estimators=2, missing=-1.0)
    table = np.where(np.isnan(x := np.where(X > 1, np.nan, X)), -1.0, x)
    same = XGBRegressor(n_estimators=2).fit(x, Y)
    assert holes.fit(table, Y).predict(table).tobytes() == same.predict(x).tobytes()


def test_margins() -> None:
    model = XGBRegressor(n_estimators=3).fit(X, Y)
    margin = np.full(300, 5.0)
    base = model.get_booster().base_score[0]
    np.testing.assert_allclose(model.predict(X, base_margin=margin) - 5.0, model.predict(X) - base)
    started = XGBRegressor(n_estimators=3).fit(X, Y, base_margin=margin)
    plain = boost.train({}, DMatrix(X, Y, base_margin=margin), 3)
    assert (
        started.predict(X, base_margin=margin).tobytes()
        == plain.predict(DMatrix(X, base_margin=margin)).tobytes()
    )
    classifier = XGBClassifier(n_estimators=3).fit(X, CLASS)
    np.testing.assert_array_equal(classifier.predict(X, output_margin=True), classifier.decision_function(X))


def test_extra_parameters_are_checked_before_training() -> None:
    for params, match in (
        ({"n_estimators": -1}, "n_estimators must be an integer of at least 0, got -1"),
        ({"early_stopping_rounds": 0}, "early_stopping_rounds must be an integer of at least 1, or None"),
        ({"warm_start": "yes"}, "warm_start must be True or False"),
        ({"callbacks": 3}, "callbacks must be a list of boost.callback"),
        ({"missing": "NA"}, "missing must be a number"),
    ):
        with pytest.raises(ParameterError, match=match):
            XGBRegressor(**params).fit(X, Y)


def test_callbacks_may_keep_later_rounds() -> None:
    stop = EarlyStopping(rounds=2, save_best=False)
    model = XGBRegressor(n_estimators=100, callbacks=[stop]).fit(
        X[:200], Y[:200], eval_set=[(X[200:], Y[200:])]
    )
    booster = model.get_booster()
    assert isinstance(booster, Booster) and booster.num_boosted_rounds() == model.best_iteration_ + 3

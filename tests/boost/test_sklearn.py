"""The estimators: scikit-learn's own checks, labels of any type, frames."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.base import clone
from sklearn.datasets import load_iris, make_regression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from boost import BoostClassifier, BoostRanker, BoostRegressor, LabelError, ParameterError
from boost.params import TABLE


@parametrize_with_checks(
    [BoostRegressor(n_estimators=10), BoostClassifier(n_estimators=10), BoostRanker(n_estimators=5)]
)
def test_scikit_learn_checks(estimator: Any, check: Any) -> None:
    check(estimator)


def test_signature_and_documentation() -> None:
    for kind, objective in ((BoostRegressor, "reg:squarederror"), (BoostClassifier, "binary:logistic")):
        parameters = inspect.signature(kind).parameters
        assert parameters["objective"].default == objective
        assert parameters["learning_rate"].default == 0.3
        for p in TABLE:
            if p.estimator:
                assert f"\n{p.estimator} : {p.allowed}" in kind.__doc__
    with pytest.raises(TypeError, match="max_dept"):
        BoostRegressor(max_dept=3)


@pytest.mark.parametrize(
    "names",
    [
        np.array(["a", "b", "c"]),
        np.array(["a", "b", "c"], dtype=object),
        np.array([-5, 7, 1000]),
        np.array([0.0, 1.0, 2.0]),
    ],
)
def test_labels_of_any_type(names: np.ndarray) -> None:
    x, y = load_iris(return_X_y=True)
    model = BoostClassifier(n_estimators=10, max_depth=3).fit(x, names[y])
    np.testing.assert_array_equal(model.classes_, names)
    assert model.score(x, names[y]) > 0.97
    assert model.predict_proba(x).shape == (150, 3) and model.decision_function(x).shape == (150, 3)
    two = BoostClassifier(n_estimators=10).fit(x[:100], names[y[:100]])
    p = two.predict_proba(x[:100])
    assert p.shape == (100, 2) and two.decision_function(x[:100]).shape == (100,)
    np.testing.assert_array_equal(two.predict(x[:100]), names[y[:100]])


def test_boolean_labels() -> None:
    x = np.arange(20.0)[:, np.newaxis]
    model = BoostClassifier(n_estimators=5, min_child_weight=0.1).fit(x, x[:, 0] > 9)
    assert model.predict(x).dtype == bool and model.score(x, x[:, 0] > 9) == 1


def test_early_stopping_and_evaluation() -> None:
    x, y = make_regression(300, 5, noise=20.0, random_state=0)
    model = BoostRegressor(n_estimators=500, early_stopping_rounds=3, eval_metric="mae")
    model.fit(x[:200], y[:200], eval_set=[(x[200:], y[200:])])
    curve = model.evals_result_["validation_0"]["mae"]
    assert model.best_iteration_ == int(np.argmin(curve)) < 499
    assert model.get_booster().num_boosted_rounds() == model.best_iteration_ + 1
    x, y = load_iris(return_X_y=True)
    names = np.array(["a", "b", "c"])[y]
    classifier = BoostClassifier(n_estimators=3).fit(x, names, eval_set=[(x, names)])
    assert len(classifier.evals_result_["validation_0"]["mlogloss"]) == 3
    with pytest.raises(LabelError, match="eval_set holds the label 'd', which y does not"):
        BoostClassifier().fit(x, names, eval_set=[(x, np.full(150, "d"))])


def test_frames_with_categories() -> None:
    rng = np.random.default_rng(0)
    word = rng.choice(["red", "green", "blue"], size=200)
    frame = pd.DataFrame({"word": word, "n": rng.normal(size=200)})
    y = np.where(word == "red", "hot", "cold")
    model = BoostClassifier(n_estimators=5).fit(frame, y)
    np.testing.assert_array_equal(model.feature_names_in_, ["word", "n"])
    assert model.score(frame.assign(word=frame.word.astype("category")), y) == 1
    assert model.feature_importances_.sum() == pytest.approx(1)
    assert model.feature_importances_[0] > 0.9
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame.rename(columns={"word": "colour"}))


def test_ranker_orders_groups() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 3))
    y = np.digitize(x[:, 0] + rng.normal(size=400) * 0.1, [-1, 0, 1])
    model = BoostRanker(n_estimators=20, max_depth=3).fit(x, y, qid=np.repeat(np.arange(40), 10))
    assert np.corrcoef(model.predict(x), x[:, 0])[0, 1] > 0.9
    grouped = BoostRanker(n_estimators=20, max_depth=3).fit(x, y, group=[10] * 40)
    assert grouped.predict(x).tobytes() == model.predict(x).tobytes()
    weighted = BoostRanker(n_estimators=2).fit(x, y, group=[10] * 40, sample_weight=np.arange(1.0, 41))
    assert np.isfinite(weighted.predict(x)).all()


def test_scikit_learn_tools() -> None:
    x, y = make_regression(200, 5, noise=1.0, random_state=0)
    search = GridSearchCV(BoostRegressor(n_estimators=20), {"max_depth": [2, 3]}, cv=3).fit(x, y)
    assert search.best_params_["max_depth"] in (2, 3)
    assert cross_val_score(BoostRegressor(max_depth=2), x, y, cv=3).mean() > 0.7
    sparse = BoostRegressor(n_estimators=3).fit(sp.csr_matrix(x), y)
    assert sparse.predict(sp.csr_matrix(x)).shape == (200,)
    first = BoostRegressor(n_estimators=3).fit(x, y)
    second = BoostRegressor(n_estimators=4).fit(x, y, xgb_model=first)
    assert second.get_booster().num_boosted_rounds() == 7
    assert clone(first).get_params() == first.get_params()


def test_mistakes() -> None:
    x, y = np.arange(6.0)[:, np.newaxis], np.array([0, 0, 0, 1, 1, 1])
    with pytest.raises(LabelError, match="at least two classes, got one class: 'a'"):
        BoostClassifier().fit(x, np.full(6, "a"))
    with pytest.raises(ParameterError, match="eta must be"):
        BoostRegressor(learning_rate=-1).fit(x, y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        BoostRegressor().fit(x, y[:5])
    with pytest.raises(ValueError, match="early_stopping_rounds needs a table"):
        BoostRegressor(early_stopping_rounds=2).fit(x, y)
    with pytest.raises(ValueError, match="num_boost_round must be"):
        BoostRegressor(n_estimators=-1).fit(x, y)

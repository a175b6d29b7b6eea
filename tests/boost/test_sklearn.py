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

import boost
from boost import (
    BoostClassifier,
    BoostForestClassifier,
    BoostForestRegressor,
    BoostRanker,
    BoostRegressor,
    DMatrix,
    LabelError,
    ParameterError,
    XGBRanker,
)
from boost.callback import EarlyStopping
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
    weighted = BoostRanker(n_estimators=2).fit(x, y, group=[10] * 40, group_weight=np.arange(1.0, 41))
    renamed = XGBRanker(n_estimators=2).fit(x, y, group=[10] * 40, sample_weight=np.arange(1.0, 41))
    assert weighted.predict(x).tobytes() == renamed.predict(x).tobytes() != grouped.predict(x).tobytes()
    pairs = [(x[:100], y[:100]), (x[100:], y[100:])]
    model.fit(
        x, y, group=[10] * 40, eval_set=pairs, eval_qid=[np.repeat(np.arange(10), 10), np.arange(300) // 10]
    )
    assert [[len(m) for m in v.values()] for v in model.evals_result_.values()] == [[20], [20]]
    with pytest.raises(ValueError, match="eval_group has 1 entries for 2 pairs in eval_set"):
        model.fit(x, y, eval_set=pairs, eval_group=[[10] * 10])


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
    with pytest.raises(ValueError, match="n_estimators must be an integer of at least 0, got -1"):
        BoostRegressor(n_estimators=-1).fit(x, y)


def test_random_forests_are_one_round() -> None:
    x, y = make_regression(300, 5, noise=20.0, random_state=0)
    forest = BoostForestRegressor(n_estimators=30, max_depth=4, random_state=1).fit(x, y)
    model = forest.get_booster()
    assert model.num_boosted_rounds() == 1 and model.forest.trees == 30
    params = {"num_parallel_tree": 30, "eta": 1.0, "subsample": 0.8, "colsample_bynode": 0.8}
    same = boost.train({**params, "lambda": 1e-5, "max_depth": 4, "seed": 1}, DMatrix(x, y), 1)
    assert same.predict(x).tobytes() == forest.predict(x).tobytes()
    assert forest.score(x, y) > 0.7
    x, y = load_iris(return_X_y=True)
    classifier = BoostForestClassifier(n_estimators=5).fit(x, y)
    assert classifier.get_booster().forest.trees == 15 and classifier.score(x, y) > 0.95
    assert classifier.apply(x).shape == (150, 15)
    assert boost.XGBRFRegressor is BoostForestRegressor and boost.XGBClassifier is BoostClassifier


def test_targets_of_several_columns() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 4))
    y = np.column_stack((x[:, 0], x[:, 1] * 2, x[:, 0] - x[:, 2]))
    for strategy in ("one_output_per_tree", "multi_output_tree"):
        model = BoostRegressor(n_estimators=30, multi_strategy=strategy).fit(x, y, eval_set=[(x, y)])
        assert model.predict(x).shape == (200, 3) and model.score(x, y) > 0.95
    one = BoostRegressor(n_estimators=30).fit(x, y[:, 1])
    several = BoostRegressor(n_estimators=30).fit(x, y)
    np.testing.assert_allclose(several.predict(x)[:, 1], one.predict(x), rtol=1e-5, atol=1e-6)
    labels = (y > 0).astype(int)
    classifier = BoostClassifier(n_estimators=20).fit(x, labels)
    assert classifier.predict_proba(x).shape == (200, 3) and classifier.classes_.tolist() == [0, 1, 2]
    np.testing.assert_array_equal(classifier.predict(x), labels)
    with pytest.raises(ValueError, match="multiclass-multioutput|columns must be 0 and 1"):
        BoostClassifier().fit(x, np.digitize(y, [-1, 1]))


def test_functions_in_the_place_of_names() -> None:
    x, y = make_regression(200, 4, random_state=0)

    def squared(label: np.ndarray, margin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return margin - label, np.ones_like(margin)

    def worst(label: np.ndarray, prediction: np.ndarray) -> float:
        return np.abs(label - prediction).max()

    options: dict[str, Any] = {"n_estimators": 5, "base_score": 0.5}
    own = BoostRegressor(objective=squared, eval_metric=worst, **options).fit(x, y, eval_set=[(x, y)])
    named = BoostRegressor(**options).fit(x, y)
    np.testing.assert_allclose(own.predict(x), named.predict(x), rtol=1e-6)
    curve = own.evals_result_["validation_0"]["worst"]
    assert curve[-1] == pytest.approx(worst(y.astype(np.float32), own.predict(x)), rel=1e-6)
    stop = EarlyStopping(rounds=2, metric_name="worst")
    stopped = BoostRegressor(n_estimators=200, eval_metric=worst, callbacks=[stop])
    assert stopped.fit(x[:150], y[:150], eval_set=[(x[150:], y[150:])]).best_iteration < 199

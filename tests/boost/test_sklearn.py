"""The estimators: scikit-learn's own estimator checks, labels of any type, frames."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import load_iris, make_regression
from sklearn.feature_selection import SelectFromModel
from sklearn.model_selection import GridSearchCV, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator, parametrize_with_checks

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
)
from boost.training.callback import EarlyStopping


@parametrize_with_checks(
    [
        BoostRegressor(n_estimators=10),
        BoostClassifier(n_estimators=10),
        BoostRanker(n_estimators=5),
        BoostForestRegressor(n_estimators=10, subsample=1.0),
        BoostForestClassifier(n_estimators=10, subsample=1.0),
    ]
)
def test_scikit_learn_checks(estimator: Any, check: Any) -> None:
    check(estimator)


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


@pytest.mark.slow
def test_all_checks_at_the_defaults() -> None:
    for kind in (BoostRegressor, BoostClassifier):
        done = check_estimator(kind(), on_skip=None)
        assert len(done) > 50 and {c["status"] for c in done} <= {"passed", "skipped"}
        assert not any(c["expected_to_fail"] for c in done)


def test_weights_of_forests_are_not_repetitions() -> None:
    # Forests sample rows at random: repeated rows change the sample, which these two checks do not expect.
    done = check_estimator(BoostForestRegressor(n_estimators=10), on_skip=None, on_fail=None)
    failed = {c["check_name"] for c in done if c["status"] == "failed"}
    assert failed == {f"check_sample_weight_equivalence_on_{kind}_data" for kind in ("dense", "sparse")}


def test_metadata_routing() -> None:
    x, y = make_regression(120, 4, noise=5.0, random_state=0)
    weight = np.random.default_rng(0).random(120)
    with config_context(enable_metadata_routing=True):
        model = BoostRegressor(n_estimators=3).set_fit_request(sample_weight=True, base_margin=True)
        model = model.set_score_request(sample_weight=True).set_predict_request(base_margin=True)
        chain = make_pipeline(StandardScaler().set_fit_request(sample_weight=False), model)
        chain.fit(x, y, sample_weight=weight, base_margin=np.ones(120))
        scaled = StandardScaler().fit_transform(x)
        alone = BoostRegressor(n_estimators=3).fit(scaled, y, weight, base_margin=np.ones(120))
        assert chain[-1].predict(scaled).tobytes() == alone.predict(scaled).tobytes()
        scores = cross_validate(model, x, y, cv=3, params={"sample_weight": weight})
        assert np.isfinite(scores["test_score"]).all()
        with pytest.raises(ValueError, match="sample_weight"):
            cross_validate(BoostRegressor(), x, y, cv=3, params={"sample_weight": weight})


def test_pipelines_that_pass_frames_on() -> None:
    x, y = load_iris(return_X_y=True, as_frame=True)
    chain = make_pipeline(StandardScaler(), BoostClassifier(n_estimators=3)).set_output(transform="pandas")
    chain.fit(x, y)
    assert chain[-1].feature_names_in_.tolist() == x.columns.tolist()
    assert chain.score(x, y) > 0.9
    chosen = SelectFromModel(BoostClassifier(n_estimators=3), max_features=2).fit(x, y)
    assert list(chosen.set_output(transform="pandas").transform(x).columns) == list(x.columns[2:])


@pytest.mark.slow
def test_processes_and_files_of_joblib(tmp_path: Path) -> None:
    x, y = make_regression(100, 4, random_state=0)
    search = GridSearchCV(BoostRegressor(n_estimators=5, n_jobs=1), {"max_depth": [1, 3]}, cv=2, n_jobs=2)
    search.fit(x, y)
    joblib.dump(search, tmp_path / "search.joblib")
    again = joblib.load(tmp_path / "search.joblib")
    assert again.predict(x).tobytes() == search.predict(x).tobytes()
    alone = GridSearchCV(BoostRegressor(n_estimators=5, n_jobs=1), {"max_depth": [1, 3]}, cv=2).fit(x, y)
    np.testing.assert_array_equal(alone.cv_results_["mean_test_score"], search.cv_results_["mean_test_score"])


def test_display_in_a_notebook() -> None:
    model = BoostRegressor(max_depth=3, missing=-1.0)
    assert repr(model) == "BoostRegressor(max_depth=3, missing=-1.0)"
    for shown in (model, model.fit([[0.0], [1.0]], [0.0, 1.0]), make_pipeline(StandardScaler(), model)):
        page = shown._repr_html_()
        assert "BoostRegressor" in page and "max_depth" in page
    rows = re.findall(r'<tr class="user-set">.*?<td class="param">(.*?)</td>', model._repr_html_(), re.DOTALL)
    assert [re.sub(r"<.*", "", row, flags=re.DOTALL).strip() for row in rows] == ["missing", "max_depth"]


def test_mistakes() -> None:
    x, y = np.arange(6.0)[:, np.newaxis], np.array([0, 0, 0, 1, 1, 1])
    with pytest.raises(ParameterError, match="eta must be"):
        BoostRegressor(learning_rate=-1).fit(x, y)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        BoostRegressor().fit(x, y[:5])
    with pytest.raises(ValueError, match="early_stopping_rounds needs an evaluation table"):
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
    assert boost.XGBRFRegressor is BoostForestRegressor and issubclass(boost.XGBClassifier, BoostClassifier)


def test_targets_of_several_columns() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 4))
    y = np.column_stack((x[:, 0], x[:, 1] * 2, x[:, 0] - x[:, 2]))
    for strategy in ("one_output_per_tree", "multi_output_tree"):
        model = BoostRegressor(n_estimators=30, multi_strategy=strategy).fit(x, y, eval_set=[(x, y)])
        assert model.predict(x).shape == (200, 3) and model.score(x, y) > 0.95
    one = boost.XGBRegressor(n_estimators=30).fit(x, y[:, 1])
    several = boost.XGBRegressor(n_estimators=30).fit(x, y)
    np.testing.assert_allclose(several.predict(x)[:, 1], one.predict(x), rtol=1e-5, atol=1e-6)
    labels = (y > 0).astype(int)
    classifier = BoostClassifier(n_estimators=20).fit(x, labels)
    assert classifier.predict_proba(x).shape == (200, 3) and classifier.classes_.tolist() == [0, 1, 2]
    assert (classifier.predict(x) == labels).mean() > 0.95
    with pytest.raises(ValueError, match="multiclass-multioutput|columns must be 0 and 1"):
        BoostClassifier().fit(x, np.digitize(y, [-1, 1]))


def test_functions_in_place_of_names() -> None:
    x, y = make_regression(200, 4, random_state=0)

    def squared(label: np.ndarray, margin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return margin - label, np.ones_like(margin)

    def worst(label: np.ndarray, prediction: np.ndarray) -> float:
        return np.abs(label - prediction).max()

    options: dict[str, Any] = {"n_estimators": 5, "base_score": 0.5}
    custom = BoostRegressor(objective=squared, eval_metric=worst, **options).fit(x, y, eval_set=[(x, y)])
    named = BoostRegressor(**options).fit(x, y)
    np.testing.assert_allclose(custom.predict(x), named.predict(x), rtol=1e-6)
    curve = custom.evals_result_["validation_0"]["worst"]
    assert curve[-1] == pytest.approx(worst(y.astype(np.float32), custom.predict(x)), rel=1e-6)
    stop = EarlyStopping(rounds=2, metric_name="worst")
    stopped = BoostRegressor(n_estimators=200, eval_metric=worst, callbacks=[stop])
    assert stopped.fit(x[:150], y[:150], eval_set=[(x[150:], y[150:])]).best_iteration < 199

"""Labels of any type, their weights, and their entry in model files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_iris

from boost import Booster, BoostForestClassifier, LabelError, ParameterError, XGBClassifier, XGBRegressor
from boost.model.model_io import ModelError

X, CODES = load_iris(return_X_y=True)
WORDS = np.array(["setosa", "versi", "virginica"])[CODES]


@pytest.mark.parametrize(
    "names",
    [
        np.array(["a", "b", "c"]),
        np.array(["a", "b", "c"], dtype=object),
        np.array([-5, 7, 1000]),
        np.array([0.0, 1.0, 2.0]),
        np.array([1, 2, 3], dtype=np.uint8),
    ],
)
def test_labels_of_any_type(names: np.ndarray) -> None:
    model = XGBClassifier(n_estimators=10, max_depth=3).fit(X, names[CODES])
    np.testing.assert_array_equal(model.classes_, names)
    assert model.n_classes_ == 3 and model.score(X, names[CODES]) > 0.97
    assert model.predict_proba(X).shape == (150, 3) and model.decision_function(X).shape == (150, 3)
    assert model.predict(X).dtype == names.dtype
    two = XGBClassifier(n_estimators=10).fit(X[:100], names[CODES[:100]])
    p = two.predict_proba(X[:100])
    assert p.shape == (100, 2) and two.decision_function(X[:100]).shape == (100,)
    np.testing.assert_array_equal(two.predict(X[:100]), names[CODES[:100]])


@pytest.mark.parametrize(
    "make",
    [
        list,
        pd.Series,
        lambda w: pd.Series(w, dtype="category"),
        lambda w: pd.Series(w, dtype="string"),
        lambda w: pd.Series(w, index=np.arange(150)[::-1]),
    ],
)
def test_labels_in_any_container(make: Any) -> None:
    want = XGBClassifier(n_estimators=2).fit(X, WORDS)
    model = XGBClassifier(n_estimators=2).fit(X, make(WORDS), eval_set=[(X, make(WORDS))])
    assert model.classes_.tolist() == want.classes_.tolist()
    assert model.predict_proba(X).tobytes() == want.predict_proba(X).tobytes()


def test_boolean_labels() -> None:
    x = np.arange(20.0)[:, np.newaxis]
    model = XGBClassifier(n_estimators=5, min_child_weight=0.1).fit(x, x[:, 0] > 9)
    assert model.predict(x).dtype == bool and model.score(x, x[:, 0] > 9) == 1


def test_class_weight_is_a_weight_of_rows() -> None:
    subset = np.flatnonzero(np.arange(150) % 5 < CODES + 1)
    x, y = X[subset], WORDS[subset]
    weight = np.linspace(0.5, 2, len(y))
    given = {"setosa": 0.5, "virginica": 3.0}
    by_hand = np.array([given.get(label, 1.0) for label in y])
    options: dict[str, Any] = {"n_estimators": 5, "max_depth": 3}
    model = XGBClassifier(**options, class_weight=given).fit(x, y, sample_weight=weight)
    same = XGBClassifier(**options).fit(x, y, sample_weight=weight * by_hand)
    assert model.predict_proba(x).tobytes() == same.predict_proba(x).tobytes()
    _, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    balanced = XGBClassifier(**options, class_weight="balanced").fit(x, y)
    same = XGBClassifier(**options).fit(x, y, sample_weight=len(y) / (3 * counts[codes]))
    assert balanced.predict_proba(x).tobytes() == same.predict_proba(x).tobytes()
    forest = BoostForestClassifier(n_estimators=5, class_weight="balanced").fit(x, y)
    assert forest.score(x, y) > 0.9
    for wrong in ("balance", 3):
        with pytest.raises(
            ParameterError, match="class_weight must be a dict from labels to numbers, or 'balanced'"
        ):
            XGBClassifier(class_weight=wrong).fit(x, y)


@pytest.mark.parametrize("ending", ["json", "ubj"])
@pytest.mark.parametrize("names", [["a", "b", "c"], [-5, 7, 1000], [0.0, 2.0, 7.0]])
def test_labels_are_saved_in_a_file(names: list, ending: str, tmp_path: Path) -> None:
    y, path = np.array(names)[CODES], tmp_path / f"model.{ending}"
    for rows in (slice(150), slice(100)):
        model = XGBClassifier(n_estimators=3).fit(X[rows], y[rows])
        raw = model.get_booster().save_raw()
        model.save_model(path)
        assert model.get_booster().save_raw() == raw  # saving does not change the model
        other = XGBClassifier()
        other.load_model(path)
        np.testing.assert_array_equal(other.classes_, model.classes_)
        np.testing.assert_array_equal(other.predict(X), model.predict(X))
        assert Booster(model_file=path).predict(X).tobytes() == model.get_booster().predict(X).tobytes()


def test_files_without_labels_or_with_damaged_ones(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    XGBClassifier(n_estimators=2).fit(X, WORDS).get_booster().save_model(path)
    model = XGBClassifier()
    model.load_model(path)
    assert model.classes_.tolist() == [0, 1, 2] and model.score(X, CODES) > 0.9
    document = json.loads(path.read_bytes())
    for text in ('["a"]', "[", "3"):
        document["learner"]["attributes"] = {"espalier_classes": text}
        path.write_text(json.dumps(document))
        with pytest.raises(ModelError, match="attribute espalier_classes must be a list of 3 labels"):
            model.load_model(path)
    XGBRegressor(n_estimators=2).fit(X, CODES).save_model(path)
    with pytest.raises(ModelError, match="XGBClassifier needs a model of classes, got reg:squarederror"):
        model.load_model(path)
    assert model.score(X, CODES) > 0.9


def test_estimators_of_xgboost_open_our_files(tmp_path: Path) -> None:
    xgb = pytest.importorskip("xgboost", minversion="3.2")
    for rows, ending in ((slice(150), "json"), (slice(100), "ubj")):
        path = tmp_path / f"model.{ending}"
        model = XGBClassifier(n_estimators=3).fit(X[rows], CODES[rows])
        model.save_model(path)
        theirs = xgb.XGBClassifier()
        theirs.load_model(path)
        np.testing.assert_allclose(theirs.predict_proba(X), model.predict_proba(X), rtol=1e-6, atol=1e-6)
        np.testing.assert_array_equal(theirs.predict(X), model.predict(X))


def test_a_custom_loss_still_gives_probabilities() -> None:
    y = CODES == 2

    def logistic(label: np.ndarray, margin: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        p = 1 / (1 + np.exp(-margin))
        return p - label, p * (1 - p)

    options: dict[str, Any] = {"n_estimators": 10, "max_depth": 2, "base_score": 0.5}
    custom = XGBClassifier(objective=logistic, **options).fit(X, y)
    named = XGBClassifier(**options).fit(X, y)
    np.testing.assert_allclose(custom.predict_proba(X), named.predict_proba(X), rtol=1e-4)


def test_mistakes() -> None:
    with pytest.raises(LabelError, match="eval_set holds the label 'd', which y does not"):
        XGBClassifier().fit(X, WORDS, eval_set=[(X, np.full(150, "d"))])
    with pytest.raises(ParameterError, match="objective of XGBClassifier must be .* got 'reg:squarederror'"):
        XGBClassifier(objective="reg:squarederror").fit(X, WORDS)
    model = XGBClassifier(n_estimators=2, warm_start=True).fit(X, WORDS)
    with pytest.raises(
        LabelError, match=r"warm_start continues with the classes \['setosa', .*y has \[0, 1, 2\]"
    ):
        model.set_params(n_estimators=4).fit(X, CODES)
    assert model.classes_.tolist() == ["setosa", "versi", "virginica"]

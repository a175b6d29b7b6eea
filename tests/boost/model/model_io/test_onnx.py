"""Models in ONNX, run by onnxruntime, against our predictions."""

import sys

import numpy as np
import pandas as pd
import pytest

import boost
from boost.encoding.encoding import ATTRIBUTE as ENCODING
from boost.errors import ModelError
from boost.forest.forest import Forest
from boost.forest.tree import Tree
from boost.model.model_io.onnx_trees import tree_attributes

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


def numbers(rows=300):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(rows, 4)).astype(np.float32).round(1)  # many values are equal to a threshold
    y = X[:, 0] + (X[:, 1] > 0) * 2 + rng.normal(size=rows) / 4
    X[rng.random(X.shape) < 0.15] = np.nan
    return X, y


def run(proto, X):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, ["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {session.get_inputs()[0].name: X}), strict=True))


def trained(X, y, rounds=6, **params):
    table = boost.DMatrix(X, y, enable_categorical=True)
    return boost.train({"nthread": 1, **params}, table, rounds, verbose_eval=False)


def positive(y):
    return np.abs(y) + 0.1


CASES = {
    "reg:squarederror": ({}, lambda y: y),
    "reg:squaredlogerror": ({}, positive),
    "reg:pseudohubererror": ({}, lambda y: y),
    "reg:absoluteerror": ({}, lambda y: y),
    "reg:logistic": ({}, lambda y: (y > 0) * 0.8 + 0.1),
    "binary:logitraw": ({}, lambda y: y > 0),
    "count:poisson": ({}, lambda y: positive(y).round()),
    "reg:gamma": ({}, positive),
    "reg:tweedie": ({}, positive),
    "survival:cox": ({}, lambda y: np.where(y > 1, 1, -1) * positive(y)),
    "reg:quantileerror": ({"quantile_alpha": [0.9, 0.1, 0.5]}, lambda y: y),
    "reg:expectileerror": ({"expectile_alpha": [0.1, 0.5, 0.9]}, lambda y: y),
    "reg:normal": ({}, lambda y: y),
    "vectors": (
        {"objective": "reg:squarederror", "multi_strategy": "multi_output_tree"},
        lambda y: np.c_[y, y * y],
    ),
    "dart": ({"objective": "reg:squarederror", "booster": "dart", "rate_drop": 0.5}, lambda y: y),
    "empty trees": ({"objective": "reg:squarederror", "gamma": 1e9}, lambda y: y),
    "base score": ({"objective": "count:poisson", "base_score": 3.0}, lambda y: positive(y).round()),
}


@pytest.mark.parametrize("name", CASES)
def test_predictions_of_regressions(name):
    params, label = CASES[name]
    X, y = numbers()
    booster = trained(X, np.asarray(label(y), np.float32), **{"objective": name, **params})
    expected = booster.predict(boost.DMatrix(X), strict_shape=True)
    found = run(boost.model_to_onnx(booster), X)["prediction"]
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=3e-7, atol=1e-7)


@pytest.mark.parametrize("name", ["binary:logistic", "binary:hinge", "multi:softprob", "multi:softmax"])
def test_labels_and_probabilities(name):
    X, y = numbers()
    multi = name.startswith("multi")
    label = np.digitize(y, [0, 1]) if multi else y > 0
    params = {"num_class": 3} if multi else {}
    booster = trained(X, label.astype(np.float32), objective=name, **params)
    found = run(boost.model_to_onnx(booster), X)
    margin = booster.inplace_predict(X, predict_type="margin")
    np.testing.assert_array_equal(found["label"], margin.argmax(axis=1) if multi else margin > 0)
    if name == "binary:hinge":
        assert set(found) == {"label"}
        return
    p = booster.model.objective.transform(margin if multi else margin[:, None])
    expected = p if multi else np.c_[1 - p, p]
    np.testing.assert_allclose(found["probabilities"], expected, rtol=3e-7, atol=1e-7)


@pytest.mark.parametrize("one_hot", [1, 100])
def test_categories_and_their_missing_values(one_hot):
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 90, 400)
    frame = pd.DataFrame({"city": pd.Categorical.from_codes(codes, [f"c{k}" for k in range(90)])})
    frame["size"] = rng.normal(size=400).astype(np.float32)
    y = codes % 4 + frame["size"]
    frame.loc[::5, "city"] = np.nan
    booster = trained(frame, y, 10, max_cat_to_onehot=one_hot)
    number = {name: code for code, name in enumerate(booster.categories[0])}
    X = np.c_[frame["city"].map(number).astype(float), frame["size"]].astype(np.float32)
    found = run(boost.model_to_onnx(booster), X)["prediction"][:, 0]
    np.testing.assert_allclose(found, booster.predict(frame), rtol=3e-7, atol=1e-7)
    assert any(booster.model.forest[t].categories.size for t in range(10))
    # codes that training has not seen
    other = np.array([[200, 0.5], [91, -0.5], [-1, 0]], np.float32)
    found = run(boost.model_to_onnx(booster), other)["prediction"][:, 0]
    np.testing.assert_allclose(found, booster.inplace_predict(other), rtol=3e-7, atol=1e-7)


def test_a_classifier_gives_its_classes_and_its_best_rounds(tmp_path):
    X, y = numbers()
    names = np.array(["low", "middle", "high"])[np.digitize(y, [0, 1])]
    model = boost.XGBClassifier(n_estimators=30, early_stopping_rounds=3, n_jobs=1)
    codes = np.unique(names, return_inverse=True)[1]
    model.fit(X[:200], codes[:200], eval_set=[(X[200:], codes[200:])], verbose=False)
    path = tmp_path / "model.onnx"
    proto = boost.model_to_onnx(model, path, input_name="table")
    assert path.read_bytes() == proto.SerializeToString()
    found = run(proto, X)
    np.testing.assert_allclose(found["probabilities"], model.predict_proba(X), rtol=1e-6, atol=1e-7)
    np.testing.assert_array_equal(found["label"], model.predict(X))


def test_what_cannot_be_said_is_refused(monkeypatch):
    X, y = numbers()
    with pytest.raises(ModelError, match="not trained"):
        boost.model_to_onnx(boost.Booster())
    booster = trained(X, y)
    booster.attributes[ENCODING] = "{}"
    with pytest.raises(ModelError, match="derived from others"):
        boost.model_to_onnx(booster)
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"espalier\[onnx\]"):
        boost.model_to_onnx(booster)


def test_the_branches_of_a_root_have_different_numbers():
    """The second tree: its left branch would be leaf 2, and its right one node 2."""

    def tree(left, feature):
        left = np.array(left, np.int32)
        values = np.arange(left.size, dtype=np.float32)
        right = np.where(left < 0, -1, left + 1).astype(np.int32)
        zeros = np.zeros(left.size, np.int32)
        flags = np.ones(left.size, np.uint8)
        return Tree(left, right, zeros - 1, zeros + feature, values, flags, values, values, values)

    forest = Forest()
    forest.add(tree([1, -1, -1], 0), 0)
    forest.add(tree([1, -1, 3, -1, -1], 1), 0)
    made = tree_attributes(forest, 2, {})
    root = made["tree_roots"][1]
    assert made["nodes_trueleafs"][root] != made["nodes_falseleafs"][root]
    assert made["nodes_truenodeids"][root] != made["nodes_falsenodeids"][root]
    assert made["leaf_weights"][made["nodes_truenodeids"][root]] == 1

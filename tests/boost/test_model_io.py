"""The model file: round trips, XGBoost's reading of it and ours of XGBoost's, and damaged files."""

from __future__ import annotations

import copy
import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import boost
from boost import Booster, DMatrix
from boost.model_io import ModelError, to_dict

RNG = np.random.default_rng(0)
X = np.where(RNG.random((300, 4)) < 0.15, np.nan, RNG.normal(size=(300, 4))).astype(np.float32)
Y = np.nan_to_num(X[:, 0]) - np.nan_to_num(X[:, 1]) ** 2 + 0.1 * RNG.normal(size=300)
KINDS: dict[str, dict[str, Any]] = {
    "reg:squarederror": {},
    "binary:logistic": {"scale_pos_weight": 1.5},
    "multi:softprob": {"num_class": 3},
    "rank:pairwise": {},
}


def model_of(objective: str, rounds: int = 6) -> Booster:
    label = {"reg:squarederror": Y, "binary:logistic": Y > 0}.get(objective, np.digitize(Y, [-1, 0]))
    params = {"objective": objective, "max_depth": 4, **KINDS[objective]}
    return boost.train(params, DMatrix(X, label), rounds)


@pytest.mark.parametrize("objective", KINDS)
def test_round_trip(objective: str, tmp_path: Path) -> None:
    model = model_of(objective)
    model.attributes["note"] = 'häuser " [<'
    path = tmp_path / "model.json"
    model.save_model(path)
    loaded = Booster(model_file=path)
    assert loaded.predict(X).tobytes() == model.predict(X).tobytes()
    assert loaded.attributes == model.attributes
    again = tmp_path / "again.json"
    loaded.save_model(again)
    assert again.read_bytes() == path.read_bytes()
    assert os.listdir(tmp_path) != [] and not [f for f in os.listdir(tmp_path) if f.endswith(".tmp")]


@pytest.mark.parametrize("objective", KINDS)
def test_xgboost_reads_our_file(objective: str, tmp_path: Path) -> None:
    xgb = pytest.importorskip("xgboost")
    model = model_of(objective)
    path = tmp_path / "model.json"
    model.save_model(path)
    theirs = xgb.Booster(model_file=str(path))
    np.testing.assert_allclose(theirs.predict(xgb.DMatrix(X)), model.predict(X), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("objective", KINDS)
def test_we_read_xgboosts_file(objective: str, tmp_path: Path) -> None:
    xgb = pytest.importorskip("xgboost")
    label = {"reg:squarederror": Y, "binary:logistic": Y > 0}.get(objective, np.digitize(Y, [-1, 0]))
    data = xgb.DMatrix(X, label)
    if objective == "rank:pairwise":
        data.set_group([300])
    theirs = xgb.train({"objective": objective, "max_depth": 4, **KINDS[objective]}, data, 6)
    path = tmp_path / "model.json"
    theirs.save_model(path)
    ours = Booster(model_file=path)
    np.testing.assert_allclose(ours.predict(X), theirs.predict(data), rtol=1e-5, atol=1e-6)


def test_names_categories_and_best_round_survive(tmp_path: Path) -> None:
    words = np.array(["red", "green", "blue"])[RNG.integers(0, 3, size=300)]
    frame = pd.DataFrame({"word": words, "n": X[:, 0], "flag": pd.Categorical(RNG.random(300) < 0.5)})
    data = DMatrix(frame, Y + (words == "red"))
    model = boost.train({}, data, 30, evals=[(DMatrix(frame[:50], Y[:50]), "v")], early_stopping_rounds=2)
    path = tmp_path / "model.json"
    model.save_model(path)
    loaded = Booster(model_file=path)
    assert loaded.feature_names == ["word", "n", "flag"] and loaded.feature_types == ["c", "float", "c"]
    assert loaded.categories == {0: ["blue", "green", "red"], 2: [False, True]}
    assert (loaded.best_iteration, loaded.best_score) == (model.best_iteration, model.best_score)
    other = frame.assign(word=pd.Categorical(words, categories=["green", "red", "blue"]))
    assert loaded.predict(other).tobytes() == model.predict(frame).tobytes()


def test_pickle_and_copy() -> None:
    model = model_of("binary:logistic")
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert other.predict(X).tobytes() == model.predict(X).tobytes()


def test_hand_written_file(tmp_path: Path) -> None:
    document = to_dict(boost.train({"max_depth": 1}, DMatrix([[0.0], [1.0]], [0.0, 1.0]), 1))
    size = document["learner"]["learner_model_param"]
    assert size == {
        "base_score": "0.5",
        "boost_from_average": "1",
        "num_class": "0",
        "num_feature": "1",
        "num_target": "1",
    }
    tree = document["learner"]["gradient_booster"]["model"]["trees"][0]
    assert tree["parents"] == [2147483647, 0, 0] and tree["left_children"] == [1, -1, -1]
    # Leaf -0.3 * 0.5 / (1 + 1) on either side of one half.
    assert tree["split_conditions"] == [0.5, -0.075, 0.075] and tree["split_indices"] == [0, 0, 0]
    # Optional in XGBoost's files, so optional here; base scores come in three spellings.
    for key in (
        "split_type",
        "categories",
        "categories_nodes",
        "categories_segments",
        "categories_sizes",
        "id",
    ):
        del tree[key]
    del (
        document["version"],
        document["learner"]["feature_names"],
        size["num_target"],
        size["boost_from_average"],
    )
    path = tmp_path / "model.json"
    for text in ("5E-1", "[5E-1]", "[0.5]"):
        size["base_score"] = text
        path.write_text(json.dumps(document))
        np.testing.assert_allclose(Booster(model_file=path).predict([[0.0], [1.0]]), [0.425, 0.575])


def edit(document: dict[str, Any], where: str, value: Any) -> None:
    *path, last = [int(k) if k.isdigit() else k for k in where.split("/")]
    node: Any = document
    for key in path:
        node = node[key]
    if value is ...:
        del node[last]
    else:
        node[last] = value


MODEL = "learner/gradient_booster/model/"
TREE = MODEL + "trees/1/"


@pytest.mark.parametrize(
    ("where", "value", "match"),
    [
        ("learner", ..., "the model has no entry 'learner'"),
        ("learner/attributes", ..., "learner has no entry 'attributes'"),
        ("learner/attributes", {"a": 1}, "attributes must be strings"),
        ("learner/attributes", {"espalier_categories": "{"}, "must be a JSON object"),
        ("learner/attributes", {"espalier_categories": '{"9": []}'}, "must map feature numbers"),
        ("learner/attributes", {"best_iteration": "x"}, "must be numbers"),
        ("learner/learner_model_param/base_score", "half", "base_score must be a number"),
        ("learner/learner_model_param/base_score", "NaN", "not finite"),
        ("learner/learner_model_param/base_score", "[1,2]", "2 numbers for 1 outputs"),
        ("learner/learner_model_param/num_feature", 4, "must be of type str, got int"),
        ("learner/learner_model_param/num_feature", "9" * 30, "whole number"),
        ("learner/learner_model_param/num_feature", "1", "feature outside"),
        ("learner/learner_model_param/num_class", "3", "does not go with num_class 3"),
        ("learner/learner_model_param/num_target", "2", "several targets"),
        ("learner/objective/name", "reg:squarederor", "not supported; did you mean 'reg:squarederror'"),
        ("learner/objective/name", "__import__('os')", "is not supported"),
        ("learner/feature_names", ["a"], "1 entries for 4 features"),
        ("learner/feature_types", ["c"] * 4, "categorical features are not supported"),
        ("learner/gradient_booster/name", "gblinear", "only gbtree models are supported"),
        (MODEL + "weight_drop", [1.0], "dropout"),
        (MODEL + "gbtree_model_param/num_trees", "7", "num_trees, trees and tree_info differ"),
        (MODEL + "gbtree_model_param/num_parallel_tree", "2", "parallel trees"),
        (MODEL + "tree_info", [0, 1, 0, 0, 0, 0], "go round the 1 outputs"),
        (MODEL + "trees/1", None, "tree 1: a tree has no entry"),
        (TREE + "id", 5, "tree 1: its id is 5"),
        (TREE + "tree_param/num_nodes", "2", "entries for 2 nodes"),
        (TREE + "tree_param/size_leaf_vector", "3", "leaves of several values"),
        (TREE + "left_children/0", 0, "a child is no node"),
        (TREE + "left_children/0", 10**30, "too large"),
        (TREE + "left_children/0", 1e3, "must hold whole numbers"),
        (TREE + "left_children/0", -1, "one child only"),
        (TREE + "left_children/0", 2, "child of two"),
        (TREE + "right_children/0", 10_000, "a child is no node"),
        (TREE + "split_indices/0", 4, "feature outside"),
        (TREE + "default_left/0", 2, "must be 0 or 1"),
        (TREE + "split_conditions/0", float("nan"), "not finite"),
        (TREE + "split_conditions/0", 1e300, "not finite"),
        (TREE + "split_conditions/0", "1", "must hold numbers"),
        (TREE + "split_type/0", 1, "categorical splits"),
        (TREE + "sum_hessian", ..., "no entry 'sum_hessian'"),
    ],
)
def test_inconsistent_files(where: str, value: Any, match: str, tmp_path: Path) -> None:
    document = json.loads(json.dumps(to_dict(model_of("reg:squarederror"))))
    edit(document, where, value)
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(document))
    model = Booster()
    with pytest.raises(ModelError, match=match):
        model.load_model(path)
    assert model.num_features() == 0 and model.num_boosted_rounds() == 0


RAW = json.dumps(to_dict(model_of("binary:logistic", 2)), separators=(",", ":")).encode()


@given(st.integers(0, len(RAW) - 1))
def test_truncated_files(tmp_path_factory: pytest.TempPathFactory, size: int) -> None:
    path = tmp_path_factory.getbasetemp() / "truncated.json"
    path.write_bytes(RAW[:size])
    with pytest.raises(ModelError, match="not a JSON model"):
        Booster(model_file=path)


@given(st.integers(0, len(RAW) - 1), st.binary(min_size=1, max_size=4))
def test_damaged_files(tmp_path_factory: pytest.TempPathFactory, at: int, noise: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.json"
    path.write_bytes(RAW[:at] + noise + RAW[at + len(noise) :])
    try:
        model = Booster(model_file=path)
    except ModelError:
        return
    assert np.isfinite(model.predict(np.zeros((3, model.num_features())))).all()


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda c: st.lists(c, max_size=3) | st.dictionaries(st.text(max_size=5), c, max_size=3),
    max_leaves=5,
)


@given(st.data())
def test_junk_in_any_entry(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    document = json.loads(RAW)
    node: Any = document
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = data.draw(st.sampled_from(keys))
        child = node[key]
        if not isinstance(child, (dict, list)) or not child or data.draw(st.booleans()):
            node[key] = data.draw(JUNK)
            break
        node = child
    path = tmp_path_factory.getbasetemp() / "junk.json"
    path.write_text(json.dumps(document))
    try:
        model = Booster(model_file=path)
    except ModelError:
        return
    model.predict(np.zeros((3, model.num_features())))


def test_other_mistakes(tmp_path: Path) -> None:
    model = model_of("reg:squarederror", 1)
    with pytest.raises(ValueError, match=r"ends in '.json', got .*model.bin"):
        model.save_model(tmp_path / "model.bin")
    with pytest.raises(FileNotFoundError):
        Booster(model_file=tmp_path / "none.json")
    path = tmp_path / "deep.json"
    path.write_text("[" * 100_000)
    with pytest.raises(ModelError, match="not a JSON model"):
        Booster(model_file=path)
    path.write_bytes(pickle.dumps(model))
    with pytest.raises(ModelError, match="not a JSON model"):
        Booster(model_file=path)


def test_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, path = model_of("reg:squarederror", 1), tmp_path / "model.json"
    model.save_model(path)
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        model.save_model(path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["model.json"]

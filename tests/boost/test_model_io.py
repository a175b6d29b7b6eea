"""The model file: round trips, XGBoost's reading of it and ours of XGBoost's, and damaged files."""

from __future__ import annotations

import copy
import json
import os
import pickle
from dataclasses import fields
from functools import cache
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
from boost.model_io.dictionary import read_dictionaries, write_dictionaries
from boost.tree import Tree
from tests.boost.random_trees import FEATURES, random_forest, random_rows

RNG = np.random.default_rng(0)
ROWS = 300
X = np.where(RNG.random((ROWS, 4)) < 0.15, np.nan, RNG.normal(size=(ROWS, 4))).astype(np.float32)
Y = np.nan_to_num(X[:, 0]) - np.nan_to_num(X[:, 1]) ** 2 + 0.1 * RNG.normal(size=ROWS)
CLASS = np.digitize(Y, [-1, 0])
TWO = np.stack((Y, np.nan_to_num(X[:, 2]) - Y), axis=1)
FRAME = pd.DataFrame(
    {
        "word": pd.Categorical(RNG.choice(["x", "yy", "zzz", "w"], ROWS)),
        "number": X[:, 0],
        "shop": pd.Categorical(RNG.choice([7, 5, 10, 2, 3, 4, 11], ROWS)),
    }
)
FRAME.loc[RNG.random(ROWS) < 0.1, "word"] = np.nan
BY_CATEGORY = Y + 2.0 * (FRAME["word"] == "x") + (FRAME["shop"].astype(int) % 3 == 1)
MULTI = {"objective": "multi:softprob", "num_class": 3}
# Parameters, table and labels of models of every kind.
KINDS: dict[str, tuple[dict[str, Any], Any, Any]] = {
    "squared error": ({}, X, Y),
    "logistic": ({"objective": "binary:logistic", "scale_pos_weight": 1.5}, X, Y > 0),
    "logitraw": ({"objective": "binary:logitraw"}, X, Y > 0),
    "hinge": ({"objective": "binary:hinge"}, X, Y > 0),
    "shares": ({"objective": "reg:logistic"}, X, np.abs(np.tanh(Y))),
    "huber": ({"objective": "reg:pseudohubererror", "huber_slope": 2.0}, X, Y),
    "absolute": ({"objective": "reg:absoluteerror"}, X, Y),
    "squared log": ({"objective": "reg:squaredlogerror"}, X, np.abs(Y)),
    "quantiles": ({"objective": "reg:quantileerror", "quantile_alpha": [0.2, 0.5, 0.8]}, X, Y),
    "poisson": ({"objective": "count:poisson"}, X, np.abs(Y)),
    "gamma": ({"objective": "reg:gamma"}, X, np.abs(Y) + 0.1),
    "tweedie": ({"objective": "reg:tweedie", "tweedie_variance_power": 1.2}, X, np.abs(Y)),
    "cox": ({"objective": "survival:cox"}, X, Y + 10.0),
    "aft": ({"objective": "survival:aft", "aft_loss_distribution": "logistic"}, X, np.abs(Y) + 0.1),
    "classes": (MULTI, X, CLASS),
    "likeliest class": ({**MULTI, "objective": "multi:softmax"}, X, CLASS),
    "pairs": ({"objective": "rank:pairwise"}, X, CLASS),
    "ndcg": ({"objective": "rank:ndcg", "lambdarank_num_pair_per_sample": 5}, X, CLASS),
    "forests": ({**MULTI, "num_parallel_tree": 2, "subsample": 0.5}, X, CLASS),
    "dropout": ({"booster": "dart", "rate_drop": 0.5}, X, Y),
    "dropout of classes": ({**MULTI, "booster": "dart", "rate_drop": 0.5}, X, CLASS),
    "targets": ({}, X, TWO),
    "several labels": ({"objective": "binary:logistic"}, X, TWO > 0),
    "vectors": ({"multi_strategy": "multi_output_tree"}, X, TWO),
    "vectors of classes": ({**MULTI, "multi_strategy": "multi_output_tree"}, X, CLASS),
    "sets of categories": ({"max_cat_to_onehot": 2}, FRAME, BY_CATEGORY),
    "single categories": ({"max_cat_to_onehot": 100}, FRAME, BY_CATEGORY),
    "exact, pruned": ({"tree_method": "exact", "gamma": 3.0}, X, Y),
}


def fill(data: Any, label: Any, objective: str) -> Any:
    """Give the labels to a table, ours or XGBoost's."""
    if objective == "survival:aft":
        data.set_info(label_lower_bound=label, label_upper_bound=label)
    else:
        data.set_info(label=label, group=[ROWS] if objective.startswith("rank:") else None)
    return data


@cache
def model_of(kind: str, rounds: int = 5) -> Booster:
    params, table, label = KINDS[kind]
    data = fill(DMatrix(table), label, params.get("objective", ""))
    return boost.train({"max_depth": 4, "seed": 1, **params}, data, rounds, verbose_eval=False)


@pytest.mark.parametrize("kind", KINDS)
def test_round_trip(kind: str, tmp_path: Path) -> None:
    model = model_of(kind).copy()
    model.attributes["note"] = 'häuser " [<'
    path = tmp_path / "model.json"
    model.save_model(path)
    loaded = Booster(model_file=path)
    table = KINDS[kind][1]
    assert loaded.predict(table).tobytes() == model.predict(table).tobytes()
    assert loaded.attributes == model.attributes
    for _, _, name in model.objective.file_params:
        assert loaded.objective.params[name] == model.objective.params[name]
    for name in ("objective", "booster", "num_parallel_tree", "multi_strategy", "num_class"):
        assert loaded.params[name] == model.params[name]
    for name in ("groups", "parallel", "vector", "rounds"):
        assert getattr(loaded.forest, name) == getattr(model.forest, name)
    again = tmp_path / "again.json"
    loaded.save_model(again)
    assert again.read_bytes() == path.read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["again.json", "model.json"]


@pytest.mark.parametrize("kind", KINDS)
def test_xgboost_reads_our_file(kind: str, tmp_path: Path) -> None:
    xgb = pytest.importorskip("xgboost", minversion="3.2")
    model, table = model_of(kind), KINDS[kind][1]
    path = tmp_path / "model.json"
    model.save_model(path)
    theirs, data = xgb.Booster(model_file=str(path)), xgb.DMatrix(table, enable_categorical=True)
    np.testing.assert_allclose(
        theirs.predict(data, output_margin=True),
        model.predict(table, output_margin=True),
        rtol=2e-6,
        atol=1e-6,
    )
    if kind != "quantiles":  # ours never cross
        np.testing.assert_allclose(theirs.predict(data), model.predict(table), rtol=2e-6, atol=1e-6)
    np.testing.assert_array_equal(theirs.predict(data, pred_leaf=True), model.predict(table, pred_leaf=True))


@pytest.mark.parametrize("kind", KINDS)
def test_we_read_xgboosts_file(kind: str, tmp_path: Path) -> None:
    xgb = pytest.importorskip("xgboost", minversion="3.2")
    params, table, label = KINDS[kind]
    data = fill(xgb.DMatrix(table, enable_categorical=True), label, params.get("objective", ""))
    theirs = xgb.train({"max_depth": 4, "seed": 1, **params}, data, 5)
    path, again = tmp_path / "model.json", tmp_path / "again.json"
    theirs.save_model(path)
    ours = Booster(model_file=path)
    want = theirs.predict(data, output_margin=True)
    np.testing.assert_allclose(ours.predict(table, output_margin=True), want, rtol=2e-6, atol=1e-6)
    np.testing.assert_array_equal(ours.predict(table, pred_leaf=True), theirs.predict(data, pred_leaf=True))
    if kind != "quantiles":
        np.testing.assert_allclose(ours.predict(table), theirs.predict(data), rtol=2e-6, atol=1e-6)
    # Nothing that XGBoost predicts from is lost when we write it again.
    ours.save_model(again)
    twin = xgb.Booster(model_file=str(again))
    np.testing.assert_array_equal(twin.predict(data, output_margin=True), want)


def test_categories_in_another_order(tmp_path: Path) -> None:
    xgb = pytest.importorskip("xgboost", minversion="3.2")
    model, path = model_of("sets of categories"), tmp_path / "model.json"
    model.save_model(path)
    word = FRAME["word"].cat.reorder_categories(["zzz", "x", "w", "yy"])
    shop = FRAME["shop"].cat.reorder_categories([11, 3, 2, 7, 10, 5, 4])
    other = FRAME.assign(word=word, shop=shop)
    want = model.predict(FRAME)
    assert Booster(model_file=path).predict(other).tobytes() == want.tobytes()
    theirs = xgb.Booster(model_file=str(path)).predict(xgb.DMatrix(other, enable_categorical=True))
    np.testing.assert_allclose(theirs, want, rtol=2e-6, atol=1e-6)


@given(st.integers(0, 2**32), st.sampled_from([(1, 1, False), (2, 2, False), (2, 1, True)]))
def test_any_forest_survives(
    tmp_path_factory: pytest.TempPathFactory, seed: int, shape: tuple[int, int, bool]
) -> None:
    rng = np.random.default_rng(seed)
    model = model_of("squared error" if shape[0] == 1 else "targets").copy()
    model.forest, model.features = random_forest(rng, *shape), FEATURES
    model.forest.weights = rng.random(model.forest.trees)
    path = tmp_path_factory.getbasetemp() / "forest.json"
    model.save_model(path)
    loaded = Booster(model_file=path).forest
    assert loaded.weights.tolist() == model.forest.weights.tolist()
    x = random_rows(rng, 50)
    for t in range(loaded.trees):
        for field in fields(Tree):
            ours, theirs = getattr(model.forest[t], field.name), getattr(loaded[t], field.name)
            if not (shape[2] and field.name == "base_weight") and ours.size:
                np.testing.assert_array_equal(ours, theirs, err_msg=field.name)
                assert ours.dtype == theirs.dtype
    last = loaded.trees
    np.testing.assert_array_equal(loaded.leaf_nodes(x, 0, last), model.forest.leaf_nodes(x, 0, last))


def test_xgboost_walks_odd_codes_as_we_do(tmp_path: Path) -> None:
    xgb = pytest.importorskip("xgboost", minversion="3.2")
    rng = np.random.default_rng(5)
    model = model_of("squared error").copy()
    model.forest, model.features = random_forest(rng, rounds=30), FEATURES
    path = tmp_path / "model.json"
    model.save_model(path)
    x = random_rows(rng, 200)
    want = xgb.Booster(model_file=str(path)).predict(xgb.DMatrix(x), pred_leaf=True)
    np.testing.assert_array_equal(model.forest.leaf_nodes(x, 0, 30), want)


def test_dictionaries() -> None:
    odd = ["", "é", "\udcff", 'a"b']
    known: dict[int, list[Any]] = {0: odd, 2: [3, -1, 2**40], 3: [False, True], 4: [0.5, 2.0], 5: ["\ud800"]}
    cats, attribute = write_dictionaries(known, 7)
    assert cats is not None and attribute is not None
    assert cats["feature_segments"] == [0, 4, 4, 7, 7, 7, 7, 7]
    assert cats["sorted_idx"] == [0, 3, 1, 2, 1, 0, 2]
    assert cats["enc"][0]["offsets"] == [0, 0, 2, 3, 6] and cats["enc"][0]["values"][:2] == [-61, -87]
    assert cats["enc"][2] == {"type": 15, "values": [3, -1, 2**40]}
    assert json.loads(attribute) == {"3": [False, True], "4": [0.5, 2.0], "5": ["\ud800"]}
    assert read_dictionaries(json.loads(json.dumps(cats)), attribute, 7) == known
    assert write_dictionaries({}, 7) == (None, None) and read_dictionaries(None, None, 7) == {}
    assert write_dictionaries({0: [True]}, 1) == (None, '{"0": [true]}')
    assert read_dictionaries({"enc": [{"type": 7, "values": [0.5, 1]}]}, None, 1) == {0: [0.5, 1.0]}


@pytest.mark.parametrize(
    "entry",
    [
        None,
        {"values": [1]},
        {"type": 15, "values": [1.5]},
        {"type": 15, "values": [1, 1]},
        {"type": 99, "values": [1]},
        {"type": 8, "values": [float("nan")]},
        {"offsets": [0, 2], "values": [65]},
        {"offsets": [1, 2], "values": [65, 66]},
        {"offsets": [0, 2, 1, 2], "values": [65, 66]},
        {"offsets": [0, 1], "values": [300]},
        {"offsets": [0, 1, 2], "values": [65, 65]},
        {"offsets": "ab", "values": []},
    ],
)
def test_damaged_dictionaries(entry: Any) -> None:
    with pytest.raises(ModelError, match="cats of feature 0"):
        read_dictionaries({"enc": [entry]}, None, 1)


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
    model = model_of("logistic")
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
        ("learner/learner_model_param/num_target", "2", "must go round the 2 outputs"),
        ("learner/objective/name", "reg:squarederor", "not supported; did you mean 'reg:squarederror'"),
        ("learner/objective/name", "__import__('os')", "is not supported"),
        ("learner/feature_names", ["a"], "1 entries for 4 features"),
        ("learner/feature_types", ["c"] * 3, "3 entries for 4 features"),
        ("learner/gradient_booster/name", "gblinear", "only gbtree and dart models are supported"),
        (MODEL + "weight_drop", [1.0], "weight_drop has 1 entries for 5 trees"),
        (MODEL + "gbtree_model_param/num_trees", "7", "num_trees, trees and tree_info differ"),
        (MODEL + "gbtree_model_param/num_parallel_tree", "2", "parallel trees"),
        (MODEL + "tree_info", [0, 1, 0, 0, 0], "go round the 1 outputs"),
        (MODEL + "trees/1", None, "tree 1: a tree has no entry"),
        (TREE + "id", 5, "tree 1: its id is 5"),
        (TREE + "tree_param/num_nodes", "2", "entries for 2 nodes"),
        (TREE + "tree_param/size_leaf_vector", "3", "leaves hold 3 values, those of this model 1"),
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
        (TREE + "split_type/0", 1, "must name the splits of split_type 1"),
        (TREE + "split_type/0", 2, "split_type must be 0 or 1"),
        (TREE + "categories_nodes", [0], "must have one entry for each split"),
        (TREE + "categories", ..., "no entry 'categories'"),
        (TREE + "sum_hessian", ..., "no entry 'sum_hessian'"),
    ],
)
def test_inconsistent_files(where: str, value: Any, match: str, tmp_path: Path) -> None:
    document = json.loads(json.dumps(to_dict(model_of("squared error"))))
    edit(document, where, value)
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(document))
    model = Booster()
    with pytest.raises(ModelError, match=match):
        model.load_model(path)
    assert model.num_features() == 0 and model.num_boosted_rounds() == 0


RAW = json.dumps(to_dict(model_of("logistic", 2)), separators=(",", ":")).encode()


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
    model = model_of("squared error", 1)
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
    model, path = model_of("squared error", 1), tmp_path / "model.json"
    model.save_model(path)
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        model.save_model(path)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["model.json"]

"""Models to documents and back: round trips, XGBoost's reading of ours, ours of XGBoost's, wrong entries."""

from __future__ import annotations

import json
import os
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import boost
from boost import Booster, DMatrix
from boost.forest.tree import Tree
from boost.model.model_io import ModelError
from boost.model.model_io.dictionary import read_dictionaries, write_dictionaries
from tests.boost.model.model_io.kinds import FRAME, KINDS, RNG, X, Y, fill, model_of
from tests.boost.random_trees import FEATURES, random_forest, random_rows


@pytest.mark.parametrize("ending", ["json", "ubj"])
@pytest.mark.parametrize("kind", KINDS)
def test_round_trip(kind: str, ending: str, tmp_path: Path) -> None:
    model = model_of(kind).copy()
    model.attributes["note"] = 'häuser " [<'
    path = tmp_path / f"model.{ending}"
    model.save_model(path)
    loaded = Booster(model_file=path)
    table = KINDS[kind][1]
    assert loaded.predict(table).tobytes() == model.predict(table).tobytes()
    assert loaded.attributes == model.attributes
    for _, _, name in model.objective.file_params:
        assert loaded.objective.params[name] == model.objective.params[name]
    for name in ("objective", "booster", "num_parallel_tree", "multi_strategy", "num_class"):
        assert loaded.params[name] == model.params[name]
    for name in ("n_outputs", "parallel", "vector", "rounds"):
        assert getattr(loaded.forest, name) == getattr(model.forest, name)
    again = tmp_path / f"again.{ending}"
    loaded.save_model(again)
    assert again.read_bytes() == path.read_bytes() == bytes(loaded.save_raw(ending))
    assert sorted(os.listdir(tmp_path)) == [again.name, path.name]


@pytest.mark.parametrize("ending", ["json", "ubj"])
@pytest.mark.parametrize("kind", KINDS)
def test_xgboost_reads_our_file(kind: str, ending: str, tmp_path: Path) -> None:
    xgb = pytest.importorskip("xgboost", minversion="3.2")
    model, table = model_of(kind), KINDS[kind][1]
    path = tmp_path / f"model.{ending}"
    model.save_model(path)
    theirs, data = xgb.Booster(model_file=str(path)), xgb.DMatrix(table, enable_categorical=True)
    np.testing.assert_allclose(
        theirs.predict(data, output_margin=True),
        model.predict(table, output_margin=True),
        rtol=2e-6,
        atol=1e-6,
    )
    if kind != "quantiles":  # our quantiles never cross
        np.testing.assert_allclose(theirs.predict(data), model.predict(table), rtol=2e-6, atol=1e-6)
    np.testing.assert_array_equal(theirs.predict(data, pred_leaf=True), model.predict(table, pred_leaf=True))


@pytest.mark.parametrize("ending", ["json", "ubj"])
@pytest.mark.parametrize("kind", KINDS)
def test_we_read_xgboosts_file(kind: str, ending: str, tmp_path: Path) -> None:
    xgb = pytest.importorskip("xgboost", minversion="3.2")
    params, table, label = KINDS[kind]
    data = fill(xgb.DMatrix(table, enable_categorical=True), label, params.get("objective", ""))
    theirs = xgb.train({"max_depth": 4, "seed": 1, **params}, data, 5)
    path, again = tmp_path / f"model.{ending}", tmp_path / f"again.{ending}"
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
def test_any_forest_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, seed: int, shape: tuple[int, int, bool]
) -> None:
    rng = np.random.default_rng(seed)
    model = model_of("squared error" if shape[0] == 1 else "targets").copy()
    model.forest, model.model.n_features = random_forest(rng, *shape), FEATURES
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


def test_xgboost_assigns_odd_codes_to_the_same_leaves(tmp_path: Path) -> None:
    xgb = pytest.importorskip("xgboost", minversion="3.2")
    rng = np.random.default_rng(5)
    model = model_of("squared error").copy()
    model.forest, model.model.n_features = random_forest(rng, rounds=30), FEATURES
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
    assert cats["feature_segments"].tolist() == [0, 4, 4, 7, 7, 7, 7, 7]
    assert cats["sorted_idx"].tolist() == [0, 3, 1, 2, 1, 0, 2]
    listed = json.loads(json.dumps(cats, default=np.ndarray.tolist))
    assert listed["enc"][0]["offsets"] == [0, 0, 2, 3, 6] and listed["enc"][0]["values"][:2] == [-61, -87]
    assert listed["enc"][2] == {"type": 15, "values": [3, -1, 2**40]}
    assert json.loads(attribute) == {"3": [False, True], "4": [0.5, 2.0], "5": ["\ud800"]}
    assert read_dictionaries(cats, attribute, 7) == read_dictionaries(listed, attribute, 7) == known
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


def test_names_categories_and_best_round_are_read_back(tmp_path: Path) -> None:
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


def test_hand_written_file(tmp_path: Path) -> None:
    model = boost.train({"max_depth": 1}, DMatrix([[0.0], [1.0]], [0.0, 1.0]), 1)
    document = json.loads(model.save_raw("json"))
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
        ("learner/learner_model_param/num_class", "3", "cycle through the 3 outputs"),
        ("learner/learner_model_param/num_target", "2", "must cycle through the 2 outputs"),
        ("learner/objective/name", "reg:squarederor", "not supported; did you mean 'reg:squarederror'"),
        ("learner/objective/name", "__import__('os')", "is not supported"),
        ("learner/feature_names", ["a"], "1 entries for 4 features"),
        ("learner/feature_types", ["c"] * 3, "3 entries for 4 features"),
        ("learner/gradient_booster/name", "gblinear", r"linear models \(gblinear\) are not supported"),
        ("learner/gradient_booster/name", "gbforest", "only gbtree and dart models are supported"),
        (
            "version",
            [4, 0, 0],
            r"written in version 4.0 of XGBoost's format.* newest supported version is 3.4",
        ),
        ("version", "3.2", "version must be three whole numbers"),
        ("learner/attributes", {"espalier_bees": "1"}, "newer version: it has the attribute 'espalier_bees'"),
        (MODEL + "weight_drop", [1.0], "weight_drop has 1 entries for 5 trees"),
        (MODEL + "gbtree_model_param/num_trees", "7", "num_trees, trees and tree_info must agree, got 7"),
        (MODEL + "gbtree_model_param/num_parallel_tree", "2", "parallel trees"),
        (MODEL + "tree_info", [0, 1, 0, 0, 0], "cycle through the 1 outputs"),
        (MODEL + "iteration_indptr", [0, 2, 3, 4, 5], "give each round 1 trees"),
        (MODEL + "trees/1", None, "tree 1: a tree has no entry"),
        (TREE + "id", 5, "tree 1: its id is 5"),
        (TREE + "tree_param/num_nodes", "2", "entries for 2 nodes"),
        (TREE + "tree_param/size_leaf_vector", "3", "leaves hold 3 values, those of this model 1"),
        (TREE + "left_children/0", 0, "a child must be a node in"),
        (TREE + "left_children/0", 10**30, "too large"),
        (TREE + "left_children/0", 1e3, "must hold whole numbers"),
        (TREE + "left_children/0", -1, "node 0 has only one child"),
        (TREE + "left_children/0", 2, "node 2 has two parents"),
        (TREE + "right_children/0", 10_000, "a child must be a node in"),
        (TREE + "parents/1", 1, "parents does not agree with left_children"),
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
    document = json.loads(model_of("squared error").save_raw("json"))
    edit(document, where, value)
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(document))
    model = Booster()
    with pytest.raises(ModelError, match=match):
        model.load_model(path)
    assert model.num_features() == 0 and model.num_boosted_rounds() == 0


def test_later_minor_versions_are_read_with_a_warning(tmp_path: Path) -> None:
    model, path = model_of("squared error"), tmp_path / "later.json"
    document = json.loads(model.save_raw("json"))
    document["version"] = [3, 9, 1]
    path.write_text(json.dumps(document))
    with pytest.warns(UserWarning, match="written in version 3.9 .* it is read as version 3.4"):
        loaded = Booster(model_file=path)
    assert loaded.predict(X).tobytes() == model.predict(X).tobytes()


@pytest.mark.parametrize("kind", ["dropout", "dropout of classes"])
def test_weights_of_dropout_in_the_place_of_xgboost_3_4(kind: str, tmp_path: Path) -> None:
    model, path = model_of(kind), tmp_path / "new.json"
    document = json.loads(model.save_raw("json"))
    entry = document["learner"]["gradient_booster"]
    assert set(entry) == {"name", "gbtree", "weight_drop"} and len(set(entry["weight_drop"])) > 1
    entry["gbtree"]["model"]["weight_drop"] = entry["weight_drop"]
    document["learner"]["gradient_booster"] = entry["gbtree"]
    path.write_text(json.dumps(document))
    assert Booster(model_file=path).predict(X).tobytes() == model.predict(X).tobytes()


def test_sets_of_categories_that_would_fill_the_memory() -> None:
    document = json.loads(model_of("sets of categories").save_raw("json"))
    for tree in document["learner"]["gradient_booster"]["model"]["trees"]:
        tree["categories"] = [2**24 - 1 for _ in tree["categories"]]
    document["learner"]["gradient_booster"]["model"]["trees"] *= 100
    model = document["learner"]["gradient_booster"]["model"]
    for t, tree in enumerate(model["trees"]):
        model["trees"][t] = {**tree, "id": t}
    model["gbtree_model_param"]["num_trees"] = str(len(model["trees"]))
    model["tree_info"] = [0] * len(model["trees"])
    del model["iteration_indptr"]
    with pytest.raises(ModelError, match="sets of categories take .* bytes"):
        Booster(model_file=json.dumps(document).encode())

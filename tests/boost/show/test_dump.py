"""Trees as text, JSON, DOT and a table: golden text, and XGBoost's dumps of the same model."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import boost
from boost import Booster
from boost.forest.forest import Forest
from boost.forest.tree import Tree
from tests.boost.random_trees import FEATURES, random_forest, random_tree
from tests.boost.small_models import KINDS, X, Y, model_of

PLAIN = [kind for kind in KINDS if kind != "vectors"]


def hand_made() -> Booster:
    """Feature "a" < 1.5: 10; else "b" is category 2 or 33: 20; else 30. Missing goes left, then right."""
    tree = Tree(
        left=np.array([1, -1, 3, -1, -1], np.int32),
        right=np.array([2, -1, 4, -1, -1], np.int32),
        parent=np.array([-1, 0, 0, 2, 2], np.int32),
        feature=np.array([0, 0, 1, 0, 0], np.int32),
        condition=np.array([1.5, 10, 0, 30, 20], np.float32),
        default_left=np.array([1, 0, 0, 0, 0], np.uint8),
        base_weight=np.zeros(5, np.float32),
        gain=np.array([7.25, 0, 1 / 3, 0, 0], np.float32),
        hessian=np.array([8, 2, 6, 1e-7, 6], np.float32),
        categories=np.array([2, 33], np.int32),
        category_starts=np.array([0, 0, 0, 2, 2, 2]),
    )
    booster = Booster()
    booster.forest, booster.model.n_features = Forest(), 2
    booster.forest.add(tree, 0)
    booster.feature_names, booster.feature_types = ["a", "b"], ["float", "c"]
    return booster


def test_text() -> None:
    assert hand_made().get_dump() == [
        "0:[a<1.5] yes=1,no=2,missing=1\n\t1:leaf=10\n"
        "\t2:[b:{2,33}] yes=4,no=3,missing=4\n\t\t3:leaf=30\n\t\t4:leaf=20\n"
    ]
    with_stats = hand_made().get_dump(with_stats=True)[0].splitlines()
    assert with_stats == [
        "0:[a<1.5] yes=1,no=2,missing=1,gain=7.25,cover=8",
        "\t1:leaf=10,cover=2",
        "\t2:[b:{2,33}] yes=4,no=3,missing=4,gain=0.333333343,cover=6",
        "\t\t3:leaf=30,cover=1.00000001e-07",
        "\t\t4:leaf=20,cover=6",
    ]


def test_json_has_the_same_content() -> None:
    tree = json.loads(hand_made().get_dump(dump_format="json", with_stats=True)[0])
    assert tree["split"] == "a" and tree["split_condition"] == 1.5 and tree["missing"] == tree["yes"] == 1
    below = tree["children"][1]
    assert below["split_condition"] == [2, 33] and below["yes"] == 4 and below["gain"] == 0.333333343
    assert [leaf["leaf"] for leaf in below["children"]] == [30, 20]


def with_types(types: list[str], seed: int = 0) -> Booster:
    """Random trees with numerical splits and, where a feature has the type "c", categorical ones."""
    rng = np.random.default_rng(seed)
    booster = Booster()
    booster.forest, booster.model.n_features, booster.feature_types = (
        random_forest(rng, rounds=6),
        FEATURES,
        types,
    )
    if "c" not in types:
        kept = Forest()
        for t in range(booster.forest.trees):
            if not booster.forest[t].categories.size:
                kept.add(booster.forest[t], 0)
        booster.forest = kept
    booster.feature_names = ["a", "b b", "c'", "d-é", "e"]
    return booster


TYPES = [["q"] * FEATURES, ["int", "i", "float", "int", "q"]]


@pytest.mark.parametrize("form", ["text", "json", "dot"])
@pytest.mark.parametrize("with_stats", [False, True])
def test_equal_to_the_dumps_of_xgboost(form: str, with_stats: bool, tmp_path: Path) -> None:
    xgb = pytest.importorskip("xgboost", minversion="3.2")
    for kind in PLAIN:
        if form == "dot" and not with_stats and "categories" in kind:
            continue  # XGBoost prints the statistics of categorical splits even without with_stats
        model_of(kind).save_model(tmp_path / "model.json")
        theirs = xgb.Booster(model_file=str(tmp_path / "model.json"))
        got = model_of(kind).get_dump(dump_format=form, with_stats=with_stats)
        want = theirs.get_dump(dump_format=form, with_stats=with_stats)
        assert [t.replace('\\"', '"') for t in got] == [t.replace('\\"', '"') for t in want]
    for types in TYPES:
        ours = with_types(types)
        ours.save_model(tmp_path / "model.json")
        theirs = xgb.Booster(model_file=str(tmp_path / "model.json"))
        theirs.feature_names = ours.feature_names  # its reader does not know every way to write a letter
        assert ours.get_dump("", with_stats, form) == theirs.get_dump("", with_stats, form)


def test_leaves_that_are_vectors(tmp_path: Path) -> None:
    xgb = pytest.importorskip("xgboost", minversion="3.2")
    model = model_of("vectors")
    model.save_model(tmp_path / "model.json")
    theirs = xgb.Booster(model_file=str(tmp_path / "model.json"))
    for form in ("text", "json", "dot"):
        assert model.get_dump(dump_format=form) == theirs.get_dump(dump_format=form)
    assert ",cover=" in model.get_dump(with_stats=True)[0]
    frame = model.trees_to_dataframe()
    leaf = frame[frame["Feature"] == "Leaf"].iloc[0]
    assert leaf["Gain"] == model.forest[leaf["Tree"]].vectors[leaf["Node"]].tolist()


def test_the_table_of_the_hand_made_tree() -> None:
    booster = hand_made()
    booster.categories = {1: [f"town {i}" for i in range(40)]}
    frame = booster.trees_to_dataframe()
    assert list(frame) == [
        *("Tree", "Node", "ID", "Feature", "Split", "Yes", "No", "Missing", "Gain", "Cover", "Category")
    ]
    assert frame["Feature"].tolist() == ["a", "Leaf", "b", "Leaf", "Leaf"]
    assert frame["Yes"].fillna("").tolist() == ["0-1", "", "0-4", "", ""]
    assert frame["Missing"].fillna("").tolist() == ["0-1", "", "0-4", "", ""]
    assert frame["Category"][2] == ["town 2", "town 33"] and frame["Category"][0] is None
    np.testing.assert_allclose(frame["Gain"], [7.25, 10, 1 / 3, 30, 20], rtol=1e-7)
    np.testing.assert_allclose(frame["Split"], [1.5, np.nan, np.nan, np.nan, np.nan])


@pytest.mark.parametrize("kind", [k for k in PLAIN if "categories" not in k])
def test_the_table_of_xgboost(kind: str, tmp_path: Path) -> None:
    xgb = pytest.importorskip("xgboost", minversion="3.2")
    model_of(kind).save_model(tmp_path / "model.json")
    want = xgb.Booster(model_file=str(tmp_path / "model.json")).trees_to_dataframe()
    pd.testing.assert_frame_equal(model_of(kind).trees_to_dataframe(), want, rtol=1e-7, check_dtype=False)


def test_histogram_of_split_values(tmp_path: Path) -> None:
    model = model_of("squared error")
    values = [float(part.split("]")[0]) for tree in model.get_dump() for part in tree.split("[f0<")[1:]]
    frame = model.get_split_value_histogram("f0", bins=5)
    assert list(frame) == ["SplitValue", "Count"] and frame["Count"].sum() == len(values)
    assert frame["SplitValue"].iloc[-1] == pytest.approx(max(values))
    xgb = pytest.importorskip("xgboost", minversion="3.2")
    model.save_model(tmp_path / "model.json")
    theirs = xgb.Booster(model_file=str(tmp_path / "model.json"))
    for bins in (None, 1, 5, 1000):
        want = theirs.get_split_value_histogram("f0", bins=bins, as_pandas=False)
        got = model.get_split_value_histogram("f0", bins=bins, as_pandas=False)
        np.testing.assert_allclose(got, want, rtol=1e-6)


def test_features_without_a_histogram() -> None:
    with pytest.raises(ValueError, match="no feature 'f7'"):
        model_of("squared error").get_split_value_histogram("f7")
    with pytest.raises(ValueError, match="bins must be an integer of at least 1, got 0"):
        model_of("squared error").get_split_value_histogram("f0", bins=0)
    with pytest.raises(ValueError, match="sets of categories, which have no histogram"):
        model_of("categories").get_split_value_histogram("shop & bar")


def test_files_of_dumps(tmp_path: Path) -> None:
    model = model_of("squared error")
    model.dump_model(tmp_path / "trees.txt", with_stats=True)
    text = (tmp_path / "trees.txt").read_text(encoding="utf-8")
    assert text.startswith("booster[0]:\n0:[f") and text.count("booster[") == model.forest.trees
    model.dump_model(tmp_path / "trees.json", dump_format="json")
    assert len(json.loads((tmp_path / "trees.json").read_text(encoding="utf-8"))) == model.forest.trees
    buffer = io.StringIO()
    model.dump_model(buffer, with_stats=True)
    assert buffer.getvalue() == text
    assert sorted(os.listdir(tmp_path)) == ["trees.json", "trees.txt"]


def test_feature_maps(tmp_path: Path) -> None:
    path = tmp_path / "map.txt"
    path.write_text("0\tlength\tq\n1 width int\n2 there i\n\n3 d float\n4 e q\n", encoding="utf-8")
    model = model_of("squared error")
    named = "".join(model.get_dump(path))
    assert "[length<" in named and "[f0<" not in named
    assert set(model.get_score(fmap=path)) <= {"length", "width", "there", "d", "e"}
    path.write_text("0 length q\n1 width\n", encoding="utf-8")
    with pytest.raises(ValueError, match="line 2 of the feature map must be a number, a name and one of"):
        model.get_dump(path)
    path.write_text("0 length q\n", encoding="utf-8")
    with pytest.raises(ValueError, match="no line for feature 1"):
        model.get_dump(path)


def test_unknown_formats() -> None:
    with pytest.raises(ValueError, match="dump_format must be one of .* got 'jason'; did you mean 'json'"):
        model_of("squared error").get_dump(dump_format="jason")


def test_deep_trees() -> None:
    # Deeper than Python's stack.
    rng = np.random.default_rng(0)
    booster = Booster()
    booster.model.n_features = FEATURES
    booster.forest.add(random_tree(rng, 3000, chain=True), 0)
    for form in ("text", "json", "dot"):
        assert booster.get_dump(dump_format=form)[0].count("leaf") == 3001
    assert len(booster.trees_to_dataframe()) == 6001


def test_importance_by_hand() -> None:
    booster = hand_made()
    assert booster.get_score() == booster.get_fscore() == {"a": 1, "b": 1}
    assert booster.get_score("total_gain") == {"a": 7.25, "b": pytest.approx(1 / 3)}
    assert booster.get_score("cover") == {"a": 8, "b": 6}


@pytest.mark.parametrize("kind", PLAIN)
def test_importance_of_xgboost(kind: str, tmp_path: Path) -> None:
    xgb = pytest.importorskip("xgboost", minversion="3.2")
    model_of(kind).save_model(tmp_path / "model.json")
    theirs = xgb.Booster(model_file=str(tmp_path / "model.json"))
    for importance in ("weight", "gain", "cover", "total_gain", "total_cover"):
        want = theirs.get_score(importance_type=importance)
        assert model_of(kind).get_score(importance) == pytest.approx(want, rel=1e-5)


def test_types_of_a_table_are_those_of_the_text() -> None:
    whole = np.nan_to_num(X).round().astype(np.float32)
    table = boost.DMatrix(whole, Y, feature_types=["int"] * 5)
    text = boost.train({"max_depth": 3}, table, 2).get_dump()[0]
    assert "<" in text and not any("." in part.split("]")[0] for part in text.split("<")[1:])

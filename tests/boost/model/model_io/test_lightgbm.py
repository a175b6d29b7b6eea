"""LightGBM's text: a traversal in Python, LightGBM's predictions, and damaged texts."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boost import Booster
from boost.model.model_io import ModelError
from boost.model.model_io.lightgbm import TINY, conditions
from tests.boost.model.model_io.lightgbm_text import (
    FEATURES,
    TextTree,
    model_text,
    random_rows,
    random_text_tree,
)

ROWS = 400


@given(
    st.floats(width=32, allow_nan=False, allow_infinity=False), st.floats(allow_nan=False), st.integers(-2, 2)
)
def test_conditions_are_equivalent_to_thresholds(x: float, threshold: float, steps: int) -> None:
    single = np.float32(x)
    near = np.nextafter(float(single), np.inf * (steps or 1)) if steps else float(single)
    for t in (threshold, near):
        condition = conditions(np.array([t]))[0]
        seen = 0.0 if abs(single) <= TINY else float(single)  # LightGBM takes tiny numbers for zero
        assert (single < condition) == (seen <= t)


def test_conditions_by_hand() -> None:
    given = np.array([1.0, 0.0, -0.0, -1e-38, 1e300, np.inf, -1e300, 0.1])
    largest = np.finfo(np.float32).max
    above_zero = np.nextafter(np.float32(1e-35), np.float32(1))
    want = [1 + 2**-23, above_zero, above_zero, -np.float32(1e-35), np.inf, np.inf, -largest, np.float32(0.1)]
    np.testing.assert_array_equal(conditions(given), np.array(want, dtype=np.float32))


def test_three_kinds_of_missing_values() -> None:
    # x <= -1 on the left, -1 below zero; missing values go left unless they are taken for zero.
    rows = np.array([[-2], [-1], [0], [2], [np.nan]], dtype=np.float32)
    want = {"None": [1, 1, 2, 2, 2], "NaN": [1, 1, 2, 2, 1], "Zero": [1, 1, 1, 2, 1]}
    for missing, values in want.items():
        tree = TextTree([-1], [-2], [0], [-1.0], [missing], [True], [None], [1.0, 2.0])
        model = Booster(model_file=model_text([tree]))
        x = np.hstack((rows, np.zeros((5, FEATURES - 1), dtype=np.float32)))
        assert model.predict(x).tolist() == values
        assert model.forest[0].size == (7 if missing == "Zero" else 3)
        assert model.forest[0].hessian[0] == 4.0  # the sum of two leaves, also when subtrees are copied


def test_listed_categories_go_left() -> None:
    tree = TextTree([-1], [-2], [3], [0.0], ["NaN"], [False], [{1, 33}], [1.0, 2.0])
    model = Booster(model_file=model_text([tree]))
    x = np.zeros((6, FEATURES), dtype=np.float32)
    x[:, 3] = [1, 33, 0, 500, -1, np.nan]
    assert model.predict(x).tolist() == [1, 1, 2, 2, 2, 2]
    assert model.feature_types == ["float", "float", "float", "c"] and model.feature_names is None


@given(st.integers(0, 2**32), st.sampled_from([None, None, "Zero"]))
def test_random_trees_against_a_traversal(seed: int, missing: str | None) -> None:
    rng = np.random.default_rng(seed)
    trees = [random_text_tree(rng, int(rng.choice([0, 1, 2, 5, 12])), missing) for _ in range(3)]
    rows = random_rows(rng, 40)
    model = Booster(model_file=model_text(trees))
    want = [sum(np.float32(tree.leaf_value(row)) for tree in trees) for row in rows]
    np.testing.assert_allclose(model.predict(rows), want, rtol=1e-6, atol=1e-6)
    for raw_format in ("json", "ubj"):
        again = Booster(model_file=model.save_raw(raw_format))
        assert again.predict(rows).tobytes() == model.predict(rows).tobytes()


def tables() -> tuple[np.ndarray, pd.DataFrame, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, 4))
    x[rng.random(x.shape) < 0.2] = 0
    x[rng.random(x.shape) < 0.2] = np.nan
    x = x.astype(np.float32)
    frame = pd.DataFrame(x, columns=list("abcd"))
    frame["word"] = pd.Categorical(rng.choice(["x", "yy", "zzz", None], ROWS))
    frame["shop"] = pd.Categorical(rng.choice([7, 5, 10, 2, 100], ROWS))
    y = np.nan_to_num(x[:, 0]) - np.nan_to_num(x[:, 1]) ** 2
    by_category = y + 2.0 * (frame["word"] == "x") + (frame["shop"].astype(int) > 6)
    return x, frame, y, by_category.to_numpy()


X, FRAME, Y, BY_CATEGORY = tables()
CLASS = np.digitize(Y, [-1, 0])
KINDS: dict[str, tuple[dict[str, Any], Any, Any]] = {
    "regression": ({}, X, Y),
    "zero is missing": ({"zero_as_missing": True}, X, Y),
    "nothing is missing": ({"use_missing": False}, X, Y),
    "sets of categories": ({}, FRAME, BY_CATEGORY),
    "single categories": ({"max_cat_to_onehot": 100}, FRAME, BY_CATEGORY),
    "categories, zero is missing": ({"zero_as_missing": True}, FRAME, BY_CATEGORY),
    "binary": ({"objective": "binary", "sigmoid": 2.0}, X, Y > 0),
    "classes": ({"objective": "multiclass", "num_class": 3}, X, CLASS),
    "one against all": ({"objective": "multiclassova", "num_class": 3, "sigmoid": 0.7}, X, CLASS),
    "forest": ({"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}, X, Y),
    "dropout": ({"boosting": "dart", "drop_rate": 0.5}, X, Y),
    "goss": ({"data_sample_strategy": "goss"}, X, Y),
    "constant": ({"min_data_in_leaf": ROWS}, X, Y + 3),
    "absolute": ({"objective": "l1"}, X, Y),
    "huber": ({"objective": "huber"}, X, Y),
    "fair": ({"objective": "fair"}, X, Y),
    "mape": ({"objective": "mape"}, X, Y),
    "quantile": ({"objective": "quantile", "alpha": 0.7}, X, Y),
    "poisson": ({"objective": "poisson"}, X, np.abs(Y)),
    "gamma": ({"objective": "gamma"}, X, np.abs(Y) + 0.1),
    "tweedie": ({"objective": "tweedie"}, X, np.abs(Y)),
    "cross entropy": ({"objective": "cross_entropy"}, X, 1 / (1 + np.exp(-Y))),
    "lambdarank": ({"objective": "lambdarank"}, X, CLASS),
    "xendcg": ({"objective": "rank_xendcg"}, X, CLASS),
}


@pytest.mark.parametrize("kind", KINDS)
def test_predicts_what_lightgbm_predicts(kind: str, tmp_path: Path) -> None:
    lgb = pytest.importorskip("lightgbm", minversion="4")
    params, table, label = KINDS[kind]
    fixed = {"verbose": -1, "num_threads": 1, "min_data_in_leaf": 3, "min_data_per_group": 5, "seed": 1}
    group = [ROWS] if "rank" in params.get("objective", "") else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = lgb.train({**fixed, **params}, lgb.Dataset(table, label, group=group), 10)
    path = tmp_path / "model.txt"
    theirs.save_model(path)
    ours = Booster(model_file=path)
    rows = np.vstack((X, random_rows(np.random.default_rng(1), 200))) if table is X else table
    want = theirs.predict(rows)
    np.testing.assert_allclose(ours.predict(rows), want, rtol=1e-6, atol=1e-6)
    assert ours.attributes["lightgbm_objective"].split()[0] == theirs.dump_model()["objective"].split()[0]
    if table is FRAME:
        other = FRAME.assign(word=FRAME["word"].cat.reorder_categories(["zzz", "x", "yy"]))
        assert ours.predict(other).tobytes() == ours.predict(FRAME).tobytes()
        assert ours.categories == {4: ["x", "yy", "zzz"], 5: [2, 5, 7, 10, 100]}
    xgb = pytest.importorskip("xgboost", minversion="3.2")
    twin = xgb.Booster(model_file=ours.save_raw())
    read = twin.predict(xgb.DMatrix(rows, enable_categorical=True))
    np.testing.assert_allclose(read, want, rtol=1e-5, atol=1e-5)


STUMP = TextTree(
    [1, -1], [-2, -3], [0, 3], [0.5, 0.0], ["NaN", "NaN"], [True, False], [None, {1}], [1.0, 2.0, 3.0]
)


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("version=v4", "version=v9", "version 'v9' of LightGBM's text is not supported"),
        ("version=v4\n", "", "the header has no line 'version'"),
        ("objective=regression", "objective=regression sqrt", "'regression sqrt' is not supported"),
        ("objective=regression", "objective=regresion", "is not supported; did you mean 'regression'"),
        ("objective=regression", "objective=binary", "options of LightGBM's objective 'binary' are damaged"),
        ("objective=regression", "objective=binary sigmoid:-1", "sigmoid must be a number above 0"),
        ("objective=regression", "objective=multiclass num_class:3", "does not fit num_tree_per_iteration=1"),
        ("max_feature_idx=3", "max_feature_idx=5", "4 feature_names and 4 feature_infos for 6 features"),
        ("max_feature_idx=3", "max_feature_idx=-1", "max_feature_idx must be a whole number"),
        (
            "num_tree_per_iteration=1",
            "num_tree_per_iteration=2",
            "the number of trees, 1, is not a multiple of the 2 outputs",
        ),
        ("label_index=0", "tree_sizes=1 2", "tree_sizes has 2 entries for 1 trees"),
        ("label_index=0", "version=v4", "the header has two lines 'version'"),
        ("end of trees", "", "ends before the line 'end of trees'"),
        ("Tree=0", "Tree=7", "tree 0: its number is '7'"),
        ("is_linear=0", "is_linear=1", "tree 0: linear models in the leaves are not supported"),
        ("num_leaves=3", "num_leaves=4", "leaf_value has 3 entries, not 4"),
        ("num_leaves=3", "num_leaves=2147483646", "leaf_value has 3 entries"),
        ("left_child=1 -1", "left_child=0 -1", "a child is not a node numbered after its parent"),
        ("left_child=1 -1", "left_child=1 1", "a child is not a node numbered after its parent"),
        ("left_child=1 -1", "left_child=1 -2", "a node has two parents"),
        ("left_child=1 -1", "left_child=1 -9", "a child is not a node numbered after its parent"),
        ("split_feature=0 3", "split_feature=0 4", "feature outside"),
        ("split_feature=0 3", "split_feature=0 x", "split_feature must hold whole numbers"),
        ("split_feature=0 3", "split_feature=0 99999999999999999999", "must hold whole numbers"),
        ("leaf_value=1.0", "leaf_value=nan", "leaf_value holds a number that is not finite"),
        ("leaf_value=1.0", "leaf_value=1e300", "a number that is too large for float32"),
        ("threshold=0.5", "threshold=nan", "threshold holds a number that is not finite"),
        ("threshold=0.5 0", "threshold=0.5 3", "names the set of categories 3"),
        ("threshold=0.5 0", "threshold=0.5 inf", "names the set of categories inf"),
        ("threshold=0.5 0", "threshold=0.5 0.5", "names the set of categories 0.5"),
        ("objective=regression", "objective=binary sigmoid:1e300", "a number that is too large for float32"),
        ("decision_type=10 9", "decision_type=14 9", "decision_type must be in"),
        ("cat_boundaries=0 1", "cat_boundaries=0 2", "cat_boundaries must increase from 0"),
        ("cat_threshold=2", "cat_threshold=-2", "cat_threshold must hold words of 32 bits"),
        ("pandas_categorical:null", 'pandas_categorical:[["a"], ["b"]]', "does not identify its columns"),
        ("pandas_categorical:null", 'pandas_categorical:[["a", "a"]]', "list of different values"),
        ("pandas_categorical:null", "pandas_categorical:[[", "pandas_categorical is damaged"),
    ],
)
def test_wrong_texts(old: str, new: str, match: str) -> None:
    text = model_text([STUMP]).decode()
    assert text.count(old) == 1
    assert Booster(model_file=text.encode()).num_boosted_rounds() == 1
    model = Booster()
    with pytest.raises(ModelError, match=match):
        model.load_model(text.replace(old, new).encode())
    assert model.num_features() == 0 and model.num_boosted_rounds() == 0


def test_too_many_copies_are_refused() -> None:
    splits = features = 40
    # Each split is by another feature, and sends zero to another child than the numbers on both sides of it.
    left = [n + 1 for n in range(splits - 1)] + [-1]
    right = [~(n + 1) for n in range(splits)]
    tree = TextTree(
        left,
        right,
        list(range(splits)),
        [1.0] * splits,
        ["Zero"] * splits,
        [False] * splits,
        [None] * splits,
        [1.0] * (splits + 1),
    )
    names = " ".join(f"f{f}" for f in range(features))
    header = {
        "max_feature_idx": "39",
        "feature_names": names,
        "feature_infos": " ".join(["[0:1]"] * features),
    }
    with pytest.raises(
        ModelError, match="tree 0: zero is treated as missing in so many splits .* without zero_as_missing"
    ):
        Booster(model_file=model_text([tree], **header))


def test_names_and_averages() -> None:
    trees = [TextTree([], [], [], [], [], [], [], [value]) for value in (1.0, 4.0)]
    model = Booster(model_file=model_text(trees, feature_names="a b c d", average_output=""))
    assert model.feature_names == ["a", "b", "c", "d"]
    assert model.predict(np.zeros((1, FEATURES))).tolist() == [2.5]

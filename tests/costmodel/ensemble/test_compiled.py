"""Compiled ensembles against the predictions of their boosters, bit for bit."""

import numpy as np
import pandas as pd
import pytest
import scipy.sparse

import boost
from boost.encoding.encoding import Encoding, Options
from boost.errors import DataError, ModelError
from boost.forest.forest import Forest
from compiler import build
from compiler.backend import Target, pipeline
from compiler.ir.expr import const
from compiler.passes import run
from compiler.runtime.artifact import ModuleFileError
from costmodel.ensemble import CompiledEnsemble, compile_ensemble, is_compiled_ensemble
from costmodel.ensemble.layout import make_layout
from costmodel.ensemble.scorers import by_blocks, by_rows, by_trees, programs
from costmodel.ensemble.tables import Packed, pack_nodes

TARGETS = ("llvm", "llvm -mcpu=x86-64-v3")
# Around the sizes of vectors and blocks.
COUNTS = (1, 2, 15, 255, 257, 700)


def numbers(rows=700, features=5, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, features)).astype(np.float32).round(1)
    X[rng.random(X.shape) < 0.15] = np.nan
    return X, np.nan_to_num(X[:, 0]) + (np.nan_to_num(X[:, 1]) > 0) * 2 + rng.normal(size=rows) / 4


def trained(X, y, rounds=20, columns=None, **params):
    return boost.train(
        {"nthread": 1, **params}, boost.DMatrix(X, y, **(columns or {})), rounds, verbose_eval=False
    )


def check(booster, X, target="llvm"):
    """All three programs, and what is chosen of them, on several numbers of rows."""
    compiled = compile_ensemble(booster, target)
    model = booster.model
    layout = make_layout(model.forest, model.n_features)
    for rows in COUNTS:
        expected = booster.inplace_predict(X[:rows], predict_type="margin")
        np.testing.assert_array_equal(compiled.predict(X[:rows], output_margin=True), expected)
        np.testing.assert_array_equal(compiled.predict(X[:rows]), booster.predict(boost.DMatrix(X[:rows])))
    return compiled, layout


def run_program(program, model, X, target="llvm"):
    module = build(run(program.function, pipeline("llvm")), target=target)
    margin = np.tile(model.start_margin(), (len(X), 1))
    module(X, *program.arrays, margin)
    return margin


@pytest.mark.parametrize("target", TARGETS)
def test_every_way_gives_the_margins_of_the_booster(target):
    X, y = numbers()
    booster = trained(X, y, max_depth=5)
    model, chosen = booster.model, Target.parse(target)
    layout = make_layout(model.forest, 5)
    packed = pack_nodes(layout)
    expected = booster.inplace_predict(X, predict_type="margin", strict_shape=True)
    for program in (
        by_blocks(layout, chosen),
        by_rows(layout, chosen, packed),
        by_trees(layout, chosen, packed),
    ):
        np.testing.assert_array_equal(run_program(program, model, X, target), expected)


OBJECTIVES = {
    "squared": ({"objective": "reg:squarederror"}, lambda y: y),
    "logistic": ({"objective": "binary:logistic"}, lambda y: y > 0),
    "poisson": ({"objective": "count:poisson"}, lambda y: np.abs(y).round()),
    "softprob": ({"objective": "multi:softprob", "num_class": 3}, lambda y: np.digitize(y, [0, 1])),
    "softmax": ({"objective": "multi:softmax", "num_class": 3}, lambda y: np.digitize(y, [0, 1])),
    "quantiles": ({"objective": "reg:quantileerror", "quantile_alpha": [0.1, 0.5, 0.9]}, lambda y: y),
    "vectors": (
        {"objective": "reg:squarederror", "multi_strategy": "multi_output_tree"},
        lambda y: np.column_stack((y, -y, y * y)),
    ),
    "forest": ({"num_parallel_tree": 3, "subsample": 0.5}, lambda y: y),
    "dart": ({"booster": "dart", "rate_drop": 0.5}, lambda y: y),
    "stumps": ({"max_depth": 1}, lambda y: y),
    "leafwise": ({"grow_policy": "lossguide", "max_leaves": 40, "max_depth": 0}, lambda y: y),
    "empty": ({"gamma": 1e9}, lambda y: y),
}


@pytest.mark.parametrize("name", OBJECTIVES)
def test_objectives_and_shapes(name):
    params, label = OBJECTIVES[name]
    X, y = numbers()
    booster = trained(X, np.asarray(label(y), np.float32), 8, **params)
    check(booster, X)


def test_many_thresholds_make_codes_of_two_bytes():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(700, 1)).astype(np.float32)
    booster = trained(X, rng.normal(size=700), 12, max_depth=9, tree_method="exact", min_child_weight=0)
    _, layout = check(booster, X)
    assert layout.code == "uint16"


def test_deep_trees_are_walked():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(3000, 4)).astype(np.float32)
    booster = trained(X, rng.normal(size=3000), 2, max_depth=14, min_child_weight=0)
    _, layout = check(booster, X)
    assert layout.leaves > 255
    for target, name in (
        ("llvm -mcpu=x86-64-v3", "score_walking"),
        ("llvm -mcpu=x86-64-v4", "score_walking"),
    ):
        assert programs(layout, Target.parse(target))[1].function.name == name


@pytest.mark.parametrize("one_hot", [1, 100])
def test_categories(one_hot):
    rng = np.random.default_rng(2)
    frame = pd.DataFrame(
        {
            "city": pd.Categorical.from_codes(rng.integers(0, 70, 700), [f"c{k}" for k in range(70)]),
            "size": rng.normal(size=700).astype(np.float32),
        }
    )
    frame.loc[::7, "city"] = np.nan
    y = (frame["city"].cat.codes % 5).to_numpy() + rng.normal(size=700) / 9
    booster = boost.train(
        {"max_depth": 4, "max_cat_to_onehot": one_hot, "nthread": 1},
        boost.DMatrix(frame, y, enable_categorical=True),
        15,
        verbose_eval=False,
    )
    compiled = compile_ensemble(booster)
    for rows in COUNTS:
        np.testing.assert_array_equal(compiled.predict(frame[:rows]), booster.predict(frame[:rows]))
    # codes that are no category, and fractions
    codes = np.array([[-1, 0], [1e9, 0], [3.7, 0], [69, np.nan], [np.nan, 0]] * 60, np.float32)
    np.testing.assert_array_equal(compiled.predict(codes), booster.inplace_predict(codes))
    np.testing.assert_array_equal(compiled.predict(codes[:5]), booster.inplace_predict(codes[:5]))


def test_derived_columns(tmp_path):
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(
        {"city": rng.choice([f"c{k}" for k in range(30)], 300), "size": rng.normal(size=300)}
    )
    frame["city"] = frame["city"].astype("category")
    y = frame["city"].cat.codes + frame["size"].to_numpy()
    encoding, encoded = Encoding.fit(frame, y, options=Options(statistics=(("city",),)))
    booster = boost.train({"nthread": 1}, boost.DMatrix(encoded, y), 5, verbose_eval=False)
    booster.model.encoding = encoding
    expected = booster.inplace_predict(frame)
    compile_ensemble(booster).save(tmp_path / "model.module")
    compiled = CompiledEnsemble.load(tmp_path / "model.module")
    np.testing.assert_array_equal(compiled.predict(frame), expected)
    np.testing.assert_array_equal(compiled.booster.inplace_predict(frame), expected)


def test_tables_of_other_kinds():
    X, y = numbers()
    booster = trained(X, y)
    compiled = compile_ensemble(booster)
    expected = booster.predict(boost.DMatrix(X))
    np.testing.assert_array_equal(compiled.predict(X.astype(np.float64)), expected)
    np.testing.assert_array_equal(compiled.predict(np.asfortranarray(X)), expected)
    np.testing.assert_array_equal(compiled.predict(boost.DMatrix(X)), expected)
    sparse = scipy.sparse.csr_matrix(np.where(np.isnan(X), 0, X))
    np.testing.assert_array_equal(compiled.predict(sparse), booster.predict(boost.DMatrix(sparse)))
    moved = boost.DMatrix(X, base_margin=y)
    np.testing.assert_array_equal(compiled.predict(moved), booster.predict(moved))


@pytest.mark.parametrize("rows", [1, 3, 600])
def test_an_infinite_value_is_refused(rows):
    X, y = numbers()
    compiled = compile_ensemble(trained(X, y))
    bad = X[:rows].copy()
    bad[rows - 1, 0] = np.inf
    with pytest.raises(DataError, match="inf"):
        compiled.predict(bad)


def test_what_is_not_there_is_refused():
    X, y = numbers()
    compiled = compile_ensemble(trained(X, y))
    with pytest.raises(ModelError, match="no iteration_range"):
        compiled.booster.predict(X, iteration_range=(0, 3))
    with pytest.raises(ModelError, match="take the model"):
        compiled.booster.predict(X, pred_contribs=True)
    with pytest.raises(ModelError, match="take the model"):
        compiled.booster.predict_uncertainty(X)
    with pytest.raises(ValueError, match="features"):
        compiled.predict(X[:, :2])
    with pytest.raises(ModelError, match="not trained"):
        compile_ensemble(boost.Booster())
    with pytest.raises(ValueError, match="for a CPU"):
        compile_ensemble(trained(X, y), "cuda")


def test_a_saved_ensemble_predicts_the_same(tmp_path):
    X, y = numbers()
    booster = trained(X, (y > 0).astype(int), objective="binary:logistic")
    booster.attributes["note"] = "kept"
    path = tmp_path / "model.module"
    compile_ensemble(booster).save(path)
    assert is_compiled_ensemble(path)
    loaded = CompiledEnsemble.load(path)
    assert loaded.booster.attributes["note"] == "kept"
    for rows in COUNTS:
        np.testing.assert_array_equal(loaded.predict(X[:rows]), booster.predict(boost.DMatrix(X[:rows])))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(ModuleFileError, match="damaged"):
        CompiledEnsemble.load(path)
    booster.save_model(tmp_path / "model.json")
    assert not is_compiled_ensemble(tmp_path / "model.json")


def test_trees_of_like_depth_walk_together_and_are_added_in_order():
    X, y = numbers()
    params = {"objective": "reg:quantileerror", "quantile_alpha": [0.2, 0.8]}
    deep, flat = trained(X, y, 3, max_depth=6, **params), trained(X, y, 3, max_depth=1, **params)
    model = deep.model.copy()
    trees = [(deep if t % 5 == 0 else flat).model.forest[t % 3] for t in range(131)]
    model.forest = Forest(2)
    model.forest.extend(trees, [int(t % 3 > 0) for t in range(len(trees))])
    layout = make_layout(model.forest, 5)
    program = by_trees(layout, Target.parse("llvm"), pack_nodes(layout))
    expected = model.array_margins(X)
    np.testing.assert_array_equal(run_program(program, model, X), expected)


def test_trees_without_splits_do_not_read_what_was_in_memory_before():
    X, y = numbers()
    booster = trained(X, y, gamma=1e9)
    model, target = booster.model, Target.parse("llvm")
    layout = make_layout(model.forest, 5)
    assert layout.columns == 1
    packed = pack_nodes(layout)
    for program in (by_rows(layout, target, packed), by_trees(layout, target, packed)):
        expected = booster.inplace_predict(X, predict_type="margin", strict_shape=True)
        np.testing.assert_array_equal(run_program(program, model, X), expected)


def test_packed_fields_are_read_back():
    rng = np.random.default_rng(0)
    fields = {
        name: rng.integers(0, 1 << bits, 50).astype(np.int32)
        for name, bits in zip("abcd", (9, 20, 31, 3), strict=True)
    }
    packed = Packed(fields)
    assert packed.words.shape[1] == 3

    for node in range(50):
        for name, values in fields.items():
            value = packed.field(name, lambda number, node=node: const(int(packed.words[node, number])))
            assert value.value == values[node]

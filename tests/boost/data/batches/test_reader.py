"""Tables given in batches train the same model as whole tables, byte for byte, and never hold all values."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import boost
from boost import DataError, DataIter, DMatrix, QuantileDMatrix

NAN = np.nan
ROWS = 600


def frame(rows: int = ROWS) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    data = pd.DataFrame(rng.normal(size=(rows, 3)), columns=["a", "b", "c"])
    data.loc[rng.random(rows) < 0.2, "b"] = NAN
    data["i"] = rng.integers(0, 300, rows)
    data["word"] = np.sort(rng.choice(list("uvwxyz"), rows))  # a batch holds a subset of the words
    data.loc[: rows // 10, "word"] = None
    data["size"] = pd.Categorical(rng.choice([30, 10, 20], rows), categories=[30, 20, 10])
    return data


def label(data: pd.DataFrame) -> np.ndarray:
    return (data.a + data.b.fillna(2) + (data.word == "x") + data.i / 300).to_numpy()


def same_bytes(one: boost.Booster, two: boost.Booster, folder: Path) -> bool:
    for name, model in (("one.json", one), ("two.json", two)):
        model.save_model(folder / name)
    return (folder / "one.json").read_bytes() == (folder / "two.json").read_bytes()


def cut(size: int, *columns: Any) -> Callable[[], Iterator[tuple]]:
    """Return a function that returns an iterator over batches of `size` rows."""
    rows = columns[0].shape[0]
    take = [c.iloc if hasattr(c, "iloc") else c for c in columns]
    return lambda: (tuple(c[b : b + size] for c in take) for b in range(0, rows, size))


class Parts(DataIter):
    """An iterator over batches with the interface of XGBoost."""

    def __init__(self, parts: list[dict[str, Any]]) -> None:
        super().__init__(cache_prefix="unused")
        self.parts, self.at = parts, 0

    def reset(self) -> None:
        self.at = 0

    def next(self, input_data: Callable[..., Any]) -> bool:
        if self.at == len(self.parts):
            return False
        input_data(**self.parts[self.at])
        self.at += 1
        return True


PARAMS = {"max_bin": 32, "max_depth": 4, "nthread": 1}


@pytest.mark.parametrize("size", [1, 7, 250, ROWS])
def test_batches_of_any_size_train_the_same_model(size: int, tmp_path: Path) -> None:
    data = frame()
    y, w = label(data), np.random.default_rng(1).random(ROWS)
    whole = DMatrix(data, y, weight=w)
    batches = QuantileDMatrix(cut(size, data, y, w), max_bin=32)
    assert (batches.feature_names, batches.feature_types) == (whole.feature_names, whole.feature_types)
    assert batches.categories == whole.categories
    assert (batches.num_row(), batches.num_nonmissing()) == (ROWS, whole.num_nonmissing())
    one, two = boost.train(PARAMS, whole, 4), boost.train(PARAMS, batches, 4)
    assert same_bytes(one, two, tmp_path)
    assert np.array_equal(two.predict(batches), one.predict(data))


@pytest.mark.parametrize("weighted", [False, True])
def test_long_tables_have_the_same_sketches(weighted: bool, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(150_000, 2)).astype(np.float32)
    x[rng.random(x.shape) < 0.1] = NAN
    y = np.nan_to_num(x).sum(axis=1)
    more = (rng.random(len(x)),) if weighted else ()
    whole = DMatrix(x, y, weight=more[0] if weighted else None)
    batches = QuantileDMatrix(cut(40_007, x, y, *more), max_bin=32)
    assert same_bytes(boost.train(PARAMS, whole, 2), boost.train(PARAMS, batches, 2), tmp_path)


@settings(max_examples=15)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=12), st.floats(0.01, 0.9), st.booleans())
def test_sparse_batches(sizes: list[int], share: float, mixed: bool) -> None:
    rows = sum(sizes)
    matrix = sp.random(rows, 6, share, format="csr", random_state=3, dtype=np.float32)
    y = np.random.default_rng(4).normal(size=rows)
    edges = np.concatenate(([0], np.cumsum(sizes)))

    def parts() -> Iterator[tuple]:
        for k, (a, b) in enumerate(zip(edges, edges[1:], strict=False)):
            part = matrix[a:b]
            if mixed and k % 2:  # a dense batch of the same table
                yield np.where(part.toarray() == 0, NAN, part.toarray()), y[a:b]
            else:
                yield part.tocoo(), y[a:b]

    one, two = boost.train({}, DMatrix(matrix, y), 2), boost.train({}, QuantileDMatrix(parts), 2)
    for t in range(2):
        assert one.forest[t].condition.tobytes() == two.forest[t].condition.tobytes()
        assert one.forest[t].feature.tobytes() == two.forest[t].feature.tobytes()
    assert np.array_equal(one.predict(matrix), two.predict(matrix))
    assert np.array_equal(two.predict(QuantileDMatrix(parts)), one.predict(matrix))


def test_the_protocol_of_xgboost(tmp_path: Path) -> None:
    data, rng = frame(), np.random.default_rng(5)
    y = (label(data) > 1).astype(float)
    whole = {
        "label": y,
        "weight": np.repeat(rng.random(ROWS // 20), 20),
        "base_margin": rng.normal(size=ROWS),
        "qid": np.repeat(np.arange(ROWS // 20), 20),
    }
    parts = [
        {"data": data.iloc[b : b + 130], **{k: v[b : b + 130] for k, v in whole.items()}}
        for b in range(0, ROWS, 130)
    ]
    batches = QuantileDMatrix(Parts(parts), max_bin=32)
    table = DMatrix(data, **whole)  # type: ignore[arg-type]
    np.testing.assert_array_equal(batches.group_bounds(), table.group_bounds())
    for field in ("label", "weight", "base_margin"):
        np.testing.assert_array_equal(batches.get_float_info(field), table.get_float_info(field))
    params = {**PARAMS, "objective": "rank:pairwise"}
    assert same_bytes(boost.train(params, table, 3), boost.train(params, batches, 3), tmp_path)


def test_xgboost_reads_the_same_iterator() -> None:
    xgboost = pytest.importorskip("xgboost")
    x = np.random.default_rng(6).normal(size=(200, 3)).astype(np.float32)
    y = x.sum(axis=1)
    parts = [{"data": x[b : b + 70], "label": y[b : b + 70]} for b in range(0, 200, 70)]

    class Theirs(xgboost.DataIter):
        reset, next = Parts.reset, Parts.next

        def __init__(self) -> None:
            super().__init__()
            self.parts, self.at = parts, 0

    theirs = xgboost.train({}, xgboost.QuantileDMatrix(Theirs()), 5).predict(xgboost.DMatrix(x))
    ours = boost.train({}, QuantileDMatrix(Theirs()), 5).predict(x)
    np.testing.assert_allclose(ours, theirs, atol=0.1)
    assert np.corrcoef(ours, theirs)[0, 1] > 0.99


def test_estimator_train_and_batches_give_the_same_model(tmp_path: Path) -> None:
    data = frame()
    y, w = label(data), np.random.default_rng(7).random(ROWS)
    params = {"max_bin": 32, "max_depth": 4, "learning_rate": 0.2}
    fitted = boost.XGBRegressor(n_estimators=4, **params).fit(data, y, sample_weight=w)
    trained = boost.train(params, DMatrix(data, y, weight=w), 4)
    batches = boost.train(params, QuantileDMatrix(cut(90, data, y, w), max_bin=32), 4)
    assert same_bytes(trained, batches, tmp_path)
    assert same_bytes(trained, fitted.get_booster(), tmp_path)


@pytest.mark.parametrize("form", ["pandas", "polars", "arrow", "C", "F", "float64"])
def test_every_form_of_a_table_gives_the_same_model(form: str, tmp_path: Path) -> None:
    x = np.random.default_rng(8).normal(size=(300, 4)).astype(np.float32)
    names, y = ["a", "b", "c", "d"], x.sum(axis=1)
    want = boost.train(PARAMS, DMatrix(x, y, feature_names=names, feature_types=["float"] * 4), 3)
    options: dict[str, Any] = {}
    data: Any
    if form == "pandas":
        data = pd.DataFrame(x, columns=names)
    elif form == "polars":
        data = pytest.importorskip("polars").DataFrame(x, schema=names)
    elif form == "arrow":
        data = pytest.importorskip("pyarrow").table(list(x.T), names=names)
    else:
        data = x.astype(np.float64) if form == "float64" else np.array(x, order=form)  # type: ignore[call-overload]
        options = {"feature_names": names, "feature_types": ["float"] * 4}
    assert same_bytes(want, boost.train(PARAMS, DMatrix(data, y, **options), 3), tmp_path)


def test_an_evaluation_table_uses_the_bins_of_its_reference() -> None:
    data = frame()
    train = QuantileDMatrix(cut(100, data, label(data)), max_bin=32)
    other = frame(300).sample(frac=1, random_state=0)
    evaluation = QuantileDMatrix(cut(70, other, label(other)), ref=train)
    assert evaluation.max_bin == 32 and evaluation.categories == train.categories
    results: list[dict] = [{}, {}]
    for table, result in zip((evaluation, DMatrix(other, label(other))), results, strict=True):
        boost.train(PARAMS, train, 5, evals=[(table, "evaluation")], evals_result=result, verbose_eval=False)
    assert results[0] == results[1]


def test_a_code_that_the_reference_does_not_have() -> None:
    x = np.array([[0.0, 1], [1, 2], [2, 3], [0, 4]])
    types = {"feature_types": ["c", "q"]}
    train = QuantileDMatrix(lambda: [(x, x[:, 1])], max_bin=8, **types)
    evaluation = QuantileDMatrix(lambda: [x[1:3], x[:1]], ref=train, **types)
    assert evaluation.num_row() == 3
    x[0, 0] = 3
    with pytest.raises(DataError, match="column 0 holds the code 3, but ref has the codes 0 to 2 there"):
        QuantileDMatrix(lambda: [x], ref=train, **types)


def test_training_continues_with_batches(tmp_path: Path) -> None:
    data = frame()
    y = label(data)
    batches = QuantileDMatrix(cut(100, data, y), max_bin=32)
    first = boost.train(PARAMS, batches, 2)
    six = boost.train(PARAMS, batches, 4, xgb_model=first)
    assert same_bytes(six, boost.train(PARAMS, DMatrix(data, y), 6), tmp_path)


def test_columns_may_change_their_order_between_batches(tmp_path: Path) -> None:
    data = frame()
    y = label(data)
    reordered = data[data.columns[::-1]]
    mixed = QuantileDMatrix(lambda: [(data[:300], y[:300]), (reordered[300:], y[300:])], max_bin=32)
    assert same_bytes(boost.train(PARAMS, mixed, 2), boost.train(PARAMS, DMatrix(data, y), 2), tmp_path)


def test_memory_holds_one_batch_of_values() -> None:
    rows, columns, size = 400_000, 16, 10_000

    def parts() -> Iterator[tuple]:
        for b in range(0, rows, size):
            x = np.random.default_rng(b).normal(size=(size, columns)).astype(np.float32)
            yield x, x[:, 0]

    QuantileDMatrix(lambda: [next(parts())])  # loads modules and kernels
    tracemalloc.start()
    try:
        QuantileDMatrix(parts, max_bin=64)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    values = rows * columns * 4
    bins = rows * columns * 2
    assert bins < peak < values


X = np.arange(12.0).reshape(4, 3)


@pytest.mark.parametrize(
    ("source", "match"),
    [
        (lambda: [], "the iterator has no batches"),
        (lambda: [X, X[:, :2]], "batch 1: the first batch has 3 features, the data has 2"),
        (lambda: [(X, [1, 2, 3])], "batch 0: label must have one entry for each of the 4 rows"),
        (lambda: [(X, [1, 2, 3, 4]), X], "batch 1: it has no meta information, the batches before it have"),
        (lambda: [(X, 1, 2, 3)], "at most the items data, label, weight, got 4 items"),
        (lambda: [{"data": X, "labels": 1}], "batch 0: .*got labels"),
        (lambda: [{"label": [1.0]}], "batch 0: the batch has no data"),
        (lambda: [pd.DataFrame({"w": ["a"]}), pd.DataFrame({"w": [1.0]})], "'w' holds numbers in batch 1"),
        (
            lambda: [pd.DataFrame({"w": ["a"]}), pd.DataFrame({"v": ["a"]})],
            "batch 1: .*lacks 'w'.*does not have 'v'",
        ),
        (lambda: [pd.DataFrame({"w": ["a"]}), pd.DataFrame({"w": pd.Categorical([1])})], "mixes strings"),
        (lambda: [X, np.full((1, 3), np.inf)], "batch 1: data holds infinity"),
        (Parts([{"data": X}, {}]), "batch 1: the batch has no data"),
    ],
)
def test_batches_that_do_not_make_one_table(source: Any, match: str) -> None:
    with pytest.raises(DataError, match=match):
        QuantileDMatrix(source)


def test_iterators_that_change_between_the_passes() -> None:
    rest = iter([[X, X], [X]])
    with pytest.raises(DataError, match="batch 1 differs between the first and the second pass"):
        QuantileDMatrix(lambda: next(rest))
    longer = iter([[X], [X, X]])
    with pytest.raises(DataError, match="batch 1 differs"):
        QuantileDMatrix(lambda: next(longer))
    once = (x for x in [X, X])
    with pytest.raises(DataError, match="batch 0 differs"):
        QuantileDMatrix(lambda: once)

    class Twice(Parts):
        def next(self, input_data: Callable[..., Any]) -> bool:
            input_data(data=X)
            return super().next(input_data)

    with pytest.raises(DataError, match="Twice.next called input_data 2 times"):
        QuantileDMatrix(Twice([{"data": X}]))


def test_operations_that_need_values_are_refused() -> None:
    data = frame()
    y = label(data)
    batches = QuantileDMatrix(cut(100, data, y), max_bin=32)
    numbers = QuantileDMatrix(cut(100, data[["a", "b"]], y), max_bin=32)
    for method in ("exact", "approx"):
        with pytest.raises(DataError, match="stores bins and no values.*tree_method='hist'"):
            boost.train({**PARAMS, "tree_method": method}, numbers, 1)
    with pytest.raises(DataError, match="max_bin=32, the parameters have max_bin=16"):
        boost.train({"max_bin": 16}, batches, 1)
    with pytest.raises(DataError, match="stores bins and no values"):
        batches.slice([0, 1])
    other = boost.train({"max_bin": 200}, DMatrix(data, y), 2)
    with pytest.raises(DataError, match="thresholds of the model are not among its cuts"):
        other.predict(batches)
    with pytest.raises(DataError, match="label must be in the batches"):
        QuantileDMatrix(cut(100, data), y)

"""Memory that the caller uses again after a table was made from it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import scipy.sparse as sp

import boost
from boost import DataError, DataIter, DMatrix, QuantileDMatrix
from boost.data import values
from boost.data.fingerprint import fingerprint

ROWS = 300
X = np.random.default_rng(0).normal(size=(ROWS, 6)).astype(np.float32)
Y = 2 * X[:, 0] + X[:, 1]
SPARSE = sp.random(ROWS, 6, 0.3, format="csr", dtype=np.float32, random_state=0)
PARAMS = {"max_depth": 3}


def _view(array: np.ndarray) -> np.ndarray:
    view = array.view()
    view.flags.writeable = False
    return view


def _wide(array: np.ndarray) -> np.ndarray:
    wide = np.zeros((2 * ROWS, 6), dtype=np.float32)
    wide[:ROWS] = array
    return wide[:ROWS]


# From an array of the caller to what is given to `DMatrix`.
DENSE: dict[str, Callable[[np.ndarray], Any]] = {
    "float32": lambda a: a,
    "columns": np.asfortranarray,
    "float64": lambda a: a.astype(np.float64),
    "part": _wide,
    "read-only view": _view,
    "memoryview": memoryview,
    "masked": lambda a: np.ma.masked_less(a, -9),
    "frame": pd.DataFrame,
    "arrow": lambda a: pa.table({str(f): pa.array(a[:, f]) for f in range(6)}),
}


def refill(data: Any) -> None:
    """Write zeros to the memory of an array."""
    array = np.asarray(data)
    base = array if array.flags.writeable else array.base
    assert isinstance(base, np.ndarray)
    base.fill(0)


def same_model(table: DMatrix, expected: DMatrix) -> None:
    for method in ("hist", "exact", "approx"):
        params = PARAMS | {"tree_method": method}
        ours, theirs = (boost.train(params, d, 2, verbose_eval=False) for d in (table, expected))
        assert ours.save_raw() == theirs.save_raw()
    assert ours.predict(table).tobytes() == ours.predict(expected).tobytes()


@pytest.mark.parametrize("kind", [DMatrix, QuantileDMatrix])
@pytest.mark.parametrize("form", DENSE)
def test_dense_data(form: str, kind: type[DMatrix]) -> None:
    buffer = X.copy()
    given = DENSE[form](buffer)
    table = kind(given, Y)
    part = table.slice(np.arange(100))
    buffer.fill(0)
    if isinstance(given, np.ndarray) and given.flags.writeable:
        given[...] = 0
    same_model(table, kind(DENSE[form](X.copy()), Y))
    np.testing.assert_array_equal(part.dense_rows(0, 100), X[:100])


@pytest.mark.parametrize("name", ["data", "indices", "indptr"])
@pytest.mark.parametrize("form", ["csr", "csc", "csr_array", "float64", "int64", "bsr"])
def test_sparse_data(form: str, name: str) -> None:
    if form == "csr_array":
        matrix = sp.csr_array(SPARSE.copy())
    elif form == "float64":
        matrix = SPARSE.astype(np.float64)
    elif form == "bsr":
        matrix = SPARSE.tobsr((1, 1))
    else:
        matrix = SPARSE.asformat("csc" if form == "csc" else "csr", copy=True)
    if form == "int64":
        matrix.indptr = matrix.indptr.astype(np.int64)
    table = DMatrix(matrix, Y)
    getattr(matrix, name).fill(0)
    same_model(table, DMatrix(SPARSE, Y))


@pytest.mark.parametrize("field", ["label", "weight", "base_margin"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fields(field: str, dtype: type) -> None:
    given = np.abs(Y).astype(dtype) + 1
    fields = {"label": Y, field: given}
    table, expected = DMatrix(X, **fields), DMatrix(X, **{**fields, field: given.copy()})
    later = DMatrix(X, Y)
    later.set_info(**fields)
    given.fill(1)
    same_model(table, expected)
    same_model(later, expected)


class Refilled(DataIter):
    """Batches in the same memory."""

    def __init__(self, sparse: bool) -> None:
        super().__init__()
        self.sparse, self.at = sparse, 0
        self.x, self.y = np.empty((50, 6), np.float32), np.empty(50, np.float32)

    def reset(self) -> None:
        self.at = 0

    def next(self, input_data: Callable[..., Any]) -> bool:
        if self.at == ROWS:
            return False
        rows = slice(self.at, self.at + 50)
        self.x[:], self.y[:] = X[rows], Y[rows]
        input_data(data=sp.csr_matrix(self.x) if self.sparse else self.x, label=self.y)
        self.at += 50
        return True


@pytest.mark.parametrize("sparse", [False, True])
def test_batches(sparse: bool) -> None:
    expected = DMatrix(sp.csr_matrix(X) if sparse else X, Y)
    models = [boost.train(PARAMS, d, 3) for d in (QuantileDMatrix(Refilled(sparse)), expected)]
    assert models[0].save_raw() == models[1].save_raw()


def test_predictions_that_are_computed_later() -> None:
    model = boost.train(PARAMS, DMatrix(X, Y), 3)
    buffer = X.copy()
    staged = []
    for prediction in model.staged_predict(buffer):
        staged.append(prediction)
        buffer.fill(0)
    np.testing.assert_array_equal(staged[-1], model.predict(X))
    regressor = boost.BoostRegressor(n_estimators=3).fit(X, Y)
    buffer = X.copy()
    staged = []
    for prediction in regressor.staged_predict(buffer):
        staged.append(prediction)
        buffer.fill(0)
    np.testing.assert_array_equal(staged[-1], regressor.predict(X))


def test_base_score_and_weights_of_trees_are_copied() -> None:
    model = boost.train(PARAMS, DMatrix(X, Y), 2)
    score, weights = np.array([2.0]), np.array([1.0, 0.5])
    model.base_score, model.forest.weights = score, weights
    expected = model.predict(X)
    score[:], weights[:] = 7.0, 0.0
    np.testing.assert_array_equal(model.predict(X), expected)


@pytest.mark.parametrize("sparse", [False, True])
def test_large_data_is_used_in_place_and_a_change_is_found(
    sparse: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(values, "COPIED_BYTES", 100)
    given = SPARSE.copy() if sparse else X.copy()
    buffer = given.data if sparse else given
    table = DMatrix(given, Y)
    stored = table.by_row()[2] if sparse else table.dense_rows(0, ROWS)
    assert np.shares_memory(stored, buffer)
    model = boost.train(PARAMS, table, 2)  # not changed yet
    model.predict(table)
    before = buffer.reshape(-1)[5]
    buffer.reshape(-1)[5] = 77.0
    changed = "the data of a DMatrix has been changed since the table was made"
    for use in (
        lambda: boost.train(PARAMS, table, 2),
        lambda: boost.train(PARAMS | {"tree_method": "exact"}, table, 2),
        lambda: model.predict(table),
        lambda: model.eval(table),
        lambda: table.slice([0, 1]),
    ):
        with pytest.raises(DataError, match=changed):
            use()
    buffer.reshape(-1)[5] = before
    assert boost.train(PARAMS, table, 2).save_raw() == model.save_raw()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 9, 31, 32, 33, 1000])
def test_a_fingerprint_depends_on_every_element_and_its_place(size: int) -> None:
    array = np.random.default_rng(size).normal(size=size).astype(np.float32)
    seen = {fingerprint(array)}
    for i in range(size):
        other = array.copy()
        other[i] += 1
        seen.add(fingerprint(other))
    assert len(seen) == size + 1
    assert size == 1 or fingerprint(array[::-1].copy()) not in seen
    assert fingerprint(array.copy()) == fingerprint(array)

"""Arrays and sparse matrices of every type, layout and format."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from boost import DataError, DMatrix

NAN = np.nan


def table(d: DMatrix) -> np.ndarray:
    return d.dense_rows(0, d.num_row())


TYPES = [np.bool_, np.int8, np.uint8, np.int16, np.uint16, np.int32, np.uint32, np.int64, np.uint64]
TYPES += [
    np.float16,
    np.float32,
    np.float64,
    np.longdouble,
    np.dtype(">i4"),
    np.dtype(">f8"),
    np.dtype("<f4"),
]


@pytest.mark.parametrize("dtype", [*TYPES, object], ids=str)
def test_any_type_and_layout(dtype: Any) -> None:
    want = np.array([[0, 1, 1], [1, 0, 1]])
    wide = np.zeros((4, 9), dtype=dtype)
    wide[::2, ::-3] = want
    for array in (want.astype(dtype), np.asfortranarray(want.astype(dtype)), wide[::2, ::-3]):
        got = table(DMatrix(array))
        assert got.dtype == np.float32 and got.flags.c_contiguous and got.dtype.isnative
        np.testing.assert_array_equal(got, want)


def test_objects_that_are_numbers() -> None:
    data = np.array([[1, None], [Fraction(1, 2), True]], dtype=object)
    np.testing.assert_array_equal(table(DMatrix(data)), [[1, NAN], [0.5, 1]])


def test_masked_values_are_missing() -> None:
    data = np.ma.MaskedArray(np.array([[1, 2], [3, 4]], np.float32), mask=[[0, 1], [0, 0]])
    np.testing.assert_array_equal(table(DMatrix(data)), [[1, NAN], [3, 4]])
    np.testing.assert_array_equal(data.data, [[1, 2], [3, 4]])


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (np.array([(1, 2.0)], dtype=[("a", int), ("b", float)]), "fields a, b: give pandas.DataFrame"),
        (np.array([["1"]]), "<U1 holds strings, which are not numeric"),
        (np.array([[b"1"]]), "S1 holds strings"),
        (np.array([[1, "2"]], dtype=object), "dtype object holds strings"),
        (np.array([[1, {}]], dtype=object), "dtype object is not numeric .*give numbers"),
        (np.array([["2020-01-01"]], dtype="M8[D]"), "holds dates or durations"),
        (np.array([[1]], dtype="m8[s]"), "holds dates or durations"),
        ([[1], [1, 2]], "not a table .*rows of one length"),
        ({"a": [1]}, "data is a dict, not a table: give an array"),
        ("file.csv", "format of the text file 'file.csv' is not given: write 'file.csv.format=libsvm'"),
        (None, "data is a NoneType, not a table"),
        (sp.csr_matrix(np.array([[1j]])), "real numbers, got dtype complex128"),
        (sp.coo_array(np.ones(3)), r"two dimensions, got shape \(3,\)"),
    ],
)
def test_data_that_is_not_a_table(data: Any, match: str) -> None:
    with pytest.raises(DataError, match=match):
        DMatrix(data)


FORMATS = ["csr", "csc", "coo", "bsr", "lil", "dok", "dia"]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("make", [sp.coo_matrix, sp.coo_array])
def test_sparse_formats(form: str, make: Any) -> None:
    dense = np.array([[0, 1, 0, 2], [3, 0, 0, 0], [0, 0, 0, 0]], np.float32)
    d = DMatrix(make(dense).asformat(form))
    assert d.is_sparse
    np.testing.assert_array_equal(table(d), np.where(dense == 0, NAN, dense))


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 6), st.integers(-3, 3)), max_size=30),
    st.sampled_from([np.int32, np.int64]),
    st.sampled_from([np.int8, np.float64, np.float32]),
)
def test_duplicates_are_summed_and_order_does_not_matter(entries: list, index: Any, dtype: Any) -> None:
    rows, columns, values = np.array(entries, dtype=np.int64).reshape(-1, 3).T
    order = np.argsort(rows, kind="stable")  # rows in order, columns as they come
    indptr = np.concatenate(([0], np.cumsum(np.bincount(rows, minlength=5)))).astype(index)
    matrix = sp.csr_array((values[order].astype(dtype), columns[order].astype(index), indptr), shape=(5, 7))
    want = np.full((5, 7), NAN)
    for i, j, v in entries:
        want[i, j] = v + (0 if np.isnan(want[i, j]) else want[i, j])
    before = matrix.data.copy(), matrix.indices.copy()
    for form in (
        matrix,
        matrix.tocoo(),
        sp.coo_array((values, (rows, columns)), shape=(5, 7)),
        matrix.tocsc(),
    ):
        d = DMatrix(form)
        np.testing.assert_array_equal(table(d), want)
        starts, features, _ = d.by_row()
        assert (starts.dtype, features.dtype) == (np.int64, np.int32)
        assert all((np.diff(features[a:b]) > 0).all() for a, b in zip(starts, starts[1:], strict=False))
    np.testing.assert_array_equal(matrix.data, before[0])
    np.testing.assert_array_equal(matrix.indices, before[1])


@given(hnp.arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(1, 5)), elements=st.integers(0, 3)))
def test_columns_in_another_order(dense: np.ndarray) -> None:
    order = np.random.default_rng(0).permutation(dense.shape[1])
    want = np.where(dense == 0, NAN, dense)[:, order]
    for d in (DMatrix(sp.csr_matrix(dense)), DMatrix(dense, missing=0.0)):
        moved = d.reordered(order)
        np.testing.assert_array_equal(table(moved), want)
        for f in range(dense.shape[1]):
            rows, values = moved.column(f)
            column = np.full(len(dense), NAN, np.float32)
            column[rows] = values
            np.testing.assert_array_equal(column, want[:, f])

"""Tables from arrays, frames and sparse matrices; slices; data that is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from boost import DataError, DMatrix

NAN = np.nan


def table(d: DMatrix) -> np.ndarray:
    return d.dense_rows(0, d.num_row())


def test_arrays_become_float32() -> None:
    for data in ([[1, 2], [3, 4]], np.array([[1, 2], [3, 4]], order="F"), np.array([[True, False]])):
        d = DMatrix(data)
        assert table(d).dtype == np.float32 and table(d).flags.c_contiguous
        np.testing.assert_array_equal(table(d), np.asarray(data, dtype=np.float32))
    assert (d.num_row(), d.num_col()) == (1, 2)


def test_missing_marker() -> None:
    data = np.array([[1.0, -999.0]])
    np.testing.assert_array_equal(table(DMatrix(data, missing=-999.0)), [[1, NAN]])
    assert data[0, 1] == -999.0


def test_sparse_is_missing_where_absent() -> None:
    dense = np.array([[0, 1, 2], [3, 0, 0], [0, 0, 4.0]])
    coo = sp.coo_matrix((np.array([1.0, 2, 3, 4, 0]), ([0, 0, 1, 2, 2], [1, 2, 0, 2, 0])), shape=(3, 3))
    want = np.where(dense == 0, NAN, dense)
    want[2, 0] = 0  # a stored zero is a zero
    for matrix in (coo, coo.tocsr(), coo.tocsc(), sp.csr_array(coo)):
        d = DMatrix(matrix)
        np.testing.assert_array_equal(table(d), want)
        np.testing.assert_array_equal(d.dense_rows(1, 2), want[1:2])
        rows, values = d.column(2)
        np.testing.assert_array_equal(np.asarray(rows), [0, 2])
        np.testing.assert_array_equal(values, [2, 4])
    np.testing.assert_array_equal(table(DMatrix(coo, missing=2.0))[0], [NAN, 1, NAN])


def test_frames() -> None:
    frame = pd.DataFrame(
        {
            "float": [1.5, NAN, 2.0],
            "nullable": pd.array([1, None, 3], dtype="Int64"),
            "flag": pd.array([True, None, False], dtype="boolean"),
            "objects": pd.Series([1, None, 2.5], dtype=object),
            "text": ["b", None, "a"],
            "category": pd.Categorical(["x", "z", None], categories=["z", "y", "x"]),
            "numbers": pd.Categorical([10, 2, 10]),
        }
    )
    d = DMatrix(frame)
    want = [[1.5, 1, 1, 1, 1, 0, 1], [NAN, NAN, NAN, NAN, NAN, 1, 0], [2, 3, 0, 2.5, 0, NAN, 1]]
    np.testing.assert_array_equal(table(d), want)
    assert d.feature_names == list(frame.columns)
    assert d.feature_types == ["float", "int", "int", "float", "c", "c", "c"]
    assert d.categories == {4: ["a", "b"], 5: ["x", "z"], 6: [2, 10]}


def test_category_order_does_not_matter() -> None:
    values = ["b", "a", "c", "a"]
    tables = [
        table(DMatrix(pd.DataFrame({"c": column})))
        for column in (
            values,
            pd.Categorical(values, categories=["c", "b", "a"]),
            pd.Categorical(values, categories=["a", "q", "b", "c"], ordered=True),
            pd.array(values, dtype="string"),
        )
    ]
    for t in tables:
        np.testing.assert_array_equal(t[:, 0], [1, 0, 2, 0])


def test_recoding_to_another_dictionary() -> None:
    d = DMatrix(pd.DataFrame({"n": [1.0, 2.0, 3.0, 4.0], "c": ["new", "b", None, "a"]}))
    r = d.recoded({1: ["a", "b", "c"]})
    np.testing.assert_array_equal(table(r), [[1, NAN], [2, 1], [3, NAN], [4, 0]])
    np.testing.assert_array_equal(table(d)[:, 1], [2, 1, NAN, 0])
    assert r.recoded({1: ["a", "b", "c"]}) is r
    with pytest.raises(DataError, match="column 'n' holds numbers, but holds categories in the model: .'a'"):
        d.recoded({0: ["a"]})


def test_a_column_of_strings_that_are_all_missing_fits() -> None:
    d = DMatrix(pd.DataFrame({"n": [1.0, 2.0], "c": pd.Series([None, None], dtype=object)}))
    r = d.recoded({1: ["a", "b"]})
    np.testing.assert_array_equal(table(r), [[1, NAN], [2, NAN]])
    assert r.feature_types == ["float", "c"] and r.categories == {1: ["a", "b"]}


@pytest.mark.parametrize(
    ("data", "match"),
    [
        ([1.0, 2.0], r"two dimensions \(rows, features\), got shape \(2,\)"),
        (np.empty((3, 0)), r"data has no columns: its shape is \(3, 0\)"),
        ([[1.0, np.inf]], "infinity.*row 0, column 1"),
        ([[1e300]], "too large for float32"),
        ([[1j]], "complex data is not supported"),
        ([["a"]], "holds strings, which are not numeric.*DataFrame"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "duplicate column names: a"),
        (pd.DataFrame({"a": [1.0], "b": [np.inf]}), "row 0, column b"),
        (pd.DataFrame({"when": pd.to_datetime(["2020-01-01"])}), "'when' holds dates"),
        (pd.DataFrame({"odd": [[1]]}), "'odd' holds values of type list"),
        (pd.DataFrame({"mix": ["a", 1]}), "'mix' mixes strings and numbers"),
        (pd.DataFrame(), "data has no columns"),
        (sp.csr_matrix(np.array([[0, 0], [1, np.inf]])), "infinity.*row 1, column 1"),
        (sp.csr_matrix((2, 0)), "data has no columns"),
    ],
)
def test_bad_tables(data: object, match: str) -> None:
    with pytest.raises(DataError, match=match):
        DMatrix(data)


def test_present_values_are_counted() -> None:
    x = np.array([[1.0, NAN, 0.0], [NAN, NAN, 2.0]])
    assert DMatrix(x).num_nonmissing() == 3
    assert DMatrix(x, missing=0.0).num_nonmissing() == 2
    coo = sp.coo_matrix((np.array([1.0, NAN, 0.0, 2.0]), ([0, 0, 0, 1], [0, 1, 2, 2])), shape=(2, 3))
    assert DMatrix(coo).num_nonmissing() == 3 and DMatrix(coo, missing=0.0).num_nonmissing() == 2
    assert DMatrix(coo).density == 0.5


def test_float32_tables_are_used_in_place_and_not_changed() -> None:
    x = np.array([[1.0, 2.0], [3.0, 4.0]], dtype=np.float32)
    assert np.shares_memory(table(DMatrix(x)), x)
    matrix = sp.csr_matrix(x)
    DMatrix(matrix, missing=2.0)
    DMatrix(x, missing=2.0)
    np.testing.assert_array_equal(matrix.toarray(), [[1, 2], [3, 4]])
    np.testing.assert_array_equal(x, [[1, 2], [3, 4]])


@pytest.mark.parametrize("form", [np.asarray, sp.csr_matrix, pd.DataFrame])
def test_slice_keeps_values_and_meta_information(form: type) -> None:
    x = np.arange(1.0, 13).reshape(4, 3)
    d = DMatrix(
        form(x),
        [0, 1, 2, 3],
        weight=[1, 2, 3, 4],
        base_margin=np.arange(8.0).reshape(4, 2),
        label_lower_bound=[0, 1, 2, 3],
        label_upper_bound=[4, 5, 6, 7],
        feature_names=["a", "b", "c"],
    )
    part = d.slice([3, 1])
    assert (part.num_row(), part.num_col(), part.num_nonmissing()) == (2, 3, 6)
    np.testing.assert_array_equal(table(part), x[[3, 1]])
    np.testing.assert_array_equal(part.column(2)[1], [12, 6])
    np.testing.assert_array_equal(part.get_label(), [3, 1])
    np.testing.assert_array_equal(part.get_weight(), [4, 2])
    np.testing.assert_array_equal(part.get_base_margin(), [[6, 7], [2, 3]])
    np.testing.assert_array_equal(part.label_upper_bound, [7, 5])
    assert part.feature_names == ["a", "b", "c"]
    for rows, match in (
        ([4], "within 0 and 3"),
        ([-1], "within 0 and 3"),
        ([0.5], "list of row numbers"),
    ):
        with pytest.raises(DataError, match=match):
            d.slice(rows)


def test_slice_of_groups() -> None:
    d = DMatrix(np.zeros((6, 1)), group=[2, 3, 1])
    with pytest.raises(DataError, match="allow_groups=True"):
        d.slice([0])
    np.testing.assert_array_equal(d.slice([0, 2, 4, 5], allow_groups=True).get_group(), [1, 2, 1])
    with pytest.raises(DataError, match="must be consecutive"):
        d.slice([0, 2, 1], allow_groups=True)


def test_marked_columns_are_categorical() -> None:
    x = np.array([[0, 0.5], [2, 1], [NAN, 2]])
    for data in (x, sp.csr_matrix(x)):
        d = DMatrix(data, feature_types=["c", "q"])
        np.testing.assert_array_equal(d.categorical, [True, False])
        assert d.categories == {}
    for bad, match in (
        (-1.0, "got -1 in row 1"),
        (0.5, "got 0.5 in row 1"),
        (2.0**24, "got 1.67772e.07 in row 1"),
    ):
        x[1, 0] = bad
        for data in (x, sp.csr_matrix(x)):
            with pytest.raises(DataError, match=match):
                DMatrix(data, feature_types=["c", "q"])
    with pytest.raises(
        DataError, match="column 'w' holds categories, but its feature type is 'q': it must be 'c'"
    ):
        DMatrix(pd.DataFrame({"w": ["a"]}), feature_types=["q"])

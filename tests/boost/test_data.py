"""What a table may be made of, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from boost import DataError, DMatrix
from boost.binning import bin_matrix, make_cuts
from boost.threads import Team

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


def test_sparse_and_dense_give_the_same_codes() -> None:
    rng = np.random.default_rng(0)
    dense = np.where(rng.random((200, 5)) < 0.6, NAN, rng.normal(size=(200, 5)))
    filled = np.nan_to_num(dense)
    matrix = sp.csr_matrix(filled)
    with Team(1) as team:
        a, b = DMatrix(dense), DMatrix(matrix)
        cuts = make_cuts(a, 16, team)
        np.testing.assert_array_equal(cuts.values, make_cuts(b, 16, team).values)
        one, two = bin_matrix(a, cuts, team), bin_matrix(b, cuts, team)
    np.testing.assert_array_equal(one.codes, two.codes)
    np.testing.assert_array_equal(one.codes.T, one.columns)


@pytest.mark.parametrize("max_bin", [2, 16, 255, 256, 1000])
def test_codes_are_counts_of_cuts(max_bin: int) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(3000, 3)).astype(np.float32)
    x[:, 1] = NAN
    x[::7, 0] = NAN
    with Team(1) as team:
        d = DMatrix(x)
        cuts = make_cuts(d, max_bin, team)
        binned = bin_matrix(d, cuts, team)
    assert binned.codes.dtype == (np.uint8 if max_bin <= 255 else np.uint16)
    assert cuts.bins.max() <= max_bin
    for f in range(3):
        want = np.searchsorted(cuts.column(f), x[:, f], side="right")
        want[np.isnan(x[:, f])] = cuts.bins[f]
        np.testing.assert_array_equal(binned.codes[:, f], want)


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
    assert d.feature_types == ["float", "int", "int", "float", "int", "int", "int"]
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


def test_recode_to_a_known_dictionary() -> None:
    d = DMatrix(pd.DataFrame({"n": [1.0, 2.0, 3.0, 4.0], "c": ["new", "b", None, "a"]}))
    r = d.recoded({1: ["a", "b", "c"]})
    np.testing.assert_array_equal(table(r), [[1, NAN], [2, 1], [3, NAN], [4, 0]])
    np.testing.assert_array_equal(table(d)[:, 1], [2, 1, NAN, 0])
    assert r.recoded({1: ["a", "b", "c"]}) is r
    with pytest.raises(DataError, match=r"categories in columns \[0\], the data has them in \[1\]"):
        d.recoded({0: ["a"]})


@pytest.mark.parametrize(
    ("data", "match"),
    [
        ([1.0, 2.0], r"two dimensions \(rows, features\), got shape \(2,\)"),
        (np.empty((0, 3)), r"no rows or no columns: its shape is \(0, 3\)"),
        (np.empty((3, 0)), "no rows or no columns"),
        ([[1.0, np.inf]], "infinity.*row 0, column 1"),
        ([[1e300]], "too large for float32"),
        ([[1j]], "complex data not supported"),
        ([["a"]], "not numeric.*pandas DataFrame"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "duplicate column names: a"),
        (pd.DataFrame({"a": [1.0], "b": [np.inf]}), "row 0, column b"),
        (pd.DataFrame({"when": pd.to_datetime(["2020-01-01"])}), "'when' holds dates"),
        (pd.DataFrame({"odd": [[1]]}), "'odd' holds values of type list"),
        (pd.DataFrame({"mix": ["a", 1]}), "'mix' mixes strings and numbers"),
        (pd.DataFrame(), "no rows or no columns"),
        (sp.csr_matrix(np.array([[np.inf]])), "infinity"),
        (sp.csr_matrix((2, 0)), "no rows or no columns"),
    ],
)
def test_bad_tables(data: object, match: str) -> None:
    with pytest.raises(DataError, match=match):
        DMatrix(data)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"label": [1.0]}, r"label must have one entry for each of the 2 rows, got shape \(1,\)"),
        ({"label": [1.0, NAN]}, "label must be finite.*row 1"),
        ({"label": ["a", "b"]}, "label must be numbers"),
        ({"weight": [1.0, -1.0]}, "weight must not be negative, got -1 in row 1"),
        ({"weight": [0.0, 0.0]}, "weight is zero in every row"),
        ({"weight": [1.0, 1.0, 1.0]}, "weight must have one entry"),
        ({"base_margin": [1.0, 2.0, 3.0]}, "base_margin must have a row for each of the 2"),
        ({"base_margin": [1.0, NAN]}, "base_margin must be finite"),
        ({"group": [1, 2]}, "add up to the 2 rows"),
        ({"group": [1.0, 1.0]}, "group must be sizes"),
        ({"group": [2], "qid": [0, 0]}, "not both"),
        ({"qid": [0]}, "qid must have one entry"),
        ({"feature_names": ["a"]}, "1 names for 2 columns"),
        ({"feature_names": ["a", "a"]}, "duplicate column names: a"),
        ({"feature_types": ["float"]}, "1 entries for 2 columns"),
        ({"feature_types": ["float", "word"]}, "got 'word'"),
    ],
)
def test_bad_options(options: dict, match: str) -> None:
    with pytest.raises(DataError, match=match):
        DMatrix([[1.0, 2.0], [3.0, 4.0]], **options)


def test_groups() -> None:
    x = np.zeros((4, 1))
    np.testing.assert_array_equal(DMatrix(x).group_bounds(), [0, 4])
    np.testing.assert_array_equal(DMatrix(x, group=[1, 0, 3]).group_bounds(), [0, 1, 4])
    np.testing.assert_array_equal(DMatrix(x, qid=[7, 7, 2, 2]).group_bounds(), [0, 2, 4])
    np.testing.assert_array_equal(DMatrix(x, group=[1, 3], weight=[2.0, 5.0]).weight, [2, 5, 5, 5])
    with pytest.raises(DataError, match="rows of one qid must be neighbours"):
        DMatrix(x, qid=[1, 2, 1, 1])

"""Tables from arrays, frames and sparse matrices; slices; data that is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp

import boost
from boost import DataError, DMatrix, QuantileDMatrix

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


def test_data_is_not_changed() -> None:
    x = np.array([[1.0, 2.0], [3.0, 4.0]], dtype=np.float32)
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


def test_a_series_is_a_table_of_one_column() -> None:
    for series in (pd.Series([1.0, 2.0], name="q"), pl.Series("q", [1.0, 2.0])):
        table = DMatrix(series)
        assert table.feature_names == ["q"] and table.get_data().toarray().tolist() == [[1], [2]]
    assert DMatrix([[1, 2], [3, 4]], [0, 1]).get_data().toarray().tolist() == [[1, 2], [3, 4]]
    wide = pl.DataFrame({"a": pl.Series([1, None], dtype=pl.Int128), "b": pl.Series([3, 4], dtype=pl.Int128)})
    assert (
        DMatrix(wide).get_data().toarray().tolist() == [[1, 3], [0, 4]]
        and DMatrix(wide).num_nonmissing() == 3
    )


def test_present_values_and_cuts() -> None:
    x = np.array([[1, 5, NAN], [2, 6, 0], [2, NAN, 3]], dtype=np.float32)
    filled = np.where(np.isnan(x), 9, x)
    table = DMatrix(x, [1, 2, 3])
    for kind in (table, DMatrix(sp.csr_matrix(filled), missing=9)):
        data = kind.get_data()
        assert data.nnz == kind.num_nonmissing() and data.dtype == np.float32
    np.testing.assert_array_equal(table.get_data().toarray(), np.nan_to_num(x))
    indptr, values = table.get_quantile_cut()
    inf = float("inf")
    assert indptr.tolist() == [0, 3, 6, 9]
    assert values.tolist() == [-inf, 1.5, inf, -inf, 5.5, inf, -inf, 1.5, inf]
    many = QuantileDMatrix(np.arange(100.0)[:, np.newaxis], max_bin=4)
    assert many.get_quantile_cut()[0].tolist() == [0, 5]
    codes = DMatrix([[2.0], [0.0]], [0, 1], feature_types=["c"])
    assert codes.get_quantile_cut()[1].tolist() == [0, 1, 2]
    thousand = DMatrix(np.arange(1000.0)[:, np.newaxis], np.arange(1000.0))
    boost.train({"max_bin": 2}, thousand, 1)
    assert thousand.get_quantile_cut()[0].tolist() == [0, 3]


def test_no_rows() -> None:
    data = DMatrix(np.arange(12.0).reshape(6, 2), np.arange(6) % 3)
    empty = DMatrix(np.empty((0, 2)), [])
    for table in (data.slice([]), empty, DMatrix(sp.csr_matrix((0, 2)))):
        assert (table.num_row(), table.num_col(), table.num_nonmissing()) == (0, 2, 0)
    with pytest.raises(DataError, match="has no rows"):
        boost.train({}, empty, 1)
    for params, outputs in (({}, 1), ({"objective": "multi:softprob", "num_class": 3}, 3)):
        model = boost.train(params, data, 2)
        one, several = (() if outputs == 1 else (3,)), (outputs,)
        for options, shape in (
            ({}, one),
            ({"output_margin": True}, one),
            ({"strict_shape": True}, several),
            ({"pred_leaf": True}, (2 * outputs,)),
            ({"pred_leaf": True, "strict_shape": True}, (2, outputs, 1)),
            ({"pred_contribs": True}, (*one, 3)),
            ({"pred_contribs": True, "approx_contribs": True}, (*one, 3)),
            ({"pred_interactions": True}, (*one, 3, 3)),
        ):
            for table in (empty, np.empty((0, 2), dtype=np.float32), sp.csr_matrix((0, 2))):
                assert model.predict(table, **options).shape == (0, *shape)
        assert model.inplace_predict(np.empty((0, 2))).shape == (0, *one)
        with pytest.raises(ValueError, match="without rows has no metrics"):
            model.eval(empty)


def test_batches_are_joined() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"c": np.array(list("dbac"))[rng.integers(0, 4, 60)], "v": rng.normal(size=60)})
    y = rng.normal(size=60)
    whole = DMatrix(frame, y)

    class Parts(boost.DataIter):
        def reset(self) -> None:
            self.at = 0

        def next(self, input_data: Any) -> bool:
            rows = slice(self.at, self.at + 25)
            if self.at >= 60:
                return False
            self.at += 25
            input_data(data=frame.iloc[rows], label=y[rows])
            return True

    joined = DMatrix(Parts())
    assert joined.categories == whole.categories and joined.feature_names == ["c", "v"]
    for params in ({}, {"tree_method": "approx"}):
        assert boost.train(params, joined, 2).save_raw() == boost.train(params, whole, 2).save_raw()
    matrix = sp.random(40, 3, 0.3, format="csr", random_state=0)
    sparse = DMatrix(lambda: [matrix[:30], matrix[30:]])
    assert sparse.is_sparse and (sparse.get_data() != matrix.astype(np.float32)).nnz == 0
    quantiles = boost.ExtMemQuantileDMatrix(Parts(), max_bin=16, max_quantile_batches=2)
    assert (
        boost.train({"max_bin": 16}, quantiles, 2).save_raw()
        == boost.train({"max_bin": 16}, whole, 2).save_raw()
    )
    with pytest.raises(DataError, match="divided among workers by rows only"):
        DMatrix(frame, y, data_split_mode=boost.core.DataSplitMode.COL)


def test_more_categories_than_two_bytes_hold() -> None:
    rng = np.random.default_rng(0)
    used = np.sort(rng.choice(100_000, 50, replace=False))
    few = rng.integers(0, 50, 2000)
    y = rng.normal(size=50)[few] + 0.1 * rng.normal(size=2000)
    params = {"max_depth": 3}
    narrow, wide = (
        DMatrix(codes[:, np.newaxis].astype(np.float32), y, feature_types=["c"]) for codes in (few, used[few])
    )
    for method in ("hist", "approx"):
        a, b = (boost.train({**params, "tree_method": method}, t, 3).predict(t) for t in (narrow, wide))
        assert a.tobytes() == b.tobytes() and np.corrcoef(a, y)[0, 1] > 0.5

"""Labels, weights, margins, bounds, query groups, names and types: accepted, checked, read back."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import boost
from boost import DataError, DMatrix

NAN = np.nan


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"label": [1.0]}, r"label must have one entry for each of the 2 rows, got shape \(1,\)"),
        ({"label": [1.0, NAN]}, "label must be finite.*row 1"),
        ({"label": ["a", "b"]}, "label must be numbers"),
        ({"weight": [1.0, -1.0]}, "weight must not be negative, got -1 in row 1"),
        ({"weight": [0.0, 0.0]}, "weight is zero in every row: at least one"),
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
        ({"label": [[1.0, 2.0], [3.0, NAN]]}, "label must be finite.*got nan in row 1"),
        (
            {"label": [[1.0, 2.0, 3.0]]},
            r"label must have one entry for each of the 2 rows, got shape \(1, 3\)",
        ),
        ({"label_lower_bound": [1.0]}, "label_lower_bound must have one entry for each of the 2"),
        ({"label_lower_bound": [np.inf, 1.0]}, "label_lower_bound must be finite.*row 0"),
        ({"label_upper_bound": [1.0, NAN]}, "label_upper_bound must be finite.*row 1"),
        (
            {"label_lower_bound": [1.0, 3.0], "label_upper_bound": [1.0, 2.0]},
            "label_lower_bound must not be above label_upper_bound, got 3 and 2 in row 1",
        ),
        ({"feature_weights": [1.0]}, "one entry for each of the 2 columns"),
        ({"feature_weights": [1.0, -1.0]}, "feature_weights must be finite and not negative"),
        ({"feature_weights": [0.0, 0.0]}, "all zero"),
        ({"feature_types": ["c", "c"], "enable_categorical": False}, "column 0 is categorical"),
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
    with pytest.raises(DataError, match="rows of one query group must be consecutive: sort the table by qid"):
        DMatrix(x, qid=[1, 2, 1, 1])


def test_two_dimensional_labels_and_bounds() -> None:
    x = np.zeros((3, 2))
    y = np.arange(6.0).reshape(3, 2)
    d = DMatrix(x, y, label_lower_bound=[0, 1, 2], label_upper_bound=[0, np.inf, 5], feature_weights=[1, 0])
    assert d.label is not None and d.label.dtype == np.float32
    np.testing.assert_array_equal(d.get_label(), y)
    np.testing.assert_array_equal(d.label_upper_bound, [0, np.inf, 5])
    np.testing.assert_array_equal(d.get_float_info("label_lower_bound"), [0, 1, 2])
    np.testing.assert_array_equal(d.feature_weights, [1, 0])
    np.testing.assert_array_equal(DMatrix(x, y[:, :1]).get_label(), y[:, 0])


def test_setters_and_getters() -> None:
    d = DMatrix(np.zeros((4, 2)))
    for empty in (d.get_label(), d.get_weight(), d.get_base_margin(), d.get_group()):
        assert empty.size == 0
    d.set_label([1, 2, 3, 4])
    d.set_group([1, 3])
    d.set_weight([5, 6])
    d.set_base_margin([0, 1, 2, 3])
    d.set_float_info("label_lower_bound", [1, 1, 1, 1])
    d.feature_names = ["a", "b"]
    np.testing.assert_array_equal(d.get_label(), [1, 2, 3, 4])
    np.testing.assert_array_equal(d.get_weight(), [5, 6, 6, 6])
    np.testing.assert_array_equal(d.get_group(), [1, 3])
    np.testing.assert_array_equal(d.get_uint_info("group_ptr"), [0, 1, 4])
    np.testing.assert_array_equal(d.get_base_margin(), [0, 1, 2, 3])
    assert d.feature_names == ["a", "b"]
    with pytest.raises(DataError, match="1 names for 2 columns"):
        d.feature_names = ["a"]
    with pytest.raises(DataError, match="field must be .* got 'labels'"):
        d.set_float_info("labels", [1])


def test_group_weights_may_come_before_the_groups() -> None:
    x, y = np.arange(12.0).reshape(6, 2), [0, 1, 2, 0, 1, 0]
    expected = DMatrix(x, y, weight=[1, 2], group=[4, 2])
    later = DMatrix(x, y, weight=[1, 2])
    with pytest.raises(
        DataError, match=r"weight must have one entry for each of the 6 rows, got shape \(2,\)"
    ):
        boost.train({}, later, 1)
    with pytest.raises(DataError, match="weight must have one entry"):
        boost.train({}, expected, 1, evals=[(later, "later")])
    later.set_group([4, 2])
    assert later.get_weight().tolist() == expected.get_weight().tolist() == [1, 1, 1, 1, 2, 2]
    params = {"objective": "rank:pairwise"}
    assert boost.train(params, later, 2).save_raw() == boost.train(params, expected, 2).save_raw()
    with pytest.raises(DataError, match=r"got shape \(3,\)"):
        DMatrix(x, y, weight=[1, 2, 3]).set_group([4, 2])


def test_groups_without_rows() -> None:
    x, y = np.arange(12.0).reshape(6, 2), [0, 1, 2, 0, 1, 0]
    table = DMatrix(x, y, group=[0, 4, 0, 2, 0], weight=[9, 1, 9, 2, 9])
    assert table.get_group().tolist() == [0, 4, 0, 2, 0]
    assert table.get_uint_info("group_ptr").tolist() == [0, 0, 4, 4, 6, 6]
    assert table.group_bounds().tolist() == [0, 4, 6] and table.get_weight().tolist() == [1, 1, 1, 1, 2, 2]
    plain = DMatrix(x, y, group=[4, 2], weight=[1, 2])
    params = {"objective": "rank:ndcg", "eval_metric": "ndcg"}
    models = [boost.train(params, t, 2) for t in (table, plain)]
    assert models[0].save_raw() == models[1].save_raw() and models[0].eval(table) == models[0].eval(plain)
    assert table.slice([0, 1, 4], allow_groups=True).get_group().tolist() == [2, 1]


def test_fields_by_name() -> None:
    table = DMatrix(np.arange(12.0).reshape(6, 2))
    for field, data in (("group", [4, 2]), ("group_ptr", [0, 4, 6]), ("qid", [3, 3, 3, 3, 5, 5])):
        table.set_uint_info(field, data)
        assert table.get_uint_info("group_ptr").tolist() == [0, 4, 6]
    table.set_info(qid=np.array([3, 3, 3, 5, 5, 5])[:, np.newaxis])
    assert table.get_group().tolist() == [3, 3]
    table.set_info(group=np.array([[2], [4]]))
    assert table.get_group().tolist() == [2, 4]
    table.set_float_info_npy2d("base_margin", np.ones((6, 2)))
    assert table.get_base_margin().shape == (6, 2)
    with pytest.raises(DataError, match="field must be one of 'group', 'group_ptr', 'qid', got 'label'"):
        table.set_uint_info("label", [1])


def test_open_bounds_of_labels() -> None:
    x = np.arange(8.0)[:, np.newaxis]
    lower, upper = np.array([2, 3, -np.inf, 4, 0, 1, 5, 2.0]), np.array([2, np.inf, 4, 5, 3, np.inf, 5, 9.0])
    table = DMatrix(x, label_lower_bound=lower, label_upper_bound=upper[:, np.newaxis])
    assert table.get_float_info("label_lower_bound")[2] == -np.inf
    zero = DMatrix(x, label_lower_bound=np.maximum(lower, 0), label_upper_bound=upper)
    params = {"objective": "survival:aft", "eval_metric": ["aft-nloglik", "interval-regression-accuracy"]}
    models = [boost.train(params, t, 3) for t in (table, zero)]
    assert models[0].save_raw() == models[1].save_raw() and models[0].eval(table) == models[0].eval(zero)
    for bad in ({"label_lower_bound": np.full(8, np.inf)}, {"label_upper_bound": np.full(8, -np.inf)}):
        with pytest.raises(DataError, match="must be finite"):
            DMatrix(x, **bad)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("label", "match"),
    [
        (np.array(["2020-01-01"], dtype="M8[D]"), "label must be real numbers, got an array of datetime64"),
        (np.array([1j]), "label must be real numbers, got an array of complex128"),
    ],
)
def test_labels_that_are_no_numbers(label: np.ndarray, match: str) -> None:
    with pytest.raises(DataError, match=match):
        DMatrix([[1.0]], label)


def test_polars_labels() -> None:
    for kind in (pl.Int128, pl.Int8, pl.Float32):
        assert DMatrix([[1.0], [2.0]], pl.Series([3, 4], dtype=kind)).get_label().tolist() == [3, 4]

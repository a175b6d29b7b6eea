"""Labels, weights, margins, bounds, query groups, names and types: accepted, checked, read back."""

from __future__ import annotations

import numpy as np
import pytest

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

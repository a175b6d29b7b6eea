"""Target statistics by hand, without leaks, and of rows that the training did not meet."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boost.encoding.statistic import TargetStatistic
from boost.errors import DataError


class GivenOrder:
    """In place of a generator: its only permutation."""

    def __init__(self, order: list[int]) -> None:
        self.order = order

    def permutation(self, count: int) -> np.ndarray:
        assert count == len(self.order)
        return np.array(self.order)


def fit(columns: dict[str, Any], y: Any, **options: Any) -> tuple[TargetStatistic, dict[str, np.ndarray]]:
    options = {"rng": np.random.default_rng(0), **options}
    values = [pd.Series(v) for v in columns.values()]
    targets = {"target": np.asarray(y, dtype=float)}
    return TargetStatistic.fit(values, list(columns), targets, **options)


def test_ordered_means_by_hand() -> None:
    order: Any = GivenOrder([2, 0, 3, 1])
    made, derived = fit({"city": ["a", "a", "a", "b"]}, [1, 0, 1, 0], rng=order, strength=1.0)
    # the mean of all is 1/2; "a" occurs in the order of rows 2, 0, 1
    assert made.names == ("city: mean of target",)
    expected = [(1 + 0.5) / 2, (2 + 0.5) / 3, 0.5, 0.5]
    np.testing.assert_allclose(derived["city: mean of target"], expected, rtol=1e-15)
    new = made.transform(pd.Series(["b", "a", "zebra", None]))["city: mean of target"]
    np.testing.assert_allclose(new, [0.5 / 2, 2.5 / 4, 0.5, 0.5], rtol=1e-15)
    assert made.unread(pd.Series(["b", "a", "zebra", None])) == 2


def test_weights_and_missing_values_by_hand() -> None:
    order: Any = GivenOrder([0, 1, 2, 3])
    y, weight = [4.0, 0.0, 2.0, 6.0], [1.0, 1.0, 2.0, 0.0]
    made, derived = fit({"c": ["u", None, "u", None]}, y, rng=order, strength=2.0, weight=weight)
    overall = (4 + 0 + 2 * 2) / 4
    expected = [overall, overall, (4 + 2 * overall) / 3, (0 + 2 * overall) / 3]
    np.testing.assert_allclose(derived["c: mean of target"], expected)
    new = made.transform(pd.Series(["u", None]))["c: mean of target"]
    np.testing.assert_allclose(new, [(8 + 2 * overall) / 5, (0 + 2 * overall) / 3])


def test_pairs_are_categories() -> None:
    columns = {"a": ["x", "x", "y", "y"], "b": [1.5, 2.0, 1.5, 1.5]}
    made, _ = fit(columns, [0, 8, 4, 2], strength=0.0)
    assert made.names == ("a x b: mean of target",)
    new = made.transform(pd.Series(["y", "x", "y", "x"]), pd.Series([1.5, 2.0, 2.0, 7.0]))
    np.testing.assert_allclose(new["a x b: mean of target"], [3.0, 8.0, 3.5, 3.5])
    assert made.unread(pd.Series(["y", "x"]), pd.Series([2.0, 7.0])) == 2


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 40), st.integers(1, 6), st.floats(0.1, 20))
def test_a_row_has_the_mean_of_earlier_rows_alone(seed: int, rows: int, count: int, strength: float) -> None:
    rng = np.random.default_rng(seed)
    codes, y = rng.integers(0, count, rows), rng.normal(size=rows)
    weight = rng.integers(0, 3, rows) + (rng.random(rows) < 0.5)
    made, derived = fit({"c": codes}, y, rng=np.random.default_rng(seed), strength=strength, weight=weight)
    order = np.random.default_rng(seed).permutation(rows).tolist()
    overall = float(weight @ y / weight.sum()) if weight.any() else 0.0
    for at, row in enumerate(order):
        before = [r for r in order[:at] if codes[r] == codes[row]]
        total, n = sum(weight[r] * y[r] for r in before), sum(weight[r] for r in before)
        value = (total + strength * overall) / (n + strength)
        np.testing.assert_allclose(derived["c: mean of target"][row], value, rtol=1e-9, atol=1e-9)
    again = TargetStatistic.from_json(made.to_json())
    assert again == made
    new = pd.Series(rng.integers(-1, count + 1, 20))
    pd.testing.assert_frame_equal(pd.DataFrame(again.transform(new)), pd.DataFrame(made.transform(new)))


def test_labels_without_signal_teach_nothing() -> None:
    # With the mean over all rows of a category, its own among them, the correlation would be about 0.7.
    rng = np.random.default_rng(1)
    codes, y = rng.integers(0, 1000, 2000), rng.normal(size=2000)
    _, derived = fit({"c": codes}, y)
    assert abs(np.corrcoef(derived["c: mean of target"], y)[0, 1]) < 0.07
    means = pd.Series(y).groupby(codes).transform("mean")
    assert np.corrcoef(means, y)[0, 1] > 0.6


def test_errors_name_the_column() -> None:
    with pytest.raises(DataError, match="strength must be at least 0, got -1"):
        fit({"c": ["a"]}, [1.0], strength=-1)
    with pytest.raises(DataError, match="statistics of c need finite labels"):
        fit({"c": ["a"]}, [np.nan])
    made, _ = fit({"c": ["a", "b"]}, [0.0, 1.0])
    with pytest.raises(DataError, match="column c holds categories of the type float"):
        made.transform(pd.Series([1.0, 2.0]))
    with pytest.raises(DataError, match="damaged"):
        TargetStatistic.from_json({**made.to_json(), "means": 3})
    with pytest.raises(DataError, match="do not fit each other"):
        TargetStatistic.from_json({**made.to_json(), "combinations": [0]})

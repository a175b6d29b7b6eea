"""Sorted columns: their entries, and the order of the entries."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from boost import DMatrix
from boost.data.sorted_columns import feature_ranges, key_values, sort_columns, value_keys
from boost.threads import Team

singles = st.floats(width=32, allow_nan=False, allow_infinity=False)


def test_hand_worked_columns() -> None:
    x = np.array([[3.0, np.nan], [-1.0, np.nan], [np.nan, np.nan], [3.0, np.nan], [0.0, np.nan]])
    with Team(1) as team:
        columns = sort_columns(DMatrix(x), team)
    np.testing.assert_array_equal(columns.indptr, [0, 4, 4])
    assert (columns.rows, columns.features) == (5, 2)
    rows, values = columns.column(0)
    np.testing.assert_array_equal(rows, [1, 4, 0, 3])  # equal values: in order of row
    np.testing.assert_array_equal(values, [-1, 0, 3, 3])
    assert columns.column(1)[0].size == 0


@given(singles, singles)
def test_keys_compare_as_values(a: float, b: float) -> None:
    low, high = (int(k) for k in value_keys([a, b]))
    assert (low < high) == (a < b) and (low == high) == (a == b)
    assert low > 0
    np.testing.assert_array_equal(key_values([low, high]), np.array([a, b], dtype=np.float32))


@pytest.mark.parametrize("absent", [0.0, 0.3, 0.99])
def test_columns_are_argsorts(absent: float) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(20_000, 5)).round(3).astype(np.float32)  # long and short columns
    x[rng.random(x.shape) < absent] = np.nan
    with Team(1) as team:
        columns = sort_columns(DMatrix(x), team)
    for f in range(5):
        order = np.argsort(x[:, f], kind="stable")[: np.count_nonzero(~np.isnan(x[:, f]))]
        rows, values = columns.column(f)
        np.testing.assert_array_equal(rows, order)
        np.testing.assert_array_equal(values, x[order, f])


def test_dense_sparse_and_threads_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(500, 40)).round(1)
    x[rng.random(x.shape) < 0.8] = np.nan
    here = ~np.isnan(x)
    at = np.nonzero(here)
    csr = sparse.csr_matrix((x[here], at), shape=x.shape)
    monkeypatch.setattr("boost.threads.SERIAL_WORK", 0)
    made = []
    for table in (x, csr):
        for threads in (1, 2, 4):
            with Team(threads) as team:
                columns = sort_columns(DMatrix(table), team)
            made.append((columns.entries.tobytes(), columns.indptr.tobytes()))
    assert len(set(made)) == 1


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=50), st.integers(1, 6))
def test_feature_ranges_cover_all(counts: list[int], threads: int) -> None:
    team = Team(threads)
    ranges = feature_ranges(team, np.array(counts), 1e9)
    assert [f for begin, end in ranges for f in range(begin, end)] == list(range(len(counts)))
    assert len(ranges) <= threads

"""Cut points: of exact and of pruned summaries, and the weights of the bins between them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sketch import Cuts, Summary, WeightedQuantileSketch, column_cuts

FLOAT32 = st.floats(width=32, allow_nan=False, allow_infinity=False)


def test_cuts_of_an_exact_summary_are_half_way() -> None:
    np.testing.assert_array_equal(column_cuts(Summary.from_values([4.0, 1.0, 2.0, 2.0]), 8), [1.5, 3.0])


@pytest.mark.parametrize("values", [[], [5.0], [5.0, 5.0]])
def test_one_distinct_value_has_no_cut(values: list[float]) -> None:
    assert column_cuts(Summary.from_values(values), 16).size == 0


@given(st.lists(FLOAT32, min_size=1, max_size=40))
def test_each_distinct_value_gets_its_own_bin(values: list[float]) -> None:
    x = np.array(values, dtype=np.float32)
    cuts = column_cuts(Summary.from_values(x), 64)
    distinct = np.unique(x)
    assert (np.diff(cuts) > 0).all()
    np.testing.assert_array_equal(np.searchsorted(cuts, distinct, side="right"), np.arange(distinct.size))


@given(st.integers(2, 40), st.integers(0, 1000))
def test_bins_have_even_weight(max_bin: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, w = rng.normal(size=1000).astype(np.float32), rng.integers(1, 4, size=1000).astype(float)
    cuts = column_cuts(Summary.from_values(x, w), max_bin)
    assert cuts.size == max_bin - 1
    weight = np.bincount(np.searchsorted(cuts, x, side="right"), weights=w, minlength=max_bin)
    # Each border is off by at most half of one value's weight, and by rounding of the query.
    assert abs(weight - w.sum() / max_bin).max() <= 2 * w.max()


def test_cuts_of_a_pruned_summary_are_values() -> None:
    x = np.arange(10_000.0)
    sketch = WeightedQuantileSketch(0.05, block_rows=128)
    sketch.add(x)
    cuts = column_cuts(sketch.summary(), 10)
    assert 5 <= cuts.size <= 9 and np.isin(cuts, x).all()
    weight = np.bincount(np.searchsorted(cuts, x, side="right"))
    assert abs(weight - 1000).max() <= 0.05 * 10_000


def test_no_bin_is_empty_when_one_value_is_heavy() -> None:
    x = np.concatenate((np.zeros(9000), np.arange(1, 1001.0)))
    cuts = column_cuts(Summary.from_values(x), 16)
    assert (np.bincount(np.searchsorted(cuts, x, side="right"), minlength=cuts.size + 1) > 0).all()


def test_joined_columns() -> None:
    cuts = Cuts.from_columns(
        [np.array([1.0], np.float32), np.array([], np.float32), np.array([2.0, 3.0], np.float32)]
    )
    assert cuts.columns == 3
    np.testing.assert_array_equal(cuts.bins, [2, 1, 3])
    np.testing.assert_array_equal(cuts.column(2), [2, 3])
    assert Cuts.from_columns([]).columns == 0


def test_too_few_bins() -> None:
    with pytest.raises(ValueError, match="at least 2, got 1"):
        column_cuts(Summary.from_values([1.0]), 1)

"""The summary's bounds, against exact ranks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sketch import Summary

# Few distinct values give ties; integer weights give exact sums.
VALUES = st.lists(st.integers(-20, 20).map(float), min_size=1, max_size=60)


@st.composite
def weighted(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    values = np.array(draw(VALUES))
    weights = draw(st.lists(st.integers(1, 5), min_size=values.size, max_size=values.size))
    return values, np.array(weights, dtype=np.float64)


def ranks(values: np.ndarray, weights: np.ndarray, y: float) -> tuple[float, float, float]:
    below, equal = float(weights[values < y].sum()), float(weights[values == y].sum())
    return below, below + equal, equal


def check_bounds(s: Summary, values: np.ndarray, weights: np.ndarray) -> None:
    """Everything that appendix A promises of a summary."""
    assert s.total == weights.sum()
    assert (np.diff(s.value) > 0).all()
    assert s.value[0] == values.min() and s.value[-1] == values.max()
    points = np.concatenate((np.arange(-21, 21.5, 0.5), s.value))
    for y, rmin, rmax, wmin in zip(points, *s.bounds(points), strict=True):
        low, high, equal = ranks(values, weights, y)
        assert rmin <= low and rmax >= high and wmin <= equal
        assert rmax - rmin - wmin <= s.slack + 1e-9
    assert s.largest_gap() <= s.slack + 1e-9
    assert (s.rmin[:-1] + s.wmin[:-1] <= s.rmin[1:]).all()
    assert (s.rmax[:-1] <= s.rmax[1:] - s.wmin[1:]).all()


def test_hand_worked_summary() -> None:
    s = Summary.from_values([3.0, 1.0, 3.0, 2.0], [1.0, 2.0, 3.0, 0.5])
    np.testing.assert_array_equal(s.value, [1, 2, 3])
    np.testing.assert_array_equal(s.rmin, [0, 2, 2.5])
    np.testing.assert_array_equal(s.rmax, [2, 2.5, 6.5])
    np.testing.assert_array_equal(s.wmin, [2, 0.5, 4])
    assert s.slack == 0 and s.epsilon == 0


def test_hand_worked_query_and_prune() -> None:
    s = Summary.from_values(np.arange(10.0))
    # Rank 3 is the border between the values 2 and 3, and goes to the upper one.
    np.testing.assert_array_equal(s.query([-5.0, 0.0, 2.9, 3.0, 99.0]), [0, 0, 2, 3, 9])
    pruned = s.prune(2)
    np.testing.assert_array_equal(pruned.value, [0, 5, 9])
    np.testing.assert_array_equal(pruned.rmin, [0, 5, 9])
    assert pruned.epsilon == 0.5
    # Between 0 and 5 lie four units of weight, of which nothing more is known.
    assert pruned.largest_gap() == 4


@given(weighted())
def test_exact_summary_knows_every_rank(data: tuple[np.ndarray, np.ndarray]) -> None:
    s = Summary.from_values(*data)
    assert s.slack == 0
    check_bounds(s, *data)
    np.testing.assert_array_equal(s.rmax - s.rmin, s.wmin)


@given(weighted())
def test_integer_weights_are_repeated_values(data: tuple[np.ndarray, np.ndarray]) -> None:
    values, weights = data
    s, r = Summary.from_values(values, weights), Summary.from_values(np.repeat(values, weights.astype(int)))
    for name in ("value", "rmin", "rmax", "wmin"):
        np.testing.assert_array_equal(getattr(s, name), getattr(r, name))


@given(weighted(), weighted(), st.integers(1, 12), st.integers(1, 12), st.integers(1, 12))
def test_merge_and_prune_keep_their_bounds(
    a: tuple[np.ndarray, np.ndarray], b: tuple[np.ndarray, np.ndarray], k: int, m: int, n: int
) -> None:
    left, right = Summary.from_values(*a).prune(k), Summary.from_values(*b).prune(m)
    values, weights = (np.concatenate(pair) for pair in zip(a, b, strict=True))
    merged = left.merge(right)
    check_bounds(merged, values, weights)
    assert merged.epsilon <= max(left.epsilon, right.epsilon) + 1e-12
    pruned = merged.prune(n)
    check_bounds(pruned, values, weights)
    assert pruned.size <= max(n + 1, 1)
    assert pruned.epsilon <= merged.epsilon + 1 / n + 1e-12


@given(weighted(), st.integers(1, 12), st.floats(0, 1))
def test_query_is_within_the_slack(data: tuple[np.ndarray, np.ndarray], parts: int, share: float) -> None:
    s = Summary.from_values(*data).prune(parts)
    d = share * s.total
    low, high, _ = ranks(*data, s.value[int(s.query([d])[0])])
    # Lemma of appendix A.4: the distance of d to [r-, r+] of the answer is at most epsilon / 2 of the weight.
    assert low - s.slack / 2 - 1e-9 <= d <= high + s.slack / 2 + 1e-9


@given(weighted(), st.integers(1, 12), st.integers(1, 12))
def test_prune_keeps_the_answers_of_queries(
    data: tuple[np.ndarray, np.ndarray], parts: int, earlier: int
) -> None:
    for s in (Summary.from_values(*data), Summary.from_values(*data).prune(earlier)):
        kept = np.unique(s.query(np.arange(parts + 1) * (s.total / parts)))
        if s.size > parts + 1:
            np.testing.assert_array_equal(s.prune(parts).value, s.value[kept])
            np.testing.assert_array_equal(s.prune(parts).wmin, s.wmin[kept])
        else:
            assert s.prune(parts) is s


@given(weighted())
def test_float32_values_have_the_summary_of_the_same_float64(data: tuple[np.ndarray, np.ndarray]) -> None:
    for weights in (None, data[1]):
        s = Summary.from_values(data[0].astype(np.float32), weights)
        r = Summary.from_values(data[0], weights)
        for name in ("value", "rmin", "rmax", "wmin"):
            np.testing.assert_array_equal(getattr(s, name), getattr(r, name))


def test_empty_is_neutral() -> None:
    s = Summary.from_values([1.0, 2.0])
    assert Summary.empty().merge(s) is s and s.merge(Summary.empty()) is s
    assert Summary.from_values([], []).size == 0
    assert Summary.from_values([7.0], [0.0]).size == 0


@pytest.mark.parametrize(
    ("values", "weights", "match"),
    [
        ([np.nan], None, "must be finite"),
        ([np.inf], None, "must be finite"),
        ([1.0], [1.0, 2.0], "one entry for each of the 1"),
        ([1.0], [-1.0], "not negative"),
        ([[1.0]], None, "one-dimensional"),
    ],
)
def test_bad_input(values: list, weights: list | None, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        Summary.from_values(values, weights)


def test_bad_calls() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Summary.from_values([1.0]).prune(0)
    with pytest.raises(ValueError, match="no entry"):
        Summary.empty().query([0.0])

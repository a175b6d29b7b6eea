"""Gradient pairs rounded to integers: their units, and weights of any size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boost.grow.kernels.rounding import round_gradients

Floats = np.ndarray


def rounded(grad: Floats, hess: Floats, weight: Floats) -> tuple[Floats, tuple[float, float]]:
    """Return the gradient pairs, as integers, and the factors on gradients and hessians."""
    gpairs = np.empty((len(grad), 2 * (1 if grad.ndim == 1 else grad.shape[1])))
    scales, sums = round_gradients(grad, hess, weight, gpairs)
    np.testing.assert_array_equal(sums, gpairs.sum(axis=0))
    return gpairs, scales


def table(seed: int, rows: int = 50) -> tuple[Floats, Floats, Floats]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=rows), rng.random(rows), np.float32(rng.uniform(0.1, 9, rows)).astype(np.float64)


@settings(max_examples=50)
@given(st.integers(0, 2**31), st.integers(-140, 120), st.booleans())
def test_a_power_of_two_on_all_weights_changes_no_bit(seed: int, power: int, whole: bool) -> None:
    grad, hess, weight = table(seed)
    if whole:
        weight = np.floor(weight)
    gpairs, scales = rounded(grad, hess, weight)
    other, other_scales = rounded(grad, hess, np.ldexp(weight, power))
    np.testing.assert_array_equal(other, gpairs)
    assert other_scales == tuple(np.ldexp(scales, -power))


@settings(max_examples=50)
@given(st.integers(0, 2**31), st.floats(-30, 30), st.floats(0, 12))
def test_no_more_than_two_units_are_lost(seed: int, magnitude: float, spread: float) -> None:
    grad, hess, weight = table(seed)
    weight = weight * 10.0 ** (magnitude + np.random.default_rng(seed).uniform(-spread, spread, weight.size))
    gpairs, scales = rounded(grad, hess, weight)
    for k, values in enumerate((grad, hess)):
        assert (np.abs(gpairs[:, k] - values * weight * scales[k]) <= 2).all()
        assert 2**51 <= np.abs(gpairs[:, k]).sum() <= 2**52 + 100


@settings(max_examples=30)
@given(st.integers(0, 2**31), st.integers(1, 1023))
def test_a_weight_of_k_is_k_rows_to_the_bit(seed: int, largest: int) -> None:
    grad, hess, _ = table(seed)
    times = np.random.default_rng(seed).integers(1, largest, size=50, endpoint=True)
    times[0] = 1  # the unit
    gpairs, scales = rounded(grad, hess, times.astype(np.float64))
    rows = np.repeat(np.arange(50), times)
    copies, other = rounded(grad[rows], hess[rows], np.empty(0))
    if scales == other:  # the sums of sizes may round to both sides of a power of two
        np.testing.assert_array_equal(gpairs, copies[np.searchsorted(rows, np.arange(50))] * times[:, None])


def test_weights_of_zero_are_ignored() -> None:
    grad, hess, weight = table(0)
    weight[::3] = 0.0
    kept = weight > 0
    gpairs, scales = rounded(grad, hess, weight * 1e25)
    assert not gpairs[~kept].any()
    np.testing.assert_array_equal(gpairs[kept], rounded(grad[kept], hess[kept], weight[kept] * 1e25)[0])
    assert scales[0] < 1e-10


def test_each_output_has_a_unit_of_its_own() -> None:
    """An output of a million millionth of the size of the other one has as many bits."""
    rng = np.random.default_rng(0)
    grad, hess = rng.normal(size=(100, 2)), np.ones((100, 2))
    small, _ = rounded(grad * [1.0, 2.0**60], hess, np.empty(0))
    alone, scales = rounded(grad[:, :1], hess[:, :1], np.empty(0))
    np.testing.assert_array_equal(small[:, 0] / alone[:, 0], small[0, 0] / alone[0, 0])
    assert np.abs(small[:, 2]).sum() > 2**50


def test_sizes_without_a_finite_sum_are_refused() -> None:
    big = np.full(3, 1e308)
    with pytest.raises(ValueError, match="the gradients are too large: the sum of their sizes is infinite"):
        rounded(big, np.ones(3), np.empty(0))
    with pytest.raises(ValueError, match="the hessians are too large"):
        rounded(np.ones(3), big, np.empty(0))

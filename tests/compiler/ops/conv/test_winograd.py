"""Winograd's convolution: its matrices, and its programs against NumPy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.ops import CONV2D, CONV2D_WINOGRAD, Defaults
from compiler.ops.conv.winograd import amplification, matrices

# N, CI, H, W, CO, pad, tile, layout, epilogue
SHAPES = {
    "whole tiles": (1, 16, 8, 8, 16),
    "small tiles": (1, 3, 6, 7, 8, 1, "F2"),
    "tiles over the end": (1, 3, 7, 5, 11),
    "no padding": (1, 2, 7, 9, 4, 0),
    "asymmetric padding": (1, 2, 5, 6, 4, (0, 1, 2, 1), "F2"),
    "a batch": (3, 2, 4, 4, 5),
    "NHWC": (1, 5, 6, 7, 18, 1, "F4", "NHWC", "bias+relu"),
    "NCHW16c": (1, 16, 5, 6, 32, 1, "F4", "NCHW16c", "bias+residual+relu"),
}


@pytest.mark.parametrize("m", [2, 4])
def test_the_matrices_make_a_convolution(m: int) -> None:
    bt, g, at = matrices(m)
    assert (bt.shape, g.shape, at.shape) == ((m + 2, m + 2), (m + 2, 3), (m, m + 2))
    rng = np.random.default_rng(0)
    for _ in range(20):
        d, k = rng.standard_normal(m + 2), rng.standard_normal(3)
        np.testing.assert_allclose(at @ ((g @ k) * (bt @ d)), np.correlate(d, k, "valid"), atol=1e-12)
    # integers in the transform of the input: it multiplies without rounding
    np.testing.assert_array_equal(bt, np.round(bt))


def test_the_matrices_of_the_paper_up_to_signs() -> None:
    bt, g, at = matrices(2)
    np.testing.assert_array_equal(np.abs(bt), [[1, 0, 1, 0], [0, 1, 1, 0], [0, 1, 1, 0], [0, 1, 0, 1]])
    np.testing.assert_array_equal(np.abs(g), [[1, 0, 0], [0.5, 0.5, 0.5], [0.5, 0.5, 0.5], [0, 0, 1]])
    np.testing.assert_array_equal(np.abs(at), [[1, 1, 1, 0], [0, 1, 1, 1]])


def test_the_amplification_by_hand() -> None:
    # rows of B^T: |.|^2 = 2, 2, 2, 2; of G: 1, 3/4, 3/4, 1; both rows of A^T take three of the products
    assert amplification(2) == pytest.approx((2 * 1 + 2 * 0.75 + 2 * 0.75) / 3)


@pytest.mark.parametrize("m", [2, 4])
def test_the_amplification_agrees_with_measured_errors(m: int) -> None:
    """In float32 against float64, the worst of the m x m outputs of a tile errs as the model states."""
    rng = np.random.default_rng(0)
    single = np.float32
    bt, g, at = matrices(m)
    errors, direct_errors = np.zeros((m, m)), 0.0
    for _ in range(3000):
        d, k = rng.standard_normal((m + 2, m + 2)), rng.standard_normal((3, 3))
        d, k = d.astype(single).astype(float), k.astype(single).astype(float)
        exact = np.array([[(d[i : i + 3, j : j + 3] * k).sum() for j in range(m)] for i in range(m)])
        # one rounding for each transformed value and each product, as the model counts them
        inner = ((g @ k @ g.T).astype(single) * (bt @ d @ bt.T).astype(single)).astype(float)
        errors += (at @ inner @ at.T - exact) ** 2
        direct = (d[:3, :3] * k).astype(single).astype(float).sum()
        direct_errors += (direct - exact[0, 0]) ** 2
    ratio = (errors.max() / direct_errors) ** 0.5
    # three roundings in place of one: about the root of three
    assert 1.0 < ratio / amplification(m) < 2.5


def test_the_tolerance_is_amplified() -> None:
    reference = np.ones((1, 1, 8, 8), "float32")
    direct = CONV2D.tolerance(reference, 1, 16, 8, 8, 1, 3, 1, 1)
    for tile, m in (("F2", 2), ("F4", 4)):
        amplified = CONV2D_WINOGRAD.tolerance(reference, 1, 16, 8, 8, 1, 1, tile)
        assert amplified == pytest.approx(direct * amplification(m))


def test_float64(check_operator: Callable) -> None:
    values = CONV2D_WINOGRAD.shape(1, 3, 6, 7, 8, dtype="float64")
    check_operator(CONV2D_WINOGRAD, Defaults(), *values, how=("compiled", "bound"))


@pytest.mark.parametrize("name", SHAPES)
def test_defaults(name: str, check_operator: Callable) -> None:
    check_operator(CONV2D_WINOGRAD, Defaults(), *SHAPES[name], how=("nest", "compiled", "bound"))


@pytest.mark.slow
@settings(max_examples=max(1, settings().max_examples // 20))
@given(st.data())
def test_random_knobs(check_operator: Callable, random_knobs: Callable, data: st.DataObject) -> None:
    values = (1, 3, data.draw(st.sampled_from([4, 5, 9])), 6, 5, 1, data.draw(st.sampled_from(["F2", "F4"])))
    check_operator(CONV2D_WINOGRAD, random_knobs(data.draw), *values, how=("compiled",))


def test_refused() -> None:
    with pytest.raises(ValueError, match=r"conv2d_winograd: H=1 with pad has 1 pixels, fewer than the 3"):
        CONV2D_WINOGRAD.shape(1, 1, 1, 8, 1, 0)
    with pytest.raises(ValueError, match=r"conv2d_winograd: unknown tile 'F3'"):
        CONV2D_WINOGRAD.shape(1, 1, 8, 8, 1, tile="F3")
    with pytest.raises(ValueError, match=r"unknown dtype 'int8' \(known: float32, float64\)"):
        CONV2D_WINOGRAD.shape(1, 1, 8, 8, 1, dtype="int8")

"""Transposed convolution against NumPy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from compiler.ops import CONV2D, CONV2D_TRANSPOSE, Defaults

# N, CI, H, W, CO, kernel, stride, pad, output padding, epilogue
SHAPES = {
    "one pixel": (1, 1, 1, 1, 1, 1),
    "stride 1": (1, 2, 4, 5, 3, 3, 1, 1),
    "kernel of the stride": (1, 3, 3, 4, 18, 2, 2),
    "parts of a kernel": (2, 2, 3, 4, 5, 3, 2, 1, 1, "bias+relu"),
    "kernel below the stride": (1, 2, 3, 4, 3, 2, 3),
    "sides that differ": (1, 3, 5, 4, 6, (4, 3), (2, 1), (1, 0, 0, 1)),
    "residual": (1, 3, 4, 4, 20, 4, 2, 1, 0, "bias+residual"),
}


@pytest.mark.parametrize("name", SHAPES)
def test_defaults(name: str, check_operator: Callable) -> None:
    how = ("definition", "nest", "lowered", "compiled", "bound")
    check_operator(CONV2D_TRANSPOSE, Defaults(), *SHAPES[name], how=how)


@pytest.mark.parametrize("dtype", ["float64", "int8"])
def test_other_types(dtype: str, check_operator: Callable) -> None:
    values = CONV2D_TRANSPOSE.shape(*SHAPES["stride 1"], dtype=dtype)
    check_operator(CONV2D_TRANSPOSE, Defaults(), *values, how=("definition", "compiled"))


def test_it_is_the_transpose_of_the_convolution() -> None:
    """<conv(x), y> = <x, transposed(y)> for every x and y."""
    rng = np.random.default_rng(3)
    x, y = rng.standard_normal((1, 2, 7, 6)), rng.standard_normal((1, 3, 4, 3))
    weight = rng.standard_normal((3, 2, 3, 4))
    forward = CONV2D.reference(x, weight, *(1, 2, 7, 6, 3, (3, 4), 2, 1), 1, 1, "NCHW", "none", "float64")
    back = CONV2D_TRANSPOSE.reference(y, weight, *(1, 3, 4, 3, 2, (3, 4), 2, 1), 0, "none", "float64")
    assert forward.shape == y.shape
    assert back.shape == (1, 2, 7, 6)
    assert np.isclose((forward * y).sum(), (x * back).sum())


def test_refused() -> None:
    with pytest.raises(ValueError, match=r"output_padding along H is 2; it must be less than the stride, 2"):
        CONV2D_TRANSPOSE.shape(1, 3, 4, 4, 5, 3, 2, 1, 2)
    with pytest.raises(ValueError, match="pad leaves no pixel of the output along W"):
        CONV2D_TRANSPOSE.shape(1, 3, 4, 1, 5, 3, 1, 2)

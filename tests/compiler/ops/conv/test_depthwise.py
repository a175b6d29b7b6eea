"""Depthwise convolution against NumPy."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.ops import DEPTHWISE_CONV2D, Defaults

# N, C, H, W, kernel, stride, pad, dilation, multiplier, layout, epilogue
SHAPES = {
    "one pixel": (1, 1, 1, 1, 1),
    "3x3": (2, 3, 6, 17, 3, 1, 1),
    "stride 2": (1, 3, 9, 7, 3, 2, 1),
    "strides that differ": (1, 3, 9, 7, 3, (1, 3), 1),
    "asymmetric padding": (1, 2, 5, 7, 3, 1, (0, 2, 1, 0)),
    "dilation": (1, 2, 9, 9, 3, 2, 2, 2),
    "multiplier": (1, 3, 5, 5, 3, 1, 1, 1, 2),
    "NHWC": (1, 5, 6, 7, 3, 1, 1, 1, 1, "NHWC", "bias+relu"),
    "NHWC, multiplier": (1, 3, 6, 7, 3, 2, 1, 1, 3, "NHWC"),
    "NCHW16c": (1, 32, 5, 7, (3, 5), (2, 1), (1, 2), 1, 1, "NCHW16c", "bias+residual+relu6"),
}


@pytest.mark.parametrize("name", SHAPES)
def test_defaults(name: str, check_operator: Callable) -> None:
    check_operator(DEPTHWISE_CONV2D, Defaults(), *SHAPES[name], how=("nest", "lowered", "compiled", "bound"))


@pytest.mark.parametrize("dtype", ["float64", "float16", "int8"])
@pytest.mark.parametrize("name", ["stride 2", "NHWC", "multiplier"])
def test_other_types(name: str, dtype: str, check_operator: Callable) -> None:
    values = DEPTHWISE_CONV2D.shape(*SHAPES[name], dtype=dtype)
    check_operator(DEPTHWISE_CONV2D, Defaults(), *values, how=("definition", "compiled"))


@pytest.mark.slow
@settings(max_examples=settings().max_examples // 5)
@given(st.data())
def test_random_knobs(check_operator: Callable, random_knobs: Callable, data: st.DataObject) -> None:
    def size(*options: int) -> int:
        return data.draw(st.sampled_from(options))

    layout = data.draw(st.sampled_from(["NCHW", "NHWC"]))
    values = (1, 3, size(3, 5, 8), size(3, 17), size(1, 3), size(1, 2), size(0, 1), 1, 1, layout)
    check_operator(DEPTHWISE_CONV2D, random_knobs(data.draw), *values, how=("compiled",))


def test_refused() -> None:
    with pytest.raises(
        ValueError, match=r"depthwise_conv2d: layout NCHW16c needs CI to be a multiple of 16, not 5"
    ):
        DEPTHWISE_CONV2D.shape(1, 5, 8, 8, 3, layout="NCHW16c")
    with pytest.raises(ValueError, match=r"depthwise_conv2d: W=2 with pad has 2 pixels, fewer than the 3"):
        DEPTHWISE_CONV2D.shape(1, 5, 8, 2, 3)

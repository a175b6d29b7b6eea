"""Direct convolution: the default schedule and random ones against NumPy."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.ops import CONV2D, Defaults

# N, CI, H, W, CO, kernel, stride, pad, dilation, groups, layout, epilogue
SHAPES = {
    "one pixel": (1, 1, 1, 1, 1, 1),
    "3x3": (1, 3, 6, 7, 8, 3, 1, 1),
    "1x1": (1, 5, 4, 4, 6, 1),
    "1x1, pixels and channels over the end": (2, 3, 7, 5, 17, 1, 1, 0, 1, 1, "NCHW", "bias+residual+relu"),
    "1x1, whole tiles": (1, 8, 4, 8, 16, 1),
    "1x1, stride 2": (1, 5, 7, 6, 6, 1, 2),
    "one row": (1, 3, 1, 20, 7, (1, 3), 1, 0, (1, 2), 1, "NCHW", "bias+gelu"),
    "one row, all that a window has": (2, 2, 1, 40, 5, (1, 4), (1, 2), (0, 3), (1, 3), 1, "NCHW", "bias"),
    "prime sizes": (1, 3, 7, 5, 11, 3, 1, 1),
    "stride 2": (1, 2, 9, 8, 4, 3, 2, 1),
    "a batch": (3, 2, 4, 4, 16, 3, 1, 1),
    "asymmetric padding": (1, 2, 6, 7, 4, 3, 1, (0, 2, 1, 3)),
    "a flat kernel": (1, 2, 6, 7, 4, (1, 5), (2, 1), (0, 2)),
    "dilation": (1, 2, 9, 9, 4, 3, 1, 2, 2),
    "groups": (1, 6, 5, 5, 9, 3, 1, 1, 1, 3),
    "channels of two vectors": (1, 8, 2, 7, 32, 3, 1, 1),
    "channels over the end": (1, 4, 3, 9, 37, 3, 1, 1),
    "NHWC": (2, 3, 5, 7, 11, 3, 1, 1, 1, 1, "NHWC"),
    "NHWC, stride and groups": (1, 4, 5, 7, 6, 3, 2, 1, 1, 2, "NHWC", "bias+residual+relu"),
    "NCHW16c": (1, 16, 5, 6, 32, 3, 1, 1, 1, 1, "NCHW16c"),
    "NCHW16c, groups": (1, 32, 4, 5, 32, 3, 1, 1, 1, 2, "NCHW16c", "bias+relu"),
    "epilogue": (1, 3, 5, 6, 7, 3, 1, 1, 1, 1, "NCHW", "bias+residual+relu"),
}


@pytest.mark.parametrize("name", SHAPES)
def test_defaults(name: str, check_operator: Callable) -> None:
    check_operator(CONV2D, Defaults(), *SHAPES[name], how=("nest", "lowered", "compiled", "bound"))


@pytest.mark.parametrize("dtype", ["float64", "float16", "int8"])
@pytest.mark.parametrize(
    "name", ["3x3", "1x1, pixels and channels over the end", "NHWC, stride and groups", "NCHW16c"]
)
def test_other_types(name: str, dtype: str, check_operator: Callable) -> None:
    values = CONV2D.shape(*SHAPES[name], dtype=dtype)
    check_operator(CONV2D, Defaults(), *values, how=("compiled", "bound"))


@pytest.mark.slow
@settings(max_examples=settings().max_examples // 8)
@given(st.data())
def test_random_knobs(check_operator: Callable, random_knobs: Callable, data: st.DataObject) -> None:
    def size(*options: int) -> int:
        return data.draw(st.sampled_from(options))

    kernel, pad = size(1, 2, 3), size(0, 1, 2)
    height, width = size(3, 4, 5), size(3, 4, 7)
    layout = data.draw(st.sampled_from(["NCHW", "NHWC"]))
    values = (1, size(1, 3, 4), height, width, size(1, 6, 33), kernel, size(1, 2), pad, 1, 1, layout)
    check_operator(CONV2D, random_knobs(data.draw), *values, how=("compiled",))


@given(st.data())
def test_the_requested_knobs_do_not_depend_on_their_values(
    recording_defaults: Callable, random_knobs: Callable, data: st.DataObject
) -> None:
    first, second = recording_defaults(), random_knobs(data.draw)
    shape = CONV2D.shape(2, 4, 6, 6, 12, 3, 1, 1)
    CONV2D.schedule(first, *shape)
    CONV2D.schedule(second, *shape)
    assert first.requested == second.requested

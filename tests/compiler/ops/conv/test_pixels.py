"""Convolutions with pixels in the lanes: which ones they are, and the loops around an epilogue."""

from __future__ import annotations

from typing import Any

import pytest

import compiler
from compiler.backend import Target
from compiler.ops import CONV2D, Defaults
from compiler.ops.conv.direct import convolution
from compiler.ops.conv.pixels import has_pixels_in_lanes

V3 = Target.parse("llvm -mcpu=x86-64-v3")


def shape(width: int = 100, channels: int = 16, **values: Any) -> Any:
    given = {"N": 1, "CI": 16, "H": 1, "W": width, "CO": channels, "kernel": (1, 3), **values}
    return CONV2D.shape(**given)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, True),
        ({"pad": (0, 1), "stride": (1, 2), "dilation": (1, 4)}, True),
        ({"kernel": 1, "H": 9}, True),
        # a row of two pixels fills a quarter of a vector, and channels all of it
        ({"width": 4}, False),
        ({"width": 4, "channels": 1}, True),
        ({"H": 9}, False),
        ({"kernel": 3, "pad": 1}, False),
        ({"groups": 2}, False),
        ({"layout": "NHWC"}, False),
    ],
)
def test_pixels_lie_in_the_lanes_of_images_of_one_row(values: dict[str, Any], expected: bool) -> None:
    assert has_pixels_in_lanes(convolution(*shape(**values)), V3) is expected


def test_a_polynomial_is_not_repeated_for_each_channel_of_a_tile() -> None:
    s, tensors = CONV2D.schedule(Defaults(), *shape(98, epilogue="bias+gelu"), target=V3)
    rows, pixels = 4, 24
    text = str(compiler.lower(s, tensors))
    assert text.count("erf(") == pixels // V3.lanes("float32")
    s, tensors = CONV2D.schedule(Defaults(), *shape(98, epilogue="bias+relu"), target=V3)
    assert str(compiler.lower(s, tensors)).count("max(") == rows * pixels // V3.lanes("float32")

"""Pooling against NumPy, and the NumPy reference against results worked by hand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from compiler.ops import POOL2D, Defaults
from compiler.ops.conv.pool2d import KINDS

# N, C, H, W, kernel, stride, pad, dilation, kind, layout
SHAPES = [
    (1, 1, 1, 1, 1),
    (2, 3, 6, 7, 2, 2),
    (1, 3, 7, 9, 3, 2, 1),
    (1, 2, 5, 5, 5),
    (1, 2, 6, 6, (2, 3), 1, (1, 2)),
    (1, 2, 7, 6, 2, 1, (0, 1, 1, 0), 2),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_defaults(shape: tuple, kind: str, check_operator: Callable) -> None:
    values = POOL2D.shape(*shape, kind=kind)
    check_operator(POOL2D, Defaults(), *values, how=("nest", "compiled", "definition"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("layout", ["NHWC", "NCHW16c"])
def test_layouts(layout: str, kind: str, check_operator: Callable) -> None:
    values = POOL2D.shape(1, 16, 5, 6, 3, 2, 1, kind=kind, layout=layout)
    check_operator(POOL2D, Defaults(), *values, how=("nest", "compiled"))


@pytest.mark.parametrize(
    ("dtype", "kind"),
    [("float64", "max"), ("float64", "average"), ("float16", "average without margin"), ("int8", "max")],
)
def test_other_types(dtype: str, kind: str, check_operator: Callable) -> None:
    values = POOL2D.shape(2, 3, 7, 9, 3, 2, 1, kind=kind, dtype=dtype)
    check_operator(POOL2D, Defaults(), *values, how=("definition", "nest", "compiled"))


def test_a_mean_with_and_without_the_margin() -> None:
    ones = np.ones((1, 1, 2, 2), "float32")
    with_margin = POOL2D.reference(ones, *POOL2D.shape(1, 1, 2, 2, 2, 1, 1, kind="average"))
    np.testing.assert_array_equal(with_margin[0, 0], [[0.25, 0.5, 0.25], [0.5, 1, 0.5], [0.25, 0.5, 0.25]])
    inside = POOL2D.reference(ones, *POOL2D.shape(1, 1, 2, 2, 2, 1, 1, kind="average without margin"))
    np.testing.assert_array_equal(inside, np.ones((1, 1, 3, 3)))


def test_padding_is_never_the_maximum() -> None:
    data = -np.ones((1, 1, 3, 3), "float32")
    np.testing.assert_array_equal(POOL2D.reference(data, *POOL2D.shape(1, 1, 3, 3, 3, 1, 1)), data)


def test_refused() -> None:
    with pytest.raises(
        ValueError,
        match=r"pool2d: pad is 2, so that windows of 2 pixels may have no .*; it must be less than 2",
    ):
        POOL2D.shape(1, 1, 4, 4, 2, 1, 2)
    with pytest.raises(ValueError, match=r"pool2d: unknown kind 'mean'"):
        POOL2D.shape(1, 1, 4, 4, 2, kind="mean")
    with pytest.raises(ValueError, match=r"pool2d: the kind 'average' needs floats, not int8; integers take"):
        POOL2D.shape(1, 1, 4, 4, 2, kind="average", dtype="int8")

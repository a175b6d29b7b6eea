"""The tolerance of results, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.ops import CONV2D, MATMUL
from compiler.ops.rounding import MARGIN, Rounding

EPS = {dtype: float(np.finfo(dtype).eps) for dtype in ("float16", "float32", "float64")}


@pytest.mark.parametrize("dtype", EPS)
def test_by_hand(dtype: str) -> None:
    reference = np.array([1.0, -3.0], dtype)
    assert Rounding().tolerance(reference) == pytest.approx(MARGIN * EPS[dtype] * 3)
    assert Rounding(100).tolerance(reference) == pytest.approx(MARGIN * EPS[dtype] * 10 * 3)
    assert Rounding(100, 2.5).tolerance(reference) == pytest.approx(MARGIN * EPS[dtype] * 25 * 3)


def test_a_wider_accumulator_rounds_once_more_at_the_end() -> None:
    reference = np.array([2.0], "float16")
    expected = 2 * (MARGIN * EPS["float32"] * 10 + EPS["float16"])
    assert Rounding(100, accumulator="float32").tolerance(reference) == pytest.approx(expected)


@pytest.mark.parametrize("dtype", ["int8", "int32", "bool", "uint8"])
def test_other_types_are_exact(dtype: str) -> None:
    assert Rounding(100).tolerance(np.ones(3, dtype)) == 0.0


def test_an_empty_output() -> None:
    assert Rounding(100).tolerance(np.empty((0, 3), "float32")) == 0.0


def test_the_tolerance_grows_as_the_root_of_the_terms() -> None:
    reference = np.ones((4, 4), "float32")
    assert MATMUL.tolerance(reference, 4, 4, 400) == pytest.approx(2 * MATMUL.tolerance(reference, 4, 4, 100))
    assert CONV2D.tolerance(reference, 1, 4, 8, 8, 4, 5) == MATMUL.tolerance(reference, 1, 1, 100)

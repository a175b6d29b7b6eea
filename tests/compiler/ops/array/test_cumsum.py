"""Cumulative sums against NumPy: along each axis, with parts that fill no vector, tile or part."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.driver import build
from compiler.ops import CUMSUM, Defaults
from tests.compiler.ops.conftest import RandomKnobs, check

CASES = [
    ((5,), 0),
    ((1,), 0),
    ((300,), 0),
    ((3, 37), 0),
    ((3, 37), 1),
    ((2, 300), 1),
    ((2, 3, 17), 1),
    ((2, 3, 17), 2),
    ((4, 1, 5), 1),
    ((1, 1, 1), 2),
]


@pytest.mark.parametrize(("shape", "axis"), CASES, ids=str)
def test_defaults(shape: tuple, axis: int, check_operator: Callable) -> None:
    check_operator(CUMSUM, Defaults(), shape, axis, how=("definition", "nest", "compiled"))


@pytest.mark.parametrize("dtype", ["float64", "int32", "int64"])
@pytest.mark.parametrize(("shape", "axis"), [((3, 37), 0), ((2, 70), 1)], ids=str)
def test_other_types(shape: tuple, axis: int, dtype: str, check_operator: Callable) -> None:
    check_operator(CUMSUM, Defaults(), shape, axis, dtype, how=("definition", "compiled"))


@settings(max_examples=10)
@given(st.data())
def test_random_programs(data: st.DataObject) -> None:
    shape = tuple(data.draw(st.lists(st.integers(1, 40), min_size=1, max_size=2)))
    axis = data.draw(st.integers(0, len(shape) - 1))
    check(CUMSUM, RandomKnobs(data.draw), shape, axis, how=("lowered", "compiled"))


def test_parts_begin_with_the_sum_of_those_before_them() -> None:
    """More parts than one: 128 vectors of 16 each, and a rest."""
    x = np.random.default_rng(0).integers(-9, 10, (2, 3 * 2048 + 5)).astype(np.int32)
    out = np.zeros_like(x)
    build(*CUMSUM.schedule(Defaults(), *CUMSUM.shape(x.shape, 1, "int32")))(x, out)
    np.testing.assert_array_equal(out, np.cumsum(x, 1))


def test_refused() -> None:
    with pytest.raises(ValueError, match=r"cumsum: axis is 2, but the shape \(3, 4\) has 2 axes"):
        CUMSUM.shape((3, 4), 2)

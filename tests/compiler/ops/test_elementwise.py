"""Functions of each element against NumPy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from compiler.driver import build
from compiler.ops import BINARY, UNARY, Defaults, elementwise


@pytest.mark.parametrize("function", elementwise.UNARY)
@pytest.mark.parametrize("shape", [(1,), (37,), (3, 17), (2, 1, 5)])
def test_unary(shape: tuple[int, ...], function: str, check_operator: Callable) -> None:
    check_operator(UNARY, Defaults(), shape, function, how=("nest", "compiled"))


@pytest.mark.parametrize("function", elementwise.BINARY)
@pytest.mark.parametrize(
    ("a", "b"),
    [((1,), (1,)), ((17,), (17,)), ((3, 17), (17,)), ((3, 1), (1, 5)), ((2, 3, 4), (3, 1)), ((5,), (2, 1))],
)
def test_binary(a: tuple, b: tuple, function: str, check_operator: Callable) -> None:
    check_operator(BINARY, Defaults(), a, b, function, how=("nest", "compiled"))


@pytest.mark.parametrize("function", ["relu", "relu6"])
def test_not_a_number_stays_one(function: str) -> None:
    x = np.array([np.nan, -np.inf, np.inf, -1.0, 3.0], "float32")
    out = np.empty_like(x)
    build(*UNARY.schedule(Defaults(), (5,), function))(x, out)
    np.testing.assert_array_equal(out, [np.nan, 0.0, np.inf if function == "relu" else 6.0, 0.0, 3.0])


def test_refused() -> None:
    with pytest.raises(ValueError, match=r"binary: the shapes a=\(3,\) and b=\(4,\) do not broadcast"):
        BINARY.shape((3,), (4,))
    with pytest.raises(ValueError, match=r"unary: unknown function 'exq'; did you mean 'exp'"):
        UNARY.shape((3,), "exq")

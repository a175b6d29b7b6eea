"""Element-wise functions against NumPy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from compiler.driver import build
from compiler.ops import BINARY, UNARY, Defaults
from compiler.ops.array import elementwise


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


@pytest.mark.parametrize("dtype", ["float64", "float16", "int32", "int8"])
@pytest.mark.parametrize("function", [*elementwise.UNARY, *elementwise.BINARY])
def test_other_types(function: str, dtype: str, check_operator: Callable) -> None:
    op, shapes = (UNARY, [(3, 17)]) if function in elementwise.UNARY else (BINARY, [(3, 17), (17,)])
    if dtype.startswith("int") and function not in elementwise.OF_INTEGERS:
        message = rf"{op.name}: the function '{function}' needs floats, not {dtype}; integers take .*"
        with pytest.raises(ValueError, match=message):
            op.shape(*shapes, function, dtype)
        return
    check_operator(op, Defaults(), *shapes, function, dtype, how=("nest", "compiled"))


@pytest.mark.parametrize("function", elementwise.UNARY)
def test_each_element_is_accurate(function: str) -> None:
    """The tolerance follows the largest element; small ones are as accurate as large ones."""
    (x,) = UNARY.inputs(np.random.default_rng(1), (1000,), function)
    out = np.empty_like(x)
    build(*UNARY.schedule(Defaults(), (1000,), function))(x, out)
    eps = np.finfo("float32").eps
    np.testing.assert_allclose(out, UNARY.reference(x, (1000,), function), rtol=8 * eps, atol=8 * eps)


def test_inputs_are_in_the_domain() -> None:
    rng = np.random.default_rng(0)
    (x,) = UNARY.inputs(rng, (1000,), "log")
    assert x.min() >= 0.25
    _, divisor = BINARY.inputs(rng, (1000,), (1000,), "divide")
    assert divisor.min() >= 0.25
    (x,) = UNARY.inputs(rng, (1000,), "exp")
    assert x.min() < 0


@pytest.mark.parametrize("function", ["relu", "relu6"])
def test_nan_is_propagated(function: str) -> None:
    x = np.array([np.nan, -np.inf, np.inf, -1.0, 3.0], "float32")
    out = np.empty_like(x)
    build(*UNARY.schedule(Defaults(), (5,), function))(x, out)
    np.testing.assert_array_equal(out, [np.nan, 0.0, np.inf if function == "relu" else 6.0, 0.0, 3.0])


def test_refused() -> None:
    with pytest.raises(ValueError, match=r"binary: the shapes a=\(3,\) and b=\(4,\) do not broadcast"):
        BINARY.shape((3,), (4,))
    with pytest.raises(ValueError, match=r"unary: unknown function 'exq'; did you mean 'exp'"):
        UNARY.shape((3,), "exq")

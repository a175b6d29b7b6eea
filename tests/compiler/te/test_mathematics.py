"""The functions of the language against NumPy, in each type that they accept."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from compiler import te
from compiler.ir.expr import Const, Expr
from compiler.ir.semantics.interpret import interpret
from compiler.lowering.nest import loop_nest

VALUES = np.array([-2.5, -1.5, -0.5, -0.0, 0.25, 0.5, 1.5, 3.0, np.inf, -np.inf, np.nan])

FLOAT: dict[str, tuple[Callable[[Expr], Expr], Callable[[np.ndarray], np.ndarray]]] = {
    "sin": (te.sin, np.sin),
    "cos": (te.cos, np.cos),
    "erf": (te.erf, lambda x: np.array([math.erf(v) for v in x])),
    "round": (te.round, np.round),
    "trunc": (te.trunc, np.trunc),
    "rsqrt": (lambda x: te.rsqrt(te.abs(x)), lambda x: 1 / np.sqrt(np.abs(x))),
    "sigmoid": (te.sigmoid, lambda x: 1 / (1 + np.exp(-x))),
    "isnan": (lambda x: te.cast(te.isnan(x), x.dtype), np.isnan),
    "select": (lambda x: te.select(x > 0, x, 0), lambda x: np.where(x > 0, x, 0)),
}


def elementwise(function: Callable[[Expr], Expr], x: np.ndarray) -> np.ndarray:
    A = te.placeholder(x.shape, "A", str(x.dtype))
    C = te.compute(x.shape, lambda i: function(A[i]), "C")
    result = np.zeros(x.shape, C.dtype)
    interpret(loop_nest(te.create_schedule(C.op), [A, C]), x, result)
    return result


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("name", FLOAT)
def test_floats(name: str, dtype: str) -> None:
    ours, numpy = FLOAT[name]
    x = VALUES.astype(dtype)
    with np.errstate(all="ignore"):
        expected = numpy(x.astype("float64"))
    near = {"float16": 2e-3, "float32": 1e-6, "float64": 1e-12}[dtype]
    np.testing.assert_allclose(elementwise(ours, x), expected, rtol=near, atol=near)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "uint64"])
def test_popcount(dtype: str) -> None:
    info = np.iinfo(dtype)
    x = np.array([0, 1, 2, 3, 127, info.max, info.min], dtype)
    bits = np.dtype(dtype).itemsize * 8
    expected = [bin(int(v) % (1 << bits)).count("1") for v in x]
    np.testing.assert_array_equal(elementwise(te.popcount, x), expected)


def test_quotient_and_remainder() -> None:
    x = np.array([-7, -1, 0, 6, 7], "int32")
    np.testing.assert_array_equal(elementwise(lambda v: te.floordiv(v, 3), x), x // 3)
    np.testing.assert_array_equal(elementwise(lambda v: te.floormod(v, 3), x), x % 3)


@pytest.mark.parametrize(
    ("source", "target", "values", "expected"),
    [
        ("float32", "int8", [-1.9, 1.9, 300, -300, np.nan], [-1, 1, 127, -128, 0]),
        ("int32", "uint8", [-1, 256, 255], [255, 0, 255]),
        ("int32", "float16", [2049, -3], [2048, -3]),
        ("float32", "bool", [0.0, 0.5, np.nan], [False, True, True]),
        ("bool", "int64", [True, False], [1, 0]),
    ],
)
def test_casts(source: str, target: str, values: list, expected: list) -> None:
    result = elementwise(lambda v: te.cast(v, target), np.array(values, source))
    assert result.dtype == target
    np.testing.assert_array_equal(result, np.array(expected, target))


def test_the_smallest_and_largest_values_of_types() -> None:
    assert te.min_value("int8") == Const(-128, "int8")
    assert te.max_value("uint16") == Const(65535, "uint16")
    assert te.max_value("int4") == Const(7, "int4")
    assert te.min_value("float16") == Const(-math.inf, "float16")


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "a cast to an unknown type": (
        lambda: te.cast(1, "float23"),
        r"unknown dtype 'float23'; did you mean 'float32'\?",
    ),
    "min_value of an unknown type": (lambda: te.min_value("int3"), r"unknown dtype 'int3'; did you mean"),
    "a sine of an integer": (lambda: te.sin(1), r"sin takes a float, not int32: cast it first"),
    "popcount of a float": (lambda: te.popcount(1.0), r"popcount takes an integer, not float32"),
    "a choice by a number": (lambda: te.select(te.const(1), 2, 3), r"takes a condition, not int32"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    make, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        make()

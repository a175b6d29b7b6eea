"""The functions of the language against NumPy, in each type that they accept."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from compiler import build, te
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


FLOAT |= {name: (getattr(te, name), getattr(np, name)) for name in ("exp2", "expm1", "sign", "log2", "log10")}
FLOAT |= {name: (getattr(te, name), getattr(np, name)) for name in ("log1p", "cbrt", "tan", "sinh", "cosh")}
FLOAT |= {
    "a" + n: (getattr(te, "a" + n), getattr(np, "arc" + n)) for n in ("sin", "cos", "tan", "sinh", "cosh")
}
FLOAT |= {
    "atanh": (te.atanh, np.arctanh),
    "exp10": (te.exp10, lambda x: 10**x),
    "isinf": (lambda x: te.cast(te.isinf(x), x.dtype), np.isinf),
    "isfinite": (lambda x: te.cast(te.isfinite(x), x.dtype), np.isfinite),
    "abs of Python": (abs, abs),
    "round of Python": (round, np.round),
    "floor of Python": (math.floor, np.floor),
    "ceil of Python": (math.ceil, np.ceil),
    "square": (lambda x: x**2, lambda x: x**2),
    "zeroth power": (lambda x: x**0 + 0 * x, lambda x: x**0 + 0 * x),
    "reciprocal": (lambda x: x**-1, lambda x: x**-1.0),
    "power": (lambda x: x**2.5, lambda x: x**2.5),
    "power of a number": (lambda x: 2**x, lambda x: 2**x),
    "power of itself": (lambda x: x**x, lambda x: x**x),
    "atan2": (lambda x: te.atan2(x, -2), lambda x: np.arctan2(x, -2)),
    "hypot": (lambda x: te.hypot(x, 3), lambda x: np.hypot(x, 3)),
    "fmod": (lambda x: te.fmod(x, 0.75), lambda x: np.fmod(x, 0.75)),
    "copysign": (lambda x: te.copysign(2, x), lambda x: np.copysign(2, x)),
    "plus and minus": (lambda x: -(+x), lambda x: -x),
    "both": (
        lambda x: te.cast((x > 0) & (x < 1) | ~(x < 2), x.dtype),
        lambda x: (x > 0) & (x < 1) | ~(x < 2),
    ),
    "one": (lambda x: te.cast((x > 0) ^ (x < 1), x.dtype), lambda x: (x > 0) ^ (x < 1)),
}


def elementwise(function: Callable[[Expr], Expr], x: np.ndarray) -> np.ndarray:
    """The value of a function, by the interpreter, and by scalar and by vector code, which must agree."""
    A = te.placeholder(x.shape, "A", str(x.dtype))
    C = te.compute(x.shape, lambda i: function(A[i]), "C")
    result = np.zeros(x.shape, C.dtype)
    interpret(loop_nest(te.create_schedule(C.op), [A, C]), x, result)
    for lanes in (1, 8):
        s = te.create_schedule(C.op)
        s[C].vectorize(s[C].split(C.op.axis[0], lanes)[1])
        compiled = np.zeros(x.shape, C.dtype)
        build(s, [A, C])(x, compiled)
        if C.dtype.startswith("float"):
            near = {"float16": 2e-3, "float32": 1e-6, "float64": 1e-14}[C.dtype]
            np.testing.assert_allclose(compiled, result, rtol=near, atol=near)
            alive = ~np.isnan(result)
            np.testing.assert_array_equal(np.signbit(compiled[alive]), np.signbit(result[alive]))
        else:
            np.testing.assert_array_equal(compiled, result)
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


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("toward", [0.0, math.inf, -math.inf, math.nan, 0.5])
def test_the_next_float(dtype: str, toward: float) -> None:
    x = np.concatenate([VALUES, [np.finfo(dtype).max, np.finfo(dtype).tiny]]).astype(dtype)
    with np.errstate(all="ignore"):
        expected = np.nextafter(x, np.array(toward, dtype))
    np.testing.assert_array_equal(elementwise(lambda v: te.nextafter(v, toward), x), expected)


INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")


def extremes(dtype: str) -> np.ndarray:
    info = np.iinfo(dtype)
    return np.array([0, 1, 2, 3, 100, info.max, info.max - 1, info.min, info.min + 1, info.max // 3], dtype)


@pytest.mark.parametrize("dtype", INTEGERS)
def test_operators_of_integers_wrap_around_as_those_of_numpy(dtype: str) -> None:
    x = extremes(dtype)
    for function in (
        *(lambda v: -v, lambda v: +v, lambda v: ~v, abs),
        *(lambda v: v**0 + v, lambda v: v**1, lambda v: v**2, lambda v: v**5, lambda v: v * v - v),
        lambda v: divmod(v, 7)[0] * 3 + divmod(v, 7)[1],
    ):
        with np.errstate(all="ignore"):
            np.testing.assert_array_equal(elementwise(function, x), function(x))
    np.testing.assert_array_equal(elementwise(te.sign, x), np.sign(x))


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("divisor", [3, -3])
def test_division_to_zero(dtype: str, divisor: int) -> None:
    if dtype.startswith("u") and divisor < 0:
        pytest.skip("no literal of the type")
    x = extremes(dtype)
    rest = [
        int(math.fmod(v, divisor)) if abs(int(v)) < 2**50 else abs(int(v)) % 3 * (1 if v > 0 else -1)
        for v in x
    ]
    np.testing.assert_array_equal(elementwise(lambda v: te.truncmod(v, divisor), x), rest)
    quotient = [(int(v) - r) // divisor for v, r in zip(x, rest, strict=True)]
    np.testing.assert_array_equal(elementwise(lambda v: te.truncdiv(v, divisor), x), quotient)


@pytest.mark.parametrize("dtype", [*INTEGERS, "float16", "float32", "float64"])
def test_the_bits_of_a_value_read_as_another_type(dtype: str) -> None:
    bits = np.dtype(dtype).itemsize * 8
    x = extremes(f"uint{bits}").view(dtype)
    for target in (*INTEGERS, "float16", "float32", "float64"):
        if np.dtype(target).itemsize * 8 == bits:
            got = elementwise(lambda v, t=target: te.reinterpret(v, t), x)
            np.testing.assert_array_equal(got.view(f"u{bits // 8}"), x.view(f"u{bits // 8}"))
        else:
            with pytest.raises(
                ValueError, match=rf"reinterpret from {dtype} to {target}: {bits} and \d+ bits"
            ):
                te.reinterpret(te.const(1, dtype), target)


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
    "a power of an integer by a value": (
        lambda: te.const(2) ** te.placeholder((1,), "A", "int32")[0],
        "an integer to the power of an integer that varies: the exponent of an integer is a literal",
    ),
    "a negative power of an integer": (lambda: te.const(2) ** -1, "an integer to the power of -1"),
    "a power of a condition": (
        lambda: (te.const(2) > te.placeholder((1,), "A")[0]) ** te.const(True),
        "takes numbers",
    ),
    "a rounding to digits": (lambda: round(te.const(2.5), 1), "rounded to whole numbers only"),
    "the bits of a bool": (
        lambda: te.reinterpret(te.const(True), "int8"),
        "takes numbers of whole bytes, not bool",
    ),
    "isinf of an integer": (lambda: te.isinf(te.const(1)), "isinf takes a float, not int32: cast it first"),
    "a remainder of floats": (lambda: te.const(1.5) % te.const(1.0), "te.fmod"),
    "a floor division of floats": (lambda: te.const(1.5) // te.const(1.0), "te.floor"),
    "the inverse of a float": (lambda: ~te.const(1.0), "takes integers, not float32"),
    "two types that no type holds": (
        lambda: te.const(1, "int64") + te.const(1, "uint64"),
        "operands have int64 and uint64: no integer type holds both, cast one",
    ),
    "a choice by a number": (lambda: te.select(te.const(1), 2, 3), r"takes a condition, not int32"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    make, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        make()

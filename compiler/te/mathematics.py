"""The functions of the tensor-expression language, beside Python's operators.

Arguments of two types are converted to one, as the operands of an operator are.
"""

from __future__ import annotations

from functools import reduce

from compiler.ir.calls import call, reinterpret
from compiler.ir.dtype import PACKED_TYPES, SCALAR_TYPES, bits_of, is_float
from compiler.ir.expr import (
    Cast,
    Const,
    Expr,
    ExprLike,
    Select,
    as_expr,
    binary,
    conjunction,
    const,
    equal,
    matched,
    not_equal,
)
from compiler.suggest import unknown
from compiler.te.reducer import highest, lowest


def all(*conditions: Expr) -> Expr:
    """The condition that all conditions hold; true for none."""
    return conjunction(conditions)


def any(*conditions: Expr) -> Expr:
    """The condition that at least one condition holds.

    Raises
    ------
    ValueError
        If no condition is given.
    """
    if not conditions:
        raise ValueError("te.any needs at least one condition")
    return reduce(lambda a, b: binary("or", a, b), map(as_expr, conditions))


def if_then_else(condition: Expr, a: ExprLike, b: ExprLike) -> Expr:
    """`a` where the condition holds, else `b`; only the chosen arm is evaluated."""
    return call("if_then_else", condition, a, b)


def select(condition: Expr, a: ExprLike, b: ExprLike) -> Expr:
    """`a` where the condition holds, else `b`; both arms may be evaluated.

    If an arm reads a tensor at an index that may be outside of it where the condition does not hold, as in
    padding, only the chosen arm is evaluated, as by `if_then_else`.

    Raises
    ------
    ValueError
        If `condition` is not a condition.
    """
    chosen = call("if_then_else", condition, a, b)  # converts the arms to one type
    return Select(*chosen.args)


def cast(value: ExprLike, dtype: str) -> Expr:
    """`value` converted to another type.

    A float is rounded to zero for an integer type, and clipped to its range. An integer is reduced to the low
    bits of a narrower type. A condition becomes one or zero.

    Raises
    ------
    ValueError
        If `dtype` is unknown.
    """
    known_dtype(dtype)
    expr = as_expr(value)
    return expr if expr.dtype == dtype else Cast(expr, dtype)


def known_dtype(dtype: str) -> str:
    """`dtype` if it is a type that an element can have.

    Raises
    ------
    ValueError
        If it is unknown.
    """
    known = SCALAR_TYPES + PACKED_TYPES
    if dtype in ("complex64", "complex128"):
        part = "float32" if dtype == "complex64" else "float64"
        raise ValueError(
            f"an element cannot be {dtype}: complex numbers are pairs of {part} along a last axis of extent "
            "2 (te.pair, te.complex); an array of them is an argument for such a tensor"
        )
    if dtype not in known:
        raise ValueError(unknown("dtype", dtype, known))
    return dtype


def min_value(dtype: str) -> Const:
    """The smallest value of a type; minus infinity for a float type."""
    return _literal(lowest(known_dtype(dtype)), dtype)


def max_value(dtype: str) -> Const:
    """The largest value of a type; infinity for a float type."""
    return _literal(highest(known_dtype(dtype)), dtype)


def _literal(value: float, dtype: str) -> Const:
    return const(value if is_float(dtype) else int(value), dtype)


def exp(x: ExprLike) -> Expr:
    """The exponential of a float."""
    return call("exp", x)


def exp2(x: ExprLike) -> Expr:
    """2 to the power of a float."""
    return call("exp2", x)


def exp10(x: ExprLike) -> Expr:
    """10 to the power of a float."""
    return call("pow", 10, x)


def expm1(x: ExprLike) -> Expr:
    """``exp(x) - 1`` of a float, without cancellation near zero."""
    return call("expm1", x)


def log(x: ExprLike) -> Expr:
    """The natural logarithm of a float."""
    return call("log", x)


def log2(x: ExprLike) -> Expr:
    """The logarithm of a float to base 2."""
    return call("log2", x)


def log10(x: ExprLike) -> Expr:
    """The logarithm of a float to base 10."""
    return call("log10", x)


def log1p(x: ExprLike) -> Expr:
    """``log(1 + x)`` of a float, without cancellation near zero."""
    return call("log1p", x)


def sqrt(x: ExprLike) -> Expr:
    """The square root of a float."""
    return call("sqrt", x)


def rsqrt(x: ExprLike) -> Expr:
    """The reciprocal of the square root of a float."""
    return binary("/", 1, call("sqrt", x))


def cbrt(x: ExprLike) -> Expr:
    """The cube root of a float."""
    return call("cbrt", x)


def hypot(x: ExprLike, y: ExprLike) -> Expr:
    """``sqrt(x * x + y * y)`` of floats, without overflow; infinite where one is infinite."""
    return call("hypot", x, y)


def tanh(x: ExprLike) -> Expr:
    """The hyperbolic tangent of a float."""
    return call("tanh", x)


def sinh(x: ExprLike) -> Expr:
    """The hyperbolic sine of a float."""
    return call("sinh", x)


def cosh(x: ExprLike) -> Expr:
    """The hyperbolic cosine of a float."""
    return call("cosh", x)


def asinh(x: ExprLike) -> Expr:
    """The inverse hyperbolic sine of a float."""
    return call("asinh", x)


def acosh(x: ExprLike) -> Expr:
    """The inverse hyperbolic cosine of a float; NaN below 1."""
    return call("acosh", x)


def atanh(x: ExprLike) -> Expr:
    """The inverse hyperbolic tangent of a float; NaN beyond 1 and -1."""
    return call("atanh", x)


def sigmoid(x: ExprLike) -> Expr:
    """``1 / (1 + exp(-x))`` of a float."""
    return binary("/", 1, binary("+", 1, call("exp", binary("*", x, -1))))


def sin(x: ExprLike) -> Expr:
    """The sine of a float in radians."""
    return call("sin", x)


def cos(x: ExprLike) -> Expr:
    """The cosine of a float in radians."""
    return call("cos", x)


def tan(x: ExprLike) -> Expr:
    """The tangent of a float in radians."""
    return call("tan", x)


def asin(x: ExprLike) -> Expr:
    """The inverse sine of a float, in radians; NaN beyond 1 and -1."""
    return call("asin", x)


def acos(x: ExprLike) -> Expr:
    """The inverse cosine of a float, in radians; NaN beyond 1 and -1."""
    return call("acos", x)


def atan(x: ExprLike) -> Expr:
    """The inverse tangent of a float, in radians."""
    return call("atan", x)


def atan2(y: ExprLike, x: ExprLike) -> Expr:
    """The angle of the point ``(x, y)`` in radians, from -pi to pi. `y` comes first."""
    return call("atan2", y, x)


def erf(x: ExprLike) -> Expr:
    """The error function of a float."""
    return call("erf", x)


def abs(x: ExprLike) -> Expr:
    """The absolute value, as Python's ``abs``; that of the smallest integer of a type is itself."""
    return call("abs", x)


def sign(x: ExprLike) -> Expr:
    """1, 0 or -1 of the type of a number; NaN of NaN."""
    x = as_expr(x)
    rest = Select(equal(x, 0), const(0, x.dtype), x) if is_float(x.dtype) else const(0, x.dtype)
    if not x.dtype.startswith("u"):
        rest = Select(binary("<", x, 0), const(-1, x.dtype), rest)
    return Select(binary(">", x, 0), const(1, x.dtype), rest)


def copysign(x: ExprLike, y: ExprLike) -> Expr:
    """The size of `x` with the sign of `y`, both floats."""
    return call("copysign", x, y)


def nextafter(x: ExprLike, y: ExprLike) -> Expr:
    """The float next to `x` in the direction of `y`; `y` if they are equal."""
    x, y = matched(x, y)
    if not is_float(x.dtype):
        raise ValueError(f"nextafter takes a float, not {x.dtype}: cast it first")
    whole = f"int{bits_of(x.dtype)}"
    away = equal(binary(">", y, x), binary(">", x, 0))
    step = Select(away, const(1, whole), const(-1, whole))
    moved = reinterpret(binary("+", reinterpret(x, whole), step), x.dtype)
    moved = Select(equal(x, 0), call("copysign", reinterpret(const(1, whole), x.dtype), y), moved)
    unordered = binary("or", call("isnan", x), call("isnan", y))
    return Select(unordered, binary("+", x, y), Select(equal(x, y), y, moved))


def floor(x: ExprLike) -> Expr:
    """A float rounded to minus infinity."""
    return call("floor", x)


def ceil(x: ExprLike) -> Expr:
    """A float rounded to infinity."""
    return call("ceil", x)


def round(x: ExprLike) -> Expr:
    """A float rounded to the nearest integer, halves to even."""
    return call("round", x)


def trunc(x: ExprLike) -> Expr:
    """A float rounded to zero."""
    return call("trunc", x)


def isnan(x: ExprLike) -> Expr:
    """The condition that a float is NaN."""
    return call("isnan", x)


def isinf(x: ExprLike) -> Expr:
    """The condition that a float is infinite."""
    size = _of_float("isinf", x)
    return equal(size, max_value(size.dtype))


def isfinite(x: ExprLike) -> Expr:
    """The condition that a float is neither infinite nor NaN."""
    size = _of_float("isfinite", x)
    return binary("<", size, max_value(size.dtype))


def _of_float(name: str, x: ExprLike) -> Expr:
    """The absolute value of a float."""
    x = as_expr(x)
    if not is_float(x.dtype):
        raise ValueError(f"{name} takes a float, not {x.dtype}: cast it first")
    return call("abs", x)


def popcount(x: ExprLike) -> Expr:
    """The number of set bits of an integer."""
    return call("popcount", x)


def clz(x: ExprLike) -> Expr:
    """The number of zero bits above the highest set bit of an integer; all of its bits for zero."""
    return call("clz", x)


def ctz(x: ExprLike) -> Expr:
    """The number of zero bits below the lowest set bit of an integer; all of its bits for zero."""
    return call("ctz", x)


def fmod(x: ExprLike, y: ExprLike) -> Expr:
    """The remainder of floats, with the sign of `x`: ``x - trunc(x / y) * y``, exactly."""
    return call("fmod", x, y)


def floordiv(x: ExprLike, y: ExprLike) -> Expr:
    """The quotient of integers, rounded to minus infinity."""
    return binary("//", x, y)


def floormod(x: ExprLike, y: ExprLike) -> Expr:
    """The remainder of `floordiv`; it has the sign of `y`."""
    return binary("%", x, y)


def truncdiv(x: ExprLike, y: ExprLike) -> Expr:
    """The quotient of integers, rounded to zero as in C."""
    x, y = matched(x, y)
    quotient, rest = binary("//", x, y), binary("%", x, y)
    if x.dtype.startswith("u"):
        return quotient
    # floordiv is one less where the division is inexact and the quotient negative
    less = binary("and", not_equal(rest, 0), not_equal(binary("<", x, 0), binary("<", y, 0)))
    return Select(less, binary("+", quotient, 1), quotient)


def truncmod(x: ExprLike, y: ExprLike) -> Expr:
    """The remainder of `truncdiv`; it has the sign of `x`."""
    x, y = matched(x, y)
    return binary("-", x, binary("*", truncdiv(x, y), y))

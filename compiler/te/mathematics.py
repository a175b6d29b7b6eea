"""The functions of the tensor-expression language, beside Python's operators."""

from __future__ import annotations

from functools import reduce

from compiler.ir.dtype import PACKED_TYPES, SCALAR_TYPES, is_float
from compiler.ir.expr import Cast, Const, Expr, ExprLike, Select, as_expr, binary, call, conjunction, const
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


def log(x: ExprLike) -> Expr:
    """The natural logarithm of a float."""
    return call("log", x)


def sqrt(x: ExprLike) -> Expr:
    """The square root of a float."""
    return call("sqrt", x)


def rsqrt(x: ExprLike) -> Expr:
    """The reciprocal of the square root of a float."""
    return binary("/", 1, call("sqrt", x))


def tanh(x: ExprLike) -> Expr:
    """The hyperbolic tangent of a float."""
    return call("tanh", x)


def sigmoid(x: ExprLike) -> Expr:
    """``1 / (1 + exp(-x))`` of a float."""
    return binary("/", 1, binary("+", 1, call("exp", binary("*", x, -1))))


def sin(x: ExprLike) -> Expr:
    """The sine of a float in radians."""
    return call("sin", x)


def cos(x: ExprLike) -> Expr:
    """The cosine of a float in radians."""
    return call("cos", x)


def erf(x: ExprLike) -> Expr:
    """The error function of a float."""
    return call("erf", x)


def abs(x: ExprLike) -> Expr:
    """The absolute value."""
    return call("abs", x)


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


def popcount(x: ExprLike) -> Expr:
    """The number of set bits of an integer."""
    return call("popcount", x)


def power(x: ExprLike, y: ExprLike) -> Expr:
    """`x` to the power `y`, both floats."""
    return call("pow", x, y)


def floordiv(x: ExprLike, y: ExprLike) -> Expr:
    """The quotient of integers, rounded to minus infinity."""
    return binary("//", x, y)


def floormod(x: ExprLike, y: ExprLike) -> Expr:
    """The remainder of `floordiv`; it has the sign of `y`."""
    return binary("%", x, y)

"""Intervals: lower and upper bounds of the integer values of expressions."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import inf
from typing import Any

from compiler.ir.dtype import INDEX, integer_range, is_float, is_integer, scalar_of
from compiler.ir.expr import Binary, Broadcast, Call, Cast, Const, Expr, Ramp, Select, Var

Interval = tuple[float, float]
"""Closed interval of integers; the ends are infinite for values that are not integers."""

UNKNOWN: Interval = (-inf, inf)

LOWEST, HIGHEST = integer_range(INDEX)
"""The smallest and the largest value of `INDEX`."""

Known = Callable[[Expr], Interval]


@cache
def interval_of_type(dtype: str) -> Interval:
    """The interval of an integer type; `UNKNOWN` for any other type."""
    return integer_range(scalar_of(dtype)) if is_integer(dtype) else UNKNOWN


def fits(interval: Interval, dtype: str = INDEX) -> bool:
    """Whether all values of an interval are values of a type, so that a result in it has not wrapped."""
    low, high = interval_of_type(dtype)
    return low <= interval[0] and interval[1] <= high


def meet(a: Interval, b: Interval) -> Interval:
    """The intersection of two intervals; its ends are in reverse order if it is empty."""
    return max(a[0], b[0]), min(a[1], b[1])


def interval(node: Expr, known: Known) -> Interval:
    """The interval of an expression, where `known` returns those of its operands.

    The interval of a vector contains all lanes. A value that may wrap around has the interval of its type.
    """
    rule = _RULES.get(type(node))
    return interval_of_type(node.dtype) if rule is None else rule(node, known)


def exact(node: Binary, known: Known) -> Interval:
    """The interval of ``a op b`` before it wraps around."""
    return _OPERATORS[node.op](known(node.a), known(node.b))


def _binary(node: Binary, known: Known) -> Interval:
    whole = interval_of_type(node.dtype)
    rule = _OPERATORS.get(node.op)
    if rule is None or whole is UNKNOWN:
        return whole
    low, high = rule(known(node.a), known(node.b))
    if whole[0] <= low and high <= whole[1]:
        return low, high
    # a result that may wrap has any value of the type; without wrapping, one end may still be known
    return whole if node.op in _WRAPPING else meet((low, high), whole)


def _product(a: Interval, b: Interval) -> Interval:
    (p, q), (r, s) = a, b
    corners = (p * r, p * s, q * r, q * s)
    return min(corners), max(corners)


def _quotient(a: Interval, b: Interval) -> Interval:
    if not 0 < b[0] <= b[1]:  # an empty interval occurs in code that never runs
        return UNKNOWN
    corners = (a[0] // b[0], a[0] // b[1], a[1] // b[0], a[1] // b[1])
    return min(corners), max(corners)


def _remainder(a: Interval, b: Interval) -> Interval:
    if b[0] <= 0:
        return UNKNOWN
    return a if a[0] >= 0 and a[1] < b[0] else (0, min(a[1], b[1] - 1) if a[0] >= 0 else b[1] - 1)


def _and(a: Interval, b: Interval) -> Interval:
    # a bit that is clear in a non-negative operand is clear in the result
    limits = [high for low, high in (a, b) if low >= 0]
    return (0, min(limits)) if limits else UNKNOWN


def _or(a: Interval, b: Interval) -> Interval:
    if a[0] < 0 or b[0] < 0:
        return UNKNOWN
    return 0, (1 << max(int(a[1]).bit_length(), int(b[1]).bit_length())) - 1


def _left(a: Interval, b: Interval) -> Interval:
    return _product(a, (1 << int(b[0]), 1 << int(b[1]))) if 0 <= b[0] <= b[1] < 64 else UNKNOWN


def _right(a: Interval, b: Interval) -> Interval:
    if not 0 <= b[0] <= b[1] < 64:
        return min(a[0], 0), max(a[1], 0)
    return _quotient(a, (1 << int(b[0]), 1 << int(b[1])))


_WRAPPING = ("+", "-", "*", "<<", "//")  # the smallest integer divided by -1 wraps

_OPERATORS: dict[str, Callable[[Interval, Interval], Interval]] = {
    "+": lambda a, b: (a[0] + b[0], a[1] + b[1]),
    "-": lambda a, b: (a[0] - b[1], a[1] - b[0]),
    "*": _product,
    "//": _quotient,
    "%": _remainder,
    "min": lambda a, b: (min(a[0], b[0]), min(a[1], b[1])),
    "max": lambda a, b: (max(a[0], b[0]), max(a[1], b[1])),
    "&": _and,
    "|": _or,
    "^": _or,
    "<<": _left,
    ">>": _right,
}


def _either(a: Interval, b: Interval) -> Interval:
    return min(a[0], b[0]), max(a[1], b[1])


def _cast(node: Cast, known: Known) -> Interval:
    source = scalar_of(node.value.dtype)
    inside = (0, 1) if source == "bool" else UNKNOWN if is_float(source) else known(node.value)
    whole = interval_of_type(node.dtype)
    return inside if whole is not UNKNOWN and whole[0] <= inside[0] and inside[1] <= whole[1] else whole


def _call(node: Call, known: Known) -> Interval:
    whole = interval_of_type(node.dtype)
    if node.name == "if_then_else":
        return _either(known(node.args[1]), known(node.args[2]))
    if whole is UNKNOWN:
        return whole
    if node.name in ("clz", "ctz", "popcount"):
        return 0, int(whole[1] - whole[0] + 1).bit_length() - 1
    if node.name != "abs":
        return whole
    low, high = known(node.args[0])  # the smallest integer wraps to itself
    if low == whole[0] < 0:
        return whole
    return (low, high) if low >= 0 else (0 if high >= 0 else -high, max(-low, high))


def _ramp(node: Ramp, known: Known) -> Interval:
    base, last = known(node.base), _product(known(node.stride), (0, node.lanes - 1))
    reach = (base[0] + last[0], base[1] + last[1])
    return reach if fits(reach, node.dtype) else interval_of_type(node.dtype)


_RULES: dict[type, Callable[[Any, Known], Interval]] = {
    Const: lambda n, _: UNKNOWN if is_float(n.dtype) else (int(n.value), int(n.value)),
    Var: lambda n, _: n.bounds or interval_of_type(n.dtype),
    Binary: _binary,
    Select: lambda n, known: _either(known(n.a), known(n.b)),
    Cast: _cast,
    Call: _call,
    Ramp: _ramp,
    Broadcast: lambda n, known: known(n.value),
}

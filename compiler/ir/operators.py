"""The operators and intrinsics of expressions by name, and the arithmetic of integer and bool literals."""

from __future__ import annotations

import operator
from collections.abc import Callable

from compiler.ir.dtype import bits_of, integer_range, is_float

ARITHMETIC = ("+", "-", "*", "/", "//", "%", "min", "max")
BITWISE = ("&", "|", "^", "<<", ">>")
COMPARISON = ("<", "<=", ">", ">=", "==", "!=")
LOGIC = ("and", "or")

MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
"""Comparison -> the equivalent one with exchanged operands."""

NEGATED = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}
"""Comparison of integers -> its negation. For floats, NaN makes all but those of ``==`` and ``!=`` wrong."""

# name -> number of arguments; `if_then_else(condition, a, b)` evaluates only the arm that is chosen
INTRINSICS = {"if_then_else": 3, "exp": 1, "log": 1, "sqrt": 1, "tanh": 1, "abs": 1, "floor": 1, "ceil": 1}
INTRINSICS |= {"pow": 2, "sin": 1, "cos": 1, "erf": 1, "round": 1, "trunc": 1, "isnan": 1, "popcount": 1}
# those that accept integers; `abs` accepts floats too, and every other intrinsic only floats
INTEGER_INTRINSICS = ("popcount", "abs")

_COMPARED: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}

_INTEGER: dict[str, Callable[[int, int], int]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "//": operator.floordiv,
    "%": operator.mod,
    "min": min,
    "max": max,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
    "<<": operator.lshift,
    ">>": operator.rshift,
}


def evaluated(op: str, dtype: str, x: float, y: float) -> int | bool | None:
    """The value of ``x op y`` for two scalars of `dtype`.

    None where the value is computed at run time instead: floats, a result that `dtype` does not hold, a
    division by zero, and a shift by a count outside of the type.
    """
    if op in LOGIC:
        return bool(x and y) if op == "and" else bool(x or y)
    if is_float(dtype):
        return None
    if op in _COMPARED:
        return _COMPARED[op](x, y)
    if dtype == "bool" or op not in _INTEGER or (op in ("//", "%") and y == 0):
        return None
    if op in ("<<", ">>") and not 0 <= y < bits_of(dtype):
        return None
    value = int(_INTEGER[op](int(x), int(y)))
    low, high = integer_range(dtype)
    return value if low <= value <= high else None

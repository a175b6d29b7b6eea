"""The operators and intrinsics of expressions by name, and the meaning of those on integers.

Every operator on integers has a value for all operands: nothing is undefined, and nothing raises. The meaning
is NumPy's, and that of the vector instructions of most machines:

- a result that its type does not hold wraps around, also that of the smallest integer divided by -1;
- ``x // 0`` and ``x % 0`` are 0;
- a shift by a negative count, or by at least the number of bits of the type, shifts all bits out: ``<<``
  gives 0, and ``>>`` gives 0, or -1 where x is negative.

`whole` defines it for the interpreter and for the folding of literals; each back end generates code for it.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import NamedTuple

from compiler.ir.dtype import INDEX, bits_of, integer_range, is_float, is_integer

ARITHMETIC = ("+", "-", "*", "/", "//", "%", "min", "max")
BITWISE = ("&", "|", "^", "<<", ">>")
COMPARISON = ("<", "<=", ">", ">=", "==", "!=")
LOGIC = ("and", "or")

LOGICAL = {"&": "and", "|": "or", "^": "!="}
"""Bitwise operator -> the operator of its meaning for bools, as in NumPy."""

RESULTS = {
    (op, dtype): "bool" if op in COMPARISON else dtype
    for dtype in (INDEX, "int64", "float32", "float64")
    for op in (*ARITHMETIC, *COMPARISON)
    if op not in (("//", "%") if dtype.startswith("float") else ("/",))
}
"""Operator and type of both operands -> the type of the result, for the common types."""

MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
"""Comparison -> the equivalent one with exchanged operands."""

NEGATED = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}
"""Comparison of integers -> its negation. For floats, NaN makes all but those of ``==`` and ``!=`` wrong."""


class Function(NamedTuple):
    """What an intrinsic takes and returns: a row of `INTRINSICS`."""

    arity: int
    takes: str = "a float"  # or "an integer", or "a number"; all arguments are of one type
    is_condition: bool = False  # it returns a bool; the others the type of their arguments

    def refuses(self, dtype: str) -> bool:
        """Whether the function is not defined for arguments of `dtype`."""
        return not (
            is_float(dtype) and self.takes != "an integer" or is_integer(dtype) and self.takes != "a float"
        )


_OF_ONE_FLOAT = (
    "acos acosh asin asinh atan atanh cbrt ceil cos cosh erf exp exp2 expm1 floor log log10 log1p log2"
)
_OF_ONE_FLOAT += " round sin sinh sqrt tan tanh trunc"

# `if_then_else(condition, a, b)` evaluates only the arm that is chosen, and takes any type
INTRINSICS: dict[str, Function] = {"if_then_else": Function(3, "a number")}
INTRINSICS |= dict.fromkeys(_OF_ONE_FLOAT.split(), Function(1))
INTRINSICS |= dict.fromkeys(["atan2", "copysign", "fmod", "hypot", "pow"], Function(2))
INTRINSICS |= dict.fromkeys(["clz", "ctz", "popcount"], Function(1, "an integer"))
INTRINSICS |= {"abs": Function(1, "a number"), "isnan": Function(1, is_condition=True)}

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
    "//": lambda x, y: x // y if y else 0,
    "%": lambda x, y: x % y if y else 0,
    "min": min,
    "max": max,
    "&": operator.and_,
    "|": operator.or_,
    "^": operator.xor,
}


def whole(op: str, dtype: str) -> Callable[[int, int], int] | None:
    """The operation ``x op y`` on two integers of `dtype`, before its result wraps around.

    None for an operator that integers do not have.
    """
    bits = bits_of(dtype)
    if op == "<<":
        return lambda x, y: x << y if 0 <= y < bits else 0
    if op == ">>":
        return lambda x, y: x >> y if 0 <= y < bits else -(x < 0)
    return _INTEGER.get(op)


def evaluated(op: str, dtype: str, x: float, y: float) -> int | bool | None:
    """The value of ``x op y`` for two scalars of `dtype`.

    None where the value is computed at run time instead: floats, and a result that `dtype` does not hold.
    """
    if op in LOGIC:
        return bool(x and y) if op == "and" else bool(x or y)
    if is_float(dtype):
        return None
    if op in _COMPARED:
        return _COMPARED[op](x, y)
    operation = None if dtype == "bool" else whole(op, dtype)
    if operation is None:
        return None
    value = int(operation(int(x), int(y)))
    low, high = integer_range(dtype)
    return value if low <= value <= high else None

"""The meaning of each intrinsic: its function on values of a type, NumPy's where it has one."""

from __future__ import annotations

from collections.abc import Callable
from math import erf
from typing import Any

import numpy as np

from compiler.ir.dtype import bits_of, integer_range, is_float, lanes_of, scalar_of

Value = Any  # a scalar integer is a Python number, a scalar float a NumPy scalar, a vector a NumPy array
Apply = Callable[..., Value]


def function_of(name: str, dtype: str) -> Apply | None:
    """The function of the intrinsic `name` of arguments of `dtype`; None for an unknown one."""
    if not is_float(dtype):
        make = _OF_INTEGERS.get(name)
        return None if make is None else make(dtype)
    return _OF_FLOATS.get(name)


def _of_bits(count: Callable[[int, int], int]) -> Callable[[str], Apply]:
    """A function of the bits of an integer and of their number."""

    def make(dtype: str) -> Apply:
        width = bits_of(scalar_of(dtype))
        mask = (1 << width) - 1
        if lanes_of(dtype) == 1:
            return lambda x: count(x & mask, width)
        return lambda x: np.array([count(int(v) & mask, width) for v in x], scalar_of(dtype))

    return make


def _absolute(dtype: str) -> Apply:
    if lanes_of(dtype) > 1:
        return np.abs
    low, high = integer_range(dtype)
    return lambda x: (abs(x) - low) % (high - low + 1) + low


def _power(x: Value, y: Value) -> Value:
    # of arrays: for a scalar exponent of 0.5 NumPy takes the square root, which differs at -inf and -0.0
    result = np.power(np.atleast_1d(x), np.atleast_1d(y))
    return result if np.ndim(x) or np.ndim(y) else result[0]


def _erf(x: Value) -> Value:
    return np.array([erf(v) for v in x], x.dtype) if np.ndim(x) else x.dtype.type(erf(x))


_OF_INTEGERS: dict[str, Callable[[str], Apply]] = {
    "abs": _absolute,
    "clz": _of_bits(lambda bits, width: width - bits.bit_length()),
    "ctz": _of_bits(lambda bits, width: (bits & -bits).bit_length() - 1 if bits else width),
    "popcount": _of_bits(lambda bits, width: bits.bit_count()),
}

# intrinsic -> NumPy's name, where it is another one
_RENAMED = {"acos": "arccos", "acosh": "arccosh", "asin": "arcsin", "asinh": "arcsinh", "atan": "arctan"}
_RENAMED |= {"atan2": "arctan2", "atanh": "arctanh", "round": "rint"}
_SAME = "abs cbrt ceil copysign cos cosh exp exp2 expm1 floor fmod hypot isnan log log10 log1p log2 sin"
_SAME += " sinh sqrt tan tanh trunc"

_OF_FLOATS: dict[str, Apply] = {name: getattr(np, name) for name in _SAME.split()}
_OF_FLOATS |= {name: getattr(np, other) for name, other in _RENAMED.items()} | {"erf": _erf, "pow": _power}

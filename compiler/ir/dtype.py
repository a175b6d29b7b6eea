"""Types of values: ``scalar``, or ``scalar x lanes`` for a vector, as ``"float32x8"``.

A dtype is a string: a type of `SCALAR_TYPES`, followed by ``x<lanes>`` for a vector. Several elements of a
type of `PACKED_TYPES` share a byte in memory; the only operations on such values are loads, stores, casts and
broadcasts. A ``bfloat16`` is the first half of a float32; an operation on it is one on float32, rounded.
"""

from __future__ import annotations

from functools import cache

import numpy as np

SCALAR_TYPES: tuple[str, ...] = ("bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64")
SCALAR_TYPES += ("uint64", "float16", "bfloat16", "float32", "float64")
PACKED_TYPES: tuple[str, ...] = ("uint1", "int2", "uint2", "int4", "uint4")

INDEX = "int32"
"""The type of an index, of a loop variable and of an integer literal, by default."""


@cache
def index_type(size: int) -> str:
    """The type of an index of `size` elements, and of the number itself: `INDEX`, or int64 beyond it."""
    return INDEX if size <= integer_range(INDEX)[1] else "int64"


@cache
def lanes_of(dtype: str) -> int:
    """Number of lanes of a dtype: 1 for a scalar."""
    return int(dtype.split("x")[1]) if "x" in dtype else 1


@cache
def scalar_of(dtype: str) -> str:
    """The scalar type of one lane."""
    return dtype.split("x")[0]


@cache
def vector_of(dtype: str, lanes: int) -> str:
    """The type of `lanes` lanes of the scalar type of `dtype`."""
    scalar = scalar_of(dtype)
    return scalar if lanes == 1 else f"{scalar}x{lanes}"


@cache
def is_float(dtype: str) -> bool:
    """Whether a lane of `dtype` is a floating-point number."""
    return dtype.startswith(("float", "bfloat"))


@cache
def is_integer(dtype: str) -> bool:
    """Whether a lane of `dtype` is an integer for arithmetic: not a float, a bool or a packed type."""
    scalar = scalar_of(dtype)
    return not is_float(scalar) and scalar != "bool" and scalar not in PACKED_TYPES


@cache
def bits_of(dtype: str) -> int:
    """Bits that one element of a scalar type occupies in memory."""
    if dtype == "bfloat16":
        return 16
    return int(dtype.lstrip("uint")) if dtype in PACKED_TYPES else np.dtype(dtype).itemsize * 8


@cache
def promoted(a: str, b: str) -> str:
    """The scalar type that two operands of the scalar types `a` and `b` are converted to.

    It is the narrowest type that holds the values of both; of an integer and a float, the float type.
    """
    if is_float(a) != is_float(b):
        return a if is_float(a) else b
    if "bfloat16" in (a, b):
        other = b if a == "bfloat16" else a
        return "float32" if other == "float16" else other
    return str(np.promote_types(a, b))


@cache
def integer_range(dtype: str) -> tuple[int, int]:
    """The smallest and the largest value of an integer type, packed types included."""
    bits = bits_of(dtype)
    return (0, (1 << bits) - 1) if dtype.startswith("u") else (-(1 << bits - 1), (1 << bits - 1) - 1)

"""bfloat16, the first half of a float32: conversions of its bits, which NumPy has no type for.

Every conversion to it is rounded once, to the nearest value, halves to even; NaN keeps its first bits and is
quiet. `compiler.backend.llvm.conversion` writes the same operations as instructions.
"""

from __future__ import annotations

from typing import Any

import numpy as np

# a double below the normal numbers of bfloat16 is rounded to their last place by adding and subtracting this
SUBNORMAL, ROUNDER = 2.0**-126, 1.5 * 2.0 ** (52 - 133)
LOST_BITS = 29  # bits of a double's mantissa that a float32 does not have
EXACT_INTEGER = 2**53  # integers up to it are doubles


def widened(bits: Any) -> Any:
    """The float32 of each bfloat16, given as a uint16."""
    return (np.asarray(bits, np.uint16).astype(np.uint32) << np.uint32(16)).view(np.float32)[()]


def narrowed(value: Any) -> Any:
    """The bits of the bfloat16 next to each float32, as a uint16."""
    bits = np.asarray(value, np.float32).view(np.uint32)
    high = bits >> np.uint32(16)
    rounded = (bits + np.uint32(0x7FFF) + (high & np.uint32(1))) >> np.uint32(16)
    is_nan = (bits & np.uint32(0x7FFFFFFF)) > np.uint32(0x7F800000)
    return np.where(is_nan, high | np.uint32(0x40), rounded).astype(np.uint16)[()]


def truncated(value: Any) -> Any:
    """The bits of float32 numbers that are exact as bfloat16, as a uint16."""
    return (np.asarray(value, np.float32).view(np.uint32) >> np.uint32(16)).astype(np.uint16)[()]


def rounded(value: Any) -> Any:
    """The bfloat16 next to each number, as a float32."""
    return widened(bits_of_number(value))


def bits_of_number(value: Any) -> Any:
    """The bits of the bfloat16 next to each number of any type, as a uint16."""
    array = np.asarray(value)
    if array.dtype.kind in "iub":
        array = _integer_as_double(array)
    if array.dtype != np.float64:
        return narrowed(array.astype(np.float32))
    with np.errstate(all="ignore"):
        bits = array.view(np.int64)
        mask = np.int64((1 << LOST_BITS) - 1)
        odd = (bits & ~mask) | ((bits & mask) != 0).astype(np.int64) << np.int64(LOST_BITS)
        single = np.where(np.abs(array) < SUBNORMAL, array + ROUNDER - ROUNDER, odd.view(np.float64))
        return narrowed(np.copysign(single, array).astype(np.float32))


def _integer_as_double(array: np.ndarray) -> np.ndarray:
    """Integers as doubles; where one is not exact, the neighbour with an odd last place."""
    if array.dtype.itemsize < 8:
        return array.astype(np.float64)
    lost = array.dtype.type(0x7FF)
    exact = (array <= EXACT_INTEGER) & (array >= -EXACT_INTEGER if array.dtype.kind == "i" else True)
    odd = (array & ~lost) | ((array & lost) != 0).astype(array.dtype) << array.dtype.type(11)
    return np.where(exact, array, odd).astype(np.float64)

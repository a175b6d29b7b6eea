"""Random inputs of every type."""

from __future__ import annotations

from math import isqrt

import numpy as np

from compiler.ir.dtype import PACKED_TYPES, integer_range, is_float
from compiler.ir.semantics.bfloat16 import narrowed
from compiler.runtime.array import memory_layout, numpy_dtype

Array = np.ndarray


def draw(rng: np.random.Generator, shape: tuple[int, ...], dtype: str, integers: tuple[int, int]) -> Array:
    """Draw an array of one type.

    Parameters
    ----------
    rng : numpy.random.Generator
    shape : tuple of int
        In elements.
    dtype : str
        A type of the loop IR.
    integers : tuple of int
        Least and greatest value of an integer type, cut to what `dtype` holds.

    Returns
    -------
    ndarray
        Standard normal floats; uniform integers; fair conditions; for a packed type the bytes that hold it,
        every element uniform over the values of the type.
    """
    if dtype in PACKED_TYPES:
        extents, stored = memory_layout(shape, dtype)
        return rng.integers(0, 256, extents, stored)
    if dtype == "bool":
        return rng.integers(0, 2, shape).astype(bool)
    if is_float(dtype):
        drawn = rng.standard_normal(shape, np.float64 if dtype == "float64" else np.float32)
        if dtype == "bfloat16":
            return np.asarray(narrowed(drawn)).view(numpy_dtype(dtype))
        return np.asarray(drawn).astype(dtype)
    lowest, highest = integer_range(dtype)
    low, high = max(integers[0], lowest), min(integers[1], highest)
    return np.asarray(rng.integers(low, high, shape, np.int64, endpoint=True)).astype(dtype)


def safe_integers(accumulator: str, terms: float) -> tuple[int, int]:
    """Return a range of inputs for which a sum of products of two inputs cannot overflow.

    Parameters
    ----------
    accumulator : str
        Type of the sum.
    terms : float
        Number of products. Two inputs may be added to the sum besides, such as a bias and a residual.
    """
    if is_float(accumulator) or accumulator == "bool":
        return -128, 127
    largest = max(1, isqrt(integer_range(accumulator)[1] // (int(terms) + 2)))
    return (0 if accumulator.startswith("u") else -largest), largest

"""Arrays for compiled functions."""

from __future__ import annotations

from math import prod

import numpy as np

from compiler.ir.dtype import PACKED_TYPES, SCALAR_TYPES, bits_of
from compiler.suggest import unknown

ALIGNMENT = 64
"""Bytes: a cache line, and the widest vector register of any CPU."""


def memory_layout(shape: tuple[int, ...], dtype: str) -> tuple[tuple[int, ...], str]:
    """Shape and dtype of the NumPy array that holds a buffer: bytes for a packed type.

    Raises
    ------
    ValueError
        For an unknown type, or a row of a packed type that does not fill whole bytes.
    """
    if dtype not in SCALAR_TYPES + PACKED_TYPES:
        raise ValueError(unknown("dtype", dtype, SCALAR_TYPES + PACKED_TYPES))
    if dtype not in PACKED_TYPES:
        return tuple(shape), dtype
    row = shape[-1] * bits_of(dtype) if shape else bits_of(dtype)
    if row % 8:
        raise ValueError(
            f"the last extent of an array of {dtype} must fill whole bytes: a multiple of "
            f"{8 // bits_of(dtype)}, not {shape[-1] if shape else 1}"
        )
    return (*shape[:-1], row // 8), "uint8"


def numpy_dtype(dtype: str) -> np.dtype:
    """The dtype of a NumPy array: for bfloat16 that of the package ml_dtypes if installed, else uint16."""
    if dtype != "bfloat16":
        return np.dtype(dtype)
    try:
        import ml_dtypes
    except ImportError:
        return np.dtype(np.uint16)
    return np.dtype(ml_dtypes.bfloat16)


def empty(shape: int | tuple[int, ...], dtype: str = "float32") -> np.ndarray:
    """An array that begins at a multiple of 64 bytes, its elements not set.

    Compiled functions take any NumPy array; the loads and stores of one that begins at a cache line do not
    straddle two.

    Parameters
    ----------
    shape : int or tuple of int
        In elements, of a packed type too: an int4 array of ``(2, 8)`` is a uint8 array of ``(2, 4)``.
    dtype : str
        A type of the loop IR.

    Returns
    -------
    ndarray
        C-contiguous and writable. One of bfloat16 has the dtype of the package ml_dtypes, if it is installed,
        else uint16.

    Raises
    ------
    ValueError
        For an unknown type, a negative extent, or a row of a packed type that does not fill whole bytes.
    """
    extents = (shape,) if isinstance(shape, int) else tuple(int(extent) for extent in shape)
    if any(extent < 0 for extent in extents):
        raise ValueError(f"an extent of an array is at least 0, but the shape is {extents}")
    extents, dtype = memory_layout(extents, dtype)
    nbytes = prod(extents) * bits_of(dtype) // 8
    memory = np.empty(nbytes + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + nbytes].view(numpy_dtype(dtype)).reshape(extents)


def as_aligned(array: np.ndarray) -> np.ndarray:
    """The array itself if it is C-contiguous and begins at a multiple of 64 bytes, else a copy that does."""
    if array.flags.c_contiguous and array.ctypes.data % ALIGNMENT == 0:
        return array
    memory = np.empty(array.nbytes + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    copy = memory[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy

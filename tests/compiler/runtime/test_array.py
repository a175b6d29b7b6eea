"""Arrays for compiled functions."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.ir.dtype import SCALAR_TYPES
from compiler.runtime import empty


@pytest.mark.parametrize("dtype", SCALAR_TYPES)
@pytest.mark.parametrize("shape", [(), (1,), (3, 5), (0, 4), 7])
def test_empty(shape: int | tuple[int, ...], dtype: str) -> None:
    array = empty(shape, dtype)
    assert array.shape == ((shape,) if isinstance(shape, int) else shape)
    assert array.dtype == np.dtype(dtype)
    assert array.flags.carray
    assert array.size == 0 or array.ctypes.data % 64 == 0
    array.fill(1)


@pytest.mark.parametrize(
    ("shape", "dtype", "wanted"),
    [((2, 8), "int4", (2, 4)), ((16,), "uint1", (2,)), ((3, 4), "int2", (3, 1)), ((2, 0), "uint4", (2, 0))],
)
def test_packed_types_are_bytes(shape: tuple, dtype: str, wanted: tuple) -> None:
    array = empty(shape, dtype)
    assert array.shape == wanted
    assert array.dtype == np.uint8


@pytest.mark.parametrize(
    ("shape", "dtype", "message"),
    [
        ((2, 3), "int4", "the last extent of an array of int4 must fill whole bytes: a multiple of 2, not 3"),
        ((), "uint1", "must fill whole bytes: a multiple of 8, not 1"),
        ((2, -1), "int8", r"at least 0, but the shape is \(2, -1\)"),
        ((2,), "float", "unknown dtype 'float'; did you mean 'float64'"),
    ],
)
def test_invalid_shapes_and_types_are_refused(shape: tuple, dtype: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        empty(shape, dtype)

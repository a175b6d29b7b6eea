"""The names of types, and what follows from them."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.ir.dtype import (
    SCALAR_TYPES,
    bits_of,
    integer_range,
    is_float,
    is_integer,
    lanes_of,
    scalar_of,
    vector_of,
)


@pytest.mark.parametrize(
    ("dtype", "scalar", "lanes"),
    [("float32", "float32", 1), ("float32x16", "float32", 16), ("boolx4", "bool", 4)],
)
def test_types(dtype, scalar, lanes):
    assert (scalar_of(dtype), lanes_of(dtype)) == (scalar, lanes)
    assert vector_of(scalar, lanes) == dtype
    assert vector_of(dtype, 2) == f"{scalar}x2"


def test_every_type_but_one_is_of_numpy():
    numpy = [t for t in SCALAR_TYPES if t != "bfloat16"]
    assert [str(np.dtype(t)) for t in numpy] == numpy
    assert [t for t in SCALAR_TYPES if is_float(t)] == ["float16", "bfloat16", "float32", "float64"]
    assert is_float("float16x8") and not is_float("int8x8")


@pytest.mark.parametrize(
    ("dtype", "bits", "low", "high"),
    [
        ("int8", 8, -128, 127),
        ("uint16", 16, 0, 65535),
        ("int64", 64, -(2**63), 2**63 - 1),
        ("int4", 4, -8, 7),
        ("uint1", 1, 0, 1),
    ],
)
def test_integers(dtype, bits, low, high):
    assert bits_of(dtype) == bits
    assert integer_range(dtype) == (low, high)
    assert is_integer(dtype) == (bits >= 8)  # no operator takes a packed type


def test_types_that_are_not_integers():
    assert not any(map(is_integer, ("bool", "float16", "float32x4", "uint4")))
    assert is_integer("uint8x4")

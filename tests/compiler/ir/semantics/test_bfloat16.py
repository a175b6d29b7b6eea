"""Conversions to bfloat16 are rounded once; against ml_dtypes where it rounds once, and against fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from compiler.ir.semantics.bfloat16 import bits_of_number, narrowed, widened

ALL = np.arange(2**16, dtype=np.uint16)
FINITE = np.sort(widened(ALL)[np.isfinite(widened(ALL))].astype(np.float64))


def nearest(value: Fraction | int) -> float:
    """The nearest bfloat16, halves to the one with an even last bit; as an unbounded exponent rounds."""
    largest = Fraction(float(FINITE[-1]))
    if abs(value) >= largest + Fraction(2) ** 119:
        return math.copysign(math.inf, value)
    place = int(np.searchsorted(FINITE, float(value)))
    around = [Fraction(float(v)) for v in FINITE[max(0, place - 2) : place + 2]]
    return float(min(around, key=lambda v: (abs(v - value), int(narrowed(np.float32(float(v)))) & 1)))


def test_every_bfloat16_comes_back() -> None:
    back = narrowed(widened(ALL))
    quiet = np.where(np.isnan(widened(ALL)), ALL | 0x40, ALL)
    np.testing.assert_array_equal(back, quiet)


def test_floats_are_rounded_as_by_ml_dtypes() -> None:
    ml_dtypes = pytest.importorskip("ml_dtypes")
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2**32, 200_000, np.uint32).view(np.float32)
    middles = widened(ALL[:-1:3]).view(np.uint32) + np.uint32(0x8000)
    x = np.concatenate([x, middles.view(np.float32), (middles + 1).view(np.float32)])
    x = x[~np.isnan(x)]
    np.testing.assert_array_equal(narrowed(x), x.astype(ml_dtypes.bfloat16).view(np.uint16))


@pytest.mark.parametrize("exponent", [-1080, -140, -134, -133, -127, -126, -60, 0, 30, 127])
def test_doubles_are_rounded_once(exponent: int) -> None:
    ties = [1 + k / 256 for k in range(0, 9)]
    near = [math.nextafter(t, to) for t in ties for to in (0, 3)]
    x = np.array([s * math.ldexp(m, exponent) for m in [*ties, *near] for s in (1, -1)])
    expected = [nearest(Fraction(v)) for v in x]
    np.testing.assert_array_equal(widened(bits_of_number(x)), expected)
    np.testing.assert_array_equal(np.signbit(widened(bits_of_number(x))), np.signbit(x))


@pytest.mark.parametrize("dtype", ["int8", "uint16", "int32", "uint32", "int64", "uint64"])
def test_integers_are_rounded_once(dtype: str) -> None:
    info = np.iinfo(dtype)
    values = {info.min, info.max, 0, 1}
    for bits in range(9, info.bits):
        tie = (1 << bits) + (1 << bits - 8)
        values |= {s * (tie + d) for d in (-1, 0, 1) for s in (1, -1)}
    x = np.array([v for v in values if info.min <= v <= info.max], dtype)
    np.testing.assert_array_equal(widened(bits_of_number(x)), [nearest(int(v)) for v in x])


def test_nan_and_infinities() -> None:
    for dtype in ("float16", "float32", "float64"):
        got = widened(bits_of_number(np.array([np.nan, np.inf, -np.inf, 0.0, -0.0], dtype)))
        np.testing.assert_array_equal(got, np.array([np.nan, np.inf, -np.inf, 0.0, -0.0]))
        assert list(np.signbit(got[3:])) == [False, True]

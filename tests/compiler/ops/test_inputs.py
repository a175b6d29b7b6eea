"""Random inputs of every type."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.ops import MATMUL
from compiler.ops.inputs import draw, safe_integers


def drawn(dtype: str, integers: tuple[int, int] = (-5, 5)) -> np.ndarray:
    return draw(np.random.default_rng(0), (200, 8), dtype, integers)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_floats_are_normal(dtype: str) -> None:
    x = drawn(dtype)
    assert x.dtype == dtype and x.shape == (200, 8)
    assert abs(x.astype("float64").mean()) < 0.1 and abs(x.astype("float64").std() - 1) < 0.1


def test_float64_has_all_its_digits() -> None:
    x = drawn("float64")
    assert np.any(x != x.astype("float32"))


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64"])
def test_integers_fill_their_range(dtype: str) -> None:
    x = drawn(dtype)
    assert x.dtype == dtype
    np.testing.assert_array_equal(np.unique(x), np.arange(-5, 6))


def test_a_range_is_cut_to_the_type() -> None:
    x = drawn("int8", (-1000, 1000))
    assert (x.min(), x.max()) == (-128, 127)
    assert drawn("uint8", (-5, 3)).max() == 3


def test_conditions() -> None:
    x = drawn("bool")
    assert x.dtype == bool and 0.4 < x.mean() < 0.6


@pytest.mark.parametrize(("dtype", "columns"), [("int4", 4), ("uint1", 1), ("uint2", 2)])
def test_packed_types_are_bytes(dtype: str, columns: int) -> None:
    x = drawn(dtype)
    assert x.dtype == "uint8" and x.shape == (200, columns)
    assert len(np.unique(x)) > 100


@pytest.mark.parametrize("terms", [1, 100, 130_000, 1 << 29])
def test_sums_of_products_do_not_overflow(terms: int) -> None:
    low, high = safe_integers("int32", terms)
    assert low == -high and high >= 1
    # and a bias and a residual
    assert terms * high**2 + 2 * high < 2**31


def test_the_range_is_as_large_as_it_can_be() -> None:
    assert safe_integers("int32", 98)[1] == 4634  # 4635**2 * 100 is past 2**31
    assert safe_integers("uint8", 1) == (0, 9)


def test_int8_operands_of_a_product() -> None:
    a, b = MATMUL.inputs(np.random.default_rng(0), 64, 64, 64, 0, "NN", "none", "int8")
    assert a.dtype == b.dtype == "int8"
    assert a.min() == -128 and b.max() == 127

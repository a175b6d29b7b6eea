"""Sorting by the bits of floats, against NumPy's sort."""

from __future__ import annotations

import numba
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sketch.radix import sort_floats

SORT = numba.njit("UniTuple(uint32[::1], 2)(uint32[::1], uint32[::1])")(sort_floats.py_func)
NO_ORDER = np.empty(0, dtype=np.uint32)


def check(x: np.ndarray) -> None:
    before = x.copy()
    alone, nothing = SORT(x.view(np.uint32), NO_ORDER)
    both, order = SORT(x.view(np.uint32), np.arange(x.size, dtype=np.uint32))
    want = np.sort(x, kind="stable") + np.float32(0)
    assert alone.tobytes() == both.tobytes() == want.tobytes()
    np.testing.assert_array_equal(order, np.argsort(x, kind="stable"))
    assert nothing.size == 0 and x.tobytes() == before.tobytes()


@given(st.lists(st.floats(width=32, allow_nan=False), max_size=120))
def test_any_floats(values: list[float]) -> None:
    check(np.array(values, dtype=np.float32))


@pytest.mark.parametrize("size", [47, 48, 49, 4096, 4097, 30_000])
@pytest.mark.parametrize("distinct", [1, 5, 10_000])
def test_every_way_of_sorting(size: int, distinct: int) -> None:
    rng = np.random.default_rng(size)
    x = (rng.integers(-distinct, distinct, size=size) / np.float32(3)).astype(np.float32)
    x[::5] = -0.0
    check(x)

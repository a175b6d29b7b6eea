"""Sorting by the bits of floats, against NumPy's sort."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sketch.radix import make_sort_buffers, sort_floats


def check(x: np.ndarray) -> None:
    before = x.copy()
    alone, both = make_sort_buffers(x.size, False), make_sort_buffers(x.size, True)
    sort_floats(x.view(np.uint32), alone, False)
    sort_floats(x.view(np.uint32), both, True)
    want = np.sort(x, kind="stable") + np.float32(0)
    assert alone.keys.tobytes() == both.keys.tobytes() == want.tobytes()
    np.testing.assert_array_equal(both.order, np.argsort(x, kind="stable"))
    assert x.tobytes() == before.tobytes()


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

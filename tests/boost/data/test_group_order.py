"""Sorting within query groups."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from boost.data.group_order import sort_groups


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 120), min_size=1, max_size=5),
    st.integers(0, 2**31),
    st.sampled_from([2, 50, 10**6]),
)
def test_decreasing_and_stable(sizes: list[int], seed: int, levels: int) -> None:
    bounds = np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)
    values = np.random.default_rng(seed).integers(0, levels, bounds[-1]).astype(np.float64)
    order = np.full(bounds[-1], -1)
    first = len(sizes) // 2
    sort_groups(values, bounds, first, len(sizes), order)
    sort_groups(values, bounds, 0, first, order)
    for begin, end in zip(bounds[:-1], bounds[1:], strict=True):
        np.testing.assert_array_equal(order[begin:end], begin + np.argsort(-values[begin:end], kind="stable"))

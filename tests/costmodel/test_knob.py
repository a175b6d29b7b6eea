"""Knobs: the factorizations of a split."""

from __future__ import annotations

from math import prod

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from compiler.ops.knob import factorizations


def test_factorizations_of_twelve_in_two():
    assert factorizations(12, 2) == ((12, 1), (6, 2), (4, 3), (3, 4), (2, 6), (1, 12))
    assert factorizations(12, 2, 3) == ((12, 1), (6, 2), (4, 3))
    assert factorizations(8, 1) == ((8,),)
    assert factorizations(8, 1, 4) == ()


def test_512_in_four_parts_has_220_factorizations():
    # stars and bars: 9 twos in 4 boxes, C(12, 3)
    assert len(factorizations(512, 4)) == 220


@given(st.integers(1, 200), st.integers(1, 4), st.one_of(st.none(), st.integers(1, 20)))
def test_factorizations_are_all_of_them(extent, parts, max_inner):
    found = factorizations(extent, parts, max_inner)
    assert len(set(found)) == len(found)
    assert all(len(f) == parts and prod(f) == extent for f in found)
    every = (
        [f for f in np.ndindex(*(extent,) * parts) if prod(v + 1 for v in f) == extent]
        if extent < 13
        else None
    )
    if every is not None:
        expected = {tuple(v + 1 for v in f) for f in every}
        assert set(found) == {f for f in expected if max_inner is None or f[-1] <= max_inner}

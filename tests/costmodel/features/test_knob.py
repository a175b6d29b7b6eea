from __future__ import annotations

from math import log2

import numpy as np
import pytest

from costmodel.features import KnobFeatures
from costmodel.space import ConfigSpace


@pytest.fixture
def space() -> ConfigSpace:
    def template(knobs):
        knobs.split("s", 12, 2)
        knobs.choice("block", (0, 4, 64))
        knobs.choice("tile", ((2, 8), (4, 4)))
        knobs.reorder("order", ("i", "j"), ((0, 1), (1, 0)))
        knobs.annotate("inner", ("none", "unroll", "vectorize"))
        knobs.choice("pack", (False, True))
        knobs.choice("limit", (None, 16))

    return ConfigSpace.record(template)


def test_values_by_hand(space):
    family = KnobFeatures(space)
    values = {
        "s": (3, 4),
        "block": 64,
        "tile": (2, 8),
        "order": (1, 0),
        "inner": "unroll",
        "pack": True,
        "limit": None,
    }
    found = dict(zip(family.names, family.extract(space.config(values)).tolist(), strict=True))
    expected = {"s.0": log2(4), "s.1": log2(5), "s.inner": log2(5), "block": log2(65)}
    expected |= {"tile.0": log2(3), "tile.1": log2(9), "tile.inner": log2(9)}
    expected |= {"order=(0, 1)": 0, "order=(1, 0)": 1}
    expected |= {"inner=none": 0, "inner=unroll": 1, "inner=vectorize": 0}
    expected |= {"pack": 1, "limit=None": 1, "limit=16": 0}
    assert found == pytest.approx(expected)


def test_many_indices_are_rows_of_each(space):
    family = KnobFeatures(space)
    indices = space.random(np.random.default_rng(0), 40)
    rows = family.of_indices(indices)
    assert rows.dtype == np.float32 and rows.shape == (40, len(family.names))
    for index, row in zip(indices, rows, strict=True):
        assert np.array_equal(row, family.extract(space.at(index)))
    assert len({row.tobytes() for row in rows}) == 40


def test_version_is_that_of_the_space(space):
    other = ConfigSpace.record(lambda knobs: knobs.choice("block", (1, 2)))
    assert KnobFeatures(space).version != KnobFeatures(other).version
    assert KnobFeatures(other).names == ("block",)

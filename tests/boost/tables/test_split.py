"""Rows are split at random: every row is in one part, the classes keep their shares."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from boost.errors import TableError
from boost.tables.split import hold_out, split_rows
from boost.tables.target import take_target


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3))
    town = rng.choice(["Ely", "Bath", "York"], 300)
    y = x[:, 0] * 2 + np.where(town == "York", 3.0, 0.0)
    return pd.DataFrame(
        {"a": x[:, 0], "b": x[:, 1], "town": town, "y": y, "sort": np.where(y > 1, "big", "small")}
    )


def test_hold_out_keeps_the_shares_of_classes():
    frame = pd.DataFrame({"x": range(100), "y": ["a"] * 80 + ["b"] * 20})
    target = take_target(frame, "y")[1]
    train, held = hold_out(target, 0.25, np.random.default_rng(0))
    assert sorted([*train, *held]) == list(range(100))
    assert np.bincount(target.labels[held].astype(int)).tolist() == [20, 5]


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_share_of_held_out_rows(frame, share):
    with pytest.raises(TableError, match="at least 0 and below 1"):
        hold_out(take_target(frame, "y")[1], share, np.random.default_rng(0))


def test_too_few_rows_to_hold_any_out():
    target = take_target(pd.DataFrame({"x": [1, 2], "y": [1.5, 2.5]}), "y")[1]
    with pytest.raises(TableError, match="2 rows are too few"):
        hold_out(target, 0.1, np.random.default_rng(0))


def test_every_row_has_one_part(frame):
    for column in ("y", "sort"):
        target = take_target(frame, column)[1]
        parts = split_rows(target, 0.2, stopping=True, calibrating=True, rng=np.random.default_rng(0))
        rows = np.concatenate((parts.train, parts.test, parts.validation, parts.calibration))
        assert sorted(rows) == list(range(300))
        assert [len(parts.test), len(parts.validation)] == [60, 48] and 35 < len(parts.calibration) < 42
        assert set(hold_out(target, 0.2, np.random.default_rng(0))[1]) == set(parts.test)


def test_parts_that_are_not_needed_are_empty(frame):
    target = take_target(frame, "y")[1]
    parts = split_rows(target, 0, stopping=False, calibrating=True, rng=np.random.default_rng(0))
    assert [len(p) for p in (parts.train, parts.test, parts.validation, parts.calibration)] == [240, 0, 0, 60]

"""Rows are split at random: every row is in one part, classes keep their shares, groups stay together."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from boost.errors import TableError
from boost.tables.examples import Examples
from boost.tables.split import fold_rows, hold_out, split_rows
from boost.tables.target import take_target


def examples(labels, group=None) -> Examples:
    features, target = take_target(pd.DataFrame({"x": np.arange(len(labels)), "y": labels}), "y")
    return Examples(features, target, group=group)


NUMBERS = examples(np.linspace(0, 1, 300))
CLASSES = examples(["a"] * 80 + ["b"] * 20)
GROUPS = examples(np.linspace(0, 1, 100), np.repeat(np.arange(20), 5))


def test_hold_out_keeps_the_shares_of_classes():
    train, held = hold_out(CLASSES, 0.25, np.random.default_rng(0))
    assert sorted([*train, *held]) == list(range(100))
    assert np.bincount(CLASSES.target.labels[held].astype(int)).tolist() == [20, 5]


def test_groups_stay_together():
    train, held = hold_out(GROUPS, 0.25, np.random.default_rng(0))
    assert len(held) == 25 and not set(GROUPS.group[train]) & set(GROUPS.group[held])
    for rows in fold_rows(GROUPS, 4, np.random.default_rng(0)):
        assert len(rows) == 25 and len(set(GROUPS.group[rows])) == 5


@pytest.mark.parametrize("share", [-0.1, 1.0])
def test_share_of_held_out_rows(share):
    with pytest.raises(TableError, match="at least 0 and below 1"):
        hold_out(NUMBERS, share, np.random.default_rng(0))


def test_too_few_rows_to_hold_any_out():
    with pytest.raises(TableError, match="2 rows are too few"):
        hold_out(examples([1.5, 2.5]), 0.1, np.random.default_rng(0))


@pytest.mark.parametrize("whole", [NUMBERS, CLASSES])
def test_every_row_has_one_part(whole):
    parts = split_rows(whole, 0.2, calibrating=True, rng=np.random.default_rng(0))
    rows = np.concatenate((parts.train, parts.test, parts.calibration))
    assert sorted(rows) == list(range(len(whole)))
    assert [len(parts.test), len(parts.calibration)] == [len(whole) * 0.2, len(whole) * 0.16]
    assert set(hold_out(whole, 0.2, np.random.default_rng(0))[1]) == set(parts.test)


def test_parts_that_are_not_needed_are_empty():
    parts = split_rows(NUMBERS, 0, calibrating=True, rng=np.random.default_rng(0))
    assert [len(p) for p in (parts.train, parts.test, parts.calibration)] == [240, 0, 60]


def test_folds_hold_every_row_once_and_keep_the_shares():
    folds = fold_rows(CLASSES, 5, np.random.default_rng(0))
    assert sorted(np.concatenate(folds)) == list(range(100))
    assert [np.bincount(CLASSES.target.labels[rows].astype(int)).tolist() for rows in folds] == [[16, 4]] * 5
    with pytest.raises(TableError, match="20 groups cannot be divided into 21 folds"):
        fold_rows(GROUPS, 21, np.random.default_rng(0))


def test_folds_of_small_classes_have_equal_sizes():
    sizes = [
        len(rows) for rows in fold_rows(examples([*"aaaaaaabbbbbbbccccccc"]), 5, np.random.default_rng(0))
    ]
    assert sorted(sizes) == [4, 4, 4, 4, 5]

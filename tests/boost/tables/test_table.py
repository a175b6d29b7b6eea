from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from boost.errors import TableError
from boost.tables.table import hold_out, share_out, take_target


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 3))
    town = rng.choice(["Ely", "Bath", "York"], 300)
    y = x[:, 0] * 2 + np.where(town == "York", 3.0, 0.0)
    return pd.DataFrame(
        {"a": x[:, 0], "b": x[:, 1], "town": town, "y": y, "sort": np.where(y > 1, "big", "small")}
    )


@pytest.mark.parametrize("column, task", [("y", "regression"), ("sort", "classification")])
def test_auto_tells_numbers_from_classes(frame, column, task):
    features, target = take_target(frame, column)
    assert target.task == task and column not in features


def test_few_integers_are_classes_and_many_are_numbers():
    few = pd.DataFrame({"x": range(100), "y": [i % 5 for i in range(100)]})
    many = pd.DataFrame({"x": range(100), "y": range(100)})
    assert take_target(few, "y")[1].classes == [0, 1, 2, 3, 4]
    assert take_target(many, "y")[1].task == "regression"
    assert take_target(few, "y", "regression")[1].classes is None


def test_hold_out_keeps_the_shares_of_classes():
    frame = pd.DataFrame({"x": range(100), "y": ["a"] * 80 + ["b"] * 20})
    target = take_target(frame, "y")[1]
    train, held = hold_out(target, 0.25, np.random.default_rng(0))
    assert sorted([*train, *held]) == list(range(100))
    assert np.bincount(target.labels[held].astype(int)).tolist() == [20, 5]


@pytest.mark.parametrize(
    "change, column, task, message",
    [
        (lambda f: f, "yy", "auto", "unknown column 'yy'; did you mean 'y'"),
        (lambda f: f, "y", "ranking", "unknown task 'ranking'"),
        (lambda f: f[["y"]], "y", "auto", "'y' is the only column"),
        (lambda f: f.assign(sort="one"), "sort", "auto", "has the one class 'one'"),
        (lambda f: f.assign(y=f["y"].where(f.index > 1)), "y", "auto", "missing in 2 of 300 rows"),
        (lambda f: f, "sort", "regression", "a regression needs numbers"),
    ],
)
def test_targets_that_cannot_be_learned(frame, change, column, task, message):
    with pytest.raises(TableError, match=message):
        take_target(change(frame), column, task)


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
        parts = share_out(target, 0.2, stopping=True, calibrating=True, rng=np.random.default_rng(0))
        rows = np.concatenate((parts.train, parts.held, parts.watched, parts.aside))
        assert sorted(rows) == list(range(300))
        assert [len(parts.held), len(parts.watched)] == [60, 48] and 35 < len(parts.aside) < 42
        assert set(hold_out(target, 0.2, np.random.default_rng(0))[1]) == set(parts.held)


def test_parts_that_are_not_asked_for_are_empty(frame):
    target = take_target(frame, "y")[1]
    parts = share_out(target, 0, stopping=False, calibrating=True, rng=np.random.default_rng(0))
    assert [len(p) for p in (parts.train, parts.held, parts.watched, parts.aside)] == [240, 0, 0, 60]

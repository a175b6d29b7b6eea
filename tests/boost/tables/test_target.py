"""The target column: regression or classification, and targets that are refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from boost.errors import TableError
from boost.tables.roles import Roles
from boost.tables.target import read_event, take_target


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
def test_auto_distinguishes_numbers_and_classes(frame, column, task):
    features, target = take_target(frame, column)
    assert target.task == task and column not in features


def test_few_integers_are_classes_and_many_are_numbers():
    classes = pd.DataFrame({"x": range(100), "y": [i % 5 for i in range(100)]})
    many = pd.DataFrame({"x": range(100), "y": range(100)})
    assert take_target(classes, "y")[1].classes == [0, 1, 2, 3, 4]
    assert take_target(many, "y")[1].task == "regression"
    assert take_target(classes, "y", "regression")[1].classes is None


@pytest.mark.parametrize(
    "change, column, task, message",
    [
        (lambda f: f, "yy", "auto", "unknown column 'yy'; did you mean 'y'"),
        (lambda f: f, "y", "rank", "unknown task 'rank'; did you mean 'ranking'"),
        (lambda f: f[["y"]], "y", "auto", "'y' is the only column: the table has no features"),
        (
            lambda f: f.assign(sort="one"),
            "sort",
            "auto",
            "has only the class 'one': a classification needs at least two",
        ),
        (lambda f: f.assign(y=f["y"].where(f.index > 1)), "y", "auto", "missing in 2 of 300 rows"),
        (lambda f: f.assign(sort=f.index.astype(str)), "sort", "auto", "has 300 classes in 300 rows"),
        (lambda f: f, "y", "survival", "needs --event COLUMN"),
        (lambda f: f, "sort", "regression", "holds text, such as .*: numbers are needed"),
    ],
)
def test_targets_that_cannot_be_learned(frame, change, column, task, message):
    with pytest.raises(TableError, match=message):
        take_target(change(frame), column, task)


@pytest.mark.parametrize(
    "values, value, message",
    [
        (
            [1, 2, 2],
            None,
            "must be 1 .observed. or 0 .censored., got 1, 2: name the value .* --event status=1",
        ),
        ([1, 2, 2], "3", "no row has 'status' = '3': its values are '1', '2'"),
        ([1, None, 0], None, "'status' is missing in 1 of 3 rows"),
    ],
)
def test_events_that_are_not_clear(values, value, message):
    roles = Roles(target="time", event="status", event_value=value)
    with pytest.raises(TableError, match=message):
        read_event(pd.Series(values, dtype="float").astype("Int64"), roles)


def test_events_by_value():
    roles = Roles(target="time", event="status", event_value="2")
    for column in (pd.Series([1, 2]), pd.Series([1.0, 2.0]), pd.Series(["1", "2"])):
        assert read_event(column, roles).tolist() == [False, True]
    assert read_event(pd.Series([True, False]), Roles(target="t", event="e")).tolist() == [True, False]


def test_times_must_be_positive():
    frame = pd.DataFrame({"x": [1, 2], "t": [1.0, 0.0], "e": [1, 0]})
    with pytest.raises(TableError, match="the times 't' must be positive, got 0 in row 1"):
        take_target(frame, "t", "survival", Roles(target="t", event="e"))

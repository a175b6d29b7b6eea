"""The target column: regression or classification, and targets that are refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from boost.errors import TableError
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
        (lambda f: f, "y", "ranking", "unknown task 'ranking'"),
        (lambda f: f[["y"]], "y", "auto", "'y' is the only column: the table has no features"),
        (
            lambda f: f.assign(sort="one"),
            "sort",
            "auto",
            "has only the class 'one': a classification needs at least two",
        ),
        (lambda f: f.assign(y=f["y"].where(f.index > 1)), "y", "auto", "missing in 2 of 300 rows"),
        (lambda f: f, "sort", "regression", "a regression needs numbers"),
    ],
)
def test_targets_that_cannot_be_learned(frame, change, column, task, message):
    with pytest.raises(TableError, match=message):
        take_target(change(frame), column, task)

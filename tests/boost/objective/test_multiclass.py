"""Losses of several classes."""

from __future__ import annotations

import numpy as np
import pytest

import boost
from boost import DMatrix
from boost.objective import make_objective
from boost.params import resolve


def test_start_is_the_frequencies() -> None:
    objective = make_objective(resolve({"objective": "multi:softprob", "num_class": 3}))
    data = DMatrix(np.zeros((4, 1)), [0, 1, 2, 2], weight=[1, 2, 2, 3])
    start = objective.start(data)
    assert start.sum() == pytest.approx(0)
    np.testing.assert_allclose(objective.transform(start[np.newaxis]), [[1 / 8, 2 / 8, 5 / 8]])
    absent = objective.start(DMatrix(np.zeros((3, 1)), [0, 0, 1]))
    np.testing.assert_allclose(objective.transform(absent[np.newaxis]), [[2 / 4, 1 / 4, 1 / 4]])


def test_softmax_gives_the_likeliest_class() -> None:
    X = np.random.default_rng(0).normal(size=(100, 2))
    data = DMatrix(X, np.digitize(X[:, 0], [-0.5, 0.5]))
    params = {"objective": "multi:softmax", "num_class": 3}
    classes = boost.train(params, data, 5).predict(data)
    chances = boost.train(params | {"objective": "multi:softprob"}, data, 5).predict(data)
    assert classes.shape == (100,) and chances.shape == (100, 3)
    np.testing.assert_array_equal(classes, chances.argmax(axis=1))
    assert make_objective(resolve(params)).metric == "mlogloss"


def test_needs_two_classes() -> None:
    with pytest.raises(ValueError, match="multi:softmax needs num_class of at least 2, got 0"):
        make_objective(resolve({"objective": "multi:softmax"}))

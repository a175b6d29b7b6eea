"""Losses on the scale of the label."""

from __future__ import annotations

import numpy as np
import pytest

import boost
from boost import DMatrix
from boost.objective import make_objective
from boost.params import resolve


def test_pseudo_huber_starts_near_labels_far_from_zero() -> None:
    """A Newton step from zero would start at 5e7."""
    rng = np.random.default_rng(0)
    objective = make_objective(resolve({"objective": "reg:pseudohubererror"}))
    score = objective.start(DMatrix(np.zeros((50, 1)), 1000 + rng.normal(size=50)))
    assert abs(score[0] - 1000) < 0.5


def test_squared_log_error_by_hand() -> None:
    objective = make_objective(resolve({"objective": "reg:squaredlogerror"}))
    np.testing.assert_allclose(objective.start(DMatrix(np.zeros((2, 1)), [0, 3])), [1.0])


@pytest.mark.parametrize(
    "name", ["reg:squarederror", "reg:absoluteerror", "reg:squaredlogerror", "reg:gamma"]
)
def test_constant_labels_are_predicted(name: str) -> None:
    X = np.arange(20.0)[:, np.newaxis]
    model = boost.train({"objective": name}, DMatrix(X, np.full(20, 2.5)), 3)
    np.testing.assert_allclose(model.predict(X), 2.5, rtol=1e-6)


def test_leaves_of_absolute_error_are_medians() -> None:
    """One tree of rate 1: the prediction of each row is the median of its leaf."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2)).astype(np.float32)
    label = rng.standard_cauchy(size=200) + 5 * (X[:, 0] > 0)
    data = DMatrix(X, label)
    model = boost.train({"objective": "reg:absoluteerror", "eta": 1.0, "max_depth": 2}, data, 1)
    found = model.predict(data)
    values = np.unique(found)
    assert 2 <= values.size <= 4
    for value in values:
        assert value == pytest.approx(np.median(label[found == value]), abs=1e-5)


def test_rows_that_are_not_sampled_do_not_move_the_median() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 2)).astype(np.float32)
    data = DMatrix(X, X[:, 0] + rng.normal(size=300))
    params = {"objective": "reg:absoluteerror", "subsample": 0.3, "eta": 1.0, "max_depth": 1}
    plain = boost.train(params | {"subsample": 1.0}, data, 1).predict(data)
    drawn = boost.train(params, data, 1).predict(data)
    assert not np.allclose(np.unique(plain), np.unique(drawn))

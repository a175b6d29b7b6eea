"""Quantile regression for several levels."""

from __future__ import annotations

import numpy as np

import boost
from boost import DMatrix
from boost.objective import Round, make_objective
from boost.params import resolve
from boost.threads import Team


def test_derivatives_by_hand() -> None:
    objective = make_objective(resolve({"objective": "reg:quantileerror", "quantile_alpha": [0.9, 0.25]}))
    data = DMatrix(np.zeros((3, 1)), [1, 2, 3])
    grad, hess = objective.gradient(np.full((3, 2), 2.0), data, Round(0, 0, Team(1)))
    np.testing.assert_allclose(grad, [[0.1, 0.75], [0.1, 0.75], [-0.9, -0.25]])
    np.testing.assert_array_equal(hess, np.ones((3, 2)))


def test_start_is_a_quantile_for_each_level() -> None:
    objective = make_objective(resolve({"objective": "reg:quantileerror", "quantile_alpha": [0.75, 0.25]}))
    np.testing.assert_array_equal(objective.start(DMatrix(np.zeros((3, 1)), [5, 1, 3])), [5, 1])


def test_predictions_never_cross() -> None:
    objective = make_objective(resolve({"objective": "reg:quantileerror", "quantile_alpha": [0.5, 0.1, 0.9]}))
    margin = np.array([[1.0, 2.0, 3.0], [3.0, 1.0, 2.0], [1.0, 1.0, 0.0]])
    np.testing.assert_array_equal(objective.transform(margin), [[2, 1, 3], [2, 1, 3], [1, 0, 1]])
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    data = DMatrix(X, X[:, 0] + rng.normal(size=300))
    levels = [0.45, 0.5, 0.55]
    model = boost.train({"objective": "reg:quantileerror", "quantile_alpha": levels}, data, 20)
    margins, predicted = model.predict(data, output_margin=True), model.predict(data)
    assert (np.diff(margins, axis=1) < 0).any()  # there was something to sort
    assert (np.diff(predicted, axis=1) >= 0).all()


def test_share_below_is_the_level() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, 2))
    label = X[:, 0] + rng.normal(size=2000) * np.exp(X[:, 1] / 2)
    data = DMatrix(X, label)
    levels = [0.1, 0.5, 0.9]
    predicted = boost.train({"objective": "reg:quantileerror", "quantile_alpha": levels}, data, 20).predict(
        data
    )
    np.testing.assert_allclose((label[:, np.newaxis] <= predicted).mean(axis=0), levels, atol=0.03)

"""Expectile regression for several levels."""

from __future__ import annotations

import numpy as np
import pytest

import boost
from boost import DMatrix
from boost.objective import Round, make_objective
from boost.objective.expectile import expectile
from boost.params import resolve
from boost.threads import Team

SERIAL = Round(0, 0, Team(1))
LEVELS = [0.1, 0.5, 0.8]


def several() -> boost.objective.Objective:
    return make_objective(resolve({"objective": "reg:expectileerror", "expectile_alpha": LEVELS}))


@pytest.mark.parametrize("level", [0.05, 0.5, 0.9])
def test_expectile_balances_the_sides(level: float) -> None:
    rng = np.random.default_rng(0)
    values, weight = rng.standard_t(2, size=500), rng.uniform(0.5, 2, size=500)
    for w in (np.empty(0), weight):
        at = expectile(values, w, level)
        share = w if w.size else np.ones(500)
        above = (share * np.maximum(values - at, 0)).sum() * level
        assert above == pytest.approx((share * np.maximum(at - values, 0)).sum() * (1 - level), rel=1e-9)
    assert expectile(np.full(3, 2.0), np.empty(0), level) == 2.0


def test_margins_are_a_level_and_gaps() -> None:
    objective = several()
    score = np.array([-1.0, 0.5, 50.5])
    np.testing.assert_allclose(objective.transform(objective.to_margin(score)[np.newaxis]), [score])
    margin = np.random.default_rng(0).normal(size=(100, 3)) * 50
    assert (np.diff(objective.transform(margin), axis=1) > 0).all()
    with pytest.raises(ValueError, match="base_score of reg:expectileerror must increase with the levels"):
        objective.to_margin(np.array([1.0, 0.0, 2.0]))


def test_gradient_of_the_joint_loss() -> None:
    objective = several()
    rng = np.random.default_rng(0)
    margin, label = rng.normal(size=(30, 3)), rng.normal(size=30).astype(np.float32)
    grad, hess = objective.gradient(margin, DMatrix(np.zeros((30, 1)), label), SERIAL)

    def loss(m: np.ndarray) -> np.ndarray:
        residual = objective.transform(m) - label[:, np.newaxis].astype(float)
        return (np.where(residual >= 0, 1 - np.array(LEVELS), LEVELS) * residual**2 / 2).sum(axis=1)

    step = 1e-5
    for k in range(3):
        move = np.zeros(3)
        move[k] = step
        slope = (loss(margin + move) - loss(margin - move)) / (2 * step)
        np.testing.assert_allclose(grad[:, k], slope, atol=1e-6)
    assert (hess > 0).all()


def test_levels_must_increase() -> None:
    with pytest.raises(
        ValueError, match=r"expectile_alpha must increase, got \[0.9, 0.1\]: give \[0.1, 0.9\]"
    ):
        make_objective(resolve({"objective": "reg:expectileerror", "expectile_alpha": [0.9, 0.1]}))


def test_training_lowers_the_loss_and_never_crosses() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 2))
    label = X[:, 0] + rng.normal(size=600) * np.exp(X[:, 1] / 2)
    data = DMatrix(X, label)
    history: dict = {}
    model = boost.train(
        {"objective": "reg:expectileerror", "expectile_alpha": LEVELS},
        data,
        20,
        evals=[(data, "train")],
        evals_result=history,
        verbose_eval=False,
    )
    values = history["train"]["expectile"]
    assert values[-1] < 0.6 * values[0]
    assert (np.diff(model.predict(rng.normal(size=(500, 2)) * 2), axis=1) > 0).all()


def test_the_middle_expectile_is_squared_error() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2))
    data = DMatrix(X, X[:, 0] + rng.normal(size=200))
    mean = boost.train({"lambda": 2.0, "min_child_weight": 2.0}, data, 5).predict(data)
    params = {"objective": "reg:expectileerror", "lambda": 1.0, "min_child_weight": 1.0}
    np.testing.assert_allclose(boost.train(params, data, 5).predict(data), mean, rtol=1e-5)

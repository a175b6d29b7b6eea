"""Survival losses against their definitions, finite differences and XGBoost."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import gumbel_l, logistic, norm

import boost
from boost import DMatrix, LabelError
from boost.objective import Round, make_objective
from boost.objective.survival import aft_derivatives
from boost.params import resolve
from boost.threads import Team

SERIAL = Round(0, 0, Team(1))


def partial_likelihood(margin: np.ndarray, label: np.ndarray, weight: np.ndarray) -> float:
    """Minus its logarithm, row by row as it is defined."""
    total = 0.0
    for i in np.flatnonzero(label > 0):
        at_risk = np.abs(label) >= label[i]
        total -= weight[i] * (margin[i] - np.log((weight * np.exp(margin))[at_risk].sum()))
    return total


@pytest.mark.parametrize("weighted", [False, True])
def test_cox_by_definition(weighted: bool) -> None:
    rng = np.random.default_rng(0)
    label = rng.integers(1, 9, size=30) * rng.choice([-1.0, 1.0], size=30)  # with ties
    weight = rng.uniform(0.5, 2, size=30).astype(np.float32) if weighted else np.ones(30)
    margin = rng.normal(size=30)
    objective = make_objective(resolve({"objective": "survival:cox"}))
    data = DMatrix(np.zeros((30, 1)), label, weight=weight if weighted else None)
    grad, hess = objective.gradient(margin[:, np.newaxis], data, SERIAL)
    step, middle = 1e-4, partial_likelihood(margin, label, weight)
    for i in range(30):
        move = np.zeros(30)
        move[i] = step
        high = partial_likelihood(margin + move, label, weight)
        low = partial_likelihood(margin - move, label, weight)
        assert grad[i, 0] * weight[i] == pytest.approx((high - low) / (2 * step), abs=1e-6)
        second = (high - 2 * middle + low) / step**2
        if weight[i] <= 1:
            assert hess[i, 0] * weight[i] == pytest.approx(second, abs=1e-5)
        else:
            assert hess[i, 0] * weight[i] >= second - 1e-5


def test_cox_weights_are_repeated_rows() -> None:
    rng = np.random.default_rng(0)
    label = rng.uniform(1, 9, size=20) * rng.choice([-1.0, 1.0], size=20)
    weight, margin = rng.integers(1, 4, size=20), rng.normal(size=(20, 1))
    objective = make_objective(resolve({"objective": "survival:cox"}))
    grad, hess = objective.gradient(margin, DMatrix(np.zeros((20, 1)), label, weight=weight), SERIAL)
    again = np.repeat(np.arange(20), weight)
    data = DMatrix(np.zeros((again.size, 1)), label[again])
    g, h = objective.gradient(margin[again], data, SERIAL)
    np.testing.assert_allclose(g, grad[again], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(h, hess[again], rtol=1e-9)


def test_cox_survives_far_margins() -> None:
    objective = make_objective(resolve({"objective": "survival:cox"}))
    data = DMatrix(np.zeros((4, 1)), [1, 2, 3, 4], weight=[1, 0, 1, 1])
    grad, hess = objective.gradient(np.array([[5000.0], [0.0], [-5000.0], [0.0]]), data, SERIAL)
    assert np.isfinite(grad).all() and np.isfinite(hess).all() and (hess > 0).all()
    assert grad[0, 0] == pytest.approx(0) and grad[2, 0] < 0 < grad[3, 0] + 1


DISTRIBUTIONS = {"normal": norm, "logistic": logistic, "extreme": gumbel_l}


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
@pytest.mark.parametrize("scale", [0.7, 1.5])
def test_aft_by_definition(distribution: str, scale: float) -> None:
    rng = np.random.default_rng(0)
    low = np.log(rng.uniform(0.5, 3, size=60))
    high = low + rng.uniform(0.01, 1, size=60)
    high[:15] = low[:15]  # events
    high[15:30] = np.inf
    low[30:45] = -np.inf
    margin = rng.uniform(-0.5, 1, size=60)  # where a difference of SciPy's is still exact
    frozen = DISTRIBUTIONS[distribution](scale=scale)

    def loss(m: np.ndarray) -> np.ndarray:
        share = np.log(frozen.cdf(high - m) - frozen.cdf(low - m), where=high > low, out=np.zeros(60))
        return np.where(high > low, -share, -frozen.logpdf(np.where(high > low, 0.0, low) - m))

    grad, hess = aft_derivatives(distribution, scale, margin, low, high)
    step = 1e-4
    first = (loss(margin + step) - loss(margin - step)) / (2 * step)
    second = (loss(margin + step) - 2 * loss(margin) + loss(margin - step)) / step**2
    np.testing.assert_allclose(grad, first.clip(-15, 15), atol=1e-5)
    np.testing.assert_allclose(hess, second.clip(1e-16, 15), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_aft_far_out(distribution: str) -> None:
    """At any margin: finite, the right sign, a positive hessian."""
    margin = np.repeat([-800.0, -40, -9, 0, 9, 40, 800], 5)
    low = np.tile(np.log([2.0, 2, 1e-300, 2, 2]), 7)
    high = np.tile([np.log(2), np.inf, np.log(2), np.log(3), np.log(2) + 1e-9], 7)
    low[2::5] = -np.inf
    grad, hess = aft_derivatives(distribution, 1.0, margin, low, high)
    assert np.isfinite(grad).all() and (hess >= 1e-16).all() and (hess <= 15).all()
    censored = np.tile([False, True, True, False, False], 7)
    assert (grad[(margin < -5) & ~censored] < 0).all() and (grad[(margin > 5) & ~censored] > 0).all()
    assert (grad[1::5] <= 0).all() and (grad[2::5] >= 0).all()
    np.testing.assert_allclose(grad[1::5][margin[1::5] > 30], 0, atol=1e-12)  # censored long before
    np.testing.assert_allclose(grad[4::5], grad[0::5], rtol=1e-6, atol=1e-9)  # an interval of next to nothing


def test_aft_starts_at_the_likeliest_time() -> None:
    times = np.array([1.0, 2, 4, 8])
    normal = make_objective(resolve({"objective": "survival:aft"}))
    data = DMatrix(np.zeros((4, 1)), label_lower_bound=times, label_upper_bound=times)
    np.testing.assert_allclose(normal.start(data), [np.exp(np.log(times).mean())])
    censored = DMatrix(np.zeros((4, 1)), label_lower_bound=times, label_upper_bound=[1, 2, np.inf, np.inf])
    for name in DISTRIBUTIONS:
        objective = make_objective(resolve({"objective": "survival:aft", "aft_loss_distribution": name}))
        score = objective.start(censored)
        grad, _ = objective.gradient(np.tile(objective.to_margin(score), (4, 1)), censored, SERIAL)
        assert grad.sum() == pytest.approx(0, abs=1e-8)


@pytest.mark.parametrize(
    ("low", "high", "match"),
    [
        ([1, 3], [2, 2], "got 3 and 2 in row 1"),
        ([-1, 1], [2, 2], "needs 0 <= label_lower_bound <= label_upper_bound"),
        ([0, 1], [0, 2], "a positive upper one, got 0 and 0 in row 0"),
    ],
)
def test_wrong_bounds(low: list, high: list, match: str) -> None:
    objective = make_objective(resolve({"objective": "survival:aft"}))
    with pytest.raises(ValueError, match=match) as caught:  # the table may refuse them first
        objective.check(DMatrix(np.zeros((2, 1)), label_lower_bound=low, label_upper_bound=high))
    assert isinstance(caught.value, (LabelError, boost.DataError))


AFT: list[dict[str, Any]] = [{"aft_loss_distribution": name} for name in DISTRIBUTIONS]


@pytest.mark.parametrize("extra", [{}, *AFT])
def test_training_gives_xgboosts_margins(extra: dict[str, Any]) -> None:
    xgboost = pytest.importorskip("xgboost")
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3)).astype(np.float32)
    time = np.exp(X[:, 0] / 2 + rng.normal(size=200) / 2)
    params = {"max_depth": 3, "max_bin": 255, "base_score": 1.0, "nthread": 1, **extra}
    if extra:
        params["objective"] = "survival:aft"
        bounds = {
            "label_lower_bound": np.where(time < 0.4, 0, time),
            "label_upper_bound": np.where(time > 2, np.inf, time),
        }
        theirs, ours = xgboost.DMatrix(X), DMatrix(X, **bounds)
        theirs.set_info(**bounds)
    else:
        params["objective"] = "survival:cox"
        label = time * rng.choice([-1, 1], size=200)
        theirs, ours = xgboost.DMatrix(X, label), DMatrix(X, label)
    want = xgboost.train(params, theirs, 5).predict(theirs, output_margin=True)
    predicted = boost.train(params, ours, 5).predict(ours, output_margin=True)
    np.testing.assert_allclose(predicted, want, atol=5e-6, rtol=1e-5)

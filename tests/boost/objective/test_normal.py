"""The loss that predicts a mean and a standard deviation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import boost
from boost import DMatrix
from boost.objective import Round, make_objective
from boost.params import resolve
from boost.threads import Team


def table(rows: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, size=(rows, 2))
    return x, 2 * x[:, 0] + rng.normal(size=rows) * np.where(x[:, 1] > 0, 1.0, 0.1)


def test_steps_by_hand() -> None:
    loss = make_objective(resolve({"objective": "reg:normal"}))
    data = DMatrix([[0.0], [0.0]], [3.0, 0.0])
    margin = np.array([[1.0, np.log(2.0)], [1.0, 0.0]])
    with Team(1) as team:
        grad, hess = loss.gradient(margin, data, Round(0, 0, team))
    np.testing.assert_allclose(grad, [[-2, 1 - 1], [1, 1 - 1]], atol=1e-15)
    np.testing.assert_array_equal(hess, [[1, 2], [1, 2]])
    np.testing.assert_allclose(loss.transform(margin), [[1, 2], [1, 1]])


def test_the_derivative_by_the_deviation_is_that_of_the_loss() -> None:
    loss = make_objective(resolve({"objective": "reg:normal"}))
    y = np.array([0.3, -2.0, 5.0])
    data = DMatrix(np.zeros((3, 1)), y)
    margin = np.array([[0.0, 0.2], [1.0, -1.0], [4.0, 1.5]])

    def likelihood(s: np.ndarray) -> np.ndarray:
        return s + 0.5 * ((y.astype(np.float32) - margin[:, 0]) / np.exp(s)) ** 2

    with Team(1) as team:
        grad = loss.gradient(margin, data, Round(0, 0, team))[0]
    step = 1e-6
    want = (likelihood(margin[:, 1] + step) - likelihood(margin[:, 1] - step)) / (2 * step)
    np.testing.assert_allclose(grad[:, 1], want, rtol=1e-6)


def test_starts_at_mean_and_deviation() -> None:
    y, w = np.array([1.0, 2.0, 6.0]), np.array([1.0, 1.0, 2.0])
    loss = make_objective(resolve({"objective": "reg:normal"}))
    start = loss.start(DMatrix(np.zeros((3, 1)), y, weight=w))
    np.testing.assert_allclose(start, [np.average(y, weights=w), np.sqrt(np.cov(y, aweights=w, ddof=0))])
    assert loss.start(DMatrix(np.zeros((2, 1)), [3.0, 3.0]))[1] == 1e-6
    with pytest.raises(ValueError, match="base_score of reg:normal .* above 0, got -1"):
        boost.train({"objective": "reg:normal", "base_score": [0, -1]}, DMatrix([[0.0]], [1.0]), 1)


def test_means_are_those_of_squared_error_and_deviations_are_learned(tmp_path: Path) -> None:
    x, y = table()
    params = {"eta": 0.1, "max_depth": 3, "base_score": [0.0, 1.0]}
    model = boost.train({**params, "objective": "reg:normal"}, DMatrix(x, y), 60)
    plain = boost.train({**params, "base_score": 0.0}, DMatrix(x, y), 60)
    predicted = model.predict(x)
    np.testing.assert_allclose(predicted[:, 0], plain.predict(x), atol=1e-6)
    wide = x[:, 1] > 0.1
    assert 0.8 < np.median(predicted[wide, 1]) < 1.1
    assert 0.07 < np.median(predicted[x[:, 1] < -0.1, 1]) < 0.2
    model.save_model(tmp_path / "m.json")
    loaded = boost.Booster(model_file=tmp_path / "m.json")
    assert np.array_equal(loaded.predict(x), predicted)


def test_the_metric_is_the_likelihood() -> None:
    x, y = table(500)
    result: dict = {}
    data = DMatrix(x, y)
    params = {"objective": "reg:normal", "eta": 0.1}
    model = boost.train(params, data, 10, evals=[(data, "d")], evals_result=result, verbose_eval=False)
    mean, spread = model.predict(x).T
    want = 0.5 * np.log(2 * np.pi * spread**2) + (y.astype(np.float32) - mean) ** 2 / (2 * spread**2)
    np.testing.assert_allclose(result["d"]["normal-nloglik"][-1], want.mean(), rtol=1e-6)
    assert result["d"]["normal-nloglik"][-1] < result["d"]["normal-nloglik"][0]

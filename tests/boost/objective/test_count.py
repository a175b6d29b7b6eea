"""Losses of counts and positive amounts."""

from __future__ import annotations

import numpy as np
import pytest

from boost import DMatrix
from boost.objective import Round, make_objective
from boost.params import resolve
from boost.threads import Team

SERIAL = Round(0, 0, Team(1))


@pytest.mark.parametrize("name", ["count:poisson", "reg:gamma", "reg:tweedie"])
def test_log_link(name: str) -> None:
    objective = make_objective(resolve({"objective": name}))
    data = DMatrix(np.zeros((3, 1)), [1, 2, 6], weight=[1, 1, 2])
    score = objective.start(data)
    np.testing.assert_allclose(score, [15 / 4])
    np.testing.assert_allclose(objective.transform(objective.to_margin(score)[np.newaxis])[0], score)
    with pytest.raises(ValueError, match=f"base_score of {name} must be above 0, got 0"):
        objective.to_margin(np.zeros(1))


@pytest.mark.parametrize("name", ["count:poisson", "reg:tweedie"])
def test_labels_that_are_all_zero(name: str) -> None:
    objective = make_objective(resolve({"objective": name}))
    data = DMatrix(np.zeros((3, 1)), [0, 0, 0])
    margin = objective.to_margin(objective.start(data))
    np.testing.assert_allclose(margin, [np.log(1e-6)])
    grad, hess = objective.gradient(np.tile(margin, (3, 1)), data, SERIAL)
    assert (grad > 0).all() and (hess > 0).all() and np.isfinite(grad / hess).all()


def test_the_poisson_hessian_includes_max_delta_step() -> None:
    data = DMatrix(np.zeros((1, 1)), [3.0])
    for given, step in ((None, 0.7), (0.0, 0.0), (0.5, 0.5)):
        objective = make_objective(resolve({"objective": "count:poisson", "max_delta_step": given}))
        grad, hess = objective.gradient(np.array([[0.5]]), data, SERIAL)
        np.testing.assert_allclose([grad[0, 0], hess[0, 0]], [np.exp(0.5) - 3, np.exp(0.5 + step)])


def test_the_tweedie_metric_has_the_power() -> None:
    objective = make_objective(resolve({"objective": "reg:tweedie", "tweedie_variance_power": 1.3}))
    assert objective.metric == "tweedie-nloglik@1.3"

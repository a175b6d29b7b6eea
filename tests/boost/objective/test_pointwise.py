"""Derivatives against finite differences of the losses, and training against XGBoost's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import boost
from boost import DMatrix
from boost.objective import Round, make_objective
from boost.params import resolve
from boost.threads import Team

SERIAL = Round(0, 0, Team(1))
Array = np.ndarray

RHO = 1.25
# The loss of a margin and a label, and its parameters.
LOSSES: dict[str, tuple[Callable[[Array, Array], Array], dict[str, Any]]] = {
    "reg:squarederror": (lambda m, y: (m - y) ** 2 / 2, {}),
    "reg:squaredlogerror": (lambda m, y: (np.log1p(m) - np.log1p(y)) ** 2 / 2, {}),
    "reg:pseudohubererror": (lambda m, y: 4 * (np.sqrt(1 + ((m - y) / 2) ** 2) - 1), {"huber_slope": 2.0}),
    "reg:absoluteerror": (lambda m, y: np.abs(m - y), {}),
    "reg:quantileerror": (lambda m, y: np.where(m >= y, 0.7, -0.3) * (m - y), {"quantile_alpha": 0.3}),
    "reg:expectileerror": (
        lambda m, y: np.where(m >= y, 0.7, 0.3) * (m - y) ** 2 / 2,
        {"expectile_alpha": 0.3},
    ),
    "reg:logistic": (lambda m, y: np.log1p(np.exp(m)) - y * m, {}),
    "binary:logistic": (lambda m, y: np.log1p(np.exp(m)) - y * m, {}),
    "binary:hinge": (lambda m, y: np.maximum(0, 1 - (2 * y - 1) * m), {}),
    "count:poisson": (lambda m, y: np.exp(m) - y * m, {"max_delta_step": 0.0}),
    "reg:gamma": (lambda m, y: m + y * np.exp(-m), {}),
    "reg:tweedie": (
        lambda m, y: np.exp((2 - RHO) * m) / (2 - RHO) - y * np.exp((1 - RHO) * m) / (1 - RHO),
        {"tweedie_variance_power": RHO},
    ),
}
LINEAR = ("reg:absoluteerror", "reg:quantileerror", "binary:hinge")  # their hessians are one by convention


@pytest.mark.parametrize("name", LOSSES)
def test_derivatives(name: str) -> None:
    loss, extra = LOSSES[name]
    rng = np.random.default_rng(0)
    label = rng.uniform(0.2, 0.8, size=200).astype(np.float32)
    if name == "binary:hinge":
        label = label.round()
    margin = rng.uniform(-0.9, 1.5, size=200)
    objective = make_objective(resolve({"objective": name, **extra}))
    grad, hess = objective.gradient(margin[:, np.newaxis], DMatrix(np.zeros((200, 1)), label), SERIAL)
    y, step = label.astype(float), 1e-4
    away = (
        np.abs(loss(margin + step, y) - 2 * loss(margin, y) + loss(margin - step, y)) < step / 10
    )  # no kink
    assert away.sum() > 190
    first = (loss(margin + step, y) - loss(margin - step, y)) / (2 * step)
    np.testing.assert_allclose(grad[away, 0], first[away], atol=1e-6, rtol=2e-6)
    if name in LINEAR:
        np.testing.assert_array_equal(
            hess[away, 0].round(), np.abs(first[away]) > 0 if "hinge" in name else 1
        )
    else:
        second = (loss(margin + step, y) - 2 * loss(margin, y) + loss(margin - step, y)) / step**2
        floor = 1e-6 if name == "reg:squaredlogerror" else 0
        np.testing.assert_allclose(hess[away, 0], np.maximum(second[away], floor), atol=2e-6, rtol=1e-5)


@pytest.mark.parametrize("name", [n for n in LOSSES if n != "binary:hinge"])
@pytest.mark.parametrize("weighted", [False, True])
def test_start_is_the_best_constant(name: str, weighted: bool) -> None:
    loss, extra = LOSSES[name]
    rng = np.random.default_rng(1)
    label = rng.uniform(0.1, 0.9, size=101).astype(np.float32)
    weight = rng.uniform(0.2, 2, size=101).astype(np.float32) if weighted else np.ones(101)
    objective = make_objective(resolve({"objective": name, **extra}))
    data = DMatrix(np.zeros((101, 1)), label, weight=weight if weighted else None)
    at = objective.to_margin(objective.start(data))[0]
    y = label.astype(float)

    def total(margin: float) -> float:
        return float((loss(np.full(101, margin), y) * weight).sum())

    for step in (1e-3, 1e-2, 0.1):
        # An unweighted quantile may lie between two labels, as near to the minimum as they are.
        slack = 0.02 if name == "reg:quantileerror" and not weighted else 1e-9
        assert total(at) <= min(total(at - step), total(at + step)) + slack


def test_scale_pos_weight_counts_the_ones() -> None:
    label, margin = [0, 0, 0, 1], np.full((4, 1), 0.25)
    data = DMatrix(np.zeros((4, 1)), label)
    for name in ("reg:squarederror", "reg:logistic", "binary:logistic"):
        plain = make_objective(resolve({"objective": name}))
        scaled = make_objective(resolve({"objective": name, "scale_pos_weight": 3.0}))
        np.testing.assert_allclose(scaled.start(data), [0.5])
        for a, b in zip(
            plain.gradient(margin, data, SERIAL), scaled.gradient(margin, data, SERIAL), strict=True
        ):
            np.testing.assert_array_equal(a * [[1], [1], [1], [3]], b)
        assert scaled.row_weight(data).size == 0


ROWS = 240
RNG = np.random.default_rng(0)
X = RNG.normal(size=(ROWS, 3)).astype(np.float32)
SIGNAL = X[:, 0] + np.abs(X[:, 1])
REAL = SIGNAL + RNG.normal(size=ROWS)
POSITIVE = np.exp(SIGNAL / 2) * RNG.gamma(2, 1, size=ROWS)
COUNT = RNG.poisson(np.exp(SIGNAL / 2)).astype(float)
BINARY = (REAL > 1).astype(float)
CLASS = np.digitize(REAL, [0, 1.5]).astype(float)
WEIGHT = RNG.uniform(0.5, 2, size=ROWS)

CASES: list[tuple[str, Array, dict[str, Any]]] = [
    ("reg:squarederror", REAL, {}),
    ("reg:squarederror", np.column_stack((REAL, POSITIVE)), {}),
    ("reg:squaredlogerror", POSITIVE, {"base_score": 1.0}),
    ("reg:pseudohubererror", REAL, {"huber_slope": 2.0, "base_score": 0.0}),
    ("reg:absoluteerror", REAL, {}),
    ("reg:absoluteerror", np.column_stack((REAL, POSITIVE)), {}),
    ("reg:quantileerror", REAL, {"quantile_alpha": [0.1, 0.5, 0.9]}),
    ("reg:logistic", 1 / (1 + np.exp(-REAL)), {}),
    ("binary:logistic", BINARY, {}),
    ("binary:logistic", BINARY, {"scale_pos_weight": 3.0, "base_score": 0.4}),
    ("binary:logistic", np.column_stack((BINARY, CLASS > 0)), {}),
    ("binary:logitraw", BINARY, {"base_score": 0.2}),
    ("binary:hinge", BINARY, {}),
    ("reg:gamma", POSITIVE, {}),
    ("reg:tweedie", COUNT, {"tweedie_variance_power": 1.3}),
    ("count:poisson", COUNT, {"max_delta_step": 0.7}),
    ("multi:softmax", CLASS, {"num_class": 3}),
    ("multi:softprob", CLASS, {"num_class": 3}),
]


@pytest.mark.parametrize("case", range(len(CASES)))
@pytest.mark.parametrize("weighted", [False, True])
def test_training_gives_xgboosts_margins(case: int, weighted: bool) -> None:
    xgboost = pytest.importorskip("xgboost")
    name, label, extra = CASES[case]
    # As many cuts as values: both then look at all splits.
    params = {"objective": name, "max_depth": 3, "max_bin": 255, "nthread": 1, **extra}
    weight = WEIGHT if weighted else None
    theirs = xgboost.DMatrix(X, label, weight=weight)
    want = xgboost.train(params, theirs, 4).predict(theirs, output_margin=True)
    ours = DMatrix(X, label, weight=weight)
    got = boost.train(params, ours, 4).predict(ours, output_margin=True)
    np.testing.assert_allclose(got, want, atol=5e-6, rtol=1e-5)

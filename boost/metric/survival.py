"""Metrics of survival times; predictions are hazards (cox) and times (aft)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from boost.metric.base import SMALLEST, Floats, Metric, label, row_mean

if TYPE_CHECKING:
    from boost.data.dmatrix import DMatrix

# Smallest likelihood of a row, whose logarithm is finite.
SMALLEST_LIKELIHOOD = 1e-12


def cox(prediction: Floats, data: DMatrix) -> float:
    """Negative mean partial log-likelihood of the events (Breslow's form for ties).

    A positive label is the time of an event, a negative one minus the time of censoring. Weights are
    ignored, as in XGBoost. NaN without events.
    """
    hazard, y = np.maximum(prediction[:, 0], SMALLEST), label(data)
    order = np.argsort(-np.abs(y), kind="stable")
    time = np.abs(y[order])
    # At risk at a time: all rows of at least that time.
    at_risk = np.cumsum(hazard[order])[np.searchsorted(-time, -time, side="right") - 1]
    event = y[order] > 0
    if not event.any():
        return float("nan")
    return float(np.mean(np.log(at_risk[event]) - np.log(hazard[order][event])))


def normal(z: Floats) -> tuple[Floats, Floats]:
    """Return the density and the distribution function of the standard normal."""
    from scipy.special import ndtr

    return np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi), ndtr(z)


def logistic(z: Floats) -> tuple[Floats, Floats]:
    """Return the density and the distribution function of the standard logistic."""
    from scipy.special import expit

    below = expit(z)
    return below * expit(-z), below


def extreme(z: Floats) -> tuple[Floats, Floats]:
    """Return the density and the distribution function of the standard minimum extreme value."""
    w = np.exp(np.minimum(z, 700.0))
    return w * np.exp(-w), -np.expm1(-w)


DISTRIBUTIONS: dict[str, Callable[[Floats], tuple[Floats, Floats]]] = {
    "normal": normal,
    "logistic": logistic,
    "extreme": extreme,
}


def aft(distribution: str, scale: float) -> Metric:
    """Return the negative mean log-likelihood metric of times whose logarithm is the margin plus noise.

    References
    ----------
    A. Barnwal, H. Cho and T. Hocking, "Survival regression with accelerated failure time model in XGBoost",
    arXiv:2006.04920.
    """
    distribution_of = DISTRIBUTIONS[distribution]

    def function(prediction: Floats, data: DMatrix) -> float:
        lower, upper = _bounds(data)
        with np.errstate(divide="ignore"):
            margin = np.log(prediction[:, 0])
            low, high = (np.log(lower) - margin) / scale, (np.log(upper) - margin) / scale
        density, below_low = distribution_of(low)
        _, below_high = distribution_of(high)
        with np.errstate(divide="ignore", invalid="ignore"):
            exact = density / (scale * lower)
        likelihood = np.where(lower == upper, exact, below_high - below_low)
        return row_mean(-np.log(np.maximum(likelihood, SMALLEST_LIKELIHOOD)), data)

    return Metric("aft-nloglik", False, function, "bounds", "one")


def interval_accuracy(prediction: Floats, data: DMatrix) -> float:
    """Fraction of rows whose predicted time lies within the bounds."""
    lower, upper = _bounds(data)
    time = prediction[:, 0]
    return row_mean(((time >= lower) & (time <= upper)).astype(np.float64), data)


def _bounds(data: DMatrix) -> tuple[Floats, Floats]:
    assert data.label_lower_bound is not None and data.label_upper_bound is not None
    # A time has the lower bound 0, also where minus infinity says that none is known.
    return np.maximum(data.label_lower_bound, 0.0, dtype=np.float64), data.label_upper_bound.astype(
        np.float64
    )


METRICS = (
    Metric("cox-nloglik", False, cox, outputs="one"),
    Metric("interval-regression-accuracy", True, interval_accuracy, "bounds", "one"),
)

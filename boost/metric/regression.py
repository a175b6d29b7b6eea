"""Metrics of regression: errors, and likelihoods of counts and amounts; means over several outputs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from boost.metric.base import SMALLEST, Floats, Metric, label_columns, row_mean

if TYPE_CHECKING:
    from boost.data.dmatrix import DMatrix

# XGBoost adds it to labels and predictions of gamma-deviance, and clips means of gamma-nloglik at it.
GAMMA_SHIFT = 1e-6


def rmse(prediction: Floats, data: DMatrix) -> float:
    """Root of the mean squared error."""
    return math.sqrt(row_mean((prediction - label_columns(data)) ** 2, data))


def rmsle(prediction: Floats, data: DMatrix) -> float:
    """Root of the mean squared difference of log(1 + x)."""
    with np.errstate(invalid="ignore", divide="ignore"):  # a prediction of -1 or less
        return math.sqrt(row_mean((np.log1p(prediction) - np.log1p(label_columns(data))) ** 2, data))


def mae(prediction: Floats, data: DMatrix) -> float:
    """Mean absolute error."""
    return row_mean(np.abs(prediction - label_columns(data)), data)


def mape(prediction: Floats, data: DMatrix) -> float:
    """Mean of the absolute error as a share of the label."""
    y = label_columns(data)
    return row_mean(np.abs((prediction - y) / y), data)


def poisson(prediction: Floats, data: DMatrix) -> float:
    """Negative mean log-likelihood of counts whose mean is the prediction."""
    from scipy.special import gammaln

    y, mean = label_columns(data), np.maximum(prediction, SMALLEST)
    return row_mean(gammaln(y + 1) + mean - y * np.log(mean), data)


def gamma(prediction: Floats, data: DMatrix) -> float:
    """Negative mean log-likelihood of gamma variables of shape 1 whose mean is the prediction."""
    mean = np.maximum(prediction, GAMMA_SHIFT)
    return row_mean(label_columns(data) / mean + np.log(mean), data)


def gamma_deviance(prediction: Floats, data: DMatrix) -> float:
    """Mean deviance of gamma variables whose mean is the prediction."""
    ratio = (label_columns(data) + GAMMA_SHIFT) / (prediction + GAMMA_SHIFT)
    return 2.0 * row_mean(ratio - 1.0 - np.log(ratio), data)


def normal(prediction: Floats, data: DMatrix) -> float:
    """Negative mean log-likelihood of normal variables; predictions are their means and deviations."""
    spread = np.maximum(prediction[:, 1:], SMALLEST)
    z = (label_columns(data) - prediction[:, :1]) / spread
    return row_mean(0.5 * (z * z + math.log(2 * math.pi)) + np.log(spread), data)


def pseudo_huber(slope: float) -> Metric:
    """Return the metric of the mean pseudo-Huber error: quadratic near zero, of this slope far from it."""

    def function(prediction: Floats, data: DMatrix) -> float:
        z = (prediction - label_columns(data)) / slope
        return row_mean(slope**2 * (np.sqrt(1.0 + z * z) - 1.0), data)

    return Metric("mphe", False, function)


def tweedie(power: float) -> Metric:
    """Return the metric of the negative mean log-likelihood of Tweedie variables, up to a constant."""

    def function(prediction: Floats, data: DMatrix) -> float:
        log_mean = np.log(np.maximum(prediction, SMALLEST))
        a = label_columns(data) * np.exp((1.0 - power) * log_mean) / (1.0 - power)
        return row_mean(np.exp((2.0 - power) * log_mean) / (2.0 - power) - a, data)

    return Metric(f"tweedie-nloglik@{power:g}", False, function, "not negative")


def quantile(levels: Sequence[float]) -> Metric:
    """Return the metric of the mean pinball loss over rows and levels."""
    alpha = np.asarray(levels, np.float64)

    def function(prediction: Floats, data: DMatrix) -> float:
        over = _by_level(label_columns(data), alpha.size) - prediction
        return row_mean(np.where(over >= 0, _levels(alpha, over), _levels(alpha, over) - 1.0) * over, data)

    return Metric("quantile", False, function, outputs="levels", levels=alpha.size)


def expectile(levels: Sequence[float]) -> Metric:
    """Return the metric of the mean asymmetric squared error over rows and levels."""
    alpha = np.asarray(levels, np.float64)

    def function(prediction: Floats, data: DMatrix) -> float:
        over = _by_level(label_columns(data), alpha.size) - prediction
        return row_mean(
            np.where(over > 0, _levels(alpha, over), 1.0 - _levels(alpha, over)) * over * over, data
        )

    return Metric("expectile", False, function, outputs="levels", levels=alpha.size)


def _by_level(y: Floats, levels: int) -> Floats:
    """Repeat the labels for each level, level after level; shape (rows, levels * label columns)."""
    return np.tile(y, (1, levels))


def _levels(alpha: Floats, like: Floats) -> Floats:
    """Return the level of each output."""
    return np.repeat(alpha, like.shape[1] // alpha.size)


METRICS = (
    Metric("rmse", False, rmse),
    Metric("rmsle", False, rmsle, "above -1"),
    Metric("mae", False, mae),
    Metric("mape", False, mape, "not zero"),
    Metric("poisson-nloglik", False, poisson, "not negative"),
    Metric("normal-nloglik", False, normal, outputs="levels", levels=2),
    Metric("gamma-nloglik", False, gamma, "not negative"),
    Metric("gamma-deviance", False, gamma_deviance, "not negative"),
)

"""Metrics of classes and probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from boost.metric.base import SMALLEST, Floats, Metric, label, label_columns, row_mean

if TYPE_CHECKING:
    from boost.data.dmatrix import DMatrix


def logloss(prediction: Floats, data: DMatrix) -> float:
    """Negative mean log-likelihood of labels 0 and 1, or of probabilities."""
    p, y = prediction, label_columns(data)
    ones = y == 1
    if (ones | (y == 0)).all():
        return row_mean(-np.log(np.maximum(np.where(ones, p, 1 - p), SMALLEST)), data)
    low, high = np.log(np.maximum(1 - p, SMALLEST)), np.log(np.maximum(p, SMALLEST))
    return row_mean(-(y * high + (1 - y) * low), data)


def error(threshold: float = 0.5) -> Metric:
    """Return the metric of the fraction of rows on the wrong side of a threshold of the prediction."""

    def function(prediction: Floats, data: DMatrix) -> float:
        y = label_columns(data)
        return row_mean(np.where(prediction > threshold, 1 - y, y), data)

    name = "error" if threshold == 0.5 else f"error@{threshold:g}"
    return Metric(name, False, function, "share")


def mlogloss(prediction: Floats, data: DMatrix) -> float:
    """Negative mean log-likelihood of the classes that are the labels."""
    y = label(data).astype(np.int64)
    return row_mean(-np.log(np.maximum(prediction[np.arange(y.size), y], SMALLEST)), data)


def merror(prediction: Floats, data: DMatrix) -> float:
    """Fraction of rows whose likeliest class, the first one of ties, is not the label."""
    return row_mean((prediction.argmax(axis=1) != label(data)).astype(np.float64), data)


METRICS = (
    Metric("logloss", False, logloss, "share"),
    Metric("mlogloss", False, mlogloss, "classes", "classes"),
    Metric("merror", False, merror, "classes", "classes"),
)

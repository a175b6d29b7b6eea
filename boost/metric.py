"""Evaluation metrics: one number from labels and predictions, weighted by rows (ndcg: by groups)."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from boost.params import nearest

if TYPE_CHECKING:
    from boost.data import DMatrix

Floats = NDArray[np.float64]
SMALLEST = 1e-16


@dataclass(frozen=True, slots=True)
class Metric:
    """A named metric.

    Attributes
    ----------
    name : str
    maximize : bool
        Whether more is better.
    function : callable
        Of predictions of shape (rows, groups) and the table; returns a float.
    labels : {"numbers", "binary", "classes"}
        What the labels are; classes are for models of several outputs, the others for models of one.
    """

    name: str
    maximize: bool
    function: Callable[[Floats, DMatrix], float]
    labels: str = "numbers"

    def check(self, data: DMatrix, groups: int) -> None:
        """Raise ValueError when a table and a model of so many outputs cannot have this metric."""
        if data.label is None:
            raise ValueError(f"metric {self.name!r} needs labels: give the evaluation DMatrix a label")
        if (self.labels == "classes") != (groups > 1):
            wants = "several outputs" if self.labels == "classes" else "one output"
            raise ValueError(f"metric {self.name!r} is for models of {wants}, not of {groups}")
        most = {"numbers": None, "binary": 1, "classes": groups - 1}[self.labels]
        if most is not None and not np.isin(data.label, np.arange(most + 1)).all():
            raise ValueError(f"metric {self.name!r} needs labels 0 to {most} in the evaluation DMatrix")

    def __call__(self, prediction: Floats, data: DMatrix) -> float:
        """Return the metric of a table that passed `check`."""
        return float(self.function(prediction, data))


def _mean(loss: Floats, data: DMatrix) -> float:
    if data.weight is None:
        return float(loss.mean())
    return float((loss * data.weight).sum() / data.weight.astype(np.float64).sum())


def _label(data: DMatrix) -> Floats:
    assert data.label is not None
    return data.label.astype(np.float64)


def rmse(prediction: Floats, data: DMatrix) -> float:
    """Root of the mean squared error."""
    return math.sqrt(_mean((prediction[:, 0] - _label(data)) ** 2, data))


def mae(prediction: Floats, data: DMatrix) -> float:
    """Mean absolute error."""
    return _mean(np.abs(prediction[:, 0] - _label(data)), data)


def logloss(prediction: Floats, data: DMatrix) -> float:
    """Negative mean log-likelihood of labels 0 and 1."""
    p, y = prediction[:, 0], _label(data)
    return _mean(-np.log(np.maximum(np.where(y == 1, p, 1 - p), SMALLEST)), data)


def error(prediction: Floats, data: DMatrix) -> float:
    """Share of rows on the wrong side of one half."""
    return _mean((prediction[:, 0] > 0.5) != (_label(data) == 1), data)


def mlogloss(prediction: Floats, data: DMatrix) -> float:
    """Negative mean log-likelihood of the labels' classes."""
    y = _label(data).astype(np.int64)
    return _mean(-np.log(np.maximum(prediction[np.arange(y.size), y], SMALLEST)), data)


def merror(prediction: Floats, data: DMatrix) -> float:
    """Share of rows whose likeliest class is not the label."""
    return _mean(prediction.argmax(axis=1) != _label(data), data)


def auc(prediction: Floats, data: DMatrix) -> float:
    """Area under the ROC curve: the chance that a 1 is above a 0, ties being half. NaN with one class."""
    score, y = prediction[:, 0], _label(data)
    weight = np.ones(y.size) if data.weight is None else data.weight.astype(np.float64)
    _, place = np.unique(score, return_inverse=True)
    ones = np.bincount(place, weights=weight * (y == 1))
    zeros = np.bincount(place, weights=weight * (y != 1))
    below = np.cumsum(zeros) - zeros
    pairs = ones.sum() * zeros.sum()
    return float((ones * (below + zeros / 2)).sum() / pairs) if pairs > 0 else math.nan


def ndcg(prediction: Floats, data: DMatrix, top: int = 0) -> float:
    """Mean over the groups of the normalised discounted cumulative gain of the first `top` rows (0: all).

    The gain of a row is 2**label - 1. A group whose ideal gain is zero counts as 1.
    """
    score, y = prediction[:, 0], _label(data)
    bounds = data.group_bounds()
    total = 0.0
    for begin, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        gain = np.exp2(y[begin:end]) - 1
        size = min(top, gain.size) if top else gain.size
        discount = 1.0 / np.log2(np.arange(size) + 2.0)
        order = np.argsort(-score[begin:end], kind="stable")[:size]
        ideal = float((np.sort(gain)[::-1][:size] * discount).sum())
        total += float((gain[order] * discount).sum()) / ideal if ideal > 0 else 1.0
    return total / max(1, bounds.size - 1)


METRICS: dict[str, Metric] = {
    m.name: m
    for m in (
        Metric("rmse", False, rmse),
        Metric("mae", False, mae),
        Metric("logloss", False, logloss, "binary"),
        Metric("error", False, error, "binary"),
        Metric("mlogloss", False, mlogloss, "classes"),
        Metric("merror", False, merror, "classes"),
        Metric("auc", True, auc, "binary"),
        Metric("ndcg", True, ndcg),
    )
}


def make_metric(name: str) -> Metric:
    """Return a metric by its name; "ndcg@k" looks at the first k rows of a group."""
    if name in METRICS:
        return METRICS[name]
    if name.startswith("ndcg@") and name[5:].isdigit() and int(name[5:]) > 0:
        top = int(name[5:])
        return Metric(name, True, lambda prediction, data: ndcg(prediction, data, top))
    raise ValueError(f"unknown eval_metric {name!r}{nearest(name, METRICS)}")

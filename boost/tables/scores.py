"""The scores of predictions, beside those of the constant prediction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from boost.objective import Objective
    from boost.tables.examples import Examples

Floats = NDArray[np.float64]
# Objectives whose predictions are means on the scale of the label, and those whose metric is that of means.
SQUARED = ("reg:squarederror", "reg:normal", "reg:logistic")
# Scores that are better when they are larger, besides those of rankings.
HIGHER = ("AUC", "avg. precision", "accuracy", "R2", "concordance")
SMALLEST = 1e-15
# The first places of a ranking that are scored besides all of them.
TOP = 10
# Pairs of rows that are compared at a time.
PAIRS = 1 << 24


def class_scores(p: Floats, labels: NDArray, weight: NDArray | None = None) -> dict[str, float]:
    """Return log loss and accuracy; of two classes, area under the ROC curve and average precision too.

    Parameters
    ----------
    p : float array of shape (rows, classes)
        Probabilities.
    labels : array of shape (rows,)
        From 0 to classes - 1.
    weight : array of shape (rows,), optional
    """
    label = labels.astype(int)
    of_label = p[np.arange(len(label)), label]
    scores = {"log loss": _mean(-np.log(np.maximum(of_label, SMALLEST)), weight)}
    if p.shape[1] == 2:
        scores |= {
            "AUC": roc_area(p[:, 1], label, weight),
            "avg. precision": average_precision(p[:, 1], label, weight),
        }
    scores["accuracy"] = _mean(np.argmax(p, axis=1) == label, weight)
    return scores


def number_scores(prediction: Floats, labels: NDArray, weight: NDArray | None = None) -> dict[str, float]:
    """Return root mean squared error, mean absolute error, and the share of the variance explained."""
    y = labels.astype(np.float64)
    error = prediction - y
    squared = _mean(error**2, weight)
    scores = {"RMSE": float(np.sqrt(squared)), "MAE": _mean(np.abs(error), weight)}
    variance = _mean((y - _mean(y, weight)) ** 2, weight)
    return scores | ({"R2": 1.0 - squared / variance} if variance > 0 else {})


def interval_scores(ends: Floats, labels: NDArray, weight: NDArray | None = None) -> dict[str, float]:
    """Return the share of labels inside of their intervals, and the mean width of these."""
    lower, upper = ends.T
    inside = (lower <= labels) & (labels <= upper)
    return {"coverage": _mean(inside, weight), "mean width": _mean(upper - lower, weight)}


def ranking_scores(score: Floats, examples: Examples, exponential: bool = True) -> dict[str, float]:
    """Return the NDCG of the first ten places and of all; queries without a relevant row are left out.

    Rows of equal scores share the mean of their gains, so that a constant score is a random order.

    References
    ----------
    F. McSherry and M. Najork, "Computing Information Retrieval Performance Measures Efficiently in the
    Presence of Tied Scores", ECIR 2008, section 2.3: ties.
    """
    assert examples.group is not None
    y = examples.target.labels.astype(np.float64)
    gain = np.exp2(y) - 1.0 if exponential else y
    first = np.unique(examples.group, return_index=True)[1]
    weight = None if examples.weight is None else examples.weight[first]
    each = [
        [_ndcg(score[a:b], gain[a:b], top) for top in (TOP, b - a)]
        for a, b in zip(first, [*first[1:], len(y)], strict=True)
    ]
    found = np.array(each)
    keep = ~np.isnan(found[:, 0])
    kept = None if weight is None else weight[keep]
    return {name: _mean(found[keep, k], kept) for k, name in enumerate((f"NDCG@{TOP}", "NDCG"))}


def _ndcg(score: Floats, gain: Floats, top: int) -> float:
    discount = 1.0 / np.log2(np.arange(len(gain)) + 2.0)
    discount[top:] = 0.0
    best = float(np.sort(gain)[::-1] @ discount)
    if best <= 0:
        return float("nan")
    _, tie = np.unique(-score, return_inverse=True)
    size = np.bincount(tie)
    mean_gain = np.bincount(tie, gain) / size
    mean_discount = np.add.reduceat(discount, np.concatenate(([0], np.cumsum(size)[:-1])))
    return float(mean_gain @ mean_discount) / best


def survival_scores(risk: Floats, examples: Examples) -> dict[str, float]:
    """Return the concordance: of the pairs whose order of events is known, the share that the risk orders.

    Parameters
    ----------
    risk : float array of shape (rows,)
        Larger for an earlier event; equal ones count half.
    examples : Examples

    References
    ----------
    F. Harrell, K. Lee and D. Mark, "Multivariable Prognostic Models", Statistics in Medicine 15, 1996.
    """
    target = examples.target
    assert target.event is not None
    time, right, pairs = target.labels, 0.0, 0
    events = np.flatnonzero(target.event)
    step = max(1, PAIRS // max(1, len(time)))
    for begin in range(0, len(events), step):
        at = events[begin : begin + step, np.newaxis]
        later = (time[at] < time) | ((time[at] == time) & ~target.event)
        pairs += int(later.sum())
        right += float(np.sum((risk[at] > risk) & later)) + 0.5 * float(np.sum((risk[at] == risk) & later))
    return {"concordance": right / pairs if pairs else float("nan")}


def objective_scores(objective: Objective, params: Any, prediction: Floats, table: Any) -> dict[str, float]:
    """Return the metric of an objective by its name."""
    from boost.metric import make_metric

    metric = make_metric(objective.metric, params)
    return {metric.name: metric(prediction.reshape(table.num_row(), -1), table)}


def roc_area(score: NDArray, label: NDArray, weight: NDArray | None = None) -> float:
    """Return the area under the ROC curve: how often a 1 scores above a 0, ties counting half."""
    true, false = _counts(score, label, weight)
    if not true[-1] or not false[-1]:
        return float("nan")
    area = np.trapezoid if hasattr(np, "trapezoid") else np.trapz  # type: ignore[attr-defined]
    return float(area(np.append(0.0, true), np.append(0.0, false)) / (true[-1] * false[-1]))


def average_precision(score: NDArray, label: NDArray, weight: NDArray | None = None) -> float:
    """Return the mean precision at the thresholds, weighted by the increase of recall at each."""
    true, false = _counts(score, label, weight)
    if not true[-1]:
        return float("nan")
    precision = true / np.maximum(true + false, SMALLEST)
    return float(np.diff(true, prepend=0.0) @ precision / true[-1])


def _counts(score: NDArray, label: NDArray, weight: NDArray | None) -> tuple[Floats, Floats]:
    """Return the weight of the ones and of the zeros above each threshold, the highest first."""
    order = np.argsort(-score, kind="stable")
    w = np.ones(len(score)) if weight is None else weight.astype(np.float64)[order]
    last = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)
    one = label[order] == 1
    return np.cumsum(w * one)[last], np.cumsum(w * ~one)[last]


def _mean(values: NDArray, weight: NDArray | None) -> float:
    if not len(values):
        return float("nan")
    return float(np.average(values.astype(np.float64), weights=weight))

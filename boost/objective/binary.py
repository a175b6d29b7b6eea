"""Losses of labels 0 and 1."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from boost.objective.base import TINY, Floats, weighted_mean
from boost.objective.pointwise import Pointwise, Scaled

if TYPE_CHECKING:
    from boost.data.dmatrix import DMatrix

CLOSEST = 1e-6  # smallest distance of a base score from 0 and 1


def sigmoid(margin: Floats) -> Floats:
    """Return 1 / (1 + exp(-margin)), without overflow; same shape."""
    from boost.objective.gradients import rowwise

    flat = np.ascontiguousarray(margin).reshape(-1)
    out = np.empty_like(flat)
    rowwise.sigmoid(flat, out)
    return out.reshape(margin.shape)


class LogisticRegression(Scaled):
    """Logistic loss of labels from 0 to 1. Start: their mean."""

    name = "reg:logistic"
    metric = "rmse"
    allowed_labels = "from 0 to 1"
    cost = 3.0

    def allows(self, label: Floats) -> NDArray[np.bool_]:
        """Return which labels are in [0, 1]."""
        return (label >= 0) & (label <= 1)

    def constant(self, label: Floats, weight: Floats) -> float:
        """Return the weighted mean, clipped away from 0 and 1."""
        return min(max(weighted_mean(label, weight), CLOSEST), 1 - CLOSEST)

    def to_margin(self, score: Floats) -> Floats:
        """Return the log-odds of a probability."""
        if not ((score > 0) & (score < 1)).all():
            raise ValueError(f"base_score of {self.name} is a probability in (0, 1), got {score[0]:g}")
        return np.log(score) - np.log1p(-score)

    def derive(self, margin: Floats, label: NDArray[np.float32], grad: Floats, hess: Floats) -> None:
        """Gradient p - label, hessian p (1 - p)."""
        from boost.objective.gradients.rowwise import logistic

        logistic(margin, label, self.factor, grad, hess)

    def transform(self, margin: Floats) -> Floats:
        """Return the probability of label 1."""
        return sigmoid(margin)

    def moments(self, prediction: Floats) -> tuple[Floats, Floats]:
        """Return the probability p, and the variance p (1 - p) of a Bernoulli label."""
        return prediction, prediction * (1.0 - prediction)


class Logistic(LogisticRegression):
    """Logistic loss of two classes. Start: the proportion of ones."""

    name = "binary:logistic"
    metric = "logloss"
    allowed_labels = "0 and 1"
    label_hint = " (numbers between 0 and 1 are allowed, as probabilities of label 1)"

    def nothing_to_learn(self, data: DMatrix) -> str:
        """Return the only label, if there is only one."""
        return only_class(data, self.row_weight(data))


class LogitRaw(Logistic):
    """Logistic loss whose predictions and base score are log-odds; metrics get probabilities."""

    name = "binary:logitraw"

    def start(self, data: DMatrix) -> Floats:
        """Return the log-odds of the proportions of ones."""
        return super().to_margin(super().start(data))

    def to_margin(self, score: Floats) -> Floats:
        """Return the score, which is a margin already."""
        return score

    def neutral(self) -> Floats:
        """Return zero."""
        return np.zeros(self.n_outputs)

    def output(self, margin: Floats) -> Floats:
        """Return the margins."""
        return margin


class Hinge(Pointwise):
    """Hinge loss max(0, 1 - s margin), s = -1 for label 0, else 1. Start: the more frequent label."""

    name = "binary:hinge"
    metric = "error"
    allowed_labels = "0 and 1"

    def allows(self, label: Floats) -> NDArray[np.bool_]:
        """Return which labels are 0 or 1."""
        return (label == 0) | (label == 1)

    def nothing_to_learn(self, data: DMatrix) -> str:
        """Return the only label, if there is only one."""
        return only_class(data, self.row_weight(data))

    def constant(self, label: Floats, weight: Floats) -> float:
        """Return the label of the larger total weight."""
        return float(weighted_mean(label, weight) > 0.5)

    def derive(self, margin: Floats, label: NDArray[np.float32], grad: Floats, hess: Floats) -> None:
        """Gradient -s and hessian 1 where the loss is not zero; elsewhere 0 and the smallest hessian."""
        side = 2.0 * label.astype(np.float64) - 1.0
        active = margin * side < 1
        np.multiply(-side, active, out=grad)
        np.maximum(active, TINY, out=hess)

    def transform(self, margin: Floats) -> Floats:
        """Return the predicted label, 0 or 1."""
        return (margin > 0).astype(np.float64)


def only_class(data: DMatrix, weight: Floats) -> str:
    """Return in words that all labels of positive weight are equal, 0 or 1 in each output; "" otherwise."""
    assert data.label is not None
    label = data.label.reshape(data.num_row(), -1)
    if weight.size:
        label = label[weight > 0]
    first = label[0]
    if np.isin(first, (0, 1)).all() and (label == first).all():
        return f"every label (of positive weight) is {', '.join(f'{value:g}' for value in first.ravel())}"
    return ""

"""Losses: the labels they allow, where boosting starts, their derivatives, and margins to predictions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from boost.params import nearest

if TYPE_CHECKING:
    from boost.data import DMatrix
    from boost.threads import Team

Floats = NDArray[np.float64]
TINY = 1e-16


class LabelError(ValueError):
    """Labels that an objective cannot be trained on."""


@dataclass(frozen=True, slots=True)
class Round:
    """The moment of training at which a gradient is asked for.

    Attributes
    ----------
    seed, iteration : int
        The run's seed and the number of the round, for losses that draw.
    team : Team
    """

    seed: int
    iteration: int
    team: Team


class Objective(ABC):
    """A loss, made from the resolved parameters.

    Margins, gradients and hessians are float64 arrays of shape (rows, groups).
    """

    name: str
    metric: str
    groups: int = 1

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params

    def check(self, data: DMatrix) -> Floats:
        """Return the labels as float64, or raise `LabelError`."""
        if data.label is None:
            raise LabelError(f"{self.name} needs labels: give DMatrix a label")
        return data.label.astype(np.float64)

    @abstractmethod
    def start(self, data: DMatrix) -> Floats:
        """Estimate the best constant prediction, on the scale of predictions; shape (groups,)."""

    def to_margin(self, score: Floats) -> Floats:
        """Return the margins of a constant prediction; shape (groups,)."""
        return score

    @abstractmethod
    def gradient(self, margin: Floats, data: DMatrix, when: Round) -> tuple[Floats, Floats]:
        """Return the first and second derivatives of the loss by the margins, not weighted.

        Parameters
        ----------
        margin : float64 array of shape (rows, groups)
        data : DMatrix
            The table trained on.
        when : Round
            For losses that draw, and for threads.
        """

    def row_weight(self, data: DMatrix) -> Floats:
        """Return the weights of the rows; an empty array means one each."""
        return np.empty(0) if data.weight is None else data.weight.astype(np.float64)

    def transform(self, margin: Floats) -> Floats:
        """Turn margins into predictions."""
        return margin

    def file_entry(self) -> dict[str, Any]:
        """Return the entry "objective" of the model file."""
        return {"name": self.name}


def weighted_mean(values: Floats, weight: Floats) -> float:
    """Return the mean of values; `weight` may be empty."""
    if weight.size == 0:
        return float(values.sum() / values.size)
    total = float(weight.sum())
    return float((values * weight).sum() / total)


class SquaredError(Objective):
    """Half the squared error. Start: the mean."""

    name = "reg:squarederror"
    metric = "rmse"

    def start(self, data: DMatrix) -> Floats:
        """Return the mean label."""
        return np.array([weighted_mean(self.check(data), self.row_weight(data))])

    def gradient(self, margin: Floats, data: DMatrix, when: Round) -> tuple[Floats, Floats]:
        """Gradient margin - label, hessian 1."""
        return margin - self.check(data)[:, np.newaxis], np.ones_like(margin)

    def file_entry(self) -> dict[str, Any]:
        """Return the entry "objective" of the model file."""
        return {"name": self.name, "reg_loss_param": {"scale_pos_weight": "1"}}


def sigmoid(margin: Floats) -> Floats:
    """Return 1 / (1 + exp(-margin)), without overflow."""
    small = np.exp(-np.abs(margin))
    return np.where(margin >= 0, 1.0, small) / (1.0 + small)


class Logistic(Objective):
    """Logistic loss of labels 0 and 1. Start: the share of ones."""

    name = "binary:logistic"
    metric = "logloss"

    def check(self, data: DMatrix) -> Floats:
        """Return the labels as float64, or raise `LabelError`."""
        label = super().check(data)
        bad = ~((label == 0) | (label == 1))
        if bad.any():
            at = int(np.argmax(bad))
            raise LabelError(f"{self.name} needs labels 0 and 1, got {label[at]:g} in row {at}")
        return label

    def start(self, data: DMatrix) -> Floats:
        """Return the weighted share of label 1."""
        label = self.check(data)
        weight = self.row_weight(data)
        share = weighted_mean(label, weight)
        if not 0 < share < 1:
            raise LabelError(
                f"{self.name} needs both classes, but every label (of positive weight) is {label[0]:g}"
            )
        return np.array([share])

    def to_margin(self, score: Floats) -> Floats:
        """Return the log-odds of a probability."""
        if not ((score > 0) & (score < 1)).all():
            raise ValueError(f"base_score of {self.name} is a probability in (0, 1), got {score[0]:g}")
        return np.log(score) - np.log1p(-score)

    def row_weight(self, data: DMatrix) -> Floats:
        """Return the weights of the rows, scale_pos_weight included."""
        weight = super().row_weight(data)
        factor = float(self.params["scale_pos_weight"])
        if factor == 1.0 or data.label is None:
            return weight
        scaled = np.where(data.label == 1, factor, 1.0)
        return scaled if weight.size == 0 else scaled * weight

    def gradient(self, margin: Floats, data: DMatrix, when: Round) -> tuple[Floats, Floats]:
        """Gradient p - label, hessian p (1 - p)."""
        assert data.label is not None
        p = sigmoid(margin)
        return p - data.label[:, np.newaxis], np.maximum(p * (1.0 - p), TINY)

    def transform(self, margin: Floats) -> Floats:
        """Return the probability of label 1."""
        return sigmoid(margin)

    def file_entry(self) -> dict[str, Any]:
        """Return the entry "objective" of the model file."""
        factor = repr(float(self.params["scale_pos_weight"]))
        return {"name": self.name, "reg_loss_param": {"scale_pos_weight": factor}}


class Softprob(Objective):
    """Multinomial loss of labels 0 to num_class - 1, one tree a class. Start: the logarithms of the shares.

    The hessian is 2 p (1 - p), twice the diagonal of the true one: it bounds the whole matrix, because the
    trees of a round are fitted apart from each other.
    """

    name = "multi:softprob"
    metric = "mlogloss"

    def __init__(self, params: dict[str, Any]) -> None:
        super().__init__(params)
        self.groups = int(params["num_class"])
        if self.groups < 2:
            raise ValueError(f"{self.name} needs num_class of at least 2, got {self.groups}")

    def check(self, data: DMatrix) -> Floats:
        """Return the labels as float64, or raise `LabelError`."""
        label = super().check(data)
        bad = ~((label >= 0) & (label < self.groups) & (label == np.floor(label)))
        if bad.any():
            at = int(np.argmax(bad))
            raise LabelError(
                f"{self.name} with num_class={self.groups} needs labels 0 to {self.groups - 1}, "
                f"got {label[at]:g} in row {at}"
            )
        return label

    def start(self, data: DMatrix) -> Floats:
        """Return the centred logarithms of the weighted shares; a class of no rows counts as one row."""
        label = self.check(data).astype(np.int64)
        weight = self.row_weight(data)
        share = np.bincount(label, weights=weight if weight.size else None, minlength=self.groups)
        if np.count_nonzero(share) < 2:
            raise LabelError(f"{self.name} needs at least two classes, but every label is {label[0]}")
        logs = np.log(
            np.maximum(share, 1.0) if not weight.size else np.where(share > 0, share, weight.mean())
        )
        return logs - logs.mean()

    def gradient(self, margin: Floats, data: DMatrix, when: Round) -> tuple[Floats, Floats]:
        """Gradient p - [class is the label], hessian 2 p (1 - p)."""
        assert data.label is not None
        p = self.transform(margin)
        hess = np.maximum(2.0 * p * (1.0 - p), TINY)
        p[np.arange(p.shape[0]), data.label.astype(np.int64)] -= 1.0
        return p, hess

    def transform(self, margin: Floats) -> Floats:
        """Return the probabilities of the classes."""
        p = np.exp(margin - margin.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        return p

    def file_entry(self) -> dict[str, Any]:
        """Return the entry "objective" of the model file."""
        return {"name": self.name, "softmax_multiclass_param": {"num_class": str(self.groups)}}


class PairwiseRank(Objective):
    """Logistic loss of the margin difference of pairs in one group whose labels differ (RankNet).

    A row's loss is the mean over the rows that it is compared with, so that gradients have the same size in
    groups of any length. Larger labels rank higher. Start: zero, as only differences count.

    References
    ----------
    C. Burges et al., "Learning to Rank using Gradient Descent", ICML 2005.
    """

    name = "rank:pairwise"
    metric = "ndcg"

    def __init__(self, params: dict[str, Any]) -> None:
        super().__init__(params)
        self._layout: tuple[DMatrix, NDArray[np.int64], NDArray[np.int64]] | None = None

    def check(self, data: DMatrix) -> Floats:
        """Return the labels as float64, or raise `LabelError`."""
        label = super().check(data)
        if (label == label[0]).all():
            raise LabelError(
                f"{self.name} has nothing to rank: every label is {label[0]:g} (n_samples={label.size})"
            )
        return label

    def start(self, data: DMatrix) -> Floats:
        """Return zero."""
        return np.zeros(1)

    def gradient(self, margin: Floats, data: DMatrix, when: Round) -> tuple[Floats, Floats]:
        """Means of the pairs' gradients and (doubled) hessians; see `boost.pairs`."""
        from boost.pairs import segments, sum_pairs

        assert data.label is not None
        label = data.label.astype(np.float64)
        if self._layout is not None and self._layout[0] is data:
            order, bounds = self._layout[1:]
        else:
            most = 513
            order, bounds = segments(
                label, data.group_bounds(), most, np.random.default_rng((when.seed, when.iteration))
            )
            if bounds.size == data.group_bounds().size:
                self._layout = data, order, bounds  # nothing was drawn: it holds for every round
        weight = self.row_weight(data)
        grad, hess = np.empty_like(margin), np.empty_like(margin)
        partners = weight if weight.size else np.ones(label.size)
        sum_pairs(margin[:, 0], label, partners, order, bounds, grad[:, 0], hess[:, 0])
        return grad, hess

    def file_entry(self) -> dict[str, Any]:
        """Return the entry "objective" of the model file."""
        most = "512"
        param = {"lambdarank_pair_method": "mean", "lambdarank_num_pair_per_sample": most}
        return {"name": self.name, "lambdarank_param": param}


OBJECTIVES: dict[str, type[Objective]] = {
    kind.name: kind for kind in (SquaredError, Logistic, Softprob, PairwiseRank)
}


def make_objective(params: dict[str, Any]) -> Objective:
    """Return the loss that the resolved parameters name."""
    name = params["objective"]
    if name not in OBJECTIVES:
        raise ValueError(f"unknown objective {name!r}{nearest(name, OBJECTIVES)}")
    return OBJECTIVES[name](params)

"""Losses of several classes, one output for each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from boost.errors import LabelError
from boost.objective.base import Floats, Objective, Round
from boost.objective.pointwise import BLOCK

if TYPE_CHECKING:
    from boost.data.dmatrix import DMatrix
    from boost.params import Params


class Softprob(Objective):
    """Multinomial loss of labels 0 to num_class - 1. Start: the logarithms of the classes' shares, centred.

    The hessian is 2 p (1 - p), twice the diagonal of the true one: it bounds the whole matrix, because the
    trees of a round are fitted apart from each other.

    References
    ----------
    D. Boehning, "Multinomial Logistic Regression Algorithm", Annals of the Institute of Statistical
    Mathematics 1992: bounds of the hessian.
    """

    name = "multi:softprob"
    metric = "mlogloss"

    def __init__(self, params: Params) -> None:
        super().__init__(params)
        self.groups = int(params["num_class"])
        if self.groups < 2:
            raise ValueError(f"{self.name} needs num_class of at least 2, got {self.groups}")
        self._pair = np.empty((0, 0)), np.empty((0, 0))

    def check(self, data: DMatrix) -> Floats:
        """Return the labels as float64, or raise `LabelError`."""
        label = super().check(data)
        good = (label >= 0) & (label < self.groups) & (label == np.floor(label))
        if not good.all():
            at = int(np.argmin(good))
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
        logs = np.log(np.where(share > 0, share, weight.mean() if weight.size else 1.0))
        return logs - logs.mean()

    def neutral(self) -> Floats:
        """Return zeros: the score is margins."""
        return np.zeros(self.groups)

    def gradient(self, margin: Floats, data: DMatrix, when: Round) -> tuple[Floats, Floats]:
        """Gradient p - [class is the label], hessian 2 p (1 - p)."""
        from boost.objective.kernels.pointwise import multinomial

        assert data.label is not None
        margin, label = np.ascontiguousarray(margin), np.ascontiguousarray(data.label).reshape(-1)
        if self._pair[0].shape != margin.shape:
            self._pair = np.empty(margin.shape), np.empty(margin.shape)
        grad, hess = self._pair
        size = max(1, BLOCK // self.groups)  # of rows, so that a block stays in the cache

        def derive(first: int, last: int) -> None:
            for block in range(first, last):
                rows = slice(block * size, (block + 1) * size)
                multinomial(margin[rows], label[rows], grad[rows], hess[rows])

        when.team.share(derive, -(-label.size // size), work=margin.size * 5.0)
        return self._pair

    def transform(self, margin: Floats) -> Floats:
        """Return the probabilities of the classes."""
        from boost.objective.kernels.pointwise import softmax

        out = np.empty(margin.shape)
        softmax(np.ascontiguousarray(margin), out)
        return out

    def moments(self, prediction: Floats) -> tuple[Floats, Floats]:
        """Return the probabilities, and the variances of labels that are of a class so often."""
        return prediction, prediction * (1.0 - prediction)

    def file_entry(self) -> dict[str, Any]:
        """Return the entry "objective" of the model file."""
        return {"name": self.name, "softmax_multiclass_param": {"num_class": str(self.groups)}}


class Softmax(Softprob):
    """The same, for users who want the likeliest class; metrics are still told the probabilities."""

    name = "multi:softmax"

    def output(self, margin: Floats) -> Floats:
        """Return the number of the likeliest class; float64, shape (rows, 1)."""
        return margin.argmax(axis=1).astype(np.float64)[:, np.newaxis]

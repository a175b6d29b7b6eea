"""Losses of several classes, with one output per class."""

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
    """Multinomial loss of labels 0 to num_class - 1. Start: the centred log-frequencies of the classes.

    The hessian is 2 p (1 - p), twice the diagonal of the true one: an upper bound of the whole matrix, which
    is needed because the trees of a round are fitted independently.

    References
    ----------
    D. Boehning, "Multinomial Logistic Regression Algorithm", Annals of the Institute of Statistical
    Mathematics 1992: bounds of the hessian.
    """

    name = "multi:softprob"
    metric = "mlogloss"

    def __init__(self, params: Params) -> None:
        super().__init__(params)
        self.n_outputs = int(params["num_class"])
        if self.n_outputs < 2:
            raise ValueError(f"{self.name} needs num_class of at least 2, got {self.n_outputs}")

    def check(self, data: DMatrix) -> Floats:
        """Return the labels as float64, or raise `LabelError`."""
        label = super().check(data)
        good = (label >= 0) & (label < self.n_outputs) & (label == np.floor(label))
        if not good.all():
            at = int(np.argmin(good))
            raise LabelError(
                f"{self.name} with num_class={self.n_outputs} needs labels 0 to {self.n_outputs - 1}, "
                f"got {label[at]:g} in row {at}"
            )
        return label

    def nothing_to_learn(self, data: DMatrix) -> str:
        """Return the only label, if there is only one."""
        weight = self.row_weight(data)
        assert data.label is not None
        label = data.label[weight > 0] if weight.size else data.label
        return f"every label (of positive weight) is {label[0]:g}" if (label == label[0]).all() else ""

    def start(self, data: DMatrix) -> Floats:
        """Return the centred logarithms of the weighted counts; a class without rows counts as one row."""
        label = self.check(data).astype(np.int64)
        weight = self.row_weight(data)
        count = np.bincount(label, weights=weight if weight.size else None, minlength=self.n_outputs)
        logs = np.log(np.where(count > 0, count, weight.mean() if weight.size else 1.0))
        return logs - logs.mean()

    def neutral(self) -> Floats:
        """Return zeros: the score consists of margins."""
        return np.zeros(self.n_outputs)

    def gradient(self, margin: Floats, data: DMatrix, this_round: Round) -> tuple[Floats, Floats]:
        """Gradient p - [class is the label], hessian 2 p (1 - p)."""
        from boost.objective.gradients.rowwise import multinomial

        assert data.label is not None
        margin, label = np.ascontiguousarray(margin), np.ascontiguousarray(data.label).reshape(-1)
        grad, hess = self.gradient_buffers(margin.shape)
        size = max(1, BLOCK // self.n_outputs)  # rows per block, which stays in the cache

        def derive(first: int, last: int) -> None:
            for block in range(first, last):
                rows = slice(block * size, (block + 1) * size)
                multinomial(margin[rows], label[rows], grad[rows], hess[rows])

        this_round.team.share(derive, -(-label.size // size), work=margin.size * 5.0)
        return grad, hess

    def transform(self, margin: Floats) -> Floats:
        """Return the probabilities of the classes."""
        from boost.objective.gradients.rowwise import softmax

        out = np.empty(margin.shape)
        softmax(np.ascontiguousarray(margin), out)
        return out

    def moments(self, prediction: Floats) -> tuple[Floats, Floats]:
        """Return the probabilities p, and the variances p (1 - p) of the class indicators."""
        return prediction, prediction * (1.0 - prediction)

    def file_entry(self) -> dict[str, Any]:
        """Return the entry "objective" of the model file."""
        return {"name": self.name, "softmax_multiclass_param": {"num_class": str(self.n_outputs)}}


class Softmax(Softprob):
    """Multinomial loss whose predictions are the likeliest classes; metrics get probabilities."""

    name = "multi:softmax"

    def output(self, margin: Floats) -> Floats:
        """Return the number of the likeliest class; float64, shape (rows, 1)."""
        return margin.argmax(axis=1).astype(np.float64)[:, np.newaxis]

"""A mean and a spread for each row, learned at the same time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from boost.objective.base import Floats, Objective, Round, weighted_mean

if TYPE_CHECKING:
    from boost.data.dmatrix import DMatrix
    from boost.params import Params

SMALLEST_SPREAD = 1e-6  # where the boosting of labels that are all the same starts
FURTHEST = 80.0  # logarithms of spreads beyond it count as it: no square overflows


class Normal(Objective):
    """Negative log-likelihood of a normal distribution; outputs: its mean, and its standard deviation.

    Margins are the mean and the logarithm of the standard deviation. Steps follow the natural gradient: the
    Fisher information divides the mean's derivative by the variance, and with it the variance cancels. So the
    trees of the mean are those of reg:squarederror, whatever the spread; those of the spread learn from what
    the mean leaves. XGBoost has no such loss, and reads no such model. The information of the logarithm of
    the spread is 2.

    References
    ----------
    T. Duan et al., "NGBoost: Natural Gradient Boosting for Probabilistic Prediction", arXiv 1910.03225,
    section 3; A. Malinin, L. Prokhorenkova and A. Ustimenko, "Uncertainty in Gradient Boosting via
    Ensembles", arXiv 2006.10562, section 2.
    """

    name = "reg:normal"
    metric = "normal-nloglik"
    groups = 2

    def __init__(self, params: Params) -> None:
        super().__init__(params)
        self._pair = np.empty((0, 2)), np.empty((0, 2))

    def start(self, data: DMatrix) -> Floats:
        """Return mean and standard deviation of the labels."""
        label, weight = self.check(data), self.row_weight(data)
        mean = weighted_mean(label, weight)
        spread = np.sqrt(weighted_mean((label - mean) ** 2, weight))
        return np.array([mean, max(spread, SMALLEST_SPREAD)])

    def to_margin(self, score: Floats) -> Floats:
        """Return the mean, and the logarithm of the spread; raise ValueError unless it is positive."""
        if not score[1] > 0:
            raise ValueError(
                f"base_score of {self.name} is a mean and a standard deviation above 0, got {score[1]:g}"
            )
        return np.array([score[0], np.log(score[1])])

    def gradient(self, margin: Floats, data: DMatrix, when: Round) -> tuple[Floats, Floats]:
        """Mean: gradient margin - label, hessian 1. Spread: 1 - (residual / spread)**2, hessian 2."""
        assert data.label is not None
        if self._pair[0].shape != margin.shape:
            self._pair = np.empty(margin.shape), np.tile([1.0, 2.0], (len(margin), 1))
        grad, label = self._pair[0], data.label

        def derive(begin: int, end: int) -> None:
            rows = slice(begin, end)
            np.subtract(margin[rows, 0], label[rows], out=grad[rows, 0])
            scale = np.exp(-np.clip(margin[rows, 1], -FURTHEST, FURTHEST))
            grad[rows, 1] = 1.0 - (grad[rows, 0] * scale) ** 2

        when.team.share(derive, len(margin), work=margin.size * 10.0)
        return self._pair

    def transform(self, margin: Floats) -> Floats:
        """Return mean and standard deviation."""
        spread = np.exp(np.clip(margin[:, 1], -FURTHEST, FURTHEST))
        return np.column_stack((margin[:, 0], spread))

    def moments(self, prediction: Floats) -> tuple[Floats, Floats]:
        """Return the mean, and the variance that was learned."""
        return prediction[:, :1], prediction[:, 1:] ** 2

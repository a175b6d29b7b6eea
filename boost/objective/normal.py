"""The normal distribution: a mean and a standard deviation for each row, learned at the same time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from boost.objective.base import Floats, Objective, Round, weighted_mean

if TYPE_CHECKING:
    from boost.data.dmatrix import DMatrix

SMALLEST_SPREAD = 1e-6  # base score of the standard deviation for labels that are all the same
FURTHEST = 80.0  # clip of the logarithm of the standard deviation: no square overflows


class Normal(Objective):
    """Negative log-likelihood of a normal distribution; outputs: its mean, and its standard deviation.

    Margins are the mean and the logarithm of the standard deviation. Steps follow the natural gradient:
    dividing by the Fisher information cancels the variance in the mean's derivative. So the trees of the mean
    are those of reg:squarederror, whatever the standard deviation; those of the standard deviation learn from
    the residuals. The Fisher information of the logarithm of the standard deviation is 2. XGBoost has no such
    loss, and cannot read such a model.

    References
    ----------
    T. Duan et al., "NGBoost: Natural Gradient Boosting for Probabilistic Prediction", arXiv 1910.03225,
    section 3; A. Malinin, L. Prokhorenkova and A. Ustimenko, "Uncertainty in Gradient Boosting via
    Ensembles", arXiv 2006.10562, section 2.
    """

    name = "reg:normal"
    metric = "normal-nloglik"
    n_outputs = 2

    def start(self, data: DMatrix) -> Floats:
        """Return mean and standard deviation of the labels."""
        label, weight = self.check(data), self.row_weight(data)
        mean = weighted_mean(label, weight)
        spread = np.sqrt(weighted_mean((label - mean) ** 2, weight))
        return np.array([mean, max(spread, SMALLEST_SPREAD)])

    def to_margin(self, score: Floats) -> Floats:
        """Return the mean, and the logarithm of the standard deviation; raises unless that is positive."""
        if not score[1] > 0:
            raise ValueError(
                f"base_score of {self.name} is a mean and a standard deviation above 0, got {score[1]:g}"
            )
        return np.array([score[0], np.log(score[1])])

    def gradient(self, margin: Floats, data: DMatrix, this_round: Round) -> tuple[Floats, Floats]:
        """Mean: gradient margin - label, hessian 1. Deviation: 1 - (residual / deviation)**2, hessian 2."""
        assert data.label is not None
        grad, hess = self.gradient_buffers(margin.shape, hess=[1.0, 2.0])
        label = data.label

        def derive(begin: int, end: int) -> None:
            rows = slice(begin, end)
            np.subtract(margin[rows, 0], label[rows], out=grad[rows, 0])
            scale = np.exp(-np.clip(margin[rows, 1], -FURTHEST, FURTHEST))
            grad[rows, 1] = 1.0 - (grad[rows, 0] * scale) ** 2

        this_round.team.share(derive, len(margin), work=margin.size * 10.0)
        return grad, hess

    def transform(self, margin: Floats) -> Floats:
        """Return mean and standard deviation."""
        spread = np.exp(np.clip(margin[:, 1], -FURTHEST, FURTHEST))
        return np.column_stack((margin[:, 0], spread))

    def moments(self, prediction: Floats) -> tuple[Floats, Floats]:
        """Return the predicted mean and variance."""
        return prediction[:, :1], prediction[:, 1:] ** 2

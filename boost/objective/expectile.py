"""Expectile regression for several levels, whose predictions cannot cross."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from boost.objective.base import TINY, Floats, Objective, Round, weighted_mean
from boost.objective.binary import sigmoid
from boost.objective.pointwise import BLOCK

if TYPE_CHECKING:
    from boost.data.dmatrix import DMatrix
    from boost.params import Params

NARROWEST = 1e-6  # smallest gap between two expectiles
MOST_STEPS = 100


class ExpectileError(Objective):
    """Half the squared error, times the level above the prediction and one minus the level below it.

    An expectile of level 1/2 is the mean. With several levels, which must increase, the first output's margin
    is the lowest expectile, and softplus of each further margin is the gap to the next expectile: so
    expectiles increase with the levels whatever the trees predict. The gradient of an output sums the losses
    of all expectiles that depend on its margin; the hessian is the Gauss-Newton one. XGBoost 3.3 has the same
    form. Start: the expectiles of the labels.

    References
    ----------
    W. Newey and J. Powell, "Asymmetric Least Squares Estimation and Testing", Econometrica 1987.
    """

    name = "reg:expectileerror"
    metric = "expectile"
    file_params = (("expectile_loss_param", "expectile_alpha", "expectile_alpha"),)

    def __init__(self, params: Params) -> None:
        self.levels = list(params["expectile_alpha"] or [0.5])
        if self.levels != sorted(self.levels):
            raise ValueError(f"expectile_alpha must increase, got {self.levels}: give {sorted(self.levels)}")
        super().__init__(params.replace(expectile_alpha=self.levels))
        self.n_outputs = len(self.levels)

    def start(self, data: DMatrix) -> Floats:
        """Return the expectiles of the labels; shape (levels,)."""
        label, weight = self.check(data), self.row_weight(data)
        return np.array([expectile(label, weight, level) for level in self.levels])

    def to_margin(self, score: Floats) -> Floats:
        """Return the lowest expectile, and the gaps by the inverse of softplus."""
        gap = np.maximum(np.diff(score) - NARROWEST, NARROWEST)
        if (np.diff(score) < 0).any():
            raise ValueError(f"base_score of {self.name} must increase with the levels, got {score.tolist()}")
        return np.append(score[:1], gap + np.log(-np.expm1(-gap)))

    def transform(self, margin: Floats) -> Floats:
        """Return the expectiles: sums along the levels."""
        if self.n_outputs == 1:
            return margin
        out = margin.copy()
        for k in range(1, self.n_outputs):
            out[:, k] = out[:, k - 1] + NARROWEST + softplus(margin[:, k])
        return out

    def gradient(self, margin: Floats, data: DMatrix, this_round: Round) -> tuple[Floats, Floats]:
        """Sums of the derivatives of the losses of this and all higher levels, times the slope of the gap."""
        assert data.label is not None
        grad, hess = self.gradient_buffers(margin.shape)
        label, levels = data.label, np.array(self.levels)

        def derive(first: int, last: int) -> None:
            for begin in range(first * BLOCK, min(last * BLOCK, margin.shape[0]), BLOCK):
                rows = slice(begin, begin + BLOCK)
                residual = self.transform(margin[rows]) - label[rows, np.newaxis]
                share = np.where(residual >= 0, 1.0 - levels, levels)
                residual *= share
                for k in range(self.n_outputs - 1, 0, -1):
                    slope = sigmoid(margin[rows, k])
                    np.multiply(residual[:, k], slope, out=grad[rows, k])
                    np.multiply(share[:, k], slope * slope, out=hess[rows, k])
                    residual[:, k - 1] += residual[:, k]
                    share[:, k - 1] += share[:, k]
                grad[rows, 0], hess[rows, 0] = residual[:, 0], share[:, 0]
                np.maximum(hess[rows], TINY, out=hess[rows])

        this_round.team.share(derive, -(-margin.shape[0] // BLOCK), work=margin.size * 30.0)
        return grad, hess


def softplus(margin: Floats) -> Floats:
    """Return log(1 + exp(margin)), without overflow."""
    return np.maximum(margin, 0.0) + np.log1p(np.exp(-np.abs(margin)))


def expectile(values: Floats, weight: Floats, level: float) -> float:
    """Return an expectile of values; an empty `weight` means one each.

    Each step is a weighted mean, with other weights for the labels below the last value than above it. It is
    a Newton step on a piecewise quadratic loss, which converges in few steps.
    """
    at = weighted_mean(values, weight)
    for _ in range(MOST_STEPS):
        share = np.where(values <= at, 1.0 - level, level)
        last, at = at, weighted_mean(values, share if weight.size == 0 else share * weight)
        if at == last:
            break
    return at

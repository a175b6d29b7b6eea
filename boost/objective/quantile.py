"""Quantile regression for several levels, whose predictions never cross."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from boost.objective.base import Floats, Objective, Round
from boost.objective.leaf import leaf_quantiles, quantile

if TYPE_CHECKING:
    from boost.data.dmatrix import DMatrix
    from boost.forest.grown_tree import GrownTree
    from boost.params import Params
    from boost.threads import Team


class QuantileError(Objective):
    """Pinball loss with one output per level of `quantile_alpha`. Start and leaf values: the quantiles.

    The outputs are boosted independently, so that their margins may cross in some rows. Predictions do not:
    the values of each row are sorted along the levels (rearrangement), which never increases their distance
    from the true quantiles.

    References
    ----------
    V. Chernozhukov, I. Fernandez-Val and A. Galichon, "Quantile and Probability Curves Without Crossing",
    Econometrica 2010.
    """

    name = "reg:quantileerror"
    metric = "quantile"
    file_params = (("quantile_loss_param", "quantile_alpha", "quantile_alpha"),)

    def __init__(self, params: Params) -> None:
        self.levels = list(params["quantile_alpha"] or [0.5])
        super().__init__(params.replace(quantile_alpha=self.levels))
        self.n_outputs = len(self.levels)

    def start(self, data: DMatrix) -> Floats:
        """Return the quantiles of the labels; shape (levels,)."""
        label, weight = self.check(data), self.row_weight(data)
        return np.array([quantile(label, weight, level) for level in self.levels])

    def gradient(self, margin: Floats, data: DMatrix, this_round: Round) -> tuple[Floats, Floats]:
        """Gradient 1 - level where the margin is at least the label, else -level; hessian 1."""
        assert data.label is not None
        grad, hess = self.gradient_buffers(margin.shape)
        label, levels = data.label[:, np.newaxis], np.array(self.levels)

        def derive(begin: int, end: int) -> None:
            rows = slice(begin, end)
            np.greater_equal(margin[rows], label[rows], out=grad[rows])
            grad[rows] -= levels

        this_round.team.share(derive, margin.shape[0], work=margin.size * 4.0)
        return grad, hess

    def refit(
        self,
        grown: GrownTree,
        margin_before: Floats,
        data: DMatrix,
        output: int,
        weight: Floats,
        team: Team,
    ) -> Floats:
        """Return the quantile of each leaf's residuals."""
        assert data.label is not None
        residual = data.label - margin_before
        return leaf_quantiles(grown, residual, weight, self.levels[output], team)

    def transform(self, margin: Floats) -> Floats:
        """Return the margins, sorted along the levels in each row."""
        if self.n_outputs == 1:
            return margin
        rank = np.argsort(np.argsort(self.levels))  # levels may be given in any order
        return np.sort(margin, axis=1)[:, rank]

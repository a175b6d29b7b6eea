"""Several quantiles at once, which never cross."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from boost.objective.base import Floats, Objective, Round
from boost.objective.leaf import leaf_quantiles, quantile

if TYPE_CHECKING:
    from boost.data.dmatrix import DMatrix
    from boost.grow.grown import Grown
    from boost.params import Params


class QuantileError(Objective):
    """Pinball loss of each level of `quantile_alpha`, an output each. Start, and leaves: the quantile.

    The outputs are boosted apart from each other, and their margins may cross in some rows. Predictions do
    not: each row's values are sorted along the levels, which never takes them further from the true quantiles
    (rearrangement).

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
        self.groups = len(self.levels)
        self._pair = np.empty((0, 0)), np.empty((0, 0))
        self._place = np.argsort(np.argsort(self.levels))  # of each level among the rising ones

    def start(self, data: DMatrix) -> Floats:
        """Return the quantiles of the labels; shape (levels,)."""
        label, weight = self.check(data), self.row_weight(data)
        return np.array([quantile(label, weight, level) for level in self.levels])

    def gradient(self, margin: Floats, data: DMatrix, when: Round) -> tuple[Floats, Floats]:
        """Gradient 1 - level where the margin is at least the label, else -level; hessian 1."""
        assert data.label is not None
        self._team = when.team  # for the refit of this round's trees
        if self._pair[0].shape != margin.shape:
            self._pair = np.empty(margin.shape), np.ones(margin.shape)
        grad, label, levels = self._pair[0], data.label[:, np.newaxis], np.array(self.levels)

        def derive(begin: int, end: int) -> None:
            rows = slice(begin, end)
            np.greater_equal(margin[rows], label[rows], out=grad[rows])
            grad[rows] -= levels

        when.team.share(derive, margin.shape[0], work=margin.size * 4.0)
        return self._pair

    def refit(
        self, grown: Grown, margin_before: Floats, data: DMatrix, output: int, weight: Floats
    ) -> Floats:
        """Return the quantile of each leaf's residuals."""
        assert data.label is not None
        residual = data.label - margin_before
        return leaf_quantiles(grown, residual, weight, self.levels[output], self._team)

    def transform(self, margin: Floats) -> Floats:
        """Return the margins, sorted along the levels in each row."""
        return margin if self.groups == 1 else np.sort(margin, axis=1)[:, self._place]

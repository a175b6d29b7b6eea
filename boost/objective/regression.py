"""Regression losses on the scale of the label."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from boost.objective.base import Floats, weighted_mean
from boost.objective.leaf import leaf_quantiles, quantile
from boost.objective.pointwise import Pointwise, Scaled

if TYPE_CHECKING:
    from boost.data.dmatrix import DMatrix
    from boost.forest.grown_tree import GrownTree
    from boost.params import Params
    from boost.threads import Team

LOWEST_LOG = 1e-6  # smallest 1 + margin of reg:squaredlogerror
SMALLEST_HESSIAN = 1e-6
MEDIAN_STEPS = 20


class SquaredError(Scaled):
    """Half the squared error. Start: the mean."""

    name = "reg:squarederror"
    metric = "rmse"
    cost = 2.0

    def derive(self, margin: Floats, label: NDArray[np.float32], grad: Floats, hess: Floats) -> None:
        """Gradient margin - label, hessian 1."""
        from boost.objective.gradients.rowwise import squared

        squared(margin, label, self.factor, grad, hess)


class SquaredLogError(Pointwise):
    """Half the squared error of log(1 + margin). Start: the mean of log(1 + label).

    The loss is not convex far above the label, so that the hessian is clipped at 1e-6, as in XGBoost.
    """

    name = "reg:squaredlogerror"
    metric = "rmsle"
    allowed_labels = "above -1"

    def allows(self, label: Floats) -> NDArray[np.bool_]:
        """Return for which labels log(1 + label) is finite."""
        return label > -1

    def constant(self, label: Floats, weight: Floats) -> float:
        """Return the geometric mean of 1 + label, less one."""
        return float(np.expm1(weighted_mean(np.log1p(label), weight)))

    def derive(self, margin: Floats, label: NDArray[np.float32], grad: Floats, hess: Floats) -> None:
        """Gradient d / (1 + margin), hessian (1 - d) / (1 + margin)**2; d is the difference of logarithms."""
        above = np.maximum(margin, LOWEST_LOG - 1.0) + 1.0
        difference = np.log(above)
        difference -= np.log1p(label, dtype=np.float64)
        np.divide(difference, above, out=grad)
        np.subtract(1.0, difference, out=hess)
        hess /= above * above
        np.maximum(hess, SMALLEST_HESSIAN, out=hess)


class PseudoHuberError(Pointwise):
    """Quadratic for small residuals, linear beyond the slope d: d**2 (sqrt(1 + (r / d)**2) - 1)."""

    name = "reg:pseudohubererror"
    metric = "mphe"
    file_params = (("pseudo_huber_param", "huber_slope", "huber_slope"),)

    def __init__(self, params: Params) -> None:
        super().__init__(params)
        self.slope = float(params["huber_slope"])

    def constant(self, label: Floats, weight: Floats) -> float:
        """Return the location, by iteratively reweighted means from the median on.

        XGBoost takes one Newton step from zero, whose error is unbounded for labels far from zero.
        """
        at = quantile(label, weight, 0.5)
        for _ in range(MEDIAN_STEPS):
            pull = 1.0 / np.sqrt(1.0 + ((label - at) / self.slope) ** 2)
            at = weighted_mean(label, pull if weight.size == 0 else pull * weight)
        return at

    def derive(self, margin: Floats, label: NDArray[np.float32], grad: Floats, hess: Floats) -> None:
        """Gradient r / s, hessian 1 / s**3, with s = sqrt(1 + (r / d)**2)."""
        np.subtract(margin, label, out=grad)
        root = grad / self.slope
        root *= root
        root += 1.0
        np.divide(1.0, root, out=hess)
        np.sqrt(root, out=root)
        grad /= root
        hess /= root


class AbsoluteError(Pointwise):
    """The absolute error. Start and leaf values: the medians of the residuals."""

    name = "reg:absoluteerror"
    metric = "mae"

    def constant(self, label: Floats, weight: Floats) -> float:
        """Return the median."""
        return quantile(label, weight, 0.5)

    def derive(self, margin: Floats, label: NDArray[np.float32], grad: Floats, hess: Floats) -> None:
        """Gradient: the sign of margin - label, so -1, 0 or 1; hessian 1."""
        np.subtract(margin, label, out=grad)
        np.subtract(grad > 0, grad < 0, out=grad, dtype=np.float64)  # NumPy's sign is not vectorised

    def refit(
        self,
        grown: GrownTree,
        margin_before: Floats,
        data: DMatrix,
        output: int,
        weight: Floats,
        team: Team,
    ) -> Floats:
        """Return the median residual of each leaf."""
        assert data.label is not None
        label = data.label.reshape(margin_before.size, -1)[:, output]
        return leaf_quantiles(grown, label - margin_before, weight, 0.5, team)

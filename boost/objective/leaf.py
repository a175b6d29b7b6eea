"""Quantiles of labels, and of the residuals in the leaves of a tree.

With weights that are all the same, a quantile lies between two values (Hyndman and Fan's sixth definition);
else it is the first value at which the sum of the weights reaches the level's share. XGBoost has both rules.

References
----------
J. Friedman, "Greedy Function Approximation: A Gradient Boosting Machine", Annals of Statistics 2001,
section 4.3: leaves of least absolute deviation.
R. Hyndman and Y. Fan, "Sample Quantiles in Statistical Packages", The American Statistician 1996.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from boost.objective.base import Floats

if TYPE_CHECKING:
    from boost.forest.grown import Grown
    from boost.threads import Team


def _even(weight: Floats) -> bool:
    """Whether all weights are the same, but for zeros."""
    return weight.size == 0 or float(weight.min(where=weight > 0, initial=np.inf)) == float(weight.max())


def quantile(values: Floats, weight: Floats, level: float) -> float:
    """Return a quantile of values; `weight` may be empty, and is not all zero. O(rows)."""
    from boost.objective.kernels.selection import group_quantiles

    rows, out = np.arange(values.size, dtype=np.uint32), np.empty(1)
    bounds = np.array([0, values.size])
    values = np.ascontiguousarray(values)
    group_quantiles(values, weight, _even(weight), level, rows, bounds[:1], bounds[1:], 0, 1, out)
    return float(out[0])


def leaf_quantiles(grown: Grown, residual: Floats, weight: Floats, level: float, team: Team) -> Floats:
    """Return a quantile of the residuals in each leaf; zero for a leaf of no weight. O(rows).

    Parameters
    ----------
    grown : Grown
    residual : float64 array of shape (rows,)
    weight : float64 array of shape (rows,) or (0,)
        Rows of weight zero do not count.
    level : float
        In (0, 1).
    team : Team
        The leaves are shared out.

    Returns
    -------
    float64 array of shape (leaves,)
    """
    from boost.objective.kernels.selection import group_quantiles

    even = _even(weight)
    out = np.empty(grown.leaves.size)

    def select(first: int, last: int) -> None:
        group_quantiles(residual, weight, even, level, grown.rows, grown.begins, grown.ends, first, last, out)

    team.share(select, out.size, work=grown.rows.size * (15.0 if even else 30.0))
    return out

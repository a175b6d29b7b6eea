"""Quantiles of labels, and of the residuals in the leaves of a tree.

With equal weights, a quantile is interpolated between two values (the sixth definition of Hyndman and Fan);
otherwise it is the first value at which the cumulative weight reaches the level's share of the total. XGBoost
has the same two rules.

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
    from boost.forest.grown_tree import GrownTree
    from boost.threads import Team


def _all_equal(weight: Floats) -> bool:
    """Whether all weights other than zero are equal."""
    return weight.size == 0 or float(weight.min(where=weight > 0, initial=np.inf)) == float(weight.max())


def quantile(values: Floats, weight: Floats, level: float) -> float:
    """Return a quantile of values; an empty `weight` means one each, and not all may be zero. O(rows)."""
    from boost.objective.selection import RowRanges, range_quantiles

    rows = np.arange(values.size, dtype=np.uint32)
    ranges = RowRanges(rows, np.zeros(1, np.int64), np.full(1, values.size))
    out = np.empty(1)
    range_quantiles(np.ascontiguousarray(values), weight, _all_equal(weight), level, ranges, 0, 1, out)
    return float(out[0])


def leaf_quantiles(grown: GrownTree, residual: Floats, weight: Floats, level: float, team: Team) -> Floats:
    """Return a quantile of the residuals in each leaf; zero for a leaf of zero weight. O(rows).

    Parameters
    ----------
    grown : GrownTree
    residual : float64 array of shape (rows,)
    weight : float64 array of shape (rows,) or (0,)
        Rows of zero weight are ignored.
    level : float
        In (0, 1).
    team : Team
        Its threads divide the leaves.

    Returns
    -------
    float64 array of shape (leaves,)
    """
    from boost.objective.selection import RowRanges, range_quantiles

    equal = _all_equal(weight)
    ranges = RowRanges(grown.rows, grown.begins, grown.ends)
    out = np.empty(grown.leaves.size)

    def select(first: int, last: int) -> None:
        range_quantiles(residual, weight, equal, level, ranges, first, last, out)

    team.share(select, out.size, work=grown.rows.size * (15.0 if equal else 30.0))
    return out

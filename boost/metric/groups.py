"""The query groups of a table, with sorting and sums within them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from boost.metric.base import Floats

if TYPE_CHECKING:
    from boost.data.dmatrix import DMatrix

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class QueryGroups:
    """The query groups of a table.

    Attributes
    ----------
    bounds : int64 array of shape (groups + 1,)
        Where the groups start.
    sizes : int64 array of shape (groups,)
    """

    bounds: Ints
    sizes: Ints

    @staticmethod
    def of(data: DMatrix) -> QueryGroups:
        """Return the query groups of a table; a single group of all rows when it has none."""
        bounds = data.group_bounds()
        return QueryGroups(bounds, np.diff(bounds))

    def positions(self) -> Ints:
        """Return the place of each row in its group; shape (rows,)."""
        return np.arange(self.bounds[-1]) - np.repeat(self.bounds[:-1], self.sizes)

    def by_decreasing(self, values: Floats) -> Ints:
        """Return the rows, group after group, in each by decreasing value; the sort is stable."""
        from boost.data.group_order import sort_groups

        order = np.empty(values.size, np.int64)
        sort_groups(np.ascontiguousarray(values, dtype=np.float64), self.bounds, 0, self.sizes.size, order)
        return order

    def sums(self, values: Floats) -> Floats:
        """Return the sum over each group."""
        return np.add.reduceat(values, self.bounds[:-1])

    def mean(self, values: Floats, data: DMatrix) -> float:
        """Return the mean of one value per group without NaN, weighted by the first row of each group."""
        valid = ~np.isnan(values)
        if not valid.any():
            return math.nan
        weight = (
            np.ones(values.size) if data.weight is None else data.weight[self.bounds[:-1]].astype(np.float64)
        )
        return float((values[valid] @ weight[valid]) / weight[valid].sum())

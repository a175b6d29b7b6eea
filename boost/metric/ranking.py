"""Metrics of the order within query groups: means over the groups, by their weights.

Rows of a group are ordered by decreasing prediction; rows of equal predictions stay in their order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from boost.metric.base import Floats, Metric, label
from boost.metric.groups import QueryGroups

if TYPE_CHECKING:
    from boost.data.dmatrix import DMatrix


def ndcg(name: str, top: int | None, empty: float, exponential: bool) -> Metric:
    """Return the metric of the normalised discounted cumulative gain of the first rows of each group.

    A row in place r (from 0) adds its gain over log2(r + 2); the sum is divided by its largest value over
    all orders of the group. The gain of a label is 2**label - 1, or the label.

    References
    ----------
    K. Järvelin and J. Kekäläinen, "Cumulated gain-based evaluation of IR techniques", ACM TOIS 20(4), 2002.
    """

    def function(prediction: Floats, data: DMatrix) -> float:
        groups, y = QueryGroups.of(data), label(data)
        gain = np.exp2(y) - 1.0 if exponential else y
        by_place = 1.0 / np.log2(np.arange(groups.sizes.max()) + 2.0)
        if top is not None:
            by_place[top:] = 0.0
        discount = by_place[groups.positions()]
        gained = groups.sums(gain[groups.by_decreasing(prediction[:, 0])] * discount)
        best = groups.sums(gain[groups.by_decreasing(gain)] * discount)
        return groups.mean(np.divide(gained, best, out=np.full_like(best, empty), where=best > 0), data)

    return Metric(name, True, function, "relevance" if exponential else "not negative", "one")


def precision(name: str, top: int | None, empty: float, exponential: bool) -> Metric:
    """Return the metric of the fraction of ones among the first rows of each group."""

    def function(prediction: Floats, data: DMatrix) -> float:
        groups = QueryGroups.of(data)
        first = groups.sizes if top is None else np.minimum(groups.sizes, top)
        hit = label(data)[groups.by_decreasing(prediction[:, 0])]
        hit[groups.positions() >= np.repeat(first, groups.sizes)] = 0.0
        return groups.mean(groups.sums(hit) / first, data)

    return Metric(name, True, function, "binary", "one")


def average_precision(name: str, top: int | None, empty: float, exponential: bool) -> Metric:
    """Return the metric of the mean precision at the ones among the first rows of each group."""

    def function(prediction: Floats, data: DMatrix) -> float:
        groups = QueryGroups.of(data)
        hit = label(data)[groups.by_decreasing(prediction[:, 0])]
        before = np.cumsum(hit)
        before -= np.repeat((before - hit)[groups.bounds[:-1]], groups.sizes)
        position = groups.positions()
        term = hit * before / (position + 1.0)
        if top is not None:
            term[position >= top] = 0.0
        ones = groups.sums(hit)
        best = ones if top is None else np.minimum(ones, top)
        values = np.divide(groups.sums(term), best, out=np.full_like(best, empty), where=ones > 0)
        return groups.mean(values, data)

    return Metric(name, True, function, "binary", "one")


BY_TOP = {"ndcg": ndcg, "pre": precision, "map": average_precision}

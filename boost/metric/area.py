"""Areas under curves: of two classes, of each class against the rest, or of each query group."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import numpy as np

from boost.metric.base import Floats, Metric, label, label_columns
from boost.metric.groups import QueryGroups

if TYPE_CHECKING:
    from boost.data.dmatrix import DMatrix


def roc_area(score: Floats, ones: Floats, zeros: Floats, groups: QueryGroups) -> Floats:
    """Return the area under the ROC curve of each query group; shape (groups,).

    It is the probability that a 1 scores above a 0 of its group, ties counting half; NaN with one class.
    """
    return _areas(score, ones, zeros, groups, recall=False)


def pr_area(score: Floats, ones: Floats, zeros: Floats, groups: QueryGroups) -> Floats:
    """Return the area under the precision-recall curve of each query group; shape (groups,).

    Precision is interpolated by counts. NaN with one class.

    References
    ----------
    J. Davis and M. Goadrich, "The Relationship Between Precision-Recall and ROC Curves", ICML 2006;
    J. Keilwagen, I. Grosse and J. Grau, "Area under Precision-Recall Curves for Weighted and Unweighted
    Data", PLoS ONE 9(3), 2014.
    """
    return _areas(score, ones, zeros, groups, recall=True)


def _areas(score: Floats, ones: Floats, zeros: Floats, groups: QueryGroups, *, recall: bool) -> Floats:
    from boost.metric.curve import areas

    out = np.empty(groups.sizes.size)
    score = np.ascontiguousarray(score, dtype=np.float64)
    areas(score, ones, zeros, groups.by_decreasing(score), groups.bounds, recall, out)
    return out


Area = Callable[[Floats, Floats, Floats, QueryGroups], Floats]


def area(
    name: Literal["auc", "aucpr"],
    of_scores: Area,
    in_groups: Callable[[Floats, DMatrix, QueryGroups], Floats],
) -> Metric:
    """Return the metric of an area under a curve.

    - One output, no query groups: labels are 0 and 1, or probabilities.
    - Classes: the mean of each class against the rest, weighted by the classes' weights for "auc" and
      unweighted for "aucpr" (as in XGBoost); NaN when a class is missing.
    - Labels of several columns: the mean over the columns.
    - Query groups: the mean over the groups, by their weights, without groups of a single label. Labels are
      any numbers for "auc", 0 and 1 for "aucpr".

    Parameters
    ----------
    name : {"auc", "aucpr"}
    of_scores : callable
        The areas of query groups whose labels are 0 and 1, see `roc_area`.
    in_groups : callable
        The areas of query groups from scores, the table and its groups.
    """

    def function(prediction: Floats, data: DMatrix) -> float:
        groups = QueryGroups.of(data)
        if groups.sizes.size > 1:
            return groups.mean(in_groups(prediction[:, 0], data, groups), data)
        rows, outputs = prediction.shape
        weight = np.ones(rows) if data.weight is None else data.weight.astype(np.float64)
        y = label_columns(data)
        classes = y.shape[1] != outputs
        areas, totals = np.empty(outputs), np.ones(outputs)
        for k in range(outputs):
            ones = weight * ((y[:, 0] == k) if classes else y[:, k])
            areas[k] = of_scores(prediction[:, k], ones, weight - ones, groups)[0]
            if classes and of_scores is roc_area:
                totals[k] = ones.sum()
        return float(areas @ totals / totals.sum())

    return Metric(name, True, function, name, "classes")


def _roc_in_groups(score: Floats, data: DMatrix, groups: QueryGroups) -> Floats:
    """Return the fraction of row pairs of different labels, of any values, that are ordered correctly."""
    from boost.metric.concordance import concordance

    y = label(data)
    by_label = groups.by_decreasing(-y)
    ranked = y[by_label]
    level = np.empty(y.size, np.int64)  # from 0 in each group
    level[by_label] = np.cumsum(np.concatenate(([0], ranked[1:] != ranked[:-1])))
    level -= np.repeat(level[by_label][groups.bounds[:-1]], groups.sizes)
    order = groups.by_decreasing(score)
    out = np.empty(groups.sizes.size)
    concordance(score[order], level[order], groups.bounds, out)
    return out


def _pr_in_groups(score: Floats, data: DMatrix, groups: QueryGroups) -> Floats:
    """Return the areas of query groups whose labels are 0 and 1."""
    y = label(data)
    return pr_area(score, y, 1.0 - y, groups)


METRICS = (area("auc", roc_area, _roc_in_groups), area("aucpr", pr_area, _pr_in_groups))

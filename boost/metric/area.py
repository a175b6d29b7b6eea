"""Areas under curves: of two classes, of each class against the rest, or of each group."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import numpy as np

from boost.metric.base import Floats, Metric, label, label_columns
from boost.metric.groups import Groups

if TYPE_CHECKING:
    from boost.data.dmatrix import DMatrix


def roc_area(score: Floats, ones: Floats, zeros: Floats, groups: Groups) -> Floats:
    """Chance that a 1 is above a 0 of its group, ties being half; NaN with one class; shape (groups,)."""
    return _areas(score, ones, zeros, groups, recall=False)


def pr_area(score: Floats, ones: Floats, zeros: Floats, groups: Groups) -> Floats:
    """Area under the precision-recall curve, interpolated by counts; NaN with one class; shape (groups,).

    References
    ----------
    J. Davis and M. Goadrich, "The Relationship Between Precision-Recall and ROC Curves", ICML 2006;
    J. Keilwagen, I. Grosse and J. Grau, "Area under Precision-Recall Curves for Weighted and Unweighted
    Data", PLoS ONE 9(3), 2014.
    """
    return _areas(score, ones, zeros, groups, recall=True)


def _areas(score: Floats, ones: Floats, zeros: Floats, groups: Groups, *, recall: bool) -> Floats:
    from boost.metric.curve import areas

    found = np.empty(groups.sizes.size)
    score = np.ascontiguousarray(score, dtype=np.float64)
    areas(score, ones, zeros, groups.falling(score), groups.bounds, recall, found)
    return found


Area = Callable[[Floats, Floats, Floats, Groups], Floats]


def area(
    name: Literal["auc", "aucpr"], of_scores: Area, in_groups: Callable[[Floats, DMatrix, Groups], Floats]
) -> Metric:
    """Area under a curve.

    - One output, no groups: labels are 0 and 1, or shares between them.
    - Classes: the mean of each class against the rest, by the classes' weights for "auc", all alike for
      "aucpr" (as in XGBoost); NaN when a class is missing.
    - Labels of several columns: the mean over the columns.
    - Groups: the mean over the groups, by their weights. A group with nothing to compare does not count.
      Labels are any numbers for "auc", 0 and 1 for "aucpr".
    """

    def function(prediction: Floats, data: DMatrix) -> float:
        groups = Groups.of(data)
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


def _roc_in_groups(score: Floats, data: DMatrix, groups: Groups) -> Floats:
    """Share of the pairs of different labels, which may be any numbers, that are in the right order."""
    from boost.metric.concordance import concordance

    y = label(data)
    by_label = groups.falling(-y)
    ranked = y[by_label]
    level = np.empty(y.size, np.int64)  # from 0 in each group
    level[by_label] = np.cumsum(np.concatenate(([0], ranked[1:] != ranked[:-1])))
    level -= np.repeat(level[by_label][groups.bounds[:-1]], groups.sizes)
    order = groups.falling(score)
    share = np.empty(groups.sizes.size)
    concordance(score[order], level[order], groups.bounds, share)
    return share


def _pr_in_groups(score: Floats, data: DMatrix, groups: Groups) -> Floats:
    """Areas of groups whose labels are 0 and 1."""
    y = label(data)
    return pr_area(score, y, 1.0 - y, groups)


METRICS = (area("auc", roc_area, _roc_in_groups), area("aucpr", pr_area, _pr_in_groups))

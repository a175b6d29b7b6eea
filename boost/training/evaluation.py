"""The metrics of a training, and their values for a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boost.data.dmatrix import DMatrix
from boost.errors import DataError
from boost.metric import Metric, custom_metric, make_metric
from boost.metric.custom import CustomMetric
from boost.model.model import Model
from boost.objective import Objective

Floats = NDArray[np.float64]
Scores = tuple[str, float] | list[tuple[str, float]]
MetricFunction = Callable[[Any, DMatrix], Scores]


def make_metrics(
    model: Model,
    tables: Sequence[DMatrix],
    function: MetricFunction | Sequence[MetricFunction] | None = None,
    maximize: bool | None = None,
) -> list[Metric]:
    """Return the metrics of a training, checked against its evaluation tables.

    Parameters
    ----------
    model : Model
        Its parameters name the metrics; by default, the one of its objective.
    tables : sequence of DMatrix
    function : callable or list of callables, optional
        Custom metrics, see ``custom_metric`` of `boost.train`.
    maximize : bool, optional
        Whether more is better, for the custom metric.

    Raises
    ------
    ValueError
        For an unknown metric, for tables without rows, and for those whose labels or groups a metric does
        not allow.
    """
    params = model.params
    default = () if params.disable_default_eval_metric else (model.objective.metric,)
    names = default if params.eval_metric is None else params.eval_metric
    metrics = [make_metric(name, params) for name in names]
    functions: Any = (
        () if function is None else function if isinstance(function, (list, tuple)) else [function]
    )
    metrics += [custom_metric(f, bool(maximize)) for f in functions]
    for table in tables:
        if metrics and table.num_row() == 0:
            raise DataError("a table without rows has no metrics: leave it out of evals")
        for metric in metrics:
            metric.check(table, model.objective.n_outputs)
    return metrics


def evaluate(
    objective: Objective, metrics: Sequence[Metric], margin: Floats, table: DMatrix, custom_margin: bool
) -> list[tuple[str, float]]:
    """Return the name and the value of each metric of a table.

    Parameters
    ----------
    objective : Objective
    metrics : sequence of Metric
    margin : float64 array of shape (rows, n_outputs)
    table : DMatrix
    custom_margin : bool
        Whether custom metrics take margins in place of predictions.
    """
    prediction = objective.transform(margin) if metrics else margin
    return [
        pair
        for m in metrics
        for pair in m.named(margin if custom_margin and isinstance(m, CustomMetric) else prediction, table)
    ]


def evaluation_text(
    model: Model,
    evals: Sequence[tuple[DMatrix, str]],
    function: MetricFunction | Sequence[MetricFunction] | None,
    custom_margin: bool,
) -> str:
    """Return the metrics of tables as text, each after a tab; parameters as for the functions above."""
    metrics = make_metrics(model, [table for table, _ in evals], function)
    parts = []
    for table, name in evals:
        margin = model.margins(model.align(table))
        values = evaluate(model.objective, metrics, margin, table, custom_margin)
        parts += [f"\t{name}-{metric}:{value!r}" for metric, value in values]
    return "".join(parts)

"""Objectives and metrics that take labels and predictions, as in scikit-learn, for `boost.train`."""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, signature
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boost.data.dmatrix import DMatrix
from boost.errors import ParameterError

WEIGHT = "sample_weight"


def objective_of(function: Callable[..., Any]) -> Callable[[Any, DMatrix], Any]:
    """Return an objective for `boost.train` from a function of labels, margins and perhaps ``sample_weight``.

    A function that does not take weights returns the derivatives of unweighted losses: they are multiplied
    by the weights of the rows.
    """
    weighs = _takes_weights(function)

    def objective(margin: Any, data: DMatrix) -> Any:
        if weighs or data.weight is None:
            return _call(function, weighs, data.label, margin, data.weight)
        returned = function(data.label, margin)
        if not isinstance(returned, (tuple, list)):
            return returned  # `boost.objective.custom` refuses it
        return tuple(_weighted(values, data.weight) for values in returned)

    return objective


def _weighted(values: Any, weight: NDArray[np.float32]) -> Any:
    """Return derivatives of the rows multiplied by their weights; those of another shape as they are."""
    array = np.asarray(values)
    if array.dtype.kind not in "biuf" or array.size == 0 or array.size % weight.size:
        return values  # `boost.objective.custom` refuses them
    by_row = array.reshape(weight.size, -1) * weight[:, np.newaxis].astype(np.float64)
    return by_row.reshape(array.shape)


def metric_of(function: Callable[..., Any]) -> Callable[[Any, DMatrix], tuple[str, float]]:
    """Return a metric for `boost.train` from a function of labels, predictions and perhaps weights."""
    weighs, name = _takes_weights(function), name_of(function)

    def metric(prediction: Any, data: DMatrix) -> tuple[str, float]:
        if data.weight is not None and not weighs:
            raise ParameterError(
                f"eval_metric {name!r} takes no {WEIGHT}, but the evaluation table has weights: give it a "
                f"parameter {WEIGHT}, or leave the weights out"
            )
        return name, float(_call(function, weighs, data.label, prediction, data.weight))

    return metric


def group_metric_of(function: Callable[..., Any]) -> Callable[[Any, DMatrix], tuple[str, float]]:
    """Return the mean of a function of labels and predictions over the query groups of a table.

    As in XGBoost, a group counts by its rows, here by the sum of their weights, and a group of one row, in
    which there is nothing to order, has the value 1.
    """
    name = name_of(function)

    def metric(prediction: Any, data: DMatrix) -> tuple[str, float]:
        bounds = data.group_bounds()
        label = data.get_label()
        weight = np.ones(label.shape[0]) if data.weight is None else data.weight.astype(np.float64)
        values = [
            float(function(label[begin:end], prediction[begin:end])) if end - begin > 1 else 1.0
            for begin, end in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True)
        ]
        return name, float(np.average(values, weights=np.add.reduceat(weight, bounds[:-1])))

    return metric


def _call(function: Callable[..., Any], weighs: bool, label: Any, prediction: Any, weight: Any) -> Any:
    """Call a function, which takes weights or is not given any."""
    if not weighs or (weight is None and not _is_required(function)):
        return function(label, prediction)
    return function(label, prediction, **{WEIGHT: weight})


def _parameters(function: Callable[..., Any]) -> dict[str, Parameter]:
    try:
        return dict(signature(function).parameters)
    except (TypeError, ValueError):  # a function without a signature, such as one written in C
        return {}


def _takes_weights(function: Callable[..., Any]) -> bool:
    parameters = _parameters(function)
    return WEIGHT in parameters or any(p.kind is Parameter.VAR_KEYWORD for p in parameters.values())


def _is_required(function: Callable[..., Any]) -> bool:
    parameter = _parameters(function).get(WEIGHT)
    return parameter is not None and parameter.default is Parameter.empty


def name_of(function: Any) -> str:
    """Return the name of a function, of one with fixed arguments (`functools.partial`), or of a class."""
    while not hasattr(function, "__name__") and hasattr(function, "func"):
        function = function.func
    return str(getattr(function, "__name__", type(function).__name__))

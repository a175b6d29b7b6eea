"""Prediction intervals of a stated coverage, by conformalized quantile regression."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from boost.errors import DataError, ParameterError

if TYPE_CHECKING:
    from boost.data.dmatrix import DMatrix
    from boost.model.model import Model

Floats = NDArray[np.float64]
# The attribute that holds the coverage and the margin of a calibrated model.
ATTRIBUTE = "espalier.interval"
# Tolerance for the rounding of a product that is a whole number of rows.
ROUNDING = 1e-9


def interval_levels(coverage: float) -> list[float]:
    """Return the levels of the quantiles to train for an interval: lower end, median and upper end.

    Raises
    ------
    ParameterError
        For a coverage outside of (0, 1).
    """
    if not 0 < coverage < 1:
        raise ParameterError(f"coverage must lie between 0 and 1, got {coverage}")
    return [(1 - coverage) / 2, 0.5, (1 + coverage) / 2]


def calibrate(model: Model, data: DMatrix, coverage: float = 0.9) -> float:
    """Calibrate the quantiles of a model as intervals that contain a given share of new labels.

    With row weights, a row counts by its weight, and the new row by the mean of the weights: the share is one
    of weight, and the guarantee is that of a distribution to which the weights carry the calibration rows
    over. The lowest and the highest output are moved apart by a margin: the distance of rank
    ``ceil((n + 1) * coverage)`` among the distances of the labels of the n calibration rows from their
    intervals, negative inside of them. If these rows and a new one are exchangeable, for example drawn
    independently from one distribution, then the interval of the new row contains its label with a
    probability of at least `coverage`, and of at most ``coverage + 1 / (n + 1)`` if no two distances are
    equal. This holds for any model and any n, on average over calibration tables and new rows; it does not
    hold conditionally on the features of a row.

    Parameters
    ----------
    model : Model
        With the objective reg:quantileerror and at least two levels, see `interval_levels`. The result is
        stored in its attributes, which are saved with it.
    data : DMatrix
        With labels. Its rows must not have been used for training or early stopping.
    coverage : float

    Returns
    -------
    float
        The margin; negative when the quantiles were too far apart.

    Raises
    ------
    ParameterError
        For another objective or a single level, and a coverage that is not between 0 and 1.
    DataError
        For tables without labels, or with too few rows.

    References
    ----------
    Y. Romano, E. Patterson and E. Candès, "Conformalized Quantile Regression", NeurIPS 2019, theorem 1.
    R. Tibshirani, R. Barber, E. Candès and A. Ramdas, "Conformal Prediction Under Covariate Shift", NeurIPS
    2019, corollary 1: weights.
    """
    interval_levels(coverage)
    if data.label is None or data.label.ndim > 1:
        raise DataError("calibration needs one label per row")
    ends = _ends(model, data)
    label = data.label.astype(np.float64)
    distances = np.maximum(ends[:, 0] - label, label - ends[:, 1])
    margin = conformal_margin(distances, coverage, data.weight)
    model.attributes[ATTRIBUTE] = json.dumps({"coverage": float(coverage), "margin": margin})
    return margin


def conformal_margin(distances: ArrayLike, coverage: float, weight: ArrayLike | None = None) -> float:
    """Return the distance of rank ``ceil((n + 1) * coverage)`` among n distances.

    With weights: the smallest distance up to which the weights sum to `coverage` times the sum of all of them
    and of their mean.

    Raises
    ------
    DataError
        When there are fewer distances than the rank.
    """
    given = np.asarray(distances, dtype=np.float64)
    order = np.argsort(given, kind="stable")
    ordered = given[order]
    if weight is not None:
        total = np.cumsum(np.asarray(weight, dtype=np.float64)[order])
        needed = (1 + 1 / ordered.size) * coverage * (1 - ROUNDING)
        at = int(np.searchsorted(total / total[-1], needed))
        if at == ordered.size:
            raise DataError(
                f"{ordered.size} rows of these weights are too few to calibrate a coverage of {coverage:g}"
            )
        return float(ordered[at])
    rank = math.ceil((ordered.size + 1) * coverage - ROUNDING)
    if rank > ordered.size:
        least = math.ceil(coverage / (1 - coverage) - ROUNDING)
        raise DataError(
            f"{ordered.size} rows are too few to calibrate a coverage of {coverage:g}: give at least {least}"
        )
    return float(ordered[max(rank, 1) - 1])


def predict_interval(model: Model, data: DMatrix) -> Floats:
    """Return the lower and upper ends of the intervals; float64, shape (rows, 2).

    Parameters
    ----------
    model : Model
        After `calibrate`.
    data : DMatrix

    Raises
    ------
    ParameterError
        For a model that was not calibrated.
    """
    margin = interval_of(model)["margin"]
    ends = _ends(model, data) + np.array([-margin, margin])
    crossed = ends[:, 0] > ends[:, 1]
    # A negative margin can make the ends cross: the interval is empty, and becomes its middle.
    ends[crossed] = ends[crossed].mean(axis=1, keepdims=True)
    return ends


def interval_of(model: Model) -> dict[str, float]:
    """Return "coverage" and "margin" of a calibrated model; raise `ParameterError` for another one."""
    text = model.attributes.get(ATTRIBUTE)
    if text is None:
        raise ParameterError(
            "the model has no calibrated intervals: call its method calibrate with held-out rows"
        )
    try:
        entry: Any = json.loads(text)
        numbers = {name: float(entry[name]) for name in ("coverage", "margin")}
    except (ValueError, TypeError, KeyError):
        numbers = {"margin": math.nan}
    if not all(map(math.isfinite, numbers.values())):
        raise ParameterError(f"the attribute {ATTRIBUTE} of the model is damaged: calibrate it again")
    return numbers


def _ends(model: Model, data: DMatrix) -> Floats:
    """Return the lowest and the highest quantile of each row."""
    objective = model.objective
    if objective.name != "reg:quantileerror" or objective.n_outputs < 2:
        raise ParameterError(
            "intervals need a model of reg:quantileerror with at least two levels, such as "
            f"quantile_alpha=[0.05, 0.5, 0.95], got {objective.name} of {objective.n_outputs} outputs"
        )
    predicted = objective.transform(model.margins(model.align(data)))
    return np.column_stack((predicted.min(axis=1), predicted.max(axis=1)))

"""Intervals with a stated coverage: quantiles, moved until they would have held what was held out."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from boost.data.check import DataError
from boost.data.dmatrix import DMatrix
from boost.params import ParameterError

if TYPE_CHECKING:
    from boost.booster import Booster

Floats = NDArray[np.float64]
# Under this name a model keeps its coverage and how far its quantiles are moved.
ATTRIBUTE = "espalier.interval"
# What rounding may add to a whole number of rows.
ROUNDING = 1e-9


def interval_levels(coverage: float) -> list[float]:
    """Return the quantiles to train for an interval: the lower end, the median, and the upper end.

    Raises
    ------
    ParameterError
        Unless the coverage lies between 0 and 1.
    """
    if not 0 < coverage < 1:
        raise ParameterError(f"coverage must lie between 0 and 1, got {coverage}")
    return [(1 - coverage) / 2, 0.5, (1 + coverage) / 2]


def calibrate(booster: Booster, data: DMatrix, coverage: float = 0.9) -> float:
    """Make the quantiles of a model into intervals that hold a share of new labels.

    The lowest and the highest output are moved apart by one number, the rank ``ceil((n + 1) * coverage)`` of
    the distances by which the labels of these n rows lie outside of them. If these rows and a new one could
    as well have come in any other order (independent draws from one source do), then the interval of the new
    one holds its label with a probability of at least `coverage`; and of at most ``coverage + 1 / (n + 1)``,
    if no two distances are the same. This holds for any model and any n, on average over calibration tables
    and new rows; not for each kind of row on its own.

    Parameters
    ----------
    booster : Booster
        Of reg:quantileerror with at least two levels, see `interval_levels`. It keeps the result in its
        attributes, and so do its files.
    data : DMatrix
        With labels. No row of it may have been trained on, nor chosen the number of rounds.
    coverage : float

    Returns
    -------
    float
        By how much the ends were moved; less than zero when the quantiles were too far apart.

    Raises
    ------
    ParameterError
        For another objective or a single level, and a coverage that is not between 0 and 1.
    DataError
        For tables without labels, with weights (the rows would not be equal), or with too few rows.

    References
    ----------
    Y. Romano, E. Patterson and E. Candès, "Conformalized Quantile Regression", NeurIPS 2019, theorem 1.
    """
    interval_levels(coverage)
    if data.label is None or data.label.ndim > 1:
        raise DataError("calibration needs one label a row")
    if data.weight is not None:
        raise DataError("calibration knows no weights: its guarantee is about rows that are equally likely")
    ends = _ends(booster, data)
    label = data.label.astype(np.float64)
    margin = conformal_margin(np.maximum(ends[:, 0] - label, label - ends[:, 1]), coverage)
    booster.set_attr(**{ATTRIBUTE: json.dumps({"coverage": float(coverage), "margin": margin})})
    return margin


def conformal_margin(distances: ArrayLike, coverage: float) -> float:
    """Return the distance of rank ``ceil((n + 1) * coverage)`` among n.

    Raises
    ------
    DataError
        When there are fewer distances than that.
    """
    ordered = np.sort(np.asarray(distances, dtype=np.float64))
    rank = math.ceil((ordered.size + 1) * coverage - ROUNDING)
    if rank > ordered.size:
        least = math.ceil(coverage / (1 - coverage) - ROUNDING)
        raise DataError(
            f"{ordered.size} rows are too few to calibrate a coverage of {coverage:g}: it takes {least}"
        )
    return float(ordered[max(rank, 1) - 1])


def predict_interval(booster: Booster, data: DMatrix) -> Floats:
    """Return lower and upper ends; float64, shape (rows, 2).

    Parameters
    ----------
    booster : Booster
        After `calibrate`.
    data : DMatrix
        Of the model's columns and codes.

    Raises
    ------
    ParameterError
        For a model that was not calibrated.
    """
    margin = interval_of(booster)["margin"]
    ends = _ends(booster, data) + np.array([-margin, margin])
    crossed = ends[:, 0] > ends[:, 1]
    # No label is in such an interval; it becomes a point.
    ends[crossed] = ends[crossed].mean(axis=1, keepdims=True)
    return ends


def interval_of(booster: Booster) -> dict[str, float]:
    """Return "coverage" and "margin" of a calibrated model; raise `ParameterError` for another one."""
    text = booster.attr(ATTRIBUTE)
    if text is None:
        raise ParameterError(
            "the model has no calibrated intervals: call boost.model.interval.calibrate with held-out rows"
        )
    try:
        held: Any = json.loads(text)
        found = {name: float(held[name]) for name in ("coverage", "margin")}
    except (ValueError, TypeError, KeyError):
        found = {"margin": math.nan}
    if not all(map(math.isfinite, found.values())):
        raise ParameterError(f"the attribute {ATTRIBUTE} of the model is damaged: calibrate it again")
    return found


def _ends(booster: Booster, data: DMatrix) -> Floats:
    """Return the lowest and the highest quantile of each row."""
    objective = booster.objective
    if objective.name != "reg:quantileerror" or objective.n_outputs < 2:
        raise ParameterError(
            "intervals need a model of reg:quantileerror with at least two levels, such as "
            f"quantile_alpha=[0.05, 0.5, 0.95], got {objective.name} of {objective.n_outputs} outputs"
        )
    predicted = objective.transform(booster.margins(booster.fit_table(data)))
    return np.column_stack((predicted.min(axis=1), predicted.max(axis=1)))

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
# The attribute that holds coverage, margin and steps of a calibrated model.
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

    The lowest and the highest output are moved apart by a margin, one of the distances of the labels of the n
    calibration rows from their intervals (negative inside of them). The distance of rank
    ``ceil((n + 1) * coverage)`` would be too wide where ``(n + 1) * coverage`` is no whole number, and where
    many distances are equal, as those of counts and of rounded labels. So the margin of a row is drawn among
    the ranks, and between "up to" and "below" a distance, by a number that is computed from its predictions:
    equal rows have equal intervals. If the calibration rows and a new one are exchangeable, for example drawn
    independently from one distribution, then the interval of the new row contains its label with the
    probability `coverage`, for any model, any distribution and any n, on average over calibration tables and
    new rows; it does not hold conditionally on the features of a row. It is larger only where an interval
    would be empty: there, it is a point.

    With row weights, a row counts by its weight, and the new row by the mean of the weights: the share is one
    of weight, and the guarantee is that of a distribution to which the weights carry the calibration rows
    over.

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
        The widest margin; negative when the quantiles were too far apart.

    Raises
    ------
    ParameterError
        For another objective or a single level, and a coverage that is not between 0 and 1.
    DataError
        For tables without labels, or with too few rows.

    References
    ----------
    Y. Romano, E. Patterson and E. Candès, "Conformalized Quantile Regression", NeurIPS 2019, theorem 1.
    V. Vovk, A. Gammerman and G. Shafer, "Algorithmic Learning in a Random World", 2005, section 2.4: ties.
    R. Tibshirani, R. Barber, E. Candès and A. Ramdas, "Conformal Prediction Under Covariate Shift", NeurIPS
    2019, corollary 1: weights.
    """
    interval_levels(coverage)
    if data.label is None or data.label.ndim > 1:
        raise DataError("calibration needs one label per row")
    ends, _ = _ends_and_draws(model, data)
    label = data.label.astype(np.float64)
    distances = np.maximum(ends[:, 0] - label, label - ends[:, 1])
    margin = conformal_margin(distances, coverage, data.weight)
    steps = conformal_steps(distances, coverage, data.weight)
    entry = {"coverage": float(coverage), "margin": margin, "steps": [list(step) for step in steps]}
    model.attributes[ATTRIBUTE] = json.dumps(entry)
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


def conformal_steps(
    distances: ArrayLike, coverage: float, weight: ArrayLike | None = None
) -> list[tuple[float, float, bool]]:
    """Return the margins for a number u between 0 and 1 that is drawn for each row.

    A distance is inside if the weight of larger distances, and u times that of equal ones and of the new row,
    is above the share ``1 - coverage`` of all weight, with that of the new row, which is the mean.

    Parameters
    ----------
    distances : array_like of shape (rows,)
        Enough of them for `conformal_margin`.
    coverage : float
    weight : array_like of shape (rows,), optional

    Returns
    -------
    list of (float, float, bool)
        A bound, a margin, and whether the margin itself is inside, by increasing bounds: the last one whose
        bound is below u counts. The first bound is negative.
    """
    given = np.asarray(distances, dtype=np.float64)
    weights = np.ones(given.size) if weight is None else np.asarray(weight, dtype=np.float64)
    values, at = np.unique(given, return_inverse=True)
    tied, total, new = np.bincount(at, weights=weights), weights.sum(), weights.mean()
    above = np.append(np.cumsum(tied[::-1])[::-1][1:], 0.0)
    outside = (1 - coverage) * (total + new)
    steps: list[tuple[float, float, bool]] = []
    for k in reversed(range(values.size)):
        for bound, inside in (
            ((outside - above[k]) / (tied[k] + new), True),
            ((outside - above[k] - tied[k]) / new, False),
        ):
            if bound < 1 - ROUNDING:
                steps.append((float(bound), float(values[k]), inside))
            if bound < 0:
                return steps[::-1]
    return [(-1.0, float(values[0]), False), *steps[::-1]]


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
    interval_of(model)
    ends, draw = _ends_and_draws(model, data)
    bounds, margins, inside = _steps_of(model)
    step = np.searchsorted(bounds, draw, side="left") - 1
    ends += np.column_stack((-margins[step], margins[step]))
    below = ~inside[step]
    ends[below] = np.nextafter(ends[below], np.array([np.inf, -np.inf]))
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


def _steps_of(model: Model) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Return bounds, margins, and which margins are inside; of a model of version 0.1, its one margin."""
    entry = json.loads(model.attributes[ATTRIBUTE])
    steps = entry.get("steps") or [(-1.0, entry["margin"], True)]
    try:
        table = np.array(steps, dtype=np.float64).reshape(-1, 3)
    except (ValueError, TypeError):
        table = np.zeros((0, 3))
    if not len(table) or not np.isfinite(table).all() or table[0, 0] >= 0:
        raise ParameterError(f"the attribute {ATTRIBUTE} of the model is damaged: calibrate it again")
    return table[:, 0], table[:, 1], table[:, 2] != 0


def _ends_and_draws(model: Model, data: DMatrix) -> tuple[Floats, Floats]:
    """Return the lowest and the highest quantile of each row, and a number in [0, 1) made of all."""
    objective = model.objective
    if objective.name != "reg:quantileerror" or objective.n_outputs < 2:
        raise ParameterError(
            "intervals need a model of reg:quantileerror with at least two levels, such as "
            f"quantile_alpha=[0.05, 0.5, 0.95], got {objective.name} of {objective.n_outputs} outputs"
        )
    predicted = objective.transform(model.margins(model.align(data)))
    return np.column_stack((predicted.min(axis=1), predicted.max(axis=1))), _uniform(predicted)


def _uniform(values: Floats) -> Floats:
    """Return a number in [0, 1) for each row, a hash of its values; finalizer of SplitMix64."""
    mixed = np.zeros(len(values), np.uint64)
    for column in np.ascontiguousarray(values.T):
        mixed ^= column.view(np.uint64)
        mixed += np.uint64(0x9E3779B97F4A7C15)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
        mixed ^= mixed >> np.uint64(31)
    return (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53

"""Checks of the meta information of a table: labels, weights, margins, query groups, names and types."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from boost.errors import DataError

Float32s = NDArray[np.float32]
Floats = NDArray[np.float64]
FEATURE_TYPES = ("float", "int", "i", "q", "c")


def check_names(given: Sequence[str] | None, columns: int) -> list[str] | None:
    """Return feature names as strings.

    Raises
    ------
    DataError
        For a duplicate name, and unless there is one name for each column.
    """
    if given is None:
        return None
    if isinstance(given, str):
        given = [given]
    names = [str(n) for n in given]
    if len(names) != columns:
        raise DataError(f"feature_names has {len(names)} names for {columns} columns")
    if len(set(names)) != len(names):
        duplicates = sorted({n for n in names if names.count(n) > 1})
        raise DataError(f"duplicate column names: {', '.join(duplicates)}")
    return names


def check_types(given: Sequence[str] | None, columns: int) -> list[str] | None:
    """Return feature types.

    Raises
    ------
    DataError
        For an unknown type, and unless there is one type for each column.
    """
    if given is None:
        return None
    types = [given] if isinstance(given, str) else list(given)
    if len(types) != columns:
        raise DataError(f"feature_types has {len(types)} entries for {columns} columns")
    for t in types:
        if t not in FEATURE_TYPES:
            raise DataError(f"a feature type must be one of {FEATURE_TYPES}, got {t!r}")
    return types


def check_vector(name: str, values: Any, rows: int, *, negative: bool = True) -> Float32s:
    """Return one finite float32 number for each row.

    Parameters
    ----------
    name : str
        Of the field, for messages.
    values : array_like of shape (rows,) or (rows, 1)
    rows : int
    negative : bool
        Whether numbers below 0 are allowed.

    Raises
    ------
    DataError
        For another shape, and for values that are not finite numbers in float32, or not allowed.
    """
    array = _numbers(name, values)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.shape != (rows,):
        raise DataError(f"{name} must have one entry for each of the {rows} rows, got shape {array.shape}")
    single = _finite(name, array)
    if not negative and (single < 0).any():
        at = int(np.argmax(single < 0))
        raise DataError(f"{name} must not be negative, got {single[at]:g} in row {at}")
    return single


def check_label(values: Any, rows: int) -> Float32s:
    """Return labels; float32, shape (rows,), or (rows, outputs) for several outputs. Raises `DataError`."""
    array = _numbers("label", values)
    if array.ndim == 2 and array.shape[0] == rows and array.shape[1] > 1:
        return np.ascontiguousarray(_finite("label", array))
    return check_vector("label", array, rows)


def check_bound(name: str, values: Any, rows: int) -> Float32s:
    """Return bounds of labels for survival analysis; float32, shape (rows,). Raises `DataError`.

    An upper bound may be infinite: the label is right-censored. A lower bound may be minus infinity, which
    means no bound, as 0 does for a time.
    """
    array = _numbers(name, values)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.shape != (rows,):
        raise DataError(f"{name} must have one entry for each of the {rows} rows, got shape {array.shape}")
    open_end = np.isposinf(array) if name == "label_upper_bound" else np.isneginf(array)
    _finite(name, np.where(open_end, 0.0, array))
    return array.astype(np.float32)


def check_bounds(lower: Float32s | None, upper: Float32s | None) -> None:
    """Raise `DataError` where a lower bound is above the upper one."""
    if lower is None or upper is None or (lower <= upper).all():
        return
    at = int(np.argmax(lower > upper))
    raise DataError(
        f"label_lower_bound must not be above label_upper_bound, got {lower[at]:g} and {upper[at]:g} "
        f"in row {at}"
    )


def row_weight(values: Any, rows: int, groups: NDArray[np.int64] | None) -> Float32s:
    """Return a weight for each row, given one for each row or one for each query group.

    Parameters
    ----------
    values : array_like of shape (rows,) or (query groups,)
    rows : int
    groups : int64 array of shape (query groups + 1,), or None
        The result of `check_groups`.

    Returns
    -------
    float32 array of shape (rows,)

    Raises
    ------
    DataError
        For another shape, and for weights that are negative or not finite.
    """
    given = np.asarray(values)
    if groups is not None and given.shape == (groups.size - 1,):
        given = np.repeat(given, np.diff(groups))
    return check_vector("weight", given, rows, negative=False)


def check_weight(values: Any, rows: int, groups: NDArray[np.int64] | None) -> Float32s:
    """Return a weight for each row, as `row_weight`; raises `DataError` also when all weights are zero."""
    weight = row_weight(values, rows, groups)
    if rows and not (weight > 0).any():
        raise DataError("weight is zero in every row: at least one row must have a positive weight")
    return weight


def check_feature_weights(values: Any, columns: int) -> Floats:
    """Return a weight for each feature; float64, shape (columns,). Raises `DataError`."""
    array = _numbers("feature_weights", values)
    if array.shape != (columns,):
        raise DataError(
            f"feature_weights must have one entry for each of the {columns} columns, got shape {array.shape}"
        )
    if not np.isfinite(array).all() or (array < 0).any():
        at = int(np.argmin(np.isfinite(array) & (array >= 0)))
        raise DataError(
            f"feature_weights must be finite and not negative, got {array[at]:g} for feature {at}"
        )
    if not (array > 0).any():
        raise DataError("feature_weights are all zero: at least one feature must have a positive weight")
    return array


def check_margin(base_margin: ArrayLike, rows: int) -> Floats:
    """Return base margins as a float64 array of shape (rows, outputs); raises `DataError`."""
    margin = np.array(_numbers("base_margin", base_margin))
    if margin.ndim == 1 and margin.size % max(1, rows) == 0:
        margin = margin.reshape(rows, max(1, margin.size // max(1, rows)))
    if margin.ndim != 2 or margin.shape[0] != rows:
        raise DataError(f"base_margin must have a row for each of the {rows} rows, got shape {margin.shape}")
    if not (np.abs(margin) <= np.finfo(np.float32).max).all():
        raise DataError("base_margin must be finite (as float32)")
    return margin


def check_groups(group: ArrayLike | None, qid: ArrayLike | None, rows: int) -> NDArray[np.int64] | None:
    """Return the first row of each query group, and the number of rows.

    Parameters
    ----------
    group : array_like of int, shape (query groups,), or None
        Sizes of the groups; they may be zero.
    qid : array_like of shape (rows,) or (rows, 1), or None
        In place of `group`: the identifier of the group of each row.
    rows : int

    Returns
    -------
    int64 array of shape (query groups + 1,), or None when neither is given

    Raises
    ------
    DataError
        When both are given, for sizes that do not add up to the rows, and for rows of one group that are not
        consecutive.
    """
    if group is not None and qid is not None:
        raise DataError("give group (sizes of query groups) or qid (an identifier for each row), not both")
    if group is not None:
        sizes = np.asarray(group)
        if sizes.ndim == 2 and sizes.shape[1] == 1:
            sizes = sizes[:, 0]
        given = sizes.tolist()[:10] if sizes.ndim == 1 else f"shape {sizes.shape}"
        if sizes.ndim != 1 or sizes.dtype.kind not in "iu" or (sizes < 0).any() or int(sizes.sum()) != rows:
            raise DataError(
                f"group must be sizes that add up to the {rows} rows, got {given} of sum {sizes.sum()}"
            )
        return np.concatenate(([0], np.cumsum(sizes))).astype(np.int64)
    if qid is None:
        return None
    identifiers = np.asarray(qid)
    if identifiers.ndim == 2 and identifiers.shape[1] == 1:
        identifiers = identifiers[:, 0]
    if identifiers.shape != (rows,):
        raise DataError(f"qid must have one entry for each of the {rows} rows, got shape {identifiers.shape}")
    starts = np.flatnonzero(np.concatenate(([True], identifiers[1:] != identifiers[:-1]))[:rows])
    if np.unique(identifiers[starts]).size != starts.size:
        raise DataError("rows of one query group must be consecutive: sort the table by qid")
    return np.concatenate((starts, [rows])).astype(np.int64)


def _numbers(name: str, values: Any) -> Floats:
    if type(values).__module__.startswith("polars") and type(values).__name__ == "Series":
        from boost.data.frames.polars import read_column

        values = read_column(values, name).values
    array = np.asarray(values)
    if array.dtype.kind in "cmM":
        raise DataError(f"{name} must be real numbers, got an array of {array.dtype}")
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError) as problem:
        raise DataError(f"{name} must be numbers ({problem})") from None


def _finite(name: str, array: Floats) -> Float32s:
    with np.errstate(over="ignore"):
        single = array.astype(np.float32)
    bad = ~np.isfinite(single)
    if bad.any():
        at = np.argwhere(bad)[0]
        raise DataError(f"{name} must be finite (as float32), got {array[tuple(at)]} in row {at[0]}")
    return single

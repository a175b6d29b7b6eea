"""Frames to numbers: whose frame it is, and its columns side by side as float32."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boost.data.check import DataError
from boost.data.frames.dictionary import Categories, encode_places

# Rows that are written at once.
PIECE_ROWS = 1 << 12


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One column of a frame.

    Attributes
    ----------
    values : array of shape (rows,)
        Numbers, NaN where missing; with `declared`, positions in it, -1 where missing.
    type : {"float", "int", "c"}
    declared : list, optional
        Values of a column of strings or categories.
    """

    values: NDArray
    type: str
    declared: list[Any] | None = None


def is_frame(data: Any) -> bool:
    """Whether this has columns of types of their own: a frame or an Arrow table. Imports nothing."""
    return _reader(data) is not None


def _reader(data: Any) -> str | None:
    """Return the room that reads such a frame."""
    module = type(data).__module__.partition(".")[0]
    if module in ("pandas", "polars"):
        return f"boost.data.frames.{module}" if hasattr(type(data), "columns") else None
    if module == "numpy":
        return None
    if module == "pyarrow":
        return "boost.data.frames.arrow" if hasattr(data, "schema") else None
    return (
        "boost.data.frames.arrow"
        if hasattr(data, "__arrow_c_stream__") or hasattr(data, "__dataframe__")
        else None
    )


def encode_frame(
    frame: Any, absent: float = np.nan
) -> tuple[NDArray[np.float32], list[str], list[str], Categories]:
    """Turn a frame into float32 values.

    Numbers and booleans (nullable ones too) stay what they are. Strings and categories become the position of
    the value among the sorted values that occur in the column, so that the order in which a frame declares
    its categories makes no difference.

    Parameters
    ----------
    frame : pandas or polars DataFrame, PyArrow Table or RecordBatch, or an object with one of the protocols
        ``__arrow_c_stream__`` and ``__dataframe__``
    absent : float
        The number that means "missing" besides NaN; categories have no such number.

    Returns
    -------
    values : float32 array of shape (rows, columns)
    names, types : list of str
    categories : dict of int to list

    Raises
    ------
    DataError
        For a column of dates, of complex numbers, of nested or mixed values.
    """
    read = importlib.import_module(_reader(frame) or "").read_columns
    names, columns = read(frame)
    numbers: list[NDArray] = []
    categories: Categories = {}
    for f, (name, column) in enumerate(zip(names, columns, strict=True)):
        if column.declared is None:
            numbers.append(column.values)
        else:
            codes, categories[f] = encode_places(column.values, column.declared, name)
            numbers.append(codes)
    rows = len(numbers[0]) if numbers else 0
    values = np.empty((rows, len(names)), dtype=np.float32)
    with np.errstate(over="ignore"):  # what overflows is refused as infinite
        for begin in range(0, rows, PIECE_ROWS):  # a piece stays in a cache from column to column
            piece = values[begin : begin + PIECE_ROWS]
            for f, column in enumerate(numbers):
                piece[:, f] = column[begin : begin + PIECE_ROWS]
    if not np.isnan(absent):
        plain = [f for f in range(len(names)) if f not in categories]
        values[:, plain] = np.where(values[:, plain] == np.float32(absent), np.nan, values[:, plain])
    return values, names, [c.type for c in columns], categories


def dates(name: str, kind: Any) -> DataError:
    """Return the error for a column of dates or durations."""
    return DataError(
        f"column {name!r} holds dates or durations ({kind}): turn them into numbers first, such as days "
        "since a date, month or hour"
    )


def not_numbers(name: str, kind: Any) -> DataError:
    """Return the error for a column of another type that is neither numbers nor categories."""
    return DataError(
        f"column {name!r} has the type {kind}: a column must hold numbers, booleans, strings or categories"
    )

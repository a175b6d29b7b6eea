"""Frames as float32 arrays: the library of a frame is recognized without importing it."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boost.data.frames.dictionary import Categories, encode_positions
from boost.errors import DataError

# Rows that are copied at a time, so that they stay in the cache from column to column.
BLOCK_ROWS = 1 << 12


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One column of a frame.

    Attributes
    ----------
    values : array of shape (rows,)
        Numbers, NaN where missing; with `declared`, positions in that list, -1 where missing.
    type : {"float", "int", "c"}
    declared : list, optional
        The values of a column of strings or categories.
    """

    values: NDArray
    type: str
    declared: list[Any] | None = None


def is_frame(data: Any) -> bool:
    """Whether an object has typed columns: a frame or an Arrow table. Imports nothing."""
    return _reader(data) is not None


def as_frame(data: Any) -> Any:
    """Return a pandas or polars Series as a frame of one column, any other object as it is."""
    if type(data).__module__.partition(".")[0] in ("pandas", "polars") and type(data).__name__ == "Series":
        return data.to_frame()
    return data


def _reader(data: Any) -> str | None:
    """Return the name of the module that reads such a frame; None for anything else."""
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


def read_frame(frame: Any) -> tuple[list[str], list[Column]]:
    """Return the names and the columns of a frame of any library; raise `DataError` as `encode_frame`."""
    read: tuple[list[str], list[Column]] = importlib.import_module(_reader(frame) or "").read_columns(frame)
    return read


def encode_frame(
    frame: Any, absent: float = np.nan
) -> tuple[NDArray[np.float32], list[str], list[str], Categories]:
    """Convert a frame to float32 values.

    Numbers and booleans, also nullable ones, keep their values. A string or category becomes the position of
    the value among the sorted values that occur in the column; the order in which a frame declares its
    categories has no influence.

    Parameters
    ----------
    frame : pandas or polars DataFrame, PyArrow Table or RecordBatch, or an object with one of the protocols
        ``__arrow_c_stream__`` and ``__dataframe__``
    absent : float
        The number that means "missing" besides NaN in columns of numbers.

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
    names, columns = read_frame(frame)
    numbers: list[NDArray] = []
    categories: Categories = {}
    for f, (name, column) in enumerate(zip(names, columns, strict=True)):
        if column.declared is None:
            numbers.append(column.values)
        else:
            codes, categories[f] = encode_positions(column.values, column.declared, name)
            numbers.append(codes)
    rows = len(numbers[0]) if numbers else 0
    values = np.empty((rows, len(names)), dtype=np.float32)
    with np.errstate(over="ignore"):  # overflow becomes infinity, which `DenseValues` refuses
        for begin in range(0, rows, BLOCK_ROWS):
            block = values[begin : begin + BLOCK_ROWS]
            for f, each in enumerate(numbers):
                block[:, f] = each[begin : begin + BLOCK_ROWS]
    if not np.isnan(absent):
        plain = [f for f in range(len(names)) if f not in categories]
        values[:, plain] = np.where(values[:, plain] == np.float32(absent), np.nan, values[:, plain])
    return values, names, [c.type for c in columns], categories


def take_column(data: Any, name: str) -> tuple[Any, Any]:
    """Return a frame without a column, and this column as an array; the data and None if it has none.

    Parameters
    ----------
    data : object
        A pandas or polars DataFrame, or a PyArrow Table; anything else is returned as it is.
    name : str
    """
    library = type(data).__module__.partition(".")[0]
    if library not in ("pandas", "polars", "pyarrow") or not is_frame(data):
        return data, None
    names = data.column_names if library == "pyarrow" else data.columns
    if name not in list(names):
        return data, None
    if library == "pandas":
        return data.drop(columns=[name]), np.asarray(data[name])
    rest = data.drop([name]) if library == "polars" else data.drop_columns([name])
    return rest, np.asarray(data[name])


def dates_error(name: str, kind: Any) -> DataError:
    """Return the error for a column of dates or durations."""
    return DataError(
        f"column {name!r} holds dates or durations ({kind}): estimators and `espalier train` derive year, "
        "month, day and so on from dates; for a DMatrix, use boost.encoding.encoding.Encoding.fit, or "
        "convert them to numbers"
    )


def type_error(name: str, kind: Any) -> DataError:
    """Return the error for a column of a type that is neither numbers nor categories."""
    return DataError(
        f"column {name!r} has the type {kind}: a column must hold numbers, booleans, strings or categories"
    )

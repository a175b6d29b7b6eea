"""The columns of a frame as its library holds them: taken, left out and appended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boost.data.frames.dictionary import encode_positions
from boost.data.frames.frame import Column, read_frame
from boost.errors import DataError


def _library(frame: Any) -> str:
    library = type(frame).__module__.partition(".")[0]
    if library not in ("pandas", "polars", "pyarrow"):
        raise DataError(
            f"columns are derived from a pandas or polars DataFrame or a PyArrow Table, got a "
            f"{type(frame).__module__}.{type(frame).__name__}: convert it"
        )
    return library


def column_names(frame: Any) -> list[str]:
    """Return the names of the columns of a pandas or polars DataFrame or a PyArrow Table."""
    return [str(n) for n in (frame.column_names if _library(frame) == "pyarrow" else frame.columns)]


def raw_column(frame: Any, name: str) -> Any:
    """Return a column: a pandas or polars Series or a PyArrow ChunkedArray; `DataError` if there is none."""
    names = column_names(frame)
    if name not in names:
        raise DataError(f"the data lacks the column {name!r}, of which the model derives others")
    at = names.index(name)
    if _library(frame) == "pandas":
        return frame.iloc[:, at]
    return frame.get_columns()[at] if _library(frame) == "polars" else frame.column(at)


def replace_columns(frame: Any, dropped: Iterable[str], added: Mapping[str, NDArray[np.float64]]) -> Any:
    """Return a frame of the same library without some columns, and with new ones of numbers at its end."""
    library, out = _library(frame), set(dropped)
    kept = [f for f, name in enumerate(column_names(frame)) if name not in out]
    if library == "pandas":
        import pandas as pd

        new = pd.DataFrame(dict(added), index=frame.index)
        return pd.concat([frame.iloc[:, kept], new], axis=1)
    if library == "polars":
        import polars as pl

        return frame.select([frame.columns[f] for f in kept]).with_columns(
            [pl.Series(name, values) for name, values in added.items()]
        )
    import pyarrow as pa

    table = frame.select(kept)
    names = [*table.column_names, *added]
    return pa.table([*table.columns, *map(pa.array, added.values())], names=names)


def levels(column: Any, name: str) -> tuple[NDArray[np.int64], list[Any]]:
    """Return the code of each value of a raw column, and the values by code; -1 where one is missing.

    Numbers are values too: each different number is one.

    Raises
    ------
    DataError
        For a column of dates, or of mixed or nested values.
    """
    read = read_column(column, name)
    if read.declared is not None:
        values, dictionary = encode_positions(read.values, read.declared, name)
    else:
        values = read.values
        dictionary = np.unique(values[~np.isnan(values)]).tolist()
        values = np.where(np.isnan(values), np.nan, np.searchsorted(dictionary, values))
    return np.where(np.isnan(values), -1, values).astype(np.int64), dictionary


def read_column(column: Any, name: str) -> Column:
    """Return what a raw column holds, by the reader of its library."""
    return read_frame(as_single(column, name))[1][0]


def is_text(column: Any) -> bool:
    """Return whether a raw column holds strings or categories."""
    try:
        return read_column(column, "").declared is not None
    except DataError:  # dates, for example
        return False


def as_single(column: Any, name: str) -> Any:
    """Return a raw column as a frame of one column."""
    if hasattr(column, "to_frame"):
        return column.to_frame(name)
    import pyarrow as pa

    return pa.table([column], names=[name])

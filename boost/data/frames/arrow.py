"""Columns of Arrow tables: those of PyArrow, and of any library that exports Arrow data."""

from __future__ import annotations

from typing import Any

import numpy as np

from boost.data.frames.dictionary import plain
from boost.data.frames.frame import Column, dates_error, type_error
from boost.errors import DataError


def read_columns(data: Any) -> tuple[list[str], list[Column]]:
    """Return the names and the columns of a table, as `boost.data.frames.frame.encode_frame` reads them.

    Raises
    ------
    DataError
        For a column of dates, of complex numbers, of nested or mixed values; also for an object of another
        library when pyarrow, which reads it, is not installed.
    """
    table = data if hasattr(data, "column_names") else _import(data)
    names = list(table.column_names)
    return names, [read_column(table.column(f), name) for f, name in enumerate(names)]


def _import(data: Any) -> Any:
    """Return the PyArrow table of an object that has the Arrow PyCapsule or the interchange protocol."""
    kind = f"{type(data).__module__}.{type(data).__name__}"
    try:
        import pyarrow as pa
    except ImportError:
        raise DataError(
            f"a {kind} is read through pyarrow, which is not installed: pip install pyarrow, or give "
            "a pandas DataFrame"
        ) from None
    try:
        if hasattr(data, "__arrow_c_stream__"):
            return pa.RecordBatchReader.from_stream(data).read_all()
        from pyarrow.interchange import from_dataframe

        return from_dataframe(data)
    except (pa.ArrowException, TypeError, NotImplementedError) as problem:
        raise DataError(f"a {kind} is not a table of columns that Arrow can read ({problem})") from None


def read_column(column: Any, name: str) -> Column:
    """Return one column of a table, given as a PyArrow Array or ChunkedArray.

    Raises
    ------
    DataError
        For a type that is neither numbers nor categories.
    """
    import pyarrow as pa
    from pyarrow import types

    kind = column.type
    if types.is_dictionary(kind):
        if isinstance(column, pa.ChunkedArray):
            column = column.unify_dictionaries().combine_chunks()
            if isinstance(column, pa.ChunkedArray):  # it has no chunks
                return Column(np.empty(0, dtype=np.int64), "c", [])
        return Column(_positions(column.indices), "c", plain(column.dictionary.to_pylist()))
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return read_column(column.cast(pa.large_string()).dictionary_encode(), name)
    if types.is_integer(kind):
        return Column(_numbers(column), "int")
    if types.is_boolean(kind):
        return Column(_numbers(column.cast(pa.uint8())), "int")
    if types.is_floating(kind):
        return Column(_numbers(column), "float")
    if types.is_decimal(kind) or types.is_null(kind):
        return Column(_numbers(column.cast(pa.float64())), "float")
    if types.is_temporal(kind):
        raise dates_error(name, kind)
    raise type_error(name, kind)


def _numbers(column: Any) -> np.ndarray:
    import pyarrow as pa

    if column.null_count and not pa.types.is_floating(column.type):
        column = column.cast(pa.float64(), safe=False)
    whole: np.ndarray = (
        column.to_numpy() if isinstance(column, pa.ChunkedArray) else column.to_numpy(zero_copy_only=False)
    )
    return whole


def _positions(indices: Any) -> np.ndarray:
    positions = indices.cast("int64")  # indices may have an unsigned type, without -1
    return np.asarray(positions.fill_null(-1) if positions.null_count else positions)

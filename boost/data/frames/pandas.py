"""Columns of a pandas DataFrame: of NumPy, nullable, categorical and Arrow-backed types."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np

from boost.data.frames.dictionary import check_types, is_number, plain
from boost.data.frames.frame import Column, dates_error, type_error
from boost.errors import DataError

DATES = {"Timestamp", "datetime", "date", "time", "Timedelta", "timedelta", "Period", "datetime64"}


def read_columns(frame: Any) -> tuple[list[str], list[Column]]:
    """Return the names and the columns, as `boost.data.frames.frame.encode_frame` reads them."""
    names = [str(n) for n in frame.columns]
    return names, [_column(frame.iloc[:, f], name) for f, name in enumerate(names)]


def _column(column: Any, name: str) -> Column:
    dtype = column.dtype
    if str(dtype) == "category":
        return Column(column.cat.codes.to_numpy(), "c", plain(column.cat.categories.tolist()))
    kind = getattr(dtype, "kind", "O")
    if kind in "biuf":
        nullable = not isinstance(dtype, np.dtype)
        options: dict[str, Any] = {"dtype": np.float64, "na_value": np.nan} if nullable else {}
        return Column(column.to_numpy(**options), "float" if kind == "f" else "int")
    if kind in "mM" or str(dtype).startswith("period"):
        raise dates_error(name, dtype)
    if kind == "c":
        raise DataError(f"complex data not supported: column {name!r} has dtype {dtype}")
    if hasattr(dtype, "pyarrow_dtype"):
        from boost.data.frames.arrow import read_column

        return read_column(column.array.__arrow_array__(), name)
    return _objects(column, name)


def _objects(column: Any, name: str) -> Column:
    """Return a column of strings or Python objects; raise `DataError` for objects of other types."""
    try:
        positions, unique = column.factorize()
    except TypeError:  # unhashable values
        check_types(list(column[~column.isna()]), name)
        raise type_error(name, column.dtype) from None
    declared = plain(unique.tolist())
    if declared and {type(v).__name__ for v in declared} <= DATES:
        raise dates_error(name, type(declared[0]).__name__)
    if all(is_number(v) or isinstance(v, Decimal) for v in declared):
        with np.errstate(over="ignore"):  # overflow becomes infinity, which `DenseValues` refuses
            return Column(np.array([*declared, np.nan], dtype=np.float64)[positions], "float")
    return Column(positions, "c", declared)

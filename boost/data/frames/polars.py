"""Columns of a polars DataFrame."""

from __future__ import annotations

from typing import Any

import numpy as np

from boost.data.frames.frame import Column, dates_error, type_error
from boost.errors import DataError


def read_columns(frame: Any) -> tuple[list[str], list[Column]]:
    """Return the names and the columns, as `boost.data.frames.frame.encode_frame` reads them."""
    if hasattr(frame, "collect"):
        raise DataError("a polars LazyFrame holds no values: give frame.collect()")
    return list(frame.columns), [read_column(column, column.name) for column in frame.get_columns()]


def read_column(column: Any, name: str) -> Column:
    """Return a Series as a column; `name` is for messages."""
    import polars as pl

    dtype = column.dtype
    if dtype.is_numeric() or dtype in (pl.Boolean, pl.Null):
        kind = "float" if dtype.is_float() or dtype.is_decimal() or dtype == pl.Null else "int"
        wide = str(dtype) in ("Int128", "UInt128")  # NumPy has no such type
        plain = dtype.is_float() or (dtype.is_integer() and not wide and not column.null_count())
        return Column((column if plain else column.cast(pl.Float64)).to_numpy(), kind)
    if dtype.is_temporal():
        raise dates_error(name, dtype)
    if dtype not in (pl.String, pl.Categorical, pl.Enum):
        raise type_error(name, dtype)
    unique = column.unique().drop_nulls().cast(pl.String).sort()
    if dtype == pl.String:
        positions = unique.search_sorted(column.fill_null("")).to_numpy().astype(np.int64)
        positions[column.is_null().to_numpy()] = -1
        return Column(positions, "c", unique.to_list())
    codes = column.to_physical()
    declared = column.unique().drop_nulls()
    at = dict(zip(declared.to_physical().to_list(), declared.cast(pl.String).to_list(), strict=True))
    physical = np.sort(np.array(list(at), dtype=np.int64))
    positions = np.searchsorted(physical, codes.fill_null(0).to_numpy())
    positions[column.is_null().to_numpy()] = -1
    return Column(positions, "c", [at[p] for p in physical.tolist()])

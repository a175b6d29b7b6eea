"""Frames to numbers: each column by its type, and a dictionary for each column of categories."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Column number -> values in the order of their codes.
Categories = dict[int, list[Any]]
# Rows that are written at once.
PIECE_ROWS = 1 << 12


def is_frame(data: Any) -> bool:
    """Whether this is a pandas DataFrame, without importing pandas."""
    return type(data).__module__.partition(".")[0] == "pandas" and hasattr(data, "columns")


def encode_frame(
    frame: Any, error: type[ValueError]
) -> tuple[NDArray[np.float32], list[str], list[str], Categories]:
    """Turn a frame into float32 values.

    Numbers and booleans (nullable ones too) stay what they are. Strings and categories become the position of
    the value among the sorted values that occur in the column, so that the order in which a frame declares
    its categories makes no difference.

    Parameters
    ----------
    frame : pandas DataFrame
    error : type
        What to raise.

    Returns
    -------
    values : float32 array of shape (rows, columns)
    names, types : list of str
    categories : dict of int to list
    """
    names = [str(n) for n in frame.columns]
    columns: list[NDArray] = []
    types: list[str] = []
    categories: Categories = {}
    for f, name in enumerate(names):
        column = frame.iloc[:, f]
        kind = column.dtype.kind if hasattr(column.dtype, "kind") else "O"
        if kind in "biuf" and str(column.dtype) != "category":
            with_gaps = not isinstance(column.dtype, np.dtype)
            options: dict[str, Any] = {"dtype": np.float64, "na_value": np.nan} if with_gaps else {}
            columns.append(column.to_numpy(**options))
            types.append("float" if kind == "f" else "int")
        elif kind in "mM":
            raise error(
                f"column {name!r} holds dates or durations ({column.dtype}): turn them into numbers first"
            )
        elif kind == "c":
            raise error(f"complex data not supported: column {name!r} has dtype {column.dtype}")
        else:
            numbers, numeric, known = _encode_column(column, name, error)
            columns.append(numbers)
            types.append("float" if numeric else "c")
            if not numeric:
                categories[f] = known
    values = np.empty(frame.shape, dtype=np.float32)
    with np.errstate(over="ignore"):  # what overflows is refused as infinite
        for begin in range(0, values.shape[0], PIECE_ROWS):  # a piece stays in a cache from column to column
            piece = values[begin : begin + PIECE_ROWS]
            for f, numbers in enumerate(columns):
                piece[:, f] = numbers[begin : begin + PIECE_ROWS]
    return values, names, types, categories


def _encode_column(
    column: Any, name: str, error: type[ValueError]
) -> tuple[NDArray[np.float32], bool, list[Any]]:
    """Return codes (or numbers), whether they are plain numbers, and the dictionary."""
    if str(column.dtype) == "category":
        places = column.cat.codes.to_numpy()
        declared = [_plain(v) for v in column.cat.categories]
    else:
        try:
            places, found = column.factorize()
        except TypeError:  # values that have no hash
            _refuse_odd(list(column[~column.isna()]), name, error)
            raise
        declared = [_plain(v) for v in found]
        if all(isinstance(v, (bool, int, float)) for v in declared):
            with np.errstate(over="ignore"):
                return np.array([*declared, np.nan], dtype=np.float64).astype(np.float32)[places], True, []
    occurring = np.flatnonzero(np.bincount(places[places >= 0], minlength=len(declared)))
    present = [declared[p] for p in occurring]
    _refuse_odd(present, name, error)
    known = sorted(present, key=_rank)
    code = {_rank(v): c for c, v in enumerate(known)}
    table = np.full(len(declared) + 1, np.nan, dtype=np.float32)
    table[occurring] = [code[_rank(v)] for v in present]
    return table[places], False, known


def _plain(value: Any) -> Any:
    """Return a NumPy scalar as the Python value that a model file can hold."""
    return value.item() if isinstance(value, np.generic) else value


def _refuse_odd(values: list[Any], name: str, error: type[ValueError]) -> None:
    kinds = {type(v) for v in values}
    if not kinds <= {str, bool, int, float}:
        odd = sorted(k.__name__ for k in kinds - {str, bool, int, float})
        raise error(f"column {name!r} holds values of type {', '.join(odd)}: give numbers or strings")
    if str in kinds and len(kinds) > 1:
        raise error(f"column {name!r} mixes strings and numbers: give one or the other")


def _rank(value: Any) -> tuple[str, Any]:
    """Order values of one type by themselves, and keep 1 and True and "1" apart."""
    kind = (
        "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__
    )
    return kind, value


def recode(
    values: NDArray[np.float32], old: Mapping[int, list[Any]], new: Mapping[int, list[Any]]
) -> NDArray[np.float32]:
    """Return values with categorical columns in the codes of another dictionary; unknown become NaN."""
    out = values.copy()
    for f, known in old.items():
        code = {_rank(v): float(c) for c, v in enumerate(new[f])}
        table = np.array([code.get(_rank(v), np.nan) for v in known] + [np.nan], dtype=np.float32)
        column = values[:, f]
        places = np.where(np.isnan(column), len(known), column).astype(np.int64)
        out[:, f] = table[places]
    return out

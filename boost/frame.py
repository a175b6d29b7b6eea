"""Frames to numbers: each column by its type, and a dictionary for each column of categories."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Column number -> values in the order of their codes.
Categories = dict[int, list[Any]]


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
    values = np.empty(frame.shape, dtype=np.float32)
    types: list[str] = []
    categories: Categories = {}
    for f, name in enumerate(names):
        column = frame.iloc[:, f]
        kind = column.dtype.kind if hasattr(column.dtype, "kind") else "O"
        if kind in "biuf" and str(column.dtype) != "category":
            with np.errstate(over="ignore"):
                values[:, f] = column.to_numpy(dtype=np.float64, na_value=np.nan)
            types.append("float" if kind == "f" else "int")
        elif kind in "mM":
            raise error(
                f"column {name!r} holds dates or durations ({column.dtype}): turn them into numbers first"
            )
        elif kind == "c":
            raise error(f"complex data not supported: column {name!r} has dtype {column.dtype}")
        else:
            values[:, f], numeric, known = _encode_column(column, name, error)
            types.append("float" if numeric else "int")
            if not numeric:
                categories[f] = known
    return values, names, types, categories


def _encode_column(
    column: Any, name: str, error: type[ValueError]
) -> tuple[NDArray[np.float64], bool, list[Any]]:
    """Return codes (or numbers), whether they are plain numbers, and the dictionary."""
    if str(column.dtype) == "category":
        declared = [_plain(v) for v in column.cat.categories]
        places = column.cat.codes.to_numpy()
        occurring = np.unique(places[places >= 0])
        present = [declared[p] for p in occurring]
        _refuse_odd(present, name, error)
        known = sorted(present, key=_rank)
        code = {_rank(v): float(c) for c, v in enumerate(known)}
        table = np.full(len(declared) + 1, np.nan)
        for p in occurring:
            table[p] = code[_rank(declared[p])]
        return table[places], False, known
    missing = column.isna().to_numpy()
    objects = [_plain(v) for v in column.to_numpy(dtype=object)[~missing]]
    numbers = np.full(missing.size, np.nan)
    if all(isinstance(v, (bool, int, float)) for v in objects):
        numbers[~missing] = [float(v) for v in objects]
        return numbers, True, []
    _refuse_odd(objects, name, error)
    known = sorted(set(objects), key=_rank)
    code = {_rank(v): float(c) for c, v in enumerate(known)}
    numbers[~missing] = [code[_rank(v)] for v in objects]
    return numbers, False, known


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

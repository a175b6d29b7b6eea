"""Dictionaries of categories: values in the order of their codes; made, joined, one turned into another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boost.errors import DataError

# Column number -> values in the order of their codes.
Categories = dict[int, list[Any]]
PLAIN = {str, bool, int, float}


def is_number(value: Any) -> bool:
    """Whether a value of a dictionary is a number, booleans among them."""
    return isinstance(value, (bool, int, float))


def plain(values: Iterable[Any]) -> list[Any]:
    """Return NumPy scalars as the Python values that a model file can hold, and all else as it is."""
    return [v.item() if isinstance(v, np.generic) else v for v in values]


def encode_places(
    places: NDArray, declared: Sequence[Any], name: str
) -> tuple[NDArray[np.float32], list[Any]]:
    """Turn positions in a list of values into codes: positions among the sorted values that occur.

    So the order in which a column declares its values, and values that it declares but does not hold, make no
    difference.

    Parameters
    ----------
    places : int array of shape (rows,)
        Positions in `declared`; -1 where the value is missing.
    declared : list
        Python values; None stands for a missing one.
    name : str
        Of the column, for messages.

    Returns
    -------
    codes : float32 array of shape (rows,), NaN where the value is missing
    known : list
        The dictionary.

    Raises
    ------
    DataError
        For values that are neither strings nor numbers, and for a mixture of both.
    """
    counts = np.bincount(places[places >= 0], minlength=len(declared))
    occurring = [p for p in np.flatnonzero(counts).tolist() if declared[p] is not None]
    present = [declared[p] for p in occurring]
    refuse_odd(present, name)
    # Strings rank as they are.
    ranks = present if present and isinstance(present[0], str) else [rank(v) for v in present]
    first = dict(zip(ranks, present, strict=True))
    order = sorted(first)
    code = {r: c for c, r in enumerate(order)}
    table = np.full(len(declared) + 1, np.nan, dtype=np.float32)
    table[occurring] = [code[r] for r in ranks]
    return table[places], [first[r] for r in order]


def refuse_odd(values: Iterable[Any], name: str) -> None:
    """Raise `DataError` unless values are all strings, or all numbers."""
    kinds = {type(v) for v in values}
    if not kinds <= PLAIN:
        odd = ", ".join(sorted(k.__name__ for k in kinds - PLAIN))
        raise DataError(
            f"column {name!r} holds values of type {odd}: give numbers or strings; what has no order among "
            "them, such as an interval, goes with .astype(str)"
        )
    if str in kinds and len(kinds) > 1:
        raise DataError(f"column {name!r} mixes strings and numbers: give one or the other")


def rank(value: Any) -> tuple[str, Any]:
    """Order values of one type by themselves, and keep 1 and True and "1" apart."""
    kind = (
        "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__
    )
    return kind, value


def join(dictionaries: Iterable[Sequence[Any]], name: str) -> list[Any]:
    """Return the dictionary of a column of which each part has one of its own.

    Raises
    ------
    DataError
        When one part holds strings and another one numbers.
    """
    first = {rank(v): v for known in dictionaries for v in known}
    refuse_odd(first.values(), name)
    return [first[r] for r in sorted(first)]


def recode(
    values: NDArray[np.float32], old: Mapping[int, list[Any]], new: Mapping[int, list[Any]]
) -> NDArray[np.float32]:
    """Return values with categorical columns in the codes of another dictionary; unknown become NaN."""
    out = values.copy()
    for f, known in old.items():
        code = {rank(v): float(c) for c, v in enumerate(new[f])}
        table = np.array([code.get(rank(v), np.nan) for v in known] + [np.nan], dtype=np.float32)
        column = values[:, f]
        places = np.where(np.isnan(column), len(known), column).astype(np.int64)
        out[:, f] = table[places]
    return out

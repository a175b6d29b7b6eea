"""Dictionaries of categories, values in the order of their codes: encoding, joining and recoding."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boost.errors import DataError

# From a column index to the values in the order of their codes.
Categories = dict[int, list[Any]]
# The types that a dictionary, and a model file, can hold.
PLAIN = {str, bool, int, float}


def is_number(value: Any) -> bool:
    """Whether a value of a dictionary is a number or a boolean."""
    return isinstance(value, (bool, int, float))


def plain(values: Iterable[Any]) -> list[Any]:
    """Return the values with NumPy scalars replaced by Python values, which a model file can hold."""
    return [v.item() if isinstance(v, np.generic) else v for v in values]


def encode_positions(
    positions: NDArray, declared: Sequence[Any], name: str
) -> tuple[NDArray[np.float32], list[Any]]:
    """Replace positions in a list of values by codes: positions among the sorted values that occur.

    The codes depend neither on the order in which a column declares its categories nor on declared categories
    that do not occur.

    Parameters
    ----------
    positions : int array of shape (rows,)
        Positions in `declared`; -1 where the value is missing.
    declared : list
        Python values; None is a missing one.
    name : str
        Of the column, for messages.

    Returns
    -------
    codes : float32 array of shape (rows,), NaN where the value is missing
    dictionary : list
        The sorted values that occur.

    Raises
    ------
    DataError
        For values that are neither strings nor numbers, and for a mixture of both.
    """
    counts = np.bincount(positions[positions >= 0], minlength=len(declared))
    occurring = [p for p in np.flatnonzero(counts).tolist() if declared[p] is not None]
    present = [declared[p] for p in occurring]
    check_types(present, name)
    # Strings need no key: they are all of one type.
    ranks = present if present and isinstance(present[0], str) else [sort_key(v) for v in present]
    first = dict(zip(ranks, present, strict=True))
    order = sorted(first)
    code = {r: c for c, r in enumerate(order)}
    table = np.full(len(declared) + 1, np.nan, dtype=np.float32)
    table[occurring] = [code[r] for r in ranks]
    return table[positions], [first[r] for r in order]


def check_types(values: Iterable[Any], name: str) -> None:
    """Raise `DataError` unless values are all strings, or all numbers."""
    kinds = {type(v) for v in values}
    if not kinds <= PLAIN:
        odd = ", ".join(sorted(k.__name__ for k in kinds - PLAIN))
        raise DataError(
            f"column {name!r} holds values of type {odd}: give numbers or strings, for example with "
            ".astype(str)"
        )
    if str in kinds and len(kinds) > 1:
        raise DataError(f"column {name!r} mixes strings and numbers: give only one of the two types")


def are_equal(a: Mapping[int, list[Any]], b: Mapping[int, list[Any]]) -> bool:
    """Whether two tables have the same dictionaries, in which True and 1 are different values.

    Sorted dictionaries begin with their booleans.
    """
    return dict(a) == dict(b) and all(
        [type(v) is bool for v in a[f][:2]] == [type(v) is bool for v in b[f][:2]] for f in a
    )


def check_same_types(given: Sequence[Any], expected: Sequence[Any], name: str) -> None:
    """Raise `DataError` for a dictionary with values of a type that the dictionary of the model has none of.

    All of them would become missing. Numbers are one type: 1 and 1.0 are the same category. An empty
    dictionary, of a column without present values, fits any other.
    """
    if not (given and expected):
        return
    types = {sort_key(v)[0]: v for v in reversed(expected)}
    for value in given:
        if sort_key(value)[0] not in types:
            theirs = " or ".join(f"{type(v).__name__} (such as {v!r})" for v in types.values())
            raise DataError(
                f"column {name} holds categories of the type {type(value).__name__} (such as {value!r}), but "
                f"of the type {theirs} in the model: convert the column, or they would become missing"
            )


def sort_key(value: Any) -> tuple[str, Any]:
    """Return a key that sorts values by type and then by value, and differs for 1, True and "1"."""
    kind = (
        "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__
    )
    return kind, value


def join(dictionaries: Iterable[Sequence[Any]], name: str) -> list[Any]:
    """Return the dictionary of a column whose parts have these dictionaries: all their values, sorted.

    Raises
    ------
    DataError
        When one part holds strings and another one numbers.
    """
    first = {sort_key(v): v for dictionary in dictionaries for v in dictionary}
    check_types(first.values(), name)
    return [first[r] for r in sorted(first)]


def recode(
    values: NDArray[np.float32], old: Mapping[int, list[Any]], new: Mapping[int, list[Any]]
) -> NDArray[np.float32]:
    """Return the values with the codes of other dictionaries in the categorical columns.

    Parameters
    ----------
    values : float32 array of shape (rows, columns)
    old, new : mapping of int to list
        The dictionaries of `values` and of the result; `new` has all columns of `old`.

    Returns
    -------
    float32 array of shape (rows, columns)
        NaN for a value that the new dictionary does not hold.
    """
    out = values.copy()
    for f, dictionary in old.items():
        code = {sort_key(v): float(c) for c, v in enumerate(new[f])}
        table = np.array([code.get(sort_key(v), np.nan) for v in dictionary] + [np.nan], dtype=np.float32)
        column = values[:, f]
        out[:, f] = table[np.where(np.isnan(column), len(dictionary), column).astype(np.int64)]
    return out


class CategoryIndex:
    """The dictionaries of the categorical features of a table or model: what ``get_categories`` returns.

    Given as the ``feature_types`` of a `boost.DMatrix`, they are the dictionaries of that table.

    Parameters
    ----------
    categories : dict of int to list
    features : int
        Number of features.
    names : sequence of str, optional
        Of the features.
    """

    def __init__(self, categories: Categories, features: int, names: Sequence[str] | None) -> None:
        self.categories = {f: list(values) for f, values in categories.items()}
        self.names = list(names) if names is not None else [f"f{f}" for f in range(features)]

    def empty(self) -> bool:
        """Whether no feature has a dictionary."""
        return not self.categories

    def to_arrow(self) -> list[tuple[str, Any]]:
        """Return the name of each feature with its dictionary as a PyArrow array; None without one."""
        import pyarrow

        values = [self.categories.get(f) for f in range(len(self.names))]
        return [
            (name, None if value is None else pyarrow.array(value))
            for name, value in zip(self.names, values, strict=True)
        ]

    def get_dict(self) -> dict[str, list[Any]]:
        """Return the dictionaries by the names of the features."""
        return {self.names[f]: list(values) for f, values in self.categories.items()}

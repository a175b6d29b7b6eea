"""The columns of a model: a table brought into their order and their codes, or told what differs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from boost.data.dmatrix import DMatrix
from boost.data.frames.dictionary import Categories
from boost.errors import DataError

# Names that an error lists.
LISTED = 5


def fit_columns(
    data: DMatrix,
    count: int,
    names: Sequence[str] | None,
    types: Sequence[str] | None,
    categories: Categories,
    *,
    by_name: bool = True,
    whose: str = "the model",
) -> DMatrix:
    """Return a table with the columns of a model: in its order, and in its category codes.

    Parameters
    ----------
    data : DMatrix
    count : int
        Columns of the model.
    names, types : of the model's columns, or None
    categories : dict of int to list
        Of the model.
    by_name : bool
        Whether columns are looked up by their names, where both sides have names; by their places otherwise.
    whose : str
        Who has these columns, for messages.

    Returns
    -------
    DMatrix
        The table itself when nothing differs. A category that the model does not know is a missing value.

    Raises
    ------
    DataError
        For columns that are too many, too few or of another name, and for a column that is categorical on one
        side only.
    """
    data = in_order(data, count, names if by_name else None, whose)
    if types is not None and data.feature_types is not None:
        for f, (ours, theirs) in enumerate(zip(types, data.feature_types, strict=True)):
            if theirs == "c" and ours != "c":
                name = repr(names[f]) if names else f
                raise DataError(
                    f"column {name} holds categories, but {whose} has numbers there, of the type {ours!r}"
                )
    return data.recoded(categories)


def in_order(data: DMatrix, count: int, names: Sequence[str] | None, whose: str) -> DMatrix:
    """Return the table with its columns in the order of these names; see `fit_columns`."""
    given = data.feature_names
    if names is not None and given is not None and given != list(names):
        place = {name: f for f, name in enumerate(given)}
        known = set(names)
        absent = [name for name in names if name not in place]
        extra = [name for name in given if name not in known]
        if absent or extra:
            told = [f"the data lacks {_list(absent)}"] * bool(absent)
            told += [f"{whose} does not know {_list(extra)}"] * bool(extra)
            raise DataError(f"the columns are not those of {whose}: {'; '.join(told)}")
        data = data.reordered(np.array([place[name] for name in names]))
    if data.num_col() != count:
        raise DataError(f"{whose} has {count} features, the data has {data.num_col()}")
    return data


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(repr(n) for n in names[:LISTED]) + more

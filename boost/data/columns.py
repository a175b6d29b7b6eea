"""Tables matched to the columns of a model: in the same order, with the same category codes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from boost.data.frames.dictionary import Categories
from boost.data.table import Kind
from boost.errors import DataError

# The most names that an error lists.
LISTED = 5


def align_columns(
    data: Kind,
    count: int,
    names: Sequence[str] | None,
    types: Sequence[str] | None,
    categories: Categories,
    *,
    by_name: bool = True,
    owner: str = "the model",
) -> Kind:
    """Return a table with its columns in the order of a model, and with the category codes of the model.

    Parameters
    ----------
    data : Table
    count : int
        Number of columns of the model.
    names, types : sequence of str, or None
        Of the columns of the model.
    categories : dict of int to list
        Of the model.
    by_name : bool
        Whether columns are matched by name, if both the table and the model have names; otherwise they are
        matched by position.
    owner : str
        What to call the model in messages.

    Returns
    -------
    Table
        The table itself when nothing differs. A category that the model does not have becomes a missing
        value.

    Raises
    ------
    DataError
        For missing, additional or unknown columns, and for a column that is categorical in only one of the
        table and the model.
    """
    data = order_columns(data, count, names if by_name else None, owner)
    if types is not None and data.feature_types is not None:
        for f, (ours, theirs) in enumerate(zip(types, data.feature_types, strict=True)):
            if theirs == "c" and ours != "c":
                name = repr(names[f]) if names else f
                raise DataError(
                    f"column {name} holds categories, but holds numbers of the type {ours!r} in {owner}"
                )
    return data.recoded(categories)


def order_columns(data: Kind, count: int, names: Sequence[str] | None, owner: str) -> Kind:
    """Return the table with its columns in the order of `names`; parameters as of `align_columns`."""
    given = data.feature_names
    if names is not None and given is not None and given != list(names):
        position = {name: f for f, name in enumerate(given)}
        expected = set(names)
        absent = [name for name in names if name not in position]
        extra = [name for name in given if name not in expected]
        if absent or extra:
            parts = [f"the data lacks {_list(absent)}"] * bool(absent)
            parts += [f"{owner} does not have {_list(extra)}"] * bool(extra)
            raise DataError(f"the columns differ from those of {owner}: {'; '.join(parts)}")
        data = data.reordered(np.array([position[name] for name in names]))
    if data.num_col() != count:
        raise DataError(f"{owner} has {count} features, the data has {data.num_col()}")
    return data


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(repr(n) for n in names[:LISTED]) + more

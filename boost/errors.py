"""The errors that `boost` raises, and the wording of those about unknown names."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

# The most names that a message lists.
LISTED = 10


class DataError(ValueError):
    """A table, label, weight or other column that cannot be used."""


class LabelError(ValueError):
    """A label that the objective does not allow."""


class ModelError(ValueError):
    """A model file that is damaged, incomplete, or not supported."""


class ParameterError(ValueError):
    """An unknown parameter, or a value outside the type or range of a parameter."""


class TableError(ValueError):
    """A file or column of a table that cannot be used."""


def nearest(given: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the known name that is closest, or nothing when none is close."""
    close = get_close_matches(str(given), list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def unknown(kind: str, given: object, known: Iterable[str]) -> str:
    """Return the message for a name that does not exist.

    Parameters
    ----------
    kind : str
        What was named: ``"column"``, ``"task"``.
    given : object
        The name as it was given.
    known : iterable of str
        The names that exist.
    """
    names = list(known)
    listed = names if len(names) <= LISTED + 2 else [*names[:LISTED], f"... {len(names) - LISTED} more"]
    return f"unknown {kind} {given!r}{nearest(str(given), names)} (known: {', '.join(listed)})"

"""The wording of errors about unknown names: what was given, the nearest right one, all that exist."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


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
    return f"unknown {kind} {given!r}{nearest(str(given), names)} (known: {', '.join(names)})"

"""`unknown`: the message of an error about an unknown name, with the most similar one and all that exist."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def unknown(kind: str, given: object, known: Iterable[str]) -> str:
    """The message for a name that does not exist.

    Parameters
    ----------
    kind : str
        What was named: ``"dtype"``, ``"target"``, ``"knob"``.
    given : object
        The name as it was given.
    known : iterable of str
        The names that exist.
    """
    names = list(known)
    near = get_close_matches(str(given), names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"unknown {kind} {given!r}{hint} (known: {', '.join(names)})"

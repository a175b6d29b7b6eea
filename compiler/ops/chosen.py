"""What chooses the knobs of an operator when its caller leaves them to their defaults: tuned values, for one.

The compiler defines the place and chooses nothing itself: a library that has better values, such as the best
records of a search, enters `chosen_by` for a block of code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from compiler.backend import Target
from compiler.ops.knobs import Knobs

Chooser = Callable[[Any, tuple[Any, ...], Target], "Knobs | None"]
"""``chooser(operator, shape, target)`` returns the knobs of a program; None where it has none."""

_choosers: ContextVar[tuple[Chooser, ...]] = ContextVar("choosers", default=())


@contextmanager
def chosen_by(chooser: Chooser) -> Iterator[None]:
    """Let a function choose the knobs of operators that are scheduled by `Defaults` inside of a block.

    Of nested blocks the innermost is consulted first, then those around it, then the defaults apply. A block
    concerns its own thread (and its own asynchronous task) alone.

    Parameters
    ----------
    chooser : callable
        ``(operator, shape, target) -> Knobs or None``, with the values of all parameters as `shape`.
    """
    token = _choosers.set((*_choosers.get(), chooser))
    try:
        yield
    finally:
        _choosers.reset(token)


def chosen(operator: Any, shape: tuple[Any, ...], target: Target) -> Knobs | None:
    """Return the knobs that the innermost chooser with an answer has for a program; None without one."""
    for chooser in reversed(_choosers.get()):
        knobs = chooser(operator, shape, target)
        if knobs is not None:
            return knobs
    return None


def has_choosers() -> bool:
    """Return whether anything chooses knobs in place of the defaults."""
    return bool(_choosers.get())

"""`Patience`: a time limit that does not expire while the machine is asleep."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

_SLICE = 1.0


class Patience:
    """A time limit in seconds, counted in slices of at most a second.

    A machine or process that is suspended for a minute finds one slice expired when it goes on, and not the
    limit: the other side was suspended too, and gets its time.

    Parameters
    ----------
    seconds : float
    """

    def __init__(self, seconds: float) -> None:
        self.left = seconds

    def wait(self, get: Callable[[float], T], empty: type[Exception]) -> T:
        """Call ``get(seconds)`` until it returns.

        Parameters
        ----------
        get : callable
            Waits for at most that long, and raises `empty` if nothing came.
        empty : type of exception

        Raises
        ------
        Exception
            `empty`, once the limit has expired.
        """
        while True:
            part = min(self.left, _SLICE)
            try:
                return get(part)
            except empty:
                self.left -= part
                if self.left <= 0:
                    raise

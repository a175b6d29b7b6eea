"""`Timing`: seconds of calls, and how often calls are repeated to measure them."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds per call, one number per repeat.

    Attributes
    ----------
    results : tuple of float
        In the order of measuring.
    """

    results: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle of the results."""
        return statistics.median(self.results)

    @property
    def mean(self) -> float:
        """The arithmetic mean of the results."""
        return statistics.fmean(self.results)

    @property
    def min(self) -> float:
        """The smallest of the results."""
        return min(self.results)


def measure(time_calls: Callable[[int], float], number: int, repeat: int, min_repeat_ms: float) -> Timing:
    """Repeat a measurement.

    Parameters
    ----------
    time_calls : callable
        Seconds that the given number of calls takes.
    number : int
        Calls per repeat; it grows, and stays grown, until a repeat lasts `min_repeat_ms`.
    repeat : int
        Number of results.
    min_repeat_ms : float
        Shortest duration of a repeat in milliseconds.
    """
    results = []
    least = min_repeat_ms / 1000
    for _ in range(repeat):
        seconds = time_calls(number)
        while seconds < least:
            # a little more than this measurement suggests, between 1.6 and 100 times as many: it may be
            # inaccurate
            estimate = number * least / seconds * 1.1 if seconds > 0 else number * 100
            number = int(min(max(estimate, number * 1.6), number * 100)) + 1
            seconds = time_calls(number)
        results.append(seconds / number)
    return Timing(tuple(results))


def check(number: object, repeat: object, min_repeat_ms: object) -> None:
    """Refuse settings that are not numbers of the right size.

    Raises
    ------
    ValueError
        Naming the setting.
    """
    for name, value in (("number", number), ("repeat", repeat)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise ValueError(f"{name} must be a whole number of at least 1, not {value!r}")
    if (
        isinstance(min_repeat_ms, bool)
        or not isinstance(min_repeat_ms, (int, float))
        or not min_repeat_ms >= 0
    ):
        raise ValueError(f"min_repeat_ms must be a number of milliseconds, at least 0, not {min_repeat_ms!r}")

"""`Noise`: how much repeated measurements of one program differ, and how the machine's speed drifts."""

from __future__ import annotations

import statistics
import time
from collections import deque
from collections.abc import Callable

# The reference program, with which each candidate takes turns: short, and bound by arithmetic like most
# programs of a search.
REFERENCE = ("matmul", (128, 128, 128))
# The program that is measured now and then as if it were a candidate.
PROBE = ("matmul", (512, 512, 512))

_FIRST = 5
_WINDOW = 25
_LAST = 5
# two measurements of one program may differ by the first of these, however quiet the machine is, and by no
# more than the second, however noisy
_LEAST, _MOST = 0.03, 0.15


class Noise:
    """The noise floor: one program is measured now and then, in the way of a candidate.

    Parameters
    ----------
    measure : callable
        Returns the cost of the program.
    every : float
        Seconds between two measurements.
    now : callable
        The clock.
    """

    def __init__(
        self,
        measure: Callable[[], float],
        *,
        every: float = 3.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._measure = measure
        self._every = every
        self._now = now
        self._costs: deque[float] = deque(maxlen=_WINDOW)
        self._drifts: deque[float] = deque(maxlen=_LAST)
        self._last = float("-inf")

    def update(self) -> None:
        """Measure the program if it is due."""
        if self._now() - self._last >= self._every:
            for _ in range(1 if self._costs else _FIRST):
                self._costs.append(self._measure())
            self._last = self._now()

    def observe(self, drift: float) -> None:
        """Take note of the drift during a measurement."""
        self._drifts.append(drift)

    @property
    def floor(self) -> float | None:
        """Relative distance of the quartiles of the costs; None before the first."""
        if len(self._costs) < 2:
            return None
        low, middle, high = statistics.quantiles(self._costs, n=4, method="inclusive")
        return (high - low) / middle

    @property
    def tolerance(self) -> float:
        """Relative difference up to which two measurements of one program agree, in 19 of 20 cases.

        For a normal distribution that is 1.96 * sqrt(2) / 1.349 times the distance of the quartiles.
        """
        return min(max(_LEAST, 2.05 * (self.floor or 0.0)), _MOST)

    @property
    def drift(self) -> float:
        """Time of the reference program lately, relative to the start: 1.4 if all takes 1.4 times as long."""
        return statistics.median(self._drifts) if self._drifts else 1.0

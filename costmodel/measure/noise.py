"""`Noise`: how much the machine's speed varies, measured with one program that stays the same."""

from __future__ import annotations

import statistics
import time
from collections import deque
from collections.abc import Callable

# the reference program: short, and bound by arithmetic like most programs of a search
REFERENCE = ("matmul", (128, 128, 128))

_FIRST = 5
_WINDOW = 15
# relative differences below this are not called a drift, however quiet the machine is
_LEAST = 0.05


class Noise:
    """Measures a reference program now and then.

    Parameters
    ----------
    measure : callable
        Returns the median of a measurement of the reference program, in seconds, made as a candidate is
        measured.
    every : float
        Seconds between two measurements.
    now, sleep : callable
        The clock; a test has its own.

    Attributes
    ----------
    drift : float
        Time of the reference program now, relative to the start: 1.4 if everything takes 1.4 times as long.
    """

    def __init__(
        self,
        measure: Callable[[], float],
        *,
        every: float = 5.0,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._measure = measure
        self._every = every
        self._now, self._sleep = now, sleep
        self._medians: deque[float] = deque(maxlen=_WINDOW)
        self._start = self._level = 0.0
        self._last = float("-inf")
        self.drift = 1.0

    @property
    def floor(self) -> float | None:
        """Relative distance of the quartiles of the reference's medians; None before the first."""
        if len(self._medians) < 2:
            return None
        low, middle, high = statistics.quantiles(self._medians, n=4, method="inclusive")
        return (high - low) / middle

    @property
    def tolerance(self) -> float:
        """Relative difference above which two measurements of one program contradict each other."""
        return max(_LEAST, 3.0 * (self.floor or 0.0))

    def settle(self, *, now: bool = False) -> float:
        """Measure the reference if it is due, and wait while the machine is slower or faster than before.

        A disturbance of less than a second or so is waited for. A machine whose speed has changed for good
        is accepted as it is.

        Parameters
        ----------
        now : bool
            Whether it is due in any case.

        Returns
        -------
        float
            Factor by which programs take longer than at the last call; 1 if the speed did not change.
        """
        if not self._medians:
            for _ in range(_FIRST):
                self._medians.append(self._measure())
            self._start = self._level = statistics.median(self._medians)
            self._last = self._now()
            return 1.0
        if not now and self._now() - self._last < self._every:
            return 1.0
        tolerance = self.tolerance
        seen = []
        for pause in (0.0, 0.05, 0.2, 0.8):
            if pause:
                self._sleep(pause)
            seen.append(self._measure())
            self._last = self._now()
            if abs(seen[-1] / self._level - 1.0) <= tolerance:
                self._medians.append(seen[-1])
                self.drift = seen[-1] / self._start
                return 1.0
        # it stays: the medians of the former speed say nothing about the noise of this one
        changed = statistics.median(seen) / self._level
        self._medians = deque(seen, maxlen=_WINDOW)
        self._level *= changed
        self.drift = self._level / self._start
        return changed

"""`Comparison`: the costs of one program, measured interleaved with others."""

from __future__ import annotations

import statistics
from dataclasses import dataclass


@dataclass(frozen=True)
class Comparison:
    """The costs of one program, measured interleaved with others.

    Parameters
    ----------
    name : str
        Of the program.
    costs : tuple of float
        Seconds per call, one for each round.
    flops : int
        Number of operations of a call.
    """

    name: str
    costs: tuple[float, ...]
    flops: int

    def _speed(self, cost: float) -> float:
        return self.flops / cost / 1e9

    @property
    def gflops(self) -> float:
        """Median speed, in 1e9 operations per second."""
        return self._speed(statistics.median(self.costs))

    @property
    def quartiles(self) -> tuple[float, float]:
        """Speed at the first and the third quartile of the rounds, lowest first."""
        if len(self.costs) < 2:
            return self.gflops, self.gflops
        low, _, high = statistics.quantiles(self.costs, n=4, method="inclusive")
        return self._speed(high), self._speed(low)

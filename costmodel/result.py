"""`MeasureResult`: the outcome of one measurement."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, field
from enum import Enum


class Reason(str, Enum):
    """How a measurement ended. The values are those of record files."""

    OK = "ok"
    TEMPLATE = "template error"
    BUILD = "build error"
    RUN = "run error"
    WRONG = "wrong answer"
    TIMEOUT = "timeout"
    CRASH = "crash"
    REFERENCE = "reference error"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class MeasureResult:
    """The outcome of one measurement.

    Parameters
    ----------
    reason : Reason
        ``Reason.OK``, or why there are no costs.
    costs : tuple of float
        Seconds per call, one for each repeat; empty for a failure.
    message : str
        Description of a failure.
    build_seconds : float
        Time of instantiating, lowering and compiling.
    total_seconds : float
        Time of the whole measurement as the caller observes it.
    timestamp : float
        When it ended, in seconds since 1970.
    """

    reason: Reason
    costs: tuple[float, ...] = ()
    message: str = ""
    build_seconds: float = 0.0
    total_seconds: float = 0.0
    timestamp: float = field(default_factory=time.time)

    @property
    def ok(self) -> bool:
        """Whether the candidate ran and its outputs passed the check."""
        return self.reason is Reason.OK

    @property
    def cost(self) -> float:
        """Median seconds per call; infinite for a failure."""
        return statistics.median(self.costs) if self.costs else float("inf")

"""`MeasureResult`: the outcome of one measurement."""

from __future__ import annotations

import re
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

_NUMBER = re.compile(r"0x[0-9a-fA-F]+|\d+(\.\d+)?(e[+-]?\d+)?")


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
    REFUSED = "refused"
    MEMORY = "out of memory"
    LOST = "worker lost"

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
        Seconds per call, one for each repeat, at the machine's usual speed; empty for a failure.
    message : str
        Description of a failure.
    build_seconds : float
        Time of instantiating, lowering and compiling.
    total_seconds : float
        Time of the whole measurement, from the template to the last repeat. Those of candidates that are
        built while others run overlap.
    timestamp : float
        When it ended, in seconds since 1970.
    noise : float or None
        Relative standard error of `cost`: that of the median of `costs`, but at least the noise floor of the
        machine where that is known. None where it is unknown.
    drift : float
        Time that the reference program of the machine took meanwhile, relative to its usual time. The clock
        said `cost` times this.
    measured : int
        How often the candidate was measured: more than once if the first measurement was a surprise.
    detail : str
        Everything that is known of a failure, such as its traceback; it is not recorded.
    """

    reason: Reason
    costs: tuple[float, ...] = ()
    message: str = ""
    build_seconds: float = 0.0
    total_seconds: float = 0.0
    timestamp: float = field(default_factory=time.time)
    noise: float | None = None
    drift: float = 1.0
    measured: int = 1
    detail: str = ""

    @property
    def ok(self) -> bool:
        """Whether the candidate ran and its outputs passed the check."""
        return self.reason is Reason.OK

    @property
    def cost(self) -> float:
        """Median seconds per call; infinite for a failure."""
        return statistics.median(self.costs) if self.costs else float("inf")


def common_failure(results: Sequence[MeasureResult]) -> MeasureResult | None:
    """Return the first result if all are failures for the same cause, else None.

    Two failures have the same cause if their reasons are equal, and their messages but for numbers. A search
    whose whole batch fails the same way has found a defect of the template, not of its candidates.
    """
    if not results or any(r.ok for r in results):
        return None
    causes = {(r.reason, _NUMBER.sub("#", r.message)) for r in results}
    return results[0] if len(causes) == 1 else None

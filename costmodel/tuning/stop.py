"""Why a search ends before its trials: callbacks, time, no improvement, and failures that are all alike."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from costmodel.result import MeasureResult, common_failure

if TYPE_CHECKING:
    from costmodel.tuning.result import TuneResult

# An improvement of less is within what is measured twice of the same program.
IMPROVEMENT = 0.01
# So many failures that are alike are no accident, whatever the size of a batch is.
ALIKE = 4


class StopTuning(Exception):
    """Raised by a callback to end a search; the result keeps what was measured."""


class TuningError(ValueError):
    """Every candidate failed, the last ones in the same way; the message has the first error whole.

    Attributes
    ----------
    result : TuneResult
        The trials until then.
    """

    def __init__(self, message: str, result: TuneResult) -> None:
        super().__init__(message)
        self.result = result


class Patience:
    """Counts the trials since the last improvement of a cost.

    Parameters
    ----------
    limit : int or None
        Trials without an improvement of more than a hundredth; None for no limit.
    """

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self.waited = 0
        self.best = float("inf")

    def note(self, cost: float) -> None:
        """Note the cost of one more trial; infinite for a failure."""
        if cost < self.best * (1 - IMPROVEMENT):
            self.best = cost
            self.waited = 0
        else:
            self.waited += 1

    @property
    def over(self) -> bool:
        """Whether the limit is reached."""
        return self.limit is not None and self.waited >= self.limit


class Deadline:
    """The end of a time budget.

    Parameters
    ----------
    seconds : float or None
        From now on; None for no limit.
    """

    def __init__(self, seconds: float | None) -> None:
        self.began = time.perf_counter()
        self.seconds = seconds

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.perf_counter() - self.began

    @property
    def left(self) -> float:
        """Seconds until the end; infinite without a limit."""
        return float("inf") if self.seconds is None else max(self.seconds - self.elapsed, 0.0)


class SameFailures:
    """Detects that candidates fail in the same way one after another, as with a template that is broken.

    Before the first success as many as a batch are enough, at least four; later it takes two batches, since a
    search may propose a region that is all bad.

    Parameters
    ----------
    batch_size : int
    succeeded : bool
        Whether a trial has succeeded already.
    """

    def __init__(self, batch_size: int, succeeded: bool) -> None:
        self.batch_size = max(batch_size, ALIKE)
        self.succeeded = succeeded
        self.results: list[MeasureResult] = []

    def note(self, result: MeasureResult) -> None:
        """Note the outcome of one more trial."""
        if result.ok:
            self.succeeded = True
        if result.ok or (self.results and common_failure((self.results[0], result)) is None):
            self.results = []
        if not result.ok:
            self.results.append(result)

    @property
    def first(self) -> MeasureResult | None:
        """The first of the failures, once there are too many that are alike."""
        needed = self.batch_size * (2 if self.succeeded else 1)
        return self.results[0] if len(self.results) >= needed else None


def whole(failure: MeasureResult, all_of: Sequence[MeasureResult]) -> str:
    """Return a failure as text, with all of its lines."""
    text = failure.detail or failure.message
    return f"{len(all_of)} candidates one after another failed in the same way: {failure.reason}: {text}"

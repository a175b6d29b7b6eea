"""`confirm`: a surprising measurement is made again before it counts."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import replace

from costmodel.result import MeasureResult

# a candidate is measured at most that often
_MOST = 5
# and again if the standard error of its median is larger than this share of it
_UNSURE = 0.10


def is_surprise(result: MeasureResult, best: float | None) -> bool:
    """Whether a measurement must be repeated: the fastest so far, or one that may be and is inaccurate.

    Parameters
    ----------
    result : MeasureResult
    best : float, optional
        Seconds of the fastest candidate so far.
    """
    if not result.ok:
        return False
    if best is None or result.cost < best:
        return True
    unsure = result.noise is not None and result.noise > _UNSURE
    return unsure and min(result.costs) < best


def confirm(first: MeasureResult, again: Callable[[], MeasureResult], tolerance: float) -> MeasureResult:
    """Measure again until two measurements agree, and return these two as one result.

    The lowest of many noisy costs is too low, and it is the one that a search reports. So the first
    measurement of a candidate that seems the fastest does not count unless another one confirms it.

    Parameters
    ----------
    first : MeasureResult
        A success.
    again : callable
        Measures the same candidate.
    tolerance : float
        Relative difference up to which two measurements agree.

    Returns
    -------
    MeasureResult
        A failure, if a repetition fails. If no two agree, the slowest, whose `noise` is the relative distance
        of the quartiles of all: what is not confirmed must not become the best.
    """
    seen = [first]
    limit = 1.0 + tolerance
    while len(seen) < _MOST:
        other = again()
        if not other.ok:
            return replace(other, measured=len(seen) + 1)
        agrees = [r for r in seen if max(r.cost, other.cost) <= limit * min(r.cost, other.cost)]
        seen.append(other)
        if agrees:
            # of several, the slowest: a program is not faster than it was found twice
            slower = max(agrees, key=lambda r: r.cost)
            return _joined([slower, other], seen)
    low, middle, high = statistics.quantiles([r.cost for r in seen], n=4, method="inclusive")
    slowest = max(seen, key=lambda r: r.cost)
    return replace(_joined([slowest], seen), noise=(high - low) / middle)


def _joined(results: list[MeasureResult], seen: list[MeasureResult]) -> MeasureResult:
    known = [r.noise for r in results if r.noise is not None]
    return replace(
        results[-1],
        costs=tuple(cost for r in results for cost in r.costs),
        build_seconds=seen[0].build_seconds,
        total_seconds=sum(r.total_seconds for r in seen),
        noise=max(known) if known else None,
        drift=statistics.median(r.drift for r in results),
        measured=len(seen),
    )

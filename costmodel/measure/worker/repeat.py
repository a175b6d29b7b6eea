"""`repeat`: a program is timed until the spread of the times is small, or the time for it is spent."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from costmodel.measure.worker.watch import Interval

# a sample is set aside if another program had the CPU for more of its time than this
_DISTURBED = 0.03
# and the time to spend on a program is extended by this factor to replace such samples
_PATIENCE = 2.0
# most samples, for each of the least number
_MOST = 5
_MAX_ASLEEP = 5


@dataclass(frozen=True)
class Plan:
    """How often and how long a program is timed.

    Parameters
    ----------
    repeat : int
        Least number of samples.
    min_repeat_ms : float
        Shortest sample: a fast program is called several times in each.
    budget_ms : float
        Time of all samples together; a program that is slower than that is called once.
    precision : float
        No more samples are taken once the relative standard error of their median is this small.
    best : float, optional
        Seconds of a call of the best program so far. One that is clearly slower gets a single sample.
    hopeless : float
        A program is clearly slower if it takes this many times as long.
    """

    repeat: int = 3
    min_repeat_ms: float = 4.0
    budget_ms: float = 60.0
    precision: float = 0.01
    best: float | None = None
    hopeless: float = 2.0


def median_error(costs: Sequence[float]) -> float:
    """Return the relative standard error of the median of samples, estimated from their quartiles.

    For a normal distribution the quartiles are 1.349 standard deviations apart, and the standard error of
    the median is 1.2533 standard deviations over the root of the number of samples. Infinite for one sample.
    """
    if len(costs) < 2:
        return math.inf
    low, middle, high = statistics.quantiles(costs, n=4, method="inclusive")
    return 1.2533 / 1.349 * (high - low) / (middle * math.sqrt(len(costs)))


def repeat(sample: Callable[[int], Interval], seconds: float, plan: Plan) -> list[float]:
    """Return seconds per call of a program.

    Samples in which another program had the CPU are replaced; if the time does not suffice for that, the
    least disturbed ones count. Samples of a machine that fell asleep never count.

    Parameters
    ----------
    sample : callable
        Time that many calls.
    seconds : float
        Estimate of one call.
    plan : Plan

    Returns
    -------
    list of float
        At least one, in the order of measuring.
    """
    number = max(1, math.ceil(plan.min_repeat_ms * 1e-3 / max(seconds, 1e-9)))
    taken: list[tuple[float, float]] = []  # seconds per call, and the share of time that was lost
    spent, asleep = 0.0, 0
    while True:
        interval = sample(number)
        if interval.asleep and asleep < _MAX_ASLEEP:
            asleep += 1
            continue
        cost = interval.seconds / number
        taken.append((cost, interval.lost))
        spent += interval.seconds
        good = [c for c, lost in taken if lost <= _DISTURBED]
        if good and plan.best is not None and min(good) > plan.hopeless * plan.best:
            return good
        if len(good) >= plan.repeat and (
            median_error(good) <= plan.precision or len(good) >= _MOST * plan.repeat
        ):
            return good
        limit = plan.budget_ms * 1e-3 * (1.0 if len(good) == len(taken) else _PATIENCE)
        if spent + interval.seconds > limit:
            break
        if interval.seconds < plan.min_repeat_ms * 0.5e-3:
            # the estimate was too high: a first call has page faults, and wakes threads
            number = math.ceil(plan.min_repeat_ms * 1e-3 / max(cost, 1e-9))
            taken.pop()
    if len(good) < min(plan.repeat, len(taken)):
        limit = sorted(lost for _, lost in taken)[min(plan.repeat, len(taken)) - 1]
        good = [c for c, lost in taken if lost <= limit]
    return good

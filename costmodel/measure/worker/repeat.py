"""`repeat`: a program is timed until the spread of the times is small, or the time for it is spent."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from costmodel.measure.worker.watch import DISTURBED, Interval

# the time to spend on a program is extended by this factor to replace samples in which another program had
# the CPU
_PATIENCE = 2.0
# so many times the least number of samples by CPU time do for those that are missing
_INSTEAD = 2
# most samples, for each of the least number
_MOST = 3
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
    usual : float, optional
        Seconds of a call of the reference program when the search began. Without it, costs are what the clock
        says.
    hopeless : float
        A program is clearly slower than the best if it takes this many times as long.
    """

    repeat: int = 4
    min_repeat_ms: float = 3.0
    budget_ms: float = 45.0
    precision: float = 0.03
    best: float | None = None
    usual: float | None = None
    hopeless: float = 2.0


@dataclass(frozen=True)
class Samples:
    """What `repeat` found.

    Parameters
    ----------
    costs : list of float
        Seconds per call, each divided by the drift of its time.
    drift : float
        Median time of the reference program meanwhile, relative to its usual time.
    uncertain : float
        Share of the time of the least certain of them that may be that of other programs.
    """

    costs: list[float]
    drift: float
    uncertain: float = 0.0


@dataclass(frozen=True)
class _Sample:
    """Seconds per call, the drift meanwhile, and how far both can be trusted."""

    cost: float
    drift: float
    # share of the time that another program had, and what of that could not be taken out
    lost: float
    uncertain: float

    @property
    def rank(self) -> tuple[float, float]:
        """The least is the best; equal for all that are good."""
        return max(self.uncertain, DISTURBED), max(self.lost, DISTURBED)


def median_error(costs: Sequence[float]) -> float:
    """Return the relative standard error of the median of samples, estimated from their quartiles.

    For a normal distribution the quartiles are 1.349 standard deviations apart, and the standard error of
    the median is 1.2533 standard deviations over the root of the number of samples. Infinite for one sample.
    """
    if len(costs) < 2:
        return math.inf
    low, middle, high = statistics.quantiles(costs, n=4, method="inclusive")
    return 1.2533 / 1.349 * (high - low) / (middle * math.sqrt(len(costs)))


def repeat(
    sample: Callable[[int], Interval], reference: Callable[[], Interval], seconds: float, plan: Plan
) -> Samples:
    """Time a program in turns with a reference program.

    The speed of a core changes by tens of per cent within a second where its neighbours share power and
    caches, and of all programs alike. So a sample is divided by the time that the reference program takes
    before and after it, relative to its usual time.

    Samples in which another program had the CPU are replaced. On a core that is shared they may be all there
    is: a sample and the reference program beside it are longer than a turn of the scheduler. Then the CPU
    time counts in the place of the time, for both alike, if the program is of one thread; if it is of
    several, the least disturbed samples count, and are marked as uncertain. Samples of a machine that fell
    asleep never count.

    Parameters
    ----------
    sample : callable
        Times that many calls of the program.
    reference : callable
        Times one call of the reference program, as the mean of several.
    seconds : float
        Estimate of one call of the program.
    plan : Plan

    Returns
    -------
    Samples
        At least one cost, in the order of measuring.
    """
    number = max(1, math.ceil(plan.min_repeat_ms * 1e-3 / max(seconds, 1e-9)))
    taken: list[_Sample] = []
    spent, asleep = 0.0, 0
    before = reference()
    while True:
        here = sample(number)
        after = reference()
        if asleep < _MAX_ASLEEP and (here.asleep or after.asleep):
            asleep += 1
            before = after if not after.asleep else reference()
            continue
        uncertain = max(one.uncertain for one in (before, here, after))
        drift = 1.0
        if plan.usual is not None:
            # a reference that another program held up must not make the candidate seem fast
            mean = uncertain <= DISTURBED
            drift = (before.net + after.net) / 2.0 if mean else min(before.net, after.net)
            drift /= plan.usual
        lost = max(one.lost for one in (before, here, after))
        before = after
        spent += here.seconds
        if here.net < plan.min_repeat_ms * 0.5e-3:
            # the estimate was too high: a first call has page faults, and wakes threads
            number = math.ceil(number * plan.min_repeat_ms * 1e-3 / max(here.net, 1e-9))
            continue
        taken.append(_Sample(here.net / number / drift, drift, lost, uncertain))
        good = [one.cost for one in taken if one.lost <= DISTURBED]
        sure = [one.cost for one in taken if one.uncertain <= DISTURBED]
        if sure and plan.best is not None and min(sure) > plan.hopeless * plan.best:
            break
        if _enough(good, plan.repeat, plan) or _enough(sure, _INSTEAD * plan.repeat, plan):
            break
        limit = plan.budget_ms * 1e-3 * (1.0 if len(good) == len(taken) else _PATIENCE)
        if spent + here.seconds > limit:
            break
    least = sorted(one.rank for one in taken)[min(plan.repeat, len(taken)) - 1]
    kept = [one for one in taken if one.rank <= least]
    return Samples(
        [one.cost for one in kept],
        statistics.median(one.drift for one in kept),
        max(one.uncertain for one in kept),
    )


def _enough(costs: Sequence[float], least: int, plan: Plan) -> bool:
    precise = len(costs) >= least and median_error(costs) <= plan.precision
    return precise or len(costs) >= _MOST * plan.repeat

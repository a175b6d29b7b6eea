"""`Finals`: the final comparison, which measures the best programs again beside the default schedule."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from costmodel.measure.comparison import Comparison
from costmodel.measure.protocol import Runner
from costmodel.records import Record, best
from costmodel.space import Config
from costmodel.task import Task

DEFAULT = "default schedule"
GAIN = 1.02
"""How much faster than the default the best of several programs must be, to be more than a lucky one."""
# seconds of measuring in each of the two comparisons
_SECONDS = 2.0
# shortest measurement of a program in one round, with its pause
_ROUND = 25e-3
# fewest programs, and rounds, of a comparison
_PROGRAMS, _ROUNDS = 3, 3


class Speedup(NamedTuple):
    """How many times the speed of the default a program has: the median of the rounds, and the quartiles."""

    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Finals:
    """Programs of one task, measured interleaved after their outputs were checked.

    Parameters
    ----------
    task : Task
    comparisons : list of Comparison
    configs : dict
        Name -> configuration. The NumPy program has none.
    """

    task: Task
    comparisons: list[Comparison]
    configs: dict[str, Config]

    def __getitem__(self, name: str) -> Comparison:
        return next(c for c in self.comparisons if c.name == name)

    def speedup(self, name: str) -> Speedup:
        """Return the speed of a program relative to the default, of which it took turns with in each round.

        Raises
        ------
        StopIteration
            If there is no such program, or the default did not run.
        """
        pairs = zip(self[DEFAULT].costs, self[name].costs, strict=True)
        ratios = [default / cost for default, cost in pairs]
        if len(ratios) < 2:
            return Speedup(ratios[0], ratios[0], ratios[0])
        low, median, high = statistics.quantiles(ratios, n=4, method="inclusive")
        return Speedup(median, low, high)

    @property
    def winner(self) -> str:
        """Name of the fastest program; the default, unless another one is clearly faster."""
        names = [c.name for c in self.comparisons if c.name in self.configs]
        fastest = min(names, key=lambda name: statistics.median(self[name].costs))
        if DEFAULT in names and self.speedup(fastest).median < GAIN:
            return DEFAULT
        return fastest


def run_finals(
    task: Task,
    trials: Mapping[str, Sequence[Record]],
    measurer: Runner,
    *,
    finalists: int = 8,
    baseline: bool = False,
    rounds: int = 15,
) -> Finals:
    """Measure the best of each run again, beside the default schedule.

    The lowest of many noisy costs underestimates the cost of its program, so the best few of each run are
    first compared with each other, and with the default if the run measured it, and the winner is then
    measured again. The default wins unless another one is clearly faster.

    Parameters
    ----------
    task : Task
    trials : mapping from str to sequence of Record
        Name of the winner -> the records of its run.
    measurer : Runner
    finalists : int
        Number of programs of each run that are compared first.
    baseline : bool
        Whether to include NumPy's usual implementation.
    rounds : int
        Number of measurements of each program in the last comparison. Of slow programs fewer are compared,
        and less often, so that each of the two comparisons measures for about two seconds where three rounds
        of three programs allow that.

    Returns
    -------
    Finals
        The default first, unless it failed, then the winner of each run that has one, NumPy last.

    Raises
    ------
    MeasureError
        If one of the programs fails, or its outputs are wrong.
    """
    default = task.space.default
    plain = default.plain()
    outcomes = [r.ok for run in trials.values() for r in run if r.task == task.key and r.config == plain]
    configs = {} if outcomes and not any(outcomes) else {DEFAULT: default}
    for name, run in trials.items():
        fastest = best(run, task.key, finalists)
        takes = _takes(fastest)
        fastest = fastest[: max(_PROGRAMS, int(_SECONDS / (takes * _ROUNDS)))]
        candidates = [task.space.config(r.config) for r in fastest]
        # one high cost must not make the winner slower than the program that is there without a search
        tried = any(r.ok and r.config == plain for r in run)
        if tried and default not in candidates:
            candidates.append(default)
        if len(candidates) > 1:
            named = {str(c.index): c for c in candidates}
            compared = measurer.compare(task, named, rounds=_rounds(7, len(named), takes))
            again = {c.name: statistics.median(c.costs) for c in compared}
            winner = min(again, key=lambda name: again[name])
            if tried and GAIN * again[winner] > again[str(default.index)]:
                winner = str(default.index)
            candidates = [named[winner]]
        if candidates:
            configs[name] = candidates[0]
    takes = max((_takes(best(run, task.key)) for run in trials.values()), default=_ROUND)
    rounds = _rounds(rounds, len(configs), takes)
    comparisons = measurer.compare(task, configs, baseline=baseline, rounds=rounds) if configs else []
    return Finals(task, comparisons, configs)


def _takes(fastest: Sequence[Record]) -> float:
    """Seconds of a round of one program: a call before the measurement, and the measurement."""
    cost = statistics.median(r.cost for r in fastest) if fastest else 0.0
    return cost + max(_ROUND, cost)


def _rounds(most: int, programs: int, takes: float) -> int:
    return min(most, max(_ROUNDS, int(_SECONDS / (programs * takes))))

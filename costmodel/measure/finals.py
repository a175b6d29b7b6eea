"""`Finals`: the final comparison, which measures the best programs again beside the default schedule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from costmodel.measure.comparison import Comparison
from costmodel.measure.measurer import Measurer
from costmodel.records import Record, best
from costmodel.space import Config
from costmodel.task import Task

DEFAULT = "default schedule"
GAIN = 1.02
"""How much faster than the default the best of several programs must be, to be more than a lucky one."""


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


def run_finals(
    task: Task,
    trials: Mapping[str, Sequence[Record]],
    measurer: Measurer,
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
    measurer : Measurer
    finalists : int
        Number of programs of each run that are compared first.
    baseline : bool
        Whether to include NumPy's usual implementation.
    rounds : int
        Number of measurements of each program in the last comparison.

    Returns
    -------
    Finals
        The default first, then the winner of each run that has one, NumPy last.

    Raises
    ------
    MeasureError
        If one of the programs fails, or its outputs are wrong.
    """
    configs = {DEFAULT: task.space.default}
    for name, run in trials.items():
        candidates = [task.space.config(r.config) for r in best(run, task.key, finalists)]
        # one high cost must not make the winner slower than the program that is there without a search
        default = configs[DEFAULT]
        tried = any(r.ok and r.config == default.plain() for r in run)
        if tried and default not in candidates:
            candidates.append(default)
        if len(candidates) > 1:
            named = {str(c.index): c for c in candidates}
            again = {c.name: c.gflops for c in measurer.compare(task, named, rounds=7)}
            winner = max(again, key=lambda name: again[name])
            if tried and again[winner] < GAIN * again[str(default.index)]:
                winner = str(default.index)
            candidates = [named[winner]]
        if candidates:
            configs[name] = candidates[0]
    comparisons = measurer.compare(task, configs, baseline=baseline, rounds=rounds)
    return Finals(task, comparisons, configs)

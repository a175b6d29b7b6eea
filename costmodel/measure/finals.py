"""The final comparison: winners are measured again, in turns with the default schedule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from costmodel.measure.measurer import Comparison, Measurer
from costmodel.records import Record, best
from costmodel.space import Config
from costmodel.task import Task

DEFAULT = "default schedule"


@dataclass(frozen=True)
class Finals:
    """Programs of one task, measured in turns after each one's answer was compared with the reference.

    Parameters
    ----------
    task : Task
    comparisons : list of Comparison
    configs : dict
        Name to configuration, for those that have one.
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

    The lowest of many noisy costs flatters its program, so the best few of each run are first compared
    among themselves, and the winner is then measured afresh.

    Parameters
    ----------
    task : Task
    trials : mapping from str to sequence of Record
        The runs, and what their winners are called.
    measurer : Measurer
    finalists : int
        How many of each run are compared first.
    baseline : bool
        Whether NumPy's way takes part.
    rounds : int
        Turns of the final measurement.

    Returns
    -------
    Finals
        The default first, then a winner for each run that has one, NumPy's last.

    Raises
    ------
    MeasureError
        If one of the programs fails now, or its answer is wrong.
    """
    configs = {DEFAULT: task.space.default}
    for name, run in trials.items():
        candidates = [task.space.config(r.config) for r in best(run, task.key, finalists)]
        if len(candidates) > 1:
            named = {str(c.index): c for c in candidates}
            again = measurer.compare(task, named, rounds=7)
            winner = max(again, key=lambda c: c.gflops).name
            candidates = [named[winner]]
        if candidates:
            configs[name] = candidates[0]
    comparisons = measurer.compare(task, configs, baseline=baseline, rounds=rounds)
    return Finals(task, comparisons, configs)

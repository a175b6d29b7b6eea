"""`TuneResult`: the outcome of a run, and `TotalResult`, that of a run over many tasks."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from costmodel.measure.finals import DEFAULT, Finals, Speedup
from costmodel.records import Record
from costmodel.space import Config
from costmodel.task import Task


@dataclass(repr=False)
class TuneResult:
    """The outcome of a run.

    Parameters
    ----------
    task : Task
    source : str
    records : list of Record
        Every trial in order, those of an earlier run first.
    resumed : int
        Number of trials that came from the records.
    seconds : float
        Duration of this run.
    correlations : list of float
        One for each batch that the model chose.
    interrupted : bool
        Whether Ctrl-C ended the run.
    stopped : str
        Why the run ended: ``"trials"`` after all of them, ``"seconds"``, ``"patience"`` without an
        improvement, ``"callback"``, ``"failures"`` that were all alike, ``"explorer"`` without more
        proposals, or ``"interrupted"``.
    set_aside : dict of str to int
        Reason -> number of the task's records that do not count: of another machine, or of configurations
        that its space no longer has.
    refused : dict of int to str
        Index of a configuration -> why it was not measured, see `costmodel.refuse`.
    context : dict
        The conditions of the measurements, see `costmodel.Measurer.context`.
    finals : Finals or None
        The comparison at the end of the search, in which the winner of the best few programs took turns with
        the default; None without one.
    final : Record or None
        The winner of the last comparison, of this run or of an earlier one in the records.
    """

    task: Task
    source: str
    records: list[Record] = field(default_factory=list)
    resumed: int = 0
    seconds: float = 0.0
    correlations: list[float] = field(default_factory=list)
    interrupted: bool = False
    stopped: str = ""
    set_aside: dict[str, int] = field(default_factory=dict)
    refused: dict[int, str] = field(default_factory=dict)
    context: dict[str, Any] = field(default_factory=dict)
    finals: Finals | None = None
    final: Record | None = None

    def __repr__(self) -> str:
        trials = f"{len(self.records)} trials, {sum(self.failures.values())} failed"
        best = f"best {self.best_gflops:.1f} GFLOP/s" if self.best else "no program"
        return f"TuneResult({self.task.key}: {trials}, {best}, stopped by {self.stopped!r})"

    @property
    def best(self) -> Record | None:
        """The winner of the final comparison; without one, the fastest trial; None if every one failed."""
        if self.final is not None:
            return self.final
        # after each trial a search needs it, so it must not sort all records
        fastest = min(self.records, key=lambda r: (r.cost, r.timestamp), default=None)
        return fastest if fastest is not None and fastest.ok else None

    @property
    def best_config(self) -> Config | None:
        """The configuration of `best`."""
        return None if self.best is None else self.task.space.config(self.best.config)

    @property
    def speedup(self) -> Speedup | None:
        """How many times the speed of the default the winner of `finals` has; 1 if that is the default.

        None without a comparison, or where the default failed.
        """
        if self.finals is None or DEFAULT not in self.finals.configs:
            return None
        return self.finals.speedup(self.finals.winner)

    @property
    def best_gflops(self) -> float:
        """Speed of `best`; zero if every trial failed."""
        return self.task.gflops(self.best.cost) if self.best else 0.0

    @property
    def failures(self) -> dict[str, int]:
        """Reason to number of failed trials, the most frequent first."""
        return dict(Counter(r.reason for r in self.records if not r.ok).most_common())

    def curve(self) -> np.ndarray:
        """Return the best GFLOP/s after each trial, float64 of shape (trials,)."""
        speeds = [self.task.gflops(r.cost) if r.ok else 0.0 for r in self.records]
        return np.maximum.accumulate(np.array(speeds, dtype=np.float64)) if speeds else np.zeros(0)

    def seconds_per_trial(self) -> float:
        """Return the seconds of this run per trial that it measured."""
        measured = len(self.records) - self.resumed
        return self.seconds / measured if measured else 0.0


@dataclass(repr=False)
class TotalResult:
    """The outcome of a run over many tasks.

    Parameters
    ----------
    results : list of TuneResult
        One for each task, in the order in which they were given.
    weights : list of float
        How often each task occurs.
    seconds : float
        Duration of this run.
    interrupted : bool
        Whether Ctrl-C ended the run.
    stopped : str
        Why the run ended: ``"trials"``, ``"seconds"``, ``"patience"``, ``"callback"``, ``"tasks"`` when every
        task has ended by itself, or ``"interrupted"``.
    errors : dict of str to str
        Key of a task whose candidates all fail -> the first error.
    history : list of (int, float, float)
        After each trial of this run: trials of all tasks, seconds of the run, and the total.
    context : dict
        As that of `TuneResult`.
    """

    results: list[TuneResult]
    weights: list[float]
    seconds: float = 0.0
    interrupted: bool = False
    stopped: str = ""
    errors: dict[str, str] = field(default_factory=dict)
    history: list[tuple[int, float, float]] = field(default_factory=list)
    context: dict[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        total = f"total {self.total * 1e3:.4g} ms"
        failed = f", {len(self.errors)} tasks failed" if self.errors else ""
        return (
            f"TotalResult({len(self.results)} tasks{failed}: {self.trials} trials, {total}, "
            f"stopped by {self.stopped!r})"
        )

    @property
    def trials(self) -> int:
        """Number of trials of all tasks, those of the records included."""
        return sum(len(result.records) for result in self.results)

    @property
    def total(self) -> float:
        """Weighted sum of the best seconds of each task; infinite if one has no program."""
        costs = (result.best.cost if result.best else math.inf for result in self.results)
        return sum(weight * cost for weight, cost in zip(self.weights, costs, strict=True))

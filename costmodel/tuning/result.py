"""`TuneResult`: the outcome of a run, and `TotalResult`, that of a run over many tasks."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from costmodel.records import Record
from costmodel.task import Task


@dataclass
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

    @property
    def best(self) -> Record | None:
        """The fastest trial; None if every one failed."""
        # after each trial a search needs it, so it must not sort all records
        fastest = min(self.records, key=lambda r: (r.cost, r.timestamp), default=None)
        return fastest if fastest is not None and fastest.ok else None

    @property
    def best_gflops(self) -> float:
        """Speed of the best trial; zero if every one failed."""
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


@dataclass
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

    @property
    def trials(self) -> int:
        """Number of trials of all tasks, those of the records included."""
        return sum(len(result.records) for result in self.results)

    @property
    def total(self) -> float:
        """Weighted sum of the best seconds of each task; infinite if one has no program."""
        costs = (result.best.cost if result.best else math.inf for result in self.results)
        return sum(weight * cost for weight, cost in zip(self.weights, costs, strict=True))

"""`TaskStudy`: what the records of one task on one machine state; `study` makes them of record files."""

from __future__ import annotations

import math
import os
import statistics
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from costmodel import records as record_file
from costmodel.records import Record, RecordWarning
from costmodel.space import Config
from costmodel.task import Task

UNKNOWN = "of operators or shapes that are unknown here"
NO_PLACE = "of configurations that the space does not have"
TWICE = "given twice"
IMPOSSIBLE = "that succeeded without a cost above zero"


@dataclass(frozen=True)
class TaskStudy:
    """The records of one task on one machine.

    Parameters
    ----------
    task : Task
    cpu : str
        The machine.
    runs : tuple of tuples of Record
        The trials of each search in their order.
    final : Record, optional
        The winner of the last final comparison.
    """

    task: Task
    cpu: str
    runs: tuple[tuple[Record, ...], ...]
    final: Record | None = None

    @cached_property
    def records(self) -> list[Record]:
        """Every trial, run after run."""
        return [record for run in self.runs for record in run]

    @cached_property
    def measured(self) -> list[Record]:
        """The trials that ran."""
        return [record for record in self.records if record.ok]

    @property
    def unit(self) -> str:
        """Unit of `speed`."""
        return "GFLOP/s" if self.task.flops else "calls/s"

    def speed(self, seconds: float) -> float:
        """Return the speed of a call of that many seconds; zero for infinitely many."""
        return self.task.gflops(seconds) if self.task.flops else 1.0 / seconds

    @cached_property
    def best(self) -> Record | None:
        """The trial of the program that won the last final comparison; without one, the fastest trial.

        None if every one failed.
        """
        of = self.measured
        if self.final is not None:
            of = [r for r in of if r.config == self.final.config]
        return min(of, key=lambda r: (r.cost, r.timestamp), default=self.final)

    @cached_property
    def best_config(self) -> Config | None:
        """Its configuration."""
        return self.task.space.config(self.best.config) if self.best else None

    @cached_property
    def default_cost(self) -> float | None:
        """Seconds of the default configuration, the median of its trials; None if none of them ran."""
        default = self.task.space.default.plain()
        costs = [r.cost for r in self.measured if r.config == default]
        return statistics.median(costs) if costs else None

    @property
    def speedup(self) -> float | None:
        """How many times as fast as the default the best is, where both ran."""
        if self.best is None or self.default_cost is None:
            return None
        return self.default_cost / self.best.cost

    @cached_property
    def failures(self) -> dict[str, list[Record]]:
        """Reason -> the trials that failed for it, the most frequent first."""
        found: dict[str, list[Record]] = {}
        for record in self.records:
            if not record.ok:
                found.setdefault(record.reason, []).append(record)
        return dict(sorted(found.items(), key=lambda item: (-len(item[1]), item[0])))

    @property
    def noise(self) -> float | None:
        """Relative standard error of a cost, the median of those that records state."""
        stated = [r.noise for r in self.measured if r.noise is not None]
        return statistics.median(stated) if stated else None

    @property
    def drifts(self) -> list[tuple[int, float]]:
        """Number of a trial, among all of them, and the drift that it states."""
        return [(n, r.drift) for n, r in enumerate(self.records, 1) if r.ok and r.drift is not None]

    def curve(self, run: Sequence[Record]) -> np.ndarray:
        """Return the best speed after each trial of a run, float64 of shape (trials,)."""
        speeds = [self.speed(r.cost) if r.ok else 0.0 for r in run]
        return np.maximum.accumulate(np.array(speeds, np.float64))

    def curves(self) -> dict[str, np.ndarray]:
        """Return the median of the curves of the runs of each explorer; a run that is over keeps its best."""
        named: dict[str, list[np.ndarray]] = {}
        for run in self.runs:
            name = ", then ".join(dict.fromkeys(r.source for r in run))
            named.setdefault(name, []).append(self.curve(run))
        medians = {}
        for name, curves in sorted(named.items()):
            length = max(map(len, curves))
            padded = [np.pad(c, (0, length - len(c)), mode="edge") for c in curves]
            medians[name] = np.median(padded, axis=0)
        return medians


@dataclass
class Studies:
    """The tasks of record files, and what of these does not count.

    Parameters
    ----------
    tasks : list of TaskStudy
        In the order of their first record.
    files : int
        Number of files.
    records : int
        Number of records in them.
    aside : Counter
        Reason -> number of records.
    notes : list of str
        What was wrong with lines of the files, and tasks that are unknown.
    """

    tasks: list[TaskStudy] = field(default_factory=list)
    files: int = 0
    records: int = 0
    aside: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)


def study(files: Iterable[str | os.PathLike[str]], task: str | None = None) -> Studies:
    """Read record files, and sort their records by task and machine.

    Parameters
    ----------
    files : iterable of path
    task : str, optional
        A part of the key of the tasks to read; by default all.

    Raises
    ------
    FileNotFoundError
        If a file does not exist.
    ValueError
        If there is no record of a task that is known here.
    """
    found = Studies()
    seen: set[str] = set()
    known: dict[str, Task | None] = {}
    groups: dict[tuple[str, str], list[list[Record]]] = {}
    finals: dict[tuple[str, str], Record] = {}
    names: list[str] = []
    for file in files:
        found.files += 1
        names.append(os.fspath(file))
        open_runs: dict[tuple[str, str], list[list[Record]]] = {}
        for record in _load(file, found):
            found.records += 1
            if task is not None and task not in record.task:
                continue
            if record.line() in seen:
                found.aside[TWICE] += 1
                continue
            seen.add(record.line())
            if record.task not in known:
                known[record.task] = _task(record, found)
            of = known[record.task]
            reason = UNKNOWN if of is None else _unusable(of, record)
            if reason:
                found.aside[reason] += 1
                continue
            key = record.task, record.cpu
            if record.final:
                last = finals.get(key, record)
                finals[key] = max(last, record, key=lambda r: r.timestamp)
                groups.setdefault(key, [])
                continue
            runs = open_runs.setdefault(key, [])
            if not runs:
                groups.setdefault(key, [])
            _append(runs, groups[key], record)
    for (name, cpu), every in groups.items():
        of = known[name]
        assert of is not None
        found.tasks.append(TaskStudy(of, cpu, tuple(map(tuple, every)), finals.get((name, cpu))))
    if not found.tasks:
        raise ValueError(_nothing(found, ", ".join(names), task))
    return found


def _load(file: str | os.PathLike[str], found: Studies) -> list[Record]:
    """Return the records of a file, and note its warnings, which are given again."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", RecordWarning)
        records = record_file.load(file)
    for warning in caught:
        found.notes.append(str(warning.message))
        warnings.warn(warning.message, stacklevel=3)
    return records


def _task(record: Record, found: Studies) -> Task | None:
    try:
        task = Task(record.operator, record.shape, record.target)
        _ = task.space.default, task.flops
    except Exception as error:  # of a user's template, which may raise anything
        found.notes.append(f"{record.task}: {type(error).__name__}: {error}")
        return None
    return task


def _unusable(task: Task, record: Record) -> str:
    """Why a record does not count; empty if it does."""
    try:
        task.space.config(record.config)
    except (ValueError, TypeError, KeyError):
        return NO_PLACE
    if record.ok:
        flops = max(task.flops, 1)
        if not 0 < record.cost < math.inf or not math.isfinite(flops / record.cost):
            return IMPOSSIBLE
    return ""


def _append(runs: list[list[Record]], every: list[list[Record]], record: Record) -> None:
    """Add a record to the run that it continues: that of the nearest number before, and of its explorer.

    Searches that append to one file at the same time are told apart by that.
    """
    fitting = [run for run in runs if run[-1].trial < record.trial]
    if fitting:

        def distance(run: list[Record]) -> tuple[int, bool]:
            return record.trial - run[-1].trial, run[-1].source != record.source

        min(fitting, key=distance).append(record)
        return
    runs.append([record])
    every.append(runs[-1])


def _nothing(found: Studies, names: str, task: str | None) -> str:
    if not found.records:
        return f"{names or 'no file'}: there is no record to report"
    if task is not None and not found.aside:
        return f"{names}: no record is of a task with {task!r} in its key"
    aside = record_file.set_aside(found.aside)
    notes = f" ({'; '.join(found.notes)})" if found.notes else ""
    return f"{names}: there is no record to report: {aside}{notes}"

"""`Run`: the trials of one search, resumed from and added to a record file."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from costmodel import records as record_file
from costmodel.measure.measurer import Measurer
from costmodel.model import rank_correlation
from costmodel.records import Record, RecordWarning
from costmodel.task import Task
from costmodel.tuning.progress import Progress
from costmodel.tuning.result import TuneResult


class Run:
    """The trials of one run: those of the record file, and those that it measures.

    Parameters
    ----------
    task : Task
    source : str
        Name of the explorer in records.
    trials : int
        Number of trials, those of the records included.
    path : Path or None
        The record file.
    measurer : Measurer
    callback : callable, optional
        Called with each `Progress`.
    """

    def __init__(
        self,
        task: Task,
        source: str,
        trials: int,
        path: Path | None,
        measurer: Measurer,
        callback: Callable[[Progress], None] | None,
    ) -> None:
        self.task = task
        self.path = path
        self.measurer = measurer
        self.callback = callback
        self.began = time.perf_counter()
        self.result = TuneResult(task, source)
        self.visited: set[int] = set()
        if path is not None and path.exists():
            self._resume(path)
        # a small space may have fewer configurations than `trials`
        self.trials = min(trials, task.space.size)
        self.result.resumed = len(self.result.records)

    def _resume(self, path: Path) -> None:
        for record in record_file.load(path):
            same = record.task == self.task.key and record.source == self.result.source
            if not same or record.cpu != self.measurer.machine:
                continue
            try:
                index = self.task.space.config(record.config).index
            except ValueError as error:
                warnings.warn(
                    f"{path.name}: trial {record.trial} of {record.task} is not used: {error}",
                    RecordWarning,
                    stacklevel=4,
                )
                continue
            if index not in self.visited and index == record.index:
                self.visited.add(index)
                self.result.records.append(record)

    def measure(self, index: int) -> None:
        """Measure and record a configuration."""
        config = self.task.space.at(index)
        outcome = self.measurer.measure(self.task, config)
        trial = len(self.result.records) + 1
        source, cpu = self.result.source, self.measurer.machine
        record = Record.of(self.task, config, outcome, cpu=cpu, source=source, trial=trial)
        if self.path is not None:
            record_file.append(self.path, record)
        self.visited.add(index)
        self.result.records.append(record)
        self.report(record)

    def compare_with(self, expected: np.ndarray) -> None:
        """Add the rank correlation of scores with the speeds of the last trials."""
        last = self.result.records[-len(expected) :]
        speeds = np.array([1.0 / r.cost if r.ok else 0.0 for r in last])
        scored = np.isfinite(expected)
        self.result.correlations.append(rank_correlation(expected[scored], speeds[scored]))

    def report(self, last: Record | None = None) -> None:
        """Call the callback, if there is one, with the progress of the run."""
        if self.callback is None:
            return
        result = self.result
        done = len(result.records)
        measured = done - result.resumed
        pace = (time.perf_counter() - self.began) / measured if measured else 0.0
        progress = Progress(
            task=self.task,
            source=result.source,
            trial=done,
            trials=self.trials,
            resumed=result.resumed,
            best_gflops=result.best_gflops,
            correlation=result.correlations[-1] if result.correlations else None,
            failures=result.failures,
            seconds_left=pace * max(self.trials - done, 0),
            last=last,
        )
        self.callback(progress)

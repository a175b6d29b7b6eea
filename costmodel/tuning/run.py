"""`Run`: the trials of one search, resumed from and added to a record file."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from costmodel import records as record_file
from costmodel.learned import rank_correlation
from costmodel.measure.protocol import Runner
from costmodel.records import Record
from costmodel.task import Task
from costmodel.tuning.progress import Progress
from costmodel.tuning.result import TuneResult
from costmodel.tuning.settings import Settings
from costmodel.tuning.stop import Deadline, Patience, SameFailures, StopTuning

Callback = Callable[[Progress], Any]


class Run:
    """The trials of one run: those of the record file, and those that it measures.

    Parameters
    ----------
    task : Task
    settings : Settings
    trials : int or None
        Number of trials, those of the records included; None for all of the space.
    records : sequence of Record
        What the record file holds.
    path : Path or None
        The record file.
    measurer : Runner

    Attributes
    ----------
    visited : set of int
        Indices of the configurations that are measured.
    final : list of Record
        Winners of the final comparisons of earlier runs.
    """

    def __init__(
        self,
        task: Task,
        settings: Settings,
        trials: int | None,
        records: Sequence[Record],
        path: Path | None,
        measurer: Runner,
    ) -> None:
        self.task = task
        self.path = path
        self.measurer = measurer
        self.deadline = Deadline(settings.seconds)
        self.result = TuneResult(task, settings.source)
        self.visited: set[int] = set()
        self.final: list[Record] = []
        self.patience = Patience(settings.patience)
        self._resume(records)
        # a small space may have fewer configurations than `trials`
        self.trials = task.space.size if trials is None else min(trials, task.space.size)
        self.result.resumed = len(self.result.records)
        left = max(self.trials - len(self.result.records), 1)
        self.alike = SameFailures(min(settings.batch_size, left), self.result.best is not None)
        # called with the progress after each trial; True ends the search
        self.callback: Callback | None = None

    def _resume(self, records: Iterable[Record]) -> None:
        aside: Counter[str] = Counter()
        found: dict[int, Record] = {}
        # the winner of a comparison was a trial before, if that is still in the file
        for record in sorted(records, key=lambda r: r.final):
            if record.task != self.task.key:
                continue
            if record.cpu != self.measurer.machine:
                aside["of another machine"] += 1
                continue
            try:
                index = self.task.space.config(record.config).index
            except ValueError:
                aside["of configurations that the space does not have"] += 1
                continue
            if record.final:
                self.final.append(dataclasses.replace(record, index=index))
            if index not in found or (record.ok and not found[index].ok):
                found[index] = dataclasses.replace(record, index=index)
        if found and not any(record.ok for record in found.values()):
            # the template, the reference or the machine was broken, and may be repaired since
            aside["of a search in which every trial failed"] += len(found)
            found = {}
        self.visited.update(found)
        self.result.records += found.values()
        for record in found.values():
            self.patience.note(record.cost)
        self.result.set_aside = dict(aside)

    @property
    def stopped(self) -> str:
        """Why the search has ended; empty while it goes on."""
        if not self.result.stopped:
            if self.alike.first is not None:
                self.result.stopped = "failures"
            elif len(self.visited) >= self.trials:
                self.result.stopped = "trials"
            elif self.patience.over:
                self.result.stopped = "patience"
            elif not self.deadline.left:
                self.result.stopped = "seconds"
        return self.result.stopped

    def measure(self, indices: Sequence[int], check: Callable[[], None]) -> int:
        """Measure and record configurations until the search stops; return how many.

        Parameters
        ----------
        indices : sequence of int
        check : callable
            Called before each measurement; raises KeyboardInterrupt if Ctrl-C was pressed.
        """
        configs = [self.task.space.at(index) for index in indices]
        done = 0
        results = self.measurer.measure_many(self.task, configs)
        try:
            for config in configs:
                check()
                if self.stopped:
                    break
                outcome = next(results)
                trial = len(self.result.records) + 1
                source, cpu = self.result.source, self.measurer.machine
                record = Record.of(self.task, config, outcome, cpu=cpu, source=source, trial=trial)
                if self.path is not None:
                    record_file.append(self.path, record)
                self.visited.add(config.index)
                self.result.records.append(record)
                self.patience.note(record.cost)
                self.alike.note(outcome)
                done += 1
                self.report(record)
        finally:  # candidates that are built ahead are given up
            close = getattr(results, "close", None)
            if close is not None:
                close()
        return done

    def close(self) -> None:
        """Make the winner of an earlier comparison the best of the result, if this run had no comparison."""
        if self.result.final is None:
            self.result.final = max(self.final, key=lambda r: r.timestamp, default=None)

    def compare_with(self, expected: np.ndarray) -> None:
        """Add the rank correlation of scores with the speeds of the last trials."""
        last = self.result.records[len(self.result.records) - len(expected) :]
        speeds = np.array([1.0 / r.cost if r.ok else 0.0 for r in last])
        scored = np.isfinite(expected)
        self.result.correlations.append(rank_correlation(expected[scored], speeds[scored]))

    def report(self, last: Record | None = None) -> None:
        """Call the callback, if there is one, with the progress of the run."""
        if self.callback is None:
            return
        try:
            end = self.callback(self.progress(last)) is True
        except StopTuning:
            end = True
        if end:
            self.result.stopped = "callback"

    def progress(self, last: Record | None = None) -> Progress:
        """Return the state of the run."""
        result = self.result
        done = len(result.records)
        measured = done - result.resumed
        pace = self.deadline.elapsed / measured if measured else 0.0
        return Progress(
            task=self.task,
            source=result.source,
            trial=done,
            trials=self.trials,
            resumed=result.resumed,
            best_gflops=result.best_gflops,
            correlation=result.correlations[-1] if result.correlations else None,
            failures=result.failures,
            seconds_left=min(pace * max(self.trials - done, 0), self.deadline.left),
            last=last,
            best=result.best,
            refused=len(result.refused),
        )

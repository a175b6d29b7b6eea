"""The tuning loop: propose, select, measure, record, refit."""

from __future__ import annotations

import os
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from compiler import Target
from compiler.suggest import unknown
from costmodel import records as record_file
from costmodel.explore import AnnealingExplorer, Explorer, RandomExplorer
from costmodel.features import extract
from costmodel.interrupt import CtrlC
from costmodel.measure.measurer import Measurer
from costmodel.model import BoostedTreeCostModel, CostModel, rank_correlation
from costmodel.records import Record, RecordWarning
from costmodel.select import choose_batch, upper_bound
from costmodel.task import Task

EXPLORERS = ("model", "random")


@dataclass(frozen=True)
class Progress:
    """The state of a run after a trial.

    Parameters
    ----------
    task : Task
    source : str
        ``"model"``, ``"random"`` or the explorer's own name.
    trial, trials : int
        Trials done (those of the records included), and how many there will be.
    resumed : int
        How many of them came from the records.
    best_gflops : float
        Zero before the first success.
    correlation : float or None
        Rank correlation of the model's scores with what the last whole batch then measured.
    failures : dict
        Reason to number of trials.
    seconds_left : float
        Estimated.
    last : Record or None
        The trial that was just recorded.
    """

    task: Task
    source: str
    trial: int
    trials: int
    resumed: int
    best_gflops: float
    correlation: float | None
    failures: dict[str, int]
    seconds_left: float
    last: Record | None


@dataclass
class TuneResult:
    """What a run found.

    Parameters
    ----------
    task : Task
    source : str
    records : list of Record
        Every trial in order, those of an earlier run first.
    resumed : int
        How many came from the records.
    seconds : float
        Time of this run.
    correlations : list of float
        One per batch that the model chose.
    interrupted : bool
        Whether Ctrl-C ended the run.
    """

    task: Task
    source: str
    records: list[Record] = field(default_factory=list)
    resumed: int = 0
    seconds: float = 0.0
    correlations: list[float] = field(default_factory=list)
    interrupted: bool = False

    @property
    def best(self) -> Record | None:
        """The quickest trial; None when every one failed."""
        found = record_file.best(self.records)
        return found[0] if found else None

    @property
    def best_gflops(self) -> float:
        """Speed of the best trial; zero when every one failed."""
        return self.task.gflops(self.best.cost) if self.best else 0.0

    @property
    def failures(self) -> dict[str, int]:
        """Reason to number of failed trials, the most frequent first."""
        return dict(Counter(r.reason for r in self.records if not r.ok).most_common())

    def curve(self) -> np.ndarray:
        """Best GFLOP/s after each trial, float64 of shape (trials,)."""
        speeds = [self.task.gflops(r.cost) if r.ok else 0.0 for r in self.records]
        return np.maximum.accumulate(np.array(speeds, dtype=np.float64)) if speeds else np.zeros(0)

    def seconds_per_trial(self) -> float:
        """Seconds of this run for each trial that it measured itself."""
        measured = len(self.records) - self.resumed
        return self.seconds / measured if measured else 0.0


class Scorer:
    """A model's opinion of configurations; each one's features are read once.

    Parameters
    ----------
    task : Task
    model : CostModel
    optimism : float
        What counts is the score and so many of its standard deviations, see `costmodel.select.upper_bound`.
    """

    def __init__(self, task: Task, model: CostModel, optimism: float = 0.0) -> None:
        self.task = task
        self.model = model
        self.optimism = optimism
        self._features: dict[int, np.ndarray | None] = {}

    def features(self, index: int) -> np.ndarray | None:
        """The features of a configuration; None when the template makes no program of it."""
        if index not in self._features:
            import compiler

            try:
                schedule, args = self.task.instantiate(index)
                self._features[index] = extract(compiler.loop_nest(schedule, args))
            except ValueError:  # the measurement of such a candidate says why
                self._features[index] = None
        return self._features[index]

    def __call__(self, indices: Sequence[int]) -> np.ndarray:
        """What counts for the search, higher for better, minus infinity where there is no program."""
        return self._of_programs(indices, self._hopeful if self.optimism else self.model.predict)

    def expected(self, indices: Sequence[int]) -> np.ndarray:
        """The model's own scores, in the same form."""
        return self._of_programs(indices, self.model.predict)

    def _hopeful(self, features: np.ndarray) -> np.ndarray:
        return upper_bound(*self.model.predict_uncertainty(features), self.optimism)

    def _of_programs(self, indices: Sequence[int], of: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        scores = np.full(len(indices), -np.inf)
        rows = [(i, row) for i, index in enumerate(indices) if (row := self.features(index)) is not None]
        if rows:
            scores[[i for i, _ in rows]] = of(np.stack([row for _, row in rows]))
        return scores

    def learn(self, trials: Iterable[Record]) -> bool:
        """Fit the model to all trials; False when they say nothing about order."""
        # a template that brought its process down must not be run in this one
        kept = [(self.features(r.index), r) for r in trials if r.ok or r.index in self._features]
        rows = [(row, 1.0 / r.cost if r.ok else 0.0) for row, r in kept if row is not None]
        throughputs = np.array([t for _, t in rows])
        if len(rows) < 2 or throughputs.min() == throughputs.max():
            return False
        self.model.fit(np.stack([row for row, _ in rows]), throughputs)
        return True


def tune(
    task: Task,
    trials: int = 128,
    *,
    explorer: str | Explorer = "model",
    model: CostModel | None = None,
    records: str | os.PathLike[str] | None = None,
    measurer: Measurer | None = None,
    batch_size: int = 16,
    seed: int = 0,
    epsilon: float = 0.05,
    optimism: float = 0.0,
    callback: Callable[[Progress], None] | None = None,
) -> TuneResult:
    """Search for a fast program.

    The first batch is random. From then on the model is fitted to all trials before each batch, the
    explorer proposes by its scores, and `costmodel.select` chooses from the proposals. The same seed
    and the same measured costs give the same proposals.

    Parameters
    ----------
    task : Task
    trials : int
        How many configurations to measure, those of the records included.
    explorer : str or Explorer
        ``"model"`` for annealing by the model's scores, ``"random"``, or an explorer of your own.
    model : CostModel, optional
        Boosted trees unless told. Random search has none.
    records : path, optional
        Each trial is appended here. Trials of the same task, source and CPU that are there already count,
        and none of them is measured again.
    measurer : Measurer, optional
        One is made, and ended, unless given.
    batch_size : int
        Trials between two fits.
    seed : int
    epsilon : float
        Share of random configurations in each batch.
    optimism : float
        Search by the model's scores and so many of their standard deviations, so that programs unlike those
        that were measured are tried earlier; see `costmodel.select.upper_bound`.
    callback : callable, optional
        Called with a `Progress` at the start and after each trial.

    Returns
    -------
    TuneResult
        On Ctrl-C too: with ``interrupted`` set and all that was measured.

    Raises
    ------
    ValueError
        For an unknown explorer, trials or a batch size below 1, an optimism below 0, or a target that is not
        this machine.
    """
    if trials < 1 or batch_size < 1:
        raise ValueError(f"trials {trials} and batch_size {batch_size} must be at least 1")
    if not optimism >= 0:
        raise ValueError(f"optimism must be at least 0, not {optimism}")
    if not Target.parse(task.target).runs_here:
        raise ValueError(
            f"programs for {task.target!r} cannot run on this machine, so they cannot be tuned on it"
        )
    chosen, source = _explorer(explorer, task)
    scorer = None if source == "random" else Scorer(task, model or BoostedTreeCostModel(seed=seed), optimism)
    own = measurer is None
    bench = Measurer() if measurer is None else measurer
    path = Path(records) if records is not None else None
    run = _Run(task, source, trials, path, bench, callback)
    try:
        with CtrlC() as ctrl_c:
            run.report()
            if len(run.visited) < run.trials:
                bench.start()
            while len(run.visited) < run.trials:
                rng = np.random.default_rng([seed, len(run.visited)])
                wanted = min(batch_size, run.trials - len(run.visited))
                warm = len(run.visited) >= min(batch_size, run.trials)
                use_model = scorer is not None and warm and scorer.learn(run.result.records)
                if use_model and scorer is not None:
                    elites = [r.index for r in record_file.best(run.result.records, n=4 * batch_size)]
                    proposals = chosen.propose(3 * wanted, scorer, run.visited, rng=rng, elites=elites)
                    batch = choose_batch(task.space, proposals, wanted, run.visited, rng=rng, epsilon=epsilon)
                    expected = scorer.expected(batch)
                else:
                    batch = task.space.random(rng, wanted, run.visited)
                for index in batch:
                    ctrl_c.check()
                    run.measure(index)
                if use_model:
                    run.compare_with(expected)
    except KeyboardInterrupt:
        run.result.interrupted = True
    finally:
        if own:
            bench.close()
    run.result.seconds = time.perf_counter() - run.began
    return run.result


def _explorer(explorer: str | Explorer, task: Task) -> tuple[Explorer, str]:
    if not isinstance(explorer, str):
        return explorer, explorer.name
    if explorer == "model":
        return AnnealingExplorer(task.space), "model"
    if explorer == "random":
        return RandomExplorer(task.space), "random"
    raise ValueError(unknown("explorer", explorer, EXPLORERS))


class _Run:
    """The trials of one run: those found in the records, and those that it adds."""

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
        # a small space is exhausted earlier
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
        last = self.result.records[-len(expected) :]
        speeds = np.array([1.0 / r.cost if r.ok else 0.0 for r in last])
        known = np.isfinite(expected)
        self.result.correlations.append(rank_correlation(expected[known], speeds[known]))

    def report(self, last: Record | None = None) -> None:
        if self.callback is None:
            return
        result = self.result
        done = len(result.records)
        here = done - result.resumed
        pace = (time.perf_counter() - self.began) / here if here else 0.0
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

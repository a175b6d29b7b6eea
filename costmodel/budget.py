"""`tune_all`: a budget of trials over many tasks, given to the one that promises to save the most total time.

The total is the weighted sum of the best times of all tasks, such as the time of a network by its layers.
After a round in which every task is tried, each batch goes to the task with the steepest expected decrease of
the total (Zheng et al., Ansor, OSDI 2020, section 6.2 and appendix A).
"""

from __future__ import annotations

import math
import os
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from costmodel import records as record_file
from costmodel.learned import CostModel
from costmodel.measure.measurer import Measurer
from costmodel.measure.protocol import Runner
from costmodel.task import Task
from costmodel.transfer.start import Warm
from costmodel.tune import check_trials, model_of
from costmodel.tuning.conclude import conclude
from costmodel.tuning.interrupt import CtrlC
from costmodel.tuning.progress import Progress, TaskShare, TotalProgress
from costmodel.tuning.result import TotalResult, TuneResult
from costmodel.tuning.run import Run
from costmodel.tuning.search import Search
from costmodel.tuning.settings import Settings
from costmodel.tuning.stop import Deadline, Patience, StopTuning, TuningError, whole

# Trials of each task where neither a number of trials nor a time is given.
TRIALS_EACH = 64
# first trials of a task, where the time is limited and that of a trial is not known
_FIRST = 4
# Share of the slope of the last batches in the expected decrease; the rest is what could still be gained.
RECENT = 0.2
# A task is expected to reach at most so many times the speed of the tasks that are similar to it.
BEYOND_SIMILAR = 2.0
# Batches over which the recent slope is measured.
WINDOW = 3
# A task without a program makes the total infinite, so it comes first; after so many batches it comes last.
HOPELESS = 4
# Share of the batches that go to a task at random, so that no estimate starves a task for good.
AT_RANDOM = 0.05


def expected_gain(
    costs: Sequence[float], flops: int, best_similar: float, *, recent: float = RECENT, window: int = WINDOW
) -> float:
    """Return the decrease of a task's time that one more batch is expected to bring, in seconds.

    A mean of two estimates, weighted by `recent`: the slope of the last batches, and the least of two
    optimistic bounds on what is left: that the time falls to zero in as many batches as were measured, and
    that the task reaches twice the speed of the similar tasks.

    Parameters
    ----------
    costs : sequence of float
        The task's best seconds per call after each of its batches, at least one, finite.
    flops : int
        Operations of one call.
    best_similar : float
        The highest speed of a task of the same operator, this one included, in operations per second.
    recent : float
        Weight of the recent slope, 0 to 1.
    window : int
        Batches over which it is measured.
    """
    now, batches = costs[-1], len(costs)
    span = min(window, batches - 1)
    slope = (costs[-1 - span] - now) / span if span else 0.0
    reachable = now - flops / (BEYOND_SIMILAR * best_similar) if best_similar > 0 else now
    left = min(now / batches, max(reachable, 0.0))
    return recent * slope + (1 - recent) * left


class Budget:
    """Chooses the task of the next batch.

    Parameters
    ----------
    tasks : sequence of Task
    weights : sequence of float
    """

    def __init__(self, tasks: Sequence[Task], weights: Sequence[float]) -> None:
        self.tasks = tasks
        self.weights = weights
        # the best cost after each batch, from the first success on, and the number of batches before it
        self.costs: list[list[float]] = [[] for _ in tasks]
        self.failed = [0] * len(tasks)

    def note(self, number: int, cost: float) -> None:
        """Note the best cost of a task after one more batch."""
        if math.isfinite(cost):
            self.costs[number].append(cost)
        else:
            self.failed[number] += 1

    def gains(self) -> np.ndarray:
        """Return the expected decrease of the total by one more batch of each task, in seconds.

        Infinite for a task without a program, which makes the total infinite, and zero after four batches of
        failures.
        """
        speeds: dict[str, float] = {}
        for task, costs in zip(self.tasks, self.costs, strict=True):
            if costs:
                name = task.operator.name
                speeds[name] = max(speeds.get(name, 0.0), task.flops / costs[-1])
        gains = [math.inf if failed < HOPELESS else 0.0 for failed in self.failed]
        for number, (task, costs) in enumerate(zip(self.tasks, self.costs, strict=True)):
            if costs:
                gain = expected_gain(costs, task.flops, speeds[task.operator.name])
                gains[number] = self.weights[number] * gain
        return np.array(gains)

    def choose(self, going: Sequence[int], rng: np.random.Generator) -> int:
        """Return the task of the next batch among those that go on: the one of the greatest gain, or any."""
        if rng.random() < AT_RANDOM:
            return int(rng.choice(going))
        gains = self.gains()
        return max(going, key=lambda number: gains[number])


def tune_all(
    tasks: Iterable[Task] | Mapping[Task, float],
    weights: Sequence[float] | None = None,
    *,
    trials: int | None = None,
    seconds: float | None = None,
    explorer: str = "model",
    model: CostModel | None = None,
    warm: Warm | Iterable[Warm] | None = None,
    shipped: bool = True,
    records: str | os.PathLike[str] | None = None,
    measurer: Runner | None = None,
    batch_size: int = 8,
    seed: int = 0,
    epsilon: float = 0.05,
    optimism: float = 0.0,
    features: str = "store",
    acquisition: str | None = None,
    patience: int | None = None,
    total_patience: int | None = None,
    callback: Callable[[TotalProgress], Any] | None = None,
    finals: bool = True,
) -> TotalResult:
    """Search for fast programs of many tasks, such as the layers of a network, within one budget.

    Every task is tried once; then each batch goes to the task from which the largest decrease of the weighted
    sum of times is expected. All tasks share one model. The same seed and the same measured costs give the
    same proposals. With the features ``"knob"`` each task has its own.

    Parameters
    ----------
    tasks : iterable of Task, or mapping from Task to weight
        Tasks that are equal are tuned once, with the sum of their weights.
    weights : sequence of float, optional
        How often each task occurs; by default once.
    trials : int, optional
        Budget of trials of all tasks, those of the records included; by default 64 for each task, or without
        limit if `seconds` is given.
    seconds : float, optional
        Time budget of the whole run; the trial in flight is completed.
    explorer : str
        As for `tune`.
    model : CostModel, optional
        By default boosted trees, trained on the trials of all tasks.
    warm, shipped
        As for `tune`.
    records : path, optional
        One file for all tasks, as for `tune`.
    measurer, batch_size, seed, epsilon, optimism, features, acquisition
        As for `tune`.
    patience : int, optional
        A task gets no more trials after so many without an improvement of more than a hundredth.
    total_patience : int, optional
        The run ends after so many trials without such an improvement of the total.
    callback : callable, optional
        Called with a `TotalProgress` after each trial. If it returns True or raises `StopTuning`, the run
        ends, and its result is returned.
    finals : bool
        Whether the best programs of each task are measured again at the end, as by `tune`: about four seconds
        for each task.

    Returns
    -------
    TotalResult
        After Ctrl-C too: with ``interrupted`` set and all trials until then.

    Raises
    ------
    ValueError
        For no task, a weight that is not positive, and as `tune`.
    TuningError
        If the candidates of every task fail in the same way.
    """
    given, shares = _unique(tasks, weights)
    settings = Settings(
        explorer=explorer,
        model=model,
        warm=warm,
        shipped=shipped,
        batch_size=batch_size,
        seed=seed,
        epsilon=epsilon,
        optimism=optimism,
        features=features,
        acquisition=acquisition,
        patience=patience,
        seconds=seconds,
    )
    check_trials(trials)
    if not isinstance(explorer, str):
        raise ValueError("an explorer belongs to the space of one task: name a kind of explorer")
    if features == "knob" and model is not None:
        raise ValueError("the features 'knob' differ from task to task, so that no model serves all tasks")
    if total_patience is not None and total_patience < 1:
        raise ValueError(f"total_patience must be at least 1 trial, not {total_patience}")
    if trials is None and seconds is None:
        trials = TRIALS_EACH * len(given)
    path = Path(records) if records is not None else None
    used: Runner = Measurer() if measurer is None else measurer
    try:
        for task in given:
            used.check(task.target)
        run = TotalRun(given, shares, settings, trials, path, used)
        run.callback = callback
        run.patience = Patience(total_patience)
        return run.until_end(finals)
    finally:
        if measurer is None:
            used.close()


class TotalRun:
    """The searches of many tasks, which take turns.

    Parameters
    ----------
    tasks : sequence of Task
    weights : sequence of float
    settings : Settings
        Of every search; its seconds are those of the whole run.
    trials : int or None
        Of all tasks.
    path : Path or None
        The record file.
    measurer : Runner
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        weights: Sequence[float],
        settings: Settings,
        trials: int | None,
        path: Path | None,
        measurer: Runner,
    ) -> None:
        self.settings = settings
        self.measurer = measurer
        self.callback: Callable[[TotalProgress], Any] | None = None
        self.patience = Patience(None)
        self.deadline = Deadline(settings.seconds)
        known = record_file.load(path) if path is not None and path.exists() else []
        # the values of knobs mean something else in each task, so each has a model of its own
        self.shared = settings.features != "knob"
        model = model_of(settings, tasks[0]) if self.shared else None
        self.searches: list[Search] = []
        for number, task in enumerate(tasks):
            run = Run(task, settings, None, known, path, measurer)
            run.callback = lambda progress, number=number: self._report(number, progress)
            self.searches.append(Search(task, settings, run, model or model_of(settings, task)))
        self.result = TotalResult([s.run.result for s in self.searches], list(weights))
        available = sum(s.run.trials for s in self.searches)
        self.trials = available if trials is None else min(trials, available)
        self.resumed = self.result.trials
        self.budget = Budget(tasks, weights)
        self.first_costs = [math.inf] * len(tasks)
        for number, result in enumerate(self.result.results):
            if result.records:
                self._note(number, result)

    def until_end(self, finals: bool = True) -> TotalResult:
        """Run until the budget is spent or something else ends the run, and return the result.

        Parameters
        ----------
        finals : bool
            Whether the best programs of each task are compared then.
        """
        result = self.result
        try:
            with CtrlC() as ctrl_c:
                if not self._stopped():
                    self.measurer.start()
                while not self._stopped():
                    self._batch(ctrl_c.check)
                result.seconds = self.deadline.elapsed
                for search in self.searches if finals else ():
                    ctrl_c.check()
                    conclude(search.run)
        except KeyboardInterrupt:
            result.interrupted = True
            result.stopped = "interrupted"
            result.seconds = self.deadline.elapsed
        for search in self.searches:
            search.run.close()
        result.context = self.measurer.context()
        for one in result.results:
            one.interrupted = result.interrupted
        if len(result.errors) == len(result.results):
            key, message = next(iter(result.errors.items()))
            first = next(one for one in result.results if one.task.key == key)
            raise TuningError(f"the candidates of every task fail; {key}: {message}", first)
        return result

    def _stopped(self) -> str:
        result = self.result
        if not result.stopped:
            if result.trials >= self.trials:
                result.stopped = "trials"
            elif not self.deadline.left:
                result.stopped = "seconds"
            elif self.patience.over:
                result.stopped = "patience"
            elif not self._going():
                result.stopped = "tasks"
        return result.stopped

    def _going(self) -> list[int]:
        return [number for number, search in enumerate(self.searches) if not search.run.stopped]

    def _batch(self, check: Callable[[], None]) -> None:
        """Measure one batch of the task that comes next."""
        going = self._going()
        untried = [n for n in going if not self.result.results[n].records]
        left = self.trials - self.result.trials
        size = min(self.settings.batch_size, left)
        if untried:
            number = untried[0]
            # with a small budget every task still gets its share of the first round
            size = min(size, max(1, min(left, self._affordable()) // len(untried)))
        else:
            rng = np.random.default_rng([self.settings.seed, self.result.trials])
            number = self.budget.choose(going, rng)
        search = self.searches[number]
        sharing = self.shared and search.scorer is not None
        others = [o.rows() for o in self.searches if o is not search] if sharing else []
        began, run = time.perf_counter(), search.run
        try:
            done = search.step(size, check, [rows for rows in others if rows is not None])
        finally:
            run.result.seconds += time.perf_counter() - began
        if not done and not run.stopped:
            run.result.stopped = "explorer"
        self._note(number, run.result)
        if run.stopped == "failures" and run.result.best is None:
            assert run.alike.first is not None
            self.result.errors[run.task.key] = whole(run.alike.first, run.alike.results)

    def _affordable(self) -> int:
        """Number of trials that the time that is left suffices for, by the time of a trial so far."""
        if self.settings.seconds is None:
            return self.trials
        times = [r.seconds for one in self.result.results for r in one.records[one.resumed :]]
        if not times:
            return _FIRST * len(self.searches)
        return int(self.deadline.left / max(statistics.fmean(times), 1e-9))

    def _note(self, number: int, result: TuneResult) -> None:
        self.budget.note(number, result.best.cost if result.best else math.inf)
        self.first_costs[number] = next(iter(self.budget.costs[number]), math.inf)

    def _report(self, number: int, progress: Progress) -> bool:
        total = self.result.total
        self.result.history.append((self.result.trials, self.deadline.elapsed, total))
        self.patience.note(total)
        end = self._ends(progress)
        if end:
            self.result.stopped = "callback"
        return end  # which ends the batch of this task, too

    def _ends(self, progress: Progress) -> bool:
        if self.callback is None:
            return False
        try:
            return self.callback(self.progress(progress)) is True
        except StopTuning:
            return True

    def progress(self, current: Progress) -> TotalProgress:
        """Return the state of the run, given that of the task that was tried last."""
        result, done = self.result, self.result.trials
        gains = self.budget.gains()
        tried = all(self.budget.costs)
        measured = done - self.resumed
        pace = self.deadline.elapsed / measured if measured else 0.0
        shares = [
            TaskShare(
                task=one.task,
                weight=weight,
                trials=len(one.records),
                cost=one.best.cost if one.best else math.inf,
                first_cost=first,
                gain=float(gain) if tried else math.nan,
                stopped=one.stopped,
            )
            for one, weight, first, gain in zip(
                result.results, result.weights, self.first_costs, gains, strict=True
            )
        ]
        left = min(pace * max(self.trials - done, 0), self.deadline.left)
        return TotalProgress(current, tuple(shares), done, self.trials, result.total, left)


def _unique(
    tasks: Iterable[Task] | Mapping[Task, float], weights: Sequence[float] | None
) -> tuple[list[Task], list[float]]:
    """Return each task once, with the sum of its weights."""
    if isinstance(tasks, Mapping):
        if weights is not None:
            raise ValueError("weights are given twice: by the mapping of tasks, and apart from it")
        weights = list(tasks.values())
    given = list(tasks)
    if not given:
        raise ValueError("there are no tasks to tune")
    values = [1.0] * len(given) if weights is None else [float(weight) for weight in weights]
    if len(values) != len(given):
        raise ValueError(f"there are {len(given)} tasks but {len(values)} weights")
    total: dict[str, tuple[Task, float]] = {}
    for task, weight in zip(given, values, strict=True):
        if not (weight > 0 and math.isfinite(weight)):
            raise ValueError(f"the weight of {task.key} must be positive, not {weight}")
        first, sum_so_far = total.get(task.key, (task, 0.0))
        total[task.key] = first, sum_so_far + weight
    return [task for task, _ in total.values()], [weight for _, weight in total.values()]

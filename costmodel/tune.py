"""The tuning loop: propose, select, measure, record, refit."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from costmodel import records as record_file
from costmodel.explore import Explorer
from costmodel.learned import CostModel
from costmodel.measure.measurer import Measurer
from costmodel.measure.protocol import Runner
from costmodel.task import Task
from costmodel.transfer.start import Warm, start_model
from costmodel.tuning.conclude import conclude
from costmodel.tuning.interrupt import CtrlC
from costmodel.tuning.progress import Progress
from costmodel.tuning.result import TuneResult
from costmodel.tuning.run import Run
from costmodel.tuning.search import Search
from costmodel.tuning.settings import EXPLORERS, Settings
from costmodel.tuning.stop import TuningError, whole


def tune(
    task: Task,
    trials: int | None = 128,
    *,
    explorer: str | Explorer = "model",
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
    seconds: float | None = None,
    callback: Callable[[Progress], Any] | None = None,
    finals: bool = True,
) -> TuneResult:
    """Search for a fast program.

    The first trial is the default. The others of the first batch are random, unless the model is fitted
    before. Before each further batch the model is fitted to all trials, the explorer proposes by its scores,
    and `costmodel.select` chooses from the proposals. The same seed and the same measured costs give the same
    proposals.

    Parameters
    ----------
    task : Task
    trials : int or None
        Number of configurations to measure, those of the records included; None for all of the space, or
        until `seconds` or `patience` end the search.
    explorer : str or Explorer
        ``"model"`` for annealing by the model's scores, ``"genetic"`` or ``"irreversible"`` by the same
        scores, ``"random"`` or ``"grid"`` without a model, or a custom explorer, which gets the scores.
    model : CostModel, optional
        By default boosted trees. Random and grid search use none. If it is fitted, it proposes the first
        batch.
    warm : path, Record, CostModel, or an iterable of them, optional
        Records of other tasks, shapes and machines, and models, that the search begins with; see
        `costmodel.transfer.start_model`.
    shipped : bool
        Whether it begins with the model that comes with the package, where no `model` is given.
    records : path, optional
        Each trial is appended to this file. Trials of the same task and CPU that it already holds
        count, whichever explorer proposed them, and none of them is measured again.
    measurer : Runner, optional
        By default a new `Measurer`, which is closed at the end.
    batch_size : int
        Number of trials between two fits.
    seed : int
    epsilon : float
        Share of random configurations in each batch. In the first batches of a model that knows no other
        task it is larger, up to ten times.
    optimism : float
        Number of standard deviations that are added to the model's scores, so that programs that differ from
        the measured ones are tried earlier; see `costmodel.select.upper_confidence_bound`.
    features : str
        What the model reads: ``"store"``, ``"loop"`` or ``"knob"``, see `costmodel.features`. The features of
        loop nests apply to other tasks, the values of knobs do not.
    acquisition : str, optional
        How scores and their uncertainty become a preference: ``"mean"``, ``"ucb"`` (the default with an
        optimism) or ``"ei"``, the expected improvement (the default of a model that states deviations); see
        `costmodel.select.acquire`.
    patience : int, optional
        The search ends after so many trials without an improvement of more than a hundredth.
    seconds : float, optional
        The search ends after this time; the trial in flight is completed.
    callback : callable, optional
        Called with a `Progress` at the start and after each trial. If it returns True or raises `StopTuning`,
        the search ends, and its result is returned.
    finals : bool
        Whether the best few programs and the default are measured again in turns at the end, whatever but
        Ctrl-C ended the search. The winner is the best of the result and of the record file; the default
        wins unless another is clearly faster. That takes about four seconds beyond `seconds`, and longer only
        where a call takes a tenth of a second and more. Without it, or if the measurer cannot compare
        programs, the best is the trial of the lowest cost, which is an underestimate.

    Returns
    -------
    TuneResult
        Its ``best`` is the winner, ``finals`` the comparison, ``speedup`` that over the default with its
        quartiles. After Ctrl-C too: with ``interrupted`` set and all trials until then. ``stopped`` says why
        it ended.

    Raises
    ------
    ValueError
        For an unknown explorer, acquisition or family of features, trials or a batch size below 1, an
        optimism below 0, or a target whose programs the measurer cannot run.
    TuningError
        If nothing has succeeded and a whole batch failed in the same way, as with a template that cannot
        work; the message has the first error whole.
    """
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
    path = Path(records) if records is not None else None
    known = record_file.load(path) if path is not None and path.exists() else []
    used: Runner = Measurer() if measurer is None else measurer
    try:
        used.check(task.target)
        run = Run(task, settings, trials, known, path, used)
        run.callback = callback
        search = Search(task, settings, run, model_of(settings, task))
        with CtrlC() as ctrl_c:
            run.report()
            if not run.stopped:
                used.start()
            while not run.stopped:
                if not search.step(batch_size, ctrl_c.check):
                    run.result.stopped = run.stopped or "explorer"
            run.result.seconds = run.deadline.elapsed
            if finals:
                conclude(run)
    except KeyboardInterrupt:
        run.result.interrupted = True
        run.result.stopped = "interrupted"
        run.result.seconds = run.deadline.elapsed
    finally:
        context = used.context()
        if measurer is None:
            used.close()
    run.close()
    run.result.context = context
    if run.stopped == "failures" and run.result.best is None:
        assert run.alike.first is not None
        raise TuningError(whole(run.alike.first, run.alike.results), run.result)
    return run.result


def check_trials(trials: int | None) -> None:
    """Raise ValueError for a number of trials below 1."""
    if trials is not None and trials < 1:
        raise ValueError(f"trials must be at least 1, not {trials}")


def model_of(settings: Settings, task: Task) -> CostModel | None:
    """Return the model that the search of a task begins with; None for an explorer without scores."""
    if not settings.scored:
        return None
    return start_model(
        task,
        model=settings.model,
        warm=settings.warm,
        shipped=settings.shipped,
        features=settings.features,
        seed=settings.seed,
    )


__all__ = ["EXPLORERS", "tune"]

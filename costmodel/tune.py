"""The tuning loop: propose, select, measure, record, refit."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from compiler import Target
from compiler.suggest import unknown
from costmodel import records as record_file
from costmodel.explore import (
    AnnealingExplorer,
    Explorer,
    GeneticExplorer,
    GridExplorer,
    IrreversibleExplorer,
    RandomExplorer,
)
from costmodel.measure.measurer import Measurer
from costmodel.model import BoostedTreeCostModel, CostModel
from costmodel.select import choose_batch
from costmodel.task import Task
from costmodel.tuning.interrupt import CtrlC
from costmodel.tuning.progress import Progress
from costmodel.tuning.result import TuneResult
from costmodel.tuning.run import Run
from costmodel.tuning.scorer import Scorer

# Those that propose by the scores of the model, and those that need none.
SCORED = {"model": AnnealingExplorer, "genetic": GeneticExplorer, "irreversible": IrreversibleExplorer}
UNSCORED = {"random": RandomExplorer, "grid": GridExplorer}
EXPLORERS = (*SCORED, *UNSCORED)


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

    The first batch is random. Before each further batch the model is fitted to all trials, the
    explorer proposes by its scores, and `costmodel.select` chooses from the proposals. The same seed
    and the same measured costs give the same proposals.

    Parameters
    ----------
    task : Task
    trials : int
        Number of configurations to measure, those of the records included.
    explorer : str or Explorer
        ``"model"`` for annealing by the model's scores, ``"genetic"`` or ``"irreversible"`` by the same
        scores, ``"random"`` or ``"grid"`` without a model, or a custom explorer, which gets the scores.
    model : CostModel, optional
        By default boosted trees. Random and grid search use none.
    records : path, optional
        Each trial is appended to this file. Trials of the same task, source and CPU that it already holds
        count, and none of them is measured again.
    measurer : Measurer, optional
        By default a new one, which is closed at the end.
    batch_size : int
        Number of trials between two fits.
    seed : int
    epsilon : float
        Share of random configurations in each batch.
    optimism : float
        Number of standard deviations that are added to the model's scores, so that programs that differ from
        the measured ones are tried earlier; see `costmodel.select.upper_confidence_bound`.
    callback : callable, optional
        Called with a `Progress` at the start and after each trial.

    Returns
    -------
    TuneResult
        After Ctrl-C too: with ``interrupted`` set and all trials until then.

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
    scorer = None if source in UNSCORED else Scorer(task, model or BoostedTreeCostModel(seed=seed), optimism)
    used = Measurer() if measurer is None else measurer
    path = Path(records) if records is not None else None
    run = Run(task, source, trials, path, used, callback)
    try:
        with CtrlC() as ctrl_c:
            run.report()
            if len(run.visited) < run.trials:
                used.start()
            while len(run.visited) < run.trials:
                rng = np.random.default_rng([seed, len(run.visited)])
                size = min(batch_size, run.trials - len(run.visited))
                warm = len(run.visited) >= min(batch_size, run.trials)
                use_model = scorer is not None and warm and scorer.learn(run.result.records)
                if use_model and scorer is not None:
                    elites = [r.index for r in record_file.best(run.result.records, n=4 * batch_size)]
                    proposals = scorer.propose(chosen, 3 * size, run.visited, rng=rng, elites=elites)
                    batch = choose_batch(task.space, proposals, size, run.visited, rng=rng, epsilon=epsilon)
                    expected = scorer.expected(batch)
                elif scorer is None:
                    batch = [index for index, _ in chosen.propose(size, _no_scores, run.visited, rng=rng)]
                else:
                    batch = task.space.random(rng, size, run.visited)
                for index in batch:
                    ctrl_c.check()
                    run.measure(index)
                if use_model:
                    run.compare_with(expected)
    except KeyboardInterrupt:
        run.result.interrupted = True
    finally:
        if measurer is None:
            used.close()
    run.result.seconds = time.perf_counter() - run.began
    return run.result


def _explorer(explorer: str | Explorer, task: Task) -> tuple[Explorer, str]:
    if not isinstance(explorer, str):
        return explorer, explorer.name
    if explorer not in EXPLORERS:
        raise ValueError(unknown("explorer", explorer, EXPLORERS))
    return {**SCORED, **UNSCORED}[explorer](task.space), explorer


def _no_scores(indices: Sequence[int]) -> np.ndarray:
    return np.zeros(len(indices))

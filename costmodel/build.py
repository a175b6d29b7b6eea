"""`build`: a task's program by its default, by the choice of a model, or by the best record."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

import compiler
from compiler.suggest import unknown
from costmodel import records as record_file
from costmodel.explore import AnnealingExplorer
from costmodel.learned import CostModel
from costmodel.measure.host import cpu_name
from costmodel.records import Record
from costmodel.space import Config
from costmodel.task import Task
from costmodel.transfer import start_model
from costmodel.tuning.scorer import Scorer

SCHEDULES = ("default", "ranked", "best")
# programs that a ranking lowers and scores
CANDIDATES = 256
# What the default's score is raised by: of many estimates, the highest one is likely to be too high. A model
# of other tasks that expects less than this (in the logarithm of the speed) of the best candidate is wrong in
# most cases.
MARGIN = 0.25


def build(
    task: Task,
    schedule: str | Config | Mapping[str, Any] = "default",
    *,
    records: str | os.PathLike[str] | Iterable[Record] | None = None,
    model: CostModel | None = None,
    seed: int = 0,
    **options: Any,
) -> Any:
    """Compile a program of a task.

    Parameters
    ----------
    task : Task
    schedule : str, Config or mapping
        ``"default"`` for the operator's default configuration; ``"ranked"`` for the best of a few hundred
        by a model, without a measurement; ``"best"`` for the fastest record of this machine; or a
        configuration.
    records : path or iterable of Record, optional
        Of earlier searches: needed for ``"best"``; for ``"ranked"`` they warm the model.
    model : CostModel, optional
        For ``"ranked"``; by default the one that comes with the package.
    seed : int
        Of the ranking.
    **options
        Of `compiler.build`, such as ``constants``.

    Returns
    -------
    Module, or Bindable for constants
        As `compiler.build` returns it.

    Raises
    ------
    ValueError
        For an unknown schedule, ``"best"`` without a record of this task on this machine, or a program that
        cannot be compiled.
    """
    if isinstance(schedule, str) and schedule not in SCHEDULES:
        raise ValueError(unknown("schedule", schedule, SCHEDULES))
    if schedule == "default":
        config = task.space.default
    elif schedule == "ranked":
        config = ranked(task, records=records, model=model, seed=seed)[0]
    elif schedule == "best":
        config = _recorded(task, records)
    else:
        config = task.config(schedule)  # type: ignore[arg-type]
    return compiler.build(*task.instantiate(config), target=task.target, **options)


def ranked(
    task: Task,
    n: int = 1,
    *,
    candidates: int = CANDIDATES,
    records: str | os.PathLike[str] | Iterable[Record] | None = None,
    model: CostModel | None = None,
    seed: int = 0,
) -> list[Config]:
    """Return the configurations that a model expects to be fastest, best first, without a measurement.

    The candidates are the default configuration and those that annealing by the model finds. The default
    comes first unless another is expected to be faster by more than a quarter: of many estimates, the highest
    is likely to be one that is too high.

    Parameters
    ----------
    task : Task
    n : int
        Number of configurations.
    candidates : int
        Number of programs that are lowered and scored, about.
    records : path or iterable of Record, optional
        They warm the model.
    model : CostModel, optional
        By default the one that comes with the package.
    seed : int

    Raises
    ------
    ValueError
        If there is no model for this kind of target, or `n` is not between 1 and `candidates`.
    """
    if not 1 <= n <= candidates:
        raise ValueError(f"n must be between 1 and the number of candidates, {candidates}, not {n}")
    used = start_model(task, model=model, warm=None if model is not None else records, seed=seed)
    if not used.fitted:
        raise ValueError(f"there is no model that ranks programs for {task.target!r}: give one, or records")
    scorer = Scorer(task, used)
    default = task.space.default.index
    rng = np.random.default_rng(seed)
    found = scorer.propose(
        AnnealingExplorer(task.space), max(3 * candidates // 4, n), set(), rng=rng, elites=[default]
    )
    indices = [default, *(index for index, _ in found if index != default)]
    rows = [(index, row) for index in indices if (row := scorer.features(index)) is not None]
    scores = used.predict(np.stack([row for _, row in rows]))
    scores += MARGIN * np.array([index == default for index, _ in rows])
    order = np.argsort(-scores, kind="stable")
    return [task.space.at(rows[i][0]) for i in order[:n]]


def _recorded(task: Task, records: str | os.PathLike[str] | Iterable[Record] | None) -> Config:
    if records is None:
        raise ValueError("the best record is built from records: give a file of them")
    given = record_file.load(records) if isinstance(records, (str, os.PathLike)) else records
    here = cpu_name()
    for record in record_file.best((r for r in given if r.cpu == here), task.key, n=2**31):
        try:
            return task.space.config(record.config)
        except ValueError:  # the template has changed since
            continue
    raise ValueError(f"there is no record of {task.key} on {here}: tune it first, or build the default")

"""Searches for programs with the model and at random, and the comparison of what they find."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from costmodel.measure.finals import Finals, run_finals
from costmodel.measure.measurer import Measurer
from costmodel.report import LiveView, failure_counts
from costmodel.task import Task
from costmodel.tune import tune
from costmodel.tuning.result import TuneResult

if TYPE_CHECKING:
    from rich.console import Console

RANDOM = "best of random search"
MODEL = "tuned with the model"


@dataclass(frozen=True)
class Searches:
    """The two searches for one program.

    Parameters
    ----------
    task : Task
    title : str
        Of a plot.
    model, random : TuneResult
    """

    task: Task
    title: str
    model: TuneResult
    random: TuneResult


def search_programs(
    programs: Iterable[tuple[str, tuple[int, ...], str]],
    records: Mapping[str, Path],
    measurer: Measurer,
    *,
    trials: int,
    seed: int,
    console: Console,
) -> list[Searches] | None:
    """Search for each program twice; return None if Ctrl-C ended a search.

    Parameters
    ----------
    programs : iterable of (operator, shape, title)
    records : mapping of str to Path
        Explorer -> the record file of its searches: records of one explorer would count for the other.
    measurer : Measurer
    trials : int
        Of each search.
    seed : int
    console : rich Console
    """
    searches = []
    for operator, shape, title in programs:
        task = Task(operator, shape)
        results = []
        for explorer in ("model", "random"):
            result = search(task, explorer, trials, records[explorer], measurer, seed, console)
            if result.interrupted:
                return None
            results.append(result)
        searches.append(Searches(task, title, *results))
    return searches


def compare_programs(searches: Searches, measurer: Measurer, rounds: int) -> Finals:
    """Measure the winners of both searches beside the default and NumPy."""
    winners = {RANDOM: searches.random.records, MODEL: searches.model.records}
    return run_finals(searches.task, winners, measurer, baseline=True, rounds=rounds)


def panel(searches: Searches, finals: Finals) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Return the curves and levels of one plot, see `costmodel.report.plot_curves`."""
    levels = {c.name: c.gflops for c in finals.comparisons if c.name not in (RANDOM, MODEL)}
    return {"model": searches.model.curve(), "random": searches.random.curve()}, levels


def search(
    task: Task,
    explorer: str,
    trials: int,
    records: Path,
    measurer: Measurer,
    seed: int,
    console: Console,
) -> TuneResult:
    """Tune a task, show the progress, and print the outcome."""
    with LiveView(console, context=measurer.context) as line:
        result = tune(
            task,
            trials,
            explorer=explorer,
            records=records,
            measurer=measurer,
            seed=seed,
            callback=line,
            finals=False,  # both searches are compared in one comparison
        )
    measured = len(result.records) - result.resumed
    outcome = f"{task.key}, {explorer}: best {result.best_gflops:.1f} GFLOP/s"
    outcome += f"; {result.resumed} trials from the records, {measured} measured"
    if measured:
        outcome += f" in {result.seconds:.1f} s ({result.seconds_per_trial() * 1e3:.0f} ms a trial)"
    console.print(f"{outcome}; failed {failure_counts(result.failures)}", highlight=False, soft_wrap=True)
    return result

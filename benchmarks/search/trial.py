"""How long does a tuning trial take, and which step takes the time?

Run with ``python -m benchmarks trial``. The figures to reach: the tuner's own time, which is all but the
build and the run, under 5 ms of a trial at the median and 30 ms in the mean, since each batch waits for a
proposal once. The first table is of a real search, the second one divides the tuner's own time, and the third
one times the steps of a build by themselves, on configurations of that search.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import compiler
from benchmarks.interleave import Spread
from benchmarks.report import heading, table
from compiler.backend import Target
from compiler.backend.build import build as build_for
from costmodel import (
    BoostedTreeCostModel,
    Measurer,
    MeasureResult,
    Progress,
    StoreFeatures,
    Task,
    extract,
    tune,
)
from costmodel.tuning.scorer import Scorer
from costmodel.tuning.screen import Screen

TASKS = (("matmul", (512, 512, 512)), ("conv2d", (1, 64, 56, 56, 64, 3, 1, 1)))
SAMPLE = 25


# part of the tuner's own time -> the functions that take it; a call inside of another one counts for itself
PARTS: dict[str, tuple[tuple[Any, str], ...]] = {
    "fit the model": ((BoostedTreeCostModel, "fit"), (BoostedTreeCostModel, "fit_labels")),
    "predict with the model": (
        (BoostedTreeCostModel, "predict"),
        (BoostedTreeCostModel, "predict_uncertainty"),
    ),
    "fit the screen": ((Screen, "fit"),),
    "predict with the screen": ((Screen, "__call__"),),
    "make schedules": ((Task, "instantiate"),),
    "lower to loop nests": ((compiler, "loop_nest"),),
    "extract features": ((StoreFeatures, "extract"), (StoreFeatures, "of_footprint")),
    "explore": ((Scorer, "propose"),),
}


@contextmanager
def clocks() -> Iterator[dict[str, float]]:
    """Seconds of each of `PARTS` inside of the block, without those of other parts that it calls."""
    taken = dict.fromkeys(PARTS, 0.0)
    calls: list[float] = []  # for each call in progress, the seconds of the parts inside of it

    def clocked(part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            calls.append(0.0)
            start = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                seconds = time.perf_counter() - start
                taken[part] += seconds - calls.pop()
                if calls:
                    calls[-1] += seconds

        return call

    originals = [(owner, name, getattr(owner, name)) for places in PARTS.values() for owner, name in places]
    for part, places in PARTS.items():
        for owner, name in places:
            setattr(owner, name, clocked(part, getattr(owner, name)))
    try:
        yield taken
    finally:
        for owner, name, function in originals:
            setattr(owner, name, function)


class Watched(Measurer):
    """A measurer that notes how long the tuner waits for each of its results."""

    def __init__(self) -> None:
        super().__init__()
        self.waits: list[float] = []

    def measure_many(self, *args: Any, **kwargs: Any) -> Iterator[MeasureResult]:
        results = super().measure_many(*args, **kwargs)
        while True:
            start = time.perf_counter()
            result = next(results, None)
            if result is None:
                return
            self.waits.append(time.perf_counter() - start)
            yield result


def search(task: Task, trials: int) -> tuple[list[int], dict[str, list[float]], dict[str, float]]:
    """Search once; return the configurations that were built, phase to seconds of each trial, and the parts
    of the tuner's own time.
    """
    ends: list[float] = []

    def note(progress: Progress) -> None:
        ends.append(time.perf_counter())

    measurer = Watched()
    with tempfile.TemporaryDirectory() as folder, measurer:
        measurer.measure(task)  # starts the worker, and makes inputs and reference
        with clocks() as parts:
            records = Path(folder) / "records.jsonl"
            result = tune(task, trials, records=records, measurer=measurer, callback=note, finals=False)
    if result.interrupted:
        raise KeyboardInterrupt
    whole = [after - before for before, after in zip(ends, ends[1:], strict=False)]
    build = [r.build_seconds for r in result.records]
    measure = [r.seconds - r.build_seconds for r in result.records]
    # the time of fitting and proposing is part of the first trial of each batch; builds run ahead of the
    # measurements, so that what the tuner waits for is less than their sum
    rest = [a - wait for a, wait in zip(whole, measurer.waits[-len(whole) :], strict=True)]
    phases = {
        "lower and compile": build,
        "run, check and time": measure,
        "wait for build and run": measurer.waits[-len(whole) :],
        "the tuner's own": rest,
        "a trial": whole,
    }
    parts["record and all else"] = sum(rest) - sum(parts.values())
    return [r.index for r in result.records if r.ok], phases, parts


def steps(task: Task, indices: list[int]) -> dict[str, list[float]]:
    """Return the seconds of each step from a configuration to a module, and of its features."""
    taken: dict[str, list[float]] = {}
    target = Target.parse(task.target)
    for index in indices[:SAMPLE]:
        clock = [time.perf_counter()]

        def lap(step: str, clock: list[float] = clock) -> None:
            clock.append(time.perf_counter())
            taken.setdefault(step, []).append(clock[-1] - clock[-2])

        schedule, args = task.instantiate(index)
        lap("schedule")
        nest = compiler.loop_nest(schedule, args)
        lap("loop nest")
        extract(nest)
        lap("features (of the loop nest)")
        program = compiler.lower(schedule, args)
        lap("loop nest and all passes")
        build_for(program, target)
        lap("LLVM")
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--trials", type=int, default=64)
    options = parser.parse_args()
    heading(f"The cost of a tuning trial, {options.trials} trials of each task", "llvmlite")
    for operator, shape in TASKS:
        task = Task(operator, shape)
        search(task, 20)  # loads what a first search loads, and compiles its kernels
        indices, phases, parts = search(task, options.trials)
        table(
            ("phase", "median ms [quartiles]", "mean ms", "share of all time"),
            [
                (
                    name,
                    Spread.of(taken).scaled(1e3).format(1),
                    f"{1e3 * sum(taken) / len(taken):.1f}",
                    f"{sum(taken) / sum(phases['a trial']):.0%}",
                )
                for name, taken in phases.items()
            ],
            title=f"{task.key}: a trial",
        )
        own = sum(parts.values())
        table(
            ("part of the tuner's own time", "ms of a trial", "share"),
            [
                (name, f"{1e3 * seconds / options.trials:.1f}", f"{seconds / own:.0%}")
                for name, seconds in parts.items()
            ],
            title=f"{task.key}: the tuner's own time",
        )
        table(
            ("step of a build", "median ms [quartiles]"),
            [(name, Spread.of(t).scaled(1e3).format(2)) for name, t in steps(task, indices).items()],
            title=f"{task.key}: a build",
        )


if __name__ == "__main__":
    main()

"""How long does a tuning trial take, and which step takes the time?

Run with ``python -m benchmarks trial``. The figure to reach is under 300 ms at the median, from the end of
one trial to the end of the next. The first table is of a real search; the second one times the steps of a
build by themselves, on configurations of that search.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import compiler
from benchmarks.interleave import Spread
from benchmarks.report import heading, table
from compiler.backend import Target
from compiler.backend.build import build as build_for
from costmodel import Measurer, Progress, Task, extract, tune

TASKS = (("matmul", (512, 512, 512)), ("conv2d", (1, 64, 56, 56, 64, 3, 1, 1)))
SAMPLE = 25


def search(task: Task, trials: int) -> tuple[list[int], dict[str, list[float]]]:
    """Search once; return the configurations that were built, and phase to seconds of each trial."""
    ends: list[float] = []

    def note(progress: Progress) -> None:
        ends.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as folder, Measurer() as measurer:
        measurer.measure(task)  # starts the worker, and makes inputs and reference
        result = tune(task, trials, records=Path(folder) / "records.jsonl", measurer=measurer, callback=note)
    if result.interrupted:
        raise KeyboardInterrupt
    whole = [after - before for before, after in zip(ends, ends[1:], strict=False)]
    build = [r.build_seconds for r in result.records]
    measure = [r.seconds - r.build_seconds for r in result.records]
    # candidates may be compiled while others run or are compiled, so the parts may be more than the whole;
    # the time of fitting and proposing is in the first trial of each batch
    phases = {"lower and compile": build, "run, check and time": measure, "a trial": whole}
    return [r.index for r in result.records if r.ok], phases


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
        indices, phases = search(task, options.trials)
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
        table(
            ("step of a build", "median ms [quartiles]"),
            [(name, Spread.of(t).scaled(1e3).format(2)) for name, t in steps(task, indices).items()],
            title=f"{task.key}: a build",
        )


if __name__ == "__main__":
    main()

"""How long does lowering take, from a schedule to a program after all passes, and which pass takes the time?

Run with ``python -m benchmarks lowering``. The figure to reach is a median under 15 ms for the matrix
product. Nothing is compiled to machine code here; `trial.py` times that too.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import time
from collections.abc import Callable
from functools import partial

import numpy as np

import compiler
from benchmarks.interleave import Spread
from benchmarks.report import heading, table
from compiler.backend import pipeline
from compiler.ir.function import PrimFunc
from costmodel import Task

TASKS = (("matmul", (512, 512, 512)), ("conv2d", (1, 64, 56, 56, 64, 3, 1, 1)))


def programs(task: Task, sample: int) -> list[int]:
    """Return the default configuration, and random ones."""
    rng = np.random.default_rng(0)
    return [task.space.default.index, *map(int, rng.integers(0, len(task.space), sample))]


def timed(task: Task, indices: list[int]) -> dict[str, list[float]]:
    """Return the seconds of each step of lowering, for each configuration."""
    taken: dict[str, list[float]] = {}

    def lap(step: str, work: Callable[[], PrimFunc]) -> PrimFunc:
        start = time.perf_counter()
        result = work()
        taken.setdefault(step, []).append(time.perf_counter() - start)
        return result

    for index in indices:
        schedule, args = task.instantiate(index)
        func = lap("loop nest", partial(compiler.loop_nest, schedule, args))
        for step in pipeline():
            func = lap(step.__name__, partial(step, func))
        schedule, args = task.instantiate(index)
        lap("all of lowering", partial(compiler.lower, schedule, args))
    return taken


def profile(task: Task, index: int, rounds: int = 20) -> list[tuple[str, ...]]:
    """Return the ten functions with the most time, without that of the functions they call."""
    profiler = cProfile.Profile()
    for _ in range(rounds):
        schedule, args = task.instantiate(index)
        profiler.enable()
        compiler.lower(schedule, args)
        profiler.disable()
    stats = pstats.Stats(profiler)
    whole = sum(entry[2] for entry in stats.stats.values())  # type: ignore[attr-defined]
    entries = sorted(stats.stats.items(), key=lambda item: -item[1][2])[:10]  # type: ignore[attr-defined]
    return [
        (f"{'/'.join(file.split('/')[-2:])}:{line} {name}", f"{calls // rounds}", f"{alone / whole:.0%}")
        for (file, line, name), (_, calls, alone, _, _) in entries
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--sample", type=int, default=20, help="random configurations beside the default")
    options = parser.parse_args()
    heading(f"Lowering, the default and {options.sample} random configurations", "llvmlite")
    for operator, shape in TASKS:
        task = Task(operator, shape)
        indices = programs(task, options.sample)
        timed(task, indices[:1])
        table(
            ("step", "median ms [quartiles]"),
            [(name, Spread.of(taken).scaled(1e3).format(2)) for name, taken in timed(task, indices).items()],
            title=f"{task.key}: lowering",
        )
        table(
            ("function", "calls", "share of the time"),
            profile(task, indices[0]),
            title=f"{task.key}: profile",
        )


if __name__ == "__main__":
    main()

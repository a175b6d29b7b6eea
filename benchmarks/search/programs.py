"""Measured programs of two kinds of CPU, from which the cost model that comes with the package is made.

``python -m benchmarks programs --seconds 600`` measures on this machine, for its own CPU and for x86-64-v3,
and adds to the file; ``espalier model make`` makes the model of it. The candidate takes turns with the
operator's default program within each trial, since the speed of a shared machine changes by tens of percent
from second to second: what is kept is the ratio, times the time of the default when the task was measured
first.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import numpy as np

import compiler
from benchmarks.programs.job import Job
from benchmarks.programs.layers import convolution, depthwise
from benchmarks.report import processor
from compiler import Target
from costmodel import Task
from costmodel.transfer import MeasuredProgram, read_programs, write_programs

DATA = Path(__file__).parent / "programs.jsonl.gz"
OTHER = "x86-64-v3"
# layers of the operator benchmarks whose programs are measured; those of the figures come first
LAYERS = ("C2", "C4", "C6", "C9", "C12", "D3", "D7", "C1", "C3", "C8", "C11", "D2", "D5", "D9")
MATMULS = ((512, 512, 512), (1024, 1024, 1024), (256, 256, 256), (64, 2048, 512), (196, 512, 256))
# seconds that a program is timed without a break, and that a trial is timed in all
SLICE = 1.5e-3
TRIAL = 60e-3


def tasks() -> dict[str, Task]:
    """Return the tasks by short names, which end in the kind of CPU."""
    shapes: dict[str, Task] = {}
    for shape in MATMULS:
        shapes[f"matmul {'x'.join(map(str, shape))}"] = Task("matmul", shape)
    for name in LAYERS:
        shapes[name] = (depthwise if name[0] == "D" else convolution)(name)["direct"]
    return {
        f"{name} {kind}": Task(task.operator, task.shape, target)
        for name, task in shapes.items()
        for kind, target in (("v3", f"llvm -mcpu={OTHER}"), ("host", str(Target.host())))
    }


def seconds_of(call: Callable[[], object], calls: int) -> float:
    """Return the seconds of one of so many calls."""
    start = time.perf_counter()
    for _ in range(calls):
        call()
    return (time.perf_counter() - start) / calls


def calls_of(call: Callable[[], object]) -> int:
    """Return the number of calls that take about `SLICE`."""
    first = seconds_of(call, 1)
    return max(1, int(SLICE / (first if first > SLICE else min(first, seconds_of(call, 1)))))


def ratio_of(candidate: Callable[[], object], default: Callable[[], object], calls: int) -> float:
    """Return the candidate's time divided by that of the default, the median of several turns."""
    own = calls_of(candidate)
    before = seconds_of(default, calls)
    ratios: list[float] = []
    start = time.perf_counter()
    while len(ratios) < 7:
        taken, after = seconds_of(candidate, own), seconds_of(default, calls)
        ratios.append(taken / ((before + after) / 2))
        before = after
        # three turns at least, unless a program takes a third of a second
        if time.perf_counter() - start > (TRIAL if len(ratios) >= 3 else 7 * TRIAL):
            break
    return median(ratios)


def candidates(
    task: Task, known: Sequence[tuple[int, float]], tried: set[int], count: int, seed: int
) -> list[int]:
    """Return configurations to measure: two of three at random, the others neighbours of the fastest."""
    rng = np.random.default_rng([seed, len(tried)])
    best = [index for index, _ in sorted(known, key=lambda one: one[1])[:10]]
    chosen: dict[int, None] = {}
    for _ in range(4 * count if best else 0):
        if len(chosen) >= count // 3:
            break
        near = task.space.neighbour(int(rng.choice(best)), rng)
        if near not in tried:
            chosen[near] = None
    return [*chosen, *task.space.random(rng, count - len(chosen), {*tried, *chosen})]


def measure(
    name: str, task: Task, count: int, until: float, done: list[MeasuredProgram]
) -> list[MeasuredProgram]:
    """Measure up to so many programs of a task that are not among `done`."""
    key = f"{name}: {task.key}, {processor()}"
    hardware = Target.parse(task.target).hardware
    known = {p.nest: p.seconds for p in done if p.task == key}
    job = Job.of(task)
    default = job.program(task.space.default)
    calls = calls_of(default)
    nest = str(compiler.loop_nest(*task.instantiate()))
    found: list[MeasuredProgram] = []
    if nest not in known:
        known[nest] = median(seconds_of(default, calls) for _ in range(21))
        found.append(MeasuredProgram(key, hardware, known[nest], nest))
    usual = known[nest]
    indices: list[tuple[int, float]] = []
    tried = {task.space.default.index}
    while len(found) < count and time.perf_counter() < until:
        batch = candidates(task, indices, tried, min(20, count - len(found)), len(known))
        if not batch:
            break
        tried.update(batch)
        for index in batch:
            try:
                nest = str(compiler.loop_nest(*task.instantiate(index)))
                if nest in known:
                    continue
                ratio = ratio_of(job.program(task.space.at(index)), default, calls)
            except ValueError:  # the template refuses the configuration
                continue
            known[nest] = ratio * usual
            indices.append((index, ratio))
            found.append(MeasuredProgram(key, hardware, known[nest], nest))
            if time.perf_counter() > until:
                break
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="tasks, such as 'C2 v3' (default: all)")
    parser.add_argument("--count", type=int, default=60, help="programs of each task that are added")
    parser.add_argument("--most", type=int, default=300, help="programs of a task in the file")
    parser.add_argument("--seconds", type=float, default=150.0)
    parser.add_argument("--data", type=Path, default=DATA)
    given = parser.parse_args()
    until = time.perf_counter() + given.seconds
    programs = read_programs(given.data) if given.data.exists() else []

    def have(name: str) -> int:
        return sum(p.task.startswith(f"{name}: ") for p in programs)

    every = tasks()
    # those with the fewest programs first, so that several runs treat all alike
    for name in sorted(given.names or every, key=have):
        if time.perf_counter() > until or have(name) >= given.most:
            continue
        added = measure(name, every[name], min(given.count, given.most - have(name)), until, programs)
        programs += added
        write_programs(given.data, programs)
        print(f"{name}: {len(added)} added, {have(name)} in all", flush=True)


if __name__ == "__main__":
    main()

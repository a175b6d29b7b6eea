"""How long does our search take for the quality that MetaSchedule has after 64 trials?

Run with ``python -m benchmarks metaschedule [case ...] [--trials 64] [--seconds 120]``. MetaSchedule (of
the package apache-tvm) searches first, for so many trials and in any case for so many seconds; then our
search runs for so many seconds. MetaSchedule's best program after the trials and at the end, and each program
that was our best for a while, are measured in turns. Each batch of MetaSchedule is built by a new process,
which first parses all of TVM's tensor intrinsics; the time of that is stated, and is part of its search.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

import numpy as np

from benchmarks.interleave import interleave_threads
from benchmarks.programs.job import Job
from benchmarks.programs.layers import RESNET18, convolution, matmul
from benchmarks.report import heading, table
from compiler.runtime import num_threads
from costmodel import Config, Measurer, Progress, Task, tune
from costmodel.adapter.metaschedule import tvm_target

INSTALL = "apache-tvm is not installed, so there is nothing to compare with: pip install '.[metaschedule]'"
# programs that were our best for a while and are measured again
STEPS = 8


def tasks() -> dict[str, Task]:
    """Return the tasks by the names of the cases."""
    return {"matmul 512": matmul(512)["packed"], **{n: convolution(n)["direct"] for n in RESNET18}}


def workload(name: str) -> Any:
    """Return the computation of a case in TVM's tensor expressions, a function of its inputs and output."""
    from tvm import te

    if name.startswith("matmul"):
        size = int(name.split()[1])
        a, b = te.placeholder((size, size), name="A"), te.placeholder((size, size), name="B")
        k = te.reduce_axis((0, size), "k")
        out = te.compute((size, size), lambda i, j: te.sum(a[i, k] * b[k, j], axis=k), name="C")
        return te.create_prim_func([a, b, out]).with_attr("global_symbol", "main")
    from tvm import topi

    size, ci, co, kernel, stride = RESNET18[name]
    data = te.placeholder((1, ci, size, size), name="data")
    weight = te.placeholder((co, ci, kernel, kernel), name="weight")
    out = topi.nn.conv2d(data, weight, stride, kernel // 2, 1)
    return te.create_prim_func([data, weight, out]).with_attr("global_symbol", "main")


@dataclass
class Peer:
    """A search of MetaSchedule: its database at the end of each batch.

    Attributes
    ----------
    batches : list of (float, int, Any)
        Seconds since the start, number of trials, and the best record.
    """

    batches: list[tuple[float, int, Any]] = field(default_factory=list)

    def after(self, trials: int) -> tuple[float, int, Any]:
        """Return the first batch after so many trials, or the last one."""
        return next((b for b in self.batches if b[1] >= trials), self.batches[-1])


class _Done(Exception):
    """The time of MetaSchedule's search is over."""


def metaschedule(function: Any, trials: int, seconds: float, cores: int) -> Peer:
    """Search with MetaSchedule for so many trials, and for so many seconds if they are more."""
    import tvm

    start = time.perf_counter()
    import tvm.s_tir.tensor_intrin  # in this process that takes tens of seconds which are not the search's

    print(f"a process parses TVM's tensor intrinsics for {time.perf_counter() - start:.0f} s", flush=True)
    from tvm.ir.utils import derived_object
    from tvm.s_tir import meta_schedule as ms

    peer, start = Peer(), time.perf_counter()
    database = ms.database.MemoryDatabase()
    module = tvm.IRModule({"main": function})
    count = 0

    @derived_object
    class Watch(ms.measure_callback.PyMeasureCallback):  # type: ignore[misc]
        def apply(self, scheduler: Any, task: int, candidates: Any, builds: Any, results: Any) -> None:
            nonlocal count
            count += len(results)
            best = database.get_top_k(database.commit_workload(module), 1)
            elapsed = time.perf_counter() - start
            if best:
                peer.batches.append((elapsed, count, best[0]))
            if count >= trials and elapsed >= seconds:
                raise _Done

    target = tvm.target.Target(tvm_target(cores=cores))
    with tempfile.TemporaryDirectory() as folder:
        try:
            ms.tune_tir(
                module,
                target,
                folder,
                max_trials_global=100_000,
                num_trials_per_iter=min(64, trials),
                database=database,
                # a process parses all of TVM's intrinsics before its first program, for longer than 30 s
                builder=ms.builder.LocalBuilder(max_workers=cores, timeout_sec=600),
                measure_callbacks=[ms.measure_callback.AddToDatabase(), Watch()],
            )
        except Exception:  # what a callback raises arrives as another type
            if not peer.batches:
                raise
    return peer


def program(record: Any, job: Job, cores: int) -> Callable[[], object]:
    """Return a call of MetaSchedule's program on the inputs of ours; its result is checked."""
    import tvm

    schedule = tvm.s_tir.Schedule(record.workload.mod)
    record.trace.apply_to_schedule(schedule, remove_postproc=False)
    built = tvm.compile(schedule.mod, target=tvm.target.Target(tvm_target(cores=cores)))
    given = [tvm.runtime.tensor(a) for a in job.arrays]
    (expected,) = job.task.operator.references(job.arrays, *job.task.shape)
    out = tvm.runtime.tensor(np.zeros_like(expected))
    call = built["main"]
    call(*given, out)
    np.testing.assert_allclose(out.numpy(), expected, rtol=1e-2, atol=1e-2)
    return lambda: call(*given, out)


def ours(task: Task, seconds: float, seed: int) -> tuple[list[tuple[float, int, Config]], int]:
    """Search, and return each best program with its seconds and trial; and the number of all trials."""
    bests: list[tuple[float, int, Config]] = []
    start, top, trials = time.perf_counter(), 0.0, 0

    def note(progress: Progress) -> None:
        nonlocal top, trials
        trials = progress.trial
        if progress.last is not None and progress.last.ok and progress.best_gflops > top:
            top = progress.best_gflops
            bests.append((time.perf_counter() - start, progress.trial, task.config(progress.last.config)))

    with Measurer() as measurer:
        tune(task, 100_000, measurer=measurer, seconds=seconds, seed=seed, callback=note, finals=False)
    return bests, trials


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", default=["matmul 512", "C2"])
    parser.add_argument("--trials", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    heading("our search and MetaSchedule's, float32", "numpy", "llvmlite", "apache-tvm")
    if find_spec("tvm") is None:
        print(INSTALL)
        return
    cores = num_threads()
    os.environ["TVM_NUM_THREADS"] = str(cores)
    rows = []
    for name in given.cases:
        task = tasks()[name]
        job = Job.of(task)
        peer = metaschedule(workload(name), given.trials, given.seconds, cores)
        reached, count, record = peer.after(given.trials)
        end, total, last = peer.batches[-1]
        bests, trials = ours(task, given.seconds, given.seed)
        steps = [bests[0], *bests[1:][-(STEPS - 1) :]]
        ways = {"peer": program(record, job, cores), "peer at the end": program(last, job, cores)}
        ways |= {str(i): job.program(config) for i, (_, _, config) in enumerate(steps)}
        timings = interleave_threads({n: (call, cores) for n, call in ways.items()}, rounds=given.rounds)
        equal = next(
            (i for i in range(len(steps)) if timings[str(i)].speedup_over(timings["peer"]).median >= 1), None
        )
        final = timings[str(len(steps) - 1)]
        when = "-" if equal is None else f"{steps[equal][0]:.1f} (trial {steps[equal][1]})"
        rows.append(
            [
                name,
                f"{reached:.0f} ({count})",
                timings["peer"].rate(task.flops / 1e9).format(0),
                when,
                f"{trials} / {total}",
                f"{end:.0f}",
                final.speedup_over(timings["peer at the end"]).format(),
            ]
        )
    columns = [
        "",
        "MetaSchedule, s (trials)",
        "its GFLOP/s",
        "ours, s to the same",
        "trials in all, ours / its",
        "seconds of each search",
        "our best / its best",
    ]
    table(columns, rows, threads=cores)


if __name__ == "__main__":
    main()

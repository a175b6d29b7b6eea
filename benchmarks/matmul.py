"""How fast is a tuned 512 x 512 x 512 float32 matrix product beside NumPy's?

Run with ``python -m benchmarks.matmul``. The figure to reach is 60 % of NumPy's single-thread speed for each
core that the tuned program uses.
"""

from __future__ import annotations

from functools import partial

from benchmarks.interleave import Spread, interleave_threads
from benchmarks.report import cores, heading, table
from benchmarks.tuned import Job, best_config, options
from costmodel import Task
from costmodel.baseline import matmul as numpy_matmul

SHAPE = (512, 512, 512)


def main() -> None:
    given = options(__doc__)
    heading(f"matmul {SHAPE}, float32: tuned and NumPy, in turns", "numpy", "llvmlite")
    task = Task("matmul", SHAPE)
    job = Job.of(task)
    tuned = job.program(best_config(task, given.records, given.trials))
    default = job.program(task.space.default)
    numpy = job.checked(partial(numpy_matmul, job.arrays, job.output, SHAPE))

    every = cores()
    ways = {"NumPy, 1 thread": (numpy, 1), "tuned, 1 thread": (tuned, 1)}
    if every > 1:
        ways |= {
            f"NumPy, {every} threads": (numpy, every),
            f"default schedule, {every} threads": (default, every),
            f"tuned, {every} threads": (tuned, every),
        }
    else:
        ways["default schedule, 1 thread"] = (default, 1)

    times = interleave_threads(ways, rounds=given.rounds)
    peer = times["NumPy, 1 thread"]
    rows = []
    for name, (_, threads) in ways.items():
        speed = times[name].rate(task.flops / 1e9)
        against = times[name].speedup_over(peer)
        share = Spread(*(100 * part / threads for part in (against.median, against.low, against.high)))
        rows.append((name, speed.format(1), f"{share.format(0)} %"))
    table(("", "GFLOP/s [quartiles]", "per core, of NumPy on 1 thread"), rows)


if __name__ == "__main__":
    main()

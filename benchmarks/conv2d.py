"""How fast is a tuned ResNet-18 convolution C2 beside im2col and NumPy's matrix product?

Run with ``python -m benchmarks.conv2d``. The figure to reach is half of the best of the ways that NumPy
has. The making of the columns is part of NumPy's work; its product alone, with columns made before, is
shown as well.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from benchmarks.interleave import interleave_threads
from benchmarks.report import cores, heading, table
from benchmarks.tuned import Job, best_config, options
from compiler.ops.conv2d import by_im2col, im2col
from costmodel import Task
from costmodel.baseline import conv2d as numpy_conv2d

SHAPE = (1, 64, 56, 56, 64, 3, 1, 1)


def main() -> None:
    given = options(__doc__)
    heading(f"conv2d {SHAPE}, float32: tuned and NumPy, in turns, {cores()} cores", "numpy", "llvmlite")
    task = Task("conv2d", SHAPE)
    job = Job.of(task)
    data, weight = job.arrays
    kernel, stride, pad = SHAPE[-3:]
    columns = im2col(data, kernel, stride, pad)
    flat = weight.reshape(len(weight), -1)

    def windows() -> None:
        job.output[:] = by_im2col(data, weight, stride, pad)

    def product() -> None:
        np.matmul(flat, columns, out=job.output.reshape(len(data), len(weight), -1))

    slices = job.checked(partial(numpy_conv2d, job.arrays, job.output, SHAPE))
    every = cores()
    ways: dict[str, tuple[Callable[[], object], int]] = {}
    for threads in dict.fromkeys((1, every)):
        ways |= {
            f"im2col by slices + matmul, {threads} thread{'s' * (threads > 1)}": (slices, threads),
            f"im2col by windows + matmul, {threads} thread{'s' * (threads > 1)}": (
                job.checked(windows),
                threads,
            ),
        }
    peers = tuple(ways)
    for threads in dict.fromkeys((1, every)):
        ways[f"the matmul alone, {threads} thread{'s' * (threads > 1)}"] = (job.checked(product), threads)
    ways["default schedule"] = (job.program(task.space.default), every)
    ways["tuned"] = (job.program(best_config(task, given.records, given.trials)), every)

    times = interleave_threads(ways, rounds=given.rounds)
    best = min(peers, key=lambda name: times[name].spread.median)
    print(f"The best of NumPy's ways here is: {best}")
    table(
        ("", "GFLOP/s [quartiles]", "ms [quartiles]", "times the best"),
        [
            (
                name,
                time.rate(task.flops / 1e9).format(1),
                time.spread.scaled(1e3).format(2),
                time.speedup_over(times[best]).format(2),
            )
            for name, time in times.items()
        ],
    )


if __name__ == "__main__":
    main()

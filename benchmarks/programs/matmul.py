"""How fast are our float32 matrix products beside NumPy's BLAS?

Run with ``python -m benchmarks matmul [size ...]``. Both operands are packed in every call, as in a BLAS.
A second table compares products of 8-bit integers with those of float32.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

import numpy as np

from benchmarks.interleave import interleave_threads
from benchmarks.programs.job import Job
from benchmarks.programs.layers import matmul
from benchmarks.programs.operators import report
from benchmarks.report import cores, heading, table


def peers(name: str) -> dict[str, Callable[[], object]]:
    """Return NumPy's product of the same size."""
    size = int(name.split()[-1])
    a, b = np.random.default_rng(0).standard_normal((2, size, size), dtype=np.float32)
    return {"NumPy": partial(np.matmul, a, b, out=np.empty((size, size), np.float32))}


def of_bytes(sizes: list[int], rounds: int) -> None:
    """Print the speed of products of 8-bit integers by the default schedule, and its ratio to float32."""
    for threads in dict.fromkeys((1, cores())):
        rows = []
        for size in sizes:
            tasks = {dtype: matmul(size, dtype)["packed"] for dtype in ("float32", "int8", "uint8")}
            programs = {dtype: (Job.of(t).program(t.space.default), threads) for dtype, t in tasks.items()}
            times = interleave_threads(programs, rounds=rounds)
            work = tasks["float32"].flops / 1e9
            rates = [times[dtype].rate(work).format(1) for dtype in tasks]
            ratios = [times[dtype].speedup_over(times["float32"]).format(2) for dtype in ("int8", "uint8")]
            rows.append((f"matmul {size}", *rates, *ratios))
        names = ("float32", "int8", "uint8 by int8", "int8 / float32", "uint8 by int8 / float32")
        title = "default schedules: giga-operations per second and ratios [quartiles]"
        table(("", *names), rows, title=title, threads=threads)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", nargs="*", type=int, default=[256, 512, 1024, 2048])
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args()
    heading("square matrix products, float32", "numpy", "llvmlite")
    layers = {f"matmul {size}": matmul(size) for size in given.sizes}
    report("matrix product and NumPy's BLAS", layers, peers, rounds=given.rounds)
    of_bytes(given.sizes, given.rounds)


if __name__ == "__main__":
    main()

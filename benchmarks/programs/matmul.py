"""How fast are our float32 matrix products beside NumPy's BLAS?

Run with ``python -m benchmarks matmul [SHAPE ...]``, where a shape is a size or ``MxNxK``; an operand that is
packed is packed in every call, as in a BLAS. A second table compares products of 8-bit integers with those of
float32. ``ESPALIER_CPU=x86-64-v3 OPENBLAS_CORETYPE=Haswell`` hold both sides to AVX2.
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

SIZES = "64 100 127 256 384 512 768 1024 1536 2048"
SKINNY = "1x1024x1024 1024x1x1024 4x1024x1024 16x1024x1024 512x512x16 1024x64x64 49x512x512 2048x32x2048"


def extents(shape: str) -> tuple[int, int, int]:
    """M, N and K of a size or of ``MxNxK``."""
    numbers = [int(number) for number in shape.split("x")]
    if len(numbers) not in (1, 3) or min(numbers) < 1:
        raise argparse.ArgumentTypeError(f"a shape is a size or MxNxK, not {shape!r}")
    M, N, K = numbers * 3 if len(numbers) == 1 else numbers
    return M, N, K


def peers(name: str) -> dict[str, Callable[[], object]]:
    """Return NumPy's product of the same size."""
    M, N, K = extents(name.split()[-1])
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal(shape, dtype=np.float32) for shape in ((M, K), (K, N)))
    return {"NumPy": partial(np.matmul, a, b, out=np.empty((M, N), np.float32))}


def of_bytes(sizes: list[int], rounds: int) -> None:
    """Print the speed of products of 8-bit integers by the default schedule, and its ratio to float32."""
    for threads in dict.fromkeys((1, cores())):
        rows = []
        for size in sizes:
            tasks = {dtype: matmul(size, dtype=dtype)["packed"] for dtype in ("float32", "int8", "uint8")}
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
    parser.add_argument("shapes", nargs="*", default=[*SIZES.split(), *SKINNY.split()])
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args()
    heading("matrix products, float32", "numpy", "llvmlite")
    squares = [shape for shape in given.shapes if len(set(extents(shape))) == 1]
    skinny = [shape for shape in given.shapes if shape not in squares]
    for title, shapes in (("matrix product", squares), ("product of a thin or short matrix", skinny)):
        layers = {f"matmul {shape}": matmul(*extents(shape)) for shape in shapes}
        if layers:
            report(f"{title} and NumPy's BLAS", layers, peers, rounds=given.rounds)
    if sizes := [extents(shape)[0] for shape in squares if extents(shape)[0] >= 256]:
        of_bytes(sizes, given.rounds)


if __name__ == "__main__":
    main()

"""How fast are our float32 matrix products beside NumPy's BLAS?

Run with ``python -m benchmarks matmul [size ...]``. Both operands are packed in every call, as in a BLAS.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

import numpy as np

from benchmarks.programs.layers import matmul
from benchmarks.programs.operators import report
from benchmarks.report import heading


def peers(name: str) -> dict[str, Callable[[], object]]:
    """Return NumPy's product of the same size."""
    size = int(name.split()[-1])
    a, b = np.random.default_rng(0).standard_normal((2, size, size), dtype=np.float32)
    return {"NumPy": partial(np.matmul, a, b, out=np.empty((size, size), np.float32))}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sizes", nargs="*", type=int, default=[256, 512, 1024, 2048])
    parser.add_argument("--rounds", type=int, default=15)
    given = parser.parse_args()
    heading("square matrix products, float32", "numpy", "llvmlite")
    layers = {f"matmul {size}": matmul(size) for size in given.sizes}
    report("matrix product and NumPy's BLAS", layers, peers, rounds=given.rounds)


if __name__ == "__main__":
    main()

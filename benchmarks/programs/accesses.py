"""How fast are gathers of rows, strided accesses and reductions with an index, beside NumPy's?

Run with ``python -m benchmarks accesses``. One thread; with ``ESPALIER_CPU=x86-64-v3`` for AVX2.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

import numpy as np

import compiler
from benchmarks.interleave import interleave
from benchmarks.report import heading, table
from compiler import te
from compiler.ir.expr import Expr
from compiler.ops import ARGMAX, Defaults

Ways = dict[str, Callable[[], object]]

ROWS, COLUMNS, BAGS, TERMS = 10_000, 128, 512, 16
COMPLEX, LARGE = 1 << 16, 1_000_000
LANES = 16


def bag(dtype: str) -> Ways:
    """Sums of rows of a table that an index of type `dtype` names."""
    rng = np.random.default_rng(0)
    rows, names = te.placeholder((ROWS, COLUMNS), "T"), te.placeholder((BAGS, TERMS), "I", dtype)
    k = te.reduce_axis((0, TERMS), "k")
    out = te.compute((BAGS, COLUMNS), lambda n, d: te.sum(rows[names[n, k], d], axis=k), "out")
    s = te.create_schedule(out.op)
    n, d = out.op.axis
    d, lane = s[out].split(d, LANES)
    s[out].reorder(n, d, k, lane)
    s[out].vectorize(lane)
    data, index = (
        rng.random((ROWS, COLUMNS), dtype="float32"),
        rng.integers(0, 128, (BAGS, TERMS)).astype(dtype),
    )
    module, result = compiler.build(s, [rows, names, out]), np.empty((BAGS, COLUMNS), "float32")
    return {"ours": partial(module, data, index, result), "NumPy": lambda: data[index].sum(axis=1)}


def product() -> Ways:
    """The product of complex numbers, given as pairs."""
    a, b = te.placeholder((COMPLEX, 2), "a"), te.placeholder((COMPLEX, 2), "b")

    def part(i: Expr, c: Expr) -> Expr:
        real = a[i, 0] * b[i, 0] - a[i, 1] * b[i, 1]
        return te.select(te.equal(c, 0), real, a[i, 0] * b[i, 1] + a[i, 1] * b[i, 0])

    out = te.compute((COMPLEX, 2), part, "out")
    s = te.create_schedule(out.op)
    i, c = out.op.axis
    i, lane = s[out].split(i, LANES)
    s[out].reorder(i, c, lane)
    s[out].unroll(c)
    s[out].vectorize(lane)
    module = compiler.build(s, [a, b, out])
    x, y, z = np.random.default_rng(0).random((3, COMPLEX, 2), dtype="float32")
    parts = [array.reshape(-1).view(np.complex64) for array in (x, y, z)]
    return {"ours": partial(module, x, y, z), "NumPy": partial(np.multiply, *parts[:2], out=parts[2])}


def channels(count: int) -> Ways:
    """Planes to interleaved elements."""
    x = te.placeholder((count, COMPLEX), "x")
    out = te.compute((COMPLEX, count), lambda i, c: x[c, i], "out")
    s = te.create_schedule(out.op)
    i, c = out.op.axis
    i, lane = s[out].split(i, LANES)
    s[out].reorder(i, c, lane)
    s[out].unroll(c)
    s[out].vectorize(lane)
    module = compiler.build(s, [x, out])
    source, target = (
        np.random.default_rng(0).random((count, COMPLEX), dtype="float32"),
        np.empty((COMPLEX, count), "float32"),
    )
    return {"ours": partial(module, source, target), "NumPy": partial(np.copyto, target, source.T)}


def extreme(kind: str, dtype: str) -> Ways:
    """The index of the largest or the smallest of a million numbers, by the operator."""
    values = ARGMAX.shape((LARGE,), 0, kind, dtype)
    module, out = compiler.build(*ARGMAX.schedule(Defaults(), *values)), ARGMAX.output(*values)
    data = (np.random.default_rng(0).random(LARGE) * 1e9).astype(dtype)
    return {"ours": partial(module, data, out), "NumPy": partial(getattr(np, f"arg{kind}"), data)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=11)
    options = parser.parse_args()
    heading("Microseconds of gathers, strided accesses and reductions with an index", "numpy", "llvmlite")
    cases: dict[str, Ways] = {f"sum of rows, {dtype}": bag(dtype) for dtype in ("int32", "uint32", "int64")}
    cases |= {
        "product of complex numbers": product(),
        **{
            f"arg{kind}, {dtype}": extreme(kind, dtype)
            for kind in ("max", "min")
            for dtype in ("float32", "int32", "float64")
        },
    }
    cases |= {f"{count} planes interleaved": channels(count) for count in (2, 3, 4)}
    rows = []
    for name, ways in cases.items():
        times = interleave(ways, rounds=options.rounds, min_seconds=0.01)
        rows.append((name, *(times[way].spread.scaled(1e6).format(1) for way in ("ours", "NumPy"))))
    table(("", "ours", "NumPy"), rows, threads=1)


if __name__ == "__main__":
    main()

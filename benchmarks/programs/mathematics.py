"""How fast are exp, tanh and related functions in compiled code, beside NumPy's and PyTorch's?

Run with ``python -m benchmarks mathematics``. One thread, 4096 numbers that stay in the first cache.
"""

from __future__ import annotations

import argparse
from functools import partial

import numpy as np

from benchmarks.interleave import interleave
from benchmarks.report import heading, table
from compiler.backend import Target, build
from compiler.ir.dtype import vector_of
from compiler.ir.expr import Buffer, Call, Const, Load, Ramp, Var
from compiler.ir.function import PrimFunc
from compiler.ir.stmt import For, Store
from compiler.runtime import Module

SIZE = 4096


def module(name: str, dtype: str) -> Module:
    """The function on an array, a register's width at a time."""
    lanes = Target.host().vector_bits // (8 * np.dtype(dtype).itemsize)
    i, x, y = Var("i"), Buffer("x", (SIZE,), dtype), Buffer("y", (SIZE,), dtype)
    at = Ramp(i * lanes, Const(1), lanes)
    value = Call(name, (Load(x, (at,)),), vector_of(dtype, lanes))
    return build(PrimFunc(name, (x, y), For(i, Const(SIZE // lanes), "serial", Store(y, (at,), value))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=11)
    options = parser.parse_args()
    heading("Nanoseconds an element of mathematical functions", "numpy", "torch", "llvmlite")
    rows = []
    for name, dtype in (
        *((name, "float32") for name in ("exp", "log", "tanh", "sin", "cos", "erf")),
        ("exp", "float64"),
        ("tanh", "float64"),
    ):
        x = np.random.default_rng(0).uniform(0.1, 5, SIZE).astype(dtype)
        y = np.empty_like(x)
        ways = {"ours": partial(module(name, dtype), x, y)}
        if name != "erf":
            ways["NumPy"] = partial(getattr(np, name), x, out=y)
        try:
            import torch

            torch.set_num_threads(1)
            a, b = torch.from_numpy(x), torch.from_numpy(y)
            ways["PyTorch"] = partial(getattr(torch, name), a, out=b)
        except ImportError:
            pass
        times = interleave(ways, rounds=options.rounds, min_seconds=0.01)
        cells = [
            times[way].spread.scaled(1e9 / SIZE).format(2) if way in times else "-"
            for way in ("ours", "NumPy", "PyTorch")
        ]
        rows.append((f"{name}, {dtype}", *cells))
    table(("", "ours", "NumPy", "PyTorch"), rows, threads=1)


if __name__ == "__main__":
    main()

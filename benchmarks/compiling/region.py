"""How long does a parallel region take, apart from the work in it?

Run with ``python -m benchmarks region``. The figure to reach is under 10 microseconds on two threads. A
region of 64 iterations that store one number each is timed inside of compiled code, less the same loop
without threads, and from Python: in a row, when the workers are awake, and after a pause, when they sleep.
Numba's is timed from Python, less a call of the same function without threads.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.interleave import Spread
from benchmarks.report import cores, heading, table
from compiler.backend import build
from compiler.ir.expr import Buffer, Const, Var
from compiler.ir.function import PrimFunc
from compiler.ir.stmt import For, Store
from compiler.runtime import num_threads, set_num_threads

CALLS = 2000


def stores(kind: str) -> Any:
    """A function that stores 64 numbers, in a loop of that kind, each a cache line from the next."""
    i, out = Var("i"), Buffer("out", (64 * 16,), "int32")
    return build(PrimFunc("stores", (out,), For(i, Const(64), kind, Store(out, (i * 16,), i))))


def numba_stores(parallel: bool) -> Callable[[np.ndarray], None]:
    """The same by Numba."""
    import numba

    @numba.njit(parallel=parallel)
    def run(out: np.ndarray) -> None:
        for i in numba.prange(64):
            out[i * 16] = i

    return run


def from_python(function: Callable[[np.ndarray], None], out: np.ndarray) -> float:
    """Seconds of a call, many in a row."""
    function(out)
    start = time.perf_counter()
    for _ in range(CALLS):
        function(out)
    return (time.perf_counter() - start) / CALLS


def after_a_pause(function: Callable[[np.ndarray], None], out: np.ndarray) -> float:
    """Seconds of a call after the workers have gone to sleep."""
    taken = []
    for _ in range(20):
        time.sleep(0.002)
        start = time.perf_counter()
        function(out)
        taken.append(time.perf_counter() - start)
    return float(np.median(taken))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    heading(f"Microseconds of a parallel region on {options.threads} threads", "numba", "llvmlite")
    if cores() < options.threads:
        print(f"only {cores()} core(s): the threads take turns, and the figures mean little")
    before = num_threads()
    set_num_threads(options.threads)
    parallel, serial, out = stores("parallel"), stores("serial"), np.zeros(64 * 16, np.int32)
    ways: dict[str, Callable[[], float]] = {
        "a region, in a row": lambda: (
            parallel.time_evaluator(CALLS, 1)(out).median - serial.time_evaluator(CALLS, 1)(out).median
        ),
        "a region, with its call from Python": lambda: from_python(parallel, out),
        "a region after a pause, with its call": lambda: after_a_pause(parallel, out),
    }
    try:
        import numba

        numba.set_num_threads(options.threads)
        theirs, alone = numba_stores(True), numba_stores(False)
        ways["Numba's region, in a row"] = lambda: from_python(theirs, out) - from_python(alone, out)
    except ImportError:
        print("Numba is not installed")
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.rounds):
        for name, way in ways.items():
            taken[name].append(way())
    set_num_threads(before)
    table(
        ("", "microseconds [quartiles]"),
        [(name, Spread.of(values).scaled(1e6).format(1)) for name, values in taken.items()],
    )


if __name__ == "__main__":
    main()

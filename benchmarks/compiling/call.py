"""How long does a call of a compiled function take, apart from the work of the function?

Run with ``python -m benchmarks call``. The figure to reach is under 20 microseconds. The function stores one
number; the peers do as little: NumPy adds four numbers to four, ctypes calls the same machine code with
pointers that were taken before, and Numba stores one number. All take turns.
"""

from __future__ import annotations

import argparse
import ctypes
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks.interleave import interleave
from benchmarks.report import heading, table
from compiler.backend import build
from compiler.ir.expr import Buffer, Const
from compiler.ir.function import PrimFunc
from compiler.ir.stmt import Store
from compiler.runtime import Module

CALLS = 2000
ARGUMENTS = (1, 2, 3, 4, 6, 8, 12)


def tiny(count: int) -> Module:
    """A function of `count` arrays that stores one number in the last."""
    buffers = tuple(Buffer(f"b{n}", (4,)) for n in range(count))
    return build(PrimFunc("tiny", buffers, Store(buffers[-1], (Const(0),), Const(1.0, "float32"))))


def often(function: Callable[..., Any], *arguments: Any) -> None:
    """Call a function many times, with no more around it than a loop."""
    for _ in range(CALLS):
        function(*arguments)


def numba_tiny() -> Callable[..., Any] | None:
    """The same for three arrays, by Numba."""
    try:
        import numba
    except ImportError:
        return None

    @numba.njit
    def store(a: Any, b: Any, c: Any) -> None:
        c[0] = 1.0

    return store


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    heading("Microseconds of a call that does next to nothing", "numpy", "numba", "llvmlite")
    arrays = [np.zeros(4, np.float32) for _ in range(max(ARGUMENTS))]
    ways: dict[str, Callable[[], object]] = {}
    kept = [tiny(count) for count in ARGUMENTS]  # ctypes holds no module
    for count, module in zip(ARGUMENTS, kept, strict=True):
        ways[f"{count} arrays"] = partial(often, module, *arrays[:count])
    three: Any = kept[ARGUMENTS.index(3)]._executable
    ways["3 arrays, checked in Python"] = partial(often, three.checked, *arrays[:3])
    slots = (ctypes.c_int64 * 3)(*(array.ctypes.data for array in arrays[:3]))
    entry = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)(three.checked.address)
    ways["ctypes, the same code, pointers at hand"] = partial(often, entry, slots, None)
    ways["np.add(a, b, out=c)"] = partial(often, partial(np.add, out=arrays[2]), arrays[0], arrays[1])
    compiled = numba_tiny()
    if compiled is not None:
        ways["Numba, 3 arrays"] = partial(often, compiled, *arrays[:3])
    times = interleave(ways, rounds=options.rounds, min_seconds=0)
    peer = times["np.add(a, b, out=c)"]
    table(
        ("", "microseconds [quartiles]", "times faster than np.add"),
        [
            (name, t.spread.scaled(1e6 / CALLS).format(2), t.speedup_over(peer).format(2))
            for name, t in times.items()
        ],
    )


if __name__ == "__main__":
    main()

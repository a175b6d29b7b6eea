"""How long do our packages take to import, beyond NumPy's own import?

Run with ``python -m benchmarks imports``. Every number is from a fresh interpreter; the packages take turns.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys

from benchmarks.interleave import Spread
from benchmarks.report import heading, table

OURS = ("sketch", "boost", "compiler", "costmodel")
PEERS = ("sklearn.ensemble", "xgboost", "lightgbm", "numba", "llvmlite.binding")

BEYOND_NUMPY = """
import sys, time
import numpy
start = time.perf_counter()
import {module}
print(time.perf_counter() - start)
"""
NUMPY = """
import time
start = time.perf_counter()
import numpy
print(time.perf_counter() - start)
"""


def seconds(module: str) -> float:
    """Seconds that a fresh interpreter takes to import `module`, NumPy being there already."""
    program = NUMPY if module == "numpy" else BEYOND_NUMPY.format(module=module)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=11)
    options = parser.parse_args()

    peers = [name for name in PEERS if importlib.util.find_spec(name.split(".")[0]) is not None]
    modules = ["numpy", *OURS, *peers]
    heading("Seconds to import, beyond NumPy's own import", "numpy")
    taken: dict[str, list[float]] = {name: [] for name in modules}
    for name in modules:
        seconds(name)  # the files come from the disk once, untimed
    for _ in range(options.rounds):
        for name in modules:
            taken[name].append(seconds(name))
    base = Spread.of(taken["numpy"]).median
    table(
        ("import", "seconds [quartiles]", "times NumPy's own"),
        [
            (name, Spread.of(taken[name]).format(3), f"{Spread.of(taken[name]).median / base:.2f}")
            for name in modules
        ],
    )


if __name__ == "__main__":
    main()

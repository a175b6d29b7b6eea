"""How much memory does a table in batches save, and how much time does it cost?

Run with ``python -m benchmarks batches``. Each way makes the same rows, whole or in batches, and grows a few
trees from them, in a process of its own. Memory is the peak of the process, less the peak after all
imports and one run of every kernel; it includes the rows where they are in memory. Values take
four bytes, so that a table of 2,000,000 x 28 takes 214 MB.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from benchmarks.interleave import Spread
from benchmarks.report import heading, table
from benchmarks.trees.memory import largest_resident

FEATURES = 28
BINS = 255
SETTINGS = {"max_depth": 6, "objective": "reg:squarederror", "max_bin": BINS, "verbosity": 0}


def batch(first: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows from number `first` on; the same ones each time."""
    x = np.random.default_rng(first).standard_normal((rows, FEATURES), dtype=np.float32)
    return x, x[:, 0] * x[:, 1] + x[:, 2]


def batches(rows: int, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The table in batches."""
    return (batch(first, min(size, rows - first)) for first in range(0, rows, size))


def whole(rows: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """The table in one piece."""
    x, y = np.empty((rows, FEATURES), dtype=np.float32), np.empty(rows, dtype=np.float32)
    first = 0
    for part, label in batches(rows, size):
        x[first : first + len(part)], y[first : first + len(part)] = part, label
        first += len(part)
    return x, y


def espalier(rows: int, size: int, in_batches: bool, threads: int) -> None:
    """Our table, and three trees."""
    import boost

    if in_batches:
        data = boost.QuantileDMatrix(lambda: batches(rows, size), nthread=threads, max_bin=BINS)
    else:
        data = boost.QuantileDMatrix(*whole(rows, size), max_bin=BINS)
    boost.train({**SETTINGS, "nthread": threads}, data, 3)


def xgboost(rows: int, size: int, in_batches: bool, threads: int) -> None:
    """XGBoost's table, and three trees."""
    import xgboost

    class Batches(xgboost.DataIter):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.reset()

        def reset(self) -> None:
            self.rest = batches(rows, size)

        def next(self, input_data: Callable[..., Any]) -> bool:
            for x, y in self.rest:
                input_data(data=x, label=y)
                return True
            return False

    if in_batches:
        data = xgboost.QuantileDMatrix(Batches(), nthread=threads, max_bin=BINS)
    else:
        data = xgboost.QuantileDMatrix(*whole(rows, size), nthread=threads, max_bin=BINS)
    xgboost.train({**SETTINGS, "nthread": threads}, data, 3)


LIBRARIES = {"espalier": espalier, "xgboost": xgboost}


def measure(library: str, in_batches: bool, rows: int, size: int, threads: int) -> dict[str, float]:
    """Run one way in this process."""
    run = LIBRARIES[library]
    run(1000, 500, in_batches, threads)
    before = largest_resident()
    begun = time.perf_counter()
    run(rows, size, in_batches, threads)
    seconds = time.perf_counter() - begun
    return {"MB": largest_resident() - before, "s": seconds}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--size", type=int, default=50_000, help="rows of a batch")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--way", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        library, form = options.way
        used = measure(library, form == "batches", options.rows, options.size, options.threads)
        print(json.dumps(used))
        return
    heading("Memory of a table, whole and in batches", "xgboost")
    ways = [(library, form) for library in LIBRARIES for form in ("whole", "batches")]
    results: dict[tuple[str, str], list[dict[str, float]]] = {way: [] for way in ways}
    numbers = [f"--{n}={getattr(options, n)}" for n in ("rows", "size", "threads")]
    for _ in range(options.turns):
        for way in ways:
            command = [sys.executable, "-m", "benchmarks.trees.batches", *numbers, "--way", *way]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            results[way].append(json.loads(done.stdout.splitlines()[-1]))
    table(
        ("", "peak, MB [quartiles]", "s [quartiles]"),
        [
            (
                " ".join(way),
                Spread.of([run["MB"] for run in runs]).format(0),
                Spread.of([run["s"] for run in runs]).format(2),
            )
            for way, runs in results.items()
        ],
        title=f"{options.rows:,} x {FEATURES} values of {options.rows * FEATURES * 4 / 2**20:.0f} MB, "
        f"batches of {options.size:,} rows, 3 trees",
        threads=options.threads,
    )


if __name__ == "__main__":
    main()

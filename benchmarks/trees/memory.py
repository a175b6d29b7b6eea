"""How much memory does a fit of a million rows take, at its peak?

Run with ``python -m benchmarks memory``. The figure to reach is the least of the peers'. Each library has a
process of its own, which loads the table from a file. "Whole process" is the largest resident size, with
Python, the library and the table (112 MB) in it; "the fit" is how much of that came after the library had
been loaded and had fitted 1,000 rows. The case is `dense` of `boosting.py`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.interleave import Spread
from benchmarks.report import heading, table
from benchmarks.trees.libraries import ESPALIER, LIBRARIES, Settings

DEPTH = 8
ROUNDS = 50
FIRST_ROWS = 1_000
MAKE = "from benchmarks.trees.memory import save; save({folder!r}, {rows})"
FIT = "from benchmarks.trees.memory import peaks; print(*peaks({name!r}, {folder!r}, {rounds}))"


def save(folder: str, rows: int) -> None:
    """Write the table; in a process of its own, because a child's peak begins with that of its parent."""
    import numpy as np

    from benchmarks.trees.datasets import collisions

    problem = collisions(rows)
    np.save(Path(folder) / "X.npy", problem.X)
    np.save(Path(folder) / "y.npy", problem.y)


def peaks(name: str, folder: str, rounds: int) -> tuple[float, float]:
    """Fit in this process; its largest resident size before and after, in MB."""
    import numpy as np

    from benchmarks.trees.datasets import Problem

    X, y = np.load(Path(folder) / "X.npy"), np.load(Path(folder) / "y.npy")
    fit, settings = LIBRARIES[name].fit, Settings(DEPTH, rounds)
    few = Problem("binary", X[:FIRST_ROWS], y[:FIRST_ROWS], X[:0], y[:0])
    fit(few, settings)
    before = largest_resident()
    fit(Problem("binary", X, y, X[:0], y[:0]), settings)
    return before, largest_resident()


def largest_resident() -> float:
    """The largest resident size of this process so far, in MB."""
    import resource

    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size / (2**20 if sys.platform == "darwin" else 2**10)


def run(program: str) -> list[float]:
    """The numbers that a fresh interpreter prints."""
    done = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True)
    return [float(word) for word in done.stdout.split()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--turns", type=int, default=3, help="processes of each library")
    parser.add_argument("--markdown", action="store_true", help="print the table for a document")
    options = parser.parse_args()
    heading(
        f"Peak memory of a fit: {options.rows:,} x 28, depth {DEPTH}, {ROUNDS} rounds",
        "xgboost",
        "lightgbm",
        "scikit-learn",
    )
    names = [n for n, lib in LIBRARIES.items() if lib.installed and lib.package != "catboost"]
    whole: dict[str, list[float]] = {name: [] for name in names}
    fits: dict[str, list[float]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as folder:
        run(MAKE.format(folder=folder, rows=options.rows))
        for _ in range(options.turns):
            for name in names:
                before, after = run(FIT.format(name=name, folder=folder, rounds=ROUNDS))
                whole[name].append(after)
                fits[name].append(after - before)

    def share(sizes: dict[str, list[float]], name: str) -> str:
        theirs = Spread.of(sizes[name]).median
        return f"{Spread.of(sizes[ESPALIER]).median / theirs:.2f}" if name != ESPALIER and theirs else ""

    table(
        ("", "whole process, MB", "espalier takes, of it", "the fit, MB", "espalier takes, of it"),
        [
            (
                name,
                Spread.of(whole[name]).format(0),
                share(whole, name),
                Spread.of(fits[name]).format(0),
                share(fits, name),
            )
            for name in names
        ],
        markdown=options.markdown,
    )


if __name__ == "__main__":
    main()

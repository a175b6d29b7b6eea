"""How long does a fresh process take to import a library and fit 1,000 rows?

Run with ``python -m benchmarks.firstfit``. The figure to reach is under 2 s. Each number is a whole process,
from its start to its end; files and compiled kernels are there from a run before. The processes take turns.
The last line imports NumPy and makes the rows, which all of them do.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
from functools import partial

from benchmarks.interleave import interleave
from benchmarks.report import heading, table

ROWS = """
import numpy as np
rng = np.random.default_rng(0)
X = rng.standard_normal((1000, 28), dtype=np.float32)
y = (X[:, 0] * X[:, 1] + X[:, 2] > 0).astype(np.float32)
"""
XGBOOST = """
import {package} as xgb
params = {{"objective": "binary:logistic", "max_depth": 6, "nthread": 2, "verbosity": 0}}
xgb.train(params, xgb.DMatrix(X, label=y), 10)
"""
FITS = {
    "boost": XGBOOST.format(package="boost"),
    "xgboost": XGBOOST.format(package="xgboost"),
    "lightgbm": """
import lightgbm
params = {"objective": "binary", "max_depth": 6, "num_leaves": 64, "num_threads": 2, "verbose": -1}
lightgbm.train(params, lightgbm.Dataset(X, y), 10)
""",
    "sklearn": """
from sklearn.ensemble import HistGradientBoostingClassifier
HistGradientBoostingClassifier(max_iter=10, max_depth=6, early_stopping=False).fit(X, y)
""",
}
NUMPY = "NumPy alone"


def process(program: str) -> None:
    """Run a program in a fresh interpreter."""
    subprocess.run([sys.executable, "-c", program], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--turns", type=int, default=11, help="processes of each library")
    parser.add_argument("--markdown", action="store_true", help="print the table for a document")
    options = parser.parse_args()
    heading(
        "Seconds of a process that imports a library and fits 1,000 x 28 rows: depth 6, 10 rounds, 2 threads",
        "numba",
        "xgboost",
        "lightgbm",
        "scikit-learn",
    )
    programs = {name: ROWS + fit for name, fit in FITS.items() if importlib.util.find_spec(name) is not None}
    programs[NUMPY] = ROWS
    times = interleave(
        {name: partial(process, program) for name, program in programs.items()},
        rounds=options.turns,
        min_seconds=0.0,
    )
    table(
        ("", "s [quartiles]", "boost takes, of its time"),
        [
            (
                name,
                time.spread.format(3),
                "" if name == "boost" else time.speedup_over(times["boost"]).format(),
            )
            for name, time in times.items()
        ],
        markdown=options.markdown,
    )


if __name__ == "__main__":
    main()

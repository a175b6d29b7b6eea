"""How long does the first fit on a machine take, and the first fit of a process?

Run with ``python -m benchmarks firstfit``. Two tables:

- the CPU-seconds of a process, and of all that it starts, that fits 2,000 x 20 and predicts with an empty
  cache of kernels, for a plain fit and for fits with one more feature. A busy machine stretches the wall
  time, so that is not shown. The figure to reach is 10 for a plain fit. The second column is what the same
  process takes when a plain fit has filled the cache: what a feature adds. The figure to reach is 5;
- the wall time of a process that imports a library and fits 1,000 rows with kernels in the cache. The figure
  to reach is 2 s. The processes take turns. The last line imports NumPy and makes the rows, which all of them
  do.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import resource
import statistics
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

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

FIRST = """
import numpy as np, boost
rng = np.random.default_rng(0)
X = rng.standard_normal((2000, 20), dtype=np.float32)
y = X[:, 0] * X[:, 1] + X[:, 2]
params, table = {{"nthread": 2, "verbosity": 0}}, {{}}
{change}
data = boost.DMatrix(X, label=y, **table)
boost.train(params, data, 10).predict(data)
"""
PLAIN = "regression"
# What is changed in the first fit, for each feature.
FEATURES = {
    PLAIN: "",
    "binary": "params['objective'] = 'binary:logistic'; y = (y > 0).astype(np.float32)",
    "ranking": "params['objective'] = 'rank:ndcg'; y = np.clip(y.round(), 0, 3); table['group'] = [20] * 100",
    "multiclass": "params.update(objective='multi:softprob', num_class=3); y = np.clip(y.round(), -1, 1) + 1",
    "weights": "table['weight'] = rng.random(2000)",
    "missing values": "X[rng.random(X.shape) < 0.2] = np.nan",
    "categories": "X[:, 3] = rng.integers(0, 30, 2000);"
    " table.update(feature_types=['q'] * 3 + ['c'] + ['q'] * 16, enable_categorical=True)",
    "sparse": "import scipy.sparse; X = scipy.sparse.csr_matrix(X * (rng.random(X.shape) < 0.2))",
    "constraints": "params['monotone_constraints'] = [1] + [0] * 19",
    "loss-guided": "params.update(grow_policy='lossguide', max_leaves=20)",
    "vector leaves": "params['multi_strategy'] = 'multi_output_tree'; y = np.stack((y, -y), axis=1)",
    "exact": "params['tree_method'] = 'exact'",
    "approx": "params['tree_method'] = 'approx'",
    "DART": "params.update(booster='dart', rate_drop=0.3)",
    "large table": "X = rng.standard_normal((100_000, 28), dtype=np.float32); y = X[:, 0]",
}


def process(program: str) -> None:
    """Run a program in a fresh interpreter."""
    subprocess.run([sys.executable, "-c", program], check=True)


def cpu_seconds(program: str, cache: Path) -> float:
    """Return the CPU-seconds of a program in a fresh interpreter, with its kernels in this folder."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache)}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime) - (before.ru_utime + before.ru_stime)


def first_fit(feature: str, turns: int) -> tuple[float, float]:
    """Return the CPU-seconds of a fit with an empty cache, and with what a plain one left there: medians."""
    program = FIRST.format(change=FEATURES[feature])
    empty, more = [], []
    for _ in range(turns):
        with tempfile.TemporaryDirectory() as folder:
            empty.append(cpu_seconds(program, Path(folder)))
        with tempfile.TemporaryDirectory() as folder:
            cpu_seconds(FIRST.format(change=""), Path(folder))
            more.append(cpu_seconds(program, Path(folder)))
    return statistics.median(empty), statistics.median(more)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--turns", type=int, default=11, help="warm processes of each library")
    parser.add_argument("--cold", type=int, default=1, help="processes with an empty cache, for each feature")
    parser.add_argument("--features", nargs="*", default=list(FEATURES), choices=list(FEATURES))
    parser.add_argument("--markdown", action="store_true", help="print the tables for a document")
    options = parser.parse_args()
    if options.cold:
        heading("CPU-seconds of a process that fits 2,000 x 20 rows and predicts, empty cache", "numba")
        rows = []
        for feature in options.features:
            empty, more = first_fit(feature, options.cold)
            rows.append((feature, f"{empty:.1f}", f"{more:.1f}"))
        table(("", "empty cache", "after a plain fit"), rows, markdown=options.markdown)
    if options.turns:
        warm(options.turns, options.markdown)


def warm(turns: int, markdown: bool) -> None:
    """Print the table of warm processes."""
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
        rounds=turns,
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
        markdown=markdown,
    )


if __name__ == "__main__":
    main()

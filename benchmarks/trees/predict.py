"""How fast do our trees predict beside the peers', a table at once and one row at a time?

Run with ``python -m benchmarks predict`` on a machine that does nothing else. XGBoost predicts by our model,
which it reads from the file, LightGBM from one of its own with the same settings. The figures to reach are at
most 0.7 of XGBoost's time for the table, less than LightGBM's, and half of XGBoost's time for a row. All take
the array or the CSR matrix itself (``inplace_predict``, ``predict``). Settings: `libraries.py`.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.interleave import interleave
from benchmarks.report import heading, table
from benchmarks.trees import datasets
from benchmarks.trees.datasets import Problem
from benchmarks.trees.libraries import ESPALIER, LIBRARIES, Settings

DEPTH = 8
ROUNDS = 100
SINGLE_ROWS = 200
Predict = Callable[..., Any]


def predictors(problem: Problem, threads: int) -> dict[str, Predict]:
    """What predicts margins in each library that is installed; ours is first."""
    import boost

    params = {"objective": "binary:logistic", "max_depth": DEPTH, "learning_rate": 0.1, "nthread": threads}
    model = boost.train(params, boost.DMatrix(problem.X, problem.y), ROUNDS, verbose_eval=False)
    ways: dict[str, Predict] = {ESPALIER: partial(model.inplace_predict, predict_type="margin")}
    if LIBRARIES["xgboost"].installed:
        import xgboost

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.json"
            model.save_model(path)
            theirs = xgboost.Booster({"nthread": threads}, model_file=str(path))
        ways["xgboost"] = partial(theirs.inplace_predict, predict_type="margin")
        some = problem.X[:1000]
        np.testing.assert_allclose(ways["xgboost"](some), ways[ESPALIER](some), rtol=1e-4, atol=1e-5)
    if LIBRARIES["lightgbm"].installed:
        predict: Any = LIBRARIES["lightgbm"].fit(problem, Settings(DEPTH, ROUNDS, threads))
        ways["lightgbm"] = partial(predict, num_threads=threads, raw_score=True)
    return ways


def compare(question: str, problem: Problem, threads: int, turns: int, single: bool = False) -> None:
    """Print one table: all rows at once, or some of them one after the other."""
    ways = predictors(problem, threads)
    X = problem.X
    rows = [X[i : i + 1] for i in range(SINGLE_ROWS)]

    def one_by_one(predict: Predict) -> None:
        for row in rows:
            predict(row)

    calls = {name: partial(one_by_one, way) if single else partial(way, X) for name, way in ways.items()}
    times = interleave(calls, rounds=turns, min_seconds=0.0)
    unit, factor = ("us a row", 1e6 / SINGLE_ROWS) if single else ("ms", 1e3)
    table(
        ("", f"{unit} [quartiles]", "least", "ours takes"),
        [
            (
                name,
                times[name].spread.scaled(factor).format(1),
                f"{min(times[name].seconds) * factor:.1f}",
                "" if name == ESPALIER else f"{times[name].speedup_over(times[ESPALIER]).format()} of it",
            )
            for name in ways
        ],
        title=f"{question}, {ROUNDS} trees of depth {DEPTH}",
        threads=threads,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=200_000, help="rows to predict")
    parser.add_argument("--turns", type=int, default=15, help="predictions of each library")
    options = parser.parse_args()
    rows, turns = options.rows, options.turns
    heading("Prediction beside the peers", "xgboost", "lightgbm")
    print("'ours takes' is our time as a fraction of that line's, turn by turn: below 1 we are faster.")
    dense = datasets.collisions(rows)
    compare(f"dense, {dense.shape}", dense, 2, turns)
    missing = datasets.collisions(rows, missing=0.2)
    compare(f"the same, 20 % missing, {missing.shape}", missing, 2, turns)
    sparse = datasets.words(max(100, rows // 20))
    compare(f"CSR, 1 % filled, {sparse.shape}", sparse, 2, turns)
    compare("one row at a time", dense, 1, turns, single=True)


if __name__ == "__main__":
    main()

"""How fast do we explain predictions beside the peers: many rows, one row, and interactions of features?

Run with ``python -m benchmarks explain`` on a machine that does nothing else. XGBoost explains our model,
which it reads from the file, so that credits can be compared; LightGBM explains one of its own with the same
settings. All take the array itself or a table that was made before. Settings: `libraries.py`.
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
from benchmarks.trees.libraries import ESPALIER, LIBRARIES, Settings

DEPTH = 6
ROUNDS = 100
LARGEST_DIFFERENCE = 1e-4


def explainers(problem: datasets.Problem, X: Any, threads: int, option: str) -> dict[str, Callable[[], Any]]:
    """What explains the rows of X in each library that is installed and can; ours is first."""
    import boost

    params = {"objective": "binary:logistic", "max_depth": DEPTH, "learning_rate": 0.1, "nthread": threads}
    model = boost.train(params, boost.DMatrix(problem.X, problem.y), ROUNDS, verbose_eval=False)
    asked: dict[str, Any] = {option: True}
    ours: Any = partial(model.predict, boost.DMatrix(X), **asked)
    ways: dict[str, Callable[[], Any]] = {ESPALIER: ours}
    if LIBRARIES["xgboost"].installed:
        import xgboost

        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.json"
            model.save_model(path)
            theirs = xgboost.Booster({"nthread": threads}, model_file=str(path))
        ways["xgboost"] = partial(theirs.predict, xgboost.DMatrix(X, nthread=threads), **asked)
        np.testing.assert_allclose(ways["xgboost"](), ours(), atol=LARGEST_DIFFERENCE)
    if LIBRARIES["lightgbm"].installed and option == "pred_contribs":
        predict: Any = LIBRARIES["lightgbm"].fit(problem, Settings(DEPTH, ROUNDS, threads))
        ways["lightgbm"] = partial(predict, X, num_threads=threads, pred_contrib=True)
    return ways


def compare(
    question: str,
    problem: datasets.Problem,
    rows: int,
    threads: int,
    turns: int,
    option: str = "pred_contribs",
) -> None:
    """Print one table."""
    times = interleave(
        explainers(problem, problem.X_held[:rows], threads, option), rounds=turns, min_seconds=0.0
    )
    table(
        ("", "ms [quartiles]", "us a row", "ours takes"),
        [
            (
                name,
                time.spread.scaled(1e3).format(1),
                f"{time.spread.median * 1e6 / rows:.0f}",
                "" if name == ESPALIER else f"{time.speedup_over(times[ESPALIER]).format(3)} of it",
            )
            for name, time in times.items()
        ],
        title=f"{question}, {rows:,} row{'s' * (rows > 1)}, {ROUNDS} trees of depth {DEPTH}",
        threads=threads,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=2_000, help="rows to explain")
    parser.add_argument("--turns", type=int, default=7, help="explanations of each library")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    rows, turns = options.rows, options.turns
    heading("Explanation beside the peers", "xgboost", "lightgbm")
    print("'ours takes' is our time as a fraction of that line's, turn by turn: below 1 we are faster.")
    problem = datasets.collisions(5 * rows, missing=0.1)
    for threads in options.threads:
        compare(f"contributions, {problem.shape} trained on", problem, rows, threads, turns)
    compare("one row", problem, 1, 1, turns)
    compare("interactions", problem, max(1, rows // 40), 1, turns, "pred_interactions")


if __name__ == "__main__":
    main()

"""Is the exact grower as fast as XGBoost's, and does it find the same trees?

Run with ``python -m benchmarks exact``. The figure to reach is XGBoost's time on 1M x 28, depth 8. Fits take
turns. The table is handed over as each library's own matrix, made outside of the time; ours is sorted within
the time, for each fit anew.
"""

from __future__ import annotations

import argparse
from typing import Any

from benchmarks.interleave import interleave
from benchmarks.report import cores, heading, table
from benchmarks.trees.datasets import collisions

DEPTH = 8
RATE = 0.1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--trees", type=int, default=5, help="boosting rounds of a fit")
    parser.add_argument("--rounds", type=int, default=3, help="fits of each library")
    parser.add_argument("--threads", type=int, default=cores())
    options = parser.parse_args()

    import xgboost
    from sklearn.metrics import roc_auc_score

    import boost

    problem = collisions(options.rows)
    params: dict[str, Any] = {
        "tree_method": "exact",
        "objective": "binary:logistic",
        "max_depth": DEPTH,
        "eta": RATE,
        "nthread": options.threads,
    }
    heading(
        f"Exact greedy, {problem.shape}, depth {DEPTH}, {options.trees} rounds, {options.threads} threads",
        "xgboost",
    )
    ours, theirs = boost.DMatrix(problem.X, problem.y), xgboost.DMatrix(problem.X, problem.y)
    models: dict[str, Any] = {}

    def fit_ours() -> None:
        models["espalier"] = boost.train(params, ours, options.trees)

    def fit_theirs() -> None:
        models["xgboost"] = xgboost.train(params, theirs, options.trees)

    times = interleave({"espalier": fit_ours, "xgboost": fit_theirs}, rounds=options.rounds, min_seconds=0)
    held = {
        "espalier": models["espalier"].predict(boost.DMatrix(problem.X_held)),
        "xgboost": models["xgboost"].predict(xgboost.DMatrix(problem.X_held)),
    }
    table(
        ("", "fit, s [quartiles]", "AUC of held-out rows", "of xgboost's time"),
        [
            (
                name,
                times[name].spread.format(),
                f"{roc_auc_score(problem.y_held, held[name]):.5f}",
                times["xgboost"].speedup_over(times[name]).format(),
            )
            for name in times
        ],
    )


if __name__ == "__main__":
    main()

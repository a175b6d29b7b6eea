"""How fast and how good are our trees beside the peers', with the same settings and the same threads?

Run with ``python -m benchmarks.tables``. Fits take turns, and so do predictions; the metric is of held-out
rows. The two large tables are synthetic, the small ones ship with scikit-learn.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks.interleave import interleave
from benchmarks.report import cores, heading, table

ROUNDS = 100
DEPTH = 6
RATE = 0.1
BINS = 255


@dataclass(frozen=True)
class Data:
    """Rows for training and held-out rows of one problem."""

    name: str
    classify: bool
    X: Any
    y: Any
    X_held: Any
    y_held: Any


def problems(rows: int) -> list[Data]:
    """The problems, smallest first."""
    from sklearn.datasets import load_breast_cancer, load_diabetes, make_classification, make_regression
    from sklearn.model_selection import train_test_split

    def held_out(name: str, classify: bool, X: Any, y: Any) -> Data:
        X_train, X_held, y_train, y_held = train_test_split(X, y, test_size=0.25, random_state=0)
        return Data(f"{name} {X_train.shape[0]} x {X.shape[1]}", classify, X_train, y_train, X_held, y_held)

    classification = make_classification(
        n_samples=rows, n_features=28, n_informative=14, flip_y=0.05, random_state=0
    )
    regression = make_regression(n_samples=rows, n_features=28, n_informative=14, noise=20.0, random_state=0)
    return [
        held_out("diabetes", False, *load_diabetes(return_X_y=True)),
        held_out("breast cancer", True, *load_breast_cancer(return_X_y=True)),
        held_out("regression", False, *regression),
        held_out("classification", True, *classification),
    ]


def peers(classify: bool) -> dict[str, Callable[[], Any]]:
    """What makes an unfitted model of each library that is installed; ours is first."""
    import boost

    threads = cores()
    ours = boost.BoostClassifier if classify else boost.BoostRegressor
    makers: dict[str, Callable[[], Any]] = {
        "espalier": lambda: ours(
            n_estimators=ROUNDS, max_depth=DEPTH, learning_rate=RATE, max_bin=BINS, n_jobs=threads
        )
    }

    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    hist = HistGradientBoostingClassifier if classify else HistGradientBoostingRegressor
    makers["scikit-learn"] = lambda: hist(
        max_iter=ROUNDS,
        max_depth=DEPTH,
        max_leaf_nodes=2**DEPTH,
        learning_rate=RATE,
        max_bins=BINS,
        min_samples_leaf=1,
        l2_regularization=1.0,
        early_stopping=False,
    )
    try:
        import xgboost
    except ImportError:
        pass
    else:
        xgb = xgboost.XGBClassifier if classify else xgboost.XGBRegressor
        makers["xgboost"] = lambda: xgb(
            n_estimators=ROUNDS,
            max_depth=DEPTH,
            learning_rate=RATE,
            max_bin=BINS,
            tree_method="hist",
            n_jobs=threads,
        )
    try:
        import lightgbm
    except ImportError:
        pass
    else:
        lgb = lightgbm.LGBMClassifier if classify else lightgbm.LGBMRegressor
        makers["lightgbm"] = lambda: lgb(
            n_estimators=ROUNDS,
            max_depth=DEPTH,
            num_leaves=2**DEPTH,
            learning_rate=RATE,
            max_bin=BINS,
            min_child_samples=1,
            min_child_weight=1.0,
            reg_lambda=1.0,
            n_jobs=threads,
            verbose=-1,
        )
    return makers


def compare(data: Data, rounds: int) -> None:
    """Print one table for one problem."""
    makers = peers(data.classify)

    def fit(name: str) -> Any:
        return makers[name]().fit(data.X, data.y)

    models = {name: fit(name) for name in makers}
    fits = interleave({name: partial(fit, name) for name in makers}, rounds=rounds, min_seconds=0.0)
    predictions = interleave(
        {name: partial(models[name].predict, data.X_held) for name in makers}, rounds=2 * rounds + 1
    )
    print(f"\n{data.name}: {'log loss' if data.classify else 'R2'} of {len(data.y_held)} held-out rows")
    ours = next(iter(makers))
    table(
        ("", "metric", "fit, s [quartiles]", "ours is", "predict, ms [quartiles]", "ours is"),
        [
            (
                name,
                f"{score(models[name], data):.4f}",
                fits[name].spread.format(3),
                "" if name == ours else f"{fits[ours].speedup_over(fits[name]).format()} x",
                predictions[name].spread.scaled(1e3).format(2),
                "" if name == ours else f"{predictions[ours].speedup_over(predictions[name]).format()} x",
            )
            for name in makers
        ],
    )


def score(model: Any, data: Data) -> float:
    """Held-out log loss of a classifier, or R2 of a regressor."""
    from sklearn.metrics import log_loss, r2_score

    if data.classify:
        return float(log_loss(data.y_held, model.predict_proba(data.X_held)))
    return float(r2_score(data.y_held, model.predict(data.X_held)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rows", type=int, default=200_000, help="rows of the synthetic tables")
    parser.add_argument("--rounds", type=int, default=5, help="fits of each library on each table")
    options = parser.parse_args()
    heading(
        f"Boosted trees beside the peers: {ROUNDS} rounds, depth {DEPTH}, {BINS} bins, {cores()} threads",
        "scikit-learn",
        "xgboost",
        "lightgbm",
    )
    print(
        "'ours is' says how many times faster espalier was than that line, round by round; above 1 is faster."
    )
    for data in problems(options.rows):
        compare(data, options.rounds)


if __name__ == "__main__":
    main()

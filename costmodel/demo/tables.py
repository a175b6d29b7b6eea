"""Our trees beside scikit-learn's on two real tables."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class TableScore:
    """One learner on one data set.

    Parameters
    ----------
    data, learner, metric : str
    value : float
        Mean of the metric on held-out rows over the splits.
    spread : float
        Standard deviation over the splits.
    seconds : float
        Median time of a fit.
    """

    data: str
    learner: str
    metric: str
    value: float
    spread: float
    seconds: float


def load_kernels() -> float:
    """Load the kernels that the trees need, and return the seconds that it took.

    The first time on a machine they are compiled.
    """
    import boost

    start = time.perf_counter()
    rng = np.random.default_rng(0)
    features = rng.random((64, 4), dtype=np.float32)
    for objective in ("rank:pairwise", "binary:logistic", "reg:squarederror"):
        group = [64] if objective == "rank:pairwise" else None
        data = boost.DMatrix(features, label=features[:, 0] > 0.5, group=group)
        boost.train({"objective": objective, "nthread": 1}, data, num_boost_round=1).predict(features)
    return time.perf_counter() - start


def compare_on_tables(seed: int, *, splits: int, rounds: int) -> list[TableScore]:
    """Train our trees and scikit-learn's on the same rows, interleaved, with one thread each."""
    from sklearn.datasets import load_breast_cancer, load_diabetes
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.metrics import r2_score, roc_auc_score
    from threadpoolctl import threadpool_limits

    from boost import BoostClassifier, BoostRegressor

    cancer, diabetes = load_breast_cancer(), load_diabetes()
    shared: dict[str, Any] = {"learning_rate": 0.1, "max_depth": 4}
    ours: dict[str, Any] = {**shared, "n_estimators": rounds, "n_jobs": 1}
    theirs: dict[str, Any] = {**shared, "max_iter": rounds, "early_stopping": False, "max_leaf_nodes": None}
    jobs: list[tuple[str, Any, str, dict[str, Callable[[], Any]], Callable[[Any, Any, Any], float]]] = [
        (
            "breast_cancer",
            cancer,
            "ROC AUC",
            {
                "espalier": lambda: BoostClassifier(**ours),
                "HistGradientBoosting": lambda: HistGradientBoostingClassifier(**theirs),
            },
            lambda model, x, y: float(roc_auc_score(y, model.predict_proba(x)[:, 1])),
        ),
        (
            "diabetes",
            diabetes,
            "R2",
            {
                # every row has the hessian 1 of squared error, so this is their min_samples_leaf
                "espalier": lambda: BoostRegressor(**ours, min_child_weight=20),
                "HistGradientBoosting": lambda: HistGradientBoostingRegressor(**theirs),
            },
            lambda model, x, y: float(r2_score(y, model.predict(x))),
        ),
    ]
    scores = []
    # on tables of this size more threads are not faster
    with threadpool_limits(limits=1):
        for job in jobs:
            scores += _compare(*job, seeds=range(seed, seed + splits))
    return scores


def _compare(
    name: str,
    data: Any,
    metric: str,
    learners: dict[str, Callable[[], Any]],
    evaluate: Callable[[Any, Any, Any], float],
    *,
    seeds: Sequence[int],
) -> list[TableScore]:
    """Return the scores of learners on one data set, fitted interleaved on the split of each seed."""
    from sklearn.model_selection import train_test_split

    for make in learners.values():  # the first fit loads kernels
        make().fit(data.data, data.target)
    values: dict[str, list[float]] = {learner: [] for learner in learners}
    seconds: dict[str, list[float]] = {learner: [] for learner in learners}
    classes = data.target if metric == "ROC AUC" else None
    for seed in seeds:
        x, x_held, y, y_held = train_test_split(
            data.data, data.target, test_size=0.25, random_state=seed, stratify=classes
        )
        for learner, make in learners.items():
            model = make()
            start = time.perf_counter()
            model.fit(x, y)
            seconds[learner].append(time.perf_counter() - start)
            values[learner].append(evaluate(model, x_held, y_held))
    return [
        TableScore(
            name,
            learner,
            metric,
            statistics.mean(values[learner]),
            statistics.stdev(values[learner]),
            statistics.median(seconds[learner]),
        )
        for learner in learners
    ]


def scores_table(scores: list[TableScore], *, splits: int, rounds: int) -> Table:
    """Return a table of the scores."""
    from rich import box
    from rich.table import Table

    title = f"Tables: held-out rows of {splits} splits, {rounds} rounds, one thread each"
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=title, title_justify="left")
    table.add_column("data", no_wrap=True)
    table.add_column("trees", no_wrap=True)
    table.add_column("metric")
    table.add_column("held out", justify="right", no_wrap=True)
    table.add_column("ms a fit", justify="right")
    for score in scores:
        table.add_row(
            score.data,
            score.learner,
            score.metric,
            f"{score.value:.4f} ± {score.spread:.4f}",
            f"{score.seconds * 1e3:.1f}",
        )
    return table

"""The main job, end to end: two programs tuned with our trees, and the trees on two real tables."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from costmodel.measure.finals import DEFAULT, Finals, run_finals
from costmodel.measure.host import cpu_name
from costmodel.measure.measurer import Measurer
from costmodel.report import (
    LiveLine,
    check_plotting,
    failure_counts,
    finals_summary,
    finals_table,
    plot_curves,
    summary,
    write_json,
)
from costmodel.task import Task
from costmodel.tune import TuneResult, tune

if TYPE_CHECKING:
    from rich.console import Console

PROGRAMS: tuple[tuple[str, tuple[int, ...], str], ...] = (
    ("matmul", (512, 512, 512), "matmul 512 x 512 x 512"),
    ("conv2d", (1, 64, 56, 56, 64, 3, 1, 1), "ResNet-18 convolution C2"),
)
RANDOM = "best of random search"
MODEL = "tuned with the model"
ROUNDS = 100
SPLITS = 5
TURNS = 15


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


def run_demo(output: Path, *, trials: int, seed: int, console: Console) -> bool:
    """Do both jobs, write records, curves and summary to a folder, and print what came out.

    Parameters
    ----------
    output : Path
        Made if need be. Records that are there already are used.
    trials : int
        Of each search.
    seed : int
    console : rich Console

    Returns
    -------
    bool
        False when Ctrl-C ended it early; what was measured is saved.
    """
    check_plotting()
    output.mkdir(parents=True, exist_ok=True)
    console.print(f"espalier demo on {cpu_name()}, seed {seed}", highlight=False)
    records = output / "records.jsonl"
    with Measurer() as measurer:  # it loads while our kernels do
        seconds = load_kernels()
        console.print(
            f"kernels of the trees: {seconds:.1f} s to load (to compile, the first time on a machine)",
            highlight=False,
        )
        runs = _tune_programs(records, measurer, trials=trials, seed=seed, console=console)
        if runs is None:
            console.print(f"interrupted: what was measured is in {records}", highlight=False)
            return False
        finals = [_finals(pair, measurer) for pair in runs]
    scores = compare_on_tables(seed)
    _print_scores(scores, console)
    console.print(finals_table(finals))
    console.print(f"each search: {trials} trials, seed {seed}, the same first batch", highlight=False)
    curves, told = output / "tuning-curves.png", output / "summary.json"
    plot_curves(curves, {p.title: _panel(p, f) for p, f in zip(runs, finals, strict=True)})
    value = {
        "cpu": measurer.machine,
        "seed": seed,
        "trials": trials,
        "tables": [vars(s) for s in scores],
        "runs": [summary(r) for p in runs for r in (p.model, p.random)],
        "finals": [finals_summary(f) for f in finals],
    }
    write_json(told, value)
    for name, path in {"records": records, "curves": curves, "summary": told}.items():
        console.print(f"{name + ':':<9} {path}", highlight=False, soft_wrap=True)
    return True


def load_kernels() -> float:
    """Seconds until the trees can train: kernels are loaded, and the first time on a machine compiled."""
    import boost

    start = time.perf_counter()
    rng = np.random.default_rng(0)
    features = rng.random((64, 4), dtype=np.float32)
    for objective in ("rank:pairwise", "binary:logistic", "reg:squarederror"):
        group = [64] if objective == "rank:pairwise" else None
        data = boost.DMatrix(features, label=features[:, 0] > 0.5, group=group)
        boost.train({"objective": objective, "nthread": 1}, data, num_boost_round=1).predict(features)
    return time.perf_counter() - start


def compare_on_tables(seed: int) -> list[TableScore]:
    """Train our trees and scikit-learn's on the same rows, in turns, with one thread each."""
    from sklearn.datasets import load_breast_cancer, load_diabetes
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from sklearn.metrics import r2_score, roc_auc_score
    from threadpoolctl import threadpool_limits

    from boost import BoostClassifier, BoostRegressor

    cancer, diabetes = load_breast_cancer(), load_diabetes()
    shared: dict[str, Any] = {"learning_rate": 0.1, "max_depth": 4}
    ours: dict[str, Any] = {**shared, "n_estimators": ROUNDS, "n_jobs": 1}
    theirs: dict[str, Any] = {**shared, "max_iter": ROUNDS, "early_stopping": False, "max_leaf_nodes": None}
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
                # the hessian of squared error is one a row, so this is their min_samples_leaf
                "espalier": lambda: BoostRegressor(**ours, min_child_weight=20),
                "HistGradientBoosting": lambda: HistGradientBoostingRegressor(**theirs),
            },
            lambda model, x, y: float(r2_score(y, model.predict(x))),
        ),
    ]
    scores = []
    # on tables of this size more threads only wait for each other
    with threadpool_limits(limits=1):
        for job in jobs:
            scores += _compare(*job, seed=seed)
    return scores


def _compare(
    name: str,
    data: Any,
    metric: str,
    learners: dict[str, Callable[[], Any]],
    evaluate: Callable[[Any, Any, Any], float],
    *,
    seed: int,
) -> list[TableScore]:
    """The scores of several learners on one data set, fitted in turns on each split."""
    from sklearn.model_selection import train_test_split

    for make in learners.values():  # neither pays for its first use
        make().fit(data.data, data.target)
    values: dict[str, list[float]] = {learner: [] for learner in learners}
    seconds: dict[str, list[float]] = {learner: [] for learner in learners}
    classes = data.target if metric == "ROC AUC" else None
    for split in range(SPLITS):
        x, x_held, y, y_held = train_test_split(
            data.data, data.target, test_size=0.25, random_state=seed + split, stratify=classes
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


def _print_scores(scores: list[TableScore], console: Console) -> None:
    from rich import box
    from rich.table import Table

    title = f"Tables: held-out rows of {SPLITS} splits, {ROUNDS} rounds, one thread each"
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
    console.print(table)


@dataclass(frozen=True)
class Pair:
    """The two searches for one program."""

    task: Task
    title: str
    model: TuneResult
    random: TuneResult


def _tune_programs(
    records: Path, measurer: Measurer, *, trials: int, seed: int, console: Console
) -> list[Pair] | None:
    """Both searches for each program; None when Ctrl-C ended one."""
    pairs = []
    for operator, shape, title in PROGRAMS:
        task = Task(operator, shape)
        found = []
        for explorer in ("model", "random"):
            result = _search(task, explorer, trials, records, measurer, seed, console)
            if result.interrupted:
                return None
            found.append(result)
        pairs.append(Pair(task, title, found[0], found[1]))
    return pairs


def _finals(pair: Pair, measurer: Measurer) -> Finals:
    contest = {RANDOM: pair.random.records, MODEL: pair.model.records}
    return run_finals(pair.task, contest, measurer, baseline=True, rounds=TURNS)


def _panel(pair: Pair, finals: Finals) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Curves and levels of one plot."""
    levels = {c.name: c.gflops for c in finals.comparisons if c.name not in (RANDOM, MODEL)}
    return {"model": pair.model.curve(), "random": pair.random.curve()}, levels


def _search(
    task: Task,
    explorer: str,
    trials: int,
    records: Path,
    measurer: Measurer,
    seed: int,
    console: Console,
) -> TuneResult:
    with LiveLine(console) as line:
        result = tune(
            task,
            trials,
            explorer=explorer,
            records=records,
            measurer=measurer,
            seed=seed,
            callback=line,
        )
    here = len(result.records) - result.resumed
    told = f"{task.key}, {explorer}: best {result.best_gflops:.1f} GFLOP/s"
    told += f"; {result.resumed} trials from the records, {here} measured"
    if here:
        told += f" in {result.seconds:.1f} s ({result.seconds_per_trial() * 1e3:.0f} ms a trial)"
    console.print(f"{told}; failed {failure_counts(result.failures)}", highlight=False, soft_wrap=True)
    return result


__all__ = ["DEFAULT", "MODEL", "PROGRAMS", "RANDOM", "TableScore", "compare_on_tables", "run_demo"]

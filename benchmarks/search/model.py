"""How well does the cost model order programs that it has not seen, beside xgboost on the same features?

Run with ``python -m benchmarks model``. The programs are those of ``benchmarks/search/programs.jsonl.gz``,
few of many tasks: two thirds of them random configurations, the others neighbours of fast ones. Within a task
the accuracy is also that of `EACH` programs of the sample of the benchmark of explorers, many of few tasks.
Pairs whose measured speeds differ by less than the noise floor are left out.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

import compiler
from benchmarks.interleave import Spread
from benchmarks.report import heading, table
from benchmarks.search.oracle import inside, read, tasks
from benchmarks.search.programs import DATA
from compiler import Target
from costmodel import BoostedTreeCostModel
from costmodel.features import StoreFeatures, feature_names
from costmodel.learned import pairwise_accuracy, top_recall
from costmodel.learned.labels import log_speeds
from costmodel.transfer import Examples, WarmCostModel, examples, read_programs

NOISE = 0.03
SPLITS = 5
TOP = 30
# programs of a task of the sample of explorers: 240 to learn from, 60 to order
EACH = 300


class XGBoost:
    """xgboost with the parameters of our model, on the same labels."""

    def __init__(self, rounds: int = 100, **params: Any) -> None:
        ours = BoostedTreeCostModel(rounds=rounds, **params)
        self.rounds, self.params = ours.rounds, {**ours.params, "tree_method": "hist", "nthread": 1}
        self.booster: Any = None

    def fit(self, features: np.ndarray, throughputs: np.ndarray, groups: np.ndarray | None = None) -> None:
        import xgboost

        groups = np.zeros(len(features), np.int64) if groups is None else groups
        data = xgboost.DMatrix(features, label=log_speeds(throughputs, groups))
        self.booster = xgboost.train(self.params, data, num_boost_round=self.rounds)

    def predict(self, features: np.ndarray) -> np.ndarray:
        return np.asarray(self.booster.inplace_predict(features, predict_type="margin"), np.float64)


WAYS: dict[str, Callable[..., Any]] = {"boost": BoostedTreeCostModel, "xgboost": XGBoost}


def short(task: str) -> str:
    """The short name of a task, such as ``C2 v3``."""
    return task.split(":")[0]


def kind(task: str) -> str:
    """The kind of CPU of a task."""
    return short(task).rpartition(" ")[2]


def rows_of(rows: Examples, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Features and throughputs of one task."""
    own = rows.groups == number
    return rows.features[own], rows.throughputs[own]


def sampled(name: str, rows: Sequence[tuple[dict[str, Any], float]]) -> tuple[np.ndarray, np.ndarray]:
    """Features and throughputs of `EACH` programs of a task of the sample of explorers."""
    task = tasks()[name]
    family = StoreFeatures(Target.parse(task.target).hardware)
    known = inside(task, rows)
    chosen = [known[i] for i in np.random.default_rng(0).permutation(len(known))[:EACH]]
    nests = [compiler.loop_nest(*task.instantiate(index)) for index, _ in chosen]
    features = np.stack([family.extract(nest) for nest in nests])
    return features, np.array([1 / ratio for _, ratio in chosen])


def within(make: Callable[..., Any], features: np.ndarray, throughputs: np.ndarray) -> tuple[float, float]:
    """Return accuracy of the held-out fifths and recall of the fastest, each program scored while held
    out.
    """
    n = len(throughputs)
    scores, accuracies = np.zeros(n), []
    for held in np.array_split(np.random.default_rng(0).permutation(n), SPLITS):
        model = make()
        kept = np.setdiff1d(np.arange(n), held)
        model.fit(features[kept], throughputs[kept])
        scores[held] = model.predict(features[held])
        accuracies.append(pairwise_accuracy(scores[held], throughputs[held], noise=NOISE))
    return mean(accuracies), top_recall(scores, throughputs, min(TOP, n // 10))


def carried(make: Callable[..., Any], rows: Examples, number: int, known: Sequence[str]) -> float:
    """Return the accuracy on a task of a model of other tasks."""
    train = rows.of(known)
    model = make(rounds=300, eta=0.05)
    model.fit(train.features, train.throughputs, train.groups)
    features, throughputs = rows_of(rows, number)
    return pairwise_accuracy(model.predict(features), throughputs, noise=NOISE)


def by_measurements(
    rows: Examples, number: int, known: Sequence[str], counts: Sequence[int]
) -> dict[str, list[float]]:
    """Return the accuracy on a task after some of its programs were measured, with and without the other
    tasks.
    """
    train = rows.of(known)
    prior = BoostedTreeCostModel(rounds=300, eta=0.05)
    prior.fit(train.features, train.throughputs, train.groups)
    features, throughputs = rows_of(rows, number)
    found: dict[str, list[float]] = {"alone": [], "warm": []}
    for count in counts:
        accuracies: dict[str, list[float]] = {"alone": [], "warm": []}
        for seed in range(3):
            order = np.random.default_rng(seed).permutation(len(throughputs))
            seen, held = order[:count], order[max(counts) :]
            for way, model in (("alone", BoostedTreeCostModel()), ("warm", WarmCostModel(prior))):
                model.fit(features[seen], throughputs[seen])
                scores = model.predict(features[held])
                accuracies[way].append(pairwise_accuracy(scores, throughputs[held], noise=NOISE))
        for way, values in accuracies.items():
            found[way].append(mean(values))
    return found


def speed(rows: Examples) -> list[tuple[str, str, str]]:
    """Time a refit on 2,000 programs and a prediction of 512, in turns."""
    rng = np.random.default_rng(0)
    chosen = rng.choice(len(rows), 2000, replace=len(rows) < 2000)
    features, throughputs = np.ascontiguousarray(rows.features[chosen]), rows.throughputs[chosen]
    groups = rows.groups[chosen]
    models = {way: make() for way, make in WAYS.items()}
    taken: dict[tuple[str, str], list[float]] = {}
    for turn in range(6):
        for way, model in models.items():
            start = time.perf_counter()
            model.fit(features, throughputs, groups)
            middle = time.perf_counter()
            model.predict(features[:512])
            first = time.perf_counter()
            model.predict(features[:512])
            end = time.perf_counter()
            if turn:  # the first one compiles kernels
                taken.setdefault((way, "fit"), []).append(middle - start)
                taken.setdefault((way, "first"), []).append(first - middle)
                taken.setdefault((way, "predict"), []).append(end - first)
    lines = []
    steps = {
        "fit": "refit on 2,000 programs",
        "first": "predict 512 programs, first after a fit",
        "predict": "predict 512 programs, again",
    }
    for step, name in steps.items():
        ratios = [a / b for a, b in zip(taken["boost", step], taken["xgboost", step], strict=True)]
        ms = Spread.of(taken["boost", step]).scaled(1e3).format(2)
        lines.append((name, ms, Spread.of(ratios).format(2)))
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--only", nargs="*", choices=("within", "carried", "warm", "speed"), default=[])
    parser.add_argument("--least", type=int, default=100, help="programs of a task that is evaluated")
    given = parser.parse_args()
    heading("How well does the cost model order programs that it has not seen?", "xgboost")
    rows = examples(read_programs(given.data))
    sizes = np.bincount(rows.groups)
    print(
        f"{len(rows)} programs of {len(rows.tasks)} tasks, {len(feature_names())} features, "
        f"noise floor {NOISE:.0%}"
    )
    numbers = [n for n in range(len(rows.tasks)) if sizes[n] >= given.least]
    chosen = given.only or ("within", "carried", "warm", "speed")
    if "within" in chosen:
        lines, sums = [], []
        for n in numbers:
            values = [v for make in WAYS.values() for v in within(make, *rows_of(rows, n))]
            sums.append(values)
            lines.append((short(rows.tasks[n]), str(sizes[n]), *(f"{v:.3f}" for v in values)))
            print(*lines[-1], flush=True)
        for name, programs in read().items():
            if len(programs) >= given.least:
                features, throughputs = sampled(name, programs)
                values = [v for make in WAYS.values() for v in within(make, features, throughputs)]
                sums.append(values)
                lines.append((name, str(len(throughputs)), *(f"{v:.3f}" for v in values)))
                print(*lines[-1], flush=True)
        lines.append(("mean", "", *(f"{v:.3f}" for v in np.mean(sums, axis=0))))
        columns: tuple[str, ...] = (
            "task",
            "programs",
            "pairs, boost",
            "top tenth, boost",
            "pairs, xgboost",
            "top tenth, xgboost",
        )
        table(columns, lines, title=f"Within a task: {SPLITS} splits of 80/20", threads=1)
    if "carried" in chosen:
        lines, sums = [], []
        for n in numbers:
            task = rows.tasks[n]
            work = short(task).rpartition(" ")[0]
            shapes = [t for t in rows.tasks if short(t).rpartition(" ")[0] != work]
            kinds = [t for t in rows.tasks if kind(t) != kind(task)]
            values = [
                carried(make, rows, n, known) for known in (shapes, kinds) if known for make in WAYS.values()
            ]
            sums.append(values)
            lines.append((short(task), *(f"{v:.3f}" for v in values)))
            print(*lines[-1], flush=True)
        lines.append(("mean", *(f"{v:.3f}" for v in np.mean(sums, axis=0))))
        columns = ("task", "unseen shape, boost", "xgboost", "other CPU, boost", "xgboost ")[: len(lines[0])]
        table(columns, lines, title="Carried from other tasks: pairs in order", threads=1)
    if "warm" in chosen:
        counts = (8, 16, 32, 64)
        lines = []
        for n in numbers:
            work = short(rows.tasks[n]).rpartition(" ")[0]
            known = [t for t in rows.tasks if short(t).rpartition(" ")[0] != work]
            found = by_measurements(rows, n, known, counts)
            for way, values in found.items():
                lines.append((f"{short(rows.tasks[n])}, {way}", *(f"{v:.3f}" for v in values)))
                print(*lines[-1], flush=True)
        columns = ("task", *(f"{count} measured" for count in counts))
        table(
            columns,
            lines,
            title="Pairs in order after few measurements, alone and with the other tasks",
            threads=1,
        )
    if "speed" in chosen:
        table(("step", "ms", "share of xgboost's time"), speed(rows), title="Time of the model", threads=1)


if __name__ == "__main__":
    main()

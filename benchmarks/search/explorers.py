"""How many trials does a search need, by explorer, model, features and acquisition?

Run with ``python -m benchmarks explorers``. The searches are those of `costmodel.tune`, and their costs those
of an oracle that was fitted to measured programs (`benchmarks.search.oracle`), so that the best program is
known and many seeds take minutes. A search begins with a random program of median speed as the default, since
the templates' defaults are close to the best. ``--measure NAME`` adds measured programs of a task to the
sample.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from benchmarks.interleave import Spread
from benchmarks.report import heading, table
from benchmarks.search.model import XGBoost
from benchmarks.search.oracle import (
    Oracle,
    OracleRunner,
    evolve,
    measure,
    poor_default,
    read,
    tasks,
    write,
)
from benchmarks.search.programs import DATA as PROGRAMS
from costmodel import BoostedTreeCostModel, Task, tune
from costmodel.explore import AnnealingExplorer, GeneticExplorer, IrreversibleExplorer
from costmodel.transfer import make_model, read_programs

SHARES = (0.9, 0.95)


class XGBoostCostModel(XGBoost):
    """xgboost in place of `boost`, with the same parameters; its ensemble has no deviations."""

    @property
    def fitted(self) -> bool:
        return self.booster is not None

    def update(self, features: np.ndarray, throughputs: np.ndarray, groups: np.ndarray | None = None) -> None:
        self.fit(features, throughputs, groups)


@lru_cache
def elsewhere(name: str) -> BoostedTreeCostModel:
    """A model of the measured programs of all other shapes, for both kinds of CPU."""
    work = name.rpartition(" ")[0]
    return make_model([p for p in read_programs(PROGRAMS) if not p.task.startswith(f"{work} ")])


# name -> the arguments of `tune`, for the name of a task; "evolution" is `evolve`
Way = Callable[[str], dict[str, Any]]
WAYS: dict[str, Way] = {
    "random": lambda name: {"explorer": "random"},
    "genetic, without a model": lambda name: {},
    "model": lambda name: {},
    "model, mean": lambda name: {"acquisition": "mean"},
    "model, mean, xgboost": lambda name: {"acquisition": "mean", "model": XGBoostCostModel()},
    "model, ucb": lambda name: {"acquisition": "ucb", "optimism": 2.0},
    "model, ei": lambda name: {"acquisition": "ei"},
    "model, loop features": lambda name: {"features": "loop"},
    "model, knob features": lambda name: {"features": "knob"},
    "model, ranking objective": lambda name: {"model": BoostedTreeCostModel(objective="rank:pairwise")},
    "genetic": lambda name: {"explorer": "genetic"},
    "irreversible": lambda name: {"explorer": "irreversible"},
    "model, of other shapes": lambda name: {"warm": elsewhere(name)},
}
UNAIDED = "genetic, without a model"


def search(
    oracle: Oracle, task: Task, way: str, name: str, trials: int, seed: int
) -> tuple[list[float], float, float]:
    """Return the costs of the trials of a search, its mean rank correlation, and its CPU seconds."""
    if way == UNAIDED:
        return evolve(oracle, task, trials, seed), np.nan, np.nan
    start = time.process_time()
    result = tune(
        task,
        trials,
        measurer=OracleRunner(oracle),
        seed=seed,
        **{"shipped": False, "finals": False, **WAYS[way](name)},
    )
    spent = time.process_time() - start
    known = [c for c in result.correlations if np.isfinite(c)]
    return [r.cost for r in result.records], float(np.mean(known)) if known else np.nan, spent


def reached(costs: Sequence[float], goal: float) -> float:
    """Return the number of trials until a cost is reached, infinite if it was not."""
    at = np.flatnonzero(np.array(costs) <= goal)
    return float(at[0] + 1) if len(at) else np.inf


def middle(values: Sequence[float], most: int) -> str:
    """Median and quartiles of numbers of trials, some of which may be more than all."""
    at = np.quantile(np.minimum(values, most + 1), (0.5, 0.25, 0.75), method="higher")
    one, low, high = (f">{most}" if v > most else f"{v:.0f}" for v in at)
    return f"{one} [{low}, {high}]"


class Counted:
    """An oracle as the score of an explorer, which notes the best score after each evaluation."""

    def __init__(self, oracle: Oracle) -> None:
        self.oracle = oracle
        self.scores: list[float] = []

    def __call__(self, indices: Sequence[int]) -> np.ndarray:
        found = -np.log(self.oracle.costs(indices))
        self.scores += found.tolist()
        return found


def evaluations(oracle: Oracle, most: int, seeds: int) -> list[tuple[str, ...]]:
    """Count the evaluations of a score that explorers need, without trials."""
    kinds = (AnnealingExplorer, IrreversibleExplorer, GeneticExplorer)
    counted: dict[str, list[Counted]] = {}
    for kind in kinds:
        for seed in range(seeds):
            score = Counted(oracle)
            explorer = kind(oracle.task.space, evaluations=most, early_stop=most)
            explorer.propose(1, score, set(), rng=np.random.default_rng(seed))
            counted.setdefault(kind.name, []).append(score)
    goal = -np.log(oracle.best)
    return [
        (
            name,
            *(
                middle([reached([-s for s in c.scores], -(goal + np.log(share))) for c in found], most)
                for share in SHARES
            ),
        )
        for name, found in counted.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", help="tasks of the sample, such as 'C2 host' (default: all)")
    parser.add_argument("--ways", nargs="*", choices=WAYS, default=list(WAYS))
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--trials", type=int, default=128)
    parser.add_argument("--measure", metavar="NAME", help="a task whose programs are measured first")
    parser.add_argument("--seconds", type=float, default=160.0)
    given = parser.parse_args()
    sample = read()
    if given.measure:
        measure(given.measure, sample, given.seconds)
        write(sample)
        return
    heading("How many trials does a search need?", "xgboost")
    for name in given.names or sample:
        oracle = Oracle(tasks()[name], sample[name])
        found: dict[str, list[tuple[list[float], float, float]]] = {}
        for way in given.ways:
            for seed in range(given.seeds):
                task = poor_default(oracle, seed)
                found.setdefault(way, []).append(search(oracle, task, way, name, given.trials, seed))
            print(name, way, [round(min(costs), 3) for costs, _, _ in found[way]], flush=True)
        counted = evaluations(oracle, 2000, given.seeds)
        best = oracle.best  # of all that any search has seen
        lines = []
        for way, runs in found.items():
            speeds = [best / min(costs) for costs, _, _ in runs]
            lines.append(
                (
                    way,
                    *(
                        middle([reached(costs, best / share) for costs, _, _ in runs], given.trials)
                        for share in SHARES
                    ),
                    f"{np.mean([best / min(costs[:32]) for costs, _, _ in runs]):.3f}",
                    Spread.of(speeds).format(3),
                    f"{np.nanmean([c for _, c, _ in runs] or [np.nan]):.2f}" if way != UNAIDED else "",
                    f"{1e3 * np.nanmean([s for _, _, s in runs]) / given.trials:.0f}"
                    if way != UNAIDED
                    else "",
                )
            )
        columns = (
            "search",
            *(f"trials to {share:.0%}" for share in SHARES),
            "best of 32",
            f"best of {given.trials}",
            "rank correlation",
            "CPU ms a trial",
        )
        table(
            columns,
            lines,
            title=f"{name}: {len(sample[name])} measured programs, correlation of the oracle "
            f"{oracle.correlation:.2f}, {given.seeds} seeds",
            threads=1,
        )
        columns = ("explorer", *(f"evaluations to {share:.0%}" for share in SHARES))
        table(columns, counted, title=f"{name}: evaluations of a score, without trials", threads=1)


if __name__ == "__main__":
    main()

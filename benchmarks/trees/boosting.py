"""How fast do our trees grow beside the peers', and how good are they?

Run with ``python -m benchmarks boosting``, all cases or some (``--cases dense rank``), on a machine that does
nothing else: the peers' threads wait for one another, and one that is preempted costs them many times their
time. The figure to reach is at most 1.0 of the time of the fastest peer that is as good, 0.8 with missing
values, and half of it in the cases on one thread. Fits take turns; a fit makes the library's own table
(DMatrix, Dataset, Pool) from the array, the CSR matrix or the frame, and grows the trees. The score is of
held-out rows. Settings: `libraries.py`; tables: `datasets.py`.

LightGBM's default of 20 rows a leaf, in place of our 1, changes neither time nor AUC of the large tables by
more than the spread. On 2,000 rows it halves LightGBM's time and lowers everybody's error: the case `leaves`
asks it of all. For rank:pairwise LightGBM's nearest is lambdarank with gains that do not double, and with its
own limit of the hessian in a leaf.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks.interleave import Timing, interleave
from benchmarks.report import heading, table
from benchmarks.trees import datasets
from benchmarks.trees.datasets import Problem
from benchmarks.trees.libraries import ESPALIER, LIBRARIES, Library, Predict, Settings, choose

# A peer is as good as we are when its score is not worse than ours by more than this fraction.
AS_GOOD = 0.002
SCORES = {"binary": "AUC", "regression": "RMSE", "rank": "pairs in order"}


@dataclass(frozen=True)
class Case:
    """A problem, its settings, and the number of fits.

    Attributes
    ----------
    make : callable
        From a fraction of the usual rows to the problem.
    turns : int
        Fits of each library that are timed.
    """

    question: str
    make: Callable[[float], Problem]
    settings: Settings
    turns: int = 5


def _rows(count: int, fraction: float) -> int:
    return max(50, int(count * fraction))


TUNER = "the tuner's size"
CASES = {
    "dense": Case(
        "dense float32", lambda f: datasets.collisions(_rows(1_000_000, f)), Settings(depth=8, rounds=50)
    ),
    "missing": Case(
        "the same, 20 % missing",
        lambda f: datasets.collisions(_rows(1_000_000, f), missing=0.2),
        Settings(depth=8, rounds=50),
    ),
    "flights": Case("nycflights", datasets.flights, Settings(depth=8, rounds=50)),
    "aircraft": Case(
        "nycflights with 4,043 aircraft",
        lambda f: datasets.flights(f, tailnum=True),
        Settings(depth=8, rounds=50),
    ),
    "sparse": Case(
        "CSR, 1 % filled",
        lambda f: datasets.words(_rows(10_000, f)),
        Settings(depth=8, rounds=50),
        turns=11,
    ),
    "tuner": Case(
        TUNER,
        lambda f: datasets.programs(_rows(2_000, f), "regression"),
        Settings(depth=6, rounds=200, threads=1),
        turns=7,
    ),
    "leaves": Case(
        f"{TUNER}, 20 rows a leaf",
        lambda f: datasets.programs(_rows(2_000, f), "regression"),
        Settings(depth=6, rounds=200, threads=1, min_child_weight=20.0),
        turns=7,
    ),
    "rank": Case(
        f"{TUNER}, rank:pairwise",
        lambda f: datasets.programs(_rows(1_000, f), "rank"),
        Settings(depth=3, rounds=100, threads=1),
        turns=15,
    ),
    "regression": Case(
        "a regression", lambda f: datasets.line(_rows(150_000, f)), Settings(depth=6, rounds=100)
    ),
    "diabetes": Case("diabetes", lambda f: datasets.diabetes(), Settings(depth=6, rounds=100), turns=15),
    "tumours": Case("breast cancer", lambda f: datasets.tumours(), Settings(depth=6, rounds=100), turns=15),
}


def score(task: str, truth: Any, predicted: Any) -> float:
    """AUC, root mean squared error, or the share of the pairs of unequal labels that are in order."""
    if task == "regression":
        return float(np.sqrt(np.mean((truth - predicted) ** 2)))
    if task == "rank":
        above = truth[:, None] > truth
        right = (predicted[:, None] > predicted)[above] + 0.5 * (predicted[:, None] == predicted)[above]
        return float(right.mean())
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(truth, predicted))


def as_good(task: str, theirs: float, ours: float) -> bool:
    """Whether a score is not worse than ours, but for a little."""
    if task == "regression":
        return theirs <= ours * (1 + AS_GOOD)
    return theirs >= ours * (1 - AS_GOOD)


@dataclass(frozen=True)
class Result:
    """Times and scores of one case, by library."""

    case: Case
    task: str
    shape: str
    times: dict[str, Timing]
    scores: dict[str, float]

    def share(self, peer: str) -> str:
        """Our time as a share of a peer's, round by round."""
        return self.times[peer].speedup_over(self.times[ESPALIER]).format()

    def fastest_peer(self) -> str:
        """The fastest of the peers that are as good as we are; of all peers, when none is."""
        ours = self.scores[ESPALIER]
        peers = [name for name in self.scores if name != ESPALIER]
        good = [name for name in peers if as_good(self.task, self.scores[name], ours)]
        return min(good or peers, key=lambda name: self.times[name].spread.median)


def measure(case: Case, names: list[str] | None, fraction: float) -> Result:
    """Fit in turns, and score the last model of each library."""
    problem = case.make(fraction)
    chosen = choose(names, problem)
    ready = {name: library.ready(problem) for name, library in chosen.items()}
    models: dict[str, Predict] = {}

    def way(name: str, library: Library) -> Callable[[], None]:
        def fit() -> None:
            models[name] = library.fit(ready[name], case.settings)

        return fit

    small = problem.X.shape[0] < 5_000
    times = interleave(
        {name: way(name, library) for name, library in chosen.items()},
        rounds=case.turns,
        min_seconds=0.05 if small else 0.0,
    )
    scores = {n: score(problem.task, problem.y_held, models[n](ready[n].X_held)) for n in chosen}
    return Result(case, problem.task, problem.shape, times, scores)


def print_case(result: Result) -> None:
    """Print every library's line of one case."""
    settings = result.case.settings
    table(
        ("", SCORES[result.task], "s [quartiles]", "espalier takes, of its time"),
        [
            (
                name,
                f"{result.scores[name]:.4f}",
                time.spread.format(3),
                result.share(name) if name != ESPALIER and ESPALIER in result.times else "",
            )
            for name, time in result.times.items()
        ],
        title=f"{result.case.question}, {result.shape}: depth {settings.depth}, {settings.rounds} rounds",
        threads=settings.threads,
    )


def print_summary(results: list[Result], markdown: bool) -> None:
    """Print one line a case: ours beside the fastest peer that is as good."""
    rows = []
    for result in results:
        peer = result.fastest_peer()
        rows.append(
            (
                f"{result.case.question}, {result.shape}",
                f"{result.times[ESPALIER].spread.median:.3f}",
                f"{result.times[peer].spread.median:.3f} ({peer})",
                result.share(peer),
                f"{SCORES[result.task]} {result.scores[ESPALIER]:.4f}",
                f"{result.scores[peer]:.4f}",
            )
        )
    table(
        ("case", "espalier, s", "peer, s", "ours, of its time", "our score", "its score"),
        rows,
        title="Espalier beside the fastest peer of at least the same quality",
        markdown=markdown,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES), metavar="CASE")
    parser.add_argument(
        "--libraries", nargs="+", choices=LIBRARIES, metavar="LIBRARY", help="not all, but these"
    )
    parser.add_argument("--fraction", type=float, default=1.0, help="of the rows of each table")
    parser.add_argument("--turns", type=int, help="fits of each library that are timed")
    parser.add_argument("--rounds", type=int, help="trees of each fit")
    parser.add_argument("--markdown", action="store_true", help="print the summary for a document")
    options = parser.parse_args()
    heading(
        "Seconds of a fit, the making of the table included",
        "xgboost",
        "lightgbm",
        "catboost",
        "scikit-learn",
    )
    results = []
    for name in options.cases:
        case = CASES[name]
        if options.turns:
            case = replace(case, turns=options.turns)
        if options.rounds:
            case = replace(case, settings=replace(case.settings, rounds=options.rounds))
        try:
            results.append(measure(case, options.libraries, options.fraction))
        except ImportError as missing:
            print(f"\n{case.question}: left out ({missing})")
        else:
            print_case(results[-1])
    compared = [result for result in results if ESPALIER in result.times and len(result.times) > 1]
    if compared:
        print_summary(compared, options.markdown)


if __name__ == "__main__":
    main()

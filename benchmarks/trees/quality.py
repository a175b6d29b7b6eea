"""How good are our trees beside the peers' when nobody tunes anything?

Run with ``python -m benchmarks quality``: every library at its defaults on the tables of `realtables.py`,
scored on rows that it was not trained on: five folds, and of larger tables a sample of the rows. The figure
to reach is the best mean rank, on all tables and on those that no default was chosen by (``--half hidden``),
and no table on which we lose to XGBoost by more than two standard errors. ``--rows`` and ``--folds`` make it
longer or shorter; ``--tables`` selects.

What each fit scored, and the seconds of processor time that it took, are kept in the file of ``--records``: a
later run measures what is not there yet, so that the peers, which do not change, are measured once. Our own
records name the preset that made them; ``--again`` measures ours again.

A rank is that of the mean score over the folds among the libraries that have such a task. LightGBM has no
survival, scikit-learn neither that nor ranking: those tables do not count for them.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.report import heading, table
from benchmarks.trees.contenders import CONTENDERS, UNABLE
from benchmarks.trees.realtables import FOLDS, ROWS, SOURCES, RealTable, hidden, load, score

RECORDS = Path(__file__).parent / "quality.jsonl"
OURS = "espalier"
LOSSES = {
    "binary": "log loss",
    "classes": "log loss",
    "regression": "RMSE",
    "count": "Poisson deviance",
    "quantile": "pinball loss",
    "rank": "1 - NDCG",
    "survival": "Cox loss",
}


@dataclass(frozen=True)
class Record:
    """One fit and its score.

    Attributes
    ----------
    table : str
    rows : int
        Of the table, folds together.
    fold : int
    library, version : str
    score : float
    seconds : float
        Processor time of the fit.
    """

    table: str
    rows: int
    fold: int
    library: str
    version: str
    score: float
    seconds: float

    @property
    def key(self) -> tuple[str, int, int, str]:
        """What a fit is found by."""
        return self.table, self.rows, self.fold, self.library


class Records:
    """The fits of a file, to which new ones are appended one by one.

    Parameters
    ----------
    path : Path
    without : sequence of str
        Libraries whose records are left out, and measured again.
    """

    def __init__(self, path: Path, without: Sequence[str] = ()) -> None:
        self.path = path
        self.known: dict[tuple[str, int, int, str], Record] = {}
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            record = Record(**json.loads(line))
            if record.library not in without:
                self.known[record.key] = record

    def add(self, record: Record) -> None:
        """Keep a record, and write it."""
        self.known[record.key] = record
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(record)) + "\n")

    def write(self) -> None:
        """Write the file again, in order, without the records that newer ones replaced."""
        lines = [json.dumps(asdict(self.known[key])) + "\n" for key in sorted(self.known)]
        part = self.path.with_suffix(".part")
        part.write_text("".join(lines), encoding="utf-8")
        part.replace(self.path)

    def of(self, name: str, library: str, folds: Iterable[int], rows: int) -> list[Record]:
        """The records of a table and a library, or nothing when one of the folds is not there."""
        found = [self.known.get((name, rows, fold, library)) for fold in folds]
        return [record for record in found if record is not None] if all(found) else []


def measure(data: RealTable, fold: int, parts: tuple[RealTable, RealTable], library: str) -> Record:
    """Fit a library on the training rows of a fold, and score it on the others."""
    package, fit = CONTENDERS[library]
    train, test = parts
    if library == OURS:  # the first fit on a machine compiles kernels
        fit(train, {})
    began = time.process_time()
    predict = fit(train, {})
    seconds = time.process_time() - began
    names = {"boost": "espalier", "sklearn": "scikit-learn"}
    made_by = version(names.get(package, package)) if package != "boost" else "preset"
    return Record(
        data.name, data.rows, fold, library, made_by, score(test, predict(test.X)), round(seconds, 4)
    )


def ranks(means: dict[str, float]) -> dict[str, float]:
    """The rank of each library by its mean score, 1 for the smallest; equal ones share their mean rank."""
    return {
        name: 1 + sum(v < mean for v in means.values()) + (sum(v == mean for v in means.values()) - 1) / 2
        for name, mean in means.items()
    }


def difference(ours: Sequence[Record], theirs: Sequence[Record]) -> tuple[float, float]:
    """The mean of the differences of the folds, ours less theirs, and its standard error."""
    gaps = np.array([a.score - b.score for a, b in zip(ours, theirs, strict=True)])
    error = float(gaps.std(ddof=1) / np.sqrt(len(gaps))) if len(gaps) > 1 else float("nan")
    return float(gaps.mean()), error


def compare(records: Records, sizes: dict[str, int], folds: range, libraries: Sequence[str]) -> None:
    """Print a line for each table, and the mean ranks and the ratios of times."""
    rows: list[Any] = []
    all_ranks: dict[str, list[Any]] = {name: [] for name in libraries}
    ratios: dict[str, list[Any]] = {name: [] for name in libraries}
    half = hidden()
    lost = []
    for name, count in sizes.items():
        found = {lib: records.of(name, lib, folds, count) for lib in libraries}
        found = {lib: fits for lib, fits in found.items() if fits}
        if OURS not in found or len(found) < 2:
            continue
        means = {lib: float(np.mean([r.score for r in fits])) for lib, fits in found.items()}
        place = ranks(means)
        seconds = {lib: float(np.mean([r.seconds for r in fits])) for lib, fits in found.items()}
        for lib in found:
            all_ranks[lib].append(place[lib])
            if lib != OURS:
                ratios[lib].append(seconds[OURS] / seconds[lib])
        gaps = {lib: difference(found[OURS], found[lib]) for lib in found if lib != OURS}
        if "xgboost" in gaps and gaps["xgboost"][0] > 2 * gaps["xgboost"][1]:
            lost.append(name)
        task = SOURCES[name].task
        cells = [f"{name}{' *' if name in half else ''}", f"{LOSSES[task]}, {count:,}", f"{means[OURS]:.4f}"]
        cells += [f"{gaps[lib][0]:+.4f} ({gaps[lib][1]:.4f})" if lib in gaps else "" for lib in libraries[1:]]
        rows.append((*cells, f"{place[OURS]:g} of {len(found)}"))
    table(
        ("table, * hidden", "loss, rows", OURS, *(f"less {name} (error)" for name in libraries[1:]), "rank"),
        rows,
        title=f"Loss at the defaults, mean of {len(folds)} folds; below zero we are better",
        threads=1,
    )
    summary = []
    for name in libraries:
        mean = np.mean(all_ranks[name]) if all_ranks[name] else np.nan
        ratio = np.exp(np.mean(np.log(ratios[name]))) if ratios[name] else np.nan
        times = "" if name == OURS else f"{ratio:.2f}"
        summary.append((name, f"{mean:.2f}", f"{len(all_ranks[name])}", times))
    table(
        ("", "mean rank", "tables", "our time, of its time"),
        summary,
        title=f"Mean rank over {len(rows)} tables, and geometric mean of the times of a fit",
        threads=1,
    )
    print(f"\nLost to XGBoost by more than two standard errors: {', '.join(lost) or 'none'}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--tables", nargs="+", choices=SOURCES, default=list(SOURCES), metavar="TABLE")
    parser.add_argument("--half", choices=("open", "hidden", "both"), default="both", help="of the tables")
    parser.add_argument("--libraries", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--rows", type=int, default=ROWS, help="most rows of a table")
    parser.add_argument("--folds", type=int, default=FOLDS, help="how many of the five folds")
    parser.add_argument("--records", type=Path, default=RECORDS, help="the file of the fits")
    parser.add_argument("--again", action="store_true", help="measure ours again")
    options = parser.parse_args()
    heading(
        "Loss and processor time of fits at the defaults", "xgboost", "lightgbm", "catboost", "scikit-learn"
    )
    warnings.filterwarnings("ignore")
    records = Records(options.records, (OURS,) if options.again else ())
    libraries = [name for name in CONTENDERS if name in options.libraries]
    half = hidden()
    chosen = [
        n for n in options.tables if options.half == "both" or (n in half) == (options.half == "hidden")
    ]
    tables: dict[str, RealTable] = {}
    for name in chosen:
        try:
            tables[name] = load(name).sample(options.rows)
        except ImportError as missing:
            print(f"{name}: left out ({missing})")
    for data in sorted(tables.values(), key=lambda data: data.rows * data.X.shape[1]):
        for fold, parts in enumerate(data.folds()):
            for library in libraries if fold < options.folds else ():
                key = data.name, data.rows, fold, library
                if key in records.known or data.task in UNABLE.get(library, ()):
                    continue
                try:
                    records.add(measure(data, fold, parts, library))
                except ImportError as missing:
                    print(f"{library}: left out ({missing})")
    records.write()
    compare(records, {n: t.rows for n, t in tables.items()}, range(options.folds), libraries)


if __name__ == "__main__":
    main()

"""Do calibrated intervals contain the stated share of new labels on real tables?

Run with ``python -m benchmarks coverage``. Of each table half of the rows train the quantiles; the others are
divided by chance, many times, into rows that calibrate the intervals and rows that test them. The figures are
the share of test labels inside of the intervals, its standard error, and how far it is from the stated share;
what is to be reached is one hundredth at most, with a quarter of the table for calibration and with 50 rows.
Targets are numbers, rounded numbers and counts.
"""

from __future__ import annotations

import argparse

import numpy as np

from benchmarks.report import heading, table
from benchmarks.trees import realtables

TABLES = (
    *("diamonds", "ames", "concrete", "computers", "deliveries", "hotels", "weather"),
    *("visits", "doctors", "papers", "lectures", "delays"),
)
ROUNDS, ROWS, FEW = 40, 3000, 50


def coverages(name: str, coverage: float, splits: int, draws: int, few: bool) -> np.ndarray:
    """The share inside of the intervals, for each training split: the mean of its draws."""
    import boost
    from boost.model.interval import interval_levels

    found = realtables.load(name).sample(ROWS)
    params = {"objective": "reg:quantileerror", "quantile_alpha": interval_levels(coverage), "max_depth": 4}
    params |= {"eta": 0.2, "nthread": 1, "min_child_weight": 5}
    shares = []
    for split in range(splits):
        rng = np.random.default_rng(split)
        order = rng.permutation(found.rows)
        train, rest = found.take(order[: found.rows // 2]), found.take(order[found.rows // 2 :])
        data = boost.DMatrix(train.X, train.y, enable_categorical=True)
        model = boost.train(params, data, ROUNDS, verbose_eval=False)
        inside = []
        for _ in range(draws):
            parts = rng.permutation(rest.rows)
            count = FEW if few else rest.rows // 2
            held, new = rest.take(parts[:count]), rest.take(parts[count:])
            model.calibrate(boost.DMatrix(held.X, held.y, enable_categorical=True), coverage)
            low, high = model.predict_interval(new.X).T
            label = new.y.astype(np.float32)
            inside.append(np.mean((low <= label) & (label <= high)))
        shares.append(np.mean(inside))
    return np.array(shares)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--splits", type=int, default=5, help="trainings of each table")
    parser.add_argument("--draws", type=int, default=20, help="calibrations of each training")
    parser.add_argument("tables", nargs="*", default=TABLES)
    options = parser.parse_args()
    heading("Coverage of intervals on real tables")
    for coverage in (0.8, 0.9):
        for few in (False, True):
            rows = []
            for name in options.tables:
                shares = coverages(name, coverage, options.splits, options.draws, few)
                error = shares.std(ddof=1) / np.sqrt(len(shares))
                away = 100 * (shares.mean() - coverage)
                rows.append((name, f"{100 * shares.mean():.2f}", f"{100 * error:.2f}", f"{away:+.2f}"))
            count = f"{FEW} rows" if few else "a quarter of the rows"
            table(
                ("table", "% inside", "standard error", "from the stated share"),
                rows,
                title=f"coverage {100 * coverage:g} %, calibrated with {count}",
                threads=1,
            )


if __name__ == "__main__":
    main()

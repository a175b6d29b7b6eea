"""A table to learn from: its target column, and rows that are held out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from boost.errors import TableError, unknown

if TYPE_CHECKING:
    import pandas as pd

TASKS = ("regression", "classification")

# of the training rows, where a part of them is needed and no share was given
ASIDE = 0.2

# an integer target with at most so many values is taken for classes
MOST_CLASSES = 20


@dataclass(frozen=True)
class Target:
    """The column that is learned.

    Parameters
    ----------
    name : str
    task : str
        One of `TASKS`.
    classes : list or None
        The values of a classification, sorted; the labels are their positions.
    labels : ndarray of float32, shape (rows,)
    """

    name: str
    task: str
    classes: list[Any] | None
    labels: np.ndarray

    def take(self, rows: np.ndarray) -> Target:
        """The target of some rows."""
        return replace(self, labels=self.labels[rows])

    def of(self, frame: pd.DataFrame) -> Target:
        """The same target in another table, in the same classes.

        Raises
        ------
        TableError
            For a table without the column, missing values, and classes that the first table does not have.
        """
        if self.name not in frame.columns:
            raise TableError(unknown("column", self.name, map(str, frame.columns)))
        column = _present(frame[self.name], self.name)
        if self.classes is None:
            return replace(self, labels=_numbers(column, self.name))
        code = {value: k for k, value in enumerate(self.classes)}
        values = [v.item() if isinstance(v, np.generic) else v for v in column.astype(object)]
        strange = sorted({str(v) for v in values if v not in code})
        if strange:
            raise TableError(f"the target {self.name!r} has classes that are not trained on: {strange[:5]}")
        return replace(self, labels=np.array([code[v] for v in values], np.float32))


def take_target(frame: pd.DataFrame, name: str, task: str = "auto") -> tuple[pd.DataFrame, Target]:
    """Split a table into its features and its target.

    Parameters
    ----------
    frame : DataFrame
    name : str
        The target column.
    task : str
        ``"regression"``, ``"classification"``, or ``"auto"``: classes for strings, booleans, categories,
        and integers of at most 20 values; numbers otherwise.

    Raises
    ------
    TableError
        For an unknown column or task, missing values in the target, a single class, or a regression
        on strings.
    """
    import pandas as pd

    if name not in frame.columns:
        raise TableError(unknown("column", name, map(str, frame.columns)))
    if len(frame.columns) == 1:
        raise TableError(f"the target {name!r} is the only column: there is nothing to learn from")
    if task not in ("auto", *TASKS):
        raise TableError(unknown("task", task, ("auto", *TASKS)))
    column = _present(frame[name], name)
    numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    if task == "auto":
        few = pd.api.types.is_integer_dtype(column) and column.nunique() <= MOST_CLASSES
        task = "regression" if numeric and not few else "classification"
    features = frame.drop(columns=[name])
    if task == "regression":
        return features, Target(name, task, None, _numbers(column, name))
    values, codes = np.unique(column.astype(object).to_numpy(), return_inverse=True)
    classes = [v.item() if isinstance(v, np.generic) else v for v in values]
    if len(classes) < 2:
        raise TableError(
            f"the target {name!r} has the one class {classes[0]!r}: two are needed to tell apart"
        )
    return features, Target(name, task, classes, codes.astype(np.float32))


def _present(column: pd.Series, name: str) -> pd.Series:
    missing = int(column.isna().sum())
    if missing:
        raise TableError(
            f"the target {name!r} is missing in {missing} of {len(column)} rows: drop or fill them"
        )
    return column


def _numbers(column: pd.Series, name: str) -> np.ndarray:
    import pandas as pd

    if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        raise TableError(f"the target {name!r} holds {column.dtype}: a regression needs numbers")
    return column.to_numpy(np.float32)


def hold_out(target: Target, share: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers to train on and to hold out; classes keep their shares.

    Raises
    ------
    TableError
        If either part would be empty, or a class would be absent from training.
    """
    if not 0 <= share < 1:
        raise TableError(f"the share of held-out rows must be at least 0 and below 1, not {share}")
    labels = target.labels if target.classes else np.zeros_like(target.labels)
    held = []
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        # a class of one row stays in training
        held.append(rows[: min(round(share * len(rows)), len(rows) - 1)])
    test = np.sort(np.concatenate(held))
    train = np.setdiff1d(np.arange(len(labels)), test)
    if share and not len(test):
        raise TableError(f"{len(labels)} rows are too few to hold out a share of {share}")
    return train, test


@dataclass(frozen=True)
class Parts:
    """Row numbers of a table, each in one part.

    Parameters
    ----------
    train : ndarray of int
        To learn from.
    held : ndarray of int
        To tell how good the model is; no choice depends on them.
    watched : ndarray of int
        To stop by.
    aside : ndarray of int
        To calibrate intervals with.
    """

    train: np.ndarray
    held: np.ndarray
    watched: np.ndarray
    aside: np.ndarray


def share_out(
    target: Target, share: float, *, stopping: bool, calibrating: bool, rng: np.random.Generator
) -> Parts:
    """Hold out a share of the rows, and, where they are asked for, as large shares of the rest.

    Raises
    ------
    TableError
        As `hold_out`.
    """
    train, held = hold_out(target, share, rng)
    watched = aside = np.empty(0, dtype=int)
    if stopping:
        train, watched = _cut(target, train, share or ASIDE, rng)
    if calibrating:
        train, aside = _cut(target, train, share or ASIDE, rng)
    return Parts(train, held, watched, aside)


def _cut(
    target: Target, rows: np.ndarray, share: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    kept, part = hold_out(target.take(rows), share, rng)
    return rows[kept], rows[part]

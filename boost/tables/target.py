"""The target column of a table: numbers, or classes and their labels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from boost.errors import TableError, unknown

if TYPE_CHECKING:
    import pandas as pd

TASKS = ("regression", "classification")
# An integer target of at most this many distinct values is treated as classes.
MOST_CLASSES = 20


@dataclass(frozen=True)
class Target:
    """The column that a model learns to predict.

    Parameters
    ----------
    name : str
    task : {"regression", "classification"}
    classes : list or None
        The values of a classification, sorted; the labels are their positions.
    labels : float32 array of shape (rows,)
    """

    name: str
    task: str
    classes: list[Any] | None
    labels: np.ndarray

    def take(self, rows: np.ndarray) -> Target:
        """Return the target of some rows, given by their numbers."""
        return replace(self, labels=self.labels[rows])

    def of(self, frame: pd.DataFrame) -> Target:
        """Return the target of another table, with the classes of this one.

        Raises
        ------
        TableError
            For a table without the column, missing values, and other classes.
        """
        if self.name not in frame.columns:
            raise TableError(unknown("column", self.name, map(str, frame.columns)))
        column = _require_present(frame[self.name], self.name)
        if self.classes is None:
            return replace(self, labels=_numbers(column, self.name))
        code = {value: k for k, value in enumerate(self.classes)}
        values = [v.item() if isinstance(v, np.generic) else v for v in column.astype(object)]
        unseen = sorted({str(v) for v in values if v not in code})
        if unseen:
            raise TableError(
                f"the target {self.name!r} has classes that the training rows do not have: {unseen[:5]}"
            )
        return replace(self, labels=np.array([code[v] for v in values], np.float32))


def take_target(frame: pd.DataFrame, name: str, task: str = "auto") -> tuple[pd.DataFrame, Target]:
    """Split a table into its features and its target.

    Parameters
    ----------
    frame : DataFrame
    name : str
        The target column.
    task : {"auto", "regression", "classification"}
        ``"auto"`` is a classification for strings, booleans, categories, and integers of at most 20 different
        values; a regression for other numbers.

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
        raise TableError(f"the target {name!r} is the only column: the table has no features")
    if task not in ("auto", *TASKS):
        raise TableError(unknown("task", task, ("auto", *TASKS)))
    column = _require_present(frame[name], name)
    numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    if task == "auto":
        is_discrete = pd.api.types.is_integer_dtype(column) and column.nunique() <= MOST_CLASSES
        task = "regression" if numeric and not is_discrete else "classification"
    features = frame.drop(columns=[name])
    if task == "regression":
        return features, Target(name, task, None, _numbers(column, name))
    values, codes = np.unique(column.astype(object).to_numpy(), return_inverse=True)
    classes = [v.item() if isinstance(v, np.generic) else v for v in values]
    if len(classes) < 2:
        raise TableError(
            f"the target {name!r} has only the class {classes[0]!r}: a classification needs at least two"
        )
    return features, Target(name, task, classes, codes.astype(np.float32))


def _require_present(column: pd.Series, name: str) -> pd.Series:
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

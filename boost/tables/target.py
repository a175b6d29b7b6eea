"""The target column of a table: numbers, classes, degrees of relevance, or survival times."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from boost.errors import LISTED, TableError, unknown
from boost.tables.roles import Roles, short_list

if TYPE_CHECKING:
    import pandas as pd

TASKS = ("regression", "classification", "ranking", "survival")
# An integer target of at most this many distinct values is treated as classes.
MOST_CLASSES = 20


@dataclass(frozen=True)
class Target:
    """The column that a model learns to predict.

    Parameters
    ----------
    name : str
    task : {"regression", "classification", "ranking", "survival"}
    classes : list or None
        The values of a classification, sorted; the labels are their positions.
    labels : float32 array of shape (rows,)
        Of survival times, the times.
    event : bool array of shape (rows,), or None
        Of survival times: whether the event was observed.
    """

    name: str
    task: str
    classes: list[Any] | None
    labels: np.ndarray
    event: np.ndarray | None = None

    def take(self, rows: np.ndarray) -> Target:
        """Return the target of some rows, given by their numbers."""
        event = None if self.event is None else self.event[rows]
        return replace(self, labels=self.labels[rows], event=event)

    def of(self, frame: pd.DataFrame, roles: Roles | None = None) -> Target:
        """Return the target of another table, with the classes of this one.

        Parameters
        ----------
        frame : DataFrame
        roles : Roles, optional
            Needed for survival times.

        Raises
        ------
        TableError
            For a table without the column, missing values, and other classes.
        """
        if self.name not in frame.columns:
            raise TableError(unknown("column", self.name, map(str, frame.columns)))
        column = _require_present(frame[self.name], self.name)
        if self.classes is None:
            event = None
            if roles is not None and roles.event is not None:
                if roles.event not in frame.columns:
                    raise TableError(unknown("column", roles.event, map(str, frame.columns)))
                event = read_event(frame[roles.event], roles)
            return replace(self, labels=_numbers(column, self.name), event=event)
        code = {value: k for k, value in enumerate(self.classes)}
        values = [v.item() if isinstance(v, np.generic) else v for v in column.astype(object)]
        unseen = sorted({str(v) for v in values if v not in code})
        if unseen:
            raise TableError(
                f"the target {self.name!r} has classes that the training rows do not have: "
                f"{short_list(unseen, 5)}"
            )
        return replace(self, labels=np.array([code[v] for v in values], np.float32))

    @property
    def strata(self) -> np.ndarray:
        """What keeps its shares when rows are split: classes, observed events; one value otherwise."""
        if self.event is not None:
            return self.event.astype(np.float32)
        return self.labels if self.classes else np.zeros_like(self.labels)


def take_target(
    frame: pd.DataFrame, name: str, task: str = "auto", roles: Roles | None = None
) -> tuple[pd.DataFrame, Target]:
    """Split a table into its features and its target.

    Parameters
    ----------
    frame : DataFrame
    name : str
        The target column.
    task : {"auto", "regression", "classification", "ranking", "survival"}
        ``"auto"`` is a classification for strings, booleans, categories, and integers of at most 20 different
        values; a regression for other numbers.
    roles : Roles, optional
        Names the events of survival times.

    Raises
    ------
    TableError
        For an unknown column or task, missing values in the target, a single class, a regression
        on strings, and times that are not positive or without their events.
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
    if task in ("regression", "ranking"):
        return features, Target(name, task, None, _numbers(column, name))
    if task == "survival":
        return features, _survival(frame, column, name, roles)
    values, codes = np.unique(column.astype(object).to_numpy(), return_inverse=True)
    classes = [v.item() if isinstance(v, np.generic) else v for v in values]
    if len(classes) < 2:
        raise TableError(
            f"the target {name!r} has only the class {classes[0]!r}: a classification needs at least two"
        )
    if len(classes) > max(MOST_CLASSES, len(codes) // 2):
        raise TableError(
            f"the target {name!r} has {len(classes):,} classes in {len(codes):,} rows "
            f"({short_list(classes, 3)}): a class needs several rows"
        )
    return features, Target(name, task, classes, codes.astype(np.float32))


def _survival(frame: pd.DataFrame, column: pd.Series, name: str, roles: Roles | None) -> Target:
    if roles is None or roles.event is None:
        raise TableError(
            f"a survival target needs --event COLUMN: 1 where the event was observed at {name!r}, 0 where "
            "the time is censored"
        )
    times = _numbers(column, name)
    if not (times > 0).all():
        at = int(np.argmin(times > 0))
        raise TableError(f"the times {name!r} must be positive, got {times[at]:g} in row {at}")
    return Target(name, "survival", None, times, read_event(frame[roles.event], roles))


def read_event(column: pd.Series, roles: Roles) -> np.ndarray:
    """Return whether the event of each row was observed; bool, shape (rows,).

    Raises
    ------
    TableError
        For missing values, and values other than 0 and 1 if no value is named.
    """
    import pandas as pd

    name = str(roles.event)
    values = _require_present(column, name)
    if roles.event_value is not None:
        event = values.astype(str).to_numpy() == roles.event_value
        if pd.api.types.is_numeric_dtype(values) and not event.any():
            event = pd.to_numeric(values).to_numpy(float) == _number(roles.event_value)
        if not event.any():
            known = short_list(sorted(map(str, values.unique())), LISTED)
            raise TableError(f"no row has {name!r} = {roles.event_value!r}: its values are {known}")
        return event
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(float)
    if not np.isin(numbers, (0, 1)).all():
        known = short_list(values.unique(), 5)
        raise TableError(
            f"the event {name!r} must be 1 (observed) or 0 (censored), got {known}: name the value of an "
            f"observed event, as in --event {name}={values.iloc[0]}"
        )
    return numbers == 1


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return np.nan


def _require_present(column: pd.Series, name: str) -> pd.Series:
    missing = int(column.isna().sum())
    if missing:
        raise TableError(f"{name!r} is missing in {missing} of {len(column)} rows: drop or fill them")
    return column


def _numbers(column: pd.Series, name: str) -> np.ndarray:
    import pandas as pd

    if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        kind = "text" if pd.api.types.is_string_dtype(column) else column.dtype
        raise TableError(f"{name!r} holds {kind}, such as {column.iloc[0]!r}: numbers are needed")
    return column.to_numpy(np.float32)

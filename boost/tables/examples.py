"""The rows to learn from: features, target, weights and groups, by the roles of the columns of a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from boost.errors import TableError
from boost.tables.roles import Review, Roles, review, short_list
from boost.tables.target import Target, take_target

if TYPE_CHECKING:
    import pandas as pd

    from boost import DMatrix


@dataclass(frozen=True, eq=False)
class Examples:
    """Rows with their targets.

    Parameters
    ----------
    features : DataFrame
    target : Target
    weight : float32 array of shape (rows,), or None
    group : int array of shape (rows,), or None
        The number of the group of each row, not decreasing.
    ids : DataFrame or None
        The columns that identify the rows.
    """

    features: pd.DataFrame
    target: Target
    weight: np.ndarray | None = None
    group: np.ndarray | None = None
    ids: pd.DataFrame | None = None

    def __len__(self) -> int:
        return len(self.features)

    def take(self, rows: np.ndarray) -> Examples:
        """Return some rows, given by their numbers in increasing order."""
        return Examples(
            self.features.iloc[rows],
            self.target.take(rows),
            None if self.weight is None else self.weight[rows],
            None if self.group is None else self.group[rows],
            None if self.ids is None else self.ids.iloc[rows],
        )

    def fields(self, objective: str) -> dict[str, np.ndarray]:
        """Return what `boost.DMatrix` holds of the rows besides their features, by its names."""
        fields = {"label": self.target.labels}
        if self.target.event is not None and objective == "survival:aft":
            upper = np.where(self.target.event, self.target.labels, np.inf)
            fields |= {"label_lower_bound": self.target.labels, "label_upper_bound": upper}
        elif self.target.event is not None:
            fields["label"] = np.where(self.target.event, self.target.labels, -self.target.labels)
        if self.target.task == "ranking" and self.group is not None:
            fields["qid"] = self.group
            if self.weight is not None:  # one weight for each query
                fields["weight"] = self.weight[np.unique(self.group, return_index=True)[1]]
        elif self.weight is not None:
            fields["weight"] = self.weight
        return fields

    def matrix(self, features: Any, objective: str) -> DMatrix:
        """Return the rows as a `DMatrix` of features that are encoded already."""
        import boost

        fields: dict[str, Any] = self.fields(objective)
        return boost.DMatrix(features, **fields)


def read_examples(frame: pd.DataFrame, roles: Roles) -> tuple[Examples, Review]:
    """Return the examples of a table, and what its columns hold.

    Columns of text that names rows are left out, see `review`.

    Raises
    ------
    TableError
        For columns that do not exist or do not fit their roles, a target that cannot be learned, and a
        ranking without groups.
    """
    roles.check(frame)
    task = task_of(roles)
    if task == "ranking" and roles.group is None:
        raise TableError(f"{roles.objective or 'a ranking'} needs --group COLUMN: the query of each row")
    if task == "survival" and roles.objective is None:
        raise TableError("survival times need --objective survival:cox or survival:aft")
    if roles.event is not None and task != "survival":
        raise TableError("--event is for --objective survival:cox or survival:aft")
    absent = frame[roles.target].isna()
    if gaps := int(absent.sum()):
        if gaps == len(frame):
            raise TableError(f"the target {roles.target!r} is missing in all rows")
        frame = frame[~absent]
    group = None
    if roles.group is not None:
        group, names = _codes(frame[roles.group], roles.group)
        order = np.argsort(group, kind="stable")
        frame, group = frame.iloc[order], group[order]
        if len(names) < 2:
            raise TableError(
                f"all rows have the group {str(names[0])!r} of {roles.group!r}: at least two are needed"
            )
    weight = None if roles.weight is None else read_weight(frame[roles.weight], roles.weight)
    rest = frame.drop(columns=list(roles.no_features))
    if not [name for name in rest.columns if name != roles.target]:
        raise TableError(
            f"the table has no features besides {short_list([roles.target, *roles.no_features])}"
        )
    _, target = take_target(frame, roles.target, task, roles)
    features = rest.drop(columns=[roles.target]).astype({name: "category" for name in roles.categorical})
    seen = review(features, roles)
    if gaps:
        seen.notes.insert(0, f"{gaps:,} of {len(absent):,} rows have no {roles.target!r}: they are left out")
    if len(seen.left_out) == features.shape[1]:
        raise TableError(f"no features are left: {seen.notes[-1]}")
    ids = frame[list(roles.ids)] if roles.ids else None
    return Examples(features.drop(columns=seen.left_out), target, weight, group, ids), seen


def read_more(frame: pd.DataFrame, first: Examples, roles: Roles, name: str) -> Examples:
    """Return the examples of another table, with the columns and the classes of the first one.

    Raises
    ------
    TableError
        For missing columns, and a target with other classes.
    """
    needed = [*first.features.columns, roles.target, *(c for c in (roles.group, roles.event) if c)]
    if missing := [str(c) for c in needed if c not in frame.columns]:
        raise TableError(f"{name}: the columns {short_list(missing)} are missing")
    group = None
    if roles.group is not None:
        group, _ = _codes(frame[roles.group], roles.group)
        order = np.argsort(group, kind="stable")
        frame, group = frame.iloc[order], group[order]
    weighted = roles.weight is not None and roles.weight in frame.columns
    weight = read_weight(frame[roles.weight], str(roles.weight)) if weighted else None
    features = frame[list(first.features.columns)].astype({c: "category" for c in roles.categorical})
    return Examples(features, first.target.of(frame, roles), weight, group)


def shared_rows(one: Examples, other: Examples) -> int:
    """Return how many rows of the second examples have the features and the target of one of the first."""
    import pandas as pd

    def keys(examples: Examples) -> np.ndarray:
        rows = examples.features.assign(**{"(target)": examples.target.labels})
        numbers = {c: "float64" for c in rows if pd.api.types.is_numeric_dtype(rows[c])}
        return pd.util.hash_pandas_object(rows.astype(numbers), index=False).to_numpy()

    return int(np.isin(keys(other), keys(one)).sum())


def task_of(roles: Roles) -> str:
    """Return the task that the objective implies; else the one that is given."""
    objective = roles.objective or ""
    kinds = {
        "rank:": "ranking",
        "survival:": "survival",
        "binary:": "classification",
        "multi:": "classification",
    }
    implied = next((task for start, task in kinds.items() if objective.startswith(start)), "regression")
    return implied if objective and roles.task == "auto" else roles.task


def read_weight(column: pd.Series, name: str) -> np.ndarray:
    """Return the weights of the rows; raise `TableError` for text, missing and negative ones."""
    import pandas as pd

    if not pd.api.types.is_numeric_dtype(column):
        raise TableError(f"the weight {name!r} holds text, such as {column.iloc[0]!r}: numbers are needed")
    weight = column.to_numpy(np.float32, na_value=np.nan)
    if not (weight >= 0).all():
        at = int(np.argmin(weight >= 0))
        raise TableError(f"the weight {name!r} must be at least 0, got {weight[at]:g} in row {at}")
    if not weight.any():
        raise TableError(f"the weight {name!r} is 0 in all rows")
    return weight


def _codes(column: pd.Series, name: str) -> tuple[np.ndarray, Any]:
    codes, names = column.factorize()
    if (codes < 0).any():
        raise TableError(f"the group {name!r} is missing in {int((codes < 0).sum())} of {len(codes)} rows")
    return codes, names

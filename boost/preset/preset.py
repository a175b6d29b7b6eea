"""The rule of each preset: from the description of a task to parameters, rounds and members, with reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from boost.errors import ParameterError, nearest
from boost.params import BY_NAME

PRESETS = ("espalier", "xgboost")
# The parameters of `boost.train` that a preset may choose.
CHOSEN = ("eta", "max_depth", "min_child_weight", "lambda", "subsample", "colsample_bytree")
# Rounds of XGBoost's estimators.
ROUNDS = 100
# Fewer rows than this are not divided: too few are left to decide by.
DIVISIBLE = 100


@dataclass(frozen=True)
class Task:
    """What a default depends on.

    Attributes
    ----------
    rows, columns : int
    outputs : int
        Number of the trees of a round.
    levels : int
        Most categories of a column.
    objective : str
    groups : int
        Number of query groups; 0 without.
    """

    rows: int
    columns: int
    outputs: int = 1
    levels: int = 0
    objective: str = "reg:squarederror"
    groups: int = 0


@dataclass(frozen=True)
class Choice:
    """What a fit used where the user gave nothing; prints with the reasons.

    Attributes
    ----------
    preset : str
    params : dict of str to object
        The parameters that the preset chose, by their names in `boost.train`.
    rounds : int
        The number of rounds, or the most when they are found by stopping.
    members, parts : int
        Number of models that are averaged, and of the parts of the rows, of which each leaves out one. One
        member of one part is a model of all rows.
    patience : int
        Rounds without a better score after which the members stop; 0 without stopping.
    reasons : dict of str to str
        Why, by the name of the parameter.
    """

    preset: str
    params: Mapping[str, Any]
    rounds: int
    members: int = 1
    parts: int = 1
    patience: int = 0
    reasons: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = [f"preset {self.preset}"]
        values = {**self.params, "rounds": self.rounds, "members": self.members}
        for name, value in values.items():
            reason = self.reasons.get(name, "")
            lines.append(f"  {name} = {value}" + (f": {reason}" if reason else ""))
        return "\n".join(lines)


def choose(preset: str, task: Task, given: Mapping[str, Any] | None = None) -> Choice:
    """Return what a preset chooses for a task.

    Parameters
    ----------
    preset : {"espalier", "xgboost"}
    task : Task
    given : mapping of str to object, optional
        Parameters of `boost.train` that the user gave, which are left out of the choice.

    Raises
    ------
    ParameterError
        For an unknown preset.
    """
    if preset not in PRESETS:
        known = " or ".join(map(repr, PRESETS))
        raise ParameterError(f"preset must be {known}, got {preset!r}{nearest(str(preset), PRESETS)}")
    choice = Choice("xgboost", {}, ROUNDS) if preset == "xgboost" else _espalier(task)
    named = {BY_NAME[name].name if name in BY_NAME else name for name in given or {}}
    params = {name: value for name, value in choice.params.items() if name not in named}
    return Choice(
        choice.preset,
        params,
        choice.rounds,
        choice.members,
        choice.parts,
        choice.patience,
        {name: reason for name, reason in choice.reasons.items() if name not in named},
    )


def _espalier(task: Task) -> Choice:
    if task.rows < DIVISIBLE or 0 < task.groups < 20:
        few = f"{task.rows} rows are too few to leave some out"
        return Choice("espalier", {"eta": 0.1, "max_depth": 3}, 50, reasons={"rounds": few})
    params = {"eta": 0.2, "max_depth": 4, "colsample_bytree": 0.7, "subsample": 0.8}
    return Choice("espalier", params, 300, members=5, parts=5, patience=10)

"""The rule of each preset: from the description of a task to parameters, rounds and members, with reasons."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from boost.errors import ParameterError, nearest
from boost.params import BY_NAME, MULTI

PRESETS = ("espalier", "xgboost")
# The parameters of `boost.train` that a preset may choose.
CHOSEN = ("eta", "max_depth", "min_child_weight", "lambda", "subsample", "colsample_bytree")
# Rounds of XGBoost's estimators.
ROUNDS = 100
# Fewer rows, or query groups, than these are not divided: too few are left to decide by.
DIVISIBLE, DIVISIBLE_GROUPS = 100, 20
# A learning rate for which the size of a table gives the rounds; of another one, there are more or fewer.
RATE = 0.3


class Size(NamedTuple):
    """What depends on the number of rows.

    Attributes
    ----------
    rows : float
        Most rows.
    members, parts : int
        Models that are averaged, and parts of the rows, of which each leaves out one.
    depths : tuple of int
        Of the trees: members take turns.
    patience : int
        Rounds without a better score after which the members stop.
    """

    rows: float
    members: int
    parts: int
    depths: tuple[int, ...]
    patience: int


# The mean of members has less variance than each, so that they may learn quickly, and stop after few rounds.
# Trees of several depths make their errors less alike, and no depth is best on all tables. Large tables need
# deeper trees and fewer members, whose time is that of so many fits.
SIZES = (
    Size(4_000, 5, 5, (3, 5, 4, 3, 6), 6),
    Size(20_000, 3, 5, (4, 6, 5), 8),
    Size(200_000, 3, 10, (5, 7, 6), 8),
    Size(math.inf, 2, 10, (7, 6), 8),
)
MOST_ROUNDS = 150
LEAST_RATE = 0.02
# Most rounds of one model that a table of the user's stops.
MOST_WATCHED = 1_000

# Objectives whose hessians count rows, or events.
COUNTED = (
    "reg:squarederror",
    "reg:logistic",
    "reg:absoluteerror",
    "reg:quantileerror",
    "binary:logistic",
    "binary:logitraw",
    "count:poisson",
    "survival:cox",
)


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
    varied : dict of str to tuple
        Parameters in whose values the members take turns.
    reasons : dict of str to str
        Why, by the name of the parameter.
    """

    preset: str
    params: Mapping[str, Any]
    rounds: int
    members: int = 1
    parts: int = 1
    patience: int = 0
    varied: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        lines = [f"preset {self.preset}"]
        values: dict[str, Any] = {**self.params, **self.varied}
        values |= {"rounds": self.rounds, "members": self.members}
        for name, value in values.items():
            reason = self.reasons.get(name, "")
            lines.append(f"  {name} = {value}" + (f": {reason}" if reason else ""))
        return "\n".join(lines)

    def alone(self, rounds: int | None = None) -> Choice:
        """Return the choice for one model of all rows.

        Parameters
        ----------
        rounds : int, optional
            The user's number of rounds, of which the learning rate becomes a function.
        """
        if self.members == 1:
            return self if rounds is None else replace(self, rounds=rounds)
        params, reasons = dict(self.params), {"rounds": "the number given"}
        if "eta" in params:
            params["eta"] = min(RATE, max(LEAST_RATE, 10 / max(1, ROUNDS if rounds is None else rounds)))
            reasons["eta"] = "by the number of rounds"
        return Choice(self.preset, params, ROUNDS if rounds is None else rounds, reasons=reasons)


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
    if preset == "xgboost":
        return Choice("xgboost", {}, ROUNDS)
    named = {BY_NAME[name].name: value for name, value in (given or {}).items() if name in BY_NAME}
    choice = _espalier(task)
    rounds, patience, reasons = choice.rounds, choice.patience, dict(choice.reasons)
    if named.get("eta") and choice.members > 1:  # a slower model needs more rounds, and longer to show it
        rounds, patience = (math.ceil(n * max(0.1, RATE / float(named["eta"]))) for n in (rounds, patience))
        reasons["rounds"] = "by the learning rate that is given"
    return replace(
        choice,
        params={name: value for name, value in choice.params.items() if name not in named},
        rounds=rounds,
        patience=patience,
        varied={name: values for name, values in choice.varied.items() if name not in named},
        reasons={name: reason for name, reason in reasons.items() if name not in named},
    )


def _espalier(task: Task) -> Choice:
    params: dict[str, Any] = {"eta": 0.1, "max_depth": 3}
    if task.rows < DIVISIBLE or 0 < task.groups < DIVISIBLE_GROUPS:
        few = f"{task.rows} rows are too few to leave some out"
        return Choice("espalier", params, 50, reasons={"rounds": few, "max_depth": "few rows"})
    size = next(size for size in SIZES if task.rows <= size.rows)
    if task.objective in MULTI:
        leaf, penalty, why = 0.3, 1.0, "the trees of a class see few rows of it"
    elif task.objective in COUNTED:
        leaf, penalty, why = 5.0, 3.0, "the hessian of a row is about one at most, and small leaves are noise"
    else:
        leaf, penalty, why = 1.0, 3.0, "the hessians of this objective have a scale of their own"
    params = {
        "eta": RATE,
        "max_depth": sorted(size.depths)[len(size.depths) // 2],
        "min_child_weight": leaf,
        "lambda": penalty,
        "subsample": 0.8,
        "colsample_bytree": 0.7 if task.columns > 3 else 1.0,
    }
    part = f"1 / {size.parts} of the rows, another one for each member"
    reasons = {
        "eta": "the mean of members needs no slow one",
        "min_child_weight": why,
        "max_depth": f"{task.rows:,} rows",
        "members": f"{task.rows:,} rows",
        "rounds": f"where the mean score of the rows left out is best: {part}",
    }
    return Choice(
        "espalier",
        params,
        MOST_ROUNDS,
        members=size.members,
        parts=size.parts,
        patience=size.patience,
        varied={"max_depth": size.depths},
        reasons=reasons,
    )

"""Losses: the labels they allow, where boosting starts, their derivatives, and margins to predictions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from boost.errors import LabelError, ParameterError, nearest
from boost.objective.base import Objective, Round
from boost.objective.binary import Hinge, Logistic, LogisticRegression, LogitRaw
from boost.objective.count import Gamma, Poisson, Tweedie
from boost.objective.custom import Custom
from boost.objective.expectile import ExpectileError
from boost.objective.multiclass import Softmax, Softprob
from boost.objective.normal import Normal
from boost.objective.quantile import QuantileError
from boost.objective.rank import RANKING
from boost.objective.regression import AbsoluteError, PseudoHuberError, SquaredError, SquaredLogError
from boost.objective.survival import Aft, Cox
from boost.params import BY_NAME, Params

__all__ = ["OBJECTIVES", "Custom", "LabelError", "Objective", "Round", "make_objective", "read_entry"]

KINDS: tuple[type[Objective], ...] = (
    SquaredError,
    SquaredLogError,
    PseudoHuberError,
    AbsoluteError,
    QuantileError,
    ExpectileError,
    Normal,
    LogisticRegression,
    Logistic,
    LogitRaw,
    Hinge,
    Poisson,
    Gamma,
    Tweedie,
    Cox,
    Aft,
    Softmax,
    Softprob,
    *RANKING,
)
OBJECTIVES: dict[str, type[Objective]] = {kind.name: kind for kind in KINDS}


def make_objective(params: Params, outputs: int = 1) -> Objective:
    """Return the loss that the resolved parameters name.

    Parameters
    ----------
    params : Params
        The checked parameters.
    outputs : int
        Number of label columns; from a table, `Objective.fit_outputs` determines it instead.
    """
    name = params["objective"]
    if name not in OBJECTIVES:
        raise ValueError(f"unknown objective {name!r}{nearest(name, OBJECTIVES)}")
    objective = OBJECTIVES[name](params)
    objective.set_outputs(outputs)
    return objective


def read_entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that a model file's entry "objective" holds; the inverse of `file_entry`.

    Absent parameters are left out, and so are numbers out of range, by which XGBoost marks unset parameters.

    Raises
    ------
    ValueError
        For an unknown objective, and for text that is not a value of the parameter.
    """
    name = entry["name"]
    if name not in OBJECTIVES:
        raise ValueError(f"objective {name!r} is not supported{nearest(name, OBJECTIVES)}")
    params: dict[str, Any] = {}
    for section, key, param in OBJECTIVES[name].file_params:
        values, row = entry.get(section), BY_NAME[param]
        text = values.get(key) if isinstance(values, dict) else None
        if not isinstance(text, str) or (row.only and name not in row.only):
            continue
        try:
            if row.kind is bool:
                params[param] = row.check({"1": True, "0": False}.get(text, text))
            elif row.kind in (int, float):
                value = float(text)
                try:
                    params[param] = row.check(value)
                except ParameterError:
                    continue
            else:
                params[param] = row.check(text)
        except ValueError:
            raise ValueError(f"{key} of {name} must be {row.allowed}, got {text[:40]!r}") from None
    return params

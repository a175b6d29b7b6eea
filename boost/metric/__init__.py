"""Evaluation metrics: one number from labels and predictions, by XGBoost's names."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from boost.errors import nearest
from boost.metric import area, classification, ranking, regression, survival
from boost.metric.base import Metric
from boost.metric.custom import custom_metric

__all__ = ["Metric", "custom_metric", "make_metric"]

PLAIN = {m.name: m for module in (area, classification, regression, survival) for m in module.METRICS}
# Metrics that share a parameter with the objective.
PARAMETRIC: dict[str, Callable[[Mapping[str, Any]], Metric]] = {
    "mphe": lambda p: regression.pseudo_huber(p.get("huber_slope", 1.0)),
    "quantile": lambda p: regression.quantile(_levels(p.get("quantile_alpha"))),
    "expectile": lambda p: regression.expectile(_levels(p.get("expectile_alpha"))),
    "tweedie-nloglik": lambda p: regression.tweedie(p.get("tweedie_variance_power", 1.5)),
    "aft-nloglik": lambda p: survival.aft(
        p.get("aft_loss_distribution", "normal"), p.get("aft_loss_distribution_scale", 1.0)
    ),
    "error": lambda p: classification.error(),
}
NAMES = (*PLAIN, *PARAMETRIC, *ranking.BY_TOP)


def make_metric(name: str, params: Mapping[str, Any] | None = None) -> Metric:
    """Return a metric by its name.

    Parameters
    ----------
    name : str
        "error@t" counts predictions above t as ones; "tweedie-nloglik@rho" has the variance power rho.
        "ndcg@n", "map@n" and "pre@n" evaluate the first n rows of each query group; with a "-" at the end
        ("ndcg-", "map@n-"), a group without any gain counts as 0 in place of 1.
    params : mapping, optional
        Resolved parameters, for metrics that share one with the objective, such as the levels of quantiles.

    Raises
    ------
    ValueError
        For an unknown name, or an invalid number after "@".
    """
    params = {} if params is None else params
    if name in PLAIN:
        return PLAIN[name]
    if name in PARAMETRIC:
        return PARAMETRIC[name](params)
    base, at, given = name.partition("@")
    ranked = re.fullmatch(r"(\w+?)(?:@([0-9]+))?(-?)", name)
    if ranked and ranked[1] in ranking.BY_TOP and ranked[2] != "0" * len(ranked[2] or ""):
        top = int(ranked[2]) if ranked[2] else None
        empty = 0.0 if ranked[3] else 1.0
        return ranking.BY_TOP[ranked[1]](name, top, empty, bool(params.get("ndcg_exp_gain", True)))
    if at and base in ranking.BY_TOP:
        raise ValueError(f"eval_metric {name!r}: '@' must be followed by a number of rows of at least 1")
    if at and base == "error":
        return classification.error(_number(name, given, -np.inf, np.inf, "a threshold"))
    if at and base == "tweedie-nloglik":
        return regression.tweedie(_number(name, given, 1.0, 2.0, "a variance power between 1 and 2"))
    if at and base in NAMES:
        raise ValueError(f"eval_metric {name!r}: {base} has no parameter after '@'")
    raise ValueError(f"unknown eval_metric {name!r}{nearest(base, NAMES)}")


def _number(name: str, given: str, low: float, high: float, words: str) -> float:
    try:
        value = float(given)
    except ValueError:
        value = np.nan
    if not low < value < high:
        raise ValueError(f"eval_metric {name!r}: '@' must be followed by {words}")
    return value


def _levels(given: Any) -> list[float]:
    return [0.5] if given is None else [float(a) for a in np.atleast_1d(np.asarray(given, np.float64))]

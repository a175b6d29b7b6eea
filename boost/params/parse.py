"""Checks of the parameters whose values are neither one number nor one name.

XGBoost takes some of them as text, ``"(1,-1)"``: a string is read as a Python literal.
"""

from __future__ import annotations

import ast
import math
import numbers
from collections.abc import Mapping
from typing import Any


def parse_scores(value: Any) -> float | tuple[float, ...]:
    """Return a finite number, or a tuple of one for each output; raise ValueError or TypeError for others."""
    if isinstance(value, numbers.Real):
        return _number(value)
    if isinstance(value, str) or len(value) == 0:
        raise TypeError
    return tuple(_number(v) for v in value)


def parse_levels(value: Any) -> tuple[float, ...]:
    """Return distinct levels in (0, 1), in the given order; raise ValueError for others."""
    levels = [value] if isinstance(value, numbers.Real) else list(_literal(value))
    if not levels:
        raise ValueError("the list has no level")
    for level in levels:
        if not 0 < _number(level) < 1:
            raise ValueError(f"{level!r} is not between 0 and 1")
    if len(set(levels)) != len(levels):
        raise ValueError("a level is given twice")
    return tuple(float(level) for level in levels)


def parse_monotone(value: Any) -> dict[str | int, int] | tuple[int, ...]:
    """Return a direction (-1, 0 or 1) for each feature in order, or by name or index of the feature.

    Raises
    ------
    ValueError
        For a value that is not a direction.
    """
    given = _literal(value)
    directions = list(given.values()) if isinstance(given, Mapping) else list(given)
    for d in directions:
        if isinstance(d, bool) or not isinstance(d, numbers.Real) or d not in (-1, 0, 1):
            raise ValueError(f"{d!r} is not a direction")
    if isinstance(given, Mapping):
        return {f: int(d) for f, d in given.items()}
    return tuple(int(d) for d in directions)


def parse_interaction(value: Any) -> tuple[tuple[str | int, ...], ...]:
    """Return sets of features, each feature by its name or index; raise ValueError for other items."""
    sets = [list(features) for features in _literal(value)]
    for features in sets:
        for f in features:
            if isinstance(f, bool) or not isinstance(f, (str, numbers.Integral)):
                raise ValueError(f"{f!r} is neither the name nor the index of a feature")
    return tuple(tuple(f if isinstance(f, str) else int(f) for f in features) for features in sets)


def _literal(value: Any) -> Any:
    return ast.literal_eval(value) if isinstance(value, str) else value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, numbers.Real) or not math.isfinite(float(value)):
        raise ValueError(f"{value!r} is not a finite number")
    return float(value)

"""Values of parameters that are given as text, and checks of those that are neither one number nor one name.

XGBoost takes every value as text: ``"3"``, ``"true"``, ``"(1,-1)"``. The last is read as a Python literal.
"""

from __future__ import annotations

import ast
import math
import numbers
import re
from collections.abc import Mapping
from typing import Any

from boost.config import warn

FLAGS = {"true": True, "1": True, "false": False, "0": False}
# XGBoost's names of devices that are not the CPU.
ACCELERATOR = re.compile(r"(cuda|gpu|sycl)(:[a-z0-9:]+)?")


def scalar(value: Any) -> Any:
    """Return the Python value of a NumPy scalar, or of an array without dimensions; others as they are."""
    return value.item() if getattr(value, "shape", None) == () and hasattr(value, "item") else value


def read_flag(text: str) -> Any:
    """Return the boolean that a text names; the text itself when it names none."""
    return FLAGS.get(text.strip().lower(), text)


def read_number(text: str) -> Any:
    """Return the number that a text holds; the text itself when it holds none."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def parse_device(value: Any) -> str:
    """Return "cpu", with a warning for the name of another device; raise ValueError for other values."""
    if value == "cpu":
        return "cpu"
    if not (isinstance(value, str) and ACCELERATOR.fullmatch(value)):
        raise ValueError("devices are 'cpu', 'cuda' and 'gpu', the last two also with a number: 'cuda:0'")
    warn(f"device={value!r} is not supported: the model is trained on the CPU")
    return "cpu"


def parse_updaters(value: Any) -> tuple[str, ...]:
    """Return the names of updaters in order, from a list or a text with commas."""
    names = value.split(",") if isinstance(value, str) else list(value)
    if not all(isinstance(name, str) for name in names):
        raise TypeError
    return tuple(name.strip() for name in names if name.strip())


def parse_scores(value: Any) -> float | tuple[float, ...]:
    """Return a finite number, or a tuple of one for each output; raise ValueError or TypeError for others."""
    value = _literal(value)
    if isinstance(value, numbers.Real):
        return _number(value)
    if len(value) == 0:
        raise TypeError
    return tuple(_number(v) for v in value)


def parse_levels(value: Any) -> tuple[float, ...]:
    """Return distinct levels in (0, 1), in the given order; raise ValueError for others."""
    given = _literal(value)
    levels = [given] if isinstance(given, numbers.Real) else list(given)
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

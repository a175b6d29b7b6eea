"""`Parameter`: a named value that selects one operator of a family, and its allowed values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from compiler.suggest import unknown

Value = int | str | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A named value of an operator.

    Parameters
    ----------
    name : str
    kind : str
        ``"size"``, a whole number of at least 1; ``"count"``, of at least 0; ``"pair"``, a size or two of
        them, for height and width; ``"pads"``, a count, two for height and width, or four for top, left,
        bottom and right; ``"shape"``, several sizes; ``"axes"``, several counts; ``"word"``, one of
        `options`; ``"dtype"``, one of `options`, which are element types.
    default : int, str or tuple of int, optional
        The value if none is given; without a default, a value is required.
    options : tuple of str
        Allowed values of the kinds ``"word"`` and ``"dtype"``.
    """

    name: str
    kind: str = "size"
    default: Value | None = None
    options: tuple[str, ...] = ()

    def check(self, operator: str, value: Any) -> Value:
        """Return `value` in its shortest form: equal numbers of a pair or of pads become one number.

        Raises
        ------
        ValueError
            For a value that is not allowed; names the operator and the parameter.
        """
        return _KINDS[self.kind](self, operator, value)

    def refuse(self, operator: str, value: Any, required: str) -> ValueError:
        """Return the error for a value that is not `required`."""
        return ValueError(f"{operator}: {self.name} is {value!r}; {required} is needed")


def _whole(value: Any, least: int) -> bool:
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    return bool(whole and value >= least)


def _numbers(least: int, lengths: Sequence[int], required: str) -> Callable[[Parameter, str, Any], Value]:
    def check(parameter: Parameter, operator: str, value: Any) -> Value:
        if 1 in lengths and _whole(value, least):
            return int(value)
        values = tuple(value) if isinstance(value, (tuple, list)) else ()
        if (
            not values
            or (lengths and len(values) not in lengths)
            or not all(_whole(v, least) for v in values)
        ):
            raise parameter.refuse(operator, value, required)
        plain = tuple(int(v) for v in values)
        if 1 not in lengths:
            return plain
        if len(set(plain)) == 1:
            return plain[0]
        return plain[:2] if len(plain) == 4 and plain[:2] == plain[2:] else plain

    return check


def _word(parameter: Parameter, operator: str, value: Any) -> Value:
    if value not in parameter.options:
        raise ValueError(f"{operator}: {unknown(parameter.name, value, parameter.options)}")
    return value


_KINDS: dict[str, Callable[[Parameter, str, Any], Value]] = {
    "size": _numbers(1, (1,), "a positive whole number"),
    "count": _numbers(0, (1,), "a whole number of at least zero"),
    "pair": _numbers(1, (1, 2), "a positive whole number, or two for height and width,"),
    "pads": _numbers(
        0,
        (1, 2, 4),
        "a whole number of at least zero, two (height, width), or four (top, left, bottom, right)",
    ),
    "shape": _numbers(1, (), "a tuple of positive whole numbers"),
    "axes": _numbers(0, (), "a tuple of whole numbers of at least zero"),
    "word": _word,
    "dtype": _word,
}


def pair(value: Value) -> tuple[int, int]:
    """Return height and width of a value of the kind ``"pair"``."""
    if isinstance(value, tuple):
        height, width = value
        return height, width
    return int(value), int(value)


def pads(value: Value) -> tuple[int, int, int, int]:
    """Return top, left, bottom and right of a value of the kind ``"pads"``."""
    if not isinstance(value, tuple):
        return int(value), int(value), int(value), int(value)
    if len(value) == 2:
        return value[0], value[1], value[0], value[1]
    top, left, bottom, right = value
    return top, left, bottom, right

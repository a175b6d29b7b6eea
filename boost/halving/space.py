"""The space of a search: for each parameter an interval or a list of values, draws of it, and neighbours."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from boost.errors import ParameterError, nearest
from boost.params import BY_NAME
from boost.params.parse import read_number


@dataclass(frozen=True)
class Values:
    """The values that a parameter may take.

    Parameters
    ----------
    low, high : float
        The ends of an interval, both included; not used with `choices`.
    log : bool
        Whether the logarithm is uniform.
    whole : bool
        Whether only integers are drawn.
    choices : tuple, optional
        A list in place of an interval.
    """

    low: float = 0.0
    high: float = 1.0
    log: bool = False
    whole: bool = False
    choices: tuple[Any, ...] = ()

    def __post_init__(self) -> None:
        if not self.choices and not (self.low <= self.high and (self.low > 0 or not self.log)):
            raise ParameterError(f"an interval needs low <= high, and low > 0 with log, got {self}")

    def draw(self, rng: np.random.Generator) -> Any:
        """Return a value drawn at random."""
        return self.at(rng.random())

    def near(self, value: Any, rng: np.random.Generator, width: float) -> Any:
        """Return a value near another one: its place in the interval moves by a share of about `width`."""
        if self.choices:
            return value if rng.random() > width else self.draw(rng)
        return self.at(min(1.0, max(0.0, self.place(value) + width * rng.normal())))

    def at(self, place: float) -> Any:
        """Return the value at a place in [0, 1]."""
        if self.choices:
            return self.choices[min(int(place * len(self.choices)), len(self.choices) - 1)]
        if self.log:
            value = math.exp(math.log(self.low) + place * (math.log(self.high) - math.log(self.low)))
        else:
            value = self.low + place * (self.high - self.low)
        if self.whole:
            return int(min(self.high, max(self.low, round(value))))
        return float(f"{value:.3g}")  # short, so that a command line repeats it

    def place(self, value: Any) -> float:
        """Return the place of a value in the interval, from 0 to 1."""
        if self.high == self.low:
            return 0.5
        low, high, x = (math.log(max(v, 1e-300)) if self.log else v for v in (self.low, self.high, value))
        return float(min(1.0, max(0.0, (x - low) / (high - low))))

    def __str__(self) -> str:
        if self.choices:
            return ",".join(map(str, self.choices))
        return f"{self.low:g}:{self.high:g}" + (":log" if self.log else "")


# What is searched when the user says nothing.
SPACE: dict[str, Values] = {
    "eta": Values(0.05, 0.4, log=True),
    "max_depth": Values(2, 9, whole=True),
    "min_child_weight": Values(0.5, 60.0, log=True),
    "subsample": Values(0.5, 1.0),
    "colsample_bytree": Values(0.3, 1.0),
    "lambda": Values(0.05, 50.0, log=True),
}


def make_space(texts: Iterable[str] = (), given: Mapping[str, Any] | None = None) -> dict[str, Values]:
    """Return the space of a search: `SPACE`, changed by text, without the parameters that are given.

    Parameters
    ----------
    texts : sequence of str
        ``"max_depth=2:12"`` (an interval), ``"lambda=0.1:10:log"``, or ``"grow_policy=depthwise,lossguide"``.
    given : mapping, optional
        Parameters with fixed values, by any of their names.

    Raises
    ------
    ParameterError
        For an unknown parameter, bad text, and a parameter that is given and searched.
    """
    fixed = {BY_NAME[name].name for name in given or {} if name in BY_NAME}
    space = {name: values for name, values in SPACE.items() if BY_NAME[name].name not in fixed}
    for text in texts:
        name, equals, rest = text.partition("=")
        if not equals or not rest:
            raise ParameterError(f"a space must be NAME=LOW:HIGH[:log] or NAME=A,B,..., got {text!r}")
        if name not in BY_NAME:
            raise ParameterError(f"unknown parameter {name!r}{nearest(name, BY_NAME)}")
        if BY_NAME[name].name in fixed:
            raise ParameterError(f"{name} has a value already: leave it or its space out")
        for known in [k for k in space if BY_NAME[k].name == BY_NAME[name].name]:
            del space[known]
        space[name] = _values(name, rest)
    if not space:
        raise ParameterError("all parameters have values: nothing is left to search")
    return space


def _values(name: str, text: str) -> Values:
    if ":" not in text:
        return Values(choices=tuple(map(read_number, text.split(","))))
    ends, log = text.split(":"), False
    if len(ends) == 3 and ends[2] == "log":
        ends, log = ends[:2], True
    numbers = [read_number(end) for end in ends]
    if len(ends) != 2 or any(isinstance(number, str) for number in numbers):
        raise ParameterError(f"the space of {name} must be LOW:HIGH or LOW:HIGH:log, got {text!r}")
    whole = all(isinstance(number, int) for number in numbers) and isinstance(BY_NAME[name].default, int)
    return Values(float(numbers[0]), float(numbers[1]), log=log, whole=whole)

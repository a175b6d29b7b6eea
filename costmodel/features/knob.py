"""Features of the values of a configuration's knobs: no program is made for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from costmodel.features.family import scaled, version_of
from costmodel.space import Config, ConfigSpace

_NUMBER = 1


class KnobFeatures:
    """The family ``"knob"``, see `Features`: the values of the knobs of one space.

    A number is its logarithm, a tuple of numbers (the factors of a split, a tile) one for each and one for
    the product of all but the first; an order or a word has a feature for each option (one-hot). The values
    have a meaning in one space only, so a model of them cannot be transferred to another.

    Parameters
    ----------
    space : ConfigSpace
    """

    family = "knob"
    reads = "config"

    def __init__(self, space: ConfigSpace) -> None:
        self.space = space
        columns = [_columns(knob.kind, knob.options) for knob in space.knobs]
        self.names = tuple(
            f"{knob.name}{part}"
            for knob, (parts, _) in zip(space.knobs, columns, strict=True)
            for part in parts
        )
        self._values = [values for _, values in columns]
        self.version = version_of(self.family, _NUMBER, self.names)

    def extract(self, given: Config) -> np.ndarray:
        """Return the features of a configuration."""
        return self.of_indices([given.index])[0]

    def of_indices(self, indices: Sequence[int]) -> np.ndarray:
        """Return the features of configurations, float32 of shape (len(indices), len(names))."""
        return self.of_digits(np.array([self.space.digits(index) for index in indices], dtype=np.intp))

    def of_digits(self, digits: np.ndarray) -> np.ndarray:
        """Return the features of the numbers of options, one of each knob, whether or not the space allows
        them together: float32 of shape (len(digits), len(names)).
        """
        rows = np.empty((len(digits), len(self.names)), np.float32)
        start = 0
        for position, values in enumerate(self._values):
            rows[:, start : start + values.shape[1]] = values[digits[:, position]]
            start += values.shape[1]
        return rows


def _columns(kind: str, options: Sequence[Any]) -> tuple[list[str], np.ndarray]:
    """The suffixes of the names, and the values of each option."""
    if kind != "reorder" and all(map(_is_number, options)):
        return [""], scaled(options)[:, None]
    lengths = {len(option) for option in options if isinstance(option, tuple)}
    tuples = kind != "reorder" and all(isinstance(o, tuple) and all(map(_is_number, o)) for o in options)
    if tuples and len(lengths) == 1:
        (length,) = lengths
        rows = [[*option, float(np.prod(option[1:], dtype=np.float64))] for option in options]
        values = scaled(value for row in rows for value in row).reshape(len(options), length + 1)
        return [*(f".{part}" for part in range(length)), ".inner"], values
    return [f"={option}" for option in options], np.eye(len(options), dtype=np.float32)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)

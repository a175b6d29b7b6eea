"""`ConfigSpace`: the choices of a template, and their configurations.

A template is a plain function that requests its choices from `knobs`. `ConfigSpace.record`
runs it once with every default and keeps the knobs that it requests;
a `Config` supplies one option for each of them. A configuration is
identified by its index: the knobs' option numbers as the digits of a mixed-radix number,
the first knob being the least significant digit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from math import prod
from typing import Any

import numpy as np

from compiler.suggest import unknown
from costmodel.knob import Knob, KnobSource, shown


class Recorder(KnobSource):
    """Returns the default of each knob, and records the requested knobs in order."""

    def __init__(self) -> None:
        self.knobs: dict[str, Knob] = {}

    def resolve(self, knob: Knob) -> Any:
        if knob.name in self.knobs:
            raise ValueError(
                f"knob {knob.name!r} is requested twice: names of knobs are unique in a template"
            )
        self.knobs[knob.name] = knob
        return knob.options[knob.default]


class Config(KnobSource, Mapping[str, Any]):
    """One value for every knob of a space: a read-only mapping from name to value.

    Parameters
    ----------
    space : ConfigSpace
    index : int
        Of the configuration, from 0 to ``space.size - 1``.
    """

    def __init__(self, space: ConfigSpace, index: int) -> None:
        self.space = space
        self.index = index
        digits = space.digits(index)
        self._values = {k.name: k.options[d] for k, d in zip(space.knobs, digits, strict=True)}

    def __getitem__(self, name: str) -> Any:
        if name not in self._values:
            raise KeyError(unknown("knob", name, self._values))
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Config):
            return self.index == other.index and self.space.knobs == other.space.knobs
        return NotImplemented

    def __hash__(self) -> int:
        return hash(self.index)

    def __repr__(self) -> str:
        values = ", ".join(f"{name}={_text(value)}" for name, value in self._values.items())
        return f"Config({self.index}: {values})"

    def plain(self) -> dict[str, Any]:
        """Return the mapping with lists in place of tuples, as JSON has them."""
        return {name: _listed(value) for name, value in self._values.items()}

    def resolve(self, knob: Knob) -> Any:
        recorded = self.space.by_name.get(knob.name)
        if recorded is None:
            raise ValueError(
                f"the template requests a knob {knob.name!r} that it did not request "
                "when its space was recorded: the set of knobs must not depend on their values"
            )
        if recorded != knob:
            raise ValueError(
                f"the template requests knob {knob.name!r} with the options {shown(knob.options)}, "
                f"but its space was recorded with {shown(recorded.options)}: "
                "options must not depend on the values of knobs"
            )
        return self._values[knob.name]


class Replay(KnobSource):
    """Returns the values of a configuration, and records the names of the requested knobs."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.requested: set[str] = set()

    def resolve(self, knob: Knob) -> Any:
        self.requested.add(knob.name)
        return self.config.resolve(knob)

    def finish(self) -> None:
        """Raise ValueError if a knob of the space was not requested."""
        missing = [name for name in self.config if name not in self.requested]
        if missing:
            raise ValueError(
                f"the template did not request {', '.join(map(repr, missing))} under this configuration: "
                "the set of knobs must not depend on their values"
            )


class ConfigSpace:
    """All configurations of a template.

    Parameters
    ----------
    knobs : sequence of Knob
        In the order in which the template requests them.
    """

    def __init__(self, knobs: Sequence[Knob]) -> None:
        self.knobs = tuple(knobs)
        self.by_name = {k.name: k for k in self.knobs}
        self.radices = tuple(len(k.options) for k in self.knobs)
        self.size = prod(self.radices)
        # knobs with one option cannot change
        self._movable = [i for i, radix in enumerate(self.radices) if radix > 1]

    @classmethod
    def record(cls, template: Callable[[Recorder], object]) -> ConfigSpace:
        """Return the space of `template`, which is run once with every default."""
        recorder = Recorder()
        template(recorder)
        return cls(tuple(recorder.knobs.values()))

    def __len__(self) -> int:
        return self.size

    def __repr__(self) -> str:
        knobs = ", ".join(f"{k.name}: {len(k.options)}" for k in self.knobs)
        return f"ConfigSpace({self.size} = {knobs})"

    def digits(self, index: int) -> tuple[int, ...]:
        """Return the option numbers of the configuration `index`, one per knob.

        Raises
        ------
        ValueError
            If `index` is not in ``0 .. size - 1``.
        """
        if not 0 <= index < self.size:
            raise ValueError(
                f"configuration {index} is outside the space of {self.size} (0 to {self.size - 1})"
            )
        digits = []
        for radix in self.radices:
            index, digit = divmod(index, radix)
            digits.append(digit)
        return tuple(digits)

    def index(self, digits: Sequence[int]) -> int:
        """Return the index of the configuration with these option numbers: the inverse of `digits`.

        Raises
        ------
        ValueError
            If there is not one number per knob, or a number is no option of its knob.
        """
        if len(digits) != len(self.knobs):
            raise ValueError(f"{len(self.knobs)} option numbers are needed, one per knob, not {len(digits)}")
        index = 0
        for knob, radix, digit in zip(
            reversed(self.knobs), reversed(self.radices), reversed(digits), strict=True
        ):
            if not 0 <= digit < radix:
                raise ValueError(f"knob {knob.name!r} has options 0 to {radix - 1}, not {digit}")
            index = index * radix + int(digit)
        return index

    @property
    def default(self) -> Config:
        """The configuration of every knob's default."""
        return self.at(self.index([k.default for k in self.knobs]))

    def at(self, index: int) -> Config:
        """Return the configuration `index`."""
        return Config(self, index)

    def config(self, values: Mapping[str, Any]) -> Config:
        """Return the configuration with these values; lists are read as tuples.

        Raises
        ------
        ValueError
            For an unknown or a missing knob, or a value that is none of its options.
        """
        for name in values:
            if name not in self.by_name:
                raise ValueError(unknown("knob", name, self.by_name))
        missing = [name for name in self.by_name if name not in values]
        if missing:
            raise ValueError(f"the configuration has no value for {', '.join(map(repr, missing))}")
        digits = []
        for knob in self.knobs:
            value = _tupled(values[knob.name])
            matches = [i for i, option in enumerate(knob.options) if _same(option, value)]
            if not matches:
                raise ValueError(
                    f"knob {knob.name!r} cannot be {value!r}; its options are {shown(knob.options)}"
                )
            digits.append(matches[0])
        return self.at(self.index(digits))

    def random(self, rng: np.random.Generator, n: int, exclude: AbstractSet[int] = frozenset()) -> list[int]:
        """Draw up to `n` different indices outside `exclude`, uniformly over the space.

        Fewer are returned only if fewer exist.
        """
        chosen: dict[int, None] = {}
        remaining = self.size - len(exclude)
        n = min(n, remaining)
        # rejection sampling is fast unless most of the space is excluded
        if n > 0 and 2 * (self.size - remaining + n) < self.size:
            while len(chosen) < n:
                for digits in rng.integers(0, np.array(self.radices or (1,)), (n, max(len(self.radices), 1))):
                    index = self.index([int(d) for d in digits][: len(self.radices)])
                    if index not in exclude and len(chosen) < n:
                        chosen[index] = None
            return list(chosen)
        rest = [i for i in range(self.size) if i not in exclude] if n > 0 else []
        return [rest[i] for i in rng.permutation(len(rest))[:n]]

    def neighbour(self, index: int, rng: np.random.Generator) -> int:
        """Draw a configuration that differs from `index` in one knob.

        It is `index` itself if no knob has a second option.
        """
        if not self._movable:
            return index
        digits = list(self.digits(index))
        knob = self._movable[int(rng.integers(len(self._movable)))]
        step = 1 + int(rng.integers(self.radices[knob] - 1))
        digits[knob] = (digits[knob] + step) % self.radices[knob]
        return self.index(digits)

    def neighbours(self, index: int) -> Iterator[int]:
        """Yield every configuration that differs from `index` in exactly one knob."""
        digits = self.digits(index)
        for position, radix in enumerate(self.radices):
            for option in range(radix):
                if option != digits[position]:
                    yield self.index((*digits[:position], option, *digits[position + 1 :]))


def _tupled(value: Any) -> Any:
    return tuple(_tupled(v) for v in value) if isinstance(value, (list, tuple)) else value


def _listed(value: Any) -> Any:
    return [_listed(v) for v in value] if isinstance(value, (list, tuple)) else value


def _same(option: Any, value: Any) -> bool:
    # True == 1 in Python, but a knob may offer both
    return option == value and isinstance(option, bool) == isinstance(value, bool)


def _text(value: Any) -> str:
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)

"""`ConfigSpace`: the choices of a template, and their configurations.

A template is a plain function that requests its choices from `knobs`. `ConfigSpace.record`
runs it once with every default and keeps the knobs that it requests;
a `Config` supplies one option for each of them. A configuration is
identified by its index: the knobs' option numbers as the digits of a mixed-radix number,
the first knob being the least significant digit. Knobs that requirements connect are one digit, whose
values are the numbers of their allowed joint options (`costmodel.group`), so every index from 0 to
``size - 1`` is a configuration that meets all requirements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from math import prod
from typing import Any

import numpy as np

from compiler.ops.knob import Knob, Request, shown
from compiler.ops.knobs import Knobs
from compiler.ops.requirement import Requirement
from compiler.suggest import unknown
from costmodel.group import connected
from costmodel.knob import ordered

# random options of a knob that are tried before all knobs of its group are drawn anew
TRIES = 8
# configurations whose digits a space keeps
KNOWN = 1 << 14


class Recorder(Knobs):
    """Returns the default of each knob, and records the requested knobs and requirements in order."""

    def __init__(self) -> None:
        self.knobs: dict[str, Knob] = {}
        self.requirements: list[Requirement] = []

    def resolve(self, request: Request) -> Any:
        knob = request.knob()
        if knob.name in self.knobs:
            raise ValueError(
                f"knob {knob.name!r} is requested twice: names of knobs are unique in a template"
            )
        self.knobs[knob.name] = knob
        return knob.options[knob.default]

    def restrict(self, requirement: Requirement) -> None:
        requirement.check_names(self.knobs)
        self.requirements.append(requirement)


class Config(Knobs, Mapping[str, Any]):
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

    def resolve(self, request: Request) -> Any:
        recorded = self.space.by_name.get(request.name)
        if recorded is None:
            raise ValueError(
                f"the template requests a knob {request.name!r} that it did not request "
                "when its space was recorded: the set of knobs must not depend on their values"
            )
        if (recorded.kind, recorded.form) != (request.kind, request.form):
            raise ValueError(
                f"the template requests knob {request.name!r} with the options "
                f"{shown(request.knob().options)}, but its space was recorded with "
                f"{shown(recorded.options)}: options must not depend on the values of knobs"
            )
        return self._values[request.name]

    def restrict(self, requirement: Requirement) -> None:
        # a condition that holds in the space and not here depends on the values of knobs in another way
        if requirement not in self.space.requirements or not requirement.holds(self._values):
            raise ValueError(
                f"the template {requirement.broken_by(self._values)}, which its space did not have when "
                "it was recorded: requirements must not depend on the values of knobs"
            )


class Replay(Knobs):
    """Returns the values of a configuration, and records the names of the requested knobs."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.requested: set[str] = set()

    def resolve(self, request: Request) -> Any:
        self.requested.add(request.name)
        return self.config.resolve(request)

    def restrict(self, requirement: Requirement) -> None:
        self.config.restrict(requirement)

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
    requirements : sequence of Requirement
        Conditions that the configurations meet.

    Raises
    ------
    ValueError
        If no configuration, or not the default, meets the requirements.

    Attributes
    ----------
    size : int
        Number of configurations.
    groups : tuple of Group
        The digits of an index, the least significant first: one for each knob, or for all knobs that
        requirements connect.
    radices : tuple of int
        Number of options of each knob.
    """

    def __init__(self, knobs: Sequence[Knob], requirements: Sequence[Requirement] = ()) -> None:
        self.knobs = tuple(knobs)
        self.requirements = tuple(requirements)
        self.by_name = {k.name: k for k in self.knobs}
        for requirement in self.requirements:
            requirement.check_names(self.by_name)
        self.radices = tuple(len(k.options) for k in self.knobs)
        self.groups = tuple(connected(self.knobs, self.requirements))
        self.size = prod(group.size for group in self.groups)
        self._group_of = {p: group for group in self.groups for p in group.positions}
        # knobs with one option cannot change
        self._movable = [
            i for i, radix in enumerate(self.radices) if radix > 1 and self._group_of[i].size > 1
        ]
        # explorers, screens and batches need the digits of the same configurations again and again
        self._digits: dict[int, tuple[int, ...]] = {}
        self._check_default()

    def _check_default(self) -> None:
        values = {k.name: k.options[k.default] for k in self.knobs}
        for requirement in self.requirements:
            if not requirement.holds(values):
                allowed = ", ".join(f"{name}={self.at(0)[name]!r}" for name in requirement.names)
                raise ValueError(
                    f"the default of the template {requirement.broken_by(values)}; allowed is, for example, "
                    f"{allowed}"
                )

    @classmethod
    def record(cls, template: Callable[[Recorder], object]) -> ConfigSpace:
        """Return the space of `template`, which is run once with every default."""
        recorder = Recorder()
        template(recorder)
        return cls(tuple(recorder.knobs.values()), recorder.requirements)

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
        known = self._digits.get(index)
        if known is not None:
            return known
        if not 0 <= index < self.size:
            raise ValueError(
                f"configuration {index} is outside the space of {self.size} (0 to {self.size - 1})"
            )
        digits, rest = [0] * len(self.knobs), index
        for group in self.groups:
            rest, number = divmod(rest, group.size)
            for position, digit in zip(group.positions, group.digits(number), strict=True):
                digits[position] = digit
        return self._note(index, tuple(digits))

    def _note(self, index: int, digits: tuple[int, ...]) -> tuple[int, ...]:
        if len(self._digits) >= KNOWN:
            self._digits.clear()
        self._digits[index] = digits
        return digits

    def find(self, digits: Sequence[int]) -> int | None:
        """Return the index of the configuration with these option numbers; None if it breaks a requirement.

        Raises
        ------
        ValueError
            If there is not one number per knob, or a number is no option of its knob.
        """
        if len(digits) != len(self.knobs):
            raise ValueError(f"{len(self.knobs)} option numbers are needed, one per knob, not {len(digits)}")
        for knob, radix, digit in zip(self.knobs, self.radices, digits, strict=True):
            if not 0 <= digit < radix:
                raise ValueError(f"knob {knob.name!r} has options 0 to {radix - 1}, not {digit}")
        index = 0
        for group in reversed(self.groups):
            number = group.number([digits[p] for p in group.positions])
            if number is None:
                return None
            index = index * group.size + number
        return index

    def index(self, digits: Sequence[int]) -> int:
        """Return the index of the configuration with these option numbers: the inverse of `digits`.

        Raises
        ------
        ValueError
            As of `find`, and if they break a requirement, which is named.
        """
        index = self.find(digits)
        if index is not None:
            return index
        values = {k.name: k.options[d] for k, d in zip(self.knobs, digits, strict=True)}
        broken = next(r for r in self.requirements if not r.holds(values))
        raise ValueError(f"the configuration {broken.broken_by(values)}")

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
                for index in self._draw(rng, n):
                    if index not in exclude and len(chosen) < n:
                        chosen[index] = None
            return list(chosen)
        rest = [i for i in range(self.size) if i not in exclude] if n > 0 else []
        return [rest[i] for i in rng.permutation(len(rest))[:n]]

    def _draw(self, rng: np.random.Generator, n: int) -> list[int]:
        """Draw `n` indices; each digit on its own, because the space may exceed 64 bits."""
        sizes = [group.size for group in self.groups]
        if all(size < 1 << 63 for size in sizes):
            rows = rng.integers(0, np.array(sizes or (1,)), (n, max(len(sizes), 1))).tolist()
        else:
            rows = [[_below(rng, size) for size in sizes] for _ in range(n)]
        indices = []
        for row in rows:
            index = 0
            for size, number in zip(reversed(sizes), reversed(row[: len(sizes)]), strict=True):
                index = index * size + number
            indices.append(index)
        return indices

    def neighbour(self, index: int, rng: np.random.Generator) -> int:
        """Draw a configuration that differs from `index` in one knob.

        Where requirements allow no other option of that knob, or none of several that were tried, all the
        knobs that requirements connect with it are drawn anew. It is `index` itself if no knob can change.
        """
        if not self._movable:
            return index
        digits = list(self.digits(index))
        knob = self._movable[int(rng.integers(len(self._movable)))]
        old, group = digits[knob], self._group_of[knob]
        for _ in range(TRIES if group.requirements else 1):
            step = 1 + int(rng.integers(self.radices[knob] - 1))
            digits[knob] = (old + step) % self.radices[knob]
            moved = self.find(digits)
            if moved is not None:
                self._note(moved, tuple(digits))
                return moved
        digits[knob] = old
        number = group.number([digits[p] for p in group.positions])
        assert number is not None
        number = (number + 1 + _below(rng, group.size - 1)) % group.size
        for position, digit in zip(group.positions, group.digits(number), strict=True):
            digits[position] = digit
        return self.index(digits)

    def neighbours(self, index: int) -> Iterator[int]:
        """Yield every configuration that differs from `index` in exactly one knob."""
        digits = self.digits(index)
        for position in range(len(self.knobs)):
            yield from self._others(digits, position, range(self.radices[position]))

    def along(self, index: int, name: str) -> tuple[list[int], list[int]]:
        """Return the configurations with smaller and with larger values of one knob, the nearest first.

        Parameters
        ----------
        index : int
            Of the configuration.
        name : str
            Of a knob whose options are numbers (see `costmodel.knob.ordered`).

        Raises
        ------
        ValueError
            If there is no such knob, or its options have no order.
        """
        if name not in self.by_name:
            raise ValueError(unknown("knob", name, self.by_name))
        knob = self.by_name[name]
        order = ordered(knob)
        if order is None:
            raise ValueError(f"the options of {knob.kind} knob {name!r} have no order: {shown(knob.options)}")
        position = self.knobs.index(knob)
        digits = self.digits(index)
        at = order.index(digits[position])
        below = self._others(digits, position, reversed(order[:at]))
        return list(below), list(self._others(digits, position, order[at + 1 :]))

    def _others(self, digits: Sequence[int], position: int, options: Iterable[int]) -> Iterator[int]:
        for option in options:
            if option != digits[position]:
                index = self.find((*digits[:position], option, *digits[position + 1 :]))
                if index is not None:
                    yield index


def _below(rng: np.random.Generator, bound: int) -> int:
    """Draw an integer from 0 to ``bound - 1``, which may exceed 64 bits."""
    if bound < 1 << 63:
        return int(rng.integers(bound))
    bits = bound.bit_length()
    while True:
        drawn = int.from_bytes(rng.bytes(-(-bits // 8)), "little") & ((1 << bits) - 1)
        if drawn < bound:
            return drawn


def _tupled(value: Any) -> Any:
    return tuple(_tupled(v) for v in value) if isinstance(value, (list, tuple)) else value


def _listed(value: Any) -> Any:
    return [_listed(v) for v in value] if isinstance(value, (list, tuple)) else value


def _same(option: Any, value: Any) -> bool:
    # True == 1 in Python, but a knob may offer both
    return option == value and isinstance(option, bool) == isinstance(value, bool)


def _text(value: Any) -> str:
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)

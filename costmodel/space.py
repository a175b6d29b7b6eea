"""The space of a template's choices: knobs, and the configurations that answer them.

A template is a plain function that asks `knobs` for its choices. `ConfigSpace.record`
runs it once with an answerer that gives every default and writes down what was asked;
a `Config` answers the same questions with one chosen option each. A configuration is
known by its index: the knobs' option numbers as the digits of a mixed-radix number,
the first knob being the least significant digit.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from compiler.suggest import unknown


@lru_cache(maxsize=4096)
def factorizations(extent: int, parts: int, max_inner: int | None = None) -> tuple[tuple[int, ...], ...]:
    """All ways to write `extent` as an ordered product of `parts` factors.

    Parameters
    ----------
    extent : int
        The number to split, at least 1.
    parts : int
        How many factors, at least 1.
    max_inner : int, optional
        The largest last factor.

    Returns
    -------
    tuple of tuples of int
        In ascending order of the inner factors, compared from the left, so the first is
        ``(extent, 1, ..., 1)`` (unless `parts` is 1).
    """

    def inner(rest: int, count: int) -> Iterator[tuple[int, ...]]:
        if count == 0:
            yield ()
            return
        for factor in _divisors(rest):
            if count == 1 and max_inner is not None and factor > max_inner:
                break
            for tail in inner(rest // factor, count - 1):
                yield (factor, *tail)

    if parts == 1:
        return ((extent,),) if max_inner is None or extent <= max_inner else ()
    return tuple((extent // prod(factors), *factors) for factors in inner(extent, parts - 1))


@lru_cache(maxsize=4096)
def _divisors(n: int) -> tuple[int, ...]:
    small = [d for d in range(1, int(n**0.5) + 1) if n % d == 0]
    return tuple(sorted({*small, *(n // d for d in small)}))


@dataclass(frozen=True)
class Knob:
    """One question of a template.

    Parameters
    ----------
    kind : str
        ``"split"``, ``"choice"``, ``"reorder"`` or ``"annotate"``.
    name : str
        Unique in its template.
    options : tuple
        What may be answered: factors of a split, positions of a reordering, or plain values.
    default : int
        The number of the option which stands when nothing is tuned.
    """

    kind: str
    name: str
    options: tuple[Any, ...]
    default: int = field(compare=False)


def _knob(kind: str, name: str, options: Sequence[Any], default: Any) -> Knob:
    options = tuple(options)
    if not options:
        raise ValueError(f"{kind} knob {name!r} has no options")
    if default is not None and default not in options:
        raise ValueError(
            f"default {default!r} of {kind} knob {name!r} is not one of its options {_few(options)}"
        )
    return Knob(kind, name, options, 0 if default is None else options.index(default))


def _few(options: Sequence[Any]) -> str:
    shown = ", ".join(map(repr, options[:8]))
    return f"{shown}, ... ({len(options)} in all)" if len(options) > 8 else shown


class Questions(ABC):
    """The Knobs protocol in terms of one method: `answer`, which takes the knob that is asked."""

    @abstractmethod
    def answer(self, knob: Knob) -> Any:
        """The chosen one of ``knob.options``."""

    def split(
        self,
        name: str,
        extent: int,
        parts: int,
        *,
        max_inner: int | None = None,
        default: Sequence[int] | int | None = None,
    ) -> tuple[int, ...]:
        """Factors of `extent`, outermost first.

        Parameters
        ----------
        name : str
            The knob.
        extent : int
            What is split; the product of the answer.
        parts : int
            How many factors.
        max_inner : int, optional
            The largest last factor.
        default : sequence of int, optional
            The inner ``parts - 1`` factors which stand when nothing is tuned.

        Raises
        ------
        ValueError
            If `extent` or `parts` is less than 1, or `default` is no factorization of `extent`.
        """
        if extent < 1 or parts < 1:
            raise ValueError(f"split knob {name!r}: extent {extent} and parts {parts} must be at least 1")
        chosen = None
        if default is not None:
            factors = (default,) if isinstance(default, int) else tuple(default)
            if len(factors) != parts - 1:
                raise ValueError(
                    f"split knob {name!r}: default names the inner {parts - 1} factors, "
                    f"not {len(factors)}: {factors}"
                )
            chosen = (extent // max(prod(factors), 1), *factors)
        return self.answer(_knob("split", name, factorizations(extent, parts, max_inner), chosen))

    def choice(self, name: str, options: Sequence[Any], *, default: Any = None) -> Any:
        """One of `options`; the first unless `default` says otherwise."""
        return self.answer(_knob("choice", name, options, default))

    def reorder(
        self,
        name: str,
        axes: Sequence[Any],
        candidates: Sequence[Sequence[int]],
        *,
        default: Sequence[int] | None = None,
    ) -> tuple[Any, ...]:
        """`axes` in one of the candidate orders, each a tuple of positions in `axes`.

        Raises
        ------
        ValueError
            If a candidate is not a permutation of the positions.
        """
        orders = tuple(tuple(c) for c in candidates)
        for order in orders:
            if sorted(order) != list(range(len(axes))):
                raise ValueError(
                    f"reorder knob {name!r}: candidate {order} is not a permutation of {len(axes)} positions"
                )
        chosen = None if default is None else tuple(default)
        return tuple(axes[i] for i in self.answer(_knob("reorder", name, orders, chosen)))

    def annotate(self, name: str, options: Sequence[str], *, default: str | None = None) -> str:
        """One of the annotations, for example ``("none", "unroll", "vectorize")``."""
        return self.answer(_knob("annotate", name, options, default))


class Recorder(Questions):
    """Answers every question with its default, and keeps the questions in order."""

    def __init__(self) -> None:
        self.knobs: dict[str, Knob] = {}

    def answer(self, knob: Knob) -> Any:
        if knob.name in self.knobs:
            raise ValueError(f"knob {knob.name!r} is asked twice: names of knobs are unique in a template")
        self.knobs[knob.name] = knob
        return knob.options[knob.default]


class Config(Questions, Mapping[str, Any]):
    """One answer to every knob of a space: a readable mapping from name to value.

    Parameters
    ----------
    space : ConfigSpace
        The questions.
    index : int
        Which configuration, from 0 to ``space.size - 1``.
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
        values = ", ".join(f"{name}={_shown(value)}" for name, value in self._values.items())
        return f"Config({self.index}: {values})"

    def plain(self) -> dict[str, Any]:
        """The mapping with lists for tuples, as JSON knows it."""
        return {name: _listed(value) for name, value in self._values.items()}

    def answer(self, knob: Knob) -> Any:
        asked = self.space.by_name.get(knob.name)
        if asked is None:
            raise ValueError(
                f"the template asks for a knob {knob.name!r} that it did not ask for "
                "when its space was recorded: the set of knobs must not depend on the answers"
            )
        if asked != knob:
            raise ValueError(
                f"the template asks knob {knob.name!r} with the options {_few(knob.options)}, "
                f"but its space was recorded with {_few(asked.options)}: "
                "options must not depend on the answers"
            )
        return self._values[knob.name]


class Replay(Questions):
    """A configuration that remembers which of its knobs were asked."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.asked: set[str] = set()

    def answer(self, knob: Knob) -> Any:
        self.asked.add(knob.name)
        return self.config.answer(knob)

    def finish(self) -> None:
        """Raise ValueError when a knob of the space was not asked."""
        missing = [name for name in self.config if name not in self.asked]
        if missing:
            raise ValueError(
                f"the template did not ask for {', '.join(map(repr, missing))} under this configuration: "
                "the set of knobs must not depend on the answers"
            )


class ConfigSpace:
    """All configurations of a template.

    Parameters
    ----------
    knobs : sequence of Knob
        In the order in which the template asks for them.
    """

    def __init__(self, knobs: Sequence[Knob]) -> None:
        self.knobs = tuple(knobs)
        self.by_name = {k.name: k for k in self.knobs}
        self.radices = tuple(len(k.options) for k in self.knobs)
        self.size = prod(self.radices)
        # knobs with one option have nothing to move
        self._movable = [i for i, radix in enumerate(self.radices) if radix > 1]

    @classmethod
    def record(cls, template: Callable[[Recorder], object]) -> ConfigSpace:
        """The space of `template`, which is run once with every default."""
        recorder = Recorder()
        template(recorder)
        return cls(tuple(recorder.knobs.values()))

    def __len__(self) -> int:
        return self.size

    def __repr__(self) -> str:
        knobs = ", ".join(f"{k.name}: {len(k.options)}" for k in self.knobs)
        return f"ConfigSpace({self.size} = {knobs})"

    def digits(self, index: int) -> tuple[int, ...]:
        """Option numbers of the configuration `index`, one per knob.

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
        """Index of the configuration with these option numbers: the inverse of `digits`.

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
        """The configuration `index`."""
        return Config(self, index)

    def config(self, values: Mapping[str, Any]) -> Config:
        """The configuration with these values; the lists of JSON stand for tuples.

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
                    f"knob {knob.name!r} cannot be {value!r}; its options are {_few(knob.options)}"
                )
            digits.append(matches[0])
        return self.at(self.index(digits))

    def random(self, rng: np.random.Generator, n: int, exclude: AbstractSet[int] = frozenset()) -> list[int]:
        """Up to `n` different indices outside `exclude`, uniform over the space.

        Fewer come back only when fewer are left.
        """
        chosen: dict[int, None] = {}
        left = self.size - len(exclude)
        n = min(n, left)
        # drawing with rejection is quick unless most of the space is gone
        if n > 0 and 2 * (self.size - left + n) < self.size:
            while len(chosen) < n:
                for digits in rng.integers(0, np.array(self.radices or (1,)), (n, max(len(self.radices), 1))):
                    index = self.index([int(d) for d in digits][: len(self.radices)])
                    if index not in exclude and len(chosen) < n:
                        chosen[index] = None
            return list(chosen)
        rest = [i for i in range(self.size) if i not in exclude] if n > 0 else []
        return [rest[i] for i in rng.permutation(len(rest))[:n]]

    def neighbour(self, index: int, rng: np.random.Generator) -> int:
        """A configuration that differs from `index` in one knob, chosen at random.

        It is `index` itself when no knob has a second option.
        """
        if not self._movable:
            return index
        digits = list(self.digits(index))
        knob = self._movable[int(rng.integers(len(self._movable)))]
        step = 1 + int(rng.integers(self.radices[knob] - 1))
        digits[knob] = (digits[knob] + step) % self.radices[knob]
        return self.index(digits)

    def neighbours(self, index: int) -> Iterator[int]:
        """Every configuration that differs from `index` in exactly one knob."""
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


def _shown(value: Any) -> str:
    return "x".join(map(str, value)) if isinstance(value, tuple) else str(value)

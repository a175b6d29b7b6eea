"""`Knob`: one choice of a schedule template, and the interface by which a template requests it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import prod
from typing import Any


@lru_cache(maxsize=4096)
def factorizations(extent: int, parts: int, max_inner: int | None = None) -> tuple[tuple[int, ...], ...]:
    """Return all ways to write `extent` as an ordered product of `parts` factors.

    Parameters
    ----------
    extent : int
        The number to split, at least 1.
    parts : int
        Number of factors, at least 1.
    max_inner : int, optional
        Upper bound of the last factor.

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
    """One choice of a template.

    Parameters
    ----------
    kind : str
        ``"split"``, ``"choice"``, ``"reorder"`` or ``"annotate"``.
    name : str
        Unique in its template.
    options : tuple
        The values to choose from: factors of a split, positions of a reordering, or plain values.
    default : int
        Position of the default option.
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
            f"default {default!r} of {kind} knob {name!r} is not one of its options {shown(options)}"
        )
    return Knob(kind, name, options, 0 if default is None else options.index(default))


def shown(options: Sequence[Any]) -> str:
    """Return options as text, the first eight of many."""
    first = ", ".join(map(repr, options[:8]))
    return f"{first}, ... ({len(options)} in all)" if len(options) > 8 else first


class KnobSource(ABC):
    """Base of implementations of the protocol `compiler.ops.Knobs`: a subclass defines `resolve` alone."""

    @abstractmethod
    def resolve(self, knob: Knob) -> Any:
        """Return the option of ``knob.options`` that is chosen."""

    def split(
        self,
        name: str,
        extent: int,
        parts: int,
        *,
        max_inner: int | None = None,
        default: Sequence[int] | int | None = None,
    ) -> tuple[int, ...]:
        """Return factors of `extent`, outermost first.

        Parameters
        ----------
        name : str
            Of the knob.
        extent : int
            The product of the factors.
        parts : int
            Number of factors.
        max_inner : int, optional
            Upper bound of the last factor.
        default : sequence of int, optional
            The inner ``parts - 1`` factors of the default configuration.

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
        return self.resolve(_knob("split", name, factorizations(extent, parts, max_inner), chosen))

    def choice(self, name: str, options: Sequence[Any], *, default: Any = None) -> Any:
        """Return one of `options`; by default the first."""
        return self.resolve(_knob("choice", name, options, default))

    def reorder(
        self,
        name: str,
        axes: Sequence[Any],
        candidates: Sequence[Sequence[int]],
        *,
        default: Sequence[int] | None = None,
    ) -> tuple[Any, ...]:
        """Return `axes` in one of the candidate orders, each a tuple of positions in `axes`.

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
        return tuple(axes[i] for i in self.resolve(_knob("reorder", name, orders, chosen)))

    def annotate(self, name: str, options: Sequence[str], *, default: str | None = None) -> str:
        """Return one of the annotations, for example ``("none", "unroll", "vectorize")``."""
        return self.resolve(_knob("annotate", name, options, default))

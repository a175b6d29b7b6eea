"""`Knobs`: the choices of a schedule template, and their default values.

A template is a plain function that takes `knobs` and calls it for every choice that a search may make. The
object that is passed determines the program: `Defaults` returns the default of each knob, a search passes
one configuration of its space.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

from compiler.suggest import unknown

T = TypeVar("T")


class Knobs(Protocol):
    """The source of a template's choices.

    The set of knobs that a template requests must not depend on the values that they return.
    """

    def split(
        self,
        name: str,
        extent: int,
        parts: int,
        *,
        max_inner: int | None = None,
        default: Sequence[int] | None = None,
    ) -> tuple[int, ...]:
        """Return `parts` factors of `extent`, outermost first.

        Parameters
        ----------
        name : str
            Name of the knob, unique in its template.
        extent : int
            The product of the factors.
        parts : int
            Number of factors.
        max_inner : int, optional
            Upper bound of the last factor.
        default : sequence of int, optional
            The inner ``parts - 1`` factors of the default program.
        """
        ...

    def choice(self, name: str, options: Sequence[T], *, default: T | None = None) -> T:
        """Return one of `options`; by default the first."""
        ...

    def reorder(
        self,
        name: str,
        axes: Sequence[T],
        candidates: Sequence[tuple[int, ...]],
        *,
        default: tuple[int, ...] | None = None,
    ) -> tuple[T, ...]:
        """Return `axes` in one of the orders of `candidates`, each a permutation of positions."""
        ...

    def annotate(self, name: str, options: Sequence[str], *, default: str | None = None) -> str:
        """Return one of the annotations that a loop may take."""
        ...


class Defaults:
    """Returns the default of every knob: a good schedule without a search."""

    def split(
        self,
        name: str,
        extent: int,
        parts: int,
        *,
        max_inner: int | None = None,
        default: Sequence[int] | None = None,
    ) -> tuple[int, ...]:
        """Return the default factors, or the whole extent in the outermost loop."""
        inner = tuple(default) if default is not None else (1,) * (parts - 1)
        product = 1
        for factor in inner:
            product *= factor
        if len(inner) != parts - 1 or product < 1 or extent % product:
            raise ValueError(
                f"knob {name!r}: the default {inner} does not split {extent} into {parts} factors"
            )
        if max_inner is not None and parts > 1 and inner[-1] > max_inner:
            raise ValueError(f"knob {name!r}: the default {inner} ends above max_inner={max_inner}")
        return (extent // product, *inner)

    def choice(self, name: str, options: Sequence[T], *, default: T | None = None) -> T:
        """Return the default option."""
        chosen = options[0] if default is None else default
        if chosen not in options:
            raise ValueError(f"knob {name!r}: " + unknown("option", chosen, map(str, options)))
        return chosen

    def reorder(
        self,
        name: str,
        axes: Sequence[Any],
        candidates: Sequence[tuple[int, ...]],
        *,
        default: tuple[int, ...] | None = None,
    ) -> tuple[Any, ...]:
        """Return the axes in the default order."""
        order = self.choice(name, list(candidates), default=default)
        return tuple(axes[position] for position in order)

    def annotate(self, name: str, options: Sequence[str], *, default: str | None = None) -> str:
        """Return the default annotation."""
        return self.choice(name, options, default=default)

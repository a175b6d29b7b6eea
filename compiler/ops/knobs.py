"""What a schedule template may ask: its choices, and the answers of a good default.

A template is a plain function that takes `knobs` and asks it for every choice that a
search may make. Whoever answers decides what the template builds: `Defaults` gives
the template's own defaults, a search gives one point of its space.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeVar

from compiler.suggest import unknown

T = TypeVar("T")


class Knobs(Protocol):
    """Answers the questions of a template. The questions asked must not depend on the answers."""

    def split(
        self,
        name: str,
        extent: int,
        parts: int,
        *,
        max_inner: int | None = None,
        default: Sequence[int] | None = None,
    ) -> tuple[int, ...]:
        """`parts` factors of `extent`, outermost first.

        Parameters
        ----------
        name : str
            Names the knob.
        extent : int
            The product of the factors.
        parts : int
            How many factors.
        max_inner : int, optional
            The largest last factor.
        default : sequence of int, optional
            The inner ``parts - 1`` factors to take without a search.
        """
        ...

    def choice(self, name: str, options: Sequence[T], *, default: T | None = None) -> T:
        """One of `options`; the first one is the default unless told."""
        ...

    def reorder(
        self,
        name: str,
        axes: Sequence[T],
        candidates: Sequence[tuple[int, ...]],
        *,
        default: tuple[int, ...] | None = None,
    ) -> tuple[T, ...]:
        """`axes` in one of the orders that `candidates` gives as positions."""
        ...

    def annotate(self, name: str, options: Sequence[str], *, default: str | None = None) -> str:
        """One of the marks that a loop may take."""
        ...


class Defaults:
    """Answers every question with the template's own default: a good schedule without a search."""

    def split(
        self,
        name: str,
        extent: int,
        parts: int,
        *,
        max_inner: int | None = None,
        default: Sequence[int] | None = None,
    ) -> tuple[int, ...]:
        """The default factors, or everything in the outermost loop."""
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
        """The default option."""
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
        """The axes in the default order."""
        order = self.choice(name, list(candidates), default=default)
        return tuple(axes[position] for position in order)

    def annotate(self, name: str, options: Sequence[str], *, default: str | None = None) -> str:
        """The default mark."""
        return self.choice(name, options, default=default)

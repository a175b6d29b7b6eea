"""`Knobs`: how a schedule template requests its choices; `Defaults`: the source of their default values.

A template is a plain function that takes `knobs` and calls it for every choice that a search may make. The
object that is passed determines the program: `Defaults` returns the default of each knob, a search passes
one configuration of its space.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from compiler.ops.knob import Request, completed, orders, split_options, values
from compiler.ops.requirement import Requirement, requirement

T = TypeVar("T")


class Knobs(ABC):
    """The source of a template's choices: a subclass defines `resolve` and `restrict`.

    The set of knobs that a template requests, and their options, must not depend on the values that they
    return.
    """

    @abstractmethod
    def resolve(self, request: Request) -> Any:
        """Return the option that is chosen."""

    @abstractmethod
    def restrict(self, requirement: Requirement) -> None:
        """Take note of a condition on several knobs, all of which were requested before."""

    def split(
        self,
        name: str,
        extent: int,
        parts: int,
        *,
        max_inner: int | None = None,
        default: Sequence[int] | int | None = None,
        policy: str = "factors",
        tail: bool = False,
        candidates: Sequence[Sequence[int] | int] | None = None,
        filter: Callable[[tuple[int, ...]], object] | None = None,
    ) -> tuple[int, ...]:
        """Return `parts` factors of `extent`, outermost first.

        Parameters
        ----------
        name : str
            Of the knob, unique in its template.
        extent : int
            The number of iterations to split.
        parts : int
            Number of factors.
        max_inner : int, optional
            Upper bound of the last factor.
        default : sequence of int, or int, optional
            The inner ``parts - 1`` factors of the default program; by default those of the first option.
        policy : str
            What the inner factors may be: ``"factors"``, the divisors of `extent`; ``"power2"``, the powers
            of two up to `extent`; ``"verbose"``, both.
        tail : bool
            Whether the product of the inner factors need not divide `extent`. The first factor is then
            ``ceil(extent / product of the others)``, so that the product of all factors may exceed `extent`.
            ``Stage.split`` by the inner factors makes the same loops: the last iterations are guarded by a
            condition, which loop partitioning moves out of the loops wherever that is possible.
        candidates : sequence of sequences of int, optional
            The inner factors of each option, in place of a policy; an int for one factor.
        filter : callable, optional
            ``filter((outer, ..., inner)) -> bool``: which options are kept. It must not depend on the values
            of knobs.

        Raises
        ------
        ValueError
            If `extent` or `parts` is less than 1, a candidate or the default does not split `extent`, the
            default is not among the options, or there are no options.

        Examples
        --------
        >>> knobs = Defaults()
        >>> knobs.split("rows", 100, 2, policy="power2", default=4)
        (25, 4)
        >>> knobs.split("columns", 100, 2, policy="power2", tail=True, default=16)
        (7, 16)
        """
        choices = None if candidates is None else tuple(_factors(c) for c in candidates)
        chosen = None
        if default is not None:
            chosen = completed(name, extent, parts, tail, _factors(default), "default")
        form = (extent, parts, max_inner, policy, tail, choices)
        return self.resolve(Request("split", name, form, split_options, chosen, filter))

    def choice(self, name: str, options: Sequence[T], *, default: T | None = None) -> T:
        """Return one of `options`; by default the first."""
        return self.resolve(Request("choice", name, tuple(options), values, default))

    def reorder(
        self,
        name: str,
        axes: Sequence[T],
        candidates: Sequence[Sequence[int]] | None = None,
        *,
        policy: str = "all",
        interval: tuple[int, int] | None = None,
        groups: Sequence[Sequence[int]] | None = None,
        default: Sequence[int] | None = None,
    ) -> tuple[T, ...]:
        """Return `axes` in one of several orders.

        The value of the knob in configurations is the positions in `axes`, in their new order.

        Parameters
        ----------
        name : str
            Of the knob.
        axes : sequence
            In their first order.
        candidates : sequence of sequences of int, optional
            The orders, in place of a policy.
        policy : str
            ``"identity"``, the first order alone; ``"all"``, every permutation; ``"interval"``, every
            permutation of the axes of an interval; ``"interleave"``, every order that keeps the order within
            each group of axes, for example within the spatial and within the reduce axes.
        interval : tuple of int, optional
            Begin and end of the positions that ``"interval"`` permutes.
        groups : sequence of sequences of int, optional
            The positions of each group of ``"interleave"``; together they are all positions.
        default : sequence of int, optional
            The default order; by default the first option.

        Raises
        ------
        ValueError
            If a candidate is no permutation, the groups do not divide the positions, or there are more than
            `compiler.ops.knob.OPTION_LIMIT` orders.
        """
        form = (
            len(axes),
            None if candidates is None else tuple(tuple(c) for c in candidates),
            policy,
            interval and tuple(interval),
            None if groups is None else tuple(tuple(g) for g in groups),
        )
        chosen = None if default is None else tuple(default)
        return tuple(axes[i] for i in self.resolve(Request("reorder", name, form, orders, chosen)))

    def annotate(self, name: str, options: Sequence[str], *, default: str | None = None) -> str:
        """Return one of the annotations, for example ``("none", "unroll", "vectorize")``."""
        return self.resolve(Request("annotate", name, tuple(options), values, default))

    def require(
        self,
        knobs: Sequence[str] | Mapping[str, Callable[[Any], Any]],
        condition: Callable[..., object],
        reason: str,
        *,
        combine: Callable[[Any, Any], Any] | None = None,
    ) -> None:
        """Leave the configurations that break a condition out of the space.

        The size and the indices of the space count only what is left. All options of the knobs are tried
        when the space is made, so the condition should depend on few knobs, or on few different quantities
        of them.

        Parameters
        ----------
        knobs : sequence of str, or mapping of str to callable
            Names of the knobs that the condition depends on, which were requested before. In a mapping, each
            has a function from its value to the quantity that the condition takes in its place; options with
            equal quantities are tried once. The value of a knob is that in configurations: the tuple of
            factors of a split, the positions of a reordering.
        condition : callable
            ``condition(*quantities) -> bool``, in the order of `knobs`. It must not depend on the values of
            knobs in another way.
        reason : str
            What holds, for error messages: ``"the sums of a tile fit the registers"``.
        combine : callable, optional
            An associative and commutative function of two quantities, such as ``operator.mul``. The condition
            then takes one value, the quantities of all knobs combined; a condition on many knobs is counted
            without trying all of their combinations.

        Raises
        ------
        ValueError
            If a knob was not requested before, the default values break the condition, or no configuration
            meets all conditions.

        Examples
        --------
        >>> knobs = Defaults()
        >>> rows = knobs.choice("rows", (1, 2, 4, 8), default=4)
        >>> vectors = knobs.choice("vectors", (1, 2, 4))
        >>> knobs.require(("rows", "vectors"), lambda rows, vectors: rows * vectors <= 8,
        ...               "the sums of a tile fit the registers")
        """
        self.restrict(requirement(knobs, condition, reason, combine))


class Defaults(Knobs):
    """Returns the default of every knob: a good schedule without a search."""

    def __init__(self) -> None:
        self._values: dict[str, Any] = {}

    def resolve(self, request: Request) -> Any:
        """Return the default option."""
        knob = request.knob()
        value = self._values[knob.name] = knob.options[knob.default]
        return value

    def restrict(self, requirement: Requirement) -> None:
        """Raise ValueError if the defaults break a requirement."""
        requirement.check_names(self._values)
        if not requirement.holds(self._values):
            raise ValueError(f"the default of the template {requirement.broken_by(self._values)}")


def _factors(given: Sequence[int] | int) -> tuple[int, ...]:
    return (given,) if isinstance(given, int) else tuple(given)

"""`Knob`: one choice of a schedule template with all of its options."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations, permutations
from math import factorial, prod
from typing import Any

from compiler.suggest import unknown

SPLIT_POLICIES = ("factors", "power2", "verbose")
REORDER_POLICIES = ("identity", "all", "interval", "interleave")

OPTION_LIMIT = 100_000
"""Maximum number of options of a knob: beyond, enumerating them takes longer than measuring programs."""


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
    form : tuple
        The arguments that the options were made from: two requests with equal forms mean the same knob.
    """

    kind: str
    name: str
    options: tuple[Any, ...]
    default: int = field(compare=False)
    form: tuple[Any, ...] = field(default=(), compare=False)


@dataclass(frozen=True)
class Request:
    """What a template asks of its knobs; the options are enumerated only when `knob` is called.

    Parameters
    ----------
    kind, name : str
        As of `Knob`.
    form : tuple
        The arguments that determine the options, but for the filter.
    enumerate : callable
        ``enumerate(name, *form) -> tuple``: the options.
    default : object
        The default option; None for the first one.
    filter : callable, optional
        Which options are kept.
    """

    kind: str
    name: str
    form: tuple[Any, ...]
    enumerate: Callable[..., tuple[Any, ...]] = field(compare=False)
    default: Any = field(compare=False, default=None)
    filter: Callable[[Any], object] | None = field(compare=False, default=None)

    def knob(self) -> Knob:
        """Return the knob.

        Raises
        ------
        ValueError
            If there are no options, or more than `OPTION_LIMIT`, or the default is none of them.
        """
        options = self.enumerate(self.name, *self.form)
        if self.filter is not None:
            kept = tuple(option for option in options if self.filter(option))
            if options and not kept:
                raise ValueError(
                    f"{self.kind} knob {self.name!r}: its filter drops all of its {len(options)} options: "
                    f"{shown(options)}"
                )
            options = kept
        if not options:
            raise ValueError(f"{self.kind} knob {self.name!r} has no options")
        if self.default is not None and self.default not in options:
            raise ValueError(
                f"default {self.default!r} of {self.kind} knob {self.name!r}"
                + (
                    f": {unknown('option', self.default, options)}"
                    if _named(options)
                    else f" is not one of its options: {shown(options)}"
                )
            )
        default = 0 if self.default is None else options.index(self.default)
        return Knob(self.kind, self.name, options, default, self.form)


def _named(options: Sequence[Any]) -> bool:
    return len(options) <= 8 and all(isinstance(option, str) for option in options)


def shown(options: Sequence[Any]) -> str:
    """Return options as text, the first eight of many."""
    first = ", ".join(map(repr, options[:8]))
    return f"{first}, ... ({len(options)} in all)" if len(options) > 8 else first


@lru_cache(maxsize=4096)
def factorizations(
    extent: int,
    parts: int,
    max_inner: int | None = None,
    *,
    policy: str = "factors",
    tail: bool = False,
) -> tuple[tuple[int, ...], ...]:
    """Return ways to split `extent` into `parts` nested loops.

    Parameters
    ----------
    extent : int
        The number of iterations to split, at least 1.
    parts : int
        Number of factors, at least 1.
    max_inner : int, optional
        Upper bound of the last factor.
    policy : str
        What the inner factors may be: ``"factors"``, the divisors of `extent`; ``"power2"``, the powers of
        two up to `extent`; ``"verbose"``, both.
    tail : bool
        Whether the product of the inner factors need not divide `extent`. It is at most `extent`, and the
        first factor is rounded up, so that the product of all may exceed `extent`.

    Returns
    -------
    tuple of tuples of int
        In ascending order of the inner factors, compared from the left, so the first is
        ``(extent, 1, ..., 1)`` (unless `parts` is 1).
    """
    if parts == 1:
        return ((extent,),) if max_inner is None or extent <= max_inner else ()
    sizes = (
        _both(extent) if policy == "verbose" else _powers(extent) if policy == "power2" else _divisors(extent)
    )

    def inner(before: int, count: int) -> Iterator[tuple[int, ...]]:
        if count == 0:
            yield ()
            return
        for size in sizes:
            product = before * size
            if product > extent or (count == 1 and max_inner is not None and size > max_inner):
                break
            # every partial product of a product that divides the extent divides it too
            if tail or extent % product == 0:
                for rest in inner(product, count - 1):
                    yield (size, *rest)

    found: list[tuple[int, ...]] = []
    for factors in inner(1, parts - 1):
        found.append((-(-extent // prod(factors)), *factors))
        if len(found) > OPTION_LIMIT:
            raise ValueError(
                f"{extent} can be split into {parts} factors in more than {OPTION_LIMIT} ways: split it into "
                "fewer, bound them with max_inner, or name candidates"
            )
    return tuple(found)


@lru_cache(maxsize=4096)
def _divisors(n: int) -> tuple[int, ...]:
    small = [d for d in range(1, int(n**0.5) + 1) if n % d == 0]
    return tuple(sorted({*small, *(n // d for d in small)}))


def _powers(n: int) -> tuple[int, ...]:
    return tuple(1 << i for i in range(n.bit_length()))


def _both(n: int) -> tuple[int, ...]:
    return tuple(sorted({*_divisors(n), *_powers(n)}))


def split_options(
    name: str,
    extent: int,
    parts: int,
    max_inner: int | None,
    policy: str,
    tail: bool,
    candidates: tuple[tuple[int, ...], ...] | None,
) -> tuple[tuple[int, ...], ...]:
    """Return the options of a split, see `Knobs.split`; explicit candidates are checked."""
    if extent < 1 or parts < 1:
        raise ValueError(f"split knob {name!r}: extent {extent} and parts {parts} must be at least 1")
    if policy not in SPLIT_POLICIES:
        raise ValueError(f"split knob {name!r}: " + unknown("policy", policy, SPLIT_POLICIES))
    if candidates is None:
        try:
            return factorizations(extent, parts, max_inner, policy=policy, tail=tail)
        except ValueError as error:
            raise ValueError(f"split knob {name!r}: {error}") from None
    whole = tuple(completed(name, extent, parts, tail, inner, "candidate") for inner in candidates)
    return tuple(f for f in dict.fromkeys(whole) if max_inner is None or f[-1] <= max_inner)


def completed(
    name: str, extent: int, parts: int, tail: bool, inner: tuple[int, ...], which: str
) -> tuple[int, ...]:
    """Return inner factors with the first one in front.

    Raises
    ------
    ValueError
        If they do not split the extent into so many parts.
    """
    if len(inner) != parts - 1:
        raise ValueError(
            f"split knob {name!r}: a {which} names the inner {parts - 1} factors, not {len(inner)}: {inner}"
        )
    product = prod(inner)
    if any(factor < 1 for factor in inner) or (extent % product and not tail):
        offer = "" if any(factor < 1 for factor in inner) else ": with tail=True it need not divide"
        raise ValueError(
            f"split knob {name!r}: the {which} {inner} does not split {extent} into {parts} factors{offer}"
        )
    return (-(-extent // product), *inner)


def orders(
    name: str,
    axes: int,
    candidates: tuple[tuple[int, ...], ...] | None,
    policy: str,
    interval: tuple[int, int] | None,
    groups: tuple[tuple[int, ...], ...] | None,
) -> tuple[tuple[int, ...], ...]:
    """Return the options of a reordering, see `Knobs.reorder`: permutations of the positions."""
    if candidates is not None:
        for order in candidates:
            if sorted(order) != list(range(axes)):
                raise ValueError(
                    f"reorder knob {name!r}: candidate {order} is not a permutation of {axes} positions"
                )
        return tuple(dict.fromkeys(candidates))
    if policy not in REORDER_POLICIES:
        raise ValueError(f"reorder knob {name!r}: " + unknown("policy", policy, REORDER_POLICIES))
    if (interval is None) == (policy == "interval") or (groups is None) == (policy == "interleave"):
        raise ValueError(
            f"reorder knob {name!r}: policy {policy!r} takes "
            + {"interval": "an interval", "interleave": "groups"}.get(policy, "neither interval nor groups")
        )
    first = tuple(range(axes))
    if policy == "identity":
        return (first,)
    if policy == "interleave":
        return _interleaved(name, axes, groups or ())
    begin, end = interval or (0, axes)
    if not 0 <= begin < end <= axes:
        raise ValueError(
            f"reorder knob {name!r}: the interval {begin}, {end} is not inside of 0, {axes} or is empty"
        )
    _bounded(name, factorial(end - begin))
    return tuple((*first[:begin], *inside, *first[end:]) for inside in permutations(first[begin:end]))


def _interleaved(name: str, axes: int, groups: tuple[tuple[int, ...], ...]) -> tuple[tuple[int, ...], ...]:
    """All orders that keep the order within each group, the groups one after the other first."""
    if sorted(axis for group in groups for axis in group) != list(range(axes)):
        raise ValueError(f"reorder knob {name!r}: the groups {groups} do not divide {axes} positions")
    _bounded(name, factorial(axes) // prod(factorial(len(group)) for group in groups))
    merged: list[tuple[int, ...]] = [()]
    for group in groups:
        merged = [m for done in merged for m in _merges(done, group)]
    return tuple(merged)


def _merges(a: tuple[int, ...], b: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    for places in combinations(range(len(a) + len(b)), len(a)):
        one, other = iter(a), iter(b)
        yield tuple(next(one) if i in places else next(other) for i in range(len(a) + len(b)))


def _bounded(name: str, count: int) -> None:
    if count > OPTION_LIMIT:
        raise ValueError(
            f"reorder knob {name!r} has {count} orders, more than {OPTION_LIMIT}: name an interval of the "
            "axes, groups that keep their order, or candidates"
        )


def values(name: str, *options: Any) -> tuple[Any, ...]:
    """Return the options of a choice, which are given."""
    return options

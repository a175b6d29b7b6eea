"""The order of a knob's options, along which chains move."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from math import lcm

import numpy as np
from numpy.typing import NDArray

from compiler.ops.knob import Knob

NOWHERE = -1


def ordered(knob: Knob) -> list[int] | None:
    """Return the option numbers in ascending order of their values; None if the values are no numbers.

    A split into two has the order of its inner factor. Splits into more have no order: steps carry a factor
    from one loop to another, see `steps`.
    """
    values = [o[-1] for o in knob.options] if knob.kind == "split" else list(knob.options)
    if knob.kind == "split" and len(knob.options[0]) != 2:
        return None
    if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in values):
        return None
    return np.argsort(values, kind="stable").tolist()


def steps(knob: Knob) -> Iterator[NDArray[np.int64]]:
    """Yield the steps upwards along each direction of a knob.

    A split has a direction for each pair of its factors, whose steps carry a power of a prime from one to the
    other. The options of other knobs are on a line if they are numbers, in their order, else on a circle.

    Yields
    ------
    ndarray of int64, shape (lengths, options)
        The option that a step of each length leads to from each option, `NOWHERE` where it leads out of the
        knob. No two options lead to the same one, so a step down is the inverse.
    """
    if len(knob.options) < 2:
        return
    if knob.kind == "split":
        yield from _split_steps(knob)
    else:
        yield _line_or_circle(knob)


def _split_steps(knob: Knob) -> Iterator[NDArray[np.int64]]:
    # the first factor follows from the others, whether or not their product divides the extent
    number = {factors[1:]: i for i, factors in enumerate(knob.options)}
    powers = list(_prime_powers(lcm(*(f for factors in knob.options for f in factors[1:]))))
    found = []
    for a, b in combinations(range(len(knob.options[0])), 2):
        up = np.full((len(powers), len(knob.options)), NOWHERE)
        for length, power in enumerate(powers):
            for i, factors in enumerate(knob.options):
                if a == 0 or factors[a] % power == 0:
                    moved = list(factors)
                    moved[a] //= power
                    moved[b] *= power
                    up[length, i] = number.get(tuple(moved[1:]), NOWHERE)
        used = (up != NOWHERE).any(axis=1)
        if used.any():
            found.append(up[used])
    yield from found
    if not _connected(found, len(knob.options)):  # a filter or candidates leave gaps: pass over them
        yield _line(np.arange(len(knob.options)))


def _prime_powers(number: int) -> Iterator[int]:
    divisor = 2
    while number > 1:
        if divisor * divisor > number:
            divisor = number
        power = 1
        while number % divisor == 0:
            number //= divisor
            power *= divisor
            yield power
        divisor += 1


def _connected(found: list[NDArray[np.int64]], count: int) -> bool:
    """Whether every option can be reached from every other one."""
    links: list[set[int]] = [set() for _ in range(count)]
    for up in found:
        for i, j in zip(*np.nonzero(up != NOWHERE), strict=True):
            links[j].add(int(up[i, j]))
            links[up[i, j]].add(int(j))
    reached, pending = {0}, [0]
    while pending:
        fresh = links[pending.pop()] - reached
        reached |= fresh
        pending += fresh
    return len(reached) == count


def _line_or_circle(knob: Knob) -> NDArray[np.int64]:
    order = ordered(knob)
    if order is not None:
        return _line(np.array(order))
    count = len(knob.options)
    return np.array([(np.arange(count) + length) % count for length in _lengths(count)])


def _line(order: NDArray[np.int64]) -> NDArray[np.int64]:
    lengths = _lengths(len(order))
    up = np.full((len(lengths), len(order)), NOWHERE)
    for i, length in enumerate(lengths):
        up[i, order[:-length]] = order[length:]
    return up


def _lengths(count: int) -> list[int]:
    """The powers of two that are steps among so many options."""
    return [1 << i for i in range(max(1, (count - 1).bit_length() - 1))]

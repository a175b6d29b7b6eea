"""Modular sets: sets of integers with one remainder by some divisor."""

from __future__ import annotations

from collections.abc import Callable
from math import gcd
from typing import Any, NamedTuple

from compiler.ir.dtype import bits_of, is_integer, scalar_of
from compiler.ir.expr import Binary, Call, Cast, Const, Expr, Select
from compiler.ir.simplify.bounds import Interval, exact, fits


class Modular(NamedTuple):
    """The integers ``coefficient * k + base`` for all integers k; with coefficient 0, only `base`."""

    coefficient: int
    base: int

    def joined(self, other: Modular) -> Modular:
        """The smallest modular set that contains both."""
        coefficient = gcd(self.coefficient, other.coefficient, self.base - other.base)
        return modular(coefficient, self.base)

    def plus(self, other: Modular, factor: int = 1) -> Modular:
        """Sums of a member and `factor` times a member of the other."""
        coefficient = gcd(self.coefficient, other.coefficient * factor)
        return modular(coefficient, self.base + other.base * factor)

    def times(self, other: Modular) -> Modular:
        """Products of a member of each."""
        (c, b), (d, e) = self, other
        return modular(gcd(c * d, c * e, b * d), b * e)

    def remainder(self, divisor: int) -> int | None:
        """The remainder of all members by a positive integer; None if they differ."""
        return None if self.coefficient % divisor else self.base % divisor

    def within(self, interval: Interval) -> Interval:
        """An interval narrowed to the first and the last member in it."""
        low, high = interval
        if self.coefficient <= 1 or not abs(low) + abs(high) < float("inf"):
            return interval
        return low + (self.base - low) % self.coefficient, high - (high - self.base) % self.coefficient


ANY = Modular(1, 0)


def modular(coefficient: int, base: int) -> Modular:
    """The set in its normal form: the base is the smallest that is not negative."""
    return Modular(coefficient, base % coefficient if coefficient else base)


def modular_set(node: Expr, known: Callable[[Expr], Modular], bounds: Callable[[Expr], Interval]) -> Modular:
    """The set of an integer scalar, where `known` and `bounds` return set and interval of its operands."""
    rule = _RULES.get(type(node))
    return ANY if rule is None or not is_integer(node.dtype) else rule(node, known, bounds)


def _binary(node: Binary, known: Callable, bounds: Callable) -> Modular:
    rule = _OPERATORS.get(node.op)
    if rule is None:
        return ANY
    result = rule(known(node.a), known(node.b))
    if node.op in ("+", "-", "*", "<<") and result != ANY and not fits(exact(node, bounds), node.dtype):
        return _wrapped(result, node.dtype)
    return result


def _wrapped(value: Modular, dtype: str) -> Modular:
    """The set that contains all members of `value` after they wrap around."""
    return modular(gcd(value.coefficient, 1 << bits_of(scalar_of(dtype))), value.base)


def _quotient(a: Modular, b: Modular) -> Modular:
    if b.coefficient or b.base <= 0 or a.coefficient % b.base:
        return ANY
    return modular(a.coefficient // b.base, a.base // b.base)


def _remainder(a: Modular, b: Modular) -> Modular:
    if b.coefficient or b.base <= 0:
        return ANY
    rest = a.remainder(b.base)
    # otherwise the remainder is known modulo the greatest common divisor
    return Modular(0, rest) if rest is not None else modular(gcd(a.coefficient, b.base), a.base)


def _left(a: Modular, b: Modular) -> Modular:
    return a.times(Modular(0, 1 << b.base)) if not b.coefficient and 0 <= b.base < 64 else ANY


_OPERATORS: dict[str, Callable[[Modular, Modular], Modular]] = {
    "+": lambda a, b: a.plus(b),
    "-": lambda a, b: a.plus(b, -1),
    "*": lambda a, b: a.times(b),
    "//": _quotient,
    "%": _remainder,
    "<<": _left,
    "min": lambda a, b: a.joined(b),
    "max": lambda a, b: a.joined(b),
}


def _cast(node: Cast, known: Callable, bounds: Callable) -> Modular:
    if not is_integer(node.value.dtype):
        return ANY
    value = known(node.value)
    return value if fits(bounds(node.value), node.dtype) else _wrapped(value, node.dtype)


_RULES: dict[type, Callable[[Any, Callable, Callable], Modular]] = {
    Const: lambda n, known, bounds: Modular(0, int(n.value)),
    Binary: _binary,
    Select: lambda n, known, bounds: known(n.a).joined(known(n.b)),
    Call: lambda n, known, bounds: (
        known(n.args[1]).joined(known(n.args[2])) if n.name == "if_then_else" else ANY
    ),
    Cast: _cast,
}

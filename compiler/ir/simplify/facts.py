"""The facts that hold at the current node: ranges, remainders, and conditions on the path to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import inf
from typing import Any

from compiler.ir.expr import Binary, Const, Expr, Ramp, Var
from compiler.ir.recursion import Recursive, counted
from compiler.ir.simplify.bounds import UNKNOWN, Interval, exact, fits, interval, interval_of_type, meet
from compiler.ir.simplify.canonical import Sum
from compiler.ir.simplify.modular import Modular, modular_set

_FACTS = 4  # facts that are combined; the number of combinations grows with the factorial


class Facts(Recursive):
    """Intervals and modular sets of expressions, and facts about sums.

    Parameters
    ----------
    ranges : mapping of Var to (int, int)
        The closed interval of each variable. The interval of a dynamic extent that is not given is its
        bounds.
    """

    def __init__(self, ranges: Mapping[Var, Interval] | None = None) -> None:
        self.ranges: dict[Var, Interval] = {
            var: meet(known, interval_of_type(var.dtype)) for var, known in (ranges or {}).items()
        }
        self.narrowed: dict[Expr, Interval] = {}  # intervals of atoms that are not variables
        self.facts: tuple[tuple[Sum, Interval], ...] = ()  # intervals of sums of several terms
        self.remainders: dict[Expr, Modular] = {}
        self.truths: dict[Expr, bool] = {}  # condition -> whether it holds
        self.values: dict[Var, Expr] = {}  # variable -> the expression that replaces it
        self.forget()

    def forget(self) -> None:
        """Clear the caches of results that were derived from the facts."""
        # keyed by identity; the node is stored too, so that its id is not reused
        self._bounds: dict[int, tuple[Expr, Interval]] = {}
        self._sets: dict[int, tuple[Expr, Modular]] = {}
        self._sums: dict[int, tuple[Expr, Sum]] = {}

    def inside(self, learn: Callable[[], None], simplify: Callable[[Any], Any], node: Any) -> Any:
        """``simplify(node)`` with the facts that `learn` adds, which are dropped afterwards."""
        facts = (self.ranges, self.narrowed, self.facts, self.remainders, self.truths, self.values)
        caches = (self._bounds, self._sets, self._sums)
        self.ranges = dict(self.ranges)
        learn()
        self.forget()
        result = simplify(node)
        self.ranges, self.narrowed, self.facts, self.remainders, self.truths, self.values = facts
        self._bounds, self._sets, self._sums = caches
        return result

    def learn_sum(self, total: Sum, op: str) -> None:
        """Add the fact ``total op 0`` for a comparison `op`; the sum must not wrap around."""
        if op == "!=" or not total.terms:
            return
        constant, factor = total.constant, total.common()
        if next(iter(total.terms.values())) < 0:
            factor = -factor
        terms = Sum({atom: c // factor for atom, c in total.terms.items()}, 0, total.dtype)
        # factor * terms + constant op 0
        low, high = UNKNOWN
        if op in ("<", "<=", "=="):
            high = -constant - (op == "<")
        if op in (">", ">=", "=="):
            low = -constant + (op == ">")
        if factor < 0:
            low, high = -high, -low
            factor = -factor
        where = (-(-low // factor) if low > -inf else low, high // factor if high < inf else high)
        if len(terms.terms) > 1:
            self.facts = (*self.facts, (terms, where))
            return
        ((atom, _),) = terms.terms.items()
        if type(atom) is Var:
            self.ranges[atom] = meet(self.bounds(atom), where)
        else:
            known = self.narrowed.get(atom)  # `bounds` may return a result from before it was narrowed
            self.narrowed = {**self.narrowed, atom: meet(known or self.bounds(atom), where)}
        if where[0] == where[1] and type(atom) is Binary and atom.op == "%" and type(atom.b) is Const:
            divisor = int(atom.b.value)
            if divisor > 0:
                self.remainders = {**self.remainders, atom.a: Modular(divisor, int(where[0]) % divisor)}

    def bounds(self, expr: Expr) -> Interval:
        """An interval that contains the integer `expr`."""
        kind = type(expr)
        if kind is Var:
            known = self.ranges.get(expr)  # type: ignore[call-overload]
            return interval(expr, self.bounds) if known is None else known
        if kind is Const:
            return interval(expr, self.bounds)
        cached = self._bounds.get(id(expr))
        return self._bounded(expr) if cached is None else cached[1]

    @counted
    def _bounded(self, expr: Expr) -> Interval:
        value = interval(expr, self.bounds)
        if self.narrowed and expr in self.narrowed:
            value = meet(value, self.narrowed[expr])
        self._bounds[id(expr)] = (expr, value)
        return value

    def modular(self, expr: Expr) -> Modular:
        """A modular set that contains the integer `expr`."""
        cached = self._sets.get(id(expr))
        return self._congruent(expr) if cached is None else cached[1]

    @counted
    def _congruent(self, expr: Expr) -> Modular:
        value = self.remainders.get(expr) if self.remainders else None
        if value is None:
            value = modular_set(expr, self.modular, self.bounds)
        self._sets[id(expr)] = (expr, value)
        return value

    def sum_bounds(self, total: Sum) -> Interval:
        """The interval of the exact value of a canonical sum, before it wraps around."""
        low = high = total.constant
        for atom, c in total.terms.items():
            a, b = self.bounds(atom)
            if c > 0:
                low, high = low + c * a, high + c * b  # type: ignore[assignment]
            else:
                low, high = low + c * b, high + c * a  # type: ignore[assignment]
        return self.by_facts(total, (low, high)) if self.facts else (low, high)

    def by_facts(self, total: Sum, known: Interval) -> Interval:
        """The interval of a sum narrowed by the facts: a sum minus a multiple of a fact is bounded too."""
        low, high = known
        facts = self.facts
        for position, (fact, where) in enumerate(facts[:_FACTS]):
            atom, c = next(iter(fact.terms.items()))
            factor, odd = divmod(total.terms.get(atom, 0), c)
            if factor == 0 or odd:
                continue
            rest = total - fact.scaled(factor)
            if len(rest.terms) <= len(total.terms):
                a, b = where if factor > 0 else where[::-1]
                self.facts = facts[:position] + facts[position + 1 : _FACTS]
                x, y = self.sum_bounds(rest)
                self.facts = facts
                low, high = max(low, x + factor * a), min(high, y + factor * b)
        return low, high

    def sum_modular(self, total: Sum) -> Modular:
        """The modular set of the exact value of a canonical sum, before it wraps around."""
        result = Modular(0, total.constant)
        for atom, c in total.terms.items():
            result = result.plus(self.modular(atom), c)
        return result

    def is_exact_sum(self, total: Sum) -> bool:
        """Whether a sum is known not to wrap around, in any order of its terms."""
        return fits(self.sum_bounds(total), total.dtype)

    def is_exact(self, value: Expr) -> bool:
        """Whether the outermost operation of `value` is known not to wrap around."""
        if type(value) is Ramp:
            (low, high), (least, most), last = (
                self.bounds(value.base),
                self.bounds(value.stride),
                value.lanes - 1,
            )
            return fits((low + min(0, least * last), high + max(0, most * last)), value.dtype)
        return type(value) is not Binary or fits(exact(value, self.bounds), value.dtype)

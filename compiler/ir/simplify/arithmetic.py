"""Simplification of index arithmetic and comparisons, by canonical sums.

A division or a remainder drops the terms that are multiples of the divisor. A comparison drops terms that
both sides share, and terms too small to change the result. Sums may be reordered even where they wrap around,
since they wrap to the same value in any order; everything else requires sums that are known not to wrap.
"""

from __future__ import annotations

from collections.abc import Callable
from math import gcd, inf
from typing import Any

from compiler.ir.dtype import integer_range
from compiler.ir.expr import Binary, Broadcast, Const, Expr, Var
from compiler.ir.operators import MIRRORED
from compiler.ir.recursion import counted
from compiler.ir.simplify.bounds import UNKNOWN, Interval, fits
from compiler.ir.simplify.canonical import CANONICAL_TYPES, Sum
from compiler.ir.simplify.facts import Facts
from compiler.ir.simplify.modular import Modular
from compiler.ir.simplify.rules import rewrite

TRUE = Const(True, "bool")
FALSE = Const(False, "bool")

CANONICAL = frozenset(CANONICAL_TYPES)
SUMMED = frozenset(("+", "-", "*", "//", "%", "min", "max"))
"""The operators whose result on two sums is a sum."""


class Arithmetic(Facts):
    """Canonical sums of expressions, and comparisons decided by them."""

    def __call__(self, node: Any) -> Any:
        """An expression in simpler form."""
        raise NotImplementedError

    def proves(self, condition: Expr) -> bool:
        """Whether `condition` holds for every value in the ranges, in every lane."""
        result = self(condition)
        return (result.value if type(result) is Broadcast else result) == TRUE

    def sum_of(self, expr: Expr) -> Sum:
        """The canonical sum of an expression of a type of `CANONICAL_TYPES`."""
        kind = type(expr)
        if kind is Var:
            value = self.values.get(expr, expr)  # type: ignore[call-overload]
            return Sum({expr: 1}, 0, expr.dtype) if value is expr else self.sum_of(value)
        if kind is Const:
            return Sum({}, int(expr.value), expr.dtype)  # type: ignore[attr-defined]
        cached = self._sums.get(id(expr))
        return self._summed(expr) if cached is None else cached[1]

    @counted
    def _summed(self, expr: Expr) -> Sum:
        summed = isinstance(expr, Binary) and expr.op in SUMMED
        total = self._sum(expr).wrapped() if summed else self._atom(self(expr))  # type: ignore[arg-type]
        self._sums[id(expr)] = (expr, total)
        return total

    def _atom(self, value: Expr) -> Sum:
        """A simplified value as a sum; simplification may result in a sum, such as the arm of a select."""
        if type(value) in (Const, Var) or type(value) is Binary and value.op in SUMMED:
            return self.sum_of(value)
        return Sum({value: 1}, 0, value.dtype)

    def _sum(self, node: Binary) -> Sum:
        op, left, right = node.op, self.sum_of(node.a), self.sum_of(node.b)
        if op == "+":
            return self._recombined(left + right)
        if op == "-":
            return self._recombined(left - right)
        if op == "*":
            if not left.terms:
                return right.scaled(left.constant)
            if not right.terms:
                return left.scaled(right.constant)
            return Sum({Binary("*", left.expr(), right.expr(), node.dtype): 1}, 0, node.dtype)
        return self._divided(op, left, right) if op in ("//", "%") else self._extreme(op, left, right)

    def _divided(self, op: str, a: Sum, b: Sum) -> Sum:
        divisor = b.constant
        if not b.terms and divisor == 0:
            return Sum({}, 0, a.dtype)
        if b.terms or divisor <= 0:
            return Sum({Binary(op, a.expr(), b.expr(), a.dtype): 1}, 0, a.dtype)
        if divisor == 1:
            return a if op == "//" else Sum({}, 0, a.dtype)
        whole, rest = a.split(divisor)
        low, high = self.sum_bounds(rest)
        if not (self.is_exact_sum(a) and fits((low, high), a.dtype)):
            return self._nested(op, a, divisor)
        if low // divisor == high // divisor:
            step = int(low // divisor)
            number = Sum({}, step if op == "//" else -step * divisor, a.dtype)
            return (whole if op == "//" else rest) + number
        if op == "%":
            reduced = self._reduced(rest, divisor)
            if reduced is not None:
                return self._divided(op, reduced, b)
        unit, multiples, below = self._common(rest, divisor)
        if unit > 1:
            # (4 x + y) // 8 is x // 2, and (4 x + y) % 8 is x % 2 * 4 + y, for y in 0..3
            inner = self._divided(op, multiples, Sum({}, divisor // unit, a.dtype))
            return whole + inner if op == "//" else inner.scaled(unit) + below
        return whole + self._nested(op, rest, divisor) if op == "//" else self._nested(op, rest, divisor)

    def _reduced(self, a: Sum, divisor: int) -> Sum | None:
        """`a` with the terms of known remainder replaced by it; None if there are none."""
        rest, constant = {}, a.constant
        for atom, c in a.terms.items():
            remainder = Modular(0, 0).plus(self.modular(atom), c).remainder(divisor)
            if remainder is None:
                rest[atom] = c
            else:
                constant += remainder
        return Sum(rest, constant % divisor, a.dtype) if len(rest) < len(a.terms) else None

    def _common(self, a: Sum, divisor: int) -> tuple[int, Sum, Sum]:
        """``(u, q, r)`` with ``a == u * q + r`` and r in 0..u - 1, where u divides `divisor`; u may be 1."""
        for coefficient in sorted({gcd(c, divisor) for c in a.terms.values()}, reverse=True):
            if coefficient > 1:
                whole, rest = a.split(coefficient)
                low, high = self.sum_bounds(rest)
                if low >= 0 and high < coefficient:
                    return coefficient, whole, rest
        return 1, a, Sum({}, 0, a.dtype)

    def _nested(self, op: str, a: Sum, divisor: int) -> Sum:
        """``a op divisor``; a division of a division becomes one by the product, and so for remainders."""
        if len(a.terms) == 1 and a.constant == 0:
            ((inner, coefficient),) = a.terms.items()
            if coefficient == 1 and type(inner) is Binary and inner.op == op and type(inner.b) is Const:
                first = int(inner.b.value)
                if op == "//" and 0 < first <= integer_range(a.dtype)[1] // divisor:
                    return self._divided(op, self.sum_of(inner.a), Sum({}, first * divisor, a.dtype))
                if op == "%" and first > 0 and first % divisor == 0:
                    return self._divided(op, self.sum_of(inner.a), Sum({}, divisor, a.dtype))
        return Sum({Binary(op, a.expr(), Const(divisor, a.dtype), a.dtype): 1}, 0, a.dtype)

    def _recombined(self, total: Sum) -> Sum:
        """Replaces ``c * d * (x // d) + c * (x % d)``, which a fuse after a split makes, by ``c * x``."""
        if len(total.terms) < 2:
            return total
        for atom, c in total.terms.items():
            if type(atom) is not Binary or atom.op != "%" or type(atom.b) is not Const:
                continue
            inside, divisor = self.sum_of(atom.a), int(atom.b.value)
            if divisor <= 0:
                continue
            quotient = self._divided("//", inside, Sum({}, divisor, total.dtype)).scaled(c * divisor)
            quotients = {} if quotient.constant else quotient.terms
            if len(quotients) == 1 and all(total.terms.get(a) == k for a, k in quotients.items()):
                rest = {a: k for a, k in total.terms.items() if a is not atom and a not in quotients}
                return self._recombined(Sum(rest, total.constant, total.dtype) + inside.scaled(c))
        return total

    def _difference(self, a: Sum, b: Sum) -> tuple[Sum, Interval]:
        """``a - b`` and the interval of the exact difference, `UNKNOWN` if `a` or `b` may wrap."""
        difference = a - b
        if not difference.terms and difference.constant == 0:
            return difference, (0, 0)
        if not (self.is_exact_sum(a) and self.is_exact_sum(b)):
            return difference, UNKNOWN
        return difference, self.sum_bounds(difference)

    def _extreme(self, op: str, a: Sum, b: Sum) -> Sum:
        _, (low, high) = self._difference(a, b)
        if low >= 0:
            return b if op == "min" else a
        if high <= 0:
            return a if op == "min" else b
        node = Binary(op, a.expr(), b.expr(), a.dtype)
        result = rewrite(node, self)
        return Sum({node: 1}, 0, a.dtype) if result is None else self.sum_of(result)

    def compared(self, node: Binary) -> Expr:
        """A comparison of a type of `CANONICAL_TYPES`, decided or with fewer terms."""
        op, a, b = node.op, self.sum_of(node.a), self.sum_of(node.b)
        difference, (low, high) = self._difference(a, b)
        if low > -inf and low != high:
            known = self.sum_modular(difference)
            if known.coefficient > 1:
                low, high = known.within((low, high))
                if op in ("==", "!=") and known.base:
                    return FALSE if op == "==" else TRUE
        decision = DECISIONS[op](low, high)
        if decision is not None:
            return TRUE if decision else FALSE
        if low > -inf:
            shorter = self._shortened(op, difference, len(a.terms) + len(b.terms))
            if shorter is not None:
                return self(shorter)
        left, right = a.expr(), b.expr()
        if left != node.a or right != node.b:
            node = Binary(op, left, right, "bool")
        result = rewrite(node, self)
        return node if result is None else self(result)

    def _shortened(self, op: str, difference: Sum, terms: int) -> Expr | None:
        """``difference op 0`` with fewer terms or smaller coefficients, or None; it must not wrap around."""
        total, limit = Sum(difference.terms, 0, difference.dtype), -difference.constant  # total op limit
        if op in ("==", "!="):
            factor = total.common()
            # `limit` is divisible: otherwise `compared` has decided the comparison by the modular set
            total, limit = total.divided(factor), limit // factor
        else:
            # equivalent to `total < limit`, or to its negation
            factor, quotients, bound = self._quotients(total, limit + (op in ("<=", ">")))
            if factor > 1:
                total, limit, op = quotients, bound, "<" if op in ("<", "<=") else ">="
        if factor == 1 and len(total.terms) == terms:
            return None
        left = Sum({a: c for a, c in total.terms.items() if c > 0}, 0, total.dtype)
        right = Sum({a: -c for a, c in total.terms.items() if c < 0}, limit, total.dtype)
        if not left.terms:
            left, right, op = right, left, MIRRORED[op]
            left, right = Sum(left.terms, 0, left.dtype), right + Sum({}, -left.constant, left.dtype)
        if not (self.is_exact_sum(left) and self.is_exact_sum(right)):
            return None
        return Binary(op, left.expr(), right.expr(), "bool")

    def _quotients(self, total: Sum, limit: int) -> tuple[int, Sum, int]:
        """``(u, q, m)`` such that ``total < limit`` is ``q < m``, where ``u * q`` is a part of `total`."""
        for unit in sorted({abs(c) for c in total.terms.values()} | {total.common()}, reverse=True):
            if unit > 1:
                whole, rest = total.split(unit)
                low, high = self.sum_bounds(rest)
                if whole.terms and low >= 0 and high < unit:
                    quotient, remainder = divmod(limit, unit)
                    # u q + r < u m + s with r < u means: q < m, or q == m and r < s
                    if low >= remainder:
                        return unit, whole, quotient
                    if high < remainder:
                        return unit, whole, quotient + 1
        return 1, total, limit


# comparison -> decided by the interval of the difference of its operands: True if it holds for all values,
# False if for none, None if undecided
DECISIONS: dict[str, Callable[[float, float], bool | None]] = {
    "<": lambda low, high: True if high < 0 else False if low >= 0 else None,
    "<=": lambda low, high: True if high <= 0 else False if low > 0 else None,
    ">": lambda low, high: True if low > 0 else False if high <= 0 else None,
    ">=": lambda low, high: True if low >= 0 else False if high < 0 else None,
    "==": lambda low, high: True if low == high == 0 else False if low > 0 or high < 0 else None,
    "!=": lambda low, high: True if low > 0 or high < 0 else False if low == high == 0 else None,
}

"""The canonical form of index arithmetic: a sum of integer multiples of atoms, plus a constant.

An atom is any expression that is not a sum: a variable, a floor division, a remainder, a load. Sums of
integers that wrap around may be reordered too, since they wrap to the same value in any order.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

from compiler.ir.dtype import INDEX, integer_range
from compiler.ir.expr import Binary, Const, Expr

CANONICAL_TYPES = (INDEX, "int64")
"""The types whose arithmetic is represented by sums."""

_RANGES = {dtype: integer_range(dtype) for dtype in CANONICAL_TYPES}


@dataclass(frozen=True, slots=True)
class Sum:
    """The integer ``constant + sum of coefficient * atom`` of a type of `CANONICAL_TYPES`."""

    terms: dict[Expr, int]
    constant: int
    dtype: str = INDEX

    def __add__(self, other: Sum) -> Sum:
        if not other.terms:
            return self if not other.constant else Sum(self.terms, self.constant + other.constant, self.dtype)
        terms = dict(self.terms)
        for atom, coefficient in other.terms.items():
            total = terms.get(atom, 0) + coefficient
            if total:
                terms[atom] = total
            else:
                del terms[atom]
        return Sum(terms, self.constant + other.constant, self.dtype)

    def __sub__(self, other: Sum) -> Sum:
        return self + other.scaled(-1)

    def scaled(self, factor: int) -> Sum:
        """This sum times an integer."""
        if factor == 1:
            return self
        if factor == 0:
            return Sum({}, 0, self.dtype)
        return Sum({atom: c * factor for atom, c in self.terms.items()}, self.constant * factor, self.dtype)

    def divided(self, factor: int) -> Sum:
        """This sum divided by a common divisor of its coefficients and its constant."""
        return Sum({atom: c // factor for atom, c in self.terms.items()}, self.constant // factor, self.dtype)

    def split(self, divisor: int) -> tuple[Sum, Sum]:
        """``(q, r)`` with ``self == divisor * q + r``; q holds the terms that are multiples of it."""
        whole = {a: c // divisor for a, c in self.terms.items() if c % divisor == 0}
        rest = {a: c for a, c in self.terms.items() if c % divisor}
        return (
            Sum(whole, self.constant // divisor, self.dtype),
            Sum(rest, self.constant % divisor, self.dtype),
        )

    def common(self) -> int:
        """The greatest common divisor of the coefficients."""
        return gcd(*self.terms.values())

    def wrapped(self) -> Sum:
        """The sum of the same value whose coefficients and constant are values of its type."""
        low, high = _RANGES[self.dtype]
        if low <= self.constant <= high and all([low <= c <= high for c in self.terms.values()]):
            return self
        count = high - low + 1
        terms = {atom: (c - low) % count + low for atom, c in self.terms.items()}
        constant = (self.constant - low) % count + low
        return Sum({atom: c for atom, c in terms.items() if c}, constant, self.dtype)

    def expr(self) -> Expr:
        """As an expression: the terms in their order, then the constant; the constant first if that avoids a
        negative first term.
        """
        total, low = self.wrapped(), _RANGES[self.dtype][0]
        constant, terms = total.constant, list(total.terms.items())
        result: Expr | None = None
        if not terms or (constant > 0 > terms[0][1] > low):
            result, constant = Const(constant, self.dtype), 0
        for atom, coefficient in terms:
            result = _plus(result, atom, coefficient, self.dtype)
        assert result is not None
        return _plus(result, None, constant, self.dtype) if constant else result


def _plus(total: Expr | None, atom: Expr | None, coefficient: int, dtype: str) -> Expr:
    """``total + coefficient * atom``, or a difference for a negative coefficient; an atom of None is 1."""
    negative = total is not None and _RANGES[dtype][0] < coefficient < 0
    size = -coefficient if negative else coefficient
    if atom is not None and size == 1:
        term = atom
    else:
        number = Const(size, dtype)
        term = number if atom is None else Binary("*", atom, number, dtype)
    return term if total is None else Binary("-" if negative else "+", total, term, dtype)

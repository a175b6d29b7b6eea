"""Bounds and simplification of integer expressions.

Index arithmetic is brought into one canonical form, a sum of integer multiples of
atoms plus a constant. An atom is anything that is not itself a sum: a variable, a
floor division, a remainder, a load. Most rewriting then is bookkeeping on the sum;
what remains are the rules for ``//``, ``%``, ``min``, ``max`` and comparisons,
which use the interval that an expression is known to lie in.

Integers wrap around. Sums may be rearranged all the same, since they wrap to the same
value in any order; the other rules hold for sums that are known not to wrap.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import gcd, inf
from typing import Any

from compiler.ir.expr import (
    COMPARISON,
    INDEX,
    Binary,
    Broadcast,
    Call,
    Cast,
    Const,
    Expr,
    Load,
    Not,
    Ramp,
    Select,
    Var,
    fold,
    is_float,
    lanes_of,
)
from compiler.ir.function import PrimFunc
from compiler.ir.stmt import Allocate, Barrier, For, If, Let, Seq, Stmt, sequence
from compiler.ir.visit import Rewriter, rebuild, substitute, walk

TRUE = Const(True, "bool")
FALSE = Const(False, "bool")

Interval = tuple[float, float]
"""Closed interval of integers; an end may be infinite."""

UNKNOWN: Interval = (-inf, inf)

LOWEST, HIGHEST = -(2**31), 2**31 - 1
"""The values of `INDEX`."""


def fits(interval: Interval) -> bool:
    """Whether the values of an interval are values of `INDEX`, so that what has them did not wrap."""
    return interval[0] >= LOWEST and interval[1] <= HIGHEST


def _wrapped(value: int) -> int:
    return (value - LOWEST) % (HIGHEST - LOWEST + 1) + LOWEST


@dataclass(frozen=True, slots=True)
class Sum:
    """The integer ``constant + sum of coefficient * atom``; the canonical form of index arithmetic."""

    terms: dict[Expr, int]
    constant: int

    def __add__(self, other: Sum) -> Sum:
        terms = dict(self.terms)
        for atom, coefficient in other.terms.items():
            total = terms.get(atom, 0) + coefficient
            if total:
                terms[atom] = total
            else:
                del terms[atom]
        return Sum(terms, self.constant + other.constant)

    def scaled(self, factor: int) -> Sum:
        """This sum times an integer."""
        if factor == 0:
            return Sum({}, 0)
        return Sum({atom: c * factor for atom, c in self.terms.items()}, self.constant * factor)

    def split(self, divisor: int) -> tuple[Sum, Sum]:
        """``(q, r)`` with ``self == divisor * q + r``: q takes every term that the divisor divides."""
        whole = {a: c // divisor for a, c in self.terms.items() if c % divisor == 0}
        rest = {a: c for a, c in self.terms.items() if c % divisor}
        return Sum(whole, self.constant // divisor), Sum(rest, self.constant % divisor)

    def expr(self) -> Expr:
        """As an expression: terms as they came, the constant last, or first where that saves a sign."""
        constant = _wrapped(self.constant)
        terms = [(atom, _wrapped(c)) for atom, c in self.terms.items() if _wrapped(c)]
        result: Expr | None = None
        if not terms or (constant > 0 > terms[0][1] > LOWEST):
            result, constant = Const(constant), 0
        for atom, coefficient in terms:
            result = _plus(result, atom, coefficient)
        assert result is not None
        return _plus(result, None, constant) if constant else result


def _plus(total: Expr | None, atom: Expr | None, coefficient: int) -> Expr:
    """``total + coefficient * atom``, as a difference where that is possible; no atom is one."""
    negative = total is not None and LOWEST < coefficient < 0
    size = Const(-coefficient if negative else coefficient)
    term = size if atom is None else atom if size.value == 1 else Binary("*", atom, size, INDEX)
    return term if total is None else Binary("-" if negative else "+", total, term, INDEX)


class Simplifier(Rewriter):
    """Simplifies expressions and statements under known ranges of variables.

    Parameters
    ----------
    ranges : mapping of Var to (int, int)
        The closed interval that each variable lies in; loops add their own on the way down.
    """

    def __init__(self, ranges: Mapping[Var, Interval] | None = None) -> None:
        self.ranges: dict[Var, Interval] = dict(ranges or {})

    # --- bounds -------------------------------------------------------------------------------

    def bounds(self, expr: Expr) -> Interval:
        """The interval that the integer `expr` lies in, as far as is known."""
        rule = _BOUNDS.get(type(expr))
        return UNKNOWN if rule is None else rule(self, expr)

    def sum_bounds(self, total: Sum) -> Interval:
        """The interval of a canonical sum."""
        low = high = float(total.constant)
        for atom, c in total.terms.items():
            a, b = self.bounds(atom)
            low += c * (a if c > 0 else b)
            high += c * (b if c > 0 else a)
        return low, high

    def proves(self, condition: Expr) -> bool:
        """Whether `condition` holds for every value in the ranges."""
        return self(condition) == TRUE

    # --- integers -----------------------------------------------------------------------------

    def sum_of(self, expr: Expr) -> Sum:
        """The canonical sum of an int32 expression."""
        kind = type(expr)
        if kind is Const:
            return Sum({}, int(expr.value))  # type: ignore[attr-defined]
        if kind is Binary:
            op, a, b = expr.op, expr.a, expr.b  # type: ignore[attr-defined]
            if op == "+":
                return self._recombined(self.sum_of(a) + self.sum_of(b))
            if op == "-":
                return self._recombined(self.sum_of(a) + self.sum_of(b).scaled(-1))
            if op == "*":
                left, right = self.sum_of(a), self.sum_of(b)
                if not left.terms:
                    return right.scaled(left.constant)
                if not right.terms:
                    return left.scaled(right.constant)
                return Sum({Binary("*", left.expr(), right.expr(), INDEX): 1}, 0)
            if op in ("//", "%"):
                return self._divided(op, self.sum_of(a), self.sum_of(b))
            if op in ("min", "max"):
                return self._extreme(op, self.sum_of(a), self.sum_of(b))
        atom = self(expr)
        # a choice that is known leaves its arm, which may be a sum
        return self.sum_of(atom) if type(atom) in (Const, Binary) else Sum({atom: 1}, 0)

    def _divided(self, op: str, a: Sum, b: Sum) -> Sum:
        divisor = b.constant
        if b.terms or divisor <= 0:
            return Sum({Binary(op, a.expr(), b.expr(), INDEX): 1}, 0)
        if divisor == 1:
            return a if op == "//" else Sum({}, 0)
        whole, rest = a.split(divisor)
        low, high = self.sum_bounds(rest)
        if not (fits(self.sum_bounds(a)) and fits((low, high))):
            return self._nested(op, a, divisor)
        if low // divisor == high // divisor:
            step = int(low // divisor)
            return whole + Sum({}, step) if op == "//" else rest + Sum({}, -step * divisor)
        unit, multiples, below = self._common(rest, divisor)
        if unit > 1:
            # (4 x + y) // 8 is x // 2, and (4 x + y) % 8 is x % 2 * 4 + y, for y in 0..3
            inner = self._divided(op, multiples, Sum({}, divisor // unit))
            return whole + inner if op == "//" else inner.scaled(unit) + below
        return whole + self._nested(op, rest, divisor) if op == "//" else self._nested(op, rest, divisor)

    def _common(self, a: Sum, divisor: int) -> tuple[int, Sum, Sum]:
        """``(u, q, r)`` with ``a == u * q + r`` and r in 0..u - 1, where u divides `divisor`; u may be 1."""
        for coefficient in sorted({gcd(c, divisor) for c in a.terms.values()}, reverse=True):
            if coefficient > 1:
                whole, rest = a.split(coefficient)
                low, high = self.sum_bounds(rest)
                if low >= 0 and high < coefficient:
                    return coefficient, whole, rest
        return 1, a, Sum({}, 0)

    def _nested(self, op: str, a: Sum, divisor: int) -> Sum:
        """``a op divisor``, where a division of a division is one, by the product, and the like."""
        if len(a.terms) == 1 and a.constant == 0:
            ((inner, coefficient),) = a.terms.items()
            if coefficient == 1 and type(inner) is Binary and inner.op == op and type(inner.b) is Const:
                first = int(inner.b.value)
                if op == "//" and 0 < first <= HIGHEST // divisor:
                    return self._divided(op, self.sum_of(inner.a), Sum({}, first * divisor))
                if op == "%" and first > 0 and first % divisor == 0:
                    return self._divided(op, self.sum_of(inner.a), Sum({}, divisor))
        return Sum({Binary(op, a.expr(), Const(divisor), INDEX): 1}, 0)

    def _recombined(self, total: Sum) -> Sum:
        """``c * d * (x // d) + c * (x % d)`` is ``c * x``: what a fuse after a split leaves."""
        if len(total.terms) < 2:
            return total
        for atom, c in total.terms.items():
            if type(atom) is not Binary or atom.op != "%" or type(atom.b) is not Const:
                continue
            inside, divisor = self.sum_of(atom.a), int(atom.b.value)
            if divisor <= 0:
                continue
            quotient = self._divided("//", inside, Sum({}, divisor)).scaled(c * divisor)
            quotients = {} if quotient.constant else quotient.terms
            if len(quotients) == 1 and all(total.terms.get(a) == k for a, k in quotients.items()):
                rest = {a: k for a, k in total.terms.items() if a is not atom and a not in quotients}
                return self._recombined(Sum(rest, total.constant) + inside.scaled(c))
        return total

    def _difference(self, a: Sum, b: Sum) -> Interval:
        """The interval of ``a - b`` without wrapping; unknown where one of them may wrap by itself."""
        difference = a + b.scaled(-1)
        same = not difference.terms and difference.constant == 0
        if not same and not (fits(self.sum_bounds(a)) and fits(self.sum_bounds(b))):
            return UNKNOWN
        return self.sum_bounds(difference)

    def _extreme(self, op: str, a: Sum, b: Sum) -> Sum:
        low, high = self._difference(a, b)
        if low >= 0:
            return b if op == "min" else a
        if high <= 0:
            return a if op == "min" else b
        return Sum({Binary(op, a.expr(), b.expr(), INDEX): 1}, 0)

    # --- conditions ---------------------------------------------------------------------------

    def _compared(self, node: Binary) -> Expr:
        if node.a.dtype != INDEX:
            return self.descend(node)
        low, high = self._difference(self.sum_of(node.a), self.sum_of(node.b))
        for op, holds, fails in (
            ("<", high < 0, low >= 0),
            ("<=", high <= 0, low > 0),
            (">", low > 0, high <= 0),
            (">=", low >= 0, high < 0),
            ("==", low == high == 0, low > 0 or high < 0),
            ("!=", low > 0 or high < 0, low == high == 0),
        ):
            if op == node.op and (holds or fails):
                return TRUE if holds else FALSE
        return self.descend(node)

    def _logic(self, node: Binary) -> Expr:
        a, b = self(node.a), self(node.b)
        neutral, absorbing = (TRUE, FALSE) if node.op == "and" else (FALSE, TRUE)
        if absorbing in (a, b):
            return absorbing
        if a in (neutral, b):
            return b
        return a if b == neutral else rebuild(node, (a, b))

    def _binary(self, node: Binary) -> Expr:
        if lanes_of(node.dtype) > 1:
            return self.descend(node)
        if node.op in COMPARISON:
            return self._compared(node)
        if node.op in ("and", "or"):
            return self._logic(node)
        if node.dtype == INDEX:
            result = self.sum_of(node).expr()
            return node if result == node else result
        return self._other_type(node)

    def _other_type(self, node: Binary) -> Expr:
        """Floats keep every rounding, NaN and signed zero, so only what is exact is done."""
        a, b = self(node.a), self(node.b)
        if type(a) is Const and type(b) is Const:
            folded = fold(node.op, a, b)
            if folded is not None:
                return folded
        if node.op in ("*", "/") and is_float(node.dtype) and type(b) is Const and b.value == 1:
            return a
        if node.op == "*" and is_float(node.dtype) and type(a) is Const and a.value == 1:
            return b
        return rebuild(node, (a, b))

    def _select(self, node: Select) -> Expr:
        condition = self(node.condition)
        if condition in (TRUE, FALSE):
            return self(node.a if condition == TRUE else node.b)
        return rebuild(node, (condition, self(node.a), self(node.b)))

    def _call(self, node: Call) -> Expr:
        if node.name == "if_then_else":
            condition = self(node.args[0])
            if condition in (TRUE, FALSE):
                return self(node.args[1 if condition == TRUE else 2])
        return self.descend(node)

    def _not(self, node: Not) -> Expr:
        a = self(node.a)
        if a in (TRUE, FALSE):
            return FALSE if a == TRUE else TRUE
        return rebuild(node, (a,))

    def _cast(self, node: Cast) -> Expr:
        value = self(node.value)
        if value.dtype == node.dtype:
            return value
        return rebuild(node, (value,))

    # --- statements ---------------------------------------------------------------------------

    def _for(self, node: For) -> Stmt:
        extent = self(node.extent)
        if type(extent) is Const and extent.value <= 0:
            return Seq(())
        # a pragma is a message to a pass, and a barrier needs its loop
        fixed = node.pragmas or any(type(below) is Barrier for below in walk(node.body))
        if type(extent) is Const and extent.value == 1 and not fixed:
            return self(substitute(node.body, {node.var: Const(0, node.var.dtype)}))
        self.ranges[node.var] = (0, self.bounds(extent)[1] - 1)
        body = self(node.body)
        del self.ranges[node.var]
        if body == Seq(()):
            return body
        return rebuild(node, (extent, body))

    def _if(self, node: If) -> Stmt:
        condition = self(node.condition)
        if condition == TRUE:
            return self(node.then)
        otherwise = None if node.otherwise is None else self(node.otherwise)
        if condition == FALSE:
            return Seq(()) if otherwise is None else otherwise
        then = self(node.then)
        if otherwise is None:
            return then if then == Seq(()) else rebuild(node, (condition, then))
        return rebuild(node, (condition, then, otherwise))

    def _seq(self, node: Seq) -> Stmt:
        stmts = [self(stmt) for stmt in node.stmts]
        if all(a is b for a, b in zip(stmts, node.stmts, strict=True)):
            return node
        return sequence(stmts)

    def _allocate(self, node: Allocate) -> Stmt:
        body = self(node.body)
        if body == Seq(()):
            return body
        return rebuild(node, (body,))

    def _let(self, node: Let) -> Stmt:
        value = self(node.value)
        self.ranges[node.var] = self.bounds(value)
        body = self(node.body)
        del self.ranges[node.var]
        return body if body == Seq(()) else rebuild(node, (value, body))

    rules = {
        Binary: _binary,
        Not: _not,
        Select: _select,
        Cast: _cast,
        Call: _call,
        For: _for,
        If: _if,
        Seq: _seq,
        Allocate: _allocate,
        Let: _let,
    }


def _binary_bounds(s: Simplifier, node: Binary) -> Interval:
    rule = _ARITHMETIC_BOUNDS.get(node.op)
    if rule is None or node.dtype != INDEX:
        return UNKNOWN
    interval = rule(s.bounds(node.a), s.bounds(node.b))
    # what wraps may be anything; what never wraps may still be known on one side only
    return interval if fits(interval) or node.op not in ("+", "-", "*") else UNKNOWN


def _product(a: Interval, b: Interval) -> Interval:
    corners = [0.0 if 0 in (x, y) else x * y for x in a for y in b]
    return min(corners), max(corners)


def _quotient(a: Interval, b: Interval) -> Interval:
    if b[0] <= 0:
        return UNKNOWN
    corners = [
        x if x in (inf, -inf) else (x // y if y < inf else (0.0 if x >= 0 else -1.0)) for x in a for y in b
    ]
    return min(corners), max(corners)


def _remainder(a: Interval, b: Interval) -> Interval:
    if b[0] <= 0:
        return UNKNOWN
    return (0.0, a[1]) if a[0] >= 0 and a[1] < b[0] else (0.0, b[1] - 1)


_ARITHMETIC_BOUNDS: dict[str, Callable[[Interval, Interval], Interval]] = {
    "+": lambda a, b: (a[0] + b[0], a[1] + b[1]),
    "-": lambda a, b: (a[0] - b[1], a[1] - b[0]),
    "*": _product,
    "//": _quotient,
    "%": _remainder,
    "min": lambda a, b: (min(a[0], b[0]), min(a[1], b[1])),
    "max": lambda a, b: (max(a[0], b[0]), max(a[1], b[1])),
}


def _either(s: Simplifier, a: Expr, b: Expr) -> Interval:
    x, y = s.bounds(a), s.bounds(b)
    return min(x[0], y[0]), max(x[1], y[1])


_BOUNDS: dict[type, Callable[[Simplifier, Any], Interval]] = {
    Const: lambda s, n: UNKNOWN if is_float(n.dtype) else (int(n.value), int(n.value)),
    Var: lambda s, n: s.ranges.get(n, n.bounds or UNKNOWN),
    Binary: _binary_bounds,
    Select: lambda s, n: _either(s, n.a, n.b),
    Load: lambda s, n: UNKNOWN,
    Ramp: lambda s, n: UNKNOWN,
    Broadcast: lambda s, n: UNKNOWN,
    Call: lambda s, n: _either(s, n.args[1], n.args[2]) if n.name == "if_then_else" else UNKNOWN,
}


def simplify(node: Any, ranges: Mapping[Var, Interval] | None = None) -> Any:
    """An expression, statement or function in simpler form, with the same meaning.

    Parameters
    ----------
    node : Expr, Stmt or PrimFunc
    ranges : mapping of Var to (int, int), optional
        Closed intervals of variables that are free in `node`.

    Returns
    -------
    Expr, Stmt or PrimFunc
        The same object where nothing could be simplified in a statement.
    """
    if isinstance(node, PrimFunc):
        return node.with_body(Simplifier(ranges)(node.body))
    return Simplifier(ranges)(node)


__all__ = ["FALSE", "TRUE", "Interval", "Simplifier", "Sum", "simplify"]

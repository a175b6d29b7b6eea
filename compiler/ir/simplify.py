"""Simplification of expressions and statements under what is known of their variables.

Four rooms are behind it. Arithmetic of indices, of the types of `compiler.ir.canonical.CANONICAL_TYPES`, is
brought into sums (`canonical`), where a division or a remainder drops the terms that its divisor divides.
What it cannot know by that, it knows by intervals (`bounds`) and modular sets (`modular`). Everything else is
in the table of rewrite rules (`rules`).

On the way down the simplifier learns: a loop bounds its counter, a let gives its variable a value, and inside
of a branch its condition holds. What it learns of a condition is true where the branch runs and nowhere
else, so an arm of a `select`, which runs in any case, is simplified under its condition only if that can
make no error.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import gcd, inf
from typing import Any

from compiler.ir.bounds import (
    HIGHEST,
    LOWEST,
    UNKNOWN,
    Interval,
    exact,
    fits,
    interval,
    interval_of_type,
    meet,
)
from compiler.ir.canonical import CANONICAL_TYPES, Sum
from compiler.ir.expr import (
    COMPARISON,
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
    integer_range,
    is_integer,
    lanes_of,
    scalar_of,
)
from compiler.ir.function import PrimFunc
from compiler.ir.modular import Modular, modular_set
from compiler.ir.rules import rewrite
from compiler.ir.stmt import Allocate, Barrier, For, If, Let, Seq, Stmt, sequence
from compiler.ir.visit import Rewriter, rebuild, walk

TRUE = Const(True, "bool")
FALSE = Const(False, "bool")

_CANONICAL = frozenset(CANONICAL_TYPES)
_SUMMED = frozenset(("+", "-", "*", "//", "%", "min", "max"))
_FACTS = 4  # that are looked at: each is tried with every other
_NEGATION = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}


class Simplifier(Rewriter):
    """Simplifies expressions and statements under known ranges of variables.

    Parameters
    ----------
    ranges : mapping of Var to (int, int)
        The closed interval that each variable lies in; loops add their own on the way down. A size that is
        not among them lies in its bounds.
    """

    def __init__(self, ranges: Mapping[Var, Interval] | None = None) -> None:
        self.ranges: dict[Var, Interval] = {
            var: meet(known, interval_of_type(var.dtype)) for var, known in (ranges or {}).items()
        }
        self.narrowed: dict[Expr, Interval] = {}  # what is known of other atoms
        self.facts: tuple[tuple[Sum, Interval], ...] = ()  # a sum of several terms, and where it lies
        self.remainders: dict[Expr, Modular] = {}
        self.truths: dict[Expr, bool] = {}  # conditions that are known to hold, or not to
        self.values: dict[Var, Expr] = {}  # what takes the place of a variable
        self.forget()

    # --- what is known ------------------------------------------------------------------------

    def forget(self) -> None:
        """Begin anew with what was found out by what was known."""
        # by identity; the node is kept so that its id stays its own
        self._bounds: dict[int, tuple[Expr, Interval]] = {}
        self._sets: dict[int, tuple[Expr, Modular]] = {}
        self._sums: dict[int, tuple[Expr, Sum]] = {}

    def inside(self, learn: Callable[[], None], simplify: Callable[[Any], Any], node: Any) -> Any:
        """``simplify(node)``, where what `learn` adds to the known holds, and nowhere else."""
        known = (self.ranges, self.narrowed, self.facts, self.remainders, self.truths, self.values)
        found = (self._bounds, self._sets, self._sums)
        self.ranges = dict(self.ranges)
        learn()
        self.forget()
        result = simplify(node)
        self.ranges, self.narrowed, self.facts, self.remainders, self.truths, self.values = known
        self._bounds, self._sets, self._sums = found
        return result

    def under(self, condition: Expr, holds: bool, node: Any) -> Any:
        """`node` simplified where `condition` holds, or does not."""
        if type(condition) is Const or lanes_of(condition.dtype) > 1:
            return self(node)
        return self.inside(lambda: self.learn(condition, holds), self, node)

    def learn(self, condition: Expr, holds: bool) -> None:
        """Add to the known that `condition` holds, or that it does not."""
        if type(condition) is Not:
            return self.learn(condition.a, not holds)
        self.truths = {**self.truths, condition: holds}
        if type(condition) is not Binary:
            return
        op, a, b = condition.op, condition.a, condition.b
        if op in ("and", "or"):
            if holds == (op == "and"):
                self.learn(a, holds)
                self.learn(b, holds)
        elif op in _NEGATION and a.dtype in _CANONICAL:
            self.truths[Binary(_NEGATION[op], a, b, "bool")] = not holds
            op = op if holds else _NEGATION[op]
            left, right = self.sum_of(a), self.sum_of(b)
            if self.is_exact_sum(left) and self.is_exact_sum(right):
                self.learn_sum(left - right, op)

    def learn_sum(self, total: Sum, op: str) -> None:
        """Add to the known that a sum, which does not wrap, is less than zero, or the like."""
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
            self.narrowed = {**self.narrowed, atom: meet(self.bounds(atom), where)}
        if where[0] == where[1] and type(atom) is Binary and atom.op == "%" and type(atom.b) is Const:
            divisor = int(atom.b.value)
            if divisor > 0:
                self.remainders = {**self.remainders, atom.a: Modular(divisor, int(where[0]) % divisor)}

    def bounds(self, expr: Expr) -> Interval:
        """The interval that the integer `expr` lies in, as far as is known."""
        kind = type(expr)
        if kind is Var:
            known = self.ranges.get(expr)  # type: ignore[call-overload]
            return interval(expr, self.bounds) if known is None else known
        if kind is Const:
            return interval(expr, self.bounds)
        found = self._bounds.get(id(expr))
        if found is None:
            value = interval(expr, self.bounds)
            if self.narrowed and expr in self.narrowed:
                value = meet(value, self.narrowed[expr])
            found = self._bounds[id(expr)] = (expr, value)
        return found[1]

    def modular(self, expr: Expr) -> Modular:
        """The modular set that the integer `expr` is in, as far as is known."""
        found = self._sets.get(id(expr))
        if found is None:
            value = self.remainders.get(expr) if self.remainders else None
            if value is None:
                value = modular_set(expr, self.modular, self.bounds)
            found = self._sets[id(expr)] = (expr, value)
        return found[1]

    def sum_bounds(self, total: Sum) -> Interval:
        """The interval of a canonical sum, if it does not wrap around."""
        low = high = total.constant
        for atom, c in total.terms.items():
            a, b = self.bounds(atom)
            if c > 0:
                low, high = low + c * a, high + c * b  # type: ignore[assignment]
            else:
                low, high = low + c * b, high + c * a  # type: ignore[assignment]
        return self.by_facts(total, (low, high)) if self.facts else (low, high)

    def by_facts(self, total: Sum, known: Interval) -> Interval:
        """What the facts leave of the interval of a sum: the sum less a fact has bounds as well."""
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
        """The modular set of a canonical sum, if it does not wrap around."""
        result = Modular(0, total.constant)
        for atom, c in total.terms.items():
            result = result.plus(self.modular(atom), c)
        return result

    def is_exact_sum(self, total: Sum) -> bool:
        """Whether a sum does not wrap around, in whatever order it is added up."""
        return fits(self.sum_bounds(total), total.dtype)

    def is_exact(self, value: Expr) -> bool:
        """Whether the last step of an arithmetic value does not wrap around."""
        if type(value) is Ramp:
            (low, high), (least, most), last = (
                self.bounds(value.base),
                self.bounds(value.stride),
                value.lanes - 1,
            )
            return fits((low + min(0, least * last), high + max(0, most * last)), value.dtype)
        return type(value) is not Binary or fits(exact(value, self.bounds), value.dtype)

    def proves(self, condition: Expr) -> bool:
        """Whether `condition` holds for every value in the ranges, in every lane."""
        result = self(condition)
        return (result.value if type(result) is Broadcast else result) == TRUE

    # --- integers -----------------------------------------------------------------------------

    def sum_of(self, expr: Expr) -> Sum:
        """The canonical sum of an expression of a type of `CANONICAL_TYPES`."""
        kind = type(expr)
        if kind is Var:
            value = self.values.get(expr, expr)  # type: ignore[call-overload]
            return Sum({expr: 1}, 0, expr.dtype) if value is expr else self.sum_of(value)
        if kind is Const:
            return Sum({}, int(expr.value), expr.dtype)  # type: ignore[attr-defined]
        found = self._sums.get(id(expr))
        if found is None:
            total = self._sum(expr) if kind is Binary and expr.op in _SUMMED else self._atom(self(expr))  # type: ignore[attr-defined]
            found = self._sums[id(expr)] = (expr, total)
        return found[1]

    def _atom(self, value: Expr) -> Sum:
        """A simplified value as a sum: a choice that is known leaves its arm, which may be one."""
        if type(value) in (Const, Var) or type(value) is Binary and value.op in _SUMMED:
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
        """`a` without the terms whose remainder is known, which is added; None if there is none."""
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
        """``a op divisor``, where a division of a division is one, by the product, and the like."""
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
        """``c * d * (x // d) + c * (x % d)`` is ``c * x``: what a fuse after a split leaves."""
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
        """``a - b`` and its interval without wrapping; unknown where one of them may wrap by itself."""
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

    # --- conditions ---------------------------------------------------------------------------

    def _compared(self, node: Binary) -> Expr:
        op, a, b = node.op, self.sum_of(node.a), self.sum_of(node.b)
        difference, (low, high) = self._difference(a, b)
        if low > -inf and low != high:
            known = self.sum_modular(difference)
            if known.coefficient > 1:
                low, high = known.within((low, high))
                if op in ("==", "!=") and known.base:
                    return FALSE if op == "==" else TRUE
        answer = _ANSWERS[op](low, high)
        if answer is not None:
            return TRUE if answer else FALSE
        if low > -inf:
            shorter = self._shortened(op, difference, len(a.terms) + len(b.terms))
            if shorter is not None:
                return self(shorter)
        left, right = a.expr(), b.expr()
        if left != node.a or right != node.b:
            node = Binary(op, left, right, "bool")
        return self._by_rule(node)

    def _shortened(self, op: str, difference: Sum, terms: int) -> Expr | None:
        """``difference op 0`` with less terms or coefficients, if that can be; it must not wrap around."""
        total, limit = Sum(difference.terms, 0, difference.dtype), -difference.constant  # total op limit
        if op in ("==", "!="):
            factor = total.common()
            total, limit = total.divided(factor), limit // factor  # or the modular sets had told
        else:
            # it is, or is not, `total < limit`
            factor, quotients, bound = self._quotients(total, limit + (op in ("<=", ">")))
            if factor > 1:
                total, limit, op = quotients, bound, "<" if op in ("<", "<=") else ">="
        if factor == 1 and len(total.terms) == terms:
            return None
        left = Sum({a: c for a, c in total.terms.items() if c > 0}, 0, total.dtype)
        right = Sum({a: -c for a, c in total.terms.items() if c < 0}, limit, total.dtype)
        if not left.terms:
            left, right, op = right, left, _MIRROR[op]
            left, right = Sum(left.terms, 0, left.dtype), right + Sum({}, -left.constant, left.dtype)
        if not (self.is_exact_sum(left) and self.is_exact_sum(right)):
            return None
        return Binary(op, left.expr(), right.expr(), "bool")

    def _quotients(self, total: Sum, limit: int) -> tuple[int, Sum, int]:
        """``(u, q, m)`` such that ``total < limit`` where ``q < m``, with q the terms divided by u."""
        for unit in sorted({abs(c) for c in total.terms.values()} | {total.common()}, reverse=True):
            if unit > 1:
                whole, rest = total.split(unit)
                low, high = self.sum_bounds(rest)
                if whole.terms and low >= 0 and high < unit:
                    quotient, remainder = divmod(limit, unit)
                    # u q + r < u m + s: for r < u that is q < m, or q == m and r < s
                    if low >= remainder:
                        return unit, whole, quotient
                    if high < remainder:
                        return unit, whole, quotient + 1
        return 1, total, limit

    def _logic(self, node: Binary) -> Expr:
        a = self(node.a)
        b = self.under(a, node.op == "and", node.b) if _is_harmless(node.b) else self(node.b)
        return self._by_rule(rebuild(node, (a, b)))

    # --- every expression ---------------------------------------------------------------------

    def __call__(self, node: Any) -> Any:
        rule = self.rules.get(type(node))
        result = self.descend(node) if rule is None else rule(self, node)
        if self.truths and isinstance(result, Expr) and result in self.truths:
            return TRUE if self.truths[result] else FALSE
        return result

    def _by_rule(self, node: Expr) -> Expr:
        """A node around simple operands, by the table."""
        result = rewrite(node, self)
        return node if result is None else self(result)

    def _operands_first(self, node: Expr) -> Expr:
        return self._by_rule(self.descend(node))

    def _binary(self, node: Binary) -> Expr:
        op, dtype = node.op, node.a.dtype
        if dtype in _CANONICAL:
            if op in COMPARISON:
                return self._compared(node)
            if op in _SUMMED:
                result = self.sum_of(node).expr()
                return node if result == node else result
        if op in ("and", "or"):
            return self._logic(node)
        if op in COMPARISON and is_integer(dtype):
            (low, high), (least, most) = self.bounds(node.a), self.bounds(node.b)
            answer = _ANSWERS[op](low - most, high - least)
            if answer is not None:
                literal = TRUE if answer else FALSE
                return literal if lanes_of(dtype) == 1 else Broadcast(literal, lanes_of(dtype))
        return self._operands_first(node)

    def _select(self, node: Select) -> Expr:
        condition = self(node.condition)
        a, b = (
            self.under(condition, holds, arm) if _is_harmless(arm) else self(arm)
            for holds, arm in ((True, node.a), (False, node.b))
        )
        return self._by_rule(rebuild(node, (condition, a, b)))

    def _call(self, node: Call) -> Expr:
        if node.name != "if_then_else":
            return self.descend(node)
        condition = self(node.args[0])
        if condition in (TRUE, FALSE):
            return self(node.args[1 if condition == TRUE else 2])
        arms = (self.under(condition, True, node.args[1]), self.under(condition, False, node.args[2]))
        return self._by_rule(rebuild(node, (condition, *arms)))

    def _cast(self, node: Cast) -> Expr:
        value = self(node.value)
        if value.dtype == node.dtype:
            return value
        if type(value) is Broadcast:
            return Broadcast(self(Cast(value.value, scalar_of(node.dtype))), value.lanes)
        if type(value) is Const and type(value.value) is int and is_integer(node.dtype):
            low, high = integer_range(node.dtype)
            return Const((value.value - low) % (high - low + 1) + low, node.dtype)
        if type(value) is Cast and is_integer(value.dtype) and is_integer(node.dtype):
            inner = value.value
            if is_integer(inner.dtype) and fits(self.bounds(inner), value.dtype):
                return self(inner if inner.dtype == node.dtype else Cast(inner, node.dtype))
        return rebuild(node, (value,))

    def _load(self, node: Load) -> Expr:
        """A vector of one element is loaded once."""
        load = self.descend(node)
        if not any(type(i) is Broadcast for i in load.indices):
            return load
        if not all(type(i) is Broadcast or lanes_of(i.dtype) == 1 for i in load.indices):
            return load
        lanes = lanes_of(load.dtype)
        return Broadcast(
            Load(load.buffer, tuple(i.value if type(i) is Broadcast else i for i in load.indices)), lanes
        )

    # --- statements ---------------------------------------------------------------------------

    def _for(self, node: For) -> Stmt:
        extent = self(node.extent)
        if type(extent) is Const and extent.value <= 0:
            return Seq(())
        # a pragma is a message to a pass, and a barrier needs its loop
        if type(extent) is Const and extent.value == 1 and not node.pragmas and not _meets(node):
            return self.named(node.var, Const(0, node.var.dtype), node.body)

        def learn() -> None:
            self.ranges[node.var] = (0, self.bounds(extent)[1] - 1)
            # what is loaded is the extent only while nothing else is stored
            if type(extent) is not Const and node.var.dtype in _CANONICAL and not _loads(extent):
                total = self.sum_of(extent)
                if self.is_exact_sum(total):
                    self.learn_sum(Sum({node.var: 1}, 0, total.dtype) - total, "<")

        body = self.inside(learn, self, node.body)
        return body if body == Seq(()) else rebuild(node, (extent, body))

    def _if(self, node: If) -> Stmt:
        condition = self(node.condition)
        if condition == TRUE:
            return self(node.then)
        otherwise = None if node.otherwise is None else self._branch(condition, False, node.otherwise)
        if condition == FALSE:
            return Seq(()) if otherwise is None else otherwise
        then = self._branch(condition, True, node.then)
        if otherwise is None:
            return then if then == Seq(()) else rebuild(node, (condition, then))
        return rebuild(node, (condition, then, otherwise))

    def _branch(self, condition: Expr, holds: bool, branch: Stmt) -> Stmt:
        """A statement that runs where `condition` held, or did not, when it began."""
        if _loads(condition):
            return self(branch)  # what it stores may change the condition
        return self.under(condition, holds, branch)

    def named(self, var: Var, value: Expr, body: Stmt) -> Stmt:
        """`body` with a simple value in the place of a variable."""

        def learn() -> None:
            self.values = {**self.values, var: value}
            self.ranges[var] = self.bounds(value)

        return self.inside(learn, self, body)

    def _let(self, node: Let) -> Stmt:
        value = self(node.value)
        if type(value) in (Const, Var):
            return self.named(node.var, value, node.body)

        def learn() -> None:
            if is_integer(node.var.dtype):
                self.ranges[node.var] = self.bounds(value)
                self.remainders = {**self.remainders, node.var: self.modular(value)}

        body = self.inside(learn, self, node.body)
        return body if body == Seq(()) else rebuild(node, (value, body))

    def _seq(self, node: Seq) -> Stmt:
        stmts = [self(stmt) for stmt in node.stmts]
        if all(a is b for a, b in zip(stmts, node.stmts, strict=True)):
            return node
        return sequence(stmts)

    def _allocate(self, node: Allocate) -> Stmt:
        body = self(node.body)
        return body if body == Seq(()) else rebuild(node, (body,))

    rules = {
        Var: lambda self, node: self.values.get(node, node),
        Binary: _binary,
        Not: _operands_first,
        Select: _select,
        Cast: _cast,
        Call: _call,
        Load: _load,
        Ramp: _operands_first,
        For: _for,
        If: _if,
        Let: _let,
        Seq: _seq,
        Allocate: _allocate,
    }


_MIRROR = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}

# comparison -> whether it holds for every difference of its operands in an interval, for none, or neither
_ANSWERS: dict[str, Callable[[float, float], bool | None]] = {
    "<": lambda low, high: True if high < 0 else False if low >= 0 else None,
    "<=": lambda low, high: True if high <= 0 else False if low > 0 else None,
    ">": lambda low, high: True if low > 0 else False if high <= 0 else None,
    ">=": lambda low, high: True if low >= 0 else False if high < 0 else None,
    "==": lambda low, high: True if low == high == 0 else False if low > 0 or high < 0 else None,
    "!=": lambda low, high: True if low > 0 or high < 0 else False if low == high == 0 else None,
}


def _loads(expr: Expr) -> bool:
    """Whether the value of an expression comes from a buffer."""
    return any(type(node) is Load for node in walk(expr))


def _is_harmless(expr: Expr) -> bool:
    """Whether the value of an expression can be found whatever its variables are, without an error."""
    for node in walk(expr):
        if type(node) is Load:
            return False
        if type(node) is Binary and node.op in ("//", "%", "<<", ">>"):
            divisor = node.b.value if type(node.b) is Broadcast else node.b
            if type(divisor) is not Const or (node.op in ("//", "%") and divisor.value == 0):
                return False
    return True


def _meets(loop: For) -> bool:
    """Whether the iterations of a loop meet at a barrier."""
    return loop.kind.startswith("threadIdx") and any(type(node) is Barrier for node in walk(loop.body))


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


__all__ = [
    "FALSE",
    "HIGHEST",
    "LOWEST",
    "TRUE",
    "UNKNOWN",
    "Interval",
    "Simplifier",
    "Sum",
    "fits",
    "simplify",
]

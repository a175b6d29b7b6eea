"""Rewrite rules as text: their parsing, matching and application. `rules` is the table of rules."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

from compiler.ir.dtype import is_float, lanes_of, scalar_of, vector_of
from compiler.ir.expr import Binary, Broadcast, Call, Const, Expr, Not, Ramp, Select, fold
from compiler.ir.operators import COMPARISON, LOGIC
from compiler.ir.simplify.bounds import interval_of_type
from compiler.ir.simplify.canonical import CANONICAL_TYPES
from compiler.ir.text.parser import COMPARISONS, OPERATORS

# kinds of types: integers without canonical sums (vectors and narrow types), all integers, and the others
OTHER, INT = frozenset({"int"}), frozenset({"int", "index"})
FLOAT, BOOL = frozenset({"float"}), frozenset({"bool"})
NUMBER, ANY = INT | FLOAT, INT | FLOAT | BOOL


@dataclass(frozen=True, slots=True)
class Rule:
    """``pattern`` is rewritten to ``result`` if ``given`` is proved and the type of ``x`` is of ``kinds``."""

    pattern: str
    result: str
    given: str = ""
    kinds: frozenset[str] = INT


class Prover(Protocol):
    """Decides the conditions of rules; `Simplifier` is one."""

    def proves(self, condition: Expr) -> bool:
        """Whether a condition is known to hold."""

    def is_exact(self, value: Expr) -> bool:
        """Whether the outermost operation of `value` is known not to wrap around."""


Bindings = dict[str, Any]
Match = Callable[[Any, Bindings], bool]


class _OutOfRange(Exception):
    """The result of a rule has a literal that its type does not hold."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """A rule ready to be applied.

    Attributes
    ----------
    rule : Rule
    key : str
        The operator or name that an expression must have to match, see `key_of`.
    match : callable
        ``(node, bindings) -> bool``; adds the names of the pattern to `bindings`.
    result : ast.expr
    given : tuple of ast.expr
        The conditions, all of which must be proved.
    """

    rule: Rule
    key: str
    match: Match
    result: ast.expr
    given: tuple[ast.expr, ...]

    def apply(self, node: Any, prover: Prover) -> Expr | None:
        """The result of the rule for `node`; None if it does not match, or a condition is not proved."""
        bindings: Bindings = {}
        if not self.match(node, bindings):
            return None
        x = bindings.get("x")
        if x is not None and _kind(x.dtype) not in self.rule.kinds:
            return None
        try:
            if not all(_holds(condition, bindings, prover) for condition in self.given):
                return None
            result = build(self.result, bindings, node.dtype)
        except _OutOfRange:
            return None
        # for example, the scalar condition of a choice between vectors cannot replace the choice
        return result if result.dtype == node.dtype else None


def compiled(rule: Rule) -> Compiled:
    """`rule` ready to be applied."""
    pattern = parse(rule.pattern)
    given = parse(rule.given) if rule.given else None
    conditions = given.values if isinstance(given, ast.BoolOp) else [given] if given else []
    return Compiled(rule, _form(pattern)[0], _matcher(pattern), parse(rule.result), tuple(conditions))


def parse(text: str) -> ast.expr:
    """The syntax tree of the text of a rule."""
    return ast.parse(text, mode="eval").body


@cache
def _kind(dtype: str) -> str:
    if dtype in CANONICAL_TYPES:
        return "index"
    return "float" if is_float(dtype) else "bool" if scalar_of(dtype) == "bool" else "int"


_KEYS: dict[type, str] = {Not: "not", Select: "select", Ramp: "ramp", Broadcast: "broadcast"}


def key_of(node: Any) -> str:
    """The operator of `node`, or its name in the text; rules are looked up by it."""
    if type(node) is Binary:
        return node.op
    return node.name if type(node) is Call else _KEYS.get(type(node), "")


def _form(text: ast.expr) -> tuple[str, list[ast.expr]]:
    """The key of the expressions that a text may match, and the texts of the operands."""
    if isinstance(text, ast.BinOp):
        return OPERATORS[type(text.op)], [text.left, text.right]
    if isinstance(text, ast.Compare):
        return COMPARISONS[type(text.ops[0])], [text.left, *text.comparators]
    if isinstance(text, ast.BoolOp):
        return ("and" if isinstance(text.op, ast.And) else "or"), text.values
    if isinstance(text, ast.UnaryOp):
        return "not", [text.operand]
    assert isinstance(text, ast.Call) and isinstance(text.func, ast.Name)
    return text.func.id, text.args


def _number(text: ast.expr) -> int | float | bool | None:
    """The value of a text that is a literal; None for any other text."""
    if isinstance(text, ast.UnaryOp) and isinstance(text.op, ast.USub):
        value = _number(text.operand)
        return None if value is None else -value
    return text.value if isinstance(text, ast.Constant) else None  # type: ignore[return-value]


# type of expression -> its operands, in the order of the text
_PARTS: dict[type, Callable[[Any], tuple[Any, ...]]] = {
    Binary: lambda n: (n.a, n.b),
    Not: lambda n: (n.a,),
    Select: lambda n: (n.condition, n.a, n.b),
    Call: lambda n: n.args,
    Ramp: lambda n: (n.base, n.stride, n.lanes),
    Broadcast: lambda n: (n.value, n.lanes),
}


def _scalar(node: Any) -> Any:
    """The literal that a broadcast repeats; any other node unchanged."""
    return node.value if type(node) is Broadcast and type(node.value) is Const else node


def _matcher(text: ast.expr) -> Match:
    """A closure that matches an expression with a text, and binds the names in it."""
    number = _number(text)
    if number is not None:
        kinds = BOOL if isinstance(number, bool) else FLOAT if isinstance(number, float) else INT
        literal = repr(number)

        def match_literal(node: Any, bindings: Bindings) -> bool:
            node = _scalar(node)
            return type(node) is Const and _kind(node.dtype) in kinds and repr(node.value) == literal

        return match_literal
    if isinstance(text, ast.Name):
        name, of_literal = text.id, text.id in "cde"

        def match_name(node: Any, bindings: Bindings) -> bool:
            if of_literal:
                node = _scalar(node)
                if type(node) is not Const:
                    return False
            return bindings.setdefault(name, node) == node

        return match_name
    key, operands = _form(text)
    matchers = tuple(map(_matcher, operands))

    def match(node: Any, bindings: Bindings) -> bool:
        if type(node) is int or key_of(node) != key:
            return False
        parts = _PARTS[type(node)](node)
        return all([matcher(part, bindings) for matcher, part in zip(matchers, parts, strict=True)])

    if len(matchers) == 2:
        first, second = matchers

        def match_two(node: Any, bindings: Bindings) -> bool:
            if type(node) is int or key_of(node) != key:
                return False
            a, b = _PARTS[type(node)](node)
            return first(a, bindings) and second(b, bindings)

        return match_two
    return match


def _holds(condition: ast.expr, bindings: Bindings, prover: Prover) -> bool:
    if isinstance(condition, ast.Call):  # exact(value)
        return prover.is_exact(build(condition.args[0], bindings, None))
    value = build(condition, bindings, "bool")
    return value.value is True if type(value) is Const else prover.proves(value)


def build(text: ast.expr, bindings: Bindings, dtype: str | None) -> Any:
    """The expression of a text whose names are bound; literals have the type `dtype`."""
    number = _number(text)
    if number is None and isinstance(text, ast.Name):
        number = bindings[text.id]
        if isinstance(number, Expr) and (type(number) is not Const or dtype is None or text.id not in "cde"):
            return number
        if type(number) is Const:
            number = number.value
    if number is not None:
        return _literal(number, dtype)
    key, operands = _form(text)
    if key in ("ramp", "broadcast"):
        return _vector(key, operands, bindings, dtype)
    if key == "not":
        return Not(build(operands[0], bindings, dtype))
    if key in ("select", "if_then_else"):
        condition = build(operands[0], bindings, "bool")
        a, b = (build(operand, bindings, dtype) for operand in operands[1:])
        return Select(condition, a, b) if key == "select" else Call(key, (condition, a, b), a.dtype)
    inner = None if key in COMPARISON else dtype
    # a literal takes the type of the other operand, so it is built last
    ranks = [2 if _number(o) is not None else isinstance(o, ast.Name) and o.id in "cden" for o in operands]
    built: list[Any] = [None, None]
    for position in sorted((0, 1), key=ranks.__getitem__):
        built[position] = build(operands[position], bindings, inner)
        if ranks[position] == 0 or inner is None:
            inner = built[position].dtype
    return _operation(key, *built)


def _literal(number: Any, dtype: str | None) -> Expr:
    assert dtype is not None
    scalar = scalar_of(dtype)
    if isinstance(number, int) and not isinstance(number, bool):
        low, high = interval_of_type(scalar)
        if not low <= number <= high:
            raise _OutOfRange
    value = Const(number, scalar)
    return value if lanes_of(dtype) == 1 else Broadcast(value, lanes_of(dtype))


def _vector(key: str, operands: list[ast.expr], bindings: Bindings, dtype: str | None) -> Expr:
    scalar = None if dtype is None else scalar_of(dtype)
    lanes = bindings[operands[-1].id]  # type: ignore[attr-defined]
    if key == "broadcast":
        return Broadcast(build(operands[0], bindings, scalar), lanes)
    base = build(operands[0], bindings, scalar)
    return Ramp(base, build(operands[1], bindings, base.dtype), lanes)


def _operation(op: str, a: Any, b: Any) -> Expr:
    first, second = _scalar(a), _scalar(b)
    if type(first) is Const and type(second) is Const:
        folded = fold(op, first, second)
        if folded is None:
            raise _OutOfRange
        return folded if type(a) is Const else Broadcast(folded, a.lanes)
    dtype = vector_of("bool", lanes_of(a.dtype)) if op in COMPARISON or op in LOGIC else a.dtype
    return Binary(op, a, b, dtype)

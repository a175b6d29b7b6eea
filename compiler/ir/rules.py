"""The rewrite rules of the simplifier, as a table.

A rule is three texts: what is looked for, what takes its place, and what must be known. In them

- ``x``, ``y``, ``z``, ``w`` and ``p`` are any expressions, the same one wherever the name comes again;
- ``c``, ``d`` and ``e`` are literals, and a vector of one literal counts as that;
- ``n`` is a number of lanes;
- ``exact(value)`` is known where integers do not wrap around in `value`.

A rule holds for the types of ``x`` that it names, in scalars and in vectors, and it must keep the value for
all of them: integers that wrap around, NaN, infinity and the sign of zero included. Arithmetic of literals is
done when a rule is applied; a rule whose literals would wrap around is not. An expression that is left out is
not evaluated any more, so a rule may take errors away, but it never makes one.

Sums of indices are not here: their form is that of `compiler.ir.canonical`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

from compiler.ir.bounds import interval_of_type
from compiler.ir.canonical import CANONICAL_TYPES
from compiler.ir.expr import (
    COMPARISON,
    LOGIC,
    Binary,
    Broadcast,
    Call,
    Const,
    Expr,
    Not,
    Ramp,
    Select,
    fold,
    is_float,
    lanes_of,
    scalar_of,
    vector_of,
)
from compiler.ir.parser import COMPARISONS, OPERATORS

# integers that are not brought into sums, being vectors or narrow, all integers, and other types
OTHER, INT = frozenset({"int"}), frozenset({"int", "index"})
FLOAT, BOOL = frozenset({"float"}), frozenset({"bool"})
NUMBER, ANY = INT | FLOAT, INT | FLOAT | BOOL


@dataclass(frozen=True, slots=True)
class Rule:
    """``pattern`` becomes ``result``, where ``given`` is known, if ``x`` has a type of ``kinds``."""

    pattern: str
    result: str
    given: str = ""
    kinds: frozenset[str] = INT


_MIRROR = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
_NEGATION = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}

_ARITHMETIC = [
    Rule("x + 0", "x", kinds=OTHER),
    Rule("0 + x", "x", kinds=OTHER),
    Rule("x - 0", "x", kinds=OTHER),
    Rule("x - x", "0", kinds=OTHER),
    Rule("x * 1", "x", kinds=OTHER),
    Rule("1 * x", "x", kinds=OTHER),
    Rule("x * 0", "0", kinds=OTHER),
    Rule("0 * x", "0", kinds=OTHER),
    Rule("x // 1", "x", kinds=OTHER),
    Rule("x % 1", "0", kinds=OTHER),
    Rule("x // c", "0", "0 <= x and x < c", kinds=OTHER),
    Rule("x % c", "x", "0 <= x and x < c", kinds=OTHER),
    # floats keep every rounding, NaN and the sign of zero, so only what is exact is done
    Rule("x * 1.0", "x", kinds=FLOAT),
    Rule("1.0 * x", "x", kinds=FLOAT),
    Rule("x / 1.0", "x", kinds=FLOAT),
    Rule("x - 0.0", "x", kinds=FLOAT),
    Rule("x + -0.0", "x", kinds=FLOAT),
    Rule("-0.0 + x", "x", kinds=FLOAT),
]

_BITS = [
    Rule("x & x", "x"),
    Rule("x | x", "x"),
    Rule("x ^ x", "0"),
    Rule("x & 0", "0"),
    Rule("0 & x", "0"),
    Rule("x | 0", "x"),
    Rule("0 | x", "x"),
    Rule("x ^ 0", "x"),
    Rule("0 ^ x", "x"),
    Rule("x ^ c ^ c", "x"),
    Rule("x & c & d", "x & (c & d)"),
    Rule("x | c | d", "x | (c | d)"),
    Rule("x << 0", "x"),
    Rule("x >> 0", "x"),
    Rule("x & c", "x", "0 <= x and c & (c + 1) == 0 and x <= c"),
]

_EXTREMES = [
    Rule("min(x, x)", "x", kinds=NUMBER),
    Rule("max(x, x)", "x", kinds=NUMBER),
    Rule("min(min(x, c), d)", "min(x, min(c, d))"),
    Rule("max(max(x, c), d)", "max(x, max(c, d))"),
    Rule("min(max(x, c), d)", "d", "d <= c"),
    Rule("max(min(x, c), d)", "d", "c <= d"),
    *(
        Rule(f"{outer}({a}, {b})", result)
        for outer, inner in (("min", "max"), ("max", "min"))
        for pair, result in (
            ((f"{inner}(x, y)", "x"), "x"),
            ((f"{inner}(x, y)", "y"), "y"),
            ((f"{outer}(x, y)", "x"), f"{outer}(x, y)"),
            ((f"{outer}(x, y)", "y"), f"{outer}(x, y)"),
        )
        for a, b in (pair, pair[::-1])
    ),
    Rule("min(x // c, y // c)", "min(x, y) // c", "0 < c"),
    Rule("max(x // c, y // c)", "max(x, y) // c", "0 < c"),
    Rule("min(x, y)", "x", "x <= y", OTHER),
    Rule("min(x, y)", "y", "y <= x", OTHER),
    Rule("max(x, y)", "x", "y <= x", OTHER),
    Rule("max(x, y)", "y", "x <= y", OTHER),
]

_COMPARISONS = [
    *(Rule(f"x {op} x", "True") for op in ("<=", ">=")),
    *(Rule(f"x {op} x", "False") for op in ("<", ">")),
    Rule("x == x", "True", kinds=INT | BOOL),
    Rule("x != x", "False", kinds=INT | BOOL),
    Rule("x == True", "x", kinds=BOOL),
    Rule("x != True", "not x", kinds=BOOL),
    Rule("x == False", "not x", kinds=BOOL),
    Rule("x != False", "x", kinds=BOOL),
    # an extreme of a literal on one side of that literal
    *(Rule(f"min(x, c) {op} d", f"x {op} d", "d <= c") for op in ("<", ">=")),
    *(Rule(f"min(x, c) {op} d", f"x {op} d", "d < c") for op in ("<=", ">")),
    *(Rule(f"max(x, c) {op} d", f"x {op} d", "c <= d") for op in ("<=", ">")),
    *(Rule(f"max(x, c) {op} d", f"x {op} d", "c < d") for op in ("<", ">=")),
    Rule("min(x, y) <= x", "True"),
    Rule("min(x, y) <= y", "True"),
    Rule("min(x, y) > x", "False"),
    Rule("min(x, y) > y", "False"),
    Rule("max(x, y) >= x", "True"),
    Rule("max(x, y) >= y", "True"),
    Rule("max(x, y) < x", "False"),
    Rule("max(x, y) < y", "False"),
    # a quotient is below a literal where the dividend is below its multiple
    Rule("x // c < d", "x < d * c", "0 < c"),
    Rule("x // c >= d", "x >= d * c", "0 < c"),
    Rule("x // c <= d", "x < (d + 1) * c", "0 < c"),
    Rule("x // c > d", "x >= (d + 1) * c", "0 < c"),
]

_LOGIC = [
    Rule("not True", "False"),
    Rule("not False", "True"),
    Rule("not not x", "x", kinds=BOOL),
    *(Rule(f"not x {op} y", f"x {_NEGATION[op]} y") for op in ("<", "<=", ">", ">=")),
    # NaN is not less, nor is it greater or equal, but it is equal or it is not
    Rule("not x == y", "x != y", kinds=ANY),
    Rule("not x != y", "x == y", kinds=ANY),
    *(
        Rule(pattern, result, kinds=BOOL)
        for op, other, neutral, absorbing in (("and", "or", "True", "False"), ("or", "and", "False", "True"))
        for pattern, result in (
            (f"x {op} {neutral}", "x"),
            (f"{neutral} {op} x", "x"),
            (f"x {op} {absorbing}", absorbing),
            (f"{absorbing} {op} x", absorbing),
            (f"x {op} x", "x"),
            (f"x {op} (not x)", absorbing),
            (f"(not x) {op} x", absorbing),
            (f"x {op} (x {other} y)", "x"),
            (f"x {op} (y {other} x)", "x"),
            (f"(x {other} y) {op} x", "x"),
            (f"(y {other} x) {op} x", "x"),
            (f"(x {op} y) {op} x", f"x {op} y"),
            (f"(y {op} x) {op} x", f"y {op} x"),
        )
    ),
    *(Rule(f"x {op} c and x {op} d", f"x {op} min(c, d)") for op in ("<", "<=")),
    *(Rule(f"x {op} c and x {op} d", f"x {op} max(c, d)") for op in (">", ">=")),
    *(Rule(f"x {op} c or x {op} d", f"x {op} max(c, d)") for op in ("<", "<=")),
    *(Rule(f"x {op} c or x {op} d", f"x {op} min(c, d)") for op in (">", ">=")),
    *(Rule(f"x {op} y and x {no} y", "False") for op, no in _NEGATION.items()),
    *(Rule(f"x {op} y or x {no} y", "True") for op, no in _NEGATION.items()),
    Rule("x == c and x == d", "False", "c != d"),
    Rule("x != c or x != d", "True", "c != d"),
]

_CHOICES = [
    *(
        rule
        for name in ("select", "if_then_else")
        for rule in (
            Rule(f"{name}(True, x, y)", "x", kinds=ANY),
            Rule(f"{name}(False, x, y)", "y", kinds=ANY),
            Rule(f"{name}(p, x, x)", "x", kinds=ANY),
            Rule(f"{name}(not p, x, y)", f"{name}(p, y, x)", kinds=ANY),
            Rule(f"{name}(p, True, False)", "p"),
            Rule(f"{name}(p, False, True)", "not p"),
            Rule(f"{name}(p, {name}(p, x, y), z)", f"{name}(p, x, z)", kinds=ANY),
            Rule(f"{name}(p, x, {name}(p, y, z))", f"{name}(p, x, z)", kinds=ANY),
            Rule(f"{name}(broadcast(p, n), x, y)", f"{name}(p, x, y)", kinds=ANY),
        )
    ),
    # this is how `min` and `max` are defined, NaN and all
    Rule("select(x < y, x, y)", "min(x, y)", kinds=NUMBER),
    Rule("select(x > y, x, y)", "max(x, y)", kinds=NUMBER),
    Rule("select(x <= y, x, y)", "min(x, y)"),
    Rule("select(x >= y, x, y)", "max(x, y)"),
    Rule("select(x < y, y, x)", "max(x, y)"),
    Rule("select(x > y, y, x)", "min(x, y)"),
    Rule("select(x == y, x, y)", "y"),
    Rule("select(x != y, x, y)", "x"),
]

_LAST = "x + y * (n - 1)"  # the value of the last lane of ramp(x, y, n)

_VECTORS = [
    Rule("ramp(x, 0, n)", "broadcast(x, n)"),
    *(
        Rule(f"broadcast(x, n) {op} broadcast(y, n)", f"broadcast(x {op} y, n)", kinds=NUMBER)
        for op in ("+", "-", "*", "<", "<=", ">", ">=")
    ),
    Rule("broadcast(x, n) / broadcast(y, n)", "broadcast(x / y, n)", kinds=FLOAT),
    *(
        Rule(f"broadcast(x, n) {op} broadcast(y, n)", f"broadcast(x {op} y, n)")
        for op in ("//", "%", "&", "|", "^", "<<", ">>")
    ),
    *(
        Rule(f"{op}(broadcast(x, n), broadcast(y, n))", f"broadcast({op}(x, y), n)", kinds=NUMBER)
        for op in ("min", "max")
    ),
    *(Rule(f"broadcast(x, n) {op} broadcast(y, n)", f"broadcast(x {op} y, n)", kinds=BOOL) for op in LOGIC),
    *(
        Rule(f"broadcast(x, n) {op} broadcast(y, n)", f"broadcast(x {op} y, n)", kinds=ANY)
        for op in ("==", "!=")
    ),
    Rule("not broadcast(x, n)", "broadcast(not x, n)", kinds=BOOL),
    # ramps
    Rule("ramp(x, y, n) + broadcast(z, n)", "ramp(x + z, y, n)"),
    Rule("broadcast(z, n) + ramp(x, y, n)", "ramp(z + x, y, n)"),
    Rule("ramp(x, y, n) - broadcast(z, n)", "ramp(x - z, y, n)"),
    Rule("broadcast(z, n) - ramp(x, y, n)", "ramp(z - x, 0 - y, n)"),
    Rule("ramp(x, y, n) + ramp(z, w, n)", "ramp(x + z, y + w, n)"),
    Rule("ramp(x, y, n) - ramp(z, w, n)", "ramp(x - z, y - w, n)"),
    Rule("ramp(x, y, n) * broadcast(z, n)", "ramp(x * z, y * z, n)"),
    Rule("broadcast(z, n) * ramp(x, y, n)", "ramp(z * x, z * y, n)"),
    # whole steps leave a division; lanes within one block have the quotient of the first
    Rule(
        "ramp(x, c, n) // broadcast(d, n)",
        "ramp(x // d, c // d, n)",
        "0 < d and c % d == 0 and exact(ramp(x, c, n))",
    ),
    Rule(
        "ramp(x, c, n) % broadcast(d, n)",
        "broadcast(x % d, n)",
        "0 < d and c % d == 0 and exact(ramp(x, c, n))",
    ),
    Rule(
        "ramp(x, c, n) // broadcast(d, n)",
        "broadcast(x // d, n)",
        "0 <= c and 0 < d and x % d + c * (n - 1) < d and exact(ramp(x, c, n))",
    ),
    Rule(
        "ramp(x, c, n) % broadcast(d, n)",
        "ramp(x % d, c, n)",
        "0 <= c and 0 < d and x % d + c * (n - 1) < d and exact(ramp(x, c, n))",
    ),
    # what holds for the first and for the last lane holds for all
    *(
        Rule(
            f"ramp(x, y, n) {op} broadcast(z, n)",
            answer,
            f"x {test} z and {_LAST} {test} z and exact(ramp(x, y, n))",
        )
        for op in ("<", "<=", ">", ">=")
        for answer, test in (("True", op), ("False", _NEGATION[op]))
    ),
    *(
        Rule(f"broadcast(z, n) {op} ramp(x, y, n)", f"ramp(x, y, n) {_MIRROR[op]} broadcast(z, n)")
        for op in COMPARISON
    ),
]

RULES: tuple[Rule, ...] = tuple(_ARITHMETIC + _BITS + _EXTREMES + _COMPARISONS + _LOGIC + _CHOICES + _VECTORS)
"""All rules; of those that could be applied to an expression the first is."""


class Prover(Protocol):
    """What a rule asks about what it must know."""

    def proves(self, condition: Expr) -> bool:
        """Whether a condition holds."""

    def is_exact(self, value: Expr) -> bool:
        """Whether the last step of an arithmetic value does not wrap around."""


Bindings = dict[str, Any]
Match = Callable[[Any, Bindings], bool]


class _Unfit(Exception):
    """A literal of a result that its type does not hold."""


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A rule as it is applied: its pattern a closure, its other texts parsed."""

    rule: Rule
    match: Match
    result: ast.expr
    given: tuple[ast.expr, ...]

    def apply(self, node: Any, prover: Prover) -> Expr | None:
        found: Bindings = {}
        if not self.match(node, found):
            return None
        x = found.get("x")
        if x is not None and _kind(x.dtype) not in self.rule.kinds:
            return None
        try:
            if not all(_known(condition, found, prover) for condition in self.given):
                return None
            result = _build(self.result, found, node.dtype)
        except _Unfit:
            return None
        # a scalar condition may choose between vectors, but it is no vector of conditions
        return result if result.dtype == node.dtype else None


def rewrite(node: Expr, prover: Prover) -> Expr | None:
    """What the first rule that can be applied makes of `node`; None if there is none."""
    for compiled in _table().get(_key(node), ()):
        result = compiled.apply(node, prover)
        if result is not None:
            return result
    return None


@cache
def _table() -> Mapping[str, list[_Compiled]]:
    """The rules by what they look for."""
    table: dict[str, list[_Compiled]] = {}
    for rule in RULES:
        pattern = parse(rule.pattern)
        given = parse(rule.given) if rule.given else None
        conditions = given.values if isinstance(given, ast.BoolOp) else [given] if given else []
        compiled = _Compiled(rule, _matcher(pattern), parse(rule.result), tuple(conditions))
        table.setdefault(_form(pattern)[0], []).append(compiled)
    return table


def parse(text: str) -> ast.expr:
    """The syntax of a rule's text."""
    return ast.parse(text, mode="eval").body


@cache
def _kind(dtype: str) -> str:
    if dtype in CANONICAL_TYPES:
        return "index"
    return "float" if is_float(dtype) else "bool" if scalar_of(dtype) == "bool" else "int"


_KEYS: dict[type, str] = {Not: "not", Select: "select", Ramp: "ramp", Broadcast: "broadcast"}


def _key(node: Any) -> str:
    if type(node) is Binary:
        return node.op
    return node.name if type(node) is Call else _KEYS.get(type(node), "")


def _form(text: ast.expr) -> tuple[str, list[ast.expr]]:
    """The key of the expressions that have the form of a text, and the texts of its operands."""
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
    """The literal that a text is, if it is one."""
    if isinstance(text, ast.UnaryOp) and isinstance(text.op, ast.USub):
        value = _number(text.operand)
        return None if value is None else -value
    return text.value if isinstance(text, ast.Constant) else None  # type: ignore[return-value]


# type of expression -> its parts, in the order of a text's operands
_PARTS: dict[type, Callable[[Any], tuple[Any, ...]]] = {
    Binary: lambda n: (n.a, n.b),
    Not: lambda n: (n.a,),
    Select: lambda n: (n.condition, n.a, n.b),
    Call: lambda n: n.args,
    Ramp: lambda n: (n.base, n.stride, n.lanes),
    Broadcast: lambda n: (n.value, n.lanes),
}


def _scalar(node: Any) -> Any:
    """The literal that a vector repeats; any other node is itself."""
    return node.value if type(node) is Broadcast and type(node.value) is Const else node


def _matcher(text: ast.expr) -> Match:
    """A closure that tells whether an expression has the form of a text, and what the names stand for."""
    number = _number(text)
    if number is not None:
        kinds = BOOL if isinstance(number, bool) else FLOAT if isinstance(number, float) else INT
        literal = repr(number)

        def match_literal(node: Any, found: Bindings) -> bool:
            node = _scalar(node)
            return type(node) is Const and _kind(node.dtype) in kinds and repr(node.value) == literal

        return match_literal
    if isinstance(text, ast.Name):
        name, of_literal = text.id, text.id in "cde"

        def match_name(node: Any, found: Bindings) -> bool:
            if of_literal:
                node = _scalar(node)
                if type(node) is not Const:
                    return False
            return found.setdefault(name, node) == node

        return match_name
    key, operands = _form(text)
    matchers = tuple(map(_matcher, operands))

    def match(node: Any, found: Bindings) -> bool:
        if type(node) is int or _key(node) != key:
            return False
        parts = _PARTS[type(node)](node)
        return all([matcher(part, found) for matcher, part in zip(matchers, parts, strict=True)])

    if len(matchers) == 2:
        first, second = matchers

        def match_two(node: Any, found: Bindings) -> bool:
            if type(node) is int or _key(node) != key:
                return False
            a, b = _PARTS[type(node)](node)
            return first(a, found) and second(b, found)

        return match_two
    return match


def _known(condition: ast.expr, found: Bindings, prover: Prover) -> bool:
    if isinstance(condition, ast.Call):  # exact(value)
        return prover.is_exact(_build(condition.args[0], found, None))
    value = _build(condition, found, "bool")
    return value.value is True if type(value) is Const else prover.proves(value)


def _build(text: ast.expr, found: Bindings, dtype: str | None) -> Any:
    """The expression of a text whose names are known; literals take the type `dtype`."""
    number = _number(text)
    if number is None and isinstance(text, ast.Name):
        number = found[text.id]
        if isinstance(number, Expr) and (type(number) is not Const or dtype is None or text.id not in "cde"):
            return number
        if type(number) is Const:
            number = number.value
    if number is not None:
        return _literal(number, dtype)
    key, operands = _form(text)
    if key in ("ramp", "broadcast"):
        return _vector(key, operands, found, dtype)
    if key == "not":
        return Not(_build(operands[0], found, dtype))
    if key in ("select", "if_then_else"):
        condition = _build(operands[0], found, "bool")
        a, b = (_build(operand, found, dtype) for operand in operands[1:])
        return Select(condition, a, b) if key == "select" else Call(key, (condition, a, b), a.dtype)
    inner = None if key in COMPARISON else dtype
    # a literal takes the type of what it stands beside
    ranks = [2 if _number(o) is not None else isinstance(o, ast.Name) and o.id in "cden" for o in operands]
    built: list[Any] = [None, None]
    for position in sorted((0, 1), key=ranks.__getitem__):
        built[position] = _build(operands[position], found, inner)
        if ranks[position] == 0 or inner is None:
            inner = built[position].dtype
    return _operation(key, *built)


def _literal(number: Any, dtype: str | None) -> Expr:
    assert dtype is not None
    scalar = scalar_of(dtype)
    if isinstance(number, int) and not isinstance(number, bool):
        low, high = interval_of_type(scalar)
        if not low <= number <= high:
            raise _Unfit
    value = Const(number, scalar)
    return value if lanes_of(dtype) == 1 else Broadcast(value, lanes_of(dtype))


def _vector(key: str, operands: list[ast.expr], found: Bindings, dtype: str | None) -> Expr:
    scalar = None if dtype is None else scalar_of(dtype)
    lanes = found[operands[-1].id]  # type: ignore[attr-defined]
    if key == "broadcast":
        return Broadcast(_build(operands[0], found, scalar), lanes)
    base = _build(operands[0], found, scalar)
    return Ramp(base, _build(operands[1], found, base.dtype), lanes)


def _operation(op: str, a: Any, b: Any) -> Expr:
    first, second = _scalar(a), _scalar(b)
    if type(first) is Const and type(second) is Const:
        folded = fold(op, first, second)
        if folded is None:
            raise _Unfit
        return folded if type(a) is Const else Broadcast(folded, a.lanes)
    dtype = vector_of("bool", lanes_of(a.dtype)) if op in COMPARISON or op in LOGIC else a.dtype
    return Binary(op, a, b, dtype)

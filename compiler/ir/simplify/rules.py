"""The rewrite rules of the simplifier, as a table.

A rule consists of three texts: the pattern, the result, and the conditions that must be proved. In them

- ``x``, ``y``, ``z``, ``w`` and ``p`` match any expression; all occurrences of a name match equal
  expressions;
- ``c``, ``d`` and ``e`` match literals, and broadcasts of literals;
- ``n`` is a number of lanes;
- ``exact(value)`` holds if the outermost operation of `value` does not wrap around.

A rule applies to the types of ``x`` that it names, scalars and vectors, and must keep the value for all of
them: integers that wrap around, division by zero, NaN, infinity and the sign of zero included. Arithmetic on
literals is done when a rule is applied; a rule whose literals would wrap around is not applied. A rule may
remove a read outside of a buffer, but must never add one.

Sums of indices have no rules: `compiler.ir.simplify.canonical` defines their form.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from compiler.ir.expr import Expr
from compiler.ir.operators import COMPARISON, LOGIC, MIRRORED, NEGATED
from compiler.ir.simplify.pattern import (
    ANY,
    BOOL,
    FLOAT,
    INT,
    NUMBER,
    OTHER,
    Compiled,
    Prover,
    Rule,
    compiled,
    key_of,
)

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
    Rule("x // 0", "0", kinds=OTHER),
    Rule("x % 0", "0", kinds=OTHER),
    Rule("x // c", "0", "0 <= x and x < c", kinds=OTHER),
    Rule("x % c", "x", "0 <= x and x < c", kinds=OTHER),
    # only identities that keep roundings, NaN and the sign of zero
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
    # a minimum or maximum with a literal, compared with a literal
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
    # a comparison of a quotient with a literal is one of the dividend with its multiple
    Rule("x // c < d", "x < d * c", "0 < c"),
    Rule("x // c >= d", "x >= d * c", "0 < c"),
    Rule("x // c <= d", "x < (d + 1) * c", "0 < c"),
    Rule("x // c > d", "x >= (d + 1) * c", "0 < c"),
]

_LOGIC = [
    Rule("not True", "False"),
    Rule("not False", "True"),
    Rule("not not x", "x", kinds=BOOL),
    *(Rule(f"not x {op} y", f"x {NEGATED[op]} y") for op in ("<", "<=", ">", ">=")),
    # of floats only == and != can be negated, since NaN is neither less nor greater nor equal
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
    *(Rule(f"x {op} y and x {no} y", "False") for op, no in NEGATED.items()),
    *(Rule(f"x {op} y or x {no} y", "True") for op, no in NEGATED.items()),
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
    # of floats these drop a NaN in x, which `min` and `max` keep
    Rule("select(x < y, x, y)", "min(x, y)"),
    Rule("select(x > y, x, y)", "max(x, y)"),
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
    # a stride that the divisor divides; lanes that all have the quotient of the first
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
    # a comparison that holds for the first and for the last lane holds for all
    *(
        Rule(
            f"ramp(x, y, n) {op} broadcast(z, n)",
            result,
            f"x {test} z and {_LAST} {test} z and exact(ramp(x, y, n))",
        )
        for op in ("<", "<=", ">", ">=")
        for result, test in (("True", op), ("False", NEGATED[op]))
    ),
    *(
        Rule(f"broadcast(z, n) {op} ramp(x, y, n)", f"ramp(x, y, n) {MIRRORED[op]} broadcast(z, n)")
        for op in COMPARISON
    ),
]

RULES: tuple[Rule, ...] = tuple(_ARITHMETIC + _BITS + _EXTREMES + _COMPARISONS + _LOGIC + _CHOICES + _VECTORS)
"""All rules; the first one that matches an expression is applied."""


def rewrite(node: Expr, prover: Prover) -> Expr | None:
    """The result of the first rule that applies to `node`; None if there is none."""
    for made in _table().get(key_of(node), ()):
        result = made.apply(node, prover)
        if result is not None:
            return result
    return None


@cache
def _table() -> Mapping[str, list[Compiled]]:
    """The rules by the keys of their patterns."""
    table: dict[str, list[Compiled]] = {}
    for rule in RULES:
        made = compiled(rule)
        table.setdefault(made.key, []).append(made)
    return table

"""Every rule of the table keeps the value, for all values of the variables."""

from __future__ import annotations

import ast
from itertools import product

import numpy as np
import pytest

from compiler.ir.dtype import integer_range, vector_of
from compiler.ir.expr import Binary, Broadcast, Buffer, Const, Expr, Load, Not, Ramp, Var
from compiler.ir.function import PrimFunc
from compiler.ir.semantics.interpret import interpret
from compiler.ir.semantics.verify import verify
from compiler.ir.simplify.pattern import Rule, build, compiled, parse
from compiler.ir.simplify.rules import RULES, rewrite
from compiler.ir.simplify.simplify import Simplifier, simplify
from compiler.ir.stmt import For, Let, Seq, Stmt, Store
from compiler.ir.text import print_expr

TYPES = {"int": ("int8", "uint8"), "index": ("int32", "int64"), "float": ("float32",), "bool": ("bool",)}
FLOATS = (0.0, -0.0, 1.0, -1.5, float("inf"), float("-inf"), float("nan"))
APPLICATIONS = 4  # of a rule, for each type


def values_of(dtype: str) -> tuple:
    if dtype == "bool":
        return False, True
    if dtype.startswith("float"):
        return FLOATS
    low, high = integer_range(dtype)
    return tuple(v for v in (low, low + 1, -3, -1, 0, 1, 2, 5, 7, high - 1, high) if low <= v <= high)


def names_in(*texts: str) -> set[str]:
    nodes = (node for text in texts if text for node in ast.walk(parse(text)))
    return {node.id for node in nodes if isinstance(node, ast.Name) and len(node.id) == 1}


def instances(rule: Rule, dtype: str, lanes: int):
    """Instances of a rule: the pattern with variables and literals, their ranges, and the result."""
    rng = np.random.default_rng(0)
    made = compiled(rule)
    names = sorted(names_in(rule.pattern))
    inside = "ramp" in rule.pattern or "broadcast" in rule.pattern
    whole = 1 if inside and "broadcast(p" not in rule.pattern else lanes
    numbers = values_of(dtype)
    # the type of literals without another operand
    outer = "bool" if any(t in rule.pattern for t in ("True", "False")) else dtype
    for _ in range(600):
        found: dict = {}
        ranges = {}
        for name in names:
            if name == "n":
                found[name] = lanes
            elif name in "cde":
                found[name] = Const(numbers[rng.integers(len(numbers))], dtype)
            elif name == "p":
                found[name] = Var("p", vector_of("bool", 1 if inside or rng.random() < 0.5 else lanes))
            else:
                found[name] = Var(name, vector_of(dtype, whole))
                if name == "y" and any(op in rule.pattern for op in ("//", "%", "<<", ">>")):
                    ranges[found[name]] = (1, 6)
                elif dtype in ("int8", "uint8", "int32", "int64") and rng.random() < 0.8:
                    low = int(rng.choice([0, 0, 0, 5, 8, 40]))
                    ranges[found[name]] = (low, low + int(rng.choice([0, 1, 3])))
        pattern = build(parse(rule.pattern), found, vector_of(outer, whole))
        result = made.apply(pattern, Simplifier(ranges))
        if result is not None:
            variables = [v for v in found.values() if type(v) is Var]
            yield pattern, result, variables, {v: ranges.get(v) for v in variables}


def run(forms: tuple[Expr, Expr], variables: list[Var], known: dict) -> list[np.ndarray]:
    """The values of two expressions for all special values of their variables."""
    choices = []
    for var in variables:
        scalar = var.dtype.split("x")[0]
        values = values_of(scalar)
        if known[var] is not None:
            values = tuple(range(known[var][0], known[var][1] + 1))
        choices.append(values)
    cases = list(product(*choices))
    if len(cases) > 300:
        cases = [cases[i] for i in np.random.default_rng(1).choice(len(cases), 300, replace=False)]
    k, one = Var("k"), Const(1)
    inputs, arrays, lets = [], [], []
    for position, var in enumerate(variables):
        lanes = int((var.dtype + "x1").split("x")[1])
        scalar = var.dtype.split("x")[0]
        column = [case[position] for case in cases]
        # the lanes of a vector are the values of the next cases
        table = np.array(
            [column[(row + lane) % len(column)] for row in range(len(column)) for lane in range(lanes)]
        )
        buffer = Buffer(var.name, (len(cases) * lanes,), scalar)
        at = k if lanes == 1 else Ramp(k * lanes, one, lanes)
        inputs.append(buffer)
        arrays.append(table.astype(scalar))
        lets.append((var, Load(buffer, (at,))))
    lanes = int((forms[0].dtype + "x1").split("x")[1])
    scalar = forms[0].dtype.split("x")[0]
    at = k if lanes == 1 else Ramp(k * lanes, one, lanes)
    outputs = [Buffer(name, (len(cases) * lanes,), scalar) for name in ("before", "after")]
    body: Stmt = Seq(tuple(Store(out, (at,), form) for out, form in zip(outputs, forms, strict=True)))
    for var, value in lets:
        body = Let(var, value, body)
    func = PrimFunc("f", (*inputs, *outputs), For(k, Const(len(cases)), "serial", body))
    verify(func)
    results = [np.zeros(len(cases) * lanes, scalar) for _ in outputs]
    interpret(func, *arrays, *results)
    return results


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.pattern} -> {rule.result}")
def test_a_rule_keeps_the_value(rule: Rule) -> None:
    applied = 0
    kinds = rule.kinds if "x" in names_in(rule.pattern) else ("int",)
    for dtype in (dtype for kind in sorted(kinds) for dtype in TYPES[kind]):
        for lanes in (1, 4):
            if lanes == 1 and "n" in names_in(rule.pattern):
                continue
            for number, (pattern, result, variables, known) in enumerate(instances(rule, dtype, lanes)):
                if number == APPLICATIONS:
                    break
                applied += 1
                before, after = run((pattern, result), variables, known)
                message = f"{print_expr(pattern)} -> {print_expr(result)} for {known}"
                np.testing.assert_array_equal(before, after, message)
                zero = before == 0
                assert (
                    np.signbit(before[zero]) == np.signbit(after[zero])
                ).all() or before.dtype != "float32"
    assert applied, "the rule is never applied"


def test_rules_are_distinct() -> None:
    assert len({rule.pattern + rule.given for rule in RULES}) == len(RULES)


def test_names_are_those_of_the_pattern() -> None:
    for rule in RULES:
        assert names_in(rule.result, rule.given) <= names_in(rule.pattern), rule


class Never:
    """A prover that proves no condition."""

    def proves(self, condition):
        return False

    def is_exact(self, value):
        return False


x, y, b = Var("x", "int8"), Var("y", "int8"), Var("b", "bool")
f = Var("f", "float32")


@pytest.mark.parametrize(
    ("expr", "result"),
    [
        (Binary("+", x, Const(0, "int8"), "int8"), "x"),
        (Binary("+", Var("v", "int8x4"), Broadcast(Const(0, "int8"), 4), "int8x4"), "v"),
        (Binary("-", x, x, "int8"), "int8(0)"),
        (Binary("-", f, Const(0.0, "float32"), "float32"), "f"),
        (Binary("-", f, Const(-0.0, "float32"), "float32"), None),
        (Binary("+", f, Const(0.0, "float32"), "float32"), None),
        (Binary("*", f, Const(0.0, "float32"), "float32"), None),
        (Binary("-", f, f, "float32"), None),
        (Binary("==", f, f, "bool"), None),
        (Not(Binary("<", f, f, "bool")), None),
        (Not(Binary("==", f, f, "bool")), "f != f"),
        (Not(Binary("<", x, y, "bool")), "x >= y"),
        (Binary("min", Binary("max", x, Const(5, "int8"), "int8"), Const(3, "int8"), "int8"), "int8(3)"),
        (Binary("min", Binary("max", x, Const(2, "int8"), "int8"), Const(3, "int8"), "int8"), None),
        # d * c would not fit
        (Binary("<", Binary("//", x, Const(64, "int8"), "int8"), Const(2, "int8"), "bool"), None),
        (Binary("<", Binary("//", x, Const(4, "int8"), "int8"), Const(2, "int8"), "bool"), "x < int8(8)"),
        (Binary("and", b, Const(True, "bool"), "bool"), "b"),
        (Binary("+", x, y, "int8"), None),
    ],
    ids=lambda v: "" if v is None or isinstance(v, str) else print_expr(v),
)
def test_rows(expr: Expr, result: str | None) -> None:
    made = rewrite(expr, Never())
    assert (made if made is None else print_expr(made)) == result


def test_literals_match_by_sign_too() -> None:
    zero, negative = Const(0.0, "float32"), Const(-0.0, "float32")
    choice = Binary("min", Binary("+", f, zero, "float32"), Binary("+", f, negative, "float32"), "float32")
    assert print_expr(simplify(choice)) == "min(f + 0.0, f)"

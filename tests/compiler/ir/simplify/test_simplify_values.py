"""Simplification keeps every value: random expressions and whole random programs."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product

import numpy as np
from hypothesis import given, note
from hypothesis import strategies as st

from compiler.ir.calls import call
from compiler.ir.expr import (
    Binary,
    Buffer,
    Const,
    Expr,
    Load,
    Not,
    Ramp,
    Select,
    Var,
    maximum,
)
from compiler.ir.function import PrimFunc
from compiler.ir.semantics.equal import structural_equal
from compiler.ir.semantics.interpret import interpret
from compiler.ir.semantics.verify import verify
from compiler.ir.simplify.simplify import FALSE, TRUE, Simplifier, simplify
from compiler.ir.stmt import For, Seq, Stmt, Store
from compiler.ir.text import print_expr
from compiler.ir.visit import substitute
from tests.compiler.random_programs import functions, random_arrays, vector_values

LOWEST, HIGHEST = -(2**31), 2**31 - 1


@given(data=st.data(), seed=st.integers(0, 2**32))
def test_a_simplified_program_has_the_same_result(data, seed) -> None:
    func = data.draw(functions())
    simple = simplify(func)
    note(f"{func}\n{simple}")
    verify(simple)
    before, after = random_arrays(func.params, seed), random_arrays(func.params, seed)
    interpret(func, *before)
    interpret(simple, *after)
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)
    assert structural_equal(simplify(simple), simple)


@given(data=st.data(), seed=st.integers(0, 2**32))
def test_a_vector_keeps_its_value(data, seed) -> None:
    params, value = data.draw(vector_values())
    scalar, lanes = value.dtype.split("x")
    outs = [Buffer(name, (int(lanes),), scalar) for name in ("before", "after")]
    at = (Ramp(Const(0), Const(1), int(lanes)),)
    simple = simplify(value)
    note(f"{print_expr(value)}   ->   {print_expr(simple)}")
    func = PrimFunc("f", (*params, *outs), Seq((Store(outs[0], at, value), Store(outs[1], at, simple))))
    verify(func)
    arrays = random_arrays(func.params, seed)
    interpret(func, *arrays)
    np.testing.assert_array_equal(arrays[-2], arrays[-1])
    zero = arrays[-1] == 0
    np.testing.assert_array_equal(np.signbit(arrays[-2][zero] * 1.0), np.signbit(arrays[-1][zero] * 1.0))


@st.composite
def variables(draw: Callable) -> dict[Var, tuple[int, int]]:
    """One to three variables with small ranges, negative ones too."""
    ranges = {}
    for name in "abc"[: draw(st.integers(1, 3))]:
        low = draw(st.sampled_from([0, 0, 0, -1, -5, 3]))
        ranges[Var(name)] = (low, low + draw(st.integers(0, 6)))
    return ranges


@st.composite
def integers(draw: Callable, names: list[Var], depth: int) -> Expr:
    """A random int32 expression; divisors are never zero."""
    if depth == 0 or draw(st.integers(0, 5)) == 0:
        return draw(st.sampled_from(names) | st.integers(-9, 17).map(Const))
    below = integers(names, depth - 1)
    shape = draw(st.sampled_from("+-*///%%mMs"))
    if shape in "/%":
        op = "//" if shape == "/" else "%"
        divisor: Expr = Const(draw(st.sampled_from([1, 2, 3, 4, 6, 8, 12, 16, -3])))
        if draw(st.integers(0, 7)) == 0:
            divisor = maximum(draw(below), 1)
        return Binary(op, draw(below), divisor, "int32")
    if shape == "s":
        condition = draw(conditions(names, depth - 1))
        if draw(st.booleans()):
            return Select(condition, draw(below), draw(below))
        return call("if_then_else", condition, draw(below), draw(below))
    if shape == "*":
        factor = draw(st.integers(-4, 16).map(Const) | below)
        return Binary("*", draw(below), factor, "int32")
    op = {"m": "min", "M": "max"}.get(shape, shape)
    return Binary(op, draw(below), draw(below), "int32")


@st.composite
def conditions(draw: Callable, names: list[Var], depth: int) -> Expr:
    """A random condition on int32 expressions."""
    shape = (
        draw(st.sampled_from(["and", "or", "not", "compare", "compare", "compare"])) if depth else "compare"
    )
    if shape == "not":
        return Not(draw(conditions(names, depth - 1)))
    if shape == "compare":
        op = draw(st.sampled_from(["<", "<=", ">", ">=", "==", "!="]))
        below = integers(names, max(depth - 1, 0))
        return Binary(op, draw(below), draw(below), "bool")
    below = conditions(names, depth - 1)
    return Binary(shape, draw(below), draw(below), "bool")


@st.composite
def fused(draw: Callable, names: list[Var]) -> Expr:
    """Index arithmetic as schedules make it: divisions and remainders of sums of multiples, recombined."""
    total: Expr = Const(draw(st.integers(-8, 8)))
    for name in names:
        total = total + name * draw(st.sampled_from([1, 2, 3, 4, 6, 8, 12, 16]))
    first, second = draw(st.sampled_from([2, 3, 4, 6, 8])), draw(st.sampled_from([2, 3, 4, 6, 8]))
    parts = [total // first, total % first, total // first // second, total // first % second, total % second]
    result: Expr = Const(0)
    for part in draw(st.lists(st.sampled_from(parts), min_size=1, max_size=3)):
        result = result + part * draw(st.sampled_from([1, first, second, first * second, -1]))
    return result // draw(st.sampled_from([1, first, second])) if draw(st.booleans()) else result


def _values(expr: Expr, ranges: dict[Var, tuple[int, int]]) -> np.ndarray:
    """The value of `expr` for every assignment, by the interpreter."""
    extents = [high - low + 1 for low, high in ranges.values()]
    out = Buffer("out", (int(np.prod(extents)),), expr.dtype)
    counters = [Var(v.name) for v in ranges]
    place: Expr = Const(0)
    for counter, extent in zip(counters, extents, strict=True):
        place = Binary("+", Binary("*", place, Const(extent), "int32"), counter, "int32")
    shifted = {
        v: Binary("+", counter, Const(low), "int32")
        for (v, (low, _)), counter in zip(ranges.items(), counters, strict=True)
    }
    body: Stmt = Store(out, (place,), substitute(expr, shifted))
    for counter, extent in zip(reversed(counters), reversed(extents), strict=True):
        body = For(counter, Const(extent), "serial", body)
    result = np.zeros(out.shape, expr.dtype)
    interpret(PrimFunc("main", (out,), body), result)
    return result


def _check(expr: Expr, ranges: dict[Var, tuple[int, int]]) -> None:
    simple = simplify(expr, ranges)
    note(f"{print_expr(expr)}   ->   {print_expr(simple)}   for {ranges}")
    values = _values(expr, ranges)
    np.testing.assert_array_equal(_values(simple, ranges), values)
    if expr.dtype == "int32":
        for form in (expr, simple):
            low, high = Simplifier(ranges).bounds(form)
            assert low <= values.min() and values.max() <= high
    elif simple in (TRUE, FALSE):
        assert (values == simple.value).all()


@given(st.data())
def test_an_integer_keeps_its_value(data: st.DataObject) -> None:
    ranges = data.draw(variables())
    _check(data.draw(integers(list(ranges), 4)), ranges)


@given(st.data())
def test_a_condition_keeps_its_value(data: st.DataObject) -> None:
    ranges = data.draw(variables())
    _check(data.draw(conditions(list(ranges), 3)), ranges)


@given(st.data())
def test_index_arithmetic_keeps_its_value(data: st.DataObject) -> None:
    ranges = data.draw(variables())
    _check(data.draw(fused(list(ranges))), ranges)


@given(st.data())
def test_simplification_is_idempotent(data: st.DataObject) -> None:
    ranges = data.draw(variables())
    once = simplify(data.draw(integers(list(ranges), 4) | fused(list(ranges))), ranges)
    assert print_expr(simplify(once, ranges)) == print_expr(once)


@given(st.data())
def test_sums_of_loaded_values_may_wrap(data: st.DataObject) -> None:
    """A load may be any int32, so a rule must not trust that a sum of them stays in range."""
    a, b = Var("a"), Var("b")
    expr = data.draw(integers([a, b], 3) | conditions([a, b], 3))
    buffer, result = Buffer("data", (2,), "int32"), Buffer("result", (1,), expr.dtype)
    loaded = substitute(expr, {v: Load(buffer, (Const(n),)) for n, v in enumerate((a, b))})
    simple = simplify(loaded)
    note(f"{print_expr(loaded)}   ->   {print_expr(simple)}")
    edges = [LOWEST, LOWEST + 1, -(2**16), -1, 0, 1, 2**30, HIGHEST - 1, HIGHEST]
    for values in product(edges, edges):
        outcome = []
        for form in (loaded, simple):
            out = np.zeros(1, expr.dtype)
            func = PrimFunc("main", (buffer, result), Store(result, (Const(0),), form))
            interpret(func, np.array(values, "int32"), out)
            outcome.append(out[0])
        assert outcome[0] == outcome[1], values

"""Compiled expressions against the interpreter, which defines the language."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compiler.backend import build
from compiler.ir.dtype import INDEX, is_float, vector_of
from compiler.ir.expr import Binary, Broadcast, Buffer, Call, Cast, Const, Expr, Load, Not, Ramp, Select, Var
from compiler.ir.function import PrimFunc
from compiler.ir.semantics.interpret import interpret
from compiler.ir.stmt import For, Seq, Store, sequence
from tests.compiler.backend.llvm.compiled import FLOAT_VALUES, compare

i = Var("i")
INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
FLOATS = ("float32", "float64")
ROWS = 6


class Programs:
    """Draws typed expressions over inputs of every type."""

    def __init__(self, draw: Callable, lanes: int) -> None:
        self.draw, self.lanes = draw, lanes
        self.row = Var("i")
        self.size = ROWS * lanes
        self.inputs = {
            dtype: Buffer(f"in_{dtype}", (self.size,), dtype) for dtype in (*INTEGERS, *FLOATS, "bool")
        }

    def here(self) -> Expr:
        base = self.row * self.lanes
        return base if self.lanes == 1 else Ramp(base, Const(1), self.lanes)

    def lift(self, node: Expr) -> Expr:
        return node if self.lanes == 1 else Broadcast(node, self.lanes)

    def literal(self, dtype: str, value: int | float | bool) -> Expr:
        return self.lift(Const(value, dtype))

    def leaf(self, dtype: str) -> Expr:
        kind = self.draw(st.integers(0, 3))
        if kind == 0:
            if is_float(dtype):
                return self.literal(dtype, self.draw(st.sampled_from(FLOAT_VALUES)))
            if dtype == "bool":
                return self.literal(dtype, self.draw(st.booleans()))
            info = np.iinfo(dtype)
            value = self.draw(st.integers(max(info.min, -20), 20) | st.integers(int(info.min), int(info.max)))
            return self.literal(dtype, max(value, int(info.min)))
        if kind == 1 and dtype == INDEX:
            base = self.row * self.draw(st.sampled_from((1, 3, -5, 2**29)))
            return base if self.lanes == 1 else Ramp(base, Const(self.draw(st.integers(-3, 3))), self.lanes)
        if kind == 2:  # a load from another position
            place: Expr = Binary("%", self.here() * 5 + 3, self.literal(INDEX, self.size), self.here().dtype)
            if self.draw(st.booleans()):
                place = self.lift(Binary("%", self.row * 7, Const(self.size), INDEX))
            return Load(self.inputs[dtype], (place,))
        return Load(self.inputs[dtype], (self.here(),))

    def expr(self, dtype: str, depth: int) -> Expr:
        if depth == 0 or self.draw(st.integers(0, 7)) == 0:
            return self.leaf(dtype)
        kind = vector_of(dtype, self.lanes)
        rule = self.draw(st.integers(0, 9))
        if rule == 0:
            chosen = self.expr("bool", depth - 1), self.expr(dtype, depth - 1), self.expr(dtype, depth - 1)
            return Select(*chosen)
        if rule == 1:
            return self.guarded(dtype, depth)
        if dtype == "bool":
            return self.condition(rule, depth)
        if rule == 2:
            return self.cast(dtype, kind, depth)
        a, b = self.expr(dtype, depth - 1), self.expr(dtype, depth - 1)
        if is_float(dtype):
            if rule == 3:
                return Call(
                    self.draw(st.sampled_from(("abs", "floor", "ceil", "round", "trunc"))), (a,), kind
                )
            if rule == 4:
                return Binary("/", a, self.literal(dtype, self.draw(st.sampled_from((2.0, -4.0, 0.0)))), kind)
            op = self.draw(st.sampled_from(("+", "-", "*", "min", "max")))
            return Binary(op, a, b, kind)
        if rule == 3:
            return Call(self.draw(st.sampled_from(("abs", "popcount"))), (a,), kind)
        if rule in (4, 5):
            op = self.draw(st.sampled_from(("&", "|", "^", "<<", ">>")))
            if op in ("<<", ">>"):
                b = self.amount(b, dtype)
            return Binary(op, a, b, kind)
        op = self.draw(st.sampled_from(("+", "-", "*", "min", "max", "//", "%")))
        if op in ("//", "%"):
            known = self.draw(st.sampled_from((None, 0, 1, 2, 3, 8, 10, -1, -2, -7)))
            if known is not None and np.iinfo(dtype).min <= known:
                b = self.literal(dtype, known)
        return Binary(op, a, b, kind)

    def amount(self, given: Expr, dtype: str) -> Expr:
        """A shift count: a literal, any value, or the lowest bits of one."""
        bits = np.iinfo(dtype).bits
        known = self.draw(st.sampled_from((None, -1, 0, 1, bits // 2, bits - 1, bits, bits + 1)))
        if known == -1:
            return given
        if known is not None:
            return self.literal(dtype, known)
        return Binary("&", given, self.literal(dtype, bits - 1), vector_of(dtype, self.lanes))

    def condition(self, rule: int, depth: int) -> Expr:
        kind = vector_of("bool", self.lanes)
        if rule < 3:
            op = self.draw(st.sampled_from(("and", "or")))
            return Binary(op, self.expr("bool", depth - 1), self.expr("bool", depth - 1), kind)
        if rule == 3:
            return Not(self.expr("bool", depth - 1))
        if rule == 4:
            return Call("isnan", (self.expr(self.draw(st.sampled_from(FLOATS)), depth - 1),), kind)
        dtype = self.draw(st.sampled_from((*INTEGERS, *FLOATS, INDEX, INDEX)))
        op = self.draw(st.sampled_from(("<", "<=", ">", ">=", "==", "!=")))
        return Binary(op, self.expr(dtype, depth - 1), self.expr(dtype, depth - 1), kind)

    def cast(self, dtype: str, kind: str, depth: int) -> Expr:
        # only integers of a few bits become floats, so that products are exact
        sources = ("bool", "int8") if is_float(dtype) else (*INTEGERS, *FLOATS, "bool")
        source = self.draw(st.sampled_from(sources))
        if is_float(dtype) and source == "int8":
            clipped = Binary(
                "%", self.expr("int8", depth - 1), self.literal("int8", 4), vector_of("int8", self.lanes)
            )
            return Cast(clipped, kind)
        return Cast(self.expr(source, depth - 1), kind)

    def guarded(self, dtype: str, depth: int) -> Expr:
        """A load that would be out of bounds in the lanes that the condition leaves out."""
        shift = self.draw(st.integers(-9, 9))
        place = self.here() + shift
        inside = Binary(
            "and",
            Binary(">=", place, self.literal(INDEX, 0), vector_of("bool", self.lanes)),
            Binary("<", place, self.literal(INDEX, self.size), vector_of("bool", self.lanes)),
            vector_of("bool", self.lanes),
        )
        return Call(
            "if_then_else",
            (inside, Load(self.inputs[dtype], (place,)), self.expr(dtype, depth - 1)),
            vector_of(dtype, self.lanes),
        )


@st.composite
def programs(draw: Callable, lanes: int) -> PrimFunc:
    made = Programs(draw, lanes)
    stores, outputs = [], []
    for n, dtype in enumerate(
        draw(st.lists(st.sampled_from((*INTEGERS, *FLOATS, "bool")), min_size=2, max_size=4))
    ):
        out = Buffer(f"out{n}", (made.size,), dtype)
        outputs.append(out)
        value = made.expr(dtype, draw(st.integers(1, 4)))
        stores.append(For(made.row, Const(ROWS), "serial", Store(out, (made.here(),), value)))
    return PrimFunc("random", (*made.inputs.values(), *outputs), sequence(stores))


RANDOM = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@RANDOM
@given(programs(1), st.integers(0, 1000))
def test_random_scalar_expressions(func: PrimFunc, seed: int) -> None:
    compare(func, seed)


@RANDOM
@given(programs(4), st.integers(0, 1000))
def test_random_vectors_of_four(func: PrimFunc, seed: int) -> None:
    compare(func, seed)


@settings(RANDOM, max_examples=25)
@given(programs(16), st.integers(0, 1000))
def test_random_vectors_of_sixteen(func: PrimFunc, seed: int) -> None:
    compare(func, seed)


@settings(RANDOM, max_examples=15)
@given(programs(3), st.integers(0, 1000))
def test_random_vectors_of_an_odd_width(func: PrimFunc, seed: int) -> None:
    compare(func, seed)


# Intrinsics, casts and half floats


@pytest.mark.parametrize("lanes", [1, 16])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["exp", "log", "sqrt", "tanh", "abs", "floor", "ceil", "pow"])
def test_intrinsic(name: str, dtype: str, lanes: int) -> None:
    x, y, out = (Buffer(n, (64,), dtype) for n in ("x", "y", "out"))
    at = i if lanes == 1 else Ramp(i * lanes, Const(1), lanes)
    args = (Load(x, (at,)), Load(y, (at,)))[: 2 if name == "pow" else 1]
    value = Call(name, args, vector_of(dtype, lanes))
    module = build(PrimFunc("f", (x, y, out), For(i, Const(64 // lanes), "serial", Store(out, (at,), value))))
    rng = np.random.default_rng(1)
    a, b = rng.normal(0, 3, 64).astype(dtype), rng.normal(0, 2, 64).astype(dtype)
    a[:4] = np.inf, -np.inf, np.nan, 0
    got = np.zeros(64, dtype)
    module(a, b, got)
    with np.errstate(all="ignore"):
        expected = np.power(a, b) if name == "pow" else getattr(np, name)(a)
    np.testing.assert_allclose(got, expected, rtol=4 * np.finfo(dtype).eps, atol=np.finfo(dtype).tiny)


@pytest.mark.parametrize("lanes", [1, 8])
@pytest.mark.parametrize("target", [*INTEGERS, "bool"])
def test_a_cast_from_a_float_saturates(target: str, lanes: int) -> None:
    values = np.array([0.9, -0.9, 1e30, -1e30, np.inf, -np.inf, np.nan, 200.5], np.float64)
    x, out = Buffer("x", (8,), "float64"), Buffer("out", (8,), target)
    at = i if lanes == 1 else Ramp(i, Const(1), 8)
    body = Store(out, (at,), Cast(Load(x, (at,)), vector_of(target, lanes)))
    expected, got = np.zeros(8, target), np.ones(8, target)
    func = PrimFunc("f", (x, out), For(i, Const(8 // lanes), "serial", body))
    interpret(func, values, expected)
    build(func)(values, got)
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("lanes", [1, 16])
def test_half_floats(lanes: int) -> None:
    x, y, out, wide = (Buffer(n, (32,), "float16") for n in ("x", "y", "out", "wide"))
    wide = Buffer("wide", (32,), "float32")
    at = i if lanes == 1 else Ramp(i * lanes, Const(1), lanes)
    a, b = Load(x, (at,)), Load(y, (at,))
    body = Seq((Store(out, (at,), a * b), Store(wide, (at,), Cast(a + b, vector_of("float32", lanes)))))
    module = build(PrimFunc("f", (x, y, out, wide), For(i, Const(32 // lanes), "serial", body)))
    rng = np.random.default_rng(2)
    p, q = rng.normal(size=32).astype("f2"), rng.normal(size=32).astype("f2")
    got, got_wide = np.zeros(32, "f2"), np.zeros(32, "f4")
    module(p, q, got, got_wide)
    np.testing.assert_array_equal(got, p * q)
    np.testing.assert_array_equal(got_wide, (p + q).astype("f4"))


@pytest.mark.parametrize("dtype", [*FLOATS, "float16"])
@pytest.mark.parametrize("value", [0.1, -0.0, 1e300, float("inf"), float("nan"), 1e-320])
def test_float_literal(value: float, dtype: str) -> None:
    out = Buffer("out", (1,), dtype)
    got = np.ones(1, dtype)
    build(PrimFunc("f", (out,), Store(out, (Const(0),), Const(value, dtype))))(got)
    with np.errstate(over="ignore"):
        expected = np.array([value]).astype(dtype)
    np.testing.assert_array_equal(got, expected)
    assert np.isnan(value) or np.signbit(got[0]) == np.signbit(expected[0])


@pytest.mark.parametrize("dtype", INTEGERS)
def test_a_division_by_zero_does_not_end_the_process(dtype: str) -> None:
    x, quotient, rest = (Buffer(n, (4,), dtype) for n in ("x", "quotient", "rest"))
    body = Seq(
        (
            Store(quotient, (i,), Binary("//", Load(x, (i,)), Const(0, dtype) * Load(x, (i,)), dtype)),
            Store(rest, (i,), Binary("%", Load(x, (i,)), Const(0, dtype) * Load(x, (i,)), dtype)),
        )
    )
    values, a, b = np.array([1, 5, 7, np.iinfo(dtype).min], dtype), np.ones(4, dtype), np.ones(4, dtype)
    build(PrimFunc("f", (x, quotient, rest), For(i, Const(4), "serial", body)))(values, a, b)
    assert not a.any()
    assert not b.any()


# Refusals

OUT = Buffer("out", (4,))
INT = Buffer("int", (4,), "int32")
FLAG = Load(Buffer("flag", (4,), "bool"), (Const(0),))
ONE = Const(1.0, "float32")


@pytest.mark.parametrize(
    ("stmt", "message"),
    [
        (Store(OUT, (Const(0), Const(1)), ONE), r"an access to out: float32\[4\] has 2 indices; flatten it"),
        (Store(OUT, (Const(0),), Load(OUT, ())), r"an access to out: float32\[4\] has 0 indices"),
        (Store(OUT, (i,), ONE), "the variable 'i' is used outside the loop or let that binds it"),
        (Store(OUT, (Const(0),), Const(1)), r"a value of int32 is stored to 1 element\(s\) of out"),
        (Store(OUT, (Const(0),), Broadcast(ONE, 4)), r"a value of float32x4 is stored to 1 element\(s\)"),
        (
            Store(OUT, (Const(0),), Load(Buffer("A", (20,)), (Const(0),))),
            r"the buffer A: float32\[20\] is neither a parameter nor",
        ),
        (
            Store(INT, (Const(0),), Binary("/", Load(INT, (Const(0),)), Const(2), INDEX)),
            "`/` takes floats, not int32",
        ),
        (
            Store(OUT, (Const(0),), Call("gamma", (ONE,), "float32")),
            "the intrinsic 'gamma' of float32 has no LLVM code",
        ),
        (
            Store(OUT, (Const(0),), Cast(Binary("+", FLAG, FLAG, "bool"), "float32")),
            r"`\+` takes numbers, not bool",
        ),
        (
            Store(OUT, (Const(0),), Cast(Broadcast(ONE, 2), "float32")),
            "from float32x2 to float32 changes the number",
        ),
    ],
)
def test_unsupported_nodes_are_refused(stmt: Store, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(PrimFunc("f", (OUT, INT, Buffer("flag", (4,), "bool")), stmt))

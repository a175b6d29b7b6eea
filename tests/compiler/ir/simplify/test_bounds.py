"""Intervals: cases computed by hand, and every value of small types."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from compiler.ir.expr import Binary, Broadcast, Buffer, Call, Cast, Const, Expr, Load, Ramp, Select, Var
from compiler.ir.function import PrimFunc
from compiler.ir.semantics.interpret import interpret
from compiler.ir.simplify.bounds import UNKNOWN, Interval, fits, interval, interval_of_type, meet
from compiler.ir.stmt import For, Store
from compiler.ir.text import print_expr

i, j, n = Var("i"), Var("j"), Var("n", bounds=(1, 64))
u, s, w = Var("u", "uint8"), Var("s", "int8"), Var("w", "int64")
RANGES: dict[Expr, Interval] = {i: (0, 7), j: (-3, 12)}
INT8, UINT8, INT32 = (-128, 127), (0, 255), (-(2**31), 2**31 - 1)


def bounds(expr: Expr) -> Interval:
    return RANGES.get(expr) or interval(expr, bounds)


def op(name: str, a: Expr, b: Expr | int) -> Expr:
    return Binary(name, a, Const(b, a.dtype) if isinstance(b, int) else b, a.dtype)


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        (n, (1, 64)),
        (s, INT8),
        (w, (-(2**63), 2**63 - 1)),
        (Var("f", "float32"), UNKNOWN),
        (Var("b", "bool"), UNKNOWN),
        (Load(Buffer("A", (4,), "uint8"), (i,)), UINT8),
        # a result that wraps may be any value of the type
        (op("+", u, 1), UINT8),
        (op("-", op("%", u, 4), 1), UINT8),
        (op("+", op("%", u, 4), 1), (1, 4)),
        (op("+", w, 1), (-(2**63), 2**63 - 1)),
        (op("//", s, -1), INT8),  # the smallest integer wraps
        (op("//", i, 2), (0, 3)),
        (op("//", j, 4), (-1, 3)),
        (op("%", j, 4), (0, 3)),
        (op("%", i, 100), (0, 7)),
        (op("%", op("+", i, 4), 8), (0, 7)),
        (op("%", i, -4), INT32),
        (op("&", j, 7), (0, 7)),
        (op("&", j, i), (0, 7)),
        (op("&", j, j), INT32),
        (op("|", i, 8), (0, 15)),
        (op("^", i, 3), (0, 7)),
        (op("|", j, 1), INT32),
        (op("<<", i, 2), (0, 28)),
        (op("<<", s, 4), INT8),
        (op(">>", j, 1), (-2, 6)),
        (op(">>", j, i), (-3, 12)),
        (Cast(i, "int8"), (0, 7)),
        (Cast(n, "int64"), (1, 64)),
        (Cast(j, "uint8"), UINT8),
        (Cast(op("+", j, 3), "uint8"), (0, 15)),
        (Cast(Var("b", "bool"), "int32"), (0, 1)),
        (Cast(Const(0.5, "float32"), "uint8"), UINT8),
        (Cast(i, "float32"), UNKNOWN),
        (Select(Const(True, "bool"), i, j), (-3, 12)),
        (Call("abs", (j,), "int32"), (0, 12)),
        (Call("abs", (op("-", i, 9),), "int32"), (2, 9)),
        (Call("abs", (s,), "int8"), INT8),
        (Call("popcount", (s,), "int8"), (0, 8)),
        (Call("popcount", (w,), "int64"), (0, 64)),
        (Ramp(i, Const(2), 4), (0, 13)),
        (Ramp(i, Const(-2), 4), (-6, 7)),
        (Ramp(s, Const(1, "int8"), 4), INT8),
        (Broadcast(j, 4), (-3, 12)),
    ],
    ids=lambda v: "" if isinstance(v, tuple) else print_expr(v),
)
def test_intervals(expr: Expr, expected: Interval) -> None:
    assert bounds(expr) == expected


@pytest.mark.parametrize("name", ["+", "-", "*", "//", "%", "min", "max", "&", "|", "^", "<<", ">>"])
@pytest.mark.parametrize("empty", [(0, -1), (1, 0), (5, 3), (7, -8)])
@pytest.mark.parametrize("other", [(0, 7), (-3, -1), INT32])
def test_an_empty_operand(name: str, empty: Interval, other: Interval) -> None:
    """Code that never runs has empty intervals: no error, and no end outside of the type."""
    for known in ({i: empty, j: other}, {i: other, j: empty}, {i: empty, j: empty}):
        low, high = interval(op(name, i, j), known.__getitem__)
        assert INT32[0] <= low <= INT32[1]
        assert INT32[0] <= high <= INT32[1]


def test_types() -> None:
    assert interval_of_type("int8x4") == INT8
    assert interval_of_type("int4") == UNKNOWN
    assert fits((-128, 127), "int8") and not fits((-128, 128), "int8")
    assert fits(INT32) and not fits((0, 2**31))
    assert not fits(UNKNOWN)
    assert meet((0, 7), (-3, 5)) == (0, 5)


@pytest.mark.parametrize("name", ["+", "-", "*", "//", "%", "min", "max", "&", "|", "^", "<<", ">>"])
@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_every_value_is_inside(name: str, dtype: str) -> None:
    a, b = Var("a", dtype), Var("b", dtype)
    low = -128 if dtype == "int8" else 0
    spans = [(0, 3), (1, 5), (2, 2), (low, low + 3), (low + 120, low + 127)]
    spans += [(-4, 3), (-3, -1)] * (dtype == "int8")
    for first, second in product(spans, spans):
        if name in ("//", "%") and second[0] <= 0 <= second[1] or name in ("<<", ">>") and second[1] > 7:
            continue
        if name in ("<<", ">>") and second[0] < 0:
            continue
        found = interval(Binary(name, a, b, dtype), {a: first, b: second}.__getitem__)
        cells = [np.arange(lo, hi + 1, dtype=dtype) for lo, hi in (first, second)]
        out = np.zeros((len(cells[0]), len(cells[1])), dtype)
        buffers = [
            Buffer("A", cells[0].shape, dtype),
            Buffer("B", cells[1].shape, dtype),
            Buffer("C", out.shape, dtype),
        ]
        value = Binary(name, Load(buffers[0], (i,)), Load(buffers[1], (j,)), dtype)
        body = For(
            i,
            Const(len(cells[0])),
            "serial",
            For(j, Const(len(cells[1])), "serial", Store(buffers[2], (i, j), value)),
        )
        interpret(PrimFunc("f", tuple(buffers), body), *cells, out)
        assert found[0] <= out.min() and out.max() <= found[1], (first, second)

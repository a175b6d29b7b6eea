"""Index arithmetic in 64 bits."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.backend import build
from compiler.ir.dtype import INDEX
from compiler.ir.expr import Binary, Buffer, Cast, Const, Expr, Select, Var
from compiler.ir.function import PrimFunc
from compiler.ir.semantics.interpret import interpret
from compiler.ir.stmt import For, Seq, Store

i = Var("i")


@pytest.mark.parametrize(
    "value",
    [
        (i - 7) // 3,
        (i - 7) % 3,
        (i - 8) // 4,
        (i - 8) % 4,
        (i * 5 - 40) // 7 * 3 + (i * 5 - 40) % 7,
        (i + 3) // 5,
        (i + 3) % 5,
        (i + 20) // 40 + (i + 20) % 40,
        (i - 8) // -3,
        (i - 8) % -3,
        (i + 1) % (i + 2),
        5 - i,
        Binary("min", i - 4, Const(3), INDEX),
        Binary("max", i * 2, Const(9), INDEX),
        Binary("min", i, Const(100), INDEX),
        Binary("max", i, Const(-3), INDEX),
    ],
    ids=str,
)
def test_arithmetic_of_a_loop_variable(value: Expr) -> None:
    out, wide = Buffer("out", (17,), "int32"), Buffer("wide", (17,), "int64")
    body = (Store(out, (i,), value), Store(wide, (i,), Cast(value, "int64")))
    check_ints(PrimFunc("index", (out, wide), For(i, Const(17), "serial", Seq(body))))


@pytest.mark.parametrize("factor", [2**28, 2**30, -(2**30), 2**31 - 1])
def test_arithmetic_that_overflows_wraps_as_its_type_does(factor: int) -> None:
    out = Buffer("out", (17,), "int32")
    value = Select(Binary("<", i * factor, Const(5), "bool"), i * factor // 8, i * factor + 1)
    check_ints(PrimFunc("wraps", (out,), For(i, Const(17), "serial", Store(out, (i,), value))))


@pytest.mark.parametrize("op", ["<", "<=", ">", ">=", "==", "!="])
@pytest.mark.parametrize("bound", [-1, 0, 1, 8, 15, 16, 17])
def test_comparison_of_a_loop_variable(op: str, bound: int) -> None:
    out = Buffer("out", (16, 2), "bool")
    left, right = Binary(op, i, Const(bound), "bool"), Binary(op, Const(bound), i, "bool")
    body = Seq((Store(out, (i * 2,), left), Store(out, (i * 2 + 1,), right)))
    check_ints(PrimFunc("compare", (out,), For(i, Const(16), "serial", body)))


def check_ints(func: PrimFunc) -> None:
    expected = [np.zeros(buffer.shape, buffer.dtype) for buffer in func.params]
    got = [np.ones(buffer.shape, buffer.dtype) for buffer in func.params]
    interpret(func, *expected)
    build(func)(*got)
    for a, b in zip(expected, got, strict=True):
        np.testing.assert_array_equal(b, a)

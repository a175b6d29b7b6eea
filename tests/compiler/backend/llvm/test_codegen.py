"""Statements and loops of compiled functions, and statements without code."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.backend import build
from compiler.ir.calls import call
from compiler.ir.expr import (
    Broadcast,
    Buffer,
    Cast,
    Const,
    Expr,
    Load,
    Ramp,
    Select,
    Var,
    binary,
    const,
)
from compiler.ir.function import Intrinsic, Invoke, PrimFunc
from compiler.ir.stmt import (
    Allocate,
    Barrier,
    For,
    If,
    Let,
    Prefetch,
    Region,
    Seq,
    Stmt,
    Store,
    Token,
)
from tests.compiler.backend.llvm.compiled import loop, same_as_interpreted

i, j, k = Var("i"), Var("j"), Var("k")


# Loops and branches

C = Buffer("C", (60,), "int32")
WHOLE = Region(C, const(0), (60,), (const(1),))
PACKED = Buffer("P", (4,), "int4")


@pytest.mark.parametrize("kind", ["serial", "unroll", "parallel"])
@pytest.mark.parametrize("extent", [0, 1, 2, 7])
def test_loop(kind: str, extent: int) -> None:
    func = PrimFunc("f", (C,), loop(i, extent, Store(C, (i * 2 + 3,), i + 10), kind))
    same_as_interpreted(func, np.zeros(60, np.int32))


@pytest.mark.parametrize("kind", ["serial", "unroll", "parallel"])
def test_a_loop_may_have_an_extent_that_another_loop_gives(kind: str) -> None:
    inner = loop(j, i - 2, Store(C, (i * 8 + j,), i * 100 + j), kind)
    same_as_interpreted(PrimFunc("f", (C,), loop(i, 7, inner)), np.zeros(60, np.int32))


def test_a_loop_may_have_an_extent_that_is_read_from_memory() -> None:
    counts = Buffer("counts", (4,), "int32")
    inner = loop(j, Load(counts, (i,)), Store(C, (i * 10 + j,), j + 1))
    func = PrimFunc("f", (counts, C), loop(i, 4, inner))
    same_as_interpreted(func, np.array([3, 0, -5, 9], np.int32), np.zeros(60, np.int32))


def test_branches() -> None:
    body = If(
        binary("<", i, 4),
        Store(C, (i,), const(1)),
        If(binary("==", i % 3, 0), Seq((Store(C, (i,), const(2)), Store(C, (i + 30,), const(3))))),
    )
    same_as_interpreted(PrimFunc("f", (C,), loop(i, 20, body)), np.zeros(60, np.int32))


def test_branches_that_are_always_or_never_taken() -> None:
    body = Seq(
        (
            If(binary("<", i, 9), Store(C, (i,), const(1)), Store(C, (i,), const(2))),
            If(binary(">", i, 9), Store(C, (i + 10,), const(1)), Store(C, (i + 10,), const(2))),
            If(binary(">", i, 9), Store(C, (i + 20,), const(1))),
        )
    )
    same_as_interpreted(PrimFunc("f", (C,), loop(i, 9, body)), np.zeros(60, np.int32))


def test_an_empty_body() -> None:
    same_as_interpreted(PrimFunc("f", (C,), Seq(())), np.arange(60, dtype=np.int32))


@pytest.mark.parametrize("name", ["exp", "memcpy", "free", "main", "espalier_parallel_launch"])
def test_a_function_may_have_the_name_of_a_library_function(name: str) -> None:
    x, y = Buffer("x", (64,), "float64"), Buffer("y", (64,), "float64")
    body = loop(i, 64, Store(y, (i,), call("exp", Load(x, (i,)))), "parallel")
    values, got = np.linspace(-1, 1, 64), np.zeros(64)
    build(PrimFunc(name, (x, y), body))(values, got)
    np.testing.assert_allclose(got, np.exp(values), rtol=1e-14)


def test_buffers_may_have_any_names() -> None:
    a, b = Buffer("x y.0%", (4,)), Buffer("x y.0%", (4,))
    odd, source, out = Var("begin"), np.arange(4, dtype="f"), np.zeros(4, "f")
    build(PrimFunc("f", (a, b), loop(odd, 4, Store(b, (odd,), Load(a, (odd,))), "parallel")))(source, out)
    np.testing.assert_array_equal(out, source)


# Refusals


@pytest.mark.parametrize(
    ("func", "message"),
    [
        (
            PrimFunc("f", (C,), loop(i, 4, Store(C, (i,), i), "vectorize")),
            "loop over 'i' is of kind 'vectorize'; a pass must have turned it into plain loops",
        ),
        (PrimFunc("f", (C,), loop(i, 4, Store(C, (i,), i), "vthread")), "of kind 'vthread'; a pass must"),
        (
            PrimFunc("f", (C,), loop(i, 4, Store(C, (i,), i), "threadIdx.x")),
            "loop over 'i' is of kind 'threadIdx.x'; a CPU has no blocks of threads: use parallel",
        ),
        (PrimFunc("f", (C,), Barrier()), "a barrier of 'shared' memory: a CPU has no blocks of threads"),
        (
            PrimFunc("f", (C,), Token("push", "load", "compute")),
            "a token from 'load' to 'compute': a CPU has no pipeline stages; build for an accelerator",
        ),
        (
            PrimFunc("f", (C,), Invoke(Intrinsic("gemm", PrimFunc("gemm", (C,), Seq(()))), (WHOLE,))),
            "the intrinsic 'gemm' has no implementation for 'llvm'; give it one, or replace it by its",
        ),
        (
            PrimFunc("f", (PACKED,), Store(PACKED, (const(0),), Const(1, "int4"))),
            r"P: int4\[4\] has a packed type; lower it to bytes",
        ),
        (
            PrimFunc("f", (C,), For(i, const(4), "serial", Store(C, (i,), i), (("unroll", "much"),))),
            "the pragma 'unroll' of the loop over 'i' is a positive number, True or False, not 'much'",
        ),
        (PrimFunc("f g", (C,), Seq(())), "a function is named by an identifier, not 'f g'"),
        (PrimFunc("f", (C, C), Seq(())), r"the buffer C: int32\[60\] is a parameter twice"),
        (
            PrimFunc("f", (C,), Seq((loop(i, 4, Store(C, (i,), i)), Store(C, (i + 1,), i)))),
            "the variable 'i' is used outside the loop or let that binds it",
        ),
        (
            PrimFunc("f", (C,), If(binary("<", Ramp(const(0), const(1), 4), const(2)), Seq(()))),
            "a branch takes one condition, not boolx4",
        ),
    ],
)
def test_unsupported_nodes_are_refused(func: PrimFunc, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(func)


def test_a_buffer_is_out_of_scope_after_its_allocation() -> None:
    scratch = Buffer("scratch", (4,), "int32")
    body = Seq(
        (
            Allocate(scratch, Store(scratch, (const(0),), const(1))),
            Store(C, (const(0),), Load(scratch, (const(0),))),
        )
    )
    with pytest.raises(
        ValueError, match=r"the buffer scratch: int32\[4\] is neither a parameter nor allocated"
    ):
        build(PrimFunc("f", (C,), body))


def test_a_cast_of_a_loop_variable() -> None:
    x = Buffer("x", (40,), "float32")
    same_as_interpreted(
        PrimFunc("f", (x,), loop(i, 40, Store(x, (i,), Cast(i - 20, "float32")))), np.zeros(40, "f")
    )


def test_a_variable_of_another_type() -> None:
    wide = Var("n", "int64")
    x = Buffer("x", (40,), "int64")
    body = For(wide, Const(40, "int64"), "serial", Store(x, (wide,), wide * 2**40))
    same_as_interpreted(PrimFunc("f", (x,), body), np.zeros(40, np.int64))


# Let


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint8", "int32", "uint64", "int64", "float16", "float32"])
@pytest.mark.parametrize("kind", ["serial", "parallel"])
def test_a_let_names_a_value_of_any_type(dtype: str, kind: str, threads: int) -> None:
    a, b = Buffer("A", (40,), dtype), Buffer("B", (40,), dtype)
    x, y = Var("x", dtype), Var("y", dtype)
    body: Stmt = loop(i, 40, Let(y, Load(a, (i,)), Seq((Store(b, (i,), Select(_same(x, y), y, x)),))), kind)
    func = PrimFunc("f", (a, b), Let(x, Load(a, (const(7),)), body))
    values = np.random.default_rng(0).integers(0, 200, 40).astype(np.uint8).view("int8").astype(dtype)
    same_as_interpreted(func, values, np.zeros(40, dtype))


def _same(a: Expr, b: Expr) -> Expr:
    return binary("==", a, b) if a.dtype != "bool" else binary("and", a, b)


def test_a_let_of_a_vector_reaches_into_a_parallel_loop(threads: int) -> None:
    a, b = Buffer("A", (16,)), Buffer("B", (10, 16))
    x = Var("x", "float32x16")
    lanes = Ramp(const(0), const(1), 16)
    store = Store(b, (Ramp(i * 16, const(1), 16),), x * Broadcast(Cast(i, "float32"), 16))
    func = PrimFunc("f", (a, b), Let(x, Load(a, (lanes,)), loop(i, 10, store, "parallel")))
    same_as_interpreted(func, np.arange(16, dtype="f"), np.zeros((10, 16), "f"))


def test_a_let_may_be_an_index() -> None:
    order, a, b = Buffer("order", (9,), "int32"), Buffer("A", (9,)), Buffer("B", (9,))
    x = Var("x")
    body = loop(i, 9, Let(x, Load(order, (i,)), Store(b, (x,), Load(a, (8 - x,)))))
    same_as_interpreted(
        PrimFunc("f", (order, a, b), body),
        np.random.default_rng(0).permutation(9).astype("i4"),
        np.arange(9, dtype="f"),
        np.zeros(9, "f"),
    )


def test_a_let_is_out_of_scope_after_its_body() -> None:
    x = Var("x", "float32")
    a = Buffer("A", (4,))
    body = Seq((Let(x, Load(a, (const(0),)), Seq(())), Store(a, (const(1),), x)))
    with pytest.raises(ValueError, match="the variable 'x' is used outside the loop or let that binds it"):
        build(PrimFunc("f", (a,), body))


# Dynamic extents


@pytest.mark.parametrize("kind", ["serial", "parallel"])
@pytest.mark.parametrize("rows", [1, 5, 64])
def test_a_dynamic_extent_gets_its_value_from_the_call(rows: int, kind: str, threads: int) -> None:
    n = Var("n", bounds=(1, 64))
    a, b = Buffer("A", (n, 8)), Buffer("B", (8, n))
    body = loop(i, n, loop(j, 8, Store(b, (j * n + i,), Load(a, (i * 8 + j,)))), kind)
    same_as_interpreted(
        PrimFunc("f", (a, b), body),
        np.random.default_rng(0).random((rows, 8), "f"),
        np.zeros((8, rows), "f"),
    )


def test_two_dynamic_extents_of_one_name() -> None:
    n, m = Var("n", bounds=(0, 9)), Var("n", bounds=(1, 9))
    a, b = Buffer("A", (n, m), "int32"), Buffer("B", (m, n), "int32")
    rows = loop(i, n, loop(j, m, Store(b, (j * n + i,), Load(a, (i * m + j,)) + n * 100 + m)))
    same_as_interpreted(
        PrimFunc("f", (a, b), rows), np.arange(12, dtype="i4").reshape(3, 4), np.zeros((4, 3), "i4")
    )
    build(PrimFunc("f", (a, b), rows))(np.zeros((0, 4), "i4"), np.zeros((4, 0), "i4"))


def test_a_dynamic_extent_of_one_value_is_a_literal() -> None:
    n = Var("n", bounds=(6, 6))
    a = Buffer("A", (n,), "int32")
    func = PrimFunc("f", (a,), loop(i, n, Store(a, (i,), i * n)))
    assert "%n." not in build(func).source("llvm")
    same_as_interpreted(func, np.zeros(6, "i4"))


def test_bounds_of_a_dynamic_extent_are_in_the_text() -> None:
    n = Var("n", bounds=(2, 64))
    a = Buffer("A", (n, 8))
    text = build(PrimFunc("f", (a,), loop(i, n, Store(a, (i,), const(1.0))))).source("llvm")
    assert "i64 noundef range(i64 2, 65) %n" in text
    assert "dereferenceable(64)" in text  # two rows at least
    assert "sext" not in text


def test_division_by_a_dynamic_extent() -> None:
    n = Var("n", bounds=(1, 7))
    a, b = Buffer("A", (n,), "int32"), Buffer("B", (40,), "int32")
    body = loop(i, 40, Store(b, (i,), i // n * 1000 + i % n * 10 + (i - 20) // n))
    same_as_interpreted(PrimFunc("f", (a, b), body), np.zeros(3, "i4"), np.zeros(40, "i4"))


# Prefetches and intrinsics


def test_prefetch() -> None:
    a, b = Buffer("A", (40,)), Buffer("B", (40,))
    ahead = Seq((Prefetch(a, (i + 1000,)), Store(b, (i,), Load(a, (i,)))))
    func = PrimFunc("f", (a, b), loop(i, 40, ahead))
    same_as_interpreted(func, np.arange(40, dtype="f"), np.zeros(40, "f"))
    assert "prefetcht0" in build(func, "llvm -mtriple=x86_64-linux-gnu -mcpu=haswell").source("asm")


def test_an_intrinsic_with_an_implementation() -> None:
    a, b = Buffer("a", (4,), "int32"), Buffer("b", (4,), "int32")
    description = PrimFunc("double", (a, b), loop(i, 4, Store(b, (i,), Load(a, (i,)) * 2)))

    def implementation(source: Region, target: Region) -> Stmt:
        lanes = [Ramp(region.offset, const(1), 4) for region in (source, target)]
        return Store(target.buffer, (lanes[1],), Load(source.buffer, (lanes[0],)) << 1)

    double = Intrinsic("double", description, {"llvm": implementation})
    regions = [Region(C, i * 4 + offset, (4,), (const(1),)) for offset in (0, 28)]
    same_as_interpreted(PrimFunc("f", (C,), loop(i, 7, double(*regions))), np.arange(60, dtype="i4"))


def test_a_loop_may_count_in_any_integer_type() -> None:
    for dtype in ("int8", "uint8", "int16", "uint32", "uint64"):
        count = Var("n", dtype)
        x = Buffer("x", (20,), dtype)
        body = For(count, Const(20, dtype), "serial", Store(x, (count,), count * 13))
        same_as_interpreted(PrimFunc("f", (x,), body), np.zeros(20, dtype))

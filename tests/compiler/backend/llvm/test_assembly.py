"""The text that LLVM is given, and the assembly that it makes for named targets."""

from __future__ import annotations

import re

import numpy as np
import pytest

from compiler import te
from compiler.backend import build
from compiler.backend.llvm.codegen import generate
from compiler.backend.llvm.machine import Machine
from compiler.driver import lower
from compiler.ir.expr import Broadcast, Buffer, Expr, Load, Ramp, Var, binary, const
from compiler.ir.function import PrimFunc
from compiler.ir.stmt import (
    Allocate,
    If,
    Let,
    Seq,
    Stmt,
    Store,
    sequence,
)
from tests.compiler.backend.llvm.compiled import NEON, X86, loop, same_as_interpreted

i, j, k = Var("i"), Var("j"), Var("k")


def tile(rows: int, vectors: int, lanes: int) -> PrimFunc:
    """C = A^T B for a register tile: of `rows` rows by `vectors` vectors of `lanes` floats."""
    columns = vectors * lanes
    a, b = Buffer("A", (512, rows)), Buffer("B", (512, columns))
    c, sums = Buffer("C", (rows, columns)), Buffer("tile", (rows * columns,), "float32", "local")

    def each(statement: type | object) -> Stmt:
        return sequence(statement(r, v) for r in range(rows) for v in range(vectors))  # type: ignore[operator]

    def at(r: int, v: int) -> Expr:
        return Ramp(const(r * columns + v * lanes), const(1), lanes)

    def update(r: int, v: int) -> Stmt:
        left = Broadcast(Load(a, (k * rows + r,)), lanes)
        right = Load(b, (Ramp(k * columns + v * lanes, const(1), lanes),))
        return Store(sums, (at(r, v),), Load(sums, (at(r, v),)) + left * right)

    body = Seq(
        (
            each(lambda r, v: Store(sums, (at(r, v),), Broadcast(const(0.0), lanes))),
            loop(k, 512, each(update)),
            each(lambda r, v: Store(c, (at(r, v),), Load(sums, (at(r, v),)))),
        )
    )
    return PrimFunc("tile", (a, b, c), Allocate(sums, body))


# tiles that fit the registers: rows * vectors + vectors + 1 of 32 (AVX-512, NEON) or 16 (AVX2)
@pytest.mark.parametrize(
    ("target", "rows", "vectors", "lanes", "multiply_add", "memory"),
    [
        (X86 + "x86-64-v4", 6, 4, 16, r"vfmadd\w+ps\t.*%zmm", r"vmov\w+\t.*\)$"),
        (X86 + "x86-64-v4", 14, 2, 16, r"vfmadd\w+ps\t.*%zmm", r"vmov\w+\t.*\)$"),
        (X86 + "x86-64-v3", 6, 2, 8, r"vfmadd\w+ps\t.*%ymm", r"vmov\w+\t.*\)$"),
        (X86 + "x86-64-v3", 4, 3, 8, r"vfmadd\w+ps\t.*%ymm", r"vmov\w+\t.*\)$"),
        (NEON, 6, 4, 4, r"fmla\tv\d+\.4s", r"st[rp]\tq"),
    ],
)
def test_accumulators_stay_in_registers(
    target: str, rows: int, vectors: int, lanes: int, multiply_add: str, memory: str
) -> None:
    """The loop over k multiplies and adds without a store, and without a product that is rounded."""
    loops = inner_loops(build(tile(rows, vectors, lanes), target).source("asm"))
    hot = max(loops, key=lambda lines: sum(bool(re.match(multiply_add, line)) for line in lines))
    assert sum(bool(re.match(multiply_add, line)) for line in hot) >= rows * vectors
    assert not [line for line in hot if re.match(memory, line)]
    assert not [line for line in hot if re.match(r"v?f?(mul|add)(ps|\tv)", line)]


@pytest.mark.parametrize("lanes", [4, 8, 16])
def test_a_register_tile_computes_a_product(lanes: int) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.random((512, 4), np.float32), rng.random((512, 3 * lanes), np.float32)
    got = np.zeros((4, 3 * lanes), "f")
    build(tile(4, 3, lanes))(x, y, got)
    np.testing.assert_allclose(got, x.T @ y, rtol=1e-5)


def test_attributes_and_flags_of_the_text() -> None:
    a, b = Buffer("a", (64,)), Buffer("b", (64,))
    here = Ramp(i * 16, const(1), 16)
    body = loop(i, 4, Store(b, (here,), Load(a, (here,)) * 2.0 + 1.0), "parallel")
    func = PrimFunc("f", (a, b), body)
    text = generate(func, Machine.parse("llvm -mtriple=x86_64-unknown-linux-gnu -mcpu=znver4")).text
    assert text.count("ptr noalias nonnull noundef align 4 dereferenceable(256)") == 4
    assert "fmul contract <16 x float>" in text
    assert "fadd contract <16 x float>" in text
    assert '"prefer-vector-width"="512"' in text
    assert "inttoptr" not in text
    assert "sext" not in text
    narrow = generate(func, Machine.parse("llvm -mtriple=x86_64-unknown-linux-gnu -mcpu=haswell")).text
    assert "prefer-vector-width" not in narrow


def test_index_arithmetic_is_hoisted() -> None:
    """The inner loop has one sum for both accesses; equal arithmetic is written once."""
    a, b = Buffer("a", (4000,)), Buffer("b", (4000,))
    here = i * 100 + k * 7 + j * 10
    body = Store(b, (here,), Load(a, (here,)) + Load(a, (here + 3,)))
    func = PrimFunc("f", (a, b), loop(i, 30, loop(j, 10, loop(k, 8, body))))
    text = generate(func, Machine.parse("llvm")).text
    outer, middle, inner = (re.split(r"for_[ijk]\.\d+:", text)[n] for n in (1, 2, 3))
    assert [part.count("mul nsw") for part in (outer, middle, inner)] == [1, 1, 1]
    assert [part.count("add nsw") for part in (outer, middle, inner)] == [0, 1, 1]
    same_as_interpreted(func, np.arange(4000, dtype="f"), np.zeros(4000, "f"))


def test_a_load_is_repeated_only_after_a_store() -> None:
    a, b = Buffer("a", (8,)), Buffer("b", (8,))
    stmts = [
        Store(b, (const(0),), Load(a, (const(1),)) + Load(a, (const(1),))),
        Store(b, (const(1),), Load(a, (const(1),)) * Load(b, (const(0),))),
        Store(a, (const(1),), Load(b, (const(0),))),
        Store(b, (const(2),), Load(a, (const(1),)) + Load(b, (const(1),))),
    ]
    func = PrimFunc("f", (a, b), Seq(tuple(stmts)))
    inner = generate(func, Machine.parse("llvm")).text.split("define void")[0]
    # a[1] before and after the store to a; b[0] after each store to b; b[1]
    assert inner.count("load float") == 2 + 2 + 1
    same_as_interpreted(func, np.arange(8, dtype="f"), np.ones(8, "f"))


def test_a_shared_expression_below_two_loops_over_one_variable() -> None:
    """The same node below two loops over one variable, one of which runs once."""
    a = Buffer("a", (60,), "int32")
    node = i * 10 + 5
    store = Store(a, (node,), i + 1)
    func = PrimFunc("f", (a,), Seq((loop(i, 1, store), loop(i, 5, store), Let(i, const(2), store))))
    same_as_interpreted(func, np.zeros(60, "int32"))


def test_one_value_may_be_named_twice() -> None:
    """Two lets of one load: arithmetic computed in the scope of the first is not available in the second."""
    a, b, c = (Buffer(name, (8,), "int64") for name in "abc")
    m, n = Var("m", "int64"), Var("n", "int64")
    value = Load(a, (const(3),))
    stmts = (Let(m, value, Store(b, (m,), m)), Let(n, value, Store(c, (n,), n)))
    func = PrimFunc("f", (a, b, c), loop(i, 2, Seq(stmts)))
    same_as_interpreted(func, np.arange(8), np.zeros(8, "int64"), np.zeros(8, "int64"))


def test_an_intermediate_address_may_be_outside() -> None:
    """The sum of the varying terms is beyond the buffer, and the constant offset returns into it."""
    a = Buffer("a", (16,), "int32")
    inside = If(binary(">=", i, const(20)), Store(a, (i - 20,), i))
    func = PrimFunc("f", (a,), loop(i, 36, inside))
    assert "getelementptr inbounds" not in generate(func, Machine.parse("llvm")).text.split("define void")[0]
    same_as_interpreted(func, np.zeros(16, "int32"))


def inner_loops(asm: str) -> list[list[str]]:
    """The instructions between each label and a jump back to it."""
    lines = [line.strip() for line in asm.splitlines()]
    labels = {line[:-1]: n for n, line in enumerate(lines) if line.endswith(":")}
    found = []
    for n, line in enumerate(lines):
        target = line.split()[-1] if re.match(r"j|b\.?\w*\t|cbn?z\t|tbn?z\t", line) else ""
        if labels.get(target, n) < n:
            found.append(lines[labels[target] : n + 1])
    return found


@pytest.mark.parametrize("target", ["x86-64-v3", "x86-64-v4"])
@pytest.mark.parametrize("dtype", ["uint8", "int32", "uint32", "int64", "uint64"])
def test_rows_named_by_an_index_of_any_type_are_read_as_vectors(dtype: str, target: str) -> None:
    table, index = te.placeholder((1000, 64), "table"), te.placeholder((32, 8), "index", dtype)
    k = te.reduce_axis((0, 8), "k")
    out = te.compute((32, 64), lambda i, j: te.sum(table[index[i, k], j], axis=k), "out")
    s = te.create_schedule(out.op)
    i, j = out.op.axis
    j, lane = s[out].split(j, 16)
    s[out].reorder(i, j, k, lane)
    s[out].vectorize(lane)
    func = lower(s, [table, index, out])
    text = build(func, X86 + target).source("llvm")
    assert "gather" not in text
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 128, (32, 8)).astype(dtype)
    same_as_interpreted(func, rng.integers(0, 9, (1000, 64)).astype("f"), rows, np.zeros((32, 64), "f"))


@pytest.mark.parametrize("dtype", ["int32", "int64"])
def test_rows_named_by_an_index_are_read_as_vectors_under_a_mask(dtype: str) -> None:
    table, index = te.placeholder((40, 20), "table"), te.placeholder((8,), "index", dtype)
    out = te.compute(
        (8, 32), lambda i, j: te.if_then_else(j < 20, table[index[i], te.minimum(j, 19)], -1.0), "out"
    )
    ragged = te.compute((8, 32), lambda i, j: te.if_then_else(j < 20, table[index[i], j], -1.0), "ragged")
    for result in (out, ragged):
        s = te.create_schedule(result.op)
        s[result].vectorize(result.op.axis[1])
        func = lower(s, [table, index, result])
        if result is ragged:
            assert "gather" not in build(func, X86 + "x86-64-v4").source("llvm")
        rows = np.array([3, 0, 39, 7, 7, 21, 1, 38], dtype)
        arrays = np.arange(800, dtype="f").reshape(40, 20), rows, np.zeros((8, 32), "f")
        same_as_interpreted(func, *arrays)


@pytest.mark.parametrize(
    ("target", "instructions"),
    [("x86-64-v3", r"vunpck[lh]ps"), ("x86-64-v4", r"vpermt2ps|vpermi2ps|vunpck[lh]ps")],
)
def test_the_parts_of_a_complex_product_are_interleaved(target: str, instructions: str) -> None:
    a, b = te.placeholder((256, 2), "a"), te.placeholder((256, 2), "b")

    def part(i: Expr, c: Expr) -> Expr:
        real = a[i, 0] * b[i, 0] - a[i, 1] * b[i, 1]
        return te.select(te.equal(c, 0), real, a[i, 0] * b[i, 1] + a[i, 1] * b[i, 0])

    out = te.compute((256, 2), part, "out")
    s = te.create_schedule(out.op)
    i, c = out.op.axis
    i, lane = s[out].split(i, 16)
    s[out].reorder(i, c, lane)
    s[out].unroll(c)
    s[out].vectorize(lane)
    func = lower(s, [a, b, out])
    module = build(func, X86 + target)
    assert not re.search("gather|scatter", module.source("llvm"))
    assert re.search(instructions, module.source("asm"))
    assert not re.search(r"vextract\w*ps|vmovss\t", module.source("asm"))
    values = np.random.default_rng(0).integers(-9, 9, (2, 256, 2)).astype("f")
    same_as_interpreted(func, *values, np.zeros((256, 2), "f"))

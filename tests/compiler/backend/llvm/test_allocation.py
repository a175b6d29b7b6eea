"""Buffers of a function: stack, workspace and parallel loops."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.backend import build, pipeline
from compiler.backend.llvm.codegen import STACK_BUFFER_BYTES, generate
from compiler.backend.llvm.machine import Machine
from compiler.ir.expr import Buffer, Load, Var, const
from compiler.ir.function import PrimFunc
from compiler.ir.stmt import (
    Allocate,
    Seq,
    Store,
)
from compiler.ir.text import parse_function
from compiler.passes import run
from tests.compiler.backend.llvm.compiled import loop, same_as_interpreted

i, j, k = Var("i"), Var("j"), Var("k")
C = Buffer("C", (60,), "int32")


def through(scratch: Buffer, size: int, outer: str = "serial") -> PrimFunc:
    """B[r, :] = reversed A[r, :], by way of a buffer that is allocated per row."""
    a, b = Buffer("A", (6, size), "int32"), Buffer("B", (6, size), "int32")
    rows = Seq(
        (
            loop(j, size, Store(scratch, (j,), Load(a, (i * size + j,)) + i)),
            loop(k, size, Store(b, (i * size + k,), Load(scratch, (size - 1 - k,)))),
        )
    )
    return PrimFunc("through", (a, b), loop(i, 6, Allocate(scratch, rows), outer))


BIG = STACK_BUFFER_BYTES // 4 + 100


@pytest.mark.parametrize("outer", ["serial", "parallel", "unroll"])
@pytest.mark.parametrize("size", [10, BIG])
@pytest.mark.parametrize("scope", ["local", "global"])
def test_an_allocated_buffer(scope: str, size: int, outer: str, threads: int) -> None:
    func = through(Buffer("scratch", (size,), "int32", scope), size, outer)
    a = np.random.default_rng(0).integers(0, 1000, (6, size), dtype=np.int32)
    b = np.zeros_like(a)
    module = build(func)
    for _ in range(3):
        module(a, b)
    np.testing.assert_array_equal(b, a[:, ::-1] + np.arange(6)[:, None])


def test_workspaces_are_planned() -> None:
    target = Machine.parse("llvm")
    assert generate(through(Buffer("s", (10,), "int32", "global"), 10), target).workspace_bytes == 64
    assert generate(through(Buffer("s", (17,), "int32", "global"), 17), target).workspace_bytes == 128
    assert generate(through(Buffer("s", (10,), "int32", "local"), 10), target).workspace_bytes == 0
    assert generate(through(Buffer("s", (BIG,), "int32", "local"), BIG), target).workspace_bytes >= BIG * 4
    assert generate(through(Buffer("s", (BIG,), "int32"), BIG, "parallel"), target).workspace_bytes == 0


@pytest.mark.parametrize("scope", ["local", "global"])
def test_an_unrolled_body_shares_what_it_allocates(scope: str) -> None:
    """The copies of an allocation in one function are one buffer, with disjoint lifetimes."""
    scratch = Buffer("s", (1000,), "int32", scope)
    once = Allocate(
        scratch, Seq((Store(scratch, (const(7),), const(1)), Store(C, (i,), Load(scratch, (const(7),)))))
    )
    for copies in (1, 50):
        func = PrimFunc("f", (C,), loop(i, 5, Seq((once,) * copies)))
        program = generate(func, Machine.parse("llvm"))
        assert program.workspace_bytes == (4032 if scope == "global" else 0)
        assert program.text.count("alloca [1000 x i32]") == (1 if scope == "local" else 0)


def test_memory_of_a_parallel_loop_is_freed() -> None:
    text = generate(through(Buffer("s", (BIG,), "int32"), BIG, "parallel"), Machine.parse("llvm")).text
    assert text.count("call ptr @aligned_alloc") == text.count("call void @free") == 1


def test_two_workspaces_do_not_overlap() -> None:
    first, second = Buffer("w", (30,), "int32"), Buffer("w", (30,), "int32")
    body = Seq(
        (
            loop(i, 30, Store(first, (i,), i)),
            loop(i, 30, Store(second, (i,), i * 2)),
            loop(i, 30, Store(C, (i,), Load(first, (i,)) + Load(second, (i,)))),
        )
    )
    same_as_interpreted(PrimFunc("f", (C,), Allocate(first, Allocate(second, body))), np.zeros(60, np.int32))


def test_a_parallel_loop_sees_the_buffers_and_loops_around_it(threads: int) -> None:
    workspace, stack = Buffer("w", (40,), "int32"), Buffer("s", (40,), "int32", "local")
    out = Buffer("out", (3, 40), "int32")
    body = Seq(
        (
            loop(j, 40, Seq((Store(workspace, (j,), j * i), Store(stack, (j,), j + i)))),
            loop(
                k,
                40,
                Store(out, (i * 40 + k,), Load(workspace, (k,)) * 1000 + Load(stack, (39 - k,)) + i),
                "parallel",
            ),
        )
    )
    func = PrimFunc("f", (out,), loop(i, 3, Allocate(workspace, Allocate(stack, body))))
    same_as_interpreted(func, np.zeros((3, 40), np.int32))


def test_nested_parallel_loops(threads: int) -> None:
    out = Buffer("out", (30, 20), "int32")
    inner = loop(j, 20, Store(out, (i * 20 + j,), i * 100 + j), "parallel")
    same_as_interpreted(PrimFunc("f", (out,), loop(i, 30, inner, "parallel")), np.zeros((30, 20), np.int32))


@pytest.mark.parametrize("extent", [1, 2, 3, 5, 64, 1000])
def test_every_iteration_of_a_parallel_loop_runs_once(extent: int, threads: int) -> None:
    out = Buffer("out", (extent,), "int64")
    module = build(
        PrimFunc("f", (out,), loop(i, extent, Store(out, (i,), Load(out, (i,)) + i + 1), "parallel"))
    )
    got = np.zeros(extent, np.int64)
    for _ in range(50):
        module(got)
    np.testing.assert_array_equal(got, 50 * (np.arange(extent) + 1))


def test_a_parallel_reduction_per_row(threads: int) -> None:
    a, out, total = Buffer("A", (50, 64)), Buffer("out", (50,)), Buffer("t", (1,), "float32", "local")
    zero = const(0)
    row = Seq(
        (
            Store(total, (zero,), const(0.0)),
            loop(j, 64, Store(total, (zero,), Load(total, (zero,)) + Load(a, (i * 64 + j,)))),
            Store(out, (i,), Load(total, (zero,))),
        )
    )
    values, got = np.random.default_rng(0).random((50, 64), np.float32), np.zeros(50, "f")
    build(PrimFunc("f", (a, out), loop(i, 50, Allocate(total, row), "parallel")))(values, got)
    np.testing.assert_allclose(got, values.sum(1), rtol=1e-5)


def test_stored_parameters_are_recorded() -> None:
    a, b = Buffer("a", (4,)), Buffer("b", (4,))
    copy = loop(i, 4, Store(b, (i,), Load(a, (i,))), "parallel")
    program = generate(PrimFunc("f", (a, b), copy), Machine.parse("llvm"))
    assert program.stored == {1}
    assert program.is_parallel
    assert program.entry == "f"


@pytest.mark.parametrize("kind", ["serial", "vectorize"])
@pytest.mark.parametrize(
    ("dtype", "condition"), [("bool", "F[i]"), ("int32", "F[i] < 3"), ("float32", "F[i] < 3.0")]
)
@pytest.mark.parametrize(
    "use",
    [
        "if {}:\n            C[i] = 1\n        else:\n            C[i] = 2",
        "C[i] = if_then_else({}, 1, 2)",
        "C[i] = select({}, 1, 2)",
        "C[i] = 1 + cast({}, 'int32') % 2",
    ],
)
def test_an_element_that_was_never_stored_has_some_value(use, dtype, condition, kind) -> None:
    text = f"""
    def main(C: int32[8]):
        F = allocate({dtype}[8], "local")
        for i in {"range" if kind == "serial" else kind}(8):
            {use.format(condition).replace(chr(10), chr(10) + "    ")}
    """
    out = np.zeros(8, "int32")
    build(run(parse_function(text), pipeline()))(out)
    assert set(out.tolist()) <= {1, 2}


def test_a_division_and_a_loop_by_an_element_that_was_never_stored() -> None:
    text = """
    def main(C: int32[8], D: int32[8]):
        F = allocate(int32[8], "local")
        for i in range(8):
            D[i] = 7 // (F[i] % 4) + 7 % (F[i] % 4)
            for j in range(F[i] % 4):
                C[i] = C[i] + 1
            C[i] = 9
    """
    out, other = np.zeros(8, "int32"), np.zeros(8, "int32")
    build(run(parse_function(text), pipeline()))(out, other)
    assert out.tolist() == [9] * 8

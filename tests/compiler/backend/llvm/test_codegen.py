"""Statements, memory and parallel loops of compiled functions."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import pytest

from compiler.backend import Target, build
from compiler.backend.llvm.codegen import STACK_BUFFER_BYTES, generate
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
    call,
    const,
)
from compiler.ir.function import Intrinsic, Invoke, PrimFunc
from compiler.ir.semantics.interpret import interpret
from compiler.ir.stmt import (
    Allocate,
    Barrier,
    Copy,
    For,
    If,
    Let,
    Prefetch,
    Region,
    Seq,
    Stmt,
    Store,
    Token,
    sequence,
)
from compiler.runtime import num_threads, set_num_threads

i, j, k = Var("i"), Var("j"), Var("k")


@pytest.fixture(params=[1, 2, 4])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = num_threads()
    set_num_threads(request.param)
    yield request.param
    set_num_threads(before)


def same_as_interpreted(func: PrimFunc, *arrays: np.ndarray) -> None:
    expected = [array.copy() for array in arrays]
    got = [array.copy() for array in arrays]
    interpret(func, *expected)
    build(func)(*got)
    for a, b in zip(expected, got, strict=True):
        np.testing.assert_array_equal(b, a)


def loop(var: Var, extent: int | Expr, body: Stmt, kind: str = "serial") -> For:
    return For(var, const(extent) if isinstance(extent, int) else extent, kind, body)


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


def test_nothing_at_all() -> None:
    same_as_interpreted(PrimFunc("f", (C,), Seq(())), np.arange(60, dtype=np.int32))


@pytest.mark.parametrize("name", ["exp", "memcpy", "free", "main", "espalier_parallel_launch"])
def test_a_function_may_have_the_name_of_one_that_it_calls(name: str) -> None:
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


# Allocations


def through(scratch: Buffer, size: int, outer: str = "serial") -> PrimFunc:
    """B[r, :] = reversed A[r, :], by way of a buffer of its own per row."""
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
def test_a_buffer_of_its_own(scope: str, size: int, outer: str, threads: int) -> None:
    func = through(Buffer("scratch", (size,), "int32", scope), size, outer)
    a = np.random.default_rng(0).integers(0, 1000, (6, size), dtype=np.int32)
    b = np.zeros_like(a)
    module = build(func)
    for _ in range(3):
        module(a, b)
    np.testing.assert_array_equal(b, a[:, ::-1] + np.arange(6)[:, None])


def test_workspaces_are_planned() -> None:
    target = Target.parse("llvm")
    assert generate(through(Buffer("s", (10,), "int32", "global"), 10), target).workspace_bytes == 64
    assert generate(through(Buffer("s", (17,), "int32", "global"), 17), target).workspace_bytes == 128
    assert generate(through(Buffer("s", (10,), "int32", "local"), 10), target).workspace_bytes == 0
    assert generate(through(Buffer("s", (BIG,), "int32", "local"), BIG), target).workspace_bytes >= BIG * 4
    assert generate(through(Buffer("s", (BIG,), "int32"), BIG, "parallel"), target).workspace_bytes == 0


@pytest.mark.parametrize("scope", ["local", "global"])
def test_an_unrolled_body_shares_what_it_allocates(scope: str) -> None:
    """The copies of an allocation in one function are one buffer: their lifetimes do not meet."""
    scratch = Buffer("s", (1000,), "int32", scope)
    once = Allocate(
        scratch, Seq((Store(scratch, (const(7),), const(1)), Store(C, (i,), Load(scratch, (const(7),)))))
    )
    for copies in (1, 50):
        func = PrimFunc("f", (C,), loop(i, 5, Seq((once,) * copies)))
        program = generate(func, Target.parse("llvm"))
        assert program.workspace_bytes == (4032 if scope == "global" else 0)
        assert program.text.count("alloca [1000 x i32]") == (1 if scope == "local" else 0)


def test_memory_of_a_parallel_loop_is_given_back() -> None:
    text = generate(through(Buffer("s", (BIG,), "int32"), BIG, "parallel"), Target.parse("llvm")).text
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


def test_what_is_stored_is_known() -> None:
    a, b = Buffer("a", (4,)), Buffer("b", (4,))
    copy = loop(i, 4, Store(b, (i,), Load(a, (i,))), "parallel")
    program = generate(PrimFunc("f", (a, b), copy), Target.parse("llvm"))
    assert program.stored == {1}
    assert program.is_parallel
    assert program.entry == "f"


# What LLVM is told


def test_accumulators_stay_in_registers() -> None:
    """A 6 x 4 vector tile: the loop over k multiplies and adds without a store."""
    rows, vectors, lanes = 6, 4, Target.host().vector_bits // 32
    columns = vectors * lanes
    a, b = Buffer("A", (512, rows)), Buffer("B", (512, columns))
    c, tile = Buffer("C", (rows, columns)), Buffer("tile", (rows * columns,), "float32", "local")

    def each(statement: type | object) -> Stmt:
        return sequence(statement(r, v) for r in range(rows) for v in range(vectors))  # type: ignore[operator]

    def at(r: int, v: int) -> Expr:
        return Ramp(const(r * columns + v * lanes), const(1), lanes)

    def update(r: int, v: int) -> Stmt:
        left = Broadcast(Load(a, (k * rows + r,)), lanes)
        right = Load(b, (Ramp(k * columns + v * lanes, const(1), lanes),))
        return Store(tile, (at(r, v),), Load(tile, (at(r, v),)) + left * right)

    body = Seq(
        (
            each(lambda r, v: Store(tile, (at(r, v),), Broadcast(const(0.0), lanes))),
            loop(k, 512, each(update)),
            each(lambda r, v: Store(c, (at(r, v),), Load(tile, (at(r, v),)))),
        )
    )
    module = build(PrimFunc("tile", (a, b, c), Allocate(tile, body)))
    rng = np.random.default_rng(0)
    x, y = rng.random((512, rows), np.float32), rng.random((512, columns), np.float32)
    got = np.zeros((rows, columns), "f")
    module(x, y, got)
    np.testing.assert_allclose(got, x.T @ y, rtol=1e-5)
    if Target.host().vector_bits < 256:
        pytest.skip("this CPU has no fused multiply-add on wide vectors")
    register = "%zmm" if Target.host().vector_bits == 512 else "%ymm"
    loops = inner_loops(module.source("asm"))
    hot = max(loops, key=lambda lines: sum("vfmadd" in line for line in lines))
    assert sum("vfmadd" in line and register in line for line in hot) >= rows * vectors
    assert not [line for line in hot if line.startswith("vmov") and line.endswith(")")]
    assert not [line for line in hot if "vmulps" in line or "vaddps" in line]


def inner_loops(asm: str) -> list[list[str]]:
    """The instructions between each label and a jump back to it."""
    lines = [line.strip() for line in asm.splitlines()]
    labels = {line[:-1]: n for n, line in enumerate(lines) if line.endswith(":")}
    found = []
    for n, line in enumerate(lines):
        target = line.split()[-1] if line.startswith("j") else ""
        if labels.get(target, n) < n:
            found.append(lines[labels[target] : n + 1])
    return found


def test_the_text_tells_llvm_what_it_needs() -> None:
    a, b = Buffer("a", (64,)), Buffer("b", (64,))
    here = Ramp(i * 16, const(1), 16)
    body = loop(i, 4, Store(b, (here,), Load(a, (here,)) * 2.0 + 1.0), "parallel")
    func = PrimFunc("f", (a, b), body)
    text = generate(func, Target.parse("llvm -mtriple=x86_64-unknown-linux-gnu -mcpu=znver4")).text
    assert text.count("ptr noalias nonnull noundef align 4 dereferenceable(256)") == 4
    assert "fmul contract <16 x float>" in text
    assert "fadd contract <16 x float>" in text
    assert '"prefer-vector-width"="512"' in text
    assert "inttoptr" not in text
    assert "sext" not in text
    narrow = generate(func, Target.parse("llvm -mtriple=x86_64-unknown-linux-gnu -mcpu=haswell")).text
    assert "prefer-vector-width" not in narrow


def test_an_index_is_written_where_its_variables_are_known() -> None:
    """The inner loop is left with one sum for both accesses; what is alike is written once."""
    a, b = Buffer("a", (4000,)), Buffer("b", (4000,))
    here = i * 100 + k * 7 + j * 10
    body = Store(b, (here,), Load(a, (here,)) + Load(a, (here + 3,)))
    func = PrimFunc("f", (a, b), loop(i, 30, loop(j, 10, loop(k, 8, body))))
    text = generate(func, Target.parse("llvm")).text
    outer, middle, inner = (re.split(r"for_[ijk]\.\d+:", text)[n] for n in (1, 2, 3))
    assert [part.count("mul nsw") for part in (outer, middle, inner)] == [1, 1, 1]
    assert [part.count("add nsw") for part in (outer, middle, inner)] == [0, 1, 1]
    same_as_interpreted(func, np.arange(4000, dtype="f"), np.zeros(4000, "f"))


def test_what_is_read_again_is_read_once_until_it_is_written() -> None:
    a, b = Buffer("a", (8,)), Buffer("b", (8,))
    stmts = [
        Store(b, (const(0),), Load(a, (const(1),)) + Load(a, (const(1),))),
        Store(b, (const(1),), Load(a, (const(1),)) * Load(b, (const(0),))),
        Store(a, (const(1),), Load(b, (const(0),))),
        Store(b, (const(2),), Load(a, (const(1),)) + Load(b, (const(1),))),
    ]
    func = PrimFunc("f", (a, b), Seq(tuple(stmts)))
    inner = generate(func, Target.parse("llvm")).text.split("define void")[0]
    # a[1] before and behind the store to a; b[0] behind each store to b; b[1]
    assert inner.count("load float") == 2 + 2 + 1
    same_as_interpreted(func, np.arange(8, dtype="f"), np.ones(8, "f"))


def test_an_expression_means_what_its_variables_are_then() -> None:
    """The same node below two loops over one variable, one of which runs once."""
    a = Buffer("a", (60,), "int32")
    node = i * 10 + 5
    store = Store(a, (node,), i + 1)
    func = PrimFunc("f", (a,), Seq((loop(i, 1, store), loop(i, 5, store), Let(i, const(2), store))))
    same_as_interpreted(func, np.zeros(60, "int32"))


def test_one_value_may_be_named_twice() -> None:
    """Both names stand for one load; what is computed from the first is not there any more in the second."""
    a, b, c = (Buffer(name, (8,), "int64") for name in "abc")
    m, n = Var("m", "int64"), Var("n", "int64")
    value = Load(a, (const(3),))
    stmts = (Let(m, value, Store(b, (m,), m)), Let(n, value, Store(c, (n,), n)))
    func = PrimFunc("f", (a, b, c), loop(i, 2, Seq(stmts)))
    same_as_interpreted(func, np.arange(8), np.zeros(8, "int64"), np.zeros(8, "int64"))


def test_an_address_on_the_way_may_lie_outside() -> None:
    """The sum of what varies is beyond the buffer, and only the number brings it back."""
    a = Buffer("a", (16,), "int32")
    inside = If(binary(">=", i, const(20)), Store(a, (i - 20,), i))
    func = PrimFunc("f", (a,), loop(i, 36, inside))
    assert "getelementptr inbounds" not in generate(func, Target.parse("llvm")).text.split("define void")[0]
    same_as_interpreted(func, np.zeros(16, "int32"))


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
            "a token from 'load' to 'compute': a CPU has no pipeline stages .* build for an accelerator",
        ),
        (
            PrimFunc("f", (C,), Invoke(Intrinsic("gemm", PrimFunc("gemm", (C,), Seq(()))), (WHOLE,))),
            "the intrinsic 'gemm' has no implementation for 'llvm'; give it one, or let a pass put",
        ),
        (
            PrimFunc("f", (PACKED,), Store(PACKED, (const(0),), Const(1, "int4"))),
            r"P: int4\[4\] is still of a packed type; a pass must have lowered it",
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
def test_what_has_no_code(func: PrimFunc, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(func)


def test_a_buffer_is_gone_after_its_allocation() -> None:
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


# Names for values


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


def test_a_let_is_gone_after_its_body() -> None:
    x = Var("x", "float32")
    a = Buffer("A", (4,))
    body = Seq((Let(x, Load(a, (const(0),)), Seq(())), Store(a, (const(1),), x)))
    with pytest.raises(ValueError, match="the variable 'x' is used outside the loop or let that binds it"):
        build(PrimFunc("f", (a,), body))


# Sizes that a call brings


@pytest.mark.parametrize("kind", ["serial", "parallel"])
@pytest.mark.parametrize("rows", [1, 5, 64])
def test_a_size_is_told_by_the_call(rows: int, kind: str, threads: int) -> None:
    n = Var("n", bounds=(1, 64))
    a, b = Buffer("A", (n, 8)), Buffer("B", (8, n))
    body = loop(i, n, loop(j, 8, Store(b, (j * n + i,), Load(a, (i * 8 + j,)))), kind)
    same_as_interpreted(
        PrimFunc("f", (a, b), body),
        np.random.default_rng(0).random((rows, 8), "f"),
        np.zeros((8, rows), "f"),
    )


def test_two_sizes_are_kept_apart() -> None:
    n, m = Var("n", bounds=(0, 9)), Var("n", bounds=(1, 9))
    a, b = Buffer("A", (n, m), "int32"), Buffer("B", (m, n), "int32")
    rows = loop(i, n, loop(j, m, Store(b, (j * n + i,), Load(a, (i * m + j,)) + n * 100 + m)))
    same_as_interpreted(
        PrimFunc("f", (a, b), rows), np.arange(12, dtype="i4").reshape(3, 4), np.zeros((4, 3), "i4")
    )
    build(PrimFunc("f", (a, b), rows))(np.zeros((0, 4), "i4"), np.zeros((4, 0), "i4"))


def test_a_size_of_one_value_is_a_literal() -> None:
    n = Var("n", bounds=(6, 6))
    a = Buffer("A", (n,), "int32")
    func = PrimFunc("f", (a,), loop(i, n, Store(a, (i,), i * n)))
    assert "%n." not in build(func).source("llvm")
    same_as_interpreted(func, np.zeros(6, "i4"))


def test_llvm_knows_the_bounds_of_a_size() -> None:
    n = Var("n", bounds=(2, 64))
    a = Buffer("A", (n, 8))
    text = build(PrimFunc("f", (a,), loop(i, n, Store(a, (i,), const(1.0))))).source("llvm")
    assert "i64 noundef range(i64 2, 65) %n" in text
    assert "dereferenceable(64)" in text  # two rows at least
    assert "sext" not in text


def test_division_by_a_size() -> None:
    n = Var("n", bounds=(1, 7))
    a, b = Buffer("A", (n,), "int32"), Buffer("B", (40,), "int32")
    body = loop(i, 40, Store(b, (i,), i // n * 1000 + i % n * 10 + (i - 20) // n))
    same_as_interpreted(PrimFunc("f", (a, b), body), np.zeros(3, "i4"), np.zeros(40, "i4"))


# Copies, prefetches and intrinsics


def copied(
    before: tuple, after: tuple, extents: tuple, fill: float = 7.0, strides: tuple | None = None
) -> PrimFunc:
    total = tuple(b + e + a for b, e, a in zip(before, extents, after, strict=True))
    a, b = Buffer("A", (200,)), Buffer("B", (int(np.prod(total)),))
    steps = tuple(int(np.prod(total[axis + 1 :])) for axis in range(len(total)))
    source = Region(
        a, const(5), extents, tuple(map(const, (20, 6, 1)[-len(extents) :] if strides is None else strides))
    )
    target = Region(b, const(0), total, tuple(map(const, steps)))
    margins = tuple(map(const, before)), tuple(map(const, after))
    return PrimFunc("f", (a, b), Copy(target, source, *margins, const(fill)))


@pytest.mark.parametrize(
    "func",
    [
        copied((), (), (), strides=()),
        copied((0,), (0,), (17,)),
        copied((2,), (3,), (4,)),
        copied((1, 1), (0, 1), (3, 7)),
        copied((0, 2), (0, 0), (3, 5)),
        copied((1, 0), (2, 0), (3, 5)),
        copied((1, 0, 2), (0, 1, 1), (2, 3, 4), strides=(1, 7, 13)),
        copied((0, 0), (0, 0), (3, 4), strides=(0, 2)),
        copied((0, 1), (0, 1), (3, 0)),
    ],
    ids=str,
)
def test_copy(func: PrimFunc) -> None:
    size = func.params[1].shape
    same_as_interpreted(func, np.arange(200, dtype="f"), np.full(size, -1, "f"))


def test_the_margins_of_a_copy_may_vary() -> None:
    a, b, t = Buffer("A", (6, 4)), Buffer("B", (6, 6)), Buffer("first", (6,), "int32")
    margin = Load(t, (i,))
    source = Region(a, i * 4, (4,), (const(1),))
    target = Region(b, i * 6, (6,), (const(1),))
    body = loop(i, 6, Copy(target, source, (margin,), (2 - margin,), Load(a, (i,))))
    same_as_interpreted(
        PrimFunc("f", (a, b, t), body),
        np.random.default_rng(0).random((6, 4), "f"),
        np.zeros((6, 6), "f"),
        np.array([0, 1, 2, 0, 2, 1], "i4"),
    )


def test_a_copy_within_a_buffer_reads_before_it_writes() -> None:
    a = Buffer("A", (12,))
    one = (const(1),)
    move = Copy(
        Region(a, const(2), (9,), one), Region(a, const(0), (8,), one), (const(1),), (const(0),), const(0.5)
    )
    same_as_interpreted(PrimFunc("f", (a,), move), np.arange(12, dtype="f"))


def test_the_rows_of_a_copy_are_moved_as_a_whole() -> None:
    assert "memcpy" in build(copied((0, 0), (0, 0), (4, 40), strides=(40, 1))).source("asm")


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

"""Programs for a GPU and for an accelerator, from the schedule through all passes, in the interpreter."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from compiler import te
from compiler.backend.llvm.pipeline import passes
from compiler.ir.expr import Buffer, Const, Var
from compiler.ir.function import Invoke, PrimFunc
from compiler.ir.semantics.interpret import interpret
from compiler.ir.semantics.verify import verify
from compiler.ir.simplify.simplify import simplify
from compiler.ir.stmt import Allocate, Barrier, Copy, For, Seq, Stmt, Token
from compiler.ir.text import parse_function
from compiler.ir.visit import substitute, walk
from compiler.lowering.nest import loop_nest
from compiler.passes import run
from compiler.schedule import Schedule
from compiler.te.tensor import Tensor

SIZE = 16


def product(dtype: str, sum_dtype: str) -> list[Tensor]:
    a, b = te.placeholder((SIZE, SIZE), "A", dtype), te.placeholder((SIZE, SIZE), "B", dtype)
    k = te.reduce_axis((0, SIZE), "k")

    def element(i, j):
        return te.sum(a[i, k].astype(sum_dtype) * b[k, j].astype(sum_dtype), axis=k)

    return [a, b, te.compute((SIZE, SIZE), element, "C")]


def check(s: Schedule, args: list[Tensor], kind: str, since: str) -> PrimFunc:
    """Every pass from `since` on leaves a program that is well formed and multiplies matrices."""
    rng = np.random.default_rng(0)
    a, b = (rng.integers(-4, 5, (SIZE, SIZE)).astype(args[0].dtype) for _ in range(2))
    expected = a.astype("int64") @ b.astype("int64")
    stages: list[str] = []

    def watch(name: str, func: PrimFunc) -> None:
        verify(func)
        assert str(parse_function(str(func))) == str(func)
        stages.append(name)
        if since in stages:
            c = np.full((SIZE, SIZE), 77, args[2].dtype)
            interpret(func, a, b, c)
            np.testing.assert_array_equal(c, expected, err_msg=f"after {name}:\n{func}")

    nest = loop_nest(s, args)
    watch("loop_nest", nest)
    return run(nest, passes(kind), watch)


# --- a GPU ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("double", [False, True])
@pytest.mark.parametrize("virtual", [1, 2])
def test_a_tiled_product_on_a_gpu(virtual: int, double: bool) -> None:
    """Threads fetch tiles together; virtual threads share them; the next tile is fetched ahead."""
    args = product("float32", "float32")
    a, b, c = args
    s = te.create_schedule(c.op)
    tiles = [s.cache_read(t, "shared", [c]) for t in (a, b)]
    registers = [s.cache_read(t, "local", [c]) for t in tiles]
    sums = s.cache_write(c, "local")
    blocks, threads = (
        [te.thread_axis("blockIdx.y"), te.thread_axis("blockIdx.x")],
        ["threadIdx.y", "threadIdx.x"],
    )
    loops = []
    for axis, block, tag in zip(c.op.axis, blocks, threads, strict=True):
        outer, inner = s[c].split(axis, 8)
        v, inner = s[c].split(inner, nparts=virtual)
        thread, inner = s[c].split(inner, nparts=2)
        loops.append((outer, v, thread, inner))
        s[c].bind(outer, block)
        s[c].bind(v, te.thread_axis("vthread"))
        s[c].bind(thread, te.thread_axis((0, 2), tag))
    s[c].reorder(*(loop for pair in zip(*loops, strict=True) for loop in pair))
    s[sums].compute_at(s[c], loops[1][2])
    outer, inner = s[sums].split(s[sums].op.reduce_axis[0], 4)
    s[sums].reorder(outer, inner, *s[sums].op.axis)
    for tile, register in zip(tiles, registers, strict=True):
        s[tile].compute_at(s[sums], outer)
        s[register].compute_at(s[sums], inner)
        whole = s[tile].fuse(*s[tile].op.axis)
        whole, x = s[tile].split(whole, 2)
        whole, y = s[tile].split(whole, 2)
        s[tile].bind(y, te.thread_axis("threadIdx.y"))
        s[tile].bind(x, te.thread_axis("threadIdx.x"))
        if double:
            s[tile].double_buffer()
    func = check(s, args, "cuda", "thread_sync")
    assert any(isinstance(n, Barrier) for n in walk(func.body))
    assert not any(isinstance(n, For) and n.kind == "vthread" for n in walk(func.body))
    shared = [n.buffer for n in walk(func.body) if isinstance(n, Allocate) and n.buffer.scope == "shared"]
    assert [buffer.size for buffer in shared] == [64 if double else 32] * 2


# --- an accelerator -------------------------------------------------------------------------------


def accelerator(virtual: int) -> tuple[Schedule, list[Tensor]]:
    """Loads by DMA, a product of blocks as an intrinsic, and stores, as stages of a pipeline."""
    args = product("int8", "int32")
    a, b, c = args
    x, y = te.placeholder((4, 4), "x", "int8"), te.placeholder((4, 4), "y", "int8")
    k = te.reduce_axis((0, 4), "k")
    z = te.compute(
        (4, 4), lambda i, j: te.sum(x[i, k].astype("int32") * y[k, j].astype("int32"), axis=k), "z"
    )
    gemm = te.decl_tensor_intrin(z.op, name="gemm")
    # the implementation is the intrinsic itself
    for half in (gemm.reset, gemm.update):
        half.implementations["npu"] = half.__call__

    s = te.create_schedule(c.op)
    sums = s.cache_write(c, "npu.acc")
    inputs = s.cache_read(a, "npu.inp", [sums])
    weights = s.cache_read(b, "npu.wgt", [sums])
    i, j = s[c].op.axis
    i, i_in = s[c].split(i, 8)
    v, j_in = s[c].split(j, nparts=2)
    s[c].reorder(i, v, i_in, j_in)
    if virtual > 1:
        s[c].bind(v, te.thread_axis("vthread"))
    s[c].pragma(i_in, "dma_copy")
    s[c].pragma(i_in, "pipeline_stage", "store")

    s[sums].compute_at(s[c], v)
    i, j = s[sums].op.axis
    (k,) = s[sums].op.reduce_axis
    i, i_in = s[sums].split(i, 4)
    j, j_in = s[sums].split(j, 4)
    k, k_in = s[sums].split(k, 4)
    s[sums].reorder(k, i, j, i_in, j_in, k_in)
    s[sums].tensorize(i_in, gemm)
    s[sums].pragma(i, "pipeline_stage", "compute")
    for tile in (inputs, weights):
        s[tile].compute_at(s[sums], k)
        axis = s[tile].op.axis[0]
        s[tile].pragma(axis, "dma_copy")
        s[tile].pragma(axis, "pipeline_stage", "load")
    return s, args


@pytest.mark.parametrize("virtual", [1, 2])
def test_a_product_on_an_accelerator(virtual: int) -> None:
    s, args = accelerator(virtual)
    func = check(s, args, "npu", "loop_nest")
    kinds = [type(n) for n in walk(func.body)]
    assert {Copy, Invoke, Token} <= set(kinds)
    accumulators = [
        n.buffer for n in walk(func.body) if isinstance(n, Allocate) and n.buffer.scope == "npu.acc"
    ]
    assert [buffer.size for buffer in accumulators] == [virtual * 64]


@pytest.mark.parametrize("virtual", [1, 2])
@pytest.mark.parametrize("seed", range(4))
def test_every_order_that_the_tokens_allow_gives_the_same_result(virtual: int, seed: int) -> None:
    """The stages run concurrently, each as far as its tokens allow; the result is the same."""
    s, args = accelerator(virtual)
    func = run(loop_nest(s, args), passes("npu"))
    rng = np.random.default_rng(seed)
    a, b = (rng.integers(-4, 5, (SIZE, SIZE)).astype("int8") for _ in range(2))
    memory = dict(zip(func.params, (a, b, np.zeros((SIZE, SIZE), "int32")), strict=True))
    run_split_vectors(func, memory, rng)
    np.testing.assert_array_equal(memory[func.params[2]], a.astype("int32") @ b.astype("int32"))


def run_split_vectors(func: PrimFunc, memory: dict[Buffer, np.ndarray], rng: np.random.Generator) -> None:
    """Run the stages as queues of statements and tokens, drawing each step from those that can continue."""
    for node in walk(func.body):
        if isinstance(node, Allocate):
            memory[node.buffer] = np.full(node.buffer.shape, 99, node.buffer.dtype)
    queues: dict[str, list[Stmt]] = {}
    for stage, stmt in instructions(func.body, {}):
        queues.setdefault(stage, []).append(stmt)
    tokens: dict[tuple[str, str], int] = {}
    while any(queues.values()):
        ready = []
        for stage, queue in queues.items():
            head = queue[0] if queue else None
            waits = (
                isinstance(head, Token)
                and head.action == "pop"
                and not tokens.get((head.source, head.target))
            )
            if head is not None and not waits:
                ready.append(stage)
        assert ready, f"no stage can go on: {queues}"
        stmt = queues[str(rng.choice(ready))].pop(0)
        if isinstance(stmt, Token):
            pair = (stmt.source, stmt.target)
            tokens[pair] = tokens.get(pair, 0) + (1 if stmt.action == "push" else -1)
        else:
            interpret(PrimFunc("step", tuple(memory), stmt), *memory.values())


def instructions(stmt: Stmt, values: dict[Var, Const]) -> Iterator[tuple[str, Stmt]]:
    """The statements of the stages in the order of the program, with the stage that runs each."""
    stage = dict(stmt.pragmas).get("pipeline_stage") if isinstance(stmt, For) else None
    if stage is not None:
        yield str(stage), simplify(substitute(stmt, values))
    elif isinstance(stmt, Token):
        yield (stmt.source if stmt.action == "push" else stmt.target), stmt
    elif isinstance(stmt, For):
        extent = simplify(substitute(stmt.extent, values))
        for i in range(int(extent.value)):
            yield from instructions(stmt.body, values | {stmt.var: Const(i, stmt.var.dtype)})
    elif isinstance(stmt, Allocate):
        yield from instructions(stmt.body, values)
    else:
        assert isinstance(stmt, Seq), stmt
        for child in stmt.stmts:
            yield from instructions(child, values)


def test_without_tokens_some_order_gives_another_result() -> None:
    """Without tokens some order gives another result, so the test above can fail."""
    s, args = accelerator(2)
    func = run(loop_nest(s, args), passes("npu"))

    def bare(stmt: Stmt) -> Stmt:
        if isinstance(stmt, Seq):
            return Seq(tuple(bare(child) for child in stmt.stmts if not isinstance(child, Token)))
        if isinstance(stmt, Allocate):
            return Allocate(stmt.buffer, bare(stmt.body))
        if isinstance(stmt, For):
            return For(stmt.var, stmt.extent, stmt.kind, bare(stmt.body), stmt.pragmas)
        return stmt

    wrong = 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        a, b = (rng.integers(-4, 5, (SIZE, SIZE)).astype("int8") for _ in range(2))
        memory = dict(zip(func.params, (a, b, np.zeros((SIZE, SIZE), "int32")), strict=True))
        run_split_vectors(func.with_body(bare(func.body)), memory, rng)
        wrong += not np.array_equal(memory[func.params[2]], a.astype("int32") @ b.astype("int32"))
    assert wrong > 4

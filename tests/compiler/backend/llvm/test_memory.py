"""Vector accesses, and accesses that a condition guards."""

from __future__ import annotations

import ctypes
import mmap
import os

import numpy as np
import pytest

from compiler.backend import build
from compiler.backend.llvm.machine import this_machine
from compiler.ir.dtype import INDEX, lanes_of, vector_of
from compiler.ir.expr import Binary, Broadcast, Buffer, Call, Cast, Const, Expr, Load, Not, Ramp, Var
from compiler.ir.function import PrimFunc
from compiler.ir.semantics.interpret import interpret
from compiler.ir.stmt import For, Seq, Store
from tests.compiler.backend.llvm.compiled import X86, compare

i = Var("i")


@pytest.mark.parametrize("dtype", ["float32", "float16", "int64", "uint8", "bool"])
@pytest.mark.parametrize("lanes", [2, 4, 16])
@pytest.mark.parametrize("stride", [-3, -1, 0, 1, 2, 3, 4])
def test_strided_load_and_store(stride: int, lanes: int, dtype: str) -> None:
    size = 2 * abs(stride) * lanes + 40
    source, target = Buffer("source", (size,), dtype), Buffer("target", (size,), dtype)
    at = Ramp(i * 3 + abs(stride) * lanes, Const(stride), lanes)
    store = For(i, Const(5), "serial", Store(target, (at,), Load(source, (at + 1,))))
    compare(PrimFunc("strided", (source, target), store), 3)


def test_a_load_of_every_other_element_stays_inside() -> None:
    source, target = Buffer("source", (31,)), Buffer("target", (16,))
    load = Load(source, (Ramp(Const(0), Const(2), 16),))
    run_at_the_end_of_memory(
        PrimFunc("f", (source, target), Store(target, (Ramp(Const(0), Const(1), 16),), load))
    )


@pytest.mark.parametrize("extents", [(96,), (32, 3), (24, 4), (97,), (Var("n", bounds=(8, 24)), 4)])
@pytest.mark.parametrize("first", [0, 1, 2, 3])
@pytest.mark.parametrize("stride", [2, 3, 4])
def test_a_strided_load_stays_inside(stride: int, first: int, extents: tuple[int | Var, ...]) -> None:
    """Of whole periods too, where the last vector ends behind the last element that is loaded."""
    n, lanes = np.prod([8 if isinstance(e, Var) else e for e in extents]).item(), 8
    last = (n - 1 - first) // stride - (lanes - 1)
    source, target = Buffer("source", extents), Buffer("target", (lanes,))
    load = Load(source, (Ramp(i * stride + (last * stride + first), Const(stride), lanes),))
    store = Store(target, (Ramp(Const(0), Const(1), lanes),), load)
    run_at_the_end_of_memory(PrimFunc("f", (source, target), For(i, Const(1), "serial", store)))


def _store(buffer: Buffer, at: Expr, value: Expr, lanes: int, stride: int) -> Store:
    return Store(buffer, (Ramp(at, Const(stride), lanes),), value)


@pytest.mark.parametrize("target", ["x86-64-v3", "x86-64-v4"])
@pytest.mark.parametrize("dtype", ["float32", "float64", "uint8", "bool", "int16"])
@pytest.mark.parametrize("order", [(0, 1), (1, 0), (2, 0, 1), (3, 1, 0, 2)])
def test_strided_stores_of_a_whole_period_are_interleaved(
    order: tuple[int, ...], dtype: str, target: str
) -> None:
    stride, lanes = len(order), 16
    source, out = Buffer("source", (stride * 64,), dtype), Buffer("out", (64 * stride,), dtype)

    def value(c: int) -> Expr:
        return Load(source, (Ramp(i * 16 + c * 64, Const(1), lanes),))

    stores = [
        _store(
            out,
            i * (lanes * stride) + c,
            Load(source, (Ramp(i * 16 + c * 64, Const(1), lanes),)),
            lanes,
            stride,
        )
        for c in order
    ]
    func = PrimFunc("f", (source, out), For(i, Const(4), "serial", Seq(tuple(stores))))
    compare(func, 5)
    text = build(func, X86 + target).source("llvm")
    assert "scatter" not in text
    assert "shufflevector" in text


def test_strided_stores_that_leave_gaps_or_overlap_keep_their_order() -> None:
    lanes, here = 8, Const(0)
    source, out = Buffer("source", (64,)), Buffer("out", (64,))

    def store(at: int, stride: int, first: int) -> Store:
        return _store(out, Const(at), Load(source, (Ramp(Const(first), Const(1), lanes),)), lanes, stride)

    programs = [
        [store(0, 2, 0), store(0, 2, 8)],  # twice the same elements
        [store(0, 2, 0), store(2, 2, 8)],  # the second overlaps the first
        [store(0, 3, 0), store(2, 3, 8)],  # no store of the middle remainder
        [store(0, 2, 0), store(1, 3, 8)],  # different strides
        [store(0, 2, 0), store(1, 2, 8), store(32, 2, 16), store(33, 2, 24)],  # two groups
        [store(1, 2, 0), store(2, 2, 8), store(18, 2, 16), store(17, 2, 24)],  # two groups that meet
    ]
    for stmts in programs:
        compare(PrimFunc("f", (source, out), Seq(tuple(stmts))), 3)
    # a value that reads what another store of the period sets, and one that reads its own elements
    even, odd = (Load(out, (Ramp(Const(first), Const(2), lanes),)) for first in (0, 1))
    ramp = Ramp(here, Const(1), lanes)
    for values in ((odd + even, even + odd), (even + Load(source, (ramp,)), odd * odd)):
        stmts = [_store(out, Const(c), value, lanes, 2) for c, value in enumerate(values)]
        compare(PrimFunc("f", (source, out), Seq(tuple(stmts))), 3)


@pytest.mark.parametrize("target", ["x86-64-v3", "x86-64-v4"])
@pytest.mark.parametrize("stride", [-1, 2, 3, 4])
def test_a_load_with_a_small_stride_is_no_gather(stride: int, target: str) -> None:
    lanes = 8
    source, out = Buffer("source", (480,)), Buffer("out", (16 * lanes,))
    at = Ramp(i * (lanes * abs(stride)) + (lanes if stride < 0 else 0), Const(stride), lanes)
    load = Store(out, (Ramp(i * lanes, Const(1), lanes),), Load(source, (at,)))
    func = PrimFunc("f", (source, out), For(i, Const(10), "serial", load))
    compare(func, 1)
    assert "gather" not in build(func, X86 + target).source("llvm")


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int8", "bool"])
@pytest.mark.parametrize(("lanes", "rows"), [(4, 4), (4, 19), (8, 8), (8, 17), (8, 5)])
def test_strided_loads_beside_each_other(lanes: int, rows: int, dtype: str) -> None:
    """The columns of a matrix: they are loaded by rows, and transposed in registers."""
    stride = rows + 2
    source = Buffer("source", (2 * lanes * stride,), dtype)
    out = Buffer("out", (2 * lanes * rows,), dtype)

    def store(row: int) -> Store:
        column = Load(source, (Ramp(i * (lanes * stride) + row, Const(stride), lanes),))
        return Store(out, (Ramp((i * rows + row) * lanes, Const(1), lanes),), column)

    body = Seq(tuple(store(row) for row in reversed(range(rows))))
    compare(PrimFunc("columns", (source, out), For(i, Const(2), "serial", body)), 3)


def test_columns_that_are_stored_meanwhile_are_loaded_in_their_order() -> None:
    source, lanes = Buffer("source", (64,)), 4

    def column(row: int) -> Ramp:
        return Ramp(Const(row), Const(8), lanes)

    moved = tuple(Store(source, (column(row + 1),), Load(source, (column(row),))) for row in range(7))
    compare(PrimFunc("shifted", (source,), Seq(moved)), 3)


def test_columns_of_which_one_is_loaded_under_a_condition_are_not_loaded_together() -> None:
    source, which, out = Buffer("source", (27,)), Buffer("which", (1,), "int32"), Buffer("out", (16,))

    def store(row: int) -> Store:
        value: Expr = Load(source, (Ramp(Const(row), Const(8), 4),))
        if row == 3:  # its last element is outside, and the condition false
            test = Binary("<", Load(which, (Const(0),)), Const(0), "bool")
            value = Call("if_then_else", (test, value, Broadcast(Const(0.0, "float32"), 4)), value.dtype)
        return Store(out, (Ramp(Const(4 * row), Const(1), 4),), value)

    run_at_the_end_of_memory(PrimFunc("f", (source, which, out), Seq(tuple(map(store, range(4))))))


def test_gather_and_scatter_by_a_loaded_index() -> None:
    order = Buffer("order", (16,), "int32")
    source, target = Buffer("source", (16,)), Buffer("target", (16,))
    here = Ramp(Const(0), Const(1), 16)
    forward = Store(target, (here,), Load(source, (Load(order, (here,)),)))
    backward = Store(target, (Load(order, (here,)),), Load(source, (here,)))
    places = np.random.default_rng(0).permutation(16).astype(np.int32)
    for body in (forward, backward):
        expected, got = np.zeros(16, "f"), np.zeros(16, "f")
        func = PrimFunc("f", (order, source, target), body)
        interpret(func, places, np.arange(16, dtype="f"), expected)
        build(func)(places, np.arange(16, dtype="f"), got)
        np.testing.assert_array_equal(got, expected)


def test_the_last_of_several_lanes_that_store_to_one_element_wins() -> None:
    out = Buffer("out", (4,))
    at = Ramp(Const(0), Const(1), 16) // 4
    value = Cast(Ramp(Const(0), Const(1), 16), "float32x16")
    got = np.zeros(4, "f")
    build(PrimFunc("f", (out,), Store(out, (at,), value)))(got)
    np.testing.assert_array_equal(got, [3, 7, 11, 15])


def test_a_scalar_is_stored_to_every_lane() -> None:
    out = Buffer("out", (8,))
    got = np.zeros(8, "f")
    build(PrimFunc("f", (out,), Store(out, (Ramp(Const(0), Const(1), 8),), Const(2.5, "float32"))))(got)
    np.testing.assert_array_equal(got, np.full(8, 2.5))


# Guarded accesses: the input ends at the end of the memory that may be accessed


LIMIT = Buffer("limit", (1,), INDEX)  # read at run time, so that the optimiser cannot remove the guard


def inside(place: Expr) -> Expr:
    lanes, limit = lanes_of(place.dtype), Load(LIMIT, (Const(0),))
    zero, size = (Const(0), limit) if lanes == 1 else (Broadcast(Const(0), lanes), Broadcast(limit, lanes))
    kind = vector_of("bool", lanes)
    return Binary("and", Binary(">=", place, zero, kind), Binary("<", place, size, kind), kind)


def guarded(condition: Expr, then: Expr, otherwise: Expr) -> Expr:
    return Call("if_then_else", (condition, then, otherwise), then.dtype)


# with mask registers LLVM may mask an unguarded vector load too, so a CPU without them is tested as well
TARGETS = ["llvm", "llvm -mcpu=x86-64"] if this_machine().is_x86 else ["llvm"]
FAR = 2**29 + 12345
A = Buffer("A", (20,))
START = Ramp(i * 16, Const(1), 16)
ZERO = Broadcast(Const(0.0, "float32"), 16)
GUARDED = {
    "contiguous": guarded(inside(START), Load(A, (START,)), ZERO),
    "other arm": guarded(Not(inside(START)), ZERO, Load(A, (START,))),
    "all far": guarded(inside(START + FAR), Load(A, (START + FAR,)), ZERO),
    "below": guarded(inside(START - FAR), Load(A, (START - FAR,)), ZERO),
    "gather": guarded(inside(START * START), Load(A, (START * START,)), ZERO),
    "every other": guarded(inside(START * 2), Load(A, (START * 2,)), ZERO),
    "one for all": guarded(
        inside(START + FAR),
        Broadcast(Load(A, (i * 16 + FAR,)), 16),
        Load(A, (Ramp(Const(2), Const(1), 16),)),
    ),
    "stride zero": guarded(inside(START + FAR), Load(A, (Ramp(i * 16 + FAR, Const(0), 16),)), ZERO),
    "nested": guarded(
        inside(START),
        guarded(Binary("<", START, Broadcast(Const(FAR), 16), "boolx16"), Load(A, (START,)), ZERO),
        ZERO,
    ),
    "scalar condition in an arm": guarded(
        inside(START + FAR),
        guarded(Binary(">", Load(A, (i * 16 + FAR,)), Const(0.0, "float32"), "bool"), ZERO + 1.0, ZERO + 2.0),
        ZERO,
    ),
    "index from memory": guarded(
        inside(START + FAR),
        Load(A, (Ramp(Cast(Load(A, (i * 16 + FAR,)), INDEX), Const(1), 16),)),
        ZERO,
    ),
    "scalar": Broadcast(guarded(inside(i * 15), Load(A, (i * 15,)), Const(7.0, "float32")), 16),
}


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", GUARDED)
def test_a_guarded_access_does_not_touch_memory(name: str, target: str) -> None:
    out = Buffer("out", (64,))
    body = For(i, Const(4), "serial", Store(out, (START,), GUARDED[name]))
    run_at_the_end_of_memory(PrimFunc("f", (A, LIMIT, out), body), target)


def run_at_the_end_of_memory(func: PrimFunc, target: str = "llvm") -> None:
    """Run in a child process, with an inaccessible page behind the first argument; return its exit status."""
    shapes = [tuple(e.bounds[0] if isinstance(e, Var) else e for e in buffer.shape) for buffer in func.params]
    source, *others = (np.zeros(shape, b.dtype) for shape, b in zip(shapes, func.params, strict=True))
    source.ravel()[:] = np.arange(1, source.size + 1)
    for buffer, array in zip(func.params[1:], others, strict=True):
        array[:] = source.size if buffer is LIMIT else 0
    out = others[-1]
    expected = out.copy()
    interpret(func, source, *others[:-1], expected)
    module = build(func, target)
    page = mmap.PAGESIZE
    memory = mmap.mmap(-1, 3 * page)
    address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    last = np.frombuffer(memory, source.dtype, source.size, offset=2 * page - source.nbytes).reshape(
        source.shape
    )
    last[:] = source
    child = os.fork()
    if child == 0:
        status = 1
        try:
            mprotect = ctypes.CDLL(None).mprotect
            mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
            if mprotect(address + 2 * page, page, 0) == 0:
                module(last, *others)
                status = 0 if np.array_equal(out, expected) else 2
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

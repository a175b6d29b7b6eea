"""Tensors of more than 2^31 elements: indices are int64 where a tensor needs it, and int32 elsewhere."""

from __future__ import annotations

import os
import re

import numpy as np
import pytest

from compiler import te
from compiler.driver import build, lower
from compiler.ir.address import part, position, widened
from compiler.ir.dtype import index_type
from compiler.ir.expr import Buffer, Const, Load, Var, const
from compiler.ir.function import PrimFunc
from compiler.ir.semantics.interpret import interpret
from compiler.ir.semantics.verify import verify
from compiler.ir.stmt import Allocate, For, Store, sequence
from compiler.lowering.nest import loop_nest
from compiler.passes.inject_double_buffer import inject_double_buffer
from compiler.passes.inject_vthread import inject_vthread
from compiler.schedule import Schedule, ScheduleError
from compiler.te.tensor import Tensor

LIMIT = 2**31 - 1


def memory_available() -> int:
    """Bytes."""
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return 0


def test_the_type_of_an_index() -> None:
    assert [index_type(n) for n in (1, LIMIT, LIMIT + 1)] == ["int32", "int32", "int64"]
    assert [const(n).dtype for n in (LIMIT, LIMIT + 1, -(2**31), -(2**31) - 1)] == ["int32", "int64"] * 2
    i, j = Var("i"), Var("j")
    assert position(Buffer("A", (46340, 46340)), (i, j)).dtype == "int32"
    assert position(Buffer("A", (46341, 46341)), (i, j)).dtype == "int64"
    assert widened(Const(3, "uint8")) == Const(3)
    assert part(i, Buffer("A", (2**30,)), Buffer("A", (2**31,))).dtype == "int64"


def doubled(shape: tuple[int, ...]) -> tuple[Schedule, list[Tensor]]:
    A = te.placeholder(shape, "A", "int8")
    C = te.compute(shape, lambda *i: A[i] * 2, "C")
    return te.create_schedule(C.op), [A, C]


def indices(text: str) -> set[str]:
    """What is between brackets in the statements of a function."""
    return set(re.findall(r"\[([^\]]*)\]", "\n".join(text.splitlines()[1:])))


def test_rows_of_a_large_tensor() -> None:
    s, args = doubled((65536, 40000))
    i, j = args[1].op.axis
    s[args[1]].vectorize(s[args[1]].split(j, 64)[1])
    s[args[1]].parallel(i)
    func = lower(s, args)
    verify(func)
    assert indices(str(func)) == {
        'ramp(cast(i0, "int64") * int64(40000) + cast(i1_outer * 64, "int64"), int64(1), 64)'
    }
    small, args = doubled((65536, 32767))
    assert "int64" not in str(lower(small, args))
    # in machine code all addresses are of 64 bits, so the small tensor has the same instructions
    assert "sext i32" not in build(s, [t for t in s.outputs[0].op.inputs] + [s.outputs[0]]).source("llvm")


def test_an_axis_beyond_int32() -> None:
    """Split by a factor that does not divide it: the condition is of int64 too."""
    n = LIMIT + 30
    s, args = doubled((n,))
    outer, inner = s[args[1]].split(args[1].op.axis[0], 64)
    s[args[1]].parallel(outer)
    s[args[1]].vectorize(inner)
    nest = loop_nest(s, args)
    verify(nest)
    assert f"i0_outer * int64(64) + i0_inner < int64({n})" in str(nest)
    verify(lower(s, args))


def test_fused_axes_beyond_int32() -> None:
    s, args = doubled((65536, 40000))
    fused = s[args[1]].fuse(*args[1].op.axis)
    assert (fused.dtype, fused.extent) == ("int64", 65536 * 40000)
    func = loop_nest(s, args)
    verify(func)
    at = 'cast(i0_i1_fused // int64(40000), "int32"), cast(i0_i1_fused % int64(40000), "int32")'
    assert indices(str(func)) == {at}
    small, args = doubled((65536, 32767))
    assert small[args[1]].fuse(*args[1].op.axis).dtype == "int32"


def test_dynamic_extents_beyond_int32() -> None:
    n, m = te.size_var("n", (1, 2**33)), te.size_var("m")
    assert (n.dtype, m.dtype) == ("int64", "int32")
    A, B = te.placeholder((n,), "A", "int8"), te.placeholder((m, m), "B", "int8")
    C = te.compute((n,), lambda i: A[i] * 2, "C")
    D = te.compute((m, m), lambda i, j: B[i, j] * 2, "D")
    for args in ([A, C], [B, D]):
        s = te.create_schedule(args[1].op)
        axes = args[1].op.axis
        fused = s[args[1]].fuse(*axes) if len(axes) > 1 else axes[0]
        assert fused.dtype == "int64"
        s[args[1]].vectorize(s[args[1]].split(fused, 16)[1])
        func = lower(s, args)
        verify(func)
        size = 37 if len(axes) == 1 else 9
        x = np.arange(size ** len(axes)).astype(np.int8).reshape((size,) * len(axes))
        for run in (lambda *a, f=func: interpret(f, *a), build(func)):
            out = np.zeros_like(x)
            run(x, out)
            np.testing.assert_array_equal(out, x * 2)


def test_memory_for_the_bounds_of_dynamic_extents() -> None:
    """A tensor inside of the program is allocated for the upper bounds, so they must be narrow enough."""
    m = te.size_var("m")
    A = te.placeholder((m, m), "A")
    B = te.compute((m, m), lambda i, j: A[i, j] * 2, "B")
    C = te.compute((m, m), lambda i, j: B[i, j] + 1, "C")
    s = te.create_schedule(C.op)
    with pytest.raises(
        ScheduleError, match="B: .* more than memory can hold; give its sizes narrower bounds"
    ):
        loop_nest(s, [A, C])
    s[B].compute_inline()
    loop_nest(s, [A, C])
    huge = te.placeholder((2**31, 2**31), "huge")
    out = te.compute((1,), lambda i: huge[i, 0], "out")
    with pytest.raises(
        ScheduleError, match=r"huge: \[2147483648, 2147483648\] has .* more than memory can hold"
    ):
        loop_nest(te.create_schedule(out.op), [huge, out])


def test_parts_of_a_buffer_beyond_int32() -> None:
    """Double buffers and virtual threads: each part is within int32, all of them are not."""
    A, B, C = Buffer("A", (8,), "int8"), Buffer("B", (2**30 + 8,), "int8"), Buffer("C", (8,), "int8")
    i, j = Var("i"), Var("j")

    def nest(kind: str, pragmas: tuple) -> PrimFunc:
        body = sequence((Store(B, (j,), Load(A, (i,))), Store(C, (i,), Load(B, (j,)))))
        if kind == "serial":
            body = sequence(
                (
                    For(j, Const(8), "serial", Store(B, (j,), Load(A, (i,)))),
                    For(j, Const(8), "serial", Store(C, (i,), Load(B, (j,)))),
                )
            )
        else:
            body = For(j, Const(8), "serial", body)
        return PrimFunc("f", (A, C), For(i, Const(4), kind, Allocate(B, body, pragmas)))

    double = inject_double_buffer(nest("serial", (("double_buffer", True),)))
    verify(double)
    assert "int64(1073741832)" in str(double)
    threads = inject_vthread(nest("vthread", ()))
    verify(threads)
    assert 'B[cast(j, "int64") + cast(3, "int64") * int64(1073741832)]' in str(threads)


def test_a_gather_from_a_large_table_through_narrow_indices() -> None:
    table, at = te.placeholder((2**25, 128), "table", "int8"), te.placeholder((10,), "at", "int32")
    out = te.compute((10, 128), lambda i, j: table[at[i], j], "out")
    s = te.create_schedule(out.op)
    s[out].vectorize(out.op.axis[1])
    func = lower(s, [table, at, out])
    verify(func)
    assert 'table[ramp(cast(at[i], "int64") * int64(128) + int64(0), int64(1), 128)]' in str(func)


def test_scans_and_views_of_large_tensors() -> None:
    X, state = te.placeholder((3, LIMIT), "X", "int8"), te.placeholder((3, LIMIT), "state", "int8")
    init = te.compute((1, LIMIT), lambda t, i: X[t, i], "init")
    update = te.compute((3, LIMIT), lambda t, i: state[t - 1, i] + X[t, i], "update")
    S = te.scan(init, update, state)
    s = te.create_schedule(S.op)
    s[init].compute_inline()
    s[update].compute_inline()
    func = lower(s, [X, S])
    verify(func)
    assert 'cast(t, "int64") * int64(2147483647)' in str(func)
    verify(lower(s, [X, S], strided=[X]))


@pytest.mark.slow
@pytest.mark.skipif(
    not os.environ.get("ESPALIER_NIGHTLY") or memory_available() < 6 << 30,
    reason="takes 3 GiB of memory: nightly, where 6 GiB are free",
)
def test_elements_beyond_int32_are_computed() -> None:
    n = LIMIT + 20
    A = te.placeholder((n,), "A", "int8")
    C = te.compute((n,), lambda i: A[i] + te.cast(i // (2**31), "int8") + 1, "C")
    s = te.create_schedule(C.op)
    s[C].vectorize(s[C].split(C.op.axis[0], 64)[1])
    a = np.zeros(n, np.int8)
    build(s, [A], inplace={C: A})(a)
    assert a[: 2**31].min() == a[: 2**31].max() == 1
    assert (a[2**31 :] == 2).all()
    nest = loop_nest(s, [A], inplace={C: A})
    with pytest.raises(ValueError, match="expected shape"):
        interpret(nest, a[1:])
    del a
    rows = (n + 39999) // 40000
    x = np.zeros((rows, 40000), np.int8)
    A = te.placeholder(x.shape, "A", "int8")
    C = te.compute(x.shape, lambda i, j: A[i, j] + te.cast(i % 100, "int8"), "C")
    s = te.create_schedule(C.op)
    build(s, [A], inplace={C: A})(x)
    assert (x == (np.arange(rows) % 100).astype(np.int8)[:, None]).all()

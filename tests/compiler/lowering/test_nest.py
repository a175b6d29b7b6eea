"""Loop nests: golden text of whole programs, results against NumPy, and errors."""

from __future__ import annotations

from textwrap import dedent

import numpy as np
import pytest

from compiler import te
from compiler.ir.semantics.interpret import interpret
from compiler.ir.semantics.verify import verify
from compiler.ir.stmt import For
from compiler.ir.visit import walk
from compiler.lowering.nest import LOCAL_LIMIT, loop_nest
from compiler.schedule import Schedule, ScheduleError
from compiler.te.axis import IterVar
from compiler.te.tensor import Tensor


def axes(tensor: Tensor) -> tuple[IterVar, ...]:
    return tensor.op.axis


def run(s: Schedule, args: list[Tensor], *inputs: np.ndarray) -> np.ndarray:
    """The last argument, after the loop nest ran."""
    func = loop_nest(s, args)
    verify(func)
    result = np.full(args[-1].shape, 77, args[-1].dtype)
    interpret(func, *inputs, result)
    return result


def matmul(m: int, n: int, k: int, dtype: str = "float32") -> tuple[Schedule, list[Tensor], IterVar]:
    A, B = te.placeholder((m, k), "A", dtype), te.placeholder((k, n), "B", dtype)
    axis = te.reduce_axis((0, k), "k")
    C = te.compute((m, n), lambda i, j: te.sum(A[i, axis] * B[axis, j], axis=axis), "C")
    return te.create_schedule(C.op), [A, B, C], axis


def integers(*shape: int, dtype: str = "int64") -> np.ndarray:
    return np.random.default_rng(3).integers(-9, 10, shape).astype(dtype)


def test_tiled_matmul() -> None:
    s, args, k = matmul(8, 8, 8)
    A, B, C = args
    cache = s.cache_write(C, "local")
    io, jo, _, ji = s[C].tile(*axes(C), 4, 4)
    s[C].vectorize(ji)
    s[C].parallel(s[C].fuse(io, jo))
    s[cache].compute_at(s[C], s[C].leaf[0])
    i, j = axes(cache)
    ko, ki = s[cache].split(k, 2)
    s[cache].reorder(ko, ki, i, j)
    s[cache].vectorize(j)
    s[cache].unroll(i)
    assert str(loop_nest(s, args, "tiled")) == dedent(
        """\
        def tiled(A: float32[8, 8], B: float32[8, 8], C: float32[8, 8]):
            for i_outer_j_outer_fused in parallel(4):
                C_local = allocate(float32[4, 4], "local")
                for i_init in unroll(4):
                    for j_init in vectorize(4):
                        C_local[i_init, j_init] = 0.0
                for k_outer in range(4):
                    for k_inner in range(2):
                        for i in unroll(4):
                            for j in vectorize(4):
                                C_local[i, j] = C_local[i, j] + A[i_outer_j_outer_fused // 2 * 4 + i, k_outer * 2 + k_inner] * B[k_outer * 2 + k_inner, i_outer_j_outer_fused % 2 * 4 + j]
                for i_inner in range(4):
                    for j_inner in vectorize(4):
                        C[i_outer_j_outer_fused // 2 * 4 + i_inner, i_outer_j_outer_fused % 2 * 4 + j_inner] = C_local[i_inner, j_inner]"""  # noqa: E501
    )


@pytest.mark.parametrize("factors", [(4, 4, 4), (3, 5, 2), (7, 1, 3), (20, 20, 20)])
@pytest.mark.parametrize("order", ["k outside", "k between", "k inside"])
def test_matmul_in_tiles_that_do_not_divide(factors: tuple[int, int, int], order: str) -> None:
    s, args, k = matmul(7, 9, 5, "int64")
    C = args[-1]
    io, jo, ii, ji = s[C].tile(*axes(C), *factors[:2])
    ko, ki = s[C].split(k, factors[2])
    orders = {
        "k outside": (ko, ki, io, jo, ii, ji),
        "k between": (io, ko, jo, ii, ki, ji),
        "k inside": (io, jo, ii, ji, ko, ki),
    }
    s[C].reorder(*orders[order])
    a, b = integers(7, 5), integers(5, 9)
    np.testing.assert_array_equal(run(s, args, a, b), a @ b)


@pytest.mark.parametrize("factor", [2, 3, 4, 8])
@pytest.mark.parametrize("again", [2, 3])
@pytest.mark.parametrize("how", ["factor", "nparts"])
def test_a_sum_over_an_axis_split_twice(factor: int, again: int, how: str) -> None:
    """Terms past the end of an inner split must not be added a second time."""
    A = te.placeholder((10,), "A", "int64")
    k = te.reduce_axis((0, 10), "k")
    C = te.compute((1,), lambda i: te.sum(A[k], axis=k), "C")
    s = te.create_schedule(C.op)
    outer, inner = s[C].split(k, factor)
    s[C].split(outer, **{how: again})
    s[C].fuse(*s[C].split(inner, **{how: again}))
    a = integers(10)
    assert run(s, [A, C], a) == a.sum()


def test_a_reduction_with_the_reduce_loop_outermost() -> None:
    """The data axis inside of the reduce axis: a repeated element would get its term twice."""
    A = te.placeholder((10, 3), "A", "int64")
    k = te.reduce_axis((0, 3), "k")
    C = te.compute((10,), lambda i: te.sum(A[i, k], axis=k), "C")
    s = te.create_schedule(C.op)
    outer, inner = s[C].split(axes(C)[0], 4)
    io, ii = s[C].split(inner, 3)
    s[C].reorder(k, outer, io, ii)
    a = integers(10, 3)
    np.testing.assert_array_equal(run(s, [A, C], a), a.sum(1))


def test_a_padded_stencil_in_tiles() -> None:
    A = te.placeholder((9, 7), "A", "int64")
    P = te.compute(
        (11, 9),
        lambda i, j: te.if_then_else(te.all(i >= 1, i < 10, j >= 1, j < 8), A[i - 1, j - 1], 0),
        "P",
    )
    S = te.compute((9, 7), lambda i, j: P[i, j] + P[i + 1, j + 2] * 2 + P[i + 2, j + 1] * 3, "S")
    a = integers(9, 7)
    p = np.pad(a, 1)
    expected = p[:9, :7] + p[1:10, 2:] * 2 + p[2:, 1:8] * 3
    for inline in (False, True):
        s = te.create_schedule(S.op)
        _, jo, _, _ = s[S].tile(*axes(S), 4, 3)
        if inline:
            s[P].compute_inline()
        else:
            s[P].compute_at(s[S], jo)
        np.testing.assert_array_equal(run(s, [A, S], a), expected)


def test_a_computed_tensor_read_at_negative_indices() -> None:
    """Where the box begins before the tensor, no element outside is computed or read."""
    A = te.placeholder((12,), "A", "int64")
    B = te.compute((12,), lambda i: A[i] * 10, "B")
    C = te.compute((16,), lambda i: te.if_then_else(te.all(i >= 2, i < 14), B[i - 2], -1), "C")
    s = te.create_schedule(C.op)
    outer, _ = s[C].split(axes(C)[0], 5)
    s[B].compute_at(s[C], outer)
    assert str(loop_nest(s, [A, C])) == dedent(
        """\
        def main(A: int64[12], C: int64[16]):
            for i_outer in range(4):
                B = allocate(int64[5], "global")
                for i in range(5):
                    if i_outer * 5 + i - 2 < 12 and i_outer * 5 + i - 2 >= 0:
                        B[i] = A[i_outer * 5 + i - 2] * int64(10)
                for i_inner in range(5):
                    if i_outer * 5 + i_inner < 16:
                        C[i_outer * 5 + i_inner] = if_then_else(i_outer * 5 + i_inner >= 2 and i_outer * 5 + i_inner < 14, B[i_inner], int64(-1))"""  # noqa: E501
    )
    a = integers(12)
    np.testing.assert_array_equal(run(s, [A, C], a), np.pad(a * 10, 2, constant_values=-1))


def test_chains_two_deep() -> None:
    A = te.placeholder((4, 11), "A", "int64")
    B = te.compute((4, 11), lambda i, j: A[i, j] * 2, "B")
    C = te.compute((4, 10), lambda i, j: B[i, j] + B[i, j + 1], "C")
    D = te.compute((4, 8), lambda i, j: C[i, j] - C[i, j + 2], "D")
    s = te.create_schedule(D.op)
    i, j = axes(D)
    jo, _ = s[D].split(j, 3)
    s[C].compute_at(s[D], jo)
    outer, _ = s[C].split(axes(C)[1], 2)
    s[B].compute_at(s[C], outer)
    copy = s.cache_read(A, "local", [B])
    s[copy].compute_at(s[B], axes(B)[0])
    a = integers(4, 11)
    c = a[:, :-1] * 2 + a[:, 1:] * 2
    np.testing.assert_array_equal(run(s, [A, D], a), c[:, :-2] - c[:, 2:])


def test_stages_in_one_loop_run_in_dependency_order() -> None:
    A = te.placeholder((6,), "A", "int64")
    B = te.compute((6,), lambda i: A[i] * 2, "B")
    C = te.compute((6,), lambda i: B[i] + 1, "C")
    D = te.compute((6,), lambda i: C[i] - B[i] * 3, "D")
    for order in ([B, C], [C, B]):
        s = te.create_schedule(D.op)
        outer, _ = s[D].split(axes(D)[0], 4)
        for stage in order:
            s[stage].compute_at(s[D], outer)
        a = integers(6)
        np.testing.assert_array_equal(run(s, [A, D], a), a * 2 + 1 - a * 6)


def test_a_cache_for_two_readers_precedes_both() -> None:
    A = te.placeholder((6,), "A", "int64")
    B = te.compute((6,), lambda i: A[i] * 2, "B")
    C = te.compute((6,), lambda i: A[i] + B[i], "C")
    for readers in ([B, C], [C, B]):
        s = te.create_schedule(C.op)
        s.cache_read(A, "local", readers)
        a = integers(6)
        np.testing.assert_array_equal(run(s, [A, C], a), a * 3)


def test_a_gather_may_be_computed_inside_of_its_reader() -> None:
    """The elements that a gather reads are unknown at lowering, so all of them are computed."""
    A = te.placeholder((6,), "A", "int64")
    indices = te.placeholder((4,), "indices", "int32")
    where = te.compute((4,), lambda i: indices[i] + 1, "where")
    B = te.compute((6,), lambda i: A[i] * 2, "B")
    C = te.compute((4,), lambda i: B[where[i]], "C")
    s = te.create_schedule(C.op)
    s[where].compute_at(s[C], axes(C)[0])
    s[B].compute_at(s[C], axes(C)[0])
    a = integers(6)
    result = run(s, [A, indices, C], a, np.array([4, -1, 2, 2], "int32"))
    np.testing.assert_array_equal(result, a[[5, 0, 3, 3]] * 2)


def test_two_reductions_over_one_axis_one_inside_of_the_other() -> None:
    A = te.placeholder((4, 6), "A", "int64")
    k = te.reduce_axis((0, 6), "k")
    B = te.compute((4, 6), lambda i, j: te.max(A[i, k] * A[i, j], axis=k), "B")
    C = te.compute((4,), lambda i: te.sum(B[i, k], axis=k), "C")
    s = te.create_schedule(C.op)
    s[B].compute_at(s[C], k)
    a = integers(4, 6)
    np.testing.assert_array_equal(run(s, [A, C], a), (a[:, :, None] * a[:, None]).max(2).sum(1))


def test_two_outputs_and_an_output_that_is_read() -> None:
    A = te.placeholder((5,), "A", "int64")
    B = te.compute((5,), lambda i: A[i] + 1, "B")
    C = te.compute((5,), lambda i: B[i] * 2, "C")
    s = te.create_schedule([B.op, C.op])
    a, b, c = integers(5), np.zeros(5, "int64"), np.zeros(5, "int64")
    interpret(loop_nest(s, [A, C, B]), a, c, b)
    np.testing.assert_array_equal(b, a + 1)
    np.testing.assert_array_equal(c, (a + 1) * 2)


def test_inlining_through_two_stages() -> None:
    A = te.placeholder((5,), "A", "int64")
    B = te.compute((5,), lambda i: A[i] + 1, "B")
    C = te.compute((5,), lambda i: B[i] * B[4 - i], "C")
    D = te.compute((5,), lambda i: C[i] - B[i], "D")
    s = te.create_schedule(D.op)
    s[B].compute_inline()
    s[C].compute_inline()
    assert str(loop_nest(s, [A, D])).splitlines()[1:] == [
        "    for i in range(5):",
        "        D[i] = (A[i] + int64(1)) * (A[4 - i] + int64(1)) - A[i] - int64(1)",
    ]


def test_lowering_does_not_change_the_schedule() -> None:
    A = te.placeholder((5,), "A")
    B = te.compute((5,), lambda i: A[i] + 1.0, "B")
    C = te.compute((5,), lambda i: B[i] * 2.0, "C")
    s = te.create_schedule(C.op)
    s[B].compute_inline()
    first = str(loop_nest(s, [A, C]))
    assert str(loop_nest(s, [A, C])) == first
    s[B].compute_root()
    assert "allocate" in str(loop_nest(s, [A, C]))


def test_int32_data_may_wrap() -> None:
    """A sum of elements is not an index, so it must not be assumed to stay in range."""
    A = te.placeholder((3,), "A", "int32")
    C = te.compute((3,), lambda i: A[i] * 4 // 4 + te.maximum(A[i] + 1, A[i]), "C")
    a = np.array([2**31 - 1, -(2**31), 2**29], "int32")
    with np.errstate(over="ignore"):
        expected = a * np.int32(4) // np.int32(4) + np.maximum(a + np.int32(1), a)
    np.testing.assert_array_equal(run(te.create_schedule(C.op), [A, C], a), expected)


def test_each_loop_nest_has_new_variables() -> None:
    s, args, k = matmul(4, 4, 4)
    first, second = ({n.var for n in walk(loop_nest(s, args).body) if isinstance(n, For)} for _ in "ab")
    assert len(first) == len(second) == 3
    assert not first & second
    assert k.var not in first | second


# --- threads --------------------------------------------------------------------------------------


def cooperative(threads: int = 16, scope: str = "shared", loads: int = 16) -> tuple[Schedule, list[Tensor]]:
    """A product where the threads of a block together load the elements that all of them read."""
    X, Y = te.placeholder((64, 32), "X"), te.placeholder((32, 8), "Y")
    k = te.reduce_axis((0, 32), "k")
    Z = te.compute((64, 8), lambda i, j: te.sum(X[i, k] * Y[k, j], axis=k), "Z")
    s = te.create_schedule(Z.op)
    ZZ = s.cache_write(Z, "local")
    copy = s.cache_read(X, scope, [ZZ])
    block, thread = s[Z].split(axes(Z)[0], threads)
    mark(s, Z, block, "blockIdx.x")
    mark(s, Z, thread, "threadIdx.x")
    s[ZZ].compute_at(s[Z], thread)
    outer, inner = s[ZZ].split(k, 8)
    s[ZZ].reorder(outer, inner, *axes(ZZ))
    s[copy].compute_at(s[ZZ], outer)
    _, part = s[copy].split(s[copy].fuse(*axes(copy)), loads)
    mark(s, copy, part, "threadIdx.x")
    return s, [X, Y, Z]


def mark(s: Schedule, tensor: Tensor, axis: IterVar, tag: str) -> None:
    s[tensor]._mark(tag, axis)


def test_shared_memory_is_allocated_around_the_threads_that_fill_it() -> None:
    """The box contains the elements that all threads read, and each thread does its part of the loads."""
    s, args = cooperative()
    assert str(loop_nest(s, args)).splitlines()[1:] == [
        '    for i_outer in bind(4, "blockIdx.x"):',
        '        X_shared = allocate(float32[16, 8], "shared")',
        '        for i_inner in bind(16, "threadIdx.x"):',
        '            Z_local = allocate(float32[1, 8], "local")',
        "            for j_init in range(8):",
        "                Z_local[0, j_init] = 0.0",
        "            for k_outer in range(4):",
        "                for ax0_ax1_fused_outer in range(8):",
        "                    X_shared[ax0_ax1_fused_outer * 2 + i_inner // 8, i_inner % 8] = "
        "X[i_outer * 16 + ax0_ax1_fused_outer * 2 + i_inner // 8, k_outer * 8 + i_inner % 8]",
        "                for k_inner in range(8):",
        "                    for j in range(8):",
        "                        Z_local[0, j] = Z_local[0, j] + "
        "X_shared[i_inner, k_inner] * Y[k_outer * 8 + k_inner, j]",
        "            for j in range(8):",
        "                Z[i_outer * 16 + i_inner, j] = Z_local[0, j]",
    ]


def test_fewer_iterations_than_threads_are_guarded() -> None:
    s, args = cooperative(loads=4)
    text = str(loop_nest(s, args))
    assert "                for ax0_ax1_fused_outer in range(32):" in text
    assert "                    if i_inner < 4:" in text


def test_shared_memory_covers_virtual_threads_too() -> None:
    """A stage whose loops are not bound runs in one thread: two would add to one element."""
    A = te.placeholder((64,), "A")
    B = te.compute((64,), lambda i: A[i] + 1.0, "B")
    C = te.compute((64,), lambda i: B[i] * 2.0, "C")
    s = te.create_schedule(C.op)
    block, rest = s[C].split(axes(C)[0], 32)
    virtual, thread = s[C].split(rest, 8)
    for axis, tag in ((block, "blockIdx.x"), (virtual, "vthread"), (thread, "threadIdx.x")):
        mark(s, C, axis, tag)
    s[B].set_scope("shared")
    s[B].compute_at(s[C], thread)
    assert str(loop_nest(s, [A, C])).splitlines()[1:] == [
        '    for i_outer in bind(2, "blockIdx.x"):',
        '        B = allocate(float32[32], "shared")',
        "        for i_inner_outer in vthread(4):",
        '            for i_inner_inner in bind(8, "threadIdx.x"):',
        "                for i in range(32):",
        "                    if i_inner_inner < 1:",
        "                        B[i] = A[i_outer * 32 + i] + 1.0",
        "                C[i_outer * 32 + i_inner_outer * 8 + i_inner_inner] = "
        "B[i_inner_outer * 8 + i_inner_inner] * 2.0",
    ]
    s[B].set_scope("warp")  # the threads of one threadIdx.x, but not the virtual ones
    assert '        B = allocate(float32[8], "warp")' in str(loop_nest(s, [A, C]))


# --- what is refused ------------------------------------------------------------------------------


def test_arguments() -> None:
    s, (A, B, C), _ = matmul(4, 4, 4)
    other = te.placeholder((4,), "other")
    with pytest.raises(ScheduleError, match=r"'main' lacks the argument\(s\) B \(needed: A, B, C\)"):
        loop_nest(s, [A, C])
    with pytest.raises(ScheduleError, match=r"'f' lacks the argument\(s\) A, C"):
        loop_nest(s, [B], "f")
    with pytest.raises(
        ScheduleError, match=r"other is neither an input nor an output of the schedule \(needed: A, B, C\)"
    ):
        loop_nest(s, [A, B, C, other])
    with pytest.raises(ScheduleError, match="'main' takes an argument twice: A, B, A, C"):
        loop_nest(s, [A, B, A, C])
    with pytest.raises(ScheduleError, match="argument 1 of 'main' is str; a tensor is needed"):
        loop_nest(s, [A, "B", C])


def test_an_intermediate_stage_is_not_an_argument() -> None:
    A = te.placeholder((4,), "A")
    B = te.compute((4,), lambda i: A[i], "B")
    C = te.compute((4,), lambda i: B[i], "C")
    with pytest.raises(
        ScheduleError, match=r"B is neither an input nor an output of the schedule \(needed: A, C\)"
    ):
        loop_nest(te.create_schedule(C.op), [A, B, C])


def test_a_local_buffer_that_is_too_large() -> None:
    n = LOCAL_LIMIT // 4 + 1
    A = te.placeholder((n,), "A")
    C = te.compute((n,), lambda i: A[i] + 1.0, "C")
    s = te.create_schedule(C.op)
    cache = s.cache_write(C, "local")
    message = (
        rf"C_local: a local buffer of \[{n}\] float32 takes {4 * n} bytes, more than {LOCAL_LIMIT}; "
        "compute it at an inner loop, or give it the scope 'global'"
    )
    with pytest.raises(ScheduleError, match=message):
        loop_nest(s, [A, C])
    s[cache].set_scope("global")
    loop_nest(s, [A, C])
    s[cache].set_scope("local")
    s[cache].compute_at(s[C], axes(C)[0])
    loop_nest(s, [A, C])


def test_primitives_on_a_stage_that_is_inlined_are_not_dropped() -> None:
    A = te.placeholder((8,), "A")
    B = te.compute((8,), lambda i: A[i] + 1.0, "B")
    C = te.compute((8,), lambda i: B[i] * 2.0, "C")
    s = te.create_schedule(C.op)
    s[B].parallel(B.op.axis[0])
    s[B].compute_inline()
    with pytest.raises(ScheduleError, match=r"^B: inlined, so it has no loops, but its loops were scheduled"):
        loop_nest(s, [A, C])


def test_threads_cannot_share_the_filling_of_private_memory() -> None:
    message = (
        r"X_local: 'ax0_ax1_fused_inner' is bound to threadIdx\.x inside of the loop 'i_inner' of Z, "
        r"which is bound to it too, but each thread has a private copy of X_local in 'local' memory; "
        r"use set_scope\('shared'\)"
    )
    with pytest.raises(ScheduleError, match=message):
        loop_nest(*cooperative(scope="local", loads=4))


def test_a_parallel_loop_between_threads_and_their_shared_memory() -> None:
    s, args = cooperative()
    (copy,) = [stage for stage in s.stages if stage.name == "X_shared"]
    parent, _ = copy.attach
    parent.reorder(*parent.leaf[::-1])
    parent.parallel(parent.leaf[0])
    copy.compute_at(parent, parent.leaf[0])
    message = (
        r"X_shared: its 'shared' memory is shared by all threads, but the loop 'j' of Z_local inside "
        "of the loops over threads is parallel; leave it serial"
    )
    with pytest.raises(ScheduleError, match=message):
        loop_nest(s, args)


def test_more_iterations_than_threads() -> None:
    message = (
        r"X_shared: 'ax0_ax1_fused_inner' has 32 iterations for the 16 threads of threadIdx\.x of Z; "
        "split it by that number, and bind the inner loop"
    )
    with pytest.raises(ScheduleError, match=message):
        loop_nest(*cooperative(loads=32))


def test_a_packed_output_that_does_not_fill_its_bytes() -> None:
    A = te.placeholder((4, 3), "A", "int32")
    B = te.compute((4, 3), lambda i, j: te.cast(A[i, j], "int4"), "B")
    message = (
        r"'main': B: int4\[4, 3\] is an argument, and 2 of its elements share a byte, so its last extent"
    )
    with pytest.raises(ScheduleError, match=message):
        loop_nest(te.create_schedule(B.op), [A, B])

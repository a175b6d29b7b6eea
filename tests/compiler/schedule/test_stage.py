"""The primitives: the loop nest that each one makes, and what each one refuses."""

from __future__ import annotations

from collections.abc import Callable
from textwrap import dedent

import numpy as np
import pytest

from compiler import te
from compiler.schedule import Schedule, ScheduleError
from compiler.schedule.nest import loop_nest
from compiler.tensor import IterVar, Tensor

A = te.placeholder((8, 4), "A")
B = te.compute((8, 4), lambda i, j: A[i, j] + 1.0, "B")
C = te.compute((8, 4), lambda i, j: B[i, j] * 2.0, "C")
k = te.reduce_axis((0, 4), "k")
R = te.compute((8,), lambda i: te.sum(A[i, k], axis=k), "R")


def axes(tensor: Tensor) -> tuple[IterVar, ...]:
    return tensor.op.axis


def show(s: Schedule, *args: Tensor) -> str:
    """The statements of the loop nest."""
    return dedent("\n".join(str(loop_nest(s, args)).splitlines()[1:]))


def check(s: Schedule, args: list[Tensor], expected: str) -> None:
    assert show(s, *args) == dedent(expected).strip("\n").rstrip()


def plus_one() -> Schedule:
    return te.create_schedule(B.op)


# --- loops ----------------------------------------------------------------------------------------


def test_no_primitive() -> None:
    check(
        plus_one(),
        [A, B],
        """
        for i in range(8):
            for j in range(4):
                B[i, j] = A[i, j] + 1.0
        """,
    )


def test_split_by_factor() -> None:
    s = plus_one()
    outer, inner = s[B].split(axes(B)[0], factor=4)
    assert (outer.extent, inner.extent) == (2, 4)
    check(
        s,
        [A, B],
        """
        for i_outer in range(2):
            for i_inner in range(4):
                for j in range(4):
                    B[i_outer * 4 + i_inner, j] = A[i_outer * 4 + i_inner, j] + 1.0
        """,
    )


def test_split_by_a_factor_that_does_not_divide() -> None:
    s = plus_one()
    s[B].split(axes(B)[0], 3)
    check(
        s,
        [A, B],
        """
        for i_outer in range(3):
            for i_inner in range(3):
                for j in range(4):
                    if i_outer * 3 + i_inner < 8:
                        B[i_outer * 3 + i_inner, j] = A[i_outer * 3 + i_inner, j] + 1.0
        """,
    )


def test_split_by_nparts() -> None:
    s = plus_one()
    outer, inner = s[B].split(axes(B)[0], nparts=5)
    assert (outer.extent, inner.extent) == (5, 2)
    check(
        s,
        [A, B],
        """
        for i_outer in range(5):
            for i_inner in range(2):
                for j in range(4):
                    if i_outer < 4:
                        B[i_outer * 2 + i_inner, j] = A[i_outer * 2 + i_inner, j] + 1.0
        """,
    )


@pytest.mark.parametrize("how", [{"factor": 9}, {"nparts": 1}, {"factor": np.int64(8)}])
def test_split_past_the_extent_leaves_one_loop(how: dict[str, int]) -> None:
    s = plus_one()
    s[B].split(axes(B)[0], **how)
    check(
        s,
        [A, B],
        """
        for i_inner in range(8):
            for j in range(4):
                B[i_inner, j] = A[i_inner, j] + 1.0
        """,
    )


def test_each_split_that_is_not_exact_is_guarded() -> None:
    """k_inner may pass 3 while k is still below 8: without the second condition, terms are added twice."""
    terms = te.reduce_axis((0, 8), "k")
    total = te.compute((4,), lambda i: te.sum(A[terms, i], axis=terms), "total")
    s = te.create_schedule(total.op)
    _, inner = s[total].split(terms, 3)
    s[total].split(inner, 2)
    check(
        s,
        [A, total],
        """
        for i in range(4):
            total[i] = 0.0
            for k_outer in range(3):
                for k_inner_outer in range(2):
                    for k_inner_inner in range(2):
                        if k_outer * 3 + k_inner_outer * 2 + k_inner_inner < 8 and k_inner_outer * 2 + k_inner_inner < 3:
                            total[i] = total[i] + A[k_outer * 3 + k_inner_outer * 2 + k_inner_inner, i]
        """,  # noqa: E501
    )


def test_fuse() -> None:
    s = plus_one()
    s[B].fuse(*axes(B))
    check(
        s,
        [A, B],
        """
        for i_j_fused in range(32):
            B[i_j_fused // 4, i_j_fused % 4] = A[i_j_fused // 4, i_j_fused % 4] + 1.0
        """,
    )


def test_fuse_of_three() -> None:
    cube = te.placeholder((2, 3, 4), "cube")
    out = te.compute((2, 3, 4), lambda x, y, z: cube[x, y, z] + 1.0, "out")
    s = te.create_schedule(out.op)
    fused = s[out].fuse(*axes(out))
    assert fused.extent == 24
    check(
        s,
        [cube, out],
        """
        for x_y_fused_z_fused in range(24):
            out[x_y_fused_z_fused // 12, x_y_fused_z_fused // 4 % 3, x_y_fused_z_fused % 4] = cube[x_y_fused_z_fused // 12, x_y_fused_z_fused // 4 % 3, x_y_fused_z_fused % 4] + 1.0
        """,  # noqa: E501
    )


def test_fuse_of_a_split_is_the_loop_again() -> None:
    s = plus_one()
    s[B].fuse(*s[B].split(axes(B)[0], 4))
    check(
        s,
        [A, B],
        """
        for i_outer_i_inner_fused in range(8):
            for j in range(4):
                B[i_outer_i_inner_fused, j] = A[i_outer_i_inner_fused, j] + 1.0
        """,
    )


def test_split_of_a_fuse() -> None:
    s = plus_one()
    s[B].split(s[B].fuse(*axes(B)), 5)
    check(
        s,
        [A, B],
        """
        for i_j_fused_outer in range(7):
            for i_j_fused_inner in range(5):
                if i_j_fused_outer * 5 + i_j_fused_inner < 32:
                    B[(i_j_fused_outer * 5 + i_j_fused_inner) // 4, (i_j_fused_outer * 5 + i_j_fused_inner) % 4] = A[(i_j_fused_outer * 5 + i_j_fused_inner) // 4, (i_j_fused_outer * 5 + i_j_fused_inner) % 4] + 1.0
        """,  # noqa: E501
    )


def test_tile() -> None:
    s = plus_one()
    made = s[B].tile(*axes(B), 4, 2)
    assert s[B].leaf == list(made)
    check(
        s,
        [A, B],
        """
        for i_outer in range(2):
            for j_outer in range(2):
                for i_inner in range(4):
                    for j_inner in range(2):
                        B[i_outer * 4 + i_inner, j_outer * 2 + j_inner] = A[i_outer * 4 + i_inner, j_outer * 2 + j_inner] + 1.0
        """,  # noqa: E501
    )


def test_reorder() -> None:
    s = plus_one()
    i, j = axes(B)
    s[B].reorder(j, i)
    check(
        s,
        [A, B],
        """
        for j in range(4):
            for i in range(8):
                B[i, j] = A[i, j] + 1.0
        """,
    )


def test_reorder_leaves_the_others_in_their_places() -> None:
    s = plus_one()
    io, jo, ii, ji = s[B].tile(*axes(B), 4, 2)
    s[B].reorder(ji, io)
    assert s[B].leaf == [ji, jo, ii, io]


def test_reorder_of_a_reduction_sets_the_elements_before() -> None:
    s = te.create_schedule(R.op)
    s[R].reorder(k, axes(R)[0])
    check(
        s,
        [A, R],
        """
        for i_init in range(8):
            R[i_init] = 0.0
        for k in range(4):
            for i in range(8):
                R[i] = R[i] + A[i, k]
        """,
    )


def test_a_guarded_reduction_sets_no_element_outside() -> None:
    s = te.create_schedule(R.op)
    outer, inner = s[R].split(axes(R)[0], 3)
    s[R].reorder(outer, k, inner)
    check(
        s,
        [A, R],
        """
        for i_outer in range(3):
            for i_inner_init in range(3):
                if i_outer * 3 + i_inner_init < 8:
                    R[i_outer * 3 + i_inner_init] = 0.0
            for k in range(4):
                for i_inner in range(3):
                    if i_outer * 3 + i_inner < 8:
                        R[i_outer * 3 + i_inner] = R[i_outer * 3 + i_inner] + A[i_outer * 3 + i_inner, k]
        """,
    )


@pytest.mark.parametrize("kind", ["vectorize", "unroll", "parallel"])
def test_marks(kind: str) -> None:
    s = plus_one()
    getattr(s[B], kind)(axes(B)[1])
    check(
        s,
        [A, B],
        f"""
        for i in range(8):
            for j in {kind}(4):
                B[i, j] = A[i, j] + 1.0
        """,
    )


def test_the_loops_that_set_the_elements_are_marked_too() -> None:
    s = te.create_schedule(R.op)
    s[R].reorder(k, axes(R)[0])
    s[R].vectorize(axes(R)[0])
    s[R].unroll(k)
    check(
        s,
        [A, R],
        """
        for i_init in vectorize(8):
            R[i_init] = 0.0
        for k in unroll(4):
            for i in vectorize(8):
                R[i] = R[i] + A[i, k]
        """,
    )


# --- places ---------------------------------------------------------------------------------------


def test_stages_at_the_root() -> None:
    check(
        te.create_schedule(C.op),
        [A, C],
        """
        B = allocate(float32[8, 4], "global")
        for i in range(8):
            for j in range(4):
                B[i, j] = A[i, j] + 1.0
        for i in range(8):
            for j in range(4):
                C[i, j] = B[i, j] * 2.0
        """,
    )


def test_compute_at() -> None:
    s = te.create_schedule(C.op)
    s[B].compute_at(s[C], axes(C)[0])
    check(
        s,
        [A, C],
        """
        for i in range(8):
            B = allocate(float32[1, 4], "global")
            for j in range(4):
                B[0, j] = A[i, j] + 1.0
            for j in range(4):
                C[i, j] = B[0, j] * 2.0
        """,
    )


def test_compute_root_takes_it_back() -> None:
    s = te.create_schedule(C.op)
    before = show(s, A, C)
    s[B].compute_at(s[C], axes(C)[0])
    s[B].compute_root()
    assert show(s, A, C) == before
    s[B].compute_inline()
    s[B].compute_root()
    assert show(s, A, C) == before


def test_compute_inline() -> None:
    s = te.create_schedule(C.op)
    s[B].compute_inline()
    check(
        s,
        [A, C],
        """
        for i in range(8):
            for j in range(4):
                C[i, j] = (A[i, j] + 1.0) * 2.0
        """,
    )


def test_compute_at_takes_inline_back() -> None:
    s = te.create_schedule(C.op)
    s[B].compute_inline()
    s[B].compute_at(s[C], axes(C)[1])
    check(
        s,
        [A, C],
        """
        for i in range(8):
            for j in range(4):
                B = allocate(float32[1, 1], "global")
                B[0, 0] = A[i, j] + 1.0
                C[i, j] = B[0, 0] * 2.0
        """,
    )


def test_cache_write() -> None:
    s = te.create_schedule(R.op)
    cache = s.cache_write(R, "local")
    outer, _ = s[R].split(axes(R)[0], 4)
    s[cache].compute_at(s[R], outer)
    assert cache.name == "R_local"
    check(
        s,
        [A, R],
        """
        for i_outer in range(2):
            R_local = allocate(float32[4], "local")
            for i in range(4):
                R_local[i] = 0.0
                for k in range(4):
                    R_local[i] = R_local[i] + A[i_outer * 4 + i, k]
            for i_inner in range(4):
                R[i_outer * 4 + i_inner] = R_local[i_inner]
        """,
    )


def test_cache_read() -> None:
    s = te.create_schedule(R.op)
    copy = s.cache_read(A, "local", [R])
    s[copy].compute_at(s[R], axes(R)[0])
    check(
        s,
        [A, R],
        """
        for i in range(8):
            A_local = allocate(float32[1, 4], "local")
            for ax1 in range(4):
                A_local[0, ax1] = A[i, ax1]
            R[i] = 0.0
            for k in range(4):
                R[i] = R[i] + A_local[0, k]
        """,
    )


def test_cache_read_of_one_reader() -> None:
    D = te.compute((8, 4), lambda i, j: A[i, j] - B[i, j], "D")
    s = te.create_schedule(D.op)
    s.cache_read(A, "global", [D])
    check(
        s,
        [A, D],
        """
        B = allocate(float32[8, 4], "global")
        for i in range(8):
            for j in range(4):
                B[i, j] = A[i, j] + 1.0
        A_global = allocate(float32[8, 4], "global")
        for ax0 in range(8):
            for ax1 in range(4):
                A_global[ax0, ax1] = A[ax0, ax1]
        for i in range(8):
            for j in range(4):
                D[i, j] = A_global[i, j] - B[i, j]
        """,
    )


def test_cache_read_inside_of_a_cache_write() -> None:
    s = te.create_schedule(R.op)
    cache = s.cache_write(R, "local")
    copy = s.cache_read(A, "local", [cache])
    s[cache].compute_at(s[R], axes(R)[0])
    outer, _ = s[cache].split(k, 2)
    s[copy].compute_at(s[cache], outer)
    check(
        s,
        [A, R],
        """
        for i in range(8):
            R_local = allocate(float32[1], "local")
            R_local[0] = 0.0
            for k_outer in range(2):
                A_local = allocate(float32[1, 2], "local")
                for ax1 in range(2):
                    A_local[0, ax1] = A[i, k_outer * 2 + ax1]
                for k_inner in range(2):
                    R_local[0] = R_local[0] + A_local[0, k_inner]
            R[i] = R_local[0]
        """,
    )


def test_cache_write_of_several_tensors() -> None:
    index, value = te.compute((8,), lambda i: te.argmax(A[i, k], axis=k), "P")
    s = te.create_schedule(index.op)
    value_cache, index_cache = s.cache_write([value, index], "local")
    s[value_cache].compute_at(s[value], axes(index)[0])
    check(
        s,
        [A, index, value],
        """
        for i in range(8):
            P_local_v0 = allocate(int32[1], "local")
            P_local_v1 = allocate(float32[1], "local")
            P_local_v0[0] = 2147483647
            P_local_v1[0] = float32("-inf")
            for k in range(4):
                P_local_v0[0] = select(A[i, k] > P_local_v1[0] or A[i, k] == P_local_v1[0] and k < P_local_v0[0], k, P_local_v0[0])
                P_local_v1[0] = select(A[i, k] > P_local_v1[0], A[i, k], P_local_v1[0])
            P_v0[i] = P_local_v0[0]
            P_v1[i] = P_local_v1[0]
        """,  # noqa: E501
    )
    assert (index_cache.name, value_cache.name) == ("P_local_v0", "P_local_v1")


def test_cache_read_of_one_of_several_tensors() -> None:
    low, high = te.compute((8,), lambda i: (A[i, 0], A[i, 1]), "P")
    D = te.compute((8,), lambda i: high[i] - low[i], "D")
    s = te.create_schedule(D.op)
    copy = s.cache_read(high, "local", [D])
    s[copy].compute_at(s[D], axes(D)[0])
    assert copy.name == "P_v1_local"
    assert "    D[i] = P_v1_local[0] - P_v0[i]" in show(s, A, D).splitlines()


def test_cache_write_into_the_memory_of_an_accelerator() -> None:
    s = plus_one()
    assert s.cache_write(B, "vta.acc").name == "B_vta_acc"
    assert 'B_vta_acc = allocate(float32[8, 4], "vta.acc")' in show(s, A, B)


def test_set_scope() -> None:
    s = te.create_schedule(C.op)
    s[B].set_scope("local")
    assert 'B = allocate(float32[8, 4], "local")' in show(s, A, C)


# --- what is refused ------------------------------------------------------------------------------


def two() -> Schedule:
    return te.create_schedule(C.op)


def marked() -> Schedule:
    s = plus_one()
    s[B].vectorize(axes(B)[1])
    return s


def with_split(s: Schedule) -> Schedule:
    s[C].split(axes(C)[0], 4)
    return s


i, j = axes(B)
low, high = te.compute((8,), lambda i: (A[i, 0], A[i, 1]), "P")
REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "split of a loop of another stage": (
        lambda: plus_one()[B].split(axes(C)[0], 4),
        r"B: split of 'i', which is not one of its loops now \(loops: i, j\)",
    ),
    "split of what is no loop": (lambda: plus_one()[B].split("i", 4), r"B: split of \"'i'\", which is not"),
    "split by neither": (lambda: plus_one()[B].split(i), r"B: split of 'i' takes either factor or nparts"),
    "split by both": (lambda: plus_one()[B].split(i, 2, nparts=4), r"takes either factor or nparts"),
    "split by zero": (lambda: plus_one()[B].split(i, 0), r"split of 'i' into 0; a positive whole number"),
    "split by a fraction": (lambda: plus_one()[B].split(i, 1.5), r"split of 'i' into 1\.5; a positive"),
    "split of a marked loop": (
        lambda: marked()[B].split(j, 2),
        r"B: 'j' is marked 'vectorize' already; split it before that",
    ),
    "fuse of a marked loop": (
        lambda: marked()[B].fuse(i, j),
        r"B: 'j' is marked 'vectorize' already; fuse it before that",
    ),
    "fuse of one": (lambda: plus_one()[B].fuse(i), r"B: fuse takes two or more axes, not 1"),
    "fuse of a loop that is not there": (
        lambda: plus_one()[B].fuse(i, axes(C)[1]),
        r"B: fuse of 'j', which is not",
    ),
    "fuse of loops out of order": (
        lambda: plus_one()[B].fuse(j, i),
        r"B: 'i' does not stand right inside 'j', so they cannot be fused; reorder .*loops: i, j",
    ),
    "fuse of a data axis and a reduce axis": (
        lambda: te.create_schedule(R.op)[R].fuse(*axes(R), k),
        r"R: 'i' is a data axis and 'k' a reduce axis; only axes of one kind can be fused",
    ),
    "tile of one axis": (
        lambda: plus_one()[B].tile(i, i, 2, 2),
        r"B: tile takes two axes, not 'i' twice",
    ),
    "reorder of a loop that is not there": (
        lambda: plus_one()[B].reorder(j, k),
        r"B: reorder of 'k', which is not",
    ),
    "reorder of a loop twice": (
        lambda: plus_one()[B].reorder(i, i),
        r"B: reorder names an axis twice: \['i', 'i'\]",
    ),
    "vectorize of a reduce axis": (
        lambda: te.create_schedule(R.op)[R].vectorize(k),
        r"R: 'k' is a reduce axis; vectorize needs a data axis \(i\)",
    ),
    "parallel of a reduce axis": (
        lambda: te.create_schedule(R.op)[R].parallel(k),
        r"R: 'k' is a reduce axis; parallel",
    ),
    "a second mark": (lambda: marked()[B].unroll(j), r"B: 'j' is marked 'vectorize' already"),
    "a mark on no loop": (
        lambda: plus_one()[B].unroll(k),
        r"B: unroll of 'k', which is not one of its loops",
    ),
    "compute_at of an output": (
        lambda: plus_one()[B].compute_at(plus_one()[B], i),
        r"B: an output has no consumer to be computed at",
    ),
    "compute_at of an input": (
        lambda: (s := two())[A].compute_at(s[C], axes(C)[0]),
        r"A: an input is not computed; use cache_read to place a copy of it",
    ),
    "compute_at itself": (
        lambda: (s := two())[B].compute_at(s[B], i),
        r"B: a stage cannot be computed at itself",
    ),
    "compute_at a tensor": (
        lambda: two()[B].compute_at(C, axes(C)[0]),
        r"B: compute_at takes a stage, s\[C\], not Tensor",
    ),
    "compute_at a loop that is not there": (
        lambda: (s := two())[B].compute_at(s[C], i),
        r"C: compute_at of 'i', which is not one of its loops now",
    ),
    "compute_inline of an output": (
        lambda: plus_one()[B].compute_inline(),
        r"B: an output must be stored, so it cannot be inlined",
    ),
    "compute_inline of an input": (
        lambda: two()[A].compute_inline(),
        r"A: an input cannot be inlined; use compute_at",
    ),
    "compute_inline of a reduction": (
        lambda: te.create_schedule(te.compute((8,), lambda i: R[i], "S").op)[R].compute_inline(),
        r"R: a reduction cannot be inlined; use compute_at",
    ),
    "an unknown scope": (
        lambda: two()[B].set_scope("locale"),
        r"B: unknown scope 'locale'; did you mean 'local'\? \(known: global, shared, warp, local\)",
    ),
    "a scope of an input": (
        lambda: two()[A].set_scope("local"),
        r"A: the caller gives the memory of an input or output; cache it",
    ),
    "a scope of an output": (lambda: two()[C].set_scope("local"), r"C: the caller gives the memory"),
    "a stage of another program": (
        lambda: plus_one()[C],
        r"'C' is not part of this schedule \(stages: A, B\)",
    ),
    "what is no tensor": (lambda: plus_one()["B"], r"'B' is not part of this schedule"),
    "cache_write of an input": (lambda: two().cache_write(A), r"A: cache_write of an input; use cache_read"),
    "cache_write after a split": (
        lambda: with_split(two()).cache_write(C),
        r"C: cache_write must come before the other primitives on the stage",
    ),
    "cache_write after a mark": (lambda: marked().cache_write(B), r"B: cache_write must come before"),
    "cache_write after a reorder": (
        lambda: ((s := plus_one())[B].reorder(j, i), s.cache_write(B)),
        r"B: cache_write must come before",
    ),
    "cache_write to an unknown scope": (
        lambda: two().cache_write(C, "constant"),
        r"C_constant: unknown scope 'constant'",
    ),
    "cache_write of nothing": (lambda: two().cache_write([]), r"cache_write needs at least one tensor"),
    "cache_write of one of two": (
        lambda: te.create_schedule(low.op).cache_write(low),
        r"P: cache_write takes all tensors of one operation, \(P_v0, P_v1\), not \(P_v0\)",
    ),
    "cache_write of two stages": (
        lambda: two().cache_write([B, C]),
        r"B: cache_write takes all tensors of one operation, \(B\), not \(B, C\)",
    ),
    "cache_read for nobody": (
        lambda: two().cache_read(A, "local", []),
        r"A: cache_read needs at least one reader",
    ),
    "cache_read for who does not read": (
        lambda: two().cache_read(A, "local", [C]),
        r"A: 'C' does not read it \(readers: B\)",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    make, message = REFUSED[name]
    with pytest.raises(ScheduleError, match=message):
        make()


@pytest.mark.parametrize("name", ["constant", "lokal"])
def test_a_refused_cache_leaves_the_schedule_as_it_was(name: str) -> None:
    s = two()
    before = show(s, A, C)
    for make in (lambda: s.cache_write(C, name), lambda: s.cache_read(A, name, [B])):
        with pytest.raises(ScheduleError, match="unknown scope"):
            make()
    assert show(s, A, C) == before


def test_a_stage_names_its_loops() -> None:
    s = plus_one()
    s[B].split(i, 4)
    assert repr(s[B]) == "Stage(B: i_outer, i_inner, j)"

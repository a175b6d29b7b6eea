"""cache_write and cache_read: the loop nest of each, and their errors."""

from __future__ import annotations

from collections.abc import Callable
from textwrap import dedent

import pytest

from compiler import te
from compiler.lowering.nest import loop_nest
from compiler.schedule import Schedule, ScheduleError
from compiler.te.axis import IterVar
from compiler.te.tensor import Tensor

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
                P_local_v0[0] = select((A[i, k] >= P_local_v1[0] or isnan(A[i, k])) and (not (P_local_v1[0] >= A[i, k] or isnan(P_local_v1[0])) or k < P_local_v0[0]), k, P_local_v0[0])
                P_local_v1[0] = max(P_local_v1[0], A[i, k])
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
    "cache_write without tensors": (
        lambda: two().cache_write([]),
        r"cache_write takes a tensor or a list of them, not \[\]",
    ),
    "cache_write of an operation": (lambda: two().cache_write(C.op), r"cache_write takes a tensor or a list"),
    "cache_read of an operation": (
        lambda: two().cache_read(B.op, "local", [C]),
        r"cache_read takes a tensor, not Compute",
    ),
    "cache_write of one of two": (
        lambda: te.create_schedule(low.op).cache_write(low),
        r"P: cache_write takes all tensors of one operation, \(P_v0, P_v1\), not \(P_v0\)",
    ),
    "cache_write of two stages": (
        lambda: two().cache_write([B, C]),
        r"B: cache_write takes all tensors of one operation, \(B\), not \(B, C\)",
    ),
    "cache_read without readers": (
        lambda: two().cache_read(A, "local", []),
        r"A: cache_read needs at least one reader",
    ),
    "cache_read for a stage that does not read": (
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
def test_a_refused_cache_does_not_change_the_schedule(name: str) -> None:
    s = two()
    before = show(s, A, C)
    for make in (lambda: s.cache_write(C, name), lambda: s.cache_read(A, name, [B])):
        with pytest.raises(ScheduleError, match="unknown scope"):
            make()
    assert show(s, A, C) == before


def test_a_stage_with_a_cached_read_is_inlined() -> None:
    last = te.compute((8, 4), lambda i, j: C[i, j] - 1.0, "D")
    s = te.create_schedule(last.op)
    s.cache_read(B, "local", [C])
    s[C].compute_inline()
    assert "D[i, j] = B_local[i, j] * 2.0 - 1.0" in show(s, A, last)

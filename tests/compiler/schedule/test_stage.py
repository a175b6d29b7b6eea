"""The primitives on the loop and the memory of a stage: the loop nest of each, and their errors."""

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


def test_compute_root_undoes_compute_at() -> None:
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


def test_stages_read_only_by_dropped_expressions_are_not_computed() -> None:
    left, right = te.compute((8,), lambda i: (B[i, 0], A[i, 1]), "P")
    D = te.compute((8,), lambda i: right[i] * 2.0, "D")
    s = te.create_schedule(D.op)
    s[left].compute_inline()
    s[B].compute_at(s[D], axes(D)[0])
    check(
        s,
        [A, D],
        """
        for i in range(8):
            D[i] = A[i, 1] * 2.0
        """,
    )


def test_compute_at_undoes_compute_inline() -> None:
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


def test_set_scope() -> None:
    s = te.create_schedule(C.op)
    s[B].set_scope("local")
    assert 'B = allocate(float32[8, 4], "local")' in show(s, A, C)


# --- what is refused ------------------------------------------------------------------------------


def two() -> Schedule:
    return te.create_schedule(C.op)


i, j = axes(B)
low, high = te.compute((8,), lambda i: (A[i, 0], A[i, 1]), "P")
REFUSED: dict[str, tuple[Callable[[], object], str]] = {
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
    "compute_at a loop that does not exist": (
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
        r"A: the caller allocates the memory of an input or output; use it on a cache",
    ),
    "a scope of an output": (lambda: two()[C].set_scope("local"), r"C: the caller allocates the memory"),
    "a stage of another program": (
        lambda: plus_one()[C],
        r"'C' is not part of this schedule \(stages: A, B\)",
    ),
    "an object that is not a tensor": (lambda: plus_one()["B"], r"'B' is not part of this schedule"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    make, message = REFUSED[name]
    with pytest.raises(ScheduleError, match=message):
        make()

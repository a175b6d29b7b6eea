"""The primitives that mark loops and buffers: the loop nest, the replay, and their errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from textwrap import dedent

import pytest

from compiler import te
from compiler.backend import pipeline
from compiler.ir.stmt import Allocate, Prefetch
from compiler.ir.visit import walk
from compiler.lowering.nest import loop_nest
from compiler.passes import run
from compiler.schedule import Schedule, ScheduleError
from compiler.te.tensor import Tensor

A = te.placeholder((8, 4), "A")
B = te.compute((8, 4), lambda i, j: A[i, j] + 1.0, "B")
C = te.compute((8, 4), lambda i, j: B[i, j] * 2.0, "C")
k = te.reduce_axis((0, 4), "k")
R = te.compute((8,), lambda i: te.sum(A[i, k], axis=k), "R")
i, j = C.op.axis


def one() -> Schedule:
    return te.create_schedule(C.op)


def placed() -> Schedule:
    s = one()
    s[B].compute_at(s[C], i)
    return s


def statements(s: Schedule, args: list[Tensor]) -> str:
    return dedent("\n".join(str(loop_nest(s, args)).splitlines()[1:]))


def check(s: Schedule, args: list[Tensor], expected: str) -> None:
    """The nest, and that of the schedule that the recorded calls make."""
    expected = dedent(expected).strip()
    assert statements(s, args) == expected
    again = te.create_schedule([t.op for t in s.outputs]).replay(json.loads(json.dumps(s.steps)))
    assert statements(again, args) == expected


def test_bind() -> None:
    s = placed()
    s[C].bind(i, te.thread_axis("blockIdx.x"))
    s[C].bind(j, te.thread_axis((0, 4), "threadIdx.y"))
    check(
        s,
        [A, C],
        """
        for i in bind(8, "blockIdx.x"):
            B = allocate(float32[1, 4], "global")
            for j in range(4):
                B[0, j] = A[i, j] + 1.0
            for j in bind(4, "threadIdx.y"):
                C[i, j] = B[0, j] * 2.0
        """,
    )


def test_bind_to_virtual_threads() -> None:
    s = te.create_schedule(R.op)
    outer, _ = s[R].split(R.op.axis[0], nparts=2)
    s[R].bind(outer, te.thread_axis("vthread"))
    check(
        s,
        [A, R],
        """
        for i_outer in vthread(2):
            for i_inner in range(4):
                R[i_outer * 4 + i_inner] = 0.0
                for k in range(4):
                    R[i_outer * 4 + i_inner] = R[i_outer * 4 + i_inner] + A[i_outer * 4 + i_inner, k]
        """,
    )


def test_pragma() -> None:
    s = placed()
    s[C].pragma(i, "auto_unroll", 16)
    s[C].pragma(i, "layout", "rows")
    s[C].pragma(j, "fast")
    check(
        s,
        [A, C],
        """
        for i in range(8, pragmas={"auto_unroll": 16, "layout": "rows"}):
            B = allocate(float32[1, 4], "global")
            for j in range(4):
                B[0, j] = A[i, j] + 1.0
            for j in range(4, pragmas={"fast": True}):
                C[i, j] = B[0, j] * 2.0
        """,
    )


def test_double_buffer() -> None:
    s = placed()
    s[B].double_buffer()
    check(
        s,
        [A, C],
        """
        for i in range(8):
            B = allocate(float32[1, 4], "global", pragmas={"double_buffer": True})
            for j in range(4):
                B[0, j] = A[i, j] + 1.0
            for j in range(4):
                C[i, j] = B[0, j] * 2.0
        """,
    )
    (buffer,) = {n.buffer for n in walk(run(loop_nest(s, [A, C]), pipeline()).body) if type(n) is Allocate}
    assert buffer.shape == (8,)


def test_double_buffer_at_the_root_is_refused_by_its_pass() -> None:
    s = one()
    s[B].double_buffer()
    with pytest.raises(ScheduleError, match="B: double_buffer needs a serial loop around the buffer"):
        run(loop_nest(s, [A, C]), pipeline())


def test_prefetch() -> None:
    s = one()
    s[B].compute_inline()
    s[C].prefetch(A, i, 3)
    check(
        s,
        [A, C],
        """
        for i in range(8, pragmas={"prefetch:A": 3}):
            for j in range(4):
                C[i, j] = (A[i, j] + 1.0) * 2.0
        """,
    )
    hints = [n for n in walk(run(loop_nest(s, [A, C]), pipeline()).body) if type(n) is Prefetch]
    assert [hint.buffer.name for hint in hints] == ["A"]


@pytest.mark.parametrize(
    ("factor", "offset", "columns"), [(8, 0, 8), (8, 1, 9), (4, 0, 4), (1, 0, 4), (16, 15, 15)]
)
def test_storage_align(factor: int, offset: int, columns: int) -> None:
    s = one()
    s[B].storage_align(B.op.axis[0], factor, offset)
    check(
        s,
        [A, C],
        f"""
        B = allocate(float32[8, {columns}], "global")
        for i in range(8):
            for j in range(4):
                B[i, j] = A[i, j] + 1.0
        for i in range(8):
            for j in range(4):
                C[i, j] = B[i, j] * 2.0
        """,
    )


def test_storage_align_of_two_axes() -> None:
    X = te.placeholder((2, 3, 5), "X")
    Y = te.compute((2, 3, 5), lambda a, b, c: X[a, b, c] + 1.0, "Y")
    Z = te.compute((2, 3, 5), lambda a, b, c: Y[a, b, c] + 1.0, "Z")
    s = te.create_schedule(Z.op)
    s[Y].storage_align(Y.op.axis[0], 32, 8)
    s[Y].storage_align(Y.op.axis[1], 8)
    assert 'Y = allocate(float32[2, 5, 8], "global")' in statements(s, [X, Z])
    s = te.create_schedule(Z.op)
    s[Y].storage_align(Y.op.axis[0], 10, 3)
    with pytest.raises(
        ScheduleError, match="Y: no stride of 'a' is a multiple of 10 plus 3.*inner axes have 5 elements"
    ):
        loop_nest(s, [X, Z])


def bound() -> Schedule:
    s = one()
    s[C].bind(i, te.thread_axis("threadIdx.x"))
    return s


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "bind to a name": (
        lambda: one()[C].bind(i, "threadIdx.x"),
        r"C: bind takes an axis of threads.*not 'threadIdx",
    ),
    "bind of another stage's loop": (
        lambda: one()[B].bind(i, te.thread_axis("threadIdx.x")),
        r"B: bind of 'i', which is not one of its loops now",
    ),
    "bind to another number of threads": (
        lambda: one()[C].bind(i, te.thread_axis((0, 4), "threadIdx.x")),
        r"C: 'i' has 8 iterations, but threadIdx\.x has 4 threads; split it",
    ),
    "bind of two loops to one tag": (
        lambda: bound()[C].bind(j, te.thread_axis("threadIdx.x")),
        r"C: 'i' is bound to threadIdx\.x already; fuse the two loops",
    ),
    "bind of a marked loop": (
        lambda: bound()[C].bind(i, te.thread_axis("threadIdx.y")),
        r"C: 'i' is marked 'threadIdx\.x' already",
    ),
    "bind of a reduce axis": (
        lambda: te.create_schedule(R.op)[R].bind(k, te.thread_axis("threadIdx.x")),
        r"R: 'k' is a reduce axis; threadIdx\.x needs a data axis \(i\)",
    ),
    "a pragma of another stage's loop": (
        lambda: one()[B].pragma(i, "fast"),
        r"B: pragma of 'i', which is not",
    ),
    "a pragma without a key": (
        lambda: one()[C].pragma(i, ""),
        r"C: the key of a pragma is an identifier, not ''",
    ),
    "a pragma of another kind": (
        lambda: one()[C].pragma(i, "unroll", 1.5),
        r"C: the pragma 'unroll' is 1\.5; it can be an integer, a string or a bool",
    ),
    "a prefetch of an object that is not a tensor": (
        lambda: one()[C].prefetch("A", i),
        r"C: prefetch takes a tensor, not str",
    ),
    "a prefetch of the current iteration": (
        lambda: one()[C].prefetch(B, i, 0),
        r"C: prefetch of B 0 iterations ahead; a positive integer",
    ),
    "a prefetch at another stage's loop": (
        lambda: one()[B].prefetch(A, i),
        r"B: prefetch of 'i', which is not",
    ),
    "a double buffer of an output": (
        lambda: one()[C].double_buffer(),
        r"C: double_buffer of an input or output, whose memory the caller allocates; use it on a cache",
    ),
    "a double buffer of an input": (
        lambda: one()[A].double_buffer(),
        r"A: double_buffer of an input or output",
    ),
    "an aligned output": (lambda: one()[C].storage_align(i, 8), r"C: storage_align of an input or output"),
    "the last axis": (
        lambda: one()[B].storage_align(B.op.axis[1], 8),
        r"B: storage_align of 'j'; it takes an axis of the operation with another one behind it \(i\)",
    ),
    "a loop": (lambda: one()[B].storage_align("i", 8), r"B: storage_align of \"'i'\"; it takes an axis"),
    "a fraction": (
        lambda: one()[B].storage_align(B.op.axis[0], 1.5),
        r"B: storage_align by 1\.5, 0; integers",
    ),
    "an offset past the factor": (
        lambda: one()[B].storage_align(B.op.axis[0], 8, 8),
        r"B: storage_align by 8, 8; a positive factor and an offset below it are needed",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    make, message = REFUSED[name]
    with pytest.raises(ScheduleError, match=message):
        make()


def test_marks_that_exclude_one_another() -> None:
    s = one()
    s[C].pragma(i, "fast")
    with pytest.raises(ScheduleError, match="C: 'i' has the pragma 'fast' already"):
        s[C].pragma(i, "fast", 2)
    s[B].double_buffer()
    with pytest.raises(ScheduleError, match="B: it has a double buffer already"):
        s[B].double_buffer()
    s = one()
    s[B].compute_inline()
    with pytest.raises(ScheduleError, match="B: double_buffer of an inlined stage, which has no buffer"):
        s[B].double_buffer()
    s = one()
    s[B].double_buffer()
    s[B].compute_inline()
    with pytest.raises(ScheduleError, match="B: inlined, so it has no buffer, but its buffer was marked"):
        loop_nest(s, [A, C])
    s = one()
    s[B].transform_layout(lambda i, j: (j, i))
    s[B].storage_align(B.op.axis[0], 8)
    with pytest.raises(ScheduleError, match="B: storage_align pads rows that transform_layout splits"):
        loop_nest(s, [A, C])

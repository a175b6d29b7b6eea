"""The primitives on loops: the loop nest of each, and their errors."""

from __future__ import annotations

from collections.abc import Callable
from textwrap import dedent

import numpy as np
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


def test_fuse_of_a_split_is_the_original_loop() -> None:
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


# --- what is refused ------------------------------------------------------------------------------


def marked() -> Schedule:
    s = plus_one()
    s[B].vectorize(axes(B)[1])
    return s


i, j = axes(B)
low, high = te.compute((8,), lambda i: (A[i, 0], A[i, 1]), "P")
REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "split of a loop of another stage": (
        lambda: plus_one()[B].split(axes(C)[0], 4),
        r"B: split of 'i', which is not one of its loops now \(loops: i, j\)",
    ),
    "split of an object that is not a loop": (
        lambda: plus_one()[B].split("i", 4),
        r"B: split of \"'i'\", which is not",
    ),
    "split by neither": (lambda: plus_one()[B].split(i), r"B: split of 'i' takes either factor or nparts"),
    "split by both": (lambda: plus_one()[B].split(i, 2, nparts=4), r"takes either factor or nparts"),
    "split by zero": (lambda: plus_one()[B].split(i, 0), r"split of 'i' into 0; a positive integer"),
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
    "fuse of a loop that does not exist": (
        lambda: plus_one()[B].fuse(i, axes(C)[1]),
        r"B: fuse of 'j', which is not",
    ),
    "fuse of loops out of order": (
        lambda: plus_one()[B].fuse(j, i),
        r"B: 'i' is not directly inside 'j', so they cannot be fused; reorder .*loops: i, j",
    ),
    "fuse of a data axis and a reduce axis": (
        lambda: te.create_schedule(R.op)[R].fuse(*axes(R), k),
        r"R: 'i' is a data axis and 'k' a reduce axis; only axes of one kind can be fused",
    ),
    "tile of one axis": (
        lambda: plus_one()[B].tile(i, i, 2, 2),
        r"B: tile takes two axes, not 'i' twice",
    ),
    "reorder of a loop that does not exist": (
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
    "a mark on an object that is not a loop": (
        lambda: plus_one()[B].unroll(k),
        r"B: unroll of 'k', which is not one of its loops",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    make, message = REFUSED[name]
    with pytest.raises(ScheduleError, match=message):
        make()


def test_a_stage_names_its_loops() -> None:
    s = plus_one()
    s[B].split(i, 4)
    assert repr(s[B]) == "Stage(B: i_outer, i_inner, j)"

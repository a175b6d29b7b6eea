"""transform_layout: loop nests, random permutations and splits against the default schedule, and errors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from compiler import te
from compiler.ir.semantics.interpret import interpret
from compiler.ir.semantics.verify import verify
from compiler.lowering.nest import loop_nest
from compiler.schedule import Schedule, ScheduleError
from compiler.te.tensor import Tensor

A = te.placeholder((8, 10), "A", "int64")
B = te.compute((8, 10), lambda i, j: A[i, j] + 1, "B")
C = te.compute((8, 10), lambda i, j: B[i, j] * 2, "C")
k = te.reduce_axis((0, 10), "k")
R = te.compute((8, 6), lambda i, j: te.sum(A[i, k] * j, axis=k), "R")
S = te.compute((8, 6), lambda i, j: R[i, j] - 1, "S")


def show(s: Schedule, *args: Tensor) -> list[str]:
    return str(loop_nest(s, args)).splitlines()[1:]


def test_a_split_axis_innermost() -> None:
    s = te.create_schedule(C.op)
    loops = s[B].transform_layout(lambda i, j: [j // 4, i, j % 4])
    assert [a.name for a in loops] == ["j_outer", "i", "j_inner"]
    assert s[B].leaf == loops
    s[B].vectorize(loops[2])
    assert show(s, A, C) == [
        '    B = allocate(int64[3, 8, 4], "global")',
        "    for j_outer in range(3):",
        "        for i in range(8):",
        "            for j_inner in vectorize(4):",
        "                if j_outer * 4 + j_inner < 10:",
        "                    B[j_outer, i, j_inner] = A[i, j_outer * 4 + j_inner] + int64(1)",
        "    for i in range(8):",
        "        for j in range(10):",
        "            C[i, j] = B[j // 4, i, j % 4] * int64(2)",
    ]


def test_layout_of_a_cache_in_a_loop() -> None:
    """Only the part that a tile reads is kept, in the new order."""
    s = te.create_schedule(B.op)
    copy = s.cache_read(A, "local", [B])
    outer, _ = s[B].split(B.op.axis[0], 4)
    s[copy].transform_layout(lambda i, j: [j, i])
    s[copy].compute_at(s[B], outer)
    assert show(s, A, B) == [
        "    for i_outer in range(2):",
        '        A_local = allocate(int64[10, 4], "local")',
        "        for ax1 in range(10):",
        "            for ax0 in range(4):",
        "                A_local[ax1, ax0] = A[i_outer * 4 + ax0, ax1]",
        "        for i_inner in range(4):",
        "            for j in range(10):",
        "                B[i_outer * 4 + i_inner, j] = A_local[j, i_inner] + int64(1)",
    ]


LAYOUTS: dict[str, Callable] = {
    "transposed": lambda i, j: [j, i],
    "the identity": lambda i, j: [i, j],
    "joined": lambda i, j: [i * 6 + j],
    "fused in the other order": lambda i, j: [j * 8 + i],
    "split in two": lambda i, j: [i // 3, j, i % 3],
    "split in three": lambda i, j: [i // 2 // 2, j, i // 2 % 2, i % 2],
    "both axes split": lambda *i: [i[0] // 4, i[1] // 4, i[0] % 4, i[1] % 4],
    "split and fused": lambda i, j: [i // 4, j * 4 + i % 4],
}


@pytest.mark.parametrize("place", ["root", "tile", "element"])
@pytest.mark.parametrize("name", LAYOUTS)
def test_the_result_is_the_same(name: str, place: str) -> None:
    s = te.create_schedule(S.op)
    s[R].transform_layout(LAYOUTS[name])
    outer, inner = s[S].split(S.op.axis[0], 3)
    if place != "root":
        s[R].compute_at(s[S], outer if place == "tile" else S.op.axis[1])
    nest = loop_nest(s, [A, S])
    verify(nest)
    a, result = np.random.default_rng(0).integers(-9, 9, A.shape), np.zeros(S.shape, S.dtype)
    interpret(nest, a, result)
    np.testing.assert_array_equal(result, a.sum(1)[:, None] * np.arange(6) - 1)


def laid(index_map: object, tensor: Tensor = B) -> object:
    return te.create_schedule(C.op)[tensor].transform_layout(index_map)  # type: ignore[arg-type]


def after(change: Callable[[Schedule], object]) -> object:
    s = te.create_schedule(C.op)
    change(s)
    return s[B].transform_layout(lambda i, j: [j, i])


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "of an input": (
        lambda: laid(lambda i, j: [j, i], A),
        r"A: the caller allocates the memory of an input or output; change the layout of a cache",
    ),
    "of an output": (lambda: laid(lambda i, j: [j, i], C), r"C: the caller allocates the memory"),
    "too few indices": (
        lambda: laid(lambda i: [i]),
        r"B: transform_layout takes a function of 2 indices \(i, j\), not of 1",
    ),
    "an axis that is dropped": (
        lambda: laid(lambda i, j: [i]),
        r"B: transform_layout must use each axis once, but it drops j;",
    ),
    "a remainder that is dropped": (
        lambda: laid(lambda i, j: [i, j // 4]),
        r"it drops j_inner; with `c // n` among the indices, `c % n` must be there too",
    ),
    "an axis twice": (lambda: laid(lambda i, j: [i, j, i]), r"it uses an axis twice"),
    "a shift": (
        lambda: laid(lambda i, j: [i + 1, j]),
        r"B: transform_layout does not support the index i \+ 1; it supports an axis, ",
    ),
    "a step that does not fit": (
        lambda: laid(lambda i, j: [i * 8 + j]),
        r"does not support the index i \* 8 \+ j",
    ),
    "an axis split in two ways": (
        lambda: laid(lambda i, j: [i, j // 4, j % 4, j // 2]),
        r"does not support the index j // 2; .* of axes not used elsewhere",
    ),
    "after a split": (
        lambda: after(lambda s: s[B].split(B.op.axis[0], 2)),
        r"B: transform_layout must come before the other primitives on the stage",
    ),
    "a second time": (
        lambda: after(lambda s: s[B].transform_layout(lambda i, j: [i, j])),
        r"B: transform_layout must come before",
    ),
    "a record that is not a layout": (
        lambda: laid(["i0", "i7"]),
        r"an index of a layout is a number, an axis \(i0, i1\), or \[operator, index, index\] .*; not 'i7'",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    make, message = REFUSED[name]
    with pytest.raises(ScheduleError, match=message):
        make()


def test_a_refused_layout_does_not_change_the_schedule() -> None:
    s = te.create_schedule(C.op)
    before = show(s, A, C)
    with pytest.raises(ScheduleError, match="does not support"):
        s[B].transform_layout(lambda i, j: [j // 4, j % 4, i + 1])
    assert show(s, A, C) == before
    assert s[B].transform_layout(lambda i, j: [j // 4, j % 4, i])[0].name == "j_outer"
    assert s.steps[0]["args"] == [[["//", "i1", 4], ["%", "i1", 4], "i0"]]

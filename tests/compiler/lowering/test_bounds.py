"""Bound inference: the part of a tensor that is computed in a loop of its consumers."""

from __future__ import annotations

import pytest

from compiler import te
from compiler.ir.text import print_expr
from compiler.lowering.bounds import infer_bounds
from compiler.lowering.nest import loop_nest
from compiler.schedule import Schedule, ScheduleError
from compiler.te.axis import IterVar
from compiler.te.tensor import Compute, Tensor

A = te.placeholder((16,), "A")
M = te.placeholder((8, 12), "M")


def axes(tensor: Tensor) -> tuple[IterVar, ...]:
    return tensor.op.axis


def region(s: Schedule, tensor: Tensor) -> list[str]:
    """For each axis, ``first index : number of indices``."""
    computed = [stage for stage in s.stages if isinstance(stage.op, Compute)]
    found = infer_bounds(computed)[s[tensor]]
    return [
        f"{print_expr(low)} : {found.extents[axis]}"
        for low, axis in zip(found.mins, s[tensor].compute.axis, strict=True)
    ]


def one_dimensional(extent: int, element) -> tuple[Schedule, Tensor, Tensor]:
    """A producer of 16 elements, and a consumer of it."""
    B = te.compute((16,), lambda i: A[i] + 1.0, "B")
    C = te.compute((extent,), lambda i: element(B, i), "C")
    return te.create_schedule(C.op), B, C


def test_a_stage_at_the_root_is_computed_whole() -> None:
    s, B, _ = one_dimensional(4, lambda B, i: B[i])
    assert region(s, B) == ["0 : 16"]


# read of C at i -> the box computed inside of the loop over i_outer, for four values of i
WINDOWS = {
    "the same index": (16, lambda B, i: B[i], "i_outer * 4 : 4"),
    "an offset": (12, lambda B, i: B[i + 3], "i_outer * 4 + 3 : 4"),
    "a stencil": (14, lambda B, i: B[i] + B[i + 1] + B[i + 2], "i_outer * 4 : 6"),
    "readers on both sides": (
        16,
        lambda B, i: te.if_then_else(te.all(i >= 1, i < 15), B[i - 1] + B[i + 1], 0.0),
        "i_outer * 4 - 1 : 6",
    ),
    "a negative first index": (
        16,
        lambda B, i: te.if_then_else(i >= 2, B[i - 2], 0.0),
        "i_outer * 4 - 2 : 4",
    ),
    "a stride": (8, lambda B, i: B[i * 2], "i_outer * 8 : 7"),
    "backwards": (16, lambda B, i: B[15 - i], "12 - i_outer * 4 : 4"),
    "every other twice": (16, lambda B, i: B[i // 2], "i_outer * 2 : 2"),
    "one of eight": (64, lambda B, i: B[i // 8], "i_outer // 2 : 1"),
    "a remainder": (64, lambda B, i: B[i % 8], "i_outer % 2 * 4 : 4"),
    "a remainder of a whole tile": (64, lambda B, i: B[i % 4], "0 : 4"),
    "an extreme": (32, lambda B, i: B[te.minimum(i, 15)], "0 : 16"),
    "one element": (8, lambda B, i: B[5], "5 : 1"),
    "another operation on indices": (
        4,
        lambda B, i: B[te.if_then_else(i < 2, i, i + 2)],
        "0 : 16",
    ),
    "a product of axes": (4, lambda B, i: B[i * i], "0 : 16"),
    "a tensor": (16, lambda B, i: B[A[i].astype("int32")], "0 : 16"),
    "all of it, and more": (4, lambda B, i: B[i * 4] + B[15], "0 : 16"),
}


@pytest.mark.parametrize("name", WINDOWS)
def test_windows(name: str) -> None:
    extent, element, expected = WINDOWS[name]
    s, B, C = one_dimensional(extent, element)
    outer, _ = s[C].split(axes(C)[0], 4)
    s[B].compute_at(s[C], outer)
    assert region(s, B) == [expected]


def test_inner_loops_range_over_all_values_and_outer_loops_stay_symbolic() -> None:
    B = te.compute((8, 12), lambda i, j: M[i, j] + 1.0, "B")
    C = te.compute((8, 12), lambda i, j: B[i, j] * 2.0, "C")
    s = te.create_schedule(C.op)
    io, jo, ii, ji = s[C].tile(*axes(C), 4, 3)
    expected = {
        io: ["i_outer * 4 : 4", "0 : 12"],
        jo: ["i_outer * 4 : 4", "j_outer * 3 : 3"],
        ii: ["i_outer * 4 + i_inner : 1", "j_outer * 3 : 3"],
        ji: ["i_outer * 4 + i_inner : 1", "j_outer * 3 + j_inner : 1"],
    }
    for axis, mins in expected.items():
        s[B].compute_at(s[C], axis)
        assert region(s, B) == mins


def test_a_fused_loop() -> None:
    B = te.compute((8, 12), lambda i, j: M[i, j] + 1.0, "B")
    C = te.compute((8, 12), lambda i, j: B[i, j] * 2.0, "C")
    s = te.create_schedule(C.op)
    outer, _ = s[C].split(s[C].fuse(*axes(C)), 12)
    s[B].compute_at(s[C], outer)
    assert region(s, B) == ["i_j_fused_outer : 1", "0 : 12"]


def test_an_inner_reduce_loop_ranges_over_all_values() -> None:
    k = te.reduce_axis((0, 12), "k")
    B = te.compute((8, 12), lambda i, j: M[i, j] + 1.0, "B")
    C = te.compute((8,), lambda i: te.sum(B[i, k], axis=k), "C")
    s = te.create_schedule(C.op)
    outer, _ = s[C].split(k, 5)
    s[B].compute_at(s[C], axes(C)[0])
    assert region(s, B) == ["i : 1", "0 : 12"]
    s[B].compute_at(s[C], outer)
    assert region(s, B) == ["i : 1", "k_outer * 5 : 5"]


def test_a_decreasing_index() -> None:
    B = te.compute((16,), lambda i: A[i] + 1.0, "B")
    C = te.compute((4, 8), lambda i, j: te.if_then_else(j - i * 2 >= 0, B[i * -2 + j], 0.0), "C")
    s = te.create_schedule(C.op)
    i, j = axes(C)
    s[C].reorder(j, i)
    s[B].compute_at(s[C], j)
    assert region(s, B) == ["j - 6 : 7"]


@pytest.mark.parametrize("offsets", [(1, 4), (4, 1)])
def test_the_box_around_all_readers(offsets: tuple[int, int]) -> None:
    B = te.compute((16,), lambda i: A[i] + 1.0, "B")
    C = te.compute((12,), lambda i: B[i + offsets[0]], "C")
    D = te.compute((12,), lambda i: B[i + offsets[1]] - C[i], "D")
    s = te.create_schedule(D.op)
    outer, _ = s[D].split(axes(D)[0], 4)
    s[C].compute_at(s[D], outer)
    s[B].compute_at(s[D], outer)
    assert region(s, C) == ["i_outer * 4 : 4"]
    assert region(s, B) == ["i_outer * 4 + 1 : 7"]


def test_a_chain_of_windows_grows() -> None:
    B = te.compute((16,), lambda i: A[i] + 1.0, "B")
    C = te.compute((14,), lambda i: B[i] + B[i + 2], "C")
    D = te.compute((12,), lambda i: C[i] + C[i + 2], "D")
    s = te.create_schedule(D.op)
    outer, _ = s[D].split(axes(D)[0], 4)
    s[C].compute_at(s[D], outer)
    s[B].compute_at(s[D], outer)
    assert region(s, C) == ["i_outer * 4 : 6"]
    assert region(s, B) == ["i_outer * 4 : 8"]


def test_a_stage_in_a_loop_of_a_nested_stage() -> None:
    """B inside of a loop of C, which is itself inside of a loop of D."""
    B = te.compute((16,), lambda i: A[i] + 1.0, "B")
    C = te.compute((14,), lambda i: B[i] + B[i + 2], "C")
    D = te.compute((12,), lambda i: C[i] + C[i + 2], "D")
    s = te.create_schedule(D.op)
    outer, _ = s[D].split(axes(D)[0], 4)
    s[C].compute_at(s[D], outer)
    s[B].compute_at(s[C], axes(C)[0])
    (low,) = region(s, B)
    assert low == "i_outer * 4 + i : 3"


def test_a_split_in_a_region_uses_the_length_of_the_region() -> None:
    B = te.compute((16,), lambda i: A[i] + 1.0, "B")
    C = te.compute((16,), lambda i: B[i] * 2.0, "C")
    s = te.create_schedule(C.op)
    outer, _ = s[C].split(axes(C)[0], 4)
    s[B].compute_at(s[C], outer)
    by_factor, rest = s[B].split(axes(B)[0], 8)
    found = infer_bounds([s[B], s[C]])[s[B]]
    assert (found.extents[by_factor], found.extents[rest]) == (1, 4)


# --- what is refused ------------------------------------------------------------------------------


def chain() -> tuple[Schedule, Tensor, Tensor, Tensor]:
    B = te.compute((16,), lambda i: A[i] + 1.0, "B")
    C = te.compute((16,), lambda i: B[i] * 2.0, "C")
    D = te.compute((16,), lambda i: C[i] + B[i], "D")
    return te.create_schedule(D.op), B, C, D


def test_a_consumer_outside_of_the_loop() -> None:
    s, B, C, D = chain()
    s[B].compute_at(s[D], axes(D)[0])
    message = (
        r"B: placed inside the loop 'i' of D, but its consumer C is outside of that loop; "
        "compute it in a loop around all of its consumers"
    )
    with pytest.raises(ScheduleError, match=message):
        loop_nest(s, [A, D])


def test_a_loop_of_a_stage_that_is_no_consumer() -> None:
    s, B, C, D = chain()
    s[C].compute_at(s[B], axes(B)[0])
    with pytest.raises(
        ScheduleError, match="C: placed inside the loop 'i' of B, but its consumer D is outside"
    ):
        loop_nest(s, [A, D])


def test_a_loop_of_an_inlined_stage() -> None:
    s, B, C, D = chain()
    s[B].compute_at(s[C], axes(C)[0])
    s[C].compute_inline()
    with pytest.raises(
        ScheduleError, match="B: placed inside the loop 'i' of C, but its consumer D is outside"
    ):
        loop_nest(s, [A, D])


def test_a_consumer_that_is_placed_in_an_outer_loop() -> None:
    s, B, C, D = chain()
    outer, inner = s[D].split(axes(D)[0], 4)
    s[C].compute_at(s[D], outer)
    s[B].compute_at(s[D], inner)
    message = (
        r"B: placed inside the loop 'i_inner' of D, but its consumer C is already computed in the loop "
        r"'i_outer' around it; use that loop or one outside of it"
    )
    with pytest.raises(ScheduleError, match=message):
        loop_nest(s, [A, D])


def test_a_loop_that_was_split_later() -> None:
    s, B, C, D = chain()
    s[C].compute_at(s[D], axes(D)[0])
    s[D].split(axes(D)[0], 4)
    message = (
        r"C: placed inside the loop 'i' of D, which was split or fused later; "
        r"call compute_at after that \(loops: i_outer, i_inner\)"
    )
    with pytest.raises(ScheduleError, match=message):
        loop_nest(s, [A, D])


def test_a_loop_that_was_split_later_with_another_consumer() -> None:
    s, B, C, D = chain()
    s[B].compute_at(s[D], axes(D)[0])
    outer, _ = s[D].split(axes(D)[0], 4)
    s[C].compute_at(s[D], outer)
    with pytest.raises(
        ScheduleError, match="B: placed inside the loop 'i' of D, which was split or fused later"
    ):
        loop_nest(s, [A, D])

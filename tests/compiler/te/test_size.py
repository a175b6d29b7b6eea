"""Dynamic extents, through every primitive."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from compiler import te
from compiler.ir.semantics.interpret import interpret
from compiler.ir.semantics.verify import verify
from compiler.lowering.nest import loop_nest
from compiler.schedule import Schedule
from compiler.te.tensor import Tensor

n = te.size_var("n", (1, 20))
A = te.placeholder((n, 6), "A", "int64")
B = te.compute((n, 6), lambda i, j: A[i, j] + 1, "B")
C = te.compute((n, 6), lambda i, j: B[i, j] * 2, "C")


def show(s: Schedule, *args: Tensor) -> list[str]:
    return str(loop_nest(s, args)).splitlines()


@pytest.fixture(params=[1, 3, 4, 20])
def rows(request: pytest.FixtureRequest) -> np.ndarray:
    return np.random.default_rng(request.param).integers(-9, 10, (request.param, 6))


def run(s: Schedule, args: list[Tensor], a: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    nest = loop_nest(s, args)
    verify(nest)
    result = np.full(shape, -77, args[-1].dtype)
    interpret(nest, a, result)
    return result


def test_a_dynamic_extent_is_a_dimension_and_the_extent_of_a_loop() -> None:
    assert repr(A) == "A: int64[n, 6]"
    assert show(te.create_schedule(B.op), A, B) == [
        "def main(n: size(1, 20), A: int64[n, 6], B: int64[n, 6]):",
        "    for i in range(n):",
        "        for j in range(6):",
        "            B[i, j] = A[i, j] + int64(1)",
    ]


def test_intermediate_memory_is_allocated_for_the_upper_bound(rows: np.ndarray) -> None:
    s = te.create_schedule(C.op)
    assert '    B = allocate(int64[20, 6], "global")' in show(s, A, C)
    np.testing.assert_array_equal(run(s, [A, C], rows, rows.shape), (rows + 1) * 2)


def split(s: Schedule) -> None:
    s[C].split(C.op.axis[0], 4)


def split_in_parts(s: Schedule) -> None:
    s[C].split(C.op.axis[0], nparts=4)


def split_twice(s: Schedule) -> None:
    outer, _ = s[C].split(C.op.axis[0], 4)
    s[C].split(outer, 3)


def fuse(s: Schedule) -> None:
    s[C].fuse(*C.op.axis)


def fuse_and_split(s: Schedule) -> None:
    s[C].split(s[C].fuse(*C.op.axis), 5)


def reorder(s: Schedule) -> None:
    s[C].reorder(*reversed(C.op.axis))


def at_a_tile(s: Schedule) -> None:
    outer, _ = s[C].split(C.op.axis[0], 4)
    s[B].compute_at(s[C], outer)


def at_a_tile_of_fixed_extent(s: Schedule) -> None:
    i, j = C.op.axis
    outer, inner = s[C].split(j, 4)
    s[C].reorder(outer, i, inner)
    s[B].compute_at(s[C], outer)


def inline(s: Schedule) -> None:
    s[B].compute_inline()


def cache(s: Schedule) -> None:
    CC = s.cache_write(C, "local")
    outer, _ = s[C].split(C.op.axis[0], 4)
    s[CC].compute_at(s[C], outer)
    s.cache_read(A, "global", [B])


def layout(s: Schedule) -> None:
    s[B].transform_layout(lambda i, j: [i // 4, j, i % 4])


@pytest.mark.parametrize(
    "schedule",
    [split, split_in_parts, split_twice, fuse, fuse_and_split, reorder, at_a_tile]
    + [at_a_tile_of_fixed_extent, inline, cache, layout],
)
def test_primitives_accept_dynamic_extents(schedule: Callable[[Schedule], None], rows: np.ndarray) -> None:
    s = te.create_schedule(C.op)
    schedule(s)
    np.testing.assert_array_equal(run(s, [A, C], rows, rows.shape), (rows + 1) * 2)


def test_a_stage_inside_a_tile_has_loops_of_the_tile() -> None:
    s = te.create_schedule(C.op)
    at_a_tile(s)
    assert show(s, A, C)[1:] == [
        "    for i_outer in range((n + 3) // 4):",
        '        B = allocate(int64[4, 6], "global")',
        "        for i in range(4):",
        "            for j in range(6):",
        "                if i_outer * 4 + i < n:",
        "                    B[i, j] = A[i_outer * 4 + i, j] + int64(1)",
        "        for i_inner in range(4):",
        "            for j in range(6):",
        "                if i_outer * 4 + i_inner < n:",
        "                    C[i_outer * 4 + i_inner, j] = B[i_inner, j] * int64(2)",
    ]


def test_a_reduction_over_a_size(rows: np.ndarray) -> None:
    k = te.reduce_axis((0, n), "k")
    total = te.compute((6,), lambda j: te.sum(A[k, j], axis=k), "total")
    s = te.create_schedule(total.op)
    np.testing.assert_array_equal(run(s, [A, total], rows, (6,)), rows.sum(0))
    _, inner = s[total].split(k, 4)
    s.rfactor(total, inner)
    np.testing.assert_array_equal(run(s, [A, total], rows, (6,)), rows.sum(0))


def test_a_reduction_over_all_rows_but_the_first(rows: np.ndarray) -> None:
    k = te.reduce_axis((1, n), "k")
    total = te.compute((6,), lambda j: te.sum(A[k, j], axis=k), "total")
    np.testing.assert_array_equal(run(te.create_schedule(total.op), [A, total], rows, (6,)), rows[1:].sum(0))


def test_a_dynamic_extent_is_a_value_in_expressions(rows: np.ndarray) -> None:
    backwards = te.compute((n, 6), lambda i, j: A[n - 1 - i, j] * n, "backwards")
    result = run(te.create_schedule(backwards.op), [A, backwards], rows, rows.shape)
    np.testing.assert_array_equal(result, rows[::-1] * len(rows))


def test_var_is_size_var() -> None:
    assert te.var("m").bounds == (1, 2**24)


def vectorized() -> object:
    s = te.create_schedule(C.op)
    s[C].vectorize(C.op.axis[0])
    return loop_nest(s, [A, C])


def undetermined() -> object:
    m = te.size_var("m", (1, 4))
    Q = te.compute((4,), lambda i: A[0, i] * m, "Q")
    return loop_nest(te.create_schedule(Q.op), [A, Q])


def too_large() -> object:
    a, b = te.var("a"), te.var("b")
    P = te.placeholder((a, b), "P")
    Q = te.compute((a, b), lambda i, j: P[i, j] + 1.0, "Q")
    R = te.compute((a, b), lambda i, j: Q[i, j] * 2.0, "R")
    return loop_nest(te.create_schedule(R.op), [P, R])


def rfactor_of_all() -> object:
    k = te.reduce_axis((0, n), "k")
    total = te.compute((6,), lambda j: te.sum(A[k, j], axis=k), "total")
    return te.create_schedule(total.op).rfactor(total, k)


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "bounds from zero": (
        lambda: te.size_var("n", (0, 4)),
        r"dynamic extent 'n' has the bounds \(0, 4\); give two integers with 1 <= smallest <= largest",
    ),
    "bounds in descending order": (
        lambda: te.size_var("n", (5, 4)),
        r"dynamic extent 'n' has the bounds \(5, 4\)",
    ),
    "a dimension that is an expression": (
        lambda: te.placeholder((n + 1, 4), "P"),
        r"dimension 0 of 'P' is .*; it must be a positive integer, or a dynamic extent of te\.size_var",
    ),
    "a packed last dimension": (
        lambda: te.placeholder((4, n), "P", "int4"),
        r"'P' is int4 of shape .*: 2 share a byte, so the last extent must be a multiple of 2",
    ),
    "a packed row that does not fill its bytes": (
        lambda: te.placeholder((4, 6), "P", "int2"),
        r"'P' is int2 of shape \[4, 6\]: 4 share a byte, so the last extent must be a multiple of 4",
    ),
    "a vector loop of dynamic extent": (
        vectorized,
        r"C: 'i' is marked 'vectorize', but its extent is dynamic; split it by a factor",
    ),
    "a dynamic extent of no argument": (
        undetermined,
        r"Q: the dynamic extent 'm' is not an extent of any argument of 'main', so a call does not",
    ),
    "more elements than memory can hold": (
        too_large,
        r"Q: .* has \d+ elements, more than memory can hold; give its sizes narrower bounds",
    ),
    "rfactor of a loop of dynamic extent": (
        rfactor_of_all,
        r"total: rfactor of 'k', whose extent is dynamic; split it by a factor",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    make, message = REFUSED[name]
    with pytest.raises(ValueError, match=message):
        make()

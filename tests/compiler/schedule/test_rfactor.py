"""rfactor: loop nests, every reducer against the default schedule, and errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from compiler import te
from compiler.ir.semantics.interpret import interpret
from compiler.ir.semantics.verify import verify
from compiler.lowering.nest import loop_nest
from compiler.schedule import Schedule, ScheduleError
from compiler.te.tensor import Tensor

A = te.placeholder((4, 10), "A", "int64")
k = te.reduce_axis((0, 10), "k")
R = te.compute((4,), lambda i: te.sum(A[i, k], axis=k), "R")


def show(s: Schedule, *args: Tensor) -> list[str]:
    return str(loop_nest(s, args)).splitlines()[1:]


def test_the_inner_part_of_a_loop() -> None:
    s = te.create_schedule(R.op)
    _, inner = s[R].split(k, 5)
    partial = s.rfactor(R, inner)
    assert (partial.name, partial.shape) == ("R_rf", (5, 4))
    assert show(s, A, R) == [
        '    R_rf = allocate(int64[5, 4], "global")',
        "    for k_inner in range(5):",
        "        for i in range(4):",
        "            R_rf[k_inner, i] = int64(0)",
        "            for k_outer in range(2):",
        "                R_rf[k_inner, i] = R_rf[k_inner, i] + A[i, k_outer * 5 + k_inner]",
        "    for i in range(4):",
        "        R[i] = int64(0)",
        "        for k_inner in range(5):",
        "            R[i] = R[i] + R_rf[k_inner, i]",
    ]


def test_the_new_dimension_may_be_the_last_and_its_loop_be_vectorized() -> None:
    s = te.create_schedule(R.op)
    _, inner = s[R].split(k, 4)
    partial = s.rfactor(R, inner, factor_axis=1)
    lanes = s[partial].op.axis[1]
    (outer,) = s[partial].op.reduce_axis
    s[partial].reorder(outer, lanes)
    s[partial].vectorize(lanes)
    s[partial].compute_at(s[R], R.op.axis[0])
    assert show(s, A, R) == [
        "    for i in range(4):",
        '        R_rf = allocate(int64[1, 4], "global")',
        "        for k_inner_init in vectorize(4):",
        "            R_rf[0, k_inner_init] = int64(0)",
        "        for k_outer in range(3):",
        "            for k_inner in vectorize(4):",
        "                if k_outer * 4 + k_inner < 10:",
        "                    R_rf[0, k_inner] = R_rf[0, k_inner] + A[i, k_outer * 4 + k_inner]",
        "        R[i] = int64(0)",
        "        for k_inner in range(4):",
        "            R[i] = R[i] + R_rf[0, k_inner]",
    ]


def test_factoring_the_only_reduce_loop() -> None:
    s = te.create_schedule(R.op)
    s.rfactor(R, k)
    assert show(s, A, R)[:4] == [
        '    R_rf = allocate(int64[10, 4], "global")',
        "    for k in range(10):",
        "        for i in range(4):",
        "            R_rf[k, i] = A[i, k]",
    ]


def test_factoring_the_only_reduce_loop_with_a_condition() -> None:
    """Excluded terms are the identity."""
    M = te.compute((4,), lambda i: te.max(A[i, k], axis=k, where=A[i, k] < 0), "M")
    s = te.create_schedule(M.op)
    s.rfactor(M, k)
    assert "            M_rf[k, i] = if_then_else(A[i, k] < int64(0), A[i, k], " in "\n".join(show(s, A, M))
    result, a = np.zeros(4, "int64"), np.random.default_rng(0).integers(-9, 9, (4, 10))
    interpret(loop_nest(s, [A, M]), a, result)
    np.testing.assert_array_equal(result, np.where(a < 0, a, -(2**63)).max(1))


complex_product = te.comm_reducer(
    lambda x, y: (x[0] * y[0] - x[1] * y[1], x[0] * y[1] + x[1] * y[0]), lambda t, u: (1, 0), "complex"
)
B = te.placeholder((6, 5, 3), "B", "int64")


def reductions() -> dict[str, Callable[..., Any]]:
    return {
        "sum": te.sum,
        "prod": te.prod,
        "max": te.max,
        "min": te.min,
        "argmax": te.argmax,
        "argmin": te.argmin,
        "complex": lambda e, axis, where: complex_product((e, e + 1), axis, where),
    }


@pytest.mark.parametrize("masked", [False, True], ids=["all", "masked"])
@pytest.mark.parametrize("loop", range(4))
@pytest.mark.parametrize("name", reductions())
def test_every_reducer(name: str, loop: int, masked: bool) -> None:
    """Over two axes, one of them split and the other not starting at zero, and any loop factored."""
    i, j = te.reduce_axis((0, 6), "i"), te.reduce_axis((1, 5), "j")

    def element(c: Any) -> Any:
        return reductions()[name](B[i, j, c], axis=(i, j), where=B[i, j, c] > 0 if masked else None)

    made = te.compute((3,), element, "M")
    outputs = made if isinstance(made, tuple) else (made,)
    b = np.random.default_rng(loop).integers(-3, 4, B.shape)
    results = []
    for factored in (False, True):
        s = te.create_schedule(outputs[0].op)
        if factored:
            outer, inner = s[outputs[0]].split(i, 4)
            s[outputs[0]].split(j, nparts=2)
            axis = [outer, inner, *[a for a in s[outputs[0]].leaf if a.name.startswith("j")]][loop]
            s.rfactor(outputs[0], axis, factor_axis=loop % 2)
        nest = loop_nest(s, [B, *outputs])
        verify(nest)
        results.append([np.zeros(t.shape, t.dtype) for t in outputs])
        interpret(nest, b, *results[-1])
    for plain, split in zip(*results, strict=True):
        np.testing.assert_array_equal(split, plain)


def test_factoring_twice() -> None:
    s = te.create_schedule(R.op)
    outer, inner = s[R].split(k, 5)
    partial = s.rfactor(R, inner)
    s.rfactor(partial, s[partial].op.reduce_axis[0])
    result, a = np.zeros(4, "int64"), np.random.default_rng(0).integers(-9, 9, (4, 10))
    interpret(loop_nest(s, [A, R]), a, result)
    np.testing.assert_array_equal(result, a.sum(1))


P = te.compute((4, 10), lambda i, j: A[i, j] + 1, "P")


def after(change: Callable[[Schedule], object]) -> object:
    s = te.create_schedule(R.op)
    change(s)
    return s.rfactor(R, s[R].leaf[-1])


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "no reduction": (
        lambda: te.create_schedule(P.op).rfactor(P, P.op.axis[0]),
        r"P: rfactor takes a reduction; this stage has no reduce axis",
    ),
    "an input": (lambda: te.create_schedule(R.op).rfactor(A, k), r"A: rfactor takes a reduction"),
    "a data axis": (
        lambda: te.create_schedule(R.op).rfactor(R, R.op.axis[0]),
        r"R: rfactor of 'i', which is a data axis; it takes a reduce axis \(k\)",
    ),
    "a loop that does not exist": (
        lambda: te.create_schedule(R.op).rfactor(R, P.op.axis[0]),
        r"R: rfactor of 'i', which is not one of its loops now \(loops: i, k\)",
    ),
    "a dimension that does not exist": (
        lambda: te.create_schedule(R.op).rfactor(R, k, 2),
        r"R: rfactor puts its axis among 1 data axes, so factor_axis is 0 to 1, not 2",
    ),
    "after a split of data": (
        lambda: after(lambda s: s[R].split(R.op.axis[0], 2)),
        r"R: rfactor makes the loops of the stage anew, so it must come before what splits or fuses",
    ),
    "after a mark": (
        lambda: after(lambda s: s[R].parallel(R.op.axis[0])),
        r"R: rfactor makes the loops of the stage anew, .*, and before marks",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str) -> None:
    make, message = REFUSED[name]
    with pytest.raises(ScheduleError, match=message):
        make()

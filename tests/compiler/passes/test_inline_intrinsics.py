"""Tensor intrinsics: the implementation of the target, or the description."""

from __future__ import annotations

from textwrap import dedent

import numpy as np
import pytest

from compiler.ir.expr import Buffer, Const, Load, binary
from compiler.ir.function import Intrinsic, PrimFunc
from compiler.ir.semantics.interpret import interpret
from compiler.ir.semantics.verify import verify
from compiler.ir.stmt import Region, Store
from compiler.ir.text import parse_function
from compiler.passes.inline_intrinsics import inline_intrinsics

ADD = """
@intrinsic
def add(a: float32[2, 3], b: float32[2, 3]):
    for i in range(2):
        for j in range(3):
            {}

def main(A: float32[24], B: float32[24]):
    for k in range(2):
        add(region(A, k * 6, (2, 3), (3, 1)), region(B, k * 12 + 1, (2, 3), (6, 2)))
"""

# name -> (the innermost statement of the description, what is in its place)
GOLDEN = {
    "elements": (
        "b[i, j] = b[i, j] + a[i, j]",
        "B[k * 12 + 1 + i * 6 + j * 2] = B[k * 12 + 1 + i * 6 + j * 2] + A[k * 6 + i * 3 + j]",
    ),
    "row-major positions": (
        "b[i * 3 + j] = a[i * 3 + j]",
        "B[k * 12 + 1 + (i * 3 + j) // 3 % 2 * 6 + (i * 3 + j) % 3 * 2] = "
        "A[k * 6 + (i * 3 + j) // 3 % 2 * 3 + (i * 3 + j) % 3]",
    ),
    "vectors": (
        "b[i, ramp(0, 1, 3)] = a[i, ramp(0, 1, 3)]",
        "B[ramp(k * 12 + 1 + i * 6, 2, 3)] = A[ramp(k * 6 + i * 3, 1, 3)]",
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name: str, same_result) -> None:
    inside, expected = GOLDEN[name]
    func = parse_function(ADD.format(inside))
    after = inline_intrinsics(func)
    verify(after)
    assert str(after).splitlines()[-1].strip() == expected
    same_result(func, after)
    assert inline_intrinsics(after) is after


def test_a_region_of_a_region(same_result) -> None:
    func = parse_function(
        dedent(
            """
            @intrinsic
            def twice(a: float32[4], b: float32[4]):
                copy(region(b, 1, (2,), (2,)), region(a, 0, (2,), (1,)), before=(0,), after=(0,), fill=0.0)

            def main(A: float32[16], B: float32[16]):
                twice(region(A, 3, (4,), (2,)), region(B, 5, (4,), (3,)))
            """
        )
    )
    after = inline_intrinsics(func)
    assert str(after).splitlines()[-1].strip() == (
        "copy(region(B, 8, (2,), (6,)), region(A, 3, (2,), (2,)), before=(0,), after=(0,), fill=0.0)"
    )
    same_result(func, after)


def test_a_region_of_a_part_with_rows_is_refused() -> None:
    func = parse_function(
        dedent(
            """
            @intrinsic
            def twice(a: float32[2, 2], b: float32[2, 2]):
                copy(region(b, 1, (2,), (2,)), region(a, 0, (2,), (1,)), before=(0,), after=(0,), fill=0.0)

            def main(A: float32[16], B: float32[16]):
                twice(region(A, 0, (2, 2), (4, 1)), region(B, 0, (2, 2), (4, 1)))
            """
        )
    )
    with pytest.raises(ValueError, match="uses a part of its parameter .* as a region; write loops"):
        inline_intrinsics(func)


def test_the_implementation_of_the_target_is_used() -> None:
    a = Buffer("a", (4,))
    body = Store(a, (Const(0),), binary("*", Load(a, (Const(0),)), 2.0))

    def fast(region: Region) -> Store:
        return Store(
            region.buffer, (region.offset,), binary("+", *2 * [Load(region.buffer, (region.offset,))])
        )

    double = Intrinsic("double", PrimFunc("double", (a,), body), {"npu": fast})
    x = Buffer("X", (8,))
    func = PrimFunc("main", (x,), double(Region(x, Const(4), (4,), (Const(1),))))
    assert str(inline_intrinsics(func, "npu")).splitlines()[-1].strip() == "X[4] = X[4] + X[4]"
    assert str(inline_intrinsics(func, "llvm")).splitlines()[-1].strip() == "X[4] = X[4] * 2.0"
    for kind in ("npu", "llvm"):
        array = np.arange(8, dtype="float32")
        interpret(inline_intrinsics(func, kind), array)
        assert array.tolist() == [0, 1, 2, 3, 8, 5, 6, 7]

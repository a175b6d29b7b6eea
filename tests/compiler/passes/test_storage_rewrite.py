"""Storage rewrite: buffers with disjoint lifetimes share memory."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.ir.expr import Buffer, Const, Expr, Load, Ramp, Var, binary
from compiler.ir.function import PrimFunc
from compiler.ir.semantics.interpret import interpret
from compiler.ir.semantics.verify import verify
from compiler.ir.stmt import Allocate, For, Seq, Stmt, Store
from compiler.ir.text import parse_function
from compiler.passes.storage_rewrite import MATCH_RANGE, is_injective, storage_rewrite

# name -> (before, after)
GOLDEN = {
    "in place, and after one that has ended": (
        """
        def main(A: float32[64], C: float32[64]):
            a = allocate(float32[64], "global")
            for i in range(64):
                a[i] = A[i] + 1.0
            b = allocate(float32[64], "global")
            for i in range(64):
                b[i] = a[i] * 2.0
            c = allocate(float32[64], "global")
            for i in range(64):
                c[i] = b[63 - i]
            d = allocate(float32[64], "global")
            for i in range(64):
                d[i] = c[i // 2]
            for i in range(64):
                C[i] = d[i]
        """,
        """
        def main(A: float32[64], C: float32[64]):
            a = allocate(float32[64], "global")
            c = allocate(float32[64], "global")
            for i in range(64):
                a[i] = A[i] + 1.0
            for i in range(64):
                a[i] = a[i] * 2.0
            for i in range(64):
                c[i] = a[63 - i]
            for i in range(64):
                a[i] = c[i // 2]
            for i in range(64):
                C[i] = a[i]
        """,
    ),
    "the smallest slot that fits, and a slot that grows": (
        """
        def main(A: float32[16], C: float32[16]):
            a = allocate(float32[16], "global")
            b = allocate(float32[8], "global")
            for i in range(16):
                a[i] = A[i]
                b[i // 2] = A[i]
            for i in range(8):
                C[i] = a[i * 2] + b[i]
            c = allocate(float32[8], "global")
            d = allocate(float32[24], "global")
            for i in range(8):
                c[i] = A[i]
                d[i * 3] = A[i]
            for i in range(8):
                C[i + 8] = c[i] + d[i * 3]
        """,
        """
        def main(A: float32[16], C: float32[16]):
            a = allocate(float32[24], "global")
            b = allocate(float32[8], "global")
            for i in range(16):
                a[i] = A[i]
                b[i // 2] = A[i]
            for i in range(8):
                C[i] = a[i * 2] + b[i]
            for i in range(8):
                b[i] = A[i]
                a[i * 3] = A[i]
            for i in range(8):
                C[i + 8] = b[i] + a[i * 3]
        """,
    ),
    "in a loop": (
        """
        def main(A: float32[16], C: float32[16]):
            for k in parallel(2):
                a = allocate(float32[8], "global")
                for i in range(8):
                    a[i] = A[k * 8 + i]
                b = allocate(float32[8], "global")
                for i in vectorize(8):
                    b[i] = a[i] * a[i]
                for i in range(8):
                    C[k * 8 + i] = b[i]
        """,
        """
        def main(A: float32[16], C: float32[16]):
            for k in parallel(2):
                a = allocate(float32[8], "global")
                for i in range(8):
                    a[i] = A[k * 8 + i]
                for i in vectorize(8):
                    a[i] = a[i] * a[i]
                for i in range(8):
                    C[k * 8 + i] = a[i]
        """,
    ),
    "under a condition, by vectors": (
        """
        def main(A: float32[16], C: float32[16]):
            a = allocate(float32[16], "global")
            for i in range(2):
                a[ramp(i * 8, 1, 8)] = A[ramp(i * 8, 1, 8)]
            b = allocate(float32[16], "global")
            for i in range(2):
                if i < 5:
                    b[ramp(i * 8, 1, 8)] = a[ramp(i * 8, 1, 8)] + A[ramp(0, 1, 8)]
            for i in range(16):
                C[i] = b[i]
        """,
        """
        def main(A: float32[16], C: float32[16]):
            a = allocate(float32[16], "global")
            for i in range(2):
                a[ramp(i * 8, 1, 8)] = A[ramp(i * 8, 1, 8)]
            for i in range(2):
                if i < 5:
                    a[ramp(i * 8, 1, 8)] = a[ramp(i * 8, 1, 8)] + A[ramp(0, 1, 8)]
            for i in range(16):
                C[i] = a[i]
        """,
    ),
}

TWO = """
def main(A: float32[16], C: float32[16]):
    a = allocate({0}[{2}], "{1}")
    for i in range(8):
        a[i] = {0}(2)
    b = allocate({3}[8], "{4}")
    {5}
    for i in range(8):
        C[i] = cast(b[i], "float32")
"""
COPY = "for i in range(8):\n        b[i] = a[i]"

# name -> a program whose buffers stay apart
KEPT = {
    "registers": TWO.format("float32", "local", 8, "float32", "local", COPY),
    "memories of an accelerator": TWO.format("float32", "vta.acc", 8, "float32", "vta.acc", COPY),
    "two scopes": TWO.format("float32", "global", 8, "float32", "shared", COPY),
    "two types": TWO.format(
        "float32", "global", 8, "int32", "global", "for i in range(8):\n        b[i] = int32(a[i] < 3.0)"
    ).replace("int32(a[i] < 3.0)", 'cast(a[i], "int32")'),
    "one much larger than the other": TWO.format(
        "float32", "global", 8 * MATCH_RANGE + 1, "float32", "global", COPY
    ),
    "another element is read": TWO.format(
        "float32", "global", 8, "float32", "global", "for i in range(8):\n        b[i] = a[7 - i]"
    ),
    "each element is stored twice": TWO.format(
        "float32",
        "global",
        8,
        "float32",
        "global",
        "for k in range(2):\n        for i in range(8):\n            b[i] = a[i] * 2.0",
    ),
    "the new one is read too": TWO.format(
        "float32", "global", 8, "float32", "global", "for i in range(8):\n        b[i] = a[i] + b[i]"
    ),
    "the condition reads": TWO.format(
        "float32",
        "global",
        8,
        "float32",
        "global",
        "for i in range(8):\n        if a[0] < 3.0:\n            b[i] = a[i]",
    ),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden(name: str, becomes) -> None:
    becomes(storage_rewrite, *GOLDEN[name])


@pytest.mark.parametrize("name", KEPT)
def test_kept(name: str) -> None:
    func = parse_function(KEPT[name])
    assert storage_rewrite(func) is func


def test_injective() -> None:
    i, j = Var("i"), Var("j")
    loops = {i: 4, j: 8}
    assert is_injective(binary("+", binary("*", i, 8), j), loops)
    assert is_injective(binary("+", binary("*", j, 4), i), loops)
    assert is_injective(binary("-", binary("*", i, 8), j), loops)
    assert not is_injective(binary("+", binary("*", i, 7), j), loops)
    assert not is_injective(i, loops)
    assert not is_injective(binary("//", j, 2), {j: 8})
    assert is_injective(Ramp(binary("*", i, 8), Const(1), 8), {i: 4})
    assert not is_injective(Ramp(binary("*", i, 4), Const(1), 8), {i: 4})
    assert not is_injective(Ramp(i, Const(0), 8), {i: 4})


def test_an_allocation_that_was_copied_with_its_loop() -> None:
    """One buffer that is allocated twice becomes two, so that neither allocation is inside of the other."""
    inner = Buffer("t", (1,))
    source, target, between = Buffer("A", (3,)), Buffer("C", (3,)), Buffer("u", (3,))
    i, j = Var("i"), Var("j")

    def part(at: Expr) -> Stmt:
        fill = Store(inner, (Const(0),), Load(source, (at,)))
        return Allocate(inner, Seq((fill, Store(between, (at,), Load(inner, (Const(0),))))))

    body = Allocate(
        between,
        Seq(
            (
                part(Const(0)),
                For(i, Const(2), "serial", part(binary("+", i, 1))),
                For(j, Const(3), "serial", Store(target, (j,), Load(between, (j,)))),
            )
        ),
    )
    after = storage_rewrite(PrimFunc("main", (source, target), body))
    verify(after)
    a, c = np.arange(3, dtype="float32"), np.zeros(3, "float32")
    interpret(after, a, c)
    np.testing.assert_array_equal(c, a)

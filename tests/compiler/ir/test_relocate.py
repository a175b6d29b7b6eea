"""Buffers replaced by others."""

from __future__ import annotations

from textwrap import dedent

from compiler.ir.expr import Buffer, Const
from compiler.ir.relocate import relocate, with_buffers
from compiler.ir.text import parse_function

TEXT = """
def main(A: float32[2, 4], B: float32[8]):
    for i in range(4):
        prefetch(A[1, i])
        A[1, i] = A[0, i] + B[i]
    A[ramp(0, 1, 4)] = A[ramp(4, 1, 4)]
    copy(region(B, 0, (2,), (1,)), region(A, 2, (2,), (1,)), before=(0,), after=(0,), fill=0.0)
"""


def test_every_access_is_relocated() -> None:
    func = parse_function(dedent(TEXT))
    a, big = func.params[0], Buffer("T", (32,))
    moved = func.with_body(relocate(func.body, {a: (big, Const(16))}))
    assert str(moved).splitlines()[1:] == [
        "    for i in range(4):",
        "        prefetch(T[4 + i + 16])",
        "        T[4 + i + 16] = T[i + 16] + B[i]",
        "    T[ramp(16, 1, 4)] = T[ramp(20, 1, 4)]",
        "    copy(region(B, 0, (2,), (1,)), region(T, 18, (2,), (1,)), before=(0,), after=(0,), fill=0.0)",
    ]


def test_nothing_to_move_gives_the_same_object() -> None:
    func = parse_function(dedent(TEXT))
    assert relocate(func.body, {}) is func.body
    assert relocate(func.body, {Buffer("x", (1,)): (Buffer("y", (1,)), Const(0))}) is func.body


def test_buffers_are_replaced_at_the_same_indices() -> None:
    func = parse_function(dedent(TEXT))
    a, other = func.params[0], Buffer("T", (2, 4))
    renamed = func.with_body(with_buffers(func.body, {a: other}))
    assert (
        str(renamed).splitlines()[1:] == str(func).replace("A[", "T[").replace("(A,", "(T,").splitlines()[1:]
    )
    assert with_buffers(func.body, {}) is func.body
    assert with_buffers(func.body, {other: a}) is func.body

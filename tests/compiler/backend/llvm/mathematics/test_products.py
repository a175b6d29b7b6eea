"""Products of bytes: the instruction of CPUs that have it, for the types for which it is right."""

from __future__ import annotations

import re

import pytest

from compiler.backend import build
from compiler.ir.expr import Broadcast, Buffer, Cast, Const, Expr, Load, Ramp, Var
from compiler.ir.function import PrimFunc
from compiler.ir.stmt import For, Seq, Stmt, Store
from tests.compiler.backend.llvm.compiled import X86, compare

i = Var("i")
STEPS, ROWS = 6, 2
IN_ORDER = (0, 1, 2, 3)


def sums(scalar: str, vector: str, lanes: int, order: tuple[int, ...] = IN_ORDER, step: Expr = i) -> PrimFunc:
    """``C[row, lane] += A[row, 4 i + q] * B[i, lane, q]``, with the statements of q in the given order.

    For all i, or for one `step`.
    """
    a, b = Buffer("A", (ROWS * STEPS * 4,), scalar), Buffer("B", (STEPS * lanes * 4,), vector)
    c = Buffer("C", (ROWS * lanes,), "int32")
    stmts: list[Stmt] = []
    for row in range(ROWS):
        at = (Ramp(Const(row * lanes), Const(1), lanes),)
        for q in order:
            left: Expr = Cast(Load(a, (step * 4 + (row * STEPS * 4 + q),)), "int32")
            right = Load(b, (Ramp(step * (4 * lanes) + q, Const(4), lanes),))
            product = Broadcast(left, lanes) * Cast(right, f"int32x{lanes}")
            stmts.append(Store(c, at, Load(c, at) + product))
    body = Seq(tuple(stmts))
    return PrimFunc("f", (a, b, c), For(i, Const(STEPS), "serial", body) if step is i else body)


@pytest.mark.parametrize("step", [0, 3])
def test_literal_indices(step: int) -> None:
    func = sums("uint8", "int8", 16, step=Const(step))
    for seed in range(2):
        compare(func, seed)
    assert len(re.findall("vpdpbusd", build(func, X86 + "cascadelake").source("asm"))) == ROWS


@pytest.mark.parametrize("lanes", [4, 8, 16, 32])
@pytest.mark.parametrize(
    "types", [("uint8", "int8"), ("int8", "uint8"), ("int8", "int8"), ("uint8", "uint8")]
)
def test_the_sums_are_exact(types: tuple[str, str], lanes: int) -> None:
    """Of extreme bytes too: -128 times 255, and sums that wrap around."""
    for seed in range(4):
        compare(sums(*types, lanes), seed)


@pytest.mark.parametrize(
    ("target", "lanes"),
    [("cascadelake", 16), ("cascadelake", 8), ("sapphirerapids", 16), ("x86-64-v3 -mattr=+avxvnni", 8)],
)
@pytest.mark.parametrize(
    ("types", "count"), [(("uint8", "int8"), 2), (("int8", "uint8"), 2), (("int8", "int8"), 4)]
)
def test_cpus_with_the_instruction_use_it(
    types: tuple[str, str], count: int, target: str, lanes: int
) -> None:
    text = build(sums(*types, lanes), X86 + target).source("asm")
    assert len(re.findall(r"\bvpdpbusd\b", text)) == count
    assert not re.search(r"\bvpmul|\bvpmadd", text)


@pytest.mark.parametrize(
    ("types", "target", "lanes", "order"),
    [
        (("uint8", "int8"), "x86-64-v4", 16, IN_ORDER),  # a CPU without it
        (("uint8", "int8"), "x86-64-v3 -mattr=+avxvnni", 16, IN_ORDER),  # wider than its registers
        (("uint8", "uint8"), "cascadelake", 16, IN_ORDER),
        (("uint8", "int8"), "cascadelake", 16, (0, 2, 1, 3)),
        (("uint8", "int8"), "cascadelake", 16, (0, 1, 2, 2)),
    ],
)
def test_other_sums_are_left(types: tuple[str, str], target: str, lanes: int, order: tuple[int, ...]) -> None:
    func = sums(*types, lanes, order)
    assert "vpdpbusd" not in build(func, X86 + target).source("asm")
    compare(func, 1)


@pytest.mark.parametrize(("target", "lanes"), [("x86-64-v2", 4), ("x86-64-v3", 8), ("x86-64-v4", 16)])
def test_int16_are_multiplied_in_pairs(target: str, lanes: int) -> None:
    a, b = Buffer("A", (ROWS * STEPS * 2,), "int16"), Buffer("B", (STEPS * lanes * 2,), "int16")
    c = Buffer("C", (ROWS * lanes,), "int32")
    stmts: list[Stmt] = []
    for row in range(ROWS):
        at = (Ramp(Const(row * lanes), Const(1), lanes),)
        for q in range(2):
            left: Expr = Cast(Load(a, (i * 2 + (row * STEPS * 2 + q),)), "int32")
            right = Load(b, (Ramp(i * (2 * lanes) + q, Const(2), lanes),))
            stmts.append(Store(c, at, Load(c, at) + Broadcast(left, lanes) * Cast(right, f"int32x{lanes}")))
    func = PrimFunc("f", (a, b, c), For(i, Const(STEPS), "serial", Seq(tuple(stmts))))
    compare(func, 1)
    text = build(func, X86 + target).source("asm")
    assert len(re.findall(r"\bv?pmaddwd\b", text)) == ROWS
    assert not re.search(r"\bv?pmull", text)

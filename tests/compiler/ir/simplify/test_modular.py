"""Modular sets: cases computed by hand, and every value of small types."""

from __future__ import annotations

import pytest

from compiler.ir.expr import Binary, Buffer, Call, Cast, Const, Expr, Load, Select, Var
from compiler.ir.simplify.modular import ANY, Modular, modular
from compiler.ir.simplify.simplify import Simplifier
from compiler.ir.text import print_expr

i, j, free = Var("i"), Var("j"), Var("free")
w, u = Var("w", "int64"), Var("u", "uint8")
CONDITION = Binary("<", i, j, "bool")
RANGES = {i: (0, 100), j: (-50, 50)}


@pytest.mark.parametrize(
    ("expr", "expected"),
    [
        (Const(-7), (0, -7)),
        (i, (1, 0)),
        (i * 8, (8, 0)),
        (i * 8 + 3, (8, 3)),
        (i * 8 - 3, (8, 5)),
        (i * 8 + j * 12, (4, 0)),
        (i * 8 + j * 12 + 7, (4, 3)),
        ((i * 4 + 2) * (j * 6 + 3), (12, 6)),
        ((i * 4 + 1) * (j * 6 + 3), (6, 3)),
        (i * 12 // 4, (3, 0)),
        ((i * 12 + 5) // 4, (3, 1)),
        (i * 12 // 5, (1, 0)),
        (i * 12 % 8, (4, 0)),
        ((i * 12 + 1) % 4, (0, 1)),
        ((i * 8 + 3) % 2, (0, 1)),
        (i << 3, (8, 0)),
        (Select(CONDITION, i * 8 + 1, j * 12 + 5), (4, 1)),
        (Call("if_then_else", (CONDITION, i * 8, Const(4)), "int32"), (4, 0)),
        (Binary("min", i * 8, j * 6, "int32"), (2, 0)),
        (Cast(i * 24, "int64"), (24, 0)),
        (Load(Buffer("A", (4,), "int32"), (i,)), (1, 0)),
        # a sum that may wrap around keeps its remainder by powers of two
        (free * 24, (8, 0)),
        (free * 24 + 5, (8, 5)),
        (free * 3, (1, 0)),
        (w * 48, (16, 0)),
        (u * 6, (2, 0)),
        (Cast(i * 24, "int8"), (8, 0)),
        (Const(1.0, "float32"), (1, 0)),
    ],
    ids=lambda v: "" if isinstance(v, tuple) else print_expr(v),
)
def test_sets(expr: Expr, expected: tuple[int, int]) -> None:
    assert Simplifier(RANGES).modular(expr) == Modular(*expected)


def members(value: Modular) -> set[int]:
    return {value.coefficient * k + value.base for k in range(-12, 13)}


SETS = [modular(c, b) for c in (0, 1, 2, 3, 4, 6, 8) for b in (-5, 0, 1, 2, 7)]


def test_every_member_is_inside() -> None:
    def inside(x: int, value: Modular) -> bool:
        return x == value.base if value.coefficient == 0 else (x - value.base) % value.coefficient == 0

    for a in SETS:
        for b in SETS:
            joined, total, less, product = a.joined(b), a.plus(b), a.plus(b, -3), a.times(b)
            assert all(inside(x, joined) for x in members(a) | members(b))
            for x in list(members(a))[:9]:
                for y in list(members(b))[:9]:
                    assert inside(x + y, total)
                    assert inside(x - 3 * y, less)
                    assert inside(x * y, product)
        for divisor in (1, 2, 3, 4, 8):
            rests = {x % divisor for x in members(a)}
            assert a.remainder(divisor) == (rests.pop() if len(rests) == 1 else None)


def test_the_members_of_an_interval() -> None:
    assert Modular(8, 3).within((0, 20)) == (3, 19)
    assert Modular(8, 3).within((3, 19)) == (3, 19)
    assert Modular(8, 3).within((-7, -5)) == (-5, -5)
    assert ANY.within((0, 20)) == (0, 20)
    assert Modular(0, 3).within((0, 20)) == (0, 20)
    assert Modular(8, 3).within((0, float("inf"))) == (0, float("inf"))

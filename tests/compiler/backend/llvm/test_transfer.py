"""Copies as loops."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.backend import build
from compiler.ir.expr import Buffer, Load, Var, const
from compiler.ir.function import PrimFunc
from compiler.ir.stmt import (
    Copy,
    Region,
)
from tests.compiler.backend.llvm.compiled import X86, loop, same_as_interpreted

i, j, k = Var("i"), Var("j"), Var("k")


def copied(
    before: tuple, after: tuple, extents: tuple, fill: float = 7.0, strides: tuple | None = None
) -> PrimFunc:
    total = tuple(b + e + a for b, e, a in zip(before, extents, after, strict=True))
    a, b = Buffer("A", (200,)), Buffer("B", (int(np.prod(total)),))
    steps = tuple(int(np.prod(total[axis + 1 :])) for axis in range(len(total)))
    source = Region(
        a, const(5), extents, tuple(map(const, (20, 6, 1)[-len(extents) :] if strides is None else strides))
    )
    target = Region(b, const(0), total, tuple(map(const, steps)))
    margins = tuple(map(const, before)), tuple(map(const, after))
    return PrimFunc("f", (a, b), Copy(target, source, *margins, const(fill)))


@pytest.mark.parametrize(
    "func",
    [
        copied((), (), (), strides=()),
        copied((0,), (0,), (17,)),
        copied((2,), (3,), (4,)),
        copied((1, 1), (0, 1), (3, 7)),
        copied((0, 2), (0, 0), (3, 5)),
        copied((1, 0), (2, 0), (3, 5)),
        copied((1, 0, 2), (0, 1, 1), (2, 3, 4), strides=(1, 7, 13)),
        copied((0, 0), (0, 0), (3, 4), strides=(0, 2)),
        copied((0, 1), (0, 1), (3, 0)),
    ],
    ids=str,
)
def test_copy(func: PrimFunc) -> None:
    size = func.params[1].shape
    same_as_interpreted(func, np.arange(200, dtype="f"), np.full(size, -1, "f"))


def test_the_margins_of_a_copy_may_vary() -> None:
    a, b, t = Buffer("A", (6, 4)), Buffer("B", (6, 6)), Buffer("first", (6,), "int32")
    margin = Load(t, (i,))
    source = Region(a, i * 4, (4,), (const(1),))
    target = Region(b, i * 6, (6,), (const(1),))
    body = loop(i, 6, Copy(target, source, (margin,), (2 - margin,), Load(a, (i,))))
    same_as_interpreted(
        PrimFunc("f", (a, b, t), body),
        np.random.default_rng(0).random((6, 4), "f"),
        np.zeros((6, 6), "f"),
        np.array([0, 1, 2, 0, 2, 1], "i4"),
    )


def test_a_copy_within_a_buffer_reads_before_it_writes() -> None:
    a = Buffer("A", (12,))
    one = (const(1),)
    move = Copy(
        Region(a, const(2), (9,), one), Region(a, const(0), (8,), one), (const(1),), (const(0),), const(0.5)
    )
    same_as_interpreted(PrimFunc("f", (a,), move), np.arange(12, dtype="f"))


def test_a_row_of_a_copy_is_a_memcpy() -> None:
    for cpu in ("x86-64-v3", "x86-64-v4"):
        assert "memcpy" in build(copied((0, 0), (0, 0), (4, 40), strides=(40, 1)), X86 + cpu).source("asm")

"""Hints to LLVM's loop passes."""

from __future__ import annotations

import re

import numpy as np
import pytest

from compiler.backend import build
from compiler.backend.llvm.hints import UNROLLED_BODY
from compiler.ir.expr import Broadcast, Buffer, Const, Expr, Load, Ramp, Var, const
from compiler.ir.function import PrimFunc
from compiler.ir.stmt import Allocate, For, If, Pragma, Stmt, Store, sequence

i, j, k = Var("i"), Var("j"), Var("k")


def loop(var: Var, extent: int | Expr, body: Stmt, kind: str = "serial") -> For:
    return For(var, const(extent) if isinstance(extent, int) else extent, kind, body)


def test_an_unrolled_loop_has_a_hint() -> None:
    x = Buffer("x", (8,), "int32")
    source = build(PrimFunc("f", (x,), loop(i, 8, Store(x, (i,), i), "unroll"))).source("llvm")
    assert "llvm.loop.unroll.full" in source
    source = build(PrimFunc("f", (x,), loop(i, 8, Store(x, (i,), i + Load(x, (i,)))))).source("llvm")
    assert "llvm.loop" not in source


@pytest.mark.parametrize(
    ("pragma", "hint"),
    [
        (("unroll", 4), '!"llvm.loop.unroll.count", i32 4'),
        (("unroll", True), '!"llvm.loop.unroll.enable"'),
        (("unroll", False), '!"llvm.loop.unroll.disable"'),
        (("vectorize", 8), '!"llvm.loop.vectorize.width", i32 8'),
        (("vectorize", False), '!"llvm.loop.vectorize.enable", i1 false'),
        (("interleave", 2), '!"llvm.loop.interleave.count", i32 2'),
    ],
)
def test_pragmas_are_hints_for_llvm(pragma: Pragma, hint: str) -> None:
    x = Buffer("x", (800,), "int32")
    body = For(i, const(800), "serial", Store(x, (i,), i + Load(x, (i,))), (pragma, ("of_a_pass", "x")))
    source = build(PrimFunc("f", (x,), body)).source("llvm")
    assert hint in source
    assert "of_a_pass" not in source


def test_a_loop_with_too_many_stores_is_not_unrolled_by_llvm() -> None:
    """Nor with the unrolled loops inside of it: the compile time grows faster than the copies."""
    x = Buffer("x", (40 * 40 * 40,), "int32")
    body: Stmt = Store(x, (i * 1600 + j * 40 + k,), i)
    nest = loop(i, 40, loop(j, 40, loop(k, 40, body, "unroll"), "unroll"), "unroll")
    source = build(PrimFunc("f", (x,), nest)).source("llvm")
    assert source.count("llvm.loop.unroll.full") == 1
    assert source.count("llvm.loop.unroll.disable") == 2


def test_a_loop_that_only_moves_data_is_not_unrolled() -> None:
    a, b = Buffer("A", (72, 9)), Buffer("B", (9, 72))
    moves = loop(i, 72, loop(j, 9, Store(b, (j * 72 + i,), Load(a, (i * 9 + j,)))))
    assert build(PrimFunc("f", (a, b), moves)).source("llvm").count("llvm.loop.unroll.disable") == 2
    tile = Buffer("tile", (8,), scope="local")
    keeps = Allocate(tile, loop(i, 8, Store(tile, (i,), Load(a, (i,)))))
    assert "unroll.disable" not in build(PrimFunc("f", (a,), keeps)).source("llvm")


def test_an_unrolled_body_is_not_transformed_further() -> None:
    x = Buffer("x", (800,), "int32")
    for copies, left in ((UNROLLED_BODY, True), (UNROLLED_BODY - 1, False)):
        body = sequence(Store(x, (i * 16 + n,), i + Load(x, (i + n,))) for n in range(copies))
        source = build(PrimFunc("f", (x,), loop(i, 40, body))).source("llvm")
        assert ('vectorize.enable", i1 false' in source) == left
        assert ("unroll.disable" in source) == left


def test_a_vectorized_body_is_not_transformed_further() -> None:
    x = Buffer("x", (640,), "int32")
    here = Ramp(i * 16, const(1), 16)
    body = Store(x, (here,), Load(x, (here,)) + Broadcast(i, 16))
    source = build(PrimFunc("f", (x,), loop(i, 40, body))).source("llvm")
    assert "unroll.disable" in source


def test_llvm_may_unroll_a_loop_that_indexes_a_local_buffer() -> None:
    x, tile = Buffer("x", (640,)), Buffer("tile", (64,), scope="local")
    here = Ramp(j * 16, const(1), 16)
    inner = loop(j, 4, Store(tile, (here,), Load(tile, (here,)) + Load(x, (Ramp(i * 16, const(1), 16),))))
    source = build(PrimFunc("f", (x,), Allocate(tile, loop(i, 40, inner)))).source("llvm")
    # the loop over i may stay as it is, the one over j may not
    assert source.count("unroll.disable") == 1


def test_code_motion_is_disabled_for_a_loop_around_an_allocation() -> None:
    x, tile = Buffer("x", (640,)), Buffer("tile", (1,), scope="local")
    zero = (Const(0),)
    total = loop(j, 16, Store(tile, zero, Load(tile, zero) + Load(x, (i * 16 + j,))))
    body = sequence([Store(tile, zero, const(0.0)), total, Store(x, (i,), Load(tile, zero))])
    source = build(PrimFunc("f", (x,), loop(i, 40, Allocate(tile, body)))).source("llvm")
    assert source.count("licm.disable") == 1


def vector(buffer: Buffer, at: Expr) -> Load:
    return Load(buffer, (Ramp(at, const(1), 16),))


def functions(source: str) -> dict[str, str]:
    """The attributes of the functions of a program."""
    return dict(re.findall(r"^define .*@([\w.]+)\(.*\) #(\d) \{$", source, re.MULTILINE))


def test_a_scalar_loop_beside_vectors_is_a_function_that_llvm_vectorizes() -> None:
    a, c = Buffer("A", (640,)), Buffer("C", (640,))
    scalar = loop(j, 100, Store(c, (j,), Load(a, (j,)) * 2.0))
    vectors = loop(i, 40, Store(c, (Ramp(i * 16, const(1), 16),), vector(a, i * 16)))
    module = build(PrimFunc("f", (a, c), sequence([vectors, scalar])))
    assert functions(module.source("llvm")) == {"f.compute": "0", "f.loop.0": "2", "f": "1"}
    x, y = np.arange(640, dtype="float32"), np.zeros(640, "float32")
    module(x, y)
    np.testing.assert_array_equal(y, np.concatenate([x[:100] * 2, x[100:]]))


@pytest.mark.parametrize("pragma", [("unroll", 2), ("vectorize", True), ("unroll", False), ("unroll", 2)])
def test_pragmas_decide_which_functions_llvm_transforms(pragma: Pragma) -> None:
    a, c = Buffer("A", (640,)), Buffer("C", (640,))
    body = For(i, const(40), "serial", Store(c, (Ramp(i * 16, const(1), 16),), vector(a, i * 16)), (pragma,))
    source = build(PrimFunc("f", (a, c), body)).source("llvm")
    assert functions(source)["f.compute"] == ("0" if pragma[1] is False else "2")


def test_llvm_keeps_a_sum_in_memory_in_a_register() -> None:
    """A vector loop that adds to one place is left to LLVM, one over different places is not."""
    a, c = Buffer("A", (640,)), Buffer("C", (640,))
    for step, group in ((0, "2"), (16, "0")):
        at = (Ramp(i * step if step else const(0), const(1), 16),)
        body = loop(i, 40, Store(c, at, Load(c, at) + vector(a, i * 16)))
        assert functions(build(PrimFunc("f", (a, c), body)).source("llvm"))["f.compute"] == group


def test_loads_of_parameters_are_hoisted() -> None:
    """Those that the program does not write to, and only where they are executed in any case."""
    a, w, c = Buffer("A", (640,)), Buffer("w", (4,)), Buffer("C", (640,))
    for scale, guarded, hoisted in ((w, False, True), (w, True, False), (c, False, False)):
        here = (Ramp(i * 16, const(1), 16),)
        body: Stmt = Store(c, here, vector(a, i * 16) * Broadcast(Load(scale, (const(3),)), 16))
        body = If(i < 20, body) if guarded else body
        source = build(PrimFunc("f", (a, w, c), loop(i, 40, body))).source("llvm")
        load = re.search(r"load float, ptr %.*\n", source)
        assert load is not None
        assert (load.start() < source.index("for_i")) == hoisted

from __future__ import annotations

from math import log2

import numpy as np
import pytest

from compiler.backend import Hardware
from compiler.ir.expr import Buffer, Load, Var, binary, const
from compiler.ir.function import PrimFunc
from compiler.ir.stmt import For, Seq, Store
from costmodel.features import LoopFeatures, extract, feature_names
from costmodel.features.loop import POINTS, loop_contexts


def matmul(n: int = 128, kinds=("serial", "serial", "serial"), unit: bool = False) -> PrimFunc:
    A, B, C = (Buffer(name, (n, n)) for name in "ABC")
    y, x, k = Var("y"), Var("x"), Var("k")
    product = binary("*", Load(A, (y, k)), Load(B, (k, x)))
    update = Store(C, (y, x), binary("+", Load(C, (y, x)), product))
    inner = Seq((Store(C, (y, x), const(0.0)), For(k, const(n), kinds[2], update)))
    columns = For(x, const(n), kinds[1], inner)
    if unit:
        columns = For(Var("one"), const(1), "serial", columns)
    return PrimFunc("main", (A, B, C), For(y, const(n), kinds[0], columns))


def by_name(function) -> dict[str, float]:
    return dict(zip(feature_names("loop"), extract(function, family="loop").tolist(), strict=True))


def test_contexts_are_those_of_the_published_oracle():
    """The numbers of AutoTVM's own test of its features, test_iter_feature_gemm, for a product of 128."""
    y, x, k = loop_contexts(matmul())
    touches = {
        context.loop.var.name: [(t.buffer, t.stride, t.count, t.reuse) for t in context.touches]
        for context in (y, x, k)
    }
    assert [(c.loop.extent, c.level, c.topdown, c.bottomup) for c in (y, x, k)] == [
        (128, 1, 128, 2097152),
        (128, 2, 16384, 16384),
        (128, 3, 2097152, 128),
    ]
    # C first: the store of the initial zero, which is outside of k, then that of the sum
    assert touches["y"] == [
        ("C", 128, 16384, 1),
        ("C", 128, 16384, 128),
        ("A", 128, 16384, 128),
        ("B", 0, 16384, 128),
    ]
    assert touches["x"] == [("C", 1, 128, 1), ("C", 1, 128, 128), ("A", 0, 128, 128), ("B", 1, 16384, 1)]
    assert touches["k"] == [("C", 0, 1, 128), ("A", 1, 128, 1), ("B", 128, 128, 1)]
    assert (k.operations.add, k.operations.mul) == (1, 1)
    assert y.operations.flops == x.operations.flops == 0


def test_relations_of_the_left_operand_by_hand():
    f = by_name(matmul())
    # A: one iteration touches 1, k 128, x uses the 128 again 128 times, y touches 16384; a threshold t holds
    # for values below 2^t
    for t in range(1, POINTS + 1):
        # of the loops below a threshold of their touched elements, the largest reuse
        assert f[f"buffer1.reuse|count.{t}"] == pytest.approx(log2(1 + (1 if t < 8 else 128))), t
        # with a reuse of 1, the loop k touches 128; with 128, y touches 16384
        expected = 128 if t < 8 else 16384
        assert f[f"buffer1.count|reuse.{t}"] == pytest.approx(log2(1 + expected)), t
        # around the innermost level there are 128^3 iterations, whatever the threshold
        assert f[f"buffer1.topdown|count.{t}"] == pytest.approx(log2(1 + 128**3)), t


def test_loops_by_kind():
    f = by_name(matmul(kinds=("parallel", "vectorize", "unroll")))
    assert f["parallel.length"] == f["vectorize.length"] == f["unroll.length"] == pytest.approx(log2(129))
    assert f["serial.loops"] == 0
    assert f["unroll.topdown"] == pytest.approx(log2(1 + 128**3))
    assert f["unroll.add"] == 1 and f["vectorize.add"] == 0
    assert f["buffer2.stride.unroll"] == pytest.approx(log2(129))
    assert f["buffer2.stride.vectorize"] == 1
    assert f["buffer2.stride.parallel"] == 0


def test_a_loop_of_one_iteration_changes_nothing():
    """It changed the length of AutoTVM's features, so that programs of one task could not be stacked."""
    assert np.array_equal(extract(matmul(unit=True), family="loop"), extract(matmul(), family="loop"))


def test_target_is_among_the_features():
    hardware = Hardware(vector_bits=256, vector_registers=16, caches=(2**15, 2**18), threads=2)
    family = LoopFeatures(hardware)
    f = dict(zip(family.names, family.extract(matmul()).tolist(), strict=True))
    assert f["target.lanes"] == pytest.approx(log2(9))
    # the last known level stands for the third
    assert f["target.cache2"] == f["target.cache3"] == pytest.approx(log2(1 + 2**18))

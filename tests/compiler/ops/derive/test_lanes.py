"""Factored reductions equal the ones that they replace."""

from __future__ import annotations

import numpy as np
import pytest

import compiler
from compiler import Target, te
from compiler.ops.derive.lanes import Along, Lanes, factored
from tests.compiler.ops.derive.computations import argmax, group_norm, matmul, matvecs, triangular, whole_sum

AVX2 = Target.parse("llvm -mcpu=x86-64-v3")


@pytest.mark.parametrize("vectors, parts", [(1, 1), (2, 1), (4, 1), (1, 3), (2, 4)])
@pytest.mark.parametrize("computation", [whole_sum(13, 37), argmax(5, 43), matvecs(2, 9, 53), triangular(23)])
def test_lanes_and_parts(computation, vectors, parts):
    tensors, reference = computation
    inputs = [t for t in tensors if not hasattr(t.op, "body")]
    op = tensors[-1].op
    along = Along.of(op, AVX2)
    made = factored(op, along, Lanes(along.lanes, vectors, parts))
    assert made.op.reduction is None
    arrays = [np.random.default_rng(1).standard_normal(t.shape, dtype=np.float32) for t in inputs]
    outs = [np.empty(t.shape, t.dtype) for t in op.outputs]
    schedule = te.create_schedule(made.op)
    compiler.build(schedule, [*inputs, *made.op.outputs])(*arrays, *outs)
    for found, exact in zip(outs, reference(*arrays), strict=True):
        np.testing.assert_allclose(found, exact, rtol=1e-4, atol=1e-4)


def test_adjacent_axes_are_one():
    along = Along.of(whole_sum(13, 37)[0][-1].op, AVX2)
    assert along.axes == (0, 1) and along.extent == 13 * 37 and along.lanes == 8
    total = next(t for t in group_norm(2, 3, 4, 25)[0][-1].op.inputs if t.name == "mean").op.inputs[0]
    assert Along.of(total.op, AVX2).axes == (0, 1)


def test_short_and_strided_reductions_have_no_lanes():
    assert Along.of(matmul(8, 8, 1)[0][-1].op, AVX2) is None
    x, i = te.placeholder((23, 41), "x"), te.reduce_axis((0, 23), "i")
    assert Along.of(te.compute((41,), lambda j: te.sum(x[i, j], axis=i), "out").op, AVX2) is None

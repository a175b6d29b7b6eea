"""The computation of tiles equals the one that it replaces, past the end too."""

from __future__ import annotations

import numpy as np
import pytest

import compiler
from compiler import te
from compiler.ir.semantics.interpret import interpret
from compiler.ops.derive.blocking import WHOLE, Choices
from compiler.ops.derive.packing import tiled
from compiler.ops.derive.tile import Tile, operands
from compiler.te.tensor import Compute
from tests.compiler.ops.derive.computations import matmul


@pytest.mark.parametrize("where", ["none", "root"])
@pytest.mark.parametrize(
    "tile", [Tile(1, 8, (4, 16)), Tile(0, 4, (8, 3)), Tile(1, 1, (1, 1)), Tile(1, 8, (1, 64))]
)
def test_tiles_past_the_end(tile, where):
    (A, B, C), reference = matmul(13, 37, 9)
    choice = Choices(tile, (2, 2), (1, WHOLE), 0, WHOLE, 0, (where, where))
    made = tiled(C.op, choice, {o.read: where for o in operands(C.op)})
    assert all(extent * f >= n for extent, f, n in zip(made.op.shape, tile.factors, C.shape, strict=False))
    D = Compute.of("D", C.op.axes, (made.element(0, tile)(tuple(a.var for a in C.op.axes)),)).output()
    a, b = (np.random.default_rng(0).standard_normal(t.shape, dtype=np.float32) for t in (A, B))
    out = np.empty((13, 37), np.float32)
    schedule = te.create_schedule(D.op)
    compiler.build(schedule, [A, B, D])(a, b, out)
    np.testing.assert_allclose(out, reference(a, b)[0], rtol=1e-4, atol=1e-4)
    # the interpreter refuses a read outside of a buffer, even of an element that is not stored
    interpret(compiler.loop_nest(schedule, [A, B, D]), a, b, np.empty_like(out))


def test_packed_operands_have_the_elements_of_a_tile_last():
    (A, B, C), _ = matmul(16, 32, 9)
    choice = Choices(Tile(1, 8, (4, 16)), (1, 1), (1, 1), 0, WHOLE, 0, ("root", "block"))
    reads = [o.read for o in operands(C.op)]
    made = tiled(C.op, choice, dict(zip(reads, choice.packs, strict=True)))
    assert [(op.shape, where) for op, where in made.packed] == [((4, 9, 4), "root"), ((2, 9, 16), "block")]
    assert made.op.shape == (4, 2, 4, 16)


def test_vectors_that_are_not_contiguous_are_packed_whatever_is_chosen():
    (A, B, C), _ = matmul(16, 32, 9)
    choice = Choices(Tile(0, 8, (8, 4)), (1, 1), (1, 1), 0, WHOLE, 0, ("none", "none"))
    made = tiled(C.op, choice, {})
    assert [op.name for op, _ in made.packed] == ["A_packed"]

"""Blocks of tiles, and their defaults."""

from __future__ import annotations

import numpy as np

from compiler import Target
from compiler.ops import Defaults
from compiler.ops.derive.blocking import WHOLE, Choices, Space
from compiler.ops.derive.tile import Tile, needs_copy
from costmodel.space import ConfigSpace
from tests.compiler.ops.derive.computations import matmul


def choices(inner, outer):
    return Choices(Tile(0, 1, (1,)), (inner,), (outer,), 0, WHOLE, 0, ())


def test_blocks_divide_the_tiles_where_a_divisor_is_near():
    assert choices(4, 1).blocks(0, 12) == (3, 1, 4)
    assert choices(WHOLE, 1).blocks(0, 12) == (1, 1, 12)
    assert choices(4, WHOLE).blocks(0, 12) == (1, 3, 4)
    # 7 has no divisor near 4: blocks of 4, the last of which is shorter
    assert choices(4, 1).blocks(0, 7) == (2, 1, 4)
    assert choices(16, 1).blocks(0, 3) == (1, 1, 3)


def test_the_default_is_the_first_tile_and_packs_what_is_reused():
    target = Target.parse("llvm -mcpu=x86-64-v3")
    space = Space.of(matmul(512, 512, 512)[0][-1].op, target)
    made = space.choose(Defaults(), "C", [False, False])
    assert made.tile == space.tiles[0]
    # rows are read where they are, and a panel is packed before all rows are multiplied by it
    assert made.packs == ("none", "block")
    assert made.order == (1, 0) and made.inner == (WHOLE, 1)
    small = Space.of(matmul(16, 32, 16)[0][-1].op, target).choose(Defaults(), "C", [False, False])
    assert small.packs == ("none", "none")


def test_the_knobs_of_a_product():
    target = Target.parse("llvm -mcpu=x86-64-v3")
    space = Space.of(matmul(512, 512, 512)[0][-1].op, target)
    recorded = ConfigSpace.record(lambda knobs: space.choose(knobs, "C", [True, True]))
    assert recorded.default["C.i0"] == (WHOLE, 1)
    assert recorded.default["C.j1"] == (1, WHOLE)
    assert set(recorded.by_name["C.outermost"].options) == {0, 1}


def test_configurations_of_one_program_are_one():
    target = Target.parse("llvm -mcpu=x86-64-v3")
    space = Space.of(matmul(512, 96, 512)[0][-1].op, target)
    recorded = ConfigSpace.record(lambda knobs: space.choose(knobs, "C", [False, False]))
    tiles = {(t.axis, t.lanes, *t.factors): t for t in space.tiles}
    for index in recorded.random(np.random.default_rng(0), 200):
        config = recorded.at(index)
        tile = tiles[config["C.tile"]]
        for d, (name, count) in enumerate((("C.i0", 512), ("C.j1", 96))):
            assert config[name][0] == WHOLE or config[name][0] * tile.factors[d] < count
        for number, operand in enumerate(space.operands):
            if needs_copy(space.op, operand, tile):
                assert config[f"C.pack{number}"] != "none"
            if not operand.can_pack(tile):
                assert config[f"C.pack{number}"] == "none"

"""Register tiles: they fit the registers of the target, and the estimate prefers those that are fast."""

from __future__ import annotations

import pytest

from compiler import Target
from compiler.ops.derive.tile import (
    Operand,
    Tile,
    cycles,
    is_split_unevenly,
    needed,
    operands,
    shared_axes,
    tiles,
)
from compiler.ops.tiles import Registers
from tests.compiler.ops.derive.computations import attention, conv2d, matmul, whole_sum

AVX512, AVX2, NEON = (
    Target.parse(t)
    for t in (
        "llvm -mcpu=x86-64-v4",
        "llvm -mcpu=x86-64-v3",
        "llvm -mcpu=cortex-a72 -mtriple=aarch64-linux-gnu",
    )
)


def product(n, m, k, dtype="float32"):
    return matmul(n, m, k, dtype)[0][-1].op


@pytest.mark.parametrize("target", [AVX512, AVX2, NEON], ids=["AVX-512", "AVX2", "NEON"])
@pytest.mark.parametrize(
    "op", [product(512, 512, 512), product(37, 45, 29), conv2d(1, 64, 56, 56, 64, 3, 1, 1)[0][-1].op]
)
def test_every_tile_fits_the_registers(target, op):
    registers = Registers.of(target, "float32")
    for _, tile in tiles(op, target):
        vectors = tile.factors[tile.axis] // tile.lanes
        rows = tile.sums // vectors
        if tile.lanes > 1:
            assert tile.lanes <= registers.lanes
            assert rows * vectors + (1 if rows == 1 else vectors + 1) <= registers.count


def test_the_best_tile_depends_on_the_registers():
    (_, wide), *_ = tiles(product(512, 512, 512), AVX512)
    (_, narrow), *_ = tiles(product(512, 512, 512), AVX2)
    assert wide.lanes == 16 and narrow.lanes == 8
    assert narrow.sums < wide.sums
    # ten sums hide the latency of an addition, on either
    assert narrow.sums >= 10


def test_vectors_lie_along_contiguous_elements():
    _, tile = tiles(product(64, 64, 64), AVX2)[0]
    assert tile.axis == 1
    assert tile.inner() == [0, 1]


def test_a_gather_costs_more_than_a_copy_and_a_copy_more_than_contiguous_vectors():
    op, registers = product(64, 64, 64), Registers.of(AVX2, "float32")
    reads = operands(op)
    along, across = Tile(1, 8, (4, 16)), Tile(0, 8, (16, 4))
    assert cycles(op, reads, along, registers) < cycles(op, reads, across, registers)
    fixed = [Operand(o.read, {}) for o in reads]
    assert cycles(op, reads, across, registers) < cycles(op, fixed, across, registers)


def test_a_reduction_without_axes_has_one_tile():
    assert [t for _, t in tiles(whole_sum(13, 37)[0][-1].op, AVX2)] == [Tile(0, 1, ())]


def test_computed_operands_are_split_unevenly_only_past_the_end():
    op = attention(2, 21, 16)[0][-1].op
    weight = operands(op)[0]
    assert is_split_unevenly(op, weight, Tile(2, 8, (1, 4, 8)))
    assert not is_split_unevenly(op, weight, Tile(2, 8, (1, 7, 8)))
    assert not is_split_unevenly(product(21, 8, 8), operands(product(21, 8, 8))[0], Tile(1, 8, (4, 8)))


def test_what_a_step_keeps_in_registers_depends_on_the_order_of_the_tile():
    op = conv2d(1, 64, 56, 56, 64, 3, 1, 1)[0][-1].op
    reads = operands(op)
    # vectors of pixels, channels outside: the vectors of all rows stay for each channel, and an element ahead
    assert needed(op, reads, Tile(3, 8, (1, 2, 7, 8))) == 14 + 7 + 1
    assert needed(op, reads, Tile(3, 8, (1, 4, 3, 8))) == 12 + 3 + 1
    # vectors of channels: those of the weights
    assert needed(op, reads, Tile(1, 8, (1, 16, 2, 3))) == 12 + 2 + 1
    # an element for each product: all of them are loaded ahead
    product_of = product(64, 64, 64)
    assert needed(product_of, operands(product_of), Tile(1, 8, (10, 8))) == 20
    assert needed(product_of, operands(product_of), Tile(1, 8, (6, 16))) == 12 + 2 + 1


def test_tiles_do_not_extend_along_the_batch():
    op = attention(2, 32, 16)[0][-1].op
    assert shared_axes(op, operands(op)) == [0]
    assert all(tile.factors[0] == 1 for _, tile in tiles(op, AVX2))
    assert shared_axes(product(8, 8, 8), operands(product(8, 8, 8))) == []

"""Tiles and blocks of convolutions: derivations worked by hand, programs of named targets, their results."""

from __future__ import annotations

import re
from collections.abc import Callable
from math import prod

import pytest

import compiler
from compiler.backend import Target
from compiler.ops import CONV2D, CONV2D_WINOGRAD, DEPTHWISE_CONV2D, POOL2D, Defaults, Operator
from compiler.ops.conv.depthwise import convolution as depthwise
from compiler.ops.conv.depthwise import tiles_of
from compiler.ops.conv.direct import convolution
from compiler.ops.conv.tile import (
    PixelTile,
    block_options,
    divides_well,
    pixel_tiles,
    registers_of,
    streaming,
    summed_channels,
)
from compiler.ops.tiles import Registers, Tile
from costmodel import Task
from tests.compiler.backend.llvm.compiled import NEON, X86
from tests.compiler.backend.llvm.test_assembly import inner_loops

AVX2, AVX512, SSE = X86 + "x86-64-v3", X86 + "skylake-avx512", X86 + "x86-64-v2"
TARGETS = {"SSE": SSE, "AVX2": AVX2, "AVX-512": AVX512, "NEON": NEON}


def conv(size: int, ci: int, co: int, layout: str = "NCHW"):
    return convolution(*CONV2D.shape(1, ci, size, size, co, 3, pad=1, layout=layout))


@pytest.mark.parametrize("name", TARGETS)
@pytest.mark.parametrize("layout", ["NCHW", "NHWC", "NCHW16c"])
def test_tiles_fit_the_registers(name: str, layout: str) -> None:
    target, shape = Target.parse(TARGETS[name]), conv(28, 64, 128, layout)
    registers = registers_of(shape, target)
    tiles = pixel_tiles(shape, registers, target)
    assert len(tiles) > 8
    assert len(set(tiles)) == len(tiles)
    for tile in tiles:
        vectors, rest = divmod(tile.channels, registers.lanes)
        pixels = tile.height * tile.width
        assert rest == 0
        assert pixels * vectors + (1 if pixels == 1 else vectors + 1) <= registers.count
        if layout == "NCHW16c":
            assert tile.channels % 16 == 0 or 16 % tile.channels == 0


def test_the_lanes_and_registers_of_targets() -> None:
    expected = {"SSE": (4, 16), "AVX2": (8, 16), "AVX-512": (16, 32), "NEON": (4, 32)}
    for name, (lanes, count) in expected.items():
        registers = registers_of(conv(8, 16, 16), Target.parse(TARGETS[name]))
        assert (registers.lanes, registers.count) == (lanes, count)


def test_pixels_are_arranged_to_cover_the_image() -> None:
    target = Target.parse(NEON)  # its caches are what is presumed of a CPU that is not here
    tiles = pixel_tiles(conv(56, 64, 64), Registers(8, 16), target)
    # six pixels: one row takes 56 * 10 tiles of 6 columns, two rows of 3 columns 28 * 19, three of 2 19 * 28
    six = [tile for tile in tiles if tile.height * tile.width == 6 and tile.channels == 16]
    assert six == [PixelTile(2, 3, 16)]
    # four pixels cover 14 x 14 exactly as 2 x 2; as one row of four they need four columns of tiles
    four = [
        tile
        for tile in pixel_tiles(conv(14, 64, 96), Registers(8, 16), target)
        if tile.height * tile.width == 4 and tile.channels == 24
    ]
    assert four == [PixelTile(2, 2, 24)]


def test_a_default_tile_by_hand() -> None:
    # 4 pixels by 3 vectors and 6 by 2 are twelve sums each; 96 channels are 4 * 24 and 6 * 16, and
    # 14 x 14 pixels are 7 * 7 tiles of 2 x 2, and 7 * 5 tiles of 2 x 3: 196 tiles against 210
    tiles = pixel_tiles(conv(14, 64, 96), Registers(8, 16), Target.parse(NEON))
    assert tiles[0] == PixelTile(2, 2, 24)
    assert PixelTile(2, 3, 16) in tiles
    # with 32 registers of 16 lanes, 14 pixels by two vectors cover 14 x 14 without a rest
    assert pixel_tiles(conv(14, 64, 32), Registers(16, 32), Target.parse(NEON))[0] == PixelTile(1, 14, 32)


def test_weights_from_the_second_cache_are_as_slow_as_it() -> None:
    # two registers of 64 bytes a cycle for one pixel, of 32 bytes that arrive: four times as long
    assert streaming(Tile(1, 8), Target.parse(AVX512)) == 4
    assert streaming(Tile(2, 8), Target.parse(AVX512)) == 2
    assert streaming(Tile(4, 4), Target.parse(AVX512)) == 1
    assert streaming(Tile(1, 8), Target.parse(AVX2)) == 2
    assert streaming(Tile(1, 8), Target.parse(NEON)) == 1


def test_summed_channels_by_hand() -> None:
    target = Target.parse(NEON)
    assert target.hardware.caches[0] == 32 * 1024
    # a channel has 9 * 16 * 4 = 576 bytes of weights, and 4 rows of 58 pixels, 928 bytes: of 24 KiB, three
    # quarters of the cache, 16 channels take 24064 bytes, and 32 too many
    assert summed_channels(conv(56, 64, 64), PixelTile(2, 3, 16), target) == 16
    # 6 rows have 1392 bytes beside the weights: 16 channels take 31488 bytes, which leave nothing for others
    assert summed_channels(conv(56, 64, 64), PixelTile(4, 3, 16), target) == 8
    # all three channels of a picture fit: 7 * 7 taps
    picture = convolution(*CONV2D.shape(1, 3, 32, 32, 64, 7, 2, 3))
    assert summed_channels(picture, PixelTile(1, 4, 16), target) == 3
    # no divisor of a prime number but one, whose nine products are fewer than 64
    assert summed_channels(conv(14, 61, 64), PixelTile(1, 4, 16), target) == 61


def test_parts_beyond_the_cache_are_not_in_the_space() -> None:
    target = Target.parse(NEON)
    shape, wide = conv(14, 256, 256), PixelTile(1, 1, 64)
    # 9 * 64 * 4 bytes of weights a channel, 32 KiB: 14 channels
    assert divides_well(shape, wide, 8, target)
    assert not divides_well(shape, wide, 16, target)
    assert divides_well(shape, wide, 256, target)  # in one part
    space = Task("conv2d", CONV2D.shape(1, 256, 14, 14, 256, 3, pad=1), NEON).space
    assert space.size < prod(space.radices)
    with pytest.raises(ValueError, match="the weights of a part fit the first-level cache"):
        widest = max(space.by_name["tile"].options, key=lambda tile: tile[2])
        space.config({**space.default, "tile": widest, "ci_block": 128})


def test_rows_of_a_block_by_hand() -> None:
    target = Target.parse(NEON)
    assert target.hardware.caches[1] == 256 * 1024
    # one row of 16 pixels of 256 channels has 16 KiB, of 128 KiB, half of the cache: 8 rows
    _, blocks = block_options(conv(14, 256, 256), PixelTile(1, 4, 24), Registers(4, 32), target)
    assert blocks.rows == 8
    assert blocks.channels == 1


def test_tiles_of_depthwise_convolutions_fit_the_registers() -> None:
    shape = depthwise(*DEPTHWISE_CONV2D.shape(1, 32, 28, 28, 3, pad=1))
    for registers in (Registers(4, 16), Registers(8, 16), Registers(4, 32), Registers(16, 32)):
        tiles = tiles_of(shape, registers)
        # all sums, nine weights and a vector of pixels
        assert all(rows * vectors + 9 + 1 <= registers.count for rows, vectors in tiles)
        assert (1, 1) in tiles
        assert tiles[0] != (1, 1)


MULTIPLY = re.compile(r"vfmadd\w+ps|fmla\tv")
SPILL = re.compile(r"vmov\w+\t%[xyz]mm\d+, .*\(%r[sb]p|st[rp]\tq\d+.*\[sp")
PROGRAMS = {
    "3x3": ("conv2d", {"N": 1, "CI": 64, "H": 56, "W": 56, "CO": 64, "kernel": 3, "pad": 1}),
    "3x3, stride 2": (
        "conv2d",
        {"N": 1, "CI": 64, "H": 56, "W": 56, "CO": 128, "kernel": 3, "stride": 2, "pad": 1},
    ),
    "3x3, NHWC": (
        "conv2d",
        {"N": 1, "CI": 64, "H": 14, "W": 14, "CO": 96, "kernel": 3, "pad": 1, "layout": "NHWC"},
    ),
    "3x3, NCHW16c": (
        "conv2d",
        {"N": 1, "CI": 64, "H": 14, "W": 14, "CO": 96, "kernel": 3, "pad": 1, "layout": "NCHW16c"},
    ),
    "7x7": ("conv2d", {"N": 1, "CI": 3, "H": 224, "W": 224, "CO": 64, "kernel": 7, "stride": 2, "pad": 3}),
    "1x1": ("conv2d", {"N": 1, "CI": 64, "H": 56, "W": 56, "CO": 64, "kernel": 1}),
    "1x1, stride 2": ("conv2d", {"N": 1, "CI": 256, "H": 14, "W": 14, "CO": 512, "kernel": 1, "stride": 2}),
}


@pytest.mark.parametrize("target", [AVX2, AVX512, NEON], ids=["AVX2", "AVX-512", "NEON"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_default_programs_do_not_spill(name: str, target: str) -> None:
    if target == NEON and name == "3x3, NCHW16c":
        pytest.skip("LLVM loads the neighbouring channels of a pixel as a vector, which takes more registers")
    task = Task(*PROGRAMS[name], target)
    assembly = compiler.build(*task.instantiate(task.space.default), target).source("asm")
    hot = max(inner_loops(assembly), key=lambda lines: sum(bool(MULTIPLY.match(line)) for line in lines))
    products = sum(bool(MULTIPLY.match(line)) for line in hot)
    assert products >= 16
    assert not [line for line in hot if SPILL.search(line)]


CASES: list[tuple[Operator, tuple]] = [
    (CONV2D, (1, 4, 7, 9, 19, 3, 1, 1)),
    (CONV2D, (1, 64, 3, 4, 9, 3, 1, 1, 1, 1, "NCHW", "bias+relu")),
    (CONV2D, (1, 6, 7, 5, 17, 1, 2, 0, 1, 1, "NCHW", "bias+residual+relu")),
    (CONV2D, (1, 4, 5, 7, 14, 3, 2, 1, 1, 2, "NHWC", "bias+residual+relu")),
    (CONV2D, (1, 32, 4, 5, 32, 3, 1, 1, 1, 2, "NCHW16c", "bias+relu")),
    (CONV2D_WINOGRAD, (1, 5, 6, 7, 18, 1, "F4", "NHWC", "bias+relu")),
    (CONV2D_WINOGRAD, (1, 16, 5, 6, 32, 1, "F2", "NCHW16c")),
    (CONV2D_WINOGRAD, (1, 3, 7, 5, 11)),
    (DEPTHWISE_CONV2D, (1, 3, 9, 17, 3, 2, 1)),
    (DEPTHWISE_CONV2D, (1, 5, 6, 7, 3, 1, 1, 1, 1, "NHWC", "bias+relu")),
    (DEPTHWISE_CONV2D, (1, 16, 5, 7, 3, 1, 1, 1, 1, "NCHW16c")),
    (POOL2D, (1, 3, 7, 9, 3, 2, 1)),
]


@pytest.mark.parametrize("target", [AVX2, AVX512, NEON], ids=["AVX2", "AVX-512", "NEON"])
@pytest.mark.parametrize(("operator", "values"), CASES, ids=lambda value: getattr(value, "name", None))
def test_the_programs_of_other_targets(
    operator: Operator, values: tuple, target: str, check_operator: Callable
) -> None:
    """With the lanes and registers of another CPU; the code runs here."""
    check_operator(operator, Defaults(), *values, how=("bound",), target=target)

"""Tiles and blocks of a convolution with channels in the lanes of vectors, derived from the target."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import NamedTuple

from compiler.backend import Target
from compiler.ir.dtype import bits_of
from compiler.ops.conv.conv2d import BLOCK, Convolution
from compiler.ops.tiles import PORTS, Registers, Tile, cache_bytes, covering, ranked_tiles, step_cycles

SHORTEST = 64
"""Products of a partial sum: a tile of fewer takes as long to load and store as to compute."""

TRANSPOSED = 0.4
"""Cycles to store an element of a vector of channels to a row of pixels."""

STREAMED = 32
"""Bytes that the second-level caches of today deliver in a cycle."""


class PixelTile(NamedTuple):
    """A tile of the output whose sums stay in registers: pixels that are broadcast, by channels in the lanes.

    Parameters
    ----------
    height, width, channels : int
    """

    height: int
    width: int
    channels: int


class Blocks(NamedTuple):
    """How a convolution is divided: channels and rows in units of tiles, and the channels of one sum.

    Parameters
    ----------
    channels, rows : int
        Tiles of a block of the output.
    summed : int
        Input channels of a partial sum; those of a group are a multiple of them.
    """

    channels: int
    rows: int
    summed: int


def registers_of(conv: Convolution, target: Target) -> Registers:
    """Return the registers for the sums of a convolution; a vector does not exceed a block of the layout."""
    registers = Registers.of(target, conv.precision.accumulator)
    if conv.layout == "NCHW16c" and registers.lanes > BLOCK:
        return replace(registers, lanes=BLOCK)
    return registers


def streaming(tile: Tile, target: Target) -> float:
    """How much longer a step takes where its vectors come from the second-level cache, which delivers
    `STREAMED` bytes a cycle.
    """
    return max(1.0, PORTS * target.vector_bits / 8 / (STREAMED * tile.rows))


@lru_cache(maxsize=64)  # the same for each candidate of a search
def pixel_tiles(conv: Convolution, registers: Registers, target: Target) -> tuple[PixelTile, ...]:
    """Return the tiles that a search may choose from, the best first.

    They fit in the registers, and their pixels are arranged so that few of them are outside of the image.
    """

    def arranged(tile: Tile) -> PixelTile | None:
        """The pixels of a tile as rows and columns; of two ways that are equal, the one with longer rows."""
        channels = tile.vectors * registers.lanes
        if tile.vectors > covering(conv.co, registers.lanes):
            return None
        if conv.layout == "NCHW16c" and channels % BLOCK and BLOCK % channels:
            return None
        heights = [h for h in range(1, min(tile.rows, conv.OH) + 1) if tile.rows % h == 0]
        tiles = [PixelTile(h, tile.rows // h, channels) for h in heights if tile.rows // h <= conv.OW]
        cost = {t: _count(conv, t) * _stored(conv, t, tile) for t in tiles}
        return min(tiles, key=lambda t: (cost[t], t.height)) if tiles else None

    def steps(tile: Tile) -> float:
        found = arranged(tile)
        if found is None:
            return float("inf")
        summed = summed_channels(conv, found, target)
        resident = 2 * _weights(conv, summed, found.channels) <= cache_bytes(target, 0)
        # each partial sum is added to its total, which is loaded and stored
        parts = 1 + 3 / (summed * conv.KH * conv.KW)
        stored = _stored(conv, found, tile)
        return _count(conv, found) * stored * parts * (1 if resident else streaming(tile, target))

    found = [arranged(tile) for tile in ranked_tiles(registers, steps)]
    return tuple(tile for tile in found if tile is not None)


def _stored(conv: Convolution, pixels: PixelTile, tile: Tile) -> float:
    """How much longer a tile takes because it is stored to NCHW: in vectors of at least four pixels, which
    are transposed in registers, or an element at a time.
    """
    if conv.layout != "NCHW":
        return 1.0
    each = TRANSPOSED if pixels.width % 4 == 0 else 1.0
    steps = conv.ci * conv.KH * conv.KW
    return 1 + each * pixels.height * pixels.width * pixels.channels / (steps * step_cycles(tile))


def _count(conv: Convolution, tile: PixelTile) -> int:
    """How many tiles cover the output of a group."""
    h, w, c = tile
    return covering(conv.OH, h) * covering(conv.OW, w) * covering(conv.co, c)


def summed_channels(conv: Convolution, tile: PixelTile, target: Target) -> int:
    """Return the most input channels of which the first-level cache holds, in three quarters of it, the
    weights of a tile and the rows of the image for a row of tiles. All where no divisor of them is so small.
    """
    size = bits_of(conv.precision.operand) // 8
    rows = (tile.height - 1) * min(conv.SH, conv.KH) + conv.KH
    each = _weights(conv, 1, tile.channels) + rows * (conv.W + conv.left + conv.right) * size
    fitting = [d for d in _summed_options(conv, target) if d * each <= cache_bytes(target, 0) * 3 // 4]
    return max(fitting, default=conv.ci)


def divides_well(conv: Convolution, tile: PixelTile, summed: int, target: Target) -> bool:
    """Whether the weights of a tile fit the first-level cache, if the sum is divided for that purpose."""
    return summed == conv.ci or _weights(conv, summed, tile.channels) <= cache_bytes(target, 0)


def _summed_options(conv: Convolution, target: Target) -> list[int]:
    """The divisors of the channels of a group that are whole steps, and not too few for a partial sum."""
    least = covering(SHORTEST, conv.KH * conv.KW)
    depth = conv.precision.grouping(target.hardware).depth
    parts = [d for d in range(least, conv.ci) if conv.ci % d == 0 and d % depth == 0]
    return [*parts, conv.ci]


def _weights(conv: Convolution, channels: int, width: int) -> int:
    """Bytes of the weights of `channels` input and `width` output channels."""
    return conv.KH * conv.KW * channels * width * (bits_of(conv.precision.operand) // 8)


def block_options(
    conv: Convolution, tile: PixelTile, registers: Registers, target: Target
) -> tuple[tuple[tuple[int, ...], ...], Blocks]:
    """Return the options for each field of `Blocks`, and the default for `tile`.

    The image's rows of a block, with all of their channels, fill half of the second-level cache, and there
    are as many blocks as the target has threads.
    """
    first, second = cache_bytes(target, 0), cache_bytes(target, 1)
    divisors = _summed_options(conv, target)
    # not in parts whose weights exceed the first cache even for the narrowest tile, but in one part
    summed = [d for d in divisors if _weights(conv, d, registers.lanes) <= first or d == conv.ci]

    size = bits_of(conv.precision.operand) // 8
    h_tiles, c_tiles = covering(conv.OH, tile.height), covering(conv.co, tile.channels)
    row = tile.height * min(conv.SH, conv.KH) * (conv.W + conv.left + conv.right) * conv.CI * size
    rows = _powers(conv.OH)
    resident = [p for p in rows if 2 * p * row <= second] or rows[:1]
    images = conv.N * conv.groups
    busy = [p for p in resident if images * c_tiles * covering(h_tiles, p) >= target.hardware.threads]
    channels = [p for p in _powers(covering(conv.co, registers.lanes)) if p <= 16]
    options = tuple(channels), tuple(rows), tuple(summed)
    return options, Blocks(1, (busy or rows)[-1 if busy else 0], summed_channels(conv, tile, target))


def _powers(extent: int) -> list[int]:
    """The powers of two up to the first that is not less than `extent`."""
    return [1 << i for i in range((extent - 1).bit_length() + 1)]

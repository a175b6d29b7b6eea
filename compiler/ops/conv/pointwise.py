"""Convolution with kernels of one pixel in NCHW: a matrix product with pixels in the lanes of vectors."""

from __future__ import annotations

from compiler import te
from compiler.backend import Target
from compiler.ir.dtype import bits_of
from compiler.ir.expr import Expr
from compiler.ops.conv.conv2d import Convolution
from compiler.ops.conv.tile import streaming
from compiler.ops.knobs import Knobs
from compiler.ops.loops import split_vectors
from compiler.ops.tiles import UNROLL, UNROLLED, Registers, Tile, cache_bytes, covering, ranked_tiles
from compiler.schedule.schedule import Schedule
from compiler.te.tensor import Tensor


def is_pointwise(conv: Convolution) -> bool:
    """Whether each output pixel depends on one input pixel alone, and those of a channel are contiguous."""
    plain = (conv.KH, conv.KW, conv.groups) == (1, 1, 1)
    return plain and not conv.padded and conv.layout == "NCHW"


def template(knobs: Knobs, conv: Convolution, target: Target) -> tuple[Schedule, list[Tensor]]:
    """A weight is broadcast to the lanes and multiplied by neighbouring pixels of its channel.

    Unlike in `compiler.ops.conv.direct` the result is stored without a transposition, which
    matters where a sum has few terms. The pixels of a tile are copied, so that those of all channels are
    contiguous; with a stride, those that are skipped are left out.
    """
    registers = Registers.of(target, conv.precision.accumulator)
    pixels_of, lanes = conv.OH * conv.OW, registers.lanes
    tiles = ranked_tiles(registers, lambda tile: _steps(conv, tile, registers, target))
    channels, pixels = knobs.choice("tile", [(tile.rows, tile.vectors * lanes) for tile in tiles])
    c_tiles, p_tiles = covering(conv.CO, channels), covering(pixels_of, pixels)
    powers = [1 << i for i in range(16)]
    c_block = knobs.choice(
        "c_block", c_blocks := [p for p in powers if p < 2 * conv.CO], default=c_blocks[-1]
    )
    p_blocks, p_default = _pixel_blocks(conv, tiles[0], lanes, target)
    p_block = knobs.choice("p_block", p_blocks, default=p_default)
    knobs.require(
        ("tile", "p_block"),
        lambda tile, count: count == 1 or count * tile[1] * _pixel_bytes(conv) <= cache_bytes(target, 1),
        "the pixels of a block fit the second-level cache",
    )
    unroll = knobs.choice("unroll", UNROLL, default=UNROLLED)
    whole = (conv.SH, conv.SW) == (1, 1) and pixels_of % lanes == 0
    pack = knobs.choice("pack_pixels", (True, False) if whole else (True,))

    data, weight, extra = conv.placeholders()
    c = te.reduce_axis((0, conv.CI), "c")

    def packing(ct: Expr, c: Expr, lane: Expr) -> Expr:
        value = weight[ct * channels + lane, c, 0, 0]
        return value if conv.CO % channels == 0 else te.if_then_else(ct * channels + lane < conv.CO, value, 0)

    packed = te.compute((c_tiles, conv.CI, channels), packing, "packed_weight")

    def pixel(n: Expr, c: Expr, p: Expr) -> Expr:
        value = data[n, c, p // conv.OW * conv.SH, p % conv.OW * conv.SW]
        return value if pixels_of % pixels == 0 else te.if_then_else(p < pixels_of, value, 0)

    panels = te.compute(
        (conv.N, p_tiles, conv.CI, pixels), lambda n, pt, c, lane: pixel(n, c, pt * pixels + lane), "pixels"
    )

    def term(n: Expr, co: Expr, p: Expr) -> Expr:
        value = panels[n, p // pixels, c, p % pixels] if pack else pixel(n, c, p)
        return te.sum(conv.term(packed[co // channels, c, co % channels], value), axis=c)

    tile = te.compute((conv.N, c_tiles * channels, p_tiles * pixels), term, "tile")
    out = te.compute(
        conv.output_shape,
        lambda n, co, h, w: conv.finish(tile[n, co, h * conv.OW + w], extra, co, (n, co, h, w)),
        "out",
    )

    s = te.create_schedule(out.op)
    n, co, h, w = out.op.axis
    po, pi = s[out].split(s[out].fuse(h, w), pixels)
    co, ci = s[out].split(co, channels)
    pb, po = s[out].split(po, min(p_block, p_tiles))
    cb, co = s[out].split(co, min(c_block, c_tiles))
    s[out].reorder(n, pb, cb, po, co, ci, pi)
    split_vectors(s, out, pi, lanes)
    s[out].unroll(ci)  # the sums are stored from registers
    block = s[out].fuse(n, pb)
    s[out].parallel(block)
    s[tile].set_scope("local")
    s[tile].compute_at(s[out], co)
    tn, tc, tp = tile.op.axis
    ko, ki = s[tile].split(c, max(d for d in range(1, unroll + 1) if conv.CI % d == 0))
    s[tile].reorder(tn, ko, ki, tc, tp)
    s[tile].unroll(ki)
    s[tile].unroll(tc)
    split_vectors(s, tile, tp, lanes)
    if pack:
        s[panels].compute_at(s[out], block)
        split_vectors(s, panels, panels.op.axis[-1], lanes)
    s[packed].parallel(packed.op.axis[0])
    return s, conv.arguments(data, weight, extra, out)


def _steps(conv: Convolution, tile: Tile, registers: Registers, target: Target) -> float:
    """How many tiles cover the output, those whose pixels come from the second-level cache at its speed."""
    pixels, width = conv.OH * conv.OW, tile.vectors * registers.lanes
    too_large = tile.vectors > covering(pixels, registers.lanes) or tile.rows > conv.CO
    if too_large:
        return float("inf")
    resident = 2 * width * _pixel_bytes(conv) <= cache_bytes(target, 0)
    count = covering(conv.CO, tile.rows) * covering(pixels, width)
    return count * (1 if resident else streaming(tile, target))


def _pixel_bytes(conv: Convolution) -> int:
    """Bytes of all channels of a pixel."""
    return conv.CI * (bits_of(conv.precision.operand) // 8)


def _pixel_blocks(conv: Convolution, tile: Tile, lanes: int, target: Target) -> tuple[list[int], int]:
    """How many tiles of pixels a block may have, and by default: copied, they fill half of the second-level
    cache, and there is a block for each thread.
    """
    width = tile.vectors * lanes
    tiles = covering(conv.OH * conv.OW, width)
    options = [1 << i for i in range(16) if 1 << i < 2 * tiles]
    resident = [p for p in options if 2 * p * width * _pixel_bytes(conv) <= cache_bytes(target, 1)]
    busy = [p for p in resident if conv.N * covering(tiles, p) >= target.hardware.threads]
    return options, (busy or options[:1])[-1]

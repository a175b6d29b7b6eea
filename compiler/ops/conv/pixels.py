"""Convolution with pixels in the lanes of vectors: kernels of one pixel, and images of one row, in NCHW."""

from __future__ import annotations

from compiler import te
from compiler.backend import Target
from compiler.ir.dtype import bits_of
from compiler.ir.expr import Call, Expr, const
from compiler.ir.visit import walk
from compiler.ops.conv.conv2d import Convolution
from compiler.ops.conv.tile import TRANSPOSED, streaming
from compiler.ops.knobs import Knobs
from compiler.ops.loops import split_vectors
from compiler.ops.tiles import (
    PORTS,
    UNROLL,
    UNROLLED,
    Registers,
    Tile,
    cache_bytes,
    covering,
    ranked_tiles,
)
from compiler.schedule.schedule import Schedule
from compiler.te.tensor import Compute, Tensor


def has_pixels_in_lanes(conv: Convolution, target: Target) -> bool:
    """Whether neighbouring pixels of the output fill vectors, and those that they are computed from are
    contiguous in the image or a constant distance apart.

    So it is where the kernel has one pixel, and in images of one row, as those of one-dimensional
    convolutions are, unless channels fill the vectors so much better that they can be transposed.
    """
    if conv.layout != "NCHW" or conv.groups != 1:
        return False
    if (conv.KH, conv.KW) == (1, 1) and not conv.padded:
        return True
    lanes = Registers.of(target, conv.precision.accumulator).lanes
    pixels, channels = (covering(n, lanes) * lanes / n for n in (conv.OW, conv.CO))
    # the cycles of a vector of sums, and those of its transposition
    transposed = TRANSPOSED * lanes / (conv.CI * conv.KW / PORTS)
    return conv.H == conv.OH == conv.KH == 1 and pixels <= channels * (1 + transposed)


def template(knobs: Knobs, conv: Convolution, target: Target) -> tuple[Schedule, list[Tensor]]:
    """A weight is broadcast to the lanes and multiplied by neighbouring pixels of its channel.

    Unlike in `compiler.ops.conv.direct` the result is stored without a transposition, which
    matters where a sum has few terms. The pixels of a tile are copied for each element of the kernel, so that
    those of all channels are contiguous: neither the distance of channels in memory, which would need an
    entry of the address translation for each, nor stride and dilation matter to the sums. With a stride,
    pixels that are skipped are left out.
    """
    registers = Registers.of(target, conv.precision.accumulator)
    pixels_of, lanes = conv.OH * conv.OW, registers.lanes
    tiles = ranked_tiles(registers, lambda tile: _steps(conv, tile, registers, target))
    channels, pixels = knobs.choice("tile", [(tile.rows, tile.vectors * lanes) for tile in tiles])
    c_tiles, p_tiles = covering(conv.CO, channels), covering(pixels_of, pixels)
    powers = [1 << i for i in range(16)]
    # the weights of a tile of channels stay in the first-level cache for all pixels of a block
    c_block = knobs.choice("c_block", [p for p in powers if p < 2 * conv.CO], default=1)
    p_blocks, p_default = _pixel_blocks(conv, tiles[0], lanes, target)
    p_block = knobs.choice("p_block", p_blocks, default=p_default)
    knobs.require(
        ("tile", "p_block"),
        lambda tile, count: count == 1 or count * tile[1] * _pixel_bytes(conv) <= cache_bytes(target, 1),
        "the pixels of a block fit the second-level cache",
    )
    unroll = knobs.choice("unroll", UNROLL, default=UNROLLED)
    taps = conv.KH * conv.KW
    whole = taps == 1 and (conv.SH, conv.SW) == (1, 1) and pixels_of % lanes == 0 and not conv.padded
    pack = knobs.choice("pack_pixels", (True, False) if whole else (True,))

    data, weight, extra = conv.placeholders()
    t, c = te.reduce_axis((0, taps), "t"), te.reduce_axis((0, conv.CI), "c")

    def packing(ct: Expr, t: Expr, c: Expr, lane: Expr) -> Expr:
        value = weight[ct * channels + lane, c, t // conv.KW, t % conv.KW]
        return value if conv.CO % channels == 0 else te.if_then_else(ct * channels + lane < conv.CO, value, 0)

    packed = te.compute((c_tiles, taps, conv.CI, channels), packing, "packed_weight")
    rows = (conv.OH - 1) * conv.SH + (conv.KH - 1) * conv.DH + 1
    columns = (conv.OW - 1) * conv.SW + (conv.KW - 1) * conv.DW + 1

    def pixel(n: Expr, t: Expr, c: Expr, p: Expr) -> Expr:
        # without a division, vectors of pixels of one row are copied as such
        row, column = (const(0), p) if conv.OH == 1 else (p // conv.OW, p % conv.OW)
        h = row * conv.SH + t // conv.KW * conv.DH
        w = column * conv.SW + t % conv.KW * conv.DW
        value = conv.pixel(data, n, c, h, w, rows, columns)
        return value if pixels_of % pixels == 0 else te.if_then_else(p < pixels_of, value, 0)

    panels = te.compute(
        (conv.N, p_tiles, taps, conv.CI, pixels),
        lambda n, pt, t, c, lane: pixel(n, t, c, pt * pixels + lane),
        "pixels",
    )

    def term(n: Expr, co: Expr, p: Expr) -> Expr:
        value = panels[n, p // pixels, t, c, p % pixels] if pack else pixel(n, const(0), c, p)
        return te.sum(conv.term(packed[co // channels, t, c, co % channels], value), axis=(t, c))

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
    if not _calls_functions(out):
        s[out].unroll(ci)  # the sums are stored from registers; a polynomial is not repeated for each
    block = s[out].fuse(n, pb)
    s[out].parallel(block)
    s[tile].set_scope("local")
    s[tile].compute_at(s[out], co)
    tn, tc, tp = tile.op.axis
    ko, ki = s[tile].split(c, max(d for d in range(1, unroll + 1) if conv.CI % d == 0))
    s[tile].reorder(tn, t, ko, ki, tc, tp)
    s[tile].unroll(ki)
    s[tile].unroll(tc)
    split_vectors(s, tile, tp, lanes)
    if pack:
        s[panels].compute_at(s[out], block)
        split_vectors(s, panels, panels.op.axis[-1], lanes)
    s[packed].parallel(packed.op.axis[0])
    return s, conv.arguments(data, weight, extra, out)


def _calls_functions(out: Tensor) -> bool:
    """Whether the elements are computed with functions other than arithmetic."""
    assert isinstance(out.op, Compute)
    return any(type(x) is Call and x.name != "if_then_else" for e in out.op.exprs for x in walk(e))


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
    """Bytes of all that a pixel of the output is computed from."""
    return conv.KH * conv.KW * conv.CI * (bits_of(conv.precision.operand) // 8)


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

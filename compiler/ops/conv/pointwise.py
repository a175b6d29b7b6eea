"""Convolution with kernels of one pixel in NCHW: a matrix product with pixels in the lanes of vectors."""

from __future__ import annotations

from compiler import te
from compiler.ir.expr import Expr
from compiler.ops.conv.conv2d import Convolution
from compiler.ops.knobs import Knobs
from compiler.ops.loops import split_vectors
from compiler.schedule.schedule import Schedule
from compiler.te.tensor import Tensor

# channels and pixels of a tile of the output whose sums stay in registers
TILES = ((8, 32), (14, 32), (4, 64), (6, 64), (12, 32), (4, 32), (16, 16), (8, 16), (24, 16))


def is_pointwise(conv: Convolution) -> bool:
    """Whether each output pixel depends on one input pixel alone, and those of a channel are contiguous."""
    plain = (conv.KH, conv.KW, conv.SH, conv.SW, conv.groups) == (1, 1, 1, 1, 1)
    return plain and not conv.padded and conv.layout == "NCHW"


def template(knobs: Knobs, conv: Convolution) -> tuple[Schedule, list[Tensor]]:
    """A weight is broadcast to the lanes and multiplied by neighbouring pixels of its channel.

    Unlike in `compiler.ops.conv.direct` the result is stored without a transposition, which
    matters where a sum has few terms.
    """
    channels, pixels = knobs.choice("tile", TILES, default=_default_tile(conv))
    c_block = knobs.choice("c_block", (1, 2, 4, 8, 16), default=16)
    p_block = knobs.choice("p_block", (1, 2, 4, 8, 16), default=2)
    unroll = knobs.choice("unroll", (1, 2, 4, 8), default=4)

    data, weight, extra = conv.placeholders()
    total = conv.H * conv.W
    c_tiles, p_tiles = -(-conv.CO // channels), -(-total // pixels)
    c = te.reduce_axis((0, conv.CI), "c")

    def packing(ct: Expr, c: Expr, lane: Expr) -> Expr:
        value = weight[ct * channels + lane, c, 0, 0]
        return value if conv.CO % channels == 0 else te.if_then_else(ct * channels + lane < conv.CO, value, 0)

    packed = te.compute((c_tiles, conv.CI, channels), packing, "packed_weight")

    def pixel(n: Expr, p: Expr) -> Expr:
        value = data[n, c, p // conv.W, p % conv.W]
        return value if total % pixels == 0 else te.if_then_else(p < total, value, 0)

    tile = te.compute(
        (conv.N, c_tiles * channels, p_tiles * pixels),
        lambda n, co, p: te.sum(conv.term(packed[co // channels, c, co % channels], pixel(n, p)), axis=c),
        "tile",
    )
    out = te.compute(
        (conv.N, conv.CO, conv.H, conv.W),
        lambda n, co, h, w: conv.finish(tile[n, co, h * conv.W + w], extra, co, (n, co, h, w)),
        "out",
    )

    s = te.create_schedule(out.op)
    n, co, h, w = out.op.axis
    po, pi = s[out].split(s[out].fuse(h, w), pixels)
    co, ci = s[out].split(co, channels)
    pb, po = s[out].split(po, min(p_block, p_tiles))
    cb, co = s[out].split(co, min(c_block, c_tiles))
    s[out].reorder(n, pb, cb, po, co, ci, pi)
    split_vectors(s, out, pi, 16)
    s[out].unroll(ci)  # the sums are stored from registers
    s[out].parallel(s[out].fuse(n, pb))
    s[tile].set_scope("local")
    s[tile].compute_at(s[out], co)
    tn, tc, tp = tile.op.axis
    ko, ki = s[tile].split(c, min(unroll, conv.CI))
    s[tile].reorder(tn, ko, ki, tc, tp)
    s[tile].unroll(ki)
    s[tile].unroll(tc)
    split_vectors(s, tile, tp, 16)
    s[packed].parallel(packed.op.axis[0])
    return s, [data, weight, *extra, out]


def _default_tile(conv: Convolution) -> tuple[int, int]:
    """Return the tile with the least padding among those that keep both floating-point ports busy."""

    def cost(tile: tuple[int, int]) -> tuple[float, int]:
        channels, pixels = tile
        covered = -(-conv.CO // channels) * channels * (-(-conv.H * conv.W // pixels) * pixels)
        sums = channels * pixels / 16
        loads = (channels + pixels / 16) / sums
        return covered * max(1.0, 10 / sums, loads) * (1 + 0.15 * loads), TILES.index(tile)

    return min(TILES, key=cost)

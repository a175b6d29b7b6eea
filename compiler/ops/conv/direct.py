"""Direct convolution with output channels in the lanes of vectors: the operator `CONV2D` and its template."""

from __future__ import annotations

from typing import Any

from compiler import te
from compiler.ir.expr import Expr
from compiler.ops.conv import conv2d
from compiler.ops.conv import pointwise as conv2d_pointwise
from compiler.ops.conv.conv2d import BLOCK, Conv2dShape, Convolution, image_axes, image_shape
from compiler.ops.conv.family import convolution_operator
from compiler.ops.knobs import Knobs
from compiler.ops.loops import split_vectors
from compiler.schedule.schedule import Schedule
from compiler.te.tensor import Tensor

# rows, columns and channels of a tile of the output whose sums stay in registers: with 32 registers of 16
# floats, pixels * channels / 16 accumulators, a row of weights and a broadcast pixel must fit
TILES = (
    *((1, 7, 32), (1, 14, 32), (2, 7, 32), (1, 8, 32), (1, 12, 32), (1, 4, 64), (1, 6, 64), (1, 7, 48)),
    *(
        (1, 28, 16),
        (2, 14, 16),
        (1, 14, 16),
        (4, 7, 16),
        (2, 4, 48),
        (2, 2, 64),
        (1, 4, 32),
        (1, 1, 64),
        (1, 4, 16),
    ),
)


def template(knobs: Knobs, *values: Any) -> tuple[Schedule, list[Tensor]]:
    """A tile of some pixels by a block of channels is accumulated in registers.

    Each pixel of the input is broadcast to the lanes and multiplied by the weights of all channels of the
    block, which are packed contiguously in the order in which they are read. The image is padded before,
    wide enough for whole tiles, so that the hot loop has no conditions (TVM, arXiv 1802.04799, section 4;
    spatial packing).
    """
    conv = convolution(*values)
    if conv2d_pointwise.is_pointwise(conv):
        return conv2d_pointwise.template(knobs, conv)
    options = tuple(t for t in TILES if conv.layout != "NCHW16c" or t[2] % BLOCK == 0)
    th, tw, tc = knobs.choice("tile", options, default=default_tile(conv))
    c_block = knobs.choice("c_block", (1, 2, 4, 8, 16), default=1)
    h_block = knobs.choice("h_block", (1, 2, 4, 8, 16, 32), default=4)
    ci_block = knobs.choice("ci_block", (8, 16, 32, 64, 128, 4096), default=4096)
    taps = knobs.choice("taps", ("inside", "outside"))
    # unrolling the whole kernel would take twice as long to compile, and is not faster
    unroll = knobs.choice("unroll", ("none", "kw", "ci 4"), default="kw" if conv.KW > 1 else "ci 4")
    order = knobs.choice("order", ("channels inside", "rows inside"))

    data, weight, extra = conv.placeholders()
    groups, c_tiles = conv.groups, -(-conv.co // tc)
    h_tiles, w_tiles = -(-conv.OH // th), -(-conv.OW // tw)
    rows = (h_tiles * th - 1) * conv.SH + (conv.KH - 1) * conv.DH + 1
    columns = (w_tiles * tw - 1) * conv.SW + (conv.KW - 1) * conv.DW + 1
    c = te.reduce_axis((0, conv.ci), "c")
    kh, kw = te.reduce_axis((0, conv.KH), "kh"), te.reduce_axis((0, conv.KW), "kw")

    covered = not conv.top and not conv.left and rows <= conv.H and columns <= conv.W
    padded = None if covered else _padded(conv, data, rows, columns)

    def pixel(n: Expr, channel: Expr, h: Expr, w: Expr) -> Expr:
        if padded is None:
            return conv.pixel(data, n, channel, h, w, rows, columns)
        if conv.layout == "NCHW16c":
            return padded[n, channel // BLOCK, h, w, channel % BLOCK]
        return padded[(n, channel, h, w) if conv.layout == "NCHW" else (n, h, w, channel)]

    packed = _packed(conv, weight, c_tiles, tc, taps)

    def weights(g: Expr, ct: Expr, lane: Expr) -> Expr:
        return packed[(g, ct, c, kh, kw, lane) if taps == "inside" else (g, ct, kh, kw, c, lane)]

    tile = te.compute(
        (conv.N, groups, c_tiles, h_tiles * th, w_tiles * tw, tc),
        lambda n, g, ct, oh, ow, lane: te.sum(
            conv.term(
                pixel(n, g * conv.ci + c, oh * conv.SH + kh * conv.DH, ow * conv.SW + kw * conv.DW),
                weights(g, ct, lane),
            ),
            axis=(c, kh, kw),
        ),
        "tile",
    )

    # where lanes are channels but the output's are pixels, bias and activation are applied before the
    # transposition
    turned = conv.layout == "NCHW" and not conv.epilogue.residual and conv.co % tc == 0
    done = None
    if turned and (conv.epilogue.bias or conv.epilogue.activation):
        done = te.compute(
            tile.shape,
            lambda n, g, ct, oh, ow, lane: conv.finish(
                tile[n, g, ct, oh, ow, lane], extra, g * conv.co + ct * tc + lane, ()
            ),
            "done",
        )

    def element(*at: Expr) -> Expr:
        n, co, oh, ow = image_axes(conv.layout, *at)
        group, inside = (co // conv.co, co % conv.co) if groups > 1 else (0, co)
        index = n, group, inside // tc, oh, ow, inside % tc
        return conv.finish(tile[index], extra, co, at) if done is None else done[index]

    out = te.compute(conv.output_shape, element, "out")

    s = te.create_schedule(out.op)
    place = _schedule_tiles(s, out, conv, (th, tw, tc), (min(c_block, c_tiles), min(h_block, h_tiles)), order)

    s[tile].set_scope("local")
    s[tile].compute_at(s[out], place)
    if done is not None:
        s[done].compute_at(s[out], place)
        _, _, _, oh, ow, lane = done.op.axis
        s[done].unroll(oh)
        s[done].unroll(ow)
        split_vectors(s, done, lane, 16)
    _schedule_sums(s, tile, conv, (c, kh, kw), ci_block, taps, unroll)
    if padded is not None:
        s[padded].parallel(s[padded].fuse(*padded.op.axis[:2]))
    s[packed].parallel(s[packed].fuse(*packed.op.axis[:2]))
    return s, [data, weight, *extra, out]


def _schedule_sums(
    s: Schedule,
    tile: Tensor,
    conv: Convolution,
    reduced: tuple[te.IterVar, te.IterVar, te.IterVar],
    ci_block: int,
    taps: str,
    unroll: str,
) -> None:
    """Schedule the sums of a tile over `reduced`: the channels, and the rows and columns of the kernel."""
    c, kh, kw = reduced
    n, g, ct, oh, ow, lane = tile.op.axis
    # a block of channels is traversed for each tap; with the taps inside of it, a block would have no effect
    co, ci = s[tile].split(c, min(ci_block if taps == "outside" else conv.ci, conv.ci))
    quads = []
    if unroll == "ci 4" and conv.ci % 4 == 0:
        ci, quad = s[tile].split(ci, 4)
        s[tile].unroll(quad)
        quads = [quad]
    reduction = [ci, *quads, kh, kw] if taps == "inside" else [kh, kw, ci, *quads]
    vectors, lanes = s[tile].split(lane, 16)
    s[tile].reorder(n, g, ct, co, *reduction, oh, ow, vectors, lanes)
    for axis in (oh, ow, vectors, *((kw,) if unroll == "kw" else ())):
        s[tile].unroll(axis)
    s[tile].vectorize(lanes)


def default_tile(conv: Convolution) -> tuple[int, int, int]:
    """Return the tile with the least padding among those that keep both floating-point ports busy."""

    def cost(tile: tuple[int, int, int]) -> tuple[float, int]:
        h, w, c = tile
        covered = -(-conv.OH // h) * h * (-(-conv.OW // w) * w) * (-(-conv.co // c) * c)
        sums = h * w * c // 16
        # fewer than ten accumulators do not hide the latency of an addition; more than one load for each
        # stalls
        stall = max(1.0, 10 / sums, (h * w + c // 16) / sums)
        return covered * stall, TILES.index(tile)

    return min(TILES, key=cost)


def _padded(conv: Convolution, data: Tensor, rows: int, columns: int) -> Tensor:
    """The padded image, wide enough for whole tiles."""
    shape = image_shape(conv.layout, conv.N, conv.CI, rows, columns)
    return te.compute(
        shape, lambda *at: conv.pixel(data, *image_axes(conv.layout, *at), rows, columns), "padded"
    )


def _packed(conv: Convolution, weight: Tensor, c_tiles: int, tc: int, taps: str) -> Tensor:
    """The weights of each block of channels, contiguous in the order of use; zero past the last channel."""

    def value(g: Expr, ct: Expr, c: Expr, kh: Expr, kw: Expr, lane: Expr) -> Expr:
        channel = ct * tc + lane
        element = weight[g * conv.co + channel, c, kh, kw]
        return element if conv.co % tc == 0 else te.if_then_else(channel < conv.co, element, 0)

    if taps == "inside":
        return te.compute((conv.groups, c_tiles, conv.ci, conv.KH, conv.KW, tc), value, "packed_weight")
    return te.compute(
        (conv.groups, c_tiles, conv.KH, conv.KW, conv.ci, tc),
        lambda g, ct, kh, kw, c, lane: value(g, ct, c, kh, kw, lane),
        "packed_weight",
    )


def _schedule_tiles(
    s: Schedule,
    out: Tensor,
    conv: Convolution,
    tile: tuple[int, int, int],
    blocks: tuple[int, int],
    order: str,
) -> te.IterVar:
    """Schedule the loops over tiles of the output; return the one around a tile."""
    th, tw, tc = tile
    c_block, h_block = blocks
    stage = s[out]
    axis = list(out.op.axis)
    n, h, w = axis[0], axis[1 if conv.layout == "NHWC" else 2], axis[2 if conv.layout == "NHWC" else 3]
    if conv.layout == "NCHW16c":
        outer, lane = axis[1], [axis[4]]
        group, outer = stage.split(outer, conv.co // BLOCK) if conv.groups > 1 else (None, outer)
        outer, vectors = stage.split(outer, tc // BLOCK)
        lane = [vectors, *lane]
    else:
        c = axis[3 if conv.layout == "NHWC" else 1]
        group, c = stage.split(c, conv.co) if conv.groups > 1 else (None, c)
        outer, inner = stage.split(c, tc)
        lane = [inner]
    ho, hi = stage.split(h, th)
    wo, wi = stage.split(w, tw)
    hb, ho = stage.split(ho, h_block)
    cb, outer = stage.split(outer, c_block)
    head = [n, group] if group is not None else [n]
    inside = [ho, wo, outer] if order == "channels inside" else [outer, ho, wo]
    if conv.layout == "NCHW":
        stage.reorder(*head, hb, cb, *inside, *lane, hi, wi)
    else:
        stage.reorder(*head, hb, cb, *inside, hi, wi, *lane)
        if conv.layout == "NHWC":
            vectors, lanes = stage.split(lane[0], 16)
            stage.unroll(vectors)
            stage.vectorize(lanes)
        else:
            stage.unroll(lane[0])
            stage.vectorize(lane[1])
    stage.parallel(stage.fuse(*head, hb))
    return inside[-1]


def convolution(*values: Any) -> Convolution:
    """Return the convolution of the parameters' values."""
    return Convolution.of(Conv2dShape(*values))


CONV2D = convolution_operator("conv2d", conv2d.PARAMETERS, convolution, template)

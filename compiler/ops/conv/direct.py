"""Direct convolution with output channels in the lanes of vectors: the operator `CONV2D` and its template."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from compiler import te
from compiler.backend import Target
from compiler.ir.expr import Expr, ExprLike, const
from compiler.ops.consumer import Consumer
from compiler.ops.conv import conv2d, pixels
from compiler.ops.conv.conv2d import (
    BLOCK,
    Conv2dShape,
    Convolution,
    CopiedImage,
    image_axes,
    image_index,
    image_shape,
)
from compiler.ops.conv.family import convolution_operator
from compiler.ops.conv.grouped import GroupedChannels
from compiler.ops.conv.tile import Blocks, PixelTile, block_options, divides_well, pixel_tiles, registers_of
from compiler.ops.knobs import Knobs
from compiler.ops.loops import split_vectors, store_across
from compiler.ops.tiles import UNROLL, UNROLLED, covering
from compiler.schedule.schedule import Schedule
from compiler.te.tensor import Tensor


def template(
    knobs: Knobs, *values: Any, target: Target, consumer: Consumer | None = None
) -> tuple[Schedule, list[Tensor]]:
    """A tile of some pixels by a block of channels is accumulated in registers.

    Each pixel of the input is broadcast to the lanes and multiplied by the weights of all channels of the
    block, which are packed contiguously in the order in which they are read. The image is padded before,
    wide enough for whole tiles, so that the hot loop has no conditions (TVM, arXiv 1802.04799, section 4;
    spatial packing). Where the weights of a tile exceed the first-level cache, the sum over the input
    channels is divided: the weights of a part of them stay there for all pixels of a block, whose partial
    sums are kept in memory.
    """
    conv = replace(convolution(*values), consumer=consumer)
    grouping = conv.precision.grouping(target.hardware)
    if pixels.has_pixels_in_lanes(conv, target) and grouping.depth == 1:
        return pixels.template(knobs, conv, target)
    registers = registers_of(conv, target)
    tiles = pixel_tiles(conv, registers, target)
    tile = PixelTile(*knobs.choice("tile", [tuple(t) for t in tiles]))
    options, chosen = block_options(conv, tiles[0], registers, target)
    names = ("c_block", "h_block", "ci_block")
    blocks = Blocks(*(knobs.choice(k, o, default=d) for k, o, d in zip(names, options, chosen, strict=True)))
    knobs.require(
        ("tile", "ci_block"),
        lambda tile, summed: divides_well(conv, PixelTile(*tile), summed, target),
        "where the sum of a tile is divided, the weights of a part fit the first-level cache",
    )
    unroll = knobs.choice("unroll", UNROLL, default=UNROLLED)
    order = knobs.choice("order", ("rows inside", "channels inside"))

    data, weight, extra = conv.placeholders()
    groups, c_tiles = conv.groups, covering(conv.co, tile.channels)
    h_tiles, w_tiles = covering(conv.OH, tile.height), covering(conv.OW, tile.width)
    size, parts = (h_tiles * tile.height, w_tiles * tile.width), conv.ci // blocks.summed
    grouped = None
    if grouping.depth > 1:
        grouped = GroupedChannels.of(conv, (data, weight), size, tile.channels, blocks.summed, grouping)
    else:
        padded = _padded(conv, data, *size)
        packed = _packed(conv, weight, tile.channels, blocks.summed)
    c = te.reduce_axis((0, covering(blocks.summed, grouping.depth)), "c")
    kh, kw = te.reduce_axis((0, conv.KH), "kh"), te.reduce_axis((0, conv.KW), "kw")
    q = te.reduce_axis((0, grouping.depth), "q")

    def products(b: Expr, n: Expr, g: Expr, ct: Expr, oh: Expr, ow: Expr, lane: Expr) -> Expr:
        if grouped is not None:
            pixel = grouped.pixel(n, g * parts + b, c, (oh, kh), (ow, kw), q)
            term = conv.term(pixel, grouped.weights[g, ct, b, kh, kw, c, lane, q])
            return te.sum(term, axis=(kh, kw, c, q))
        pixel = padded(n, g * conv.ci + b * blocks.summed + c, (oh, kh), (ow, kw))
        return te.sum(conv.term(pixel, packed[g, ct, b, kh, kw, c, lane]), axis=(kh, kw, c))

    shape = (conv.N, groups, c_tiles, *size, tile.channels)
    if parts == 1:
        sums = total = te.compute(shape, lambda *at: products(const(0), *at), "tile")
    else:
        sums = te.compute((parts, *shape), products, "tile")
        b = te.reduce_axis((0, parts), "b")
        total = te.compute(shape, lambda *at: te.sum(sums[(b, *at)], axis=b), "total")

    def sum_of(*at: ExprLike) -> Expr:
        value, (_, g, ct, *_, lane) = total[at], at
        excess = None if grouped is None else grouped.excess
        return value if excess is None else value - excess[g, ct, lane]

    # where lanes are channels but the output's are pixels, bias and activation are applied before the
    # transposition
    turned = conv.layout == "NCHW" and conv.is_channelwise and conv.co % tile.channels == 0
    done = None
    if turned and not conv.is_finished:

        def finished(n: Expr, g: Expr, ct: Expr, oh: Expr, ow: Expr, lane: Expr) -> Expr:
            channel = g * conv.co + ct * tile.channels + lane
            return conv.finish(sum_of(n, g, ct, oh, ow, lane), extra, channel, (n, channel, oh, ow))

        done = te.compute(shape, finished, "done")

    def element(*at: Expr) -> Expr:
        n, co, oh, ow = image_axes(conv.layout, *at)
        group, inside = (co // conv.co, co % conv.co) if groups > 1 else (0, co)
        index = n, group, inside // tile.channels, oh, ow, inside % tile.channels
        return conv.finish(sum_of(*index), extra, co, at) if done is None else done[index]

    out = te.compute(conv.output_shape, element, "out")

    s = te.create_schedule(out.op)
    limits = Blocks(min(blocks.channels, c_tiles), min(blocks.rows, h_tiles), blocks.summed)
    block, place = _schedule_tiles(s, out, conv, tile, limits, order, registers.lanes)
    if done is not None:
        s[done].compute_at(s[out], place)
        _, _, _, oh, ow, lane = done.op.axis
        s[done].unroll(oh)
        s[done].unroll(ow)
        split_vectors(s, done, lane, registers.lanes)
    if parts == 1:
        s[sums].compute_at(s[out], place)
    else:
        s[total].compute_at(s[out], block)
        s[sums].compute_at(s[total], _schedule_total(s, total, tile, order, registers.lanes))
    schedule_sums(s, sums, unroll, registers.lanes)
    if grouped is not None:
        grouped.schedule(s, registers.lanes)
        return s, conv.arguments(data, weight, extra, out)
    if padded.tensor is not None:
        s[padded.tensor].parallel(s[padded.tensor].fuse(*padded.tensor.op.axis[:2]))
    s[packed].parallel(s[packed].fuse(*packed.op.axis[:2]))
    return s, conv.arguments(data, weight, extra, out)


def _schedule_total(s: Schedule, total: Tensor, tile: PixelTile, order: str, lanes: int) -> te.IterVar:
    """Schedule the sums of partial sums, which stay in memory; return the loop around a tile."""
    stage = s[total]
    n, g, ct, oh, ow, lane = total.op.axis
    (b,) = total.op.reduce_axis
    ho, hi = stage.split(oh, tile.height)
    wo, wi = stage.split(ow, tile.width)
    inside = [ct, ho, wo] if order == "rows inside" else [ho, wo, ct]
    vectors, lane = split_vectors(s, total, lane, lanes)
    stage.reorder(n, g, b, *inside, hi, wi, vectors, lane)
    stage.unroll(hi)
    stage.unroll(wi)
    return inside[-1]


def schedule_sums(s: Schedule, sums: Tensor, unroll: int, lanes: int) -> None:
    """Schedule the products of a tile, whose sums stay in registers.

    Several channels are unrolled, not the columns of the kernel: neighbouring taps share pixels, which LLVM
    would keep in registers that the sums need. The channels of a group, if there are groups, are innermost.
    """
    stage = s[sums]
    *outer, oh, ow, lane = sums.op.axis
    kh, kw, c, *within = sums.op.reduce_axis
    ci, quad = stage.split(c, max(d for d in range(1, unroll + 1) if c.extent % d == 0))
    vectors, lane = split_vectors(s, sums, lane, lanes)
    stage.reorder(*outer, kh, kw, ci, quad, oh, ow, vectors, *within, lane)
    for axis in (quad, oh, ow, *within):
        stage.unroll(axis)
    stage.set_scope("local")


@dataclass(frozen=True, slots=True)
class _Padded:
    """The image, padded and wide enough for whole tiles, if it is not already.

    Parameters
    ----------
    conv : Convolution
    data : Tensor
    tensor : Tensor, optional
        Without, pixels are read from the image.
    size : tuple of int
        Rows and columns.
    step : tuple of int
        Rows and columns of `tensor` from one pixel of the output to the next.
    """

    conv: Convolution
    data: Tensor
    tensor: Tensor | None
    size: tuple[int, int]
    step: tuple[int, int]

    def __call__(self, n: Expr, c: Expr, row: tuple[Expr, Expr], column: tuple[Expr, Expr]) -> Expr:
        """The pixel of the image for a pixel of the output and an element of the kernel."""
        conv = self.conv
        h = row[0] * self.step[0] + row[1] * conv.DH
        w = column[0] * self.step[1] + column[1] * conv.DW
        if self.tensor is None:
            return conv.pixel(self.data, n, c, h, w, *self.size)
        if conv.layout == "NCHW":
            return self.tensor[n, h, c, w]
        return self.tensor[image_index(conv.layout, n, c, h, w)]


def _padded(conv: Convolution, data: Tensor, height: int, width: int) -> _Padded:
    """The padded image for an output of `height` rows and `width` columns.

    In NCHW, the rows of all channels are beside each other.
    """
    copied = CopiedImage.of(conv, height, width)
    rows, columns = copied.read
    if not conv.top and not conv.left and rows <= conv.H and columns <= conv.W:
        return _Padded(conv, data, None, copied.read, (conv.SH, conv.SW))
    if conv.layout == "NCHW":
        shape: tuple[int, ...] = (conv.N, copied.size[0], conv.CI, copied.size[1])
        tensor = te.compute(shape, lambda n, h, c, w: copied.pixel(conv, data, n, c, h, w), "padded")
    else:
        shape = image_shape(conv.layout, conv.N, conv.CI, *copied.size)
        tensor = te.compute(
            shape, lambda *at: copied.pixel(conv, data, *image_axes(conv.layout, *at)), "padded"
        )
    return _Padded(conv, data, tensor, copied.size, copied.step)


def _packed(conv: Convolution, weight: Tensor, width: int, summed: int) -> Tensor:
    """The weights of `width` channels, contiguous in the order of use; zero past the last channel."""

    def value(g: Expr, ct: Expr, b: Expr, kh: Expr, kw: Expr, c: Expr, lane: Expr) -> Expr:
        channel = ct * width + lane
        element = weight[g * conv.co + channel, b * summed + c, kh, kw]
        return element if conv.co % width == 0 else te.if_then_else(channel < conv.co, element, 0)

    shape = (conv.groups, covering(conv.co, width), conv.ci // summed, conv.KH, conv.KW, summed, width)
    return te.compute(shape, value, "packed_weight")


def _schedule_tiles(
    s: Schedule,
    out: Tensor,
    conv: Convolution,
    tile: PixelTile,
    blocks: Blocks,
    order: str,
    lanes: int,
) -> tuple[te.IterVar, te.IterVar]:
    """Schedule the loops over tiles of the output; return those around a block and around a tile."""
    stage = s[out]
    axis = list(out.op.axis)
    n, h, w = axis[0], axis[1 if conv.layout == "NHWC" else 2], axis[2 if conv.layout == "NHWC" else 3]
    if conv.layout == "NCHW16c":
        outer, lane = axis[1], axis[4]
        group, outer = stage.split(outer, conv.co // BLOCK) if conv.groups > 1 else (None, outer)
        # a tile has several blocks of channels, or a part of one
        outer, inner = stage.split(outer, max(tile.channels // BLOCK, 1))
        part, lane = stage.split(lane, min(tile.channels, BLOCK))
        parts, lanes_of = [part], [inner, *stage.split(lane, lanes)]
    else:
        c = axis[3 if conv.layout == "NHWC" else 1]
        group, c = stage.split(c, conv.co) if conv.groups > 1 else (None, c)
        outer, inner = stage.split(c, tile.channels)
        parts, lanes_of = [], [] if conv.layout == "NCHW" else list(stage.split(inner, lanes))
    ho, hi = stage.split(h, tile.height)
    wo, wi = stage.split(w, tile.width)
    hb, ho = stage.split(ho, blocks.rows)
    cb, outer = stage.split(outer, blocks.channels)
    head = [n, group, hb, cb] if group is not None else [n, hb, cb]
    inside = [ho, wo, outer, *parts] if order == "channels inside" else [outer, *parts, ho, wo]
    if conv.layout == "NCHW":
        around, across = store_across(s, out, inner, wi, lanes)
        stage.reorder(*head, *inside, *around, hi, *across)
    else:
        stage.reorder(*head, *inside, hi, wi, *lanes_of)
        for unrolled in lanes_of[:-1]:
            stage.unroll(unrolled)
        stage.vectorize(lanes_of[-1])
    block = stage.fuse(*head)
    stage.parallel(block)
    return block, inside[-1]


def convolution(*values: Any) -> Convolution:
    """Return the convolution of the parameters' values."""
    return Convolution.of(Conv2dShape(*values))


CONV2D = convolution_operator("conv2d", conv2d.PARAMETERS, convolution, template)

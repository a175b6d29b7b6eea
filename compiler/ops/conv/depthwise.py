"""Depthwise convolution: a separate convolution of each channel of an image, with a separate kernel."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

from compiler import te
from compiler.backend import Target
from compiler.ir.dtype import bits_of
from compiler.ir.expr import Expr
from compiler.ops.consumer import Consumer
from compiler.ops.conv.conv2d import BLOCK, LAYOUTS, Conv2dShape, Convolution, image_axes, image_shape
from compiler.ops.conv.family import convolution_operator
from compiler.ops.conv.tile import registers_of
from compiler.ops.epilogue import EPILOGUE
from compiler.ops.knobs import Knobs
from compiler.ops.parameter import Parameter, Value
from compiler.ops.precision import DTYPE
from compiler.ops.tiles import LATENCY, PORTS, Registers, cache_bytes, covering
from compiler.schedule.schedule import Schedule
from compiler.te.tensor import Tensor

PARAMETERS = (
    Parameter("N"),
    Parameter("C"),
    Parameter("H"),
    Parameter("W"),
    Parameter("kernel", "pair"),
    Parameter("stride", "pair", 1),
    Parameter("pad", "pads", 0),
    Parameter("dilation", "pair", 1),
    Parameter("multiplier", "size", 1),
    Parameter("layout", "word", "NCHW", LAYOUTS),
    EPILOGUE,
    DTYPE,
)


class DepthwiseShape(NamedTuple):
    """The values of `PARAMETERS`, in their order; see `Conv2dShape`.

    Parameters
    ----------
    C : int
        Input channels.
    multiplier : int
        Output channels for each of them.
    """

    N: int
    C: int
    H: int
    W: int
    kernel: Value
    stride: Value = 1
    pad: Value = 0
    dilation: Value = 1
    multiplier: int = 1
    layout: str = "NCHW"
    epilogue: str = "none"
    dtype: str = "float32"

    def grouped(self) -> Conv2dShape:
        """Return the same convolution as one with a group for each channel."""
        return Conv2dShape(
            *self[:4],
            CO=self.C * self.multiplier,
            kernel=self.kernel,
            stride=self.stride,
            pad=self.pad,
            dilation=self.dilation,
            groups=self.C,
            layout=self.layout,
            epilogue=self.epilogue,
            dtype=self.dtype,
        )


LARGEST = 144
"""Products of a tile, which are all unrolled: more take LLVM long to compile."""


def convolution(*values: Any) -> Convolution:
    """Return the convolution of the parameters' values."""
    return Convolution.of(DepthwiseShape(*values).grouped())


def lanes_of(conv: Convolution, registers: Registers) -> int:
    """Return the lanes of a vector: of pixels of a row in NCHW, else of channels."""
    along = conv.OW if conv.layout == "NCHW" else conv.CO
    return min(registers.lanes, 1 << (along - 1).bit_length())


def tiles_of(conv: Convolution, registers: Registers) -> list[tuple[int, int]]:
    """Return tiles of the output, as rows and vectors in NCHW, else as rows and columns, the best first.

    All sums of a tile stay in registers; so do the weights, each broadcast to the lanes, in NCHW if there
    are few. More rows share the rows of the input that they read.
    """
    taps, in_rows = conv.KH * conv.KW, conv.layout == "NCHW"
    kept = taps if in_rows and 2 * taps <= 3 * registers.count // 2 - 4 else 1
    unit = lanes_of(conv, registers) if in_rows else 1

    def cycles(tile: tuple[int, int]) -> float:
        rows, width = tile
        read = (rows - 1) * min(conv.SH, conv.KH) + conv.KH
        loads = read * (width * conv.KW if in_rows else (width - 1) * min(conv.SW, conv.KW) + conv.KW)
        weights = 0 if kept > 1 else taps
        each = max(rows * width * taps, loads + weights + rows * width) / PORTS
        # what a tile costs apart from that: its addresses, and the end of its loops
        return covering(conv.OH, rows) * covering(conv.OW, width * unit) * (each + 2 * LATENCY)

    sizes = (1, 2, 3, 4, 6, 7, 8, 14)
    pairs = [(r, w) for r in sizes for w in sizes if r <= conv.OH and w <= covering(conv.OW, unit)]
    tiles = [(r, w) for r, w in pairs if r * w + kept + 1 <= registers.count and r * w * taps <= LARGEST]
    return sorted(tiles or [(1, 1)], key=lambda tile: (cycles(tile), tile))


def template(
    knobs: Knobs, *values: Any, target: Target, consumer: Consumer | None = None
) -> tuple[Schedule, list[Tensor]]:
    """Pixels of a row in the lanes of vectors for NCHW, channels in the lanes for the other layouts.

    The image is padded in a buffer of some rows that stays in the cache. Where pixels are in the
    lanes and the stride is not one, the columns of this buffer are grouped by their remainder, so that
    the lanes of a vector read contiguous elements.
    """
    conv = replace(convolution(*values), consumer=consumer)
    registers = registers_of(conv, target)
    lanes = lanes_of(conv, registers)
    tiles = tiles_of(conv, registers)
    rows, columns = knobs.choice("tile", tiles)
    h_blocks, chosen = _rows_of_buffer(conv, tiles[0][0], target)
    h_block = knobs.choice("h_block", h_blocks, default=chosen)
    data, weight, extra = conv.placeholders()
    kh, kw = te.reduce_axis((0, conv.KH), "kh"), te.reduce_axis((0, conv.KW), "kw")
    multiplier = conv.co
    width = lanes * columns if conv.layout == "NCHW" else columns
    tall, wide = -(-conv.OH // rows) * rows, -(-conv.OW // width) * width
    height = (tall - 1) * conv.SH + (conv.KH - 1) * conv.DH + 1
    phases = conv.SW if conv.layout == "NCHW" else 1
    length = -(-((wide - 1) * conv.SW + (conv.KW - 1) * conv.DW + 1) // phases)

    def margin(*at: Expr) -> Expr:
        if conv.layout == "NCHW":
            n, c, h, phase, w = at
            return conv.pixel(data, n, c, h, w * phases + phase, height, length * phases)
        return conv.pixel(data, *image_axes(conv.layout, *at), height, length)

    if conv.layout == "NCHW":
        shape: tuple[int, ...] = (conv.N, conv.CI, height, phases, length)
    else:
        shape = image_shape(conv.layout, conv.N, conv.CI, height, length)
    padded = te.compute(shape, margin, "padded")

    def term(*at: Expr) -> Expr:
        n, co, oh, ow = image_axes(conv.layout, *at)
        h, w = oh * conv.SH + kh * conv.DH, ow * conv.SW + kw * conv.DW
        c = co // multiplier if multiplier > 1 else co
        if conv.layout == "NCHW":
            shift = kw * conv.DW
            pixel = padded[n, c, h, shift % phases, ow + shift // phases]
        elif conv.layout == "NHWC":
            pixel = padded[n, h, w, c]
        else:
            pixel = padded[n, c // BLOCK, h, w, c % BLOCK]
        return te.sum(conv.term(pixel, taps(co)), axis=(kh, kw))

    # with channels in the lanes, the weights of neighbouring channels must be contiguous
    turned = te.compute(
        (conv.KH, conv.KW, conv.CO), lambda kh, kw, co: weight[co, 0, kh, kw], "packed_weight"
    )

    def taps(co: Expr) -> Expr:
        return weight[co, 0, kh, kw] if conv.layout == "NCHW" else turned[kh, kw, co]

    sums = te.compute(image_shape(conv.layout, conv.N, conv.CO, tall, wide), term, "sums")
    out = te.compute(
        conv.output_shape,
        lambda *at: conv.finish(sums[at], extra, image_axes(conv.layout, *at)[1], at),
        "out",
    )

    s = te.create_schedule(out.op)
    stage = s[out]
    tile, shared = _schedule_tiles(s, out, conv, (rows, width), lanes, min(h_block, tall // rows))

    s[sums].set_scope("local")
    s[sums].compute_at(stage, tile)
    at = list(sums.op.axis)
    last = at[-1]
    vectors, lane_axis = s[sums].split(last, lanes)
    s[sums].reorder(kh, kw, *at[:-1], vectors, lane_axis)
    for axis in (kh, kw, *at[:-1], vectors):
        s[sums].unroll(axis)
    s[sums].vectorize(lane_axis)
    s[padded].compute_at(stage, shared)
    if phases > 1:  # LLVM divides adjacent vectors among the phases, which takes it more than one element
        s[padded].pragma(padded.op.axis[-1], "vectorize", lanes)
    if conv.layout != "NCHW":
        *_, last = padded.op.axis
        s[padded].vectorize(s[padded].split(last, lanes)[1])
    return s, conv.arguments(data, weight, extra, out)


def _rows_of_buffer(conv: Convolution, rows: int, target: Target) -> tuple[list[int], int]:
    """The tiles of `rows` rows that may share a padded buffer, and how many do by default.

    In NCHW the buffer has one channel, and half of the first-level cache; else it has all, and half of the
    second. With a stride it is the whole plane of a channel if that fits there: copies of a part have
    conditions, which cost more than the second cache. There are as many buffers as threads.
    """
    one = conv.layout == "NCHW"
    level = 0 if one and conv.SW == 1 else 1
    planes = conv.N * (conv.CI if one else 1)
    width = (conv.W + conv.left + conv.right) * (1 if one else conv.CI)
    row = rows * conv.SH * width * (bits_of(conv.precision.operand) // 8)
    tiles = covering(conv.OH, rows)
    options = [1 << i for i in range((tiles - 1).bit_length() + 1)]
    resident = [p for p in options if 2 * p * row <= cache_bytes(target, level)] or options[:1]
    busy = [p for p in resident if planes * covering(tiles, p) >= target.hardware.threads]
    return options, (busy or options)[-1 if busy else 0]


def _schedule_tiles(
    s: Schedule, out: Tensor, conv: Convolution, tile: tuple[int, int], lanes: int, h_block: int
) -> tuple[te.IterVar, te.IterVar]:
    """Schedule the loops over tiles; return the one around a tile, and the one around those that share a
    padded buffer.
    """
    stage = s[out]
    axes = list(out.op.axis)
    first = 1 if conv.layout == "NHWC" else 2
    ho, hi = stage.split(axes[first], tile[0])
    wo, wi = stage.split(axes[first + 1], tile[1])
    hb, ho = stage.split(ho, h_block)
    if conv.layout == "NCHW":
        head, middle = axes[:2], []
        wi, lane = stage.split(wi, lanes)
    elif conv.layout == "NHWC":
        channels, lane = stage.split(axes[3], lanes)
        head, middle = axes[:1], [channels]
    else:
        head, middle, lane = axes[:2], [], axes[4]
    stage.reorder(*head, hb, ho, wo, *middle, hi, wi, lane)
    stage.unroll(hi)
    stage.unroll(wi)
    stage.vectorize(lane)
    shared = stage.fuse(*head, hb)
    stage.parallel(shared)
    return (middle or [wo])[0], shared


DEPTHWISE_CONV2D = convolution_operator("depthwise_conv2d", PARAMETERS, convolution, template)

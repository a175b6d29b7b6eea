"""Depthwise convolution: each channel of an image by kernels of its own."""

from __future__ import annotations

from typing import Any

from compiler import te
from compiler.ir.expr import Expr
from compiler.ops.conv import conv2d
from compiler.ops.conv.conv2d import BLOCK, LAYOUTS, Convolution, image_axes, image_shape
from compiler.ops.epilogue import EPILOGUE
from compiler.ops.knobs import Knobs
from compiler.ops.operator import Array, Operator
from compiler.ops.parameter import Parameter, Value
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
)


def as_groups(
    N: int,
    C: int,
    H: int,
    W: int,
    kernel: Value,
    stride: Value,
    pad: Value,
    dilation: Value,
    multiplier: int,
    layout: str,
    epilogue: str,
) -> tuple[Any, ...]:
    """The values of the same convolution as one with a group for each channel."""
    return N, C, H, W, C * multiplier, kernel, stride, pad, dilation, C, layout, epilogue


def template(knobs: Knobs, *values: Any) -> tuple[Schedule, list[Tensor]]:
    """Pixels of a row in the lanes of vectors for NCHW, channels in the lanes for the other layouts.

    The image gets its margin in a buffer of some rows that stays in the cache. Where pixels are in the
    lanes and the stride is not one, the columns of the margin buffer are sorted by their remainder, so that
    what the lanes of a vector read lies side by side.
    """
    conv = Convolution.of(*as_groups(*values))
    rows = knobs.choice("rows", (1, 2, 4, 7, 8, 14), default=4 if conv.layout == "NCHW" else 1)
    columns = knobs.choice("columns", (1, 2, 4, 7, 8), default=1 if conv.layout == "NCHW" else 7)
    h_block = knobs.choice("h_block", (1, 2, 4, 8, 32), default=32 if conv.layout == "NCHW" else 1)
    data, weight, extra = conv.placeholders()
    kh, kw = te.reduce_axis((0, conv.KH), "kh"), te.reduce_axis((0, conv.KW), "kw")
    multiplier = conv.co
    lanes = 16 if conv.layout != "NCHW" else min(16, 1 << (conv.OW - 1).bit_length())
    width = lanes * columns if conv.layout == "NCHW" else columns
    rows = min(rows, conv.OH)
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
        return te.sum(pixel * taps(co), axis=(kh, kw))

    # with channels in the lanes, the weights of neighbouring channels must lie side by side
    turned = te.compute(
        (conv.KH, conv.KW, conv.CO), lambda kh, kw, co: weight[co, 0, kh, kw], "packed_weight"
    )

    def taps(co: Expr) -> Expr:
        return weight[co, 0, kh, kw] if conv.layout == "NCHW" else turned[kh, kw, co]

    sums = te.compute(image_shape(conv.layout, conv.N, conv.CO, tall, wide), term, "sums")
    out = te.compute(
        image_shape(conv.layout, conv.N, conv.CO, conv.OH, conv.OW),
        lambda *at: conv.epilogue.apply(sums[at], extra, (image_axes(conv.layout, *at)[1],), at),
        "out",
    )

    s = te.create_schedule(out.op)
    stage = s[out]
    tile, shared = _walk(s, out, conv, (rows, width), lanes, min(h_block, tall // rows))

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
    if conv.layout != "NCHW":
        *_, last = padded.op.axis
        s[padded].vectorize(s[padded].split(last, lanes)[1])
    return s, [data, weight, *extra, out]


def _walk(
    s: Schedule, out: Tensor, conv: Convolution, tile: tuple[int, int], lanes: int, h_block: int
) -> tuple[te.IterVar, te.IterVar]:
    """The loops over tiles: the loop around a tile, and the one around those that share a margin buffer."""
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


def _check(*values: Any) -> None:
    conv2d.check("depthwise_conv2d")(*as_groups(*values))


def _reference(inputs: list[Array], *values: Any) -> Array:
    return conv2d.reference(inputs, *as_groups(*values))


DEPTHWISE_CONV2D = Operator(
    name="depthwise_conv2d",
    parameters=PARAMETERS,
    compute=lambda *values: conv2d.compute(*as_groups(*values)),
    template=template,
    compute_reference=_reference,
    count_flops=lambda *values: conv2d.flops(*as_groups(*values)),
    reduction=lambda *values: conv2d.reduction(*as_groups(*values)),
    check=_check,
    constants=("weight", "bias"),
)

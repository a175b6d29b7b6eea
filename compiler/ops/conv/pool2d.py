"""Pooling: the maximum or the mean of each window of an image."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from compiler import te
from compiler.backend import Target
from compiler.ir.dtype import is_float
from compiler.ir.expr import Expr
from compiler.ops.consumer import Consumer
from compiler.ops.conv import conv2d
from compiler.ops.conv.conv2d import (
    LAYOUTS,
    Conv2dShape,
    Convolution,
    from_nchw,
    image_axes,
    image_index,
    image_shape,
    to_nchw,
)
from compiler.ops.knobs import Knobs
from compiler.ops.loops import vector_lanes
from compiler.ops.operator import Array, Operator
from compiler.ops.parameter import Parameter, Value
from compiler.ops.precision import DTYPE, PRECISIONS
from compiler.ops.rounding import Rounding
from compiler.schedule.schedule import Schedule
from compiler.te.tensor import Tensor

KINDS = ("max", "average", "average without margin")
"""``"average"`` counts the zeros of the padding; ``"average without margin"`` divides by the number of
pixels of the window that are inside of the image.
"""


class Pool2dShape(NamedTuple):
    """The values of the operator's parameters, in their order; see `Conv2dShape`.

    Parameters
    ----------
    C : int
        Channels.
    kind : str
        One of `KINDS`.
    """

    N: int
    C: int
    H: int
    W: int
    kernel: Value
    stride: Value = 1
    pad: Value = 0
    dilation: Value = 1
    kind: str = "max"
    layout: str = "NCHW"
    dtype: str = "float32"

    def windows(self) -> Conv2dShape:
        """Return the depthwise convolution with the same windows."""
        return Conv2dShape(
            *self[:4],
            CO=self.C,
            kernel=self.kernel,
            stride=self.stride,
            pad=self.pad,
            dilation=self.dilation,
            groups=self.C,
            layout=self.layout,
            dtype=self.dtype,
        )


def _windows(*values: Any) -> Convolution:
    return Convolution.of(Pool2dShape(*values).windows())


def compute(*values: Any) -> list[Tensor]:
    """Define one reduction over each window, and for a mean a division."""
    conv, kind, dtype = _windows(*values), Pool2dShape(*values).kind, Pool2dShape(*values).dtype
    types = PRECISIONS[dtype]
    data = conv.placeholders()[0]
    kh, kw = te.reduce_axis((0, conv.KH), "kh"), te.reduce_axis((0, conv.KW), "kw")
    shape = image_shape(conv.layout, conv.N, conv.CI, conv.OH, conv.OW)

    def pixel(*at: Expr) -> Expr:
        n, c, oh, ow = image_axes(conv.layout, *at)
        h, w = oh * conv.SH + kh * conv.DH - conv.top, ow * conv.SW + kw * conv.DW - conv.left
        value = data[image_index(conv.layout, n, c, h, w)]
        if not conv.padded:
            return value
        inside = te.all(h >= 0, h < conv.H, w >= 0, w < conv.W)
        return te.if_then_else(inside, value, te.min_value(dtype) if kind == "max" else 0)

    if kind == "max":
        return [data, te.compute(shape, lambda *at: te.max(pixel(*at), axis=(kh, kw)), "pooled")]
    total = te.compute(
        shape, lambda *at: te.sum(pixel(*at).astype(types.accumulator), axis=(kh, kw)), "pooled"
    )

    def count(*at: Expr) -> Expr:
        """The number of pixels of the window that are inside of the image."""
        _, _, oh, ow = image_axes(conv.layout, *at)
        sides = []
        for first, size, kernel, dilation in (
            (oh * conv.SH - conv.top, conv.H, conv.KH, conv.DH),
            (ow * conv.SW - conv.left, conv.W, conv.KW, conv.DW),
        ):
            begin = te.maximum(0, (0 - first + dilation - 1) // dilation)
            end = te.minimum(kernel, (size - first + dilation - 1) // dilation)
            sides.append(end - begin)
        return sides[0] * sides[1]

    def mean(*at: Expr) -> Expr:
        if kind == "average" or not conv.padded:
            return (total[at] * (1.0 / (conv.KH * conv.KW))).astype(dtype)
        return (total[at] / te.maximum(1, count(*at)).astype(types.accumulator)).astype(dtype)

    return [data, te.compute(shape, mean, "mean")]


def template(
    knobs: Knobs, *values: Any, target: Target, consumer: Consumer | None = None
) -> tuple[Schedule, list[Tensor]]:
    """Vectorize over neighbouring windows, or over channels in layouts where channels are contiguous."""
    args = compute(*values)
    out = args[-1]
    if consumer is not None:
        pooled = out
        out = te.compute(pooled.shape, lambda *at: consumer.apply(pooled[at], at), "out")
        args = [*args[:-1], *consumer.inputs, out]
    extent = int(out.shape[-1])  # type: ignore[arg-type]  # no dynamic extents
    lanes = min(vector_lanes(knobs, target, out.dtype), 1 << (extent - 1).bit_length())
    s = te.create_schedule(out.op)
    total = s.cache_write(out, "local") if Pool2dShape(*values).kind == "max" else s[out].op.inputs[0]
    stage = s[out]
    outer, lane = stage.split(out.op.axis[-1], lanes)
    stage.vectorize(lane)
    stage.parallel(stage.fuse(*out.op.axis[:2]))
    s[total].set_scope("local")
    s[total].compute_at(stage, outer)
    *first, last = total.op.axis
    s[total].reorder(*first, *total.op.reduce_axis, last)
    s[total].vectorize(last)
    return s, args


def _reference(inputs: list[Array], *values: Any) -> Array:
    conv, kind = _windows(*values), Pool2dShape(*values).kind
    data = to_nchw(conv.layout, inputs[0])
    margin = ((0, 0), (0, 0), (conv.top, conv.bottom), (conv.left, conv.right))

    def windows(image: Array, fill: Any) -> Array:
        padded = np.pad(image, margin, constant_values=fill)
        columns = conv2d.im2col(padded, _without_margin(conv))
        return columns.reshape(conv.N, conv.CI, conv.KH * conv.KW, conv.OH, conv.OW)

    if kind == "max":
        lowest = -np.inf if np.issubdtype(data.dtype, np.floating) else np.iinfo(data.dtype).min
        return from_nchw(conv.layout, windows(data, lowest).max(axis=2))
    total = windows(data, 0).sum(axis=2, dtype=conv.precision.accumulator)
    count: Array | int = conv.KH * conv.KW
    if kind == "average without margin":
        count = np.maximum(windows(np.ones_like(data, total.dtype), 0).sum(axis=2), 1)
    return from_nchw(conv.layout, (total / count).astype(data.dtype))


def _without_margin(conv: Convolution) -> Convolution:
    height, width = conv.H + conv.top + conv.bottom, conv.W + conv.left + conv.right
    return replace(conv, H=height, W=width, top=0, left=0, bottom=0, right=0)


def _check(*values: Any) -> None:
    conv, kind = _windows(*values), Pool2dShape(*values).kind
    conv2d.check("pool2d", conv)
    for name, margin, span in (
        ("pad", max(conv.top, conv.bottom), (conv.KH - 1) * conv.DH + 1),
        ("pad", max(conv.left, conv.right), (conv.KW - 1) * conv.DW + 1),
    ):
        if margin >= span:
            raise ValueError(
                f"pool2d: {name} is {margin}, so that windows of {span} pixels may have no pixel of the "
                f"image; it must be less than {span}"
            )
    if kind != "max" and not is_float(conv.precision.operand):
        raise ValueError(
            f"pool2d: the kind {kind!r} needs floats, not {conv.precision.operand}; integers take max"
        )


def _rounding(*values: Any) -> Rounding:
    conv = _windows(*values)
    return Rounding(conv.KH * conv.KW, accumulator=conv.precision.accumulator)


POOL2D = Operator(
    name="pool2d",
    parameters=(
        Parameter("N"),
        Parameter("C"),
        Parameter("H"),
        Parameter("W"),
        Parameter("kernel", "pair"),
        Parameter("stride", "pair", 1),
        Parameter("pad", "pads", 0),
        Parameter("dilation", "pair", 1),
        Parameter("kind", "word", "max", KINDS),
        Parameter("layout", "word", "NCHW", LAYOUTS),
        DTYPE,
    ),
    schedules={"llvm": template},
    compute_reference=_reference,
    count_flops=lambda *values: conv2d.flops(_windows(*values)),
    rounding=_rounding,
    compute=compute,
    check=_check,
)

"""Pooling: the greatest value or the mean of each window of an image."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from compiler import te
from compiler.ir.expr import Expr
from compiler.ops.conv import conv2d
from compiler.ops.conv.conv2d import (
    LAYOUTS,
    Convolution,
    from_nchw,
    image_axes,
    image_index,
    image_shape,
    to_nchw,
)
from compiler.ops.knobs import Knobs
from compiler.ops.operator import Array, Operator
from compiler.ops.parameter import Parameter, Value
from compiler.schedule.schedule import Schedule
from compiler.te.tensor import Tensor

KINDS = ("max", "average", "average without margin")
"""The mean counts the zeros of the margin, or it divides by the number of pixels that are inside of the
image.
"""


def _windows(
    N: int,
    C: int,
    H: int,
    W: int,
    kernel: Value,
    stride: Value,
    pad: Value,
    dilation: Value,
    kind: str,
    layout: str,
) -> Convolution:
    """The windows are those of a convolution."""
    return Convolution.of(N, C, H, W, C, kernel, stride, pad, dilation, C, layout, "none")


def compute(*values: Any) -> list[Tensor]:
    """One reduction over each window, and for a mean a division."""
    conv, kind = _windows(*values), values[8]
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
        return te.if_then_else(inside, value, float("-inf") if kind == "max" else 0.0)

    reduce = te.max if kind == "max" else te.sum
    total = te.compute(shape, lambda *at: reduce(pixel(*at), axis=(kh, kw)), "pooled")
    if kind == "max":
        return [data, total]

    def count(*at: Expr) -> Expr:
        """Pixels of the window that are inside of the image, along both sides."""
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
            return total[at] * (1.0 / (conv.KH * conv.KW))
        return total[at] / te.maximum(1, count(*at)).astype("float32")

    return [data, te.compute(shape, mean, "mean")]


def template(knobs: Knobs, *values: Any) -> tuple[Schedule, list[Tensor]]:
    """Windows side by side in the lanes of a vector, or channels where they lie side by side."""
    args = compute(*values)
    out = args[-1]
    extent = int(out.shape[-1])  # type: ignore[arg-type]  # no operator here has sizes
    lanes = min(knobs.choice("lanes", (16, 8, 32)), 1 << (extent - 1).bit_length())
    s = te.create_schedule(out.op)
    total = s.cache_write(out, "local") if values[8] == "max" else s[out].op.inputs[0]
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
    conv, kind = _windows(*values), values[8]
    data = to_nchw(conv.layout, inputs[0])
    fill = -np.inf if kind == "max" else 0.0
    margin = ((0, 0), (0, 0), (conv.top, conv.bottom), (conv.left, conv.right))

    def windows(image: Array, fill: float) -> Array:
        padded = np.pad(image, margin, constant_values=fill)
        columns = conv2d.im2col(padded, _without_margin(conv))
        return columns.reshape(conv.N, conv.CI, conv.KH * conv.KW, conv.OH, conv.OW)

    found = windows(data, fill)
    if kind == "max":
        return from_nchw(conv.layout, found.max(axis=2))
    total = found.sum(axis=2, dtype=data.dtype)
    count: Array | int = conv.KH * conv.KW
    if kind == "average without margin":
        count = np.maximum(windows(np.ones_like(data), 0.0).sum(axis=2), 1)
    return from_nchw(conv.layout, (total / count).astype(data.dtype))


def _without_margin(conv: Convolution) -> Convolution:
    height, width = conv.H + conv.top + conv.bottom, conv.W + conv.left + conv.right
    return replace(conv, H=height, W=width, top=0, left=0, bottom=0, right=0)


def _check(*values: Any) -> None:
    conv = _windows(*values)
    plain = (conv.N, conv.CI, conv.H, conv.W, conv.CI, *values[4:8], conv.groups, conv.layout, "none")
    conv2d.check("pool2d")(*plain)
    for name, margin, span in (
        ("pad", max(conv.top, conv.bottom), (conv.KH - 1) * conv.DH + 1),
        ("pad", max(conv.left, conv.right), (conv.KW - 1) * conv.DW + 1),
    ):
        if margin >= span:
            raise ValueError(
                f"pool2d: {name} of {margin} leaves windows of {span} without a pixel; less is needed"
            )


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
    ),
    compute=compute,
    template=template,
    compute_reference=_reference,
    count_flops=lambda *values: conv2d.flops(*_grouped(values)),
    reduction=lambda *values: _windows(*values).KH * _windows(*values).KW,
    check=_check,
)


def _grouped(values: tuple[Any, ...]) -> tuple[Any, ...]:
    N, C, H, W, kernel, stride, pad, dilation, _, layout = values
    return N, C, H, W, C, kernel, stride, pad, dilation, C, layout, "none"

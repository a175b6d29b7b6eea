"""`Convolution`: the definition of two-dimensional convolutions of images, in each layout."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from compiler import te
from compiler.ir.expr import Expr
from compiler.ops.consumer import Consumer
from compiler.ops.epilogue import EPILOGUE, Epilogue
from compiler.ops.parameter import Parameter, Value, pads, pair
from compiler.ops.precision import DTYPE, PRECISIONS, Precision
from compiler.ops.rounding import Rounding
from compiler.te.tensor import Tensor

Array = np.ndarray

BLOCK = 16
"""Contiguous channels in the layout NCHW16c."""

LAYOUTS = ("NCHW", "NHWC", "NCHW16c")

PARAMETERS = (
    Parameter("N"),
    Parameter("CI"),
    Parameter("H"),
    Parameter("W"),
    Parameter("CO"),
    Parameter("kernel", "pair"),
    Parameter("stride", "pair", 1),
    Parameter("pad", "pads", 0),
    Parameter("dilation", "pair", 1),
    Parameter("groups", "size", 1),
    Parameter("layout", "word", "NCHW", LAYOUTS),
    EPILOGUE,
    DTYPE,
)


class Conv2dShape(NamedTuple):
    """The values of `PARAMETERS`, in their order.

    Parameters
    ----------
    N, CI, H, W, CO : int
        Images, input channels, rows and columns of an image, output channels.
    kernel, stride, pad, dilation : int or tuple of int
        As the kinds ``"pair"`` and ``"pads"`` of `Parameter` hold them.
    groups : int
    layout : str
    epilogue : str
    dtype : str
    """

    N: int
    CI: int
    H: int
    W: int
    CO: int
    kernel: Value
    stride: Value = 1
    pad: Value = 0
    dilation: Value = 1
    groups: int = 1
    layout: str = "NCHW"
    epilogue: str = "none"
    dtype: str = "float32"


def output_size(size: int, kernel: int, stride: int, before: int, after: int, dilation: int = 1) -> int:
    """Return the number of pixels of the output along one side."""
    return (size + before + after - dilation * (kernel - 1) - 1) // stride + 1


@dataclass(frozen=True, slots=True)
class Convolution:
    """Extents, types and layout of one convolution, with the names that templates use.

    Height and width are separate: ``KH, KW`` of the kernel, ``SH, SW`` of the stride, ``DH, DW`` of the
    dilation, ``OH, OW`` of the output. There are `groups` independent convolutions of `ci` to `co` channels.
    The `consumer` is computed from each element after the epilogue.
    """

    N: int
    CI: int
    H: int
    W: int
    CO: int
    KH: int
    KW: int
    SH: int
    SW: int
    top: int
    left: int
    bottom: int
    right: int
    DH: int
    DW: int
    groups: int
    layout: str
    epilogue: Epilogue
    precision: Precision
    consumer: Consumer | None = field(default=None, compare=False)

    @classmethod
    def of(cls, shape: Conv2dShape) -> Convolution:
        """Return the convolution that the values of the operator's parameters describe."""
        return cls(
            *shape[:5],
            *pair(shape.kernel),
            *pair(shape.stride),
            *pads(shape.pad),
            *pair(shape.dilation),
            shape.groups,
            shape.layout,
            Epilogue.parse(shape.epilogue),
            PRECISIONS[shape.dtype],
        )

    @property
    def OH(self) -> int:
        """Number of rows of the output."""
        return output_size(self.H, self.KH, self.SH, self.top, self.bottom, self.DH)

    @property
    def OW(self) -> int:
        """Number of columns of the output."""
        return output_size(self.W, self.KW, self.SW, self.left, self.right, self.DW)

    @property
    def ci(self) -> int:
        """Number of input channels of a group."""
        return self.CI // self.groups

    @property
    def co(self) -> int:
        """Number of output channels of a group."""
        return self.CO // self.groups

    @property
    def padded(self) -> bool:
        """Whether there is padding around the image."""
        return bool(self.top or self.left or self.bottom or self.right)

    def placeholders(self) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Return image, weights (CO, CI / groups, KH, KW) and the inputs of the epilogue."""
        types = self.precision
        image = image_shape(self.layout, self.N, self.CI, self.H, self.W)
        data = te.placeholder(image, "data", types.operand)
        weight = te.placeholder((self.CO, self.ci, self.KH, self.KW), "weight", types.operand)
        return data, weight, self.epilogue.placeholders((self.CO,), self.output_shape, types.result)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the output."""
        return image_shape(self.layout, self.N, self.CO, self.OH, self.OW)

    def term(self, pixel: Expr, weight: Expr) -> Expr:
        """Return the product of a pixel and a weight, in the type of the accumulator."""
        return pixel.astype(self.precision.accumulator) * weight.astype(self.precision.accumulator)

    def finish(self, value: Expr, extra: list[Tensor], channel: Expr, at: tuple[Expr, ...]) -> Expr:
        """Return the output's element at index `at` of a sum: the epilogue, and the consumer."""
        value = self.epilogue.apply(value, extra, (channel,), at).astype(self.precision.result)
        return value if self.consumer is None else self.consumer.apply(value, at)

    @property
    def is_channelwise(self) -> bool:
        """Whether what follows the sum depends on nothing but the sum and the channel, in NCHW."""
        return not self.epilogue.residual and (self.consumer is None or self.consumer.along <= {1})

    @property
    def is_finished(self) -> bool:
        """Whether nothing follows the sum."""
        return self.epilogue == Epilogue.parse("none") and self.consumer is None

    def arguments(self, data: Tensor, weight: Tensor, extra: list[Tensor], out: Tensor) -> list[Tensor]:
        """Return the inputs of a program, then its output."""
        consumed = [] if self.consumer is None else self.consumer.inputs
        return [data, weight, *extra, *consumed, out]

    def pixel(self, data: Tensor, n: Expr, c: Expr, h: Expr, w: Expr, rows: int, columns: int) -> Expr:
        """Return a pixel of the padded image, zero outside of the image.

        `rows` and `columns` are the bounds of `h` and `w`; conditions that they imply are omitted.
        """
        inside = []
        if self.top:
            inside.append(h >= self.top)
        if rows > self.top + self.H:
            inside.append(h < self.top + self.H)
        if self.left:
            inside.append(w >= self.left)
        if columns > self.left + self.W:
            inside.append(w < self.left + self.W)
        value = data[image_index(self.layout, n, c, h - self.top, w - self.left)]
        return te.if_then_else(te.all(*inside), value, 0) if inside else value


@dataclass(frozen=True, slots=True)
class CopiedImage:
    """The part of an image that is copied for an output, with its margin.

    What a stride skips between kernels of one pixel is left out.

    Parameters
    ----------
    read : tuple of int
        Rows and columns that the output depends on, the margin included.
    size : tuple of int
        Rows and columns of the copy.
    step : tuple of int
        Rows and columns of the copy from one pixel of the output to the next.
    """

    read: tuple[int, int]
    size: tuple[int, int]
    step: tuple[int, int]

    @classmethod
    def of(cls, conv: Convolution, height: int, width: int) -> CopiedImage:
        """What is copied for an output of `height` rows and `width` columns."""
        step = conv.SH if conv.KH > 1 else 1, conv.SW if conv.KW > 1 else 1
        kernel = (conv.KH - 1) * conv.DH + 1, (conv.KW - 1) * conv.DW + 1

        def extent(steps: tuple[int, int]) -> tuple[int, int]:
            return (height - 1) * steps[0] + kernel[0], (width - 1) * steps[1] + kernel[1]

        return cls(extent((conv.SH, conv.SW)), extent(step), step)

    def pixel(self, conv: Convolution, data: Tensor, n: Expr, c: Expr, h: Expr, w: Expr) -> Expr:
        """Return the pixel of the image at a place of the copy, zero outside of the image."""
        return conv.pixel(
            data, n, c, h * (conv.SH // self.step[0]), w * (conv.SW // self.step[1]), *self.read
        )


def image_shape(layout: str, n: int, c: int, h: int, w: int) -> tuple[int, ...]:
    """Return the shape of images in a layout."""
    if layout == "NHWC":
        return n, h, w, c
    return (n, c, h, w) if layout == "NCHW" else (n, c // BLOCK, h, w, BLOCK)


def image_index(layout: str, n: Expr, c: Expr, h: Expr, w: Expr) -> tuple[Expr, ...]:
    """Return the index of a pixel in a layout."""
    if layout == "NHWC":
        return n, h, w, c
    return (n, c, h, w) if layout == "NCHW" else (n, c // BLOCK, h, w, c % BLOCK)


def image_axes(layout: str, *at: Expr) -> tuple[Expr, Expr, Expr, Expr]:
    """Return ``(n, c, h, w)`` of an index in a layout: the inverse of `image_index`."""
    if layout == "NHWC":
        n, h, w, c = at
        return n, c, h, w
    if layout == "NCHW":
        n, c, h, w = at
        return n, c, h, w
    n, c, h, w, inner = at
    return n, c * BLOCK + inner, h, w


def to_nchw(layout: str, image: Array) -> Array:
    """Convert images of a layout to NCHW."""
    if layout == "NHWC":
        return image.transpose(0, 3, 1, 2)
    if layout == "NCHW":
        return image
    n, c, h, w, inner = image.shape
    return image.transpose(0, 1, 4, 2, 3).reshape(n, c * inner, h, w)


def from_nchw(layout: str, image: Array) -> Array:
    """Convert NCHW images to a layout."""
    if layout == "NHWC":
        return np.ascontiguousarray(image.transpose(0, 2, 3, 1))
    if layout == "NCHW":
        return image
    n, c, h, w = image.shape
    return np.ascontiguousarray(image.reshape(n, c // BLOCK, BLOCK, h, w).transpose(0, 1, 3, 4, 2))


def compute(conv: Convolution) -> list[Tensor]:
    """Define the convolution as a sum over the channels of a group and the kernel, and its epilogue."""
    data, weight, extra = conv.placeholders()
    rows, columns = conv.H + conv.top + conv.bottom, conv.W + conv.left + conv.right
    c, kh, kw = (te.reduce_axis((0, n), x) for n, x in ((conv.ci, "c"), (conv.KH, "kh"), (conv.KW, "kw")))

    def term(*at: Expr) -> Expr:
        n, co, oh, ow = image_axes(conv.layout, *at)
        pixel = conv.pixel(
            data,
            n,
            co // conv.co * conv.ci + c,
            oh * conv.SH + kh * conv.DH,
            ow * conv.SW + kw * conv.DW,
            rows,
            columns,
        )
        return te.sum(conv.term(pixel, weight[co, c, kh, kw]), axis=(c, kh, kw))

    total = te.compute(conv.output_shape, term, "convolution")
    if conv.epilogue == Epilogue.parse("none") and total.dtype == conv.precision.result:
        return [data, weight, total]

    def after(*at: Expr) -> Expr:
        return conv.finish(total[at], extra, image_axes(conv.layout, *at)[1], at)

    return [data, weight, *extra, te.compute(total.shape, after, "out")]


def reference(conv: Convolution, inputs: list[Array]) -> Array:
    """Return the convolution by NumPy: one matrix product for each image and group."""
    types = conv.precision
    data, weight, *extra = inputs
    patches = im2col(to_nchw(conv.layout, data.astype(types.accumulator, copy=False)), conv)
    flat = weight.reshape(conv.groups, conv.co, -1).astype(types.accumulator, copy=False)
    total = (flat @ patches).reshape(conv.N, conv.CO, conv.OH, conv.OW)
    if conv.epilogue.residual:
        extra[-1] = to_nchw(conv.layout, extra[-1])
    result = conv.epilogue.reference(total, extra, (-1, 1, 1)).astype(types.result, copy=False)
    return from_nchw(conv.layout, result)


def im2col(data: Array, conv: Convolution) -> Array:
    """Return the patches of each image as columns.

    Parameters
    ----------
    data : ndarray of shape (N, CI, H, W)

    Returns
    -------
    ndarray of shape (N, groups, CI / groups * KH * KW, OH * OW)
    """
    if conv.padded:
        data = np.pad(data, ((0, 0), (0, 0), (conv.top, conv.bottom), (conv.left, conv.right)))
    windows = np.empty((conv.N, conv.CI, conv.KH, conv.KW, conv.OH, conv.OW), data.dtype)
    for kh in range(conv.KH):
        for kw in range(conv.KW):
            row, column = kh * conv.DH, kw * conv.DW
            rows = slice(row, row + (conv.OH - 1) * conv.SH + 1, conv.SH)
            columns = slice(column, column + (conv.OW - 1) * conv.SW + 1, conv.SW)
            windows[:, :, kh, kw] = data[:, :, rows, columns]
    return windows.reshape(conv.N, conv.groups, -1, conv.OH * conv.OW)


def flops(conv: Convolution) -> int:
    """Return the number of multiplications and additions of the sums."""
    return 2 * conv.N * conv.CO * conv.OH * conv.OW * conv.ci * conv.KH * conv.KW


def rounding(conv: Convolution, amplification: float = 1.0) -> Rounding:
    """Return the error model of the sums, see `Rounding`."""
    return Rounding(conv.ci * conv.KH * conv.KW, amplification, conv.precision.accumulator)


def check(operator: str, conv: Convolution) -> None:
    """Raise ValueError, in the name of `operator`, for values that do not fit each other."""
    for name, channels in (("CI", conv.CI), ("CO", conv.CO)):
        if channels % conv.groups:
            raise ValueError(f"{operator}: groups={conv.groups} does not divide {name}={channels}")
        if conv.layout == "NCHW16c" and channels % BLOCK:
            raise ValueError(
                f"{operator}: layout NCHW16c needs {name} to be a multiple of 16, not {channels}"
            )
    for name, size, kernel, dilation, margin in (
        ("H", conv.H, conv.KH, conv.DH, conv.top + conv.bottom),
        ("W", conv.W, conv.KW, conv.DW, conv.left + conv.right),
    ):
        span = (kernel - 1) * dilation + 1
        if size + margin < span:
            raise ValueError(
                f"{operator}: {name}={size} with pad has {size + margin} pixels, fewer than the {span} "
                "that the kernel spans"
            )
    conv.epilogue.check(operator, conv.precision.result)

"""Transposed convolution: each pixel of the input adds a kernel to the output, at steps of the stride."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from compiler import te
from compiler.backend import Target
from compiler.ir.expr import Expr
from compiler.ops.consumer import Consumer
from compiler.ops.conv.conv2d import Conv2dShape, Convolution
from compiler.ops.conv.direct import schedule_sums
from compiler.ops.conv.tile import PixelTile, block_options, pixel_tiles, registers_of
from compiler.ops.epilogue import EPILOGUE
from compiler.ops.knobs import Knobs
from compiler.ops.operator import Array, Operator
from compiler.ops.parameter import Parameter, Value, pads, pair
from compiler.ops.precision import DTYPE
from compiler.ops.rounding import Rounding
from compiler.ops.tiles import UNROLL, UNROLLED, covering
from compiler.schedule.schedule import Schedule
from compiler.te.tensor import Tensor


class TransposedShape(NamedTuple):
    """The values of the operator's parameters, in their order; see `Conv2dShape`.

    Parameters
    ----------
    pad : int or tuple of int
        Pixels that are left out at each side of the output.
    output_padding : int or tuple of int
        Further rows and columns of the output, at the bottom and at the right.
    """

    N: int
    CI: int
    H: int
    W: int
    CO: int
    kernel: Value
    stride: Value = 1
    pad: Value = 0
    output_padding: Value = 0
    epilogue: str = "none"
    dtype: str = "float32"


@dataclass(frozen=True, slots=True)
class Transposed:
    """A transposed convolution as several ones with a stride of one, a *phase* each.

    The pixels of the output whose rows and columns have the same remainders by the stride, a phase, are sums
    over the same elements of the kernel: those at every stride-th row and column.

    Parameters
    ----------
    phase : Convolution
        That of a phase, of the input with margins for all of its kernel.
    shape : TransposedShape
    """

    phase: Convolution
    shape: TransposedShape

    @classmethod
    def of(cls, *values: Any) -> Transposed:
        """The transposed convolution of the parameters' values."""
        shape = TransposedShape(*values)
        made = cls(Convolution.of(_plain(shape, (1, 1), (1, 1))), shape)
        taps = tuple(covering(k, s) for k, s in zip(made.kernel, made.stride, strict=True))
        sizes = tuple(covering(o, s) for o, s in zip(made.output, made.stride, strict=True))
        return cls(Convolution.of(_plain(shape, taps, sizes)), shape)

    @property
    def kernel(self) -> tuple[int, int]:
        """Rows and columns of the kernel."""
        return pair(self.shape.kernel)

    @property
    def stride(self) -> tuple[int, int]:
        """Rows and columns of the output from one pixel of the input to the next."""
        return pair(self.shape.stride)

    @property
    def output(self) -> tuple[int, int]:
        """Rows and columns of the output."""
        top, left, bottom, right = pads(self.shape.pad)
        more = pads(self.shape.output_padding)[:2]
        sizes = zip((self.shape.H, self.shape.W), self.stride, self.kernel, strict=True)
        height, width = ((size - 1) * step + extent for size, step, extent in sizes)
        return height - top - bottom + more[0], width - left - right + more[1]

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the output."""
        return (self.shape.N, self.shape.CO, *self.output)

    def placeholders(self) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Return image, weights (CI, CO, KH, KW) and the inputs of the epilogue."""
        conv, shape = self.phase, self.shape
        data = te.placeholder((shape.N, shape.CI, shape.H, shape.W), "data", conv.precision.operand)
        weight = te.placeholder((shape.CI, shape.CO, *self.kernel), "weight", conv.precision.operand)
        extra = conv.epilogue.placeholders((shape.CO,), self.output_shape, conv.precision.result)
        return data, weight, extra

    def compute(self) -> list[Tensor]:
        """Define the sum over the channels and the kernel, and its epilogue."""
        data, weight, extra = self.placeholders()
        (kh, kw), (sh, sw), (top, left, *_) = self.kernel, self.stride, pads(self.shape.pad)
        c, u, v = (te.reduce_axis((0, n), x) for n, x in ((self.shape.CI, "c"), (kh, "kh"), (kw, "kw")))

        def term(n: Expr, co: Expr, oh: Expr, ow: Expr) -> Expr:
            h, w = oh + top - u, ow + left - v
            inside = te.all(
                h >= 0,
                h < self.shape.H * sh,
                te.equal(h % sh, 0),
                w >= 0,
                w < self.shape.W * sw,
                te.equal(w % sw, 0),
            )
            pixel = te.if_then_else(inside, data[n, c, h // sh, w // sw], 0)
            return te.sum(self.phase.term(pixel, weight[c, co, u, v]), axis=(c, u, v))

        total = te.compute(self.output_shape, term, "convolution")
        if self.phase.is_finished and total.dtype == self.phase.precision.result:
            return [data, weight, total]
        out = te.compute(total.shape, lambda *at: self.phase.finish(total[at], extra, at[1], at), "out")
        return [data, weight, *extra, out]

    def reference(self, inputs: list[Array]) -> Array:
        """The result by NumPy: a product of all channels for each element of the kernel."""
        types, shape = self.phase.precision, self.shape
        data, weight, *extra = inputs
        data, weight = types.values(data), types.values(weight)
        (kh, kw), (sh, sw) = self.kernel, self.stride
        top, left, *_ = pads(shape.pad)
        whole = np.zeros(
            (shape.N, shape.CO, top + self.output[0] + kh, left + self.output[1] + kw), data.dtype
        )
        for u in range(kh):
            for v in range(kw):
                part = np.einsum("nchw,co->nohw", data, weight[:, :, u, v])
                rows = slice(u, u + (shape.H - 1) * sh + 1, sh)
                columns = slice(v, v + (shape.W - 1) * sw + 1, sw)
                grown = max(rows.stop - whole.shape[2], columns.stop - whole.shape[3], 0)
                if grown:
                    whole = np.pad(whole, ((0, 0), (0, 0), (0, grown), (0, grown)))
                whole[:, :, rows, columns] += part
        total = whole[:, :, top : top + self.output[0], left : left + self.output[1]]
        return self.phase.epilogue.reference(total, extra, (-1, 1, 1)).astype(types.result, copy=False)

    def check(self) -> None:
        """Raise ValueError for values that do not fit each other."""
        for name, size in zip("HW", self.output, strict=True):
            if size < 1:
                raise ValueError(f"conv2d_transpose: pad leaves no pixel of the output along {name}")
        for name, more, step in zip("HW", pads(self.shape.output_padding)[:2], self.stride, strict=True):
            if more >= step:
                raise ValueError(
                    f"conv2d_transpose: output_padding along {name} is {more}; "
                    f"it must be less than the stride, {step}"
                )
        self.phase.epilogue.check("conv2d_transpose", self.phase.precision.result)


def _plain(shape: TransposedShape, taps: tuple[int, ...], sizes: tuple[int, ...]) -> Conv2dShape:
    """The convolution of a phase, of so many elements of the kernel, for an output of a size."""
    height, width = (size + n - 1 for size, n in zip(sizes, taps, strict=True))
    return Conv2dShape(
        shape.N, shape.CI, height, width, shape.CO, taps, epilogue=shape.epilogue, dtype=shape.dtype
    )


def template(
    knobs: Knobs, *values: Any, target: Target, consumer: Consumer | None = None
) -> tuple[Schedule, list[Tensor]]:
    """Each phase as a direct convolution, see `compiler.ops.conv.direct`, with its part of the kernel packed.

    The phases of a row of tiles are computed one after the other, so that the lines of the output that they
    share are in the cache.
    """
    made = Transposed.of(*values)
    made = replace(made, phase=replace(made.phase, consumer=consumer))
    conv, (sh, sw), (top, left, *_) = made.phase, made.stride, pads(made.shape.pad)
    registers = registers_of(conv, target)
    tiles = pixel_tiles(conv, registers, target)
    tile = PixelTile(*knobs.choice("tile", [tuple(t) for t in tiles]))
    (_, rows, _), chosen = block_options(conv, tiles[0], registers, target)
    block = knobs.choice("h_block", rows, default=chosen.rows)
    unroll = knobs.choice("unroll", UNROLL, default=UNROLLED)

    data, weight, extra = made.placeholders()
    c_tiles, h_tiles, w_tiles = (
        covering(n, size)
        for n, size in ((conv.CO, tile.channels), (conv.OH, tile.height), (conv.OW, tile.width))
    )
    tall, wide = h_tiles * tile.height, w_tiles * tile.width
    height = tall + (sh - 1 + top) // sh + conv.KH - 1
    width = wide + (sw - 1 + left) // sw + conv.KW - 1

    def margin(n: Expr, h: Expr, c: Expr, w: Expr) -> Expr:
        h, w = h - (conv.KH - 1), w - (conv.KW - 1)
        inside = te.all(h >= 0, h < made.shape.H, w >= 0, w < made.shape.W)
        return te.if_then_else(inside, data[n, c, h, w], 0)

    padded = te.compute((conv.N, height, conv.CI, width), margin, "padded")

    def part(ph: Expr, pw: Expr, ct: Expr, u: Expr, v: Expr, c: Expr, lane: Expr) -> Expr:
        kh, kw, co = (ph + top) % sh + u * sh, (pw + left) % sw + v * sw, ct * tile.channels + lane
        bounds = [kh < made.kernel[0]] * (made.kernel[0] % sh > 0)
        bounds += [kw < made.kernel[1]] * (made.kernel[1] % sw > 0) + [co < conv.CO] * (
            conv.CO % tile.channels > 0
        )
        value = weight[c, co, kh, kw]
        return te.if_then_else(te.all(*bounds), value, 0) if bounds else value

    shape = (sh, sw, c_tiles, conv.KH, conv.KW, conv.CI, tile.channels)
    packed = te.compute(shape, part, "packed_weight")
    c = te.reduce_axis((0, conv.CI), "c")
    u, v = te.reduce_axis((0, conv.KH), "kh"), te.reduce_axis((0, conv.KW), "kw")

    def term(n: Expr, ph: Expr, pw: Expr, ct: Expr, q: Expr, r: Expr, lane: Expr) -> Expr:
        h = q + (ph + top) // sh + (conv.KH - 1) - u
        w = r + (pw + left) // sw + (conv.KW - 1) - v
        return te.sum(conv.term(padded[n, h, c, w], packed[ph, pw, ct, u, v, c, lane]), axis=(u, v, c))

    sums = te.compute((conv.N, sh, sw, c_tiles, tall, wide, tile.channels), term, "tile")

    def element(n: Expr, co: Expr, oh: Expr, ow: Expr) -> Expr:
        index = n, oh % sh, ow % sw, co // tile.channels, oh // sh, ow // sw, co % tile.channels
        return conv.finish(sums[index], extra, co, (n, co, oh, ow))

    out = te.compute(made.output_shape, element, "out")

    s = te.create_schedule(out.op)
    stage = s[out]
    n, co, oh, ow = out.op.axis
    (q, ph), (r, pw) = stage.split(oh, sh), stage.split(ow, sw)
    (qo, qi), (ro, ri) = stage.split(q, tile.height), stage.split(r, tile.width)
    qb, qo = stage.split(qo, min(block, h_tiles))
    ct, lane = stage.split(co, tile.channels)
    stage.reorder(n, qb, ct, ph, qo, ro, pw, lane, qi, ri)
    stage.pragma(lane, "vectorize", False)
    stage.parallel(stage.fuse(n, qb))
    s[sums].compute_at(stage, pw)
    schedule_sums(s, sums, unroll, registers.lanes)
    s[padded].parallel(s[padded].fuse(*padded.op.axis[:2]))
    s[packed].parallel(s[packed].fuse(*packed.op.axis[:3]))
    return s, conv.arguments(data, weight, extra, out)


def _flops(*values: Any) -> int:
    shape = TransposedShape(*values)
    height, width = pair(shape.kernel)
    return 2 * shape.N * shape.CI * shape.H * shape.W * shape.CO * height * width


def _rounding(*values: Any) -> Rounding:
    conv = Transposed.of(*values).phase
    return Rounding(conv.CI * conv.KH * conv.KW, accumulator=conv.precision.accumulator)


CONV2D_TRANSPOSE = Operator(
    name="conv2d_transpose",
    parameters=(
        Parameter("N"),
        Parameter("CI"),
        Parameter("H"),
        Parameter("W"),
        Parameter("CO"),
        Parameter("kernel", "pair"),
        Parameter("stride", "pair", 1),
        Parameter("pad", "pads", 0),
        Parameter("output_padding", "pads", 0),
        EPILOGUE,
        DTYPE,
    ),
    schedules={"llvm": template},
    compute_reference=lambda inputs, *values: Transposed.of(*values).reference(inputs),
    count_flops=_flops,
    rounding=_rounding,
    compute=lambda *values: Transposed.of(*values).compute(),
    check=lambda *values: Transposed.of(*values).check(),
    constants=("weight", "bias"),
)

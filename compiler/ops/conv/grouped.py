"""Images and weights in groups of channels, whose products one instruction forms and adds."""

from __future__ import annotations

from dataclasses import dataclass

from compiler import te
from compiler.ir.expr import Const, Expr
from compiler.ops.conv.conv2d import Convolution, CopiedImage
from compiler.ops.loops import split_vectors
from compiler.ops.precision import Grouping
from compiler.ops.tiles import covering
from compiler.schedule.schedule import Schedule
from compiler.te.tensor import Tensor


@dataclass(frozen=True, slots=True)
class GroupedChannels:
    """The operands of a convolution of bytes, with as many channels beside each other as are added together.

    Parameters
    ----------
    conv : Convolution
    step : tuple of int
        Rows and columns of `image` from one pixel of the output to the next.
    image : Tensor of shape (N, rows, parts of all groups, steps, columns, channels of a step)
        The padded image. Where the instruction multiplies unsigned by signed bytes, 128 is added to each
        element, also to the zeros of the margin.
    weights : Tensor of shape (groups, tiles, parts, KH, KW, steps, channels of a tile, channels of a step)
    excess : Tensor of shape (groups, tiles, channels of a tile), or None
        128 times the sums of the weights, which a sum is too large by.
    """

    conv: Convolution
    step: tuple[int, int]
    image: Tensor
    weights: Tensor
    excess: Tensor | None

    @classmethod
    def of(
        cls,
        conv: Convolution,
        operands: tuple[Tensor, Tensor],
        size: tuple[int, int],
        width: int,
        summed: int,
        grouping: Grouping,
    ) -> GroupedChannels:
        """The operands of an output of some rows and columns, in tiles of `width` channels.

        Parameters
        ----------
        conv : Convolution
        operands : (Tensor, Tensor)
            Image and weights.
        size : (int, int)
            Rows and columns of the output.
        width : int
        summed : int
            Input channels of a partial sum.
        grouping : Grouping
        """
        data, weight = operands
        depth = grouping.depth
        copied, steps = CopiedImage.of(conv, *size), covering(summed, depth)

        def pixel(n: Expr, h: Expr, part: Expr, step: Expr, w: Expr, q: Expr) -> Expr:
            c = step * depth + q
            value = copied.pixel(conv, data, n, part * summed + c, h, w)
            if summed % depth:
                value = te.if_then_else(c < summed, value, 0)
            if grouping.dtype is not None:
                return value.astype(grouping.dtype)
            # wraps around: from -128 .. 127 to 0 .. 255
            return value.astype("uint8") + 128 if data.dtype == "int8" else value

        def element(g: Expr, ct: Expr, b: Expr, kh: Expr, kw: Expr, step: Expr, lane: Expr, q: Expr) -> Expr:
            channel, c = ct * width + lane, step * depth + q
            value = weight[g * conv.co + channel, b * summed + c, kh, kw]
            inside = [channel < conv.co] if conv.co % width else []
            inside += [c < summed] if summed % depth else []
            value = te.if_then_else(te.all(*inside), value, 0) if inside else value
            return value if grouping.dtype is None else value.astype(grouping.dtype)

        tiles, parts = covering(conv.co, width), conv.ci // summed
        shape = (conv.N, copied.size[0], conv.groups * parts, steps, copied.size[1], depth)
        image = te.compute(shape, pixel, "grouped_image")
        weights = te.compute(
            (conv.groups, tiles, parts, conv.KH, conv.KW, steps, width, depth), element, "packed_weight"
        )
        added = grouping.dtype is None and data.dtype == "int8"
        return cls(conv, copied.step, image, weights, _excess(conv, weights) if added else None)

    def pixel(
        self, n: Expr, part: Expr, step: Expr, row: tuple[Expr, Expr], column: tuple[Expr, Expr], q: Expr
    ) -> Expr:
        """The pixel for a pixel of the output and an element of the kernel, in a channel of a step."""
        h = row[0] * self.step[0] + row[1] * self.conv.DH
        w = column[0] * self.step[1] + column[1] * self.conv.DW
        return self.image[n, h, part, step, w, q]

    def schedule(self, s: Schedule, lanes: int) -> None:
        """Schedule the copies: of the image along its rows, the channels of a step interleaved."""
        image, weights = self.image, self.weights
        n, h, part, step, w, q = image.op.axis
        vectors, lane = s[image].split(w, lanes)
        s[image].reorder(part, step, vectors, q, lane)
        s[image].unroll(q)
        s[image].vectorize(lane)
        s[image].parallel(s[image].fuse(n, h))
        s[weights].parallel(s[weights].fuse(*weights.op.axis[:2]))
        if self.excess is None:
            return
        g, ct, lane = self.excess.op.axis
        vectors, lane = split_vectors(s, self.excess, lane, lanes)
        *outer, q = self.excess.op.reduce_axis
        s[self.excess].reorder(g, ct, *outer, vectors, q, lane)
        s[self.excess].unroll(q)


def _excess(conv: Convolution, weights: Tensor) -> Tensor:
    """128 times the sums of the weights, by the same instruction."""
    groups, tiles, parts, *kernel, steps, width, depth = weights.shape
    axes = [
        te.reduce_axis((0, extent), name)
        for extent, name in zip((parts, *kernel, steps, depth), ("b", "kh", "kw", "c", "cq"), strict=True)
    ]
    factors = te.compute((depth,), lambda q: Const(128, "uint8"), "factors")

    def total(g: Expr, ct: Expr, lane: Expr) -> Expr:
        b, kh, kw, c, q = axes
        return te.sum(conv.term(factors[q], weights[g, ct, b, kh, kw, c, lane, q]), axis=axes)

    return te.compute((groups, tiles, width), total, "weight_sums")

"""Winograd's convolution with kernels of 3 x 3: fewer multiplications for more additions.

A tile of m x m pixels of the output is ``A^T [(G g G^T) * (B^T d B)] A`` for a kernel g and an input tile d
of (m + 2) x (m + 2) (Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, arXiv 1509.09308,
section 4). Summed over the channels, the product in the middle is one matrix product for each of the
(m + 2)^2 elements of a tile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from compiler import te
from compiler.ir.expr import Expr
from compiler.ops.conv.conv2d import BLOCK, LAYOUTS, Conv2dShape, Convolution, image_axes
from compiler.ops.conv.family import convolution_operator
from compiler.ops.epilogue import EPILOGUE
from compiler.ops.knobs import Knobs
from compiler.ops.operator import Array
from compiler.ops.parameter import Parameter, Value
from compiler.ops.precision import dtype_parameter
from compiler.schedule.schedule import Schedule
from compiler.schedule.stage import Stage
from compiler.te.tensor import Tensor

Matrix = Sequence[Sequence[float]]


def matrices(m: int) -> tuple[Array, Array, Array]:
    """``B^T``, ``G`` and ``A^T`` of F(m, 3), by Toom and Cook's interpolation.

    A product of polynomials is determined by its values at m + 1 points and at infinity. The points are
    0, 1, -1, 2, -2, ..., whose powers are small numbers.

    Parameters
    ----------
    m : int
        Outputs of a tile along one side.

    Returns
    -------
    bt, g, at : float64 ndarray
        Of shapes (m + 2, m + 2), (m + 2, 3) and (m, m + 2).
    """
    n = m + 2
    points = [0.0, *(sign * value for value in range(1, n) for sign in (1.0, -1.0))][: n - 1]

    def values(columns: int) -> Array:
        """The powers of the points; infinity picks the last one."""
        return np.array([[p**j for j in range(columns)] for p in points] + [[0.0] * (columns - 1) + [1.0]])

    scale = np.array([np.prod([p - q for q in points if q != p]) for p in points] + [1.0])
    interpolate = np.linalg.inv(values(n)).T * scale[:, None]
    # up to the scale, which is moved to the kernel's transform, the interpolation at integers consists of
    # integers
    return np.round(interpolate, 9), values(3) / scale[:, None], values(m).T


@lru_cache(maxsize=8)
def amplification(m: int) -> float:
    """Return the factor by which the rounding errors of F(m, 3) exceed those of the direct sums.

    With independent inputs of unit variance, the product of transformed values i has the variance ``|G_i|^2
    |B_i|^2`` (norms of the rows of G and B^T), its rounding error is proportional to the root of that, and
    output j sums these errors with the factors ``A_ji``; the direct sum has three terms of variance 1. The
    ratio of the two standard deviations is that of one side; two-dimensional tiles have its square. This is
    the statistical form of the bound ``|A^T| (|G| |g| * |B^T| |d|)`` of Barabasz, Anderson, Soodhalter and
    Gregg, Error Analysis and Improving the Accuracy of Winograd Convolution for Deep Neural Networks, arXiv
    1803.10986, section 3.

    Parameters
    ----------
    m : int
        Outputs of a tile along one side.
    """
    bt, g, at = matrices(m)
    variances = (g**2).sum(axis=1) * (bt**2).sum(axis=1)
    return float((at**2 @ variances).max() / 3)


def _combine(matrix: Matrix, row: Expr, operands: Callable[[int], Expr]) -> Expr:
    """``sum_j matrix[row][j] * operands(j)``, one expression for each row, without terms that are zero."""

    def line(coefficients: Sequence[float]) -> Expr:
        total: Expr | None = None
        for j, factor in enumerate(coefficients):
            if factor:
                term = operands(j) if abs(factor) == 1 else operands(j) * abs(factor)
                if total is None:
                    total = term if factor > 0 else term * -1.0
                else:
                    total = total + term if factor > 0 else total - term
        assert total is not None, "a row of a transform is not zero"
        return total

    result = line(matrix[-1])
    for i in reversed(range(len(matrix) - 1)):
        result = te.if_then_else(te.equal(row, i), line(matrix[i]), result)
    return result


class WinogradShape(NamedTuple):
    """The values of the operator's parameters, in their order; see `Conv2dShape`.

    Parameters
    ----------
    tile : str
        ``"F2"`` or ``"F4"``: tiles of 2 x 2 or 4 x 4 outputs.
    """

    N: int
    CI: int
    H: int
    W: int
    CO: int
    pad: Value = 1
    tile: str = "F4"
    layout: str = "NCHW"
    epilogue: str = "none"
    dtype: str = "float32"

    @property
    def m(self) -> int:
        """Outputs of a tile along one side."""
        return int(self.tile[1])

    def direct(self) -> Conv2dShape:
        """Return the same convolution for `CONV2D`."""
        return Conv2dShape(
            *self[:5],
            kernel=3,
            pad=self.pad,
            layout=self.layout,
            epilogue=self.epilogue,
            dtype=self.dtype,
        )


def convolution(*values: Any) -> Convolution:
    """Return the convolution of the parameters' values."""
    return Convolution.of(WinogradShape(*values).direct())


def template(knobs: Knobs, *values: Any) -> tuple[Schedule, list[Tensor]]:
    """Compute all steps of a block of tiles while it is in the cache, with channels in the lanes of vectors.

    The transformed kernels depend on constants alone, so they are computed when the weights are bound.
    """
    conv, m = convolution(*values), WinogradShape(*values).m
    th, tw = -(-conv.OH // m), -(-conv.OW // m)
    bt, g, at = (x.tolist() for x in matrices(m))
    rows = knobs.choice(
        "rows", (1, 2, 4, 7, 8, 12, 14), default=min((7, 8, 4), key=lambda r: -(-th * tw // r) * r)
    )
    tc = knobs.choice("columns", (16, 32, 64), default=32 if conv.CO > 16 else 16)
    unroll = knobs.choice("unroll", (1, 2, 4), default=4)
    tiles = -(-th * tw // rows) * rows

    data, weight, extra = conv.placeholders()
    padded, half_in, inside = _transformed_image(conv, data, bt, tiles)
    kernels = _transformed_kernels(conv, weight, g, tc)
    products, half_out, outside = _transformed_output(conv, inside, kernels, at)

    def element(*index: Expr) -> Expr:
        b, co, h, w = image_axes(conv.layout, *index)
        value = outside[b, co // tc, h // m * tw + w // m, h % m, w % m, co % tc]
        return conv.finish(value, extra, co, index)

    out = te.compute(conv.output_shape, element, "out")

    s = te.create_schedule(out.op)
    stage = s[out]
    block, tile = _schedule_output(s, out, conv, m, rows, tc)

    _in_lanes(s, half_in, unrolled=(3, 4))
    _in_lanes(s, inside, order=(0, 3, 4, 1, 2, 5), unrolled=(1, 2))
    s[half_in].compute_at(s[inside], inside.op.axis[4])
    s[half_in].set_scope("local")
    s[inside].compute_at(stage, block)

    _schedule_products(s, products, stage, block, unroll)

    _in_lanes(s, half_out, unrolled=(3, 4))
    _in_lanes(s, outside, unrolled=(3, 4))
    s[outside].compute_at(stage, tile)
    s[half_out].compute_at(stage, tile)
    for tensor in (outside, half_out):
        s[tensor].set_scope("local")

    s[padded].parallel(s[padded].fuse(*padded.op.axis[:2]))
    s[kernels].parallel(s[kernels].fuse(*kernels.op.axis[:2]))
    return s, [data, weight, *extra, out]


def _transformed_image(
    conv: Convolution, data: Tensor, bt: Matrix, tiles: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The padded image, ``B^T d`` and ``B^T d B`` for each of `tiles` tiles, with channels innermost."""
    n, m = len(bt), len(bt) - 2
    tw = -(-conv.OW // m)
    ci_blocks = -(-conv.CI // BLOCK)
    height, width = (-(-tiles // tw)) * m + 2, tw * m + 2

    def margin(b: Expr, cb: Expr, h: Expr, w: Expr, c: Expr) -> Expr:
        value = conv.pixel(data, b, cb * BLOCK + c, h, w, height, width)
        return value if conv.CI % BLOCK == 0 else te.if_then_else(cb * BLOCK + c < conv.CI, value, 0)

    padded = te.compute((conv.N, ci_blocks, height, width, BLOCK), margin, "padded")
    half_in = te.compute(
        (conv.N, tiles, ci_blocks, n, n, BLOCK),
        lambda b, t, cb, e, x, c: _combine(
            bt, e, lambda a: padded[b, cb, t // tw * m + a, t % tw * m + x, c]
        ),
        "half_in",
    )
    inside = te.compute(
        (conv.N, n, n, tiles, ci_blocks, BLOCK),
        lambda b, e, f, t, cb, c: _combine(bt, f, lambda x: half_in[b, t, cb, e, x, c]),
        "inside",
    )
    return padded, half_in, inside


def _transformed_kernels(conv: Convolution, weight: Tensor, g: Matrix, tc: int) -> Tensor:
    """The transformed kernels ``G w G^T``, with output channels in blocks of `tc`, zero past the last one."""
    n = len(g)
    half_kernel = te.compute(
        (conv.CO, conv.CI, n, 3),
        lambda co, ci, e, x: _combine(g, e, lambda a: weight[co, ci, a, x]),
        "half_kernel",
    )

    def kernel(e: Expr, f: Expr, ct: Expr, cb: Expr, c: Expr, lane: Expr) -> Expr:
        co, ci = ct * tc + lane, cb * BLOCK + c
        value = _combine(g, f, lambda x: half_kernel[co, ci, e, x])
        bounds = [co < conv.CO] * (conv.CO % tc > 0) + [ci < conv.CI] * (conv.CI % BLOCK > 0)
        return te.if_then_else(te.all(*bounds), value, 0) if bounds else value

    return te.compute((n, n, -(-conv.CO // tc), -(-conv.CI // BLOCK), BLOCK, tc), kernel, "kernels")


def _transformed_output(
    conv: Convolution, inside: Tensor, kernels: Tensor, at: Matrix
) -> tuple[Tensor, Tensor, Tensor]:
    """The products M summed over the channels, ``A^T M`` and ``A^T M A`` for each tile."""
    n, _, co_tiles, ci_blocks, _, tc = kernels.shape
    m, tiles = len(at), inside.shape[3]
    kb, kc = te.reduce_axis((0, ci_blocks), "kb"), te.reduce_axis((0, BLOCK), "kc")
    products = te.compute(
        (conv.N, n, n, co_tiles, tiles, tc),
        lambda b, e, f, ct, t, lane: te.sum(
            inside[b, e, f, t, kb, kc] * kernels[e, f, ct, kb, kc, lane], axis=(kb, kc)
        ),
        "products",
    )
    half_out = te.compute(
        (conv.N, co_tiles, tiles, m, n, tc),
        lambda b, ct, t, i, f, lane: _combine(at, i, lambda e: products[b, e, f, ct, t, lane]),
        "half_out",
    )
    outside = te.compute(
        (conv.N, co_tiles, tiles, m, m, tc),
        lambda b, ct, t, i, j, lane: _combine(at, j, lambda f: half_out[b, ct, t, i, f, lane]),
        "outside",
    )
    return products, half_out, outside


def _schedule_output(
    s: Schedule, out: Tensor, conv: Convolution, m: int, rows: int, tc: int
) -> tuple[te.IterVar, te.IterVar]:
    """Schedule the loops over tiles; return the one over blocks of `rows` tiles, and the one over tiles."""
    stage = s[out]
    axes = list(out.op.axis)
    first = 1 if conv.layout == "NHWC" else 2
    h, w = axes[first], axes[first + 1]
    channels = [a for a in axes[1:] if a not in (h, w)]
    ho, hi = stage.split(h, m)
    wo, wi = stage.split(w, m)
    stage.reorder(axes[0], ho, wo, *channels, hi, wi)
    step, tile = stage.split(stage.fuse(ho, wo), rows)
    if conv.layout == "NHWC" or conv.layout == "NCHW":
        co, lane = stage.split(channels[0], tc)
    else:
        co, lane = stage.split(channels[0], tc // BLOCK)
    stage.reorder(axes[0], step, co, tile, *((lane, hi, wi) if conv.layout == "NCHW" else (hi, wi, lane)))
    if conv.layout != "NCHW":
        last = stage.split(lane, BLOCK) if conv.layout == "NHWC" else (lane, channels[1])
        if conv.layout == "NCHW16c":
            stage.reorder(*last)
        stage.unroll(last[0])
        stage.vectorize(last[1])
    block = stage.fuse(axes[0], step)
    stage.parallel(block)
    return block, tile


def _schedule_products(s: Schedule, products: Tensor, output: Stage, block: te.IterVar, unroll: int) -> None:
    """Schedule the matrix products at `block`, with the sums of a block of tiles in registers."""
    sums = s.cache_write(products, "local")
    s[products].compute_at(output, block)
    *_, ct, _, lane = products.op.axis
    vectors, lanes = s[products].split(lane, 16)
    s[products].unroll(vectors)
    s[products].vectorize(lanes)
    s[sums].compute_at(s[products], ct)
    b, e, f, ct, t, lane = sums.op.axis
    # cache_write has made new reduce axes
    rb, rc = sums.op.reduce_axis
    ro, ri = s[sums].split(rc, unroll)
    vectors, lanes = s[sums].split(lane, 16)
    s[sums].reorder(b, e, f, ct, rb, ro, ri, t, vectors, lanes)
    for axis in (ri, t, vectors):
        s[sums].unroll(axis)
    s[sums].vectorize(lanes)


def _in_lanes(
    s: Schedule, tensor: Tensor, *, order: Sequence[int] | None = None, unrolled: Sequence[int] = ()
) -> None:
    """Vectorize the last axis, unroll some of the others."""
    stage = s[tensor]
    axes = tensor.op.axis
    if order is not None:
        stage.reorder(*(axes[d] for d in order))
    for d in unrolled:
        stage.unroll(axes[d])
    vectors, lanes = stage.split(axes[-1], 16)
    stage.unroll(vectors)
    stage.vectorize(lanes)


# the number of operations is that of the direct convolution, so that speeds can be compared
CONV2D_WINOGRAD = convolution_operator(
    "conv2d_winograd",
    (
        Parameter("N"),
        Parameter("CI"),
        Parameter("H"),
        Parameter("W"),
        Parameter("CO"),
        Parameter("pad", "pads", 1),
        Parameter("tile", "word", "F4", ("F2", "F4")),
        Parameter("layout", "word", "NCHW", LAYOUTS),
        EPILOGUE,
        # the transforms need fractions, and lose about three bits
        dtype_parameter("float32", "float64"),
    ),
    convolution,
    template,
    lambda *values: amplification(WinogradShape(*values).m),
)

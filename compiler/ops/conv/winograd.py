"""Winograd's convolution with kernels of 3 x 3: fewer multiplications for more additions.

A tile of m x m pixels of the output is ``A^T [(G g G^T) * (B^T d B)] A`` for a kernel g and an input tile d
of (m + 2) x (m + 2) (Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, arXiv 1509.09308,
section 4). Summed over the channels, the product in the middle is one matrix product for each of the
(m + 2)^2 elements of a tile.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from compiler import te
from compiler.backend import Target
from compiler.ir.dtype import bits_of
from compiler.ir.expr import Expr
from compiler.ops.consumer import Consumer
from compiler.ops.conv.conv2d import BLOCK, LAYOUTS, Conv2dShape, Convolution, image_axes
from compiler.ops.conv.family import convolution_operator
from compiler.ops.conv.tile import registers_of
from compiler.ops.epilogue import EPILOGUE
from compiler.ops.knobs import Knobs
from compiler.ops.loops import split_vectors, store_across
from compiler.ops.operator import Array
from compiler.ops.parameter import Parameter, Value
from compiler.ops.precision import dtype_parameter
from compiler.ops.tiles import UNROLLED, Tile, cache_bytes, covering, ranked_tiles
from compiler.schedule.schedule import Schedule
from compiler.te.tensor import Tensor

Matrix = Sequence[Sequence[float]]

LINE = 64
"""Bytes of a cache line."""


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


def _entry(matrix: Matrix, row: Expr, column: Expr) -> Expr:
    """An element of a matrix of numbers."""
    width = len(matrix[0])
    numbers = [te.const(number, "float64") for line in matrix for number in line]
    result: Expr = numbers[-1]
    for place in reversed(range(len(numbers) - 1)):
        result = te.if_then_else(te.equal(row * width + column, place), numbers[place], result)
    return result


def _product(table: Tensor, row: Expr, operands: Callable[[int], Expr]) -> Expr:
    """A row of a table times a vector of three."""
    return table[row, 0] * operands(0) + table[row, 1] * operands(1) + table[row, 2] * operands(2)


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


def template(
    knobs: Knobs, *values: Any, target: Target, consumer: Consumer | None = None
) -> tuple[Schedule, list[Tensor]]:
    """Compute all steps of a block of tiles while it is in the cache, with channels in the lanes of vectors.

    The products are matrix products of some tiles by a block of channels, whose sums stay in registers. The
    transformed kernels depend on constants alone, so they are computed when the weights are bound.
    """
    conv, m = replace(convolution(*values), consumer=consumer), WinogradShape(*values).m
    th, tw = covering(conv.OH, m), covering(conv.OW, m)
    bt, g, at = (x.tolist() for x in matrices(m))
    registers = registers_of(conv, target)
    lanes = registers.lanes
    options = ranked_tiles(registers, lambda tile: _steps(conv, tile, th * tw, lanes))
    rows, tc = knobs.choice("tile", [(tile.rows, tile.vectors * lanes) for tile in options])
    blocks, chosen = _blocks(conv, m, options[0].rows, target)
    block_rows = rows * knobs.choice("t_block", blocks, default=chosen)
    knobs.require(
        ("tile", "t_block"),
        lambda tile, count: count == 1 or count * tile[0] * _tile_bytes(conv, m) <= cache_bytes(target, 1),
        "the transformed image and the products of a block fit the second-level cache",
    )
    unroll = knobs.choice("unroll", (1, 2, 4), default=UNROLLED)
    tiles = covering(th * tw, block_rows) * block_rows

    data, weight, extra = conv.placeholders()
    padded, half_in, inside = _transformed_image(conv, data, bt, tiles, lanes)
    kernels = _transformed_kernels(conv, weight, g, tc, lanes)
    products, half_out, outside = _transformed_output(conv, inside, kernels, at)

    def element(*index: Expr) -> Expr:
        b, co, h, w = image_axes(conv.layout, *index)
        value = outside[b, co // tc, h // m * tw + w // m, h % m, w % m, co % tc]
        return conv.finish(value, extra, co, index)

    out = te.compute(conv.output_shape, element, "out")

    s = te.create_schedule(out.op)
    stage = s[out]
    block, tile = _schedule_output(s, out, conv, (m, block_rows, tc), lanes)

    _in_lanes(s, half_in, lanes, order=(0, 1, 2, 4, 3, 5), unrolled=3)
    _in_lanes(s, inside, lanes, order=(0, 3, 4, 1, 2, 5), unrolled=2)
    s[half_in].compute_at(s[inside], inside.op.axis[4])
    s[half_in].set_scope("local")
    s[inside].compute_at(stage, block)

    s[products].compute_at(stage, block)
    _schedule_products(s, products, rows, unroll, lanes)

    _in_lanes(s, half_out, lanes, order=(0, 1, 2, 4, 3, 5), unrolled=3)
    _in_lanes(s, outside, lanes, order=(0, 1, 2, 3, 4, 5), unrolled=4)
    s[outside].compute_at(stage, tile)
    s[half_out].compute_at(s[outside], outside.op.axis[2])
    for tensor in (outside, half_out):
        s[tensor].set_scope("local")

    s[padded].parallel(s[padded].fuse(*padded.op.axis[:2]))
    s[kernels].parallel(s[kernels].fuse(*kernels.op.axis[:2]))
    return s, conv.arguments(data, weight, extra, out)


def _steps(conv: Convolution, tile: Tile, tiles: int, lanes: int) -> float:
    """How many register tiles cover the products of `tiles` tiles of the output with all channels."""
    width = tile.vectors * lanes
    if (
        tile.vectors > covering(conv.CO, lanes)
        or tile.rows > tiles
        or (conv.layout == "NCHW16c" and width % BLOCK)
    ):
        return float("inf")
    return covering(tiles, tile.rows) * covering(conv.CO, width)


def _tile_bytes(conv: Convolution, m: int) -> int:
    """Bytes of the transformed image and of the products of one tile of the output."""
    return (m + 2) ** 2 * (conv.CI + conv.CO) * (bits_of(conv.precision.operand) // 8)


def _blocks(conv: Convolution, m: int, rows: int, target: Target) -> tuple[list[int], int]:
    """How many register tiles of `rows` rows a block may have, and by default: its transformed image and its
    products fill half of the second-level cache, and there is a block for each thread.
    """
    tiles = covering(covering(conv.OH, m) * covering(conv.OW, m), rows)
    options = [1 << i for i in range((tiles - 1).bit_length() + 1)]
    each = rows * _tile_bytes(conv, m)
    resident = [p for p in options if 2 * p * each <= cache_bytes(target, 1)] or options[:1]
    busy = [p for p in resident if conv.N * covering(tiles, p) >= target.hardware.threads]
    return options, (busy or options[:1])[-1]


def _transformed_image(
    conv: Convolution, data: Tensor, bt: Matrix, tiles: int, lanes: int
) -> tuple[Tensor, Tensor, Tensor]:
    """The padded image, ``B^T d`` and ``B^T d B`` for each of `tiles` tiles, `lanes` channels innermost."""
    n, m = len(bt), len(bt) - 2
    tw = -(-conv.OW // m)
    ci_blocks = -(-conv.CI // lanes)
    height, width = (-(-tiles // tw)) * m + 2, tw * m + 2

    def margin(b: Expr, cb: Expr, h: Expr, w: Expr, c: Expr) -> Expr:
        value = conv.pixel(data, b, cb * lanes + c, h, w, height, width)
        return value if conv.CI % lanes == 0 else te.if_then_else(cb * lanes + c < conv.CI, value, 0)

    padded = te.compute((conv.N, ci_blocks, height, width, lanes), margin, "padded")
    half_in = te.compute(
        (conv.N, tiles, ci_blocks, n, n, lanes),
        lambda b, t, cb, e, x, c: _combine(
            bt, e, lambda a: padded[b, cb, t // tw * m + a, t % tw * m + x, c]
        ),
        "half_in",
    )
    inside = te.compute(
        (conv.N, n, n, tiles, ci_blocks, lanes),
        lambda b, e, f, t, cb, c: _combine(bt, f, lambda x: half_in[b, t, cb, e, x, c]),
        "inside",
    )
    return padded, half_in, inside


def _transformed_kernels(conv: Convolution, weight: Tensor, g: Matrix, tc: int, lanes: int) -> Tensor:
    """The transformed kernels ``G w G^T``, with output channels in blocks of `tc`, zero past the last one."""
    n, dtype = len(g), weight.dtype
    table = te.compute((n, 3), lambda e, a: _entry(g, e, a).astype(dtype), "kernel_transform")
    half_kernel = te.compute(
        (conv.CO, conv.CI, n, 3),
        lambda co, ci, e, x: _product(table, e, lambda a: weight[co, ci, a, x]),
        "half_kernel",
    )

    def kernel(e: Expr, f: Expr, ct: Expr, cb: Expr, c: Expr, lane: Expr) -> Expr:
        co, ci = ct * tc + lane, cb * lanes + c
        value = _product(table, f, lambda x: half_kernel[co, ci, e, x])
        bounds = [co < conv.CO] * (conv.CO % tc > 0) + [ci < conv.CI] * (conv.CI % lanes > 0)
        return te.if_then_else(te.all(*bounds), value, 0) if bounds else value

    return te.compute((n, n, -(-conv.CO // tc), -(-conv.CI // lanes), lanes, tc), kernel, "kernels")


def _transformed_output(
    conv: Convolution, inside: Tensor, kernels: Tensor, at: Matrix
) -> tuple[Tensor, Tensor, Tensor]:
    """The products M summed over the channels, ``A^T M`` and ``A^T M A`` for each tile."""
    n, _, co_tiles, ci_blocks, lanes, tc = kernels.shape
    m, tiles = len(at), inside.shape[3]
    kb, kc = te.reduce_axis((0, ci_blocks), "kb"), te.reduce_axis((0, lanes), "kc")
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
    s: Schedule, out: Tensor, conv: Convolution, sizes: tuple[int, int, int], lanes: int
) -> tuple[te.IterVar, te.IterVar]:
    """Schedule the loops over tiles; return the one over blocks of them, and the one over tiles.

    `sizes` are the pixels of a tile along one side, the tiles of a block, and the channels of its sums. In
    NCHW, so many tiles are stored together that a row of a channel fills a cache line: the rows of all
    channels may be in one set of a cache, which then holds no line until the next tile.
    """
    m, rows, tc = sizes
    stage = s[out]
    axes = list(out.op.axis)
    first = 1 if conv.layout == "NHWC" else 2
    h, w = axes[first], axes[first + 1]
    channels = [a for a in axes[1:] if a not in (h, w)]
    ho, hi = stage.split(h, m)
    wo, wi = stage.split(w, m)
    stage.reorder(axes[0], ho, wo, *channels, hi, wi)
    step, tile = stage.split(stage.fuse(ho, wo), rows)
    inner = []
    if conv.layout == "NCHW16c":
        co, part = stage.split(channels[0], tc // BLOCK)
        inner = [part, *stage.split(channels[1], lanes)]
    else:
        co, lane = stage.split(channels[0], tc)
        inner = [lane] if conv.layout == "NCHW" else list(stage.split(lane, lanes))
    if conv.layout == "NCHW":
        tile, beside = stage.split(tile, covering(LINE, m * bits_of(out.dtype) // 8))
        around, across = store_across(s, out, inner[0], wi, lanes)
        stage.reorder(axes[0], step, co, tile, *around, hi, beside, *across)
    else:
        stage.reorder(axes[0], step, co, tile, hi, wi, *inner)
        for axis in inner[:-1]:
            stage.unroll(axis)
        stage.vectorize(inner[-1])
    block = stage.fuse(axes[0], step)
    stage.parallel(block)
    return block, tile


def _schedule_products(s: Schedule, products: Tensor, rows: int, unroll: int, lanes: int) -> None:
    """Schedule the matrix products of a block of tiles, with the sums of `rows` of them in registers."""
    sums = s.cache_write(products, "local")
    *_, ct, t, lane = products.op.axis
    to, ti = s[products].split(t, rows)
    s[products].unroll(ti)
    split_vectors(s, products, lane, lanes)
    s[sums].compute_at(s[products], to)
    b, e, f, ct, t, lane = sums.op.axis
    # cache_write has made new reduce axes
    rb, rc = sums.op.reduce_axis
    ro, ri = s[sums].split(rc, min(unroll, lanes))
    vectors, lane = split_vectors(s, sums, lane, lanes)
    s[sums].reorder(b, e, f, ct, rb, ro, ri, t, vectors, lane)
    for axis in (ri, t):
        s[sums].unroll(axis)


def _in_lanes(s: Schedule, tensor: Tensor, lanes: int, *, order: Sequence[int], unrolled: int) -> None:
    """Schedule a transform: all rows of its matrix for a vector at a time.

    Only the axis of the rows is unrolled, each with its own expression. LLVM would unroll the others too, to
    keep the tile in registers, of which there are too few.
    """
    stage = s[tensor]
    axes = tensor.op.axis
    vectors, lane = stage.split(axes[-1], lanes)
    *outer, row = [axes[d] for d in order if d != len(axes) - 1]
    stage.reorder(*outer, vectors, row, lane)
    stage.unroll(row)
    stage.vectorize(lane)
    for axis in (*outer, vectors):
        stage.pragma(axis, "unroll", False)


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

"""Matrix products ``C[b, i, j] = sum_k A[b, i, k] * B[b, k, j]`` in float32, either operand transposed or not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from compiler import te
from compiler.ir.expr import Expr
from compiler.ops.epilogue import EPILOGUE, Epilogue
from compiler.ops.knobs import Knobs
from compiler.ops.operator import Array, Operator
from compiler.ops.parameter import Parameter
from compiler.schedule.schedule import Schedule
from compiler.tensor import Tensor

PARAMETERS = (
    Parameter("M"),
    Parameter("N"),
    Parameter("K"),
    Parameter("batch", "count", 0),
    Parameter("transpose", "word", "NN", ("NN", "NT", "TN", "TT")),
    EPILOGUE,
)

# rows and columns of a tile of C that is held in registers: 32 registers hold rows * columns / 16
# accumulators, a row of B and a broadcast element of A
TILES = ((8, 32), (4, 64), (6, 64), (14, 32), (12, 32), (4, 32), (8, 16), (16, 16), (24, 16), (2, 64), (1, 64), (1, 16))


def compute(
    M: int, N: int, K: int, batch: int, transpose: str, epilogue: str
) -> list[Tensor]:
    """The product, and what follows it; a batch of zero means operands without an axis for it."""
    A, B, extra = _operands(M, N, K, batch, transpose, epilogue)
    k = te.reduce_axis((0, K), "k")
    product = te.compute(
        _shape(batch, M, N),
        lambda *at: te.sum(_element(A, transpose[0], *at[:-1], k) * _element(B, transpose[1], *at[:-2], k, at[-1]), axis=k),
        "product",
    )
    if epilogue == "none":
        return [A, B, product]
    after = Epilogue.parse(epilogue)
    out = te.compute(product.shape, lambda *at: after.apply(product[at], extra, at[-1:], at), "C")
    return [A, B, *extra, out]


def _operands(
    M: int, N: int, K: int, batch: int, transpose: str, epilogue: str
) -> tuple[Tensor, Tensor, list[Tensor]]:
    A = te.placeholder(_shape(batch, *((M, K) if transpose[0] == "N" else (K, M))), "A")
    B = te.placeholder(_shape(batch, *((K, N) if transpose[1] == "N" else (N, K))), "B")
    return A, B, Epilogue.parse(epilogue).placeholders((N,), _shape(batch, M, N))


def _shape(batch: int, *matrix: int) -> tuple[int, ...]:
    return (batch, *matrix) if batch else matrix


def _element(tensor: Tensor, transposed: str, *at: Expr) -> Expr:
    """An element of the matrix that `tensor` holds, perhaps transposed."""
    *batch, row, column = at
    return tensor[(*batch, row, column) if transposed == "N" else (*batch, column, row)]


def template(
    knobs: Knobs, M: int, N: int, K: int, batch: int, transpose: str, epilogue: str
) -> tuple[Schedule, list[Tensor]]:
    """Register tiles over packed operands (Goto and van de Geijn, Anatomy of High-Performance Matrix Multiplication).

    Both operands are copied so that what a tile reads for one k lies side by side, filled up with zeros to whole tiles:
    the hot loop then has neither conditions nor strides. A tile of C is accumulated in registers while k runs; blocks of
    tiles are walked so that the panels of one of the operands stay in the second cache.
    """
    rows, columns = knobs.choice("tile", TILES, default=_default_tile(M, N))
    m_tiles, n_tiles = -(-M // rows), -(-N // columns)
    m_block = knobs.choice("m_block", (1, 2, 4, 8, 16, 32, 64), default=8)
    n_block = knobs.choice("n_block", (1, 2, 4, 8, 16, 32, 64), default=4)
    k_block = knobs.choice("k_block", (64, 128, 256, 384, 512, 1024, 4096), default=4096)
    unroll_k = knobs.choice("unroll_k", (1, 2, 4, 8), default=4)
    walk = knobs.choice("walk", ("rows inside", "columns inside"))
    pack_a = knobs.choice("pack_a", ("whole", "block", "none"), default="block")
    lanes = min(columns, 16)

    A, B, extra = _operands(M, N, K, batch, transpose, epilogue)
    after = Epilogue.parse(epilogue)
    k = te.reduce_axis((0, K), "k")

    def padded(tensor: Tensor, side: str, name: str, tiles: int, width: int, extent: int) -> Tensor:
        """A matrix as panels of `width` rows or columns, each k by k."""

        def element(*at: Expr) -> Expr:
            *b, tile, k, inner = at
            place = tile * width + inner
            value = _element(tensor, side, *b, *((place, k) if name == "packed_A" else (k, place)))
            return value if tiles * width == extent else te.if_then_else(place < extent, value, 0.0)

        return te.compute(_shape(batch, tiles, K, width), element, name)

    packed_b = padded(B, transpose[1], "packed_B", n_tiles, columns, N)
    if pack_a == "none" and M % rows == 0:
        packed_a = None
    else:
        packed_a = padded(A, transpose[0], "packed_A", m_tiles, rows, M)

    def left(b: Sequence[Expr], mo: Expr, mi: Expr) -> Expr:
        if packed_a is None:
            return _element(A, transpose[0], *b, mo * rows + mi, k)
        return packed_a[(*b, mo, k, mi)]

    def product(*at: Expr) -> Expr:
        *b, mo, no, mi, ni = at
        return te.sum(left(b, mo, mi) * packed_b[(*b, no, k, ni)], axis=k)

    tile = te.compute(_shape(batch, m_tiles, n_tiles, rows, columns), product, "tile")

    def element(*at: Expr) -> Expr:
        *b, i, j = at
        value = tile[(*b, i // rows, j // columns, i % rows, j % columns)]
        return after.apply(value, extra, (j,), at)

    C = te.compute(_shape(batch, M, N), element, "C")

    s = te.create_schedule(C.op)
    *b, i, j = s[C].op.axis
    io, ii = s[C].split(i, rows)
    jo, ji = s[C].split(j, columns)
    ib, io = s[C].split(io, min(m_block, m_tiles))
    jb, jo = s[C].split(jo, min(n_block, n_tiles))
    inner = (jo, io) if walk == "rows inside" else (io, jo)
    s[C].reorder(*b, ib, jb, *inner, ii, ji)
    _vectorized(s, C, ji, columns, lanes)

    blocked = k_block < K
    place = jb if blocked else inner[1]
    s[tile].compute_at(s[C], place)
    s[tile].set_scope("global" if blocked else "local")
    *tb, mo, no, mi, ni = tile.op.axis
    ko, ki = s[tile].split(k, min(k_block, K))
    ku, kl = s[tile].split(ki, min(unroll_k, K))
    order = (no, mo) if walk == "rows inside" else (mo, no)
    s[tile].reorder(*tb, ko, *order, ku, kl, mi, ni)
    s[tile].unroll(kl)
    s[tile].unroll(mi)
    _vectorized(s, tile, ni, columns, lanes)

    if packed_a is not None and pack_a == "block":
        s[packed_a].compute_at(s[C], ib)
    elif packed_a is not None:
        s[packed_a].parallel(s[packed_a].fuse(*packed_a.op.axis[: len(b) + 1]) if b else packed_a.op.axis[0])
    if packed_a is not None:
        _vectorized(s, packed_a, packed_a.op.axis[-1], rows, min(16, rows)) if rows % 4 == 0 and transpose[0] == "T" else None
    s[packed_b].parallel(s[packed_b].fuse(*packed_b.op.axis[: len(b) + 1]) if b else packed_b.op.axis[0])
    _vectorized(s, packed_b, packed_b.op.axis[-1], columns, lanes)
    s[C].parallel(s[C].fuse(*b, ib) if b else ib)
    return s, [A, B, *extra, C]


def _default_tile(M: int, N: int) -> tuple[int, int]:
    """The tile that leaves the fewest elements over, among those that keep both floating-point ports busy."""
    return min(TILES, key=lambda t: (-(-M // t[0]) * t[0] * -(-N // t[1]) * t[1] * (1 + (t[0] * t[1] < 256)), TILES.index(t)))


def _vectorized(s: Schedule, tensor: Tensor, axis: te.IterVar, extent: int, lanes: int) -> None:
    """Vectors as wide as the axis allows, several side by side."""
    outer, inner = s[tensor].split(axis, lanes)
    s[tensor].unroll(outer)
    s[tensor].vectorize(inner)


def _matrix(array: Array, transposed: str) -> Array:
    return array if transposed == "N" else np.swapaxes(array, -1, -2)


def _reference(
    inputs: list[Array], M: int, N: int, K: int, batch: int, transpose: str, epilogue: str
) -> Array:
    product = _matrix(inputs[0], transpose[0]) @ _matrix(inputs[1], transpose[1])
    return Epilogue.parse(epilogue).reference(product, inputs[2:], (N,))


MATMUL = Operator(
    name="matmul",
    parameters=PARAMETERS,
    compute=compute,
    template=template,
    compute_reference=_reference,
    count_flops=lambda M, N, K, batch, transpose, epilogue: 2 * max(batch, 1) * M * N * K,
    reduction=lambda M, N, K, batch, transpose, epilogue: K,
)

"""Matrix products over packed operands: the operators `MATMUL` and `DENSE` and their template."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from compiler import te
from compiler.ir.expr import Expr
from compiler.ops.epilogue import EPILOGUE, Epilogue
from compiler.ops.knobs import Knobs
from compiler.ops.loops import split_vectors
from compiler.ops.matmul.matmul import Product
from compiler.ops.operator import Operator
from compiler.ops.parameter import Parameter
from compiler.ops.precision import MATRIX_DTYPE, PRECISIONS
from compiler.ops.rounding import Rounding
from compiler.schedule.schedule import Schedule
from compiler.te.tensor import Tensor

# rows and columns of a tile whose sums stay in registers: with 32 registers of 16 floats, rows * columns / 16
# accumulators, a row of the right operand and a broadcast element of the left one must fit
TILES = (
    (8, 32),
    (4, 64),
    (6, 64),
    (14, 32),
    (12, 32),
    (4, 32),
    (8, 16),
    (16, 16),
    (24, 16),
    (2, 64),
    (1, 64),
    (1, 16),
)
BLOCKS = (1, 2, 4, 8, 16, 32, 64)


def packed(knobs: Knobs, product: Product) -> tuple[Schedule, list[Tensor]]:
    """Register tiles over packed operands.

    Both operands are copied so that the elements that a tile reads for one k are contiguous, padded with
    zeros to whole tiles: the hot loop then has neither conditions nor strides. The sums of a tile stay in
    registers throughout the loop over k. Tiles are traversed in blocks, so that a panel of one operand stays
    in the first-level cache and a block of the other in the second (Goto and van de Geijn, Anatomy of
    High-Performance Matrix Multiplication, section 4).
    """
    M, N, K = product.M, product.N, product.K
    rows, columns = knobs.choice("tile", TILES, default=_default_tile(M, N))
    m_tiles, n_tiles = -(-M // rows), -(-N // columns)
    m_block = knobs.choice("m_block", BLOCKS, default=16)
    n_block = knobs.choice("n_block", BLOCKS, default=1)
    # a longer panel would not stay in the second-level cache from one tile to the next
    k_block = knobs.choice(
        "k_block", (64, 128, 256, 384, 512, 1024, 4096), default=4096 if K <= 1024 else 512
    )
    unroll = knobs.choice("unroll_k", (1, 2, 4, 8), default=4)
    rows_inside = knobs.choice("walk", ("rows inside", "columns inside")) == "rows inside"
    pack_left = knobs.choice("pack_left", ("block", "whole", "none"))

    A, B, extra = product.placeholders()
    k = te.reduce_axis((0, K), "k")
    panels_b = _panels(product, B, n_tiles, columns)
    panels_a = _panels(product, A, m_tiles, rows)
    plain = pack_left == "none" and M % rows == 0

    def left(batch: Sequence[Expr], mo: Expr, mi: Expr) -> Expr:
        return product.left(A, *batch, mo * rows + mi, k) if plain else panels_a[(*batch, mo, k, mi)]

    def sums(*at: Expr) -> Expr:
        *batch, mo, no, mi, ni = at
        return te.sum(product.term(left(batch, mo, mi), panels_b[(*batch, no, k, ni)]), axis=k)

    tile = te.compute(product.shape(m_tiles, n_tiles, rows, columns), sums, "tile")

    def element(*at: Expr) -> Expr:
        *batch, i, j = at
        value = tile[(*batch, i // rows, j // columns, i % rows, j % columns)]
        return product.epilogue.apply(value, extra, (j,), at).astype(product.precision.result)

    C = te.compute(product.shape(M, N), element, product.names[2])

    s = te.create_schedule(C.op)
    *batch, i, j = C.op.axis
    io, ii = s[C].split(i, rows)
    jo, ji = s[C].split(j, columns)
    ib, io = s[C].split(io, min(m_block, m_tiles))
    jb, jo = s[C].split(jo, min(n_block, n_tiles))
    s[C].reorder(*batch, ib, jb, *((jo, io) if rows_inside else (io, jo)), ii, ji)
    lanes = min(columns, 16)
    split_vectors(s, C, ji, lanes)
    block = s[C].fuse(*batch, ib) if batch else ib
    s[C].parallel(block)

    # complete sums over k stay in registers; partial ones are stored for a block of tiles
    whole = k_block >= K
    s[tile].compute_at(s[C], (io if rows_inside else jo) if whole else jb)
    s[tile].set_scope("local" if whole else "global")
    *tb, mo, no, mi, ni = tile.op.axis
    ko, ki = s[tile].split(k, min(k_block, K))
    ki, kl = s[tile].split(ki, min(unroll, K))
    s[tile].reorder(*tb, ko, *((no, mo) if rows_inside else (mo, no)), ki, kl, mi, ni)
    s[tile].unroll(kl)
    s[tile].unroll(mi)
    split_vectors(s, tile, ni, lanes)

    _pack(s, panels_b, product.transpose[1] == "N", lanes)
    if not plain:
        if pack_left == "block":
            s[panels_a].compute_at(s[C], block)
        _pack(
            s,
            panels_a,
            product.transpose[0] == "T" and rows % 4 == 0,
            min(rows, 16),
            whole=pack_left != "block",
        )
    return s, [A, B, *extra, C]


def _panels(product: Product, tensor: Tensor, tiles: int, width: int) -> Tensor:
    """An operand as panels of `width` rows or columns, k by k, padded with zeros."""
    is_left = tensor.name == product.names[0]
    extent = product.M if is_left else product.N

    def element(*at: Expr) -> Expr:
        *batch, tile, k, inner = at
        place = tile * width + inner
        value = product.left(tensor, *batch, place, k) if is_left else product.right(tensor, *batch, k, place)
        value = value.astype(product.precision.packed or tensor.dtype)
        return value if tiles * width == extent else te.if_then_else(place < extent, value, 0)

    return te.compute(
        product.shape(tiles, product.K, width), element, "packed_left" if is_left else "packed_right"
    )


def _pack(s: Schedule, panels: Tensor, contiguous: bool, lanes: int, *, whole: bool = True) -> None:
    """Schedule a packing stage; vectorized where it reads contiguous elements."""
    *outer, _, inner = panels.op.axis
    if whole:
        s[panels].parallel(s[panels].fuse(*outer) if len(outer) > 1 else outer[0])
    if contiguous:
        split_vectors(s, panels, inner, lanes)


def _default_tile(M: int, N: int) -> tuple[int, int]:
    """Return the tile with the least padding among those that keep both floating-point ports busy."""

    def cost(tile: tuple[int, int]) -> tuple[float, int]:
        rows, columns = tile
        covered = -(-M // rows) * rows * (-(-N // columns) * columns)
        sums = rows * columns / 16
        loads = (rows + columns / 16) / sums
        # fewer than ten accumulators do not hide the latency of an addition; more than one load for each
        # stalls, and the others come from the second-level cache
        return covered * max(1.0, 10 / sums, loads) * (1 + 0.15 * loads), TILES.index(tile)

    return min(TILES, key=cost)


def _matmul(M: int, N: int, K: int, batch: int, transpose: str, epilogue: str, dtype: str) -> Product:
    return Product(M, N, K, batch, transpose, Epilogue.parse(epilogue), PRECISIONS[dtype])


def _dense(M: int, N: int, K: int, epilogue: str, dtype: str) -> Product:
    names = ("data", "weight", "out")
    return Product(M, N, K, 0, "NT", Epilogue.parse(epilogue), PRECISIONS[dtype], names)


def _operator(
    name: str, parameters: tuple[Parameter, ...], of: Callable[..., Product], constants: tuple[str, ...] = ()
) -> Operator:
    """The operator of the products that ``of(*values)`` describes."""

    def rounding(*values: Any) -> Rounding:
        return Rounding(of(*values).K, accumulator=of(*values).precision.accumulator)

    return Operator(
        name=name,
        parameters=parameters,
        schedules={"llvm": lambda knobs, *values: packed(knobs, of(*values))},
        compute_reference=lambda inputs, *values: of(*values).reference(inputs),
        count_flops=lambda *values: of(*values).flops,
        rounding=rounding,
        compute=lambda *values: of(*values).compute(),
        check=lambda *values: of(*values).epilogue.check(name, of(*values).precision.result),
        constants=constants,
    )


MATMUL = _operator(
    "matmul",
    (
        Parameter("M"),
        Parameter("N"),
        Parameter("K"),
        Parameter("batch", "count", 0),
        Parameter("transpose", "word", "NN", ("NN", "NT", "TN", "TT")),
        EPILOGUE,
        MATRIX_DTYPE,
    ),
    _matmul,
)

DENSE = _operator(
    "dense",
    (Parameter("M"), Parameter("N"), Parameter("K"), EPILOGUE, MATRIX_DTYPE),
    _dense,
    constants=("weight", "bias"),
)

"""Matrix products over packed operands: the operators `MATMUL` and `DENSE` and their template."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from compiler import te
from compiler.backend import Target
from compiler.ir.expr import Const, Expr
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


def packed(knobs: Knobs, product: Product, target: Target) -> tuple[Schedule, list[Tensor]]:
    """Register tiles over packed operands.

    Both operands are copied so that the elements that a tile reads for one k are contiguous, padded with
    zeros to whole tiles: the hot loop then has neither conditions nor strides. The sums of a tile stay in
    registers throughout the loop over k. Tiles are traversed in blocks, so that a panel of one operand stays
    in the first-level cache and a block of the other in the second (Goto and van de Geijn, Anatomy of
    High-Performance Matrix Multiplication, section 4).

    On a target that multiplies bytes in fours, panels of bytes hold for each row or column four elements in
    succession, padded with zeros, and a step of the loop over k adds the products of all four. The
    instruction multiplies unsigned by signed bytes: of two signed operands, the panels of the left one hold
    its elements plus 128, and 128 times the sums of the columns of the right one are subtracted from the
    result.
    """
    M, N, K = product.M, product.N, product.K
    # four rows of a right operand are interleaved, which costs more than the instruction saves for one row of
    # the result
    pays = M > 1 or product.transpose[1] == "T"
    depth = 4 if pays and product.precision.of_bytes and target.hardware.byte_products else 1
    most = 16 if depth == 1 else target.lanes("int32")
    tiles = TILES if depth == 1 else _tiles(most, target.hardware.vector_registers)
    rows, columns = knobs.choice("tile", tiles, default=_default_tile(M, N, tiles, most))
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
    steps = -(-K // depth)
    k = te.reduce_axis((0, steps), "k")
    within = [te.reduce_axis((0, depth), "kq")] if depth > 1 else []
    panels_b = _panels(product, B, n_tiles, columns, depth)
    panels_a = _panels(product, A, m_tiles, rows, depth)
    plain = pack_left == "none" and M % rows == 0
    plain &= depth == 1 or (K % depth == 0 and product.transpose[0] == "N")
    excess = None if depth == 1 or plain or A.dtype == "uint8" else _column_sums(product, panels_b)

    def left(batch: Sequence[Expr], mo: Expr, mi: Expr) -> Expr:
        if plain:
            return product.left(A, *batch, mo * rows + mi, _place(k, within, depth))
        return panels_a[(*batch, mo, k, mi, *within)]

    def sums(*at: Expr) -> Expr:
        *batch, mo, no, mi, ni = at
        term = product.term(left(batch, mo, mi), panels_b[(*batch, no, k, ni, *within)])
        return te.sum(term, axis=[k, *within])

    tile = te.compute(product.shape(m_tiles, n_tiles, rows, columns), sums, "tile")

    def element(*at: Expr) -> Expr:
        *batch, i, j = at
        value = tile[(*batch, i // rows, j // columns, i % rows, j % columns)]
        if excess is not None:
            value = value - excess[(*batch, j // columns, j % columns)]
        return product.epilogue.apply(value, extra, (j,), at).astype(product.precision.result)

    C = te.compute(product.shape(M, N), element, product.names[2])

    s = te.create_schedule(C.op)
    *batch, i, j = C.op.axis
    io, ii = s[C].split(i, rows)
    jo, ji = s[C].split(j, columns)
    ib, io = s[C].split(io, min(m_block, m_tiles))
    jb, jo = s[C].split(jo, min(n_block, n_tiles))
    s[C].reorder(*batch, ib, jb, *((jo, io) if rows_inside else (io, jo)), ii, ji)
    lanes = min(columns, most)
    split_vectors(s, C, ji, lanes)
    block = s[C].fuse(*batch, ib) if batch else ib
    s[C].parallel(block)

    # complete sums over k stay in registers; partial ones are stored for a block of tiles
    whole = k_block >= K
    s[tile].compute_at(s[C], (io if rows_inside else jo) if whole else jb)
    s[tile].set_scope("local" if whole else "global")
    *tb, mo, no, mi, ni = tile.op.axis
    ko, ki = s[tile].split(k, min(k_block // depth, steps))
    ki, kl = s[tile].split(ki, min(max(unroll // depth, 1), steps))
    s[tile].reorder(*tb, ko, *((no, mo) if rows_inside else (mo, no)), ki, kl, mi, ni)
    s[tile].unroll(kl)
    s[tile].unroll(mi)
    vectors, lane = split_vectors(s, tile, ni, lanes)
    for axis in within:
        s[tile].reorder(vectors, axis, lane)
        s[tile].unroll(axis)

    _pack(s, panels_b, product.transpose[1] == "N", lanes, depth)
    if excess is not None:
        _sweep_columns(s, excess, lanes)
    if not plain:
        if pack_left == "block":
            s[panels_a].compute_at(s[C], block)
        _pack(
            s,
            panels_a,
            product.transpose[0] == "T" and rows % 4 == 0,
            min(rows, 16),
            depth,
            whole=pack_left != "block",
        )
    return s, [A, B, *extra, C]


def _place(k: Expr, within: Sequence[Expr], depth: int) -> Expr:
    """The element of the axis that is summed over."""
    return k * depth + within[0] if within else k


def _panels(product: Product, tensor: Tensor, tiles: int, width: int, depth: int) -> Tensor:
    """An operand as panels of `width` rows or columns, `depth` elements at a time, padded with zeros."""
    is_left = tensor.name == product.names[0]
    extent = product.M if is_left else product.N
    steps, axes = -(-product.K // depth), (depth,) if depth > 1 else ()

    def element(*at: Expr) -> Expr:
        *batch, tile, step, inner = at[: len(at) - len(axes)]
        place, k = tile * width + inner, _place(step, at[len(at) - len(axes) :], depth)
        value = product.left(tensor, *batch, place, k) if is_left else product.right(tensor, *batch, k, place)
        value = value.astype(product.precision.packed or tensor.dtype)
        if depth > 1 and is_left and tensor.dtype == "int8":
            value = value.astype("uint8") + 128  # wraps around: from -128 .. 127 to 0 .. 255
        inside = [place < extent] if tiles * width != extent else []
        inside += [k < product.K] if steps * depth != product.K else []
        return te.if_then_else(te.all(*inside), value, 0) if inside else value

    return te.compute(
        product.shape(tiles, steps, width, *axes), element, "packed_left" if is_left else "packed_right"
    )


def _column_sums(product: Product, panels: Tensor) -> Tensor:
    """128 times the sums of the columns of the right operand, by the same instruction."""
    *tiles, steps, width, depth = panels.shape
    k, within = te.reduce_axis((0, steps), "k"), te.reduce_axis((0, depth), "kq")
    factors = te.compute((depth,), lambda q: Const(128, "uint8"), "factors")

    def total(*at: Expr) -> Expr:
        term = product.term(factors[within], panels[(*at[:-1], k, at[-1], within)])
        return te.sum(term, axis=[k, within])

    return te.compute((*tiles, width), total, "column_sums")


def _sweep_columns(s: Schedule, sums: Tensor, lanes: int) -> None:
    """Schedule the sums of columns, whose lanes stay in registers."""
    *outer, column = sums.op.axis
    s[sums].parallel(s[sums].fuse(*outer) if len(outer) > 1 else outer[0])
    vectors, lane = s[sums].split(column, lanes)
    s[sums].reorder(vectors, *sums.op.reduce_axis, lane)
    s[sums].unroll(sums.op.reduce_axis[1])
    s[sums].vectorize(lane)


def _pack(
    s: Schedule, panels: Tensor, contiguous: bool, lanes: int, depth: int, *, whole: bool = True
) -> None:
    """Schedule a packing stage; vectorized where it reads contiguous elements."""
    axes = panels.op.axis
    within = axes[-1] if depth > 1 else None
    *outer, _, inner = axes[:-1] if depth > 1 else axes
    if whole:
        s[panels].parallel(s[panels].fuse(*outer) if len(outer) > 1 else outer[0])
    if contiguous:
        vectors, lane = split_vectors(s, panels, inner, lanes)
        if within is not None:
            s[panels].reorder(vectors, within, lane)
            s[panels].unroll(within)
    elif within is not None:
        s[panels].vectorize(within)


def _tiles(lanes: int, registers: int) -> list[tuple[int, int]]:
    """The tiles of `TILES` in vectors of `lanes` that fit in the registers."""
    tiles = [(rows, columns // 16 * lanes) for rows, columns in (*TILES, (6, 32))]
    return [(r, c) for r, c in tiles if (r + 1) * (c // lanes) + 1 <= registers]


def _default_tile(M: int, N: int, tiles: Sequence[tuple[int, int]], lanes: int) -> tuple[int, int]:
    """Return the tile with the least padding among those that keep both floating-point ports busy."""

    def cost(tile: tuple[int, int]) -> tuple[float, int]:
        rows, columns = tile
        covered = -(-M // rows) * rows * (-(-N // columns) * columns)
        sums = rows * columns / lanes
        loads = (rows + columns / lanes) / sums
        # fewer than ten accumulators do not hide the latency of an addition; more than one load for each
        # stalls, and the others come from the second-level cache
        return covered * max(1.0, 10 / sums, loads) * (1 + 0.15 * loads), tiles.index(tile)

    return min(tiles, key=cost)


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
        schedules={"llvm": lambda knobs, *values, target: packed(knobs, of(*values), target)},
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

"""Matrix products over packed operands: the operators `MATMUL` and `DENSE` and their template."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

from compiler import te
from compiler.backend import Target
from compiler.ir.dtype import bits_of, is_float
from compiler.ir.expr import Const, Expr
from compiler.ops.consumer import Consumer
from compiler.ops.epilogue import EPILOGUE, Epilogue
from compiler.ops.knobs import Knobs
from compiler.ops.loops import split_vectors, sweep
from compiler.ops.matmul.matmul import Product
from compiler.ops.matmul.vector import vector_product
from compiler.ops.operator import Operator
from compiler.ops.parameter import Parameter
from compiler.ops.precision import MATRIX_DTYPE, PRECISIONS, Grouping
from compiler.ops.rounding import Rounding
from compiler.ops.tiles import UNROLL, UNROLLED, Registers, Tile, block_in_cache, covering, ranked_tiles
from compiler.schedule.schedule import Schedule
from compiler.te.tensor import Tensor

BLOCKS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


def schedule(
    knobs: Knobs, product: Product, target: Target, constants: Sequence[str] = ()
) -> tuple[Schedule, list[Tensor]]:
    """The program of a product: of a vector and a matrix, or of two matrices.

    Parameters
    ----------
    knobs : Knobs
    product : Product
    target : Target
    constants : sequence of str
        Names of the operands that are packed once and not in each call.
    """
    # to interleave four rows of a matrix costs more than the products of bytes in fours save for one row
    in_fours = product.precision.of_bytes and target.hardware.byte_products
    if 1 in (product.M, product.N) and not (in_fours and product.transpose[1] == "T"):
        return vector_product(knobs, product, target)
    return packed(knobs, product, target, constants)


def packed(
    knobs: Knobs, product: Product, target: Target, constants: Sequence[str] = ()
) -> tuple[Schedule, list[Tensor]]:
    """Register tiles over packed operands.

    A panel of the right operand has the elements that a tile reads, contiguous for each k and padded with
    zeros to whole vectors: the hot loop then has neither conditions nor strides. By default it is packed when
    its tiles are computed, and stays in the second-level cache while all rows of the left operand are
    multiplied by it; those are read where they are, an element at a time, if each row is contiguous. The sums
    of a tile stay in registers throughout the loop over k, unless a panel of all k is larger than the cache
    (Goto and van de Geijn, Anatomy of High-Performance Matrix Multiplication, section 4, with the operands
    exchanged).

    On a target that multiplies bytes in fours, panels of bytes hold for each row or column four elements in
    succession, padded with zeros, and a step of the loop over k adds the products of all four. The
    instruction multiplies unsigned by signed bytes: of two signed operands, the panels of the left one hold
    its elements plus 128, and 128 times the sums of the columns of the right one are subtracted from the
    result. On one that multiplies int16 in pairs, bytes are converted to int16: the products of bytes of
    AVX2 would be added in 16 bits, where two of them may not fit.
    """
    M, N, K = product.M, product.N, product.K
    grouping = product.precision.grouping(target.hardware)
    depth = grouping.depth
    registers = Registers.of(target, product.precision.accumulator)
    lanes = registers.lanes
    rows, columns = knobs.choice("tile", _tiles(M, N, registers))
    m_tiles, n_tiles = covering(M, rows), covering(N, columns)
    usual = _Defaults.of(product, target, Tile(rows, columns // lanes), product.names[1] in constants)
    columns_outside = knobs.choice("outside", ("columns", "rows"), default=usual.outside) == "columns"
    m_block = knobs.choice("m_block", _blocks(M), default=usual.m_block)
    n_block = knobs.choice("n_block", _blocks(covering(N, lanes)), default=1)
    k_blocks = (*(k for k in (64, 128, 256, 512, 1024, 2048, 4096) if k < K), K)
    k_block = knobs.choice("k_block", k_blocks, default=max(k for k in k_blocks if k <= usual.k_block))
    unroll = knobs.choice("unroll_k", UNROLL, default=UNROLLED)
    rows_inside = knobs.choice("walk", ("rows inside", "columns inside")) == "rows inside"
    pack_left = knobs.choice("pack_left", ("none", "block", "whole"), default=usual.pack_left)
    pack_right = knobs.choice("pack_right", ("panel", "whole", "none"), default=usual.pack_right)

    A, B, extra = product.placeholders()
    steps = -(-K // depth)
    k = te.reduce_axis((0, steps), "k")
    within = [te.reduce_axis((0, depth), "kq")] if depth > 1 else []
    # rows whose elements are contiguous are converted where they are
    converted = None
    if grouping.dtype and product.transpose[0] == "N":
        converted = _converted(product, A, steps * depth, grouping.dtype)
    source = A if converted is None else converted
    panels_b = _panels(product, B, n_tiles, columns, grouping)
    panels_a = _panels(product, A, m_tiles, rows, grouping)
    plain = pack_left == "none"
    plain &= depth == 1 or (source.shape[-1] % depth == 0 and product.transpose[0] == "N")
    plain_right = pack_right == "none" and depth == 1
    excess = None if depth != 4 or plain or A.dtype == "uint8" else _column_sums(product, panels_b)

    def left(batch: Sequence[Expr], mo: Expr, mi: Expr) -> Expr:
        if plain:
            i = mo * rows + mi
            value = product.left(source, *batch, i, _place(k, within, depth))
            return value if M % rows == 0 else te.if_then_else(i < M, value, 0)
        return panels_a[(*batch, mo, k, mi, *within)]

    def right(batch: Sequence[Expr], no: Expr, ni: Expr) -> Expr:
        if plain_right:
            j = no * columns + ni
            value = product.right(B, *batch, k, j)
            return value if N % columns == 0 else te.if_then_else(j < N, value, 0)
        return panels_b[(*batch, no, k, ni, *within)]

    def sums(*at: Expr) -> Expr:
        *batch, mo, no, mi, ni = at
        term = product.term(left(batch, mo, mi), right(batch, no, ni))
        return te.sum(term, axis=[k, *within])

    tile = te.compute(product.shape(m_tiles, n_tiles, rows, columns), sums, "tile")

    def element(*at: Expr) -> Expr:
        *batch, i, j = at
        value = tile[(*batch, i // rows, j // columns, i % rows, j % columns)]
        if excess is not None:
            value = value - excess[(*batch, j // columns, j % columns)]
        return product.finish(value, extra, at)

    C = te.compute(product.shape(M, N), element, product.names[2])

    s = te.create_schedule(C.op)
    *batch, i, j = C.op.axis
    io, ii = s[C].split(i, rows)
    jo, ji = s[C].split(j, columns)
    ib, io = s[C].split(io, min(m_block, m_tiles))
    jb, jo = s[C].split(jo, min(n_block, n_tiles))
    outer, block = (jb, ib) if columns_outside else (ib, jb)
    s[C].reorder(*batch, outer, block, *((jo, io) if rows_inside else (io, jo)), ii, ji)
    split_vectors(s, C, ji, lanes)
    outer = s[C].fuse(*batch, outer) if batch else outer
    s[C].parallel(outer)

    # complete sums over k stay in registers; partial ones are stored for a block of tiles
    whole = k_block >= K
    s[tile].compute_at(s[C], (io if rows_inside else jo) if whole else block)
    s[tile].set_scope("local" if whole else "global")
    *tb, mo, no, mi, ni = tile.op.axis
    ko, ki = s[tile].split(k, min(covering(k_block, depth), steps))
    ki, kl = s[tile].split(ki, min(max(unroll // depth, 1), steps))
    s[tile].reorder(*tb, ko, *((no, mo) if rows_inside else (mo, no)), ki, kl, mi, ni)
    s[tile].unroll(kl)
    s[tile].unroll(mi)
    vectors, lane = split_vectors(s, tile, ni, lanes)
    for axis in within:
        s[tile].reorder(vectors, axis, lane)
        s[tile].unroll(axis)

    if not plain_right:
        here = pack_right == "panel" and depth == 1
        if here:
            s[panels_b].compute_at(s[C], outer if columns_outside else block)
        _pack(s, panels_b, product.transpose[1] == "N", lanes, depth, whole=not here)
    if excess is not None:
        _sweep_columns(s, excess, lanes)
    if plain and converted is not None:
        sweep(s, converted, target.lanes(converted.dtype))
    if not plain:
        here = pack_left == "block" and not columns_outside
        if here:
            s[panels_a].compute_at(s[C], outer)
        _pack(
            s,
            panels_a,
            product.transpose[0] == "T" and rows % 4 == 0,
            min(rows, lanes),
            depth,
            whole=not here,
        )
    return s, product.arguments(A, B, extra, C)


class _Defaults(NamedTuple):
    """What the caches and threads of a target determine, for tiles of a size."""

    outside: str
    m_block: int
    k_block: int
    pack_left: str
    pack_right: str

    @staticmethod
    def of(product: Product, target: Target, tile: Tile, constant: bool) -> _Defaults:
        """The defaults of a product in tiles of `tile`.

        `constant` says that the right operand is packed once and not in each call.
        """
        M, N, K = product.M, product.N, product.K
        types, threads = product.precision, target.hardware.threads
        grouping = types.grouping(target.hardware)
        depth = grouping.depth
        columns = tile.vectors * target.lanes(types.accumulator)
        m_tiles, n_tiles = covering(M, tile.rows), covering(N, columns)
        # all rows by one panel after the other, unless some threads would have no panel
        columns_outside = n_tiles >= threads or n_tiles >= m_tiles
        m_most = m_tiles if columns_outside else covering(m_tiles, covering(threads, n_tiles))
        size = bits_of(_packed_dtype(product, types.right or types.operand, grouping)) // 8
        k_most = block_in_cache(target, 1, columns * size, K, multiple=64)
        as_is = depth == 1 and _packed_dtype(product, types.operand, grouping) == types.operand
        # a panel that one or two tiles of rows use is read where it is, and so is a left operand that is
        # small or whose rows are contiguous
        used_once = as_is and product.transpose[1] == "N" and m_tiles <= 2
        left_as_is = as_is and (
            product.transpose[0] == "N" or block_in_cache(target, 0, K * size, M, share=0.5) == M
        )
        left_as_is |= grouping.dtype is not None and product.transpose[0] == "N"
        return _Defaults(
            outside="columns" if columns_outside else "rows",
            m_block=max(b for b in _blocks(M) if b <= m_most),
            k_block=k_most,
            pack_left="none" if left_as_is else "block",
            pack_right="whole" if constant or depth > 1 else "none" if used_once else "panel",
        )


@lru_cache(maxsize=256)
def _tiles(M: int, N: int, registers: Registers) -> tuple[tuple[int, int], ...]:
    """Rows and columns of the tiles of a result, the best first."""
    lanes = registers.lanes
    tiles = ranked_tiles(registers, lambda tile: covering(M, tile.rows) * covering(N, tile.vectors * lanes))
    return tuple((tile.rows, tile.vectors * lanes) for tile in tiles)


def _blocks(most: int) -> list[int]:
    """The numbers of tiles that a block may have, where there are `most` at most."""
    return [block for block in BLOCKS if block == 1 or block <= most]


def _packed_dtype(product: Product, dtype: str, grouping: Grouping) -> str:
    """The type of an operand in panels.

    Floats are converted once and not in the innermost loop, and so are signed bytes, which are multiplied as
    int32 where there is no instruction for them; of an unsigned one and a signed one, LLVM multiplies int16.
    """
    types = product.precision
    widened = is_float(types.accumulator) or (types.operand == "int8" and grouping.depth == 1)
    return grouping.dtype or types.packed or (types.accumulator if widened else dtype)


def _place(k: Expr, within: Sequence[Expr], depth: int) -> Expr:
    """The element of the axis that is summed over."""
    return k * depth + within[0] if within else k


def _converted(product: Product, tensor: Tensor, steps: int, dtype: str) -> Tensor:
    """The left operand in another type, its rows padded with zeros to `steps` elements."""

    def element(*at: Expr) -> Expr:
        value = product.left(tensor, *at).astype(dtype)
        return value if steps == product.K else te.if_then_else(at[-1] < product.K, value, 0)

    return te.compute(product.shape(product.M, steps), element, "converted")


def _panels(product: Product, tensor: Tensor, tiles: int, width: int, grouping: Grouping) -> Tensor:
    """An operand as panels of `width` rows or columns, a group at a time, padded with zeros."""
    depth = grouping.depth
    is_left = tensor.name == product.names[0]
    extent = product.M if is_left else product.N
    steps, axes = -(-product.K // depth), (depth,) if depth > 1 else ()

    def element(*at: Expr) -> Expr:
        *batch, tile, step, inner = at[: len(at) - len(axes)]
        place, k = tile * width + inner, _place(step, at[len(at) - len(axes) :], depth)
        value = product.left(tensor, *batch, place, k) if is_left else product.right(tensor, *batch, k, place)
        value = value.astype(_packed_dtype(product, tensor.dtype, grouping))
        if depth == 4 and is_left and tensor.dtype == "int8":
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
    *outer, step, inner = axes[:-1] if depth > 1 else axes
    if whole:
        s[panels].parallel(s[panels].fuse(*outer) if len(outer) > 1 else outer[0])
    elif contiguous:
        s[panels].reorder(step, outer[-1])
    if contiguous:
        vectors, lane = split_vectors(s, panels, inner, lanes)
        if within is not None:
            s[panels].reorder(vectors, within, lane)
            s[panels].unroll(within)
    elif within is not None:
        s[panels].vectorize(within)


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

    def template(
        knobs: Knobs, *values: Any, target: Target, consumer: Consumer | None = None
    ) -> tuple[Schedule, list[Tensor]]:
        return schedule(knobs, replace(of(*values), consumer=consumer), target, constants)

    return Operator(
        name=name,
        parameters=parameters,
        schedules={"llvm": template},
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

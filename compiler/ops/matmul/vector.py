"""Products of a matrix and a vector: a row times a matrix, or a matrix times a column."""

from __future__ import annotations

from collections.abc import Sequence

from compiler import te
from compiler.backend import Target
from compiler.ir.dtype import bits_of
from compiler.ir.expr import Expr
from compiler.ops.knobs import Knobs
from compiler.ops.loops import LaneReduction
from compiler.ops.matmul.matmul import Product
from compiler.ops.tiles import LATENCY, PORTS, Registers, block_in_cache, covering
from compiler.schedule.schedule import Schedule
from compiler.te.tensor import Tensor

BLOCKS = tuple(1 << power for power in range(4, 17))


def vector_product(knobs: Knobs, product: Product, target: Target) -> tuple[Schedule, list[Tensor]]:
    """The product where one operand is a vector: the matrix is read once, in the order of memory.

    Where the elements that one result sums over are neighbours in memory, the lanes of a vector hold
    different steps of the sum, and several results are summed side by side. Otherwise the lanes hold
    different results, and a few rows of the matrix at a time, each times an element of the vector, are added
    to all of them.
    """
    operands = _Operands(product)
    return (_dots if operands.contiguous else _scaled_rows)(knobs, operands, target)


class _Operands:
    """A product of a vector and a matrix, whichever of the two is the left operand.

    Attributes
    ----------
    length : int
        Number of results.
    contiguous : bool
        Whether the elements of the matrix that one result sums over are neighbours in memory.
    """

    def __init__(self, product: Product) -> None:
        self.product, self.by_row = product, product.M == 1
        self.left, self.right, self.extra = product.placeholders()
        self.length = product.N if self.by_row else product.M
        self.contiguous = product.transpose[1] == "T" if self.by_row else product.transpose[0] == "N"

    def term(self, batch: Sequence[Expr], k: Expr, place: Expr) -> Expr:
        """What step `k` adds to the result at a place."""
        zero = te.const(0, "int32")
        row, column = (zero, place) if self.by_row else (place, zero)
        return self.product.term(
            self.product.left(self.left, *batch, row, k), self.product.right(self.right, *batch, k, column)
        )

    def result(self, sums: Tensor) -> Tensor:
        """The output, from the sum at each place."""
        product = self.product

        def element(*at: Expr) -> Expr:
            *batch, row, column = at
            value = sums[(*batch, column if self.by_row else row)]
            return product.finish(value, self.extra, at)

        return te.compute(product.shape(product.M, product.N), element, product.names[2])

    def blocks(self, s: Schedule, out: Tensor, length: int) -> tuple[te.IterVar, te.IterVar]:
        """Divide the results among threads in blocks; the axis of blocks and the one inside of a block."""
        *batch, row, column = out.op.axis
        place, other = (column, row) if self.by_row else (row, column)
        block, inner = s[out].split(place, length)
        s[out].reorder(*batch, other, block, inner)
        block = s[out].fuse(*batch, other, block)
        s[out].parallel(block)
        return block, inner

    def arguments(self, out: Tensor) -> list[Tensor]:
        """Inputs and output."""
        return self.product.arguments(self.left, self.right, self.extra, out)


def _dots(knobs: Knobs, operands: _Operands, target: Target) -> tuple[Schedule, list[Tensor]]:
    """Dot products with the vector."""
    product = operands.product
    registers = Registers.of(target, product.precision.accumulator)
    # as many sums as hide the latency of a multiply-add; in each step they share a part of the vector
    options = [rows for rows in (1, 2, 4, 8, 16) if rows + 2 <= registers.count]
    enough = max(rows for rows in options if rows <= LATENCY * PORTS)
    rows = min(knobs.choice("rows", options, default=enough), operands.length)
    unroll = knobs.choice("unroll_k", (1, 2, 4), default=1)
    partial, sums = LaneReduction(te.sum, product.K, registers.lanes, 0, "sums").tensors(
        product.shape(operands.length), lambda *at: operands.term(at[:-2], at[-1], at[-2])
    )
    out = operands.result(sums)
    s = te.create_schedule(out.op)
    block, _ = operands.blocks(s, out, rows)
    s[sums].compute_at(s[out], block)
    s[sums].set_scope("local")
    s[partial].compute_at(s[out], block)
    s[partial].set_scope("local")
    *batch, place, lane = partial.op.axis
    (j,) = partial.op.reduce_axis
    step, inner = s[partial].split(j, min(unroll, covering(product.K, registers.lanes)))
    s[partial].reorder(*batch, step, inner, place, lane)
    s[partial].unroll(inner)
    s[partial].unroll(place)
    s[partial].vectorize(lane)
    return s, operands.arguments(out)


def _scaled_rows(knobs: Knobs, operands: _Operands, target: Target) -> tuple[Schedule, list[Tensor]]:
    """Sums of rows of the matrix, each times an element of the vector."""
    product, length = operands.product, operands.length
    types = product.precision
    lanes = target.lanes(types.accumulator)
    # all sums of a block stay in the first-level cache, and each thread has one block at least
    each = bits_of(types.accumulator) // 8
    share = covering(length, target.hardware.threads)
    fitting = block_in_cache(target, 0, each, share, multiple=lanes)
    size = knobs.choice("block", BLOCKS, default=next((b for b in BLOCKS if b >= fitting), BLOCKS[-1]))
    unroll = min(knobs.choice("unroll_k", (1, 2, 4, 8, 16), default=8), product.K)
    k = te.reduce_axis((0, product.K), "k")
    sums = te.compute(
        product.shape(length), lambda *at: te.sum(operands.term(at[:-1], k, at[-1]), axis=k), "sums"
    )
    out = operands.result(sums)
    s = te.create_schedule(out.op)
    block, inner = operands.blocks(s, out, min(size, length))
    if operands.by_row:
        _, lane = s[out].split(inner, lanes)
        s[out].vectorize(lane)
    s[sums].compute_at(s[out], block)
    *batch, place = sums.op.axis
    ko, ki = s[sums].split(k, unroll)
    vector, lane = s[sums].split(place, lanes)
    s[sums].reorder(*batch, ko, vector, ki, lane)
    s[sums].unroll(ki)
    s[sums].vectorize(lane)
    return s, operands.arguments(out)

"""The index of the largest or of the smallest element of a tensor along one of its axes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from compiler import te
from compiler.backend import Target
from compiler.ir.dtype import is_float
from compiler.ir.expr import Expr
from compiler.ops.knobs import Knobs
from compiler.ops.loops import LaneReduction, in_lanes, vector_lanes
from compiler.ops.operator import Array, Operator
from compiler.ops.parameter import Parameter
from compiler.ops.precision import dtype_parameter
from compiler.ops.rounding import Rounding
from compiler.ops.tiles import cache_bytes
from compiler.schedule.schedule import Schedule
from compiler.te.tensor import Tensor

Shape = tuple[int, ...]

# word -> (the index of the extreme, the extreme, NumPy's function)
KINDS: dict[str, tuple[Callable[..., Any], Callable[..., Expr], Callable[..., Any]]] = {
    "max": (te.argmax, te.max, np.argmax),
    "min": (te.argmin, te.min, np.argmin),
}

STEPS = 16
"""Vectors of a row at least, where the lanes would be more than half of a register."""

SHORT = 10
"""Columns up to which rows are compared side by side: LLVM unrolls the loop over the columns, and vectorizes
that over the rows."""


def compute(shape: Shape, axis: int, kind: str, dtype: str) -> list[Tensor]:
    """Find the first of equal extremes, or the first NaN."""
    x = te.placeholder(shape, "x", dtype)
    r = te.reduce_axis((0, shape[axis]), "r")
    index, _ = te.compute(
        (*shape[:axis], *shape[axis + 1 :]),
        lambda *at: KINDS[kind][0](x[(*at[:axis], r, *at[axis:])], axis=r),
        "first",
    )
    return [x, te.compute(index.shape, lambda *at: index[at], "out")]


def template(
    knobs: Knobs, shape: Shape, axis: int, kind: str, dtype: str, *, target: Target
) -> tuple[Schedule, list[Tensor]]:
    """Schedule the search for an extreme.

    Along the last axis, a row is cut into blocks. The extremes of the blocks need one instruction for each
    vector, while an index would have to be selected too; the first block that has the extreme of the row
    is then searched for it. Otherwise, and for short rows, the lanes of a vector hold different results.
    """
    columns = shape[axis]
    if prod(shape[axis + 1 :]) == 1 and (prod(shape) == columns or columns > SHORT):
        return _along_rows(knobs, shape, axis, (kind, dtype), target)
    lanes = vector_lanes(knobs, target, dtype, registers=4 if axis == len(shape) - 1 else 1)
    args = compute(shape, axis, kind, dtype)
    out = args[-1]
    (first,) = out.op.inputs
    s = te.create_schedule(out.op)
    *outer, row = out.op.axis
    row, lane = s[out].split(row, lanes)
    s[out].vectorize(lane)
    shared = s[out].fuse(*outer, row) if outer else row
    s[out].parallel(shared)
    s[first].compute_at(s[out], shared)
    if axis < len(shape) - 1:
        *outer, row = first.op.axis
        row, lane = s[first].split(row, lanes)
        s[first].reorder(*outer, row, *first.op.reduce_axis, lane)
        s[first].vectorize(lane)
    return s, args


def _along_rows(
    knobs: Knobs, shape: Shape, axis: int, what: tuple[str, str], target: Target
) -> tuple[Schedule, list[Tensor]]:
    kind, dtype = what
    columns, rows = shape[axis], (*shape[:axis], *shape[axis + 1 :])
    arg, extreme, _ = KINDS[kind]
    x = te.placeholder(shape, "x", dtype)
    # as many lanes as fill four registers; fewer for rows that these would not divide well
    width = target.lanes(dtype)
    lanes = min(4 * width, max(width // 2, 1 << (max(columns // STEPS, 1).bit_length() - 1)))
    options = [w for w in (width // 2, width, 2 * width, 4 * width, 8 * width) if w]
    lanes = knobs.choice("lanes", (lanes, *(n for n in options if n != lanes)))
    lanes = min(lanes, 1 << (columns.bit_length() - 1))
    # a row that is much larger than the first cache is worth to prefetch, and its blocks fill half of that
    size, cache = np.dtype(dtype).itemsize, cache_bytes(target, 0)
    long = columns * size >= 4 * cache
    half = 1 << ((cache // 2 // size).bit_length() - 1)
    block = knobs.choice("block", (half, 2 * half, 4 * half) if long else (half // 2, 2 * half, half // 4))
    ahead = knobs.choice("ahead", (16, 32, 0) if long else (0, 16))
    blocks = -(-columns // block)
    block = min(columns, -(-columns // (blocks * lanes)) * lanes)

    def start(b: Expr) -> Expr:
        """The first element of a block; the last block is full, as it begins in the one before it."""
        return te.minimum(b * block, columns - block)

    def at(row: Sequence[Expr], place: Expr) -> Expr:
        return x[(*row[:axis], place, *row[axis:])]

    partial, _ = LaneReduction(extreme, block, lanes, None, "wide").tensors(
        (*rows, blocks), lambda *i: at(i[:-2], start(i[-2]) + i[-1])
    )
    narrow, extremes = LaneReduction(extreme, lanes, max(1, lanes // 4), None, "extreme").tensors(
        (*rows, blocks), lambda *i: partial[i]
    )
    first = value = None
    if blocks > 1:
        b = te.reduce_axis((0, blocks), "b")
        first, value = te.compute(rows, lambda *i: arg(extremes[(*i, b)], axis=b), "first")

    def place(*i: Expr) -> Expr:
        *row, j = i
        term = at(row, j if first is None else start(first[tuple(row)]) + j)
        hit = te.equal(term, extremes[(*row, 0)] if value is None else value[tuple(row)])
        # there is a NaN only if the extreme is one, which equals nothing
        return te.select(te.any(hit, te.isnan(term)) if is_float(dtype) else hit, j, block)

    matches, out = LaneReduction(te.min, block, lanes, None, "match").tensors(rows, place)
    match = out
    if first is not None:
        out = te.compute(rows, lambda *i: start(first[i]) + match[i], "out")

    s = te.create_schedule(out.op)
    in_lanes(s, partial)
    if ahead:
        s[partial].prefetch(x, partial.op.reduce_axis[0], ahead)
    in_lanes(s, narrow)
    s[narrow].unroll(narrow.op.reduce_axis[0])
    in_lanes(s, matches)
    if out is not match:
        s[match].compute_inline()
    shared = None
    if rows:
        shared = s[out].fuse(*out.op.axis) if len(rows) > 1 else out.op.axis[0]
        s[out].parallel(shared)
        for tensor in (matches, first):
            if tensor is not None:
                s[tensor].compute_at(s[out], shared)
    if shared is not None and (first is None or prod(rows) >= 4 * target.hardware.threads):
        # a row is searched while it is in the cache
        s[extremes].compute_at(s[out], shared)
        each = extremes.op.axis[-1]
    else:
        each = s[extremes].fuse(*extremes.op.axis) if rows else extremes.op.axis[0]
        s[extremes].parallel(each)
    s[partial].compute_at(s[extremes], each)
    s[narrow].compute_at(s[extremes], each)
    return s, [x, out]


def _check(shape: Shape, axis: int, kind: str, dtype: str) -> None:
    if axis >= len(shape):
        raise ValueError(f"argmax: axis is {axis}, but the shape {shape} has {len(shape)} axes")


def _reference(inputs: list[Array], shape: Shape, axis: int, kind: str, dtype: str) -> Array:
    return np.asarray(KINDS[kind][2](inputs[0], axis=axis), dtype="int32")


ARGMAX = Operator(
    name="argmax",
    parameters=(
        Parameter("shape", "shape"),
        Parameter("axis", "count", 0),
        Parameter("kind", "word", "max", tuple(KINDS)),
        dtype_parameter("float32", "float64", "int32", "int64"),
    ),
    schedules={"llvm": template},
    compute_reference=_reference,
    count_flops=lambda shape, axis, kind, dtype: prod(shape),
    rounding=lambda shape, axis, kind, dtype: Rounding(1),
    compute=compute,
    check=_check,
)

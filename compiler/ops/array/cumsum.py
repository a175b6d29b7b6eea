"""Cumulative sums of a tensor along one of its axes."""

from __future__ import annotations

from math import prod

import numpy as np

from compiler import te
from compiler.backend import Target
from compiler.ir.expr import Expr
from compiler.ops.knobs import Knobs
from compiler.ops.loops import LaneReduction, in_lanes, vector_lanes
from compiler.ops.operator import Array, Operator
from compiler.ops.parameter import Parameter
from compiler.ops.precision import dtype_parameter
from compiler.ops.rounding import Rounding
from compiler.schedule.schedule import Schedule
from compiler.te.tensor import Tensor

Shape = tuple[int, ...]


def _sums(x: Tensor, axis: int) -> tuple[Tensor, Tensor, Tensor]:
    """The first row, the update and the scan, whose first axis is the one that is summed along."""
    extents = (x.shape[axis], *x.shape[:axis], *x.shape[axis + 1 :])

    def source(t: Expr, *other: Expr) -> Expr:
        return x[(*other[:axis], t, *other[axis:])]

    state = te.placeholder(extents, "state", x.dtype)
    first = te.compute((1, *extents[1:]), source, "first")
    update = te.compute(extents, lambda t, *other: state[(t - 1, *other)] + source(t, *other), "update")
    return first, update, te.scan(first, update, state, [x], name="sums")


def _moved(sums: Tensor, axis: int) -> Tensor:
    """The scan with its axes in the order of the input."""
    if axis == 0:
        return sums
    shape = (*sums.shape[1 : axis + 1], sums.shape[0], *sums.shape[axis + 1 :])
    return te.compute(shape, lambda *i: sums[(i[axis], *i[:axis], *i[axis + 1 :])], "out")


def compute(shape: Shape, axis: int, dtype: str) -> list[Tensor]:
    """Each element is the one before it plus the element of the input."""
    x = te.placeholder(shape, "x", dtype)
    return [x, _moved(_sums(x, axis)[-1], axis)]


def template(
    knobs: Knobs, shape: Shape, axis: int, dtype: str, *, target: Target
) -> tuple[Schedule, list[Tensor]]:
    """Schedule a cumulative sum.

    Along the last axis, a row is cut into parts of tiles of vectors: the sums of the parts are computed in
    parallel, then added up, and each part begins with what is before it. The sums inside of a vector take
    a logarithmic number of shifted additions, so that only the last lane is carried from vector to vector.
    Otherwise the lanes of a vector hold different sums.
    """
    lanes = vector_lanes(knobs, target, dtype)
    tiles = knobs.choice("tiles", (128, 32, 512))
    x = te.placeholder(shape, "x", dtype)
    if axis == len(shape) - 1:
        return _along_rows(x, shape, lanes, tiles)
    first, update, sums = _sums(x, axis)
    out = _moved(sums, axis)
    s = te.create_schedule(out.op)
    s[first].compute_inline()
    s[update].compute_inline()
    step, *others = sums.op.axis
    part, lane = s[sums].split(others[-1], lanes)
    s[sums].reorder(*others[:-1], part, step, lane)
    s[sums].vectorize(lane)
    outer = [*others[:-1], part]
    if out is not sums:
        axes = list(out.op.axis)
        part, lane = s[out].split(axes[-1], lanes)
        outer = [*axes[:axis], *axes[axis + 1 : -1], part]
        s[out].reorder(*outer, axes[axis], lane)
        s[out].vectorize(lane)
    shared = s[out].fuse(*outer) if len(outer) > 1 else outer[0]
    s[out].parallel(shared)
    if out is not sums:
        s[sums].compute_at(s[out], shared)
    return s, [x, out]


def _along_rows(x: Tensor, extents: Shape, lanes: int, tiles: int) -> tuple[Schedule, list[Tensor]]:
    *rows, columns = extents
    tiles = min(tiles, -(-columns // lanes))
    width = lanes * tiles
    parts = -(-columns // width)

    def at(place: Expr, *row: Expr) -> Expr:
        whole = columns % width == 0
        return x[(*row, place)] if whole else te.if_then_else(place < columns, x[(*row, place)], 0)

    # the sum of what is before each part
    totals = LaneReduction(te.sum, width, lanes, 0, "total").tensors(
        (*rows, parts), lambda *i: at(i[-2] * width + i[-1], *i[:-2])
    )
    state = te.placeholder((parts, *rows), "state", x.dtype)
    zero = te.compute((1, *rows), lambda *_: te.const(0, x.dtype), "zero")
    added = te.compute(
        (parts, *rows),
        lambda p, *row: state[(p - 1, *row)] + totals[1][(*row, te.maximum(p - 1, 0))],
        "added",
    )
    before = te.scan(zero, added, state, name="before")

    # the sums inside of each vector
    shape = (tiles, *rows, parts, lanes)
    inside = [te.compute(shape, lambda b, *i: at(i[-2] * width + b * lanes + i[-1], *i[:-2]), "inside")]
    step = 1
    while step < lanes:
        last = inside[-1]
        inside.append(
            te.compute(
                shape,
                lambda *i, s=step, last=last: (
                    last[i] + te.if_then_else(i[-1] >= s, last[(*i[:-1], i[-1] - s)], 0)
                ),
                f"inside{step}",
            )
        )
        step *= 2

    # from vector to vector
    state = te.placeholder(shape, "state", x.dtype)
    first = te.compute((1, *shape[1:]), lambda b, *i: inside[-1][(b, *i)] + before[(i[-2], *i[:-2])], "first")
    update = te.compute(
        shape, lambda b, *i: inside[-1][(b, *i)] + state[(b - 1, *i[:-1], lanes - 1)], "update"
    )
    sums = te.scan(first, update, state, name="sums")
    out = te.compute(
        x.shape, lambda *i: sums[(i[-1] % width // lanes, *i[:-1], i[-1] // width, i[-1] % lanes)], "out"
    )
    s = te.create_schedule(out.op)
    for tensor in (zero, added, first, update):
        s[tensor].compute_inline()
    part, place = s[out].split(out.op.axis[-1], width)
    tile, lane = s[out].split(place, lanes)
    s[out].vectorize(lane)
    shared = s[out].fuse(*out.op.axis[:-1], part) if rows else part
    s[out].parallel(shared)
    s[sums].compute_at(s[out], shared)
    s[sums].vectorize(sums.op.axis[-1])
    for tensor in inside:
        s[tensor].compute_at(s[out], shared)
        s[tensor].vectorize(tensor.op.axis[-1])
    in_lanes(s, totals[0])
    each = s[totals[1]].fuse(*totals[1].op.axis) if rows else totals[1].op.axis[0]
    s[totals[1]].parallel(each)
    s[totals[0]].compute_at(s[totals[1]], each)
    return s, [x, out]


def _check(shape: Shape, axis: int, dtype: str) -> None:
    if axis >= len(shape):
        raise ValueError(f"cumsum: axis is {axis}, but the shape {shape} has {len(shape)} axes")


def _reference(inputs: list[Array], shape: Shape, axis: int, dtype: str) -> Array:
    return np.cumsum(inputs[0], axis=axis, dtype=inputs[0].dtype)


CUMSUM = Operator(
    name="cumsum",
    parameters=(
        Parameter("shape", "shape"),
        Parameter("axis", "count", 0),
        dtype_parameter("float32", "float64", "int32", "int64"),
    ),
    schedules={"llvm": template},
    compute_reference=_reference,
    count_flops=lambda shape, axis, dtype: prod(shape),
    rounding=lambda shape, axis, dtype: Rounding(shape[axis]),
    compute=compute,
    check=_check,
)

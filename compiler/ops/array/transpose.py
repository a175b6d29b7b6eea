"""Transposition: the axes of a tensor in another order."""

from __future__ import annotations

from math import prod

import numpy as np

from compiler import te
from compiler.backend import Target
from compiler.ir.expr import Expr
from compiler.ops.knobs import Knobs
from compiler.ops.operator import Array, Operator
from compiler.ops.parameter import Parameter
from compiler.ops.precision import dtype_parameter
from compiler.ops.rounding import Rounding
from compiler.schedule.schedule import Schedule
from compiler.te.tensor import Tensor

Shape = tuple[int, ...]

ROWS = 16
"""Rows of a tile that are unrolled by default, at most: more take LLVM long to compile."""


def compute(shape: Shape, axes: Shape, dtype: str) -> list[Tensor]:
    """Axis d of the result is axis ``axes[d]`` of the tensor, as in `numpy.transpose`."""
    x = te.placeholder(shape, "x", dtype)

    def element(*at: Expr) -> Expr:
        index: list[Expr] = [at[0]] * len(shape)
        for d, axis in enumerate(axes):
            index[axis] = at[d]
        return x[tuple(index)]

    return [x, te.compute(tuple(shape[a] for a in axes), element, "out")]


def template(
    knobs: Knobs, shape: Shape, axes: Shape, dtype: str, *, target: Target
) -> tuple[Schedule, list[Tensor]]:
    """Tile the last axes of the tensor and of the result, so that reads and writes use whole cache lines.

    If they are the same axis, its elements are copied in vectors.
    """
    lanes = min(target.lanes(dtype), ROWS)
    tile = knobs.choice("tile", (lanes, 2 * lanes, max(lanes // 2, 1)) if lanes > 1 else (1, 2))
    args = compute(shape, axes, dtype)
    out = args[-1]
    s = te.create_schedule(out.op)
    stage = s[out]
    ax = list(out.op.axis)
    source = axes.index(len(shape) - 1)  # the axis of the result along which the tensor is contiguous
    last = len(axes) - 1
    if source == last:
        outer, lane = stage.split(ax[last], tile)
        stage.vectorize(lane)
        stage.parallel(stage.fuse(*ax[:-1]) if len(ax) > 2 else ax[0] if len(ax) == 2 else outer)
        return s, args
    rows, row = stage.split(ax[source], tile)
    columns, lane = stage.split(ax[last], tile)
    rest = [a for d, a in enumerate(ax) if d not in (source, last)]
    stage.reorder(*rest, rows, columns, row, lane)
    stage.vectorize(lane)
    stage.unroll(row)
    stage.parallel(stage.fuse(*rest, rows) if rest else rows)
    return s, args


def _reference(inputs: list[Array], shape: Shape, axes: Shape, dtype: str) -> Array:
    return np.ascontiguousarray(inputs[0].transpose(axes))


def _check(shape: Shape, axes: Shape, dtype: str) -> None:
    if sorted(axes) != list(range(len(shape))):
        raise ValueError(f"transpose: axes {axes} must name each of the {len(shape)} axes of {shape} once")


TRANSPOSE = Operator(
    name="transpose",
    parameters=(
        Parameter("shape", "shape"),
        Parameter("axes", "axes"),
        dtype_parameter("float32", "float64", "float16", "int64", "int32", "int16", "int8", "uint8", "bool"),
    ),
    schedules={"llvm": template},
    compute_reference=_reference,
    count_flops=lambda shape, axes, dtype: prod(shape),
    rounding=lambda shape, axes, dtype: Rounding(),
    compute=compute,
    check=_check,
    integers=(-(1 << 63), (1 << 63) - 1),
)

"""Softmax over the last axis of a matrix, and its logarithm."""

from __future__ import annotations

import numpy as np

from compiler import te
from compiler.backend import Target
from compiler.ops.knobs import Knobs
from compiler.ops.loops import LaneReduction, in_lanes, vector_lanes
from compiler.ops.operator import Array, Operator
from compiler.ops.parameter import Parameter
from compiler.ops.precision import dtype_parameter
from compiler.ops.rounding import Rounding
from compiler.schedule.schedule import Schedule
from compiler.te.tensor import Tensor


def compute(rows: int, columns: int, kind: str, dtype: str) -> list[Tensor]:
    """``exp(x - max) / sum(exp(x - max))`` for each row: the maximum is subtracted, so nothing overflows."""
    x = te.placeholder((rows, columns), "x", dtype)
    j, k = te.reduce_axis((0, columns), "j"), te.reduce_axis((0, columns), "k")
    top = te.compute((rows,), lambda i: te.max(x[i, j], axis=j), "top")
    total = te.compute((rows,), lambda i: te.sum(te.exp(x[i, k] - top[i]), axis=k), "total")
    return [x, _out(x, top, total, kind)]


def _out(x: Tensor, top: Tensor, total: Tensor, kind: str) -> Tensor:
    if kind == "softmax":
        return te.compute(x.shape, lambda i, j: te.exp(x[i, j] - top[i]) / total[i], "out")
    return te.compute(x.shape, lambda i, j: x[i, j] - top[i] - te.log(total[i]), "out")


def template(
    knobs: Knobs, rows: int, columns: int, kind: str, dtype: str, *, target: Target
) -> tuple[Schedule, list[Tensor]]:
    """Compute all steps of a row, each vectorized, while the row is in the cache; rows run in parallel."""
    lanes = vector_lanes(knobs, target, dtype, registers=2)
    x = te.placeholder((rows, columns), "x", dtype)
    lowest = te.min_value(dtype)
    tops = LaneReduction(te.max, columns, lanes, lowest, "top").tensors((rows,), lambda i, j: x[i, j])
    top = tops[-1]
    power = te.compute((rows, columns), lambda i, j: te.exp(x[i, j] - top[i]), "power")
    totals = LaneReduction(te.sum, columns, lanes, 0, "total").tensors((rows,), lambda i, j: power[i, j])
    total = totals[-1]
    if kind == "softmax":
        scale = te.compute((rows,), lambda i: 1.0 / total[i], "scale")
        out = te.compute((rows, columns), lambda i, j: power[i, j] * scale[i], "out")
    else:
        scale = te.compute((rows,), lambda i: te.log(total[i]), "shift")
        # subtracted one after the other: beside a large maximum their sum would lose the logarithm
        out = te.compute((rows, columns), lambda i, j: x[i, j] - top[i] - scale[i], "out")
    s = te.create_schedule(out.op)
    i, j = out.op.axis
    s[out].parallel(i)
    s[out].vectorize(s[out].split(j, lanes)[1])
    for tensor in (*tops, power, *totals, scale):
        s[tensor].compute_at(s[out], i)
    s[power].vectorize(s[power].split(power.op.axis[1], lanes)[1])
    for partial in (tops[0], totals[0]):
        in_lanes(s, partial)
    return s, [x, out]


def _reference(inputs: list[Array], rows: int, columns: int, kind: str, dtype: str) -> Array:
    shifted = inputs[0] - inputs[0].max(axis=1, keepdims=True)
    power = np.exp(shifted)
    total = power.sum(axis=1, keepdims=True)
    return power / total if kind == "softmax" else shifted - np.log(total)


SOFTMAX = Operator(
    name="softmax",
    parameters=(
        Parameter("rows"),
        Parameter("columns"),
        Parameter("kind", "word", "softmax", ("softmax", "log_softmax")),
        dtype_parameter("float32", "float64"),
    ),
    schedules={"llvm": template},
    compute_reference=_reference,
    count_flops=lambda rows, columns, kind, dtype: 5 * rows * columns,
    rounding=lambda rows, columns, kind, dtype: Rounding(columns),
    compute=compute,
)

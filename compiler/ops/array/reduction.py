"""Reductions of a tensor over some of its axes."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from compiler import te
from compiler.backend import Target
from compiler.ir.dtype import is_float
from compiler.ir.expr import Expr, const
from compiler.ops.knobs import Knobs
from compiler.ops.loops import LaneReduction, in_lanes, vector_lanes
from compiler.ops.operator import Array, Operator
from compiler.ops.parameter import Parameter
from compiler.ops.precision import dtype_parameter
from compiler.ops.rounding import Rounding
from compiler.schedule.schedule import Schedule
from compiler.te.tensor import Tensor

Shape = tuple[int, ...]

# word -> (reducer, the identity element of a type, NumPy's function)
KINDS: dict[str, tuple[Callable[..., Expr], Callable[[str], Expr], Callable[..., Any]]] = {
    "sum": (te.sum, lambda dtype: const(0, dtype), np.sum),
    "mean": (te.sum, lambda dtype: const(0, dtype), np.mean),
    "max": (te.max, te.min_value, np.max),
    "min": (te.min, te.max_value, np.min),
    "prod": (te.prod, lambda dtype: const(1, dtype), np.prod),
}

OF_INTEGERS = ("sum", "max", "min")
"""Kinds that reduce integers too: a product of many would overflow, a mean is a fraction."""


def _kept(shape: Shape, axes: Shape) -> Shape:
    return tuple(extent for d, extent in enumerate(shape) if d not in axes)


def _index(shape: Shape, axes: Shape, outer: tuple[Expr, ...], inner: list[Expr]) -> tuple[Expr, ...]:
    """Return an index of the tensor, from the indices of its kept axes and of its reduced axes."""
    kept, reduced = iter(outer), iter(inner)
    return tuple(next(reduced if d in axes else kept) for d in range(len(shape)))


def _scaled(total: Tensor, count: int, kind: str) -> list[Tensor]:
    if kind != "mean":
        return []
    return [te.compute(total.shape, lambda *at: total[at] * (1.0 / count), "out")]


def compute(shape: Shape, axes: Shape, kind: str, dtype: str) -> list[Tensor]:
    """One reduction over all of the axes; a mean is a sum that is divided."""
    x = te.placeholder(shape, "x", dtype)
    reduced = [te.reduce_axis((0, shape[d]), f"r{d}") for d in sorted(axes)]
    total = te.compute(
        _kept(shape, axes),
        lambda *at: KINDS[kind][0](x[_index(shape, axes, at, list(reduced))], axis=reduced),
        "total" if kind == "mean" else "out",
    )
    count = prod(shape[d] for d in axes)
    return [x, (_scaled(total, count, kind) or [total])[0]]


def template(
    knobs: Knobs, shape: Shape, axes: Shape, kind: str, dtype: str, *, target: Target
) -> tuple[Schedule, list[Tensor]]:
    """Schedule a reduction.

    If the last axis is reduced, its elements are divided among the lanes of a vector; otherwise the lanes
    hold different results.
    """
    lanes = vector_lanes(knobs, target, dtype, registers=2)
    reduce, identity, _ = KINDS[kind]
    last = len(shape) - 1
    if last not in axes:
        args = compute(shape, axes, kind, dtype)
        out = args[-1]
        s = te.create_schedule(out.op)
        total = out if kind != "mean" else s[out].op.inputs[0]
        stage = s[total]
        *outer, row = total.op.axis
        row, lane = stage.split(row, lanes)
        stage.reorder(*outer, row, *total.op.reduce_axis, lane)
        stage.vectorize(lane)
        stage.parallel(stage.fuse(*outer, row) if outer else row)
        return s, args
    x = te.placeholder(shape, "x", dtype)
    rest = tuple(d for d in axes if d != last)
    others = [te.reduce_axis((0, shape[d]), f"r{d}") for d in sorted(rest)]
    name = "total" if kind == "mean" else "out"
    partial, total = LaneReduction(reduce, shape[last], lanes, identity(dtype), name, tuple(others)).tensors(
        _kept(shape, axes), lambda *at: x[(*_index(shape[:-1], rest, at[:-1], list(others)), at[-1])]
    )
    scaled = _scaled(total, prod(shape[d] for d in axes), kind)
    out = (scaled or [total])[0]
    s = te.create_schedule(out.op)
    in_lanes(s, partial)
    if out.shape:
        stage = s[out]
        shared = stage.fuse(*out.op.axis) if len(out.shape) > 1 else out.op.axis[0]
        stage.parallel(shared)
        s[partial].compute_at(stage, shared)
        if scaled:
            s[total].compute_at(stage, shared)
    return s, [x, out]


def _reference(inputs: list[Array], shape: Shape, axes: Shape, kind: str, dtype: str) -> Array:
    return np.asarray(KINDS[kind][2](inputs[0], axis=axes), dtype=inputs[0].dtype)


def _check(shape: Shape, axes: Shape, kind: str, dtype: str) -> None:
    if len(set(axes)) != len(axes):
        raise ValueError(f"reduction: axes {axes} names an axis twice")
    for axis in axes:
        if axis >= len(shape):
            raise ValueError(
                f"reduction: axes {axes} has {axis}, but the shape {shape} has {len(shape)} axes"
            )
    if not is_float(dtype) and kind not in OF_INTEGERS:
        raise ValueError(
            f"reduction: the kind {kind!r} needs floats, not {dtype}; integers take {', '.join(OF_INTEGERS)}"
        )


REDUCTION = Operator(
    name="reduction",
    parameters=(
        Parameter("shape", "shape"),
        Parameter("axes", "axes"),
        Parameter("kind", "word", "sum", tuple(KINDS)),
        dtype_parameter("float32", "float64", "int32"),
    ),
    schedules={"llvm": template},
    compute_reference=_reference,
    count_flops=lambda shape, axes, kind, dtype: prod(shape),
    rounding=lambda shape, axes, kind, dtype: Rounding(prod(shape[d] for d in axes)),
    compute=compute,
    check=_check,
)

"""Reductions of a tensor over some of its axes."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from compiler import te
from compiler.ir.expr import Expr
from compiler.ops.knobs import Knobs
from compiler.ops.loops import in_lanes, lane_reduction
from compiler.ops.operator import Array, Operator
from compiler.ops.parameter import Parameter
from compiler.schedule.schedule import Schedule
from compiler.te.tensor import Tensor

Shape = tuple[int, ...]

# word -> (how it reduces, what changes no result, with NumPy)
KINDS: dict[str, tuple[Callable[..., Expr], float, Callable[..., Any]]] = {
    "sum": (te.sum, 0.0, np.sum),
    "mean": (te.sum, 0.0, np.mean),
    "max": (te.max, -np.inf, np.max),
    "min": (te.min, np.inf, np.min),
    "prod": (te.prod, 1.0, np.prod),
}


def _kept(shape: Shape, axes: Shape) -> Shape:
    return tuple(extent for d, extent in enumerate(shape) if d not in axes)


def _index(shape: Shape, axes: Shape, outer: tuple[Expr, ...], inner: list[Expr]) -> tuple[Expr, ...]:
    """An index of the whole tensor from those of the axes that stay and of those that go."""
    stay, go = iter(outer), iter(inner)
    return tuple(next(go if d in axes else stay) for d in range(len(shape)))


def _scaled(total: Tensor, count: int, kind: str) -> list[Tensor]:
    if kind != "mean":
        return []
    return [te.compute(total.shape, lambda *at: total[at] * (1.0 / count), "out")]


def compute(shape: Shape, axes: Shape, kind: str) -> list[Tensor]:
    """One reduction over all of the axes; a mean is a sum that is divided."""
    x = te.placeholder(shape, "x")
    reduced = [te.reduce_axis((0, shape[d]), f"r{d}") for d in sorted(axes)]
    total = te.compute(
        _kept(shape, axes),
        lambda *at: KINDS[kind][0](x[_index(shape, axes, at, list(reduced))], axis=reduced),
        "total" if kind == "mean" else "out",
    )
    count = prod(shape[d] for d in axes)
    return [x, (_scaled(total, count, kind) or [total])[0]]


def template(knobs: Knobs, shape: Shape, axes: Shape, kind: str) -> tuple[Schedule, list[Tensor]]:
    """Where the last axis goes, its elements are shared by the lanes of a vector; else the lanes are
    results.
    """
    lanes = knobs.choice("lanes", (16, 32, 8))
    reduce, identity, _ = KINDS[kind]
    last = len(shape) - 1
    if last not in axes:
        args = compute(shape, axes, kind)
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
    x = te.placeholder(shape, "x")
    rest = tuple(d for d in axes if d != last)
    others = [te.reduce_axis((0, shape[d]), f"r{d}") for d in sorted(rest)]
    partial, total = lane_reduction(
        reduce,
        shape[last],
        lanes,
        _kept(shape, axes),
        lambda *at: x[(*_index(shape[:-1], rest, at[:-1], list(others)), at[-1])],
        identity,
        "total" if kind == "mean" else "out",
        others,
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


def _reference(inputs: list[Array], shape: Shape, axes: Shape, kind: str) -> Array:
    return np.asarray(KINDS[kind][2](inputs[0], axis=axes), dtype=inputs[0].dtype)


def _check(shape: Shape, axes: Shape, kind: str) -> None:
    if len(set(axes)) != len(axes):
        raise ValueError(f"reduction: axes {axes} names an axis twice")
    for axis in axes:
        if axis >= len(shape):
            raise ValueError(
                f"reduction: axes {axes} has {axis}, but the shape {shape} has {len(shape)} axes"
            )


REDUCTION = Operator(
    name="reduction",
    parameters=(
        Parameter("shape", "shape"),
        Parameter("axes", "axes"),
        Parameter("kind", "word", "sum", tuple(KINDS)),
    ),
    compute=compute,
    template=template,
    compute_reference=_reference,
    count_flops=lambda shape, axes, kind: prod(shape),
    reduction=lambda shape, axes, kind: prod(shape[d] for d in axes),
    check=_check,
)

"""Conversions of reductions, sorting and scans along an axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from compiler.relay.importer.converter.table import (
    NodeView,
    axes_of,
    axis_of,
    converts,
    dtype_of,
    rank_of,
    shape_of,
)
from compiler.relay.importer.errors import OnnxError
from compiler.relay.language.expr import Expr

_REDUCTIONS = {
    "ReduceL1": "l1",
    "ReduceL2": "l2",
    "ReduceLogSum": "sum",
    "ReduceLogSumExp": "logsumexp",
    "ReduceMax": "max",
    "ReduceMean": "mean",
    "ReduceMin": "min",
    "ReduceProd": "prod",
    "ReduceSum": "sum",
    "ReduceSumSquare": "sum_square",
}


@converts(*_REDUCTIONS)
def _reduce(node: NodeView, x: Expr, axes: Expr | None = None) -> Expr:
    kind, rank = node.proto.op_type, rank_of(x)
    chosen = node.ints_or_attr(axes, "axes")
    keep = bool(node.attr("keepdims", 1))
    if not chosen:
        if node.attr("noop_with_empty_axes", 0):
            return _alone(node, kind, x)
        chosen = list(range(rank))
    along = axes_of(chosen, rank)
    name = _REDUCTIONS[kind]
    if dtype_of(x) == "bool" and name in ("max", "min"):
        name = "any" if name == "max" else "all"
    result = node.call(name, x, axis=along, keepdims=keep) if along else _alone(node, kind, x)
    return node.call("log", result) if kind == "ReduceLogSum" and along else result


def _alone(node: NodeView, kind: str, x: Expr) -> Expr:
    """A reduction over no axis: what it does to single elements."""
    if kind in ("ReduceL1", "ReduceL2"):
        return node.call("abs", x)
    if kind == "ReduceSumSquare":
        return node.call("multiply", x, x)
    return node.call("log", x) if kind == "ReduceLogSum" else x


@converts("ArgMax", "ArgMin")
def _arg(node: NodeView, x: Expr) -> Expr:
    return node.call(
        node.proto.op_type.lower(),
        x,
        axis=axis_of(node.attr("axis"), rank_of(x)),
        keepdims=bool(node.attr("keepdims")),
        select_last_index=bool(node.attr("select_last_index", 0)),
    )


@converts("CumSum", "CumProd")
def _cumulative(node: NodeView, x: Expr, axis: Expr) -> Expr:
    return node.call(
        node.proto.op_type.lower(),
        x,
        axis=axis_of(node.ints(axis, "axis")[0], rank_of(x)),
        exclusive=bool(node.attr("exclusive")),
        reverse=bool(node.attr("reverse")),
    )


@converts("TopK")
def _top_k(node: NodeView, x: Expr, k: Expr | None = None) -> Any:
    count = node.attr("k") if k is None else node.ints(k, "k")[0]
    axis = axis_of(node.attr("axis"), rank_of(x))
    extent = shape_of(x)[axis]
    if isinstance(extent, int) and not 0 <= count <= extent:
        raise OnnxError(f"k is {count}; the axis {axis} has {extent} elements")
    both = node.call(
        "topk",
        x,
        k=int(count),
        axis=axis,
        largest=bool(node.attr("largest", 1)),
        sorted=bool(node.attr("sorted", 1)),
    )
    return node.field(both, 0), node.field(both, 1)


@converts("Unique")
def _unique(node: NodeView, x: Expr) -> Any:
    axis = node.attr("axis")
    values = node.call("unique", x, axis=axis, sorted=bool(node.attr("sorted")))
    return [node.field(values, i) for i in range(4)]


@converts("NonZero")
def _non_zero(node: NodeView, x: Expr) -> Expr:
    return node.call("nonzero", x)


@converts("Det")
def _det(node: NodeView, x: Expr) -> Expr:
    """The determinant by elimination without pivoting is unstable, so small matrices are expanded."""
    size = node.static(x)[-1]
    if size > 3:
        raise OnnxError(
            f"the determinant of matrices larger than 3 x 3 is not supported, and these are {size} x {size}"
        )

    def at(row: int, column: int) -> Expr:
        part = node.call("take", x, node.constant(np.int64(row)), axis=rank_of(x) - 2)
        return node.call("take", part, node.constant(np.int64(column)), axis=rank_of(x) - 2)

    def minor(rows: list[int], columns: list[int]) -> Expr:
        if len(rows) == 1:
            return at(rows[0], columns[0])
        total = None
        for number, column in enumerate(columns):
            rest = [c for c in columns if c != column]
            term = node.call("multiply", at(rows[0], column), minor(rows[1:], rest))
            total = term if total is None else node.call("subtract" if number % 2 else "add", total, term)
        assert total is not None
        return total

    return minor(list(range(size)), list(range(size)))

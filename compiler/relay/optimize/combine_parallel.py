"""Parallel combination: operators on the same data with constant weights become one with more outputs."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np

from compiler.relay.infer.infer import infer_type
from compiler.relay.language.expr import Call, Constant, Expr, constant
from compiler.relay.language.module import IRModule
from compiler.relay.language.op import is_call_of, op
from compiler.relay.language.types import TensorType
from compiler.relay.language.visit import map_functions, post_order, rewrite

LEAST_BRANCHES = 2

_AXES = {"nn.conv1d": (0, 1), "nn.conv2d": (0, 1), "nn.dense": (0, -1), "nn.matmul": (-1, -1)}
"""Operator -> the axis of the output channels in the weights, and in the result."""


def combine_parallel(module: IRModule, least: int = LEAST_BRANCHES) -> IRModule:
    """Combine convolutions (and products) that read the same tensor, as the branches of an inception block or
    the queries, keys and values of attention do.

    Parameters
    ----------
    module : IRModule
    least : int
        Number of branches from which on they are combined.
    """
    infer_type(module)

    def change(function: Any) -> Any:
        branches: dict[Any, list[Call]] = defaultdict(list)
        for node in post_order(function):
            key = _key(node)
            if key is not None:
                branches[key].append(node)
        groups = {id(call): group for group in branches.values() if len(group) >= least for call in group}
        combined: dict[int, list[Expr]] = {}

        def combine(node: Any, old: Any) -> Any:
            group = groups.get(id(old))
            if group is None:
                return node
            key = id(group[0])
            if key not in combined:  # all branches read the same data, so the first has it rewritten already
                combined[key] = _combined(group, node.args[0])
            return combined[key][[id(call) for call in group].index(id(old))]

        return rewrite(function, combine)

    return map_functions(module, change)


def _key(node: Any) -> Any:
    """What the branches of a group have in common."""
    if not is_call_of(node, *_AXES) or type(node.args[1]) is not Constant:
        return None
    name, weight = node.function.name, node.args[1]
    axis, _ = _AXES[name]
    if weight.dtype == "bfloat16" or node.attrs.get("groups", 1) != 1:
        return None
    if node.attrs.get("data_layout", "NC")[:2] != "NC" or (name == "nn.matmul" and weight.data.ndim != 2):
        return None
    type_ = node.checked_type
    if (
        not isinstance(type_, TensorType)
        or not type_.concrete
        or (name == "nn.matmul" and len(type_.dims) < 2)
    ):
        return None
    shape = tuple(n for i, n in enumerate(weight.data.shape) if i != axis % weight.data.ndim)
    return id(node.args[0]), name, node.attrs, shape, weight.dtype


def _combined(group: list[Call], data: Expr) -> list[Expr]:
    """The results of the branches as slices of the result of one operator."""
    first = group[0]
    name = first.function.name  # type: ignore[attr-defined]
    axis, channel = _AXES[name]
    weights = np.concatenate([call.args[1].data for call in group], axis)  # type: ignore[attr-defined]
    whole = op(name)(data, constant(weights), **first.attrs)
    results: list[Expr] = []
    start = 0
    for call in group:
        assert isinstance(call.checked_type, TensorType)
        dims = call.checked_type.dims
        at = channel % len(dims)
        size = dims[at]
        results.append(
            op("strided_slice")(whole, begin=(start,), end=(start + size,), strides=(1,), axes=(at,))
        )
        start += size
    return results

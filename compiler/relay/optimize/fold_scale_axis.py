"""Scale folding: constant factors of channels move into the weights of convolutions and products."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from compiler.relay.infer.infer import infer_type
from compiler.relay.language.expr import Call, Constant, Expr, constant
from compiler.relay.language.module import IRModule
from compiler.relay.language.op import is_call_of, op
from compiler.relay.language.types import TensorType
from compiler.relay.language.visit import map_functions, rewrite, use_counts


@dataclass(frozen=True, slots=True)
class _Weights:
    """Where the channels of an operator with constant weights are.

    Parameters
    ----------
    output, input : int
        Axis of the output's and of the input's channels in the weights, counted from the end where negative.
    channel : int
        Axis of the channels in data and result.
    """

    output: int
    input: int
    channel: int


_CONVOLUTION = _Weights(output=0, input=1, channel=1)

LINEAR: dict[str, _Weights] = {
    "nn.conv1d": _CONVOLUTION,
    "nn.conv2d": _CONVOLUTION,
    "nn.conv3d": _CONVOLUTION,
    "nn.conv1d_transpose": _Weights(output=1, input=0, channel=1),
    "nn.conv2d_transpose": _Weights(output=1, input=0, channel=1),
    "nn.conv3d_transpose": _Weights(output=1, input=0, channel=1),
    "nn.dense": _Weights(output=0, input=1, channel=-1),
    "nn.matmul": _Weights(output=-1, input=-2, channel=-1),
}
"""Operators that are linear in their data and in their weights."""


def fold_scale_axis(module: IRModule) -> IRModule:
    """Multiply constant weights by constant factors of channels.

    Behind the operator the factor moves through sums with constants, and through relu if it is positive;
    ``relu(x * W + b) * s`` becomes ``relu(x * (W * s) + b * s)``. Each step requires that nothing else uses
    what changes.
    """
    infer_type(module)

    def change(function: Any) -> Any:
        uses = use_counts(function)

        def fold(node: Any, old: Any) -> Any:
            if is_call_of(node, "multiply"):
                for side in (0, 1):
                    factor, rest = node.args[side], node.args[1 - side]
                    if type(factor) is Constant and factor.dtype != "bfloat16":
                        scaled = _scaled(rest, old.args[1 - side], factor.data, uses)
                        if scaled is not None and scaled is not rest:
                            return scaled
            if is_call_of(node, *LINEAR):
                return _absorbed(node, old, uses)
            return node

        return rewrite(function, fold)

    return map_functions(module, change)


def _channels(data: np.ndarray, rank: int, axis: int, count: int) -> np.ndarray | None:
    """The factors of the channels, if `data` broadcasts along all other axes of a tensor of rank `rank`."""
    if data.size == 1:
        return np.full(count, data.reshape(()), data.dtype)
    axis %= rank
    shape = (1,) * (rank - data.ndim) + data.shape
    if len(shape) != rank or any(n != 1 for i, n in enumerate(shape) if i != axis) or shape[axis] != count:
        return None
    return data.reshape(count)


def _scaled(node: Any, old: Any, factor: np.ndarray, uses: dict[int, int]) -> Expr | None:
    """``node * factor`` without the product, or None."""
    if type(node) is not Call or uses.get(id(old), 0) != 1 or not old.has_type:
        return None
    type_ = old.checked_type
    if not isinstance(type_, TensorType) or not type_.concrete:
        return None
    kept = type(old) is Call and node.function is old.function
    if kept and is_call_of(node, "add", "subtract"):
        for side in (0, 1):
            bias, rest = node.args[side], node.args[1 - side]
            rest_type = old.args[1 - side].checked_type
            if (
                type(bias) is Constant
                and isinstance(rest_type, TensorType)
                and rest_type.shape == type_.shape
            ):
                inner = _scaled(rest, old.args[1 - side], factor, uses)
                if inner is None:
                    return None
                product = constant(bias.data * factor)
                if np.broadcast_shapes(product.data.shape, type_.dims) != type_.dims:
                    return None
                args = (product, inner) if side == 0 else (inner, product)
                return op(node.function.name)(*args)  # type: ignore[attr-defined]
        return None
    if kept and is_call_of(node, "nn.relu") and bool(np.all(factor > 0)):
        inner = _scaled(node.args[0], old.args[0], factor, uses)
        return None if inner is None else op("nn.relu")(inner)
    if not is_call_of(node, *LINEAR) or type(node.args[1]) is not Constant:
        return None
    where = LINEAR[node.function.name]  # type: ignore[attr-defined]
    weight = node.args[1].data
    groups = node.attrs.get("groups", 1)
    if node.args[1].dtype == "bfloat16" or (where.output == 1 and groups != 1) or _other_layout(node):
        return None
    rank = len(type_.dims)
    if node.function.name == "nn.matmul" and (weight.ndim != 2 or rank < 2):  # type: ignore[attr-defined]
        return None
    channels = _channels(factor, rank, where.channel, type_.dims[where.channel])
    if channels is None:
        return None
    return _with_weights(node, weight * _along(channels, weight.ndim, where.output))


def _absorbed(node: Call, old: Call, uses: dict[int, int]) -> Expr:
    """An operator on ``data * factor`` as one on `data`, if the factor belongs to input channels."""
    data, weight = node.args[0], node.args[1]
    if not is_call_of(data, "multiply") or type(weight) is not Constant or weight.dtype == "bfloat16":
        return node
    if _other_layout(node) or node.attrs.get("groups", 1) != 1 or uses.get(id(old.args[0]), 0) != 1:
        return node
    type_ = old.args[0].checked_type
    if not isinstance(type_, TensorType) or not type_.concrete:
        return node
    where = LINEAR[node.function.name]  # type: ignore[attr-defined]
    if node.function.name == "nn.matmul" and weight.data.ndim != 2:  # type: ignore[attr-defined]
        return node
    for side in (0, 1):
        factor, rest = data.args[side], data.args[1 - side]  # type: ignore[attr-defined]
        if type(factor) is not Constant or factor.dtype == "bfloat16":
            continue
        rest_type = old.args[0].args[1 - side].checked_type  # type: ignore[attr-defined]
        if not isinstance(rest_type, TensorType) or rest_type.shape != type_.shape:
            continue
        channels = _channels(factor.data, len(type_.dims), where.channel, type_.dims[where.channel])
        if channels is None:
            continue
        scaled = weight.data * _along(channels, weight.data.ndim, where.input)
        return op(node.function.name)(rest, constant(scaled), *node.args[2:], **node.attrs)  # type: ignore[attr-defined]
    return node


def _other_layout(node: Call) -> bool:
    return node.attrs.get("data_layout", "NCHW")[:2] != "NC" or len(node.attrs.get("data_layout", "NCHW")) > 5


def _along(channels: np.ndarray, rank: int, axis: int) -> np.ndarray:
    shape = [1] * rank
    shape[axis] = -1
    return channels.reshape(shape)


def _with_weights(node: Call, weight: np.ndarray) -> Call:
    return op(node.function.name)(node.args[0], constant(weight), *node.args[2:], **node.attrs)  # type: ignore[attr-defined]

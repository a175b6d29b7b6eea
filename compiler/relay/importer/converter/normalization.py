"""Conversions of normalizations."""

from __future__ import annotations

from typing import Any

import numpy as np

from compiler.relay.importer.converter.table import NodeView, axis_of, converts, dtype_of, rank_of, shape_of
from compiler.relay.importer.errors import OnnxError, Unsupported
from compiler.relay.language.expr import Expr


@converts("BatchNormalization")
def _batch_norm(node: NodeView, x: Expr, gamma: Expr, beta: Expr, mean: Expr, variance: Expr) -> Any:
    epsilon = node.attr("epsilon")
    if node.opset < 9 and not node.attr("spatial", 1):
        raise Unsupported("BatchNormalization with spatial=0")
    if not node.attr("training_mode", 0) and (node.opset >= 14 or not node.has_output(1)):
        wide = dtype_of(gamma)
        result = node.call(
            "nn.batch_norm", node.cast(x, wide), gamma, beta, mean, variance, axis=1, epsilon=epsilon
        )
        return node.cast(node.field(result, 0), dtype_of(x))
    result = node.call(
        "nn.batch_norm",
        x,
        gamma,
        beta,
        mean,
        variance,
        axis=1,
        epsilon=epsilon,
        training=True,
        momentum=node.attr("momentum"),
    )
    return [node.field(result, i) for i in range(3)]


@converts("InstanceNormalization")
def _instance_norm(node: NodeView, x: Expr, gamma: Expr, beta: Expr) -> Expr:
    return node.call("nn.instance_norm", x, gamma, beta, axis=1, epsilon=node.attr("epsilon"))


@converts("GroupNormalization")
def _group_norm(node: NodeView, x: Expr, gamma: Expr, beta: Expr) -> Expr:
    groups, channels = node.attr("num_groups"), node.static(x)[1]
    if groups < 1 or channels % groups:
        raise OnnxError(f"num_groups is {groups}; the input has {channels} channels")
    if node.opset < 21:  # a scale for each group, not for each channel
        gamma, beta = (node.call("repeat", p, repeats=channels // groups, axis=0) for p in (gamma, beta))
    return node.call("nn.group_norm", x, gamma, beta, num_groups=groups, axis=1, epsilon=node.attr("epsilon"))


@converts("LayerNormalization")
def _layer_norm(node: NodeView, x: Expr, gamma: Expr, beta: Expr | None = None) -> Any:
    shape, axis, kind = shape_of(x), axis_of(node.attr("axis"), rank_of(x)), dtype_of(x)
    inner = node.static(gamma, "the scale")
    if node.attr("stash_type") == 1 and kind == "float16":
        x, gamma = node.cast(x, "float32"), node.cast(gamma, "float32")
        beta = None if beta is None else node.cast(beta, "float32")
    along = tuple(range(axis, len(shape)))
    if beta is None:
        beta = node.constant(np.zeros(inner, dtype_of(gamma)))
    epsilon = node.attr("epsilon")
    if len(inner) == len(along) and shape[axis:] == inner:
        result = node.call("nn.layer_norm", x, gamma, beta, axis=along, epsilon=epsilon)
    else:
        scaled = node.call("multiply", _standardized(node, x, along, epsilon)[0], gamma)
        result = node.call("add", scaled, beta)
    result = node.cast(result, kind)
    if not node.has_output(1) and not node.has_output(2):
        return result
    _, mean, inverse = _standardized(node, x, along, epsilon)
    return result, mean, inverse


def _standardized(node: NodeView, x: Expr, along: tuple[int, ...], epsilon: float) -> tuple[Expr, Expr, Expr]:
    mean = node.call("mean", x, axis=along, keepdims=True)
    centred = node.call("subtract", x, mean)
    variance = node.call("mean", node.call("multiply", centred, centred), axis=along, keepdims=True)
    inverse = node.call("rsqrt", node.call("add", variance, node.like(epsilon, x)))
    return node.call("multiply", centred, inverse), mean, inverse


@converts("LRN")
def _lrn(node: NodeView, x: Expr) -> Expr:
    return node.call(
        "nn.lrn",
        x,
        size=node.attr("size"),
        axis=1,
        bias=node.attr("bias"),
        alpha=node.attr("alpha"),
        beta=node.attr("beta"),
    )


@converts("LpNormalization")
def _lp_normalization(node: NodeView, x: Expr) -> Expr:
    axis, p = axis_of(node.attr("axis"), rank_of(x)), node.attr("p")
    if p not in (1, 2):
        raise OnnxError(f"p is {p}; 1 and 2 exist")
    norm = node.call(f"l{p}", x, axis=(axis,), keepdims=True)
    nothing = node.call("equal", norm, node.like(0, norm))
    safe = node.call("where", nothing, node.like(1, norm), norm)
    return node.call("divide", x, safe)

"""Conversions of quantized operators."""

from __future__ import annotations

from typing import Any

import numpy as np

from compiler.relay.importer.converter.layers import conv_options, spatial
from compiler.relay.importer.converter.table import NodeView, axis_of, converts, dtype_of, rank_of, shape_of
from compiler.relay.importer.errors import OnnxError
from compiler.relay.importer.tensors import element_type
from compiler.relay.language.expr import Expr


def _axis(node: NodeView, x: Expr, scale: Expr) -> int:
    """The axis of the scales; where there is one scale, any."""
    if rank_of(scale) == 0 or not rank_of(x):
        return 0
    return axis_of(node.attr("axis", 1), rank_of(x)) if rank_of(x) > 1 or rank_of(scale) > 1 else 0


@converts("QuantizeLinear")
def _quantize(node: NodeView, x: Expr, scale: Expr, zero: Expr | None = None) -> Expr:
    declared = node.attr("output_dtype", 0)
    kind = (
        dtype_of(zero) if zero is not None else element_type(declared, "the result") if declared else "uint8"
    )
    if zero is None:
        zero = node.constant(np.zeros((), kind))
    return node.call(
        "qnn.quantize",
        x,
        scale,
        zero,
        axis=_axis(node, x, scale),
        block_size=node.attr("block_size", 0),
        out_dtype=kind,
    )


@converts("DequantizeLinear")
def _dequantize(node: NodeView, x: Expr, scale: Expr, zero: Expr | None = None) -> Expr:
    if zero is None:
        zero = node.constant(np.zeros((), dtype_of(x)))
    declared = node.attr("output_dtype", 0)
    result = node.call(
        "qnn.dequantize", x, scale, zero, axis=_axis(node, x, scale), block_size=node.attr("block_size", 0)
    )
    return node.cast(result, element_type(declared, "the result")) if declared else result


@converts("DynamicQuantizeLinear")
def _dynamic_quantize(node: NodeView, x: Expr) -> Any:
    result = node.call("qnn.dynamic_quantize", x)
    return [node.field(result, i) for i in range(3)]


@converts("MatMulInteger")
def _matmul_integer(
    node: NodeView, a: Expr, b: Expr, zero_a: Expr | None = None, zero_b: Expr | None = None
) -> Expr:
    return node.call("qnn.matmul_integer", a, b, _zero(node, zero_a, a), _zero(node, zero_b, b))


def _zero(node: NodeView, zero: Expr | None, operand: Expr) -> Expr:
    return node.constant(np.zeros((), dtype_of(operand))) if zero is None else zero


@converts("ConvInteger")
def _conv_integer(
    node: NodeView, x: Expr, w: Expr, zero_x: Expr | None = None, zero_w: Expr | None = None
) -> Expr:
    return node.call(
        f"qnn.conv{spatial(node, x)}d",
        x,
        w,
        _zero(node, zero_x, x),
        _zero(node, zero_w, w),
        **conv_options(node, x, w),
    )


@converts("QLinearConv")
def _quantized_conv(node: NodeView, *inputs: Expr) -> Expr:
    x, scale_x, zero_x, w, scale_w, zero_w, scale_y, zero_y, *bias = inputs
    total = node.call(f"qnn.conv{spatial(node, x)}d", x, w, zero_x, zero_w, **conv_options(node, x, w))
    if bias:
        total = node.call("nn.bias_add", total, bias[0], axis=1)
    if rank_of(scale_w) == 1 and shape_of(scale_w) != (1,):
        scale_w = node.call("reshape", scale_w, newshape=(-1, *[1] * (rank_of(x) - 2)))
    else:
        scale_w = node.call("reshape", scale_w, newshape=())
    return _rescaled(node, total, [scale_x, scale_w], scale_y, zero_y)


@converts("QLinearMatMul")
def _quantized_matmul(node: NodeView, *inputs: Expr) -> Expr:
    a, scale_a, zero_a, b, scale_b, zero_b, scale_y, zero_y = inputs
    if rank_of(scale_a) == 1 and shape_of(scale_a) != (1,):
        scale_a = node.call("reshape", scale_a, newshape=(-1, 1))
    total = node.call("qnn.matmul_integer", a, b, zero_a, zero_b)
    return _rescaled(node, total, [scale_a, scale_b], scale_y, zero_y)


def _rescaled(node: NodeView, total: Expr, scales: list[Expr], scale: Expr, zero: Expr) -> Expr:
    """Sums of products of integers as integers of the result's scale."""
    first, second = (_flat(node, s) for s in scales)
    factor = node.call("divide", node.call("multiply", first, second), _flat(node, scale))
    real = node.call("multiply", node.cast(total, "float32"), node.cast(factor, "float32"))
    kind = dtype_of(zero)
    if kind not in ("int8", "uint8"):
        raise OnnxError(f"the result is {kind}; int8 and uint8 are supported")
    shifted = node.call("add", node.call("round", real), node.cast(_flat(node, zero), "float32"))
    limits = np.iinfo(kind)
    return node.cast(node.call("clip", shifted, a_min=float(limits.min), a_max=float(limits.max)), kind)


def _flat(node: NodeView, value: Expr) -> Expr:
    return node.call("reshape", value, newshape=()) if shape_of(value) == (1,) else value

"""Conversions of operators that act on each element, with broadcasting, and of activations."""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np

from compiler.relay.importer.converter.table import (
    NodeView,
    axis_of,
    converts,
    dtype_of,
    rank_of,
    shape_of,
)
from compiler.relay.importer.errors import Unsupported
from compiler.relay.importer.tensors import element_type
from compiler.relay.language.expr import Constant, Expr
from compiler.relay.language.types import AnyDim

_UNARY = {
    "Abs": "abs",
    "Acos": "acos",
    "Acosh": "acosh",
    "Asin": "asin",
    "Asinh": "asinh",
    "Atan": "atan",
    "Atanh": "atanh",
    "BitwiseNot": "bitwise_not",
    "Ceil": "ceil",
    "Cos": "cos",
    "Cosh": "cosh",
    "Erf": "erf",
    "Exp": "exp",
    "Floor": "floor",
    "HardSwish": "nn.hard_swish",
    "IsNaN": "isnan",
    "Log": "log",
    "Mish": "nn.mish",
    "Neg": "negative",
    "Not": "logical_not",
    "Reciprocal": "reciprocal",
    "Relu": "nn.relu",
    "Round": "round",
    "Sigmoid": "sigmoid",
    "Sign": "sign",
    "Sin": "sin",
    "Sinh": "sinh",
    "Softplus": "nn.softplus",
    "Softsign": "nn.softsign",
    "Sqrt": "sqrt",
    "Tan": "tan",
    "Tanh": "tanh",
}

_BINARY = {
    "Add": "add",
    "And": "logical_and",
    "BitwiseAnd": "bitwise_and",
    "BitwiseOr": "bitwise_or",
    "BitwiseXor": "bitwise_xor",
    "Div": "divide",
    "Equal": "equal",
    "Greater": "greater",
    "GreaterOrEqual": "greater_equal",
    "Less": "less",
    "LessOrEqual": "less_equal",
    "Mul": "multiply",
    "Or": "logical_or",
    "PRelu": "nn.prelu",
    "Sub": "subtract",
    "Xor": "logical_xor",
}


@converts(*_UNARY)
def _unary(node: NodeView, x: Expr) -> Expr:
    return node.call(_UNARY[node.proto.op_type], x)


@converts(*(set(_BINARY) - {"PRelu"}))
def _binary(node: NodeView, a: Expr, b: Expr) -> Expr:
    if node.opset < 7 and node.attr("broadcast", 0):
        b = _aligned(node, a, b)
    return node.call(_BINARY[node.proto.op_type], a, b)


def _aligned(node: NodeView, a: Expr, b: Expr) -> Expr:
    """Until opset 6 the axes of the second operand are those of the first from `axis` on."""
    axis = node.attr("axis")
    missing = 0 if axis is None else rank_of(a) - axis_of(axis, rank_of(a)) - rank_of(b)
    return node.call("expand_dims", b, axis=rank_of(b), num_newaxis=missing) if missing > 0 else b


@converts("Identity")
def _identity(node: NodeView, x: Expr) -> Expr:
    return x


@converts("Pow")
def _pow(node: NodeView, x: Expr, exponent: Expr) -> Expr:
    if node.opset < 7 and node.attr("broadcast", 0):
        exponent = _aligned(node, x, exponent)
    kind, other = dtype_of(x), dtype_of(exponent)
    if kind == other:
        return node.call("power", x, exponent)
    wide = str(np.promote_types(kind, other))
    return node.cast(node.call("power", node.cast(x, wide), node.cast(exponent, wide)), kind)


@converts("Mod")
def _mod(node: NodeView, a: Expr, b: Expr) -> Expr:
    return node.call("fmod" if node.attr("fmod") else "mod", a, b)


@converts("BitShift")
def _bit_shift(node: NodeView, a: Expr, b: Expr) -> Expr:
    return node.call("left_shift" if node.attr("direction") == "LEFT" else "right_shift", a, b)


@converts("Max", "Min", "Sum", "Mean")
def _variadic(node: NodeView, *values: Expr) -> Expr:
    name = {"Max": "maximum", "Min": "minimum"}.get(node.proto.op_type, "add")
    total = reduce(lambda a, b: node.call(name, a, b), values)
    if node.proto.op_type == "Mean":
        total = node.call("divide", total, node.like(len(values), total))
    return total


@converts("Where")
def _where(node: NodeView, condition: Expr, x: Expr, y: Expr) -> Expr:
    return node.call("where", condition, x, y)


@converts("Cast")
def _cast(node: NodeView, x: Expr) -> Expr:
    return node.cast(x, element_type(node.attr("to"), "the result"))


@converts("CastLike")
def _cast_like(node: NodeView, x: Expr, like: Expr) -> Expr:
    return node.cast(x, dtype_of(like))


@converts("BitCast")
def _bit_cast(node: NodeView, x: Expr) -> Expr:
    to = element_type(node.attr("to"), "the result")
    if dtype_of(x) == "bool" and to in ("uint8", "int8"):
        return node.cast(x, to)  # a byte of 0 or 1
    return x if to == dtype_of(x) else node.call("reinterpret", x, dtype=to)


@converts("Clip")
def _clip(node: NodeView, x: Expr, low: Expr | None = None, high: Expr | None = None) -> Expr:
    if node.opset < 11:
        low, high = node.like(node.attr("min"), x), node.like(node.attr("max"), x)
    is_float = dtype_of(x).startswith("float")
    fixed = all(b is None or (isinstance(b, Constant) and b.data.size == 1) for b in (low, high))
    if is_float and fixed and low is not None and high is not None:
        return node.call("clip", x, a_min=_number(low), a_max=_number(high))
    if low is not None:
        x = node.call("maximum", x, low)
    return x if high is None else node.call("minimum", x, high)


def _number(expr: Any) -> float:
    return float(expr.data.reshape(()))


@converts("IsInf")
def _is_inf(node: NodeView, x: Expr) -> Expr:
    return node.call(
        "isinf",
        x,
        detect_negative=bool(node.attr("detect_negative")),
        detect_positive=bool(node.attr("detect_positive")),
    )


@converts("Elu")
def _elu(node: NodeView, x: Expr) -> Expr:
    return node.call("nn.elu", x, alpha=node.attr("alpha"))


@converts("Celu")
def _celu(node: NodeView, x: Expr) -> Expr:
    return node.call("nn.celu", x, alpha=node.attr("alpha"))


@converts("Selu")
def _selu(node: NodeView, x: Expr) -> Expr:
    return node.call("nn.selu", x, alpha=node.attr("alpha"), gamma=node.attr("gamma"))


@converts("LeakyRelu")
def _leaky_relu(node: NodeView, x: Expr) -> Expr:
    return node.call("nn.leaky_relu", x, alpha=node.attr("alpha"))


@converts("HardSigmoid")
def _hard_sigmoid(node: NodeView, x: Expr) -> Expr:
    return node.call("nn.hard_sigmoid", x, alpha=node.attr("alpha"), beta=node.attr("beta"))


@converts("Gelu")
def _gelu(node: NodeView, x: Expr) -> Expr:
    return node.call("nn.gelu", x, approximate=node.attr("approximate"))


@converts("Swish")
def _swish(node: NodeView, x: Expr) -> Expr:
    return node.call(
        "multiply", x, node.call("sigmoid", node.call("multiply", x, node.like(node.attr("alpha"), x)))
    )


@converts("PRelu")
def _prelu(node: NodeView, x: Expr, slope: Expr) -> Expr:
    if node.opset < 7 and rank_of(slope) == 1 and rank_of(x) > 2:  # a slope for each channel
        slope = node.call("expand_dims", slope, axis=1, num_newaxis=rank_of(x) - 2)
    return node.call("where", node.call("less", x, node.like(0, x)), node.call("multiply", x, slope), x)


@converts("ThresholdedRelu")
def _thresholded_relu(node: NodeView, x: Expr) -> Expr:
    return node.call("where", node.call("greater", x, node.like(node.attr("alpha"), x)), x, node.like(0, x))


@converts("Shrink")
def _shrink(node: NodeView, x: Expr) -> Expr:
    limit, bias = node.attr("lambd"), node.like(node.attr("bias"), x)
    below = node.call(
        "where", node.call("less", x, node.like(-limit, x)), node.call("add", x, bias), node.like(0, x)
    )
    return node.call(
        "where", node.call("greater", x, node.like(limit, x)), node.call("subtract", x, bias), below
    )


@converts("Softmax", "LogSoftmax", since=13)
def _softmax(node: NodeView, x: Expr) -> Expr:
    name = "nn.softmax" if node.proto.op_type == "Softmax" else "nn.log_softmax"
    return node.call(name, x, axis=axis_of(node.attr("axis"), rank_of(x)))


@converts("Softmax", "LogSoftmax", "Hardmax", until=12)
def _flat_softmax(node: NodeView, x: Expr) -> Expr:
    """Until opset 12 the axes from `axis` on count as one."""
    shape, axis = shape_of(x), axis_of(node.attr("axis"), rank_of(x))
    if axis == len(shape) - 1:
        return _last(node, x, axis)
    if any(isinstance(d, AnyDim) for d in shape[axis:]):
        node.static(x)
    inner = int(np.prod(shape[axis:], dtype="int64"))
    flat = node.call("reshape", x, newshape=(-1, inner))
    return node.call("reshape", _last(node, flat, 1), newshape=_reshaped(node, x))


def _reshaped(node: NodeView, x: Expr) -> tuple[int, ...]:
    shape = shape_of(x)
    if sum(isinstance(d, AnyDim) for d in shape) > 1:
        node.static(x)
    return tuple(-1 if isinstance(d, AnyDim) else d for d in shape)


def _last(node: NodeView, x: Expr, axis: int) -> Expr:
    if node.proto.op_type == "Hardmax":
        return _hardmax_along(node, x, axis)
    return node.call("nn.softmax" if node.proto.op_type == "Softmax" else "nn.log_softmax", x, axis=axis)


@converts("Hardmax", since=13)
def _hardmax(node: NodeView, x: Expr) -> Expr:
    return _hardmax_along(node, x, axis_of(node.attr("axis"), rank_of(x)))


def _hardmax_along(node: NodeView, x: Expr, axis: int) -> Expr:
    depth = node.static(x)[axis]
    index = node.call("argmax", x, axis=axis, keepdims=False)
    return node.call("one_hot", index, node.like(1, x), node.like(0, x), depth=depth, axis=axis)


@converts("Dropout")
def _dropout(node: NodeView, x: Expr, ratio: Expr | None = None, training: Expr | None = None) -> Any:
    is_training = training is not None and bool(node.value(training, "training_mode").reshape(()))
    rate = node.attr("ratio", 0.5) if ratio is None else float(node.value(ratio, "ratio").reshape(()))
    if is_training and rate:
        raise Unsupported("Dropout in training mode, which draws random numbers")
    if not node.has_output(1):
        return x
    mask = node.call("ones_like", x)
    return x, node.cast(mask, "bool" if node.opset >= 10 else dtype_of(x))

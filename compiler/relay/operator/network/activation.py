"""Activations element by element, and the softmax along an axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from compiler import te
from compiler.ops import SOFTMAX
from compiler.relay.infer.relations import (
    broadcast_shapes,
    forward,
    normalized_axis,
    rank,
    same_dtype,
    tensor,
)
from compiler.relay.language.attributes import Attribute, Attrs
from compiler.relay.language.expr import Call, Expr
from compiler.relay.language.op import Fuse, Op, Template, op
from compiler.relay.language.types import TensorType, Type
from compiler.relay.operator.arithmetic import read, sum_to
from compiler.relay.operator.elementwise import (
    add,
    check_dtype,
    divide,
    erf,
    multiply,
    number,
    quiet,
    sigmoid,
    subtract,
    unary,
    where,
    zeros_like,
)
from compiler.relay.operator.network.product import accumulator, scheduled

Array = np.ndarray
SELU_ALPHA = 1.67326319217681884765625
SELU_GAMMA = 1.05070102214813232421875


def _float(name: str, default: float) -> Attribute:
    return Attribute(name, "float", default)


def _positive(x: Expr) -> Expr:
    return op("greater")(x, zeros_like(x))


def _split(x: Expr, above: Expr, below: Expr) -> Expr:
    """`above` where `x` is positive, else `below`."""
    return where(_positive(x), above, below)


def _softplus(x: Array) -> Array:
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def _te_softplus(x: Any) -> Any:
    return te.maximum(x, 0) + te.log1p(te.exp(0 - te.abs(x)))


def _constant(x: Any, value: float) -> Any:
    """A number of the element type of an expression."""
    return te.const(value, x.dtype)


# gelu ----------------------------------------------------------------------------------------------------

_ROOT = math.sqrt(2 / math.pi)


def _gelu(attrs: Attrs, x: Array) -> Array:
    if attrs.approximate == "tanh":
        return x * 0.5 * (1 + np.tanh(_ROOT * (x + 0.044715 * x * x * x)))
    return x * 0.5 * (1 + erf(x * math.sqrt(0.5)))


def _te_gelu(attrs: Attrs, x: Any) -> Any:
    half, one = _constant(x, 0.5), _constant(x, 1)
    if attrs.approximate == "tanh":
        inner = _constant(x, _ROOT) * (x + _constant(x, 0.044715) * x * x * x)
        return x * half * (one + te.tanh(inner))
    return x * half * (one + te.erf(x * _constant(x, math.sqrt(0.5))))


def _gelu_gradient(x: Expr, y: Call, g: Expr) -> Expr:
    square = multiply(x, x)
    if y.attrs.approximate == "tanh":
        cubic = multiply(number(0.044715, x), multiply(square, x))
        curve = op("tanh")(multiply(number(_ROOT, x), add(x, cubic)))
        slope = multiply(number(_ROOT, x), add(number(1, x), multiply(number(3 * 0.044715, x), square)))
        rising = multiply(multiply(x, subtract(number(1, x), multiply(curve, curve))), slope)
        return multiply(g, multiply(number(0.5, x), add(add(number(1, x), curve), rising)))
    below = multiply(number(0.5, x), add(number(1, x), op("erf")(multiply(x, number(math.sqrt(0.5), x)))))
    density = multiply(number(1 / math.sqrt(2 * math.pi), x), op("exp")(multiply(square, number(-0.5, x))))
    return multiply(g, add(below, multiply(x, density)))


# others --------------------------------------------------------------------------------------------------


def _celu(attrs: Attrs, x: Array) -> Array:
    return np.maximum(x, 0) + np.minimum(0, attrs.alpha * np.expm1(x / attrs.alpha))


def _te_exponential(x: Any, alpha: float, scale: float, divisor: float = 1.0) -> Any:
    """``scale * x`` where x is positive, else ``scale * alpha * (exp(x / divisor) - 1)``."""
    low = te.minimum(x, 0)
    low = low if divisor == 1.0 else low / _constant(x, divisor)
    return te.select(x > 0, _constant(x, scale) * x, _constant(x, scale * alpha) * te.expm1(low))


def _exponential_gradient(alpha: float, scale: float, divisor: float, x: Expr, g: Expr) -> Expr:
    low = multiply(op("minimum")(x, number(0, x)), number(1 / divisor, x))
    below = multiply(number(scale * alpha / divisor, x), op("exp")(low))
    return _split(x, multiply(g, number(scale, x)), multiply(g, below))


def _hard_sigmoid(attrs: Attrs, x: Array) -> Array:
    return np.clip(attrs.alpha * x + attrs.beta, 0, 1)


def _te_hard_sigmoid(x: Any, alpha: float, beta: float) -> Any:
    return te.maximum(te.minimum(x * _constant(x, alpha) + _constant(x, beta), 1), 0)


def _inside(value: Expr, x: Expr, low: float, high: float) -> Expr:
    """Whether a value of the element type of `x` is between two numbers."""
    return op("logical_and")(op("greater")(value, number(low, x)), op("less")(value, number(high, x)))


def _hard_sigmoid_gradient(x: Expr, y: Call, g: Expr) -> Expr:
    alpha, beta = y.attrs.alpha, y.attrs.beta
    line = add(multiply(number(alpha, x), x), number(beta, x))
    return where(_inside(line, x, 0, 1), multiply(g, number(alpha, x)), zeros_like(x))


def _hard_swish_gradient(x: Expr, y: Call, g: Expr) -> Expr:
    slope = add(multiply(number(1 / 3, x), x), number(0.5, x))
    above = where(op("greater_equal")(x, number(3, x)), g, zeros_like(x))
    return where(_inside(x, x, -3, 3), multiply(g, slope), above)


def _mish_gradient(x: Expr, y: Call, g: Expr) -> Expr:
    curve, logistic = op("tanh")(op("nn.softplus")(x)), op("sigmoid")(x)
    inner = multiply(multiply(x, logistic), subtract(number(1, x), multiply(curve, curve)))
    return multiply(g, add(curve, inner))


def _swish_gradient(x: Expr, y: Call, g: Expr) -> Expr:
    alpha = number(y.attrs.alpha, x)
    logistic = op("sigmoid")(multiply(alpha, x))
    inner = multiply(multiply(alpha, x), multiply(logistic, subtract(number(1, x), logistic)))
    return multiply(g, add(logistic, inner))


def _softsign_gradient(x: Expr, y: Call, g: Expr) -> Expr:
    below = add(number(1, x), op("abs")(x))
    return divide(g, multiply(below, below))


def _te_shrink(attrs: Attrs, x: Any) -> Any:
    bias, zero = _constant(x, attrs.bias), _constant(x, 0)
    rest = te.select(x > _constant(x, attrs.lambd), x - bias, zero)
    return te.select(x < _constant(x, -attrs.lambd), x + bias, rest)


def _shrink_gradient(x: Expr, y: Call, g: Expr) -> Expr:
    lambd = y.attrs.lambd
    outside = op("logical_or")(op("less")(x, number(-lambd, x)), op("greater")(x, number(lambd, x)))
    return where(outside, g, zeros_like(x))


_ELEMENTWISE = (
    unary(
        "nn.relu",
        lambda attrs, x: np.maximum(x, 0),
        lambda attrs, x: te.maximum(x, 0),
        lambda x, y, g: _split(x, g, zeros_like(x)),
        takes="a number",
        doc="The larger of an element and zero.",
    ),
    unary(
        "nn.leaky_relu",
        lambda attrs, x: np.where(x > 0, x, x * x.dtype.type(attrs.alpha)),
        lambda attrs, x: te.select(x > 0, x, x * _constant(x, attrs.alpha)),
        lambda x, y, g: _split(x, g, multiply(g, number(y.attrs.alpha, x))),
        attributes=(_float("alpha", 0.01),),
        doc="Negative elements are multiplied by alpha.",
    ),
    unary(
        "nn.thresholded_relu",
        lambda attrs, x: np.where(x > attrs.alpha, x, 0).astype(x.dtype),
        lambda attrs, x: te.select(x > _constant(x, attrs.alpha), x, _constant(x, 0)),
        lambda x, y, g: where(op("greater")(x, number(y.attrs.alpha, x)), g, zeros_like(x)),
        attributes=(_float("alpha", 1.0),),
        doc="Zero, but for the elements above alpha.",
    ),
    unary(
        "nn.elu",
        lambda attrs, x: np.where(x > 0, x, attrs.alpha * np.expm1(np.minimum(x, 0))),
        lambda attrs, x: _te_exponential(x, attrs.alpha, 1.0),
        lambda x, y, g: _exponential_gradient(y.attrs.alpha, 1.0, 1.0, x, g),
        attributes=(_float("alpha", 1.0),),
        doc="alpha (exp(x) - 1) of negative elements (arXiv 1511.07289).",
    ),
    unary(
        "nn.selu",
        lambda attrs, x: attrs.gamma * np.where(x > 0, x, attrs.alpha * np.expm1(np.minimum(x, 0))),
        lambda attrs, x: _te_exponential(x, attrs.alpha, attrs.gamma),
        lambda x, y, g: _exponential_gradient(y.attrs.alpha, y.attrs.gamma, 1.0, x, g),
        attributes=(_float("alpha", SELU_ALPHA), _float("gamma", SELU_GAMMA)),
        doc="A scaled elu (arXiv 1706.02515).",
    ),
    unary(
        "nn.celu",
        _celu,
        lambda attrs, x: _te_exponential(x, attrs.alpha, 1.0, attrs.alpha),
        lambda x, y, g: _exponential_gradient(y.attrs.alpha, 1.0, y.attrs.alpha, x, g),
        attributes=(_float("alpha", 1.0),),
        doc="alpha (exp(x / alpha) - 1) of negative elements (arXiv 1704.07483).",
    ),
    unary(
        "nn.gelu",
        _gelu,
        _te_gelu,
        _gelu_gradient,
        attributes=(Attribute("approximate", "str", "none", ("none", "tanh")),),
        doc="x times the normal distribution function of x (arXiv 1606.08415).",
    ),
    unary(
        "nn.hard_sigmoid",
        _hard_sigmoid,
        lambda attrs, x: _te_hard_sigmoid(x, attrs.alpha, attrs.beta),
        _hard_sigmoid_gradient,
        attributes=(_float("alpha", 0.2), _float("beta", 0.5)),
        doc="alpha x + beta between zero and one.",
    ),
    unary(
        "nn.hard_swish",
        lambda attrs, x: x * np.clip(x / 6 + 0.5, 0, 1),
        lambda attrs, x: x * _te_hard_sigmoid(x, 1 / 6, 0.5),
        _hard_swish_gradient,
        doc="x times its hard sigmoid (arXiv 1905.02244).",
    ),
    unary(
        "nn.softplus",
        lambda attrs, x: _softplus(x),
        lambda attrs, x: _te_softplus(x),
        lambda x, y, g: multiply(g, op("sigmoid")(x)),
        doc="log(1 + exp(x)).",
    ),
    unary(
        "nn.softsign",
        lambda attrs, x: x / (1 + np.abs(x)),
        lambda attrs, x: x / (te.abs(x) + 1),
        _softsign_gradient,
        doc="x / (1 + |x|).",
    ),
    unary(
        "nn.mish",
        lambda attrs, x: x * np.tanh(_softplus(x)),
        lambda attrs, x: x * te.tanh(_te_softplus(x)),
        _mish_gradient,
        doc="x times the hyperbolic tangent of its softplus (arXiv 1908.08681).",
    ),
    unary(
        "nn.swish",
        lambda attrs, x: x * sigmoid(attrs.alpha * x),
        lambda attrs, x: x * te.sigmoid(x * _constant(x, attrs.alpha)),
        _swish_gradient,
        attributes=(_float("alpha", 1.0),),
        doc="x times the logistic function of alpha x (arXiv 1710.05941).",
    ),
    unary(
        "nn.shrink",
        lambda attrs, x: (
            np.where(x < -attrs.lambd, x + attrs.bias, np.where(x > attrs.lambd, x - attrs.bias, 0))
        ).astype(x.dtype),
        _te_shrink,
        _shrink_gradient,
        takes="a number",
        attributes=(_float("lambd", 0.5), _float("bias", 0.0)),
        doc="Zero between -lambd and lambd; outside moved by bias to zero.",
    ),
)


# prelu ---------------------------------------------------------------------------------------------------


def _prelu_type(attrs: Attrs, x: Type, slope: Type) -> Type:
    data, weight = tensor(x), tensor(slope, "the slope")
    check_dtype(data, "a number")
    same_dtype(data, weight)
    if broadcast_shapes(data.shape, weight.shape) != tuple(data.shape):  # type: ignore[arg-type]
        raise ValueError(f"the slope {weight} cannot be broadcast to {data}")
    return data


def _prelu_compute(attrs: Attrs, tensors: Sequence[Any], result: Any) -> Any:
    x, slope = tensors
    return te.compute(x.shape, lambda *at: te.select(x[at] > 0, x[at], x[at] * read(slope, at)), "prelu")


def _prelu_gradient(call: Call, grad: Expr) -> Sequence[Expr | None]:
    x, slope = call.args
    below = _split(x, zeros_like(x), multiply(grad, x))
    return _split(x, grad, multiply(grad, slope)), sum_to(below, x.checked_type, slope)


# softmax -------------------------------------------------------------------------------------------------


def _along_axis(attrs: Attrs, x: Type) -> Type:
    data = tensor(x)
    check_dtype(data, "a float")
    normalized_axis(attrs.axis, rank(data))
    return data


def _log_softmax(attrs: Attrs, x: Array) -> Array:
    wide = x.astype(accumulator(x.dtype.name))
    if not x.size or not x.ndim:
        return np.zeros_like(x)
    shifted = wide - wide.max(axis=attrs.axis, keepdims=True)
    return (shifted - np.log(np.exp(shifted).sum(axis=attrs.axis, keepdims=True))).astype(x.dtype)


def _softmax(attrs: Attrs, x: Array) -> Array:
    wide = x.astype(accumulator(x.dtype.name))
    if not x.size or not x.ndim:
        return np.ones_like(x)
    power = np.exp(wide - wide.max(axis=attrs.axis, keepdims=True))
    return (power / power.sum(axis=attrs.axis, keepdims=True)).astype(x.dtype)


def _softmax_compute(kind: str) -> Any:
    def compute(attrs: Attrs, tensors: Sequence[Any], result: Any) -> Any:
        (x,) = tensors
        if not x.ndim:
            return te.compute((), lambda: te.const(float(kind == "softmax"), x.dtype), kind)
        axis, wide = attrs.axis % x.ndim, accumulator(x.dtype)
        j, k = (te.reduce_axis((0, x.shape[axis]), name) for name in "jk")
        kept = (*x.shape[:axis], *x.shape[axis + 1 :])

        def at_axis(at: Sequence[Any], index: Any) -> tuple[Any, ...]:
            return (*at[:axis], index, *at[axis:])

        def rest(at: Sequence[Any]) -> tuple[Any, ...]:
            return (*at[:axis], *at[axis + 1 :])

        top = te.compute(kept, lambda *at: te.max(x[at_axis(at, j)], axis=j), "top")
        power = te.compute(
            x.shape, lambda *at: te.exp(x[at].astype(wide) - top[rest(at)].astype(wide)), "power"
        )
        total = te.compute(kept, lambda *at: te.sum(power[at_axis(at, k)], axis=k), "total")
        if kind == "softmax":
            return te.compute(x.shape, lambda *at: (power[at] / total[rest(at)]).astype(x.dtype), kind)
        return te.compute(
            x.shape,
            lambda *at: (x[at].astype(wide) - top[rest(at)].astype(wide) - te.log(total[rest(at)])).astype(
                x.dtype
            ),
            kind,
        )

    return compute


def _softmax_gradient(call: Call, grad: Expr) -> Sequence[Expr | None]:
    weighted = multiply(grad, call)
    inner = op("sum")(weighted, axis=(call.attrs.axis,), keepdims=True)
    return [subtract(weighted, multiply(call, inner))]


def _log_softmax_gradient(call: Call, grad: Expr) -> Sequence[Expr | None]:
    total = op("sum")(grad, axis=(call.attrs.axis,), keepdims=True)
    return [subtract(grad, multiply(op("exp")(call), total))]


def _softmax_template(kind: str) -> Any:
    def template(attrs: Attrs, types: Sequence[TensorType]) -> Template | None:
        (x,) = types
        if not x.dims or attrs.axis % len(x.dims) != len(x.dims) - 1:
            return None
        return scheduled(SOFTMAX, (0,), rows=prod(x.dims[:-1]), columns=x.dims[-1], kind=kind, dtype=x.dtype)

    return template


_AXIS = (Attribute("axis", "int", -1),)
ROWS = (
    *_ELEMENTWISE,
    Op(
        "nn.prelu",
        ("x", "slope"),
        forward(_prelu_type),
        lambda attrs, x, slope: np.where(x > 0, x, x * slope),
        _prelu_compute,
        Fuse.BROADCAST,
        gradient=_prelu_gradient,
        doc="Negative elements are multiplied by a slope that is broadcast (arXiv 1502.01852).",
    ),
    Op(
        "nn.softmax",
        ("x",),
        forward(_along_axis),
        quiet(_softmax),
        _softmax_compute("softmax"),
        Fuse.OUT_ELEMWISE_FUSABLE,
        _AXIS,
        _softmax_gradient,
        _softmax_template("softmax"),
        doc="exp(x) divided by its sum along an axis.",
    ),
    Op(
        "nn.log_softmax",
        ("x",),
        forward(_along_axis),
        quiet(_log_softmax),
        _softmax_compute("log_softmax"),
        Fuse.OUT_ELEMWISE_FUSABLE,
        _AXIS,
        _log_softmax_gradient,
        _softmax_template("log_softmax"),
        doc="The logarithm of the softmax along an axis.",
    ),
)

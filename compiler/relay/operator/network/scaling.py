"""Scaling by the squares of neighbouring channels or of whole axes; dropout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from compiler import te
from compiler.relay.infer.relations import forward, normalized_axis, rank, tensor
from compiler.relay.language.attributes import REQUIRED, Attribute, Attrs
from compiler.relay.language.expr import Call, Expr, TupleGetItem
from compiler.relay.language.op import Fuse, Op, op
from compiler.relay.language.types import TensorType, TupleType, Type
from compiler.relay.operator.elementwise import add, check_dtype, divide, dtype_of, multiply, number, subtract
from compiler.relay.operator.network.normalization import AXIS, dims_of, kept_of, sum_over, wide_of
from compiler.relay.operator.network.product import accumulator

Array = np.ndarray


def _float_type(attrs: Attrs, data: Type) -> Type:
    x = tensor(data)
    check_dtype(x, "a float")
    for axis in attrs.axis if isinstance(attrs.axis, tuple) else (attrs.axis,):
        normalized_axis(axis, rank(x))
    return x


def _neighbours(attrs: Attrs) -> tuple[int, int]:
    """Channels before and after one that are summed with it."""
    return (attrs.size - 1) // 2, attrs.size // 2


def _lrn(attrs: Attrs, x: Array) -> Array:
    wide, (before, after) = np.moveaxis(wide_of(x), attrs.axis, 0), _neighbours(attrs)
    square = np.square(wide)
    total = np.zeros_like(square)
    for c in range(len(wide)):
        total[c] = square[max(c - before, 0) : c + after + 1].sum(axis=0)
    y = wide / (attrs.bias + attrs.alpha / attrs.size * total) ** attrs.beta
    return np.moveaxis(y, 0, attrs.axis).astype(x.dtype)


def _lrn_compute(attrs: Attrs, tensors: Sequence[Any], result: Any) -> Any:
    (x,) = tensors
    axis, wide, (before, _) = attrs.axis % x.ndim, accumulator(x.dtype), _neighbours(attrs)
    k = te.reduce_axis((0, attrs.size), "k")

    def square(*at: Any) -> Any:
        c = at[axis] + k - before
        value = x[(*at[:axis], c, *at[axis + 1 :])].astype(wide)
        inside = te.all(c >= 0, c < x.shape[axis])
        return te.sum(te.if_then_else(inside, value * value, te.const(0, wide)), axis=k)

    total = te.compute(x.shape, square, "around")

    def element(*at: Any) -> Any:
        base = te.const(attrs.bias, wide) + te.const(attrs.alpha / attrs.size, wide) * total[at]
        return (x[at].astype(wide) / te.power(base, te.const(attrs.beta, wide))).astype(x.dtype)

    return te.compute(x.shape, element, "lrn")


def _lrn_gradient(call: Call, grad: Expr) -> Sequence[Expr | None]:
    """``y = x base^-beta``, and each x is in the base of its neighbours, counted from the other side."""
    (x,) = call.args
    attrs, (before, after) = call.attrs, _neighbours(call.attrs)
    scale = attrs.alpha / attrs.size
    base = add(
        number(attrs.bias, x), multiply(number(scale, x), _around(multiply(x, x), x, attrs, before, after))
    )
    power = op("power")(base, number(-attrs.beta, x))
    inner = divide(multiply(multiply(grad, x), power), base)
    back = multiply(x, _around(inner, x, attrs, after, before))
    return [subtract(multiply(grad, power), multiply(number(2 * scale * attrs.beta, x), back))]


def _around(value: Expr, like: Expr, attrs: Attrs, before: int, after: int) -> Expr:
    """Sums of neighbours along the axis."""
    shape = dims_of(like)
    count, axis = len(shape), attrs.axis % len(shape)
    margin = tuple((before, after) if d == axis else (0, 0) for d in range(count))
    padded, total = op("pad")(value, pad_width=margin), None
    for shift in range(attrs.size):
        part = op("strided_slice")(
            padded,
            begin=tuple(shift if d == axis else 0 for d in range(count)),
            end=tuple(n + (shift if d == axis else 0) for d, n in enumerate(shape)),
            strides=(1,) * count,
        )
        total = part if total is None else add(total, part)
    assert total is not None
    return total


def _l2(attrs: Attrs, x: Array) -> Array:
    wide = wide_of(x)
    total = np.square(wide).sum(axis=tuple(attrs.axis), keepdims=True)
    return (wide / np.sqrt(np.maximum(total, attrs.epsilon))).astype(x.dtype)


def _l2_compute(attrs: Attrs, tensors: Sequence[Any], result: Any) -> Any:
    (x,) = tensors
    axes, wide = tuple(sorted(a % x.ndim for a in attrs.axis)), accumulator(x.dtype)
    taps = {d: te.reduce_axis((0, x.shape[d]), f"k{d}") for d in axes}
    kept = [d for d in range(x.ndim) if d not in axes]

    def square(*at: Any) -> Any:
        value = x[tuple(taps[d] if d in taps else at[kept.index(d)] for d in range(x.ndim))].astype(wide)
        return te.sum(value * value, axis=list(taps.values()))

    total = te.compute(tuple(x.shape[d] for d in kept), square, "square")

    def element(*at: Any) -> Any:
        length = te.sqrt(te.maximum(total[kept_of(at, axes)], te.const(attrs.epsilon, wide)))
        return (x[at].astype(wide) / length).astype(x.dtype)

    return te.compute(x.shape, element, "l2_normalize")


def _l2_gradient(call: Call, grad: Expr) -> Sequence[Expr | None]:
    (x,) = call.args
    axes, low = tuple(call.attrs.axis), number(call.attrs.epsilon, x)
    total = sum_over(multiply(x, x), axes)
    inverse = op("rsqrt")(op("maximum")(total, low))
    radial = multiply(
        x, multiply(sum_over(multiply(grad, x), axes), multiply(inverse, multiply(inverse, inverse)))
    )
    free = op("cast")(op("greater")(total, low), dtype=dtype_of(x))
    return [subtract(multiply(grad, inverse), multiply(radial, free))]


def _dropout_type(attrs: Attrs, data: Type) -> Type:
    x = tensor(data)
    return TupleType((x, TensorType(x.shape, "bool")))


def _dropout_compute(attrs: Attrs, tensors: Sequence[Any], result: Any) -> Any:
    (x,) = tensors
    kept = te.compute(x.shape, lambda *at: te.const(1, "bool"), "mask")
    return [te.compute(x.shape, lambda *at: x[at], "dropout"), kept]


ROWS = (
    Op(
        "nn.lrn",
        ("data",),
        forward(_float_type),
        _lrn,
        _lrn_compute,
        Fuse.OUT_ELEMWISE_FUSABLE,
        (
            Attribute("size", "int", 5),
            AXIS,
            Attribute("bias", "float", 2.0),
            Attribute("alpha", "float", 1e-5),
            Attribute("beta", "float", 0.75),
        ),
        _lrn_gradient,
        doc="x / (bias + alpha / size * sum of squares of neighbouring channels)^beta.",
    ),
    Op(
        "nn.l2_normalize",
        ("data",),
        forward(_float_type),
        _l2,
        _l2_compute,
        Fuse.OUT_ELEMWISE_FUSABLE,
        (Attribute("axis", "ints", REQUIRED), Attribute("epsilon", "float", 1e-10)),
        _l2_gradient,
        doc="x / sqrt(max(sum of squares, epsilon)).",
    ),
    Op(
        "nn.dropout",
        ("data",),
        forward(_dropout_type),
        lambda attrs, x: (x.copy(), np.ones(x.shape, bool)),
        _dropout_compute,
        Fuse.OPAQUE,
        (Attribute("rate", "float", 0.5),),
        lambda call, grad: [TupleGetItem(grad, 0)],
        doc="The argument, as in inference, and the mask of what is kept: everything.",
    ),
)

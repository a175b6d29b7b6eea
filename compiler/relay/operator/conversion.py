"""Operators that convert or limit elements: `cast`, `reinterpret`, `clip`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from compiler import te
from compiler.ir.dtype import bits_of, integer_range, is_float
from compiler.ir.expr import Expr as Element
from compiler.relay.infer.relations import forward
from compiler.relay.language.attributes import Attribute, Attrs
from compiler.relay.language.expr import Call, Expr
from compiler.relay.language.op import Fuse, Op, op
from compiler.relay.language.types import TensorType, Type
from compiler.relay.operator.elementwise import (
    converted,
    dtype_of,
    number,
    numpy_dtype,
    te_cast,
    tensor_of,
    unary,
    where,
    zeros_like,
)
from compiler.te.tensor import Tensor


def bound(value: Any, dtype: str, low: bool) -> float | int | None:
    """A bound of `clip` as a number of the element type; None if it bounds nothing."""
    if value is None or value != value:
        return None
    if is_float(dtype):
        return float(value)
    least, most = integer_range(dtype)
    if value <= least and low or value >= most and not low:
        return None
    whole = math.ceil(value) if low else math.floor(value)
    return min(max(whole, least), most)


def _clip(attrs: Attrs, x: np.ndarray) -> np.ndarray:
    low, high = (bound(v, x.dtype.name, low) for v, low in ((attrs.a_min, True), (attrs.a_max, False)))
    x = x if low is None else np.maximum(x, x.dtype.type(low))
    return np.array(x if high is None else np.minimum(x, x.dtype.type(high)))


def _te_clip(attrs: Attrs, x: Element) -> Element:
    low, high = (bound(v, x.dtype, low) for v, low in ((attrs.a_min, True), (attrs.a_max, False)))
    x = x if low is None else te.maximum(x, te.const(low, x.dtype))
    return x if high is None else te.minimum(x, te.const(high, x.dtype))


def _clip_gradient(x: Expr, y: Call, grad: Expr) -> Expr:
    for name, value in (("greater_equal", y.attrs.a_min), ("less_equal", y.attrs.a_max)):
        if value is not None:
            grad = where(op(name)(x, number(value, x)), grad, zeros_like(grad))
    return grad


def _cast_rule(attrs: Attrs, x: Any) -> Type:
    return TensorType(tensor_of(x).shape, attrs.dtype)


def _cast_gradient(call: Call, grad: Expr) -> Sequence[Expr | None]:
    source = dtype_of(call.args[0])
    if not is_float(source) or not is_float(call.attrs.dtype):
        return [None]
    return [op("cast")(grad, dtype=source)]


def _reinterpret_rule(attrs: Attrs, x: Any) -> Type:
    dtype = tensor_of(x).dtype
    if isinstance(dtype, str) and ("bool" in (dtype, attrs.dtype) or bits_of(dtype) != bits_of(attrs.dtype)):
        raise ValueError(f"{dtype} cannot be read as {attrs.dtype}: numbers of as many bits are needed")
    return _cast_rule(attrs, x)


def _map(convert: Callable[[Element, str], Element]) -> Callable[[Attrs, Sequence[Tensor], Type], Tensor]:
    def compute(attrs: Attrs, args: Sequence[Any], type_: Type) -> Tensor:
        (x,) = args
        return te.compute(x.shape, lambda *at: convert(x[at], attrs.dtype), "converted")

    return compute


_DTYPE = (Attribute("dtype", "dtype"),)

ROWS = (
    unary(
        "clip",
        _clip,
        _te_clip,
        _clip_gradient,
        takes="a number",
        attributes=(Attribute("a_min", "any", None), Attribute("a_max", "any", None)),
        doc="The elements limited to ``a_min <= x <= a_max``; None is no limit.",
    ),
    Op(
        "cast",
        ("x",),
        forward(_cast_rule),
        lambda attrs, x: converted(x, attrs.dtype),
        _map(te_cast),
        Fuse.ELEMWISE,
        _DTYPE,
        _cast_gradient,
        doc="The elements converted to another type, see `compiler.te.cast`.",
    ),
    Op(
        "reinterpret",
        ("x",),
        forward(_reinterpret_rule),
        lambda attrs, x: np.ascontiguousarray(x).view(numpy_dtype(attrs.dtype)).reshape(x.shape),
        _map(te.reinterpret),
        Fuse.ELEMWISE,
        _DTYPE,
        lambda call, grad: [None],
        doc="The bits of the elements, read as another type of as many bits.",
    ),
)

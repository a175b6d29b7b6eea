"""Canonical form: one way to write what can be written in several, and no operations without effect."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import numpy as np

from compiler.relay.infer.infer import infer_type
from compiler.relay.infer.relations import normalized_axis, rank
from compiler.relay.language.expr import Call, Constant, Expr, Tuple, TupleGetItem, constant
from compiler.relay.language.module import IRModule
from compiler.relay.language.op import Op, is_call_of, op
from compiler.relay.language.types import TensorType
from compiler.relay.language.visit import map_functions, rewrite

Rule = Callable[[Call, Call], Expr | None]
"""``rule(call, old)``: what takes the place of a call, or None. `old` is the call before its arguments were
rewritten: its types are known."""


def canonicalize(module: IRModule) -> IRModule:
    """Apply the rules of `RULES` from the leaves up."""
    infer_type(module)
    return map_functions(module, lambda f: rewrite(f, _applied))


def _applied(node: Any, old: Any) -> Any:
    if type(node) is TupleGetItem and type(node.tuple_value) is Tuple:
        return node.tuple_value.fields[node.index]
    if type(node) is not Call or type(node.function) is not Op:
        return node
    for rule in RULES.get(node.function.name, ()):
        result = rule(node, old)
        if result is not None:
            return result
    return node


def _shape(expr: Expr) -> tuple[int, ...] | None:
    """The static shape of an expression, None if it is not known or not static."""
    if type(expr) is Constant:
        return expr.data.shape
    if expr.has_type and isinstance(expr.checked_type, TensorType) and expr.checked_type.concrete:
        return expr.checked_type.dims
    return None


def _value(expr: Expr) -> float | None:
    """The value of all elements of a constant; None if they differ or it is not constant."""
    if type(expr) is not Constant or expr.data.size == 0 or expr.dtype in ("bool", "bfloat16"):
        return None
    first = expr.data.flat[0]
    return first.item() if expr.data.size == 1 or bool(np.all(expr.data == first)) else None


def _without_operand(neutral: float, sides: tuple[int, ...]) -> Rule:
    """``x op neutral`` is ``x``, where it has the shape of the result."""

    def rule(node: Call, old: Call) -> Expr | None:
        for side in sides:
            other = node.args[1 - side]
            same_shape = _shape(old) is not None and _shape(old) == _shape(old.args[1 - side])
            if same_shape and _value(node.args[side]) == neutral:
                return other
        return None

    return rule


def _bias_add(node: Call, old: Call) -> Expr | None:
    """The bias is added with axes of extent one behind it."""
    type_ = old.args[0].checked_type
    assert isinstance(type_, TensorType)
    following = rank(type_) - normalized_axis(node.attrs.axis, rank(type_)) - 1
    bias = node.args[1]
    if following:
        bias = op("expand_dims")(bias, axis=1, num_newaxis=following)
    return op("add")(node.args[0], bias)


def _power(node: Call, old: Call) -> Expr | None:
    """Powers that are cheaper as products and roots."""
    base, exponent = node.args[0], _value(node.args[1])
    if _shape(old) is None or _shape(old) != _shape(old.args[0]):
        return None
    dtype = getattr(old.checked_type, "dtype", "")
    floating = isinstance(dtype, str) and dtype.startswith(("float", "bfloat"))
    if exponent == 1:
        return base
    if exponent == 2:
        return op("square")(base)
    if exponent == 3:
        return op("multiply")(op("square")(base), base)
    if exponent == 0.5 and floating:
        return op("sqrt")(base)
    if exponent == -1 and floating:
        return op("reciprocal")(base)
    return None


def _divide(node: Call, old: Call) -> Expr | None:
    """A quotient by a constant power of two is a product, which rounds alike."""
    divisor = node.args[1]
    if type(divisor) is not Constant or divisor.data.dtype.kind != "f" or divisor.data.size == 0:
        return None
    if divisor.dtype == "bfloat16" or not np.all(np.frexp(divisor.data)[0] == 0.5):
        return None
    with np.errstate(all="ignore"):
        inverse = (1 / divisor.data.astype("float64")).astype(divisor.data.dtype)
    if not np.all(np.isfinite(inverse)) or not np.all(inverse.astype("float64") * divisor.data == 1):
        return None
    return op("multiply")(node.args[0], constant(inverse))


def _same_shape(node: Call, old: Call) -> Expr | None:
    """An operator that keeps the shape does nothing."""
    if _shape(old) is not None and _shape(old) == _shape(old.args[0]):
        return node.args[0]
    return None


def _reshape(node: Call, old: Call) -> Expr | None:
    """A reshape of a reshape is one; so is one of an axis of extent one that is added or removed."""
    inner, shape = node.args[0], _shape(old)
    if shape is None or not is_call_of(inner, "reshape", "expand_dims", "squeeze"):
        return None
    if prod(shape) == 0:
        return None
    return op("reshape")(inner.args[0], newshape=shape)  # type: ignore[attr-defined]


def _transpose(node: Call, old: Call) -> Expr | None:
    """A transposition of a transposition is one, or none."""
    type_ = old.args[0].checked_type
    if not isinstance(type_, TensorType) or not isinstance(type_.shape, tuple):
        return None
    axes = _axes(node, len(type_.shape))
    if axes == tuple(range(len(axes))):
        return node.args[0]
    inner = node.args[0]
    if is_call_of(inner, "transpose"):
        first = _axes(inner, len(axes))  # type: ignore[arg-type]
        joined = tuple(first[a] for a in axes)
        if joined == tuple(range(len(axes))):
            return inner.args[0]  # type: ignore[attr-defined]
        return op("transpose")(inner.args[0], axes=joined)  # type: ignore[attr-defined]
    return None


def _axes(call: Call, count: int) -> tuple[int, ...]:
    axes = call.attrs.axes
    return tuple(reversed(range(count))) if axes is None else tuple(a % count for a in axes)


def _cast(node: Call, old: Call) -> Expr | None:
    """A cast to the type that the operand has does nothing."""
    type_ = old.args[0].checked_type
    return node.args[0] if isinstance(type_, TensorType) and type_.dtype == node.attrs.dtype else None


def _one_field(node: Call, old: Call) -> Expr | None:
    """The concatenation of one tensor is that tensor."""
    fields = node.args[0]
    return fields.fields[0] if type(fields) is Tuple and len(fields.fields) == 1 else None


def _product(node: Call, old: Call) -> Expr | None:
    """A product with a constant matrix is a dense layer, whose weights are packed once."""
    weight = node.args[1]
    data = old.args[0].checked_type
    if type(weight) is not Constant or weight.data.ndim != 2 or weight.dtype == "bfloat16":
        return None
    if not isinstance(data, TensorType) or not isinstance(data.shape, tuple) or len(data.shape) < 2:
        return None
    return op("nn.dense")(node.args[0], constant(np.ascontiguousarray(weight.data.T)))


def _drop(node: Call, old: Call) -> Expr | None:
    return node.args[0]


RULES: dict[str, tuple[Rule, ...]] = {
    "add": (_without_operand(0, (0, 1)),),
    "subtract": (_without_operand(0, (1,)),),
    "multiply": (_without_operand(1, (0, 1)),),
    "divide": (_without_operand(1, (1,)), _divide),
    "power": (_power,),
    "nn.bias_add": (_bias_add,),
    "reshape": (_same_shape, _reshape),
    "expand_dims": (_reshape,),
    "squeeze": (_same_shape, _reshape),
    "broadcast_to": (_same_shape,),
    "transpose": (_transpose,),
    "cast": (_cast,),
    "concatenate": (_one_field,),
    "copy": (_drop,),
    "nn.matmul": (_product,),
}
"""Operator -> the rules for its calls; the first that applies is taken."""

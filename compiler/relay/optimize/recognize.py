"""Recognition: compositions of small operators that are one operator with a schedule of its own."""

from __future__ import annotations

import math
from typing import Any

from compiler.relay.infer.infer import infer_type
from compiler.relay.infer.relations import normalized_axis, rank
from compiler.relay.language.expr import Call, Constant, Expr, constant
from compiler.relay.language.module import IRModule
from compiler.relay.language.op import is_call_of, op
from compiler.relay.language.types import TensorType
from compiler.relay.language.visit import map_functions, rewrite


def recognize(module: IRModule) -> IRModule:
    """Replace layer normalization and GELU that are written out by ``nn.layer_norm`` and ``nn.gelu``.

    The patterns are ``(x - mean(x)) / sqrt(mean((x - mean(x))**2) + epsilon)``, or with ``* rsqrt``, and what
    follows of ``* gamma + beta``; and the product, in any order, of ``x``, ``0.5`` and
    ``1 + erf(x / sqrt(2))``, whose division is a multiplication in ``nn.gelu``.
    """
    infer_type(module)
    return map_functions(module, lambda f: rewrite(f, _recognized))


def _recognized(node: Any, old: Any) -> Any:
    if is_call_of(node, "divide") and is_call_of(node.args[1], "sqrt"):
        return _normalized(node, old, node.args[0], node.args[1].args[0])
    if is_call_of(node, "multiply"):
        curved = _gelu(node, old)
        if curved is not None:
            return curved
        for side in (0, 1):
            root, rest = node.args[side], node.args[1 - side]
            if is_call_of(root, "rsqrt"):
                return _normalized(node, old, rest, root.args[0])
            if is_call_of(root, "reciprocal") and is_call_of(root.args[0], "sqrt"):
                return _normalized(node, old, rest, root.args[0].args[0])
            gamma = _vector(root, old)
            if gamma is not None and is_call_of(rest, "nn.layer_norm") and _is_plain(rest):
                return _layer_norm(rest.args[0], gamma, rest.args[2], rest)
    if is_call_of(node, "add"):
        for side in (0, 1):
            beta, rest = _vector(node.args[side], old), node.args[1 - side]
            if beta is not None and is_call_of(rest, "nn.layer_norm") and _value_of(rest.args[2]) == 0:
                return _layer_norm(rest.args[0], rest.args[1], beta, rest)
    return node


def _gelu(node: Call, old: Call) -> Expr | None:
    """A product as ``nn.gelu``, if it is one."""
    factors: list[Any] = []
    for side in node.args:
        factors += side.args if is_call_of(side, "multiply") else (side,)  # type: ignore[attr-defined]
    rises = [f for f in factors if is_call_of(f, "add") and any(is_call_of(a, "erf") for a in f.args)]
    if len(factors) != 3 or len(rises) != 1:
        return None
    (x, half), rise = [f for f in factors if f is not rises[0]], rises[0]
    x, half = (half, x) if _value_of(x) == 0.5 else (x, half)
    curve, one = rise.args if is_call_of(rise.args[0], "erf") else reversed(rise.args)
    if _value_of(half) != 0.5 or _value_of(one) != 1:
        return None
    scaled = curve.args[0]
    if is_call_of(scaled, "divide"):
        of, scale = scaled.args[0], _value_of(scaled.args[1])
        found = scale is not None and abs(scale - math.sqrt(2)) < 1e-6
    elif is_call_of(scaled, "multiply"):
        of, factor = scaled.args if _value_of(scaled.args[1]) is not None else reversed(scaled.args)
        scale = _value_of(factor)
        found = scale is not None and abs(scale - math.sqrt(0.5)) < 1e-6
    else:
        return None
    type_ = old.checked_type
    if not found or of is not x or not isinstance(type_, TensorType):
        return None
    # a constant of as many axes could be what gives the product its rank
    constants = [f for f in (half, one, *scaled.args) if type(f) is Constant]
    plain = all(c.data.size == 1 and c.data.ndim < max(rank(type_), 1) for c in constants)
    return op("nn.gelu")(x) if plain else None


def _normalized(node: Call, old: Call, centred: Expr, radicand: Expr) -> Expr:
    """``centred / sqrt(radicand)`` as a layer normalization, if it is one."""
    epsilon, variance = _epsilon(radicand)
    if epsilon is None or not is_call_of(variance, "mean") or not is_call_of(centred, "subtract"):
        return node
    squared = variance.args[0]  # type: ignore[attr-defined]
    if (
        is_call_of(squared, "square")
        or (is_call_of(squared, "power") and _value_of(squared.args[1]) == 2)
        or is_call_of(squared, "multiply")
        and squared.args[0] is squared.args[1]
    ):
        deviation = squared.args[0]
    else:
        return node
    data, mean = centred.args  # type: ignore[attr-defined]
    same = deviation is centred or (
        is_call_of(deviation, "subtract")
        and deviation.args[0] is data
        and _equal_means(deviation.args[1], mean)
    )
    type_ = old.checked_type
    if not same or not is_call_of(mean, "mean") or mean.args[0] is not data:
        return node
    if not isinstance(type_, TensorType) or not type_.concrete or not mean.attrs.keepdims:
        return node
    axes, count = mean.attrs.axis, rank(type_)
    if mean.attrs != variance.attrs or axes is None or len(axes) != 1:  # type: ignore[attr-defined]
        return node
    if normalized_axis(axes[0], count) != count - 1:
        return node
    size, dtype = type_.dims[-1], str(type_.dtype)
    ones, zeros = constant([1.0] * size, dtype), constant([0.0] * size, dtype)
    return op("nn.layer_norm")(data, ones, zeros, axis=-1, epsilon=epsilon)


def _equal_means(a: Expr, b: Expr) -> bool:
    return a is b or (
        is_call_of(a, "mean") and is_call_of(b, "mean") and a.args[0] is b.args[0] and a.attrs == b.attrs  # type: ignore[attr-defined]
    )


def _epsilon(radicand: Expr) -> tuple[float | None, Any]:
    """The constant of ``variance + epsilon``, and the variance."""
    if is_call_of(radicand, "add"):
        for side in (0, 1):
            value = _value_of(radicand.args[side])  # type: ignore[attr-defined]
            if value is not None:
                return value, radicand.args[1 - side]  # type: ignore[attr-defined]
    return None, None


def _value_of(expr: Any) -> float | None:
    """The value of all elements of a constant of floats."""
    if type(expr) is Constant and expr.data.size and expr.data.dtype.kind == "f":
        first = expr.data.flat[0]
        if (expr.data == first).all():
            return float(first)
    return None


def _vector(expr: Any, old: Call) -> Constant | None:
    """A constant of one element for each place on the last axis of the result, as a vector; or None."""
    type_ = old.checked_type
    if (
        type(expr) is not Constant
        or not isinstance(type_, TensorType)
        or not type_.concrete
        or not type_.dims
    ):
        return None
    shape = expr.data.shape
    if not shape or shape[-1] != type_.dims[-1] or expr.data.size != shape[-1]:
        return None
    return constant(expr.data.reshape(-1))


def _is_plain(norm: Any) -> bool:
    """Whether a normalization multiplies by one and adds zero."""
    return _value_of(norm.args[1]) == 1 and _value_of(norm.args[2]) == 0


def _layer_norm(data: Expr, gamma: Expr, beta: Expr, old: Any) -> Expr:
    return op("nn.layer_norm")(data, gamma, beta, **old.attrs)

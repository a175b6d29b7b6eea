"""Attention: the weighted mean of values, by the similarity of queries and keys (arXiv 1706.03762)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from compiler import te
from compiler.ir.dtype import is_float
from compiler.relay.infer.relations import broadcast_shapes, forward, rank, same_dtype, tensor
from compiler.relay.language.attributes import Attribute, Attrs
from compiler.relay.language.expr import Call, Constant, Expr
from compiler.relay.language.op import Fuse, Op, op
from compiler.relay.language.types import TensorType, Type
from compiler.relay.operator.arithmetic import sum_to
from compiler.relay.operator.elementwise import number
from compiler.relay.operator.network.product import accumulator, cast_to, fits, swapped

Array = np.ndarray


def _attention_type(attrs: Attrs, *given: Type) -> Type:
    q, k, v, *mask = (tensor(t) for t in given)
    if any(rank(t) != 4 for t in (q, k, v)) or len(mask) > 1:
        raise ValueError(
            f"attention needs (batch, heads, length, depth) for q, k and v, not {q}, {k} and {v}"
        )
    (b, h, m, d), (_, g, n, e), (_, _, n2, dv) = q.shape, k.shape, v.shape  # type: ignore[misc]
    if not (fits(d, e) and fits(n, n2)) or (type(h) is int and type(g) is int and h % g):
        raise ValueError(f"attention: q {q}, k {k} and v {v} do not fit")
    if mask:
        broadcast_shapes(mask[0].shape, (b, h, m, n))  # type: ignore[arg-type]
    return TensorType((b, h, m, dv), same_dtype(q, k, v))


def _scale(attrs: Attrs, depth: int) -> float:
    return float(attrs.scale) if attrs.scale is not None else depth**-0.5


def _attention(attrs: Attrs, q: Array, k: Array, v: Array, *mask: Array) -> Array:
    kind = np.float64 if q.dtype == np.float64 else np.float32
    copies = q.shape[1] // k.shape[1]
    k, v = (np.repeat(t.astype(kind), copies, axis=1) for t in (k, v))
    scores = (q.astype(kind) @ k.swapaxes(2, 3)) * kind(_scale(attrs, q.shape[3]))
    if attrs.softcap:
        scores = kind(attrs.softcap) * np.tanh(scores / kind(attrs.softcap))
    if mask:
        bias = np.where(mask[0], 0, -np.inf) if mask[0].dtype == bool else mask[0]
        scores = scores + bias.astype(kind)
    if attrs.causal:
        keep = np.tril(np.ones(scores.shape[2:], bool), attrs.offset)
        scores = np.where(keep, scores, -np.inf)
    top = scores.max(axis=3, keepdims=True, initial=-np.inf)
    power = np.exp(scores - np.where(np.isfinite(top), top, 0))
    total = power.sum(axis=3, keepdims=True)
    return ((power / np.where(total == 0, 1, total)) @ v).astype(q.dtype)


def _attention_compute(attrs: Attrs, tensors: Sequence[Any], result: Any) -> Any:
    q, k, v, *mask = tensors
    copies = q.shape[1] // k.shape[1]
    kind, (batch, heads, m, depth), n = accumulator(q.dtype), q.shape, k.shape[2]
    d, j = te.reduce_axis((0, depth), "d"), te.reduce_axis((0, n), "j")
    dots = te.compute(
        (batch, heads, m, n),
        lambda b, h, i, c: te.sum(q[b, h, i, d].astype(kind) * k[b, h // copies, c, d].astype(kind), axis=d),
        "dots",
    )

    def score(b: Any, h: Any, i: Any, c: Any) -> Any:
        value = dots[b, h, i, c] * te.const(_scale(attrs, depth), kind)
        if attrs.softcap:
            value = te.tanh(value / te.const(attrs.softcap, kind)) * te.const(attrs.softcap, kind)
        if mask:
            own = mask[0].shape
            bias = mask[0][
                tuple(0 if s == 1 else x for s, x in zip(own, (b, h, i, c)[4 - len(own) :], strict=True))
            ]
            low = te.min_value(kind)
            value = te.select(bias, value, low) if bias.dtype == "bool" else value + bias.astype(kind)
        if attrs.causal:
            value = te.select(c <= i + attrs.offset, value, te.min_value(kind))
        return value

    scores = te.compute(dots.shape, score, "scores")
    top = te.compute((batch, heads, m), lambda b, h, i: te.max(scores[b, h, i, j], axis=j), "top")
    low = te.min_value(kind)
    power = te.compute(
        dots.shape,
        lambda b, h, i, c: te.exp(
            scores[b, h, i, c] - te.select(top[b, h, i] > low, top[b, h, i], te.const(0, kind))
        ),
        "power",
    )
    j2, j3 = te.reduce_axis((0, n), "j2"), te.reduce_axis((0, n), "j3")
    total = te.compute((batch, heads, m), lambda b, h, i: te.sum(power[b, h, i, j2], axis=j2), "total")
    mixed = te.compute(
        (batch, heads, m, v.shape[3]),
        lambda b, h, i, e: te.sum(power[b, h, i, j3] * v[b, h // copies, j3, e].astype(kind), axis=j3),
        "mixed",
    )

    def out(b: Any, h: Any, i: Any, e: Any) -> Any:
        whole = te.select(total[b, h, i] > 0, total[b, h, i], te.const(1, kind))
        return (mixed[b, h, i, e] / whole).astype(q.dtype)

    return te.compute(mixed.shape, out, "attention")


def attention_parts(call: Call) -> tuple[Expr, Expr, Expr, Expr, Expr]:
    """The steps of an attention: keys and values for each head, scaled dots, scores, weights."""
    q, k, v, *mask = call.args
    attrs, dims = call.attrs, q.checked_type.dims  # type: ignore[attr-defined]
    dtype, n = q.checked_type.dtype, k.checked_type.dims[2]  # type: ignore[attr-defined]
    copies = dims[1] // k.checked_type.dims[1]  # type: ignore[attr-defined]
    keys, values = (op("repeat")(t, repeats=copies, axis=1) if copies > 1 else t for t in (k, v))
    dots = op("multiply")(op("nn.matmul")(q, swapped(keys, 4)), number(_scale(attrs, dims[3]), q))
    scores: Expr = dots
    if attrs.softcap:
        scores = op("multiply")(
            op("tanh")(op("divide")(dots, number(attrs.softcap, q))), number(attrs.softcap, q)
        )
    low = number(-np.inf, q)
    if mask and mask[0].checked_type.dtype == "bool":  # type: ignore[attr-defined]
        scores = op("where")(mask[0], scores, low)
    elif mask:
        scores = op("add")(scores, cast_to(mask[0], mask[0].checked_type.dtype, dtype))  # type: ignore[attr-defined]
    if attrs.causal:
        keep = np.tril(np.ones((dims[2], n), bool), attrs.offset)
        scores = op("where")(Constant(keep), scores, low)
    return keys, values, dots, scores, op("nn.softmax")(scores, axis=-1)


def _attention_gradient(call: Call, grad: Expr) -> Sequence[Expr | None]:
    q, k, v, *mask = call.args
    attrs, dims, dtype = call.attrs, q.checked_type.dims, q.checked_type.dtype  # type: ignore[attr-defined]
    keys, values, dots, _, weights = attention_parts(call)
    d_weights = op("nn.matmul")(grad, swapped(values, 4))
    inner = op("sum")(op("multiply")(d_weights, weights), axis=(-1,), keepdims=True)
    d_scores = op("multiply")(weights, op("subtract")(d_weights, inner))
    d_dots = d_scores
    if attrs.softcap:
        curve = op("tanh")(op("divide")(dots, number(attrs.softcap, q)))
        d_dots = op("multiply")(d_scores, op("subtract")(number(1, q), op("multiply")(curve, curve)))
    d_dots = op("multiply")(d_dots, number(_scale(attrs, dims[3]), q))
    dk = op("nn.matmul")(swapped(d_dots, 4), q)
    dv = op("nn.matmul")(swapped(weights, 4), grad)
    groups = k.checked_type.dims[1]  # type: ignore[attr-defined]
    if groups != dims[1]:
        dk, dv = (
            op("sum")(op("reshape")(d, newshape=(dims[0], groups, -1, *t.checked_type.dims[2:])), axis=(2,))  # type: ignore[attr-defined]
            for d, t in ((dk, k), (dv, v))
        )
    result: list[Expr | None] = [op("nn.matmul")(d_dots, keys), dk, dv]
    for m in mask:
        kind = m.checked_type.dtype  # type: ignore[attr-defined]
        wide = TensorType((*dims[:3], k.checked_type.dims[2]), dtype)  # type: ignore[attr-defined]
        result.append(cast_to(sum_to(d_scores, wide, m), dtype, kind) if is_float(kind) else None)
    return result


ROWS = (
    Op(
        "nn.attention",
        ("q", "k", "v", "*mask"),
        forward(_attention_type),
        _attention,
        _attention_compute,
        Fuse.OUT_ELEMWISE_FUSABLE,
        (
            Attribute("scale", "float?", None),
            Attribute("causal", "bool", False),
            Attribute("offset", "int", 0),
            Attribute("softcap", "float", 0.0),
        ),
        _attention_gradient,
        doc="softmax(q k^T scale + mask) v for each head; heads of q may share those of k and v",
    ),
)

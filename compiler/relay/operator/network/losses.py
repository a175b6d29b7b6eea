"""Losses: cross entropy with probabilities, and the negative logarithm of the likelihood of classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from compiler import te
from compiler.relay.infer.relations import forward, rank, same_dtype, tensor
from compiler.relay.language.attributes import Attribute, Attrs
from compiler.relay.language.expr import Call, Constant, Expr
from compiler.relay.language.op import Fuse, Op, op
from compiler.relay.language.types import TensorType, Type
from compiler.relay.operator.elementwise import check_dtype, divide, dtype_of, multiply, negative, number
from compiler.relay.operator.network.product import accumulator, fits

Array = np.ndarray


# cross entropy -------------------------------------------------------------------------------------------


def _entropy_type(attrs: Attrs, predictions: Type, targets: Type) -> Type:
    p, t = tensor(predictions), tensor(targets)
    check_dtype(p, "a float")
    if rank(p) != rank(t) or not rank(p) or not all(map(fits, p.shape, t.shape)):  # type: ignore[arg-type]
        raise ValueError(f"cross_entropy: predictions and targets of one shape are needed, not {p} and {t}")
    return TensorType((), same_dtype(p, t))


def _entropy(logits: bool) -> Any:
    def evaluate(attrs: Attrs, p: Array, t: Array) -> Array:
        wide = p.astype(accumulator(p.dtype.name))
        return np.asarray(-((wide if logits else np.log(wide)) * t).sum() / len(p)).astype(p.dtype)

    return evaluate


def _entropy_compute(logits: bool) -> Any:
    def compute(attrs: Attrs, tensors: Sequence[Any], result: Any) -> Any:
        p, t = tensors
        wide = accumulator(p.dtype)
        taps = [te.reduce_axis((0, n), f"k{d}") for d, n in enumerate(p.shape)]

        def term() -> Any:
            value = p[tuple(taps)].astype(wide)
            value = value if logits else te.log(value)
            return te.sum(value * t[tuple(taps)].astype(wide), axis=taps)

        total = te.compute((), term, "total")
        return te.compute((), lambda: (total[()] * te.const(-1.0 / p.shape[0], wide)).astype(p.dtype), "loss")

    return compute


def _entropy_gradient(logits: bool) -> Any:
    def gradient(call: Call, grad: Expr) -> Sequence[Expr | None]:
        p, t = call.args
        scale = multiply(negative(grad), number(1 / p.checked_type.dims[0], p))  # type: ignore[attr-defined]
        if logits:
            return multiply(t, scale), multiply(p, scale)
        return multiply(divide(t, p), scale), multiply(op("log")(p), scale)

    return gradient


# negative log-likelihood ---------------------------------------------------------------------------------


def _nll_type(attrs: Attrs, predictions: Type, targets: Type, weights: Type) -> Type:
    p, t, w = tensor(predictions), tensor(targets), tensor(weights)
    check_dtype(p, "a float")
    check_dtype(t, "an integer", "the targets")
    if rank(p) < 2:
        raise ValueError(f"nll_loss: predictions (N, C, ...) are needed, not {p}")
    places = (p.shape[0], *p.shape[2:])  # type: ignore[index]
    if len(places) != rank(t) or not all(map(fits, places, t.shape)):  # type: ignore[arg-type]
        raise ValueError(f"nll_loss: targets (N, ...) are needed for predictions {p}, not {t}")
    if rank(w) != 1 or not fits(w.shape[0], p.shape[1]):  # type: ignore[index]
        raise ValueError(f"nll_loss: a weight for each of {p.shape[1]} classes is needed, not {w}")  # type: ignore[index]
    return TensorType(places if attrs.reduction == "none" else (), same_dtype(p, w))


def _nll(attrs: Attrs, p: Array, t: Array, w: Array) -> Array:
    wide = accumulator(p.dtype.name)
    kept = t != attrs.ignore_index
    at = np.where(kept, t, 0).astype(np.int64)
    scale = np.where(kept, w[at], 0).astype(wide)
    losses = -np.take_along_axis(p, at[:, None], axis=1)[:, 0].astype(wide) * scale
    if attrs.reduction == "sum":
        losses = losses.sum()
    elif attrs.reduction == "mean":
        losses = losses.sum() / scale.sum()
    return np.asarray(losses).astype(p.dtype)


def _nll_compute(attrs: Attrs, tensors: Sequence[Any], result: Any) -> Any:
    p, t, w = tensors
    wide, classes = accumulator(p.dtype), p.shape[1]

    def index(at: Sequence[Any]) -> Any:
        return te.minimum(te.maximum(t[tuple(at)].astype("int32"), 0), classes - 1)

    def scale_of(*at: Any) -> Any:
        kept = te.equal(t[at], te.const(attrs.ignore_index, t.dtype))
        return te.select(kept, te.const(0, wide), w[index(at)].astype(wide))

    scale = te.compute(t.shape, scale_of, "scale")
    none = te.compute(
        t.shape,
        lambda *at: te.const(0, wide) - p[(at[0], index(at), *at[1:])].astype(wide) * scale[at],
        "losses",
    )
    if attrs.reduction == "none":
        return te.compute(t.shape, lambda *at: none[at].astype(p.dtype), "loss")

    def total(x: Any) -> Any:
        taps = [te.reduce_axis((0, n), f"k{d}") for d, n in enumerate(t.shape)]
        return te.compute((), lambda: te.sum(x[tuple(taps)], axis=taps), "total")

    loss = total(none)
    if attrs.reduction == "sum":
        return te.compute((), lambda: loss[()].astype(p.dtype), "loss")
    share = total(scale)
    return te.compute((), lambda: (loss[()] / share[()]).astype(p.dtype), "loss")


def _nll_gradient(call: Call, grad: Expr) -> Sequence[Expr | None]:
    """The loss is a sum of ``-hit w p`` over classes and places, where `hit` is one at the target's class."""
    p, t, w = call.args
    attrs, dtype, shape = call.attrs, dtype_of(p), p.checked_type.dims  # type: ignore[attr-defined]
    classes = np.arange(shape[1]).reshape(-1, *[1] * (len(shape) - 2)).astype(dtype_of(t))
    found = op("equal")(op("expand_dims")(t, axis=1), Constant(classes))
    if 0 <= attrs.ignore_index < shape[1]:
        found = op("logical_and")(found, Constant(classes != attrs.ignore_index))
    hit = op("cast")(found, dtype=dtype)
    wide = op("reshape")(w, newshape=(shape[1], *[1] * (len(shape) - 2)))
    g = op("expand_dims")(grad, axis=1) if attrs.reduction == "none" else grad
    others = tuple(d for d in range(len(shape)) if d != 1)
    if attrs.reduction == "mean":
        g = divide(g, op("sum")(multiply(hit, wide)))
    dp = multiply(negative(multiply(hit, wide)), g)
    inner = negative(multiply(hit, p))
    if attrs.reduction == "mean":
        inner = multiply(hit, op("subtract")(negative(p), call))
    return dp, None, op("sum")(multiply(inner, g), axis=others)


ROWS = (
    Op(
        "nn.cross_entropy",
        ("predictions", "targets"),
        forward(_entropy_type),
        _entropy(False),
        _entropy_compute(False),
        Fuse.OPAQUE,
        gradient=_entropy_gradient(False),
        doc="-sum(targets log(predictions)) / N, of probabilities.",
    ),
    Op(
        "nn.cross_entropy_with_logits",
        ("predictions", "targets"),
        forward(_entropy_type),
        _entropy(True),
        _entropy_compute(True),
        Fuse.OPAQUE,
        gradient=_entropy_gradient(True),
        doc="-sum(targets predictions) / N, of logarithms of probabilities.",
    ),
    Op(
        "nn.nll_loss",
        ("predictions", "targets", "weights"),
        forward(_nll_type),
        _nll,
        _nll_compute,
        Fuse.OPAQUE,
        (
            Attribute("reduction", "str", "mean", ("mean", "sum", "none")),
            Attribute("ignore_index", "int", -100),
        ),
        _nll_gradient,
        doc="-weight of the class times its logarithm of a probability, of each place, summed or averaged.",
    ),
)

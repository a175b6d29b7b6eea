"""Layers on integers: a product of dequantized operands as one of the bytes, times a scale."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from compiler.relay.infer.infer import infer_type
from compiler.relay.language.attributes import Attrs
from compiler.relay.language.expr import Constant, Expr, constant
from compiler.relay.language.module import IRModule
from compiler.relay.language.op import is_call_of, op
from compiler.relay.language.types import TensorType
from compiler.relay.language.visit import map_functions, rewrite

LAYERS = ("nn.dense", "nn.matmul", "nn.conv1d", "nn.conv2d")
"""Operators whose kernels of bytes are faster than those of floats."""

GROUP = 4
"""Input channels of which one instruction adds the products: a convolution of fewer would add zeros."""


def integer_layers(module: IRModule) -> IRModule:
    """Compute layers between quantized tensors on the integers themselves.

    A model in the form of quantize and dequantize operators computes
    ``dense(dequantize(x), dequantize(w))``. With one scale and zero point for ``x``, and a scale for each
    output channel of constant weights without zero point, that is a product of the integers, less the zero
    point's share, times the scales (Jacob et al., arXiv 1712.05877, section 2.3).
    """
    infer_type(module)

    def change(node: Any, old: Any) -> Any:
        if not (is_call_of(node, *LAYERS) and is_call_of(node.args[0], "qnn.dequantize")):
            return node
        data, scale, zero = node.args[0].args
        kind = old.args[0].args[0].checked_type if is_call_of(old.args[0]) else None
        weight = _weights(node.args[1], node.function.name)
        if weight is None or not isinstance(kind, TensorType) or kind.dtype not in ("int8", "uint8"):
            return node
        if "conv" in node.function.name and not _is_usual(node.attrs, weight.values):
            return node
        if not _is_single(scale) or not _is_single(zero) or old.checked_type.dtype != "float32":
            return node
        quantized = Quantized(data, str(kind.dtype), scale.data.item(), int(zero.data.item()))
        return on_integers(node.function.name, quantized, weight, node.attrs)

    return map_functions(module, lambda f: rewrite(f, change))


class Quantized(NamedTuple):
    """Data in bytes: ``value = scale * (byte - zero_point)``."""

    data: Expr
    dtype: str
    scale: float
    zero_point: int


class Weights(NamedTuple):
    """Weights in int8, the output channels first, and a scale for each of them."""

    values: np.ndarray
    scales: np.ndarray


def on_integers(name: str, quantized: Quantized, weights: Weights, attrs: Attrs) -> Expr:
    """A layer of quantized data and weights, as floats.

    Parameters
    ----------
    name : str
        One of `LAYERS`, ``"nn.conv1d"`` or ``"nn.conv2d"``. A product has its weights as a dense layer has
        them.
    quantized : Quantized
    weights : Weights
    attrs : Attrs
        Those of the layer on floats.
    """
    data, zero = quantized.data, quantized.zero_point
    sums_of_weights = weights.values.astype("int64").reshape(len(weights.values), -1).sum(1)
    if name in ("nn.dense", "nn.matmul"):
        sums: Expr = op("nn.dense")(data, constant(weights.values), out_dtype="int32")
        following = 0
    else:
        following = weights.values.ndim - 2
        if quantized.dtype == "uint8":  # kernels of convolutions take signed bytes
            data = op("reinterpret")(op("bitwise_xor")(data, constant(128, "uint8")), dtype="int8")
            zero -= 128
        if zero and any(attrs.padding):  # the margin has the value zero, which is the byte `zero`
            begins, ends = attrs.padding[:following], attrs.padding[following:]
            width = ((0, 0), (0, 0), *zip(begins, ends, strict=True))
            data = op("pad")(data, pad_width=width, pad_value=float(zero))
            attrs = attrs.replace(padding=(0,) * (2 * following))
        sums = op(name)(data, constant(weights.values), **attrs.replace(out_dtype="int32"))
    ones = (1,) * following
    if zero:
        share = (zero * sums_of_weights).astype("int32").reshape(-1, *ones)
        sums = op("subtract")(sums, constant(share))
    factors = (weights.scales.astype("float64") * quantized.scale).astype("float32").reshape(-1, *ones)
    return op("multiply")(op("cast")(sums, dtype="float32"), constant(factors))


def _is_usual(attrs: Attrs, weights: np.ndarray) -> bool:
    """Whether a convolution has channels before pixels, and enough of them in each of its sums."""
    in_order = attrs.data_layout[:2] == "NC" and attrs.kernel_layout[:2] == "OI" and not attrs.out_layout
    return in_order and weights.shape[1] >= GROUP


def _is_single(expr: Expr) -> bool:
    return type(expr) is Constant and expr.data.size == 1


def _weights(expr: Any, name: str) -> Weights | None:
    """The weights that an expression dequantizes, the output channels first; None if it does not."""
    turned = name == "nn.matmul"
    if is_call_of(expr, "transpose") and expr.attrs.axes in (None, (1, 0)):
        expr, turned = expr.args[0], not turned
    if not is_call_of(expr, "qnn.dequantize") or not all(type(a) is Constant for a in expr.args):
        return None
    values, scale, zero = (a.data for a in expr.args)
    if values.dtype != np.int8 or np.any(zero) or expr.attrs.block_size:
        return None
    if turned and values.ndim != 2:
        return None
    channels = 1 if turned else 0
    if scale.size != 1 and (scale.ndim != 1 or expr.attrs.axis % values.ndim != channels):
        return None
    if turned:
        values = np.ascontiguousarray(values.T)
    return Weights(values, np.broadcast_to(scale.reshape(-1), (len(values),)))

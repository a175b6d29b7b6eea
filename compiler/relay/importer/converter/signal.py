"""Conversions of spectra: transforms as products with tables of waves."""

from __future__ import annotations

from typing import Any

import numpy as np

from compiler.relay.importer.converter.table import NodeView, axis_of, converts, dtype_of, rank_of, shape_of
from compiler.relay.importer.errors import OnnxError
from compiler.relay.importer.tensors import element_type
from compiler.relay.language.expr import Expr


def _waves(length: int, kept: int, inverse: bool, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Cosines and sines, ``(length, kept)``, of a transform of `length` samples to `kept` frequencies."""
    angles = 2 * np.pi * (np.outer(np.arange(length), np.arange(kept)) % length) / length
    sign = 1 if inverse else -1
    scale = 1 / length if inverse else 1.0
    return (np.cos(angles) * scale).astype(dtype), (sign * np.sin(angles) * scale).astype(dtype)


def transformed(node: NodeView, x: Expr, length: int, *, inverse: bool, onesided: bool) -> Expr:
    """The transform of real ``(..., n, 1)`` or complex ``(..., n, 2)`` samples, ``(..., kept, 2)``; one-sided
    inverse: real ``(..., length, 1)``."""
    *_, given, parts = node.static(x)
    if parts not in (1, 2):
        raise OnnxError(f"the last axis has {parts} elements; real numbers have 1, complex ones 2")
    if inverse and onesided:
        return _real_signal(node, x, length)
    if given > length:
        x = _cut(node, x, length)
    elif given < length:
        width = ((0, 0),) * (rank_of(x) - 2) + ((0, length - given), (0, 0))
        x = node.call("pad", x, pad_width=width)
    kind, x = dtype_of(x), node.cast(x, "float64")  # sums of many terms that cancel
    cosines, sines = _waves(length, length // 2 + 1 if onesided else length, inverse, "float64")
    real = _part(node, x, 0)
    out_real, out_imaginary = node.call("nn.matmul", real, cosines), node.call("nn.matmul", real, sines)
    if parts == 2:
        imaginary = _part(node, x, 1)
        out_real = node.call("subtract", out_real, node.call("nn.matmul", imaginary, sines))
        out_imaginary = node.call("add", out_imaginary, node.call("nn.matmul", imaginary, cosines))
    return node.cast(node.call("stack", [out_real, out_imaginary], axis=rank_of(out_real)), kind)


def _real_signal(node: NodeView, x: Expr, length: int) -> Expr:
    """The inverse of a one-sided spectrum.

    Each frequency but the first, and of an even length the last, counts twice.
    """
    kept = length // 2 + 1
    kind, x = dtype_of(x), node.cast(_cut(node, x, kept), "float64")
    cosines, sines = _waves(length, kept, True, "float64")
    twice = np.full(kept, 2.0)
    twice[0] = 1
    if length % 2 == 0:
        twice[-1] = 1
    tables = [np.ascontiguousarray((table * twice).T) for table in (cosines, sines)]
    real = node.call("nn.matmul", _part(node, x, 0), tables[0])
    real = node.call("subtract", real, node.call("nn.matmul", _part(node, x, 1), tables[1]))
    return node.cast(node.call("expand_dims", real, axis=rank_of(real)), kind)


def _cut(node: NodeView, x: Expr, length: int) -> Expr:
    axis = rank_of(x) - 2
    if shape_of(x)[axis] <= length:
        return x
    return node.call("strided_slice", x, begin=(0,), end=(length,), strides=(1,), axes=(axis,))


def _part(node: NodeView, x: Expr, index: int) -> Expr:
    return node.call("take", x, node.constant(np.int64(index)), axis=rank_of(x) - 1)


@converts("DFT")
def _dft(node: NodeView, x: Expr, length: Expr | None = None, axis: Expr | None = None) -> Expr:
    rank = rank_of(x)
    place = (
        node.ints(axis, "axis")[0] if axis is not None else node.attr("axis", -2 if node.opset >= 20 else 1)
    )
    along, inverse, onesided = axis_of(place, rank), bool(node.attr("inverse")), bool(node.attr("onesided"))
    if along == rank - 1:
        raise OnnxError("axis is the one of the real and imaginary parts")
    order = [a for a in range(rank - 1) if a != along] + [along, rank - 1]
    turned = node.call("transpose", x, axes=tuple(order)) if order != list(range(rank)) else x
    extent = node.static(turned)[-2]
    if length is not None:
        count = node.ints(length, "dft_length")[0]
    else:
        count = 2 * (extent - 1) if inverse and onesided else extent
    if count < 1:
        raise OnnxError(f"dft_length is {count}; it is at least 1")
    result = transformed(node, turned, count, inverse=inverse, onesided=onesided)
    back = [order.index(a) for a in range(rank)]
    return node.call("transpose", result, axes=tuple(back)) if back != list(range(rank)) else result


@converts("STFT")
def _stft(
    node: NodeView, x: Expr, step: Expr, window: Expr | None = None, length: Expr | None = None
) -> Expr:
    """Frames are gathered by constant places, and transformed together."""
    batch, extent, parts = node.static(x)
    hop = node.ints(step, "frame_step")[0]
    size = node.ints(length, "frame_length")[0] if length is not None else None
    if size is None:
        if window is None:
            raise OnnxError("neither the window nor frame_length is given")
        size = node.static(window)[0]
    if hop < 1 or not 1 <= size <= extent:
        raise OnnxError(f"frame_step is {hop} and frame_length {size}; the signal has {extent} samples")
    count = (extent - size) // hop + 1
    places = np.arange(count)[:, None] * hop + np.arange(size)
    frames = node.call("take", x, node.constant(places), axis=1)
    if window is not None:
        frames = node.call("multiply", frames, node.call("expand_dims", window, axis=1))
    return transformed(node, frames, size, inverse=False, onesided=bool(node.attr("onesided")))


@converts("MelWeightMatrix")
def _mel_weights(node: NodeView, *inputs: Expr) -> Expr:
    bins, size, rate, low, high = (node.value(v, "the weights").reshape(()).item() for v in inputs)
    spectrum = size // 2 + 1

    def mel(frequency: Any) -> Any:
        return 2595 * np.log10(1 + np.asarray(frequency) / 700)

    edges = mel(low) + np.arange(bins + 2) * (mel(high) - mel(low)) / (bins + 2)
    places = ((size + 1) * (700 * (10 ** (edges / 2595) - 1)) // rate).astype(int)
    table = np.zeros((spectrum, bins))
    for number in range(bins):
        first, middle, last = places[number : number + 3]
        if first == middle:
            table[middle, number] = 1
        else:
            rise = np.arange(first, middle + 1)
            table[rise, number] = (rise - first) / (middle - first)
        if middle != last:
            fall = np.arange(middle, last)
            table[fall, number] = (last - fall) / (last - middle)
    return node.constant(table.astype(element_type(node.attr("output_datatype"), "the result")))

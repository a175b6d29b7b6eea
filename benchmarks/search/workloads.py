"""Computations without a template, for which schedules are derived."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from compiler import te
from compiler.te.tensor import Tensor
from costmodel import register

Tensors = list[Tensor]


@register(
    reference=lambda a, b, n, m, k: a @ b, flops=lambda n, m, k: 2 * n * m * k, name="product of matrices"
)
def matrices(n: int, m: int, k: int) -> Tensors:
    """A matrix product."""
    A, B = te.placeholder((n, k), "A"), te.placeholder((k, m), "B")
    r = te.reduce_axis((0, k), "r")
    return [A, B, te.compute((n, m), lambda i, j: te.sum(A[i, r] * B[r, j], axis=r), "C")]


def _padded(X: Tensor, pad: int, dims: int) -> Tensor:
    first = X.ndim - dims
    shape: list[Any] = [*X.shape[:first], *(n + 2 * pad for n in X.shape[first:])]

    def element(*at):
        inside = [
            c for i, n in zip(at[first:], X.shape[first:], strict=True) for c in (i >= pad, i < n + pad)
        ]
        return te.if_then_else(te.all(*inside), X[(*at[:first], *(i - pad for i in at[first:]))], 0.0)

    return te.compute(shape, element, "padded")


def _convolve(x: np.ndarray, w: np.ndarray, pad: int) -> np.ndarray:
    """The sum over the taps of a kernel, for any number of dimensions."""
    dims = w.ndim - 2
    x = np.pad(x, ((0, 0), (0, 0), *((pad, pad),) * dims))
    sizes = [n - k + 1 for n, k in zip(x.shape[2:], w.shape[2:], strict=True)]
    out = np.zeros((x.shape[0], w.shape[0], *sizes), np.float32)
    for tap in product(*(range(k) for k in w.shape[2:])):
        window: Any = (..., *(slice(t, t + n) for t, n in zip(tap, sizes, strict=True)))
        weights: Any = (..., *tap)
        out += np.moveaxis(np.tensordot(x[window], w[weights], (1, 1)), -1, 1)
    return out


@register(
    reference=lambda x, w, ci, co, size: _convolve(x, w, 1),
    flops=lambda ci, co, size: 18 * ci * co * size**2,
    name="convolution of images",
)
def images(ci: int, co: int, size: int) -> Tensors:
    """A convolution, NCHW, with a kernel of 3 x 3 and padding of one."""
    X, W = te.placeholder((1, ci, size, size), "X"), te.placeholder((co, ci, 3, 3), "W")
    P = _padded(X, 1, 2)
    rc, ry, rx = (te.reduce_axis((0, n), s) for n, s in ((ci, "rc"), (3, "ry"), (3, "rx")))
    shape = (1, co, size, size)
    return [
        X,
        W,
        te.compute(
            shape,
            lambda n, o, y, x: te.sum(P[n, rc, y + ry, x + rx] * W[o, rc, ry, rx], axis=[rc, ry, rx]),
            "Y",
        ),
    ]


@register(
    reference=lambda x, w, ci, co, depth, size: _convolve(x, w, 1),
    flops=lambda ci, co, depth, size: 54 * ci * co * depth * size**2,
    name="convolution of volumes",
)
def volumes(ci: int, co: int, depth: int, size: int) -> Tensors:
    """A convolution in three dimensions, NCDHW, with a kernel of 3 x 3 x 3 and padding of one."""
    X, W = te.placeholder((1, ci, depth, size, size), "X"), te.placeholder((co, ci, 3, 3, 3), "W")
    P = _padded(X, 1, 3)
    rc, rz, ry, rx = (te.reduce_axis((0, n), s) for n, s in ((ci, "rc"), (3, "rz"), (3, "ry"), (3, "rx")))

    def element(n, o, z, y, x):
        return te.sum(P[n, rc, z + rz, y + ry, x + rx] * W[o, rc, rz, ry, rx], axis=[rc, rz, ry, rx])

    return [X, W, te.compute((1, co, depth, size, size), element, "Y")]


def _normalized(x: np.ndarray, gain: np.ndarray, bias: np.ndarray) -> np.ndarray:
    center = x - x.mean(1, keepdims=True)
    return center / np.sqrt((center**2).mean(1, keepdims=True) + 1e-5) * gain + bias


@register(
    reference=lambda x, gain, bias, rows, columns: _normalized(x, gain, bias),
    flops=lambda rows, columns: 8 * rows * columns,
    name="layer normalization",
)
def normalization(rows: int, columns: int) -> Tensors:
    """Rows are centered and scaled by their variance."""
    x = te.placeholder((rows, columns), "x")
    gain, bias = te.placeholder((columns,), "gain"), te.placeholder((columns,), "bias")
    k, q = te.reduce_axis((0, columns), "k"), te.reduce_axis((0, columns), "q")
    total = te.compute((rows,), lambda i: te.sum(x[i, k], axis=k), "total")
    mean = te.compute((rows,), lambda i: total[i] * (1.0 / columns), "mean")
    center = te.compute((rows, columns), lambda i, j: x[i, j] - mean[i], "center")
    square = te.compute((rows,), lambda i: te.sum(center[i, q] * center[i, q], axis=q), "square")
    scale = te.compute((rows,), lambda i: 1.0 / te.sqrt(square[i] * (1.0 / columns) + 1e-5), "scale")
    out = te.compute((rows, columns), lambda i, j: center[i, j] * scale[i] * gain[j] + bias[j], "out")
    return [x, gain, bias, out]


def _attended(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
    s = q @ k.transpose(0, 2, 1) / q.shape[2] ** 0.5
    p = np.exp(s - s.max(2, keepdims=True))
    return p / p.sum(2, keepdims=True) @ v


@register(
    reference=lambda q, k, v, heads, length, width: _attended(q, k, v),
    flops=lambda heads, length, width: heads * length**2 * (4 * width + 5),
)
def attention(heads: int, length: int, width: int) -> Tensors:
    """``softmax(Q K^T / sqrt(width)) V`` for each head."""
    Q, K, V = (te.placeholder((heads, length, width), name) for name in "QKV")
    d, t, u, w = (
        te.reduce_axis((0, n), s) for n, s in ((width, "d"), (length, "t"), (length, "u"), (length, "w"))
    )
    square = (heads, length, length)
    S = te.compute(square, lambda h, i, j: te.sum(Q[h, i, d] * K[h, j, d], axis=d), "S")
    scaled = te.compute(square, lambda h, i, j: S[h, i, j] * (1.0 / width**0.5), "scaled")
    top = te.compute((heads, length), lambda h, i: te.max(scaled[h, i, t], axis=t), "top")
    power = te.compute(square, lambda h, i, j: te.exp(scaled[h, i, j] - top[h, i]), "power")
    total = te.compute((heads, length), lambda h, i: te.sum(power[h, i, u], axis=u), "total")
    weight = te.compute(square, lambda h, i, j: power[h, i, j] / total[h, i], "weight")
    out = te.compute(
        (heads, length, width), lambda h, i, e: te.sum(weight[h, i, w] * V[h, w, e], axis=w), "out"
    )
    return [Q, K, V, out]

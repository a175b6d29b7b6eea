"""Computations to derive schedules for, each with its result by NumPy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product

import numpy as np

from compiler import te
from compiler.te.tensor import Tensor

Computation = tuple[list[Tensor], Callable[..., Sequence[np.ndarray]]]


def matmul(n: int, m: int, k: int, dtype: str = "float32") -> Computation:
    A, B = te.placeholder((n, k), "A", dtype), te.placeholder((k, m), "B", dtype)
    r = te.reduce_axis((0, k), "k")
    C = te.compute((n, m), lambda i, j: te.sum(A[i, r] * B[r, j], axis=r), "C")
    return [A, B, C], lambda a, b: [a @ b]


def dense(n: int, m: int, k: int) -> Computation:
    """A weight by rows, a bias and an activation, which are fused into the tiles."""
    X, W, b = te.placeholder((n, k), "X"), te.placeholder((m, k), "W"), te.placeholder((m,), "b")
    r = te.reduce_axis((0, k), "k")
    Y = te.compute((n, m), lambda i, j: te.sum(X[i, r] * W[j, r], axis=r), "Y")
    Z = te.compute((n, m), lambda i, j: te.maximum(Y[i, j] + b[j], 0), "Z")
    return [X, W, b, Z], lambda x, w, c: [np.maximum(x @ w.T + c, 0)]


def conv2d(n: int, c: int, h: int, w: int, co: int, kernel: int, step: int, pad: int) -> Computation:
    X, W = te.placeholder((n, c, h, w), "X"), te.placeholder((co, c, kernel, kernel), "W")
    P = _padded(X, (0, 0, pad, pad))
    oh, ow = ((e + 2 * pad - kernel) // step + 1 for e in (h, w))
    rc, ry, rx = (te.reduce_axis((0, e), s) for e, s in ((c, "rc"), (kernel, "ry"), (kernel, "rx")))
    Y = te.compute(
        (n, co, oh, ow),
        lambda b, o, y, x: te.sum(
            P[b, rc, y * step + ry, x * step + rx] * W[o, rc, ry, rx], axis=[rc, ry, rx]
        ),
        "Y",
    )

    def reference(x, k):
        x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
        out = np.zeros((n, co, oh, ow), np.float32)
        for u, v in product(range(kernel), repeat=2):
            part = x[:, :, u : u + step * oh : step, v : v + step * ow : step][:, :, :oh, :ow]
            out += np.einsum("bcyx,oc->boyx", part, k[:, :, u, v])
        return [out]

    return [X, W, Y], reference


def conv3d(c: int, d: int, h: int, w: int, co: int, kernel: int, pad: int) -> Computation:
    X, W = te.placeholder((1, c, d, h, w), "X"), te.placeholder((co, c, kernel, kernel, kernel), "W")
    P = _padded(X, (0, 0, pad, pad, pad))
    rc = te.reduce_axis((0, c), "rc")
    rz, ry, rx = (te.reduce_axis((0, kernel), s) for s in ("rz", "ry", "rx"))
    od, oh, ow = (e + 2 * pad - kernel + 1 for e in (d, h, w))
    Y = te.compute(
        (1, co, od, oh, ow),
        lambda b, o, z, y, x: te.sum(
            P[b, rc, z + rz, y + ry, x + rx] * W[o, rc, rz, ry, rx], axis=[rc, rz, ry, rx]
        ),
        "Y",
    )

    def reference(x, k):
        x = np.pad(x, ((0, 0), (0, 0), *((pad, pad),) * 3))
        out = np.zeros((1, co, od, oh, ow), np.float32)
        for t, u, v in product(range(kernel), repeat=3):
            part = x[:, :, t : t + od, u : u + oh, v : v + ow]
            out += np.einsum("bczyx,oc->bozyx", part, k[:, :, t, u, v])
        return [out]

    return [X, W, Y], reference


def transposed_conv(c: int, h: int, w: int, co: int, kernel: int, step: int) -> Computation:
    """A convolution with a fractional stride: taps of every remainder fall between the pixels."""
    X, W = te.placeholder((c, h, w), "X"), te.placeholder((c, co, kernel, kernel), "W")
    oh, ow = (h - 1) * step + kernel, (w - 1) * step + kernel
    rc, ry, rx = (te.reduce_axis((0, e), s) for e, s in ((c, "rc"), (kernel, "ry"), (kernel, "rx")))

    def spread(i, y, x):
        inside = te.all(y >= 0, y < (h - 1) * step + 1, x >= 0, x < (w - 1) * step + 1)
        exact = te.all(te.equal(y % step, 0), te.equal(x % step, 0))
        return te.if_then_else(te.all(inside, exact), X[i, y // step, x // step], 0.0)

    S = te.compute(
        (c, oh + kernel - 1, ow + kernel - 1), lambda i, y, x: spread(i, y - kernel + 1, x - kernel + 1), "S"
    )
    Y = te.compute(
        (co, oh, ow),
        lambda o, y, x: te.sum(
            S[rc, y + ry, x + rx] * W[rc, o, kernel - 1 - ry, kernel - 1 - rx], axis=[rc, ry, rx]
        ),
        "Y",
    )

    def reference(x, k):
        out = np.zeros((co, oh, ow), np.float32)
        for y, z in product(range(h), range(w)):
            at = np.s_[:, y * step : y * step + kernel, z * step : z * step + kernel]
            out[at] += np.einsum("c,couv->ouv", x[:, y, z], k)
        return [out]

    return [X, W, Y], reference


def depthwise(c: int, h: int, w: int, kernel: int) -> Computation:
    X, W = te.placeholder((c, h, w), "X"), te.placeholder((c, kernel, kernel), "W")
    ry, rx = te.reduce_axis((0, kernel), "ry"), te.reduce_axis((0, kernel), "rx")
    oh, ow = h - kernel + 1, w - kernel + 1
    Y = te.compute(
        (c, oh, ow), lambda i, y, x: te.sum(X[i, y + ry, x + rx] * W[i, ry, rx], axis=[ry, rx]), "Y"
    )

    def reference(x, k):
        taps = product(range(kernel), repeat=2)
        return [sum(x[:, u : u + oh, v : v + ow] * k[:, u, v, None, None] for u, v in taps)]

    return [X, W, Y], reference


def max_pool(c: int, h: int, w: int) -> Computation:
    X = te.placeholder((c, h, w), "X")
    ry, rx = te.reduce_axis((0, 2), "ry"), te.reduce_axis((0, 2), "rx")
    Y = te.compute(
        (c, h // 2, w // 2), lambda i, y, x: te.max(X[i, y * 2 + ry, x * 2 + rx], axis=[ry, rx]), "Y"
    )
    return [X, Y], lambda x: [x[:, : h // 2 * 2, : w // 2 * 2].reshape(c, h // 2, 2, w // 2, 2).max((2, 4))]


def layer_norm(n: int, m: int) -> Computation:
    x, g, b = te.placeholder((n, m), "x"), te.placeholder((m,), "gain"), te.placeholder((m,), "bias")
    k, q = te.reduce_axis((0, m), "k"), te.reduce_axis((0, m), "q")
    total = te.compute((n,), lambda i: te.sum(x[i, k], axis=k), "total")
    mean = te.compute((n,), lambda i: total[i] * (1.0 / m), "mean")
    square = te.compute((n,), lambda i: te.sum((x[i, q] - mean[i]) * (x[i, q] - mean[i]), axis=q), "square")
    scale = te.compute((n,), lambda i: 1.0 / te.sqrt(square[i] * (1.0 / m) + 1e-5), "scale")
    out = te.compute((n, m), lambda i, j: (x[i, j] - mean[i]) * scale[i] * g[j] + b[j], "out")

    def reference(v, gain, bias):
        center = v - v.mean(1, keepdims=True)
        return [center / np.sqrt((center**2).mean(1, keepdims=True) + 1e-5) * gain + bias]

    return [x, g, b, out], reference


def group_norm(n: int, groups: int, each: int, size: int) -> Computation:
    c = groups * each
    x = te.placeholder((n, c, size), "x")
    k, p = te.reduce_axis((0, each), "k"), te.reduce_axis((0, size), "p")
    total = te.compute((n, groups), lambda b, g: te.sum(x[b, g * each + k, p], axis=[k, p]), "total")
    square = te.compute(
        (n, groups), lambda b, g: te.sum(x[b, g * each + k, p] * x[b, g * each + k, p], axis=[k, p]), "square"
    )
    mean = te.compute((n, groups), lambda b, g: total[b, g] * (1.0 / (each * size)), "mean")
    scale = te.compute(
        (n, groups),
        lambda b, g: 1.0 / te.sqrt(square[b, g] * (1.0 / (each * size)) - mean[b, g] * mean[b, g] + 1e-3),
        "scale",
    )
    out = te.compute(
        (n, c, size), lambda b, i, p: (x[b, i, p] - mean[b, i // each]) * scale[b, i // each], "out"
    )

    def reference(v):
        parts = v.reshape(n, groups, -1)
        center = parts - parts.mean(2, keepdims=True)
        return [(center / np.sqrt((center**2).mean(2, keepdims=True) + 1e-3)).reshape(v.shape)]

    return [x, out], reference


def attention(heads: int, n: int, width: int) -> Computation:
    Q, K, V = (te.placeholder((heads, n, width), name) for name in "QKV")
    d, t, u, v = (te.reduce_axis((0, e), s) for e, s in ((width, "d"), (n, "t"), (n, "u"), (n, "v")))
    S = te.compute((heads, n, n), lambda h, i, j: te.sum(Q[h, i, d] * K[h, j, d], axis=d), "S")
    scaled = te.compute((heads, n, n), lambda h, i, j: S[h, i, j] * (1.0 / width**0.5), "scaled")
    top = te.compute((heads, n), lambda h, i: te.max(scaled[h, i, t], axis=t), "top")
    power = te.compute((heads, n, n), lambda h, i, j: te.exp(scaled[h, i, j] - top[h, i]), "power")
    total = te.compute((heads, n), lambda h, i: te.sum(power[h, i, u], axis=u), "total")
    weight = te.compute((heads, n, n), lambda h, i, j: power[h, i, j] / total[h, i], "weight")
    out = te.compute((heads, n, width), lambda h, i, e: te.sum(weight[h, i, v] * V[h, v, e], axis=v), "out")

    def reference(q, k, w):
        s = q @ k.transpose(0, 2, 1) / width**0.5
        p = np.exp(s - s.max(2, keepdims=True))
        return [p / p.sum(2, keepdims=True) @ w]

    return [Q, K, V, out], reference


def matvecs(b: int, n: int, k: int) -> Computation:
    A, x = te.placeholder((b, n, k), "A"), te.placeholder((b, k), "x")
    r = te.reduce_axis((0, k), "r")
    y = te.compute((b, n), lambda c, i: te.sum(A[c, i, r] * x[c, r], axis=r), "y")
    return [A, x, y], lambda a, v: [np.einsum("bnk,bk->bn", a, v)]


def whole_sum(n: int, m: int) -> Computation:
    x = te.placeholder((n, m), "x")
    i, j = te.reduce_axis((0, n), "i"), te.reduce_axis((0, m), "j")
    return [x, te.compute((), lambda: te.sum(x[i, j], axis=[i, j]), "out")], lambda v: [v.sum()]


def column_sums(n: int, m: int, dtype: str = "float32") -> Computation:
    x, i = te.placeholder((n, m), "x", dtype), te.reduce_axis((0, n), "i")
    return [x, te.compute((m,), lambda j: te.sum(x[i, j], axis=i), "out")], lambda v: [
        v.sum(0, dtype=v.dtype)
    ]


def argmax(n: int, m: int) -> Computation:
    x, k = te.placeholder((n, m), "x"), te.reduce_axis((0, m), "k")
    index, value = te.compute((n,), lambda i: te.argmax((k, x[i, k]), axis=k), "best")
    return [x, index, value], lambda v: [v.argmax(1), v.max(1)]


def cumsum(n: int, m: int) -> Computation:
    """A scan along the rows, of twice an input, and a further operation on its result."""
    X = te.placeholder((n, m), "X")
    twice = te.compute((n, m), lambda i, j: X[i, j] * 2.0, "twice")
    state = te.placeholder((n, m), "state")
    init = te.compute((1, m), lambda _, j: twice[0, j], "init")
    update = te.compute((n, m), lambda t, j: state[t - 1, j] + twice[t, j], "update")
    scan = te.scan(init, update, state, inputs=[twice])
    out = te.compute((n, m), lambda i, j: scan[i, j] + 1.0, "out")
    return [X, out], lambda x: [np.cumsum(2 * x, 0) + 1]


def stencil(n: int, m: int) -> Computation:
    X = te.placeholder((n, m), "X")
    P = _padded(X, (1, 1))
    blur = te.compute((n, m + 2), lambda i, j: (P[i, j] + P[i + 1, j] + P[i + 2, j]) * (1.0 / 3), "blur")
    Y = te.compute((n, m), lambda i, j: (blur[i, j] + blur[i, j + 1] + blur[i, j + 2]) * (1.0 / 3), "Y")

    def reference(x):
        x = np.pad(x, 1)
        rows = x[:-2] + x[1:-1] + x[2:]
        return [(rows[:, :-2] + rows[:, 1:-1] + rows[:, 2:]) / 9]

    return [X, Y], reference


def two_products(n: int, k: int, m: int, p: int) -> Computation:
    """A product of a product, the first with an activation, and both are outputs."""
    A, B, C = te.placeholder((n, k), "A"), te.placeholder((k, m), "B"), te.placeholder((m, p), "C")
    r, q = te.reduce_axis((0, k), "r"), te.reduce_axis((0, m), "q")
    first = te.compute((n, m), lambda i, j: te.sum(A[i, r] * B[r, j], axis=r), "first")
    act = te.compute((n, m), lambda i, j: te.tanh(first[i, j]), "act")
    last = te.compute((n, p), lambda i, j: te.sum(act[i, q] * C[q, j], axis=q), "last")
    return [A, B, C, act, last], lambda a, b, c: [np.tanh(a @ b), np.tanh(a @ b) @ c]


def triangular(n: int) -> Computation:
    """A sum of the elements up to the diagonal, with a condition in the reduction."""
    x, k = te.placeholder((n, n), "x"), te.reduce_axis((0, n), "k")
    out = te.compute((n,), lambda i: te.sum(x[i, k], axis=k, where=k <= i), "out")
    return [x, out], lambda v: [np.tril(v).sum(1)]


def gather(n: int, rows: int, m: int) -> Computation:
    table, at = te.placeholder((rows, m), "table"), te.placeholder((n,), "at", "int32")
    k = te.reduce_axis((0, n), "k")
    picked = te.compute((n, m), lambda i, j: table[at[i], j] * 2.0, "picked")
    out = te.compute((m,), lambda j: te.sum(picked[k, j], axis=k), "out")
    return [table, at, picked, out], lambda t, i: [t[i] * 2, (t[i] * 2).sum(0)]


def _padded(X: Tensor, pads: Sequence[int]) -> Tensor:
    shape = [e + 2 * p for e, p in zip(X.shape, pads, strict=True)]
    if not any(pads):
        return X

    def element(*at):
        inside = [c for i, p, e in zip(at, pads, X.shape, strict=True) if p for c in (i >= p, i < e + p)]
        return te.if_then_else(te.all(*inside), X[tuple(i - p for i, p in zip(at, pads, strict=True))], 0.0)

    return te.compute(shape, element, "P")


SMALL: dict[str, Computation] = {
    "matmul": matmul(37, 45, 29),
    "matmul of whole tiles": matmul(32, 64, 64),
    "matmul of one row": matmul(1, 50, 33),
    "matmul of int32": matmul(13, 19, 17, "int32"),
    "dense": dense(19, 35, 40),
    "conv2d": conv2d(1, 5, 11, 13, 9, 3, 1, 1),
    "strided conv2d": conv2d(2, 3, 12, 10, 18, 3, 2, 1),
    "pointwise conv2d": conv2d(1, 7, 8, 8, 17, 1, 1, 0),
    "conv3d": conv3d(3, 5, 6, 9, 5, 3, 1),
    "transposed conv": transposed_conv(3, 5, 6, 4, 3, 2),
    "depthwise": depthwise(6, 9, 21, 3),
    "max pool": max_pool(3, 9, 34),
    "layer norm": layer_norm(7, 77),
    "group norm": group_norm(2, 3, 4, 25),
    "attention": attention(2, 21, 10),
    "matvecs": matvecs(2, 9, 53),
    "sum of all": whole_sum(13, 37),
    "column sums": column_sums(23, 41),
    "argmax": argmax(5, 43),
    "cumsum": cumsum(9, 35),
    "stencil": stencil(17, 39),
    "two products": two_products(11, 13, 18, 21),
    "triangular": triangular(23),
    "gather": gather(11, 7, 19),
}

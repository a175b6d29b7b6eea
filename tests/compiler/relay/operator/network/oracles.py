"""What rows of networks compute, written out element by element with NumPy."""

from __future__ import annotations

from itertools import product

import numpy as np


def _many(value, count):
    return (value,) * count if isinstance(value, int) else tuple(value)


def _steps(attrs, count):
    pad = _many(attrs.get("padding", 0), count)
    pad = pad * 2 if len(pad) == count else pad
    return (
        _many(attrs.get("strides", 1), count),
        pad[:count],
        pad[count:],
        _many(attrs.get("dilation", 1), count),
    )


def window(at, taps, attrs):
    """The place in the image of an element of a window."""
    strides, before, _, dilation = _steps(attrs, len(at))
    return tuple(i * s + k * d - p for i, s, k, d, p in zip(at, strides, taps, dilation, before, strict=True))


def inside(place, sizes):
    """Whether a place is in the image."""
    return all(0 <= p < n for p, n in zip(place, sizes, strict=True))


def convolution(x, w, **attrs):
    """The definition of a convolution of (N, C, *sizes) with (O, C / groups, *kernel)."""
    count, groups = x.ndim - 2, attrs.get("groups", 1)
    strides, before, after, dilation = _steps(attrs, count)
    sizes, kernel = x.shape[2:], w.shape[2:]
    outs = [
        (n + p + q - d * (k - 1) - 1) // s + 1
        for n, p, q, d, k, s in zip(sizes, before, after, dilation, kernel, strides, strict=True)
    ]
    y = np.zeros(
        (x.shape[0], w.shape[0], *outs), np.result_type(x, w, "float32") if x.dtype.kind == "f" else "int64"
    )
    co = w.shape[0] // groups
    for o in range(w.shape[0]):
        channels = range(o // co * w.shape[1], (o // co + 1) * w.shape[1])
        for at in np.ndindex(*outs):
            for taps in np.ndindex(*kernel):
                place = window(at, taps, attrs)
                if inside(place, sizes):
                    y[(slice(None), o, *at)] += sum(
                        x[(slice(None), c, *place)].astype(y.dtype) * w[(o, k, *taps)].astype(y.dtype)
                        for k, c in enumerate(channels)
                    )
    return y


def transposed_convolution(x, w, **attrs):
    """Each element of (N, C, *sizes) adds its multiple of (C, O / groups, *kernel)."""
    count, groups = x.ndim - 2, attrs.get("groups", 1)
    strides, before, after, dilation = _steps(attrs, count)
    sizes, kernel, extra = x.shape[2:], w.shape[2:], _many(attrs.get("output_padding", 0), count)
    outs = [
        (n - 1) * s - p - q + d * (k - 1) + 1 + e
        for n, p, q, d, k, s, e in zip(sizes, before, after, dilation, kernel, strides, extra, strict=True)
    ]
    y = np.zeros((x.shape[0], w.shape[1] * groups, *outs), x.dtype)
    ci = x.shape[1] // groups
    for c, o in product(range(x.shape[1]), range(w.shape[1])):
        for at, taps in product(np.ndindex(*sizes), np.ndindex(*kernel)):
            place = window(at, taps, attrs)
            if inside(place, outs):
                y[(slice(None), c // ci * w.shape[1] + o, *place)] += (
                    x[(slice(None), c, *at)] * w[(c, o, *taps)]
                )
    return y


def pooling(x, reduce, **attrs):
    """``reduce(values, places, counted)`` of each window: `counted` elements are in the padded image."""
    count = x.ndim - 2
    strides, before, after, dilation = _steps(attrs, count)
    kernel, sizes = _many(attrs["pool_size"], count), x.shape[2:]
    outs = []
    for n, p, q, d, k, s in zip(sizes, before, after, dilation, kernel, strides, strict=True):
        room = n + p + q - d * (k - 1) - 1
        last = -(-room // s) if attrs.get("ceil_mode") else room // s
        if attrs.get("ceil_mode") and last * s >= n + p:
            last -= 1
        outs.append(last + 1)
    y = None
    for n, c in np.ndindex(*x.shape[:2]):
        for at in np.ndindex(*outs):
            places = [window(at, taps, attrs) for taps in np.ndindex(*kernel)]
            counted = sum(all(i < s + q for i, s, q in zip(p, sizes, after, strict=True)) for p in places)
            kept = [p for p in places if inside(p, sizes)]
            found = reduce(np.array([x[(n, c, *p)] for p in kept]), kept, counted)
            if y is None:
                y = np.zeros((*x.shape[:2], *outs), np.asarray(found).dtype)
            y[(n, c, *at)] = found
    return y


def recurrence(kind, x, w, r, b, states, lens, p, reverse, options):
    """One direction of ONNX's recurrent layers, one sequence of the batch after the other.

    Shapes: x (T, B, I), w (gates * H, I), r (gates * H, H), b (2 * gates * H), states (B, H).
    """
    steps, batch, n = x.shape[0], x.shape[1], r.shape[1]
    wb, rb = np.split(b, 2)
    y = np.zeros((steps, batch, n), x.dtype)
    last = [s.copy() for s in states]
    f, g, h_act = options["activations"]

    def clip(z):
        return np.clip(z, -options["clip"], options["clip"]) if options.get("clip") else z

    for e in range(batch):
        h, c = last[0][e], last[1][e] if len(last) > 1 else None
        order = range(lens[e])
        for t in reversed(order) if reverse else order:
            parts = [(w[k * n : (k + 1) * n] @ x[t, e] + wb[k * n : (k + 1) * n]) for k in range(len(w) // n)]
            own = [slice(k * n, (k + 1) * n) for k in range(len(w) // n)]
            if kind == "rnn":
                h = f(clip(parts[0] + r @ h + rb))
            elif kind == "gru":
                z = f(clip(parts[0] + r[own[0]] @ h + rb[own[0]]))
                reset = f(clip(parts[1] + r[own[1]] @ h + rb[own[1]]))
                if options.get("linear_before_reset"):
                    new = g(clip(parts[2] + reset * (r[own[2]] @ h + rb[own[2]])))
                else:
                    new = g(clip(parts[2] + r[own[2]] @ (reset * h) + rb[own[2]]))
                h = (1 - z) * new + z * h
            else:
                pi, po, pf = np.split(p, 3)
                sums = [part + r[k] @ h + rb[k] for part, k in zip(parts, own, strict=True)]
                i = f(clip(sums[0] + pi * c))
                forget = 1 - i if options.get("input_forget") else f(clip(sums[2] + pf * c))
                c = forget * c + i * g(clip(sums[3]))
                h = f(clip(sums[1] + po * c)) * h_act(c)
            y[t, e] = h
        last[0][e] = h
        if c is not None:
            last[1][e] = c
    return [y, *last]

"""Pooling of whole images, and of as many regions as the result has elements."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from math import prod
from typing import Any

import numpy as np

from compiler import te
from compiler.relay.infer.relations import forward, rank, tensor
from compiler.relay.language.attributes import REQUIRED, Attribute, Attrs
from compiler.relay.language.expr import Call, Constant, Expr
from compiler.relay.language.op import Fuse, Op, op
from compiler.relay.language.types import TensorType, Type
from compiler.relay.operator.elementwise import add, check_dtype, divide, dtype_of, multiply, number
from compiler.relay.operator.network.pooling import DOC, P, layout_of, lowest, power, root, sizes_of
from compiler.relay.operator.network.product import accumulator
from compiler.relay.operator.network.windows import SPATIAL, in_layout, spread

Array = np.ndarray


def _spatial_axes(attrs: Attrs, count: int) -> tuple[int, ...]:
    """The axes of an image that are neither images nor channels, from the layout's first letters."""
    return (
        tuple(range(1, count - 1))
        if attrs.layout.startswith("N") and attrs.layout[-1] == "C"
        else tuple(range(2, count - attrs.layout.count("c")))
    )


def _global_type(attrs: Attrs, data: Type) -> Type:
    x = tensor(data)
    check_dtype(x, "a number" if "p" not in attrs else "a float")
    axes = _spatial_axes(attrs, rank(x))
    return TensorType(tuple(1 if d in axes else n for d, n in enumerate(x.shape)), x.dtype)  # type: ignore[arg-type]


def _global(kind: str) -> Any:
    def evaluate(attrs: Attrs, x: Array) -> Array:
        axes = _spatial_axes(attrs, x.ndim)
        if kind == "max":
            return x.max(axis=axes, keepdims=True, initial=lowest(x.dtype))
        wide = x.astype(accumulator(x.dtype.name))
        if kind == "avg":
            return wide.mean(axis=axes, keepdims=True).astype(x.dtype)
        total = (np.abs(wide) ** attrs.p).sum(axis=axes, keepdims=True)
        return (total ** (1 / attrs.p)).astype(x.dtype)

    return evaluate


def _global_compute(kind: str) -> Any:
    def compute(attrs: Attrs, tensors: Sequence[Any], result: Any) -> Any:
        (x,) = tensors
        axes, wide = _spatial_axes(attrs, x.ndim), accumulator(x.dtype)
        if not axes:
            return te.compute(x.shape, lambda *at: te.abs(x[at]) if kind == "lp" else x[at], "pooled")
        taps = {d: te.reduce_axis((0, x.shape[d]), f"k{d}") for d in axes}

        def element(*at: Any) -> Any:
            value = x[tuple(taps.get(d, i) for d, i in enumerate(at))]
            if kind == "max":
                return te.max(value, axis=list(taps.values()))
            value = value.astype(wide)
            return te.sum(power(value, attrs.p) if kind == "lp" else value, axis=list(taps.values()))

        pooled = te.compute(result.shape, element, "pooled")
        if kind == "max":
            return pooled
        scale = 1.0 / prod(x.shape[d] for d in axes)

        def finished(*at: Any) -> Any:
            value = pooled[at]
            value = root(value, attrs.p) if kind == "lp" else value * te.const(scale, wide)
            return value.astype(x.dtype)

        return te.compute(result.shape, finished, f"global_{kind}_pool")

    return compute


def _global_gradient(kind: str) -> Any:
    def gradient(call: Call, grad: Expr) -> Sequence[Expr | None]:
        (data,) = call.args
        shape = data.checked_type.dims  # type: ignore[attr-defined]
        axes = _spatial_axes(call.attrs, len(shape))
        if kind == "avg":
            scaled = multiply(grad, number(1 / prod(shape[d] for d in axes), data))
            return [op("broadcast_to")(scaled, shape=shape)]
        if kind == "lp":
            p = call.attrs.p
            slope = multiply(op("sign")(data), op("power")(op("abs")(data), number(p - 1, data)))
            return [multiply(slope, divide(grad, op("power")(call, number(p - 1, data))))]
        hit = op("cast")(op("equal")(data, call), dtype=dtype_of(data))
        shares = divide(hit, op("sum")(hit, axis=axes, keepdims=True))
        return [multiply(shares, grad)]

    return gradient


def _regions(size: int, count: int) -> list[tuple[int, int]]:
    """The region of each element along an axis: of as equal sizes as whole numbers allow."""
    return [(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]


def _adaptive_type(spatial: str) -> Any:
    def rule(attrs: Attrs, data: Type) -> Type:
        x = tensor(data)
        check_dtype(x, "a number")
        layout = layout_of(attrs, spatial)
        sizes = spread(attrs.output_size, len(spatial), "output_size")
        dims = {**layout.dims(x.shape), **dict(zip(spatial, sizes, strict=True))}  # type: ignore[arg-type]
        return TensorType(layout.shape(dims), x.dtype)

    return rule


def _adaptive(kind: str, spatial: str) -> Any:
    def evaluate(attrs: Attrs, data: Array) -> Array:
        layout, count = layout_of(attrs, spatial), len(spatial)
        x = layout.unpacked(data, "NC" + spatial)
        outs = spread(attrs.output_size, count, "output_size")
        x = x if kind == "max" else x.astype(accumulator(x.dtype.name))
        for d, wanted in enumerate(outs):
            regions = _regions(x.shape[d + 2], wanted)
            pool = np.max if kind == "max" else np.mean
            parts = [pool(x.take(range(low, high), axis=d + 2), axis=d + 2) for low, high in regions]
            x = np.stack(parts, axis=d + 2)
        return layout.packed(x.astype(data.dtype), "NC" + spatial)

    return evaluate


def _adaptive_compute(kind: str, spatial: str) -> Any:
    def compute(attrs: Attrs, tensors: Sequence[Any], result: Any) -> Any:
        (x,) = tensors
        layout, wide = layout_of(attrs, spatial), accumulator(x.dtype)
        sizes, outs = sizes_of(layout, x.shape, spatial), sizes_of(layout, result.shape, spatial)
        regions = [_regions(size, count) for size, count in zip(sizes, outs, strict=True)]
        # regions that all have one size need no condition
        extents = [max(high - low for low, high in found) for found in regions]
        even = [size % count == 0 for size, count in zip(sizes, outs, strict=True)]
        taps = [te.reduce_axis((0, k), f"k{n.lower()}") for k, n in zip(extents, spatial, strict=True)]

        def bounds(d: int, at: Any) -> tuple[Any, Any]:
            return at * sizes[d] // outs[d], ((at + 1) * sizes[d] + outs[d] - 1) // outs[d]

        def element(*index: Any) -> Any:
            at, inside = layout.at(index), []
            for d, name in enumerate(spatial):
                low, high = bounds(d, at[name])
                at[name] = low + taps[d]
                if not even[d]:
                    inside.append(at[name] < high)
            value = x[layout.index(at)]
            if kind == "max":
                value = te.if_then_else(te.all(*inside), value, te.min_value(x.dtype)) if inside else value
                return te.max(value, axis=taps)
            value = value.astype(wide)
            value = te.if_then_else(te.all(*inside), value, te.const(0, wide)) if inside else value
            return te.sum(value, axis=taps)

        pooled = te.compute(result.shape, element, "pooled")
        if kind == "max":
            return pooled

        def mean(*index: Any) -> Any:
            at = layout.at(index)
            share: Any = te.const(1, wide)
            for d, name in enumerate(spatial):
                low, high = bounds(d, at[name])
                part = te.const(extents[d], wide) if even[d] else (high - low).astype(wide)
                share = share * part
            return (pooled[index] / share).astype(x.dtype)

        return te.compute(result.shape, mean, "adaptive_avg_pool")

    return compute


def _adaptive_gradient(kind: str, spatial: str) -> Any:
    def gradient(call: Call, grad: Expr) -> Sequence[Expr | None]:
        """A mean is a product with a matrix along each axis; the largest elements of a region share."""
        (data,) = call.args
        layout, plain = layout_of(call.attrs, spatial), "NC" + spatial
        dims, dtype = layout.dims(data.checked_type.dims), dtype_of(data)  # type: ignore[attr-defined]
        outs = spread(call.attrs.output_size, len(spatial), "output_size")
        x, g = in_layout(data, layout.text, plain), in_layout(grad, layout.text, plain)
        if kind == "avg":
            return [in_layout(_spread_back(g, dims, outs, spatial, dtype), plain, layout.text)]
        y = in_layout(call, layout.text, plain)
        parts: list[Expr] = []
        for cell in np.ndindex(*outs):
            begin, end, margin = [0, 0], [dims["N"], dims["C"]], [(0, 0), (0, 0)]
            for d, name in enumerate(spatial):
                low, high = _regions(dims[name], outs[d])[cell[d]]
                begin.append(low)
                end.append(high)
                margin.append((low, dims[name] - high))
            one = (1,) * len(begin)
            part = op("strided_slice")(x, begin=begin, end=end, strides=one)
            where = {"begin": (0, 0, *cell), "end": (dims["N"], dims["C"], *(c + 1 for c in cell))}
            top = op("strided_slice")(y, strides=one, **where)
            hit = op("cast")(op("equal")(part, top), dtype=dtype)
            shares = divide(hit, op("sum")(hit, axis=tuple(range(2, len(begin))), keepdims=True))
            given = multiply(shares, op("strided_slice")(g, strides=one, **where))
            parts.append(op("pad")(given, pad_width=margin))
        return [in_layout(reduce(add, parts), plain, layout.text)]

    return gradient


def _spread_back(g: Expr, dims: Any, outs: Any, spatial: str, dtype: str) -> Expr:
    for d, name in enumerate(spatial):
        matrix = np.zeros((outs[d], dims[name]), dtype)
        for row, (low, high) in enumerate(_regions(dims[name], outs[d])):
            matrix[row, low:high] = 1 / (high - low)
        count, axis = len(spatial) + 2, d + 2
        order = (*(a for a in range(count) if a != axis), axis)
        turned = op("nn.matmul")(op("transpose")(g, axes=order), Constant(matrix))
        g = op("transpose")(turned, axes=tuple(int(a) for a in np.argsort(order)))
    return g


def _global_row(kind: str) -> Op:
    return Op(
        f"nn.global_{kind}_pool2d",
        ("data",),
        forward(_global_type),
        _global(kind),
        _global_compute(kind),
        Fuse.COMM_REDUCE,
        (Attribute("layout", "str", "NCHW"), *((P,) if kind == "lp" else ())),
        _global_gradient(kind),
        doc=f"{DOC[kind]} of each channel of an image of any number of axes.",
    )


def _adaptive_row(kind: str, count: int) -> Op:
    spatial = SPATIAL[count]
    return Op(
        f"nn.adaptive_{kind}_pool{count}d",
        ("data",),
        forward(_adaptive_type(spatial)),
        _adaptive(kind, spatial),
        _adaptive_compute(kind, spatial),
        Fuse.OUT_ELEMWISE_FUSABLE,
        (Attribute("output_size", "ints", REQUIRED), Attribute("layout", "str", "NC" + spatial)),
        _adaptive_gradient(kind, spatial),
        doc=f"{DOC[kind]} of regions that divide an image, as many as output_size.",
    )


ROWS = (
    *map(_global_row, ("max", "avg", "lp")),
    *(_adaptive_row(kind, count) for kind in ("max", "avg") for count in SPATIAL),
)

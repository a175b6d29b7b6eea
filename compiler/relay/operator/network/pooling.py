"""Pooling of windows: maximum, mean and p-norm, and the place of the maximum."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from compiler import te
from compiler.ops import POOL2D
from compiler.relay.infer.relations import forward, rank, tensor
from compiler.relay.language.attributes import REQUIRED, Attribute, Attrs
from compiler.relay.language.expr import Call, Constant, Expr, TupleGetItem
from compiler.relay.language.layout import Layout
from compiler.relay.language.op import Fuse, Op, Template, op
from compiler.relay.language.types import TensorType, TupleType, Type
from compiler.relay.operator.elementwise import check_dtype, divide, dtype_of, multiply, number
from compiler.relay.operator.network.product import accumulator, scheduled
from compiler.relay.operator.network.windows import SPATIAL, Windows, in_layout, spread

Array = np.ndarray


def layout_of(attrs: Attrs, spatial: str) -> Layout:
    """The layout of a call's images.

    Raises
    ------
    ValueError
        If it has other axes.
    """
    layout = Layout.parse(attrs.layout)
    if sorted(layout.names) != sorted("NC" + spatial):
        raise ValueError(f"the layout {layout.text} has not the axes NC{spatial}")
    return layout


def sizes_of(layout: Layout, shape: Sequence[Any], spatial: str) -> tuple[Any, ...]:
    """The extents along the spatial axes."""
    dims = layout.dims(shape)
    return tuple(dims[name] for name in spatial)


def _windows(attrs: Attrs, count: int) -> Windows:
    return Windows.of(attrs, spread(attrs.pool_size, count, "pool_size"))


def lowest(dtype: np.dtype[Any]) -> Any:
    """What a maximum over nothing is: minus infinity, or the smallest integer."""
    return -np.inf if dtype.kind == "f" else np.iinfo(dtype).min if dtype.kind in "iu" else False


def _type(spatial: str, takes: str) -> Any:
    def rule(attrs: Attrs, data: Type) -> Type:
        x = tensor(data)
        check_dtype(x, takes)
        layout = layout_of(attrs, spatial)
        dims = layout.dims(x.shape)  # type: ignore[arg-type]
        windows = _windows(attrs, len(spatial))
        counts = windows.outputs([dims[name] for name in spatial], ceil=attrs.ceil_mode)
        return TensorType(layout.shape({**dims, **dict(zip(spatial, counts, strict=True))}), x.dtype)

    return rule


def _counts(attrs: Attrs, windows: Windows, sizes: Sequence[int], outs: Sequence[int]) -> Array:
    """The elements of each window that a mean divides by: shape `outs`."""
    found = np.ones((1,) * len(sizes))
    for d, (size, count) in enumerate(zip(sizes, outs, strict=True)):
        at = windows.element(d, np.arange(count)[:, None], np.arange(windows.kernel[d])[None, :])
        low, high = (-windows.before[d], size + windows.after[d]) if attrs.count_include_pad else (0, size)
        inside = ((at >= low) & (at < high)).sum(axis=1)
        found = found * inside.reshape([-1 if i == d else 1 for i in range(len(sizes))])
    return np.maximum(found, 1)


def _evaluated(kind: str, spatial: str) -> Any:
    count = len(spatial)
    taps = tuple(range(2, count + 2))

    def evaluate(attrs: Attrs, data: Array) -> Array:
        layout, windows = layout_of(attrs, spatial), _windows(attrs, count)
        x = layout.unpacked(data, "NC" + spatial)
        outs = windows.outputs(x.shape[2:], ceil=attrs.ceil_mode)
        if kind == "max":
            result = windows.views(x, outs, lowest(x.dtype)).max(axis=taps)
            return layout.packed(result, "NC" + spatial)
        wide = x.astype(accumulator(x.dtype.name))
        if kind == "avg":
            total = windows.views(wide, outs).sum(axis=taps)
            result = total / _counts(attrs, windows, x.shape[2:], outs).astype(total.dtype)
        else:
            total = windows.views(np.abs(wide) ** attrs.p, outs).sum(axis=taps)
            result = total ** (1 / attrs.p)
        return layout.packed(result.astype(data.dtype), "NC" + spatial)

    return evaluate


def power(value: Any, p: float) -> Any:
    """``|value| ** p`` of an expression."""
    size = te.abs(value)
    if p == 1:
        return size
    return size * size if p == 2 else te.power(size, te.const(p, size.dtype))


def root(value: Any, p: float) -> Any:
    """``value ** (1 / p)`` of an expression."""
    if p == 1:
        return value
    return te.sqrt(value) if p == 2 else te.power(value, te.const(1 / p, value.dtype))


def _computed(kind: str, spatial: str) -> Any:
    count = len(spatial)

    def compute(attrs: Attrs, tensors: Sequence[Any], result: Any) -> Any:
        (x,) = tensors
        layout, windows = layout_of(attrs, spatial), _windows(attrs, count)
        sizes, outs = sizes_of(layout, x.shape, spatial), sizes_of(layout, result.shape, spatial)
        taps = [te.reduce_axis((0, k), f"k{n.lower()}") for k, n in zip(windows.kernel, spatial, strict=True)]
        wide = accumulator(x.dtype)

        def element(*index: Any) -> Any:
            at, inside = layout.at(index), []
            for d, name in enumerate(spatial):
                at[name] = windows.element(d, at[name], taps[d])
                inside += windows.inside(d, at[name], sizes[d], outs[d])
            value = x[layout.index(at)]
            if kind == "max":
                value = te.if_then_else(te.all(*inside), value, te.min_value(x.dtype)) if inside else value
                return te.max(value, axis=taps)
            value = power(value.astype(wide), attrs.p) if kind == "lp" else value.astype(wide)
            value = te.if_then_else(te.all(*inside), value, te.const(0, wide)) if inside else value
            return te.sum(value, axis=taps)

        pooled = te.compute(result.shape, element, "pooled")
        if kind == "max":
            return pooled
        if kind == "lp":
            return te.compute(result.shape, lambda *at: root(pooled[at], attrs.p).astype(x.dtype), "lp_pool")

        def mean(*index: Any) -> Any:
            at = layout.at(index)
            known, number_of = 1, []
            for d, name in enumerate(spatial):
                part = _count_along(attrs, windows, d, at[name], sizes[d], outs[d])
                if type(part) is int:
                    known *= part
                else:
                    number_of.append(part)
            if not number_of:
                return (pooled[index] * te.const(1.0 / known, wide)).astype(x.dtype)
            divisor = number_of[0]
            for part in number_of[1:]:
                divisor = divisor * part
            return (pooled[index] / (divisor * known).astype(wide)).astype(x.dtype)

        return te.compute(result.shape, mean, "avg_pool")

    return compute


def _count_along(attrs: Attrs, windows: Windows, d: int, at: Any, size: int, count: int) -> Any:
    """The elements along an axis that the mean of window `at` counts: an int, where all have as many."""
    low, high = (-windows.before[d], size + windows.after[d]) if attrs.count_include_pad else (0, size)
    kernel, dilation = windows.kernel[d], windows.dilation[d]
    first, last = windows.element(d, 0, 0), windows.element(d, count - 1, kernel - 1)
    if first >= low and last < high:
        return kernel
    begin = windows.element(d, at, 0)
    least = te.maximum(0, (low - begin + dilation - 1) // dilation)
    most = te.minimum(kernel, (high - begin + dilation - 1) // dilation)
    return te.maximum(1, most - least)


# gradients -----------------------------------------------------------------------------------------------


def _average_gradient(spatial: str) -> Any:
    """Each window gives its share to its elements: a transposed convolution of each channel with ones."""
    count = len(spatial)

    def gradient(call: Call, grad: Expr) -> Sequence[Expr | None]:
        (data,) = call.args
        attrs, layout, windows = call.attrs, layout_of(call.attrs, spatial), _windows(call.attrs, count)
        dtype, shape = dtype_of(data), data.checked_type.dims  # type: ignore[attr-defined]
        dims, outs = layout.dims(shape), sizes_of(layout, call.checked_type.dims, spatial)  # type: ignore[attr-defined]
        sizes = tuple(dims[name] for name in spatial)
        share = (1 / _counts(attrs, windows, sizes, outs)).astype(dtype)
        plain = "NC" + spatial
        g = multiply(in_layout(grad, layout.text, plain), Constant(share))
        return [in_layout(_scattered(g, dims, windows, sizes, outs, dtype), plain, layout.text)]

    return gradient


def _scattered(g: Expr, dims: Any, windows: Windows, sizes: Any, outs: Any, dtype: str) -> Expr:
    """Each element of `g` (N, C, *outs) added to all elements of its window: shape (N, C, *sizes)."""
    count, channels = len(sizes), dims["C"]
    # the windows may end after the padding, or leave elements of the image: crop and fill afterwards
    reach = [(n - 1) * windows.strides[d] + windows.span(d) for d, n in enumerate(outs)]
    whole = op(f"nn.conv{count}d_transpose")(
        g,
        Constant(np.ones((channels, 1, *windows.kernel), dtype)),
        strides=windows.strides,
        dilation=windows.dilation,
        groups=channels,
    )
    missing = [
        max(windows.before[d] + size - r, 0) for d, (size, r) in enumerate(zip(sizes, reach, strict=True))
    ]
    if any(missing):
        whole = op("pad")(whole, pad_width=((0, 0), (0, 0), *((0, m) for m in missing)))
    ends = [windows.before[d] + size for d, size in enumerate(sizes)]
    return op("strided_slice")(
        whole,
        begin=(0, 0, *windows.before),
        end=(dims["N"], channels, *ends),
        strides=(1,) * (count + 2),
    )


def _max_gradient(spatial: str) -> Any:
    """The gradient goes to the first largest element of each window."""

    def gradient(call: Call, grad: Expr) -> Sequence[Expr | None]:
        (data,) = call.args
        attrs, layout = call.attrs, layout_of(call.attrs, spatial)
        plain = "NC" + spatial
        options = {n: attrs[n] for n in ("pool_size", "strides", "dilation", "padding", "ceil_mode")}
        x, g = in_layout(data, layout.text, plain), in_layout(grad, layout.text, plain)
        dims = layout.dims(data.checked_type.dims)  # type: ignore[attr-defined]
        pooled = op("nn.max_pool_indices")(x, **options)
        at = op("reshape")(TupleGetItem(pooled, 1), newshape=(-1,))
        empty = op("zeros")(shape=(prod(dims.values()),), dtype=dtype_of(data))
        flat = op("scatter_elements")(empty, at, op("reshape")(g, newshape=(-1,)), axis=0, reduction="add")
        whole = op("reshape")(flat, newshape=tuple(dims[name] for name in plain))
        return [in_layout(whole, plain, layout.text)]

    return gradient


def _lp_gradient(spatial: str) -> Any:
    count = len(spatial)

    def gradient(call: Call, grad: Expr) -> Sequence[Expr | None]:
        (data,) = call.args
        layout, windows, p = layout_of(call.attrs, spatial), _windows(call.attrs, count), call.attrs.p
        dims = layout.dims(data.checked_type.dims)  # type: ignore[attr-defined]
        outs = sizes_of(layout, call.checked_type.dims, spatial)  # type: ignore[attr-defined]
        sizes, plain = tuple(dims[name] for name in spatial), "NC" + spatial
        x = in_layout(data, layout.text, plain)
        g = in_layout(divide(grad, op("power")(call, number(p - 1, data))), layout.text, plain)
        around = _scattered(g, dims, windows, sizes, outs, dtype_of(data))
        slope = multiply(op("sign")(x), op("power")(op("abs")(x), number(p - 1, data)))
        return [in_layout(multiply(slope, around), plain, layout.text)]

    return gradient


# maximum with its place ----------------------------------------------------------------------------------


def _indices_type(attrs: Attrs, data: Type) -> Type:
    x = tensor(data)
    windows = _windows(attrs, rank(x) - 2)
    outs = windows.outputs(x.shape[2:], ceil=attrs.ceil_mode)  # type: ignore[index]
    shape = (*x.shape[:2], *outs)  # type: ignore[index]
    return TupleType((TensorType(shape, x.dtype), TensorType(shape, "int64")))


def _indices(attrs: Attrs, x: Array) -> tuple[Array, Array]:
    count, sizes = x.ndim - 2, x.shape[2:]
    windows = _windows(attrs, count)
    outs = windows.outputs(sizes, ceil=attrs.ceil_mode)
    views = windows.views(x, outs, lowest(x.dtype)).reshape(*x.shape[:2], prod(windows.kernel), *outs)
    inside = windows.views(np.ones((1, 1, *sizes), bool), outs, False).reshape(prod(windows.kernel), *outs)
    best = np.where(inside, views == views.max(axis=2, keepdims=True), False).argmax(axis=2)
    values = np.take_along_axis(views, best[:, :, None], axis=2)[:, :, 0]
    taps = np.unravel_index(best, windows.kernel)
    where = np.zeros(best.shape, np.int64)
    order = range(count) if not attrs.storage_order else range(count - 1, -1, -1)
    for d in order:
        line = np.arange(outs[d]).reshape([-1 if i == d else 1 for i in range(count)])
        where = where * sizes[d] + windows.element(d, line, taps[d])
    image = np.arange(prod(x.shape[:2]), dtype=np.int64).reshape(*x.shape[:2], *[1] * count)
    return values, where + image * prod(sizes)


def _indices_compute(attrs: Attrs, tensors: Sequence[Any], result: Any) -> Any:
    (x,) = tensors
    count, sizes = x.ndim - 2, x.shape[2:]
    windows, shape = _windows(attrs, count), result.fields[0].shape
    values = _computed("max", SPATIAL[count])(
        attrs.replace(layout="NC" + SPATIAL[count]), tensors, result.fields[0]
    )
    taps = [te.reduce_axis((0, k), f"k{d}") for d, k in enumerate(windows.kernel)]
    strides = [prod(sizes[d + 1 :]) if not attrs.storage_order else prod(sizes[:d]) for d in range(count)]
    last = te.const(np.iinfo(np.int64).max, "int64")

    def place(n: Any, c: Any, *at: Any) -> Any:
        """The smallest position, in the order of the window, of an element that is the largest."""
        inside: list[Any] = []
        where = (n * x.shape[1] + c).astype("int64") * prod(sizes)
        pixel = []
        for d in range(count):
            pixel.append(windows.element(d, at[d], taps[d]))
            inside += windows.inside(d, pixel[d], sizes[d], shape[d + 2])
            where = where + pixel[d].astype("int64") * strides[d]
        found = te.equal(x[(n, c, *pixel)], values[(n, c, *at)])
        value = te.select(found, where, last)
        return te.min(te.if_then_else(te.all(*inside), value, last) if inside else value, axis=taps)

    return [values, te.compute(shape, place, "place")]


def _indices_gradient(call: Call, grad: Expr) -> Sequence[Expr | None]:
    (data,) = call.args
    shape = data.checked_type.dims  # type: ignore[attr-defined]
    empty = op("zeros")(shape=(prod(shape),), dtype=dtype_of(data))
    attrs = call.attrs.replace(storage_order=0)  # the places in the tensor as it is stored
    at = op("reshape")(TupleGetItem(op("nn.max_pool_indices")(data, **attrs), 1), newshape=(-1,))
    given = op("reshape")(TupleGetItem(grad, 0), newshape=(-1,))
    flat = op("scatter_elements")(empty, at, given, axis=0, reduction="add")
    return [op("reshape")(flat, newshape=shape)]


# schedules -----------------------------------------------------------------------------------------------


def _template(kind: str, spatial: str) -> Any:
    def template(attrs: Attrs, types: Sequence[TensorType]) -> Template | None:
        (x,) = types
        layout = layout_of(attrs, spatial)
        name = layout.text if len(spatial) == 2 else {"NCW": "NCHW", "NWC": "NHWC"}.get(layout.text)
        if name not in ("NCHW", "NHWC", "NCHW16c"):
            return None
        dims, windows = layout.dims(x.dims), _windows(attrs, len(spatial))
        sizes = tuple(dims[n] for n in spatial)
        outs = windows.outputs(sizes, ceil=attrs.ceil_mode)
        # windows that end after the padding: more padding for a maximum, or where no mean counts it
        after = [
            max((n - 1) * windows.strides[d] + windows.span(d) - windows.before[d] - size, windows.after[d])
            for d, (n, size) in enumerate(zip(outs, sizes, strict=True))
        ]
        padded = any(windows.before) or any(after)
        counted = kind == "avg" and attrs.count_include_pad and padded
        if counted and tuple(after) != windows.after:
            return None
        word = "max" if kind == "max" else "average" if counted or not padded else "average without margin"
        one, none = (1,) * (2 - len(spatial)), (0,) * (2 - len(spatial))
        return scheduled(
            POOL2D,
            (0,),
            N=dims["N"],
            C=dims["C"],
            H=dims.get("H", 1),
            W=dims["W"],
            kernel=(*one, *windows.kernel),
            stride=(*one, *windows.strides),
            pad=(*none, *windows.before, *none, *after),
            dilation=(*one, *windows.dilation),
            kind=word,
            layout=name,
            dtype=x.dtype,
        )

    return template


_WINDOWS = (
    Attribute("pool_size", "ints", REQUIRED),
    Attribute("strides", "ints", (1,)),
    Attribute("dilation", "ints", (1,)),
    Attribute("padding", "ints", (0,)),
    Attribute("ceil_mode", "bool", False),
)
P = Attribute("p", "float", 2.0)
_EXTRA = {"max": (), "avg": (Attribute("count_include_pad", "bool", False),), "lp": (P,)}
_TAKES = {"max": "a number", "avg": "a float", "lp": "a float"}
_GRADIENTS = {"max": _max_gradient, "avg": _average_gradient, "lp": _lp_gradient}
DOC = {"max": "The maximum", "avg": "The mean", "lp": "The p-norm"}


def _window_row(kind: str, count: int) -> Op:
    spatial = SPATIAL[count]
    return Op(
        f"nn.{kind}_pool{count}d",
        ("data",),
        forward(_type(spatial, _TAKES[kind])),
        _evaluated(kind, spatial),
        _computed(kind, spatial),
        Fuse.OUT_ELEMWISE_FUSABLE,
        (*_WINDOWS, Attribute("layout", "str", "NC" + spatial), *_EXTRA[kind]),
        _GRADIENTS[kind](spatial),
        _template(kind, spatial) if kind != "lp" and count < 3 else None,
        doc=f"{DOC[kind]} of each window.",
    )


ROWS = (
    *(_window_row(kind, count) for kind in ("max", "avg", "lp") for count in SPATIAL),
    Op(
        "nn.max_pool_indices",
        ("data",),
        forward(_indices_type),
        _indices,
        _indices_compute,
        Fuse.OPAQUE,
        (*_WINDOWS, Attribute("storage_order", "int", 0, (0, 1))),
        _indices_gradient,
        doc="The maximum of each window, and its place in the flat tensor.",
    ),
)

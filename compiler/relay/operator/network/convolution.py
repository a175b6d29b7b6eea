"""Convolutions of one, two and three dimensions: grouped, dilated, transposed, in each layout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from compiler import te
from compiler.ops import CONV2D, CONV2D_TRANSPOSE, CONV2D_WINOGRAD, DEPTHWISE_CONV2D
from compiler.relay.infer.relations import forward, tensor
from compiler.relay.language.attributes import Attribute, Attrs
from compiler.relay.language.expr import Call, Expr
from compiler.relay.language.layout import Layout
from compiler.relay.language.op import Fuse, Op, Template, op
from compiler.relay.language.types import ANY, TensorType, Type
from compiler.relay.operator.network.product import (
    OUT_DTYPE,
    accumulator,
    exact,
    fits,
    operands_dtype,
    product_dtype,
    result_dtype,
    rounded,
    scheduled,
    stored,
)
from compiler.relay.operator.network.windows import SPATIAL, Windows, in_layout, spread

Array = np.ndarray


@dataclass(frozen=True, slots=True)
class _Form:
    """Layouts and extents of a call."""

    spatial: str
    data: Layout
    kernel: Layout
    out: Layout

    @classmethod
    def of(cls, attrs: Attrs, spatial: str) -> _Form:
        data, kernel = Layout.parse(attrs.data_layout), Layout.parse(attrs.kernel_layout)
        out = Layout.parse(attrs.out_layout) if attrs.out_layout else data
        for layout, names in ((data, "NC"), (kernel, "OI"), (out, "NC")):
            if sorted(layout.names) != sorted(names + spatial):
                raise ValueError(f"the layout {layout.text} has not the axes {names + spatial}")
        return cls(spatial, data, kernel, out)

    def sizes(self, dims: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(dims[name] for name in self.spatial)


def _evaluated(spatial: str, transposed: bool) -> Any:
    def evaluate(attrs: Attrs, data: Array, weight: Array) -> Array:
        form = _Form.of(attrs, spatial)
        x = exact(form.data.unpacked(data, "NC" + spatial))
        w = exact(form.kernel.unpacked(weight, "IO" + spatial if transposed else "OI" + spatial))
        total = _transposed(attrs, x, w) if transposed else convolved(attrs, x, w)
        return form.out.packed(rounded(total, result_dtype(attrs, data.dtype.name)), "NC" + spatial)

    return evaluate


def convolved(attrs: Attrs, x: Array, w: Array) -> Array:
    """The convolution of images (N, C, *sizes) with kernels (O, C / groups, *kernel): one matrix product for
    each image and group; for a single channel a product for each element of the kernel.
    """
    groups, windows = attrs.groups, Windows.of(attrs, w.shape[2:])
    counts = windows.outputs(x.shape[2:])
    views = windows.views(x, counts)
    n, co, ci, taps = x.shape[0], w.shape[0] // groups, w.shape[1], prod(w.shape[2:])
    if ci == 1 and groups > 1:
        total = np.zeros((n, groups, co, *counts), np.result_type(x, w))
        kernels = w.reshape(groups, co, *w.shape[2:])
        for tap in np.ndindex(*w.shape[2:]):
            scale = kernels[(slice(None), slice(None), *tap)].reshape(1, groups, co, *([1] * len(counts)))
            total += views[(slice(None), slice(None), *tap)][:, :, None] * scale
        return total.reshape(n, groups * co, *counts)
    columns = views.reshape(n, groups, ci * taps, prod(counts))
    return np.matmul(w.reshape(groups, co, ci * taps), columns).reshape(n, groups * co, *counts)


def _transposed(attrs: Attrs, x: Array, w: Array) -> Array:
    """Each element of the images (N, C, *sizes) adds its multiple of a kernel (C, O / groups, *kernel)."""
    groups, windows, count = attrs.groups, Windows.of(attrs, w.shape[2:]), w.ndim - 2
    n, ci, co = x.shape[0], x.shape[1] // groups, w.shape[1]
    sizes, kernel = x.shape[2:], w.shape[2:]
    outs = _sizes_of_transposed(attrs, windows, sizes)
    turned = w.reshape(groups, ci, co * prod(kernel)).swapaxes(1, 2)
    parts = np.matmul(turned, x.reshape(n, groups, ci, prod(sizes)))
    parts = parts.reshape(n, groups * co, *kernel, *sizes)
    whole = [
        max((size - 1) * windows.strides[d] + windows.span(d), windows.before[d] + outs[d])
        for d, size in enumerate(sizes)
    ]
    total = np.zeros((n, groups * co, *whole), parts.dtype)
    for tap in np.ndindex(*kernel):
        where = tuple(
            slice(t * dil, t * dil + (size - 1) * step + 1, step)
            for t, dil, size, step in zip(tap, windows.dilation, sizes, windows.strides, strict=True)
        )
        if prod(sizes):
            total[(slice(None), slice(None), *where)] += parts[(slice(None), slice(None), *tap)]
    crop = tuple(slice(windows.before[d], windows.before[d] + outs[d]) for d in range(count))
    return total[(slice(None), slice(None), *crop)]


def _sizes_of_transposed(attrs: Attrs, windows: Windows, sizes: Sequence[Any]) -> tuple[Any, ...]:
    extra = spread(attrs.output_padding, len(sizes), "output_padding")
    found = []
    for d, size in enumerate(sizes):
        if type(size) is not int or type(windows.span(d)) is not int:
            found.append(ANY)
            continue
        total = (size - 1) * windows.strides[d] + windows.span(d) + extra[d]
        total -= windows.before[d] + windows.after[d]
        if extra[d] < 0 or total < 0:
            raise ValueError(f"padding of axis {d} takes more than the {size} elements make")
        found.append(total)
    return tuple(found)


def type_rule(spatial: str, *, transposed: bool) -> Any:
    """The rule of the type of a convolution's result."""

    def rule(attrs: Attrs, data: Type, weight: Type) -> Type:
        x, w = tensor(data, "the data"), tensor(weight, "the weight")
        form = _Form.of(attrs, spatial)
        image, kernel = form.data.dims(x.shape), form.kernel.dims(w.shape)  # type: ignore[arg-type]
        groups, taken = attrs.groups, kernel["I"]
        given = taken if transposed or type(taken) is not int else taken * groups
        if groups < 1 or not fits(image["C"], given):
            raise ValueError(
                f"the data has {image['C']} channels, but weights {w} in {groups} group(s) take {given}"
            )
        divided = taken if transposed else kernel["O"]
        if type(divided) is int and divided % groups:
            raise ValueError(f"{groups} groups do not divide the {divided} channels of the weight")
        windows = Windows.of(attrs, form.sizes(kernel))
        if transposed:
            made = kernel["O"] * groups if type(kernel["O"]) is int else ANY
            sizes = _sizes_of_transposed(attrs, windows, form.sizes(image))
        else:
            made, sizes = kernel["O"], windows.outputs(form.sizes(image))
        dims = {"N": image["N"], "C": made, **dict(zip(spatial, sizes, strict=True))}
        return TensorType(form.out.shape(dims), operands_dtype(attrs, x, w))

    return rule


def _computed(spatial: str) -> Any:
    def compute(attrs: Attrs, tensors: Sequence[Any], result: Any) -> Any:
        x, w = tensors
        return stored(convolution(attrs, spatial, x, w, result.shape), result.dtype, "out")

    return compute


def convolution(
    attrs: Attrs, spatial: str, x: Any, w: Any, shape: Sequence[int], shift: tuple[Any, Any] = (None, None)
) -> Any:
    """The sums of a convolution as a tensor expression, in the type of the accumulator.

    Parameters
    ----------
    attrs : Attrs
    spatial : str
        Letters of the spatial axes.
    x, w : Tensor
    shape : sequence of int
        Of the result.
    shift : pair of callables, optional
        ``shift(element, channel)`` is applied to each element of the image and to each weight, inside of the
        image alone.
    """
    form = _Form.of(attrs, spatial)
    image, kernel, outs = form.data.dims(x.shape), form.kernel.dims(w.shape), form.out.dims(shape)
    windows, groups = Windows.of(attrs, form.sizes(kernel)), attrs.groups
    co, ci, kind = kernel["O"] // groups, kernel["I"], accumulator(x.dtype)
    c = te.reduce_axis((0, ci), "c")
    taps = [te.reduce_axis((0, kernel[name]), f"k{name.lower()}") for name in spatial]

    def term(*index: Any) -> Any:
        at = form.out.at(index)
        group = at["C"] if co == 1 else at["C"] // co
        pixel = {"N": at["N"], "C": c if groups == 1 else group if ci == 1 else group * ci + c}
        if groups > 1 and ci == 1:
            pixel["C"] = group + c  # c has one value
        inside: list[Any] = []
        for d, name in enumerate(spatial):
            pixel[name] = windows.element(d, at[name], taps[d])
            inside += windows.inside(d, pixel[name], image[name], outs[name])
        value = x[form.data.index(pixel)].astype(kind)
        scale = w[form.kernel.index({"O": at["C"], "I": c, **dict(zip(spatial, taps, strict=True))})]
        value = shift[0](value, None) if shift[0] else value
        scale = shift[1](scale.astype(kind), at["C"]) if shift[1] else scale.astype(kind)
        if inside:
            value = te.if_then_else(te.all(*inside), value, te.const(0, kind))
        return te.sum(value * scale, axis=(c, *taps))

    return te.compute(tuple(shape), term, "convolution")


def _computed_transposed(spatial: str) -> Any:
    def compute(attrs: Attrs, tensors: Sequence[Any], result: Any) -> Any:
        """Each element of the result gathers the products that reach it.

        Along an axis the elements whose index, counted from the padding, has the remainder r after division
        by the stride get the elements r, r + stride, ... of the kernel. With a dilation the elements of it
        that reach are those for which the division has no remainder.
        """
        x, w = tensors
        form = _Form.of(attrs, spatial)
        image, kernel = form.data.dims(x.shape), form.kernel.dims(w.shape)
        windows, groups = Windows.of(attrs, form.sizes(kernel)), attrs.groups
        co, ci, kind = kernel["O"], kernel["I"] // groups, accumulator(x.dtype)
        direct = [windows.dilation[d] == 1 or windows.strides[d] == 1 for d in range(len(spatial))]
        counts = [
            -(-kernel[name] // windows.strides[d]) if direct[d] else kernel[name]
            for d, name in enumerate(spatial)
        ]
        c = te.reduce_axis((0, ci), "c")
        taps = [te.reduce_axis((0, n), f"k{name.lower()}") for n, name in zip(counts, spatial, strict=True)]

        def term(*index: Any) -> Any:
            at = form.out.at(index)
            group = at["C"] // co
            pixel = {"N": at["N"], "C": c if groups == 1 else group * ci + c}
            scale = {"O": at["C"] % co if groups > 1 else at["C"], "I": pixel["C"]}
            inside: list[Any] = []
            for d, name in enumerate(spatial):
                step, dilation = windows.strides[d], windows.dilation[d]
                place = at[name] + windows.before[d]
                if direct[d]:
                    tap = place % step + taps[d] * step if step > 1 else taps[d]
                    pixel[name] = place // step - taps[d] if step > 1 else place - taps[d] * dilation
                    if kernel[name] % step:
                        inside.append(tap < kernel[name])
                else:
                    tap = taps[d]
                    behind = place - tap * dilation
                    pixel[name] = behind // step
                    inside.append(te.equal(behind % step, 0))
                scale[name] = tap
                inside += [pixel[name] >= 0, pixel[name] < image[name]]
            product = x[form.data.index(pixel)].astype(kind) * w[form.kernel.index(scale)].astype(kind)
            return te.sum(te.if_then_else(te.all(*inside), product, te.const(0, kind)), axis=(c, *taps))

        return stored(te.compute(result.shape, term, "convolution"), result.dtype, "out")

    return compute


# gradients -----------------------------------------------------------------------------------------------


def _weight_gradient(attrs: Attrs, count: int, x: Expr, grad: Expr, shapes: Sequence[Any]) -> Expr:
    """The gradient by the weight: a convolution of the images with the gradient as the kernel, in which
    images and channels change places, and strides and dilation do.

    Parameters
    ----------
    count : int
        Number of spatial axes.
    x, grad : Expr
        In the plain layout.
    shapes : sequence
        Of `x`, of `grad` and of the weight (O, I, *kernel).
    """
    image, out, weight = shapes
    groups, windows = attrs.groups, Windows.of(attrs, weight[2:])
    n, ci = image[0], image[1] // groups
    axes = tuple(range(2, count + 2))
    if groups == 1:
        turned = op("transpose")(x, axes=(1, 0, *axes))
    else:
        parts = op("reshape")(x, newshape=(n, groups, ci, *image[2:]))
        turned = op("transpose")(parts, axes=(2, 1, 0, *(a + 1 for a in axes)))
        turned = op("reshape")(turned, newshape=(ci, groups * n, *image[2:]))
    kernels = op("transpose")(grad, axes=(1, 0, *axes))
    found = op(f"nn.conv{count}d")(
        turned,
        kernels,
        strides=windows.dilation,
        dilation=windows.strides,
        padding=(*windows.before, *windows.after),
        groups=groups,
    )
    found = op("strided_slice")(
        found, begin=(0,) * (count + 2), end=(ci, out[1], *weight[2:]), strides=(1,) * (count + 2)
    )
    return op("transpose")(found, axes=(1, 0, *axes))


def _gradient(spatial: str, transposed: bool) -> Any:
    count = len(spatial)

    def gradient(call: Call, grad: Expr) -> Sequence[Expr | None]:
        data, weight = call.args
        attrs, form = call.attrs, _Form.of(call.attrs, spatial)
        plain, kernels = "NC" + spatial, ("IO" if transposed else "OI") + spatial
        x = in_layout(data, form.data.text, plain)
        w = in_layout(weight, form.kernel.text, kernels)
        g = in_layout(grad, form.out.text, plain)
        image, kernel = form.data.dims(data.checked_type.dims), form.kernel.dims(weight.checked_type.dims)  # type: ignore[attr-defined]
        out = form.out.dims(call.checked_type.dims)  # type: ignore[attr-defined]
        sizes, outs = (tuple(dims[name] for name in plain) for dims in (image, out))
        shape = tuple(kernel[name] for name in kernels)
        windows = Windows.of(attrs, shape[2:])
        options = {
            "strides": windows.strides,
            "padding": (*windows.before, *windows.after),
            "dilation": windows.dilation,
            "groups": attrs.groups,
        }
        if transposed:
            dx = op(f"nn.conv{count}d")(g, w, **options)
            dx = op("strided_slice")(dx, begin=(0,) * (count + 2), end=sizes, strides=(1,) * (count + 2))
            dw = _weight_gradient(attrs, count, g, x, (outs, sizes, shape))
        else:
            extra = tuple(
                sizes[d + 2]
                + windows.before[d]
                + windows.after[d]
                - (outs[d + 2] - 1) * windows.strides[d]
                - windows.span(d)
                for d in range(count)
            )
            dx = op(f"nn.conv{count}d_transpose")(g, w, output_padding=extra, **options)
            dw = _weight_gradient(attrs, count, x, g, (sizes, outs, shape))
        return in_layout(dx, plain, form.data.text), in_layout(dw, kernels, form.kernel.text)

    return gradient


# schedules -----------------------------------------------------------------------------------------------


def _template(spatial: str) -> Any:
    def template(attrs: Attrs, types: Sequence[TensorType]) -> Template | None:
        x, w = types
        form = _Form.of(attrs, spatial)
        if len(spatial) > 2 or form.out != form.data or form.kernel.text != "OI" + spatial:
            return None
        layout = form.data.text if len(spatial) == 2 else {"NCW": "NCHW", "NWC": "NHWC"}.get(form.data.text)
        dtype = product_dtype(CONV2D, attrs, x, w)
        if layout not in ("NCHW", "NHWC", "NCHW16c") or dtype is None:
            return None
        image, kernel = form.data.dims(x.dims), form.kernel.dims(w.dims)
        windows = Windows.of(attrs, form.sizes(kernel))
        one = (1,) * (2 - len(spatial))
        none = (0,) * len(one)
        sizes = {
            "N": image["N"],
            "H": image.get("H", 1),
            "W": image["W"],
            "pad": (*none, *windows.before, *none, *windows.after),
            "layout": layout,
            "dtype": dtype,
        }
        steps = {"stride": (*one, *windows.strides), "dilation": (*one, *windows.dilation)}
        window = (*one, *windows.kernel)
        channels, made, groups = image["C"], kernel["O"], attrs.groups
        if groups == channels > 1:
            multiplier = made // channels
            return scheduled(
                DEPTHWISE_CONV2D, (0, 1), C=channels, kernel=window, multiplier=multiplier, **steps, **sizes
            )
        if _winograd_pays(channels, made, groups, windows, form.sizes(image)):
            found = scheduled(CONV2D_WINOGRAD, (0, 1), CI=channels, CO=made, **sizes)
            if found is not None:
                return found
        return scheduled(CONV2D, (0, 1), CI=channels, CO=made, kernel=window, groups=groups, **steps, **sizes)

    return template


def _winograd_pays(channels: int, made: int, groups: int, windows: Windows, sizes: tuple[int, ...]) -> bool:
    """Whether fewer multiplications outweigh the transforms of the tiles.

    F(4, 3) needs a quarter of the multiplications, but for each of the ``channels`` and ``made`` elements of
    a pixel some twenty additions, which the sums over many channels have to pay for; small images leave a
    part of the tiles unused.
    """
    plain = windows.kernel == (3, 3) and set(windows.strides) == set(windows.dilation) == {1}
    return plain and groups == 1 and channels >= 32 and made >= 16 and min(sizes) >= 8


def _transposed_template(spatial: str) -> Any:
    def template(attrs: Attrs, types: Sequence[TensorType]) -> Template | None:
        x, w = types
        form = _Form.of(attrs, spatial)
        plain = form.data.text == "NC" + spatial == form.out.text and form.kernel.text == "IO" + spatial
        dtype = product_dtype(CONV2D_TRANSPOSE, attrs, x, w)
        if len(spatial) > 2 or not plain or dtype is None or attrs.groups > 1:
            return None
        windows = Windows.of(attrs, form.sizes(form.kernel.dims(w.dims)))
        if set(windows.dilation) != {1}:
            return None
        one = (1,) * (2 - len(spatial))
        none = (0,) * len(one)
        more = spread(attrs.output_padding, len(spatial), "output_padding")
        sizes = {"H": 1} if one else {"H": x.dims[2]}
        return scheduled(
            CONV2D_TRANSPOSE,
            (0, 1),
            N=x.dims[0],
            CI=x.dims[1],
            **sizes,
            W=x.dims[-1],
            CO=w.dims[1],
            kernel=(*one, *windows.kernel),
            stride=(*one, *windows.strides),
            pad=(*none, *windows.before, *none, *windows.after),
            output_padding=(*none, *more),
            dtype=dtype,
        )

    return template


_COMMON = (
    Attribute("strides", "ints", (1,)),
    Attribute("padding", "ints", (0,)),
    Attribute("dilation", "ints", (1,)),
    Attribute("groups", "int", 1),
)


def attributes(spatial: str, *, transposed: bool = False) -> tuple[Attribute, ...]:
    """The attributes of a convolution with these spatial axes."""
    return (
        *_COMMON,
        *((Attribute("output_padding", "ints", (0,)),) if transposed else ()),
        Attribute("data_layout", "str", "NC" + spatial),
        Attribute("kernel_layout", "str", ("IO" if transposed else "OI") + spatial),
        Attribute("out_layout", "str", ""),
        OUT_DTYPE,
    )


def _row(count: int, transposed: bool) -> Op:
    spatial = SPATIAL[count]
    return Op(
        f"nn.conv{count}d_transpose" if transposed else f"nn.conv{count}d",
        ("data", "weight"),
        forward(type_rule(spatial, transposed=transposed)),
        _evaluated(spatial, transposed),
        _computed_transposed(spatial) if transposed else _computed(spatial),
        Fuse.OUT_ELEMWISE_FUSABLE,
        attributes(spatial, transposed=transposed),
        _gradient(spatial, transposed),
        _transposed_template(spatial) if transposed else _template(spatial),
        doc="the gradient of a convolution by its data" if transposed else "sums of products over windows",
    )


ROWS = tuple(_row(count, transposed) for transposed in (False, True) for count in SPATIAL)

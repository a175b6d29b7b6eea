"""Resizing of images by each rule of coordinates and weights, and upsampling by whole factors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from math import floor
from typing import Any

import numpy as np

from compiler import te
from compiler.relay.infer.relations import forward, normalized_axis, rank, tensor
from compiler.relay.language.attributes import REQUIRED, Attribute, Attrs
from compiler.relay.language.expr import Call, Constant, Expr
from compiler.relay.language.op import Fuse, Op, op
from compiler.relay.language.types import ANY, TensorType, Type
from compiler.relay.operator.elementwise import check_dtype, converted, dtype_of, multiply
from compiler.relay.operator.network.product import accumulator

Array = np.ndarray


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Functions of numbers, for arrays and for expressions: what is written with them is written once."""

    floor: Callable[[Any], Any]
    round: Callable[[Any], Any]
    abs: Callable[[Any], Any]
    minimum: Callable[[Any, Any], Any]
    maximum: Callable[[Any, Any], Any]
    where: Callable[[Any, Any, Any], Any]
    trunc: Callable[[Any], Any]

    def clip(self, x: Any, low: Any, high: Any) -> Any:
        """The nearest number between two."""
        return self.minimum(self.maximum(x, low), high)


ARRAYS = Arithmetic(np.floor, np.rint, np.abs, np.minimum, np.maximum, np.where, np.trunc)
EXPRESSIONS = Arithmetic(te.floor, te.round, te.abs, te.minimum, te.maximum, te.select, te.trunc)


def cubic(f: Arithmetic, distance: Any, alpha: float) -> Any:
    """The weight at a distance of Keys' cubic convolution."""
    x = f.abs(distance)
    near = ((alpha + 2) * x - (alpha + 3)) * x * x + 1.0
    far = ((alpha * x - 5 * alpha) * x + 8 * alpha) * x - 4 * alpha
    return f.where(x <= 1.0, near, f.where(x < 2.0, far, x * 0.0))


@dataclass(frozen=True, slots=True)
class Axis:
    """The resizing along an axis: which elements each element of the result sums, and with which weights.

    Parameters
    ----------
    axis, size, out : int
        The axis, its extent before and after.
    scale : float
    start, end : float
        The part of the axis that is resized, for the coordinates of ``"tf_crop_and_resize"``.
    attrs : Attrs
    """

    axis: int
    size: int
    out: int
    scale: float
    start: float
    end: float
    attrs: Attrs

    def position(self, o: Any) -> Any:
        """The coordinate in the image of an element of the result; float64."""
        kind, wide = self.attrs.coordinate, self.scale * self.size
        if kind == "align_corners":
            return o * 0.0 if wide == 1 else o * ((self.size - 1) / (wide - 1))
        if kind == "asymmetric":
            return o / self.scale
        if kind == "tf_half_pixel_for_nn":
            return (o + 0.5) / self.scale
        if kind == "tf_crop_and_resize":
            part, last = self.end - self.start, self.size - 1
            first = self.start * last
            return (
                o * 0.0 + (part * last / 2 + first) if wide == 1 else o * (part * last / (wide - 1)) + first
            )
        if kind == "pytorch_half_pixel" and wide == 1:
            return o * 0.0 - 0.5
        shift = 0.0
        if kind == "half_pixel_symmetric":
            shift = self.size / 2 * (1 - self.out / wide)
        return (o + 0.5) / self.scale - 0.5 + shift

    @property
    def offsets(self) -> range:
        """The elements that are summed, relative to the one at or before the coordinate."""
        if self.attrs.method == "nearest":
            return range(1)
        reach = 1 if self.attrs.method == "linear" else 2
        scale = min(self.scale, 1.0) if self.attrs.antialias else 1.0
        first = floor(-reach / scale) + 1
        return range(first, 2 - first)

    def place(self, f: Arithmetic, o: Any) -> Any:
        """The element at or before the coordinate, for the nearest neighbour that neighbour; float64."""
        at = self.position(o)
        below = f.floor(at)
        if self.attrs.method != "nearest" or self.attrs.rounding == "floor":
            return below
        ratio = at - below
        limit = {"round_prefer_floor": ratio > 0.5, "round_prefer_ceil": ratio >= 0.5, "ceil": ratio > 0.0}
        return f.where(limit[self.attrs.rounding], below + 1.0, below)

    def weight(self, f: Arithmetic, o: Any, offset: Any) -> Any:
        """The weight of the element of an offset, before weights are divided by their sum; float64."""
        method, first = self.attrs.method, self.place(f, o)
        ratio = self.position(o) - first
        if method == "nearest":
            return ratio * 0.0 + 1.0
        scale = min(self.scale, 1.0) if self.attrs.antialias else 1.0
        distance = (ratio - offset) * scale
        if method == "linear":
            found = f.maximum(1.0 - f.abs(distance), distance * 0.0)
        else:
            found = cubic(f, distance, self.attrs.cubic_alpha)
        if not self.attrs.exclude_outside:
            return found
        place = first + offset
        inside = f.where(place >= 0.0, place, place * 0.0 + float(self.size)) < float(self.size)
        return f.where(inside, found, found * 0.0)

    @property
    def normalized(self) -> bool:
        """Whether the weights of an element of the result are divided by their sum."""
        return self.attrs.method != "nearest" and bool(self.attrs.exclude_outside or self.attrs.antialias)

    def index(self, f: Arithmetic, o: Any, offset: Any) -> Any:
        """The element of an offset, the last one of the image for those outside; float64."""
        return f.clip(self.place(f, o) + offset, o * 0.0, o * 0.0 + float(self.size - 1))

    def outside(self, o: Any) -> tuple[Any, Any]:
        """The coordinate, and the last one inside of the image."""
        return self.position(o), float(self.size - 1)

    def table(self) -> tuple[Array, Array]:
        """Indices and weights of all elements of the result: shapes (offsets, out)."""
        o, offsets = np.arange(self.out, dtype=np.float64), np.array(self.offsets, np.float64)[:, None]
        indices, weights = self.index(ARRAYS, o, offsets), self.weight(ARRAYS, o, offsets)
        if self.normalized:
            weights = weights / weights.sum(axis=0)
        return indices.astype(np.int64), np.broadcast_to(weights, indices.shape)

    def tables(self, dtype: str) -> tuple[Any, Any]:
        """The same as tensors, int32 and `dtype`, which are computed before the image is."""
        shape, first = (len(self.offsets), self.out), float(self.offsets[0])

        def index(k: Any, o: Any) -> Any:
            return self.index(EXPRESSIONS, o.astype("float64"), k.astype("float64") + first).astype("int32")

        def weight(k: Any, o: Any) -> Any:
            return self.weight(EXPRESSIONS, o.astype("float64"), k.astype("float64") + first)

        indices, weights = te.compute(shape, index, "index"), te.compute(shape, weight, "weight")
        if self.normalized:
            k = te.reduce_axis((0, shape[0]), "k")
            total = te.compute((self.out,), lambda o: te.sum(weights[k, o], axis=k), "total")
            return indices, te.compute(shape, lambda k, o: (weights[k, o] / total[o]).astype(dtype), "share")
        return indices, te.compute(shape, lambda k, o: weights[k, o].astype(dtype), "share")

    @property
    def matrix(self) -> Array:
        """The weights as a matrix (out, size)."""
        indices, weights = self.table()
        found = np.zeros((self.out, self.size))
        for row, weight in zip(indices, weights, strict=True):
            np.add.at(found, (np.arange(self.out), row), weight)
        return found

    @property
    def identical(self) -> bool:
        """Whether nothing changes along the axis."""
        return self.size == self.out and self.scale == 1 and self.attrs.coordinate != "tf_crop_and_resize"


def _axes(attrs: Attrs, shape: Sequence[Any]) -> list[Axis]:
    count = len(shape)
    axes = (
        [normalized_axis(a, count) for a in attrs.axes] if attrs.axes is not None else list(range(2, count))
    )
    if len(axes) != len(attrs.size) or (attrs.scales is not None and len(attrs.scales) != len(axes)):
        raise ValueError(f"resize: {len(axes)} axes {axes} need as many sizes and scales, not {attrs.size}")
    if attrs.roi is not None and len(attrs.roi) != 2 * len(axes):
        raise ValueError(f"resize: roi has {len(attrs.roi)} numbers; {2 * len(axes)} are needed")
    found = []
    for k, axis in enumerate(axes):
        size, out = shape[axis], attrs.size[k]
        scale = attrs.scales[k] if attrs.scales is not None else out / size if size else 1.0
        start, end = (attrs.roi[k], attrs.roi[k + len(axes)]) if attrs.roi is not None else (0.0, 1.0)
        found.append(Axis(axis, size, out, float(scale), float(start), float(end), attrs))
    return found


def _resize_type(attrs: Attrs, data: Type) -> Type:
    x = tensor(data)
    check_dtype(x, "a number")
    shape = [d if type(d) is int else 1 for d in x.shape]  # type: ignore[union-attr]
    sizes = {axis.axis: axis.out for axis in _axes(attrs, shape)}
    if any(size < 1 for size in sizes.values()):
        raise ValueError(f"resize: the size {attrs.size} is not positive")
    kept = [d if type(d) is int else ANY for d in x.shape]  # type: ignore[union-attr]
    return TensorType(tuple(sizes.get(d, n) for d, n in enumerate(kept)), x.dtype)


def _beyond(axes: Sequence[Axis], count: int) -> Array | None:
    """Where the result is the extrapolation value, broadcast to the result; None for nowhere."""
    if not axes or axes[0].attrs.coordinate != "tf_crop_and_resize":
        return None
    found: Array = np.zeros((1,) * count, bool)
    for axis in axes:
        at, last = axis.outside(np.arange(axis.out, dtype=np.float64))
        found = found | ((at < 0) | (at > last)).reshape([-1 if d == axis.axis else 1 for d in range(count)])
    return found


def _resize(attrs: Attrs, x: Array) -> Array:
    axes = _axes(attrs, x.shape)
    exact = x if attrs.method == "nearest" else x.astype(_wide(x.dtype.name))
    for axis in axes:
        if axis.identical:
            continue
        indices, weights = axis.table()
        if attrs.method == "nearest":
            exact = exact.take(indices[0], axis.axis)
            continue
        shape = [-1 if d == axis.axis else 1 for d in range(x.ndim)]
        parts = [
            exact.take(i, axis.axis) * w.astype(exact.dtype).reshape(shape)
            for i, w in zip(indices, weights, strict=True)
        ]
        exact = sum(parts[1:], parts[0])
    beyond = _beyond(axes, x.ndim)
    if beyond is not None:
        exact = np.where(beyond, exact.dtype.type(attrs.extrapolation), exact)
    return converted(exact, x.dtype.name)


def _wide(dtype: str) -> str:
    return accumulator(dtype) if dtype.startswith(("float", "bfloat")) else "float64"


def _nearest_of(axis: Axis) -> Callable[[Any], Any]:
    """The index of the nearest element as an expression: of the result's index, if it is a quotient or a
    multiple of it, else read from a table.
    """
    column, line = axis.table()[0][0], np.arange(axis.out)
    if axis.out % axis.size == 0 and (column == line // (axis.out // axis.size)).all():
        return lambda o: o // (axis.out // axis.size)
    step = int(column[1]) if axis.out > 1 else 1
    if (column == line * step).all():
        return lambda o: o * step
    table = axis.tables("float32")[0]
    return lambda o: te.minimum(te.maximum(table[0, o], 0), axis.size - 1)


def _resize_compute(attrs: Attrs, tensors: Sequence[Any], result: Any) -> Any:
    (x,) = tensors
    axes = _axes(attrs, x.shape)
    changed = [axis for axis in axes if not axis.identical]
    wide = _wide(x.dtype)
    if attrs.method == "nearest":
        at_axis = {axis.axis: _nearest_of(axis) for axis in changed}

        def nearest(*at: Any) -> Any:
            return x[tuple(at_axis[d](i) if d in at_axis else i for d, i in enumerate(at))]

        found = te.compute(result.shape, nearest, "resize")
    else:
        # few elements are summed at once, many along one axis after the other
        together = np.prod([len(axis.offsets) for axis in changed]) <= 4
        found = x
        for group in [changed] if together else [[axis] for axis in changed]:
            found = _summed(found, group, wide)
        if found.dtype != x.dtype or found is x:
            last = found
            found = te.compute(result.shape, lambda *at: last[at].astype(x.dtype), "resize")
    if attrs.coordinate != "tf_crop_and_resize":
        return found
    inner = found

    def bounded(*at: Any) -> Any:
        inside = []
        for axis in axes:
            place, last = axis.outside(at[axis.axis].astype("float64"))
            inside += [place >= 0.0, place <= last]
        return te.if_then_else(te.all(*inside), inner[at], te.const(attrs.extrapolation, x.dtype))

    return te.compute(result.shape, bounded, "bounded")


def _summed(x: Any, axes: Sequence[Axis], wide: str) -> Any:
    """The weighted sums along some axes at once: few terms are written out, many are a reduction."""
    shape = list(x.shape)
    tables = [axis.tables(wide) for axis in axes]
    for axis in axes:
        shape[axis.axis] = axis.out

    def term(at: Sequence[Any], taps: Sequence[Any]) -> Any:
        index, scale = list(at), None
        for axis, tap, (indices, weights) in zip(axes, taps, tables, strict=True):
            o = at[axis.axis]
            index[axis.axis] = te.minimum(te.maximum(indices[tap, o], 0), axis.size - 1)
            scale = weights[tap, o] if scale is None else scale * weights[tap, o]
        value = x[tuple(index)].astype(wide)
        return value if scale is None else value * scale

    counts = [len(axis.offsets) for axis in axes]
    if len(axes) == 1 and counts[0] > 4:
        k = te.reduce_axis((0, counts[0]), "k")
        return te.compute(shape, lambda *at: te.sum(term(at, (k,)), axis=k), "resize")

    def element(*at: Any) -> Any:
        terms = [term(at, taps) for taps in product(*map(range, counts))]
        return sum(terms[1:], terms[0])

    return te.compute(shape, element, "resize")


def _resize_gradient(call: Call, grad: Expr) -> Sequence[Expr | None]:
    """A resizing is a product with a matrix along each axis; its gradient that with the transposed one."""
    (x,) = call.args
    shape, dtype = x.checked_type.dims, dtype_of(x)  # type: ignore[attr-defined]
    axes, count = _axes(call.attrs, shape), len(shape)
    beyond = _beyond(axes, count)
    if beyond is not None:
        grad = multiply(grad, Constant((~beyond).astype(dtype)))
    for axis in axes:
        if axis.identical:
            continue
        order = (*(d for d in range(count) if d != axis.axis), axis.axis)
        turned = op("nn.matmul")(op("transpose")(grad, axes=order), Constant(axis.matrix.astype(dtype)))
        grad = op("transpose")(turned, axes=tuple(int(d) for d in np.argsort(order)))
    return [grad]


# upsampling ----------------------------------------------------------------------------------------------


def _as_resize(attrs: Attrs, shape: Sequence[Any]) -> Attrs:
    first = 2 if attrs.layout == "NCHW" else 1
    scales = (float(attrs.scale_h), float(attrs.scale_w))
    size = tuple(
        int(n * s) if type(n) is int else 1 for n, s in zip(shape[first : first + 2], scales, strict=True)
    )
    coordinate = "asymmetric" if attrs.method == "nearest" else "half_pixel"
    call = op("image.resize")(
        Constant(np.zeros(())),
        size=size,
        axes=(first, first + 1),
        scales=None if attrs.align_corners else scales,
        method=attrs.method,
        coordinate="align_corners" if attrs.align_corners else coordinate,
        rounding="floor",
    )
    return call.attrs


def _upsampling_type(attrs: Attrs, data: Type) -> Type:
    x = tensor(data)
    if rank(x) != 4:
        raise ValueError(f"upsampling: an image of four axes is needed, not {x}")
    found = tensor(_resize_type(_as_resize(attrs, x.shape), x))  # type: ignore[arg-type]
    spatial = (2, 3) if attrs.layout == "NCHW" else (1, 2)
    given = x.shape
    return TensorType(
        tuple(ANY if d in spatial and type(given[d]) is not int else n for d, n in enumerate(found.shape)),  # type: ignore[arg-type,index]
        x.dtype,
    )


def _upsampling_gradient(call: Call, grad: Expr) -> Sequence[Expr | None]:
    (x,) = call.args
    attrs = _as_resize(call.attrs, x.checked_type.dims)  # type: ignore[attr-defined]
    return _resize_gradient(Call(op("image.resize"), call.args, attrs), grad)


COORDINATES = (
    "half_pixel",
    "half_pixel_symmetric",
    "pytorch_half_pixel",
    "align_corners",
    "asymmetric",
    "tf_half_pixel_for_nn",
    "tf_crop_and_resize",
)
_METHOD = Attribute("method", "str", "nearest", ("nearest", "linear", "cubic"))
ROWS = (
    Op(
        "image.resize",
        ("data",),
        forward(_resize_type),
        _resize,
        _resize_compute,
        Fuse.INJECTIVE,
        (
            Attribute("size", "ints", REQUIRED),
            Attribute("axes", "ints?", None),
            Attribute("scales", "floats?", None),
            _METHOD,
            Attribute("coordinate", "str", "half_pixel", COORDINATES),
            Attribute(
                "rounding",
                "str",
                "round_prefer_floor",
                ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil"),
            ),
            Attribute("cubic_alpha", "float", -0.75),
            Attribute("exclude_outside", "bool", False),
            Attribute("extrapolation", "float", 0.0),
            Attribute("antialias", "bool", False),
            Attribute("roi", "floats?", None),
        ),
        _resize_gradient,
        doc="An image of another size, by the nearest neighbours or their weighted sums.",
    ),
    Op(
        "nn.upsampling",
        ("data",),
        forward(_upsampling_type),
        lambda attrs, x: _resize(_as_resize(attrs, x.shape), x),
        lambda attrs, tensors, result: _resize_compute(_as_resize(attrs, tensors[0].shape), tensors, result),
        Fuse.INJECTIVE,
        (
            Attribute("scale_h", "float", 1.0),
            Attribute("scale_w", "float", 1.0),
            _METHOD,
            Attribute("align_corners", "bool", False),
            Attribute("layout", "str", "NCHW", ("NCHW", "NHWC")),
        ),
        _upsampling_gradient,
        doc="An image with each side multiplied.",
    ),
)

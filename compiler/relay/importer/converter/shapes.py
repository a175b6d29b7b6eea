"""Conversions of operators that make, reshape, cut and join tensors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from compiler.relay.importer.builder import ANY
from compiler.relay.importer.converter.table import (
    NodeView,
    axes_of,
    axis_of,
    converts,
    dtype_of,
    rank_of,
    shape_of,
    tensor_type,
)
from compiler.relay.importer.errors import Needed, OnnxError, Unsupported
from compiler.relay.importer.tensors import check_size, element_type
from compiler.relay.language.expr import Expr
from compiler.relay.language.types import AnyDim

LONGEST = 2**62
"""Ends of slices beyond it mean the end of the axis."""


@converts("OptionalHasElement")
def _has_element(node: NodeView, x: Expr | None = None) -> Expr:
    return node.constant(np.bool_(x is not None))


@converts("OptionalGetElement")
def _get_element(node: NodeView, x: Expr) -> Expr:
    return x


@converts("Constant")
def _constant(node: NodeView) -> Expr:
    for name in ("value", "value_float", "value_floats", "value_int", "value_ints"):
        if name in node.attributes:
            kind = "float32" if "float" in name else "int64"
            found = node.attr(name)
            return node.constant(found if name == "value" else np.asarray(found, kind))
    raise Unsupported(f"a constant given as {', '.join(node.attributes) or 'nothing'}")


@converts("Shape")
def _shape(node: NodeView, x: Expr) -> Expr:
    dims = shape_of(x)
    start, end = node.attr("start", 0), node.attr("end")
    part = dims[start:end]
    if all(type(d) is int for d in part):
        return node.constant(np.asarray(part, "int64"))
    whole = node.cast(node.call("shape_of", x), "int64")
    node.builder.note(whole, dims)
    if len(part) == len(dims):
        return whole
    first, last, _ = slice(start, end).indices(len(dims))
    return node.call("strided_slice", whole, begin=(first,), end=(last,), strides=(1,), axes=(0,))


@converts("Size")
def _size(node: NodeView, x: Expr) -> Expr:
    dims = shape_of(x)
    if all(type(d) is int for d in dims):
        return node.constant(np.int64(math.prod(dims)))
    return node.cast(node.call("ndarray_size", x), "int64")


@converts("Reshape")
def _reshape(node: NodeView, x: Expr, shape: Expr | None = None) -> Expr:
    if shape is None:
        dims: list[Any] = list(node.attr("shape"))
    else:
        dims = node.builder.dims(shape, f"{node.name}: shape")
    if not node.attr("allowzero", 0):
        old = shape_of(x)
        for number, dim in enumerate(dims):
            if type(dim) is int and dim == 0:
                if number >= len(old):
                    raise OnnxError(
                        f"the shape {dims} copies a dimension {number} that the input does not have"
                    )
                dims[number] = old[number]
    elif 0 in dims and -1 in dims:
        raise OnnxError(f"the shape {dims} has 0 and -1, which allowzero=1 forbids")
    return reshaped(node, x, dims, shape)


def reshaped(node: NodeView, x: Expr, dims: list[Any], shape: Expr | None = None) -> Expr:
    """A tensor of another shape, in which one dimension may be unknown or -1."""
    old = shape_of(x)
    if any(d < -1 for d in dims if type(d) is int) or dims.count(-1) > 1:
        raise OnnxError(f"the shape {_text(dims)} has a negative dimension")
    known = all(type(d) is int for d in old)
    if known and all(type(d) is int for d in dims):
        count, given = math.prod(old), math.prod(d for d in dims if d != -1)
        if -1 in dims:
            if not given or count % given:
                raise OnnxError(f"{_text(old)} cannot be reshaped to {_text(dims)}")
            dims = [count // given if d == -1 else d for d in dims]
        elif given != count:
            raise OnnxError(
                f"{_text(old)} with {count} elements cannot be reshaped to {_text(dims)} with {given}"
            )
    unknown = sum(isinstance(d, AnyDim) for d in dims)
    if unknown > 1 or (unknown and -1 in dims):
        if tuple(d if d != -1 else ANY for d in dims) == tuple(old):
            return x
        if shape is not None:
            raise Needed(shape, f"{node.name}: shape")
        node.static(x)
    return node.call("reshape", x, newshape=tuple(-1 if isinstance(d, AnyDim) else d for d in dims))


def _text(dims: Any) -> str:
    return f"({', '.join(map(str, dims))})"


@converts("Flatten")
def _flatten(node: NodeView, x: Expr) -> Expr:
    shape, axis = shape_of(x), node.attr("axis")
    if not -len(shape) <= axis <= len(shape):
        raise OnnxError(f"axis is {axis}; the input has {len(shape)} dimensions")
    axis = axis + len(shape) if axis < 0 else axis
    sides = [
        ANY if any(isinstance(d, AnyDim) for d in part) else math.prod(part)
        for part in (shape[:axis], shape[axis:])
    ]
    return reshaped(node, x, sides)


@converts("Squeeze")
def _squeeze(node: NodeView, x: Expr, axes: Expr | None = None) -> Expr:
    chosen, shape = node.ints_or_attr(axes, "axes"), shape_of(x)
    along = (
        axes_of(chosen, len(shape)) if chosen is not None else tuple(i for i, d in enumerate(shape) if d == 1)
    )
    if chosen is None and any(isinstance(d, AnyDim) for d in shape):
        node.static(x)
    for axis in along:
        if type(shape[axis]) is int and shape[axis] != 1:
            raise OnnxError(f"the axis {axis} of the shape {_text(shape)} has not the extent 1")
    return node.call("squeeze", x, axis=along) if along else x


@converts("Unsqueeze")
def _unsqueeze(node: NodeView, x: Expr, axes: Expr | None = None) -> Expr:
    chosen = node.ints_or_attr(axes, "axes")
    if chosen is None:
        raise OnnxError("axes are missing")
    for axis in sorted(axes_of(chosen, rank_of(x) + len(chosen))):
        x = node.call("expand_dims", x, axis=axis)
    return x


@converts("Transpose")
def _transpose(node: NodeView, x: Expr) -> Expr:
    order = node.attr("perm")
    if order is None:
        order = list(range(rank_of(x)))[::-1]
    if sorted(order) != list(range(rank_of(x))):
        raise OnnxError(f"perm is {order}; it is an order of the {rank_of(x)} axes")
    return node.call("transpose", x, axes=tuple(order))


@converts("Concat")
def _concat(node: NodeView, *parts: Expr) -> Expr:
    axis = axis_of(node.attr("axis", 1), rank_of(parts[0]))
    return parts[0] if len(parts) == 1 else node.call("concatenate", parts, axis=axis)


@converts("Split")
def _split(node: NodeView, x: Expr, sizes: Expr | None = None) -> Any:
    axis, count = axis_of(node.attr("axis"), rank_of(x)), len(node.proto.output)
    parts = node.ints_or_attr(sizes, "split")
    if parts is None:
        extent = node.static(x)[axis]
        wanted = node.attr("num_outputs", count)
        if wanted not in (0, count):
            raise OnnxError(f"num_outputs is {wanted}, and the node has {count} outputs")
        each = -(-extent // count)
        parts = [max(0, min(each, extent - each * i)) for i in range(count)]
    extent = shape_of(x)[axis]
    if type(extent) is int and (sum(parts) != extent or min(parts) < 0):
        raise OnnxError(f"split is {parts}; the axis {axis} has {extent} elements")
    if len(parts) == 1:
        return x
    cuts = tuple(int(c) for c in np.cumsum(parts[:-1]))
    both = node.call("split", x, indices_or_sections=cuts, axis=axis)
    return [node.field(both, i) for i in range(len(parts))]


@converts("Slice")
def _slice(
    node: NodeView,
    x: Expr,
    starts: Expr | None = None,
    ends: Expr | None = None,
    axes: Expr | None = None,
    steps: Expr | None = None,
) -> Expr:
    begin, end = node.ints_or_attr(starts, "starts"), node.ints_or_attr(ends, "ends")
    if begin is None or end is None:
        raise OnnxError("starts and ends are missing")
    chosen = node.ints_or_attr(axes, "axes") or list(range(len(begin)))
    along, stride = axes_of(chosen, rank_of(x)), node.ints_or_attr(steps, "steps") or [1] * len(begin)
    if not len(begin) == len(end) == len(along) == len(stride):
        raise OnnxError("starts, ends, axes and steps differ in number")
    if 0 in stride:
        raise OnnxError("a step is 0")
    begin, end, stride = list(begin), list(end), list(stride)
    for number, axis in enumerate(along):
        extent = shape_of(x)[axis]
        if type(extent) is int:
            first, last, stride[number] = slice(begin[number], end[number], stride[number]).indices(extent)
            begin[number], end[number] = first, -extent - 1 if last < 0 else last
        else:
            begin[number] = max(-LONGEST, min(begin[number], LONGEST))
            end[number] = max(-LONGEST, min(end[number], LONGEST))
    whole = all(
        (b, s) == (0, 1) and e == shape_of(x)[a] for b, e, s, a in zip(begin, end, stride, along, strict=True)
    )
    if whole:
        return x
    return node.call(
        "strided_slice", x, begin=tuple(begin), end=tuple(end), strides=tuple(stride), axes=along
    )


@converts("Expand")
def _expand(node: NodeView, x: Expr, shape: Expr) -> Expr:
    dims = node.builder.dims(shape, f"{node.name}: shape")
    old = list(shape_of(x))
    count = max(len(dims), len(old))
    old, dims = [1] * (count - len(old)) + old, [1] * (count - len(dims)) + dims
    target = []
    for a, b in zip(old, dims, strict=True):
        if a == 1 or b == 1 or a == b:
            target.append(b if a == 1 else a)
        else:
            raise OnnxError(f"{_text(shape_of(x))} cannot be expanded to {_text(dims)}")
    if tuple(target) == shape_of(x):
        return x
    if any(isinstance(d, AnyDim) for d in target):
        raise Needed(shape, f"{node.name}: shape")
    return node.call("broadcast_to", x, shape=tuple(target))


@converts("Tile")
def _tile(node: NodeView, x: Expr, repeats: Expr) -> Expr:
    counts = node.ints(repeats, "repeats")
    if len(counts) != rank_of(x) or min(counts, default=0) < 0:
        raise OnnxError(f"repeats are {counts}; the input has {rank_of(x)} dimensions")
    return node.call("tile", x, reps=tuple(counts))


@converts("Pad")
def _pad(
    node: NodeView, x: Expr, pads: Expr | None = None, fill: Expr | None = None, axes: Expr | None = None
) -> Expr:
    widths, rank = node.ints_or_attr(pads, "pads"), rank_of(x)
    if widths is None:
        raise OnnxError("pads are missing")
    along = axes_of(node.ints(axes, "axes"), rank) if axes is not None else tuple(range(rank))
    if len(widths) != 2 * len(along):
        raise OnnxError(f"pads has {len(widths)} elements; {2 * len(along)} are needed")
    both = [(0, 0)] * rank
    for number, axis in enumerate(along):
        both[axis] = widths[number], widths[number + len(along)]
    mode = node.attr("mode", "constant")
    value = node.attr("value", 0.0) if fill is None else node.value(fill, "constant_value").reshape(()).item()
    if min(map(min, both), default=0) < 0:
        cut = [(max(0, -before), max(0, -after)) for before, after in both]
        shape = node.static(x)
        ends = tuple(extent - after for extent, (_, after) in zip(shape, cut, strict=True))
        x = node.call(
            "strided_slice",
            x,
            begin=tuple(before for before, _ in cut),
            end=ends,
            strides=(1,) * rank,
            axes=tuple(range(rank)),
        )
        both = [(max(0, before), max(0, after)) for before, after in both]
    if not any(map(any, both)):
        return x
    return node.call("pad", x, pad_width=tuple(both), pad_value=float(value), pad_mode=mode)


@converts("ConstantOfShape")
def _constant_of_shape(node: NodeView, shape: Expr) -> Expr:
    value = node.attr("value")
    fill = np.zeros(1, "float32") if value is None else value
    if fill.size != 1:
        raise OnnxError(f"value has {fill.size} elements; one is needed")
    return full(node, node.ints(shape, "the shape"), node.constant(fill.reshape(())))


def full(node: NodeView, dims: list[int], value: Expr) -> Expr:
    """A tensor of one value."""
    if min(dims, default=0) < 0:
        raise OnnxError(f"the shape {_text(dims)} has a negative dimension")
    check_size(dims, dtype_of(value), "the result")
    return node.call("full", value, shape=tuple(dims), dtype=dtype_of(value))


@converts("EyeLike")
def _eye_like(node: NodeView, x: Expr) -> Expr:
    shape = node.static(x)
    if len(shape) != 2:
        raise OnnxError(f"the input has {len(shape)} dimensions; 2 are needed")
    to = node.attr("dtype")
    kind = dtype_of(x) if to is None else element_type(to, "the result")
    return node.call("eye", rows=shape[0], columns=shape[1], k=node.attr("k"), dtype=kind)


@converts("Range")
def _range(node: NodeView, start: Expr, limit: Expr, delta: Expr) -> Expr:
    first, last, step = (node.value(v, "the range").reshape(()) for v in (start, limit, delta))
    if not step:
        raise OnnxError("delta is 0")
    count = max(0, math.ceil((last.item() - first.item()) / step.item()))
    check_size((count,), dtype_of(start), "the range")
    return node.constant((np.arange(count) * step + first).astype(dtype_of(start)))


@converts("Trilu")
def _trilu(node: NodeView, x: Expr, k: Expr | None = None) -> Expr:
    offset = 0 if k is None else node.ints(k, "k")[0]
    return node.call("trilu", x, k=offset, upper=bool(node.attr("upper")))


@converts("DepthToSpace")
def _depth_to_space(node: NodeView, x: Expr) -> Expr:
    return node.call("depth_to_space", x, block_size=node.attr("blocksize"), mode=node.attr("mode", "DCR"))


@converts("SpaceToDepth")
def _space_to_depth(node: NodeView, x: Expr) -> Expr:
    if node.attr("mode", "DCR") == "CRD":
        batch, channels, height, width = node.static(x)
        size = node.attr("blocksize")
        if size < 1 or height % size or width % size:
            raise OnnxError(f"blocksize is {size}; it divides {height} and {width}")
        parts = node.call("reshape", x, newshape=(batch, channels, height // size, size, width // size, size))
        parts = node.call("transpose", parts, axes=(0, 1, 3, 5, 2, 4))
        return node.call(
            "reshape", parts, newshape=(batch, channels * size**2, height // size, width // size)
        )
    return node.call("space_to_depth", x, block_size=node.attr("blocksize"))


@converts("ReverseSequence")
def _reverse_sequence(node: NodeView, x: Expr, lengths: Expr) -> Expr:
    return node.call(
        "reverse_sequence", x, lengths, seq_axis=node.attr("time_axis"), batch_axis=node.attr("batch_axis")
    )


@converts("Einsum")
def _einsum(node: NodeView, *operands: Expr) -> Expr:
    return node.call("einsum", operands, equation=node.attr("equation").replace(" ", ""))


@converts("Col2Im")
def _col2im(node: NodeView, x: Expr, image: Expr, block: Expr) -> Expr:
    """Overlapping blocks are added up: a scatter of all columns, whose places are constants."""
    sizes, blocks = node.ints(image, "image_shape"), node.ints(block, "block_shape")
    count = len(sizes)
    strides, dilations = node.attr("strides") or [1] * count, node.attr("dilations") or [1] * count
    pads = node.attr("pads") or [0] * (2 * count)
    padded = [s + a + b for s, a, b in zip(sizes, pads[:count], pads[count:], strict=True)]
    batch, columns, places = node.static(x)
    channels = columns // math.prod(blocks)
    inside = np.zeros((1, 1), "int64")
    for axis in range(count):
        outputs = (padded[axis] - dilations[axis] * (blocks[axis] - 1) - 1) // strides[axis] + 1
        here = np.arange(blocks[axis])[:, None] * dilations[axis] + np.arange(outputs)[None] * strides[axis]
        inside = (inside[:, None, :, None] * padded[axis] + here[None, :, None, :]).reshape(
            inside.shape[0] * blocks[axis], inside.shape[1] * outputs
        )
    if inside.size != math.prod(blocks) * places:
        raise OnnxError(
            f"the input has {places} blocks; image, block, strides and pads make {inside.shape[1]}"
        )
    flat = node.call("reshape", x, newshape=(batch * channels, inside.size))
    index = np.broadcast_to(inside.reshape(1, -1), (batch * channels, inside.size))
    area = full(node, [batch * channels, math.prod(padded)], node.like(0, x))
    summed = node.call(
        "scatter_elements", area, node.constant(np.ascontiguousarray(index)), flat, axis=1, reduction="add"
    )
    result = node.call("reshape", summed, newshape=(batch, channels, *padded))
    return node.call(
        "strided_slice",
        result,
        begin=tuple(pads[:count]),
        end=tuple(p + s for p, s in zip(pads[:count], sizes, strict=True)),
        strides=(1,) * count,
        axes=tuple(range(2, 2 + count)),
    )


__all__ = ["full", "reshaped", "tensor_type"]

"""Operators that arrange the elements of tensors: shapes, axes, parts and copies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from compiler import te
from compiler.ir.expr import Expr as Element
from compiler.ops import TRANSPOSE
from compiler.relay.infer.relations import (
    broadcast_dim,
    forward,
    normalized_axis,
    rank,
    same_dtype,
    shape_text,
    tensor,
)
from compiler.relay.language.attributes import Attribute, Attrs
from compiler.relay.language.expr import Call, Expr, Tuple, TupleGetItem
from compiler.relay.language.op import Fuse, Op, Template, op
from compiler.relay.language.types import ANY, AnyDim, Dim, TensorType, TupleType, Type
from compiler.relay.operator.arithmetic import read, sum_to
from compiler.relay.operator.elementwise import dims, row
from compiler.te.tensor import Tensor


def dims_of(expr: Expr) -> tuple[Any, ...]:
    """The dimensions of an expression whose type is inferred."""
    return dims(expr.checked_type)


def shaped_as(grad: Expr, x: Expr) -> Expr:
    """A gradient with as many elements as `x`, in the shape of x.

    Raises
    ------
    ValueError
        If more than one dimension of x is unknown.
    """
    shape = dims_of(x)
    if sum(isinstance(dim, AnyDim) for dim in shape) > 1:
        raise ValueError(
            f"the gradient has the shape {shape_text(shape)}, of which one dimension may be unknown"
        )
    return op("reshape")(grad, newshape=tuple(-1 if isinstance(d, AnyDim) else d for d in shape))


# --- shapes and axes ------------------------------------------------------------------------------


def resolved_shape(newshape: Sequence[int], shape: Sequence[Dim]) -> tuple[Dim, ...]:
    """The shape that `reshape` gives a tensor: a -1 is what is left.

    Raises
    ------
    ValueError
        If the numbers of elements do not fit.
    """
    if sum(n == -1 for n in newshape) > 1 or any(n < -1 for n in newshape):
        raise ValueError(
            f"newshape is {tuple(newshape)}; one dimension may be -1, the others are not negative"
        )
    rest = prod(n for n in newshape if n != -1)
    if any(type(dim) is not int for dim in shape):
        return tuple(ANY if n == -1 else n for n in newshape)
    size = prod(n for n in shape if type(n) is int)
    if -1 in newshape:
        # of no elements, any extent would do where another dimension is 0
        if rest == 0 or size % rest:
            raise ValueError(f"{size} elements of shape {shape_text(shape)} do not fill {tuple(newshape)}")
        return tuple(size // rest if n == -1 else n for n in newshape)
    if size != rest:
        raise ValueError(
            f"the shape {shape_text(shape)} has {size} elements, but newshape {tuple(newshape)} has {rest}"
        )
    return tuple(newshape)


def reshaped_index(at: Sequence[Any], shape: Sequence[int], source: Sequence[int]) -> tuple[Any, ...]:
    """The index into a tensor of shape `source` of the element at an index of the same elements in `shape`.

    Axes are taken together only as far as needed: where both shapes have the same number of elements up to an
    axis, the index is split there.
    """
    index: list[Any] = [0] * len(source)
    into = [(d, n) for d, n in enumerate(source) if n != 1]
    of = [(e, n) for e, n in zip(at, shape, strict=True) if n != 1]
    i = j = 0
    while i < len(into):
        first_i, first_j = i, j
        size, other = into[i][1], of[j][1]
        i, j = i + 1, j + 1
        while size != other:
            if size < other:
                size, i = size * into[i][1], i + 1
            else:
                other, j = other * of[j][1], j + 1
        position = of[first_j][0]
        for e, n in of[first_j + 1 : j]:
            position = position * n + e
        for d, n in reversed(into[first_i + 1 : i]):
            index[d], position = position % n, position // n
        index[into[first_i][0]] = position
    return tuple(index)


def _flattened(attrs: Attrs, args: Sequence[Any], at: Any, shape: Any) -> Element:
    return args[0][reshaped_index(at, shape, args[0].shape)]


def _reshape_gradient(call: Call, grad: Expr) -> Sequence[Expr]:
    return [shaped_as(grad, call.args[0])]


def permutation(axes: Sequence[int] | None, count: int) -> tuple[int, ...]:
    """The axes of a transposition, from the front.

    Raises
    ------
    ValueError
        If they are not the axes of a tensor of rank `count`, each once.
    """
    if axes is None:
        return tuple(reversed(range(count)))
    order = tuple(normalized_axis(axis, count) for axis in axes)
    if sorted(order) != list(range(count)):
        raise ValueError(f"axes is {tuple(axes)}; each axis of a tensor of rank {count} is needed once")
    return order


def _transpose_rule(attrs: Attrs, x: Any) -> Type:
    order = permutation(attrs.axes, rank(tensor(x)))
    return TensorType(tuple(x.shape[axis] for axis in order), x.dtype)


def _transposed(attrs: Attrs, args: Sequence[Any], at: Any, shape: Any) -> Element:
    order = permutation(attrs.axes, len(shape))
    return args[0][tuple(at[order.index(d)] for d in range(len(shape)))]


def _transpose_gradient(call: Call, grad: Expr) -> Sequence[Expr]:
    order = permutation(call.attrs.axes, len(dims_of(call)))
    return [op("transpose")(grad, axes=tuple(order.index(d) for d in range(len(order))))]


def _transpose_template(attrs: Attrs, types: Sequence[TensorType]) -> Template | None:
    """Tiles are transposed where the last axis moves; else the general rules copy rows."""
    (x,) = types
    order = permutation(attrs.axes, len(x.dims))
    # axes of one element have no order
    moved = [axis for axis in order if x.dims[axis] != 1]
    if not moved or moved[-1] == max(moved) or x.dtype not in TRANSPOSE.parameters[-1].options:
        return None
    return Template(TRANSPOSE, {"shape": x.dims, "axes": order, "dtype": x.dtype}, (0,))


def _new_axis(attrs: Attrs, count: int) -> int:
    if attrs.num_newaxis < 0:
        raise ValueError(f"num_newaxis is {attrs.num_newaxis}; it must not be negative")
    if not -count - 1 <= attrs.axis <= count:
        raise ValueError(
            f"axis is {attrs.axis}; a tensor of rank {count} takes new axes at {-count - 1} to {count}"
        )
    return attrs.axis + count + 1 if attrs.axis < 0 else attrs.axis


def _expanded_shape(attrs: Attrs, shape: Sequence[Any]) -> tuple[Any, ...]:
    axis = _new_axis(attrs, len(shape))
    return (*shape[:axis], *(1,) * attrs.num_newaxis, *shape[axis:])


def _expand_gradient(call: Call, grad: Expr) -> Sequence[Expr]:
    axis, more = _new_axis(call.attrs, len(dims_of(call.args[0]))), call.attrs.num_newaxis
    return [op("squeeze")(grad, axis=tuple(range(axis, axis + more)))]


def _squeezed_axes(attrs: Attrs, shape: Sequence[Any]) -> tuple[int, ...]:
    if attrs.axis is None:
        if ANY in shape:
            raise ValueError(
                f"axis is None, and the shape {shape_text(shape)} has unknown dimensions; name the axes"
            )
        return tuple(d for d, n in enumerate(shape) if n == 1)
    axes = tuple(normalized_axis(axis, len(shape)) for axis in attrs.axis)
    for axis in axes:
        if not shape or shape[axis] not in (1, ANY):
            raise ValueError(f"axis {axis} of the shape {shape_text(shape)} has not the extent 1")
    return axes


def _squeezed_shape(attrs: Attrs, shape: Sequence[Any]) -> tuple[Any, ...]:
    axes = _squeezed_axes(attrs, shape)
    return tuple(dim for d, dim in enumerate(shape) if d not in axes)


def _squeeze_gradient(call: Call, grad: Expr) -> Sequence[Expr]:
    for axis in sorted(_squeezed_axes(call.attrs, dims_of(call.args[0]))):
        grad = op("expand_dims")(grad, axis=axis)
    return [grad]


def _with_shape(shape_of: Callable[[Attrs, Sequence[Any]], tuple[Any, ...]]) -> Callable[..., Type]:
    return lambda attrs, x: TensorType(shape_of(attrs, dims(x)), x.dtype)


def _broadcast_shape(attrs: Attrs, shape: Sequence[Any]) -> tuple[Any, ...]:
    if len(shape) > len(attrs.shape) or any(
        n not in (1, ANY, wide) for n, wide in zip(reversed(shape), reversed(attrs.shape), strict=False)
    ):
        raise ValueError(f"the shape {shape_text(shape)} cannot be broadcast to {attrs.shape}")
    return attrs.shape


_SHAPES = (
    row(
        "reshape",
        _with_shape(lambda attrs, shape: resolved_shape(attrs.newshape, shape)),
        lambda attrs, x: x.reshape(attrs.newshape),
        _flattened,
        _reshape_gradient,
        attributes=(Attribute("newshape", "ints"),),
        doc="The elements in another shape; a dimension of -1 is what is left.",
    ),
    row(
        "transpose",
        _transpose_rule,
        lambda attrs, x: np.ascontiguousarray(x.transpose(permutation(attrs.axes, x.ndim))).reshape(
            [x.shape[d] for d in permutation(attrs.axes, x.ndim)]
        ),
        _transposed,
        _transpose_gradient,
        attributes=(Attribute("axes", "ints?", None),),
        template=_transpose_template,
        doc="Axis d of the result is axis ``axes[d]``; by default they are reversed.",
    ),
    row(
        "expand_dims",
        _with_shape(_expanded_shape),
        lambda attrs, x: x.reshape(_expanded_shape(attrs, x.shape)),
        _flattened,
        _expand_gradient,
        attributes=(Attribute("axis", "int"), Attribute("num_newaxis", "int", 1)),
        fuse=Fuse.BROADCAST,
        doc="With new axes of extent 1, the first at `axis`.",
    ),
    row(
        "squeeze",
        _with_shape(_squeezed_shape),
        lambda attrs, x: x.reshape(_squeezed_shape(attrs, x.shape)),
        _flattened,
        _squeeze_gradient,
        attributes=(Attribute("axis", "ints?", None),),
        doc="Without axes of extent 1: those named, or all.",
    ),
    row(
        "broadcast_to",
        _with_shape(_broadcast_shape),
        lambda attrs, x: np.broadcast_to(x, attrs.shape).copy(),
        lambda attrs, args, at, shape: read(args[0], at),
        lambda call, grad: [sum_to(grad, call.checked_type, call.args[0])],
        attributes=(Attribute("shape", "ints"),),
        fuse=Fuse.BROADCAST,
        doc="Broadcast to a shape.",
    ),
)


# --- tensors joined and split ---------------------------------------------------------------------


def tuple_fields(type_: Any) -> tuple[Any, ...]:
    """The types of a tuple of tensors of one element type.

    Raises
    ------
    ValueError
        If it is something else, or empty.
    """
    if not isinstance(type_, TupleType) or not type_.fields:
        raise ValueError(f"the argument is {type_}; a tuple of tensors is needed")
    fields = tuple(tensor(field, "a field of the argument") for field in type_.fields)
    same_dtype(*fields)
    return fields


def _joined_dims(fields: Sequence[Any], axis: int | None) -> list[Any]:
    """The dimensions that fields of one rank share; those of the first along `axis`."""
    dims: list[Any] = list(fields[0].shape)
    for number, field in enumerate(fields):
        shape: Any = field.shape
        if len(shape) != len(dims):
            raise ValueError(
                f"field {number} has the shape {shape_text(shape)}, not the rank {len(dims)} of the first"
            )
        for d, dim in enumerate(shape):
            if d == axis:
                continue
            if dim != dims[d] and ANY not in (dim, dims[d]):
                raise ValueError(
                    f"field {number} has the shape {shape_text(shape)}; the first has "
                    f"{shape_text(fields[0].shape)}, which differs along axis {d}"
                )
            dims[d] = broadcast_dim(dim, dims[d]) if ANY in (dim, dims[d]) else dim
    return dims


def _concatenate_rule(attrs: Attrs, fields: Any) -> Type:
    fields = tuple_fields(fields)
    if not fields[0].shape:
        raise ValueError("the fields are scalars; tensors with an axis are needed")
    axis = normalized_axis(attrs.axis, rank(fields[0]))
    dims = _joined_dims(fields, axis)
    along = [field.shape[axis] for field in fields]
    dims[axis] = sum(along) if all(type(n) is int for n in along) else ANY
    return TensorType(tuple(dims), fields[0].dtype)


def chosen_by(place: Any, starts: Sequence[int], value: Callable[[int], Element]) -> Element:
    """``value(k)`` for the last k with ``starts[k] <= place``, by a tree of comparisons."""

    def among(low: int, high: int) -> Element:
        if high - low == 1:
            return value(low)
        middle = (low + high) // 2
        return te.if_then_else(place < starts[middle], among(low, middle), among(middle, high))

    return among(0, len(starts))


def _concatenated(attrs: Attrs, args: Sequence[Any], at: Any, shape: Any) -> Element:
    axis = normalized_axis(attrs.axis, len(shape))
    starts = [sum(x.shape[axis] for x in args[:k]) for k in range(len(args))]

    def value(k: int) -> Element:
        return args[k][(*at[:axis], at[axis] - starts[k], *at[axis + 1 :])]

    return chosen_by(at[axis], starts, value)


def fields_of(expr: Expr) -> tuple[Any, ...]:
    """The types of the fields of an expression whose type is inferred."""
    return expr.checked_type.fields  # type: ignore[attr-defined]


def _concatenate_gradient(call: Call, grad: Expr) -> Sequence[Expr]:
    axis = normalized_axis(call.attrs.axis, len(dims_of(call)))
    along = [field.shape[axis] for field in fields_of(call.args[0])]
    if not all(type(n) is int for n in along):
        raise ValueError(
            f"the gradient of concatenate needs the extents along axis {axis}; {along} are unknown"
        )
    return [op("split")(grad, indices_or_sections=tuple(int(n) for n in np.cumsum(along)[:-1]), axis=axis)]


def _stack_axis(attrs: Attrs, count: int) -> int:
    return normalized_axis(attrs.axis, count + 1)


def _stack_rule(attrs: Attrs, fields: Any) -> Type:
    fields = tuple_fields(fields)
    dims = _joined_dims(fields, None)
    axis = _stack_axis(attrs, len(dims))
    return TensorType((*dims[:axis], len(fields), *dims[axis:]), fields[0].dtype)


def _stacked(attrs: Attrs, args: Sequence[Any], at: Any, shape: Any) -> Element:
    axis = _stack_axis(attrs, len(shape) - 1)
    rest = (*at[:axis], *at[axis + 1 :])
    return chosen_by(at[axis], range(len(args)), lambda k: args[k][rest])


def _stack_gradient(call: Call, grad: Expr) -> Sequence[Expr]:
    fields = fields_of(call.args[0])
    axis = _stack_axis(call.attrs, rank(fields[0]))
    parts = op("split")(grad, indices_or_sections=len(fields), axis=axis)
    return [Tuple(tuple(op("squeeze")(TupleGetItem(parts, k), axis=axis) for k in range(len(fields))))]


def _cuts(attrs: Attrs, extent: Any) -> list[tuple[Any, Any]]:
    """The first and the last index, exclusive, of each part of `split`."""
    given = attrs.indices_or_sections
    if type(given) is int:
        if given < 1:
            raise ValueError(f"indices_or_sections is {given}; at least one section is needed")
        if type(extent) is not int:
            return [(0, ANY)] * given
        if extent % given:
            raise ValueError(f"an axis of extent {extent} cannot be divided into {given} equal sections")
        size = extent // given
        return [(k * size, (k + 1) * size) for k in range(given)]
    if (
        type(given) is not tuple
        or not all(type(n) is int and n >= 0 for n in given)
        or list(given) != sorted(given)
    ):
        raise ValueError(
            f"indices_or_sections is {given!r}; a number of sections, or the indices to split at in "
            "ascending order, is needed"
        )
    ends = [min(n, extent) for n in (*given, extent)] if type(extent) is int else [*given, ANY]
    return list(zip([0, *ends], ends, strict=False))


def _split_rule(attrs: Attrs, x: Any) -> Type:
    axis = normalized_axis(attrs.axis, rank(tensor(x)))
    if not x.shape:
        raise ValueError("a scalar cannot be split")
    fields = []
    for low, high in _cuts(attrs, x.shape[axis]):
        extent = high - low if type(high) is int else ANY
        fields.append(TensorType((*x.shape[:axis], extent, *x.shape[axis + 1 :]), x.dtype))
    return TupleType(tuple(fields))


def _split(attrs: Attrs, x: np.ndarray) -> tuple[np.ndarray, ...]:
    axis = normalized_axis(attrs.axis, x.ndim)
    before = (slice(None),) * axis
    return tuple(x[(*before, slice(*cut))].copy() for cut in _cuts(attrs, x.shape[axis]))


def _te_split(attrs: Attrs, args: Sequence[Any], type_: Any) -> list[Tensor]:
    (x,) = args
    axis = normalized_axis(attrs.axis, x.ndim)

    def part(low: int, shape: tuple[int, ...]) -> Tensor:
        return te.compute(shape, lambda *at: x[(*at[:axis], at[axis] + low, *at[axis + 1 :])], "part")

    cuts = _cuts(attrs, x.shape[axis])
    return [part(low, field.dims) for (low, _), field in zip(cuts, type_.fields, strict=True)]


_JOINED = (
    row(
        "concatenate",
        _concatenate_rule,
        lambda attrs, fields: np.concatenate(fields, axis=attrs.axis),
        _concatenated,
        _concatenate_gradient,
        inputs=("fields",),
        attributes=(Attribute("axis", "int", 0),),
        doc="The tensors of a tuple joined along an axis.",
    ),
    row(
        "stack",
        _stack_rule,
        lambda attrs, fields: np.stack(fields, axis=attrs.axis),
        _stacked,
        _stack_gradient,
        inputs=("fields",),
        attributes=(Attribute("axis", "int", 0),),
        doc="The tensors of a tuple joined along a new axis.",
    ),
    Op(
        "split",
        ("x",),
        forward(_split_rule),
        _split,
        _te_split,
        Fuse.INJECTIVE,
        (Attribute("indices_or_sections", "any"), Attribute("axis", "int", 0)),
        lambda call, grad: [op("concatenate")(grad, axis=call.attrs.axis)],
        doc="Parts along an axis, as a tuple: a number of equal sections, or those between indices.",
    ),
)

ROWS = (*_SHAPES, *_JOINED)

"""Operators that take parts of tensors, extend them or repeat them: slices, padding, tiles, reversal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from compiler import te
from compiler.ir.dtype import integer_range, is_float
from compiler.ir.expr import Expr as Element
from compiler.relay.infer.relations import normalized_axis, rank, shape_text, tensor
from compiler.relay.language.attributes import Attribute, Attrs
from compiler.relay.language.expr import Call, Constant, Expr
from compiler.relay.language.op import op
from compiler.relay.language.types import ANY, TensorType, Type
from compiler.relay.operator.elementwise import check_dtype, dims, dtype_of, row
from compiler.relay.operator.shape import dims_of, reshaped_index, shaped_as

# --- slices ---------------------------------------------------------------------------------------


def _ranges(attrs: Attrs, shape: Sequence[Any]) -> list[tuple[int, int, Any]]:
    """The first index, the step and the number of indices along each axis.

    Raises
    ------
    ValueError
        If the attributes do not fit together, or a step is 0.
    """
    axes = tuple(range(len(attrs.begin))) if attrs.axes is None else attrs.axes
    strides = (1,) * len(attrs.begin) if attrs.strides is None else attrs.strides
    if not len(attrs.begin) == len(attrs.end) == len(strides) == len(axes):
        raise ValueError(
            f"begin={attrs.begin}, end={attrs.end}, strides={attrs.strides} and axes={attrs.axes} must have "
            "a value for each axis that is sliced"
        )
    found: list[tuple[int, int, Any]] = [(0, 1, n) for n in shape]
    named = [normalized_axis(axis, len(shape)) for axis in axes]
    if len(set(named)) != len(named) or named and not shape:
        raise ValueError(f"axes is {axes}; each must be another axis of a tensor of rank {len(shape)}")
    for axis, begin, end, step in zip(named, attrs.begin, attrs.end, strides, strict=True):
        if step == 0:
            raise ValueError(f"strides is {strides}; a step must not be 0")
        extent = shape[axis]
        if type(extent) is int:
            start, stop, step = slice(begin, end, step).indices(extent)
            found[axis] = (start, step, len(range(start, stop, step)))
        else:
            found[axis] = (begin, step, ANY)
    return found


def _slice_rule(attrs: Attrs, x: Any) -> Type:
    return TensorType(tuple(n for _, _, n in _ranges(attrs, dims(x))), x.dtype)


def _slice(attrs: Attrs, x: np.ndarray) -> np.ndarray:
    for axis, (start, step, count) in enumerate(_ranges(attrs, x.shape)):
        if (start, step, count) != (0, 1, x.shape[axis]):
            x = np.take(x, start + step * np.arange(count), axis)
    return x.copy()


def _te_slice(attrs: Attrs, args: Sequence[Any], at: Any, shape: Any) -> Element:
    ranges = _ranges(attrs, args[0].shape)
    return args[0][tuple(i * step + start for i, (start, step, _) in zip(at, ranges, strict=True))]


def _slice_gradient(call: Call, grad: Expr) -> Sequence[Expr]:
    """The gradient at the places of the slice, zeros elsewhere."""
    shape = tensor(call.args[0].checked_type).dims
    extents = list(tensor(call.checked_type).dims)
    widths = []
    for axis, (start, step, count) in enumerate(_ranges(call.attrs, shape)):
        if step < 0:
            grad = op("reverse")(grad, axis=axis)
            start, step = start + (count - 1) * step, -step
        if step > 1:
            # step - 1 zeros after each element
            grad = op("expand_dims")(grad, axis=axis + 1)
            pad = [(0, 0)] * (len(shape) + 1)
            pad[axis + 1] = (0, step - 1)
            extents[axis] = count * step
            grad = op("reshape")(op("pad")(grad, pad_width=pad), newshape=extents)
        widths.append((start, shape[axis] - start - count * step))
    return [op("pad")(grad, pad_width=widths)]


# --- padding --------------------------------------------------------------------------------------


def _widths(attrs: Attrs, count: int) -> tuple[tuple[int, int], ...]:
    width = attrs.pad_width
    pairs = isinstance(width, tuple) and all(
        isinstance(p, tuple) and len(p) == 2 and all(type(n) is int for n in p) for p in width
    )
    if not pairs or len(width) != count:
        raise ValueError(f"pad_width is {width}; a pair (before, after) for each of {count} axes is needed")
    return width


def _pad_rule(attrs: Attrs, x: Any) -> Type:
    shape: list[Any] = []
    for extent, (before, after) in zip(dims(x), _widths(attrs, rank(x)), strict=True):
        if type(extent) is not int:
            shape.append(extent if before == after == 0 else ANY)
            continue
        shape.append(extent + before + after)
        if shape[-1] < 0:
            raise ValueError(
                f"pad_width is {attrs.pad_width}; it removes more than the shape {shape_text(x.shape)}"
            )
        if attrs.pad_mode != "constant" and not extent and shape[-1]:
            raise ValueError(f"the mode {attrs.pad_mode} cannot extend an axis of extent 0")
    return TensorType(tuple(shape), x.dtype)


def _source(mode: str, place: Any, extent: int) -> Any:
    """The index of an array, or of an element, that a place of a padded axis repeats."""
    of_arrays = isinstance(place, np.ndarray)
    if mode == "edge":
        return np.clip(place, 0, extent - 1) if of_arrays else te.minimum(te.maximum(place, 0), extent - 1)
    if extent == 1:
        return place * 0
    if mode == "wrap":
        return place % extent
    period = 2 * (extent - 1)
    place = place % period
    return (np.minimum if of_arrays else te.minimum)(place, period - place)


def _places(mode: str, extent: int, width: tuple[int, int]) -> np.ndarray:
    return _source(mode, np.arange(-width[0], extent + width[1]), extent)


def _pad(attrs: Attrs, x: np.ndarray) -> np.ndarray:
    widths = _widths(attrs, x.ndim)
    if attrs.pad_mode != "constant":
        for axis, width in enumerate(widths):
            if width != (0, 0) and x.shape[axis]:
                x = np.take(x, _places(attrs.pad_mode, x.shape[axis], width), axis)
        return x.copy()
    kept = tuple(slice(max(-b, 0), n - max(-a, 0)) for n, (b, a) in zip(x.shape, widths, strict=True))
    positive = [(max(b, 0), max(a, 0)) for b, a in widths]
    return np.pad(x[kept], positive, constant_values=_pad_value(attrs, x.dtype.name))


def _pad_value(attrs: Attrs, dtype: str) -> Any:
    """The value around the elements, limited to the range of an integer type."""
    if dtype == "bool":
        return bool(attrs.pad_value)
    if is_float(dtype):
        return float(attrs.pad_value)
    low, high = integer_range(dtype)
    return int(min(max(attrs.pad_value, low), high))


def _te_pad(attrs: Attrs, args: Sequence[Any], at: Any, shape: Any) -> Element:
    (x,) = args
    widths = _widths(attrs, x.ndim)
    index, conditions = [], []
    for i, extent, (before, after) in zip(at, x.shape, widths, strict=True):
        place = i - before if before else i
        if attrs.pad_mode != "constant" and (before, after) != (0, 0):
            place = _source(attrs.pad_mode, place, extent)
        elif before > 0:
            conditions.append(place >= 0)
        if attrs.pad_mode == "constant" and after > 0:
            conditions.append(place < extent)
        index.append(place)
    value = x[tuple(index)]
    if not conditions:
        return value
    return te.if_then_else(te.all(*conditions), value, te.const(_pad_value(attrs, x.dtype), x.dtype))


def _pad_gradient(call: Call, grad: Expr) -> Sequence[Expr]:
    x = call.args[0]
    widths = _widths(call.attrs, len(dims_of(x)))
    if call.attrs.pad_mode == "constant":
        return [op("pad")(grad, pad_width=[(-b, -a) for b, a in widths])]
    extents, dims = tensor(x.checked_type).dims, list(tensor(call.checked_type).dims)
    for axis, width in enumerate(widths):
        if width == (0, 0):
            continue
        # the sum of the slices that repeat the same one, along an axis that comes first
        order = (axis, *(d for d in range(len(dims)) if d != axis))
        places = Constant(_places(call.attrs.pad_mode, extents[axis], width).reshape(-1, 1))
        dims[axis] = extents[axis]
        zeros = op("zeros")(shape=[dims[d] for d in order], dtype=dtype_of(x))
        total = op("scatter_nd")(zeros, places, op("transpose")(grad, axes=order), reduction="add")
        grad = op("transpose")(total, axes=[order.index(d) for d in range(len(dims))])
    return [grad]


# --- repetition -----------------------------------------------------------------------------------


def _tiled(attrs: Attrs, shape: Sequence[Any]) -> tuple[tuple[Any, ...], tuple[int, ...]]:
    """The shape and the repetitions, extended in front to one length."""
    if any(n < 0 for n in attrs.reps):
        raise ValueError(f"reps is {attrs.reps}; it must not be negative")
    count = max(len(shape), len(attrs.reps))
    return (1,) * (count - len(shape)) + tuple(shape), (1,) * (count - len(attrs.reps)) + attrs.reps


def _tile_rule(attrs: Attrs, x: Any) -> Type:
    shape, reps = _tiled(attrs, dims(x))
    extents = tuple(n if r == 1 else ANY if n is ANY else n * r for n, r in zip(shape, reps, strict=True))
    return TensorType(extents, x.dtype)


def _te_tile(attrs: Attrs, args: Sequence[Any], at: Any, shape: Any) -> Element:
    (x,) = args
    inner = at[len(at) - x.ndim :]
    reps = _tiled(attrs, x.shape)[1][len(at) - x.ndim :]
    return x[
        tuple(i if r == 1 else 0 if n == 1 else i % n for i, n, r in zip(inner, x.shape, reps, strict=True))
    ]


def _tile_gradient(call: Call, grad: Expr) -> Sequence[Expr]:
    x = call.args[0]
    shape, reps = _tiled(call.attrs, tensor(x.checked_type).dims)
    pairs = [n for pair in zip(reps, shape, strict=True) for n in pair]
    parts = op("reshape")(grad, newshape=pairs)
    return [shaped_as(op("sum")(parts, axis=tuple(range(0, len(pairs), 2))), x)]


def _repeat_rule(attrs: Attrs, x: Any) -> Type:
    if attrs.repeats < 0:
        raise ValueError(f"repeats is {attrs.repeats}; it must not be negative")
    shape: Any = dims(x)
    if attrs.axis is None:
        size = int(np.prod(shape)) * attrs.repeats if x.concrete else ANY
        return TensorType((size,), x.dtype)
    axis = normalized_axis(attrs.axis, len(shape))
    extent = shape[axis] * attrs.repeats if type(shape[axis]) is int else ANY
    return TensorType((*shape[:axis], extent, *shape[axis + 1 :]), x.dtype)


def _te_repeat(attrs: Attrs, args: Sequence[Any], at: Any, shape: Any) -> Element:
    (x,) = args
    if attrs.axis is None:
        return x[reshaped_index((at[0] // attrs.repeats,), (int(np.prod(x.shape)),), x.shape)]
    axis = normalized_axis(attrs.axis, x.ndim)
    return x[(*at[:axis], at[axis] // attrs.repeats, *at[axis + 1 :])]


def _repeat_gradient(call: Call, grad: Expr) -> Sequence[Expr]:
    x = call.args[0]
    shape = tensor(x.checked_type).dims
    if call.attrs.axis is None:
        axis, shape = 0, (int(np.prod(shape)),)
    else:
        axis = normalized_axis(call.attrs.axis, len(shape))
    parts = op("reshape")(grad, newshape=(*shape[: axis + 1], call.attrs.repeats, *shape[axis + 1 :]))
    return [shaped_as(op("sum")(parts, axis=axis + 1), x)]


# --- reversal -------------------------------------------------------------------------------------


def _axes(attrs: Attrs, count: int) -> tuple[int, ...]:
    if attrs.axis and not count:
        raise ValueError("the argument is a scalar; a tensor with axes is needed")
    return tuple(normalized_axis(axis, count) for axis in attrs.axis)


def _reverse_rule(attrs: Attrs, x: Any) -> Type:
    _axes(attrs, rank(tensor(x)))
    return x


def _te_reverse(attrs: Attrs, args: Sequence[Any], at: Any, shape: Any) -> Element:
    axes = _axes(attrs, len(shape))
    return args[0][
        tuple(n - 1 - i if d in axes else i for d, (i, n) in enumerate(zip(at, shape, strict=True)))
    ]


def _sequence_axes(attrs: Attrs, count: int) -> tuple[int, int]:
    seq, batch = (normalized_axis(axis, count) for axis in (attrs.seq_axis, attrs.batch_axis))
    if count < 2 or seq == batch:
        raise ValueError(
            f"seq_axis={attrs.seq_axis} and batch_axis={attrs.batch_axis} must be two axes of rank {count}"
        )
    return seq, batch


def _reverse_sequence_rule(attrs: Attrs, x: Any, lengths: Any) -> Type:
    _, batch = _sequence_axes(attrs, rank(tensor(x)))
    check_dtype(tensor(lengths), "an integer", "the lengths")
    if (
        rank(lengths) != 1
        or ANY not in (lengths.shape[0], x.shape[batch])
        and lengths.shape[0] != x.shape[batch]
    ):
        raise ValueError(
            f"the lengths have the shape {shape_text(lengths.shape)}; one for each of "
            f"{x.shape[batch]} sequences"
        )
    return x


def _reverse_sequence(attrs: Attrs, x: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    seq, batch = _sequence_axes(attrs, x.ndim)
    extent = x.shape[seq]
    place = np.arange(extent).reshape([-1 if d == seq else 1 for d in range(x.ndim)])
    length = np.clip(lengths, 0, extent).astype("int64")
    length = length.reshape([-1 if d == batch else 1 for d in range(x.ndim)])
    index = np.where(place < length, length - 1 - place, place)
    return np.take_along_axis(x, np.broadcast_to(index, x.shape), seq)


def _te_reverse_sequence(attrs: Attrs, args: Sequence[Any], at: Any, shape: Any) -> Element:
    x, lengths = args
    seq, batch = _sequence_axes(attrs, x.ndim)
    length = te.minimum(te.cast(lengths[at[batch]], "int64"), x.shape[seq])
    place = te.cast(at[seq], "int64")
    moved = te.maximum(te.select(place < length, length - 1 - place, place), 0)
    return x[(*at[:seq], te.minimum(moved, x.shape[seq] - 1), *at[seq + 1 :])]


# --- triangles ------------------------------------------------------------------------------------


def _trilu_rule(attrs: Attrs, x: Any) -> Type:
    if rank(tensor(x)) < 2:
        raise ValueError(f"the argument has the shape {shape_text(x.shape)}; a matrix, or several, is needed")
    return x


def _te_trilu(attrs: Attrs, args: Sequence[Any], at: Any, shape: Any) -> Element:
    (x,) = args
    column = at[-1] - at[-2]
    kept = column >= attrs.k if attrs.upper else column <= attrs.k
    return te.select(kept, x[at], te.const(0, x.dtype))


ROWS = (
    row(
        "strided_slice",
        _slice_rule,
        _slice,
        _te_slice,
        _slice_gradient,
        attributes=(
            Attribute("begin", "ints"),
            Attribute("end", "ints"),
            Attribute("strides", "ints?", None),
            Attribute("axes", "ints?", None),
        ),
        doc="A slice of each of `axes`, by default of the first ones, with Python's meaning of its numbers.",
    ),
    row(
        "pad",
        _pad_rule,
        _pad,
        _te_pad,
        _pad_gradient,
        attributes=(
            Attribute("pad_width", "any"),
            Attribute("pad_value", "any", 0.0),
            Attribute("pad_mode", "str", "constant", ("constant", "edge", "reflect", "wrap")),
        ),
        doc="With elements before and after along each axis; negative numbers remove elements.",
    ),
    row(
        "tile",
        _tile_rule,
        lambda attrs, x: np.tile(x, attrs.reps),
        _te_tile,
        _tile_gradient,
        attributes=(Attribute("reps", "ints"),),
        doc="Repeated as a whole along each axis, as in `numpy.tile`.",
    ),
    row(
        "repeat",
        _repeat_rule,
        lambda attrs, x: np.repeat(x, attrs.repeats, attrs.axis),
        _te_repeat,
        _repeat_gradient,
        attributes=(Attribute("repeats", "int"), Attribute("axis", "int?", None)),
        doc="Each slice along an axis repeated; each element, if it is None.",
    ),
    row(
        "reverse",
        _reverse_rule,
        lambda attrs, x: np.flip(x, _axes(attrs, x.ndim)).copy(),
        _te_reverse,
        lambda call, grad: [op("reverse")(grad, axis=call.attrs.axis)],
        attributes=(Attribute("axis", "ints"),),
        doc="In reverse order along axes.",
    ),
    row(
        "reverse_sequence",
        _reverse_sequence_rule,
        _reverse_sequence,
        _te_reverse_sequence,
        lambda call, grad: [op("reverse_sequence")(grad, call.args[1], **call.attrs), None],
        inputs=("x", "lengths"),
        attributes=(Attribute("seq_axis", "int", 1), Attribute("batch_axis", "int", 0)),
        doc="The first elements of each sequence in reverse order, as many as its length.",
    ),
    row(
        "trilu",
        _trilu_rule,
        lambda attrs, x: np.triu(x, attrs.k) if attrs.upper else np.tril(x, attrs.k),
        _te_trilu,
        lambda call, grad: [op("trilu")(grad, **call.attrs)],
        attributes=(Attribute("k", "int", 0), Attribute("upper", "bool", True)),
        doc="The part of matrices above or below the diagonal k, zeros elsewhere.",
    ),
)

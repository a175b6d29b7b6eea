"""Operators that read or update elements at indices that a tensor holds."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from compiler import te
from compiler.ir.expr import Expr as Element
from compiler.relay.infer.relations import forward, normalized_axis, rank, same_dtype, shape_text, tensor
from compiler.relay.language.attributes import Attribute, Attrs
from compiler.relay.language.expr import Call, Constant, Expr, Tuple
from compiler.relay.language.op import Fuse, Op, op
from compiler.relay.language.types import ANY, TensorType, Type
from compiler.relay.operator.elementwise import (
    check_dtype,
    divide,
    dtype_of,
    multiply,
    row,
    where,
    zeros_like,
)
from compiler.relay.operator.shape import dims_of, reshaped_index
from compiler.te.tensor import Tensor

AXIS = Attribute("axis", "int", 0)


def wrapped(index: np.ndarray, extent: int) -> np.ndarray:
    """Indices that count from the end where they are negative."""
    index = np.asarray(index).astype("int64")
    return np.where(index < 0, index + extent, index)


def inside(index: np.ndarray, extent: int) -> np.ndarray:
    """Wrapped indices, those outside of the axis clipped to it."""
    return np.clip(wrapped(index, extent), 0, max(extent - 1, 0))


def te_wrapped(index: Element, extent: int) -> Element:
    """`wrapped` of an element."""
    return index if index.dtype.startswith("u") else te.select(index < 0, index + extent, index)


def te_inside(index: Element, extent: int) -> Element:
    """`inside` of an element."""
    if extent == 1:
        return te.const(0)
    # in a type that holds the extent, so that a narrow index can be compared with it
    wide = index if index.dtype in ("int32", "int64") else te.cast(index, "int64")
    return te.minimum(te.maximum(te_wrapped(wide, extent), 0), extent - 1)


# --- reading --------------------------------------------------------------------------------------


def _take_rule(attrs: Attrs, data: Any, indices: Any) -> Type:
    check_dtype(tensor(indices, "the index"), "an integer", "the index")
    if attrs.axis is None:
        return TensorType(indices.shape, tensor(data).dtype)
    axis = normalized_axis(attrs.axis, rank(tensor(data)))
    if not data.shape:
        raise ValueError("the data is a scalar; a tensor with an axis is needed")
    return TensorType((*data.shape[:axis], *indices.shape, *data.shape[axis + 1 :]), data.dtype)


def _take(attrs: Attrs, data: np.ndarray, indices: np.ndarray) -> np.ndarray:
    extent = data.size if attrs.axis is None else data.shape[attrs.axis]
    if not extent and indices.size:
        raise ValueError(f"take reads {indices.size} elements along an axis of extent 0")
    return np.take(data, inside(indices, extent), axis=attrs.axis)


def _te_take(attrs: Attrs, args: Sequence[Any], at: Any, shape: Any) -> Element:
    data, indices = args
    if attrs.axis is None:
        size = prod(data.shape)
        return data[reshaped_index((te_inside(indices[at], size),), (size,), data.shape)]
    axis = normalized_axis(attrs.axis, data.ndim)
    after = axis + indices.ndim
    return data[(*at[:axis], te_inside(indices[at[axis:after]], data.shape[axis]), *at[after:])]


def scattered(data: Expr, indices: Expr, grad: Expr, axis: int) -> Expr:
    """The gradient of `data`, of which `take` along an axis was given the gradient."""
    count, more = len(dims_of(data)), len(dims_of(indices))
    others = [d for d in range(count) if d != axis]
    first = (axis, *others)
    # the axes of the indices come first in the updates
    updates = op("transpose")(
        grad, axes=(*range(axis, axis + more), *range(axis), *range(axis + more, count - 1 + more))
    )
    zeros = op("transpose")(zeros_like(data), axes=first)
    index = op("expand_dims")(indices, axis=-1)
    total = op("scatter_nd")(zeros, index, updates, reduction="add")
    return op("transpose")(total, axes=tuple(first.index(d) for d in range(count)))


def _take_gradient(call: Call, grad: Expr) -> Sequence[Expr | None]:
    data, indices = call.args
    if call.attrs.axis is not None:
        return [scattered(data, indices, grad, normalized_axis(call.attrs.axis, len(dims_of(data)))), None]
    flat = op("reshape")(zeros_like(data), newshape=(-1,))
    total = op("scatter_nd")(flat, op("expand_dims")(indices, axis=-1), grad, reduction="add")
    return [op("reshape")(total, newshape=tensor(data.checked_type).dims), None]


def _check_elements(attrs: Attrs, data: Any, indices: Any) -> int:
    check_dtype(tensor(indices, "the index"), "an integer", "the index")
    axis = normalized_axis(attrs.axis, rank(tensor(data)))
    fits = rank(data) == rank(indices) > 0 and all(
        d == axis or ANY in (n, most) or n <= most
        for d, (n, most) in enumerate(zip(indices.shape, data.shape, strict=False))
    )
    if not fits:
        raise ValueError(
            f"the index has the shape {shape_text(indices.shape)}, the data {shape_text(data.shape)}: they "
            f"need one rank, and the index no larger extent but along axis {axis}"
        )
    return axis


def _gather_rule(attrs: Attrs, data: Any, indices: Any) -> Type:
    _check_elements(attrs, data, indices)
    return TensorType(indices.shape, data.dtype)


def _element_places(
    attrs: Attrs, data: np.ndarray, indices: np.ndarray, along: np.ndarray
) -> tuple[Any, ...]:
    """The index of the element of `data` for each element of `indices`."""
    axis = normalized_axis(attrs.axis, data.ndim)
    grid = np.ix_(*(np.arange(n) for n in indices.shape))
    return tuple(along if d == axis else g for d, g in enumerate(grid))


def _gather(attrs: Attrs, data: np.ndarray, indices: np.ndarray) -> np.ndarray:
    along = inside(indices, data.shape[attrs.axis])
    return data[_element_places(attrs, data, indices, along)]


def _te_gather(attrs: Attrs, args: Sequence[Any], at: Any, shape: Any) -> Element:
    data, indices = args
    axis = normalized_axis(attrs.axis, data.ndim)
    return data[(*at[:axis], te_inside(indices[at], data.shape[axis]), *at[axis + 1 :])]


def _index_depth(data: Any, indices: Any, batch: int) -> int:
    """The number of axes that each index of `gather_nd` and `scatter_nd` names."""
    check_dtype(tensor(indices, "the index"), "an integer", "the index")
    depth = indices.shape[-1] if rank(indices) else 0
    if type(depth) is not int:
        raise ValueError(f"the last extent of the index {shape_text(indices.shape)} must be known")
    fits = 0 <= batch < max(rank(indices), 1) and 1 <= depth <= rank(tensor(data)) - batch
    if not fits or any(
        ANY not in (n, m) and n != m for n, m in zip(indices.shape[:batch], data.shape, strict=False)
    ):
        raise ValueError(
            f"the index has the shape {shape_text(indices.shape)}, the data {shape_text(data.shape)}: after "
            f"{batch} axes of both, the last extent of the index counts axes of the data"
        )
    return depth


def _gather_nd_rule(attrs: Attrs, data: Any, indices: Any) -> Type:
    depth = _index_depth(data, indices, attrs.batch_dims)
    return TensorType((*indices.shape[:-1], *data.shape[attrs.batch_dims + depth :]), data.dtype)


def _gather_nd(attrs: Attrs, data: np.ndarray, indices: np.ndarray) -> np.ndarray:
    batch, places = attrs.batch_dims, indices.shape[:-1]
    index = [
        np.arange(n).reshape([-1 if d == b else 1 for d in range(len(places))])
        for b, n in enumerate(places[:batch])
    ]
    index += [inside(indices[..., k], data.shape[batch + k]) for k in range(indices.shape[-1])]
    return data[tuple(np.broadcast_arrays(*index))]


def _te_gather_nd(attrs: Attrs, args: Sequence[Any], at: Any, shape: Any) -> Element:
    data, indices = args
    batch, count = attrs.batch_dims, indices.ndim - 1
    named = [
        te_inside(indices[(*at[:count], k)], data.shape[batch + k]) for k in range(int(indices.shape[-1]))
    ]
    return data[(*at[:batch], *named, *at[count:])]


def _gather_nd_gradient(call: Call, grad: Expr) -> Sequence[Expr | None]:
    data, indices = call.args
    batch = call.attrs.batch_dims
    if batch:
        shape = tensor(indices.checked_type).dims
        places = np.stack(list(np.indices(shape[:-1])[:batch]), -1)
        indices = op("concatenate")(Tuple((Constant(places.astype(dtype_of(indices))), indices)), axis=-1)
    return [op("scatter_nd")(zeros_like(data), indices, grad, reduction="add"), None]


# --- updating -------------------------------------------------------------------------------------

_REDUCTION = Attribute("reduction", "str", "update", ("update", "add", "mul", "min", "max"))
_AT = {"add": np.add, "mul": np.multiply, "min": np.minimum, "max": np.maximum}


def _updated(attrs: Attrs, data: np.ndarray, index: Sequence[np.ndarray], updates: np.ndarray) -> np.ndarray:
    """`data` with updates at an index for each axis, those outside dropped, in row-major order."""
    result = data.copy()
    kept = np.ones(index[0].shape, bool)
    for along, extent in zip(index, data.shape, strict=False):
        kept &= (along >= 0) & (along < extent)
    places = tuple(along[kept] for along in index)
    if attrs.reduction == "update":
        result[places] = updates[kept]
    else:
        _AT[attrs.reduction].at(result, places, updates[kept])
    return result


def _te_combine(attrs: Attrs) -> str:
    return "set" if attrs.reduction == "update" else attrs.reduction


def _scatter_rule(attrs: Attrs, data: Any, indices: Any, updates: Any) -> Type:
    _check_elements(attrs, data, indices)
    same_dtype(data, tensor(updates, "the updates"))
    _check_updates(updates, indices.shape)
    return data


def _check_updates(updates: Any, shape: Sequence[Any]) -> None:
    given = updates.shape
    if len(given) != len(shape) or any(
        a != b and ANY not in (a, b) for a, b in zip(given, shape, strict=True)
    ):
        raise ValueError(f"the updates have the shape {shape_text(given)}; {shape_text(shape)} is needed")


def _scatter(attrs: Attrs, data: np.ndarray, indices: np.ndarray, updates: np.ndarray) -> np.ndarray:
    along = wrapped(indices, data.shape[attrs.axis])
    places = np.broadcast_arrays(*_element_places(attrs, data, indices, along))
    return _updated(attrs, data, places, updates)


def _te_scatter(attrs: Attrs, args: Sequence[Any], type_: Any) -> Tensor:
    data, indices, updates = args
    axis, shape = normalized_axis(attrs.axis, data.ndim), indices.shape
    batch = 0
    while batch < axis and shape[batch] == data.shape[batch]:
        batch += 1

    def along(d: int) -> Tensor:
        if d == axis:
            return te.compute(shape, lambda *at: te_wrapped(indices[at], data.shape[d]), "along")
        return te.compute(shape, lambda *at: at[d], "place")

    return te.scatter(data, [along(d) for d in range(batch, data.ndim)], updates, _te_combine(attrs), batch)


def _scatter_nd_rule(attrs: Attrs, data: Any, indices: Any, updates: Any) -> Type:
    depth = _index_depth(data, indices, 0)
    same_dtype(data, tensor(updates, "the updates"))
    _check_updates(updates, (*indices.shape[:-1], *data.shape[depth:]))
    return data


def _scatter_nd(attrs: Attrs, data: np.ndarray, indices: np.ndarray, updates: np.ndarray) -> np.ndarray:
    index = [wrapped(indices[..., k], data.shape[k]) for k in range(indices.shape[-1])]
    return _updated(
        attrs,
        data,
        [np.atleast_1d(i) for i in index],
        updates.reshape(np.atleast_1d(index[0]).shape + data.shape[len(index) :]),
    )


def _te_scatter_nd(attrs: Attrs, args: Sequence[Any], type_: Any) -> Tensor:
    data, indices, updates = args
    places = indices.shape[:-1]
    if not places:  # one update
        one, inner = updates, updates.shape
        updates = te.compute((1, *inner), lambda _, *at: one[at], "update")

    def along(k: int) -> Tensor:
        def element(*at: Element) -> Element:
            return te_wrapped(indices[(*at[: len(places)], k)], data.shape[k])

        return te.compute(places or (1,), element, "along")

    return te.scatter(data, [along(k) for k in range(int(indices.shape[-1]))], updates, _te_combine(attrs))


def _scatter_gradient(scatter: str, gather: str) -> Any:
    def gradient(call: Call, grad: Expr) -> Sequence[Expr | None]:
        data, indices, updates = call.args
        kind = call.attrs.reduction
        axis = {"axis": call.attrs.axis} if scatter == "scatter_elements" else {}

        def put(into: Expr, what: Expr, reduction: str) -> Expr:
            return op(scatter)(into, indices, what, reduction=reduction, **axis)

        def got(of: Expr) -> Expr:
            return op(gather)(of, indices, **axis)

        def others(updates: Expr, data: Expr) -> Expr:
            """The product of the other updates of the same element: zeros among them are counted."""
            none, one = zeros_like(updates), op("ones_like")(updates)
            zero = op("equal")(updates, none)
            factors = where(zero, one, updates)
            product = got(put(op("ones_like")(data), factors, "mul"))
            zeros = got(put(zeros_like(data), where(zero, one, none), "add"))
            without = where(op("equal")(zeros, none), divide(product, factors), none)
            return where(zero, where(op("equal")(zeros, one), product, none), without)

        if kind == "update":
            return [put(grad, zeros_like(updates), "update"), None, got(grad)]
        if kind == "add":
            return [grad, None, got(grad)]
        if kind == "mul":
            factors = put(op("ones_like")(data), updates, "mul")
            return [multiply(grad, factors), None, multiply(got(multiply(grad, data)), others(updates, data))]
        # an extreme: where it is the element, the gradient is the element's
        kept, chosen = op("equal")(call, data), op("equal")(got(call), updates)
        return [
            where(kept, grad, zeros_like(grad)),
            None,
            where(chosen, got(where(kept, zeros_like(grad), grad)), zeros_like(updates)),
        ]

    return gradient


# --- one hot --------------------------------------------------------------------------------------


def _hot_axis(attrs: Attrs, count: int) -> int:
    return normalized_axis(attrs.axis, count + 1)


def _one_hot_rule(attrs: Attrs, indices: Any, on: Any, off: Any) -> Type:
    check_dtype(tensor(indices, "the index"), "a number", "the index")
    for value in (on, off):
        if rank(tensor(value)) != 0:
            raise ValueError(f"the value is {value}; a scalar is needed")
    if attrs.depth < 0:
        raise ValueError(f"depth is {attrs.depth}; it must not be negative")
    axis = _hot_axis(attrs, rank(indices))
    return TensorType((*indices.shape[:axis], attrs.depth, *indices.shape[axis:]), same_dtype(on, off))


def _one_hot(attrs: Attrs, indices: np.ndarray, on: np.ndarray, off: np.ndarray) -> np.ndarray:
    axis = _hot_axis(attrs, indices.ndim)
    places = np.arange(attrs.depth).reshape([-1 if d == axis else 1 for d in range(indices.ndim + 1)])
    hit = np.expand_dims(wrapped(indices, attrs.depth), axis) == places
    return np.where(hit, on, off)


def _te_one_hot(attrs: Attrs, args: Sequence[Any], at: Any, shape: Any) -> Element:
    indices, on, off = args
    axis = _hot_axis(attrs, indices.ndim)
    index = te.cast(indices[(*at[:axis], *at[axis + 1 :])], "int64")
    hit = te.equal(te_wrapped(index, attrs.depth), te.cast(at[axis], "int64"))
    return te.select(hit, on[()], off[()])


def _one_hot_gradient(call: Call, grad: Expr) -> Sequence[Expr | None]:
    indices, on, off = call.args
    hot = op("one_hot")(indices, op("ones_like")(on), zeros_like(off), **call.attrs)
    share = op("sum")(multiply(grad, hot))
    return [None, share, op("subtract")(op("sum")(grad), share)]


ROWS = (
    row(
        "take",
        _take_rule,
        _take,
        _te_take,
        _take_gradient,
        inputs=("data", "indices"),
        attributes=(Attribute("axis", "int?", 0),),
        doc="The slices of data at indices along an axis; of all elements, if it is None. A negative index "
        "counts from the end, one outside is clipped.",
    ),
    row(
        "gather_elements",
        _gather_rule,
        _gather,
        _te_gather,
        lambda call, grad: [
            op("scatter_elements")(
                zeros_like(call.args[0]), call.args[1], grad, axis=call.attrs.axis, reduction="add"
            ),
            None,
        ],
        inputs=("data", "indices"),
        attributes=(AXIS,),
        doc="For each index the element of data at the same place but along an axis; indices as in take.",
    ),
    row(
        "gather_nd",
        _gather_nd_rule,
        _gather_nd,
        _te_gather_nd,
        _gather_nd_gradient,
        inputs=("data", "indices"),
        attributes=(Attribute("batch_dims", "int", 0),),
        doc="The slices of data at indices of several axes, which the last axis holds; indices as in take.",
    ),
    Op(
        "scatter_elements",
        ("data", "indices", "updates"),
        forward(_scatter_rule),
        _scatter,
        _te_scatter,
        Fuse.OPAQUE,
        (AXIS, _REDUCTION),
        _scatter_gradient("scatter_elements", "gather_elements"),
        doc="Data with updates at the places that gather_elements reads; those outside are dropped.",
    ),
    Op(
        "scatter_nd",
        ("data", "indices", "updates"),
        forward(_scatter_nd_rule),
        _scatter_nd,
        _te_scatter_nd,
        Fuse.OPAQUE,
        (_REDUCTION,),
        _scatter_gradient("scatter_nd", "gather_nd"),
        doc="Data with updates at the places that gather_nd reads; those outside are dropped.",
    ),
    row(
        "one_hot",
        _one_hot_rule,
        _one_hot,
        _te_one_hot,
        _one_hot_gradient,
        inputs=("indices", "on", "off"),
        attributes=(Attribute("depth", "int"), Attribute("axis", "int", -1)),
        doc="`on` at the index along a new axis, `off` elsewhere; everywhere, if it is outside.",
    ),
)

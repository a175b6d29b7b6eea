"""Operators along the order of an axis: extremes, cumulative sums and products, sorting, `unique`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from compiler import te
from compiler.ir.expr import Expr as Element
from compiler.ops import CUMSUM
from compiler.relay.infer.relations import forward, normalized_axis, rank, shape_text, tensor
from compiler.relay.language.attributes import Attribute, Attrs
from compiler.relay.language.expr import Call, Expr, TupleGetItem
from compiler.relay.language.op import Fuse, Op, Template, op
from compiler.relay.language.types import ANY, TensorType, TupleType, Type
from compiler.relay.operator.elementwise import (
    add,
    check_dtype,
    multiply,
    quiet,
    te_cast,
    wide_dtype,
    zeros_like,
)
from compiler.relay.operator.shape import dims_of
from compiler.te.tensor import Tensor

AXIS = Attribute("axis", "int", -1)


def _axis(attrs: Attrs, count: int) -> int:
    if count == 0:
        raise ValueError("the argument is a scalar; a tensor with an axis is needed")
    return normalized_axis(attrs.axis, count)


# --- cumulative -----------------------------------------------------------------------------------


def _cumulative(
    name: str,
    function: Callable[..., Any],
    combine: Callable[[Any, Any], Any],
    start: int,
    gradient: Callable[[Call, Expr], Expr],
    doc: str,
    template: Callable[[Attrs, Sequence[TensorType]], Template | None] | None = None,
) -> Op:
    def rule(attrs: Attrs, x: Any) -> Type:
        check_dtype(tensor(x), "a number")
        _axis(attrs, rank(x))
        return x

    def evaluate(attrs: Attrs, x: np.ndarray) -> np.ndarray:
        axis = _axis(attrs, x.ndim)
        wide = np.flip(x, axis) if attrs.reverse else x
        result = function(wide, axis=axis, dtype=wide_dtype(x.dtype.name)).astype(x.dtype)
        if attrs.exclusive and x.shape[axis]:
            first = np.full_like(np.take(result, [0], axis), start)
            result = np.concatenate([first, np.delete(result, -1, axis)], axis)
        return np.flip(result, axis).copy() if attrs.reverse else result

    def tensors(attrs: Attrs, args: Sequence[Any], type_: Any) -> Tensor:
        (x,) = args
        axis, wide = _axis(attrs, x.ndim), wide_dtype(x.dtype)
        extent = x.shape[axis]
        extents = (extent, *x.shape[:axis], *x.shape[axis + 1 :])

        def source(t: Element, *other: Element) -> Element:
            """The element of a step, the first of which is at the end if it goes backwards."""
            place = extent - 1 - t if attrs.reverse else t
            return te_cast(x[(*other[:axis], place, *other[axis:])], wide)

        def later(t: Element, *other: Element) -> Element:
            return combine(state[(t - 1, *other)], source(t - 1 if attrs.exclusive else t, *other))

        def beginning(t: Element, *other: Element) -> Element:
            return te.const(start, wide) if attrs.exclusive else source(t, *other)

        state = te.placeholder(extents, "state", wide)
        first = te.compute((1, *extents[1:]), beginning, "first")
        if extent == 1:
            steps = first
        else:
            steps = te.scan(first, te.compute(extents, later, "step"), state, name="steps")

        def element(*at: Element) -> Element:
            place = extent - 1 - at[axis] if attrs.reverse else at[axis]
            return te_cast(steps[(place, *at[:axis], *at[axis + 1 :])], x.dtype)

        return te.compute(x.shape, element, name)

    attributes = (AXIS, Attribute("exclusive", "bool", False), Attribute("reverse", "bool", False))
    return Op(
        name,
        ("x",),
        forward(rule),
        quiet(evaluate),
        tensors,
        Fuse.OPAQUE,
        attributes,
        lambda call, grad: [gradient(call, grad)],
        template,
        doc=doc,
    )


def _cumsum_template(attrs: Attrs, types: Sequence[TensorType]) -> Template | None:
    """The sums of parts of a row in parallel; along another axis the general rules do as well."""
    (x,) = types
    axis = _axis(attrs, len(x.dims))
    if (
        x.dtype not in CUMSUM.parameters[-1].options
        or attrs.exclusive
        or attrs.reverse
        or axis != len(x.dims) - 1
        or x.dims[axis] == 1
    ):
        return None
    return Template(CUMSUM, {"shape": x.dims, "axis": axis, "dtype": x.dtype}, (0,))


def _reversed(call: Call, x: Expr) -> Call:
    """The cumulative sum in the other direction."""
    return op("cumsum")(x, **{**call.attrs, "reverse": not call.attrs.reverse})


def _cumprod_gradient(call: Call, grad: Expr) -> Expr:
    """The product before an element times the sum of what follows, without a division: one may be zero.

    The sum is that of ``S[i] = grad[i] + x[i + 1] * S[i + 1]``. Such maps are composed in pairs, then pairs
    of pairs (Hillis and Steele, 1986), so there are few operators, and derivatives of them of any order.
    """
    (x,), attrs = call.args, call.attrs
    shape = dims_of(x)
    axis = _axis(attrs, len(shape))
    extent = shape[axis]
    if type(extent) is not int:
        raise ValueError(f"the gradient of cumprod along axis {axis} of {x.checked_type} needs its extent")

    def turned(value: Expr) -> Expr:
        return op("reverse")(value, axis=axis) if attrs.reverse else value

    def later(value: Expr, steps: int) -> Expr:
        """The elements some steps further on, zeros behind the last."""
        cut = op("strided_slice")(value, begin=(steps,), end=(extent,), strides=(1,), axes=(axis,))
        margin = [(0, steps if d == axis else 0) for d in range(len(shape))]
        return op("pad")(cut, pad_width=margin)

    factors, sums = turned(x), turned(grad)
    before = op("cumprod")(factors, axis=axis, exclusive=True)
    if extent > 1:
        sums = later(sums, 1) if attrs.exclusive else sums
        factors = later(factors, 1)
    elif attrs.exclusive:
        sums = zeros_like(sums)
    steps = 1
    while steps < extent:
        sums = add(sums, multiply(factors, later(sums, steps)))
        factors = multiply(factors, later(factors, steps))
        steps *= 2
    return turned(multiply(before, sums))


# --- index of an extreme --------------------------------------------------------------------------


def _extreme_index(name: str, function: Callable[..., Any], reducer: Callable[..., Any], what: str) -> Op:
    def rule(attrs: Attrs, x: Any) -> Type:
        axis = _axis(attrs, rank(tensor(x)))
        if x.shape[axis] == 0:
            raise ValueError(f"axis {axis} of {shape_text(x.shape)} has no element")
        shape = [*x.shape[:axis], *([1] if attrs.keepdims else []), *x.shape[axis + 1 :]]
        return TensorType(tuple(shape), attrs.dtype)

    def evaluate(attrs: Attrs, x: np.ndarray) -> np.ndarray:
        axis = _axis(attrs, x.ndim)
        last = attrs.select_last_index
        index = function(np.flip(x, axis) if last else x, axis=axis, keepdims=attrs.keepdims)
        return (x.shape[axis] - 1 - index if last else index).astype(attrs.dtype)

    def tensors(attrs: Attrs, args: Sequence[Any], type_: Any) -> Tensor:
        (x,) = args
        axis = _axis(attrs, x.ndim)
        extent = x.shape[axis]
        dtype = "uint8" if x.dtype == "bool" else x.dtype
        r = te.reduce_axis((0, extent), "r")

        def element(*at: Element) -> Any:
            place = extent - 1 - r.var if attrs.select_last_index else r.var
            index = (*at[:axis], place, *at[axis + attrs.keepdims :])
            return reducer(te_cast(x[index], dtype), axis=r)

        index, _ = te.compute(type_.dims, element, "extreme")

        def found(*at: Element) -> Element:
            value = extent - 1 - index[at] if attrs.select_last_index else index[at]
            return te_cast(value, type_.dtype)

        return te.compute(type_.dims, found, name)

    attributes = (
        Attribute("axis", "int", 0),
        Attribute("keepdims", "bool", False),
        Attribute("select_last_index", "bool", False),
        Attribute("dtype", "dtype", "int64"),
    )
    doc = f"The index of the {what} element along an axis: of the first of equal ones, or of the last."
    return Op(
        name,
        ("x",),
        forward(rule),
        evaluate,
        tensors,
        Fuse.COMM_REDUCE,
        attributes,
        lambda call, grad: [None],
        doc=doc,
    )


# --- order ----------------------------------------------------------------------------------------


def _sorted_indices(x: np.ndarray, axis: int, descending: bool) -> np.ndarray:
    """The stable order of the elements along an axis; NaN is larger than every number."""
    if not descending:
        return np.argsort(x, axis=axis, kind="stable")
    # equal elements keep their order: the stable order of the reversed elements, reversed
    backwards = np.argsort(np.flip(x, axis), axis=axis, kind="stable")
    return x.shape[axis] - 1 - np.flip(backwards, axis)


def _same_rule(dtype: Callable[[Attrs, Any], Any]) -> Callable[..., Type]:
    def rule(attrs: Attrs, x: Any) -> Type:
        _axis(attrs, rank(tensor(x)))
        return TensorType(x.shape, dtype(attrs, x))

    return rule


def _sort(attrs: Attrs, x: np.ndarray) -> np.ndarray:
    axis = _axis(attrs, x.ndim)
    return np.take_along_axis(x, _sorted_indices(x, axis, attrs.descending), axis)


def _sort_gradient(call: Call, grad: Expr) -> Sequence[Expr]:
    x = call.args[0]
    order = op("argsort")(x, axis=call.attrs.axis, descending=call.attrs.descending)
    return [op("scatter_elements")(zeros_like(x), order, grad, axis=call.attrs.axis)]


def _topk_rule(attrs: Attrs, x: Any) -> Type:
    axis = _axis(attrs, rank(tensor(x)))
    extent = x.shape[axis]
    if attrs.k < 0 or type(extent) is int and attrs.k > extent:
        raise ValueError(f"k is {attrs.k}; axis {axis} of {shape_text(x.shape)} has {extent} elements")
    shape = (*x.shape[:axis], attrs.k, *x.shape[axis + 1 :])
    return TupleType((TensorType(shape, x.dtype), TensorType(shape, "int64")))


def _topk(attrs: Attrs, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    axis = _axis(attrs, x.ndim)
    order = np.take(_sorted_indices(x, axis, attrs.largest), np.arange(attrs.k), axis)
    return np.take_along_axis(x, order, axis), order.astype("int64")


def _topk_gradient(call: Call, grad: Expr) -> Sequence[Expr]:
    x = call.args[0]
    values, indices = TupleGetItem(grad, 0), TupleGetItem(call, 1)
    return [op("scatter_elements")(zeros_like(x), indices, values, axis=call.attrs.axis)]


def _unique_rule(attrs: Attrs, x: Any) -> Type:
    count = rank(tensor(x))
    whole: Any = TensorType((ANY,), "int64")
    if attrs.axis is None:
        size = prod(x.shape) if x.concrete else ANY
        return TupleType((TensorType((ANY,), x.dtype), whole, TensorType((size,), "int64"), whole))
    axis = _axis(attrs, count)
    values = TensorType((*x.shape[:axis], ANY, *x.shape[axis + 1 :]), x.dtype)
    return TupleType((values, whole, TensorType((x.shape[axis],), "int64"), whole))


def _unique(attrs: Attrs, x: np.ndarray) -> tuple[np.ndarray, ...]:
    axis = None if attrs.axis is None else _axis(attrs, x.ndim)
    values, first, inverse, counts = np.unique(
        x, return_index=True, return_inverse=True, return_counts=True, axis=axis
    )
    inverse = inverse.reshape(-1)
    if not attrs.sorted:
        order = np.argsort(first, kind="stable")
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        values = np.take(values, order, 0 if axis is None else axis)
        first, inverse, counts = first[order], place[inverse], counts[order]
    return values, *(part.astype("int64") for part in (first, inverse, counts))


def _nonzero_rule(attrs: Attrs, x: Any) -> Type:
    return TensorType((rank(tensor(x)), ANY), "int64")


def _nonzero(attrs: Attrs, x: np.ndarray) -> np.ndarray:
    if x.ndim == 0:
        return np.zeros((0, int(x != 0)), "int64")
    return np.stack(np.nonzero(x)).astype("int64")


_DESCENDING = Attribute("descending", "bool", False)

ROWS = (
    _extreme_index("argmax", np.argmax, te.argmax, "largest"),
    _extreme_index("argmin", np.argmin, te.argmin, "smallest"),
    _cumulative(
        "cumsum",
        np.cumsum,
        lambda a, b: a + b,
        0,
        lambda call, grad: _reversed(call, grad),
        "The sums of the elements up to each, along an axis; or from each, in reverse; or without it.",
        _cumsum_template,
    ),
    _cumulative(
        "cumprod",
        np.cumprod,
        lambda a, b: a * b,
        1,
        _cumprod_gradient,
        "The products of the elements up to each, along an axis; or from each, in reverse; or without it.",
    ),
    Op(
        "sort",
        ("x",),
        forward(_same_rule(lambda attrs, x: x.dtype)),
        _sort,
        None,
        Fuse.OPAQUE,
        (AXIS, _DESCENDING),
        _sort_gradient,
        doc="The elements in order along an axis; NaN is larger than every number.",
    ),
    Op(
        "argsort",
        ("x",),
        forward(_same_rule(lambda attrs, x: attrs.dtype)),
        lambda attrs, x: _sorted_indices(x, _axis(attrs, x.ndim), attrs.descending).astype(attrs.dtype),
        None,
        Fuse.OPAQUE,
        (AXIS, _DESCENDING, Attribute("dtype", "dtype", "int64")),
        lambda call, grad: [None],
        doc="The indices of the elements in order along an axis; equal elements keep their order.",
    ),
    Op(
        "topk",
        ("x",),
        forward(_topk_rule),
        _topk,
        None,
        Fuse.OPAQUE,
        (
            Attribute("k", "int"),
            AXIS,
            Attribute("largest", "bool", True),
            Attribute("sorted", "bool", True),
        ),
        _topk_gradient,
        doc="The k largest or smallest elements along an axis, in order, and their indices, as a tuple.",
    ),
    Op(
        "unique",
        ("x",),
        forward(_unique_rule),
        _unique,
        None,
        Fuse.OPAQUE,
        (Attribute("axis", "int?", None), Attribute("sorted", "bool", True)),
        lambda call, grad: [None],
        doc="Different elements (or slices along an axis), the first index of each, its place, its count.",
    ),
    Op(
        "nonzero",
        ("x",),
        forward(_nonzero_rule),
        _nonzero,
        None,
        Fuse.OPAQUE,
        (),
        lambda call, grad: [None],
        doc="The indices of the elements that are not zero, a row for each axis.",
    ),
)

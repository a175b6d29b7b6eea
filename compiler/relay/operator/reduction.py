"""Reductions over axes, `argmax` and `argmin`, and those that reverse a broadcast."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from compiler import te
from compiler.ir.expr import Expr as Element
from compiler.relay.infer.relations import (
    forward,
    normalized_axis,
    rank,
    shape_text,
    tensor,
)
from compiler.relay.language.attributes import Attribute, Attrs
from compiler.relay.language.expr import Call, Expr
from compiler.relay.language.op import Fuse, Op, op
from compiler.relay.language.types import TensorType, Type
from compiler.relay.operator.elementwise import (
    check_dtype,
    dims,
    divide,
    multiply,
    number,
    quiet,
    subtract,
    te_cast,
    where,
    wide_dtype,
    zeros_like,
)
from compiler.te.reducer import highest, lowest
from compiler.te.tensor import Tensor

AXES = (
    Attribute("axis", "ints?", None),
    Attribute("keepdims", "bool", False),
    Attribute("exclude", "bool", False),
)


def reduced_axes(attrs: Attrs, count: int) -> tuple[int, ...]:
    """The axes that a call on a tensor of rank `count` reduces, in order.

    Raises
    ------
    ValueError
        If there is no such axis, or one is named twice.
    """
    if attrs.axis is None:
        named = set(range(count))
    else:
        named = {normalized_axis(axis, count) for axis in attrs.axis}
        if len(named) != len(attrs.axis) or count == 0 and named:
            raise ValueError(
                f"the axes {attrs.axis} of a tensor of rank {count} must be different axes of it"
            )
    return tuple(d for d in range(count) if (d in named) != (attrs.exclude and attrs.axis is not None))


def _result_shape(attrs: Attrs, shape: Sequence[Any]) -> tuple[Any, ...]:
    axes = reduced_axes(attrs, len(shape))
    if attrs.keepdims:
        return tuple(1 if d in axes else dim for d, dim in enumerate(shape))
    return tuple(dim for d, dim in enumerate(shape) if d not in axes)


def reduced(
    shape: tuple[int, ...],
    extents: Sequence[int],
    axes: Sequence[int],
    term: Callable[[tuple[Element, ...]], Element],
    reducer: Callable[..., Any],
) -> Tensor:
    """The reduction of ``term(index)`` over `axes`; `shape` is the result's, with or without these axes.

    Parameters
    ----------
    extents : sequence of int
        Those of the index that `term` is given.
    """
    inner = [te.reduce_axis((0, extents[d]), f"r{d}") for d in axes]
    kept = len(shape) == len(extents)

    def element(*at: Element) -> Any:
        outer, over = iter(at), iter(inner)
        index: list[Any] = []
        for d in range(len(extents)):
            if d in axes:
                index.append(next(over).var)
                if kept:
                    next(outer)
            else:
                index.append(next(outer))
        value = term(tuple(index))
        return reducer(value, axis=inner) if inner else value

    return te.compute(shape, element, "reduced")


def spread(grad: Expr, call: Call) -> Expr:
    """A gradient of the result of a reduction, with the reduced axes as axes of extent one."""
    if call.attrs.keepdims:
        return grad
    for axis in reduced_axes(call.attrs, len(dims(call.args[0].checked_type))):
        grad = op("expand_dims")(grad, axis=axis)
    return grad


def _like(grad: Expr, x: Expr) -> Expr:
    """A gradient with axes of extent one, broadcast to the shape of `x`."""
    type_ = tensor(x.checked_type)
    # the shape alone does not keep x until then
    return op("broadcast_to")(grad, shape=type_.dims) if type_.concrete else op("broadcast_like")(grad, x)


def _count(call: Call) -> int:
    type_: Any = call.args[0].checked_type
    dims = [type_.shape[d] for d in reduced_axes(call.attrs, rank(type_))]
    if not all(type(dim) is int for dim in dims):
        raise ValueError(
            f"the gradient of a reduction over axes of {shape_text(type_.shape)} needs their extents"
        )
    return prod(dims)


# --- rows -----------------------------------------------------------------------------------------


def reduction(
    name: str,
    evaluate: Callable[..., Any],
    term: Callable[[Any], Any],
    reducer: Callable[..., Any],
    finish: Callable[[Any, int], Any] | None = None,
    *,
    gradient: Callable[[Expr, Expr, Expr, Call], Expr] | None = None,
    takes: str = "a number",
    doc: str,
) -> Op:
    """A row of a reduction.

    Parameters
    ----------
    name : str
    evaluate : callable
        ``evaluate(array, axis=, keepdims=)``.
    term, reducer, finish : callable
        ``finish(reducer(term(element)), number of elements)``.
    gradient : callable, optional
        ``gradient(x, y, grad, call)``; y and grad have the reduced axes, of extent one.
    takes : str
        The element types that it takes.
    """
    # elements of half a word are added in float32; an extreme is one of them
    wide = reducer not in (te.max, te.min)

    def rule(attrs: Attrs, x: Any) -> Type:
        check_dtype(tensor(x), takes)
        return TensorType(_result_shape(attrs, x.shape), x.dtype)

    def definition(attrs: Attrs, x: np.ndarray) -> np.ndarray:
        widened = x.astype(wide_dtype(x.dtype.name)) if wide else x
        axes = reduced_axes(attrs, x.ndim)
        return np.asarray(evaluate(widened, axis=axes, keepdims=attrs.keepdims)).astype(x.dtype)

    def tensors(attrs: Attrs, args: Sequence[Any], type_: Any) -> Tensor:
        (x,) = args
        axes = reduced_axes(attrs, x.ndim)
        inner = "uint8" if x.dtype == "bool" else wide_dtype(x.dtype) if wide else x.dtype
        total = reduced(type_.dims, x.shape, axes, lambda i: term(te_cast(x[i], inner)), reducer)
        count = prod(x.shape[d] for d in axes)
        if finish is None and inner == type_.dtype:
            return total
        last = finish or (lambda value, count: value)
        return te.compute(total.shape, lambda *at: te_cast(last(total[at], count), type_.dtype), name)

    def gradients(call: Call, grad: Expr) -> Sequence[Expr | None]:
        if gradient is None:
            return [None]
        x = call.args[0]
        return [gradient(x, spread(call, call), spread(grad, call), call)]

    return Op(
        name,
        ("x",),
        forward(rule),
        quiet(definition),
        tensors,
        Fuse.COMM_REDUCE,
        AXES,
        gradients,
        doc=doc,
    )


def _extreme(function: Callable[..., Any], identity: Callable[[str], float]) -> Callable[..., Any]:
    def evaluate(x: np.ndarray, **axes: Any) -> Any:
        start = (function is np.min) if x.dtype == bool else identity(x.dtype.name)
        return function(x, initial=start, **axes)

    return evaluate


def _typed(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda x, **axes: function(x, dtype=x.dtype, **axes)


def _selected(x: Expr, y: Expr, g: Expr, call: Call) -> Expr:
    """The gradient of an extreme: divided among the elements that are equal to it."""
    hit = op("equal")(x, y)
    ones = where(hit, op("ones_like")(x), zeros_like(x))
    share = divide(g, op("sum")(ones, **{**call.attrs, "keepdims": True}))
    return where(hit, _like(share, x), zeros_like(x))


def _prod_gradient(x: Expr, y: Expr, g: Expr, call: Call) -> Expr:
    """The product of the other elements, without a division: one may be zero."""
    type_: Any = x.checked_type
    axes = reduced_axes(call.attrs, rank(type_))
    count = _count(call)
    kept = [d for d in range(rank(type_)) if d not in axes]
    order = (*kept, *axes)
    moved = op("transpose")(x, axes=order)
    flat = op("reshape")(moved, newshape=(*(_reshaped(type_.shape[d]) for d in kept), count))
    before = op("cumprod")(flat, axis=-1, exclusive=True)
    after = op("cumprod")(flat, axis=-1, exclusive=True, reverse=True)
    shape = [_reshaped(type_.shape[d]) for d in order]
    others = op("reshape")(multiply(before, after), newshape=shape)
    back = tuple(order.index(d) for d in range(len(order)))
    return multiply(g, op("transpose")(others, axes=back))


def _reshaped(dim: Any) -> int:
    return dim if type(dim) is int else -1


def _centered(x: Expr, call: Call) -> Expr:
    return subtract(x, op("mean")(x, **{**call.attrs, "keepdims": True}))


def _np_mean(x: np.ndarray, axis: tuple[int, ...], keepdims: bool = False) -> np.ndarray:
    """NaN of no elements, without the warning of `numpy.mean`."""
    return np.sum(x, axis=axis, keepdims=keepdims) / x.dtype.type(prod(x.shape[d] for d in axis))


def _np_variance(x: np.ndarray, axis: tuple[int, ...], keepdims: bool = False) -> np.ndarray:
    return _np_mean(np.square(x - _np_mean(x, axis, True)), axis, keepdims)


def _mean(total: Any, count: int) -> Any:
    return total / te.const(float(count), total.dtype)


_SIMPLE = (
    reduction(
        "sum",
        _typed(np.sum),
        lambda x: x,
        te.sum,
        gradient=lambda x, y, g, call: _like(g, x),
        doc="The sum.",
    ),
    reduction(
        "mean",
        _np_mean,
        lambda x: x,
        te.sum,
        _mean,
        gradient=lambda x, y, g, call: _like(multiply(g, number(1 / _count(call), x)), x),
        takes="a float",
        doc="The arithmetic mean.",
    ),
    reduction("prod", _typed(np.prod), lambda x: x, te.prod, gradient=_prod_gradient, doc="The product."),
    reduction(
        "max",
        _extreme(np.max, lowest),
        lambda x: x,
        te.max,
        gradient=_selected,
        takes="any",
        doc="The largest element, NaN if one is.",
    ),
    reduction(
        "min",
        _extreme(np.min, highest),
        lambda x: x,
        te.min,
        gradient=_selected,
        takes="any",
        doc="The smallest element, NaN if one is.",
    ),
    reduction("all", np.all, lambda x: x, te.min, takes="bool", doc="Whether all conditions hold."),
    reduction("any", np.any, lambda x: x, te.max, takes="bool", doc="Whether a condition holds."),
    reduction(
        "l1",
        lambda x, **axes: np.sum(np.abs(x), dtype=x.dtype, **axes),
        te.abs,
        te.sum,
        gradient=lambda x, y, g, call: multiply(g, op("sign")(x)),
        doc="The sum of absolute values.",
    ),
    reduction(
        "l2",
        lambda x, **axes: np.sqrt(np.sum(np.square(x), **axes)),
        lambda x: x * x,
        te.sum,
        lambda total, count: te.sqrt(total),
        gradient=lambda x, y, g, call: multiply(g, divide(x, y)),
        takes="a float",
        doc="The square root of the sum of squares.",
    ),
    reduction(
        "sum_square",
        lambda x, **axes: np.sum(np.square(x), dtype=x.dtype, **axes),
        lambda x: x * x,
        te.sum,
        gradient=lambda x, y, g, call: multiply(g, multiply(number(2, x), x)),
        doc="The sum of squares.",
    ),
)


# --- reductions in two steps ----------------------------------------------------------------------


def _after(
    name: str,
    evaluate: Callable[..., Any],
    first: Callable[..., Any],
    compute: Callable[..., Any],
    gradient: Callable[[Expr, Expr, Expr, Call], Expr],
    doc: str,
) -> Op:
    """A row of a reduction whose terms depend on a first one.

    Parameters
    ----------
    first : callable
        The reducer of the first.
    compute : callable
        ``compute(first, count) -> (term, reducer, finish)``: the term of an element, given the value of the
        first reduction, which is given with the number of elements too; ``finish(total, first)``.
    """
    row = reduction(name, evaluate, lambda x: x, te.sum, gradient=gradient, takes="a float", doc=doc)

    def tensors(attrs: Attrs, args: Sequence[Any], type_: Any) -> Tensor:
        (x,) = args
        axes, wide = reduced_axes(attrs, x.ndim), wide_dtype(x.dtype)
        count = prod(x.shape[d] for d in axes)
        kept = tuple(1 if d in axes else n for d, n in enumerate(x.shape))
        start = reduced(kept, x.shape, axes, lambda i: te_cast(x[i], wide), first)
        term, finish = compute(count)

        def place(i: Sequence[Element]) -> tuple[Any, ...]:
            return tuple(0 if d in axes else e for d, e in enumerate(i))

        total = reduced(kept, x.shape, axes, lambda i: term(te_cast(x[i], wide), start[place(i)]), te.sum)

        def element(*at: Element) -> Element:
            rest = iter(at)
            index = at if attrs.keepdims else tuple(0 if d in axes else next(rest) for d in range(x.ndim))
            return te_cast(finish(total[index], start[index]), type_.dtype)

        return te.compute(type_.dims, element, name)

    return Op(name, row.inputs, row.relation, row.evaluate, tensors, row.fuse, AXES, row.gradient, doc=doc)


def _variance(root: bool) -> Callable[[int], Any]:
    def steps(count: int) -> Any:
        def term(x: Element, total: Element) -> Element:
            return (x - _mean(total, count)) * (x - _mean(total, count))

        def finish(total: Element, first: Element) -> Element:
            return te.sqrt(_mean(total, count)) if root else _mean(total, count)

        return term, finish

    return steps


def _shift(most: Element) -> Element:
    return te.select(te.isfinite(most), most, te.const(0, most.dtype))


def _logsumexp(x: np.ndarray, **axes: Any) -> np.ndarray:
    most = np.max(x, axis=axes["axis"], keepdims=True, initial=-np.inf)
    most = np.where(np.isfinite(most), most, 0).astype(x.dtype)
    total = np.log(np.sum(np.exp(x - most), **axes))
    return total + most.reshape(total.shape)


_TWO_STEPS = (
    _after(
        "variance",
        _np_variance,
        te.sum,
        _variance(False),
        lambda x, y, g, call: multiply(g, multiply(number(2 / _count(call), x), _centered(x, call))),
        "The mean of the squared differences from the mean.",
    ),
    _after(
        "std",
        lambda x, **axes: np.sqrt(_np_variance(x, **axes)),
        te.sum,
        _variance(True),
        lambda x, y, g, call: multiply(
            divide(g, y), multiply(number(1 / _count(call), x), _centered(x, call))
        ),
        "The square root of the variance.",
    ),
    _after(
        "logsumexp",
        _logsumexp,
        te.max,
        lambda count: (
            lambda x, most: te.exp(x - _shift(most)),
            lambda total, most: te.log(total) + _shift(most),
        ),
        lambda x, y, g, call: multiply(g, op("exp")(subtract(x, y))),
        "``log(sum(exp(x)))``, without overflow.",
    ),
)


ROWS = (*_SIMPLE, *_TWO_STEPS)

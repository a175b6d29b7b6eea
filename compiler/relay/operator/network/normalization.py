"""Normalization by the moments of batches, layers, groups and instances, and by the root mean square."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np

from compiler import te
from compiler.relay.infer.relations import (
    broadcast_shapes,
    forward,
    normalized_axis,
    rank,
    tensor,
)
from compiler.relay.language.attributes import REQUIRED, Attribute, Attrs
from compiler.relay.language.expr import Call, Expr, TupleGetItem
from compiler.relay.language.op import Fuse, Op, op
from compiler.relay.language.types import TensorType, TupleType, Type
from compiler.relay.operator.arithmetic import read
from compiler.relay.operator.elementwise import (
    add,
    check_dtype,
    multiply,
    number,
    subtract,
)
from compiler.relay.operator.network.product import accumulator, along, fits

Array = np.ndarray
EPSILON = Attribute("epsilon", "float", 1e-5)
AXIS = Attribute("axis", "int", 1)


def _vector(x: TensorType, axis: int, vectors: Sequence[tuple[str, TensorType]]) -> None:
    """Raise ValueError, if one of `vectors` has not an element for each along an axis of `x`."""
    extent = x.shape[normalized_axis(axis, rank(x))]  # type: ignore[index]
    for name, vector in vectors:
        if rank(vector) != 1 or not fits(vector.shape[0], extent):  # type: ignore[index]
            raise ValueError(f"{name} is {vector}; ({extent},) is needed for axis {axis} of {x}")


def wide_of(x: Array) -> Array:
    """An array in the type in which its elements are summed."""
    return x.astype(accumulator(x.dtype.name))


def dims_of(expr: Expr) -> tuple[int, ...]:
    """The static shape of an expression whose type is inferred."""
    return tuple(expr.checked_type.dims)  # type: ignore[attr-defined]


def _row_vector(v: Expr, axis: int, shape: Sequence[int]) -> Expr:
    """A vector as a tensor that is broadcast along all axes but one."""
    return op("reshape")(v, newshape=tuple(n if d == axis % len(shape) else 1 for d, n in enumerate(shape)))


def sum_over(x: Expr, axes: Sequence[int], *, keepdims: bool = True) -> Expr:
    """The sum over axes; the expression itself, if there are none."""
    return op("sum")(x, axis=tuple(axes), keepdims=keepdims) if axes else x


# moments as tensor expressions ---------------------------------------------------------------------------


def kept_of(at: Sequence[Any], axes: Sequence[int]) -> tuple[Any, ...]:
    """The parts of an index that belong to other axes than `axes`."""
    return tuple(i for d, i in enumerate(at) if d not in axes)


def _mean_of(shape: Sequence[int], axes: Sequence[int], element: Callable[..., Any], name: str) -> Any:
    """The mean of ``element(*index)`` over some axes of `shape`; axes of the result are the others."""
    taps = {d: te.reduce_axis((0, shape[d]), f"{name}{d}") for d in axes}
    kept = [d for d in range(len(shape)) if d not in axes]

    def total(*at: Any) -> Any:
        index = tuple(taps[d] if d in taps else at[kept.index(d)] for d in range(len(shape)))
        value = element(*index)
        return te.sum(value, axis=list(taps.values())) if taps else value

    sums = te.compute(tuple(shape[d] for d in kept), total, f"{name}_sum")
    scale = 1.0 / prod(shape[d] for d in axes)
    return te.compute(sums.shape, lambda *at: sums[at] * te.const(scale, sums.dtype), name)


def _moments(x: Any, axes: Sequence[int]) -> tuple[Any, Any]:
    """Mean and variance over some axes: the variance from the distances to the mean, which do not cancel."""
    wide = accumulator(x.dtype)
    mean = _mean_of(x.shape, axes, lambda *at: x[at].astype(wide), "mean")

    def square(*at: Any) -> Any:
        distance = x[at].astype(wide) - mean[kept_of(at, axes)]
        return distance * distance

    return mean, _mean_of(x.shape, axes, square, "variance")


def _inverse(variance: Any, epsilon: float) -> Any:
    return te.compute(
        variance.shape,
        lambda *at: te.const(1, variance.dtype) / te.sqrt(variance[at] + te.const(epsilon, variance.dtype)),
        "scale",
    )


# batch_norm ----------------------------------------------------------------------------------------------


def _batch_type(attrs: Attrs, *given: Type) -> Type:
    x, *vectors = (tensor(t) for t in given)
    check_dtype(x, "a float")
    _vector(x, attrs.axis, list(zip(("gamma", "beta", "the mean", "the variance"), vectors, strict=True)))
    return TupleType((x, vectors[2], vectors[3]))


def _batch_axes(attrs: Attrs, count: int) -> tuple[int, ...]:
    return tuple(d for d in range(count) if d != attrs.axis % count)


def _batch_norm(attrs: Attrs, x: Array, gamma: Array, beta: Array, mean: Array, var: Array) -> Any:
    wide = wide_of(x)
    if attrs.training:
        axes = _batch_axes(attrs, x.ndim)
        found, spread = wide.mean(axis=axes), wide.var(axis=axes)
    else:
        found, spread = mean, var
    scale = gamma / np.sqrt(spread + spread.dtype.type(attrs.epsilon))
    y = (wide - along(found, attrs.axis, x.ndim)) * along(scale, attrs.axis, x.ndim)
    y = (y + along(beta, attrs.axis, x.ndim)).astype(x.dtype)
    if not attrs.training:
        return y, mean, var
    old = attrs.momentum
    return y, *(
        (was * old + new * (1 - old)).astype(was.dtype) for was, new in ((mean, found), (var, spread))
    )


def _batch_compute(attrs: Attrs, tensors: Sequence[Any], result: Any) -> Any:
    x, gamma, beta, mean, var = tensors
    axis, wide = attrs.axis % x.ndim, accumulator(x.dtype)
    found, spread = _moments(x, _batch_axes(attrs, x.ndim)) if attrs.training else (mean, var)
    scale = te.compute(
        gamma.shape,
        lambda c: gamma[c] / te.sqrt(spread[c] + te.const(attrs.epsilon, spread.dtype)),
        "scale",
    )

    def element(*at: Any) -> Any:
        c = at[axis]
        value = (x[at].astype(wide) - found[c].astype(wide)) * scale[c].astype(wide) + beta[c].astype(wide)
        return value.astype(x.dtype)

    def kept(old: Any, new: Any) -> Any:
        if not attrs.training:
            return te.compute(old.shape, lambda c: old[c], "kept")
        momentum = te.const(attrs.momentum, wide)
        rest = te.const(1 - attrs.momentum, wide)
        return te.compute(
            old.shape, lambda c: (old[c].astype(wide) * momentum + new[c] * rest).astype(old.dtype), "moved"
        )

    return [te.compute(x.shape, element, "batch_norm"), kept(mean, found), kept(var, spread)]


def _batch_gradient(call: Call, grad: Expr) -> Sequence[Expr | None]:
    x, gamma, _, mean, var = call.args
    attrs, shape = call.attrs, dims_of(x)
    axes = _batch_axes(attrs, len(shape))
    g = TupleGetItem(grad, 0)
    flat_mean: Expr
    flat_var: Expr
    if attrs.training:
        flat_mean = op("mean")(x, axis=axes)
        flat_var = op("variance")(x, axis=axes)
    else:
        flat_mean, flat_var = mean, var
    inverse = op("rsqrt")(add(flat_var, number(attrs.epsilon, x)))
    centred = subtract(x, _row_vector(flat_mean, attrs.axis, shape))
    wide_inverse = _row_vector(inverse, attrs.axis, shape)
    unit = multiply(centred, wide_inverse)
    d_gamma = sum_over(multiply(g, unit), axes, keepdims=False)
    d_beta = sum_over(g, axes, keepdims=False)
    scale = _row_vector(multiply(gamma, inverse), attrs.axis, shape)
    if not attrs.training:
        dx: Expr = multiply(g, scale)
        d_mean = subtract(TupleGetItem(grad, 1), multiply(d_beta, multiply(gamma, inverse)))
        half = multiply(number(-0.5, x), multiply(gamma, multiply(inverse, inverse)))
        return dx, d_gamma, d_beta, d_mean, add(TupleGetItem(grad, 2), multiply(half, d_gamma))
    inner = multiply(g, _row_vector(gamma, attrs.axis, shape))
    size = prod(shape[d] for d in axes)
    dx = _normalized_gradient(inner, unit, wide_inverse, axes, number(1 / size, x))
    old, new = number(attrs.momentum, x), number((1 - attrs.momentum) / size, x)
    moved_mean = _row_vector(multiply(TupleGetItem(grad, 1), new), attrs.axis, shape)
    moved_var = _row_vector(multiply(TupleGetItem(grad, 2), multiply(new, number(2, x))), attrs.axis, shape)
    dx = add(dx, add(moved_mean, multiply(moved_var, centred)))
    return dx, d_gamma, d_beta, multiply(TupleGetItem(grad, 1), old), multiply(TupleGetItem(grad, 2), old)


def _normalized_gradient(g: Expr, unit: Expr, inverse: Expr, axes: Sequence[int], share: Expr) -> Expr:
    """The gradient by x of ``unit = (x - mean) * inverse``, the moments being those of `axes`."""
    mean = multiply(sum_over(g, axes), share)
    along_unit = multiply(unit, multiply(sum_over(multiply(g, unit), axes), share))
    return multiply(inverse, subtract(subtract(g, mean), along_unit))


# normalization by the moments of each example ------------------------------------------------------------
#
# A normalization views its argument as a tensor, normalizes over some axes of that view, and scales the
# result by weights that are broadcast to the view.


class _View:
    """The view of an argument: its shape, the axes of the moments, and the shape of the weights there."""

    def __init__(self, attrs: Attrs, kind: str, shape: Sequence[Any], weight: Sequence[Any]) -> None:
        count = len(shape)
        self.shape: tuple[Any, ...] = tuple(shape)
        if kind in ("layer_norm", "rms_norm"):
            self.axes = tuple(sorted(normalized_axis(a, count) for a in attrs.axis))
            alone = len(self.axes) == 1 and self.axes[0] != count - 1 and len(weight) == 1
            self.weight = (
                tuple(n if d == self.axes[0] else 1 for d, n in enumerate(shape)) if alone else tuple(weight)
            )
            return
        axis = normalized_axis(attrs.axis, count)
        if kind == "instance_norm":
            self.axes = tuple(d for d in range(2 if axis else 1, count) if d != axis)
            if axis not in (0, 1):
                self.axes = tuple(d for d in range(1, count) if d != axis)
            self.weight = tuple(n if d == axis else 1 for d, n in enumerate(shape))
            return
        groups = attrs.num_groups
        channels = shape[axis] // groups if type(shape[axis]) is int else shape[axis]
        self.shape = (*shape[:axis], groups, channels, *shape[axis + 1 :])
        self.axes = tuple(d for d in range(1, count + 1) if d != axis)
        self.weight = tuple(n if d in (axis, axis + 1) else 1 for d, n in enumerate(self.shape))


def _example_type(kind: str) -> Any:
    def rule(attrs: Attrs, *given: Type) -> Type:
        x, *weights = (tensor(t) for t in given)
        check_dtype(x, "a float")
        if kind in ("layer_norm", "rms_norm"):
            axes = [normalized_axis(a, rank(x)) for a in attrs.axis]
            for weight in weights:
                if rank(weight) == 1 and len(axes) == 1:
                    single = weight.shape[0] == 1  # type: ignore[index]
                    if not single:
                        _vector(x, axes[0], [("a weight", weight)])
                elif broadcast_shapes(x.shape, weight.shape) != tuple(x.shape):  # type: ignore[arg-type]
                    raise ValueError(f"the weight {weight} cannot be broadcast to {x}")
        else:
            _vector(x, attrs.axis, list(zip(("gamma", "beta"), weights, strict=True)))
            if kind == "group_norm":
                extent = x.shape[normalized_axis(attrs.axis, rank(x))]  # type: ignore[index]
                if attrs.num_groups < 1 or (type(extent) is int and extent % attrs.num_groups):
                    raise ValueError(f"group_norm: {attrs.num_groups} groups do not divide {extent} channels")
        return x

    return forward(rule)


def _example(kind: str) -> Any:
    def evaluate(attrs: Attrs, x: Array, *weights: Array) -> Array:
        view = _View(attrs, kind, x.shape, weights[0].shape)
        wide = wide_of(x).reshape(view.shape)
        if kind == "rms_norm":
            scale = np.square(wide).mean(axis=view.axes, keepdims=True)
        else:
            wide = wide - wide.mean(axis=view.axes, keepdims=True)
            scale = np.square(wide).mean(axis=view.axes, keepdims=True)
        y = wide / np.sqrt(scale + scale.dtype.type(attrs.epsilon))
        y = y * wide_of(weights[0]).reshape(view.weight)
        if len(weights) > 1:
            y = y + wide_of(weights[1]).reshape(_View(attrs, kind, x.shape, weights[1].shape).weight)
        return y.reshape(x.shape).astype(x.dtype)

    return evaluate


def _example_compute(kind: str) -> Any:
    def compute(attrs: Attrs, tensors: Sequence[Any], result: Any) -> Any:
        x, *weights = tensors
        view, wide = _View(attrs, kind, x.shape, weights[0].shape), accumulator(x.dtype)
        axis = attrs.axis % x.ndim if kind == "group_norm" else 0
        size = view.shape[axis + 1] if kind == "group_norm" else 0

        def plain(at: Sequence[Any]) -> tuple[Any, ...]:
            """The index of the argument, from that of the view."""
            if kind != "group_norm":
                return tuple(at)
            return (*at[:axis], at[axis] * size + at[axis + 1], *at[axis + 2 :])

        def viewed(at: Sequence[Any]) -> tuple[Any, ...]:
            if kind != "group_norm":
                return tuple(at)
            return (*at[:axis], at[axis] // size, at[axis] % size, *at[axis + 1 :])

        def weight(tensor: Any, at: Sequence[Any]) -> Any:
            if kind in ("group_norm", "instance_norm"):
                return tensor[at[attrs.axis % x.ndim]]
            alone = tensor.ndim == 1 and len(view.axes) == 1
            return (
                tensor[at[view.axes[0]] if tensor.shape[0] > 1 else 0] if alone else read(tensor, tuple(at))
            )

        if kind == "rms_norm":
            mean = None
            spread = _mean_of(
                view.shape, view.axes, lambda *at: x[at].astype(wide) * x[at].astype(wide), "square"
            )
        else:
            mean = _mean_of(view.shape, view.axes, lambda *at: x[plain(at)].astype(wide), "mean")

            def square(*at: Any) -> Any:
                distance = x[plain(at)].astype(wide) - mean[kept_of(at, view.axes)]
                return distance * distance

            spread = _mean_of(view.shape, view.axes, square, "variance")
        scale = _inverse(spread, attrs.epsilon)

        def element(*at: Any) -> Any:
            kept, value = kept_of(viewed(at), view.axes), x[at].astype(wide)
            value = (value if mean is None else value - mean[kept]) * scale[kept]
            value = value * weight(weights[0], at).astype(wide)
            if len(weights) > 1:
                value = value + weight(weights[1], at).astype(wide)
            return value.astype(x.dtype)

        return te.compute(x.shape, element, kind)

    return compute


def _example_gradient(kind: str) -> Any:
    def gradient(call: Call, grad: Expr) -> Sequence[Expr | None]:
        x, *weights = call.args
        attrs, shape = call.attrs, dims_of(x)
        view = _View(attrs, kind, shape, dims_of(weights[0]))
        wide = op("reshape")(x, newshape=view.shape)
        g = op("reshape")(grad, newshape=view.shape)
        share = number(1 / prod(view.shape[d] for d in view.axes), x)
        centred = wide if kind == "rms_norm" else subtract(wide, multiply(sum_over(wide, view.axes), share))
        spread = multiply(sum_over(multiply(centred, centred), view.axes), share)
        inverse = op("rsqrt")(add(spread, number(attrs.epsilon, x)))
        unit = multiply(centred, inverse)
        inner = multiply(g, op("reshape")(weights[0], newshape=view.weight))
        if kind == "rms_norm":
            along_unit = multiply(unit, multiply(sum_over(multiply(inner, unit), view.axes), share))
            dx: Expr = multiply(inverse, subtract(inner, along_unit))
        else:
            dx = _normalized_gradient(inner, unit, inverse, view.axes, share)
        found = [op("reshape")(dx, newshape=shape)]
        for w, part in zip(weights, (multiply(g, unit), g), strict=False):
            own = dims_of(w)
            kept = _View(attrs, kind, shape, own).weight
            found.append(op("reshape")(op("collapse_sum")(part, shape=kept), newshape=own))
        return found

    return gradient


_WEIGHTS = ("data", "gamma", "beta")


def _example_row(kind: str, attributes: tuple[Attribute, ...], inputs: tuple[str, ...], doc: str) -> Op:
    return Op(
        f"nn.{kind}",
        inputs,
        _example_type(kind),
        _example(kind),
        _example_compute(kind),
        Fuse.OUT_ELEMWISE_FUSABLE,
        attributes,
        _example_gradient(kind),
        doc=doc,
    )


_LAST = Attribute("axis", "ints", (-1,))
ROWS = (
    Op(
        "nn.batch_norm",
        ("data", "gamma", "beta", "moving_mean", "moving_var"),
        forward(_batch_type),
        _batch_norm,
        _batch_compute,
        Fuse.OPAQUE,
        (AXIS, EPSILON, Attribute("training", "bool", False), Attribute("momentum", "float", 0.9)),
        _batch_gradient,
        doc="(x - mean) / sqrt(variance + epsilon) gamma + beta by channel (arXiv 1502.03167); moments.",
    ),
    _example_row(
        "layer_norm", (_LAST, EPSILON), _WEIGHTS, "Normalized over the axes of an example (arXiv 1607.06450)."
    ),
    _example_row(
        "rms_norm", (_LAST, EPSILON), ("data", "gamma"), "Divided by the root mean square (arXiv 1910.07467)."
    ),
    _example_row(
        "instance_norm",
        (AXIS, EPSILON),
        _WEIGHTS,
        "Each channel of each image normalized (arXiv 1607.08022).",
    ),
    _example_row(
        "group_norm",
        (Attribute("num_groups", "int", REQUIRED), AXIS, EPSILON),
        _WEIGHTS,
        "Each group of channels of an image normalized (arXiv 1803.08494).",
    ),
)

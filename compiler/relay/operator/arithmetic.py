"""Operators of two operands that are broadcast: arithmetic, logic, bits, comparisons; and `where`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from compiler import te
from compiler.ir.dtype import bits_of, is_float
from compiler.ir.expr import Expr as Element
from compiler.ops.array.elementwise import broadcast_index
from compiler.relay.infer.relations import (
    broadcast,
    broadcast_shapes,
    forward,
    rank,
    same_dtype,
    shape_text,
    tensor,
)
from compiler.relay.language.attributes import Attribute, Attrs
from compiler.relay.language.expr import Call, Expr
from compiler.relay.language.op import Fuse, Op, Relation, op
from compiler.relay.language.types import ANY, AnyDim, TensorType, Type
from compiler.relay.operator.elementwise import (
    add,
    check_dtype,
    dims,
    divide,
    multiply,
    negative,
    number,
    quiet,
    te_cast,
    where,
    wide_dtype,
    zeros_like,
)
from compiler.te.tensor import Tensor

Gradient = Callable[[Expr, Expr, Call, Expr], Sequence[Expr]]


def sum_to(grad: Expr, result: Any, argument: Expr) -> Expr:
    """The gradient of the result of an operator that broadcasts, summed to the type of an argument.

    Parameters
    ----------
    grad : Expr
        Of the type `result`.
    result : Type
    argument : Expr
        Its type is inferred.
    """
    type_: Any = argument.checked_type
    same = type_.shape == result.shape
    if any(isinstance(dim, AnyDim) for dim in (*type_.shape, *result.shape)):
        # which axes are broadcast is known at the call
        return op("collapse_sum_like")(grad, argument)
    return grad if same else op("collapse_sum")(grad, shape=type_.shape)


def read(x: Any, at: tuple[Element, ...]) -> Element:
    """The element of a tensor that belongs to an index of a broadcast result."""
    return x[broadcast_index(x.shape, at)]


def _broadcast_of(takes: str, result: str) -> Relation:
    by_shape = broadcast(result or None)
    alike = forward(lambda attrs, *types: same_dtype(*map(tensor, types)) and types[0])

    def relation(types: Sequence[Type], attrs: Attrs, solver: Any) -> bool:
        for type_, what in zip(types[:-1], ("the first argument", "the second argument"), strict=True):
            check_dtype(type_, takes, what)
        if result:  # the rule of the shape does not compare the element types
            alike((*types[:-1], types[0]), attrs, solver)
        return by_shape(types, attrs, solver)

    return relation


def binary(
    name: str,
    evaluate: Callable[[Any, Any], Any],
    compute: Callable[[Any, Any], Any],
    gradient: Gradient | None = None,
    *,
    takes: str = "a number",
    result: str = "",
    doc: str,
) -> Op:
    """A row of an operator of two operands.

    Parameters
    ----------
    name : str
    evaluate : callable
        Of two arrays.
    compute : callable
        Of two elements.
    gradient : callable, optional
        ``gradient(a, b, y, grad)``: the gradients of both arguments, of the shape of the result. By default
        there are none: the derivatives are zero where they exist.
    takes : str
        The element types that it takes.
    result : str
        Element type of the result, where it is not that of the arguments.
    """

    def tensors(attrs: Attrs, args: Sequence[Any], type_: Any) -> Tensor:
        a, b = args
        return te.compute(type_.dims, lambda *at: compute(read(a, at), read(b, at)), name)

    def gradients(call: Call, grad: Expr) -> Sequence[Expr | None]:
        if gradient is None:
            return [None, None]
        a, b = call.args
        parts = gradient(a, b, call, grad)
        return [sum_to(part, call.checked_type, a) for part, a in zip(parts, call.args, strict=True)]

    return Op(
        name,
        ("a", "b"),
        _broadcast_of(takes, result),
        quiet(lambda attrs, a, b: evaluate(a, b)),
        tensors,
        Fuse.BROADCAST,
        (),
        gradients,
        doc=doc,
    )


# --- definitions ----------------------------------------------------------------------------------


def _divide(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if a.dtype.kind == "f":
        return np.divide(a, b)
    quotient, rest = np.floor_divide(a, b), np.remainder(a, b)
    return quotient + ((rest != 0) & ((a < 0) != (b < 0))).astype(a.dtype)


def _te_floor_divide(a: Element, b: Element) -> Element:
    if not is_float(a.dtype):
        return te.floordiv(a, b)
    # from the remainder, since the quotient of large numbers may be rounded up to the next integer
    rest = te.fmod(a, b)
    quotient = (a - rest) / b
    less = te.all(te.not_equal(rest, 0), te.not_equal(b < 0, rest < 0))
    return te.select(te.equal(b, 0), a / b, te.round(te.select(less, quotient - 1, quotient)))


def _te_mod(a: Element, b: Element) -> Element:
    if not is_float(a.dtype):
        return te.floormod(a, b)
    rest = te.fmod(a, b)
    moved = te.select(te.not_equal(b < 0, rest < 0), rest + b, rest)
    return te.select(te.equal(rest, 0), te.copysign(te.const(0, a.dtype), b), moved)


def _te_fmod(a: Element, b: Element) -> Element:
    return te.fmod(a, b) if is_float(a.dtype) else te.select(te.equal(b, 0), 0, te.truncmod(a, b))


def _power(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    if a.dtype.kind == "f":
        return np.power(np.atleast_1d(a), np.atleast_1d(b)).reshape(np.broadcast_shapes(a.shape, b.shape))
    if a.dtype.kind == "u":
        return np.power(a, b)
    odd = np.where(b & 1, a, a * a)
    negative_power = np.where(np.abs(a) == 1, odd, 0).astype(a.dtype)
    return np.where(b < 0, negative_power, np.power(a, np.maximum(b, 0)))


def _te_power(a: Element, b: Element) -> Element:
    if is_float(a.dtype):
        return te.power(a, b)
    one = te.const(1, a.dtype)
    # of a power beyond 64 only the parity matters, for 1 and -1: others do not fit the type
    bits = min(bits_of(a.dtype), 64)
    exponent = te.select(b > bits, bits + (b & one), b)
    result, factor = te.select(te.equal(exponent & one, 1), a, one), a
    for bit in range(1, bits.bit_length()):
        factor = factor * factor
        result = result * te.select(te.equal((exponent >> bit) & one, 1), factor, one)
    if a.dtype.startswith("u"):
        return result
    unit = te.equal(te.abs(a), 1)
    return te.select(b < 0, te.select(unit, te.select(te.equal(b & one, 1), a, a * a), 0), result)


def _power_gradient(a: Expr, b: Expr, y: Call, g: Expr) -> Sequence[Expr]:
    one, zero = number(1, a), number(0, a)
    base = multiply(b, op("power")(a, op("subtract")(b, one)))
    base = where(op("equal")(b, zero), zero, base)
    exponent = multiply(y, where(op("greater")(a, zero), op("log")(a), zero))
    return multiply(g, base), multiply(g, exponent)


def _chosen(name: str) -> Gradient:
    """The gradient of an operator that returns one of its operands: the first of equal ones."""
    return lambda a, b, y, g: (
        where(op(name)(a, b), g, zeros_like(g)),
        where(op(name)(a, b), zeros_like(g), g),
    )


def _quotient(rounded: str) -> Gradient:
    """The gradient of a remainder, whose quotient is rounded so."""
    return lambda a, b, y, g: (g, negative(multiply(g, op(rounded)(divide(a, b)))))


def _atan2_gradient(a: Expr, b: Expr, y: Call, g: Expr) -> Sequence[Expr]:
    scaled = divide(g, add(op("square")(a), op("square")(b)))
    return multiply(scaled, b), negative(multiply(scaled, a))


def _shift(left: bool) -> Callable[[Any, Any], Any]:
    """A shift of arrays, by at least as many bits as the type has too, as the tensor language defines it."""

    def shift(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        inside = (b >= 0) & (b < bits_of(a.dtype.name))
        count = np.where(inside, b, 0).astype(b.dtype)
        shifted = np.left_shift(a, count) if left else np.right_shift(a, count)
        return np.where(inside, shifted, np.where(a < 0, -(not left), 0)).astype(a.dtype)

    return shift


_BINARY = (
    binary("add", np.add, lambda a, b: a + b, lambda a, b, y, g: (g, g), doc="``a + b``."),
    binary(
        "subtract", np.subtract, lambda a, b: a - b, lambda a, b, y, g: (g, negative(g)), doc="``a - b``."
    ),
    binary(
        "multiply",
        np.multiply,
        lambda a, b: a * b,
        lambda a, b, y, g: (multiply(g, b), multiply(g, a)),
        doc="``a * b``.",
    ),
    binary(
        "divide",
        _divide,
        lambda a, b: a / b if is_float(a.dtype) else te.truncdiv(a, b),
        lambda a, b, y, g: (divide(g, b), negative(divide(multiply(g, y), b))),
        doc="``a / b``; of integers rounded to zero, and 0 where b is 0.",
    ),
    binary("floor_divide", np.floor_divide, _te_floor_divide, doc="``a / b`` rounded to minus infinity."),
    binary("mod", np.mod, _te_mod, _quotient("floor"), doc="The remainder with the sign of b."),
    binary(
        "fmod",
        np.fmod,
        _te_fmod,
        _quotient("trunc"),
        doc="The remainder with the sign of a.",
    ),
    binary(
        "power",
        _power,
        _te_power,
        _power_gradient,
        doc="``a ** b``; of integers, a negative power is the reciprocal rounded to zero.",
    ),
    binary("maximum", np.maximum, te.maximum, _chosen("greater_equal"), doc="The larger; NaN if one is."),
    binary("minimum", np.minimum, te.minimum, _chosen("less_equal"), doc="The smaller; NaN if one is."),
    binary(
        "atan2",
        np.arctan2,
        te.atan2,
        _atan2_gradient,
        takes="a float",
        doc="The angle of the point (b, a), from -pi to pi.",
    ),
    binary("logical_and", np.logical_and, lambda a, b: te.all(a, b), takes="bool", doc="Whether both hold."),
    binary("logical_or", np.logical_or, lambda a, b: te.any(a, b), takes="bool", doc="Whether one holds."),
    binary("logical_xor", np.logical_xor, te.not_equal, takes="bool", doc="Whether exactly one holds."),
    binary(
        "bitwise_and", np.bitwise_and, lambda a, b: a & b, takes="an integer or bool", doc="Bits of both."
    ),
    binary("bitwise_or", np.bitwise_or, lambda a, b: a | b, takes="an integer or bool", doc="Bits of one."),
    binary(
        "bitwise_xor",
        np.bitwise_xor,
        lambda a, b: a ^ b,
        takes="an integer or bool",
        doc="Bits of exactly one.",
    ),
    binary("left_shift", _shift(True), lambda a, b: a << b, takes="an integer", doc="``a << b``."),
    binary("right_shift", _shift(False), lambda a, b: a >> b, takes="an integer", doc="``a >> b``."),
    binary("equal", np.equal, te.equal, takes="any", result="bool", doc="``a == b``."),
    binary("not_equal", np.not_equal, te.not_equal, takes="any", result="bool", doc="``a != b``."),
    binary("less", np.less, lambda a, b: a < b, result="bool", doc="``a < b``."),
    binary("less_equal", np.less_equal, lambda a, b: a <= b, result="bool", doc="``a <= b``."),
    binary("greater", np.greater, lambda a, b: a > b, result="bool", doc="``a > b``."),
    binary("greater_equal", np.greater_equal, lambda a, b: a >= b, result="bool", doc="``a >= b``."),
)


# --- where ----------------------------------------------------------------------------------------


def _where_rule(attrs: Attrs, condition: Any, a: Any, b: Any) -> Type:
    check_dtype(tensor(condition), "bool", "the condition")
    shape = broadcast_shapes(dims(a), dims(b))
    return TensorType(broadcast_shapes(condition.shape, shape), same_dtype(a, b))


def _te_where(attrs: Attrs, args: Sequence[Any], type_: Any) -> Tensor:
    c, a, b = args
    return te.compute(type_.dims, lambda *at: te.select(read(c, at), read(a, at), read(b, at)), "where")


def _where_gradient(call: Call, grad: Expr) -> Sequence[Expr | None]:
    c, a, b = call.args
    zeros = zeros_like(grad)
    type_ = call.checked_type
    return [None, sum_to(where(c, grad, zeros), type_, a), sum_to(where(c, zeros, grad), type_, b)]


_WHERE = Op(
    "where",
    ("condition", "x", "y"),
    forward(_where_rule),
    lambda attrs, c, a, b: np.where(c, a, b),
    _te_where,
    Fuse.BROADCAST,
    (),
    _where_gradient,
    doc="x where the condition holds, else y; all three are broadcast.",
)


# --- the reverse of a broadcast -------------------------------------------------------------------


def _check_collapse(source: Any, target: Sequence[Any]) -> None:
    pairs = zip(reversed(dims(source)), reversed(target), strict=False)
    if len(target) > rank(source) or any(b not in (1, a, ANY) and a is not ANY for a, b in pairs):
        raise ValueError(f"{shape_text(target)} is not broadcast to {shape_text(source.shape)}")


def _collapse_rule(attrs: Attrs, x: Any) -> Type:
    _check_collapse(x, attrs.shape)
    return TensorType(attrs.shape, x.dtype)


def _collapse_like_rule(attrs: Attrs, x: Any, like: Any) -> Type:
    _check_collapse(x, dims(like))
    return TensorType(like.shape, x.dtype)


def _broadcast_like_rule(attrs: Attrs, x: Any, like: Any) -> Type:
    _check_collapse(tensor(like), dims(x))
    return TensorType(like.shape, x.dtype)


def _collapsed_axes(source: Sequence[int], target: Sequence[int]) -> tuple[int, ...]:
    more = len(source) - len(target)
    return tuple(d for d, n in enumerate(source) if d < more or n != target[d - more])


def collapse(x: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """An array summed over the axes along which `shape` is broadcast to its shape."""
    wide = wide_dtype(x.dtype.name)
    axes = _collapsed_axes(x.shape, shape)
    return np.sum(x, axis=axes, dtype=wide, keepdims=True).reshape(shape).astype(x.dtype)


def _te_broadcast(attrs: Attrs, args: Sequence[Any], type_: Any) -> Tensor:
    return te.compute(type_.dims, lambda *at: read(args[0], at), "broadcast")


def _te_collapse(attrs: Attrs, args: Sequence[Any], type_: Any) -> Tensor:
    x, shape = args[0], type_.dims
    axes, more, wide = _collapsed_axes(x.shape, shape), x.ndim - len(shape), wide_dtype(x.dtype)
    inner = [te.reduce_axis((0, x.shape[d]), f"r{d}") for d in axes]

    def element(*at: Element) -> Any:
        over = iter(inner)
        index = tuple(next(over).var if d in axes else at[d - more] for d in range(x.ndim))
        value = te_cast(x[index], wide)
        return te.sum(value, axis=inner) if inner else value

    total = te.compute(shape, element, "collapsed")
    if wide == x.dtype:
        return total
    return te.compute(shape, lambda *at: te_cast(total[at], x.dtype), "narrowed")


ROWS = (
    *_BINARY,
    _WHERE,
    Op(
        "collapse_sum",
        ("x",),
        forward(_collapse_rule),
        lambda attrs, x: collapse(x, attrs.shape),
        _te_collapse,
        Fuse.COMM_REDUCE,
        (Attribute("shape", "ints"),),
        lambda call, grad: [op("broadcast_like")(grad, call.args[0])],
        doc="The sum over the axes along which a shape is broadcast to that of x.",
    ),
    Op(
        "collapse_sum_like",
        ("x", "like"),
        forward(_collapse_like_rule),
        lambda attrs, x, like: collapse(x, like.shape),
        _te_collapse,
        Fuse.COMM_REDUCE,
        (),
        lambda call, grad: [op("broadcast_like")(grad, call.args[0]), None],
        doc="The sum over the axes along which the shape of `like` is broadcast to that of x.",
    ),
    Op(
        "broadcast_like",
        ("x", "like"),
        forward(_broadcast_like_rule),
        lambda attrs, x, like: np.broadcast_to(x, like.shape).copy(),
        _te_broadcast,
        Fuse.BROADCAST,
        (),
        lambda call, grad: [op("collapse_sum_like")(grad, call.args[0]), None],
        doc="x broadcast to the shape of `like`.",
    ),
)

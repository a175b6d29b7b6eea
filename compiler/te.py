"""The tensor-expression language, with the names that a reader of TVM's tutorials knows.

Declare inputs with `placeholder`, describe an output element by element with
`compute`, reduce over a `reduce_axis` with `sum`, `max`, `min` or `prod`, then ask
`create_schedule` how to run it::

    A = te.placeholder((512, 512), "A")
    B = te.placeholder((512, 512), "B")
    k = te.reduce_axis((0, 512), "k")
    C = te.compute((512, 512), lambda i, j: te.sum(A[i, k] * B[k, j], axis=k), "C")
    s = te.create_schedule(C.op)

Source: Chen et al., "TVM: An Automated End-to-End Optimizing Compiler for Deep
Learning" (arXiv 1802.04799), section 4.1.
"""

from __future__ import annotations

import builtins
import inspect
from collections.abc import Callable, Sequence
from functools import reduce as _reduce

from compiler.ir.expr import (
    SCALAR_TYPES,
    Expr,
    ExprLike,
    Var,
    as_expr,
    binary,
    call,
    conjunction,
    equal,
    maximum,
    minimum,
)
from compiler.ir.visit import walk
from compiler.schedule import Schedule, create_schedule
from compiler.suggest import unknown
from compiler.tensor import MAX, MIN, PROD, SUM, Compute, IterVar, Placeholder, Reduce, Reducer, Tensor

__all__ = [
    "IterVar",
    "Schedule",
    "Tensor",
    "abs",
    "all",
    "any",
    "ceil",
    "compute",
    "create_schedule",
    "equal",
    "exp",
    "floor",
    "if_then_else",
    "log",
    "max",
    "maximum",
    "min",
    "minimum",
    "placeholder",
    "power",
    "prod",
    "reduce_axis",
    "sqrt",
    "sum",
    "tanh",
]


def _checked_shape(shape: Sequence[int], name: str) -> tuple[int, ...]:
    dims = []
    for position, extent in enumerate(shape):
        try:
            whole = int(extent)
        except (TypeError, ValueError):
            whole = 0
        if whole < 1 or whole != extent:
            raise ValueError(
                f"dimension {position} of {name!r} is {extent!r}; a positive whole number is needed"
            )
        dims.append(whole)
    return tuple(dims)


def placeholder(shape: Sequence[int], name: str = "placeholder", dtype: str = "float32") -> Tensor:
    """A tensor that the caller of the program gives.

    Raises
    ------
    ValueError
        If an extent is not a positive whole number, or `dtype` is unknown.
    """
    if dtype not in SCALAR_TYPES:
        raise ValueError(unknown("dtype", dtype, SCALAR_TYPES))
    return Placeholder(name, _checked_shape(shape, name), dtype).output()


def reduce_axis(dom: tuple[int, int], name: str = "k") -> IterVar:
    """An axis to reduce over, which takes the values ``dom[0] .. dom[1] - 1``; `dom` starts at zero.

    Raises
    ------
    ValueError
        If `dom` does not start at zero or is empty.
    """
    low, high = dom
    if low != 0 or high < 1 or high != int(high):
        raise ValueError(f"reduce axis {name!r} has the domain {dom!r}; (0, n) with n >= 1 is needed")
    return IterVar(Var(name), int(high), "reduce")


def compute(shape: Sequence[int], fcompute: Callable[..., ExprLike], name: str = "compute") -> Tensor:
    """A tensor whose element at ``(i, j, ...)`` is ``fcompute(i, j, ...)``.

    Parameters
    ----------
    shape : sequence of int
    fcompute : callable
        Takes one index for each dimension; the names of its parameters name the axes.
    name : str

    Raises
    ------
    ValueError
        If `fcompute` does not take ``len(shape)`` indices, a reduction is not the whole
        element, or an axis is used that is not one of the tensor's own (a reduce axis without
        a reduction).
    """
    shape = _checked_shape(shape, name)
    names = _axis_names(fcompute, len(shape), name)
    axis = tuple(IterVar(Var(n), extent) for n, extent in zip(names, shape, strict=True))
    body = as_expr(fcompute(*(a.var for a in axis)))
    _check_body(body, axis, name)
    return Compute(name, shape, body.dtype, axis, body=body).output()


def _axis_names(fcompute: Callable, ndim: int, name: str) -> list[str]:
    parameters = list(inspect.signature(fcompute).parameters.values())
    if builtins.any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return [f"i{d}" for d in range(ndim)]
    if len(parameters) != ndim:
        raise ValueError(
            f"{name!r} has {ndim} dimension(s), but its function takes {len(parameters)} index(es)"
        )
    return [p.name for p in parameters]


def _check_body(body: Expr, axis: tuple[IterVar, ...], name: str) -> None:
    inner = body.source if isinstance(body, Reduce) else body
    axes = axis + body.axes if isinstance(body, Reduce) else axis
    known = {a.var for a in axes}
    for node in walk(inner):
        if isinstance(node, Reduce):
            raise ValueError(f"{name!r}: a reduction must be the whole element; give it a tensor of its own")
        if isinstance(node, Var) and node not in known:
            raise ValueError(
                f"{name!r} uses {node.name!r}, which is not one of its axes "
                f"({', '.join(a.name for a in axes)}); a reduce axis is used inside a reduction over it"
            )


def _reduction(reducer: Reducer, expr: ExprLike, axis: IterVar | Sequence[IterVar]) -> Reduce:
    axes = (axis,) if isinstance(axis, IterVar) else tuple(axis)
    if not axes:
        raise ValueError(f"te.{reducer.name} needs at least one reduce axis")
    for a in axes:
        if not isinstance(a, IterVar) or a.kind != "reduce":
            raise ValueError(f"te.{reducer.name} reduces over axes made by te.reduce_axis, not over {a!r}")
    if len(set(axes)) != len(axes):
        raise ValueError(f"te.{reducer.name} names an axis twice: {', '.join(a.name for a in axes)}")
    source = as_expr(expr)
    if source.dtype == "bool":
        raise ValueError(f"te.{reducer.name} takes numbers, not conditions: cast them first")
    return Reduce(reducer, source, axes)


def sum(expr: ExprLike, axis: IterVar | Sequence[IterVar]) -> Expr:
    """The sum of `expr` over `axis`."""
    return _reduction(SUM, expr, axis)


def prod(expr: ExprLike, axis: IterVar | Sequence[IterVar]) -> Expr:
    """The product of `expr` over `axis`."""
    return _reduction(PROD, expr, axis)


def max(expr: ExprLike, axis: IterVar | Sequence[IterVar]) -> Expr:
    """The largest value of `expr` over `axis` (`maximum` takes two values)."""
    return _reduction(MAX, expr, axis)


def min(expr: ExprLike, axis: IterVar | Sequence[IterVar]) -> Expr:
    """The smallest value of `expr` over `axis` (`minimum` takes two values)."""
    return _reduction(MIN, expr, axis)


def all(*conditions: Expr) -> Expr:
    """The condition that every one holds."""
    return conjunction(conditions)


def any(*conditions: Expr) -> Expr:
    """The condition that at least one holds.

    Raises
    ------
    ValueError
        For no condition at all.
    """
    if not conditions:
        raise ValueError("te.any needs at least one condition")
    return _reduce(lambda a, b: binary("or", a, b), conditions)


def if_then_else(condition: Expr, a: ExprLike, b: ExprLike) -> Expr:
    """`a` where the condition holds, else `b`; only the arm that is needed is evaluated."""
    return call("if_then_else", condition, a, b)


def exp(x: ExprLike) -> Expr:
    """The exponential of a float."""
    return call("exp", x)


def log(x: ExprLike) -> Expr:
    """The natural logarithm of a float."""
    return call("log", x)


def sqrt(x: ExprLike) -> Expr:
    """The square root of a float."""
    return call("sqrt", x)


def tanh(x: ExprLike) -> Expr:
    """The hyperbolic tangent of a float."""
    return call("tanh", x)


def abs(x: ExprLike) -> Expr:
    """The absolute value."""
    return call("abs", x)


def floor(x: ExprLike) -> Expr:
    """The largest whole number not above a float, as a float."""
    return call("floor", x)


def ceil(x: ExprLike) -> Expr:
    """The smallest whole number not below a float, as a float."""
    return call("ceil", x)


def power(x: ExprLike, y: ExprLike) -> Expr:
    """`x` to the power `y`, both floats."""
    return call("pow", x, y)

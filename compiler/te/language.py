"""The tensor-expression language, with the names that a reader of TVM's tutorials knows.

Declare inputs with `placeholder`, describe an output element by element with
`compute`, reduce over a `reduce_axis` with `sum`, `max`, `min`, `prod`, `argmax`, `argmin`
or a reducer of your own, then ask `create_schedule` how to run it::

    A = te.placeholder((512, 512), "A")
    B = te.placeholder((512, 512), "B")
    k = te.reduce_axis((0, 512), "k")
    C = te.compute((512, 512), lambda i, j: te.sum(A[i, k] * B[k, j], axis=k), "C")
    s = te.create_schedule(C.op)

A dimension that is not known before the call is a size: ``n = te.size_var("n", (1, 64))``.

Source: Chen et al., "TVM: An Automated End-to-End Optimizing Compiler for Deep
Learning" (arXiv 1802.04799), section 4.1.
"""

from __future__ import annotations

import builtins
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from compiler.ir.expr import (
    Expr,
    ExprLike,
    Var,
    as_expr,
    binary,
    const,
    equal,
    maximum,
    minimum,
)
from compiler.ir.stmt import THREAD_TAGS
from compiler.ir.visit import walk
from compiler.suggest import unknown
from compiler.te.axis import IterVar, ThreadAxis
from compiler.te.extern import extern
from compiler.te.mathematics import (
    abs,
    all,
    any,
    cast,
    ceil,
    cos,
    erf,
    exp,
    floor,
    floordiv,
    floormod,
    if_then_else,
    isnan,
    known_dtype,
    log,
    max_value,
    min_value,
    popcount,
    power,
    round,
    rsqrt,
    select,
    sigmoid,
    sin,
    sqrt,
    tanh,
    trunc,
)
from compiler.te.reducer import ARGMAX, ARGMIN, MAX, MIN, PROD, SUM, Reduce, Reducer
from compiler.te.size import checked_extent, checked_shape, filled_bytes, size_var, var
from compiler.te.tensor import Compute, Placeholder, Tensor

Axes = IterVar | Sequence[IterVar]

__all__ = [
    "IterVar",
    "Tensor",
    "abs",
    "all",
    "any",
    "argmax",
    "argmin",
    "cast",
    "ceil",
    "comm_reducer",
    "compute",
    "const",
    "cos",
    "equal",
    "erf",
    "exp",
    "extern",
    "floor",
    "floordiv",
    "floormod",
    "if_then_else",
    "isnan",
    "log",
    "max",
    "max_value",
    "maximum",
    "min",
    "min_value",
    "minimum",
    "placeholder",
    "popcount",
    "power",
    "prod",
    "reduce_axis",
    "round",
    "rsqrt",
    "select",
    "sigmoid",
    "sin",
    "size_var",
    "sqrt",
    "sum",
    "tanh",
    "thread_axis",
    "trunc",
    "var",
]

# --- axes -----------------------------------------------------------------------------------------


def reduce_axis(dom: tuple[ExprLike, ExprLike], name: str = "k") -> IterVar:
    """An axis to reduce over, which takes the values from ``dom[0]`` to ``dom[1] - 1``.

    Parameters
    ----------
    dom : pair of int or Expr
        Whole numbers, or expressions of sizes.
    name : str

    Raises
    ------
    ValueError
        If `dom` is empty, or is made of something else.
    """
    low, high = (checked_extent(end, f"reduce axis {name!r}, domain {tuple(dom)!r}") for end in dom)
    if isinstance(low, int) and isinstance(high, int) and high <= low:
        raise ValueError(f"reduce axis {name!r} has the empty domain {(low, high)}")
    extent = high if low == 0 else high - low
    return IterVar(Var(name), extent, "reduce", low)


def thread_axis(dom: tuple[int, int] | str | None = None, tag: str = "", name: str = "") -> ThreadAxis:
    """An axis of threads to bind loops to: ``te.thread_axis("threadIdx.x")``; ``(0, 64)`` may stand before.

    Parameters
    ----------
    dom : (int, int) or str, optional
        The number of threads as ``(0, n)``; or the tag alone.
    tag : str
        ``"blockIdx.x"`` to ``"threadIdx.z"``, or ``"vthread"``.
    name : str
        For people.

    Raises
    ------
    ValueError
        If the tag is unknown, or `dom` does not start at zero or is empty.
    """
    if isinstance(dom, str):
        return thread_axis(None, dom, name)
    known = (*THREAD_TAGS, "vthread")
    if tag not in known:
        raise ValueError(unknown("thread axis", tag, known))
    if dom is None:
        return ThreadAxis(tag)
    low, high = dom
    if low != 0 or high < 1 or high != int(high):
        raise ValueError(f"thread axis {name or tag!r} has the domain {dom!r}; (0, n) with n >= 1 is needed")
    return ThreadAxis(tag, int(high))


# --- tensors --------------------------------------------------------------------------------------


def placeholder(shape: Sequence[int | Var], name: str = "placeholder", dtype: str = "float32") -> Tensor:
    """A tensor that the caller of the program gives.

    Parameters
    ----------
    shape : sequence of int or size
    name : str
    dtype : str
        Also a packed type, ``"int4"``: the array is of bytes then, its last axis shorter by as much.

    Raises
    ------
    ValueError
        If an extent is not a positive whole number, `dtype` is unknown, or the last axis of a packed
        type does not fill its bytes.
    """
    return Placeholder(
        name, (filled_bytes(checked_shape(shape, name), known_dtype(dtype), name),), (dtype,)
    ).output()


def compute(shape: Sequence[int | Var], fcompute: Callable[..., Any], name: str = "compute") -> Any:
    """A tensor whose element at ``(i, j, ...)`` is ``fcompute(i, j, ...)``; or several of one shape.

    Parameters
    ----------
    shape : sequence of int or size
    fcompute : callable
        Takes one index for each dimension; the names of its parameters name the axes. It gives one
        expression; or a tuple of them, or a reduction of several values, for as many tensors.
    name : str

    Returns
    -------
    Tensor or tuple of Tensor

    Raises
    ------
    ValueError
        If `fcompute` does not take ``len(shape)`` indices, a reduction is not the whole
        element, or an axis is used that is not one of the tensor's own (a reduce axis without
        a reduction).
    """
    shape = checked_shape(shape, name)
    names = _axis_names(fcompute, len(shape), name)
    axes = tuple(IterVar(Var(n), extent) for n, extent in zip(names, shape, strict=True))
    element = fcompute(*(a.var for a in axes))
    if isinstance(element, Reduce):
        op = Compute.of(name, axes, element.sources, element.reduction)
    else:
        body = element if isinstance(element, (tuple, list)) else (element,)
        if not body:
            raise ValueError(f"{name!r}: its function gives no element")
        op = Compute.of(name, axes, tuple(map(as_expr, body)))
    _check_body(op)
    return op.output() if len(op.body) == 1 else op.outputs


def _axis_names(fcompute: Callable, ndim: int, name: str) -> list[str]:
    parameters = list(inspect.signature(fcompute).parameters.values())
    if builtins.any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return [f"i{d}" for d in range(ndim)]
    if len(parameters) != ndim:
        raise ValueError(
            f"{name!r} has {ndim} dimension(s), but its function takes {len(parameters)} index(es)"
        )
    return [p.name for p in parameters]


def _check_body(op: Compute) -> None:
    axes = (*op.axis, *op.reduce_axis)
    known = {a.var for a in axes}
    for expr in op.exprs:
        for node in walk(expr):
            if isinstance(node, Reduce):
                raise ValueError(
                    f"{op.name!r}: a reduction must be the whole element; give it a tensor of its own"
                )
            if type(node) is Var and node.bounds is None and node not in known:
                raise ValueError(
                    f"{op.name!r} uses {node.name!r}, which is not one of its axes "
                    f"({', '.join(a.name for a in axes)}); a reduce axis is used inside a reduction over it"
                )


# --- reductions -----------------------------------------------------------------------------------


def comm_reducer(
    fcombine: Callable[[Any, Any], Any], fidentity: Callable[..., Any], name: str = "reduce"
) -> Callable[..., Reduce]:
    """A reducer of your own: ``reducer(expr, axis, where=None)``, used like `sum`.

    Parameters
    ----------
    fcombine : callable
        ``(x, y) -> expression``. For a reduction of several values at once, `x`, `y` and the result are
        tuples, and so is the `expr` that the reducer takes. It must be associative and commutative: a
        schedule combines in any order.
    fidentity : callable
        ``(dtype) -> number``, or ``(*dtypes) -> tuple``: what leaves every value unchanged.
    name : str

    Examples
    --------
    ::

        longest = te.comm_reducer(lambda x, y: te.maximum(te.abs(x), te.abs(y)), lambda t: 0, "longest")
        C = te.compute((8,), lambda i: longest(A[i, k], axis=k), "C")
    """
    reducer = Reducer(name, fcombine, fidentity)

    def reduction(expr: Any, axis: Axes, where: Expr | None = None) -> Reduce:
        return reducer.over(expr, axis, where)

    reduction.__name__ = name
    return reduction


def sum(expr: ExprLike, axis: Axes, where: Expr | None = None) -> Expr:
    """The sum of `expr` over `axis`, of the terms where `where` holds."""
    return SUM.over(expr, axis, where)


def prod(expr: ExprLike, axis: Axes, where: Expr | None = None) -> Expr:
    """The product of `expr` over `axis`, of the terms where `where` holds."""
    return PROD.over(expr, axis, where)


def max(expr: ExprLike, axis: Axes, where: Expr | None = None) -> Expr:
    """The largest value of `expr` over `axis` where `where` holds (`maximum` takes two values)."""
    return MAX.over(expr, axis, where)


def min(expr: ExprLike, axis: Axes, where: Expr | None = None) -> Expr:
    """The smallest value of `expr` over `axis` where `where` holds (`minimum` takes two values)."""
    return MIN.over(expr, axis, where)


def argmax(expr: ExprLike | tuple[ExprLike, ExprLike], axis: Axes, where: Expr | None = None) -> Reduce:
    """Where `expr` is largest over `axis`, and that value: two tensors of one `compute`.

    Of equal values it is the first. NaN is never chosen; where there is nothing to choose from, the index is
    the greatest that its type has.

    Parameters
    ----------
    expr : Expr, or pair of Expr
        The value; or an index of your own and the value, as in TVM.
    axis : IterVar or sequence of IterVar
        The index is the value of the axis; of several, the row-major position.
    where : Expr, optional

    Examples
    --------
    ::

        index, value = te.compute((8,), lambda i: te.argmax(A[i, k], axis=k), "C")
    """
    return ARGMAX.over(_indexed(expr, axis), axis, where)


def argmin(expr: ExprLike | tuple[ExprLike, ExprLike], axis: Axes, where: Expr | None = None) -> Reduce:
    """Where `expr` is smallest over `axis`, and that value; see `argmax`."""
    return ARGMIN.over(_indexed(expr, axis), axis, where)


def _indexed(expr: Any, axis: Axes) -> tuple[ExprLike, ExprLike]:
    if isinstance(expr, (tuple, list)):
        index, value = expr
        return index, value
    axes = (axis,) if isinstance(axis, IterVar) else tuple(axis)
    if not builtins.all(isinstance(a, IterVar) for a in axes) or len(axes) < 2:
        return (axes[0] if axes else 0), expr
    position: Expr = as_expr(0)
    for a in axes:
        position = binary("+", binary("*", position, a.extent), binary("-", a.var, a.start))
    return position, expr

"""The tensor-expression language, with the names of TVM's.

Declare inputs with `placeholder`, define the elements of an output with `compute`, reduce over a
`reduce_axis` with `sum`, `max`, `min`, `prod`, `argmax`, `argmin` or a custom reducer, then make a schedule::

    A = te.placeholder((512, 512), "A")
    B = te.placeholder((512, 512), "B")
    k = te.reduce_axis((0, 512), "k")
    C = te.compute((512, 512), lambda i, j: te.sum(A[i, k] * B[k, j], axis=k), "C")
    s = te.create_schedule(C.op)

A dimension that each call determines is a dynamic extent: ``n = te.size_var("n", (1, 64))``.

Source: Chen et al., "TVM: An Automated End-to-End Optimizing Compiler for Deep
Learning" (arXiv 1802.04799), section 4.1.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from typing import Any

from compiler.ir.calls import power, reinterpret
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
    not_equal,
)
from compiler.ir.foreign import call_extern, call_intrin
from compiler.ir.stmt import THREAD_TAGS
from compiler.ir.visit import walk
from compiler.suggest import unknown
from compiler.te.axis import IterVar, ThreadAxis, axis_names, new_axis
from compiler.te.complex import Complex, complex, conj, of_parts, pair
from compiler.te.extern import extern
from compiler.te.guard import guarded
from compiler.te.mathematics import (
    abs,
    acos,
    acosh,
    all,
    any,
    asin,
    asinh,
    atan,
    atan2,
    atanh,
    cast,
    cbrt,
    ceil,
    clz,
    copysign,
    cos,
    cosh,
    ctz,
    erf,
    exp,
    exp2,
    exp10,
    expm1,
    floor,
    floordiv,
    floormod,
    fmod,
    hypot,
    if_then_else,
    isfinite,
    isinf,
    isnan,
    known_dtype,
    log,
    log1p,
    log2,
    log10,
    max_value,
    min_value,
    nextafter,
    popcount,
    round,
    rsqrt,
    select,
    sigmoid,
    sign,
    sin,
    sinh,
    sqrt,
    tan,
    tanh,
    trunc,
    truncdiv,
    truncmod,
)
from compiler.te.recurrence import scan, scatter
from compiler.te.reducer import ARGMAX, ARGMIN, MAX, MIN, PROD, SUM, Reduce, Reducer
from compiler.te.size import checked_extent, checked_shape, filled_bytes, size_var, var
from compiler.te.tensor import Compute, Placeholder, Tensor

Axes = IterVar | Sequence[IterVar]

__all__ = [
    "Complex",
    "IterVar",
    "Tensor",
    "abs",
    "acos",
    "acosh",
    "all",
    "any",
    "argmax",
    "argmin",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "call_extern",
    "call_intrin",
    "cast",
    "cbrt",
    "ceil",
    "clz",
    "comm_reducer",
    "complex",
    "compute",
    "conj",
    "const",
    "copysign",
    "cos",
    "cosh",
    "ctz",
    "equal",
    "erf",
    "exp",
    "exp10",
    "exp2",
    "expm1",
    "extern",
    "floor",
    "floordiv",
    "floormod",
    "fmod",
    "hypot",
    "if_then_else",
    "isfinite",
    "isinf",
    "isnan",
    "log",
    "log10",
    "log1p",
    "log2",
    "max",
    "max_value",
    "maximum",
    "min",
    "min_value",
    "minimum",
    "nextafter",
    "not_equal",
    "pair",
    "placeholder",
    "popcount",
    "power",
    "prod",
    "reduce_axis",
    "reinterpret",
    "round",
    "rsqrt",
    "scan",
    "scatter",
    "select",
    "sigmoid",
    "sign",
    "sin",
    "sinh",
    "size_var",
    "sqrt",
    "sum",
    "tan",
    "tanh",
    "thread_axis",
    "trunc",
    "truncdiv",
    "truncmod",
    "var",
]

# --- axes -----------------------------------------------------------------------------------------


def reduce_axis(dom: tuple[ExprLike, ExprLike], name: str = "k") -> IterVar:
    """An axis to reduce over, with the values from ``dom[0]`` to ``dom[1] - 1``.

    Parameters
    ----------
    dom : pair of int or Expr
        Integers, or expressions of dynamic extents.
    name : str

    Raises
    ------
    ValueError
        If `dom` is empty, or an end is neither an integer nor an expression of dynamic extents.
    """
    low, high = (checked_extent(end, f"reduce axis {name!r}, domain {tuple(dom)!r}") for end in dom)
    if isinstance(low, int) and isinstance(high, int) and high <= low:
        raise ValueError(f"reduce axis {name!r} has the empty domain {(low, high)}")
    extent = high if low == 0 else high - low
    return new_axis(name, extent, "reduce", low)


def thread_axis(dom: tuple[int, int] | str | None = None, tag: str = "", name: str = "") -> ThreadAxis:
    """An axis of threads that loops are bound to: ``te.thread_axis("threadIdx.x")``.

    Parameters
    ----------
    dom : (int, int) or str, optional
        The number of threads as ``(0, n)``; or the tag, if it is the only argument.
    tag : str
        ``"blockIdx.x"`` to ``"threadIdx.z"``, or ``"vthread"``.
    name : str
        For error messages.

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
    """An input: a tensor that the caller of the program passes.

    Parameters
    ----------
    shape : sequence of int or Var
    name : str
    dtype : str
        May be a packed type, as ``"int4"``: the caller passes an array of uint8, whose last axis counts
        bytes.

    Raises
    ------
    ValueError
        If an extent is neither a positive integer nor a dynamic extent, `dtype` is unknown, or the last axis
        of a packed type does not fill whole bytes.
    """
    return Placeholder(
        name, (filled_bytes(checked_shape(shape, name), known_dtype(dtype), name),), (dtype,)
    ).output()


def compute(shape: Sequence[int | Var], fcompute: Callable[..., Any], name: str = "compute") -> Any:
    """A tensor whose element at ``(i, j, ...)`` is ``fcompute(i, j, ...)``; or several of the same shape.

    Parameters
    ----------
    shape : sequence of int or Var
    fcompute : callable
        Called with one index per dimension; the names of its parameters become the names of the axes, those
        with a default excepted, which keep it. It
        returns an expression; or, for several tensors, a tuple of expressions or a reduction of several
        values. For a last extent of 2 it may take one index less and return a complex number (`complex`).
    name : str

    Returns
    -------
    Tensor or tuple of Tensor

    Raises
    ------
    ValueError
        If `fcompute` does not take ``len(shape)`` indices, a reduction is not the whole element, an axis is
        used that belongs to another tensor or to no reduction, or a tensor is read outside of its shape for
        all values of the axes. `create_schedule` refuses a read that is outside for some of them; what
        depends on data is checked by ``compiler.build(..., check_bounds=True)``.
    """
    shape = checked_shape(shape, name)
    names = axis_names(fcompute, shape, name)
    is_complex = len(names) < len(shape)
    axes = tuple(new_axis(n, extent) for n, extent in zip([*names, "part"], shape, strict=False))
    element = fcompute(*(a.var for a in axes[: len(names)]))
    if isinstance(element, Complex) != is_complex:
        returned = "a complex number" if not is_complex else f"no complex number but {type(element).__name__}"
        raise ValueError(
            f"{name!r} has {len(shape)} dimension(s), but its function takes {len(names)} index(es) and "
            f"returned {returned}: complex numbers are pairs along a last extent of 2, which has no index"
        )
    element = element.part(axes[-1].var) if is_complex else element
    reduction = element.reduction if isinstance(element, Reduce) else None
    if isinstance(element, Reduce):
        body: Sequence[Any] = element.sources
    else:
        body = element if isinstance(element, (tuple, list)) else (element,)
    if not body:
        raise ValueError(f"{name!r}: its function returned no element")
    op = Compute.of(name, axes, tuple(map(as_expr, body)), reduction)
    _check_body(op)
    op = guarded(op)
    return op.output() if len(op.body) == 1 else op.outputs


def _check_body(op: Compute) -> None:
    axes = (*op.axis, *op.reduce_axis)
    known = {a.var for a in axes}
    for expr in op.exprs:
        for node in walk(expr):
            if isinstance(node, Reduce):
                raise ValueError(
                    f"{op.name!r}: a reduction must be the whole element; compute it as a tensor by itself"
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
    """A custom reducer ``reducer(expr, axis, where=None)``, to be used like `sum`.

    Parameters
    ----------
    fcombine : callable
        ``(x, y) -> expression``, associative and commutative, since a schedule may combine in any order. For
        a reduction of several values at once, `x`, `y` and the result are tuples, and so is the `expr` that
        the reducer is called with.
    fidentity : callable
        ``(dtype) -> number``, or ``(*dtypes) -> tuple``: the identity element.
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


def sum(expr: Any, axis: Axes, where: Expr | None = None) -> Any:
    """The sum of `expr`, which may be complex, over `axis`, of the terms for which `where` holds."""
    if isinstance(expr, Complex):
        return of_parts(expr, lambda part: SUM.over(part, axis, where))
    return SUM.over(expr, axis, where)


def prod(expr: ExprLike, axis: Axes, where: Expr | None = None) -> Expr:
    """The product of `expr` over `axis`, restricted to the terms for which `where` holds."""
    return PROD.over(expr, axis, where)


def max(expr: ExprLike, axis: Axes, where: Expr | None = None) -> Expr:
    """The largest value of `expr` over `axis` where `where` holds, NaN if one of them is NaN.

    `maximum` takes two values.
    """
    return MAX.over(expr, axis, where)


def min(expr: ExprLike, axis: Axes, where: Expr | None = None) -> Expr:
    """The smallest value of `expr` over `axis` where `where` holds, NaN if one of them is NaN.

    `minimum` takes two values.
    """
    return MIN.over(expr, axis, where)


def argmax(expr: ExprLike | tuple[ExprLike, ExprLike], axis: Axes, where: Expr | None = None) -> Reduce:
    """The index of the largest `expr` over `axis`, and that value: two tensors of one `compute`.

    Of equal values the first wins. NaN is larger than every number, so the first NaN wins. If no term is
    left, the index is the largest value of its type.

    Parameters
    ----------
    expr : Expr, or pair of Expr
        The value; or the index to return and the value, as in TVM.
    axis : IterVar or sequence of IterVar
        The index is the value of the axis; for several axes, the row-major position.
    where : Expr, optional
        Terms for which it is false are excluded.

    Examples
    --------
    ::

        index, value = te.compute((8,), lambda i: te.argmax(A[i, k], axis=k), "C")
    """
    return ARGMAX.over(_indexed(expr, axis), axis, where)


def argmin(expr: ExprLike | tuple[ExprLike, ExprLike], axis: Axes, where: Expr | None = None) -> Reduce:
    """The index of the smallest `expr` over `axis`, and that value: two tensors of one `compute`.

    Ties and the parameters are as in `argmax`; NaN is smaller than every number, so the first NaN wins.
    """
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

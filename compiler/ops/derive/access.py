"""Reads and expressions of a computation: strides, what an index depends on, and the work of an element."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from math import prod

from compiler.ir.dtype import is_float
from compiler.ir.expr import Binary, Call, Cast, Const, Expr, Select, Var
from compiler.ir.simplify.simplify import Simplifier
from compiler.ir.visit import children, walk
from compiler.te.axis import IterVar
from compiler.te.tensor import Compute, Tensor, TensorRead, reads_of

# multiply-adds that take about as long as a division and as a function
DIVISION, FUNCTION = 4, 10


def coefficient(index: Expr, var: Var) -> int | None:
    """The factor of a variable in a linear index; None if the index is not linear in it."""
    if isinstance(index, Var):
        return int(index == var)
    if isinstance(index, Const):
        return 0
    if isinstance(index, Cast):
        return coefficient(index.value, var)
    if isinstance(index, Binary) and index.op in ("+", "-", "*"):
        a, b = coefficient(index.a, var), coefficient(index.b, var)
        if a is None or b is None:
            return None
        if index.op == "+":
            return a + b
        if index.op == "-":
            return a - b
        if isinstance(index.b, Const):
            return a * int(index.b.value)
        if isinstance(index.a, Const):
            return b * int(index.a.value)
    return None if mentions(index, var) else 0


def stride(read: TensorRead, var: Var) -> int | None:
    """Elements between what a read accesses for successive values of a variable; None if that varies."""
    total = 0
    step = 1
    for index, extent in zip(reversed(read.indices), reversed(shape_of(read.tensor)), strict=True):
        factor = coefficient(index, var)
        if factor is None:
            return None
        total += factor * step
        step *= extent
    return total


def mentions(expr: Expr, var: Var) -> bool:
    """Whether a variable occurs in an expression."""
    return any(node == var for node in walk(expr) if type(node) is Var)


def depends(read: TensorRead, var: Var) -> bool:
    """Whether the element that a read accesses depends on a variable."""
    return any(mentions(index, var) for index in read.indices)


def is_linear(op: Compute) -> bool:
    """Whether each index of each read is linear in the axes."""
    axes = [a.var for a in (*op.axis, *op.reduce_axis)]
    return all(
        coefficient(index, var) is not None for r in reads_of(op.exprs) for index in r.indices for var in axes
    )


def is_conditional(op: Compute) -> bool:
    """Whether an element depends on a condition."""
    return any(
        type(node) is Select or (type(node) is Call and node.name == "if_then_else")
        for expr in op.exprs
        for node in walk(expr)
    )


def work(op: Compute) -> int:
    """The cost of an element, in additions; the arithmetic of indices is free."""
    return sum(map(_work, op.body))


def _work(expr: Expr) -> int:
    if type(expr) is TensorRead:
        return 0
    inner = sum(_work(child) for child in children(expr) if isinstance(child, Expr))
    if type(expr) is Call:
        return inner + (1 if expr.name in ("if_then_else", "abs", "isnan") else FUNCTION)
    if type(expr) is Binary:
        return inner + (DIVISION if expr.op == "/" or (expr.op in ("//", "%") and _uneven(expr)) else 1)
    return inner + (1 if type(expr) in (Select, Cast) else 0)


def _uneven(expr: Binary) -> bool:
    return is_float(expr.dtype) or type(expr.b) is not Const


def extents(axes: Iterable[IterVar]) -> tuple[int, ...]:
    """The numbers of iterations of axes, all of which are integers."""
    return tuple(int(a.extent) for a in axes)


def shape_of(tensor: Tensor) -> tuple[int, ...]:
    """The extents of a tensor, all of which are integers."""
    return tuple(int(n) for n in tensor.shape)  # type: ignore[arg-type]


def iterations(op: Compute) -> int:
    """How often the innermost statement of an operation is executed."""
    return prod(extents((*op.axis, *op.reduce_axis)))


def box(reads: Iterable[TensorRead], widths: Mapping[Var, int]) -> tuple[int, ...]:
    """The extents of the part of a tensor that reads access, for so many values of each variable.

    It is what bound inference finds: the whole extent where an index has no bounds, or where two reads move
    differently.
    """
    return _box(tuple(dict.fromkeys(reads)), tuple(widths.items()))


@lru_cache(maxsize=4096)
def _box(reads: tuple[TensorRead, ...], widths: tuple[tuple[Var, int], ...]) -> tuple[int, ...]:
    known = Simplifier({var: (0, width - 1) for var, width in widths})
    found = []
    for d, extent in enumerate(shape_of(reads[0].tensor)):
        indices = list(dict.fromkeys(read.indices[d] for read in reads))
        slopes = {tuple(coefficient(index, var) for var, _ in widths) for index in indices}
        apart = len(indices) > 1 and (len(slopes) > 1 or any(None in slope for slope in slopes))
        if apart or any(map(_unbounded, indices)):
            found.append(extent)
            continue
        ends = [known.bounds(index) for index in indices]
        length = max(high for _, high in ends) - min(low for low, _ in ends) + 1
        found.append(max(1, int(min(length, extent))))
    return tuple(found)


def _unbounded(index: Expr) -> bool:
    """Whether bound inference does not divide an index: it depends on data, or ends at the last element."""
    return any(
        type(node) is TensorRead or (type(node) is Binary and node.op == "min") for node in walk(index)
    )

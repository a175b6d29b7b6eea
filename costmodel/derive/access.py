"""Reads and expressions of a computation: strides, what an index depends on, and how much work an element is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from math import prod

from compiler.ir.dtype import is_float
from compiler.ir.expr import Binary, Call, Cast, Const, Expr, Select, Var
from compiler.ir.simplify.simplify import Simplifier
from compiler.ir.visit import children, walk
from compiler.te.axis import IterVar
from compiler.te.tensor import Compute, TensorRead, reads_of

# multiply-adds that take about as long as a division and as a function
DIVISION, FUNCTION = 4, 10


def coefficient(index: Expr, var: Var) -> int | None:
    """The factor of a variable in a linear index; None if the index is not linear in it."""
    kind = type(index)
    if kind is Var:
        return int(index == var)
    if kind is Const:
        return 0
    if kind is Cast:
        return coefficient(index.value, var)
    if kind is Binary and index.op in ("+", "-", "*"):
        a, b = coefficient(index.a, var), coefficient(index.b, var)
        if a is None or b is None:
            return None
        if index.op == "+":
            return a + b
        if index.op == "-":
            return a - b
        if type(index.b) is Const:
            return a * int(index.b.value)
        if type(index.a) is Const:
            return b * int(index.a.value)
    return None if mentions(index, var) else 0


def stride(read: TensorRead, var: Var) -> int | None:
    """Elements between the places that a read accesses for successive values of a variable; None if they vary."""
    total = 0
    step = 1
    for index, extent in zip(reversed(read.indices), reversed(read.tensor.shape), strict=True):
        factor = coefficient(index, var)
        if factor is None:
            return None
        total += factor * step
        step *= int(extent)
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


def iterations(op: Compute) -> int:
    """How often the innermost statement of an operation is executed."""
    return prod(extents((*op.axis, *op.reduce_axis)))


def box(read: TensorRead, widths: Mapping[Var, int]) -> tuple[int, ...]:
    """The extents of the part of a tensor that a read accesses, for so many values of each variable."""
    return _box(read, tuple(widths.items()))


@lru_cache(maxsize=4096)
def _box(read: TensorRead, widths: tuple[tuple[Var, int], ...]) -> tuple[int, ...]:
    known = Simplifier({var: (0, width - 1) for var, width in widths})
    found = []
    for index, extent in zip(read.indices, read.tensor.shape, strict=True):
        if any(type(node) is TensorRead for node in walk(index)):
            found.append(int(extent))
            continue
        low, high = known.bounds(index)
        found.append(max(1, int(min(high - low + 1, extent))))
    return tuple(found)

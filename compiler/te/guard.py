"""Reads of tensors outside of their shapes: refused where they are proved, guarded where a condition does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import chain
from typing import NoReturn

from compiler.ir.expr import Binary, Expr, Select, Var
from compiler.ir.node import Node
from compiler.ir.semantics.bounds import Refusing
from compiler.ir.simplify.bounds import Interval
from compiler.ir.simplify.facts import Facts
from compiler.ir.stmt import Stmt
from compiler.ir.visit import walk
from compiler.te.axis import IterVar
from compiler.te.tensor import TensorRead, reads_of


class _Reads(Refusing):
    def _read(self, node: TensorRead) -> Expr:
        node = self.descend(node)
        self.access(node.tensor, node.indices, False, node)
        return node

    rules = Refusing.rules | {TensorRead: _read}


def guarded(
    name: str, axes: Sequence[IterVar], exprs: Sequence[Expr], where: Expr | None
) -> tuple[tuple[Expr, ...], Expr | None]:
    """Expressions over axes, and the condition under which they are evaluated, with safe reads.

    A `select` one arm of which is inside of a tensor only under its condition becomes an ``if_then_else``,
    and so do ``and`` and ``or`` whose second operand is.

    Raises
    ------
    ValueError
        If a read is outside of its tensor; names the tensor, the axis, the index and the extent.
    """
    fixed = {a.var: (a.start, a.start + a.extent - 1) for a in axes if _is_fixed(a)}
    parts = exprs if where is None else (*exprs, where)
    if _plainly_inside(parts, fixed):
        return tuple(exprs), where
    refuse = partial(_refuse, name)
    reads = _Reads(refuse, fixed, guarding=any(map(_evaluates_all, chain(*map(walk, parts)))))
    dynamic = [axis for axis in axes if not _is_fixed(axis)]

    def inner(position: int) -> tuple[tuple[Expr, ...], Expr | None]:
        if position < len(dynamic):
            axis = dynamic[position]
            return reads.over(axis.var, axis.start, axis.extent, lambda: inner(position + 1))
        if where is None:
            return tuple(map(reads, exprs)), None
        condition = reads(where)
        return tuple(reads.assume(condition, True, expr) for expr in exprs), condition

    return inner(0)


def _is_fixed(axis: IterVar) -> bool:
    return isinstance(axis.extent, int) and isinstance(axis.start, int)


def _plainly_inside(exprs: Sequence[Expr], ranges: Mapping[Var, Interval]) -> bool:
    """Whether all reads are inside by the intervals of their indices, whatever the conditions."""
    known = Facts(ranges)
    for read in reads_of(exprs):
        for index, extent in zip(read.indices, read.tensor.shape, strict=True):
            low, high = known.bounds(index)
            if low < 0 or not isinstance(extent, int) or high >= extent:
                return False
    return True


def _evaluates_all(node: Node) -> bool:
    """Whether a node evaluates an operand that reads a tensor whatever its first operand is."""
    if type(node) is Select:
        return True
    return type(node) is Binary and node.op in ("and", "or") and any(True for _ in reads_of([node.b]))


def guarded_statement(name: str, statement: Stmt) -> Stmt:
    """The statement of an extern with safe reads, as `guarded`; writes are checked too."""
    return Refusing(partial(_refuse, name), guarding=True)(statement)


def _refuse(name: str, message: str) -> NoReturn:
    raise ValueError(f"{name!r} {message}")

"""Reads of tensors outside of their shapes: refused where they are proved, guarded where a condition does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

from compiler.ir.expr import Expr
from compiler.ir.semantics.bounds import Refusing
from compiler.ir.stmt import Stmt
from compiler.te.axis import IterVar
from compiler.te.tensor import TensorRead


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
    reads = _Reads(lambda message: _refuse(name, message), guarding=True)

    def inner(position: int) -> tuple[tuple[Expr, ...], Expr | None]:
        if position < len(axes):
            axis = axes[position]
            return reads.over(axis.var, axis.start, axis.extent, lambda: inner(position + 1))
        if where is None:
            return tuple(map(reads, exprs)), None
        condition = reads(where)
        return tuple(reads.assume(condition, True, expr) for expr in exprs), condition

    return inner(0)


def guarded_statement(name: str, statement: Stmt) -> Stmt:
    """The statement of an extern with safe reads, as `guarded`; writes are checked too."""
    return Refusing(lambda message: _refuse(name, message), guarding=True)(statement)


def _refuse(name: str, message: str) -> NoReturn:
    raise ValueError(f"{name!r} {message}")

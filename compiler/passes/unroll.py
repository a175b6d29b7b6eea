"""Unrolling: the iterations of a short loop written one after another."""

from __future__ import annotations

from compiler.ir.expr import Const, Expr, Load, Var
from compiler.ir.function import Buffer, PrimFunc
from compiler.ir.stmt import Allocate, For, Stmt, Store, sequence
from compiler.ir.visit import Rewriter, walk

STATEMENT_LIMIT = 1024
"""Stores that one unrolled loop may grow to; a longer one is left to the target."""


def unroll(func: PrimFunc) -> PrimFunc:
    """Write out the loops marked ``unroll``.

    ::

        for i in unroll(2):     ->    C[0] = A[0]
            C[i] = A[i]               C[1] = A[1]

    A loop that would grow past `STATEMENT_LIMIT` stores stays a loop with its mark, as a
    hint to the target.
    """
    return func.with_body(_Unroll()(func.body))


class _Unroll(Rewriter):
    def _for(self, node: For) -> Stmt:
        inner = self.descend(node)
        if inner.kind != "unroll" or type(inner.extent) is not Const:
            return inner
        count = int(inner.extent.value)
        if count * sum(type(n) is Store for n in walk(inner.body)) > STATEMENT_LIMIT:
            return inner
        return sequence(_Iteration(inner.var, i)(inner.body) for i in range(count))

    rules = {For: _for}


class _Iteration(Rewriter):
    """One iteration of a loop; what the body defines is defined anew, since each definition stands alone."""

    def __init__(self, var: Var, value: int) -> None:
        self.values: dict[Var, Expr] = {var: Const(value, var.dtype)}
        self.buffers: dict[Buffer, Buffer] = {}

    def _var(self, node: Var) -> Expr:
        return self.values.get(node, node)

    def _load(self, node: Load) -> Expr:
        inner = self.descend(node)
        return Load(self.buffers.get(inner.buffer, inner.buffer), inner.indices)

    def _store(self, node: Store) -> Stmt:
        inner = self.descend(node)
        return Store(self.buffers.get(inner.buffer, inner.buffer), inner.indices, inner.value)

    def _for(self, node: For) -> Stmt:
        var = Var(node.var.name, node.var.dtype)
        extent = self(node.extent)
        self.values[node.var] = var
        return For(var, extent, node.kind, self(node.body))

    def _allocate(self, node: Allocate) -> Stmt:
        old = node.buffer
        self.buffers[old] = Buffer(old.name, old.shape, old.dtype, old.scope)
        return Allocate(self.buffers[old], self(node.body))

    rules = {Var: _var, Load: _load, Store: _store, For: _for, Allocate: _allocate}

"""Unrolling: the iterations of a short loop written one after another."""

from __future__ import annotations

from compiler.ir.expr import Const
from compiler.ir.function import PrimFunc
from compiler.ir.stmt import For, Stmt, Store, sequence
from compiler.ir.visit import Rewriter, substitute, walk

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
        return sequence(substitute(inner.body, {inner.var: Const(i, inner.var.dtype)}) for i in range(count))

    rules = {For: _for}

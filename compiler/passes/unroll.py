"""Unrolling: short loops are replaced by their iterations."""

from __future__ import annotations

from compiler.ir.expr import Call, Const
from compiler.ir.function import PrimFunc
from compiler.ir.simplify.ranges import RangeRewriter
from compiler.ir.stmt import For, If, Stmt, Store, sequence
from compiler.ir.visit import substitute, walk

PRAGMA = "auto_unroll"
"""Key of the pragma; its value is the maximum number of stores of an unrolled loop."""

STATEMENT_LIMIT = 1024
"""The default maximum of stores, after unrolling, of a loop marked ``unroll``."""


def unroll(func: PrimFunc, limit: int = STATEMENT_LIMIT) -> PrimFunc:
    """Unroll the loops marked ``unroll``.

    ::

        for i in unroll(2):     ->    C[0] = A[0]
            C[i] = A[i]               C[1] = A[1]

    A loop that would have more than `limit` stores stays a loop with its mark, which is a hint for the
    target. In a loop with the pragma ``auto_unroll``, serial loops are unrolled too, the innermost first, if
    each has no more stores than the value of the pragma.
    """
    return func.with_body(_Unroll(func, limit)(func.body))


class _Unroll(RangeRewriter):
    def __init__(self, func: PrimFunc, limit: int) -> None:
        super().__init__(func)
        self.limit = limit
        self.limits: list[int] = [0]

    def _for(self, node: For) -> Stmt:
        limit = dict(node.pragmas).get(PRAGMA) if node.pragmas else None
        self.limits.append(self.limits[-1] if limit is None else int(limit))
        inner = self.loop(node)
        self.limits.pop()
        if type(inner.extent) is not Const or inner.kind not in ("unroll", "serial"):
            return inner
        limit = self.limit if inner.kind == "unroll" else self.limits[-1]
        count = int(inner.extent.value)
        if limit == 0 or count * sum(type(n) is Store for n in walk(inner.body)) > limit:
            return inner
        whole = sequence(substitute(inner.body, {inner.var: Const(i, inner.var.dtype)}) for i in range(count))
        # with the loop variable replaced by literals, conditions are often decided
        return self.simplify(whole) if _has_conditions(inner.body) else whole

    rules = RangeRewriter.rules | {For: _for}


def _has_conditions(body: Stmt) -> bool:
    return any(type(n) is If or (type(n) is Call and n.name == "if_then_else") for n in walk(body))

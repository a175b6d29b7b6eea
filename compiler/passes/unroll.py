"""Unrolling: short loops are replaced by their iterations."""

from __future__ import annotations

import warnings

from compiler.errors import ScheduleWarning
from compiler.ir.expr import Call, Const
from compiler.ir.function import PrimFunc
from compiler.ir.simplify.ranges import RangeRewriter
from compiler.ir.stmt import For, If, Stmt, Store, sequence
from compiler.ir.visit import substitute, walk
from compiler.passes.code_size import OPERATION_LIMIT, PRAGMA, code_size

STATEMENT_LIMIT = 1024
"""The default maximum of stores, after unrolling, of a loop marked ``unroll``."""


def unroll(func: PrimFunc, limit: int = STATEMENT_LIMIT, total: int = OPERATION_LIMIT) -> PrimFunc:
    """Unroll the loops marked ``unroll``.

    ::

        for i in unroll(2):     ->    C[0] = A[0]
            C[i] = A[i]               C[1] = A[1]

    A loop that would have more than `limit` stores stays a loop with its mark, which is a hint for the
    target. In a loop with the pragma ``auto_unroll``, serial loops are unrolled too, the innermost first, if
    each has no more stores than the value of the pragma.

    A function whose loops marked ``unroll`` make more than `total` operations (`code_size`) is given a
    smaller limit, with a `ScheduleWarning`: the time to compile it would have no reasonable bound.
    """
    allowed = _limit_within(func, limit, total)
    return func.with_body(_Unroll(func, limit, allowed)(func.body))


def _limit_within(func: PrimFunc, limit: int, total: int) -> int:
    """The largest power-of-two part of a limit of stores that keeps a function within the total."""
    # without a limit first: most functions are far below the total, and one look at them is enough
    if code_size(func.body).operations <= total:
        return limit
    whole = code_size(func.body, limit=limit)
    allowed, size = limit, whole
    while size.operations > total and allowed > 1:
        allowed //= 2
        size = code_size(func.body, limit=allowed)
    if size.operations < whole.operations:
        loops = ", ".join(map(str, whole.loops))
        warnings.warn(
            f"{func.name}: unrolled and vectorized loops make about {whole.operations} operations, more than "
            f"{total}, which would take very long to compile: loops marked 'unroll' stay loops where they "
            f"would have more than {allowed} stores; the largest part is in the loops {loops}",
            ScheduleWarning,
            stacklevel=2,
        )
    return allowed


class _Unroll(RangeRewriter):
    def __init__(self, func: PrimFunc, limit: int, allowed: int) -> None:
        super().__init__(func)
        self.limit = limit
        self.allowed = allowed
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
        stores = 0 if limit == 0 else count * sum(type(n) is Store for n in walk(inner.body))
        if inner.kind == "unroll" and stores > self.allowed < self.limit:  # else the target would unroll it
            return For(inner.var, inner.extent, "serial", inner.body, (*inner.pragmas, ("unroll", False)))
        if limit == 0 or stores > limit:
            return inner
        whole = sequence(substitute(inner.body, {inner.var: Const(i, inner.var.dtype)}) for i in range(count))
        # with the loop variable replaced by literals, conditions are often decided
        return self.simplify(whole) if _has_conditions(inner.body) else whole

    rules = RangeRewriter.rules | {For: _for}


def _has_conditions(body: Stmt) -> bool:
    return any(type(n) is If or (type(n) is Call and n.name == "if_then_else") for n in walk(body))

"""Unrolling: short loops are replaced by their iterations."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

from compiler.errors import ScheduleWarning
from compiler.ir.expr import Call, Const, Expr, Var
from compiler.ir.function import PrimFunc
from compiler.ir.simplify.bounds import Interval
from compiler.ir.simplify.ranges import RangeRewriter
from compiler.ir.stmt import For, If, Seq, Stmt, Store, sequence
from compiler.ir.visit import rebuild, substitute, walk
from compiler.passes.code_size import PRAGMA, code_size, excess

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

    A function whose unrolled loops together make more code than `compiler.passes.code_size` allows is given a
    smaller limit, with a `ScheduleWarning`: the time to compile it would have no reasonable bound.
    """
    allowed = _allowed(func, limit)
    return func.with_body(_Unroll(func, limit, allowed)(func.body))


def _allowed(func: PrimFunc, limit: int) -> int:
    """The limit of stores of a loop, halved until the whole function is not too large."""
    # without a limit first: most functions are far from too large, and one look at them is enough
    if not excess(code_size(func.body)):
        return limit
    whole = code_size(func.body, limit=limit)
    allowed, size = limit, whole
    while excess(size) and allowed > 1:
        allowed //= 2
        size = code_size(func.body, limit=allowed)
    if size.operations < whole.operations:
        warnings.warn(
            f"{func.name}: its unrolled loops make {excess(whole)}, which would take very long to compile: "
            f"loops marked 'unroll' stay loops where they would have more than {allowed} stores; the largest "
            f"part is in the loops {', '.join(map(str, whole.loops))}",
            ScheduleWarning,
            stacklevel=3,
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
        return _Decide(self.sizes, self.ranges)(whole) if _has_conditions(inner.body) else whole

    rules = RangeRewriter.rules | {For: _for}


class _Decide(RangeRewriter):
    """Takes the branches of conditions that are decided. Nothing else is simplified: copies are many."""

    def __init__(self, sizes: Mapping[Var, Interval], ranges: Mapping[Var, Interval]) -> None:
        self.sizes, self.ranges = dict(sizes), dict(ranges)

    def _call(self, node: Call) -> Expr:
        if node.name != "if_then_else":
            return self.descend(node)
        condition = self.simplify(node.args[0])
        if type(condition) is Const:
            return self(node.args[1 if condition.value else 2])
        return rebuild(node, (condition, self(node.args[1]), self(node.args[2])))

    def _if(self, node: If) -> Stmt:
        condition = self.simplify(node.condition)
        if type(condition) is Const:
            arm = node.then if condition.value else node.otherwise
            return Seq(()) if arm is None else self(arm)
        arms = (node.then,) if node.otherwise is None else (node.then, node.otherwise)
        return rebuild(node, (condition, *map(self, arms)))

    def _seq(self, node: Seq) -> Stmt:
        return sequence(map(self, node.stmts))

    rules = {For: RangeRewriter.loop, Call: _call, If: _if, Seq: _seq}


def _has_conditions(body: Stmt) -> bool:
    return any(type(n) is If or (type(n) is Call and n.name == "if_then_else") for n in walk(body))

"""Double buffering: the next tile is fetched while this one is used."""

from __future__ import annotations

from compiler.ir.access import reads, writes
from compiler.ir.expr import Const, Expr, binary
from compiler.ir.function import Buffer, PrimFunc
from compiler.ir.relocate import relocate
from compiler.ir.stmt import Allocate, For, If, Stmt, Store, opened, sequence
from compiler.ir.visit import Rewriter, substitute, walk
from compiler.schedule.errors import ScheduleError

PRAGMA = "double_buffer"


def inject_double_buffer(func: PrimFunc) -> PrimFunc:
    """Give the buffers with the pragma ``double_buffer`` two halves that a loop uses in turns.

    ::

        for k in range(8):                                 t = allocate(float32[8], "shared")
            t = allocate(float32[4], "shared",             for i in range(4):
                pragmas={"double_buffer": True})               t[i] = A[i]
            for i in range(4):                             for k in range(8):
                t[i] = A[k * 4 + i]                   ->       if k + 1 < 8:
            for i in range(4):                                     for i in range(4):
                C[k * 4 + i] = t[i] * 2.0                              t[(k + 1) % 2 * 4 + i] = A[(k + 1) * 4 + i]
                                                               for i in range(4):
                                                                   C[k * 4 + i] = t[k % 2 * 4 + i] * 2.0

    Raises
    ------
    ScheduleError
        If such a buffer is not allocated right inside of a serial loop, or what fills it there needs
        something that the same iteration makes.
    """
    if not any(type(n) is Allocate and dict(n.pragmas).get(PRAGMA) for n in walk(func.body)):
        return func
    body = _Double()(func.body)
    for node in walk(body):
        if type(node) is Allocate and dict(node.pragmas).get(PRAGMA):
            raise ScheduleError(
                f"{node.buffer.name}: double_buffer needs a serial loop right around the buffer, whose next "
                "iteration it can be filled for; compute the stage at a loop of its consumer"
            )
    return func.with_body(body)


class _Double(Rewriter):
    def _for(self, node: For) -> Stmt:
        inner = self.descend(node)
        allocations, stmts = opened(inner.body)
        double = [a.buffer for a in allocations if dict(a.pragmas).get(PRAGMA)]
        if inner.kind != "serial" or not double:
            return inner
        halves = {old: Buffer(old.name, (2 * old.size,), old.dtype, old.scope) for old in double}

        def half(stmt: Stmt, k: Expr) -> Stmt:
            """`stmt` of iteration `k`."""
            turn = binary("%", k, 2)
            moves = {old: (new, binary("*", turn, old.size)) for old, new in halves.items()}
            return relocate(substitute(stmt, {inner.var: k}), moves)

        fills = [stmt for stmt in stmts if writes(stmt) & halves.keys()]
        uses = [stmt for stmt in stmts if not writes(stmt) & halves.keys()]
        self.check(stmts, fills, uses, set(double))
        following = binary("+", inner.var, 1)
        guard = binary("<", following, inner.extent)
        ahead = If(guard, sequence(half(stmt, following) for stmt in fills))
        body = sequence((ahead, *(half(stmt, inner.var) for stmt in uses)))
        for allocation in reversed(allocations):
            if allocation.buffer not in halves:
                body = Allocate(allocation.buffer, body, allocation.pragmas)
        loop = For(inner.var, inner.extent, inner.kind, body, inner.pragmas)
        first = sequence(half(stmt, Const(0, inner.var.dtype)) for stmt in fills)
        if type(inner.extent) is not Const:
            first = If(binary("<", 0, inner.extent), first)
        result = sequence((first, loop))
        for allocation in reversed(allocations):
            if allocation.buffer in halves:
                pragmas = tuple(p for p in allocation.pragmas if p[0] != PRAGMA)
                result = Allocate(halves[allocation.buffer], result, pragmas)
        return result

    @staticmethod
    def check(stmts: list[Stmt], fills: list[Stmt], uses: list[Stmt], double: set[Buffer]) -> None:
        """The fills of the next iteration may run before this one's uses."""
        made = set[Buffer]().union(*map(writes, uses))
        names = ", ".join(sorted(buffer.name for buffer in double))
        for fill in fills:
            needed = (reads(fill) & made) | (writes(fill) - double)
            if needed:
                raise ScheduleError(
                    f"{names}: double_buffer fills it for the next iteration, but that needs "
                    f"{', '.join(sorted(b.name for b in needed))} of the same iteration"
                )
            before = stmts[: stmts.index(fill)]
            if any(use in before and reads(use) & writes(fill) for use in uses):
                raise ScheduleError(
                    f"{names}: double_buffer of a buffer that is filled again after it was read"
                )

    rules = {For: _for, Store: lambda self, node: node}

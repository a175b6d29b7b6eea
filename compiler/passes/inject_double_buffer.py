"""Double buffering: an iteration loads the tile of the next one before it uses its tile."""

from __future__ import annotations

from compiler.errors import ScheduleError
from compiler.ir.address import part
from compiler.ir.expr import Buffer, Const, Expr, binary
from compiler.ir.function import PrimFunc
from compiler.ir.relocate import relocate
from compiler.ir.semantics.access import accesses, reads, writes
from compiler.ir.stmt import Allocate, For, If, Stmt, Store, sequence, unnested
from compiler.ir.visit import Rewriter, substitute, walk

PRAGMA = "double_buffer"


def inject_double_buffer(func: PrimFunc) -> PrimFunc:
    """Split the buffers with the pragma ``double_buffer`` into two halves that a loop uses alternately.

    ::

        for k in range(8):                          t = allocate(float32[8], "shared")
            t = allocate(float32[4], "shared",      for i in range(4):
                pragmas={"double_buffer": True})        t[i] = A[i]
            for i in range(4):                      for k in range(8):
                t[i] = A[k * 4 + i]            ->       if k + 1 < 8:
            for i in range(4):                              for i in range(4):
                C[k * 4 + i] = t[i]                             t[(k + 1) % 2 * 4 + i] = A[(k + 1) * 4 + i]
                                                        for i in range(4):
                                                            C[k * 4 + i] = t[k % 2 * 4 + i]

    The loop is the innermost serial one in which one statement fills the buffer and another one reads it. The
    buffer is allocated in its body, or outside if threads share it.

    Raises
    ------
    ScheduleError
        If there is no such loop, or the statement that fills the buffer depends on others of the same
        iteration.
    """
    if not any(_is_marked(n) for n in walk(func.body)):
        return func
    body = _Double()(func.body)
    for node in walk(body):
        if isinstance(node, Allocate) and _is_marked(node):
            raise ScheduleError(
                f"{node.buffer.name}: double_buffer needs a serial loop around the buffer, whose next "
                "iteration it can be filled for; compute the stage at a loop of its consumer"
            )
    return func.with_body(body)


def _is_marked(node: object) -> bool:
    return isinstance(node, Allocate) and bool(dict(node.pragmas).get(PRAGMA))


class _Double(Rewriter):
    def __init__(self) -> None:
        self.outside: list[Buffer] = []  # marked buffers of enclosing allocations whose loop is not found yet
        self.halves: dict[Buffer, Buffer] = {}

    def _allocate(self, node: Allocate) -> Stmt:
        if not _is_marked(node):
            return self.descend(node)
        old = node.buffer
        self.outside.append(old)
        body = self(node.body)
        self.outside.remove(old)
        if old not in self.halves:
            return node if body is node.body else Allocate(old, body, node.pragmas)
        if any(access.buffer is old for access in accesses(body)):
            raise ScheduleError(
                f"{old.name}: double_buffer of a buffer that is used outside of the loop that fills it"
            )
        return self.allocated(node, body)

    def allocated(self, node: Allocate, body: Stmt) -> Stmt:
        """The allocation of both halves."""
        return Allocate(self.halves[node.buffer], body, tuple(p for p in node.pragmas if p[0] != PRAGMA))

    def _for(self, node: For) -> Stmt:
        inner = self.descend(node)
        if inner.kind != "serial":
            return inner
        allocations, stmts = unnested(inner.body)
        inside = [a for a in allocations if _is_marked(a)]
        marked = [a.buffer for a in inside] + [old for old in self.outside if old not in self.halves]
        double = {old for old in marked if _is_filled_and_used(old, stmts)}
        if not double:
            return inner
        for old in double:
            self.halves[old] = Buffer(old.name, (2 * old.size,), old.dtype, old.scope)
        fills = [stmt for stmt in stmts if writes(stmt) & double]
        uses = [stmt for stmt in stmts if not writes(stmt) & double]
        _check(stmts, fills, uses, double)

        def half(stmt: Stmt, k: Expr) -> Stmt:
            """`stmt` of iteration `k`."""
            turn = binary("%", k, 2)
            moves = {old: (self.halves[old], part(turn, old, self.halves[old])) for old in double}
            return relocate(substitute(stmt, {inner.var: k}), moves)

        following = binary("+", inner.var, 1)
        ahead = If(binary("<", following, inner.extent), sequence(half(stmt, following) for stmt in fills))
        body = sequence((ahead, *(half(stmt, inner.var) for stmt in uses)))
        for allocation in reversed(allocations):
            if allocation.buffer not in double:
                body = Allocate(allocation.buffer, body, allocation.pragmas)
        first = sequence(half(stmt, Const(0, inner.var.dtype)) for stmt in fills)
        if type(inner.extent) is not Const:
            first = If(binary("<", 0, inner.extent), first)
        result = sequence((first, For(inner.var, inner.extent, inner.kind, body, inner.pragmas)))
        for allocation in reversed(inside):
            if allocation.buffer in double:
                result = self.allocated(allocation, result)
        return result

    rules = {For: _for, Allocate: _allocate, Store: lambda self, node: node}


def _is_filled_and_used(buffer: Buffer, stmts: list[Stmt]) -> bool:
    fills = [buffer in writes(stmt) for stmt in stmts]
    return any(fills) and any(
        buffer in reads(stmt) for stmt, fill in zip(stmts, fills, strict=True) if not fill
    )


def _check(stmts: list[Stmt], fills: list[Stmt], uses: list[Stmt], double: set[Buffer]) -> None:
    """Raise unless the fills of the next iteration may run before the uses of the current one."""
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
            raise ScheduleError(f"{names}: double_buffer of a buffer that is filled again after it was read")

"""Dead-code elimination: statements without effect are removed."""

from __future__ import annotations

from compiler.ir.expr import Buffer, Const, Load, Not
from compiler.ir.function import PrimFunc
from compiler.ir.semantics.access import mentions
from compiler.ir.stmt import Allocate, For, If, Let, Prefetch, Region, Seq, Stmt, Store, sequence
from compiler.ir.visit import Rewriter, walk

NOTHING = Seq(())


def remove_no_op(func: PrimFunc) -> PrimFunc:
    """Remove stores without effect, and the statements that become empty.

    ::

        t = allocate(float32[8], "local")
        for i in range(8):
            t[i] = A[i]                      ->      for i in range(8):
        for i in range(8):                               B[i] = A[i]
            B[i] = A[i]
            C[i] = C[i]

    Removed are stores of an element to itself, stores to an allocated buffer that is never read, lets whose
    variable is not used, and loops, branches and allocations with an empty body.
    """
    body = func.body
    while True:  # a buffer may be read only to fill another one that is never read
        before, body = body, _Remove(_unread(body))(body)
        if body is before:
            return func.with_body(body)


def _unread(body: Stmt) -> set[Buffer]:
    """Buffers allocated in `body` that are never read, nor part of a copy, an intrinsic or a prefetch."""
    allocated, used = set(), set()
    for node in walk(body):
        if type(node) is Allocate:
            allocated.add(node.buffer)
        elif isinstance(node, (Load, Region, Prefetch)):
            used.add(node.buffer)
    return allocated - used


class _Remove(Rewriter):
    def __init__(self, unread: set[Buffer]) -> None:
        self.unread = unread

    def _store(self, node: Store) -> Stmt:
        return (
            NOTHING if node.buffer in self.unread or node.value == Load(node.buffer, node.indices) else node
        )

    def _seq(self, node: Seq) -> Stmt:
        stmts = tuple(self(stmt) for stmt in node.stmts)
        if all(a is b and a != NOTHING for a, b in zip(stmts, node.stmts, strict=True)):
            return node
        return sequence(stmts)

    def _for(self, node: For) -> Stmt:
        inner = self.descend(node)
        empty = inner.body == NOTHING or inner.extent == Const(0, inner.extent.dtype)
        return NOTHING if empty else inner

    def _allocate(self, node: Allocate) -> Stmt:
        inner = self.descend(node)
        return inner.body if node.buffer in self.unread else inner

    def _if(self, node: If) -> Stmt:
        inner = self.descend(node)
        otherwise = None if inner.otherwise == NOTHING else inner.otherwise
        if inner.then != NOTHING:
            return inner if otherwise is inner.otherwise else If(inner.condition, inner.then)
        return NOTHING if otherwise is None else If(Not(inner.condition), otherwise)

    def _let(self, node: Let) -> Stmt:
        inner = self.descend(node)
        return inner if mentions(inner.body, (inner.var,)) else inner.body

    rules = {Store: _store, Seq: _seq, For: _for, Allocate: _allocate, If: _if, Let: _let}

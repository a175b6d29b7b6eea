"""Virtual threads: loops whose iterations are interleaved in one thread, each with separate buffers."""

from __future__ import annotations

from compiler.ir.address import part
from compiler.ir.expr import Buffer, Const, Expr, Var
from compiler.ir.function import Invoke, PrimFunc
from compiler.ir.relocate import relocate
from compiler.ir.semantics.access import accesses, mentions, reads, writes
from compiler.ir.stmt import (
    Allocate,
    Barrier,
    Copy,
    For,
    If,
    Let,
    Prefetch,
    Seq,
    Stmt,
    Store,
    Token,
    sequence,
)
from compiler.ir.visit import Rewriter, substitute
from compiler.passes.inject_tokens import PRAGMA as STAGE

UNROLL_LIMIT = 16
"""The maximum number of virtual threads that are unrolled; more become a loop."""


def inject_vthread(func: PrimFunc) -> PrimFunc:
    """Interleave the iterations of ``vthread`` loops statement by statement.

    ::

        for v in vthread(2):                     t = allocate(float32[8], "local")
            t = allocate(float32[4], "local")    for k in range(4):
            for k in range(4):            ->         t[k] = A[k]
                t[k] = A[v * 4 + k]                  t[k + 4] = A[k + 4]
            C[v] = t[v]                          C[0] = t[0]
                                                 C[1] = t[5]

    Virtual threads exchange no data. Loops and branches that do not depend on the virtual thread are executed
    once for all, and so are statements that fill a buffer with the same elements for all. A buffer whose
    elements depend on the virtual thread has a part for each. All virtual threads share one barrier. A loop
    of a stage of an accelerator's pipeline is not interleaved, so that one virtual thread can load while
    another computes (arXiv 1802.04799, section 4.4).
    """
    return func.with_body(_Inject()(func.body))


class _Inject(Rewriter):
    def _for(self, node: For) -> Stmt:
        inner = self.descend(node)
        if inner.kind != "vthread":
            return inner
        if type(inner.extent) is not Const:
            return For(inner.var, inner.extent, "serial", inner.body, inner.pragmas)
        try:
            return _Interleave(inner)(inner.body)
        except _NotInterleavableError:
            return For(inner.var, inner.extent, "serial", inner.body, inner.pragmas)

    rules = {For: _for, Store: lambda self, node: node}


class _NotInterleavableError(Exception):
    """A virtual thread updates an element that another one stored, so the iterations must run serially."""


class _Interleave(Rewriter):
    """The body of a loop of virtual threads, interleaved."""

    def __init__(self, loop: For) -> None:
        self.var, self.count = loop.var, int(loop.extent.value)  # type: ignore[attr-defined]
        self.varying = _varying(loop)
        # a buffer that depends on the virtual thread -> the buffer with a part for each virtual thread
        self.parts: dict[Buffer, Buffer] = {}
        self.shared: set[Buffer] = set()  # allocated in the loop, with the same elements for all

    def differs(self, node: Expr | Stmt) -> bool:
        """Whether `node` depends on the virtual thread."""
        return mentions(node, self.varying) or any(a.buffer in self.varying for a in accesses(node))

    def each(self, node: Stmt) -> Stmt:
        """`node` for each virtual thread in order."""
        moves = {old: (new, part(self.var, old, new)) for old, new in self.parts.items()}
        one = relocate(node, moves)
        if self.count > UNROLL_LIMIT:
            return For(self.var, Const(self.count, self.var.dtype), "serial", one)
        return sequence(substitute(one, {self.var: Const(i, self.var.dtype)}) for i in range(self.count))

    def _leaf(self, node: Store | Copy | Invoke) -> Stmt:
        if self.differs(node):
            return self.each(node)
        # equal for all virtual threads: executed once, unless it reads a buffer that it stores to
        if all(b in self.shared or b.scope == "shared" for b in reads(node) & writes(node)):
            return node
        raise _NotInterleavableError

    def _for(self, node: For) -> Stmt:
        whole = STAGE in dict(node.pragmas) and self.differs(node)
        if whole or self.differs(node.extent):
            return self.each(node)
        body = self(node.body)
        return node if body is node.body else For(node.var, node.extent, node.kind, body, node.pragmas)

    def _if(self, node: If) -> Stmt:
        if self.differs(node.condition):
            return self.each(node)
        return If(node.condition, self(node.then), None if node.otherwise is None else self(node.otherwise))

    def _let(self, node: Let) -> Stmt:
        return self.each(node) if self.differs(node.value) else self.descend(node)

    def _prefetch(self, node: Prefetch) -> Stmt:
        return self.each(node) if self.differs(node) or node.buffer in self.parts else node

    def _seq(self, node: Seq) -> Stmt:
        return sequence(self(stmt) for stmt in node.stmts)

    def _allocate(self, node: Allocate) -> Stmt:
        old = node.buffer
        if old not in self.varying:
            self.shared.add(old)
            return self.descend(node)
        self.parts[old] = Buffer(old.name, (self.count * old.size,), old.dtype, old.scope)
        return Allocate(self.parts[old], self(node.body), node.pragmas)

    rules = {
        Seq: _seq,
        For: _for,
        If: _if,
        Let: _let,
        Allocate: _allocate,
        Store: _leaf,
        Copy: _leaf,
        Invoke: _leaf,
        Prefetch: _prefetch,
        Token: each,
        Barrier: lambda self, node: node,
    }


def _varying(loop: For) -> set[Var | Buffer]:
    """The variables and buffers in the loop that depend on the virtual thread."""
    varying: set[Var | Buffer] = {loop.var}
    while True:
        before = len(varying)
        _propagate(loop.body, varying, False)
        if len(varying) == before:
            return varying


def _propagate(node: Stmt, varying: set[Var | Buffer], under: bool) -> None:
    """Add the variables and buffers in `node` that depend on `varying`.

    `under` is whether an enclosing branch or extent depends on the virtual thread.
    """

    def differs(part: Expr | Stmt) -> bool:
        return mentions(part, varying) or any(a.buffer in varying for a in accesses(part) if not a.writes)

    if isinstance(node, (Store, Copy, Invoke)):
        if under or differs(node):
            varying.update(a.buffer for a in accesses(node) if a.writes)
    elif isinstance(node, For):
        under = under or differs(node.extent)
        if under:
            varying.add(node.var)
        _propagate(node.body, varying, under)
    elif isinstance(node, If):
        under = under or differs(node.condition)
        _propagate(node.then, varying, under)
        if node.otherwise is not None:
            _propagate(node.otherwise, varying, under)
    elif isinstance(node, Let):
        if under or differs(node.value):
            varying.add(node.var)
        _propagate(node.body, varying, under)
    elif isinstance(node, Seq):
        for stmt in node.stmts:
            _propagate(stmt, varying, under)
    elif isinstance(node, Allocate):
        _propagate(node.body, varying, under)

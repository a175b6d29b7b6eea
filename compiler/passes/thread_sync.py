"""The threads of a block: one set of them, shared memory outside, barriers between."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from compiler.ir.access import accesses, mentions
from compiler.ir.expr import Expr, Var, binary
from compiler.ir.function import Buffer, PrimFunc
from compiler.ir.stmt import Allocate, Barrier, For, If, Let, Seq, Stmt, Store, sequence
from compiler.ir.text import print_stmt
from compiler.ir.visit import Node, Rewriter, rebuild, substitute, walk
from compiler.schedule.errors import ScheduleError

SCOPE = "shared"


def thread_sync(func: PrimFunc) -> PrimFunc:
    """Make the threads of each block work together.

    ::

        for tx in bind(4, "threadIdx.x"):              t = allocate(float32[4], "shared")
            t = allocate(float32[4], "shared")         for tx in bind(4, "threadIdx.x"):
            for fx in bind(4, "threadIdx.x"):    ->        t[tx] = A[tx]
                t[fx] = A[fx]                              barrier("shared")
            C[tx] = t[3 - tx]                              C[tx] = t[3 - tx]

    In a loop nest every thread runs all of its body, the loops inside with a tag that is bound already too:
    each fills the shared buffers for itself. Here such a loop becomes the thread that the tag names, each
    thread does its share, and the shared buffers are allocated once for the block. A barrier stands wherever
    shared memory that a thread may have written is read or written by others, or is overwritten after others
    may have read it, around loops too.

    Raises
    ------
    ScheduleError
        If a loop inside has more iterations than there are threads of its tag, or a barrier would be needed
        where not all threads come along.
    """
    if not any(type(n) is For and n.kind.startswith("threadIdx") for n in walk(func.body)):
        return func
    return func.with_body(_Blocks()(func.body))


class _Blocks(Rewriter):
    """Finds the outermost loops over threads."""

    def _for(self, node: For) -> Stmt:
        if not node.kind.startswith("threadIdx"):
            return self.descend(node)
        block = _Unify()
        body = block(node)
        private = {n.buffer for n in walk(body) if type(n) is Allocate}
        body, _ = _Synchronise(block.threads, set(block.shared), private)(body, _Since(), True)
        for allocate in reversed(block.shared.values()):
            body = Allocate(allocate.buffer, body, allocate.pragmas)
        return body

    rules = {For: _for, Store: lambda self, node: node}


class _Unify(Rewriter):
    """Loops over the same threads become one, and shared buffers are taken out."""

    def __init__(self) -> None:
        self.bound: dict[str, For] = {}
        self.threads: set[Var] = set()
        self.shared: dict[Buffer, Allocate] = {}

    def _for(self, node: For) -> Stmt:
        if not node.kind.startswith("threadIdx"):
            return self.descend(node)
        outer = self.bound.get(node.kind)
        if outer is None:
            self.bound[node.kind] = node
            self.threads.add(node.var)
            inner = self.descend(node)
            del self.bound[node.kind]
            return inner
        body = self(substitute(node.body, {node.var: outer.var}))
        if node.extent == outer.extent:
            return body
        if not _at_most(node.extent, outer.extent):
            raise ScheduleError(
                f"{node.kind}: the loop {node.var.name!r} has {node.extent!r} iterations, but the block around "
                f"it has {outer.extent!r} threads; split it by the number of threads before it is bound"
            )
        return If(binary("<", outer.var, node.extent), body)

    def _allocate(self, node: Allocate) -> Stmt:
        if node.buffer.scope != SCOPE:
            return self.descend(node)
        self.shared[node.buffer] = node
        return self(node.body)

    rules = {For: _for, Allocate: _allocate, Store: lambda self, node: node}


def _at_most(a: Expr, b: Expr) -> bool:
    x, y = getattr(a, "value", None), getattr(b, "value", None)
    return x is not None and y is not None and x <= y


@dataclass(frozen=True, slots=True)
class _Since:
    """The shared buffers touched since the last barrier."""

    read: frozenset[Buffer] = frozenset()
    written: frozenset[Buffer] = frozenset()

    def __or__(self, other: _Since) -> _Since:
        return _Since(self.read | other.read, self.written | other.written)

    def conflicts(self, then: _Since) -> bool:
        """Whether a barrier must stand before `then`.

        Two writes do not conflict: what one stage stores, no other thread stores too but as the same value.
        """
        return bool(then.read & self.written or then.written & self.read)


Result = tuple[Stmt, _Since]


class _Synchronise:
    """Walks a thread's program in its order and puts barriers before what conflicts."""

    def __init__(self, threads: set[Var], shared: set[Buffer], private: set[Buffer]) -> None:
        self.threads, self.shared, self.private = threads, shared, private

    def __call__(self, stmt: Stmt, since: _Since, together: bool) -> Result:
        """`stmt` with barriers, and what is touched since the last one; `together`: all threads come along."""
        return self.rules.get(type(stmt), _Synchronise._leaf)(self, stmt, since, together)

    def touched(self, node: Node) -> _Since:
        own = set()
        if type(node) is Store:  # an element that is updated is its thread's own
            own = {
                a
                for a in accesses(node)
                if not a.writes and a.buffer is node.buffer and a.where == node.indices
            }
        found = [a for a in accesses(node) if a.buffer in self.shared and a not in own]
        return _Since(
            frozenset(a.buffer for a in found if not a.writes), frozenset(a.buffer for a in found if a.writes)
        )

    def differs(self, node: Expr) -> bool:
        """Whether a value may not be the same for all threads."""
        return mentions(node, self.threads) or any(a.buffer in self.private for a in accesses(node))

    def wait(self, node: Stmt, then: _Since, since: _Since, together: bool) -> tuple[list[Stmt], _Since]:
        """A barrier, if one is needed before `node` touches `then`."""
        if not since.conflicts(then):
            return [], since
        if not together:
            names = ", ".join(
                sorted(b.name for b in (then.read & since.written) | (then.written & since.read))
            )
            raise ScheduleError(
                f"{names}: the threads of a block exchange it under a condition that not all of them meet, so "
                f"they cannot wait for one another at `{print_stmt(node).splitlines()[0]}`"
            )
        return [Barrier(SCOPE)], _Since()

    def _leaf(self, node: Stmt, since: _Since, together: bool) -> Result:
        then = self.touched(node)
        waited, since = self.wait(node, then, since, together)
        return sequence((*waited, node)), since | then

    def _seq(self, node: Seq, since: _Since, together: bool) -> Result:
        stmts = []
        for stmt in node.stmts:
            new, since = self(stmt, since, together)
            stmts.append(new)
        return sequence(stmts), since

    def _for(self, node: For, since: _Since, together: bool) -> Result:
        if self.differs(node.extent):
            return self.apart(node, node.body, since, together)
        entry = since
        while True:  # what one iteration leaves meets the next one
            body, after = self(node.body, entry, together)
            if entry | after == entry:
                return rebuild(node, (node.extent, body)), since | after
            entry = entry | after

    def _if(self, node: If, since: _Since, together: bool) -> Result:
        if self.differs(node.condition):
            return self.apart(node, node, since, together)
        asked = self.touched(node.condition)
        waited, since = self.wait(node, asked, since, together)
        since = since | asked
        then, after = self(node.then, since, together)
        otherwise = None
        if node.otherwise is not None:
            otherwise, other = self(node.otherwise, since, together)
            after = after | other
        arms = (then,) if otherwise is None else (then, otherwise)
        return sequence((*waited, rebuild(node, (node.condition, *arms)))), since | after

    def apart(self, node: Stmt, inside: Stmt, since: _Since, together: bool) -> Result:
        """A statement that not all threads run alike: they may wait before it, not inside of it."""
        then = self.touched(node)
        waited, since = self.wait(node, then, since, together)
        for arm in (inside.then, inside.otherwise) if isinstance(inside, If) else (inside,):
            if arm is not None:
                self(arm, since, False)
        return sequence((*waited, node)), since | then

    def _let(self, node: Let, since: _Since, together: bool) -> Result:
        asked = self.touched(node.value)
        waited, since = self.wait(node, asked, since, together)
        if self.differs(node.value):
            self.threads.add(node.var)
        body, after = self(node.body, since | asked, together)
        return sequence((*waited, rebuild(node, (node.value, body)))), after

    def _allocate(self, node: Allocate, since: _Since, together: bool) -> Result:
        body, after = self(node.body, since, together)
        return rebuild(node, (body,)), after

    rules: ClassVar[dict[type, Callable[..., Result]]] = {
        Seq: _seq,
        For: _for,
        If: _if,
        Let: _let,
        Allocate: _allocate,
    }

"""Barrier insertion: synchronization of the threads of a block that share memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from compiler.errors import ScheduleError
from compiler.ir.expr import Buffer, Expr, Var
from compiler.ir.function import PrimFunc
from compiler.ir.node import Node
from compiler.ir.semantics.access import accesses, mentions
from compiler.ir.stmt import Allocate, Barrier, For, If, Let, Seq, Stmt, Store, sequence
from compiler.ir.text import print_stmt
from compiler.ir.visit import Rewriter, rebuild, walk

SCOPE = "shared"


def thread_sync(func: PrimFunc) -> PrimFunc:
    """Insert barriers where the threads of a block exchange data through shared memory.

    ::

        t = allocate(float32[4], "shared")           t = allocate(float32[4], "shared")
        for tx in bind(4, "threadIdx.x"):            for tx in bind(4, "threadIdx.x"):
            for k in range(8):                           for k in range(8):
                t[tx] = A[k * 4 + tx]         ->             barrier("shared")
                C[k * 4 + tx] = t[3 - tx]                    t[tx] = A[k * 4 + tx]
                                                             barrier("shared")
                                                             C[k * 4 + tx] = t[3 - tx]

    A barrier separates a write from later reads, and a read from later writes, across the iterations of a
    loop too. A branch that threads take differently can contain no barrier, so it is inserted before the
    branch.

    Raises
    ------
    ScheduleError
        If a barrier is required inside of a branch or a loop that not all threads execute alike.
    """
    if not any(type(n) is For and n.kind.startswith("threadIdx") for n in walk(func.body)):
        return func
    return func.with_body(_Blocks()(func.body))


class _Blocks(Rewriter):
    """Finds the outermost loops over threads."""

    def _for(self, node: For) -> Stmt:
        if not node.kind.startswith("threadIdx"):
            return self.descend(node)
        threads = {n.var for n in walk(node) if type(n) is For and n.kind.startswith("threadIdx")}
        private = {n.buffer for n in walk(node) if type(n) is Allocate}
        shared = {a.buffer for a in accesses(node) if a.buffer.scope == SCOPE} - private
        return _Synchronise(threads, shared, private)(node, _Pending(), True)[0]

    rules = {For: _for, Store: lambda self, node: node}


@dataclass(frozen=True, slots=True)
class _Pending:
    """The shared buffers read and written since the last barrier."""

    read: frozenset[Buffer] = frozenset()
    written: frozenset[Buffer] = frozenset()

    def __or__(self, other: _Pending) -> _Pending:
        return _Pending(self.read | other.read, self.written | other.written)

    def conflicts(self, then: _Pending) -> bool:
        """Whether a barrier is required before the accesses `then`.

        Two writes do not conflict: if several threads store to an element, they store the same value.
        """
        return bool(then.read & self.written or then.written & self.read)


Result = tuple[Stmt, _Pending]


class _Synchronise:
    """Traverses the program of a thread in order and inserts barriers before conflicting accesses."""

    def __init__(self, threads: set[Var], shared: set[Buffer], private: set[Buffer]) -> None:
        self.threads, self.shared, self.private = threads, shared, private

    def __call__(self, stmt: Stmt, since: _Pending, uniform: bool) -> Result:
        """`stmt` with barriers, and the accesses since the last one.

        `uniform` is whether all threads execute `stmt`.
        """
        return self.rules.get(type(stmt), _Synchronise._leaf)(self, stmt, since, uniform)

    def touched(self, node: Node) -> _Pending:
        updated = set()
        if type(node) is Store:  # an element that a statement updates is accessed by one thread only
            updated = {
                a
                for a in accesses(node)
                if not a.writes and a.buffer is node.buffer and a.where == node.indices
            }
        accessed = [a for a in accesses(node) if a.buffer in self.shared and a not in updated]
        return _Pending(
            frozenset(a.buffer for a in accessed if not a.writes),
            frozenset(a.buffer for a in accessed if a.writes),
        )

    def differs(self, node: Expr) -> bool:
        """Whether a value may differ between the threads."""
        return mentions(node, self.threads) or any(a.buffer in self.private for a in accesses(node))

    def wait(self, node: Stmt, then: _Pending, since: _Pending, uniform: bool) -> tuple[list[Stmt], _Pending]:
        """A barrier, if one is required before the accesses `then` of `node`."""
        if not since.conflicts(then):
            return [], since
        if not uniform:
            names = ", ".join(
                sorted(b.name for b in (then.read & since.written) | (then.written & since.read))
            )
            raise ScheduleError(
                f"{names}: the threads of a block exchange it under a condition that differs between them, "
                f"so there can be no barrier at `{print_stmt(node).splitlines()[0]}`"
            )
        return [Barrier(SCOPE)], _Pending()

    def _leaf(self, node: Stmt, since: _Pending, uniform: bool) -> Result:
        then = self.touched(node)
        waited, since = self.wait(node, then, since, uniform)
        return sequence((*waited, node)), since | then

    def _seq(self, node: Seq, since: _Pending, uniform: bool) -> Result:
        stmts = []
        for stmt in node.stmts:
            new, since = self(stmt, since, uniform)
            stmts.append(new)
        same = all(a is b for a, b in zip(stmts, node.stmts, strict=True))
        return node if same else sequence(stmts), since

    def _for(self, node: For, since: _Pending, uniform: bool) -> Result:
        if node.kind.startswith("threadIdx"):  # the traversal follows a single thread
            body, after = self(node.body, since, uniform)
            return rebuild(node, (node.extent, body)), after
        if self.differs(node.extent):
            return self.divergent(node, node.body, since, uniform)
        then = self.touched(node)
        if not then.conflicts(then):  # one barrier before the loop is enough
            return self._leaf(node, since, uniform)
        entry = since
        while True:  # accesses of one iteration may conflict with those of the next
            body, after = self(node.body, entry, uniform)
            if entry | after == entry:
                return rebuild(node, (node.extent, body)), since | after
            entry = entry | after

    def _if(self, node: If, since: _Pending, uniform: bool) -> Result:
        if self.differs(node.condition):
            return self.divergent(node, node, since, uniform)
        evaluated = self.touched(node.condition)
        waited, since = self.wait(node, evaluated, since, uniform)
        since = since | evaluated
        then, after = self(node.then, since, uniform)
        otherwise = None
        if node.otherwise is not None:
            otherwise, other = self(node.otherwise, since, uniform)
            after = after | other
        arms = (then,) if otherwise is None else (then, otherwise)
        return sequence((*waited, rebuild(node, (node.condition, *arms)))), since | after

    def divergent(self, node: Stmt, inside: Stmt, since: _Pending, uniform: bool) -> Result:
        """A statement that not all threads execute alike: a barrier may precede it, but not be inside."""
        then = self.touched(node)
        waited, since = self.wait(node, then, since, uniform)
        for arm in (inside.then, inside.otherwise) if isinstance(inside, If) else (inside,):
            if arm is not None:
                self(arm, since, False)
        return sequence((*waited, node)), since | then

    def _let(self, node: Let, since: _Pending, uniform: bool) -> Result:
        evaluated = self.touched(node.value)
        waited, since = self.wait(node, evaluated, since, uniform)
        if self.differs(node.value):
            self.threads.add(node.var)
        body, after = self(node.body, since | evaluated, uniform)
        return sequence((*waited, rebuild(node, (node.value, body)))), after

    def _barrier(self, node: Barrier, since: _Pending, uniform: bool) -> Result:
        return node, _Pending()

    def _allocate(self, node: Allocate, since: _Pending, uniform: bool) -> Result:
        body, after = self(node.body, since, uniform)
        return rebuild(node, (body,)), after

    rules: ClassVar[dict[type, Callable[..., Result]]] = {
        Seq: _seq,
        For: _for,
        If: _if,
        Let: _let,
        Allocate: _allocate,
        Barrier: _barrier,
    }

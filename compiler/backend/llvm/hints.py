"""Hints to LLVM's loop passes: unrolling, vectorization and code motion of a loop."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from compiler.backend.llvm.writer import Wide
from compiler.ir.dtype import lanes_of
from compiler.ir.expr import Broadcast, Buffer, Call, Cast, Const, Expr, Load, Select, Var
from compiler.ir.function import Invoke
from compiler.ir.node import CHILDREN, Node
from compiler.ir.recursion import recursive
from compiler.ir.stmt import Allocate, For, Let, Stmt, Store
from compiler.ir.visit import children, walk
from compiler.passes.split_registers import PRAGMA, REGISTER_LIMIT
from compiler.passes.unroll import STATEMENT_LIMIT

UNROLLED_BODY = 8
"""A loop with at least this number of stores was unrolled by its schedule; LLVM must not transform it."""

REGISTER_BYTES = REGISTER_LIMIT * 64
"""Bytes of a buffer beyond which it cannot be kept in registers: so many of the largest vectors."""

# pragma -> the hint for True, for False, and for a number
_PRAGMAS = {
    "unroll": (
        '!"llvm.loop.unroll.enable"',
        '!"llvm.loop.unroll.disable"',
        '!"llvm.loop.unroll.count", i32 {}',
    ),
    "vectorize": (
        '!"llvm.loop.vectorize.enable", i1 true',
        '!"llvm.loop.vectorize.enable", i1 false',
        '!"llvm.loop.vectorize.width", i32 {}',
    ),
    "interleave": (
        '!"llvm.loop.interleave.count", i32 0',
        '!"llvm.loop.interleave.count", i32 1',
        '!"llvm.loop.interleave.count", i32 {}',
    ),
}


@dataclass(frozen=True, slots=True)
class _Body:
    """The properties of a loop's body that decide its hints.

    Attributes
    ----------
    stores : int
        With its unrolled loops written out.
    vectors : bool
        Whether it has vector operations.
    moves : bool
        Whether it only moves data.
    allocates : bool
        Whether it allocates a buffer.
    loops : bool
        Whether it has loops.
    is_open : bool
        Whether it has a loop that LLVM has to transform, see `LoopHints.is_open`.
    opens : bool
        Whether it is such a loop itself.
    """

    stores: int
    vectors: bool
    moves: bool
    allocates: bool
    loops: bool
    is_open: bool
    opens: bool


class LoopHints:
    """The hints for the loops of one function.

    Parameters
    ----------
    body : Stmt
        The body of the function.
    """

    def __init__(self, body: Stmt) -> None:
        self._in_memory = {a.buffer for a in _allocations(body) if (PRAGMA, True) in a.pragmas}
        self._indices = self._register_indices(body)
        # keyed by identity; the node is stored too, so that its id is not reused
        self._known: dict[int, tuple[Stmt, _Body]] = {}

    def of(self, node: For, extent: Wide) -> list[str]:
        """The metadata nodes of a loop.

        They follow from its kind and its pragmas ``unroll``, ``vectorize`` and ``interleave``: an integer is
        the number of copies, lanes or vectors; with True, LLVM chooses the number; False disables the
        transformation. A loop marked ``unroll`` that would have too many stores stays a loop, since LLVM
        takes more than linear time for them. Without pragmas they follow from the body: a loop that its
        schedule has unrolled or vectorized is not transformed further, since that would take most of the
        time of a compilation.

        Raises
        ------
        ValueError
            For a value of a pragma that is neither a positive number nor a bool.
        """
        hints, body = [], self._body(node.body)
        if node.kind == "unroll":
            fits = extent.high * max(1, body.stores) <= STATEMENT_LIMIT
            how = "disable" if not fits else "full" if extent.is_literal else "enable"
            hints.append(f'!{{!"llvm.loop.unroll.{how}"}}')
        for key, value in node.pragmas:
            hint = _PRAGMAS.get(key)
            if hint is None:  # a pass has handled this pragma
                continue
            if not isinstance(value, int) or value < 0:
                raise ValueError(
                    f"the pragma {key!r} of the loop over {node.var.name!r} is a positive number, True or "
                    f"False, not {value!r}"
                )
            hints.append(f"!{{{hint[0 if value is True else 1 if value is False else 2].format(value)}}}")
        if hints or node.var in self._indices:  # unrolled, the loop's buffers can be kept in registers
            return hints
        if body.vectors or body.stores >= UNROLLED_BODY:
            hints += ['!{!"llvm.loop.vectorize.enable", i1 false}', '!{!"llvm.loop.unroll.disable"}']
        elif body.moves:  # bound by memory: unrolling gains nothing
            hints.append('!{!"llvm.loop.unroll.disable"}')
        if body.allocates:
            # addresses are hoisted already, and the accumulators are local to an iteration, so there is
            # nothing to move; but to find that out LLVM would compare the accesses of all tiles pairwise
            hints.append('!{!"llvm.licm.disable"}')
        return hints

    def is_open(self, node: For) -> bool:
        """Whether LLVM has to transform a loop, for the code to be good.

        It has to transform an innermost loop without vectors; an innermost loop that
        adds to one element in memory, which LLVM keeps in a register; and a loop that it has to unroll or to
        vectorize because a pragma says so, or because it indexes a buffer that can be kept in registers then.
        What a schedule has vectorized and unrolled is none of these.
        """
        return self._body(node).opens

    def is_apart(self, node: For) -> bool:
        """Whether a loop with open loops can be a function of its own: it has no vectors and no registers."""
        body = self._body(node)
        if not body.is_open or body.vectors or body.allocates:
            return False
        return not _parallel(node) and not self._touches_registers(node)

    def is_scalar(self, node: Stmt) -> bool:
        """Whether a statement has open loops and no vectors."""
        body = self._body(node)
        return body.is_open and not body.vectors

    def has_vectors(self, node: Stmt) -> bool:
        """Whether a statement has vector operations."""
        return self._body(node).vectors

    def _may_be_in_registers(self, buffer: Buffer) -> bool:
        return buffer.scope == "local" and buffer.nbytes <= REGISTER_BYTES and buffer not in self._in_memory

    def _body(self, node: Stmt) -> _Body:
        known = self._known.get(id(node))
        if known is None:
            known = self._known[id(node)] = (node, self._analyzed(node))
        return known[1]

    @recursive
    def _analyzed(self, node: Stmt) -> _Body:
        kind = type(node)
        if kind is Store:
            lanes = lanes_of(node.value.dtype) > 1 or any(lanes_of(i.dtype) > 1 for i in node.indices)  # type: ignore[attr-defined]
            return _VECTOR if lanes else _MOVE if _is_moved(node.value) else _SCALAR  # type: ignore[attr-defined]
        parts = [self._body(child) for child in children(node) if isinstance(child, Stmt)]
        stores = sum(part.stores for part in parts)
        vectors = any(part.vectors for part in parts)
        loops, is_open, opens = any(p.loops for p in parts), any(p.is_open for p in parts), False
        if kind is For:
            if node.kind == "unroll" and type(node.extent) is Const:  # type: ignore[attr-defined]
                stores *= int(node.extent.value)  # type: ignore[attr-defined]
            unrolls = ("unroll", False) not in node.pragmas and node.var in self._indices  # type: ignore[attr-defined]
            opens = _directed(node) or unrolls  # type: ignore[arg-type]
            if not loops:
                opens = opens or not vectors or _accumulates(node)  # type: ignore[arg-type]
            loops = True
        return _Body(
            stores,
            vectors,
            kind not in (Let, Invoke) and all(part.moves for part in parts),
            kind is Allocate or any(part.allocates for part in parts),
            loops,
            is_open or opens,
            opens,
        )

    def _register_indices(self, body: Stmt) -> frozenset[Var]:
        """The variables in indices of buffers that may be kept in registers."""
        found: set[Var] = set()
        seen: set[int] = set()
        pending: list[Node] = [body] if any(True for _ in _allocations(body)) else []
        while pending:
            node = pending.pop()
            if id(node) in seen:  # the copies of an unrolled loop share expressions
                continue
            seen.add(id(node))
            if isinstance(node, (Load, Store)) and self._may_be_in_registers(node.buffer):
                for index in node.indices:
                    found |= _variables(index)
            pending += CHILDREN[type(node)](node)
        return frozenset(found)

    def _touches_registers(self, node: Stmt) -> bool:
        return any(
            isinstance(part, (Load, Store)) and self._may_be_in_registers(part.buffer) for part in walk(node)
        )


_VECTOR = _Body(1, True, False, False, False, False, False)
_SCALAR = _Body(1, False, False, False, False, False, False)
_MOVE = _Body(1, False, True, False, False, False, False)


def _variables(index: Expr) -> set[Var]:
    return {n for n in walk(index) if type(n) is Var}


def _directed(node: For) -> bool:
    """Whether a loop's kind or a pragma has LLVM unroll or vectorize it."""
    return node.kind == "unroll" or any(
        value is not False
        for key, value in node.pragmas
        if key in _PRAGMAS and (key, value) != ("interleave", 1)
    )


def _accumulates(node: For) -> bool:
    """Whether a loop without loops inside reads and writes one element of a buffer in all iterations."""
    bound = {node.var}
    pending: list[Stmt] = [node.body]
    while pending:
        stmt = pending.pop()
        if type(stmt) is Let:
            bound.add(stmt.var)
        elif type(stmt) is Store:
            varies = any(_variables(index) & bound for index in stmt.indices)
            if not varies and any(_is_same(n, stmt) for n in walk(stmt.value)) and not _is_constant(stmt):
                return True
        pending += [child for child in children(stmt) if isinstance(child, Stmt)]
    return False


def _is_same(node: object, store: Store) -> bool:
    return type(node) is Load and node.buffer is store.buffer and node.indices == store.indices


def _is_constant(store: Store) -> bool:
    """Whether it writes to a constant place of a local buffer, which is a register."""
    return store.buffer.scope == "local" and not any(map(_variables, store.indices))


def _parallel(node: For) -> bool:
    return any(type(n) is For and n.kind == "parallel" for n in walk(node))


def _allocations(node: Stmt) -> Iterator[Allocate]:
    pending = [node]
    while pending:
        stmt = pending.pop()
        if isinstance(stmt, Allocate):
            yield stmt
        pending += (child for child in children(stmt) if isinstance(child, Stmt))


@recursive
def _is_moved(value: Expr) -> bool:
    kind = type(value)
    if kind is Select or kind is Call:
        arms = (value.a, value.b) if kind is Select else value.args[1:]  # type: ignore[attr-defined]
        return (kind is Select or value.name == "if_then_else") and all(map(_is_moved, arms))  # type: ignore[attr-defined]
    if kind is Cast or kind is Broadcast:
        return _is_moved(value.value)  # type: ignore[attr-defined]
    return kind is Load or kind is Const or kind is Var

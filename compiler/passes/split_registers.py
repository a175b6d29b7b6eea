"""Register buffers: a local buffer is split before the first statement that indexes it by a variable."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from compiler.ir.address import position
from compiler.ir.expr import Buffer, Const, Load, Ramp
from compiler.ir.function import Invoke, PrimFunc
from compiler.ir.node import CHILDREN, Node
from compiler.ir.relocate import relocate
from compiler.ir.semantics.access import Access, accesses
from compiler.ir.stmt import Allocate, Copy, For, Stmt, Store, sequence, unnested
from compiler.ir.visit import Rewriter, walk

PRAGMA = "in_memory"
"""Key of the pragma of a local buffer that loops index, which must not be promoted to registers."""

REGISTER_LIMIT = 64
"""The maximum number of elements or vectors of a buffer that is kept in registers."""


def split_registers(func: PrimFunc) -> PrimFunc:
    """Split a local buffer in two: one while all its indices are constants, and one for the rest.

    ::

        t = allocate(float32[2], "local")           t = allocate(float32[2], "local")
        t[0] = 0.0                                  t_memory = allocate(float32[2], "local", ...)
        t[1] = 0.0                                  t[0] = 0.0
        for k in range(8):                          t[1] = 0.0
            t[0] = t[0] + A[k]                      for k in range(8):
            t[1] = t[1] + A[k + 8]            ->        t[0] = t[0] + A[k]
        for i in range(2):                              t[1] = t[1] + A[k + 8]
            C[i] = t[i]                             t_memory[0] = t[0]
                                                    t_memory[1] = t[1]
                                                    for i in range(2):
                                                        C[i] = t_memory[i]

    A register has no address, so LLVM cannot promote a buffer that a loop indexes to registers, unless it
    unrolls the loop, or hoists the loads and stores out of each loop. Both take more compile time than
    everything else for a convolution, and the time of copying a tile is negligible beside the sums in it.
    """
    return func.with_body(_Split()(func.body)) if any(type(n) is Allocate for n in walk(func.body)) else func


class _Split(Rewriter):
    def _allocate(self, node: Allocate) -> Stmt:
        inner = self.descend(node)
        buffer = inner.buffer
        if buffer.scope != "local":
            return inner
        allocations, stmts = unnested(inner)
        places: dict[Any, None] = {}
        sums = False
        for known, stmt in enumerate(stmts):
            touched = _accesses(stmt, buffer)
            if not all(map(_is_known, touched)):
                return _split_at(buffer, allocations, list(places), stmts, known) if sums else inner
            sums = sums or (bool(touched) and type(stmt) is For)
            places |= {_place(access): None for access in touched if access.writes}
            if len(places) > REGISTER_LIMIT or _overlap(places):
                return inner
        return inner

    rules = {Allocate: _allocate, Store: lambda self, node: node}


def _accesses(stmt: Stmt, buffer: Buffer) -> list[Access]:
    """The accesses of a buffer in a statement, once where the copies of a loop share an expression."""
    found: list[Access] = []
    seen: set[int] = set()
    pending: list[Node] = [stmt]
    while pending:
        node = pending.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        kind = type(node)
        if kind is Load or kind is Store:
            if node.buffer is buffer:  # type: ignore[attr-defined]
                found.append(Access(buffer, kind is Store, node.indices))  # type: ignore[attr-defined]
        elif isinstance(node, (Copy, Invoke)):
            found += [access for access in accesses(node) if access.buffer is buffer]
        pending += CHILDREN[kind](node)[::-1]
    return found


def _place(access: Access) -> Any:
    """The row-major position of an access, or its region."""
    return position(access.buffer, access.where) if isinstance(access.where, tuple) else access.where


def _is_known(access: Access) -> bool:
    place = _place(access)
    return type(place) is Const or (
        type(place) is Ramp and type(place.base) is Const and place.stride == Const(1, place.stride.dtype)
    )


def _overlap(places: Iterable[Any]) -> bool:
    """Whether two different constant places have an element in common."""
    spans = sorted((p.base.value, p.lanes) if isinstance(p, Ramp) else (p.value, 1) for p in places)  # type: ignore[attr-defined]
    return any(begin + lanes > following for (begin, lanes), (following, _) in pairwise(spans))


def _split_at(
    buffer: Buffer, allocations: list[Allocate], places: list[Any], stmts: list[Stmt], known: int
) -> Stmt:
    """The block with one buffer for its first `known` statements and another one for the rest."""
    memory = Buffer(f"{buffer.name}_memory", buffer.shape, buffer.dtype, buffer.scope)
    copies = [Store(memory, (place,), Load(buffer, (place,))) for place in places]
    rest = [relocate(stmt, {buffer: (memory, Const(0))}) for stmt in stmts[known:]]
    body = Allocate(memory, sequence([*stmts[:known], *copies, *rest]), ((PRAGMA, True),))
    for allocation in reversed(allocations):
        body = Allocate(allocation.buffer, body, allocation.pragmas)
    return body

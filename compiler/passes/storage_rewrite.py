"""Storage rewrite: buffers with disjoint lifetimes share memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from compiler.ir.address import position
from compiler.ir.dtype import lanes_of
from compiler.ir.expr import Buffer, Const, Expr, Ramp, Var
from compiler.ir.function import PrimFunc
from compiler.ir.recursion import counted
from compiler.ir.relocate import relocate
from compiler.ir.semantics.access import Access, accesses, mentions
from compiler.ir.simplify.simplify import Simplifier
from compiler.ir.stmt import Allocate, For, If, Let, Pragma, Seq, Stmt, Store, sequence, unnested
from compiler.ir.visit import Rewriter, children, rebuild, walk

SHARED_SCOPES = ("global", "shared", "warp")
"""Scopes in which buffers share memory. Local buffers become registers; accelerators overlap stages."""

MATCH_RANGE = 16
"""The maximum ratio between the sizes of buffers that share memory."""


def storage_rewrite(func: PrimFunc) -> PrimFunc:
    """Let a buffer reuse the memory of another one whose lifetime has ended.

    ::

        a = allocate(float32[64])                   a = allocate(float32[64])
        b = allocate(float32[64])                   for i in range(64):
        for i in range(64):                             a[i] = A[i] + 1.0
            a[i] = A[i] + 1.0                       for i in range(64):
        for i in range(64):                  ->         a[i] = a[i] * 2.0
            b[i] = a[i] * 2.0                       for i in range(64):
        for i in range(64):                             C[i] = a[63 - i]
            C[i] = b[63 - i]

    This is a linear scan over the statements of each block. The lifetime of a buffer is from the first
    statement that accesses it to the last one. It gets the smallest free memory of its type and scope that is
    large enough, or else enlarges the largest one. It may reuse the memory of a buffer that its first
    statement still reads, if that statement reads, for each element that it stores, only the same element (in
    place).
    """
    if not any(type(n) is Allocate for n in walk(func.body)):
        return func
    return func.with_body(_Share()(_Distinct()(func.body)))


class _Distinct(Rewriter):
    """Gives each allocation a different buffer, since passes that copy loop bodies duplicate allocations."""

    def __init__(self) -> None:
        self.seen: set[Buffer] = set()

    def _allocate(self, node: Allocate) -> Stmt:
        old = node.buffer
        inner = self.descend(node)
        if old not in self.seen:
            self.seen.add(old)
            return inner
        fresh = Buffer(old.name, old.shape, old.dtype, old.scope)
        return Allocate(fresh, relocate(inner.body, {old: (fresh, Const(0))}), inner.pragmas)

    rules = {Allocate: _allocate, Store: lambda self, node: node}


@dataclass
class _Slot:
    """One allocation, which `buffers` use one after another.

    Attributes
    ----------
    first : Buffer
        The buffer whose name, type and scope the allocation has.
    pragmas : tuple of Pragma
    size : int
        In elements; the maximum over `buffers`.
    buffers : list of Buffer
        In the order of their lifetimes.
    """

    first: Buffer
    pragmas: tuple[Pragma, ...]
    size: int
    buffers: list[Buffer] = field(default_factory=list)


class _Share(Rewriter):
    def block(self, node: Stmt) -> Stmt:
        inner = self.inside(node)
        allocations, stmts = unnested(inner)
        if sum(a.buffer.scope in SHARED_SCOPES for a in allocations) > 1:
            slots = _assigned_slots(allocations, stmts)
            if len(slots) < len({a.buffer for a in allocations}):
                return _rewritten(slots, stmts)
        return inner

    @counted
    def inside(self, node: Stmt) -> Stmt:
        """The block with its inner blocks rewritten."""
        if isinstance(node, (Allocate, Seq)):
            return rebuild(node, tuple(self.inside(child) for child in children(node)))  # type: ignore[arg-type]
        return self.descend(node)

    rules = dict.fromkeys((Allocate, Seq, For, If, Let), block) | {Store: lambda self, node: node}


def _assigned_slots(allocations: list[Allocate], stmts: list[Stmt]) -> list[_Slot]:
    first_use: dict[Buffer, int] = {}
    last: dict[Buffer, int] = {}
    for number, stmt in enumerate(stmts):
        for access in accesses(stmt):
            first_use.setdefault(access.buffer, number)
            last[access.buffer] = number
    order = sorted({a.buffer: a for a in allocations}.values(), key=lambda a: first_use.get(a.buffer, -1))
    slots: list[_Slot] = []
    for allocation in order:
        buffer = allocation.buffer
        slot = None
        if buffer.scope in SHARED_SCOPES and buffer in first_use and not allocation.pragmas:
            slot = _free(slots, buffer, stmts[first_use[buffer]], first_use[buffer], last)
        if slot is None:
            slot = _Slot(buffer, allocation.pragmas, buffer.size)
            slots.append(slot)
        slot.size = max(slot.size, buffer.size)
        slot.buffers.append(buffer)
    return slots


def _free(
    slots: list[_Slot], buffer: Buffer, stmt: Stmt, number: int, last: dict[Buffer, int]
) -> _Slot | None:
    """The slot that `buffer` reuses, whose first access is in `stmt`, statement `number`; None if none fits.

    It is the smallest one that is large enough, else the largest one, which then grows.
    """

    def is_free(slot: _Slot) -> bool:
        previous, first = slot.buffers[-1], slot.first
        if (first.dtype, first.scope, slot.pragmas) != (buffer.dtype, buffer.scope, ()):
            return False
        if not slot.size <= MATCH_RANGE * buffer.size or not buffer.size <= MATCH_RANGE * slot.size:
            return False
        ended = last.get(previous, -1)
        return ended < number or (ended == number and _in_place(stmt, previous, buffer))

    free = [slot for slot in slots if is_free(slot)]
    fitting = [slot for slot in free if slot.size >= buffer.size]
    if fitting:
        return min(fitting, key=lambda slot: slot.size)
    return max(free, key=lambda slot: slot.size, default=None)


def _in_place(stmt: Stmt, old: Buffer, new: Buffer) -> bool:
    """Whether `stmt` stores each element of `new` once, and reads of `old` only that element."""
    loops: dict[Var, int] = {}
    while not isinstance(stmt, Store):
        if isinstance(stmt, For) and type(stmt.extent) is Const:
            loops[stmt.var] = int(stmt.extent.value)
            stmt = stmt.body
        elif isinstance(stmt, If) and stmt.otherwise is None:
            if any(access.buffer is old for access in accesses(stmt.condition)):
                return False
            stmt = stmt.then
        else:
            return False
    touched = [a for a in accesses(stmt) if a.buffer in (old, new)]
    index = _flat(touched[0])
    same = all(_flat(a) == index and (a.writes or a.buffer is old) for a in touched)
    return same and is_injective(index, loops)


def is_injective(index: Expr, loops: Mapping[Var, int]) -> bool:
    """Whether all iterations of `loops`, variable to extent, are known to have different indices."""
    total = Simplifier({var: (0, extent - 1) for var, extent in loops.items()})
    ramp = index if type(index) is Ramp else Ramp(index, Const(0), 1)
    if lanes_of(ramp.base.dtype) > 1 or type(ramp.stride) is not Const:
        return False
    terms = total.sum_of(ramp.base).terms
    steps = [(abs(terms.get(var, 0)), extent) for var, extent in loops.items() if extent > 1]
    steps.append((abs(int(ramp.stride.value)), ramp.lanes))
    span = 0
    for step, extent in sorted(step for step in steps if step[1] > 1):
        if step <= span:
            return False
        span += step * (extent - 1)
    return all(atom in loops or not mentions(atom, loops) for atom in terms)


def _flat(access: Access) -> Expr:
    assert isinstance(access.where, tuple), "a store and its loads are of elements"
    return position(access.buffer, access.where)


def _rewritten(slots: list[_Slot], stmts: list[Stmt]) -> Stmt:
    moves: dict[Buffer, tuple[Buffer, Expr]] = {}
    made = []
    for slot in slots:
        first = slot.first
        new = first
        if len(slot.buffers) > 1:
            new = Buffer(first.name, (slot.size,), first.dtype, first.scope)
            moves |= {buffer: (new, Const(0)) for buffer in slot.buffers}
        made.append((new, slot.pragmas))
    body = sequence(relocate(stmt, moves) for stmt in stmts)
    for buffer, pragmas in reversed(made):
        body = Allocate(buffer, body, pragmas)
    return body

"""`Footprint`: the memory that each store of a loop nest accesses, at every loop level.

Level `d` of a nest with loops ``0 .. depth - 1`` (outermost first) is one iteration of the loops outside of
`d` with all iterations of the loops from `d` inward. Level 0 is the whole nest, level `depth` one
iteration.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod
from typing import Any

from compiler.ir.dtype import bits_of, is_float
from compiler.ir.expr import (
    Binary,
    Buffer,
    Call,
    Cast,
    Const,
    Expr,
    Load,
    Not,
    Ramp,
    Select,
    Var,
    upper_bound,
)
from compiler.ir.function import PrimFunc
from compiler.ir.recursion import Recursive, counted, recursive
from compiler.ir.stmt import Allocate, For, If, Seq, Stmt, Store
from compiler.ir.visit import children, walk

LINE_BYTES = 64


@dataclass(frozen=True)
class Loop:
    """A loop around a store; `extent` is its number of iterations, `kind` one of the IR's loop kinds."""

    var: Var
    extent: int
    kind: str


@dataclass
class Operations:
    """Operations of one iteration, by class; index arithmetic is not counted."""

    add: int = 0
    mul: int = 0
    div: int = 0
    compare: int = 0
    math: int = 0
    select: int = 0
    integer: int = 0

    @property
    def flops(self) -> int:
        """Floating-point operations, an intrinsic counting as one."""
        return self.add + self.mul + self.div + self.math


@dataclass(frozen=True)
class Access:
    """The accesses of a store to one buffer.

    Parameters
    ----------
    buffer : Buffer
    writes, reads : bool
    count : int
        Number of accesses of one iteration.
    strides : tuple of int
        Elements between the accesses of two iterations of each loop, outermost first.
    touched : tuple of int
        Number of different elements accessed at each level, 0 to depth.
    lines : tuple of int
        Number of different cache lines accessed at each level.
    allocation_depth : int
        Number of loops around the buffer's allocation; 0 for an argument.
    """

    buffer: Buffer
    writes: bool
    reads: bool
    count: int
    strides: tuple[int, ...]
    touched: tuple[int, ...]
    lines: tuple[int, ...]
    allocation_depth: int = 0

    def is_reused(self, position: int) -> bool:
        """Whether every iteration of the loop at `position` accesses the same elements of the same buffer."""
        return position >= self.allocation_depth and self.touched[position] == self.touched[position + 1]

    @property
    def itemsize(self) -> int:
        """Bytes of an element."""
        return -(-bits_of(self.buffer.dtype) // 8)


@dataclass
class StoreNest:
    """A store, the loops around it and what it accesses.

    Parameters
    ----------
    loops : tuple of Loop
        Outermost first.
    accesses : tuple of Access
        The written buffer first, then the others in the order in which they are read.
    operations : Operations
    guards : int
        Branches around the store.
    """

    loops: tuple[Loop, ...]
    accesses: tuple[Access, ...]
    operations: Operations
    guards: int

    def __post_init__(self) -> None:
        outside = [1]
        for loop in self.loops:
            outside.append(outside[-1] * loop.extent)
        # number of times that level d is entered
        self.outside = tuple(outside)
        rows = [[a.itemsize * count for count in a.touched] for a in self.accesses]
        # bytes of all buffers that are accessed at each level
        self.footprints = tuple(map(sum, zip(*rows, strict=True))) if rows else (0,) * len(outside)
        # positions of the loops of which every iteration writes the same elements
        self.sums = tuple([d for d in range(self.depth) if self.accesses and self.is_reduction(d)])

    @property
    def depth(self) -> int:
        """Number of loops."""
        return len(self.loops)

    @property
    def iterations(self) -> int:
        """Number of times that the store runs."""
        return self.outside[-1]

    @property
    def flops(self) -> int:
        """Floating-point operations of the whole nest."""
        return self.iterations * self.operations.flops

    def footprint(self, level: int) -> int:
        """Return the bytes of all buffers that are accessed at a level."""
        return self.footprints[level]

    def is_reduction(self, position: int) -> bool:
        """Whether every iteration of a loop writes the same elements."""
        return self.loops[position].extent > 1 and self.accesses[0].is_reused(position)


@dataclass
class Allocation:
    """A buffer that the function allocates, and how many times."""

    buffer: Buffer
    times: int


@dataclass
class ParallelRegion:
    """An outermost parallel loop: its iterations, and the number of times that it is entered."""

    extent: int
    entries: int


@dataclass
class Footprint:
    """Stores, allocations and parallel regions of a function."""

    stores: list[StoreNest] = field(default_factory=list)
    allocations: list[Allocation] = field(default_factory=list)
    regions: list[ParallelRegion] = field(default_factory=list)


def measure_footprint(function: PrimFunc) -> Footprint:
    """Analyse a loop nest whose loops have their kinds and whose buffers have all their dimensions.

    Linear in the number of nodes, and per access in loops times dimensions.
    """
    traversal = _Traversal()
    traversal.statement(function.body, (), 0)
    return traversal.footprint


class _Traversal(Recursive):
    def __init__(self) -> None:
        self.footprint = Footprint()
        # keyed by identity; the function that is traversed keeps the expressions alive
        self._terms: dict[int, list[tuple[Expr, int]]] = {}
        self._allocation_depths: dict[Buffer, int] = {}
        # the loops around the statement that is analysed: their depths, iterations less one, and what is
        # computed of index expressions inside of them
        self._depths: dict[Var, int] = {}
        self._steps: list[int] = []
        self._widths_here: dict[int, list[int]] = {}

    @counted
    def statement(self, stmt: Stmt, loops: tuple[Loop, ...], guards: int) -> None:
        if isinstance(stmt, Store):
            self.footprint.stores.append(self._store(stmt, loops, guards))
        elif isinstance(stmt, For):
            self._loop(stmt, loops, guards)
        elif isinstance(stmt, Seq):
            for part in stmt.stmts:
                self.statement(part, loops, guards)
        elif isinstance(stmt, If):
            self.statement(stmt.then, loops, guards + 1)
            if stmt.otherwise is not None:
                self.statement(stmt.otherwise, loops, guards + 1)
        elif isinstance(stmt, Allocate):
            self.footprint.allocations.append(Allocation(stmt.buffer, prod(loop.extent for loop in loops)))
            self._allocation_depths[stmt.buffer] = len(loops)
            self.statement(stmt.body, loops, guards)
        else:
            for child in children(stmt):
                if isinstance(child, Stmt):
                    self.statement(child, loops, guards)

    def _loop(self, stmt: For, loops: tuple[Loop, ...], guards: int) -> None:
        # an extent that is not a literal has an upper bound: the width of its values, plus one
        extent = stmt.extent.value if isinstance(stmt.extent, Const) else self._widths(stmt.extent)[0] + 1
        loop = Loop(stmt.var, max(int(extent), 1), stmt.kind)
        if loop.kind == "parallel" and all(outer.kind != "parallel" for outer in loops):
            entries = prod(outer.extent for outer in loops)
            self.footprint.regions.append(ParallelRegion(loop.extent, entries))
        outside, self._widths_here = self._widths_here, {}
        self._depths[stmt.var] = len(loops)
        self._steps.append(loop.extent - 1)
        self.statement(stmt.body, (*loops, loop), guards)
        self._steps.pop()
        del self._depths[stmt.var]
        self._widths_here = outside

    def _store(self, store: Store, loops: tuple[Loop, ...], guards: int) -> StoreNest:
        operations = Operations()
        loads: list[Load] = []
        _count(store.value, operations, loads)
        indices_of: dict[Buffer, list[tuple[Expr, ...]]] = {store.buffer: [store.indices]}
        for load in loads:
            indices_of.setdefault(load.buffer, []).append(load.indices)
        accesses = []
        for buffer, indices in indices_of.items():
            written = buffer is store.buffer
            accesses.append(self._access(buffer, indices, written, not written or len(indices) > 1))
        return StoreNest(loops, tuple(accesses), operations, guards)

    def _access(
        self, buffer: Buffer, all_indices: list[tuple[Expr, ...]], writes: bool, reads: bool
    ) -> Access:
        # of several accesses to one buffer (an accumulator, a stencil) the one that touches most is counted
        touched: list[int] = []
        lines: list[int] = []
        different = {tuple(map(id, indices)): indices for indices in all_indices}.values()
        for indices in different:
            elements, rows = self._touched(buffer, indices)
            touched = [*map(max, touched, elements)] if touched else elements
            lines = [*map(max, lines, rows)] if lines else rows
        strides = self._strides(buffer, all_indices[0])
        allocation_depth = self._allocation_depths.get(buffer, 0)
        return Access(
            buffer, writes, reads, len(all_indices), strides, tuple(touched), tuple(lines), allocation_depth
        )

    def _touched(self, buffer: Buffer, indices: tuple[Expr, ...]) -> tuple[list[int], list[int]]:
        """The elements and the lines that one access touches at each level."""
        if not indices:
            return [1] * (len(self._steps) + 1), [1] * (len(self._steps) + 1)
        extents = _extents(buffer, len(indices))
        itemsize = -(-bits_of(buffer.dtype) // 8)
        touched, lines, before = [], [], None
        # a loop that does not occur in the indices changes nothing
        for column in zip(*map(self._widths, reversed(indices)), strict=True):
            if column != before:
                before = column
                elements, contiguous, whole = 1, 1, True
                for width, extent in zip(column, extents, strict=True):
                    span = width + 1 if width < extent else extent
                    elements *= span
                    if whole:
                        contiguous *= span
                        whole = span == extent
                line_count = elements // contiguous * -(-contiguous * itemsize // LINE_BYTES)
            touched.append(elements)
            lines.append(max(line_count, 1))
        return [max(n, 1) for n in touched], lines

    def _strides(self, buffer: Buffer, indices: tuple[Expr, ...]) -> tuple[int, ...]:
        """Return the distance in elements between the first two iterations of each loop."""
        strides = [0] * len(self._steps)
        pitch = 1
        for index, extent in zip(reversed(indices), _extents(buffer, len(indices)), strict=True):
            for atom, coefficient in self._linear(index):
                if isinstance(atom, Var):
                    if atom in self._depths:
                        strides[self._depths[atom]] += coefficient * pitch
                else:
                    first = _value(atom, None)
                    for var in {node for node in walk(atom) if type(node) is Var and node in self._depths}:
                        strides[self._depths[var]] += coefficient * pitch * (_value(atom, var) - first)
            pitch *= extent
        return tuple([stride if step else 0 for stride, step in zip(strides, self._steps, strict=True)])

    def _linear(self, index: Expr) -> list[tuple[Expr, int]]:
        """Return the index as a sum of coefficients times atoms, without constants.

        An atom is a variable, or an expression that is not linear.
        """
        terms = self._terms.get(id(index))
        if terms is None:
            gathered: dict[int, tuple[Expr, int]] = {}
            _gather(index, 1, gathered)
            terms = self._terms[id(index)] = [term for term in gathered.values() if term[1]]
        return terms

    def _widths(self, index: Expr) -> list[int]:
        """Return the largest minus the smallest value of an index at each level, 0 to depth."""
        known = self._widths_here.get(id(index))
        if known is not None:
            return known
        depth = len(self._steps)
        widths = [0] * (depth + 1)
        others: list[list[int]] = []
        for atom, coefficient in self._linear(index):
            if isinstance(atom, Var):
                d = self._depths.get(atom)
                if d is not None:
                    widths[d] += abs(coefficient) * self._steps[d]
            else:
                others.append([abs(coefficient) * w for w in self._nonlinear(atom)])
        for d in range(depth - 1, -1, -1):
            widths[d] += widths[d + 1]
        for other in others:
            widths = [a + b for a, b in zip(widths, other, strict=True)]
        self._widths_here[id(index)] = widths
        return widths

    @recursive
    def _nonlinear(self, atom: Expr) -> list[int]:
        """Return the widths of an atom that is not a variable."""
        if isinstance(atom, Binary) and isinstance(atom.b, Const) and atom.op in ("//", "%"):
            divisor = max(int(atom.b.value), 1)
            inner = self._widths(atom.a)
            return [w // divisor if atom.op == "//" else min(w, divisor - 1) for w in inner]
        if isinstance(atom, Binary) and atom.op in ("min", "max"):
            return [*map(max, self._widths(atom.a), self._widths(atom.b))]
        if isinstance(atom, Ramp):
            reach = abs(atom.stride.value) * (atom.lanes - 1) if isinstance(atom.stride, Const) else 0
            return [int(w + reach) for w in self._widths(atom.base)]
        parts = [self._widths(c) for c in children(atom) if isinstance(c, Expr)]
        return [sum(column) for column in zip(*parts, strict=True)] if parts else [0] * (len(self._steps) + 1)


def _extents(buffer: Buffer, indices: int) -> list[int]:
    """The upper bounds of the extents, innermost first; that of the position for a single index."""
    if indices != len(buffer.shape):
        return [buffer.size]
    return [upper_bound(extent) for extent in reversed(buffer.shape)]


def _gather(node: Expr, scale: int, into: dict[int, tuple[Expr, int]]) -> None:
    pending = [(node, scale)]
    while pending:
        node, scale = pending.pop()
        if isinstance(node, Const):
            continue
        if isinstance(node, Binary) and node.op in "+-":
            pending += [(node.b, scale if node.op == "+" else -scale), (node.a, scale)]
        elif isinstance(node, Binary) and node.op == "*" and isinstance(node.b, Const):
            pending.append((node.a, scale * int(node.b.value)))
        elif isinstance(node, Binary) and node.op == "*" and isinstance(node.a, Const):
            pending.append((node.b, scale * int(node.a.value)))
        elif isinstance(node, Cast):
            pending.append((node.value, scale))
        else:
            into[id(node)] = (node, into.get(id(node), (node, 0))[1] + scale)


@recursive
def _value(node: Expr, one: Var | None) -> int:
    """Evaluate an index expression with the variable `one` set to 1 and every other to 0."""
    if isinstance(node, Const):
        return int(node.value)
    if isinstance(node, Var):
        return int(node is one)
    if isinstance(node, Binary):
        a, b = _value(node.a, one), _value(node.b, one)
        if node.op in ("//", "%"):
            return (a // b if node.op == "//" else a % b) if b else 0
        if node.op in ("min", "max"):
            return min(a, b) if node.op == "min" else max(a, b)
        return {"+": a + b, "-": a - b, "*": a * b}.get(node.op, 0)
    if isinstance(node, Cast):
        return _value(node.value, one)
    if isinstance(node, Ramp):
        return _value(node.base, one)
    return 0


_COMPARISONS = frozenset(("<", "<=", ">", ">=", "==", "!=", "and", "or"))


def _count(node: Expr, operations: Operations, loads: list[Load]) -> None:
    """Count operations and collect loads of a value, but for those in indices."""
    pending = [node]
    while pending:
        node = pending.pop()
        if isinstance(node, Load):
            loads.append(node)
            continue
        if isinstance(node, Binary):
            if node.op in _COMPARISONS:
                operations.compare += 1
            elif not is_float(node.dtype):
                operations.integer += 1
            elif node.op == "*":
                operations.mul += 1
            elif node.op == "/":
                operations.div += 1
            else:
                operations.add += 1
        elif isinstance(node, Select) or (isinstance(node, Call) and node.name == "if_then_else"):
            operations.select += 1
        elif isinstance(node, Call):
            operations.math += 1
        elif isinstance(node, Not):
            operations.compare += 1
        pending += list(_operands(node))[::-1]


def _operands(node: Any) -> Iterator[Expr]:
    return (child for child in children(node) if isinstance(child, Expr))

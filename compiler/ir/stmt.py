"""Statements of the loop IR.

The grammar of statements::

    stmt := For(var, extent, kind, body, pragmas)    var runs over 0 .. extent - 1
          | Store(buffer, indices, value)
          | If(condition, then, otherwise)
          | Seq(stmts)
          | Allocate(buffer, body, pragmas)          the buffer exists while the body runs
          | Let(var, value, body)                    the value has a name in the body
          | Prefetch(buffer, indices)                a hint that the element is read soon
          | Barrier(scope)                           waits for all threads of the block
          | Copy(target, source, before, after, fill)    copies a region and pads it
          | Token(action, source, target)            "push" or "pop" of a dependency of pipeline stages
          | Invoke(intrinsic, operands)              a tensor intrinsic (`compiler.ir.function`) on regions

    kind   := "serial" | "parallel" | "vectorize" | "unroll" | "vthread" | a tag of THREAD_TAGS
    region := Region(buffer, offset, extents, strides)    in elements of the row-major array
    pragma := (key, value)                                an option for a pass or a target
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from compiler.ir.compare import by_structure
from compiler.ir.expr import Buffer, Expr, Var
from compiler.ir.node import BINDS, Node

THREAD_TAGS = tuple(f"{level}Idx.{axis}" for level in ("block", "thread") for axis in "xyz")
LOOP_KINDS = ("serial", "parallel", "vectorize", "unroll", "vthread", *THREAD_TAGS)

Pragma = tuple[str, int | str | bool]


class Stmt(Node):
    """Base of all statements."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class For(Stmt):
    """A loop of `extent` iterations that counts from zero; `kind` is how the iterations may run.

    The iterations of loops with a tag of `THREAD_TAGS` run concurrently. A store by one iteration of
    ``threadIdx`` to memory outside of the loop is visible to the others after the next `Barrier`; iterations
    of ``blockIdx`` exchange no data.
    """

    var: Var = field(metadata=BINDS)
    extent: Expr
    kind: str
    body: Stmt
    pragmas: tuple[Pragma, ...] = ()


@dataclass(frozen=True, slots=True)
class Store(Stmt):
    """Stores a value to an element of a buffer, or a vector to several."""

    buffer: Buffer
    indices: tuple[Expr, ...]
    value: Expr


@dataclass(frozen=True, slots=True)
class If(Stmt):
    """A branch; `otherwise` may be absent."""

    condition: Expr
    then: Stmt
    otherwise: Stmt | None = None


@dataclass(frozen=True, slots=True)
class Seq(Stmt):
    """Statements that run in order. The empty sequence does nothing."""

    stmts: tuple[Stmt, ...]


@dataclass(frozen=True, slots=True)
class Allocate(Stmt):
    """Allocates a buffer for `body`; its elements are undefined until they are stored."""

    buffer: Buffer = field(metadata=BINDS)
    body: Stmt
    pragmas: tuple[Pragma, ...] = ()


@dataclass(frozen=True, slots=True)
class Let(Stmt):
    """Binds `var` in `body` to `value`, which is evaluated once, before `body`; it may be a vector."""

    var: Var = field(metadata=BINDS)
    value: Expr
    body: Stmt


@dataclass(frozen=True, slots=True)
class Prefetch(Stmt):
    """A hint that an element of a buffer is read soon; the index may be out of bounds."""

    buffer: Buffer
    indices: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Barrier(Stmt):
    """All threads of a block wait here for each other; their stores to `scope` are then visible to all."""

    scope: str = "shared"


@dataclass(frozen=True, slots=True)
class Region(Node):
    """A strided box of elements of a buffer.

    Element ``(i, j, ...)`` is at row-major position ``offset + i * strides[0] + j * strides[1] + ...``.
    """

    buffer: Buffer
    offset: Expr
    extents: tuple[int, ...]
    strides: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Copy(Stmt):
    """Copies `source` to `target` with padding, as a strided DMA does.

    Along axis d, `target` has ``before[d]`` elements `fill`, then those of `source`, then ``after[d]``
    elements `fill`; so its extent is ``before[d] + source.extents[d] + after[d]``.
    """

    target: Region
    source: Region
    before: tuple[Expr, ...]
    after: tuple[Expr, ...]
    fill: Expr


@dataclass(frozen=True, slots=True)
class Token(Stmt):
    """A dependency between two pipeline stages of an accelerator.

    The stage `source` pushes a token to the stage `target`, which waits for it when it pops. `action` is
    ``"push"`` or ``"pop"``.
    """

    action: str
    source: str
    target: str


for _node in (For, Store, If, Seq, Allocate, Let, Prefetch, Region, Copy):
    by_structure(_node)


def sequence(stmts: Iterable[Stmt]) -> Stmt:
    """`stmts` as one statement: a flat sequence, or the statement itself if there is only one."""
    flat: list[Stmt] = []
    for stmt in stmts:
        flat.extend(stmt.stmts if isinstance(stmt, Seq) else (stmt,))
    return flat[0] if len(flat) == 1 else Seq(tuple(flat))


def unnested(stmt: Stmt) -> tuple[list[Allocate], list[Stmt]]:
    """The allocations of a block, and its statements without those allocations around them, both in order.

    ::

        Seq(a, Allocate(B, Seq(b, Allocate(C, c))), d)   ->   [B, C], [a, b, c, d]
    """
    allocations: list[Allocate] = []
    stmts: list[Stmt] = []
    pending = [stmt]
    while pending:
        part = pending.pop()
        if isinstance(part, Allocate):
            allocations.append(part)
            pending.append(part.body)
        elif isinstance(part, Seq):
            pending += part.stmts[::-1]
        else:
            stmts.append(part)
    return allocations, stmts

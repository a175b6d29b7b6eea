"""Statements of the loop IR.

The whole grammar of statements::

    stmt := For(var, extent, kind, body, pragmas)    var runs over 0 .. extent - 1
          | Store(buffer, indices, value)
          | If(condition, then, otherwise)
          | Seq(stmts)
          | Allocate(buffer, body, pragmas)          the buffer lives as long as the body runs
          | Let(var, value, body)                    a value with a name
          | Prefetch(buffer, indices)                a hint: the element is read soon
          | Barrier(scope)                           all threads of the block have come this far
          | Copy(target, source, before, after, fill)    memory moved, with a margin filled around it
          | Invoke(intrinsic, operands)              a declared tensor intrinsic on regions of buffers
          | Token(action, source, target)            "push" or "pop" of a dependency of pipeline stages

    kind   := "serial" | "parallel" | "vectorize" | "unroll" | "vthread" | a tag of THREAD_TAGS
    region := Region(buffer, offset, extents, strides)    in elements of the row-major array
    pragma := (key, value)                                what a pass or a target is told; no meaning itself
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

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
    """A loop of `extent` iterations from zero; `kind` says how they may run.

    The iterations of loops with a tag of `THREAD_TAGS` run side by side: those of ``threadIdx`` see one
    another's stores to memory outside of the loop behind the next `Barrier`, those of ``blockIdx`` never do.
    """

    var: Var = field(metadata=BINDS)
    extent: Expr
    kind: str
    body: Stmt
    pragmas: tuple[Pragma, ...] = ()


@dataclass(frozen=True, slots=True)
class Store(Stmt):
    """One element of a buffer is set (several when the last index is a vector)."""

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
    """Statements one after another. The empty sequence does nothing."""

    stmts: tuple[Stmt, ...]


@dataclass(frozen=True, slots=True)
class Allocate(Stmt):
    """A buffer of its own for the time of `body`."""

    buffer: Buffer = field(metadata=BINDS)
    body: Stmt
    pragmas: tuple[Pragma, ...] = ()


@dataclass(frozen=True, slots=True)
class Let(Stmt):
    """`var` stands for `value`, which is evaluated once, while `body` runs; `var` may be a vector."""

    var: Var = field(metadata=BINDS)
    value: Expr
    body: Stmt


@dataclass(frozen=True, slots=True)
class Prefetch(Stmt):
    """A hint that an element of a buffer is read soon; an index outside of the shape does no harm."""

    buffer: Buffer
    indices: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Barrier(Stmt):
    """The threads of a block wait for one another here; `scope` is the memory that they see then."""

    scope: str = "shared"


@dataclass(frozen=True, slots=True)
class Region(Node):
    """A rectangle of a buffer: element ``(i, j, ...)`` is at row-major position
    ``offset + i * strides[0] + j * strides[1] + ...``.
    """

    buffer: Buffer
    offset: Expr
    extents: tuple[int, ...]
    strides: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class Copy(Stmt):
    """`source` is written into `target`, moved by `before`, and `fill` around it: a strided DMA with margins.

    Along axis d the extent of `target` is ``before[d] + source.extents[d] + after[d]``.
    """

    target: Region
    source: Region
    before: tuple[Expr, ...]
    after: tuple[Expr, ...]
    fill: Expr


@dataclass(frozen=True, slots=True)
class Token(Stmt):
    """A dependency of two pipeline stages of an accelerator: a pop waits for the push that it answers."""

    action: str
    source: str
    target: str


def sequence(stmts: Iterable[Stmt]) -> Stmt:
    """`stmts` as one statement: nested sequences are joined, and one alone stands for itself."""
    flat: list[Stmt] = []
    for stmt in stmts:
        flat.extend(stmt.stmts if isinstance(stmt, Seq) else (stmt,))
    return flat[0] if len(flat) == 1 else Seq(tuple(flat))


def opened(stmt: Stmt) -> tuple[list[Allocate], list[Stmt]]:
    """The allocations of a block in order, without their bodies' nesting, and the statements inside of them.

    ::

        Seq(a, Allocate(B, Seq(b, Allocate(C, c))), d)   ->   [B, C], [a, b, c, d]
    """
    if isinstance(stmt, Allocate):
        allocations, stmts = opened(stmt.body)
        return [stmt, *allocations], stmts
    if not isinstance(stmt, Seq):
        return [], [stmt]
    parts = [opened(part) for part in stmt.stmts]
    return [a for part, _ in parts for a in part], [s for _, part in parts for s in part]

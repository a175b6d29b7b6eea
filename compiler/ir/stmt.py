"""Statements of the loop IR.

The whole grammar of statements::

    stmt := For(var, extent, kind, body)             var runs over 0 .. extent - 1
          | Store(buffer, indices, value)
          | If(condition, then, otherwise)
          | Seq(stmts)
          | Allocate(buffer, body)                   the buffer lives as long as the body runs

    kind := "serial" | "parallel" | "vectorize" | "unroll"
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from compiler.ir.expr import Expr, Var

if TYPE_CHECKING:
    from compiler.ir.function import Buffer

LOOP_KINDS = ("serial", "parallel", "vectorize", "unroll")


class Stmt:
    """Base of all statements."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class For(Stmt):
    """A loop of `extent` iterations from zero; `kind` says how they may run."""

    var: Var
    extent: Expr
    kind: str
    body: Stmt


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

    buffer: Buffer
    body: Stmt


def sequence(stmts: Iterable[Stmt]) -> Stmt:
    """`stmts` as one statement: nested sequences are joined, and one alone stands for itself."""
    flat: list[Stmt] = []
    for stmt in stmts:
        flat.extend(stmt.stmts if isinstance(stmt, Seq) else (stmt,))
    return flat[0] if len(flat) == 1 else Seq(tuple(flat))

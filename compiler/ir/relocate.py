"""Buffers that move: into a part of a larger one, or into the place of another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from compiler.ir.expr import Const, Expr, Load, Ramp, binary
from compiler.ir.function import Buffer
from compiler.ir.semantics.access import position, widened
from compiler.ir.stmt import Prefetch, Region, Stmt, Store
from compiler.ir.visit import Rewriter


def relocate(node: Any, moves: Mapping[Buffer, tuple[Buffer, Expr]]) -> Any:
    """`node` with each buffer of `moves` found in another one, so many elements behind its beginning."""
    return _Relocate(moves)(node) if moves else node


def shifted(index: Expr, by: Expr) -> Expr:
    """An index, or a ramp of them, moved by a scalar."""
    if by == Const(0, by.dtype):
        return index
    if isinstance(index, Ramp):
        base = shifted(index.base, by)
        return Ramp(base, in_type(index.stride, base.dtype), index.lanes)
    return by if index == Const(0, index.dtype) else binary("+", widened(index), by)


def in_type(index: Expr, dtype: str) -> Expr:
    """An index in another type, which holds it."""
    return Const(index.value, dtype) if isinstance(index, Const) else index.astype(dtype)


class _Relocate(Rewriter):
    def __init__(self, moves: Mapping[Buffer, tuple[Buffer, Expr]]) -> None:
        self.moves = moves

    def moved(self, buffer: Buffer, indices: tuple[Expr, ...]) -> tuple[Buffer, tuple[Expr, ...]]:
        new, by = self.moves[buffer]
        return new, (shifted(position(buffer, indices), by),)

    def _load(self, node: Load) -> Expr:
        inner = self.descend(node)
        return Load(*self.moved(node.buffer, inner.indices)) if node.buffer in self.moves else inner

    def _store(self, node: Store) -> Stmt:
        inner = self.descend(node)
        if node.buffer not in self.moves:
            return inner
        return Store(*self.moved(node.buffer, inner.indices), inner.value)

    def _prefetch(self, node: Prefetch) -> Stmt:
        inner = self.descend(node)
        return Prefetch(*self.moved(node.buffer, inner.indices)) if node.buffer in self.moves else inner

    def _region(self, node: Region) -> Region:
        inner = self.descend(node)
        if node.buffer not in self.moves:
            return inner
        new, by = self.moves[node.buffer]
        return Region(new, shifted(inner.offset, by), inner.extents, inner.strides)

    rules = {Load: _load, Store: _store, Prefetch: _prefetch, Region: _region}

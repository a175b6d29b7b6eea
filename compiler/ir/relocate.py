"""Replacement of buffers by others: at the same indices, or at an offset in a larger one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from compiler.ir.address import position, shifted, widened
from compiler.ir.expr import Buffer, Expr, Load
from compiler.ir.stmt import Prefetch, Region, Stmt, Store
from compiler.ir.visit import Rewriter


def with_buffers(node: Any, buffers: Mapping[Buffer, Buffer]) -> Any:
    """`node` with each buffer of `buffers` replaced by another one, at the same indices."""
    return _Replace(buffers)(node) if buffers else node


class _Replace(Rewriter):
    def __init__(self, buffers: Mapping[Buffer, Buffer]) -> None:
        self.buffers = buffers

    def __call__(self, node: Any) -> Any:
        inner = super().__call__(node)
        new = self.buffers.get(inner.buffer) if hasattr(inner, "buffer") else None
        return inner if new is None else replace(inner, buffer=new)


def relocate(node: Any, moves: Mapping[Buffer, tuple[Buffer, Expr]]) -> Any:
    """`node` with each buffer of `moves` replaced by a part of another one.

    Parameters
    ----------
    node : Expr or Stmt
    moves : mapping of Buffer to (Buffer, Expr)
        Old buffer -> the new one, and the row-major position in it of the first element of the old one.
    """
    return _Relocate(moves)(node) if moves else node


class _Relocate(Rewriter):
    def __init__(self, moves: Mapping[Buffer, tuple[Buffer, Expr]]) -> None:
        self.moves = moves

    def moved(self, buffer: Buffer, indices: tuple[Expr, ...]) -> tuple[Buffer, tuple[Expr, ...]]:
        new, by = self.moves[buffer]
        return new, (shifted(widened(position(buffer, indices), new.size), by),)

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
        return Region(new, shifted(widened(inner.offset, new.size), by), inner.extents, inner.strides)

    rules = {Load: _load, Store: _store, Prefetch: _prefetch, Region: _region}

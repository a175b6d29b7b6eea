"""Storage flattening: every access has a single row-major index."""

from __future__ import annotations

from compiler.ir.address import position
from compiler.ir.expr import Buffer, Expr, Load
from compiler.ir.function import PrimFunc
from compiler.ir.stmt import Allocate, Prefetch, Region, Stmt, Store
from compiler.ir.visit import Rewriter


def flatten(func: PrimFunc) -> PrimFunc:
    """Replace the indices of each access by the row-major position.

    ::

        A[i, j]   ->   A[i * 64 + j]        for A: float32[32, 64]

    Parameters keep their shapes, which the arrays of a call are checked against. Allocated buffers become
    one-dimensional.
    """
    return func.with_body(_Flatten()(func.body))


class _Flatten(Rewriter):
    def __init__(self) -> None:
        self.flat: dict[Buffer, Buffer] = {}

    def _load(self, node: Load) -> Expr:
        inner = self.descend(node)
        buffer, old = self.flat.get(node.buffer, node.buffer), node.buffer
        if len(inner.indices) == 1 and buffer is old:
            return inner
        return Load(buffer, (position(old, inner.indices),))

    def _store(self, node: Store) -> Stmt:
        inner = self.descend(node)
        buffer, old = self.flat.get(node.buffer, node.buffer), node.buffer
        if len(inner.indices) == 1 and buffer is old:
            return inner
        return Store(buffer, (position(old, inner.indices),), inner.value)

    def _allocate(self, node: Allocate) -> Stmt:
        old = node.buffer
        if len(old.shape) == 1:
            return self.descend(node)
        self.flat[old] = Buffer(old.name, (old.size,), old.dtype, old.scope)
        return Allocate(self.flat[old], self(node.body), node.pragmas)

    def _prefetch(self, node: Prefetch) -> Stmt:
        inner = self.descend(node)
        buffer = self.flat.get(node.buffer, node.buffer)
        if len(inner.indices) == 1 and buffer is node.buffer:
            return inner
        return Prefetch(buffer, (position(node.buffer, inner.indices),))

    def _region(self, node: Region) -> Region:
        inner = self.descend(node)  # a region counts in row-major positions already
        buffer = self.flat.get(node.buffer)
        return inner if buffer is None else Region(buffer, inner.offset, inner.extents, inner.strides)

    rules = {Load: _load, Store: _store, Allocate: _allocate, Prefetch: _prefetch, Region: _region}

"""Prefetch insertion: an iteration prefetches what a later one reads."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from compiler.ir.address import in_type, position, widened
from compiler.ir.dtype import bits_of, lanes_of
from compiler.ir.expr import Buffer, Const, Expr, Load, Var, binary
from compiler.ir.function import PrimFunc
from compiler.ir.node import Node
from compiler.ir.simplify.simplify import Interval, Simplifier
from compiler.ir.stmt import For, Prefetch, Stmt, Store, sequence
from compiler.ir.visit import Rewriter, children, substitute, walk

PRAGMA = "prefetch"
"""Key of the pragma, ``prefetch:<name of the buffer>``; its value is the number of iterations ahead."""

LINE_BYTES = 64
"""Bytes of a cache line, which one prefetch loads."""

LINE_LIMIT = 64
"""The maximum number of cache lines that one iteration prefetches."""


def inject_prefetch(func: PrimFunc) -> PrimFunc:
    """Prefetch, at the beginning of each iteration, the elements of a buffer that a later one reads.

    ::

        for i in range(8, pragmas={"prefetch:A": 2}):          for i in range(8):
            for j in range(32):                       ->           prefetch(A[(i + 2) * 32])
                C[i * 32 + j] = A[i * 32 + j]                      prefetch(A[(i + 2) * 32 + 16])
                                                                   for j in range(32):
                                                                       C[i * 32 + j] = A[i * 32 + j]

    There is one prefetch per cache line that the inner loops read, at most `LINE_LIMIT`. An index may be out
    of bounds.
    """
    marked = any(type(n) is For and any(_name(p) is not None for p in n.pragmas) for n in walk(func.body))
    return func.with_body(_Inject()(func.body)) if marked else func


def _name(pragma: tuple) -> str | None:
    key, _, name = pragma[0].partition(":")
    return name if key == PRAGMA else None


class _Inject(Rewriter):
    def _for(self, node: For) -> Stmt:
        inner = self.descend(node)
        requested = [(name, int(p[1])) for p in inner.pragmas if (name := _name(p)) is not None]
        if not requested:
            return inner
        hints: list[Stmt] = []
        for name, ahead in requested:
            hints += [_later(hint, inner, ahead) for hint in _touched(node.body, name)]
        rest = tuple(p for p in inner.pragmas if _name(p) is None)
        return For(inner.var, inner.extent, inner.kind, sequence((*hints, inner.body)), rest)

    rules = {For: _for, Store: lambda self, node: node}


def _later(hint: Prefetch, loop: For, ahead: int) -> Stmt:
    """A prefetch of what an iteration `ahead` reads.

    An index that is read from memory is that of the last iteration if there is no such iteration.
    """
    later = binary("+", widened(loop.var), ahead)
    if later.dtype != loop.var.dtype or any(type(node) is Load for node in walk(hint)):
        later = in_type(binary("min", later, binary("-", widened(loop.extent), 1)), loop.var.dtype)
    return substitute(hint, {loop.var: later})


def _touched(body: Stmt, name: str) -> list[Prefetch]:
    """One prefetch per cache line that `body` reads of buffers of this name, in the order of the reads."""
    hints: dict[Prefetch, None] = {}
    for buffer, index, loops in _loads(body, name, {}):
        ranges: dict[Var, Interval] = {var: (0, extent - 1) for var, extent in loops.items()}
        total = Simplifier(ranges).sum_of(index)
        line = max(1, LINE_BYTES * 8 // bits_of(buffer.dtype))
        steps = [(abs(total.terms.get(var, 0)), extent) for var, extent in loops.items()]
        near = sum(step * (extent - 1) for step, extent in steps if step < line)
        far = [range(0, step * extent, step) for step, extent in steps if step >= line]
        first = substitute(index, {var: Const(0, var.dtype) for var in loops})
        for offsets in product(*far, range(0, near + 1, line)):
            if len(hints) == LINE_LIMIT:
                break
            hints[Prefetch(buffer, (binary("+", first, sum(offsets)),))] = None
    return list(hints)


def _loads(node: Node, name: str, loops: dict[Var, int]) -> Iterator[tuple[Buffer, Expr, dict[Var, int]]]:
    """The loads from buffers of this name, each with the enclosing loops of constant extent."""
    pending = [(node, loops)]
    while pending:
        node, loops = pending.pop()
        if type(node) is For and type(node.extent) is Const:
            loops = loops | {node.var: int(node.extent.value)}
        if type(node) is Load and node.buffer.name == name:
            index = position(node.buffer, node.indices)
            if lanes_of(index.dtype) == 1:
                yield node.buffer, index, loops
        pending += [(child, loops) for child in reversed(children(node))]

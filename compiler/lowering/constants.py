"""Constant arguments: the stages that depend on them alone become a program that runs once, before all calls.

The weights of a network do not change from call to call, but a fast program needs them packed, transposed or
transformed. A schedule has stages for that, as for any other input; `split_constants` separates those stages
from the rest of the loop nest.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from compiler.ir.expr import Buffer, Load
from compiler.ir.function import PrimFunc
from compiler.ir.node import Node
from compiler.ir.recursion import Recursive, counted
from compiler.ir.stmt import Allocate, Seq, Stmt, Store, sequence
from compiler.ir.visit import walk


def split_constants(func: PrimFunc, constants: Collection[Buffer]) -> tuple[PrimFunc, PrimFunc]:
    """Split a loop nest into the stages that depend on constants alone, and the rest.

    ::

        def main(A, W, C):                            def main_prepare(W, packed):
            packed = allocate(...)                        packed[...] = W[...]
            packed[...] = W[...]               ->
            C[...] = A[...] * packed[...]             def main(A, C, packed):
                                                          C[...] = A[...] * packed[...]

    Parameters
    ----------
    func : PrimFunc
        A loop nest, before the passes.
    constants : collection of Buffer
        Parameters of `func` whose elements are the same in every call.

    Returns
    -------
    prepare : PrimFunc
        Its parameters are the constants it reads, and the buffers that it fills.
    main : PrimFunc
        The parameters of `func` without the constants that it no longer reads, then the filled buffers.
    """
    split = _Split(constants)
    rest = split.statement(func.body)
    read = _touched(rest)[0]
    params = tuple(b for b in func.params if b not in split.known or b in read)
    used = _touched(Seq(tuple(split.prepared)))[0]
    sources = tuple(b for b in func.params if b in constants and b in used)
    prepare = PrimFunc(f"{func.name}_prepare", sources + tuple(split.filled), sequence(split.prepared))
    return prepare, PrimFunc(func.name, params + tuple(split.filled), rest)


class _Split(Recursive):
    """Traverses the chain of allocations of a nest, and removes the stages that read constants alone."""

    def __init__(self, constants: Collection[Buffer]) -> None:
        self.known = set(constants)
        self.filled: list[Buffer] = []
        self.prepared: list[Stmt] = []

    @counted
    def statement(self, node: Stmt) -> Stmt:
        if isinstance(node, Seq):
            return sequence(self.statement(stmt) for stmt in node.stmts)
        if not isinstance(node, Allocate):
            return node
        stmts = node.body.stmts if isinstance(node.body, Seq) else (node.body,)
        count = self.producers(node.buffer, stmts)
        if not count:
            return Allocate(node.buffer, self.statement(node.body), node.pragmas)
        self.known.add(node.buffer)
        self.filled.append(node.buffer)
        self.prepared.extend(stmts[:count])
        return self.statement(sequence(stmts[count:]))

    def producers(self, buffer: Buffer, stmts: Sequence[Stmt]) -> int:
        """How many leading statements fill `buffer` from constants alone; 0 if others store to it too."""
        if buffer.scope != "global":
            return 0
        touched = [_touched(stmt) for stmt in stmts]
        count = next((i for i, (_, stored) in enumerate(touched) if stored != {buffer}), len(stmts))
        if any(buffer in stored for _, stored in touched[count:]):
            return 0
        return count if all(read <= {*self.known, buffer} for read, _ in touched[:count]) else 0


def _touched(node: Node) -> tuple[set[Buffer], set[Buffer]]:
    """The buffers that are read, and those that are stored to."""
    read, stored = set(), set()
    for inner in walk(node):
        if isinstance(inner, Load):
            read.add(inner.buffer)
        elif isinstance(inner, Store):
            stored.add(inner.buffer)
    return read, stored

"""What LLVM is told about a loop."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from compiler.backend.llvm.writer import Wide
from compiler.ir.expr import Broadcast, Buffer, Call, Cast, Const, Expr, Load, Ramp, Select, Var
from compiler.ir.function import Invoke
from compiler.ir.stmt import Allocate, For, Let, Stmt, Store
from compiler.ir.visit import children, walk
from compiler.passes.split_registers import PRAGMA

WRITTEN_OUT = 8
"""Stores of a loop's body that a schedule has written out: LLVM is not asked to do better."""

# pragma -> the hint for True, for False, and for a number
_PRAGMAS = {
    "unroll": (
        '!"llvm.loop.unroll.enable"',
        '!"llvm.loop.unroll.disable"',
        '!"llvm.loop.unroll.count", i32 {}',
    ),
    "vectorize": (
        '!"llvm.loop.vectorize.enable", i1 true',
        '!"llvm.loop.vectorize.enable", i1 false',
        '!"llvm.loop.vectorize.width", i32 {}',
    ),
    "interleave": (
        '!"llvm.loop.interleave.count", i32 0',
        '!"llvm.loop.interleave.count", i32 1',
        '!"llvm.loop.interleave.count", i32 {}',
    ),
}


@dataclass(frozen=True, slots=True)
class _Body:
    """What the hints for a loop follow from.

    Attributes
    ----------
    stores : int
        With its unrolled loops written out.
    vectors : bool
        Whether it works on vectors.
    moves : bool
        Whether all that it does is to move data.
    allocates : bool
    walked : frozenset of Var
        The variables that buffers which might live in registers are indexed by.
    """

    stores: int
    vectors: bool
    moves: bool
    allocates: bool
    walked: frozenset[Var]


class LoopHints:
    """The hints for the loops of one function, whose body it is given."""

    def __init__(self, body: Stmt) -> None:
        self._in_memory = {a.buffer for a in _allocations(body) if (PRAGMA, True) in a.pragmas}
        # by identity; the node is kept so that its id stays its own
        self._known: dict[int, tuple[Stmt, _Body]] = {}

    def of(self, node: For, extent: Wide) -> list[str]:
        """What LLVM is told about a loop.

        By its kind and its pragmas ``unroll``, ``vectorize``, ``interleave``: a number is that many copies,
        lanes or vectors at once; True asks LLVM to do it as it likes, and False forbids it. Without them by
        what the loop does: LLVM is not asked to improve on what a schedule has written out, which takes most
        of the time of a compilation.

        Raises
        ------
        ValueError
            For a value of a pragma that says nothing.
        """
        hints = []
        if node.kind == "unroll":
            hints.append(f'!{{!"llvm.loop.unroll.{"full" if extent.is_literal else "enable"}"}}')
        for key, value in node.pragmas:
            hint = _PRAGMAS.get(key)
            if hint is None:  # a pass has done what it says
                continue
            if not isinstance(value, int) or value < 0:
                raise ValueError(
                    f"the pragma {key!r} of the loop over {node.var.name!r} is a positive number, True or "
                    f"False, not {value!r}"
                )
            hints.append(f"!{{{hint[0 if value is True else 1 if value is False else 2].format(value)}}}")
        body = self._body(node.body)
        if hints or node.var in body.walked:  # a buffer that is walked over lives in registers if unrolled
            return hints
        if body.vectors or body.stores >= WRITTEN_OUT:
            hints += ['!{!"llvm.loop.vectorize.enable", i1 false}', '!{!"llvm.loop.unroll.disable"}']
        elif body.moves:  # memory sets its pace
            hints.append('!{!"llvm.loop.unroll.disable"}')
        if body.allocates:
            # addresses are outside already, and sums of an iteration stay in it: nothing is left to be
            # moved, but LLVM compares all accesses of all tiles with each other before it knows
            hints.append('!{!"llvm.licm.disable"}')
        return hints

    def _may_be_held(self, buffer: Buffer) -> bool:
        return buffer.scope == "local" and buffer not in self._in_memory

    def _body(self, node: Stmt) -> _Body:
        known = self._known.get(id(node))
        if known is None:
            known = self._known[id(node)] = (node, self._look(node))
        return known[1]

    def _look(self, node: Stmt) -> _Body:
        parts = [self._body(child) for child in children(node) if isinstance(child, Stmt)]
        vectors, walked = False, set()
        for outside in [node] if not parts else [c for c in children(node) if not isinstance(c, Stmt)]:
            for below in walk(outside):
                vectors = vectors or type(below) is Ramp
                if isinstance(below, (Load, Store)) and self._may_be_held(below.buffer):
                    walked |= {n for index in below.indices for n in walk(index) if type(n) is Var}
        stores = int(type(node) is Store) + sum(part.stores for part in parts)
        if isinstance(node, For) and node.kind == "unroll" and type(node.extent) is Const:
            stores *= int(node.extent.value)
        return _Body(
            stores,
            vectors or any(part.vectors for part in parts),
            type(node) not in (Let, Invoke)
            and (type(node) is not Store or _is_moved(node.value))
            and all(part.moves for part in parts),
            type(node) is Allocate or any(part.allocates for part in parts),
            frozenset(walked).union(*(part.walked for part in parts)),
        )


def _allocations(node: Stmt) -> Iterator[Allocate]:
    if isinstance(node, Allocate):
        yield node
    for child in children(node):
        if isinstance(child, Stmt):
            yield from _allocations(child)


def _is_moved(value: Expr) -> bool:
    kind = type(value)
    if kind is Select or kind is Call:
        arms = (value.a, value.b) if kind is Select else value.args[1:]  # type: ignore[attr-defined]
        return (kind is Select or value.name == "if_then_else") and all(map(_is_moved, arms))  # type: ignore[attr-defined]
    if kind is Cast or kind is Broadcast:
        return _is_moved(value.value)  # type: ignore[attr-defined]
    return kind is Load or kind is Const or kind is Var

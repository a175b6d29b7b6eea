"""`code_size`: how many operations the code of a program has, with its unrolled loops written out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from compiler.ir.dtype import bits_of, lanes_of, scalar_of
from compiler.ir.expr import Call, Const, Expr, Load
from compiler.ir.function import Invoke
from compiler.ir.recursion import recursive
from compiler.ir.stmt import For, Stmt, Store
from compiler.ir.visit import children

PRAGMA = "auto_unroll"
"""Key of a pragma of loops; its value is the maximum number of stores of an unrolled loop."""

STORE_LIMIT = 2048
"""Maximum number of stores of a function, a vector counting as one. LLVM compares the accesses of a function
with each other, so its time grows with the square of their number, to several seconds for so many. Programs
with large register tiles have some hundreds.
"""

OPERATION_LIMIT = 50_000
"""Maximum number of operations of a function, see `CodeSize`."""

LANE_LIMIT = 4096
"""Maximum number of lanes of a vector: the time of LLVM grows with the square of the width of its types."""

VECTOR_BITS = 512
"""Bits of a vector operation where the target is not known."""

# operations of a function such as an exponential, whose polynomial is written out
_FUNCTION = 16
_CHEAP_CALLS = ("if_then_else",)


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop that is written out: its variable's name, its extent, and its kind."""

    name: str
    extent: int
    kind: str

    def __str__(self) -> str:
        return f"{self.name!r} ({self.kind}, {self.extent})"


@dataclass(frozen=True, slots=True)
class CodeSize:
    """The size of the code of a statement.

    Attributes
    ----------
    stores : int
        Stores, a vector counting as one.
    operations : int
        Loads, stores, arithmetic and comparisons, in vector registers; addresses are not counted.
    loops : tuple of Loop
        The unrolled and vectorized loops around the store with the most operations, outermost first.
    """

    stores: int = 0
    operations: int = 0
    loops: tuple[Loop, ...] = ()


def excess(size: CodeSize) -> str:
    """Return how a size exceeds `STORE_LIMIT` or `OPERATION_LIMIT`, in words; empty if it does not."""
    if size.stores > STORE_LIMIT:
        return f"{size.stores} stores, more than {STORE_LIMIT}"
    if size.operations > OPERATION_LIMIT:
        return f"about {size.operations} operations, more than {OPERATION_LIMIT}"
    return ""


def code_size(stmt: Stmt, *, vector_bits: int = VECTOR_BITS, limit: int | None = None) -> CodeSize:
    """Return the size of the code of a statement before or after its loops are vectorized and unrolled.

    Linear in the number of nodes of the statement, which has each loop once.

    Parameters
    ----------
    stmt : Stmt
    vector_bits : int
        Width of a vector register.
    limit : int, optional
        Maximum number of stores of an unrolled loop, see `compiler.passes.unroll`; a loop that would have
        more stays a loop. By default there is none.
    """
    return _size(stmt, 1, 0, vector_bits, limit)


@recursive
def _size(stmt: Stmt, lanes: int, serial: int, bits: int, limit: int | None) -> CodeSize:
    """The size of a statement in vectorized loops of so many lanes; `serial` is the limit of serial loops."""
    if isinstance(stmt, Store):
        return CodeSize(1, _operations(stmt, lanes, bits))
    if isinstance(stmt, Invoke):
        return CodeSize(1, 1)
    if not isinstance(stmt, For):
        return _together(
            _size(child, lanes, serial, bits, limit) for child in children(stmt) if isinstance(child, Stmt)
        )
    for key, value in stmt.pragmas:
        if key == PRAGMA:
            serial = int(value)
    count = int(stmt.extent.value) if isinstance(stmt.extent, Const) else 1
    if stmt.kind == "vectorize":
        inner = _size(stmt.body, lanes * max(count, 1), serial, bits, limit)
        return replace(inner, loops=(Loop(stmt.var.name, count, stmt.kind), *inner.loops))
    inner = _size(stmt.body, lanes, serial, bits, limit)
    most = limit if stmt.kind == "unroll" else serial if stmt.kind == "serial" else 0
    if count < 2 or most == 0 or (most is not None and count * inner.stores > most):
        return inner
    loop = Loop(stmt.var.name, count, stmt.kind)
    return CodeSize(count * inner.stores, count * inner.operations, (loop, *inner.loops))


def _together(parts: Iterator[CodeSize]) -> CodeSize:
    found = list(parts)
    if len(found) == 1:
        return found[0]
    largest = max(found, key=lambda part: part.operations, default=CodeSize())
    return CodeSize(sum(p.stores for p in found), sum(p.operations for p in found), largest.loops)


def _operations(store: Store, lanes: int, vector_bits: int) -> int:
    count, widest = 1, lanes_of(store.value.dtype)
    bits = 1
    pending: list[Expr] = [store.value]
    while pending:
        node = pending.pop()
        bits = max(bits, bits_of(scalar_of(node.dtype)))
        widest = max(widest, lanes_of(node.dtype))
        if isinstance(node, Call) and node.name not in _CHEAP_CALLS:
            count += _FUNCTION
        below = [c for c in children(node) if isinstance(c, Expr)]
        if below:  # neither a literal nor a variable
            count += 1
        if not isinstance(node, Load):  # the indices of a load are addresses
            pending += below
    return count * max(1, -(-lanes * widest * bits // max(vector_bits, bits)))

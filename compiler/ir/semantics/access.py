"""The buffer accesses of a piece of a program: elements and regions that it reads and writes."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass
from math import isnan
from typing import Any

from compiler.ir.address import position
from compiler.ir.dtype import lanes_of
from compiler.ir.expr import Buffer, Call, Const, Expr, Load, Ramp, Var
from compiler.ir.foreign import is_foreign
from compiler.ir.function import Intrinsic, Invoke
from compiler.ir.node import Node
from compiler.ir.recursion import recursive
from compiler.ir.simplify.simplify import UNKNOWN, Interval, Simplifier
from compiler.ir.stmt import Copy, For, Region, Stmt, Store
from compiler.ir.visit import children, walk


@dataclass(frozen=True, slots=True)
class Access:
    """One read or write of a buffer in the text of a program.

    Attributes
    ----------
    buffer : Buffer
    writes : bool
        Whether it stores; otherwise it loads.
    where : tuple of Expr or Region
        The indices of an element, or the region.
    """

    buffer: Buffer
    writes: bool
    where: tuple[Expr, ...] | Region

    def span(self, simplifier: Simplifier) -> Interval:
        """An interval that contains all row-major positions accessed, given the ranges of the variables."""
        if isinstance(self.where, Region):
            offset, steps = self.where.offset, list(zip(self.where.extents, self.where.strides, strict=True))
        else:
            offset, steps = position(self.buffer, self.where), []
            if isinstance(offset, Ramp):
                steps, offset = [(offset.lanes, offset.stride)], offset.base
        if lanes_of(offset.dtype) > 1:
            return UNKNOWN
        low, high = simplifier.bounds(simplifier(offset))
        for extent, stride in steps:
            ends = (0.0, *(step * (extent - 1) for step in simplifier.bounds(simplifier(stride))))
            low, high = low + min(ends), high + max(ends)
        return UNKNOWN if isnan(low) or isnan(high) else (low, high)


def accesses(node: Node) -> Iterator[Access]:
    """Every access in `node`; a prefetch is not an access."""
    for below in walk(node):
        rule = _ACCESSES.get(type(below))
        if rule is not None:
            yield from rule(below)


def reads(node: Node) -> set[Buffer]:
    """The buffers that `node` reads."""
    return {access.buffer for access in accesses(node) if not access.writes}


def writes(node: Node) -> set[Buffer]:
    """The buffers that `node` writes."""
    found: set[Buffer] = set()
    pending = [node]
    while pending:
        below = pending.pop()
        if type(below) is Store:  # most nodes are below stores
            found.add(below.buffer)
        elif type(below) in _ACCESSES:
            found |= {access.buffer for access in _ACCESSES[type(below)](below) if access.writes}
        elif isinstance(below, Stmt):
            pending += children(below)
    return found


def mentions(node: Node, variables: Container[Any]) -> bool:
    """Whether `node` uses one of `variables`."""
    return any(type(below) is Var and below in variables for below in walk(node))


@recursive
def expanded_stores(node: Node) -> int:
    """The number of stores in `node` with its unrolled loops expanded: the code size of a copy of it."""
    if type(node) is Store:
        return 1
    below = sum(expanded_stores(child) for child in children(node) if isinstance(child, Stmt))
    if type(node) is For and node.kind == "unroll" and type(node.extent) is Const:
        return int(node.extent.value) * below
    return below


def is_pure(expr: Expr) -> bool:
    """Whether `expr` may be evaluated anywhere: it reads no memory, and calls nothing."""
    return not any(type(n) is Load or (type(n) is Call and is_foreign(n.name)) for n in walk(expr))


def _invoked(node: Invoke) -> Iterator[Access]:
    stored, loaded = roles(node.intrinsic)
    for region, param in zip(node.operands, node.intrinsic.description.params, strict=True):
        if param in loaded:
            yield Access(region.buffer, False, region)
        if param in stored:
            yield Access(region.buffer, True, region)


def roles(intrinsic: Intrinsic) -> tuple[set[Buffer], set[Buffer]]:
    """The parameters that the description of an intrinsic writes, and those that it reads."""
    body = intrinsic.description.body
    return writes(body), reads(body)


_ACCESSES: dict[type, Callable[[Any], Any]] = {
    Load: lambda n: (Access(n.buffer, False, n.indices),),
    Store: lambda n: (Access(n.buffer, True, n.indices),),
    Copy: lambda n: (Access(n.source.buffer, False, n.source), Access(n.target.buffer, True, n.target)),
    Invoke: _invoked,
}

"""A `Copy` as plain loops, for machines without a DMA engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

from compiler.ir.dtype import INDEX
from compiler.ir.expr import Buffer, Const, Expr, Load, Var, as_expr, binary, conjunction, const
from compiler.ir.stmt import Allocate, Copy, For, If, Let, Region, Stmt, Store, sequence


def loops(node: Copy) -> Stmt:
    """Nested loops that are equivalent to a `Copy`.

    ::

        copy(region(T, 0, (4, 9), (9, 1)), region(S, 0, (3, 7), (7, 1)), before=(1, 1), after=(0, 1),
             fill=0.0)
             ->
        for y in range(4):
            if y >= 1 and y < 4:
                for x in range(1): T[y * 9 + x] = 0.0
                for x in range(7): T[y * 9 + 1 + x] = S[(y - 1) * 7 + x]
                for x in range(1): T[y * 9 + 8 + x] = 0.0
            else:
                for x in range(9): T[y * 9 + x] = 0.0

    A row is one loop without conditions, so that LLVM makes a memcpy or memset of each contiguous row. A copy
    within one buffer goes through a temporary, since all elements are read before the first is written.
    """
    if node.target.buffer is node.source.buffer:
        extents, dtype = node.source.extents, node.source.buffer.dtype
        between = Buffer("temporary", (prod(extents),), dtype, "local")
        compact = Region(
            between,
            Const(0),
            extents,
            tuple(Const(prod(extents[axis + 1 :])) for axis in range(len(extents))),
        )
        none = tuple(Const(0) for _ in extents)
        first = loops(Copy(compact, node.source, none, none, const(0, dtype)))
        second = loops(Copy(node.target, compact, node.before, node.after, node.fill))
        return Allocate(between, sequence((first, second)))
    names: list[tuple[Var, Expr]] = []

    def once(value: Expr, name: str) -> Expr:
        if type(value) in (Const, Var):
            return value
        names.append((Var(name, value.dtype), value))
        return names[-1][0]

    target, source = _named(node.target, "target", once), _named(node.source, "source", once)
    before = [once(b, f"before{axis}") for axis, b in enumerate(node.before)]
    after = [once(a, f"after{axis}") for axis, a in enumerate(node.after)]
    body = _nest(target, source, before, after, once(node.fill, "fill"))
    for var, value in reversed(names):
        body = Let(var, value, body)
    return body


def _named(region: Region, name: str, once: Callable[[Expr, str], Expr]) -> Region:
    strides = tuple(once(stride, f"{name}_stride{axis}") for axis, stride in enumerate(region.strides))
    return Region(region.buffer, once(region.offset, f"{name}_offset"), region.extents, strides)


def _nest(target: Region, source: Region, before: list[Expr], after: list[Expr], fill: Expr) -> Stmt:
    if not before:
        return Store(target.buffer, (target.offset,), Load(source.buffer, (source.offset,)))
    *outer, last = range(len(before))
    rows = [Var(f"i{axis}") for axis in outer]
    column = Var(f"i{last}")

    def place(region: Region, indices: Sequence[Expr]) -> tuple[Expr]:
        position = region.offset
        for index, stride in zip(indices, region.strides, strict=True):
            position = position + index * stride
        return (position,)

    def run(extent: Expr | int, start: Expr, value: Expr) -> Stmt:
        where = place(target, (*rows, start + column))
        return For(column, as_expr(extent), "serial", Store(target.buffer, where, value))

    moved = [row - before[axis] for axis, row in enumerate(rows)]
    length = source.extents[last]
    parts: list[Stmt] = [run(length, before[last], Load(source.buffer, place(source, (*moved, column))))]
    if before[last] != Const(0, before[last].dtype):
        parts.insert(0, run(before[last], Const(0, INDEX), fill))
    if after[last] != Const(0, after[last].dtype):
        parts.append(run(after[last], before[last] + length, fill))
    inside = []
    for axis, row in enumerate(rows):
        if target.extents[axis] != source.extents[axis]:
            inside.append(binary(">=", row, before[axis]))
            inside.append(binary("<", row, before[axis] + source.extents[axis]))
    body = sequence(parts)
    if inside:
        body = If(conjunction(inside), body, run(target.extents[last], Const(0, INDEX), fill))
    for axis in reversed(outer):
        body = For(rows[axis], Const(target.extents[axis], INDEX), "serial", body)
    return body

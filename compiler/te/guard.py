"""Reads of tensors outside of their shapes: refused where they are proved, guarded where a condition does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import chain
from typing import Any, NoReturn

from compiler.ir.expr import Binary, Expr, Select, Var
from compiler.ir.node import Node
from compiler.ir.semantics.bounds import Accesses, Refusing, Site, is_always_outside, message, proof
from compiler.ir.simplify.bounds import Interval
from compiler.ir.simplify.facts import Facts
from compiler.ir.stmt import Stmt
from compiler.ir.visit import walk
from compiler.te.axis import IterVar
from compiler.te.tensor import Compute, Operation, TensorRead, reads_of


class _Reads(Accesses):
    def __init__(self, name: str, ranges: Mapping[Var, Interval], guarding: bool) -> None:
        super().__init__(ranges, guarding)
        self.name = name
        self.sites: list[Site] = []

    def found(self, site: Site, node: Any) -> None:
        # a row before the first may be that of a step that no scan evaluates
        if is_always_outside(site) and site.interval[0] >= 0:
            _refuse(self.name, message(site))
        self.sites.append(site)

    def _read(self, node: TensorRead) -> Expr:
        node = self.descend(node)
        self.access(node.tensor, node.indices, False, node)
        return node

    rules = Accesses.rules | {TensorRead: _read}


def guarded(op: Compute) -> Compute:
    """An operation with safe reads, and its `doubtful` ones recorded.

    A `select` one arm of which is inside of a tensor only under its condition becomes an ``if_then_else``,
    and so do ``and`` and ``or`` whose second operand is.

    Raises
    ------
    ValueError
        If a read is outside of its tensor for all values of the axes; names the tensor, the axis, the index
        and the extent.
    """
    name, axes, exprs = op.name, (*op.axis, *op.reduce_axis), op.body
    where = None if op.reduction is None else op.reduction.condition
    fixed: dict[Var, Any] = {a.var: (a.start, a.start + a.extent - 1) for a in axes if _is_fixed(a)}
    parts = exprs if where is None else (*exprs, where)
    if _plainly_inside(parts, fixed):
        return op
    reads = _Reads(name, fixed, guarding=any(map(_evaluates_all, chain(*map(walk, parts)))))
    dynamic = [axis for axis in axes if not _is_fixed(axis)]

    def inner(position: int) -> tuple[tuple[Expr, ...], Expr | None]:
        if position < len(dynamic):
            axis = dynamic[position]
            return reads.over(axis.var, axis.start, axis.extent, lambda: inner(position + 1))
        if where is None:
            return tuple(map(reads, exprs)), None
        condition = reads(where)
        return tuple(reads.assume(condition, True, expr) for expr in exprs), condition

    made, condition = inner(0)
    reduction = op.reduction
    if reduction is not None and condition is not where:
        reduction = replace(reduction, condition=condition)
    return replace(Compute.of(name, op.axes, made, reduction), doubtful=tuple(reads.sites))


def refuse_outside(ops: Iterable[Operation]) -> None:
    """Raise the error for a read that is proved to be outside of its tensor.

    Parameters
    ----------
    ops : iterable of Operation
        All operations of a program, producers first. Those that depend on the state of a recurrence are not
        checked: their first rows are not evaluated.

    Raises
    ------
    ValueError
        Names the tensor, the axis, the index, its interval and the extent.
    """
    program = list(ops)
    states = {state for op in program for state in getattr(op, "states", ())}
    steps: set[Operation] = set()
    for op in program:
        if any(tensor in states or tensor.op in steps for tensor in op.inputs) and not hasattr(op, "states"):
            steps.add(op)
            continue
        for site in getattr(op, "doubtful", ()):
            example = proof(site)
            if example is not None:
                _refuse(op.name, message(site, example))


def _is_fixed(axis: IterVar) -> bool:
    return isinstance(axis.extent, int) and isinstance(axis.start, int)


def _plainly_inside(exprs: Sequence[Expr], ranges: Mapping[Var, Interval]) -> bool:
    """Whether all reads are inside by the intervals of their indices, whatever the conditions."""
    known = Facts(ranges)
    for read in reads_of(exprs):
        for index, extent in zip(read.indices, read.tensor.shape, strict=True):
            low, high = known.bounds(index)
            if low < 0 or not isinstance(extent, int) or high >= extent:
                return False
    return True


def _evaluates_all(node: Node) -> bool:
    """Whether a node evaluates an operand that reads a tensor whatever its first operand is."""
    if type(node) is Select:
        return True
    return type(node) is Binary and node.op in ("and", "or") and any(True for _ in reads_of([node.b]))


def guarded_statement(name: str, statement: Stmt) -> Stmt:
    """The statement of an extern with safe reads, as `guarded`; writes are checked too."""
    return Refusing(partial(_refuse, name), guarding=True)(statement)


def _refuse(name: str, message: str) -> NoReturn:
    raise ValueError(f"{name!r} {message}")

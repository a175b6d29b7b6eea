"""The computation that a schedule is derived for: its operations, without those that are always inlined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from compiler import te
from compiler.ir.address import in_type
from compiler.ir.expr import Binary, Expr
from compiler.ir.simplify.simplify import Simplifier
from compiler.ir.visit import substitute, walk
from compiler.ops.derive.access import is_conditional, is_linear, iterations, work
from compiler.te.recurrence import Recurrence
from compiler.te.tensor import Compute, Operation, ReadRewriter, Tensor, TensorRead, reads_of

CHEAP = 2
"""Additions that may be repeated at each read rather than stored."""

REUSED = 4
"""Reads of each element from which on a consumer is taken to reuse it."""

SIZE_LIMIT = 400
"""Nodes of the expression of an element, with what is inlined in it."""

Element = Callable[[tuple[Expr, ...]], Expr]
"""From the indices of an element to its expression."""


class Rewriting:
    """Replaces tensors of a computation: by other tensors, or by the expressions of their elements."""

    def __init__(self) -> None:
        self.tensors: dict[Tensor, Tensor] = {}
        self.elements: dict[Tensor, Element] = {}

    def move(self, old: Operation, new: Operation) -> None:
        """Replace the tensors of an operation by those of another one, of the same shape."""
        if new is not old:
            self.tensors |= dict(zip(old.outputs, new.outputs, strict=True))

    def inline(self, old: Operation, op: Compute) -> None:
        """Replace each read of the tensors of `old` by the expression that `op` has for it."""
        self.elements |= {tensor: element(op, tensor.index) for tensor in old.outputs}

    def __call__(self, op: Operation) -> Operation:
        """The operation, reading what replaces its inputs."""
        if self.tensors.keys().isdisjoint(op.inputs) and self.elements.keys().isdisjoint(op.inputs):
            return op
        if isinstance(op, Compute):
            return op.rewritten(ReadRewriter(self._read))
        for tensor in op.inputs:
            if tensor in self.tensors:
                op = op.redirected(tensor, self.tensors[tensor])
        return op

    def _read(self, read: TensorRead) -> Expr:
        if read.tensor in self.elements:
            return self.elements[read.tensor](read.indices)
        moved = self.tensors.get(read.tensor)
        return read if moved is None else TensorRead(moved, read.indices)


def element(op: Compute, index: int) -> Element:
    """The expression of the elements of a tensor of an operation, which does not reduce."""

    def at(indices: tuple[Expr, ...]) -> Expr:
        values = {a.var: in_type(i, a.var.dtype) for a, i in zip(op.axes, indices, strict=True)}
        return substitute(op.body[index], values)

    return at


@dataclass(frozen=True, eq=False)
class Graph:
    """The operations of a computation, producers first.

    Attributes
    ----------
    ops : tuple of Operation
        Without placeholders, and without those that are inlined at every read.
    outputs : tuple of Tensor
    opaque : frozenset of Operation
        Those that stay as they are: externs, recurrences and what depends on their states, and those with
        dynamic or empty extents.
    consumers : dict of Operation to list of Operation
    """

    ops: tuple[Operation, ...]
    outputs: tuple[Tensor, ...]
    opaque: frozenset[Operation]
    consumers: dict[Operation, list[Operation]]

    def is_output(self, op: Operation) -> bool:
        """Whether a tensor of an operation is an output."""
        return any(tensor.op is op for tensor in self.outputs)

    def is_map(self, op: Operation) -> bool:
        """Whether an operation computes each element by itself."""
        return type(op) is Compute and op.reduction is None and op not in self.opaque

    def is_reduction(self, op: Operation) -> bool:
        """Whether an operation reduces, and can be scheduled."""
        return type(op) is Compute and op.reduction is not None and op not in self.opaque

    @staticmethod
    def of(outputs: Sequence[Tensor]) -> Graph:
        """The graph of a computation, with what always pays inlined.

        Raises
        ------
        ScheduleError, ValueError
            As `te.create_schedule`.
        """
        stages = te.create_schedule([t.op for t in outputs]).stages
        ops = [stage.op for stage in stages if stage.computed]
        rewriting = Rewriting()
        kept: list[Operation] = []
        opaque, last = _opaque(ops), {t.op for t in outputs}
        fixed: set[Operation] = set()
        for op in ops:
            made = rewriting(op)
            if op not in opaque:
                assert isinstance(made, Compute)
                made = _simplified(made)
            if op not in opaque and op not in last and _pays(op, made, ops, opaque):
                assert isinstance(made, Compute)
                rewriting.inline(op, made)
                continue
            rewriting.move(op, made)
            kept.append(made)
            if op in opaque:
                fixed.add(made)
        tensors = tuple(rewriting.tensors.get(t, t) for t in outputs)
        consumers = {op: [c for c in kept if not set(op.outputs).isdisjoint(c.inputs)] for op in kept}
        return Graph(tuple(kept), tensors, frozenset(fixed), consumers)


def _simplified(op: Compute) -> Compute:
    """The operation with simpler indices, of which the rules see more: where a reshaped tensor is read, the
    quotients and remainders of sums are linear.
    """
    divided = any(type(n) is Binary and n.op in ("//", "%") for expr in op.exprs for n in walk(expr))
    if not divided:
        return op
    ranges = {}
    for axis in (*op.axis, *op.reduce_axis):
        if not isinstance(axis.start, int) or not isinstance(axis.extent, int):
            return op  # a dynamic extent has no range
        ranges[axis.var] = axis.start, axis.start + axis.extent - 1
    return op.rewritten(Simplifier(ranges))


def _opaque(ops: Sequence[Operation]) -> set[Operation]:
    found: set[Operation] = set()
    steps: set[Operation] = set()
    states = {state for op in ops if isinstance(op, Recurrence) for state in op.states}
    for op in ops:
        sizes: list[Any] = [n for shape in op.shapes for n in shape]
        sizes += [n for a in op.reduce_axis for n in (a.extent, a.start)]
        # what a step of a recurrence evaluates has its place in the loop over the steps
        if type(op) is Compute and any(t in states or t.op in steps for t in op.inputs):
            steps.add(op)
        fixed = all(isinstance(n, int) for n in sizes) and all(
            a.extent > 0 for a in (*op.axis, *op.reduce_axis)
        )
        if type(op) is not Compute or op in steps or not fixed:
            found.add(op)
    return found


def _pays(op: Operation, made: Operation, ops: Sequence[Operation], opaque: set[Operation]) -> bool:
    """Whether to inline an operation at every read: it is evaluated once, or costs less than a load."""
    if type(made) is not Compute or made.reduction is not None:
        return False
    readers = [c for c in ops if not set(op.outputs).isdisjoint(c.inputs)]
    if any(c in opaque for c in readers):
        return False
    if sum(1 for expr in made.exprs for _ in walk(expr)) > SIZE_LIMIT:
        return False
    repeats = max(reads_of_each(op, c) for c in readers)
    total = sum(reads_of_each(op, c) for c in readers)
    if total <= 1:
        return True
    cost, plain = work(made), is_linear(made) and not is_conditional(made)
    return plain and (cost == 0 or (cost <= CHEAP and repeats < REUSED))


def reads_of_each(op: Operation, consumer: Operation) -> float:
    """How often a consumer reads each element, on average."""
    assert isinstance(op, Compute) and isinstance(consumer, Compute)
    count = sum(read.tensor in op.outputs for read in reads_of(consumer.exprs))
    return count * iterations(consumer) / max(1, iterations(op))

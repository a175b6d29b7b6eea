"""Inlining: each read of an inlined stage is replaced by its expression."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from compiler.errors import ScheduleError
from compiler.ir.address import in_type
from compiler.ir.expr import Expr, Var
from compiler.ir.visit import Rewriter, walk
from compiler.schedule.schedule import Schedule
from compiler.schedule.stage import Stage
from compiler.te.tensor import Compute, Operation, Tensor, TensorRead

SIZE_LIMIT = 1_000_000
"""Maximum number of operations of the expression of a stage after inlining."""


def inlined(schedule: Schedule) -> list[Stage]:
    """The stages without the inlined ones, whose expressions are substituted in their consumers.

    The schedule itself does not change: stages that change are copies.

    Raises
    ------
    ScheduleError
        If the loops of an inlined stage were scheduled, an extern reads its buffer, or an expression becomes
        too large.
    """
    stages = list(schedule.stages)
    if not any(stage.inlined for stage in stages):
        return stages
    for stage in stages:
        if stage.inlined and (stage.relations or stage.kinds or stage.pragmas):
            raise ScheduleError(
                f"{stage.name}: inlined, so it has no loops, but its loops were scheduled; "
                "compute_root or compute_at keeps them"
            )
        if stage.inlined and (stage.buffer_pragmas or stage.alignments):
            raise ScheduleError(
                f"{stage.name}: inlined, so it has no buffer, but its buffer was marked; "
                "compute_root or compute_at keeps it"
            )
    stages = copied(stages)
    for stage in stages:
        if not isinstance(stage.op, Compute):
            _check_memory(stage, stages)
    made = {tensor: stage.compute for stage in stages if stage.inlined for tensor in stage.tensors}
    _check_sizes(stages, made)
    kept = [stage for stage in stages if not stage.inlined]
    for stage in kept:
        if not made.keys().isdisjoint(stage.op.inputs):
            stage.op = stage.compute.rewritten(_Element(made, {}, {}))
    return _read(kept)


def _check_memory(stage: Stage, stages: Sequence[Stage]) -> None:
    """Raise if the statement of an extern reads the memory of an inlined stage."""
    for producer in stages:
        if producer.inlined and not set(producer.tensors).isdisjoint(stage.op.inputs):
            raise ScheduleError(
                f"{producer.name}: inlined, but the statement of {stage.name} reads its memory; "
                "use compute_root"
            )


def _check_sizes(stages: Sequence[Stage], made: Mapping[Tensor, Compute]) -> None:
    """Raise if the elements of inlined stages, repeated for each read, make an expression too large."""
    sizes: dict[Operation, int] = {}
    for stage in stages:
        op = stage.op
        if isinstance(op, Compute) and (stage.inlined or not made.keys().isdisjoint(op.inputs)):
            nodes = [node for expr in op.exprs for node in walk(expr)]
            reads = [node.tensor for node in nodes if type(node) is TensorRead]
            sizes[op] = len(nodes) + sum(sizes[made[t]] for t in reads if t in made)
            if sizes[op] > SIZE_LIMIT:
                raise ScheduleError(
                    f"{stage.name}: with the stages that are inlined in it, its expression has {sizes[op]} "
                    f"operations, more than {SIZE_LIMIT}; compute a stage that is read more than once at the "
                    "root, or in a loop"
                )


def _read(stages: list[Stage]) -> list[Stage]:
    """`stages` without those that nothing reads after inlining, which drops the reads of unused tensors."""
    inputs: set[Tensor] = set()
    kept: list[Stage] = []
    for stage in reversed(stages):
        if stage.output or not stage.computed or not inputs.isdisjoint(stage.tensors):
            inputs.update(stage.op.inputs)
            kept.append(stage)
    return kept[::-1]


class _Element(Rewriter):
    """Replaces each read of an inlined tensor by its element, and the axes of a stage by indices.

    Parameters
    ----------
    made : mapping of Tensor to Compute
        The operations of the inlined stages.
    values : mapping of Var to Expr
        The indices that replace the axes.
    elements : dict
        The elements so far, by tensor and indices, which every use of one shares.
    """

    def __init__(
        self,
        made: Mapping[Tensor, Compute],
        values: Mapping[Var, Expr],
        elements: dict[tuple[Tensor, tuple[Expr, ...]], Expr],
    ) -> None:
        self.made, self.values, self.elements = made, values, elements

    def _variable(self, node: Var) -> Expr:
        return self.values.get(node, node)

    def _tensor(self, node: TensorRead) -> Expr:
        read = self.descend(node)
        op = self.made.get(read.tensor)
        if op is None:
            return read
        key = (read.tensor, read.indices)
        element = self.elements.get(key)
        if element is None:
            at = {a.var: in_type(i, a.var.dtype) for a, i in zip(op.axes, read.indices, strict=True)}
            inner = _Element(self.made, at, self.elements)
            inner.level = self.level
            element = self.elements[key] = inner(op.body[read.tensor.index])
        return element

    rules = {Var: _variable, TensorRead: _tensor}


def copied(stages: Sequence[Stage]) -> list[Stage]:
    """Copies of stages, placed in loops of the copies."""
    copies = {stage: _copy(stage) for stage in stages}
    for stage in copies.values():
        if stage.attach is not None:
            parent, axis = stage.attach
            stage.attach = (copies.get(parent, parent), axis)
    return list(copies.values())


def _copy(stage: Stage) -> Stage:
    copy = Stage.__new__(Stage)
    copy.__dict__ |= stage.__dict__
    return copy

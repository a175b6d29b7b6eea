"""Inlining: each read of an inlined stage is replaced by its expression."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from compiler.errors import ScheduleError
from compiler.ir.address import in_type
from compiler.ir.expr import Expr
from compiler.ir.visit import substitute
from compiler.schedule.schedule import Schedule
from compiler.schedule.stage import Stage
from compiler.te.tensor import Compute, ReadRewriter, Tensor, TensorRead


def inlined(schedule: Schedule) -> list[Stage]:
    """The stages without the inlined ones, whose expressions are substituted in their consumers.

    The schedule itself does not change: stages that change are copies.

    Raises
    ------
    ScheduleError
        If the loops of an inlined stage were scheduled, or an extern reads its buffer.
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
    for stage in [s for s in stages if s.inlined]:
        for consumer in stages:
            if set(stage.tensors).isdisjoint(consumer.op.inputs):
                continue
            if not isinstance(consumer.op, Compute):
                raise ScheduleError(
                    f"{stage.name}: inlined, but the statement of {consumer.name} reads its memory; "
                    "use compute_root"
                )
            consumer.op = consumer.op.rewritten(ReadRewriter(_element(stage)))
        stages.remove(stage)
    return _read(stages)


def _read(stages: list[Stage]) -> list[Stage]:
    """`stages` without those that nothing reads after inlining, which drops the reads of unused tensors."""
    inputs: set[Tensor] = set()
    kept: list[Stage] = []
    for stage in reversed(stages):
        if stage.output or not stage.computed or not inputs.isdisjoint(stage.tensors):
            inputs.update(stage.op.inputs)
            kept.append(stage)
    return kept[::-1]


def _element(stage: Stage) -> Callable[[TensorRead], Expr]:
    """A function that replaces a read of a tensor of `stage` by its expression at the indices."""
    op = stage.compute

    def element(read: TensorRead) -> Expr:
        if read.tensor not in stage.tensors:
            return read
        body = op.body[stage.tensors.index(read.tensor)]
        return substitute(
            body, {a.var: in_type(i, a.var.dtype) for a, i in zip(op.axes, read.indices, strict=True)}
        )

    return element


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

"""The stages of a program, producers before consumers, which primitives look up and add to."""

from __future__ import annotations

from collections.abc import Sequence

from compiler.errors import ScheduleError
from compiler.schedule.stage import Stage, names
from compiler.schedule.trace import Trace
from compiler.te.recurrence import Recurrence
from compiler.te.tensor import Operation, Tensor


class Stages:
    """One stage for each operation that the outputs of a program depend on.

    Attributes
    ----------
    stages : list of Stage
        Producers before consumers.
    outputs : tuple of Tensor
    """

    def __init__(self, outputs: Sequence[Operation]) -> None:
        self.outputs = tuple(tensor for op in outputs for tensor in op.outputs)
        self.stages: list[Stage] = []
        self.trace = Trace()
        self._of: dict[Operation, Stage] = {}
        pending = [(op, False) for op in reversed(outputs)]
        while pending:
            op, producers_added = pending.pop()
            if producers_added:
                stage = self._of.get(op) or Stage(op, op in outputs, self.trace)
                self._of[op] = stage
                self.stages.append(stage)
            elif op not in self._of:
                if isinstance(op, Recurrence):
                    self._add_states(op, op in outputs)
                pending += [(op, True), *((tensor.op, False) for tensor in reversed(op.inputs))]

    def _add_states(self, op: Recurrence, output: bool) -> None:
        """Name a stage of a recurrence before its producers: a step reads the states, its memory."""
        stage = self._of[op] = Stage(op, output, self.trace)
        for index, state in enumerate(op.states):
            if state.op in self._of:
                raise ScheduleError(
                    f"{state.name!r} is the state of {self._of[state.op].name!r}, and of {op.name!r}"
                )
            self._of[state.op] = stage
            self.trace.name(state, "tensor", f"{stage.key}.state", index)

    def __getitem__(self, tensor: Tensor | Operation) -> Stage:
        op = tensor.op if isinstance(tensor, Tensor) else tensor
        stage = self._of.get(op)
        if stage is None:
            raise ScheduleError(
                f"{getattr(tensor, 'name', tensor)!r} is not part of this schedule "
                f"(stages: {names(self.stages)})"
            )
        return stage

    def consumers(self, stage: Stage) -> list[Stage]:
        """The stages that read a tensor of `stage`."""
        return [s for s in self.stages if not set(stage.tensors).isdisjoint(s.op.inputs)]

    def insert(self, op: Operation, scope: str, before: Stage) -> Stage:
        """Insert a stage for `op`, which is not an output, before another stage."""
        stage = Stage(op, False, self.trace)
        stage.scope = scope
        self._of[op] = stage
        self.stages.insert(self.stages.index(before), stage)
        return stage

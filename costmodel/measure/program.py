"""`Program`: a task under one configuration, compiled, together with its arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import compiler
from compiler.runtime.timing import Timing
from costmodel.task import Task


class Program:
    """A compiled program that is called without arguments, on the arrays that it was made with.

    The stages that depend on the operator's constants alone, such as the packing of weights, run here, once.

    Parameters
    ----------
    task : Task
    schedule, args : Schedule and sequence of Tensor
        As `Task.instantiate` returns them.
    arrays : sequence of ndarray
        One for each input of the operator.
    outputs : sequence of ndarray
        Arrays that the program writes its results to.

    Raises
    ------
    ValueError
        If the program cannot be compiled.
    """

    def __init__(
        self,
        task: Task,
        schedule: Any,
        args: Sequence[Any],
        arrays: Sequence[np.ndarray],
        outputs: Sequence[np.ndarray],
    ) -> None:
        given = list(zip(args[: len(arrays)], arrays, strict=True))
        fixed = {t: a for t, a in given if t.name in task.operator.constants}
        self.arrays = [*(a for t, a in given if t not in fixed), *outputs]
        self.function: Any
        if fixed:
            bindable = compiler.build(schedule, args, target=task.target, constants=list(fixed))
            self.function = bindable.bind(*fixed.values())
        else:
            self.function = compiler.build(schedule, args, target=task.target)

    def __call__(self) -> None:
        self.function(*self.arrays)

    def time(self, number: int, repeat: int, min_repeat_ms: float) -> Timing:
        """Time calls, see `compiler.runtime.Module.time_evaluator`."""
        return self.function.time_evaluator(number, repeat, min_repeat_ms)(*self.arrays)

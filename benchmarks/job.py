"""One task with its arrays and the right answer: what a benchmark of an operator times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from costmodel import Config, Task
from costmodel.measure import check as answers
from costmodel.measure.program import Program


@dataclass(frozen=True)
class Job:
    """One task with its arrays and the right answer."""

    task: Task
    arrays: list[np.ndarray]
    output: np.ndarray
    reference: np.ndarray

    @classmethod
    def of(cls, task: Task) -> Job:
        """The task on random inputs."""
        arrays = task.operator.inputs(np.random.default_rng(0), *task.shape)
        reference = np.asarray(task.operator.reference(*arrays, *task.shape))
        return cls(task, arrays, task.operator.output(*task.shape), reference)

    def program(self, config: Config) -> Callable[[], object]:
        """A call of the compiled program of a configuration."""
        return self.checked(Program(self.task, *self.task.instantiate(config), self.arrays, self.output))

    def checked(self, call: Callable[[], object]) -> Callable[[], object]:
        """`call` itself, once its answer was compared with the reference."""
        answers.fill_with_sentinel(self.output)
        call()
        outcome = answers.check(self.output, self.reference, self.task.flops)
        if not outcome.right:
            raise SystemExit(f"{self.task.key}: wrong answer: {outcome}")
        return call

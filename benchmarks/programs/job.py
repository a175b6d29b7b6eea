"""`Job`: one task with its arrays and reference outputs, for benchmarks of operators."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from costmodel import Config, Task
from costmodel.measure.worker.check import check, fill_with_sentinel
from costmodel.measure.worker.program import Compiled, Program


@dataclass(frozen=True)
class Job:
    """One task with its arrays and reference outputs.

    Parameters
    ----------
    task : Task
    arrays : list of ndarray
        Inputs.
    outputs : list of ndarray
        Receive the results.
    references : list of ndarray
    """

    task: Task
    arrays: list[np.ndarray]
    outputs: list[np.ndarray]
    references: list[np.ndarray]

    @classmethod
    def of(cls, task: Task) -> Job:
        """Return the job of a task on random inputs."""
        arrays = task.operator.inputs(np.random.default_rng(0), *task.shape)
        references = task.operator.references(arrays, *task.shape)
        return cls(task, arrays, task.operator.outputs(*task.shape), references)

    def program(self, config: Config) -> Callable[[], object]:
        """Return a call of the compiled program of a configuration, which was checked once."""
        compiled = Compiled.of(self.task, *self.task.instantiate(config))
        return self.checked(Program(compiled, self.arrays, self.outputs))

    def checked(self, call: Callable[[], object]) -> Callable[[], object]:
        """Run `call` once, compare the outputs with the reference, and return it."""
        fill_with_sentinel(self.outputs, self.references)
        call()
        outcome = check(self.outputs, self.references, self.task.operator.error_model(*self.task.shape))
        if not outcome.passed:
            raise SystemExit(f"{self.task.key}: wrong output: {outcome}")
        return call

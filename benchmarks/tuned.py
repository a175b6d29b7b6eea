"""The tuned program of an operator: from a record file, which is filled first where it falls short."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from costmodel import Config, Measurer, Progress, Task, run_finals, tune
from costmodel import answer as answers
from costmodel.program import Program

RECORDS = Path("espalier-bench") / "records.jsonl"
WINNER = "winner"


def options(description: str | None) -> argparse.Namespace:
    """The command line of a benchmark that needs a tuned program."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--records",
        type=Path,
        default=RECORDS,
        help="trials are taken from this file, and added to it (default: %(default)s)",
    )
    parser.add_argument("--trials", type=int, default=128, help="trials that the file must hold")
    parser.add_argument("--rounds", type=int, default=25, help="turns of each way")
    return parser.parse_args()


def best_config(task: Task, records: Path, trials: int) -> Config:
    """The winner of so many trials, its speed measured again among the best few."""

    def tell(progress: Progress) -> None:
        if sys.stderr.isatty():
            print(f"\rtrial {progress.trial}/{progress.trials} ", end="", file=sys.stderr)

    records.parent.mkdir(parents=True, exist_ok=True)
    with Measurer() as measurer:
        result = tune(task, trials, records=records, measurer=measurer, callback=tell)
        there = f"{result.resumed} of them were in {records}"
        print(f"{task.key}: best of {len(result.records)} trials, {there}")
        if result.interrupted:
            raise KeyboardInterrupt
        if result.best is None:
            raise SystemExit(f"every trial of {task.key} failed: {result.failures}")
        return run_finals(task, {WINNER: result.records}, measurer).configs[WINNER]


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

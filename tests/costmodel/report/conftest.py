"""One task and one run of it, made by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from costmodel.measure.comparison import Comparison
from costmodel.measure.finals import Finals
from costmodel.records import Record
from costmodel.result import MeasureResult, Reason
from costmodel.task import Task
from costmodel.tuning.progress import Progress
from costmodel.tuning.result import TuneResult


@pytest.fixture
def task() -> Task:
    return Task("matmul", (10, 10, 10))  # 2000 operations


@pytest.fixture
def result(task: Task) -> TuneResult:
    costs = [2e-6, None, 1e-6, 4e-6]
    records = []
    for index, cost in enumerate(costs):
        outcome = MeasureResult(Reason.OK, (cost,)) if cost else MeasureResult(Reason.CRASH, message="gone")
        config = task.space.at(index)
        records.append(Record.of(task, config, outcome, cpu="CPU", source="model", trial=index + 1))
    return TuneResult(task, "model", records, resumed=1, seconds=0.6, correlations=[0.5, float("nan")])


@pytest.fixture
def progress(task: Task) -> Callable[..., Progress]:
    def make(**changes: Any) -> Progress:
        values = {"trial": 12, "trials": 128, "resumed": 0, "best_gflops": 31.25, "correlation": 0.875}
        values |= {"failures": {"timeout": 2, "crash": 1}, "seconds_left": 95.0, "last": None}
        return Progress(task=task, **{"source": "model", **values, **changes})

    return make


@pytest.fixture
def finals(task: Task) -> Finals:
    comparisons = [Comparison("default schedule", (2e-6, 2e-6), 2000), Comparison("NumPy", (4e-6,), 2000)]
    return Finals(task, comparisons, {"default schedule": task.space.default})

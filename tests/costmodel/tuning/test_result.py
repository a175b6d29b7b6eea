"""The outcome of a run."""

from __future__ import annotations

import numpy as np
import pytest

from costmodel.records import Record
from costmodel.result import MeasureResult, Reason
from costmodel.task import Task
from costmodel.tuning.result import TotalResult, TuneResult


def run(task: Task) -> TuneResult:
    costs = [2e-6, None, 1e-6, 4e-6]
    records = []
    for index, cost in enumerate(costs):
        outcome = MeasureResult(Reason.OK, (cost,)) if cost else MeasureResult(Reason.CRASH, message="gone")
        config = task.space.at(index)
        records.append(Record.of(task, config, outcome, cpu="CPU", source="model", trial=index + 1))
    return TuneResult(task, "model", records, resumed=1, seconds=0.6, correlations=[0.5, float("nan")])


def test_result_by_hand():
    task = Task("matmul", (10, 10, 10))  # 2000 operations
    found = run(task)
    assert found.best.index == 2
    # 2000 operations in 1e-6 s
    assert found.best_gflops == pytest.approx(2.0)
    np.testing.assert_allclose(found.curve(), [1.0, 1.0, 2.0, 2.0])
    assert found.failures == {"crash": 1}
    assert found.seconds_per_trial() == pytest.approx(0.2)


def test_a_result_in_a_notebook_is_one_line():
    task = Task("matmul", (10, 10, 10))
    found = run(task)
    found.stopped = "trials"
    outcome = "4 trials, 1 failed, best 2.0 GFLOP/s, stopped by 'trials'"
    assert repr(found) == f"TuneResult({task.key}: {outcome})"
    empty = TuneResult(task, "model")
    assert "0 trials, 0 failed, no program" in repr(empty)
    total = TotalResult([found, empty], [1.0, 2.0], stopped="seconds")
    assert repr(total) == "TotalResult(2 tasks: 4 trials, total inf ms, stopped by 'seconds')"

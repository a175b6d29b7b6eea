from __future__ import annotations

import io
import json

import numpy as np
import pytest
from rich.console import Console

from costmodel import report
from costmodel.measure.comparison import Comparison
from costmodel.measure.finals import Finals
from costmodel.records import Record
from costmodel.result import MeasureResult, Reason
from costmodel.task import Task
from costmodel.tune import Progress, TuneResult


@pytest.fixture
def task() -> Task:
    return Task("matmul", (10, 10, 10))  # 2000 operations


def result(task) -> TuneResult:
    costs = [2e-6, None, 1e-6, 4e-6]
    records = []
    for index, cost in enumerate(costs):
        outcome = MeasureResult(Reason.OK, (cost,)) if cost else MeasureResult(Reason.CRASH, message="gone")
        config = task.space.at(index)
        records.append(Record.of(task, config, outcome, cpu="CPU", source="model", trial=index + 1))
    return TuneResult(task, "model", records, resumed=1, seconds=0.6, correlations=[0.5, float("nan")])


def progress(task, **changes) -> Progress:
    values = {"trial": 12, "trials": 128, "resumed": 0, "best_gflops": 31.25, "correlation": 0.875}
    values |= {"failures": {"timeout": 2, "crash": 1}, "seconds_left": 95.0, "last": None, "source": "model"}
    return Progress(task=task, **{**values, **changes})


def test_result_by_hand(task):
    found = result(task)
    assert found.best.index == 2
    # 2000 operations in 1e-6 s
    assert found.best_gflops == pytest.approx(2.0)
    np.testing.assert_allclose(found.curve(), [1.0, 1.0, 2.0, 2.0])
    assert found.failures == {"crash": 1}
    assert found.seconds_per_trial() == pytest.approx(0.2)


def test_progress_in_one_line(task):
    line = report.progress_line(progress(task))
    assert line == (
        "matmul · model  trial 12/128  best 31.2 GFLOP/s  rank correlation +0.88  "
        "failed 3 (2 timeout, 1 crash)  1:35 left"
    )


def test_progress_before_the_model_says_anything(task):
    assert "rank correlation -  failed 0" in report.progress_line(
        progress(task, correlation=None, failures={})
    )
    assert "rank correlation -" in report.progress_line(progress(task, correlation=float("nan")))
    assert "rank correlation" not in report.progress_line(progress(task, source="random"))


def test_lines_where_there_is_no_terminal(task):
    output = io.StringIO()
    with report.LiveLine(Console(file=output), every=2) as line:
        for trial in range(6):
            last = result(task).records[0] if trial else None
            line(progress(task, trial=trial, trials=5, last=last))
    assert [text.split("trial ")[1][:3] for text in output.getvalue().splitlines()] == ["2/5", "4/5", "5/5"]


def test_live_line_on_a_terminal(task):
    output = io.StringIO()
    with report.LiveLine(Console(file=output, force_terminal=True, width=120)) as line:
        line(progress(task))
    assert "trial 12/128" in output.getvalue()


def finals(task) -> Finals:
    comparisons = [Comparison("default schedule", (2e-6, 2e-6), 2000), Comparison("NumPy", (4e-6,), 2000)]
    return Finals(task, comparisons, {"default schedule": task.space.default})


def test_table_shows_speed_spread_and_the_check(task):
    output = io.StringIO()
    Console(file=output, width=100).print(report.finals_table([finals(task)]))
    (row,) = (line for line in output.getvalue().splitlines() if "default schedule" in line)
    assert row.split() == ["default", "schedule", "1.0", "1.0", "-", "1.0", "0.002", "yes"]
    assert "compared with a NumPy reference" in output.getvalue()


def test_summary_is_json(task, tmp_path):
    path = tmp_path / "summary.json"
    report.write_json(path, [report.summary(result(task)), report.finals_summary(finals(task))])
    run, final = json.loads(path.read_text())
    assert run["trials"] == 4 and run["curve_gflops"] == [1.0, 1.0, 2.0, 2.0]
    assert run["rank_correlations"] == [0.5, None]
    assert final["programs"][0]["gflops"] == 1.0
    assert final["programs"][1]["config"] is None
    assert list(tmp_path.iterdir()) == [path]


def test_curves_are_written_whole(tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "curves.png"
    curves = {"model": np.array([1.0, 2.0, 3.0]), "random": np.array([1.0, 1.5])}
    report.plot_curves(path, {"one": (curves, {"NumPy": 2.5}), "two": (curves, {})})
    assert path.read_bytes().startswith(b"\x89PNG")
    assert list(tmp_path.iterdir()) == [path]

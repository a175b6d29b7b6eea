"""The state of a run as a line of text."""

from __future__ import annotations

import io
import math

from rich.console import Console

from costmodel.report import LiveLine, TotalLine, progress_line, total_line
from costmodel.task import Task
from costmodel.tuning.progress import TaskShare, TotalProgress


def test_progress_in_one_line(progress):
    line = progress_line(progress())
    assert line == (
        "matmul · model  trial 12/128  best 31.2 GFLOP/s  rank correlation +0.88  "
        "failed 3 (2 timeout, 1 crash)  1:35 left"
    )


def test_progress_before_the_first_correlation(progress):
    assert "rank correlation -  failed 0" in progress_line(progress(correlation=None, failures={}))
    assert "rank correlation -" in progress_line(progress(correlation=float("nan")))
    assert "rank correlation" not in progress_line(progress(source="random"))


def test_lines_where_there_is_no_terminal(progress, result):
    output = io.StringIO()
    with LiveLine(Console(file=output), every=2) as line:
        for trial in range(6):
            last = result.records[0] if trial else None
            line(progress(trial=trial, trials=5, last=last))
    assert [text.split("trial ")[1][:3] for text in output.getvalue().splitlines()] == ["2/5", "4/5", "5/5"]


def total(current, *costs: tuple[float, float, float], trial: int = 5) -> TotalProgress:
    """The state of tasks with these weights, costs and first costs."""
    shares = [TaskShare(Task("matmul", (4, 4, 4)), w, 3, cost, first, 1.0, "") for w, cost, first in costs]
    return TotalProgress(current, tuple(shares), trial, 64, sum(s.weight * s.cost for s in shares), 95.0)


def test_many_tasks_in_one_line(progress):
    line = total_line(total(progress(), (2.0, 1e-3, 4e-3), (1.0, 2e-3, 2e-3)))
    assert line == (
        "trial 5/64  total 4 ms, 2.50x as fast as after the first round  1:35 left  now matmul(10, 10, 10)"
    )
    line = total_line(total(progress(), (2.0, 1e-3, 4e-3), (1.0, math.inf, math.inf)))
    assert line == "trial 5/64  1 of 2 tasks have a program  1:35 left  now matmul(10, 10, 10)"
    assert "total 2 ms  1:35" in total_line(total(progress(), (2.0, 1e-3, math.inf)))


def test_lines_of_many_tasks(progress):
    output = io.StringIO()
    with TotalLine(Console(file=output), every=2) as line:
        for trial in (1, 2, 3, 64):
            line(total(progress(), (1.0, 1e-3, 1e-3), trial=trial))
    assert [text.split("  ")[0] for text in output.getvalue().splitlines()] == ["trial 2/64", "trial 64/64"]


def test_live_line_on_a_terminal(progress):
    output = io.StringIO()
    with LiveLine(Console(file=output, force_terminal=True, width=120)) as line:
        line(progress())
    assert "trial 12/128" in output.getvalue()

"""The state of a run as a line of text."""

from __future__ import annotations

import dataclasses
import io
import math

from rich.console import Console

from costmodel.report import LiveView, TotalView, progress_line, sparkline, total_line
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
    with LiveView(Console(file=output), every=2) as line:
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
    with TotalView(Console(file=output), every=2) as line:
        for trial in (1, 2, 3, 64):
            line(total(progress(), (1.0, 1e-3, 1e-3), trial=trial))
    assert [text.split("  ")[0] for text in output.getvalue().splitlines()] == ["trial 2/64", "trial 64/64"]


def test_live_line_on_a_terminal(progress):
    output = io.StringIO()
    with LiveView(Console(file=output, force_terminal=True, width=120)) as line:
        line(progress())
    assert "trial 12/128" in output.getvalue()


def screen(view, width: int = 80, height: int = 24) -> list[str]:
    """What a view draws, line by line."""
    output = io.StringIO()
    Console(file=output, width=width, height=height, color_system=None).print(view)
    return [line.rstrip() for line in output.getvalue().splitlines()]


def test_the_trend_is_from_zero_to_the_greatest():
    assert sparkline([0.0, 6.0, 14.0]) == "▁▄█"
    assert sparkline([2.0, 2.0]) == "██" and sparkline([0.0]) == "▁" and sparkline([]) == ""
    assert sparkline([1.0, math.nan, 1.0]) == "█ █"
    assert sparkline(range(100), 4) == "▃▄▆█"  # 24, 49, 74 and 99


def test_the_view_of_a_task(progress, result):
    view = LiveView(Console(file=io.StringIO()), context=lambda: {"noise": 0.012, "drift": 1.25})
    for number, correlation in enumerate((None, 0.5, 0.5, 0.75)):
        view(progress(trial=number, best_gflops=10.0 * number, correlation=correlation, failures={}))
    many = {"out of memory": 4, "template error": 3, "build error": 2, "wrong answer": 1, "crash": 1}
    last = progress(correlation=0.75, failures=many, refused=37, best=result.records[2])
    view(last)
    lines = screen(view.view(last))
    assert max(map(len, lines)) <= 80
    assert "trial 12/128 · 1:35 left · matmul(10, 10, 10)" in lines[0]
    # 0, 10, 20 and 30, and the newest, 31.25 GFLOP/s
    assert lines[1].split(maxsplit=1) == ["best", "▁▃▅██ 31.2 GFLOP/s · 0.001 ms · trial 3"]
    assert "rank correlation +0.75 in the last batch, +0.62 on average of 2" in lines[2]
    assert "11 (4 out of memory, 3 template error, 2 build error" in lines[3]
    assert any("37 more refused before compilation" in line for line in lines)
    assert "noise floor 1.2% · a reference program takes 1.25x its usual time" in lines[-1]


def test_the_view_without_a_model_and_without_conditions(progress):
    view = LiveView(Console(file=io.StringIO()))
    state = progress(source="random", failures={}, best_gflops=0.0)
    view(state)
    assert [line.split()[0] for line in screen(view.view(state))] == ["random", "best", "failed"]


def test_the_view_of_many_tasks_fits_the_terminal(progress):
    output = io.StringIO()
    view = TotalView(Console(file=output, width=80, height=24))
    tasks = [Task("conv2d", (1, 64, 56, 56, 64 * n, 3, 1, 1)) for n in range(1, 31)]
    shares = tuple(TaskShare(task, 2.0, 3, 1e-3 * n, 2e-3 * n, 1.0, "") for n, task in enumerate(tasks, 1))
    current = dataclasses.replace(progress(), task=tasks[29])
    state = TotalProgress(current, shares, 5, 64, 0.93, 95.0)
    view(state)
    lines = screen(view.view(state))
    assert max(map(len, lines)) <= 80 and len(lines) <= 24
    rows = [line for line in lines if "conv2d(" in line]
    # those that take most of the total
    assert len(rows) < 30 and "30" in rows[0] and rows[0].startswith("> ") and rows[0].rstrip().endswith("█")
    assert "2.00" in rows[0] and [line for line in lines if line][-1].strip() == f"and {30 - len(rows)} more"
    assert "total 930 ms, 2.00x as fast" in lines[1]
    (head,) = (line for line in lines if line.startswith("task"))
    assert head.split() == ["task", "times", "trials", "best", "ms", "speedup", "trend"]


def test_a_terminal_shows_the_last_state_at_the_end(progress):
    output = io.StringIO()
    with LiveView(Console(file=output, force_terminal=True, width=80)) as view:
        view(progress(trial=1))
        view._earliest = math.inf  # the first drawing took very long
        view(progress(trial=99))
        assert "trial 99/128" not in output.getvalue()
    assert "trial 99/128" in output.getvalue()

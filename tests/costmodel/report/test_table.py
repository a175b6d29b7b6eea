"""The tables of final comparisons."""

from __future__ import annotations

import dataclasses
import io

from rich.console import Console

from costmodel.measure.comparison import Comparison
from costmodel.report import finals_table, totals_table
from costmodel.task import Task
from costmodel.tuning.result import TotalResult, TuneResult


def test_table_shows_speed_spread_and_the_check(finals):
    output = io.StringIO()
    Console(file=output, width=100).print(finals_table([finals]))
    (row,) = (line for line in output.getvalue().splitlines() if "default schedule" in line)
    assert row.split() == ["default", "schedule", "1.0", "1.0", "-", "1.0", "0.002", "yes"]
    assert "compared with a NumPy reference" in output.getvalue()


LONG = "conv2d(1, 64, 56, 56, 64, 3, stride=2, pad=1x1, layout=NHWC, epilogue=bias-relu, dtype=float32)"


def printed(table) -> str:
    output = io.StringIO()
    Console(file=output).print(table)
    return output.getvalue()


def test_the_numbers_are_whole_in_80_columns(finals, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(Task, "call", property(lambda task: LONG))
    text = printed(finals_table([finals]))
    assert max(map(len, text.splitlines())) <= 80 and "…" not in text
    (head,) = (line for line in text.splitlines() if "GFLOP/s" in line)
    assert head.split() == ["GFLOP/s", "quartiles", "ms", "checked"]
    (row,) = (line for line in text.splitlines() if "NumPy" in line and "checked" not in line)
    assert row.split() == ["NumPy", "0.5", "0.5", "-", "0.5", "0.004", "yes"]


def test_a_program_without_operations(finals):
    silent = dataclasses.replace(finals, comparisons=[Comparison("default schedule", (2e-6,), 0)])
    assert "0.002" in printed(finals_table([silent]))


def test_the_table_of_many_tasks(result, task):
    other = TuneResult(Task("matmul", (20, 10, 10)), "model")
    total = TotalResult([result, other], [3.0, 1.5])
    text = printed(totals_table(total, {task.key: (4e-3, 1e-3), other.task.key: (1e-3, 2e-3)}))
    rows = [line.split() for line in text.splitlines()]
    assert ["matmul(10,", "10,", "10)", "3", "4", "4", "1", "4.00"] in rows
    assert ["matmul(20,", "10,", "10)", "1.5", "0", "1", "2", "0.50"] in rows
    # 3 x 4 + 1.5 x 1 = 13.5 ms, and 3 x 1 + 1.5 x 2 = 6 ms
    assert ["total", "4.5", "4", "13.5", "6", "2.25"] in rows
    text = printed(totals_table(total, {task.key: (4e-3, 1e-3)}))
    rows = [line.split() for line in text.splitlines()]
    assert ["matmul(20,", "10,", "10)", "1.5", "0", "-", "-", "-"] in rows
    assert ["total", "of", "1", "tasks", "3", "4", "12", "3", "4.00"] in rows
    assert "total" not in printed(totals_table(total, {}))

"""The command that writes the page about records."""

from __future__ import annotations

import json

import pytest

from costmodel import records as record_file
from costmodel.records import Record
from costmodel.registry import load_file
from costmodel.result import MeasureResult, Reason
from costmodel.task import Task


@pytest.fixture
def file(tmp_path):
    """Three trials of a product of matrices."""
    task = Task("matmul", (16, 16, 16))
    for trial, cost in enumerate((3e-6, 1e-6, 2e-6)):
        result = MeasureResult(Reason.OK, (cost,))
        record_file.append(
            tmp_path / "a.jsonl",
            Record.of(task, task.space.at(trial), result, cpu="CPU", source="random", trial=trial + 1),
        )
    return tmp_path / "a.jsonl"


def test_the_page_is_written(run, file, tmp_path):
    output = run("report", "a.jsonl", "-o", "page.html")
    assert output.splitlines() == ["3 trials of 1 task: page.html"]
    assert "matmul(16, 16, 16)" in (tmp_path / "page.html").read_text()
    run("report", file)
    assert (tmp_path / "report.html").read_bytes() == (tmp_path / "page.html").read_bytes()


def test_what_is_set_aside_is_counted(run, file, tmp_path):
    fields = json.loads(file.read_text().splitlines()[0])
    with open(file, "a") as stream:
        stream.write(json.dumps({**fields, "task": "nothing", "operator": "nothing"}) + "\n")
        stream.write("{}\n")
    output = run("report", file)
    assert "3 trials of 1 task" in output
    assert "records set aside: 1 of operators or shapes that are unknown here" in output
    assert "warning: a.jsonl, line 5: skipped" in output


def test_wrong_input(run, file, tmp_path):
    assert "none.jsonl: no such file" in run("report", "none.jsonl", status=2)
    (tmp_path / "empty.jsonl").touch()
    assert "there is no record to report" in run("report", "empty.jsonl", status=2)
    assert "no record is of a task with 'conv'" in run("report", file, "--task", "conv", status=2)
    assert "there is no folder" in run("report", file, "-o", "no/page.html", status=2)
    assert not (tmp_path / "report.html").exists()


def test_operators_of_a_file(run, operators, tmp_path):
    load_file(tmp_path / "mine.py")
    task = Task(operators, (64,))
    record = Record.of(
        task, task.space.default, MeasureResult(Reason.OK, (1e-6,)), cpu="CPU", source="model", trial=1
    )
    record_file.append(tmp_path / "mine.jsonl", record)
    output = run("report", "mine.jsonl", "--operators", "mine.py")
    assert "1 trial of 1 task" in output

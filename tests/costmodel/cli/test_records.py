"""The commands about record files."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

import compiler
from costmodel.measure.host import cpu_name
from costmodel.records import Record, append, load
from costmodel.registry import load_file
from costmodel.result import MeasureResult, Reason
from costmodel.task import Task

TASK = Task("matmul", (16, 16, 16))
OTHER = Task("softmax", (4, 8))


def record(index: int, cost: float | None = 1e-3, task: Task = TASK, **changes) -> Record:
    result = MeasureResult(Reason.OK, (cost,)) if cost else MeasureResult(Reason.RUN, message="no")
    made = Record.of(task, task.space.at(index), result, cpu=cpu_name(), source="random", trial=1)
    return dataclasses.replace(made, timestamp=float(index), **changes)


@pytest.fixture
def files(tmp_path):
    """Two files with one record in common."""
    a = [record(1, 3e-3), record(2, 2e-3), record(3, None), record(1, 1e-3, cpu="another CPU")]
    b = [a[1], record(5, 1e-3), record(0, 4e-3, OTHER)]
    for name, records in (("a.jsonl", a), ("b.jsonl", b)):
        for one in records:
            append(tmp_path / name, one)
    return a, b


def test_show(run, files):
    output = run("records", "show", "a.jsonl", "b.jsonl")
    rows = [line.split() for line in output.splitlines()]
    first = cpu_name().split()[0]  # a long name takes two lines
    assert any(row[:1] == [first] and row[-4:] == ["5", "1", "1", "random"] for row in rows)
    assert ["another", "CPU", "1", "0", "1", "random"] in rows
    assert max(map(len, output.splitlines())) <= 80


def test_merge(run, files, tmp_path):
    a, b = files
    output = run("records", "merge", "a.jsonl", "b.jsonl", "--output", "m.jsonl")
    assert "7 records of 2 files, 6 different: m.jsonl" in output
    assert load(tmp_path / "m.jsonl") == [b[2], a[0], a[3], a[1], a[2], b[1]]


def test_compact(run, files, tmp_path):
    a, _ = files
    append(tmp_path / "a.jsonl", record(1, 9e-3))
    assert "5 records, 4 kept: c.jsonl" in run("records", "compact", "a.jsonl", "--output", "c.jsonl")
    assert len(load(tmp_path / "a.jsonl")) == 5
    assert "5 records, 2 kept: a.jsonl" in run("records", "compact", "a.jsonl", "--best", 1)
    assert load(tmp_path / "a.jsonl") == [a[3], a[1]]


def test_convert_to_autotvm_and_back(run, files, tmp_path):
    a, _ = files
    run("records", "convert", "a.jsonl", "log.json", "--to", "autotvm")
    assert json.loads((tmp_path / "log.json").read_text().splitlines()[0])["input"][1] == "matmul"
    with (tmp_path / "log.json").open("a") as log:
        log.write(
            '{"input": ["llvm", "dense_nopack.x86", [], {}], "config": {"entity": []}, '
            '"result": [[1], 0, 1, 1]}\n'
        )
    output = run("records", "convert", "log.json", "back.jsonl", "--cpu", "that CPU")
    assert "4 records: back.jsonl" in output
    assert "lines set aside: 1 of tasks that are unknown here" in output
    back = load(tmp_path / "back.jsonl")
    assert [r.config for r in back] == [r.config for r in a] and {r.cpu for r in back} == {"that CPU"}


def test_convert_to_csv_and_back(run, files, tmp_path):
    a, _ = files
    run("records", "convert", "a.jsonl", "a.csv")
    assert "4 records: back.jsonl" in run("records", "convert", "a.csv", "back.jsonl")
    assert load(tmp_path / "back.jsonl") == a
    assert "a.csv is none: records name" in run("records", "convert", "a.csv", "x", "--cpu", "y", status=2)


def test_build_the_best(run, files, tmp_path):
    output = run("build", "b.jsonl", "--task", "matmul", "--output", "best.mod")
    assert "matmul(16, 16, 16) float32 llvm: 0.0 GFLOP/s, 1 ms when it was measured: best.mod" in output
    a, b = TASK.operator.inputs(np.random.default_rng(0), 16, 16, 16)
    out = TASK.operator.output(16, 16, 16)
    compiler.load_module(tmp_path / "best.mod")(a, b, out)
    np.testing.assert_allclose(out, a @ b, rtol=1e-4, atol=1e-4)
    run("build", "a.jsonl")
    assert (tmp_path / "matmul-16-16-16.mod").is_file()


def test_what_cannot_be_built(run, files, tmp_path):
    output = run("build", "b.jsonl", status=2)
    assert "--task must name one of its tasks: matmul(16, 16, 16) float32 llvm; softmax(4, 8)" in output
    append(tmp_path / "c.jsonl", record(1, cpu="another CPU"))
    output = run("build", "c.jsonl", status=2)
    assert "can be built on this machine: 1 of another machine" in output
    run("build", "c.jsonl", "--any-machine")
    append(tmp_path / "d.jsonl", record(1, None))
    assert "can be built on this machine: every trial failed" in run("build", "d.jsonl", status=2)


def test_operators_of_a_file(run, operators, tmp_path):
    load_file(tmp_path / "mine.py")
    task = Task(operators, (8,))
    append(tmp_path / "r.jsonl", record(0, task=task))
    output = run("show", "r.jsonl", "--operators", "mine.py", "--program")
    assert "def main(A: float32[8], B: float32[8])" in output and "# assembly" in output
    assert "for i" in run("show", f"mine.py:{operators}", "--shape", 8, "--program")
    run("build", "r.jsonl", "--operators", "mine.py", "--output", "p.mod")
    assert (tmp_path / "p.mod").is_file()


def test_show_an_operator(run):
    output = run("show", "matmul", "--shape", "8,8,8")
    assert f"matmul(8, 8, 8) float32 llvm: {Task('matmul', (8, 8, 8)).space.size} configurations" in output
    assert "unroll_k" in output and "def main" not in output

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from compiler.ops import OPERATORS
from costmodel.records import Record, append, hardware_of, load
from costmodel.result import MeasureResult, Reason
from costmodel.task import Task


def record(index: int = 0, cost: float = 1e-3, trial: int = 1, **changes) -> Record:
    task = Task("matmul", (16, 16, 16))
    result = MeasureResult(Reason.OK, (cost, cost * 1.1, cost * 0.9), build_seconds=0.01, total_seconds=0.1)
    made = Record.of(task, task.space.at(index), result, cpu="some CPU", source="model", trial=trial)
    return dataclasses.replace(made, **changes)


def failure(index: int = 0) -> Record:
    return record(index, costs=(), reason="timeout", message="too slow")


def test_round_trip(tmp_path):
    path = tmp_path / "r.jsonl"
    written = [record(0), failure(1), record(2, 2e-3)]
    for one in written:
        append(path, one)
    assert load(path) == written


def test_a_line_is_plain_json_with_a_version(tmp_path):
    path = tmp_path / "r.jsonl"
    append(path, record(3))
    (line,) = path.read_text().splitlines()
    fields = json.loads(line)
    assert fields["version"] == 3
    assert fields["hardware"] == hardware_of("llvm") and fields["hardware"]["vector_registers"] > 0
    assert fields["noise"] is None and fields["drift"] == 1.0
    assert fields["task"] == "matmul(16, 16, 16) float32 llvm"
    assert (fields["operator"], fields["shape"], fields["target"]) == (
        "matmul",
        [16, 16, 16, 0, "NN", "none"],
        "llvm",
    )
    assert fields["index"] == 3 and fields["source"] == "model" and fields["cpu"] == "some CPU"
    assert Task("matmul", (16, 16, 16)).space.config(fields["config"]).index == 3


def changed(**fields) -> str:
    values = json.loads(record().line())
    values.update(fields)
    return json.dumps({k: v for k, v in values.items() if v is not ...})


@pytest.mark.parametrize(
    "line, message",
    [
        (changed(version=4), "schema version 4 is newer than 3.*upgrade"),
        (changed(version=0), "schema version 0 is unknown"),
        (changed(version="1"), "no schema version"),
        (changed(version=...), "no schema version"),
        (changed(sorce="x"), "unknown field 'sorce'; did you mean 'source'"),
        (changed(index=...), "the field 'index' is missing"),
        (changed(index=-1), "the field 'index' cannot be -1"),
        (changed(index=True), "the field 'index' cannot be True"),
        (changed(costs=[0.1, "x"]), "the field 'costs' cannot be"),
        (changed(costs=[-0.1]), "the field 'costs' cannot be"),
        (changed(reason="boredom"), "the field 'reason' cannot be 'boredom'"),
        (changed(config=[1]), "the field 'config' cannot be"),
        (changed(shape="512"), "the field 'shape' cannot be"),
        (changed(task=5), "the field 'task' cannot be 5"),
        (changed(final=1), "the field 'final' cannot be 1"),
        (changed(noise="low"), "the field 'noise' cannot be 'low'"),
        (changed(hardware=[512]), "the field 'hardware' cannot be"),
        (record().line().replace("0.001", "NaN", 1), "the field 'costs' cannot be"),
    ],
)
def test_lines_that_are_not_records(line, message):
    with pytest.raises(ValueError, match=message):
        Record.parse(line)


def test_old_versions_are_converted():
    old = {k: v for k, v in json.loads(record().line()).items() if k not in ("hardware", "noise", "drift")}
    found = Record.parse(json.dumps({**old, "version": 1}))
    assert found == dataclasses.replace(
        record(), timestamp=found.timestamp, hardware={}, noise=None, drift=None
    )


KEPT = Path(__file__).parents[1] / "records_version1.jsonl"


def test_records_of_a_version_without_dtypes_name_the_same_tasks():
    """The file was written before operators had a parameter for the type; templates have changed since."""
    found = load(KEPT)
    assert len(found) == 29
    later = {"argmax", "conv2d_transpose", "cumsum"}
    assert {r.operator for r in found} == {op.name for op in OPERATORS} - later
    for record in found:
        task = Task(record.operator, record.shape, record.target)
        assert task.key == record.task
        result = MeasureResult(Reason.OK, record.costs, "", 0.01, 0.1, record.timestamp)
        again = Record.of(task, task.space.default, result, cpu="a CPU", source="model", trial=record.trial)
        same = {
            name: getattr(again, name)
            for name in ("hardware", "index", "config", "reason", "message", "drift", "source")
        }
        assert again == dataclasses.replace(record, **same)


def test_records_of_the_first_version_are_written_in_the_newest():
    for record, line in zip(load(KEPT), KEPT.read_text().splitlines(), strict=True):
        written = json.loads(record.line())
        added = {"hardware": {}, "noise": None, "drift": None, "final": False}
        assert written == {**json.loads(line), "version": 3, **added}
        assert Record.parse(record.line()) == record


def test_records_of_the_second_version_are_trials():
    newest = record()
    fields = json.loads(newest.line())
    del fields["final"]
    assert Record.parse(json.dumps({**fields, "version": 2})) == newest


def test_records_of_the_benchmarks_name_tasks_of_today():
    path = Path(__file__).parents[3] / "benchmarks" / "programs" / "known.jsonl"
    found = load(path)
    assert found
    for record in found:
        assert Task(record.operator, record.shape, record.target).key == record.task
        assert Record.parse(record.line()) == record


def test_a_type_that_is_not_the_default_is_part_of_the_shape():
    task = Task("matmul", (4, 5, 6, 0, "NN", "none", "int8"))
    made = Record.of(
        task, task.space.default, MeasureResult(Reason.OK, (1.0,)), cpu="a CPU", source="model", trial=1
    )
    assert made.shape == (4, 5, 6, 0, "NN", "none", "int8")
    assert Task(made.operator, made.shape, made.target).key == made.task

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from compiler.ops import OPERATORS
from costmodel import records
from costmodel.records import Record, RecordWarning, append, best, load
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
    assert fields["version"] == 1
    assert fields["task"] == "matmul(16, 16, 16) float32 llvm"
    assert (fields["operator"], fields["shape"], fields["target"]) == (
        "matmul",
        [16, 16, 16, 0, "NN", "none"],
        "llvm",
    )
    assert fields["index"] == 3 and fields["source"] == "model" and fields["cpu"] == "some CPU"
    assert Task("matmul", (16, 16, 16)).space.config(fields["config"]).index == 3


@pytest.mark.parametrize("cut", [1, 40, 200])
def test_broken_last_line_is_reported_and_skipped(tmp_path, cut):
    path = tmp_path / "r.jsonl"
    append(path, record(0))
    append(path, record(1))
    path.write_bytes(path.read_bytes()[:-cut])
    with (
        pytest.warns(RecordWarning, match=r"r.jsonl, line 2: skipped: not a JSON object")
        if cut > 1
        else _quiet()
    ):
        found = load(path)
    # without its line end alone the line is whole
    assert [r.index for r in found] == ([0] if cut > 1 else [0, 1])


def _quiet():
    import contextlib

    return contextlib.nullcontext()


@pytest.mark.parametrize("cut", [1, 40])
def test_appending_after_a_broken_last_line(tmp_path, cut):
    path = tmp_path / "r.jsonl"
    append(path, record(0))
    append(path, record(1))
    path.write_bytes(path.read_bytes()[:-cut])
    append(path, record(2))
    with pytest.warns(RecordWarning, match="line 2") if cut > 1 else _quiet():
        found = load(path)
    assert [r.index for r in found] == ([0, 2] if cut > 1 else [0, 1, 2])


def test_broken_lines_anywhere_are_skipped(tmp_path):
    path = tmp_path / "r.jsonl"
    whole = record(0).line()
    path.write_text("{" + "\n" + whole + "\n" + "[1, 2]\n" + whole)
    with pytest.warns(RecordWarning) as warned:
        assert len(load(path)) == 2
    assert ["line 1" in str(w.message) for w in warned] == [True, False]
    assert "line 4: skipped: a JSON object is needed, not list" in str(warned[1].message)


def test_invalid_utf8_is_skipped(tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_bytes(b"\xff\xfe\x00\n" + record(0).line().encode())
    with pytest.warns(RecordWarning, match="line 1"):
        assert len(load(path)) == 1


def changed(**fields) -> str:
    values = json.loads(record().line())
    values.update(fields)
    return json.dumps({k: v for k, v in values.items() if v is not ...})


@pytest.mark.parametrize(
    "line, message",
    [
        (changed(version=2), "schema version 2 is newer than 1.*upgrade"),
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
        (record().line().replace("0.001", "NaN", 1), "the field 'costs' cannot be"),
    ],
)
def test_lines_that_are_not_records(line, message):
    with pytest.raises(ValueError, match=message):
        Record.parse(line)


def test_newer_version_is_refused_line_by_line(tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_text(changed(version=7) + "\n" + record(1).line())
    with pytest.warns(RecordWarning, match="line 1: skipped: schema version 7 is newer than 1"):
        assert [r.index for r in load(path)] == [1]


def test_old_versions_are_converted(monkeypatch):
    old = changed(version=1, source=...)
    monkeypatch.setattr(records, "SCHEMA_VERSION", 2)
    monkeypatch.setitem(records.CONVERTERS, 1, lambda fields: {**fields, "source": "before sources"})
    assert Record.parse(old).source == "before sources"


KEPT = Path(__file__).parent / "records_version1.jsonl"


def test_records_of_a_version_without_dtypes_name_the_same_tasks():
    """The file was written before operators had a parameter for the type."""
    found = load(KEPT)
    assert len(found) == 29
    assert {r.operator for r in found} == {op.name for op in OPERATORS} - {"argmax", "cumsum"}  # came later
    for record in found:
        task = Task(record.operator, record.shape, record.target)
        assert task.key == record.task
        assert task.space.config(record.config).index == record.index
        if record.ok:
            result = MeasureResult(Reason.OK, record.costs, "", 0.01, 0.1, record.timestamp)
            config = task.space.at(record.index)
            again = Record.of(task, config, result, cpu="a CPU", source="model", trial=record.trial)
            assert again == record


def test_records_without_dtypes_are_written_unchanged():
    assert "".join(r.line() for r in load(KEPT)) == KEPT.read_text()


def test_records_of_the_benchmarks_name_tasks_of_today():
    path = Path(__file__).parents[2] / "benchmarks" / "programs" / "known.jsonl"
    found = load(path)
    assert found
    for record in found:
        assert Task(record.operator, record.shape, record.target).key == record.task
    assert "".join(r.line() for r in found) == path.read_text()


def test_a_type_that_is_not_the_default_is_part_of_the_shape():
    task = Task("matmul", (4, 5, 6, 0, "NN", "none", "int8"))
    made = Record.of(
        task, task.space.default, MeasureResult(Reason.OK, (1.0,)), cpu="a CPU", source="model", trial=1
    )
    assert made.shape == (4, 5, 6, 0, "NN", "none", "int8")
    assert Task(made.operator, made.shape, made.target).key == made.task


def test_best_is_by_median_and_names_each_configuration_once():
    found = best([record(0, 3e-3), failure(1), record(2, 1e-3), record(3, 2e-3), record(2, 1.5e-3)], n=3)
    assert [(r.index, r.cost) for r in found] == [(2, 1e-3), (3, 2e-3), (0, 3e-3)]


def test_best_of_one_task():
    other = record(5, 1e-6, task="another task")
    assert best([other, record(1)], "matmul(16, 16, 16) float32 llvm")[0].index == 1
    assert best([failure()]) == []


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "nothing.jsonl")

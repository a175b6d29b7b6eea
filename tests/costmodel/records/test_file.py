from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import costmodel
from boost.atomic import write_text
from costmodel.records import Record, RecordWarning, append, load, rewrite, set_aside
from costmodel.records import file as record_file
from costmodel.result import MeasureResult, Reason
from costmodel.task import Task

HOME = str(Path(costmodel.__file__).parent.parent)


def record(index: int = 0, cost: float = 1e-3, **changes) -> Record:
    task = Task("matmul", (16, 16, 16))
    result = MeasureResult(Reason.OK, (cost,), build_seconds=0.01, total_seconds=0.1)
    made = Record.of(task, task.space.at(index), result, cpu="some CPU", source="model", trial=1)
    return dataclasses.replace(made, **changes)


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
    (message,) = (str(w.message) for w in warned)
    assert message.startswith("r.jsonl, line 1: skipped: not a JSON object") and message.endswith(
        "(and 1 more)"
    )


def test_invalid_utf8_is_skipped(tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_bytes(b"\xff\xfe\x00\n" + record(0).line().encode())
    with pytest.warns(RecordWarning, match="line 1"):
        assert len(load(path)) == 1


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "nothing.jsonl")


def test_records_of_a_newer_schema_are_counted(tmp_path):
    path = tmp_path / "r.jsonl"
    newer = json.dumps({**json.loads(record().line()), "version": 7, "colour": "red"}) + "\n"
    path.write_text(newer + record(1).line() + newer)
    with pytest.warns(RecordWarning) as warned:
        assert [r.index for r in load(path)] == [1]
    (message,) = (str(w.message) for w in warned)
    assert message == (
        "r.jsonl: 2 records of a schema newer than version 3 are set aside: upgrade espalier to read them"
    )


APPENDING = """
import sys
sys.path.insert(0, sys.argv[1])
from costmodel.records import Record, append
record = Record.parse(sys.stdin.read())
for trial in range(150):
    append(sys.argv[2], Record.of_fields({**record.fields(), "trial": trial, "source": sys.argv[3]}))
"""


def appending(path: Path, source: str) -> subprocess.Popen:
    command = [sys.executable, "-c", APPENDING, HOME, str(path), source]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, text=True)
    assert process.stdin is not None
    # longer than what a pipe or a page takes at once
    process.stdin.write(record(message="x" * 20_000, costs=(), reason="timeout").line())
    process.stdin.close()
    return process


def test_processes_that_append_to_one_file(tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_text('{"version": 2, "task": "the line of a run that was kill')
    running = [appending(path, source) for source in "abc"]
    assert [process.wait(timeout=120) for process in running] == [0, 0, 0]
    with pytest.warns(RecordWarning, match=r"line 1: skipped: not a JSON object, perhaps cut short \(.*\)$"):
        found = load(path)
    assert len(found) == 450
    for source in "abc":
        assert [r.trial for r in found if r.source == source] == list(range(150))


def test_an_append_that_waits_goes_to_the_file_that_replaces_the_old_one(tmp_path):
    path = tmp_path / "r.jsonl"
    append(path, record())
    waiting = threading.Thread(target=append, args=(path, record(1)))
    with record_file._locked(path):
        waiting.start()
        time.sleep(0.3)  # it has opened the file, and waits for the lock
        assert waiting.is_alive()
        write_text(path, record(2).line())
    waiting.join(30)
    assert [r.index for r in load(path)] == [2, 1]


def test_a_file_is_rewritten_under_the_lock_of_those_that_append(tmp_path):
    path = tmp_path / "r.jsonl"
    append(path, record())
    waiting = threading.Thread(target=rewrite, args=(path, [record(3)]))
    with record_file._locked(path):
        waiting.start()
        time.sleep(0.3)
        assert waiting.is_alive() and [r.index for r in load(path)] == [0]
    waiting.join(30)
    assert [r.index for r in load(path)] == [3]


def test_rewriting(tmp_path):
    path = tmp_path / "r.jsonl"
    for _ in range(2):
        rewrite(path, [record(1), record(2)])
        assert [r.index for r in load(path)] == [1, 2]
    assert [p.name for p in tmp_path.iterdir()] == ["r.jsonl"]


def test_counts_in_one_line():
    assert set_aside({"of another machine": 12, "broken": 0, "of unknown tasks": 3}) == (
        "12 of another machine, 3 of unknown tasks"
    )

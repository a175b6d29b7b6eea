from __future__ import annotations

import gzip
import json
import math

import numpy as np
import pytest

import compiler
from compiler import Target
from costmodel import Task, extract, feature_version
from costmodel.transfer import MeasuredProgram, examples, read_programs, write_programs

V3 = "llvm -mcpu=x86-64-v3 -mtriple=x86_64-unknown-linux-gnu"


@pytest.fixture(scope="module")
def programs() -> list[MeasuredProgram]:
    found = []
    for size, target in ((16, V3), (32, V3)):
        task = Task("matmul", (size, size, size), target)
        hardware = Target.parse(target).hardware
        for number, index in enumerate(task.space.random(np.random.default_rng(0), 3)):
            nest = str(compiler.loop_nest(*task.instantiate(index)))
            seconds = (1 + number) * 1e-3 if number < 2 else math.inf
            found.append(MeasuredProgram(task.key, hardware, seconds, nest))
    return found


@pytest.mark.parametrize("name", ["programs.jsonl", "programs.jsonl.gz"])
def test_files_keep_programs(programs, tmp_path, name):
    write_programs(tmp_path / name, programs)
    again = read_programs(tmp_path / name)
    assert [(p.task, p.seconds, p.nest) for p in again] == [(p.task, p.seconds, p.nest) for p in programs]
    for one, other in zip(again, programs, strict=True):
        for what in ("vector_bits", "vector_registers", "caches", "threads", "byte_products"):
            assert getattr(one.hardware, what) == getattr(other.hardware, what)
    raw = (tmp_path / name).read_bytes()
    write_programs(tmp_path / name, again)
    assert (tmp_path / name).read_bytes() == raw


def test_the_features_are_those_of_the_loop_nest(programs):
    rows = examples(programs)
    assert rows.features.shape == (6, len(rows.features[0])) and rows.features.dtype == np.float32
    task = Task("matmul", (16, 16, 16), V3)
    index = task.space.random(np.random.default_rng(0), 3)[0]
    nest = compiler.loop_nest(*task.instantiate(index))
    np.testing.assert_array_equal(rows.features[0], extract(nest, programs[0].hardware))
    np.testing.assert_array_equal(rows.throughputs, [1000, 500, 0, 1000, 500, 0])
    np.testing.assert_array_equal(rows.groups, [0, 0, 0, 1, 1, 1])
    assert rows.version == feature_version("store")
    assert examples(programs, "loop").version == feature_version("loop")


def test_rows_of_some_tasks(programs):
    rows = examples(programs)
    some = rows.of([rows.tasks[1]])
    assert len(some) == 3 and set(some.groups) == {1}
    np.testing.assert_array_equal(some.features, rows.features[3:])


@pytest.mark.parametrize(
    "lines, message",
    [
        (['{"version": 9}'], "line 1 is not one of measured programs: the first line must be"),
        (['{"version": 1}', '{"seconds": 1.0, "nest": "x"}'], "line 2 .* of the task ''"),
        (['{"version": 1}', '{"task": "t", "hardware": {"wings": 2}}'], "line 2 .* hardware has no 'wings'"),
        (['{"version": 1}', '{"task": "t", "hardware": {}}', '{"seconds": -1, "nest": ""}'], "line 3"),
        (['{"version": 1}', '{"task": "t", "hardware": {}}', '{"nest": ""}'], "line 3 .*'seconds'"),
        (['{"version": 1}', "{"], "line 2"),
    ],
)
def test_files_of_another_kind(tmp_path, lines, message):
    (tmp_path / "data.jsonl").write_text("\n".join(lines))
    with pytest.raises(ValueError, match=f"data.jsonl, {message}" if "line" in message else message):
        read_programs(tmp_path / "data.jsonl")


def test_a_program_that_is_no_loop_nest(programs):
    broken = MeasuredProgram("matmul", programs[0].hardware, 1.0, "def main(:")
    with pytest.raises(ValueError, match="a program of matmul cannot be read"):
        examples([broken])
    with pytest.raises(ValueError, match="no programs to learn from"):
        examples([])


def test_files_are_lines_of_json(programs, tmp_path):
    write_programs(tmp_path / "p.jsonl.gz", programs)
    lines = [
        json.loads(line) for line in gzip.decompress((tmp_path / "p.jsonl.gz").read_bytes()).splitlines()
    ]
    assert lines[0] == {"version": 1}
    assert [line["task"] for line in lines if "task" in line] == list(dict.fromkeys(p.task for p in programs))
    assert [line["seconds"] for line in lines if "nest" in line] == [1e-3, 2e-3, None] * 2

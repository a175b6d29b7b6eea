"""The best records in place of the defaults of operators."""

from __future__ import annotations

import dataclasses
import threading
import warnings

import numpy as np
import pytest

import compiler
from compiler.ops import MATMUL, Defaults
from costmodel.history import HistoryWarning, apply_history_best
from costmodel.measure.host import cpu_name
from costmodel.records import Record, append
from costmodel.result import MeasureResult, Reason
from costmodel.task import Task

TASK = Task("matmul", (32, 32, 32))


def record(index: int, cost: float = 1e-3, task: Task = TASK, **changes) -> Record:
    result = MeasureResult(Reason.OK, (cost,))
    made = Record.of(task, task.space.at(index), result, cpu=cpu_name(), source="random", trial=1)
    return dataclasses.replace(made, **changes)


def program(task: Task = TASK, config=None) -> str:
    return str(compiler.loop_nest(*task.instantiate(config)))


@pytest.fixture(scope="module")
def others() -> list[int]:
    """Indices of three programs that differ from the default and from each other."""
    seen = {program(): -1}
    for index in TASK.space.random(np.random.default_rng(0), 60):
        try:
            seen.setdefault(program(config=index), index)
        except ValueError:
            continue
    return [index for index in seen.values() if index >= 0][:3]


def test_the_fastest_record_is_built(tmp_path, others):
    slow, fast, _ = others
    path = tmp_path / "r.jsonl"
    for one in (record(slow, 2e-3), record(fast, 1e-3), record(slow, 3e-3)):
        append(path, one)
    default = program()
    with apply_history_best(path) as history:
        assert program() == program(config=fast) != default
        schedule, args = MATMUL.schedule(Defaults(), 32, 32, 32)
        assert str(compiler.loop_nest(schedule, args)) == program(config=fast)
        a, b = MATMUL.inputs(np.random.default_rng(0), 32, 32, 32)
        out = MATMUL.output(32, 32, 32)
        compiler.build(schedule, args)(a, b, out)
        np.testing.assert_allclose(out, a @ b, rtol=1e-4, atol=1e-4)
    assert program() == default
    assert history.used[TASK.key].index == fast and not history.missed


def test_a_miss_is_the_default_and_may_be_reported(others):
    other = Task("matmul", (32, 32, 31))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with apply_history_best([record(others[0])]) as history:
            assert program(other) == program(other, other.space.default)
            program(other)
    assert history.missed == {"matmul(32, 32, 31) float32 " + str(compiler.Target.host()): 2}
    with (
        apply_history_best([record(others[0])], notice=True),
        pytest.warns(
            HistoryWarning, match=r"no record of matmul\(32, 32, 31\).*its default is built"
        ) as said,
    ):
        program(other)
        program(other)
    assert len(said) == 1 and said[0].filename == __file__


def test_failures_and_other_machines_are_not_applied(others):
    a, b, c = others
    failed = record(a, costs=(), reason="timeout")
    elsewhere = record(b, 1e-6, cpu="another CPU")
    with apply_history_best([failed, elsewhere, record(c), record(b, 5e-3)]) as history:
        assert program() == program(config=c)
    assert history.set_aside == {"of another machine": 1}
    with apply_history_best([elsewhere, record(c)], machine="another CPU"):
        assert program() == program(config=b)
    with apply_history_best([elsewhere, record(c)], machine=None):
        assert program() == program(config=b)


def test_the_target_is_part_of_the_task(others):
    task = Task("matmul", (32, 32, 32), "llvm -mcpu=x86-64-v2 -mtriple=x86_64-unknown-linux-gnu")
    default = program(task)
    with apply_history_best([record(others[0])]):
        assert program(task) == default
    spelled = Task("matmul", (32, 32, 32), "llvm -mtriple=x86_64-unknown-linux-gnu -mcpu=x86-64-v2")
    index = spelled.space.size - 1
    with apply_history_best([record(index, task=spelled)]) as history:
        program(task)
    assert [r.index for r in history.used.values()] == [index]


def test_a_configuration_that_the_space_no_longer_has_is_set_aside(others):
    stale = record(others[0], 1e-6, config={**record(others[0]).config, "gone": 1})
    with apply_history_best([stale, record(others[1])]) as history:
        assert program() == program(config=others[1])
    assert history.set_aside["of configurations that the space does not have"] == 1


def test_nested_blocks(others):
    a, b, _ = others
    wide = Task("matmul", (32, 32, 31))
    index = wide.space.size - 1
    with apply_history_best([record(a), record(index, task=wide)]) as outer:
        with outer, apply_history_best([record(b)]) as inner:
            assert program() == program(config=b)
            assert program(wide) == program(wide, index)
        assert program() == program(config=a)
        assert list(inner.used) == [TASK.key] and inner.missed


def test_threads_have_blocks_of_their_own(others):
    a, _, _ = others
    default, found = program(), []
    history = apply_history_best([record(a)])
    barrier = threading.Barrier(2)

    def other():
        found.append(program())
        with history:
            barrier.wait(10)  # both are inside now
            found.append(program())
        barrier.wait(10)
        found.append(program())

    with history:
        thread = threading.Thread(target=other)
        thread.start()
        barrier.wait(10)
        barrier.wait(10)
        assert program() == program(config=a)
    thread.join()
    assert found == [default, program(config=a), default] and program() == default


def test_a_missing_file_is_an_error():
    with pytest.raises(FileNotFoundError):
        apply_history_best("nothing.jsonl")

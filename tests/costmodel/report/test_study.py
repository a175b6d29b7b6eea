"""Records sorted by task, machine and search."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from costmodel import records as record_file
from costmodel.records import Record, RecordWarning
from costmodel.report import study
from costmodel.task import Task


@pytest.fixture
def write(result, tmp_path) -> Callable[..., Any]:
    """Writes the records of a run, with changes, to a file."""

    def make(name: str, *changes: dict[str, Any]) -> Any:
        for number, change in enumerate(changes):
            record = result.records[0]
            record_file.append(
                tmp_path / name, dataclasses.replace(record, trial=number + 1, timestamp=number, **change)
            )
        return tmp_path / name

    return make


def costs(run: tuple[Record, ...]) -> list[float]:
    return [record.cost for record in run]


def test_a_task_on_two_machines_is_two_studies(write):
    path = write("a.jsonl", {"cpu": "A"}, {"cpu": "B"}, {"cpu": "A"})
    found = study([path])
    assert [(one.cpu, len(one.records)) for one in found.tasks] == [("A", 2), ("B", 1)]
    assert (found.files, found.records, sum(found.aside.values())) == (1, 3, 0)


def test_two_searches_at_a_time_in_one_file_are_told_apart(write):
    trials = [(1, "model"), (1, "random"), (2, "random"), (2, "model"), (3, "model")]
    path = write("a.jsonl")
    result_of = write("b.jsonl", *({"costs": (float(n + 1),)} for n in range(5)))
    for (trial, source), record in zip(trials, record_file.load(result_of), strict=True):
        record_file.append(path, dataclasses.replace(record, trial=trial, source=source))
    (one,) = study([path]).tasks
    assert [costs(run) for run in one.runs] == [[1.0, 4.0, 5.0], [2.0, 3.0]]


def test_two_files_are_two_searches_and_a_record_counts_once(write):
    first = write("a.jsonl", {"costs": (1.0,)}, {"costs": (2.0,)})
    second = write("b.jsonl", {"costs": (3.0,)}, {"costs": (4.0,)})
    found = study([first, second, first])
    (one,) = found.tasks
    assert [costs(run) for run in one.runs] == [[1.0, 2.0], [3.0, 4.0]]
    assert found.aside == {"given twice": 2}


def test_the_median_of_the_curves(write):
    # 2000 operations: 2, 1 and 4 GFLOP/s
    files = [
        write(name, *({"costs": (cost,)} for cost in run))
        for name, run in {"a": [1e-6, 2e-6], "b": [2e-6, 1e-6], "c": [5e-7]}.items()
    ]
    (one,) = study(files).tasks
    curves = one.curves()
    # 2, 2; 1, 2; and 4, which stays
    np.testing.assert_allclose(curves["model"], [2.0, 2.0])
    assert one.best is not None and one.best.cost == 5e-7


def test_the_default_and_the_speedup(write, task):
    slow, fast = task.space.default, task.space.at((task.space.default.index + 1) % task.space.size)
    path = write(
        "a.jsonl",
        {"config": slow.plain(), "costs": (3e-6,)},
        {"config": fast.plain(), "costs": (1e-6,)},
        {"config": slow.plain(), "costs": (5e-6,)},
    )
    (one,) = study([path]).tasks
    assert one.default_cost == pytest.approx(4e-6) and one.speedup == pytest.approx(4.0)
    assert one.best_config == fast


def test_what_does_not_count_is_set_aside_with_its_number(write):
    path = write(
        "a.jsonl",
        {},
        {"task": "nothing(1)", "operator": "nothing"},
        {"config": {"tile": [7, 7]}},
        {"costs": (0.0,)},
        {"costs": ()},
        {"task": "nothing(1)", "operator": "nothing"},
    )
    with open(path, "a") as file:
        file.write('{"version": 2, "task"')
    with pytest.warns(RecordWarning, match="line 7"):
        found = study([path])
    assert found.aside == {
        "of operators or shapes that are unknown here": 2,
        "of configurations that the space does not have": 1,
        "that succeeded without a cost above zero": 2,
    }
    assert [len(one.records) for one in found.tasks] == [1]
    assert any("nothing" in note for note in found.notes) and any("line 7" in note for note in found.notes)


def test_files_without_records_are_refused(write, tmp_path):
    empty = tmp_path / "empty.jsonl"
    empty.touch()
    with pytest.raises(ValueError, match=r"empty.jsonl: there is no record to report"):
        study([empty])
    with pytest.raises(ValueError, match="2 of operators or shapes that are unknown here.*'nothing'"):
        study([write("a.jsonl", {"operator": "nothing"}, {"operator": "nothing"})])
    with pytest.raises(ValueError, match="no record is of a task with 'conv' in its key"):
        study([write("b.jsonl", {})], task="conv")
    with pytest.raises(FileNotFoundError):
        study([tmp_path / "none.jsonl"])


def test_a_part_of_the_key_chooses_tasks(write):
    other = Task("matmul", (20, 10, 10))
    path = write(
        "a.jsonl", {}, {"task": other.key, "shape": other.shape, "config": other.space.default.plain()}
    )
    assert len(study([path]).tasks) == 2
    assert [one.task.key for one in study([path], task="(20,").tasks] == [other.key]


def test_the_winner_of_a_final_comparison_is_the_best_but_no_trial(write, result):
    other = dataclasses.replace(result.records[0], config={**result.records[0].config})
    path = write("a.jsonl", {"costs": (2e-6,)})
    lucky = next(r for r in result.records if r.config != other.config and r.ok)
    record_file.append(path, dataclasses.replace(lucky, trial=2, cpu=other.cpu, costs=(1e-6,)))
    record_file.append(path, dataclasses.replace(other, trial=1, costs=(3e-6,), final=True))
    (one,) = study([path]).tasks
    assert [costs(run) for run in one.runs] == [[2e-6, 1e-6]]
    assert one.best.config == other.config and one.best.cost == 2e-6

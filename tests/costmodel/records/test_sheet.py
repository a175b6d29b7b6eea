from __future__ import annotations

import io

import pandas as pd
import pytest

from costmodel.records import Record, from_csv, to_csv
from costmodel.result import MeasureResult, Reason
from costmodel.task import Task

TASK = Task("matmul", (16, 16, 16))


def records() -> list[Record]:
    results = [
        MeasureResult(Reason.OK, (2e-3, 1e-3, 4e-3), timestamp=5.0),
        MeasureResult(Reason.BUILD, message='two lines,\nand "quotes"', timestamp=6.0),
    ]
    return [
        Record.of(TASK, TASK.space.at(number), result, cpu="a CPU", source="model", trial=number + 1)
        for number, result in enumerate(results)
    ]


def test_a_data_frame_reads_it():
    frame = pd.read_csv(io.StringIO(to_csv(records())))
    assert frame["cost"].tolist()[0] == 2e-3 and frame["cost"].isna().tolist() == [False, True]
    assert frame["task"].tolist() == [TASK.key] * 2
    assert frame["costs"][0] == "[0.002, 0.001, 0.004]" and frame["trial"].tolist() == [1, 2]


def test_there_and_back():
    found, aside = from_csv(to_csv(records()))
    assert found == records() and not aside


def test_broken_lines_are_counted():
    text = to_csv(records()[:1])
    found, aside = from_csv(text + text.splitlines()[1].replace("[0.002", "[oops") + "\n")
    assert len(found) == 1 and aside == {"broken lines": 1}


def test_another_table_is_refused():
    with pytest.raises(ValueError, match="the columns task, config, costs of records are missing"):
        from_csv("a,b\n1,2\n")

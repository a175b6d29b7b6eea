from __future__ import annotations

import dataclasses

from costmodel.records import Record, best, compact, merge
from costmodel.result import MeasureResult, Reason
from costmodel.task import Task


def record(index: int = 0, cost: float = 1e-3, time: float = 1.0, **changes) -> Record:
    task = Task("matmul", (16, 16, 16))
    result = MeasureResult(Reason.OK, (cost, cost * 1.1, cost * 0.9), build_seconds=0.01, timestamp=time)
    made = Record.of(task, task.space.at(index), result, cpu="some CPU", source="model", trial=1)
    return dataclasses.replace(made, **changes)


def failure(index: int = 0, time: float = 1.0) -> Record:
    return record(index, time=time, costs=(), reason="timeout", message="too slow")


def test_best_is_by_median_and_names_each_configuration_once():
    found = best([record(0, 3e-3), failure(1), record(2, 1e-3), record(3, 2e-3), record(2, 1.5e-3)], n=3)
    assert [(r.index, r.cost) for r in found] == [(2, 1e-3), (3, 2e-3), (0, 3e-3)]


def test_best_of_one_task():
    other = record(5, 1e-6, task="another task")
    assert best([other, record(1)], "matmul(16, 16, 16) float32 llvm")[0].index == 1
    assert best([failure()]) == []


def test_merging_keeps_each_record_once_in_the_order_of_time():
    a, b, c = record(1, time=3.0), record(2, time=1.0), record(1, 2e-3, time=2.0)
    assert merge([a, b], [b, c], [a]) == [b, c, a]
    assert merge() == []


def test_compacting_keeps_the_fastest_of_each_configuration_and_machine():
    slow, fast, failed = record(1, 2e-3, time=1.0), record(1, 1e-3, time=2.0), failure(1, time=3.0)
    elsewhere = record(1, 5e-3, time=4.0, cpu="another CPU")
    assert compact([slow, fast, failed, elsewhere]) == [fast, elsewhere]
    old, new = failure(2, time=1.0), failure(2, time=2.0)
    assert compact([old, new]) == [new]


def test_compacting_to_the_best():
    records = [record(index, 1e-3 * (5 - index), time=float(index)) for index in range(4)]
    elsewhere = record(0, 1.0, time=9.0, cpu="another CPU")
    assert compact([*records, failure(7), elsewhere], keep=2) == [records[2], records[3], elsewhere]


def test_the_winner_of_the_last_final_comparison_comes_first():
    # 3 has the lowest cost by luck; 2 won the comparison in which 1 was the winner before
    before, winner = record(1, 2.2e-3, time=5.0, final=True), record(2, 2e-3, time=6.0, final=True)
    trials = [record(1, 1.5e-3), record(2, 1.8e-3), record(3, 1e-3), record(4, 3e-3)]
    found = best([*trials, winner, before], n=9)
    assert [r.index for r in found] == [2, 3, 1, 4] and found[0] is winner
    # of another machine nothing follows
    elsewhere = record(5, 1.9e-3, cpu="another CPU")
    assert best([*trials, winner, elsewhere])[0] is elsewhere


def test_a_later_trial_is_no_winner_until_the_next_comparison():
    winner, later = record(2, 2e-3, time=6.0, final=True), record(7, 1e-3, time=8.0)
    assert best([later, winner]) == [winner]


def test_compacting_keeps_the_winner_of_the_last_comparison():
    trial, winner = record(2, 1e-3), record(2, 2e-3, time=6.0, final=True)
    again = record(2, 3e-3, time=7.0, final=True)
    assert compact([trial, winner, again, record(3, 0.5e-3)], keep=1) == [again]
    assert compact([trial, winner, again]) == [trial, again]

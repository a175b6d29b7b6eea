from __future__ import annotations

import pytest

from costmodel.measure.comparison import Comparison
from costmodel.measure.finals import DEFAULT, Finals, run_finals
from costmodel.measure.measurer import Measurer
from costmodel.records import Record
from costmodel.result import MeasureResult, Reason
from costmodel.task import Task


class FakeMeasurer:
    """A second measurement in which every configuration costs its index plus one."""

    def __init__(self) -> None:
        self.compared: list[list[int]] = []

    def compare(self, task, configs, *, baseline=False, rounds=15):
        self.compared.append([c.index for c in configs.values()])
        return [Comparison(n, (float(c.index + 1),) * rounds, task.flops) for n, c in configs.items()]


@pytest.fixture
def task() -> Task:
    return Task("matmul", (16, 16, 16))


def records(task, *indices_and_costs) -> list[Record]:
    return [
        Record.of(task, task.space.at(i), MeasureResult(Reason.OK, (c,)), cpu="CPU", source="model", trial=n)
        for n, (i, c) in enumerate(indices_and_costs)
    ]


def test_a_winner_by_noise_loses_the_second_measurement(task):
    measurer = FakeMeasurer()
    # 9 has the lowest cost by noise; of the best few, 4 is the fastest in the second measurement
    run = records(task, (9, 1.0e-3), (4, 1.1e-3), (7, 1.2e-3), (2, 5.0e-3))
    finals = run_finals(task, {"tuned": run}, measurer, finalists=3)
    assert sorted(measurer.compared[0]) == [4, 7, 9]
    assert finals.configs["tuned"].index == 4
    assert [c.name for c in finals.comparisons] == [DEFAULT, "tuned"]
    assert finals["tuned"].costs == (5.0,) * 15


class TwoCosts(FakeMeasurer):
    def __init__(self, default, other) -> None:
        super().__init__()
        self.costs = default, other

    def compare(self, task, configs, *, baseline=False, rounds=15):
        usual, other = self.costs
        default = task.space.default.index
        costs = {n: usual if c.index == default else other for n, c in configs.items()}
        return [Comparison(n, (cost,) * rounds, task.flops) for n, cost in costs.items()]


@pytest.mark.parametrize(("other", "wins"), [(1.1, False), (0.99, False), (0.9, True)])
def test_the_default_of_a_run_wins_unless_another_is_clearly_faster(task, other, wins):
    default = task.space.default.index
    run = records(task, (9, 0.5), (4, 0.6), (default, 2.0))
    finals = run_finals(task, {"tuned": run}, TwoCosts(1.0, other), finalists=2)
    assert (finals.configs["tuned"].index != default) == wins


def test_a_default_that_was_not_tried_does_not_win(task):
    run = records(task, (9, 0.5), (4, 0.6))
    finals = run_finals(task, {"tuned": run}, TwoCosts(1.0, 1.1))
    assert finals.configs["tuned"].index in (4, 9)


def test_of_slow_programs_few_are_compared_and_seldom(task):
    measurer = FakeMeasurer()
    run = records(task, (9, 1.0), (4, 1.1), (7, 1.2), (2, 5.0))
    finals = run_finals(task, {"tuned": run}, measurer)
    assert sorted(measurer.compared[0]) == [4, 7, 9]
    assert finals["tuned"].costs == (5.0,) * 3


def test_speedup_over_the_default_is_that_of_the_rounds(task):
    named = {DEFAULT: task.space.default, "tuned": task.space.at(4)}
    # the machine is slower by a half in the last round
    costs = {DEFAULT: (2.0, 2.2, 2.0, 3.0), "tuned": (1.0, 1.0, 1.0, 1.5)}
    finals = Finals(task, [Comparison(n, c, task.flops) for n, c in costs.items()], named)
    assert finals.speedup("tuned") == pytest.approx((2.0, 2.0, 2.05))
    assert finals.speedup(DEFAULT) == (1.0, 1.0, 1.0)
    assert finals.winner == "tuned"


def test_the_default_wins_unless_another_is_clearly_faster(task):
    named = {DEFAULT: task.space.default, "tuned": task.space.at(4)}
    near = [Comparison(DEFAULT, (1.01, 1.01), task.flops), Comparison("tuned", (1.0, 1.0), task.flops)]
    assert Finals(task, near, named).winner == DEFAULT


def test_a_default_that_failed_is_not_compared(task):
    default = task.space.default
    failed = Record.of(task, default, MeasureResult(Reason.WRONG), cpu="CPU", source="model", trial=1)
    finals = run_finals(task, {"tuned": [failed, *records(task, (4, 1e-3))]}, FakeMeasurer())
    assert [c.name for c in finals.comparisons] == ["tuned"] and finals.winner == "tuned"


def test_run_without_a_success_has_no_row(task):
    finals = run_finals(task, {"tuned": []}, FakeMeasurer())
    assert [c.name for c in finals.comparisons] == [DEFAULT]


def test_finals_on_this_cpu(task):
    with Measurer() as measurer:
        finals = run_finals(task, {"tuned": records(task, (3, 1.0))}, measurer, baseline=True, rounds=3)
    assert [c.name for c in finals.comparisons][:3] == [DEFAULT, "tuned", "NumPy, 1 thread"]
    assert all(c.gflops > 0 for c in finals.comparisons)

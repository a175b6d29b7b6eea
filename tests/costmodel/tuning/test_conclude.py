from __future__ import annotations

import pytest

from costmodel import records as record_file
from costmodel.budget import tune_all
from costmodel.history import apply_history_best
from costmodel.measure.comparison import Comparison
from costmodel.measure.finals import DEFAULT
from costmodel.measure.process import MeasureError
from costmodel.records import load
from costmodel.result import MeasureResult, Reason
from costmodel.task import Task
from costmodel.tune import tune
from tests.costmodel.fake_runner import FakeRunner


class Comparing(FakeRunner):
    """Costs of trials with noise; in a comparison each program has its true cost."""

    def __init__(self, interrupt_compare: bool = False) -> None:
        self.measured: list[int] = []
        self.compared: list[list[int]] = []
        self.interrupt_compare = interrupt_compare

    def true(self, config) -> float:
        # the default, whose place depends on the machine, is never the fastest
        return 1e-4 * (1 + (config.index - config.space.default.index + 50) % 97 / 97)

    def measure(self, task, config):
        self.measured.append(config.index)
        luck = 0.3 + 0.7 * (config.index * 7919 % 101) / 101
        return MeasureResult(Reason.OK, (self.true(config) * luck,))

    def compare(self, task, configs, *, baseline=False, rounds=15):
        if self.interrupt_compare:
            raise KeyboardInterrupt
        self.compared.append([c.index for c in configs.values()])
        return [Comparison(n, (self.true(c),) * rounds, task.flops) for n, c in configs.items()]


@pytest.fixture
def task() -> Task:
    return Task("matmul", (64, 64, 64))


def test_the_best_is_the_winner_of_a_comparison_and_not_the_lowest_cost(task, tmp_path):
    path = tmp_path / "r.jsonl"
    measurer = Comparing()
    result = tune(task, 24, explorer="random", records=path, measurer=measurer)
    finalists, last = measurer.compared
    assert len(finalists) in (8, 9) and task.space.default.index in (*finalists, *last)
    fastest = min(finalists, key=lambda index: measurer.true(task.space.at(index)))
    lowest = min(result.records, key=lambda r: r.cost)
    assert result.best_config.index == fastest != lowest.index
    assert result.best.cost == measurer.true(result.best_config) > lowest.cost
    ratio = measurer.true(task.space.default) / result.best.cost
    assert result.speedup == pytest.approx((ratio, ratio, ratio)) and ratio > 1
    # the trials are as they were, and the file has the winner for all that read it
    assert len(result.records) == 24 and not any(r.final for r in result.records)
    assert [r.final for r in load(path)] == [False] * 24 + [True]
    assert record_file.best(load(path))[0].index == fastest
    with apply_history_best(path, machine=None) as history:
        task.instantiate()
    assert history.used[task.key].index == fastest


def test_without_a_comparison_the_lowest_cost_is_the_best(task, tmp_path):
    path = tmp_path / "r.jsonl"
    measurer = Comparing()
    result = tune(task, 24, explorer="random", records=path, measurer=measurer, finals=False)
    assert measurer.compared == [] and result.finals is None and result.speedup is None
    assert result.best is min(result.records, key=lambda r: r.cost)
    assert not any(r.final for r in load(path))


def test_the_winner_of_an_earlier_run_stays_until_the_next_comparison(task, tmp_path):
    path = tmp_path / "r.jsonl"
    first = tune(task, 16, explorer="random", records=path, measurer=Comparing())
    measurer = Comparing()
    off = tune(task, 20, explorer="random", records=path, measurer=measurer, finals=False)
    assert (off.resumed, len(measurer.measured)) == (16, 4)
    assert off.best == first.best
    measurer = Comparing()
    tune(task, 24, explorer="random", records=path, measurer=measurer)
    assert first.best.index in measurer.compared[0]


def test_a_search_that_a_callback_or_patience_ends_has_a_comparison_too(task):
    ended = tune(task, 24, explorer="random", measurer=Comparing(), callback=lambda p: p.trial == 9)
    assert ended.stopped == "callback" and ended.finals is not None
    impatient = tune(task, 200, explorer="random", measurer=Comparing(), patience=3)
    assert impatient.stopped == "patience" and impatient.finals is not None


def test_ctrl_c_in_the_comparison_leaves_the_trials(task, tmp_path):
    path = tmp_path / "r.jsonl"
    result = tune(task, 9, explorer="random", records=path, measurer=Comparing(interrupt_compare=True))
    assert result.interrupted and result.finals is None
    assert len(result.records) == len(load(path)) == 9


def test_a_comparison_that_fails_leaves_the_lowest_cost(task):
    class Failing(Comparing):
        def compare(self, *given, **named):
            raise MeasureError("the worker is gone")

    with pytest.warns(RuntimeWarning, match="final comparison failed.*the worker is gone"):
        result = tune(task, 9, explorer="random", measurer=Failing())
    assert result.best is min(result.records, key=lambda r: r.cost)


def test_the_default_stays_the_best_if_no_other_is_clearly_faster(task):
    class Even(Comparing):
        def true(self, config):
            return 1e-4

    result = tune(task, 9, explorer="random", measurer=Even())
    assert result.best_config == task.space.default and result.finals.winner == DEFAULT
    assert result.speedup == (1.0, 1.0, 1.0)


def test_every_task_of_many_has_its_comparison(task, tmp_path):
    path = tmp_path / "r.jsonl"
    other = Task("matmul", (32, 32, 32))
    result = tune_all([task, other], trials=24, explorer="random", records=path, measurer=Comparing())
    assert all(one.finals is not None for one in result.results)
    assert sorted(r.task for r in load(path) if r.final) == sorted([task.key, other.key])
    assert result.total == sum(one.best.cost for one in result.results)
    off = tune_all([task], trials=30, explorer="random", records=path, measurer=Comparing(), finals=False)
    assert off.results[0].finals is None and off.results[0].best == result.results[0].best

"""A budget of trials over many tasks."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from compiler import te
from costmodel import RandomExplorer
from costmodel.budget import Budget, expected_gain
from costmodel.budget import tune_all as tune_tasks
from costmodel.records import load
from costmodel.registry import register
from costmodel.result import MeasureResult, Reason
from costmodel.task import Task
from costmodel.tuning.stop import StopTuning, TuningError
from tests.costmodel.fake_runner import FakeRunner


@register(reference=lambda a, n: a + 1, flops=lambda n: n, name="many")
def many(knobs, n):
    A = te.placeholder((n,), "A")
    B = te.compute((n,), lambda i: A[i] + 1.0, "B")
    s = te.create_schedule(B.op)
    _, inner = knobs.split("i", n, 2)
    s[B].split(B.op.axis[0], inner)
    knobs.choice("c", list(range(50)))
    return s, [A, B]


@register(reference=lambda a, n: a + 1, flops=lambda n: n, name="others")
def others(knobs, n):
    return many(knobs, n)


@register(reference=lambda a, n: a + 1, flops=lambda n: n, name="other knobs")
def other_knobs(knobs, n):
    knobs.choice("d", list(range(3)))
    return many(knobs, n)


class Formula(FakeRunner):
    """Costs by a function of the task, the number of its trial (from 0) and the index; None is a failure."""

    def __init__(self, cost, stop_after: int | None = None) -> None:
        self.cost = cost
        self.stop_after = stop_after
        self.measured: list[tuple[str, int]] = []

    def measure(self, task, config):
        if len(self.measured) == self.stop_after:
            raise KeyboardInterrupt
        before = sum(call == task.call for call, _ in self.measured)
        self.measured.append((task.call, config.index))
        cost = self.cost(task, before, config.index)
        if cost is None:
            return MeasureResult(Reason.RUN, message=f"no {'xyz'[before % 3]}")
        return MeasureResult(Reason.OK, (cost,))

    def counts(self) -> dict[str, int]:
        calls = [call for call, _ in self.measured]
        return {call: calls.count(call) for call in dict.fromkeys(calls)}


def tune_all(*given, **named):
    """Tune without the shipped model, so that first batches are random."""
    return tune_tasks(*given, **{"shipped": False, **named})


A, B, C = (Task("many", (n,)) for n in (64, 128, 256))


def test_expected_gain_by_hand():
    # the last batch saved 1 s; at twice the speed of this task, 2 operations a second, 1.5 s are left
    assert expected_gain([4.0, 3.0], 6, 2.0) == pytest.approx(0.2 * 1 + 0.8 * 1.5)
    # a similar task reaches 6 operations a second: at twice that 0.5 s, but in two batches at most a half is
    # saved
    assert expected_gain([4.0, 3.0], 6, 6.0) == pytest.approx(0.2 * 1 + 0.8 * 1.5)
    assert expected_gain([4.0, 3.0, 3.0], 6, 6.0) == pytest.approx(0.2 * 0.5 + 0.8 * 1.0)
    # the slope is that of the last three batches
    assert expected_gain([9.0, 8.0, 4.0, 3.0, 2.0], 0, 0.0) == pytest.approx(0.2 * 2.0 + 0.8 * 0.4)
    assert expected_gain([5.0], 0, 0.0) == pytest.approx(0.8 * 5.0)
    # slower than half of the speed that similar tasks show is the least of what is expected
    assert expected_gain([1.0], 100, 50.0) == pytest.approx(0.0)


def test_gains_are_weighted_and_similar_tasks_are_those_of_the_operator():
    D = Task("others", (64,))
    budget = Budget([A, B, D], [1.0, 3.0, 1.0])
    budget.note(0, 1.0)
    assert budget.gains()[1] == math.inf
    budget.note(1, 1.0)
    budget.note(2, 10.0)
    # of "many" B has the highest speed, 128: A is expected at 64 / 256 = 0.25 s, B at 0.5 s; D alone at half
    np.testing.assert_allclose(budget.gains(), [0.8 * 0.75, 3 * 0.8 * 0.5, 0.8 * 5.0])
    rng = np.random.default_rng(0)
    chosen = [budget.choose([0, 1], rng) for _ in range(400)]
    assert 0 < chosen.count(0) < 40


def test_a_task_without_a_program_comes_last_in_the_end():
    budget = Budget([A, B], [1.0, 1.0])
    budget.note(0, 1e-9)
    for gain in (math.inf, math.inf, math.inf, 0.0):
        budget.note(1, math.inf)
        assert budget.gains()[1] == gain


def test_trials_go_where_the_total_decreases():
    # A gets faster with every trial, B and C have one speed; C weighs little
    def cost(task, trial, index):
        return 1.0 / (1 + trial) if task is A else 0.5 if task is B else 0.1

    measurer = Formula(cost)
    result = tune_all(
        {A: 1.0, B: 1.0, C: 0.1}, trials=120, measurer=measurer, batch_size=4, explorer="random"
    )
    counts = measurer.counts()
    assert sum(counts.values()) == result.trials == 120 and result.stopped == "trials"
    assert [call for call, _ in measurer.measured[:12]] == [A.call] * 4 + [B.call] * 4 + [C.call] * 4
    assert counts[A.call] > counts[C.call] and counts[B.call] > counts[C.call]
    assert result.total == pytest.approx(1.0 / counts[A.call] + 0.5 + 0.1 * 0.1)
    assert result.history[-1][0] == 120 and result.history[-1][2] == result.total
    totals = [total for _, _, total in result.history]
    assert totals[7] == math.inf and totals == sorted(totals, reverse=True)


def test_a_small_budget_reaches_every_task():
    measurer = Formula(lambda task, trial, index: 1.0)
    tune_all([A, B, C], trials=8, measurer=measurer, batch_size=16, explorer="random")
    assert measurer.counts() == {A.call: 2, B.call: 3, C.call: 3}


def test_equal_tasks_are_tuned_once():
    measurer = Formula(lambda task, trial, index: 1.0)
    tasks = [A, B, Task("many", (64,))]
    result = tune_all(tasks, [2, 1, 3], trials=4, measurer=measurer, explorer="random")
    assert [r.task for r in result.results] == [A, B] and result.weights == [5.0, 1.0]
    assert result.total == 6.0


def test_the_same_seed_and_costs_give_the_same_trials():
    def measured(seed):
        measurer = Formula(lambda task, trial, index: 1.0 + index % 7 + index % 3)
        tune_all([A, B], trials=48, measurer=measurer, batch_size=8, seed=seed)
        return measurer.measured

    assert measured(1) == measured(1) != measured(2)


def test_tasks_share_one_model():
    class Model:
        fitted = False

        def __init__(self) -> None:
            self.fits: list[tuple[int, list[int]]] = []

        def fit(self, features, throughputs, groups=None):
            self.fitted = True
            sizes = [len(features)] if groups is None else np.bincount(groups).tolist()
            self.fits.append((len(throughputs), sizes))

        def predict(self, features):
            return features.sum(axis=1)

    model = Model()
    measurer = Formula(lambda task, trial, index: 1.0 + index)
    result = tune_all([A, B], trials=24, measurer=measurer, batch_size=8, model=model)
    # the first batch of B is proposed by what was learnt from A, without a fit of its own
    assert model.fits[0] == (8, [8])
    assert all(sum(sizes) == total for total, sizes in model.fits)
    assert any(len(sizes) == 2 for _, sizes in model.fits)
    assert len(result.results[1].correlations) >= 1


def test_values_of_knobs_are_not_shared():
    C = Task("other knobs", (8,))
    measurer = Formula(lambda task, trial, index: 1.0 + index)
    result = tune_all([A, C], trials=40, measurer=measurer, batch_size=8, features="knob")
    assert result.trials == 40 and all(r.correlations for r in result.results)


def test_resume(tmp_path):
    path = tmp_path / "r.jsonl"
    first, second = (Formula(lambda task, trial, index: 1.0 + index) for _ in range(2))
    tune_all([A, B], trials=20, measurer=first, records=path, explorer="random")
    result = tune_all([A, B], trials=30, measurer=second, records=path, explorer="random")
    assert len(second.measured) == 10 and not set(first.measured) & set(second.measured)
    assert result.trials == 30 == len(load(path)) and sum(r.resumed for r in result.results) == 20


def test_patience_of_a_task_and_of_all():
    def cost(task, trial, index):
        return 1.0 if task is A else 1.0 / (1 + trial)

    measurer = Formula(cost)
    result = tune_all([A, B], trials=100, measurer=measurer, batch_size=5, patience=10, explorer="random")
    assert [r.stopped for r in result.results] == ["patience", ""]
    assert measurer.counts() == {A.call: 11, B.call: 89}
    measurer = Formula(lambda task, trial, index: 1.0)
    result = tune_all([A, B], trials=100, measurer=measurer, batch_size=5, patience=10, explorer="random")
    assert result.stopped == "tasks" and measurer.counts() == {A.call: 11, B.call: 11}
    measurer = Formula(lambda task, trial, index: 1.0)
    result = tune_all(
        [A, B], trials=100, measurer=measurer, batch_size=5, total_patience=20, explorer="random"
    )
    # the total is finite from the sixth trial on; the run ends at the end of a batch
    assert result.stopped == "patience" and len(measurer.measured) == 30


def test_a_time_budget(monkeypatch):
    clock = iter(range(100_000))
    monkeypatch.setattr("costmodel.tuning.stop.time.perf_counter", lambda: float(next(clock)))
    measurer = Formula(lambda task, trial, index: 1.0)
    seen = []
    result = tune_all([A, B], seconds=300.0, measurer=measurer, callback=seen.append, explorer="random")
    assert result.stopped == "seconds" and 10 < result.trials < 300
    assert all(p.seconds_left <= 300 for p in seen)


def test_in_a_short_time_every_task_is_tried(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("costmodel.tuning.stop.time.perf_counter", lambda: now[0])

    class Slow(Formula):
        def measure(self, task, config):
            now[0] += 1.0
            return replace(super().measure(task, config), total_seconds=1.0)

    measurer = Slow(lambda task, trial, index: 1.0)
    result = tune_all([A, B, C], seconds=12.0, measurer=measurer, explorer="random")
    assert result.stopped == "seconds" and len(measurer.measured) == 12
    # 4 of the first task, and half of the rest for each of the others
    assert list(measurer.counts().values()) == [4, 4, 4]
    # with enough time the first batches are whole
    measurer = Slow(lambda task, trial, index: 1.0)
    tune_all([A, B, C], seconds=60.0, measurer=measurer, explorer="random", batch_size=16)
    assert [len({i for t, i in measurer.measured[4:20]})] == [16]


@pytest.mark.parametrize("how", ["returns", "raises"])
def test_a_callback_ends_the_run(how):
    seen = []

    def callback(progress):
        seen.append(progress)
        if progress.trial == 21:
            if how == "raises":
                raise StopTuning
            return True
        return None

    measurer = Formula(lambda task, trial, index: 2.0 / (1 + trial) if task is A else 1.0)
    result = tune_all(
        [A, B], [1, 2], trials=40, measurer=measurer, batch_size=8, callback=callback, explorer="random"
    )
    assert result.stopped == "callback" and result.trials == 21
    last = seen[-1]
    assert [share.task for share in last.tasks] == [A, B] and [s.weight for s in last.tasks] == [1.0, 2.0]
    assert sum(share.trials for share in last.tasks) == 21 == last.trial and last.trials == 40
    assert last.total == sum(s.weight * s.cost for s in last.tasks) == result.total
    assert math.isnan(seen[0].tasks[0].gain) and all(s.gain >= 0 for s in last.tasks)
    assert last.tasks[0].first_cost == 2.0 / 8 >= last.tasks[0].cost
    assert last.current.task in (A, B) and last.current.last is not None


def test_ctrl_c_keeps_everything(tmp_path):
    path = tmp_path / "r.jsonl"
    measurer = Formula(lambda task, trial, index: 1.0, stop_after=20)
    result = tune_all([A, B], trials=40, measurer=measurer, batch_size=8, records=path, explorer="random")
    assert result.interrupted and result.stopped == "interrupted" and len(load(path)) == 20 == result.trials
    assert all(r.interrupted for r in result.results)


class Broken(Formula):
    """The candidates of some tasks all fail in the same way."""

    def __init__(self, broken) -> None:
        super().__init__(lambda task, trial, index: 1.0)
        self.broken = broken

    def measure(self, task, config):
        found = super().measure(task, config)
        return MeasureResult(Reason.TEMPLATE, message="oh\nno") if task in self.broken else found


def test_a_broken_task_does_not_end_the_others():
    measurer = Broken([B])
    result = tune_all([A, B, C], trials=60, measurer=measurer, batch_size=8, explorer="random")
    assert measurer.counts()[B.call] == 8 and result.trials == 60
    assert list(result.errors) == [B.key] and "template error: oh\nno" in result.errors[B.key]
    assert result.total == math.inf and [r.stopped for r in result.results] == ["", "failures", ""]


def test_every_task_is_broken():
    with pytest.raises(TuningError, match="the candidates of every task fail; many\\(64\\).*oh\nno"):
        tune_all([A, B], trials=60, measurer=Broken([A, B]), batch_size=8, explorer="random")


def test_small_spaces_are_exhausted():
    D, E = Task("many", (1,)), Task("many", (2,))
    measurer = Formula(lambda task, trial, index: 1.0)
    result = tune_all([D, E], trials=1000, measurer=measurer, explorer="random")
    assert result.trials == D.space.size + E.space.size == 150 and result.stopped == "trials"


@pytest.mark.parametrize(
    "tasks, weights, settings, message",
    [
        ([], None, {}, "there are no tasks"),
        ([A, B], [1.0], {}, "there are 2 tasks but 1 weights"),
        ([A], [0.0], {}, r"the weight of many\(64\).* must be positive, not 0.0"),
        ([A], [math.inf], {}, "must be positive, not inf"),
        ({A: 1.0}, [1.0], {}, "weights are given twice"),
        ([A], None, {"trials": 0}, "trials must be at least 1, not 0"),
        ([A], None, {"total_patience": 0}, "total_patience must be at least 1 trial, not 0"),
        ([A], None, {"explorer": "modle"}, "did you mean 'model'"),
        ([A], None, {"explorer": RandomExplorer(A.space)}, "belongs to the space of one task"),
        ([A], None, {"features": "knob", "model": object()}, "no model serves all tasks"),
    ],
)
def test_wrong_input(tasks, weights, settings, message):
    with pytest.raises(ValueError, match=message):
        tune_all(tasks, weights, measurer=Formula(lambda *_: 1.0), **settings)

from __future__ import annotations

import numpy as np
import pytest

from costmodel import BoostedTreeCostModel, Task
from costmodel.features import KnobFeatures
from costmodel.result import MeasureResult, Reason
from costmodel.tune import tune
from costmodel.tuning import search
from tests.costmodel.fake_runner import FakeRunner


class Runner(FakeRunner):
    """Costs by the first digit of a configuration."""

    def measure_many(self, task, configs):
        for config in configs:
            cost = 1.0 + task.space.digits(config.index)[0] + 0.01 * (config.index % 7)
            yield MeasureResult(Reason.OK, (cost,))


@pytest.fixture
def shares(monkeypatch) -> list[float]:
    """The shares of random configurations of the batches that a model proposes."""
    seen: list[float] = []
    choose = search.choose_batch

    def noted(*given, epsilon, **named):
        seen.append(epsilon)
        return choose(*given, epsilon=epsilon, **named)

    monkeypatch.setattr(search, "choose_batch", noted)
    return seen


def run(**settings):
    task = Task("matmul", (96, 128, 160))
    given = {"features": "knob", "shipped": False, "batch_size": 8, **settings}
    return tune(task, 48, measurer=Runner(), **given)


def test_a_new_model_is_followed_by_degrees(shares):
    run(epsilon=0.05)
    assert shares == pytest.approx([0.5, 0.25, 0.5 / 3, 0.125, 0.1])


def test_no_random_share_stays_none(shares):
    run(epsilon=0.0)
    assert shares == [0.0] * 5


def test_a_share_is_at_most_the_whole_batch(shares):
    run(epsilon=0.5)
    assert shares == pytest.approx([1.0, 1.0, 1.0, 1.0, 1.0])


def test_a_model_of_other_tasks_is_followed_at_once(shares):
    task = Task("matmul", (96, 128, 160))
    indices = task.space.random(np.random.default_rng(0), 40)
    model = BoostedTreeCostModel(rounds=20)
    model.fit(KnobFeatures(task.space).of_indices(indices), np.arange(1.0, 41.0))
    run(model=model)
    assert shares == [0.05] * 6


def test_the_same_seed_and_costs_give_the_same_trials():
    first, second = ([r.index for r in run(seed=3).records] for _ in range(2))
    assert first == second
    assert first != [r.index for r in run(seed=4).records]


def test_a_warm_search_ranks_more_programs_before_its_first_trial(monkeypatch):
    asked: list[int] = []
    propose = search.Scorer.propose

    def noted(self, explorer, n, visited, **named):
        asked.append(n)
        return propose(self, explorer, n, visited, **named)

    monkeypatch.setattr(search.Scorer, "propose", noted)
    task = Task("matmul", (96, 128, 160))
    indices = task.space.random(np.random.default_rng(0), 40)
    model = BoostedTreeCostModel(rounds=20)
    model.fit(KnobFeatures(task.space).of_indices(indices), np.arange(1.0, 41.0))
    run(model=model)
    assert asked == [8 * search.FIRST, *[8 * search.PROPOSED] * 5] and search.FIRST > search.PROPOSED

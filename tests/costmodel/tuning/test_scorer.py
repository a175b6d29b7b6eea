from __future__ import annotations

import numpy as np
import pytest

import compiler
from costmodel import AnnealingExplorer, RandomExplorer, Task
from costmodel.features import KnobFeatures, StoreFeatures
from costmodel.records import Record
from costmodel.result import MeasureResult, Reason
from costmodel.tuning.scorer import Scorer
from costmodel.tuning.screen import Screen


class Linear:
    """A model whose score is a sum of all features with fixed random weights."""

    fitted = True

    def __init__(self) -> None:
        size = len(StoreFeatures().names)
        self.weights = np.random.default_rng(1).standard_normal(size)
        self.rows: list[int] = []

    def fit(self, features, throughputs, groups=None):
        self.rows.append(len(features))

    update = fit

    def predict(self, features):
        return features[:, : len(self.weights)] @ self.weights[: features.shape[1]]

    def predict_uncertainty(self, features):
        return self.predict(features), np.ones(len(features))


@pytest.fixture
def task() -> Task:
    return Task("matmul", (96, 128, 160))


@pytest.fixture
def scorer(task) -> Scorer:
    return Scorer(task, Linear())


def record(task: Task, index: int, cost: float) -> Record:
    outcome = MeasureResult(Reason.OK, (cost,), "", 0.0, 0.0)
    return Record.of(task, task.space.at(index), outcome, cpu="here", source="model", trial=1)


def counted(monkeypatch) -> list[int]:
    lowered: list[int] = []
    lower = compiler.loop_nest

    def count(*args, **kwargs):
        lowered.append(1)
        return lower(*args, **kwargs)

    monkeypatch.setattr(compiler, "loop_nest", count)
    return lowered


def test_a_proposal_lowers_few_programs_and_finds_good_ones(task, scorer, monkeypatch):
    visited = set(task.space.random(np.random.default_rng(5), 8))
    best = []
    for seed in range(3):
        lowered = counted(monkeypatch)
        one = Scorer(task, Linear())
        proposals = one.propose(AnnealingExplorer(task.space), 48, visited, rng=np.random.default_rng(seed))
        assert len(proposals) == 48 and len(lowered) <= 48
        indices, scores = zip(*proposals, strict=True)
        assert not visited.intersection(indices) and len(set(indices)) == 48
        assert list(scores) == sorted(scores, reverse=True)
        assert np.allclose(scorer(indices), scores)
        best.append(np.mean(scores[:16]))
    # better than the best of twice as many random programs
    others = [scorer(task.space.random(np.random.default_rng(seed), 96)) for seed in range(9, 12)]
    assert np.mean(best) > np.mean([np.sort(scores)[-16:].mean() for scores in others])


def test_the_same_seed_proposes_the_same(task):
    found = [
        Scorer(task, Linear()).propose(AnnealingExplorer(task.space), 12, set(), rng=np.random.default_rng(3))
        for _ in range(2)
    ]
    assert found[0] == found[1]


def test_a_second_proposal_lowers_nothing_again(task, scorer, monkeypatch):
    explorer = AnnealingExplorer(task.space)
    first = scorer.propose(explorer, 12, set(), rng=np.random.default_rng(0))
    known = set(scorer._features)
    lowered = counted(monkeypatch)
    measured = {index for index, _ in first[:6]}
    second = scorer.propose(explorer, 12, measured, rng=np.random.default_rng(1))
    assert len(lowered) == len(set(scorer._features) - known) <= 12
    assert not measured.intersection(index for index, _ in second)


def test_a_small_space_is_proposed_whole():
    task = Task("softmax", (8, 16))
    scorer = Scorer(task, Linear())
    visited = set(range(min(3, task.space.size - 1)))
    found = scorer.propose(
        RandomExplorer(task.space), 10 * task.space.size, visited, rng=np.random.default_rng(0)
    )
    assert {index for index, _ in found} == set(range(task.space.size)) - visited


def test_a_template_may_raise_anything(task, scorer, monkeypatch):
    good = task.space.default.index

    def instantiate(config):
        if config != good:
            raise KeyError("the template's own mistake")
        return Task.instantiate(task, config)

    monkeypatch.setattr(task, "instantiate", instantiate)
    other = next(i for i in range(3) if i != good)
    assert scorer.features(other) is None
    assert scorer([other, good])[0] == -np.inf
    found = scorer.propose(AnnealingExplorer(task.space), 6, {good}, rng=np.random.default_rng(0))
    assert found == []


def test_knob_features_need_no_program(task, monkeypatch):
    lowered = counted(monkeypatch)

    class Sum:
        fitted = True

        def predict(self, features):
            return features.sum(axis=1).astype(float)

    scorer = Scorer(task, Sum(), features="knob")
    found = scorer.propose(AnnealingExplorer(task.space), 10, set(), rng=np.random.default_rng(0))
    assert len(found) == 10 and not lowered
    family = KnobFeatures(task.space)
    assert found[0][1] == pytest.approx(family.extract(task.space.at(found[0][0])).sum())


@pytest.mark.parametrize("family", ["store", "loop", "knob"])
def test_rows_of_each_family(task, family):
    scorer = Scorer(task, Linear(), features=family)
    features, throughputs = scorer.rows([record(task, 3, 0.5), record(task, 8, 0.25)])
    assert features.shape == (2, len(scorer.family.names)) and throughputs.tolist() == [2, 4]


def test_expected_improvement_is_over_the_best_measured(task):
    scorer = Scorer(task, Linear(), 1.0, acquisition="ei")
    trials = [record(task, index, 1.0 / (1 + index)) for index in range(4)]
    assert scorer.learn(trials)
    assert scorer._best == pytest.approx(scorer.expected([3])[0])
    indices = task.space.random(np.random.default_rng(0), 10)
    # with equal deviations, the order is that of the scores
    assert np.array_equal(np.argsort(scorer(indices)), np.argsort(scorer.expected(indices)))


class Uncertain(Linear):
    """A model with a large deviation where the first feature is large."""

    def predict_uncertainty(self, features):
        return self.predict(features), 0.1 + 100.0 * (features[:, 0] > np.median(features[:, 0]))


class Certain(Linear):
    """A model that states no deviations."""

    def predict_uncertainty(self, features):
        raise ValueError("this model states no deviation")


def test_without_a_choice_the_expected_improvement_is_preferred(task):
    scorer = Scorer(task, Uncertain(), features="knob")
    indices = task.space.random(np.random.default_rng(0), 30)
    # before a trial there is nothing to improve on
    assert np.array_equal(scorer(indices), scorer.expected(indices))
    scorer.learn([record(task, index, 1.0 / (1 + index)) for index in range(4)])
    assert not np.array_equal(np.argsort(scorer(indices)), np.argsort(scorer.expected(indices)))
    chosen = Scorer(task, Uncertain(), features="knob", acquisition="ei")
    chosen.learn([record(task, index, 1.0 / (1 + index)) for index in range(4)])
    assert np.array_equal(scorer(indices), chosen(indices))


def test_a_model_without_deviations_is_followed_by_its_scores(task):
    trials = [record(task, index, 1.0 / (1 + index)) for index in range(4)]
    scorer = Scorer(task, Certain(), features="knob")
    scorer.learn(trials)
    assert np.array_equal(scorer([5, 6, 7]), scorer.expected([5, 6, 7]))
    chosen = Scorer(task, Certain(), features="knob", acquisition="ei")
    chosen.learn(trials)
    with pytest.raises(ValueError, match="states no deviation"):
        chosen([5, 6, 7])


def test_a_screen_learns_the_scores_of_knob_values(task):
    rng = np.random.default_rng(0)
    indices = task.space.random(rng, 300)
    family = KnobFeatures(task.space)
    scores = family.of_indices(indices)[:, :3] @ np.array([3.0, -2.0, 1.0])
    scores[:10] = -np.inf
    screen = Screen(task.space)
    screen.fit(indices[:200], scores[:200])
    assert np.corrcoef(screen(indices[200:]), scores[200:])[0, 1] > 0.85
    # without a single program there is nothing to learn, but no error either
    screen.fit(indices[:10], scores[:10])
    assert np.isfinite(screen(indices)).all()

from __future__ import annotations

import numpy as np
import pytest

from compiler.ops.knob import Knob
from costmodel.select import (
    acquire,
    choose_batch,
    diverse,
    log_expected_improvement,
    upper_confidence_bound,
)
from costmodel.space import ConfigSpace


@pytest.fixture
def space() -> ConfigSpace:
    return ConfigSpace([Knob("choice", "a", (0, 1, 2, 3), 0), Knob("choice", "b", (0, 1, 2, 3), 0)])


def test_without_a_weight_the_best_are_chosen(space):
    candidates = [(0, 1.0), (1, 5.0), (2, 3.0), (3, 4.0)]
    assert diverse(space, candidates, 3, weight=0.0) == [1, 3, 2]


def test_diversity_by_hand(space):
    # indices are a + 4 b; 0 is (0, 0) and best, 1 is (1, 0), 5 is (1, 1)
    candidates = [(0, 1.0), (1, 0.9), (5, 0.8), (15, 0.0)]
    # after (0, 0) the value b = 0 is covered: the value of 1 is 0.9 + 0.5 / 2, that of 5 is 0.8 + 0.5
    assert diverse(space, candidates, 2, weight=0.5) == [0, 5]
    assert diverse(space, candidates, 2, weight=0.1) == [0, 1]


def test_equal_scores_spread_over_the_values(space):
    candidates = [(i, 1.0) for i in range(16)]
    chosen = diverse(space, candidates, 4)
    digits = [space.digits(i) for i in chosen]
    assert {d[0] for d in digits} == {d[1] for d in digits} == {0, 1, 2, 3}


def test_fewer_candidates_than_requested(space):
    assert diverse(space, [(3, 1.0)], 5) == [3]
    assert diverse(space, [], 5) == []


def test_batch_has_random_members(space):
    candidates = [(i, 1.0) for i in range(4)]
    rng = np.random.default_rng(0)
    batch = choose_batch(space, candidates, 4, set(), rng=rng, epsilon=0.5)
    assert len(set(batch)) == 4
    assert sum(i < 4 for i in batch) <= 4 and any(i >= 4 for i in batch)


def test_the_random_share_of_a_batch(space):
    big = ConfigSpace([Knob("choice", f"k{i}", tuple(range(10)), 0) for i in range(6)])
    candidates = [(i, 1.0) for i in range(40)]
    rng = np.random.default_rng(0)
    strangers = sum(
        sum(i >= 40 for i in choose_batch(big, candidates, 16, set(), rng=rng, epsilon=0.05))
        for _ in range(300)
    )
    # 0.05 * 16 = 0.8 a batch
    assert 0.6 < strangers / 300 < 1.0


def test_batch_excludes_visited_configurations(space):
    candidates = [(i, 1.0) for i in range(8)]
    batch = choose_batch(space, candidates, 6, set(range(6)), rng=np.random.default_rng(0))
    assert not set(batch) & set(range(6))
    assert len(set(batch)) == 6


def test_batch_fills_up_when_there_are_too_few_candidates(space):
    batch = choose_batch(space, [(2, 1.0)], 5, set(), rng=np.random.default_rng(0), epsilon=0.0)
    assert batch[0] == 2 and len(set(batch)) == 5


def test_batch_ends_with_the_space(space):
    batch = choose_batch(space, [], 5, set(range(14)), rng=np.random.default_rng(0))
    assert sorted(batch) == [14, 15]


def test_epsilon_is_a_share(space):
    with pytest.raises(ValueError, match="epsilon is a share"):
        choose_batch(space, [], 4, set(), rng=np.random.default_rng(0), epsilon=1.5)


def test_upper_confidence_bound_by_hand():
    np.testing.assert_array_equal(
        upper_confidence_bound(np.array([1.0, 2.0]), np.array([1.0, 0.2]), 2.0), [3.0, 2.4]
    )
    with pytest.raises(ValueError, match="optimism must be at least 0, not -1"):
        upper_confidence_bound(np.zeros(2), np.zeros(2), -1)
    with pytest.raises(ValueError, match=r"each score needs a deviation, not \(2,\) and \(3,\)"):
        upper_confidence_bound(np.zeros(2), np.zeros(3), 1.0)


def test_expected_improvement_is_the_mean_of_samples():
    scores, deviations = np.array([0.5, 1.0, 1.4, -0.5]), np.array([0.3, 0.5, 0.1, 1.0])
    samples = np.random.default_rng(0).normal(size=1_000_000)
    means = [np.maximum(m + d * samples - 1.0, 0).mean() for m, d in zip(scores, deviations, strict=True)]
    np.testing.assert_allclose(np.exp(log_expected_improvement(scores, deviations, 1.0)), means, rtol=0.02)


def test_expected_improvement_keeps_the_order_where_it_underflows():
    # 50 to 1e6 deviations below the best: the improvement itself is zero in floats
    scores = np.array([-50.0, -60.0, -1e3, -1e4, -1e6])
    logarithms = log_expected_improvement(scores, np.ones(5), 0.0)
    assert np.isfinite(logarithms).all()
    assert (np.diff(logarithms) < 0).all()
    # h(z) is phi(z) / z^2 to first order
    assert logarithms[3] == pytest.approx(-0.5e8 - 0.5 * np.log(2 * np.pi) - 2 * np.log(1e4), rel=1e-12)
    assert logarithms[0] == pytest.approx(-1250 - 0.5 * np.log(2 * np.pi) - np.log(2500) - 3 / 2500, rel=1e-8)


def test_expected_improvement_without_deviations_is_that_of_the_scores():
    logarithms = log_expected_improvement(np.array([3.0, 2.0, 0.5]), np.zeros(3), 1.0)
    np.testing.assert_allclose(np.exp(logarithms[:2]), [2.0, 1.0], rtol=1e-6)
    assert logarithms[2] < -1e6 and np.isfinite(logarithms[2])


@pytest.mark.parametrize("deviations, best", [([-1.0], 0.0), ([1.0], np.inf)])
def test_expected_improvement_refuses(deviations, best):
    with pytest.raises(ValueError, match="no deviation may be negative, and the best score must be finite"):
        log_expected_improvement(np.zeros(1), np.array(deviations), best)


def test_acquisitions_prefer_what_they_should():
    scores, deviations = np.array([1.0, 0.9, 0.2]), np.array([0.0, 0.5, 0.6])
    orders = {n: list(np.argsort(-acquire(n, scores, deviations, best=1.0))) for n in ("mean", "ucb", "ei")}
    assert orders == {"mean": [0, 1, 2], "ucb": [1, 0, 2], "ei": [1, 2, 0]}
    np.testing.assert_array_equal(acquire("mean", scores, None), scores)
    with pytest.raises(ValueError, match="'ei' needs a deviation of each score"):
        acquire("ei", scores, None)
    with pytest.raises(ValueError, match="did you mean 'ucb'"):
        acquire("ubc", scores, deviations)

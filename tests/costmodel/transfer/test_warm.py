from __future__ import annotations

import numpy as np
import pytest

from costmodel import BoostedTreeCostModel, pairwise_accuracy
from costmodel.transfer import WarmCostModel


def programs(n: int, seed: int = 0):
    """Programs of a task: features, and the logarithm of their throughputs."""
    features = np.random.default_rng(seed).uniform(0, 10, (n, 8)).astype(np.float32)
    return features, -np.abs(features[:, 0] - 5) - 0.5 * features[:, 1] + np.sin(features[:, 2])


@pytest.fixture(scope="module")
def prior() -> BoostedTreeCostModel:
    features, speeds = programs(600, 1)
    model = BoostedTreeCostModel()
    model.fit(features, np.exp(speeds))
    return model


def test_without_measurements_the_scores_are_the_priors(prior):
    features, _ = programs(50)
    warm = WarmCostModel(prior)
    assert warm.fitted
    np.testing.assert_array_equal(warm.predict(features), prior.predict(features))
    for ours, its in zip(
        warm.predict_uncertainty(features), prior.predict_uncertainty(features), strict=True
    ):
        np.testing.assert_allclose(ours, its)


def test_few_measurements_suffice_where_the_prior_is_right(prior):
    features, speeds = programs(300)
    # the task is a hundred times as slow, and one more feature matters
    throughputs = 0.01 * np.exp(speeds + 0.3 * features[:, 7])
    alone, warm = BoostedTreeCostModel(), WarmCostModel(prior)
    for model in (alone, warm):
        model.fit(features[:24], throughputs[:24])
    accuracies = [pairwise_accuracy(m.predict(features[24:]), throughputs[24:]) for m in (prior, alone, warm)]
    assert accuracies[2] > accuracies[1] + 0.05
    assert accuracies[2] > accuracies[0]


def test_a_prior_that_is_wrong_fades(prior):
    features, speeds = programs(300)
    throughputs = np.exp(-speeds)
    warm = WarmCostModel(prior)
    warm.fit(features[:200], throughputs[:200])
    assert warm.scale == 0.0
    assert pairwise_accuracy(warm.predict(features[200:]), throughputs[200:]) > 0.8


def test_the_scale_by_hand():
    class Given:
        """The first feature is the score."""

        fitted = True

        def predict(self, features):
            return np.asarray(features[:, 0], np.float64)

    features = np.array([[-1.0], [1.0]], np.float32)
    warm = WarmCostModel(Given(), rounds=1)
    # slope 3; the prior's variance of 1 counts four times: (6 + 4 * 1) / (2 + 4 * 1)
    warm.fit(features, np.exp([-3.0, 3.0]))
    assert warm.scale == pytest.approx(10 / 6)


def test_each_task_has_its_own_level(prior):
    features, speeds = programs(120)
    groups = np.arange(120) % 2
    one, other = WarmCostModel(prior), WarmCostModel(prior)
    one.fit(features, np.exp(speeds), groups)
    other.fit(features, np.exp(speeds - 20.0 * groups), groups)
    np.testing.assert_allclose(one.predict(features), other.predict(features), rtol=1e-4, atol=1e-4)


def test_the_same_seed_gives_the_same_scores(prior):
    features, speeds = programs(60)
    scores = []
    for _ in range(2):
        warm = WarmCostModel(prior, seed=3)
        warm.update(features, np.exp(speeds))
        scores.append(warm.predict(features))
    np.testing.assert_array_equal(*scores)


def test_refusals(prior):
    with pytest.raises(ValueError, match="the prior of a warm start must be fitted"):
        WarmCostModel(BoostedTreeCostModel())
    with pytest.raises(ValueError, match="are needed with n > 0"):
        WarmCostModel(prior).fit(np.zeros((2, 8)), np.ones(3))

from __future__ import annotations

import numpy as np
import pytest

from costmodel.model import BoostedTreeCostModel, rank_correlation


def programs(n: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    features = rng.uniform(0, 20, (n, 12)).astype(np.float32)
    cost = 1 + np.abs(features[:, 0] - 8) + 2 * (features[:, 3] > 10) + 0.1 * features[:, 5]
    return features, 1.0 / cost


def test_model_ranks_programs_that_it_has_not_seen():
    features, throughputs = programs(200)
    model = BoostedTreeCostModel()
    model.fit(features[:150], throughputs[:150])
    assert rank_correlation(model.predict(features[150:]), throughputs[150:]) > 0.8


def test_higher_scores_are_quicker_programs():
    features, throughputs = programs(100)
    model = BoostedTreeCostModel()
    model.fit(features, throughputs)
    scores = model.predict(features)
    assert throughputs[np.argmax(scores)] > np.quantile(throughputs, 0.9)


def test_failures_rank_last():
    features, throughputs = programs(100)
    failed = features[:, 3] > 15
    throughputs[failed] = 0.0
    model = BoostedTreeCostModel()
    model.fit(features, throughputs)
    scores = model.predict(features)
    assert scores[failed].mean() < scores[~failed].mean()


def test_scale_of_throughput_does_not_matter():
    features, throughputs = programs(60)
    a, b = BoostedTreeCostModel(), BoostedTreeCostModel()
    a.fit(features, throughputs)
    b.fit(features, throughputs * 1024)
    np.testing.assert_array_equal(a.predict(features), b.predict(features))


def test_fit_is_deterministic():
    features, throughputs = programs(60)
    scores = []
    for _ in range(2):
        model = BoostedTreeCostModel(seed=3)
        model.fit(features, throughputs)
        scores.append(model.predict(features))
    np.testing.assert_array_equal(*scores)


def test_update_continues_the_fitted_model():
    features, throughputs = programs(120)
    model = BoostedTreeCostModel(rounds=10, update_rounds=5)
    assert not model.fitted
    model.update(features[:60], throughputs[:60])
    assert model.booster.num_boosted_rounds() == 10
    model.update(features, throughputs)
    assert model.booster.num_boosted_rounds() == 15
    assert rank_correlation(model.predict(features), throughputs) > 0.8


def test_prediction_before_a_fit():
    with pytest.raises(ValueError, match="has not been fitted"):
        BoostedTreeCostModel().predict(np.zeros((2, 3), np.float32))


@pytest.mark.parametrize(
    "features, throughputs, message",
    [
        (np.zeros((3, 2)), np.zeros(2), "are needed with n > 0"),
        (np.zeros((0, 2)), np.zeros(0), "are needed with n > 0"),
        (np.zeros((2, 2)), np.array([1.0, np.inf]), "must be finite and not negative"),
        (np.zeros((2, 2)), np.array([1.0, -1.0]), "must be finite and not negative"),
    ],
)
def test_wrong_measurements(features, throughputs, message):
    with pytest.raises(ValueError, match=message):
        BoostedTreeCostModel().fit(features, throughputs)


def test_unknown_parameter_is_refused():
    with pytest.raises(ValueError, match="max_dept"):
        BoostedTreeCostModel(max_dept=3).fit(*programs(20))


def test_rounds_must_be_positive():
    with pytest.raises(ValueError, match="rounds 0 .* at least 1"):
        BoostedTreeCostModel(rounds=0)


def test_rank_correlation_by_hand():
    assert rank_correlation([1, 2, 3], [10, 20, 30]) == pytest.approx(1.0)
    assert rank_correlation([1, 2, 3], [3, 2, 1]) == pytest.approx(-1.0)
    # differences of ranks 1, 1, 0, 0: 1 - 6 * 2 / (4 * 15)
    assert rank_correlation([1, 2, 3, 4], [2, 1, 3, 4]) == pytest.approx(0.8)


def test_rank_correlation_of_constant_sequences_is_nan():
    assert np.isnan(rank_correlation([1.0], [2.0]))
    assert np.isnan(rank_correlation([1.0, 1.0], [2.0, 3.0]))


def test_rank_correlation_of_different_lengths():
    with pytest.raises(ValueError, match="two sequences of equal length"):
        rank_correlation([1, 2], [1, 2, 3])


def test_uncertainty_is_lower_for_measured_programs():
    features, throughputs = programs(300)
    known = features[:, 0] < 12  # extrapolation is not tested
    model = BoostedTreeCostModel()
    model.fit(features[known], throughputs[known])
    scores, deviations = model.predict_uncertainty(features)
    np.testing.assert_array_equal(scores, model.predict(features))
    assert deviations.shape == (300,) and (deviations >= 0).all() and deviations.max() > 0
    assert deviations.std() > 0


def test_uncertainty_needs_several_rounds():
    with pytest.raises(ValueError, match="has not been fitted"):
        BoostedTreeCostModel().predict_uncertainty(np.zeros((2, 3), np.float32))
    model = BoostedTreeCostModel(rounds=2)
    model.fit(*programs(20))
    with pytest.raises(ValueError, match="members must be an integer of at least 2, got 1"):
        model.predict_uncertainty(np.zeros((2, 12), np.float32))

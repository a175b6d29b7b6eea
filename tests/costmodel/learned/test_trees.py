from __future__ import annotations

import numpy as np
import pytest

from costmodel.learned import BoostedTreeCostModel, pairwise_accuracy, rank_correlation


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
    model = BoostedTreeCostModel(rounds=40, update_rounds=5)
    assert not model.fitted
    model.update(features[:100], throughputs[:100])
    assert model.booster.num_boosted_rounds() == 40
    model.update(features, throughputs)
    assert model.booster.num_boosted_rounds() == 45
    assert rank_correlation(model.predict(features), throughputs) > 0.8


def test_update_fits_anew_after_half_as_many_rows_again():
    features, throughputs = programs(120)
    model = BoostedTreeCostModel(rounds=10, update_rounds=5)
    model.fit(features[:80], throughputs[:80])
    model.update(features[:119], throughputs[:119])
    assert model.booster.num_boosted_rounds() == 15
    model.update(features, throughputs)
    assert model.booster.num_boosted_rounds() == 10


@pytest.mark.parametrize("objective", ["reg:squarederror", "rank:pairwise", "reg:absoluteerror"])
def test_objectives_rank(objective):
    features, throughputs = programs(200)
    model = BoostedTreeCostModel(objective=objective)
    model.fit(features[:150], throughputs[:150])
    assert pairwise_accuracy(model.predict(features[150:]), throughputs[150:]) > 0.8


@pytest.mark.parametrize("objective", ["reg:squarederror", "rank:pairwise"])
def test_throughputs_of_different_groups_are_not_compared(objective):
    # the second task is a thousand times as slow, and prefers the opposite
    features, throughputs = programs(200)
    groups = np.arange(200) % 2
    features = np.column_stack([features, groups]).astype(np.float32)
    slow = np.where(groups == 1, 1e-3 / throughputs, throughputs)
    model = BoostedTreeCostModel(objective=objective)
    model.fit(features, slow, groups)
    scores = model.predict(features)
    for group in (0, 1):
        own = groups == group
        assert pairwise_accuracy(scores[own], slow[own]) > 0.85
    # each group counts from its own best program, so that neither has all the high scores
    assert set(groups[np.argsort(-scores)[:40]]) == {0, 1}


def test_a_model_file_keeps_scores_and_version(tmp_path):
    features, throughputs = programs(100)
    model = BoostedTreeCostModel(rounds=20)
    model.fit(features, throughputs)
    model.version = "store-7"
    for name in ("model.ubj", "model.json"):
        model.save(tmp_path / name)
        again = BoostedTreeCostModel()
        again.load(tmp_path / name)
        assert again.version == "store-7"
        np.testing.assert_array_equal(again.predict(features), model.predict(features))
    with pytest.raises(ValueError, match="has not been fitted"):
        BoostedTreeCostModel().save(tmp_path / "none.ubj")


def test_labels_in_place_of_throughputs():
    features, throughputs = programs(100)
    model, other = BoostedTreeCostModel(), BoostedTreeCostModel()
    model.fit(features, throughputs)
    other.fit_labels(features, np.log(throughputs / throughputs.max()))
    np.testing.assert_array_equal(model.predict(features), other.predict(features))
    with pytest.raises(ValueError, match="'rank:pairwise' learns an order, not labels"):
        BoostedTreeCostModel(objective="rank:pairwise").fit_labels(features, throughputs)


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


@pytest.mark.parametrize("groups", [np.zeros(3), np.zeros(2, np.int64), np.zeros((3, 1), np.int64)])
def test_groups_are_a_whole_number_for_each_row(groups):
    with pytest.raises(ValueError, match="groups must be a whole number for each of the 3 rows"):
        BoostedTreeCostModel().fit(np.zeros((3, 2)), np.ones(3), groups)


def test_unknown_parameter_is_refused():
    with pytest.raises(ValueError, match="max_dept"):
        BoostedTreeCostModel(max_dept=3).fit(*programs(20))


def test_rounds_must_be_positive():
    with pytest.raises(ValueError, match="rounds 0 .* at least 1"):
        BoostedTreeCostModel(rounds=0)


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

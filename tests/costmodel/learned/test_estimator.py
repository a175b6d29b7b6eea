from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingRegressor, RandomForestRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.linear_model import Ridge

from costmodel.learned import SklearnCostModel, pairwise_accuracy


def programs(n: int, seed: int = 0):
    rng = np.random.default_rng(seed)
    features = rng.uniform(0, 20, (n, 5)).astype(np.float32)
    return features, 1.0 / (1 + features[:, 0] + 2 * (features[:, 3] > 10))


@pytest.mark.parametrize("estimator", [RandomForestRegressor(n_estimators=30, random_state=0), Ridge()])
def test_any_regressor_ranks(estimator):
    features, throughputs = programs(200)
    model = SklearnCostModel(estimator)
    assert not model.fitted
    with pytest.raises(ValueError, match="has not been fitted"):
        model.predict(features)
    model.update(features[:150], throughputs[:150])
    assert model.fitted
    assert pairwise_accuracy(model.predict(features[150:]), throughputs[150:]) > 0.8
    # it was cloned
    assert not hasattr(estimator, "n_features_in_")


def test_the_regressor_learns_logarithms_relative_to_the_best_of_the_task():
    features, throughputs = np.eye(4, dtype=np.float32), np.array([8.0, 2.0, 50.0, 5.0])
    model = SklearnCostModel(Ridge(alpha=1e-9, fit_intercept=False))
    model.fit(features, throughputs, np.array([0, 0, 1, 1]))
    np.testing.assert_allclose(model.predict(features), [0, np.log(1 / 4), 0, np.log(1 / 10)], atol=1e-6)


def test_deviations_of_a_forest_and_of_a_gaussian_process():
    features, throughputs = programs(80)
    forest = SklearnCostModel(RandomForestRegressor(n_estimators=20, random_state=0))
    process = SklearnCostModel(GaussianProcessRegressor(RBF(10.0) + WhiteKernel(0.1), optimizer=None))
    for model in (forest, process):
        model.fit(features, throughputs)
        scores, deviations = model.predict_uncertainty(features)
        np.testing.assert_allclose(scores, model.predict(features))
        assert deviations.shape == (80,) and (deviations > 0).any()
    trees = forest.regressor.estimators_
    np.testing.assert_allclose(
        forest.predict_uncertainty(features)[1], np.std([t.predict(features) for t in trees], axis=0)
    )
    far = process.predict_uncertainty(np.full((1, 5), 1e3, np.float32))[1]
    assert far[0] > process.predict_uncertainty(features)[1].max()


@pytest.mark.parametrize("estimator", [Ridge(), GradientBoostingRegressor(n_estimators=5)])
def test_a_regressor_without_deviations(estimator):
    model = SklearnCostModel(estimator)
    model.fit(*programs(20))
    with pytest.raises(ValueError, match="states no deviation of its predictions: choose"):
        model.predict_uncertainty(programs(5)[0])


def test_what_is_no_regressor():
    with pytest.raises(ValueError, match="has no fit, predict, get_params"):
        SklearnCostModel(object())

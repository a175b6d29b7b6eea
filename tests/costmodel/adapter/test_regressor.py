from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from costmodel.adapter.regressor import CostModelRegressor
from costmodel.learned import BoostedTreeCostModel


def programs(n: int):
    features = np.random.default_rng(0).uniform(0, 20, (n, 5))
    return features, 1.0 / (1 + features[:, 0] + 2 * (features[:, 3] > 10))


def test_the_scores_are_those_of_the_cost_model():
    X, y = programs(100)
    groups = np.arange(100) % 2
    estimator = CostModelRegressor(rounds=30, seed=2, params={"max_depth": 3}).fit(X, y, groups)
    model = BoostedTreeCostModel(rounds=30, seed=2, max_depth=3)
    model.fit(X, y, groups)
    np.testing.assert_array_equal(estimator.predict(X), model.predict(X.astype(np.float32)))
    assert estimator.n_features_in_ == 5


def test_in_the_tools_of_scikit_learn():
    X, y = programs(150)
    estimator = clone(CostModelRegressor(rounds=60))
    assert estimator.get_params()["rounds"] == 60
    # `score` is the pairwise accuracy
    assert cross_val_score(estimator, X, y, cv=3).min() > 0.8
    pipeline = make_pipeline(StandardScaler(), estimator).fit(X, y)
    assert pipeline.score(X, y) > 0.9


def test_refusals():
    X, y = programs(20)
    with pytest.raises(NotFittedError):
        CostModelRegressor().predict(X)
    with pytest.raises(ValueError, match="max_dept"):
        CostModelRegressor(params={"max_dept": 3}).fit(X, y)
    with pytest.raises(ValueError, match="no weights of samples"):
        CostModelRegressor(rounds=5).fit(X, y).score(X, y, sample_weight=np.ones(20))

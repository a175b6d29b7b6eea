"""Trees that exist: their leaves refreshed on other rows, their weak splits pruned."""

import numpy as np
import xgboost as xgb

rng = np.random.default_rng(0)
X = rng.integers(0, 20, (600, 5)) / 4.0
y = X[:, 0] * X[:, 1] - X[:, 2] + rng.normal(size=600)
train, other = xgb.DMatrix(X[:300], y[:300]), xgb.DMatrix(X[300:], y[300:])
param = {"max_depth": 4, "eta": 0.3}
bst = xgb.train(param, train, 4, verbose_eval=False)
refreshed = xgb.train(
    {"process_type": "update", "updater": "refresh", "refresh_leaf": True, **param},
    other,
    num_boost_round=4,
    xgb_model=bst,
    verbose_eval=False,
)
statistics = xgb.train(
    {"process_type": "update", "updater": "refresh", "refresh_leaf": False, **param},
    other,
    num_boost_round=4,
    xgb_model=bst,
    verbose_eval=False,
)
pruned = xgb.train(
    {"process_type": "update", "updater": "prune", "gamma": 40.0, **param},
    train,
    num_boost_round=4,
    xgb_model=bst,
    verbose_eval=False,
)


def covers(model):
    return model.trees_to_dataframe()["Cover"].to_numpy()


answers = {
    "before": bst.predict(other),
    "refreshed": refreshed.predict(other),
    "covers": covers(refreshed),
    "statistics": (statistics.predict(other), covers(statistics)),
    "pruned": pruned.predict(train),
    "nodes": (len(covers(bst)), len(covers(pruned))),
}

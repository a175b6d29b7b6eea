"""Several outputs: regression with a tree for each, trees of vector leaves, several labels."""

import numpy as np
import xgboost as xgb
from sklearn.datasets import make_multilabel_classification
from sklearn.multioutput import MultiOutputRegressor

rng = np.random.RandomState(1994)
X = np.sort(np.round(200 * rng.rand(200, 1)) - 100, axis=0)
y = np.array([np.pi * np.sin(X / 20).ravel(), np.pi * np.cos(X / 20).ravel()]).T
y[::5, :] += 0.5 - rng.rand(40, 2)
answers = {}
for strategy in ("one_output_per_tree", "multi_output_tree"):
    reg = xgb.XGBRegressor(tree_method="hist", n_estimators=16, multi_strategy=strategy, max_depth=4)
    reg.fit(X, y, eval_set=[(X, y)], verbose=False)
    answers[strategy] = (reg.predict(X), reg.evals_result())
several, labels = make_multilabel_classification(n_samples=200, n_classes=4, n_labels=2, random_state=0)
clf = xgb.XGBClassifier(tree_method="hist", n_estimators=8, max_depth=3).fit(several, labels)
answers["labels"] = (clf.predict(several), clf.predict_proba(several))
each = MultiOutputRegressor(xgb.XGBRegressor(n_estimators=5, max_depth=3)).fit(X, y)
answers["each"] = each.predict(X)


def gradient(predt: np.ndarray, dtrain: xgb.DMatrix):
    label = dtrain.get_label().reshape(predt.shape)
    return predt - label, np.ones(predt.shape)


def rmse(predt: np.ndarray, dtrain: xgb.DMatrix):
    label = dtrain.get_label().reshape(predt.shape)
    return "PyRMSE", float(np.sqrt(np.sum(np.power(label - predt, 2)) / label.size))


table = xgb.DMatrix(X, y)
history = {}
bst = xgb.train(
    {"tree_method": "hist", "num_target": y.shape[1], "max_depth": 4, "base_score": 0.0},
    table,
    num_boost_round=8,
    obj=gradient,
    evals=[(table, "Train")],
    evals_result=history,
    custom_metric=rmse,
    verbose_eval=False,
)
answers["own"] = (bst.predict(table), history["Train"]["PyRMSE"])

"""Own losses and metrics in the estimators, with and without weights."""

import numpy as np
import xgboost as xgb
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.metrics import mean_absolute_error, roc_auc_score

data = load_diabetes()
X, y = np.round(data.data * 40), data.target
weight = np.arange(442) / 442 + 0.1


def squared(y_true, y_pred):
    return y_pred - y_true, np.ones_like(y_pred)


def weighted_squared(y_true, y_pred, sample_weight=None):
    scale = 1.0 if sample_weight is None else sample_weight
    return (y_pred - y_true) * scale, np.ones_like(y_pred) * scale


options = {"n_estimators": 8, "max_depth": 3, "base_score": 100.0}
answers = {
    "own": xgb.XGBRegressor(objective=squared, **options).fit(X, y).predict(X),
    "with weights": xgb.XGBRegressor(objective=weighted_squared, **options)
    .fit(X, y, sample_weight=weight)
    .predict(X),
}
model = xgb.XGBRegressor(eval_metric=mean_absolute_error, **options)
model.fit(X, y, eval_set=[(X, y)], verbose=False)
answers["metric of scikit-learn"] = model.evals_result()["validation_0"]["mean_absolute_error"]
model = xgb.XGBRegressor(eval_metric=mean_absolute_error, **options)
model.fit(X, y, sample_weight=weight, eval_set=[(X, y)], sample_weight_eval_set=[weight], verbose=False)
answers["with weights of rows"] = model.evals_result()["validation_0"]["mean_absolute_error"]
cancer = load_breast_cancer()
X, y = np.round(cancer.data / cancer.data.std(axis=0) * 8), cancer.target


def logistic(y_true, y_pred):
    p = 1.0 / (1.0 + np.exp(-y_pred))
    return p - y_true, p * (1.0 - p)


clf = xgb.XGBClassifier(objective=logistic, n_estimators=6, max_depth=2, base_score=0.5).fit(X, y)
answers["classes"] = clf.predict(X, output_margin=True)
clf = xgb.XGBClassifier(eval_metric=roc_auc_score, n_estimators=6, max_depth=2)
clf.fit(X, y, eval_set=[(X, y)], verbose=False)
answers["area"] = clf.evals_result()["validation_0"]["roc_auc_score"]

"""Boosting from the margins of another model, and from an intercept of the user's."""

import numpy as np
import xgboost as xgb
from sklearn.datasets import load_breast_cancer

data = load_breast_cancer()
X = np.round(data.data / data.data.std(axis=0) * 8)
y = data.target
dtrain, dtest = xgb.DMatrix(X[:400], y[:400]), xgb.DMatrix(X[400:], y[400:])
watch = [(dtest, "eval"), (dtrain, "train")]
param = {"max_depth": 2, "eta": 0.5, "objective": "binary:logistic"}
first = xgb.train(param, dtrain, 1, watch, verbose_eval=False)
ptrain = first.predict(dtrain, output_margin=True)
ptest = first.predict(dtest, output_margin=True)
dtrain.set_base_margin(ptrain)
dtest.set_base_margin(ptest)
history = {}
second = xgb.train(param, dtrain, 3, watch, evals_result=history, verbose_eval=False)
answers = {"history": history, "margin": dtrain.get_base_margin(), "prediction": second.predict(dtest)}

plain = xgb.DMatrix(X[:400], y[:400])
for score in (0.2, 0.5):
    bst = xgb.train({**param, "base_score": score}, plain, 3, verbose_eval=False)
    answers[f"base score {score}"] = bst.predict(plain)
estimated = xgb.train({**param, "eta": 1e-6}, plain, 1, verbose_eval=False)
answers["estimated"] = estimated.predict(plain)
for objective in ("reg:squarederror", "reg:absoluteerror", "count:poisson", "reg:gamma", "reg:tweedie"):
    table = xgb.DMatrix(X[:400], np.maximum(1, X[:400, 0]))
    bst = xgb.train({"objective": objective, "max_depth": 3, "eta": 0.3}, table, 4, verbose_eval=False)
    answers[objective] = bst.predict(table)

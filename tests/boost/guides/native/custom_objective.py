"""An own loss and an own metric: the squared logarithmic error."""

import numpy as np
import xgboost as xgb

rng = np.random.default_rng(1994)
X = rng.integers(0, 30, (500, 5)) / 10.0
y = np.exp(X[:, 0] - 0.5 * X[:, 1]) + rng.random(500)
dtrain, dtest = xgb.DMatrix(X[:400], label=y[:400]), xgb.DMatrix(X[400:], label=y[400:])


def gradient(predt: np.ndarray, dtrain: xgb.DMatrix) -> np.ndarray:
    label = dtrain.get_label()
    return (np.log1p(predt) - np.log1p(label)) / (predt + 1)


def hessian(predt: np.ndarray, dtrain: xgb.DMatrix) -> np.ndarray:
    label = dtrain.get_label()
    return (-np.log1p(predt) + np.log1p(label) + 1) / np.power(predt + 1, 2)


def squared_log(predt: np.ndarray, dtrain: xgb.DMatrix) -> tuple[np.ndarray, np.ndarray]:
    predt[predt < -1] = -1 + 1e-6
    return gradient(predt, dtrain), hessian(predt, dtrain)


def rmsle(predt: np.ndarray, dtrain: xgb.DMatrix) -> tuple[str, float]:
    label = dtrain.get_label()
    predt[predt < -1] = -1 + 1e-6
    elements = np.power(np.log1p(label) - np.log1p(predt), 2)
    return "PyRMSLE", float(np.sqrt(np.sum(elements) / len(label)))


results = {}
bst = xgb.train(
    {
        "tree_method": "hist",
        "seed": 1994,
        "disable_default_eval_metric": 1,
        "base_score": 0.5,
        "max_depth": 4,
    },
    dtrain=dtrain,
    num_boost_round=8,
    obj=squared_log,
    custom_metric=rmsle,
    evals=[(dtrain, "dtrain"), (dtest, "dtest")],
    evals_result=results,
    verbose_eval=False,
)
native = {}
same = xgb.train(
    {"objective": "reg:squaredlogerror", "eval_metric": "rmsle", "base_score": 0.5, "max_depth": 4},
    dtrain,
    8,
    [(dtrain, "dtrain"), (dtest, "dtest")],
    evals_result=native,
    verbose_eval=False,
)
scratch = xgb.Booster({"base_score": 0.5, "max_depth": 4, "num_feature": 5})
for i in range(8):
    scratch.update(dtrain, i, fobj=squared_log)
boosted = xgb.Booster({"base_score": 0.5, "max_depth": 4}, [dtrain])
for i in range(4):
    grad, hess = squared_log(boosted.predict(dtrain, output_margin=True), dtrain)
    boosted.boost(dtrain, i, grad=grad, hess=hess)
answers = {
    "own": results,
    "prediction": bst.predict(dtest),
    "built in": native,
    "its prediction": same.predict(dtest),
    "step by step": scratch.predict(dtest),
    "gradients": boosted.predict(dtest),
}

"""An own loss of several classes, which returns a column of gradients for each class."""

import numpy as np
import xgboost as xgb

rng = np.random.default_rng(1994)
rows, features, classes = 200, 5, 3
X = rng.integers(0, 20, (rows, features)) / 10.0
y = (X[:, 0] + X[:, 1] + rng.random(rows)).astype(int) % classes
weight = rng.random(rows)
m = xgb.DMatrix(X, y, weight=weight)


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def softprob_obj(predt: np.ndarray, data: xgb.DMatrix):
    labels, weights = data.get_label().astype(int), data.get_weight()
    assert predt.shape == (rows, classes)
    p = softmax(predt)
    grad = p.copy()
    grad[np.arange(rows), labels] -= 1.0
    hess = np.maximum(2.0 * p * (1.0 - p), 1e-6)
    return grad * weights[:, None], hess * weights[:, None]


def merror(predt: np.ndarray, dtrain: xgb.DMatrix):
    label = dtrain.get_label()
    assert predt.shape == (rows, classes)
    return "PyMError", float(np.sum(label != predt.argmax(axis=1)) / rows)


custom, native = {}, {}
own = xgb.train(
    {"num_class": classes, "disable_default_eval_metric": True, "max_depth": 3, "base_score": 0.0},
    m,
    num_boost_round=6,
    obj=softprob_obj,
    custom_metric=merror,
    evals_result=custom,
    evals=[(m, "train")],
    verbose_eval=False,
)
built_in = xgb.train(
    {"num_class": classes, "objective": "multi:softmax", "eval_metric": "merror", "max_depth": 3},
    m,
    num_boost_round=6,
    evals_result=native,
    evals=[(m, "train")],
    verbose_eval=False,
)
answers = {
    "own": custom,
    "margins": own.predict(m, output_margin=True),
    "built in": native,
    "classes": built_in.predict(m),
}

"""Train with a custom objective and a custom metric: the squared error of logarithms."""

import numpy as np
from sklearn.datasets import load_diabetes

import boost

X, y = load_diabetes(return_X_y=True)
train, test = boost.DMatrix(X[:330], label=y[:330]), boost.DMatrix(X[330:], label=y[330:])


def squared_log(margin: np.ndarray, table: boost.DMatrix) -> tuple[np.ndarray, np.ndarray]:
    """First and second derivative of 1/2 (log(1 + margin) - log(1 + label))^2 by the margin."""
    margin = np.maximum(margin, 0)
    distance = np.log1p(margin) - np.log1p(table.get_label())
    return distance / (margin + 1), np.maximum((1 - distance) / (margin + 1) ** 2, 1e-6)


def rmsle(margin: np.ndarray, table: boost.DMatrix) -> tuple[str, float]:
    """The metric that belongs to it."""
    distance = np.log1p(np.maximum(margin, 0)) - np.log1p(table.get_label())
    return "rmsle", float(np.sqrt(np.mean(distance**2)))


model = boost.train(
    # the second derivatives are small: regularization of the default size would hide them
    {
        "max_depth": 2,
        "eta": 0.1,
        "base_score": 100.0,
        "lambda": 0.0,
        "min_child_weight": 0.0,
        "disable_default_eval_metric": True,
    },
    train,
    num_boost_round=100,
    obj=squared_log,
    custom_metric=rmsle,
    evals=[(train, "train"), (test, "test")],
    early_stopping_rounds=10,
    verbose_eval=25,
)
print(f"best round {model.best_iteration}, error {model.best_score:.4f}")

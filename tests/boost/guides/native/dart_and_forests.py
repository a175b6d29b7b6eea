"""DART, random forests, boosted forests, sampling: what depends on random draws is compared loosely."""

import numpy as np
import xgboost as xgb
from sklearn.datasets import load_diabetes

data = load_diabetes()
X = np.round(data.data * 200)
table = xgb.DMatrix(X, data.target)


def error(params, rounds):
    history = {}
    bst = xgb.train(params, table, rounds, [(table, "train")], evals_result=history, verbose_eval=False)
    found = np.sqrt(np.mean((bst.predict(table, iteration_range=(0, rounds)) - data.target) ** 2))
    return (len(bst.get_dump()), bst.num_boosted_rounds(), found, history["train"]["rmse"][-1])


dart = {
    "booster": "dart",
    "max_depth": 4,
    "learning_rate": 0.1,
    "sample_type": "uniform",
    "normalize_type": "tree",
    "rate_drop": 0.1,
    "skip_drop": 0.5,
}
forest = {
    "colsample_bynode": 0.8,
    "learning_rate": 1,
    "max_depth": 5,
    "num_parallel_tree": 60,
    "objective": "reg:squarederror",
    "subsample": 0.8,
    "tree_method": "hist",
}
answers = {
    "dart": error(dart, 30),
    "without drops": error({**dart, "rate_drop": 0.0, "skip_drop": 1.0}, 10),
    "forest": error(forest, 1),
    "boosted forest": error({**forest, "num_parallel_tree": 4, "learning_rate": 0.5}, 10),
    "gradient_based": error({"subsample": 0.5, "sampling_method": "gradient_based", "max_depth": 4}, 20),
    "columns": error({"colsample_bytree": 0.5, "colsample_bylevel": 0.7, "max_depth": 4, "seed": 7}, 20),
}
close = {"dart": 0.15, "forest": 0.1, "boosted forest": 0.15, "gradient_based": 0.2, "columns": 0.15}

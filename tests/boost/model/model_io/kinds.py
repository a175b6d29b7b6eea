"""Small models of every kind, shared by the tests of model files."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd

import boost
from boost import Booster, DMatrix

RNG = np.random.default_rng(0)
ROWS = 300
X = np.where(RNG.random((ROWS, 4)) < 0.15, np.nan, RNG.normal(size=(ROWS, 4))).astype(np.float32)
Y = np.nan_to_num(X[:, 0]) - np.nan_to_num(X[:, 1]) ** 2 + 0.1 * RNG.normal(size=ROWS)
CLASS = np.digitize(Y, [-1, 0])
TWO = np.stack((Y, np.nan_to_num(X[:, 2]) - Y), axis=1)
FRAME = pd.DataFrame(
    {
        "word": pd.Categorical(RNG.choice(["x", "yy", "zzz", "w"], ROWS)),
        "number": X[:, 0],
        "shop": pd.Categorical(RNG.choice([7, 5, 10, 2, 3, 4, 11], ROWS)),
    }
)
FRAME.loc[RNG.random(ROWS) < 0.1, "word"] = np.nan
BY_CATEGORY = Y + 2.0 * (FRAME["word"] == "x") + (FRAME["shop"].astype(int) % 3 == 1)
MULTI = {"objective": "multi:softprob", "num_class": 3}
# Parameters, table and labels of models of every kind.
KINDS: dict[str, tuple[dict[str, Any], Any, Any]] = {
    "squared error": ({}, X, Y),
    "logistic": ({"objective": "binary:logistic", "scale_pos_weight": 1.5}, X, Y > 0),
    "logitraw": ({"objective": "binary:logitraw"}, X, Y > 0),
    "hinge": ({"objective": "binary:hinge"}, X, Y > 0),
    "shares": ({"objective": "reg:logistic"}, X, np.abs(np.tanh(Y))),
    "huber": ({"objective": "reg:pseudohubererror", "huber_slope": 2.0}, X, Y),
    "absolute": ({"objective": "reg:absoluteerror"}, X, Y),
    "squared log": ({"objective": "reg:squaredlogerror"}, X, np.abs(Y)),
    "quantiles": ({"objective": "reg:quantileerror", "quantile_alpha": [0.2, 0.5, 0.8]}, X, Y),
    "poisson": ({"objective": "count:poisson"}, X, np.abs(Y)),
    "gamma": ({"objective": "reg:gamma"}, X, np.abs(Y) + 0.1),
    "tweedie": ({"objective": "reg:tweedie", "tweedie_variance_power": 1.2}, X, np.abs(Y)),
    "cox": ({"objective": "survival:cox"}, X, Y + 10.0),
    "aft": ({"objective": "survival:aft", "aft_loss_distribution": "logistic"}, X, np.abs(Y) + 0.1),
    "classes": (MULTI, X, CLASS),
    "likeliest class": ({**MULTI, "objective": "multi:softmax"}, X, CLASS),
    "pairs": ({"objective": "rank:pairwise"}, X, CLASS),
    "ndcg": ({"objective": "rank:ndcg", "lambdarank_num_pair_per_sample": 5}, X, CLASS),
    "forests": ({**MULTI, "num_parallel_tree": 2, "subsample": 0.5}, X, CLASS),
    "dropout": ({"booster": "dart", "rate_drop": 0.5}, X, Y),
    "dropout of classes": ({**MULTI, "booster": "dart", "rate_drop": 0.5}, X, CLASS),
    "targets": ({}, X, TWO),
    "several labels": ({"objective": "binary:logistic"}, X, TWO > 0),
    "vectors": ({"multi_strategy": "multi_output_tree"}, X, TWO),
    "vectors of classes": ({**MULTI, "multi_strategy": "multi_output_tree"}, X, CLASS),
    "sets of categories": ({"max_cat_to_onehot": 2}, FRAME, BY_CATEGORY),
    "single categories": ({"max_cat_to_onehot": 100}, FRAME, BY_CATEGORY),
    "exact, pruned": ({"tree_method": "exact", "gamma": 3.0}, X, Y),
}


def fill(data: Any, label: Any, objective: str) -> Any:
    """Give the labels to a table, ours or XGBoost's."""
    if objective == "survival:aft":
        data.set_info(label_lower_bound=label, label_upper_bound=label)
    else:
        data.set_info(label=label, group=[ROWS] if objective.startswith("rank:") else None)
    return data


@cache
def model_of(kind: str, rounds: int = 5) -> Booster:
    params, table, label = KINDS[kind]
    data = fill(DMatrix(table), label, params.get("objective", ""))
    return boost.train({"max_depth": 4, "seed": 1, **params}, data, rounds, verbose_eval=False)

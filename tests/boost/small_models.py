"""Small trained models of every kind, and their tables, for the tests of explanations, dumps and plots."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

import boost

ROWS = 300
_RNG = np.random.default_rng(0)
X = np.where(_RNG.random((ROWS, 5)) < 0.15, np.nan, _RNG.normal(size=(ROWS, 5))).astype(np.float32)
Y = np.nan_to_num(X[:, 0]) * np.nan_to_num(X[:, 1]) - np.nan_to_num(X[:, 2]) + 0.1 * _RNG.normal(size=ROWS)
CLASS = np.digitize(Y, [-0.7, 0.5])
TWO = np.stack((Y, np.nan_to_num(X[:, 3]) - Y), axis=1)
FRAME = pd.DataFrame(
    {
        "shop & bar": pd.Categorical(_RNG.choice(["x", "<b>", 'say "z"', "w", "v", "u"], ROWS)),
        "size": X[:, 0],
        "town": pd.Categorical(_RNG.choice([7, 5, 10, 2], ROWS)),
    }
)
FRAME.loc[_RNG.random(ROWS) < 0.1, "town"] = np.nan
BY_CATEGORY = Y + 2.0 * (FRAME["shop & bar"].isin(["x", "w"])) + (FRAME["town"].astype(float) % 3 == 1)
MULTI = {"objective": "multi:softprob", "num_class": 3}
# Parameters, table and labels.
KINDS: dict[str, tuple[dict[str, Any], Any, Any]] = {
    "squared error": ({"max_depth": 6}, X, Y),
    "logistic": ({"objective": "binary:logistic", "scale_pos_weight": 1.5}, X, Y > 0),
    "poisson": ({"objective": "count:poisson"}, X, np.abs(Y)),
    "classes": (MULTI, X, CLASS),
    "forest of classes": ({**MULTI, "num_parallel_tree": 2, "subsample": 0.5}, X, CLASS),
    "dropout": ({"booster": "dart", "rate_drop": 0.5}, X, Y),
    "targets": ({}, X, TWO),
    "vectors": ({"multi_strategy": "multi_output_tree"}, X, TWO),
    "categories": ({"max_cat_to_onehot": 2}, FRAME, BY_CATEGORY),
    "single categories": ({"max_cat_to_onehot": 100}, FRAME, BY_CATEGORY),
    "sparse": ({}, sparse.csr_matrix(np.where(np.isnan(X), 0, X) * (X > 0)), Y),
    "no split": ({"gamma": 1e9}, X, Y),
}


@cache
def model_of(kind: str, rounds: int = 4) -> boost.Booster:
    """Return a model; do not change it."""
    params, table, label = KINDS[kind]
    return boost.train({"max_depth": 4, "seed": 1, **params}, boost.DMatrix(table, label), rounds)


def table_of(kind: str) -> Any:
    """Return the table that a model was trained on."""
    return KINDS[kind][1]

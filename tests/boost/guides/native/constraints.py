"""Monotone constraints and interaction constraints, in every way to write them."""

import numpy as np
import pandas as pd
import xgboost as xgb

rng = np.random.default_rng(0)
X = rng.integers(0, 40, (600, 4)) / 8.0
y = (
    2 * X[:, 0]
    + np.sin(3 * X[:, 0])
    - X[:, 1]
    - np.cos(3 * X[:, 1])
    + X[:, 2] * X[:, 3]
    + rng.normal(size=600)
)
table = xgb.DMatrix(pd.DataFrame(X, columns=list("abcd")), y)
param = {"max_depth": 4, "eta": 0.3}


def learn(**options):
    return xgb.train({**param, **options}, table, 6, verbose_eval=False).predict(table)


answers = {
    "none": learn(),
    "text": learn(monotone_constraints="(1,-1,0,0)"),
    "tuple": learn(monotone_constraints=(1, -1, 0, 0)),
    "by name": learn(monotone_constraints={"a": 1, "b": -1}),
    "exact": learn(monotone_constraints="(1,-1,0,0)", tree_method="exact"),
    "approx": learn(monotone_constraints="(1,-1,0,0)", tree_method="approx"),
    "sets": learn(interaction_constraints="[[0, 1], [2, 3]]"),
    "lists": learn(interaction_constraints=[["a", "b"], ["c", "d"]]),
    "overlapping": learn(interaction_constraints=[["a", "b", "c"], ["c", "d"]]),
    "leaves": learn(grow_policy="lossguide", max_leaves=12, max_depth=0),
}

"""The start of a training: labels from which nothing can be learnt, tables without rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import boost
from boost import DataError, DMatrix

X = np.random.default_rng(0).integers(0, 9, (60, 3)).astype(float)
ZERO, ONE, FREE = np.zeros(60), np.ones(60), np.full(60, np.inf)
CLASS = r"every label \(of positive weight\) is"
# The loss, its columns, why nothing can be learnt, and the prediction.
CONSTANT: list[tuple[dict[str, Any], dict[str, Any], str, Any]] = [
    ({"objective": "binary:logistic"}, {"label": ZERO}, f"{CLASS} 0", 1e-6),
    ({"objective": "binary:logistic"}, {"label": ONE}, f"{CLASS} 1", 1 - 1e-6),
    ({"objective": "binary:logistic"}, {"label": X[:, 0] < 4, "weight": X[:, 0] < 4}, f"{CLASS} 1", 1 - 1e-6),
    ({"objective": "binary:logitraw"}, {"label": ONE}, f"{CLASS} 1", 13.8158),
    ({"objective": "binary:hinge"}, {"label": ONE}, f"{CLASS} 1", 1),
    ({"objective": "multi:softmax", "num_class": 3}, {"label": 2 * ONE}, f"{CLASS} 2", 2),
    ({"objective": "multi:softprob", "num_class": 3}, {"label": ONE}, f"{CLASS} 1", [0.0058, 0.9884, 0.0058]),
    (
        {"objective": "rank:ndcg"},
        {"label": ONE, "group": [30, 30]},
        "all labels of a query group are equal",
        0,
    ),
    ({"objective": "rank:map"}, {"label": ZERO}, "all labels of a query group are equal", 0),
    (
        {"objective": "rank:pairwise", "lambdarank_pair_method": "mean"},
        {"label": np.repeat([0, 1], 30), "group": [30, 30]},
        "all labels of a query group are equal",
        0,
    ),
    ({"objective": "survival:cox"}, {"label": -ONE}, "is negative: censored", 1),
    (
        {"objective": "survival:aft"},
        {"label_lower_bound": ZERO, "label_upper_bound": FREE},
        "every interval is 0 to infinity",
        1,
    ),
    (
        {"objective": "survival:aft"},
        {"label_lower_bound": 4 * ONE, "label_upper_bound": FREE},
        "every interval is from a time to infinity",
        4,
    ),
    (
        {"objective": "survival:aft", "aft_loss_distribution": "extreme"},
        {"label_lower_bound": ZERO, "label_upper_bound": 3 * ONE},
        "every interval is 0 to a finite time",
        3,
    ),
]


@pytest.mark.parametrize(
    "grower", [{}, {"tree_method": "exact"}, {"tree_method": "approx"}, {"booster": "dart"}]
)
@pytest.mark.parametrize(("params", "columns", "why", "value"), CONSTANT)
def test_constant_predictions(params: Any, columns: Any, why: str, value: Any, grower: Any) -> None:
    table = DMatrix(X, **columns)
    with pytest.warns(UserWarning, match=f"{params['objective']} has nothing to learn, .*{why}"):
        booster = boost.train({**params, **grower}, table, 5, evals=[(table, "t")], verbose_eval=False)
    found = booster.predict(X)
    assert np.ptp(found, axis=0).max() == 0
    np.testing.assert_allclose(found[0], value, rtol=2e-4, atol=1e-3 if np.ndim(value) else 1e-9)


def test_folds_of_rare_labels() -> None:
    rare = DMatrix(X, np.arange(60) < 3)
    with pytest.warns(UserWarning, match="nothing to learn"):
        found = boost.cv({"objective": "binary:logistic"}, rare, 3, nfold=4, shuffle=False, as_pandas=False)
    assert np.isfinite(found["test-logloss-mean"]).all()


@pytest.mark.parametrize("objective", ["reg:squarederror", "reg:absoluteerror", "count:poisson", "reg:gamma"])
def test_equal_labels_of_a_regression(objective: str) -> None:
    found = boost.train({"objective": objective}, DMatrix(X, 3 * ONE), 5).predict(X)
    np.testing.assert_allclose(found, 3, rtol=1e-6)


def test_tables_without_rows() -> None:
    empty = DMatrix(X[:0], ZERO[:0], weight=ZERO[:0], qid=ZERO[:0], base_margin=ZERO[:0])
    assert (empty.num_row(), empty.num_col(), empty.num_nonmissing()) == (0, 3, 0)
    for params in ({}, {"objective": "multi:softprob", "num_class": 2}, {"booster": "dart"}):
        booster = boost.train(params, DMatrix(X, X[:, 0] > 3), 3)
        shape = (0, 2) if "num_class" in params else (0,)
        trees = 3 * shape[-1] if len(shape) > 1 else 3
        assert booster.predict(DMatrix(X[:0])).shape == booster.inplace_predict(X[:0]).shape == shape
        assert booster.predict(X[:0].astype(np.float32)).shape == shape
        assert booster.predict(X[:0], pred_leaf=True).shape == (0, trees)
        assert booster.predict(X[:0], pred_leaf=True, strict_shape=True).shape[:2] == (0, 3)
        assert booster.predict(X[:0], pred_contribs=True).shape == (*shape, 4)
        assert booster.predict(X[:0], pred_interactions=True).shape == (*shape, 4, 4)
    with pytest.raises(DataError, match="the training table has no rows: training needs at least one"):
        boost.train({}, empty, 2)
    with pytest.raises(DataError, match="the training table has no rows"):
        boost.Booster().update(empty, 0)
    with pytest.raises(DataError, match="a table without rows has no metrics: leave it out of evals"):
        boost.train({}, DMatrix(X, ONE), 2, evals=[(empty, "e")])
    with pytest.raises(DataError, match="data has no columns"):
        DMatrix(X[:, :0])

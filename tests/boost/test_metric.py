"""Metrics against scikit-learn, and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from boost import DMatrix
from boost.metric import make_metric

RNG = np.random.default_rng(0)
Y = RNG.integers(0, 2, size=50)
P = RNG.random(50).round(1) * 0.98 + 0.01
W = RNG.random(50)


@pytest.mark.parametrize("weight", [None, W])
@pytest.mark.parametrize(
    ("name", "peer"),
    [
        ("rmse", lambda w: sk.root_mean_squared_error(Y, P, sample_weight=w)),
        ("mae", lambda w: sk.mean_absolute_error(Y, P, sample_weight=w)),
        ("logloss", lambda w: sk.log_loss(Y, P, sample_weight=w)),
        ("auc", lambda w: sk.roc_auc_score(Y, P, sample_weight=w)),
        ("error", lambda w: 1 - sk.accuracy_score(Y, P > 0.5, sample_weight=w)),
    ],
)
def test_single_output(name: str, peer: object, weight: np.ndarray | None) -> None:
    data = DMatrix(np.zeros((50, 1)), Y, weight=weight)
    assert make_metric(name)(P[:, np.newaxis], data) == pytest.approx(peer(weight), rel=1e-5)  # type: ignore[operator]


def test_multi_output() -> None:
    p = RNG.dirichlet(np.ones(3), size=50)
    y = RNG.integers(0, 3, size=50)
    data = DMatrix(np.zeros((50, 1)), y)
    assert make_metric("mlogloss")(p, data) == pytest.approx(sk.log_loss(y, p))
    assert make_metric("merror")(p, data) == pytest.approx(np.mean(p.argmax(axis=1) != y))


def test_ndcg() -> None:
    # Group 1: the order 0, 3, 1 of labels; gains 0, 7, 1. Group 2 has no gain at all.
    data = DMatrix(np.zeros((5, 1)), [0, 3, 1, 0, 0], group=[3, 2])
    score = np.array([[3.0], [2.0], [1.0], [0.0], [1.0]])
    found = 7 / np.log2(3) + 1 / 2
    ideal = 7 + 1 / np.log2(3)
    assert make_metric("ndcg")(score, data) == pytest.approx((found / ideal + 1) / 2)
    assert make_metric("ndcg@1")(score, data) == pytest.approx((0 + 1) / 2)
    assert make_metric("ndcg").maximize


def test_auc_of_one_class_is_nan() -> None:
    assert np.isnan(make_metric("auc")(np.zeros((2, 1)), DMatrix(np.zeros((2, 1)), [1, 1])))


def test_mistakes() -> None:
    for name in ("ndcg@0", "ndcg@x", "lograss"):
        with pytest.raises(ValueError, match=f"unknown eval_metric '{name}'"):
            make_metric(name)
    numbers = DMatrix([[1.0], [2.0]], [0.5, 2.0])
    for name, data, groups, match in (
        ("rmse", DMatrix([[1.0]]), 1, "metric 'rmse' needs labels: give"),
        ("rmse", numbers, 3, "is for models of one output, not of 3"),
        ("merror", numbers, 1, "is for models of several outputs, not of 1"),
        ("auc", numbers, 1, "needs labels 0 to 1 in"),
        ("mlogloss", numbers, 3, "needs labels 0 to 2 in"),
    ):
        with pytest.raises(ValueError, match=match):
            make_metric(name).check(data, groups)

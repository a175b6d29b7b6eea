"""Every metric against XGBoost, with and without weights, with tied predictions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from boost import DMatrix
from boost.metric import make_metric

xgb = pytest.importorskip("xgboost")

N = 200
RNG = np.random.default_rng(0)
TIED = RNG.normal(size=N).round(1)
WEIGHT = (RNG.random(N) + 0.1).astype(np.float32)
ONES = (RNG.random(N) < 1 / (1 + np.exp(-TIED))).astype(np.float64)
SHARES = RNG.random(N).astype(np.float32).astype(np.float64)
COUNTS = RNG.poisson(2, N).astype(np.float64)
AMOUNTS = RNG.gamma(2, 2, N).astype(np.float32).astype(np.float64)
CLASSES = RNG.integers(0, 3, N).astype(np.float64)
MANY = RNG.normal(size=(N, 3))
TARGETS = RNG.normal(size=(N, 3)).astype(np.float32)
TIMES = RNG.exponential(size=N).round(1) * np.where(RNG.random(N) < 0.3, -1, 1)
LOWER = RNG.exponential(size=N).astype(np.float32)
UPPER = LOWER + RNG.exponential(size=N).astype(np.float32)
UPPER[::3] = LOWER[::3]
UPPER[1::3] = np.inf
LOWER[2::9] = 0
SIZES = [50, 3, 47, 1, 99]
GRADES = RNG.integers(0, 5, N).astype(np.float64)


def sigmoid(margin: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-margin))


def softmax(margin: np.ndarray) -> np.ndarray:
    p = np.exp(margin)
    return p / p.sum(axis=1, keepdims=True)


def same(margin: np.ndarray) -> np.ndarray:
    return margin


def theirs(name: str, margin: np.ndarray, params: dict[str, Any], label: Any, **info: Any) -> float:
    """What XGBoost evaluates for a model without trees on base margins."""
    bounds = {k: info.pop(k) for k in list(info) if k.startswith("label_")}
    data = xgb.DMatrix(np.zeros((N, 1)), label, base_margin=margin, **info)
    for key, value in bounds.items():
        data.set_float_info(key, value)
    fixed = {"eval_metric": name, "disable_default_eval_metric": 1, "base_score": 0.5, "verbosity": 0}
    return float(xgb.train({**fixed, **params}, data, 0).eval(data).rsplit(":", 1)[1])


def ours(name: str, prediction: np.ndarray, params: dict[str, Any], label: Any, **info: Any) -> float:
    bounds = {k: info.pop(k) for k in list(info) if k.startswith("label_")}
    data = DMatrix(np.zeros((N, 1)), label if np.ndim(label) == 1 else None, **info)
    if np.ndim(label) == 2:
        data.label = label
    for key, value in bounds.items():
        setattr(data, key, value)
    prediction = prediction.reshape(N, -1)
    metric = make_metric(name, params)
    metric.check(data, prediction.shape[1])
    return metric(prediction, data)


TWEEDIE = {"objective": "reg:tweedie", "tweedie_variance_power": 1.3}
LEVELS = {"objective": "reg:quantileerror", "quantile_alpha": [0.1, 0.5, 0.9]}
HUBER = {"objective": "reg:pseudohubererror", "huber_slope": 0.3}
SOFT = {"objective": "multi:softprob", "num_class": 3}


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["even", "weighted"])
@pytest.mark.parametrize(
    ("name", "params", "margin", "link", "label"),
    [
        ("logloss", "binary:logistic", TIED, sigmoid, ONES),
        ("logloss", "reg:logistic", TIED, sigmoid, SHARES),
        ("logloss", "binary:logistic", MANY, sigmoid, (TARGETS > 0).astype(np.float32)),
        ("error", "binary:logistic", TIED, sigmoid, ONES),
        ("error@0.3", "binary:logistic", TIED, sigmoid, ONES),
        ("error", "reg:logistic", TIED, sigmoid, SHARES),
        ("auc", "binary:logistic", TIED, sigmoid, ONES),
        ("auc", "reg:logistic", TIED, sigmoid, SHARES),
        ("auc", SOFT, MANY, softmax, CLASSES),
        ("aucpr", "binary:logistic", TIED, sigmoid, ONES),
        ("aucpr", "reg:logistic", TIED, sigmoid, SHARES),
        ("aucpr", SOFT, MANY, softmax, CLASSES),
        ("mlogloss", SOFT, MANY, softmax, CLASSES),
        ("merror", SOFT, MANY.round(0), softmax, CLASSES),
        ("rmse", "reg:squarederror", TIED, same, AMOUNTS),
        ("rmse", "reg:squarederror", MANY, same, TARGETS),
        ("rmsle", "reg:squarederror", np.abs(TIED), same, AMOUNTS),
        ("mae", "reg:squarederror", MANY, same, TARGETS),
        ("mape", "reg:squarederror", TIED, same, AMOUNTS),
        ("mphe", "reg:squarederror", TIED, same, AMOUNTS),
        ("mphe", HUBER, TIED, same, AMOUNTS),
        ("quantile", LEVELS, MANY, same, AMOUNTS),
        ("poisson-nloglik", "count:poisson", TIED, np.exp, COUNTS),
        ("gamma-nloglik", "reg:gamma", TIED, np.exp, AMOUNTS),
        ("gamma-deviance", "reg:gamma", TIED, np.exp, AMOUNTS),
        ("tweedie-nloglik@1.3", TWEEDIE, TIED, np.exp, COUNTS),
        ("cox-nloglik", "survival:cox", TIED, np.exp, TIMES),
    ],
)
def test_rows(name: str, params: Any, margin: Any, link: Any, label: Any, weight: Any) -> None:
    params = {"objective": params} if isinstance(params, str) else params
    want = theirs(name, margin, params, label, weight=weight)
    assert ours(name, link(margin), params, label, weight=weight) == pytest.approx(want, rel=1e-6)


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["even", "weighted"])
@pytest.mark.parametrize("distribution", ["normal", "logistic", "extreme"])
def test_intervals(distribution: str, weight: Any) -> None:
    params = {"objective": "survival:aft", "aft_loss_distribution": distribution}
    info = {"label_lower_bound": LOWER, "label_upper_bound": UPPER, "weight": weight}
    for name in ("aft-nloglik", "interval-regression-accuracy"):
        want = theirs(name, TIED, params, None, **info)
        assert ours(name, np.exp(TIED), params, None, **info) == pytest.approx(want, rel=1e-6)


@pytest.mark.parametrize("exponential", [True, False])
@pytest.mark.parametrize("name", ["ndcg@5", "ndcg@5-", "ndcg@1000", "map@5", "map@5-", "pre@5", "aucpr"])
def test_groups(name: str, exponential: bool) -> None:
    params = {"objective": "rank:ndcg", "ndcg_exp_gain": exponential}
    label = GRADES.copy() if name.startswith("ndcg") else (GRADES > 2).astype(np.float64)
    label[53:100] = 0  # nothing to gain in a group
    want = theirs(name, TIED, params, label, group=SIZES)
    assert ours(name, TIED, params, label, group=SIZES) == pytest.approx(want, rel=1e-9)


@pytest.mark.parametrize("name", ["ndcg@5", "map@5", "pre@5"])
def test_weights_of_groups(name: str) -> None:
    label, weight = (GRADES > 2).astype(np.float64), np.array([2, 1, 3, 0.5, 1])
    label[[50, 100]] = 1  # XGBoost does not weigh groups that have nothing to gain
    params = {"objective": "rank:map"}
    want = theirs(name, TIED, params, label, group=SIZES, weight=weight)
    assert ours(name, TIED, params, label, group=SIZES, weight=weight) == pytest.approx(want, rel=1e-6)


def test_auc_in_groups_of_distinct_labels() -> None:
    label = RNG.permutation(N).astype(np.float64)
    sizes = [50, 3, 47, 100]
    want = theirs("auc", TIED, {"objective": "rank:pairwise"}, label, group=sizes)
    assert ours("auc", TIED, {}, label, group=sizes) == pytest.approx(want, rel=1e-9)

"""Derivatives against finite differences, and hand-worked numbers."""

from __future__ import annotations

import numpy as np
import pytest

from boost import DMatrix
from boost.objective import make_objective
from boost.pairs import segments
from boost.params import resolve


def losses(name: str, margin: np.ndarray, label: np.ndarray) -> float:
    if name == "reg:squarederror":
        return float(0.5 * ((margin[:, 0] - label) ** 2).sum())
    if name == "binary:logistic":
        return float(np.log1p(np.exp(np.where(label == 1, -1, 1) * margin[:, 0])).sum())
    shifted = np.log(np.exp(margin).sum(axis=1)) - margin[np.arange(label.size), label.astype(int)]
    return float(shifted.sum())


@pytest.mark.parametrize(
    ("name", "factor"), [("reg:squarederror", 1.0), ("binary:logistic", 1.0), ("multi:softprob", 2.0)]
)
def test_derivatives(name: str, factor: float) -> None:
    rng = np.random.default_rng(0)
    groups = 3 if name == "multi:softprob" else 1
    objective = make_objective(resolve({"objective": name, "num_class": groups if groups > 1 else 0}))
    label = rng.integers(0, max(2, groups), size=6).astype(float)
    margin = rng.normal(size=(6, groups))
    grad, hess = objective.gradient(margin, DMatrix(np.zeros((6, 1)), label), (0, 0))
    step = 1e-4
    for i in range(6):
        for k in range(groups):
            up, down = margin.copy(), margin.copy()
            up[i, k] += step
            down[i, k] -= step
            high, mid, low = (losses(name, m, label) for m in (up, margin, down))
            assert grad[i, k] == pytest.approx((high - low) / (2 * step), abs=1e-6)
            # The softmax hessian is doubled on purpose.
            assert hess[i, k] == pytest.approx(factor * (high - 2 * mid + low) / step**2, abs=1e-5)


def test_start_is_the_best_constant() -> None:
    data = DMatrix(np.zeros((4, 1)), [0, 0, 0, 1], weight=[1, 1, 1, 3])
    for name in ("reg:squarederror", "binary:logistic"):
        objective = make_objective(resolve({"objective": name}))
        score = objective.start(data)
        np.testing.assert_allclose(score, [0.5])
        grad, _ = objective.gradient(np.tile(objective.to_margin(score), (4, 1)), data, (0, 0))
        np.testing.assert_allclose((grad[:, 0] * data.weight).sum(), 0, atol=1e-12)
    softprob = make_objective(resolve({"objective": "multi:softprob", "num_class": 2}))
    np.testing.assert_allclose(softprob.transform(softprob.start(data)[np.newaxis]), [[0.5, 0.5]])


def test_logistic_survives_large_margins() -> None:
    objective = make_objective(resolve({"objective": "binary:logistic"}))
    data = DMatrix(np.zeros((2, 1)), [0, 1])
    grad, hess = objective.gradient(np.array([[800.0], [-800.0]]), data, (0, 0))
    np.testing.assert_array_equal(grad[:, 0], [1, -1])
    assert (hess > 0).all()


def test_scale_pos_weight_weighs_the_ones() -> None:
    objective = make_objective(resolve({"objective": "binary:logistic", "scale_pos_weight": 3.0}))
    data = DMatrix(np.zeros((4, 1)), [0, 0, 0, 1])
    np.testing.assert_array_equal(objective.row_weight(data), [1, 1, 1, 3])
    np.testing.assert_allclose(objective.start(data), [0.5])


def pairwise(margin: np.ndarray, label: np.ndarray, bounds: np.ndarray, weight: np.ndarray) -> tuple:
    """The loss's derivatives from its definition."""
    grad, hess = np.zeros(label.size), np.zeros(label.size)
    for begin, end in zip(bounds[:-1], bounds[1:], strict=True):
        for i in range(begin, end):
            total = 0.0
            for j in range(begin, end):
                if label[i] == label[j]:
                    continue
                sign = 1.0 if label[i] > label[j] else -1.0
                chance = 1 / (1 + np.exp(sign * (margin[i] - margin[j])))
                grad[i] -= sign * chance * weight[j]
                hess[i] += 2 * chance * (1 - chance) * weight[j]
                total += weight[j]
            if total:
                grad[i] /= total
                hess[i] /= total
    return grad, np.maximum(hess, 1e-16)


@pytest.mark.parametrize("weighted", [False, True])
def test_pairwise_by_definition(weighted: bool) -> None:
    rng = np.random.default_rng(0)
    sizes = [5, 1, 12, 4]
    label = rng.integers(0, 4, size=22).astype(float)
    label[18:] = 2.0  # a group with nothing to say
    weight = rng.integers(1, 4, size=22).astype(float)
    data = DMatrix(np.zeros((22, 1)), label, group=sizes, weight=weight if weighted else None)
    objective = make_objective(resolve({"objective": "rank:pairwise"}))
    margin = rng.normal(size=(22, 1)) * 3
    grad, hess = objective.gradient(margin, data, (0, 0))
    want = pairwise(margin[:, 0], label, data.group_bounds(), weight if weighted else np.ones(22))
    np.testing.assert_allclose(grad[:, 0], want[0], rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(hess[:, 0], want[1], rtol=1e-12)


def test_pairwise_survives_far_margins() -> None:
    objective = make_objective(resolve({"objective": "rank:pairwise"}))
    data = DMatrix(np.zeros((3, 1)), [0, 1, 2])
    grad, hess = objective.gradient(np.array([[5650.0], [5300.0], [5000.0]]), data, (0, 0))
    np.testing.assert_allclose(grad[:, 0], [1, 0, -1], atol=1e-6)
    assert np.isfinite(hess).all()


def test_large_groups_are_cut_by_chance() -> None:
    label = np.arange(25.0) % 7
    order, bounds = segments(label, np.array([0, 5, 25]), 6, np.random.default_rng(0))
    assert sorted(order.tolist()) == list(range(25))
    assert bounds[0] == 0 and bounds[-1] == 25 and np.diff(bounds).max() <= 6 and 5 in bounds
    for begin, end in zip(bounds[:-1], bounds[1:], strict=True):
        assert (np.diff(label[order[begin:end]]) <= 0).all()
    again, _ = segments(label, np.array([0, 5, 25]), 6, np.random.default_rng(1))
    assert (order[:5] == again[:5]).all() and (order != again).any()


def test_gradients_of_drawn_pairs_point_the_same_way() -> None:
    rng = np.random.default_rng(0)
    label = rng.normal(size=600)
    data = DMatrix(np.zeros((600, 1)), label)
    margin = np.zeros((600, 1))
    results = [
        make_objective(resolve({"objective": "rank:pairwise", "lambdarank_num_pair_per_sample": k})).gradient(
            margin, data, (0, 1)
        )[0][:, 0]
        for k in (100, 1000)
    ]
    assert np.corrcoef(results)[0, 1] > 0.98

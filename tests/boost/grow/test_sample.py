"""Sampling of rows and of features."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from boost.grow.sample import ColumnSampler, sample_rows
from boost.params import resolve


def test_subsample_of_one_uses_every_row() -> None:
    rng = np.random.default_rng(0)
    assert sample_rows(np.ones(5), np.ones(5), resolve({}), rng).size == 0


def test_uniform_sampling_has_equal_probabilities_and_factors_of_one() -> None:
    rng = np.random.default_rng(1)
    factor = sample_rows(np.ones(20_000), np.ones(20_000), resolve({"subsample": 0.3}), rng)
    assert set(np.unique(factor)) == {0.0, 1.0}
    assert abs(factor.mean() - 0.3) < 0.02


@given(st.integers(0, 2**31), st.floats(0.05, 0.95), st.integers(1, 2))
def test_gradient_based_factors_are_inverse_probabilities(seed: int, fraction: float, n_outputs: int) -> None:
    rng = np.random.default_rng(seed)
    grad = rng.normal(size=(400, n_outputs)) ** 3
    hess = rng.random((400, n_outputs))
    if n_outputs == 1:
        grad, hess = grad[:, 0], hess[:, 0]
    params = resolve({"subsample": fraction, "sampling_method": "gradient_based"})
    draws = np.array([sample_rows(grad, hess, params, rng) for _ in range(60)])
    taken = draws > 0
    # The expected number of rows, and factors that are inverse probabilities.
    assert abs(taken.mean() - fraction) < 0.05
    assert (draws[taken] >= 1.0).all()
    scores = np.sqrt((grad**2 + hess**2).reshape(400, -1).sum(axis=1))
    for row in np.flatnonzero(taken.any(axis=0)):
        assert np.unique(draws[taken[:, row], row]).size == 1
    # A row of a larger gradient pair has no smaller probability.
    ever_taken = taken.any(axis=0)
    probability = 1 / draws.max(axis=0)[ever_taken]
    order = np.argsort(scores[ever_taken])
    assert (np.diff(probability[order]) >= -1e-12).all()


def test_gradient_based_sampling_of_zero_gradients_samples_no_row() -> None:
    params = resolve({"subsample": 0.5, "sampling_method": "gradient_based"})
    factor = sample_rows(np.zeros(10), np.zeros(10), params, np.random.default_rng(0))
    np.testing.assert_array_equal(factor, np.zeros(10))


@pytest.mark.parametrize("weights", [np.empty(0), np.arange(1.0, 41.0)])
def test_features_of_levels_are_drawn_from_the_tree_and_of_nodes_from_the_level(weights: np.ndarray) -> None:
    fractions = {"colsample_bytree": 0.5, "colsample_bylevel": 0.5, "colsample_bynode": 0.5}
    columns = ColumnSampler(40, resolve(fractions), weights, np.random.default_rng(3))
    assert columns.by_node and columns.tree.size == 20
    for depth in range(3):
        level = columns.level(depth)
        assert level.size == 10 and set(level) <= set(columns.tree)
        assert columns.level(depth) is level
        first, second = columns.node(depth), columns.node(depth)
        for node in (first, second):
            assert node.size == 5 and set(node) <= set(level)
            assert (np.diff(node) > 0).all() and node.dtype == np.int32
    assert not np.array_equal(columns.level(0), columns.level(1))


def test_at_least_one_feature_is_drawn() -> None:
    columns = ColumnSampler(3, resolve({"colsample_bytree": 0.01}), np.empty(0), np.random.default_rng(0))
    assert columns.tree.size == 1 and not columns.by_node


def test_a_feature_of_twice_the_weight_is_drawn_twice_as_often() -> None:
    weights = np.array([0.0, 1.0, 2.0])
    params = resolve({"colsample_bytree": 0.34})
    rng = np.random.default_rng(5)
    drawn = [int(ColumnSampler(3, params, weights, rng).tree[0]) for _ in range(3000)]
    counts = np.bincount(drawn, minlength=3)
    assert counts[0] == 0 and 1.8 < counts[2] / counts[1] < 2.2

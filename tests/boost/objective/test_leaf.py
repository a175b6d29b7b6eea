"""Quantiles of labels and of leaves, against NumPy and the definition."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from boost.forest.grown_tree import GrownTree
from boost.objective.leaf import leaf_quantiles, quantile
from boost.threads import Team

NONE = np.empty(0)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=30),
    st.floats(0.01, 0.99),
)
def test_quantile_is_numpys_weibull_rule(values: list[float], level: float) -> None:
    array = np.array(values)
    want = np.quantile(array, level, method="weibull")
    assert quantile(array, NONE, level) == pytest.approx(want, abs=1e-9)
    assert quantile(array, np.full(array.size, 2.5), level) == quantile(array, NONE, level)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(-20, 20), st.integers(0, 5)), min_size=1, max_size=30),
    st.floats(0.01, 0.99),
)
def test_weighted_quantile_by_definition(weighted: list[tuple[int, int]], level: float) -> None:
    values, weight = (np.array(a, dtype=float) for a in zip(*weighted, strict=True))
    if np.unique(weight[weight > 0]).size < 2:
        return
    got = quantile(values, weight, level)
    assert got in values[weight > 0]
    total = weight.sum()
    assert weight[values <= got].sum() >= level * total * (1 - 1e-12)
    assert weight[values < got].sum() < level * total * (1 + 1e-12)


def test_quantiles_by_hand() -> None:
    values = np.array([4.0, 1, 3, 2])
    assert quantile(values, NONE, 0.5) == 2.5
    assert quantile(values, NONE, 0.3) == 1.5
    assert quantile(values, NONE, 0.1) == 1 and quantile(values, NONE, 0.95) == 4
    assert quantile(values, np.array([5.0, 1, 1, 1]), 0.5) == 4
    assert quantile(values, np.array([0.0, 1, 1, 1]), 0.5) == 2


@pytest.mark.parametrize("kind", ["none", "zeros", "real"])
def test_leaves(kind: str) -> None:
    rng = np.random.default_rng(0)
    rows, edges = 100_000, np.array([0, 10, 11, 60_000, 99_997, 100_000])
    order = np.concatenate([np.sort(p) for p in np.split(rng.permutation(rows), edges[1:-1])])
    grown = GrownTree(None, order.astype(np.uint32), np.arange(5), edges[:-1], edges[1:])  # type: ignore[arg-type]
    residual = rng.normal(size=rows)
    weight = {"none": NONE, "zeros": (rng.random(rows) < 0.5) * 1.0, "real": rng.uniform(0, 2, size=rows)}[
        kind
    ]
    weight[order[-3:] if weight.size else []] = 0.0
    got = []
    for threads in (1, 3):
        with Team(threads) as team:
            got.append(leaf_quantiles(grown, residual, weight, 0.3, team))
    np.testing.assert_array_equal(got[0], got[1])
    for leaf, value in enumerate(got[0][: 4 if weight.size else 5]):
        rows_here = order[edges[leaf] : edges[leaf + 1]]
        if weight.size and not weight[rows_here].any():
            assert value == 0.0
            continue
        assert value == quantile(residual[rows_here], weight[rows_here] if weight.size else NONE, 0.3)
    if weight.size:
        assert got[0][4] == 0.0


@pytest.mark.parametrize("order", ["rising", "falling", "pipe", "constant", "two"])
@pytest.mark.parametrize("weighted", [False, True])
def test_orders_that_are_hard_to_select_from(order: str, weighted: bool) -> None:
    """Each order takes quadratic time, hours here, for some deterministic choice of pivots."""
    size = 200_001
    half = np.arange(size // 2 + 1.0)
    values = {
        "rising": np.arange(size, dtype=float),
        "falling": -np.arange(size, dtype=float),
        "pipe": np.concatenate((half, half[-2::-1])),
        "constant": np.ones(size),
        "two": np.arange(size) % 2.0,
    }[order]
    weight = np.where(np.arange(size) % 3 == 0, 2.0, 1.0) if weighted else NONE
    for level in (0.01, 0.5, 0.9):
        got = quantile(values, weight, level)
        if not weighted:
            assert got == pytest.approx(np.quantile(values, level, method="weibull"), rel=1e-12)
            continue
        by_value = np.argsort(values, kind="stable")
        reached = np.cumsum(weight[by_value])
        assert got == values[by_value[np.searchsorted(reached, level * reached[-1])]]

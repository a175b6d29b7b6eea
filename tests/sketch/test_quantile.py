"""The streaming sketch: the bound of its error, and results that do not depend on batches."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sketch import Summary, WeightedQuantileSketch


def same(a: Summary, b: Summary) -> bool:
    return all(getattr(a, f).tobytes() == getattr(b, f).tobytes() for f in ("value", "rmin", "rmax", "wmin"))


def exact_gap(s: Summary, values: np.ndarray, weights: np.ndarray) -> float:
    """Largest distance of the summary's bounds from the true ranks, as a fraction of the weight."""
    order = np.argsort(values, kind="stable")
    x, w = values[order], weights[order]
    upper = np.cumsum(w)
    rmin, rmax, _ = s.bounds(x)
    first = np.searchsorted(x, x, side="left")
    last = np.searchsorted(x, x, side="right") - 1
    below = upper[first] - w[first]
    assert (rmin <= below + 1e-6).all() and (rmax >= upper[last] - 1e-6).all()
    return float(max((below - rmin).max(), (rmax - upper[last]).max()) / upper[-1])


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.02, 0.1, 0.3]), st.booleans())
def test_epsilon_bound(seed: int, epsilon: float, skewed: bool) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=5000)
    weights = rng.pareto(1.5, size=5000) + 1e-3 if skewed else np.ones(5000)
    sketch = WeightedQuantileSketch(epsilon, block_rows=64)
    sketch.add(values, weights if skewed else None)
    s = sketch.summary()
    assert s.total == pytest.approx(weights.sum())
    assert s.largest_gap() <= s.slack * (1 + 1e-9)
    assert s.epsilon <= epsilon
    assert exact_gap(s, values, weights) <= epsilon
    assert s.size < 5000


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(0, 300), max_size=12), st.booleans())
def test_batches_do_not_matter(sizes: list[int], weighted: bool) -> None:
    rng = np.random.default_rng(0)
    n = sum(sizes)
    values, weights = rng.normal(size=n), rng.random(n)
    whole, parts = (WeightedQuantileSketch(0.2, block_rows=50) for _ in range(2))
    whole.add(values, weights if weighted else None)
    edges = np.cumsum([0, *sizes])
    for begin, end in zip(edges[:-1], edges[1:], strict=True):
        parts.add(values[begin:end], weights[begin:end] if weighted else None)
    assert same(whole.summary(), parts.summary())


def test_batch_memory_may_be_reused() -> None:
    sketch, batch = WeightedQuantileSketch(), np.array([1.0, 2.0])
    sketch.add(batch)
    batch[:] = 99
    np.testing.assert_array_equal(sketch.summary().value, [1, 2])


def test_merge_of_sketches() -> None:
    rng = np.random.default_rng(1)
    values, weights = rng.normal(size=3000), rng.integers(1, 4, size=3000).astype(float)
    parts = [WeightedQuantileSketch(0.05, block_rows=64) for _ in range(3)]
    for k, part in enumerate(parts):
        part.add(values[k * 1000 : (k + 1) * 1000], weights[k * 1000 : (k + 1) * 1000])
    before = parts[1].summary()
    parts[0].merge(parts[1])
    parts[0].merge(parts[2])
    s = parts[0].summary()
    assert s.total == weights.sum()
    assert s.epsilon <= 0.05 and exact_gap(s, values, weights) <= 0.05
    assert same(before, parts[1].summary())


def test_exact_while_small_and_usable_after_a_summary() -> None:
    sketch = WeightedQuantileSketch(0.5, block_rows=8)
    sketch.add([1.0, np.nan, 2.0] * 100, np.arange(300.0))
    assert sketch.summary().slack == 0
    sketch.add([3.0])
    s = sketch.summary()
    np.testing.assert_array_equal(s.value, [1, 2, 3])
    weights = np.arange(300.0).reshape(100, 3).sum(axis=0)
    np.testing.assert_array_equal(s.wmin, [weights[0], weights[2], 1])


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="epsilon must lie between 0 and 1, got 2"):
        WeightedQuantileSketch(2)
    with pytest.raises(ValueError, match="block_rows"):
        WeightedQuantileSketch(block_rows=0)
    with pytest.raises(ValueError, match="infinite"):
        WeightedQuantileSketch().add([np.inf])
    with pytest.raises(ValueError, match="one entry for each"):
        WeightedQuantileSketch().add([1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match=r"cannot merge a sketch of epsilon=0\.1"):
        WeightedQuantileSketch(0.2).merge(WeightedQuantileSketch(0.1))

"""Split candidates that are proposed for each tree, or for each node."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

import boost
from boost import DMatrix
from boost.forest.tree import Tree
from boost.grow.approx import ApproxGrower
from boost.grow.exact import ExactGrower
from boost.params import ParameterError, resolve
from boost.threads import Team

LOCAL = {"approx_proposal": "local"}


def make(x: Any, threads: int = 1, **params: Any) -> ApproxGrower:
    data = x if isinstance(x, DMatrix) else DMatrix(x)
    return ApproxGrower(data, resolve({"tree_method": "approx"} | params), Team(threads))


def grow(x: Any, g: Any, h: Any = None, weight: Any = (), threads: int = 1, **params: Any) -> Tree:
    grad = np.asarray(g, dtype=np.float64)
    hess = np.ones(grad.size) if h is None else np.asarray(h, dtype=np.float64)
    grower = make(x, threads, **params)
    with grower.team:
        tree = grower.grow(grad, hess, np.asarray(weight, dtype=np.float64), np.random.default_rng(0)).tree
    return tree


def proposals(x: Any, hess: Any, max_bin: int, weight: Any = ()) -> list[list[float]]:
    h = np.asarray(hess, dtype=np.float64)
    cuts = make(x, max_bin=max_bin).propose(np.ones(h.size), h, np.asarray(weight, dtype=np.float64))
    return [cuts.column(f).tolist() for f in range(cuts.columns)]


def same(a: Tree, b: Tree) -> bool:
    return all(getattr(a, f).tobytes() == getattr(b, f).tobytes() for f in Tree.__slots__)


def test_hand_worked_proposals() -> None:
    x = np.arange(8.0)[:, None]
    assert proposals(x, np.ones(8), 4) == [[1.5, 3.5, 5.5]]
    # Of a hessian of 16, the parts of 4 end within 0, within 0, at 2, and with the last.
    assert proposals(x, [9, 1, 1, 1, 1, 1, 1, 1], 4) == [[0.5, 3.5]]
    assert proposals(x, [1, 1, 1, 1, 1, 1, 1, 9], 4) == [[3.5]]
    # Few distinct values: a cut between any two, whatever their hessians.
    assert proposals([[1.0], [2.0], [2.0], [5.0], [np.nan]], [1, 1000, 1000, 1, 7], 3) == [[1.5, 3.5]]
    assert proposals([[1.0], [1.0], [np.nan]], np.ones(3), 3) == [[]]
    # Rows with zero weight are ignored.
    assert proposals(x, np.ones(8), 3, [1, 0, 0, 0, 0, 0, 1, 1]) == [[3.0, 6.5]]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.integers(2, 40))
def test_parts_are_as_equal_as_the_rows_allow(seed: int, max_bin: int) -> None:
    rng = np.random.default_rng(seed)
    x, h = rng.normal(size=(300, 1)).astype(np.float32), rng.random(300) ** 3
    (cuts,) = proposals(x, h, max_bin)
    assert 0 < len(cuts) < max_bin
    part = np.bincount(np.searchsorted(np.array(cuts, dtype=np.float32), x[:, 0], side="right"), weights=h)
    assert part.max() <= h.sum() / max_bin + 2 * h.max()


@pytest.mark.parametrize("proposal", ["global", "local"])
def test_candidates_at_each_row_grow_the_exact_tree(proposal: str) -> None:
    rng = np.random.default_rng(0)
    x, g = rng.normal(size=(200, 4)).astype(np.float32), rng.normal(size=200)
    tree = grow(x, g, max_bin=1000, approx_proposal=proposal)
    with Team(1) as team:
        exact = ExactGrower(DMatrix(x), resolve({}), team)
        expected = exact.grow(g, np.ones(200), np.empty(0), np.random.default_rng(0)).tree
    for name in ("left", "feature", "base_weight", "gain"):
        np.testing.assert_array_equal(getattr(tree, name), getattr(expected, name))
    if proposal == "local":
        np.testing.assert_array_equal(tree.condition, expected.condition)


def test_local_proposals_follow_the_node() -> None:
    # With two parts, the root can only be cut in its middle; each half again in its own.
    x = np.arange(8.0)[:, None]
    g = -np.array([0.0, 0, 1, 1, 10, 10, 13, 13])
    plain = {"max_bin": 2, "max_depth": 2, "lambda": 0.0, "eta": 1.0}
    local = grow(x, g, **LOCAL, **plain)
    np.testing.assert_array_equal(local.condition, [3.5, 1.5, 5.5, 0, 1, 10, 13])
    assert grow(x, g, **plain).size == 3


@pytest.mark.parametrize("proposal", ["global", "local"])
def test_threads_and_sparsity_change_no_byte(proposal: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(400, 6)).astype(np.float32)
    x[rng.random(x.shape) < 0.4] = np.nan
    here = ~np.isnan(x)
    csr = sparse.csr_matrix((x[here], np.nonzero(here)), shape=x.shape)
    g, h = rng.normal(size=400), rng.random(400)
    monkeypatch.setattr("boost.threads.SERIAL_WORK", 0)
    settings = {"max_bin": 16, "max_depth": 5, "approx_proposal": proposal}
    trees = [grow(table, g, h, threads=t, **settings) for t in (1, 2, 4) for table in (x, csr)]
    assert trees[0].size > 7 and all(same(trees[0], tree) for tree in trees[1:])


@pytest.mark.parametrize("proposal", ["global", "local"])
def test_integer_weights_are_repeated_rows(proposal: str) -> None:
    rng = np.random.default_rng(2)
    x, g, w = rng.normal(size=(100, 3)), rng.normal(size=100), rng.integers(0, 4, size=100)
    times = np.repeat(np.arange(100), w)
    settings = {"max_bin": 8, "max_depth": 4, "approx_proposal": proposal}
    weighted, repeated = grow(x, g, None, w, **settings), grow(x[times], g[times], **settings)
    np.testing.assert_array_equal(weighted.feature, repeated.feature)
    np.testing.assert_allclose(weighted.condition, repeated.condition, rtol=1e-6)


def test_few_local_proposals_are_as_good_as_global_ones() -> None:
    # The paper's figure 3 in small: an epsilon of 0.3 is about 3 candidates; global needs many more.
    rng = np.random.default_rng(3)
    x = rng.normal(size=(6000, 5)).astype(np.float32)
    score = np.sin(3 * x[:, 0]) + x[:, 1] * x[:, 2] + rng.normal(size=6000) * 0.3
    train = DMatrix(x[:3000], (score[:3000] > 0).astype(float))
    evaluation = DMatrix(x[3000:], (score[3000:] > 0).astype(float))

    def loss(**params: Any) -> float:
        result: Any = {}
        settings = {"objective": "binary:logistic", "max_depth": 5, "eta": 0.2} | params
        boost.train(
            settings, train, 20, evals=[(evaluation, "evaluation")], evals_result=result, verbose_eval=False
        )
        return float(next(iter(result["evaluation"].values()))[-1])

    params: Any = {"tree_method": "approx", "max_bin": 4}
    local, coarse = loss(**params, **LOCAL), loss(**params)
    fine, exact = loss(tree_method="approx", max_bin=32), loss(tree_method="exact")
    assert local < coarse
    assert abs(local - exact) < 0.5 * (coarse - exact) and abs(fine - exact) < 0.5 * (coarse - exact)


def test_refused() -> None:
    with pytest.raises(
        ParameterError, match="max_leaves=7 is for tree_method='hist', tree_method='approx' with"
    ):
        make(np.ones((3, 1)), max_leaves=7, **LOCAL)
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"size": [1.0, 2.0], "colour": ["red", "blue"]})
    with pytest.raises(ParameterError, match="does not split categories.*: colour"):
        make(DMatrix(frame), **LOCAL)


def test_categories_and_vectors_from_global_proposals() -> None:
    rng = np.random.default_rng(3)
    codes = rng.integers(0, 7, 400)
    x = np.column_stack((codes, rng.normal(size=400))).astype(np.float32)
    grad = np.where(np.isin(codes, (1, 4, 6)), 1.0, -1.0) + 0.1 * rng.normal(size=400)
    one = make(DMatrix(x, feature_types=["c", "q"]), max_depth=1, tree_method="approx")
    tree = one.grow(grad, np.ones(400), np.empty(0), rng).tree
    assert tree.feature[0] == 0
    assert tree.categories.tolist() in ([1, 4, 6], [0, 2, 3, 5])
    several = make(DMatrix(x), max_depth=2, tree_method="approx")
    grads = np.column_stack((grad, -grad))
    vectors = several.grow(grads, np.ones((400, 2)), np.empty(0), rng).tree.vectors
    np.testing.assert_allclose(vectors[:, 0], -vectors[:, 1], rtol=1e-6, atol=1e-7)

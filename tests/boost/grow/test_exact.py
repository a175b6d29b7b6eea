"""Exact trees against trees worked by hand, exhaustive search, and XGBoost."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

import boost
from boost import DMatrix
from boost.forest.tree import Tree
from boost.grow import GrownTree
from boost.grow.exact import ExactGrower
from boost.grow.hist import HistGrower
from boost.params import ParameterError, resolve
from boost.threads import Team

PLAIN: dict[str, Any] = {"eta": 1.0, "lambda": 0.0, "min_child_weight": 0.0}
NAN = np.nan


def grow(
    x: Any,
    grad: Any,
    hess: Any = None,
    weight: Any = (),
    threads: int = 1,
    kind: Any = ExactGrower,
    **params: Any,
) -> GrownTree:
    """One tree of a table; squared error at zero when `grad` is minus the labels."""
    g = np.asarray(grad, dtype=np.float64)
    h = np.ones(g.size) if hess is None else np.asarray(hess, dtype=np.float64)
    data = x if isinstance(x, DMatrix) else DMatrix(x)
    with Team(threads) as team:
        grower = kind(data, resolve({"tree_method": "exact"} | params), team)
        grown = grower.grow(g, h, np.asarray(weight, dtype=np.float64), np.random.default_rng(0))
    check_rows(grown, g.size)
    return grown


def check_rows(grown: GrownTree, rows: int) -> None:
    np.testing.assert_array_equal(np.sort(grown.rows), np.arange(rows))
    at = np.argsort(grown.begins, kind="stable")
    for begin, end in zip(grown.begins[at], grown.ends[at], strict=True):
        assert (np.diff(grown.rows[begin:end].astype(np.int64)) > 0).all()
    assert (grown.ends - grown.begins).sum() == rows


def leaf_of(tree: Tree, row: np.ndarray) -> int:
    n = 0
    while tree.left[n] >= 0:
        v = row[tree.feature[n]]
        goes_left = tree.default_left[n] if np.isnan(v) else v < tree.condition[n]
        n = tree.left[n] if goes_left else tree.right[n]
    return int(n)


def same(a: Tree, b: Tree) -> bool:
    return all(getattr(a, f).tobytes() == getattr(b, f).tobytes() for f in Tree.__slots__)


def table(rng: np.random.Generator, rows: int, features: int, absent: float, digits: int = 1) -> np.ndarray:
    x = rng.normal(size=(rows, features)).round(digits).astype(np.float32)
    x[rng.random(x.shape) < absent] = np.nan
    return x


def to_csr(x: np.ndarray) -> sparse.csr_matrix:
    here = ~np.isnan(x)
    return sparse.csr_matrix((x[here], np.nonzero(here)), shape=x.shape)


def test_hand_worked_split() -> None:
    grown = grow([[1.0], [2.0], [3.0], [4.0]], [-1, -1, -5, -5], max_depth=1, **PLAIN)
    tree = grown.tree
    np.testing.assert_array_equal(tree.left, [1, -1, -1])
    np.testing.assert_array_equal(tree.right, [2, -1, -1])
    np.testing.assert_array_equal(tree.parent, [-1, 0, 0])
    np.testing.assert_array_equal(tree.condition, [2.5, 1, 5])
    np.testing.assert_array_equal(tree.base_weight, [3, 1, 5])
    np.testing.assert_array_equal(tree.hessian, [4, 2, 2])
    # 2**2 / 2 + 10**2 / 2 - 12**2 / 4
    np.testing.assert_array_equal(tree.gain, [16, 0, 0])
    np.testing.assert_array_equal(grown.leaves, [1, 2])
    np.testing.assert_array_equal(grown.rows, [0, 1, 2, 3])


def test_hand_worked_penalties() -> None:
    x, g = [[1.0], [2.0], [3.0], [4.0]], [-1, -1, -5, -5]
    tree = grow(x, g, max_depth=1, alpha=1.0, eta=0.5, min_child_weight=0.0, **{"lambda": 2.0}).tree
    # Leaf weights (|G| - 1) / (H + 2): 1 / 4 and 9 / 4, halved; root 11 / 6.
    np.testing.assert_allclose(tree.condition[1:], [0.125, 1.125])
    np.testing.assert_allclose(tree.base_weight[0], 11 / 6, rtol=1e-6)
    np.testing.assert_allclose(tree.gain[0], 1 / 4 + 81 / 4 - 121 / 6, rtol=1e-6)


def test_gamma_and_min_child_weight_reject_splits() -> None:
    x, g = [[1.0], [2.0], [3.0], [4.0]], [-1, -1, -5, -5]
    assert grow(x, g, max_depth=1, gamma=16.0, **PLAIN).tree.size == 3
    assert grow(x, g, max_depth=1, gamma=16.01, **PLAIN).tree.size == 1
    plain = PLAIN | {"max_depth": 1}
    assert grow(x, g, **plain | {"min_child_weight": 2.0}).tree.size == 3
    assert grow(x, g, **plain | {"min_child_weight": 2.01}).tree.size == 1
    assert grow(x, [0, -9, -9, -9], **plain | {"min_child_weight": 1.5}).tree.condition[0] == 2.5


def test_max_delta_step_limits_the_leaves() -> None:
    tree = grow([[1.0], [2.0], [3.0], [4.0]], [-1, -1, -5, -5], max_depth=1, max_delta_step=2.0, **PLAIN).tree
    np.testing.assert_array_equal(tree.condition, [2.5, 1, 2])
    # A score is -(2 G w + H w**2): 2 on the left; 2 * 10 * 2 - 2 * 4 = 32 on the right; root 2 * 12 * 2 - 16.
    np.testing.assert_array_equal(tree.gain, [2 + 32 - 32, 0, 0])


@pytest.mark.parametrize(("missing_label", "goes_left"), [(1.0, 1), (5.0, 0)])
def test_learned_default_direction(missing_label: float, goes_left: int) -> None:
    x = [[1.0], [2.0], [3.0], [4.0], [NAN]]
    tree = grow(x, [-1, -1, -5, -5, -missing_label], max_depth=1, **PLAIN).tree
    assert tree.default_left[0] == goes_left
    np.testing.assert_array_equal(tree.condition, [2.5, 1, 5])
    assert tree.hessian[1] == 2 + goes_left


def test_split_between_present_and_missing() -> None:
    # Present 1 and 2 go left of 2 + (2 + 1e-6); the missing ones right.
    tree = grow([[1.0], [2.0], [NAN], [NAN]], [-3, -3, -7, -7], max_depth=1, **PLAIN).tree
    np.testing.assert_array_equal(tree.condition, np.array([4.000001, 3, 7], dtype=np.float32))
    assert tree.default_left[0] == 0
    # A column of a single value: present ones go right of 1 - (1 + 1e-6), missing ones left.
    tree = grow([[1.0], [1.0], [NAN], [NAN]], [-3, -3, -7, -7], max_depth=1, **PLAIN).tree
    np.testing.assert_array_equal(
        tree.condition, np.array([1 - np.float32(1.000001), 7, 3], dtype=np.float32)
    )
    assert tree.default_left[0] == 1


def test_equal_gains() -> None:
    x = np.array([[1.0, 1.0, -1.0], [2.0, 2.0, -2.0]])
    assert grow(x, [0, -1], **PLAIN).tree.feature[0] == 0
    # Cutting off the first row or the last gains the same: the split at the lower value is kept.
    assert grow([[1.0], [2.0], [3.0]], [-1, 0, -1], max_depth=1, **PLAIN).tree.condition[0] == 1.5


def test_neighbouring_floats() -> None:
    a = np.float32(1.0)
    b = np.nextafter(a, np.float32(2))
    for low, high in (
        (a, b),
        (-b, -a),
        (np.float32(0), np.float32(1e-45)),
        (np.float32(3e38), np.float32(3.2e38)),
    ):
        tree = grow(np.array([[low], [high]]), [-1, -2], **PLAIN).tree
        assert low < tree.condition[0] <= high
        np.testing.assert_array_equal(tree.condition[1:], [1, 2])


def test_depth() -> None:
    rng = np.random.default_rng(0)
    x, g = rng.normal(size=(300, 3)), rng.normal(size=300)
    for depth in (1, 2, 5):
        tree, level = grow(x, g, max_depth=depth, **PLAIN).tree, np.zeros(300, dtype=int)
        for n in range(1, tree.size):
            level[n] = level[tree.parent[n]] + 1
        assert level.max() == depth and depth < tree.leaves <= 2**depth
    assert grow(x, g, max_depth=0, **PLAIN).tree.leaves == 300  # no limit: one leaf a row


def test_nothing_to_split() -> None:
    x = np.column_stack((np.ones(6), np.full(6, NAN), [1.0, 2, 3, 4, 5, 6]))
    assert grow(x, [0, 0, 0, -1, -1, -1], max_depth=1, **PLAIN).tree.feature[0] == 2
    assert grow(x[:, :2], [0, 0, 0, -1, -1, -1], **PLAIN).tree.size == 1
    assert grow([[1.0]], [-1.0]).tree.size == 1
    assert grow(x, np.zeros(6), np.zeros(6)).tree.size == 1


def test_rows_of_leaves_agree_with_prediction() -> None:
    rng = np.random.default_rng(3)
    x = table(rng, 400, 6, 0.3)
    weight = rng.integers(0, 2, size=400)
    grown = grow(x, rng.normal(size=400), None, weight, max_depth=6)
    for leaf, begin, end in zip(grown.leaves, grown.begins, grown.ends, strict=True):
        assert {leaf_of(grown.tree, x[i]) for i in grown.rows[begin:end]} <= {leaf}


def best_gain(x: np.ndarray, g: np.ndarray, h: np.ndarray, least: float, reg: float) -> float:
    """The largest gain of all splits of all rows, default directions included."""
    best = 0.0
    for f in range(x.shape[1]):
        column, absent = x[:, f], np.isnan(x[:, f])
        present = np.unique(column[~absent])
        sides = [(column < c) | (absent & d) for c in present[1:] for d in (False, True)]
        for left in [*sides, absent]:
            hl, hr = h[left].sum(), h[~left].sum()
            if min(hl, hr) >= max(least, 1e-12):
                scores = g[left].sum() ** 2 / (hl + reg) + g[~left].sum() ** 2 / (hr + reg)
                best = max(best, scores - g.sum() ** 2 / (h.sum() + reg))
    return best


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([0.0, 0.2, 0.7]), st.sampled_from([0.0, 3.0]))
def test_gain_of_a_brute_force_search(seed: int, absent: float, least: float) -> None:
    rng = np.random.default_rng(seed)
    x, g, h = table(rng, 40, 3, absent), rng.normal(size=40), rng.random(40) + 0.1
    tree = grow(x, g, h, max_depth=1, min_child_weight=least).tree
    np.testing.assert_allclose(tree.gain[0], best_gain(x, g, h, least, 1.0), rtol=1e-5, atol=1e-9)


def xgboost_tree(x: Any, y: np.ndarray, params: dict[str, Any]) -> dict[str, Any]:
    xgboost = pytest.importorskip("xgboost")
    given = params | {"tree_method": "exact", "base_score": 0.0, "nthread": 1}
    if "monotone_constraints" in given:
        given["monotone_constraints"] = tuple(given["monotone_constraints"])
    model = xgboost.train(given, xgboost.DMatrix(x, y), 1)
    whole = json.loads(bytes(model.save_raw("json")))
    tree: dict[str, Any] = whole["learner"]["gradient_booster"]["model"]["trees"][0]
    return tree


def assert_equal_trees(ours: Tree, theirs: dict[str, Any]) -> None:
    stack = [(0, 0)]
    while stack:
        a, b = stack.pop()
        left = theirs["left_children"][b]
        assert (ours.left[a] < 0) == (left < 0)
        np.testing.assert_allclose(ours.hessian[a], theirs["sum_hessian"][b], rtol=1e-5)
        if left < 0:
            np.testing.assert_allclose(ours.condition[a], theirs["split_conditions"][b], rtol=1e-5, atol=1e-5)
            continue
        np.testing.assert_allclose(ours.base_weight[a], theirs["base_weights"][b], rtol=1e-5, atol=1e-5)
        assert ours.feature[a] == theirs["split_indices"][b]
        assert ours.condition[a] == np.float32(theirs["split_conditions"][b])
        np.testing.assert_allclose(ours.gain[a], theirs["loss_changes"][b], rtol=1e-3, atol=1e-3)
        stack += [(ours.left[a], left), (ours.right[a], theirs["right_children"][b])]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(
    "extra",
    [{}, {"alpha": 1.5}, {"max_delta_step": 0.3}, {"monotone_constraints": [1, -1, 0, -1]}],
    ids=["plain", "alpha", "delta", "monotone"],
)
def test_one_round_equals_xgboost(seed: int, extra: dict[str, Any]) -> None:
    rng = np.random.default_rng(seed)
    rows, absent = int(rng.integers(30, 1500)), (0.0, 0.2, 0.9)[seed % 3]
    x = table(rng, rows, 4, absent, digits=1 + seed % 2 * 4)
    y = (np.nan_to_num(x[:, 0]) + rng.normal(size=rows)).astype(np.float32)
    params = {"max_depth": int(rng.integers(1, 8)), "eta": 0.5, "min_child_weight": float(rng.integers(0, 4))}
    given: Any = to_csr(x) if seed % 3 == 2 else x
    theirs = xgboost_tree(given, y, params | extra)
    tree = grow(given, -y.astype(np.float64), threads=1 + seed % 2, **params | extra).tree
    assert_equal_trees(tree, theirs)


def test_one_hot_round_equals_xgboost() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 30, size=(800, 3)) + np.arange(3) * 30
    x = sparse.csr_matrix((np.ones(2400), codes.ravel(), np.arange(0, 2401, 3)), shape=(800, 90))
    y = (rng.normal(size=90)[codes].sum(axis=1) + rng.normal(size=800)).astype(np.float32)
    theirs = xgboost_tree(x, y, {"max_depth": 6})
    tree = grow(x, -y.astype(np.float64), max_depth=6).tree
    assert_equal_trees(tree, theirs)
    inner = tree.left >= 0
    assert tree.default_left[inner].all() and (np.array(theirs["default_left"])[inner] == 1).all()


def test_a_model_of_many_rounds_predicts_as_xgboost_does() -> None:
    xgboost = pytest.importorskip("xgboost")
    rng = np.random.default_rng(4)
    x = table(rng, 1000, 5, 0.2, digits=4)
    y = (np.nan_to_num(x[:, 0] * x[:, 1]) + rng.normal(size=1000) * 0.1 > 0).astype(np.float32)
    params = {"tree_method": "exact", "max_depth": 4, "objective": "binary:logistic", "base_score": 0.5}
    ours = boost.train(params, DMatrix(x, y), 5)
    theirs = xgboost.train(params, xgboost.DMatrix(x, y), 5)
    np.testing.assert_allclose(ours.predict(DMatrix(x)), theirs.predict(xgboost.DMatrix(x)), atol=1e-5)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([0.0, 0.3, 0.95]))
def test_threads_and_sparsity_change_no_byte(seed: int, absent: float) -> None:
    rng = np.random.default_rng(seed)
    x, g = table(rng, 500, 9, absent), rng.normal(size=500) * 10.0 ** rng.integers(-8, 8)
    trees = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("boost.threads.SERIAL_WORK", 0)
        for threads in (1, 2, 4):
            for given_table in (x, to_csr(x)):
                trees.append(grow(given_table, g, threads=threads, max_depth=5, colsample_bynode=0.7).tree)
    assert trees[0].size > 1
    assert all(same(trees[0], tree) for tree in trees[1:])


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from([0.0, 0.3]))
def test_integer_weights_are_repeated_rows(seed: int, absent: float) -> None:
    rng = np.random.default_rng(seed)
    x, g = table(rng, 60, 4, absent), rng.normal(size=60)
    w = rng.integers(0, 4, size=60)
    w[0] = 1
    times = np.repeat(np.arange(60), w)
    weighted = grow(x, g, None, w, max_depth=4).tree
    repeated = grow(x[times], g[times], max_depth=4).tree
    for name in ("left", "feature", "default_left"):
        np.testing.assert_array_equal(getattr(weighted, name), getattr(repeated, name))
    np.testing.assert_allclose(weighted.condition, repeated.condition, rtol=1e-6)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31))
def test_few_values_grow_the_tree_of_histograms(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, g = table(rng, 300, 5, 0.0), rng.normal(size=300)
    exact, hist = grow(x, g, max_depth=1).tree, grow(x, g, kind=HistGrower, max_depth=1).tree
    np.testing.assert_array_equal(exact.feature, hist.feature)
    np.testing.assert_allclose(exact.condition, hist.condition, rtol=1e-6)
    np.testing.assert_array_equal(exact.gain, hist.gain)


@pytest.mark.parametrize("absent", [0.0, 0.3])
def test_monotone_on_a_grid(absent: float) -> None:
    rng = np.random.default_rng(1)
    x = table(rng, 800, 3, absent, digits=2)
    g = -(np.nan_to_num(x) @ [1.0, -1.0, 0.5] + 2 * rng.normal(size=800))
    tree = grow(x, g, max_depth=6, monotone_constraints={0: 1, 1: -1}).tree
    assert {0, 1} <= set(tree.feature[tree.left >= 0].tolist())
    free = grow(x, g, max_depth=6).tree
    broken = 0
    grid = np.linspace(-3, 3, 121)
    rest = [np.array([NAN if rng.random() < absent else v for v in rng.normal(size=3)]) for _ in range(30)]
    for row in rest:
        for f, direction in ((0, 1), (1, -1)):
            rows = np.tile(row, (grid.size, 1))
            rows[:, f] = grid
            steps = direction * np.diff([tree.condition[leaf_of(tree, r)] for r in rows])
            assert (steps >= 0).all()
            broken += (direction * np.diff([free.condition[leaf_of(free, r)] for r in rows]) < 0).any()
    assert broken  # without the constraints, predictions are not monotone


def test_interaction_constraints() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=(600, 5))
    g = -(x[:, 0] * x[:, 1] + x[:, 2] * x[:, 3] + x[:, 0] * x[:, 3])
    groups = [[0, 1], [2, 3], [3, 4]]
    tree = grow(x, g, max_depth=5, interaction_constraints=groups).tree
    sizes = set()
    for leaf in np.flatnonzero(tree.left < 0):
        path, n = set(), int(tree.parent[leaf])
        while n >= 0:
            path.add(int(tree.feature[n]))
            n = int(tree.parent[n])
        assert any(path <= set(group) for group in groups)
        sizes.add(len(path))
    assert max(sizes) == 2


def test_colsample_uses_the_drawn_features_only() -> None:
    rng = np.random.default_rng(0)
    x, g = rng.normal(size=(300, 10)), rng.normal(size=300)
    data, used = DMatrix(x), []
    with Team(2) as team:
        params = {"colsample_bytree": 0.4, "colsample_bylevel": 0.5, "max_depth": 4}
        grower = ExactGrower(data, resolve(params), team)
        for seed in range(20):
            tree = grower.grow(g, np.ones(300), np.empty(0), np.random.default_rng(seed)).tree
            depth = np.zeros(tree.size, dtype=int)
            for n in range(1, tree.size):
                depth[n] = depth[tree.parent[n]] + 1
            inner = tree.left >= 0
            for level in range(4):
                assert len(set(tree.feature[inner & (depth == level)].tolist())) <= 2
            used.append(set(tree.feature[inner].tolist()))
    assert all(1 <= len(u) <= 4 for u in used) and len(set.union(*used)) > 5


def test_rows_with_zero_weight_are_ignored() -> None:
    rng = np.random.default_rng(6)
    x, g = table(rng, 200, 3, 0.2, digits=5), rng.normal(size=200)
    keep = rng.random(200) < 0.5
    all_rows = grow(x, g, None, keep, max_depth=4).tree
    alone = grow(x[keep], g[keep], max_depth=4).tree
    for name in ("left", "feature", "default_left"):
        np.testing.assert_array_equal(getattr(all_rows, name), getattr(alone, name))
    np.testing.assert_allclose(all_rows.condition, alone.condition, rtol=1e-6)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"grow_policy": "lossguide"}, "grow_policy='lossguide' is for tree_method='hist'"),
        ({"max_leaves": 7}, "max_leaves=7 is for tree_method='hist', tree_method='exact' is limited"),
        ({"multi_strategy": "multi_output_tree"}, "tree_method='exact' grows a tree for each output"),
        ({"monotone_constraints": [1, 1, 1]}, "3 directions for 2 features"),
        ({"interaction_constraints": [[0, 5]]}, "feature index 5: give an index from 0 to 1"),
    ],
)
def test_refused_parameters(params: dict[str, Any], message: str) -> None:
    with pytest.raises(ParameterError, match=message):
        grow(np.ones((4, 2)), np.ones(4), **params)


def test_refused_tables() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"size": [1.0, 2.0], "colour": ["red", "blue"]})
    with pytest.raises(ParameterError, match="tree_method='exact' does not split categories.*: colour"):
        boost.train({"tree_method": "exact"}, DMatrix(frame, [0.0, 1.0]), 1)
    with Team(1) as team:
        grower = ExactGrower(DMatrix(np.ones((3, 1))), resolve({}), team)
        with pytest.raises(ParameterError, match="vectors need tree_method='hist'"):
            grower.grow(np.ones((3, 2)), np.ones((3, 2)), np.empty(0), np.random.default_rng(0))

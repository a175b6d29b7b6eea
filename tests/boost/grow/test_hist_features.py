"""Growing policies, constraints, samples, categories and vector leaves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st

import boost
from boost import DMatrix
from boost.data.binning import bin_matrix, bin_sparse, make_cuts
from boost.forest.grown_tree import GrownTree
from boost.forest.tree import NO_NODE, Tree
from boost.grow.hist import HistGrower
from boost.grow.kernels.records import Slots
from boost.params import ParameterError, resolve
from boost.threads import Team

PLAIN = {"eta": 1.0, "lambda": 0.0, "min_child_weight": 0.0}


def grow(
    x: object,
    grad: np.ndarray,
    hess: np.ndarray | None = None,
    weight: np.ndarray | None = None,
    *,
    threads: int = 1,
    seed: int = 0,
    feature_types: list[str] | None = None,
    feature_weights: np.ndarray | None = None,
    slots: int | None = None,
    sparse: bool | None = None,
    **params: object,
) -> GrownTree:
    with Team(threads) as team:
        data = DMatrix(x, feature_types=feature_types, feature_weights=feature_weights)
        values = resolve(params)
        binned = None
        if sparse is not None:
            make = bin_sparse if sparse else bin_matrix
            binned = make(data, make_cuts(data, values["max_bin"], team), team)
        grower = HistGrower(data, values, team, binned)
        if slots:
            grower._begin(1 if grad.ndim == 1 else grad.shape[1])
            grower._slot_count = slots
            grower._slots = Slots(grower._slots.free[:slots].copy(), grower._slots.n_free)
        return grower.grow(
            grad,
            np.ones_like(grad) if hess is None else hess,
            np.empty(0) if weight is None else weight,
            np.random.default_rng(seed),
        )


def leaf_of(tree: Tree, row: np.ndarray) -> int:
    """Traverse the tree with one row, by its definition."""
    n = 0
    while tree.left[n] != NO_NODE:
        value = row[tree.feature[n]]
        begin, end = (
            (tree.category_starts[n], tree.category_starts[n + 1]) if tree.category_starts.size else (0, 0)
        )
        if np.isnan(value):
            left = bool(tree.default_left[n])
        elif end > begin:
            left = int(value) not in tree.categories[begin:end].tolist()
        else:
            left = bool(value < tree.condition[n])
        n = int(tree.left[n] if left else tree.right[n])
    return n


def check_rows(grown: GrownTree, x: np.ndarray) -> None:
    """Assert that every row is once in the rows of a leaf, and in the leaf of a traversal."""
    assert np.array_equal(np.sort(grown.rows), np.arange(x.shape[0]))
    for leaf, begin, end in zip(grown.leaves, grown.begins, grown.ends, strict=True):
        for i in grown.rows[begin:end]:
            assert leaf_of(grown.tree, x[i]) == leaf


def same(a: Tree, b: Tree) -> bool:
    return all(getattr(a, f).tobytes() == getattr(b, f).tobytes() for f in Tree.__slots__)


def table(rows: int, features: int, seed: int, missing: float = 0.2) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, features)).round(1).astype(np.float32)
    x[rng.random(x.shape) < missing] = np.nan
    return x


VARIANTS = [
    {"max_depth": 6},
    {"max_depth": 0, "max_leaves": 31, "grow_policy": "lossguide"},
    {"max_depth": 5, "max_leaves": 11},
    {"colsample_bytree": 0.7, "colsample_bylevel": 0.7, "colsample_bynode": 0.7},
    {"monotone_constraints": [1, -1, 0, 1, 0], "max_depth": 5},
    {"max_delta_step": 0.3, "alpha": 2.0},
    {"interaction_constraints": [[0, 1], [2, 3, 4]], "max_depth": 5},
]


@pytest.mark.parametrize("params", VARIANTS, ids=lambda p: "-".join(p))
def test_rows_reach_their_leaves_and_threads_change_nothing(params: dict, monkeypatch) -> None:
    monkeypatch.setattr("boost.threads.SERIAL_WORK", 0)
    x, rng = table(700, 5, 1), np.random.default_rng(2)
    grad = np.nan_to_num(x[:, 0]) - np.nan_to_num(x[:, 1]) + rng.normal(size=700)
    one = grow(x, grad, threads=1, **params)
    assert one.tree.leaves > 5
    check_rows(one, x)
    for threads in (2, 3, 4):
        other = grow(x, grad, threads=threads, **params)
        assert same(one.tree, other.tree)
        check_rows(other, x)


@settings(max_examples=10)
@given(st.integers(0, 2**31), st.integers(4, 9), st.sampled_from(["depthwise", "lossguide"]))
def test_few_histogram_slots_give_the_same_tree(seed: int, slots: int, policy: str) -> None:
    x, rng = table(300, 4, seed), np.random.default_rng(seed)
    grad = rng.normal(size=300)
    params = {"max_depth": 6, "grow_policy": policy}
    assert same(grow(x, grad, **params).tree, grow(x, grad, slots=slots, **params).tree)


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("threads", [1, 3])
def test_sparse_and_dense_tables_grow_the_same(threads: int, outputs: int, monkeypatch) -> None:
    monkeypatch.setattr("boost.threads.SERIAL_WORK", 0)
    x, rng = table(500, 8, 21, missing=0.8), np.random.default_rng(22)
    x[:, 7] = np.where(np.isnan(x[:, 7]), np.nan, rng.integers(0, 9, 500))
    kinds = ["q"] * 7 + ["q" if outputs == 2 else "c"]
    grad = rng.normal(size=(500, outputs)) + np.nan_to_num(x[:, 7:])
    grad = grad[:, 0] if outputs == 1 else grad
    weight = (rng.random(500) < 0.8) * rng.random(500)
    given = {"weight": weight, "threads": threads, "feature_types": kinds, "max_depth": 7}
    rows, columns = np.nonzero(~np.isnan(x))
    matrix = scipy.sparse.csr_matrix((x[rows, columns], (rows, columns)), shape=x.shape)
    dense, sparse = grow(x, grad, sparse=False, **given), grow(matrix, grad, sparse=True, **given)
    assert dense.tree.leaves > 10 and same(dense.tree, sparse.tree)
    np.testing.assert_array_equal(dense.rows, sparse.rows)
    check_rows(sparse, x)
    assert same(dense.tree, grow(matrix, grad, sparse=False, **given).tree)


def test_loss_guide_takes_the_largest_gain_first() -> None:
    x = np.repeat(np.arange(8.0), 2)[:, np.newaxis]
    # After the first cut in the middle, the right half has far more to gain.
    grad = -np.repeat([0.0, 0.0, 1.0, 1.0, 20.0, 20.0, 60.0, 60.0], 2)
    tree = grow(x, grad, grow_policy="lossguide", max_leaves=3, max_depth=0, **PLAIN).tree
    assert tree.leaves == 3
    assert sorted(tree.condition[tree.left == NO_NODE].tolist()) == [0.5, 20.0, 60.0]


def test_most_leaves_of_a_level_by_level_tree() -> None:
    x = np.arange(64.0)[:, np.newaxis]
    grad = np.random.default_rng(0).normal(size=64)
    for most in (2, 3, 6, 7):
        assert grow(x, grad, max_leaves=most, max_depth=0, **PLAIN).tree.leaves == most


@pytest.mark.parametrize("policy", ["depthwise", "lossguide"])
@pytest.mark.parametrize("direction", [1, -1])
def test_monotone_on_a_grid_with_missing_values(policy: str, direction: int) -> None:
    rng = np.random.default_rng(0)
    x = table(2000, 3, 3)
    noisy = np.sin(3 * np.nan_to_num(x[:, 0])) + np.nan_to_num(x[:, 1]) + rng.normal(size=2000)
    free = {"max_depth": 6, "grow_policy": policy, "monotone_constraints": [direction, 0, 0]}
    grid = np.sort(np.unique(x[~np.isnan(x[:, 0]), 0]))

    def curves(tree: Tree) -> np.ndarray:
        rows = []
        for other in (np.nan, -1.0, 0.3):
            for third in (np.nan, 0.0):
                points = [np.array([v, other, third], dtype=np.float32) for v in grid]
                rows.append([tree.condition[leaf_of(tree, p)] for p in points])
        return np.array(rows)

    steps = direction * np.diff(curves(grow(x, -noisy, **free).tree), axis=1)
    assert (steps >= 0).all() and (steps > 0).any()
    without = np.diff(curves(grow(x, -noisy, max_depth=6).tree), axis=1)
    assert (without > 0).any() and (without < 0).any()


def test_paths_satisfy_interaction_constraints() -> None:
    x = table(1000, 5, 5)
    grad = np.nan_to_num(x).prod(axis=1) + np.nan_to_num(x) @ np.ones(5)
    tree = grow(x, grad, interaction_constraints=[[0, 1], [2, 3]], max_depth=6).tree
    paths = set()
    for leaf in np.flatnonzero(tree.left == NO_NODE):
        n, used = int(leaf), set()
        while tree.parent[n] >= 0:
            n = int(tree.parent[n])
            used.add(int(tree.feature[n]))
        paths.add(frozenset(used))
    assert all(p <= {0, 1} or p <= {2, 3} or p <= {4} for p in paths)
    assert any(len(p) == 2 for p in paths)


def test_max_delta_step_bounds_the_leaves() -> None:
    x, grad = np.arange(20.0)[:, np.newaxis], np.linspace(-5, 5, 20)
    tree = grow(x, grad, max_delta_step=0.7, max_depth=3, **PLAIN).tree
    leaves = tree.condition[tree.left == NO_NODE]
    assert np.abs(leaves).max() == np.float32(0.7)


def test_rows_with_zero_weight_reach_their_leaf_and_change_no_sum() -> None:
    x, rng = table(600, 4, 7), np.random.default_rng(8)
    grad, weight = rng.normal(size=600), (rng.random(600) < 0.4).astype(float)
    sampled = grow(x, grad, weight=weight, max_depth=5)
    check_rows(sampled, x)
    other = grad.copy()
    other[weight == 0] = 1e3 * rng.normal(size=int((weight == 0).sum()))
    assert same(sampled.tree, grow(x, other, weight=weight, max_depth=5).tree)


def test_feature_weights_draw_features() -> None:
    x, grad = table(300, 6, 9, missing=0.0), np.random.default_rng(1).normal(size=300)
    weights = np.array([0.0, 0.0, 1.0, 0.0, 1.0, 0.0])
    for seed in range(5):
        tree = grow(x, grad, seed=seed, feature_weights=weights, colsample_bynode=0.34, max_depth=4).tree
        assert set(tree.feature[tree.left != NO_NODE].tolist()) <= {2, 4}


# Categories


def brute_force(codes: np.ndarray, grad: np.ndarray, categories: int, one_hot: bool) -> float:
    """The largest sum of scores of two sets of categories, all of lambda 0 and hessian 1."""
    best = 0.0
    present = [c for c in range(categories) if (codes == c).any()]
    for bits in range(1, 2 ** len(present) - 1):
        right = [c for k, c in enumerate(present) if bits >> k & 1]
        if one_hot and len(right) > 1:
            continue
        mask = np.isin(codes, right)
        best = max(best, sum(grad[m].sum() ** 2 / m.sum() for m in (mask, ~mask)))
    return best - grad.sum() ** 2 / grad.size


@pytest.mark.parametrize("one_hot", [False, True])
def test_categories_by_brute_force(one_hot: bool) -> None:
    rng = np.random.default_rng(3)
    for _ in range(15):
        codes = rng.integers(0, 6, 50).astype(np.float32)
        codes[:6] = np.arange(6)
        grad = rng.normal(size=50)
        grown = grow(
            codes[:, np.newaxis],
            grad,
            feature_types=["c"],
            max_depth=1,
            max_cat_to_onehot=7 if one_hot else 1,
            **PLAIN,
        )
        np.testing.assert_allclose(grown.tree.gain[0], brute_force(codes, grad, 6, one_hot), rtol=1e-5)
        check_rows(grown, codes[:, np.newaxis])
        if one_hot:
            assert grown.tree.categories.size == 1


def test_categories_with_missing_values_and_a_limit() -> None:
    rng = np.random.default_rng(4)
    codes = rng.integers(0, 100, 3000).astype(np.float32)
    effect = rng.normal(size=100)
    grad = -effect[codes.astype(int)] + 0.1 * rng.normal(size=3000)
    codes[rng.random(3000) < 0.1] = np.nan
    x = np.column_stack((codes, rng.normal(size=3000).round(1))).astype(np.float32)
    grown = grow(x, grad, feature_types=["c", "q"], max_depth=4, max_cat_threshold=8)
    tree = grown.tree
    check_rows(grown, x)
    sizes = np.diff(tree.category_starts)
    assert sizes.max() == 8 and (sizes[tree.left == NO_NODE] == 0).all()
    assert (tree.feature[sizes > 0] == 0).all()


def test_categories_too_light_for_a_leaf_do_not_choose_their_side() -> None:
    # forty categories of one row: by their own weights, the split would separate the signs of the gradients
    codes = np.arange(40, dtype=np.float32)
    grad = np.where(np.random.default_rng(5).random(40) < 0.5, -1.0, 1.0)
    grown = grow(
        codes[:, np.newaxis],
        grad,
        feature_types=["c"],
        max_depth=1,
        max_cat_to_onehot=1,
        min_child_weight=2.0,
    )
    right = np.sort(grown.tree.categories)
    low_end, high_end = np.arange(right.size), np.arange(40 - right.size, 40)
    assert 2 <= right.size <= 38
    assert (right == low_end).all() or (right == high_end).all()


def test_gain_of_sets_with_a_ridge_by_hand() -> None:
    # The best cut has gradients of -6 and 6 and hessians of 4: 36/4 + 36/4, or 36/6 + 36/6 with cat_l2.
    codes = np.repeat(np.arange(4, dtype=np.float32), 2)[:, np.newaxis]
    grad = np.repeat([-2.0, -1.0, 1.0, 2.0], 2)
    options = {"feature_types": ["c"], "max_depth": 1, "max_cat_to_onehot": 1, **PLAIN}
    for ridge, gain in ((0.0, 18.0), (2.0, 12.0)):
        np.testing.assert_allclose(grow(codes, grad, **options, cat_l2=ridge).tree.gain[0], gain, rtol=1e-6)
    # one against the rest is not a set
    options["max_cat_to_onehot"] = 5
    alone = [grow(codes, grad, **options, cat_l2=ridge).tree.gain[0] for ridge in (0.0, 2.0)]
    assert alone[0] == alone[1] > 0


def test_categories_that_do_not_occur_take_room_in_sets() -> None:
    # Five rows each of categories 0, 1, 4, 5 and 6, and one each of the light 2 and 3. From the low end,
    # the set {0, 2, 3} is the best of three categories; it is full before 2 if others lie between.
    codes = np.repeat(np.arange(7, dtype=np.float32), [5, 5, 1, 1, 5, 5, 5])[:, np.newaxis]
    grad = np.repeat([1.0, -1.0, 20.0, 20.0, -0.2, -0.2, -0.2], [5, 5, 1, 1, 5, 5, 5])
    options = {
        **PLAIN,
        "feature_types": ["c"],
        "max_depth": 1,
        "max_cat_threshold": 3,
        "max_cat_to_onehot": 1,
        "min_child_weight": 2.0,
    }
    assert grow(codes, grad, **options).tree.categories.tolist() == [0, 2, 3]
    others = grow(codes + 6, grad, **options).tree
    assert np.count_nonzero(others.categories == 7) == 1 and not {6, 8, 9} & set(others.categories.tolist())


def test_light_categories_are_in_no_set() -> None:
    # Five categories of one row, whose gradients are the largest, and two of three rows.
    codes = np.array([0, 1, 2, 3, 4, 5, 5, 5, 6, 6, 6], dtype=np.float32)[:, np.newaxis]
    grad = np.array([9.0, 9, -9, -9, 9, 1, 1, 1, -1, -1, -1])
    options = {"feature_types": ["c"], "max_depth": 1, "max_cat_to_onehot": 1, **PLAIN}
    assert set(grow(codes, grad, **options).tree.categories.tolist()) <= {0, 1, 2, 3, 4}
    heavy = grow(codes, grad, **options, cat_min_weight=2.0).tree
    # Right is {5} (3 and 6: 9/3 + 36/8) or {6} (-3 and 12: 9/3 + 144/8), of which the root has 9*9/11.
    assert heavy.categories.tolist() == [6]
    np.testing.assert_allclose(heavy.gain[0], 9 / 3 + 144 / 8 - 81 / 11, rtol=1e-6)
    assert grow(codes, grad, **options, cat_min_weight=4.0).tree.left.size == 1


def test_smoothing_moves_rare_categories_to_the_middle() -> None:
    # Category 0: one row of -3. 1: four rows of -2. Eleven more: a row of 1 each. In the root, whose
    # sum is 0, 3 of hessian make these -3/4 and -8/7, so that the set of one category is another one.
    codes = np.array([0, 1, 1, 1, 1, *range(2, 13)], dtype=np.float32)[:, np.newaxis]
    grad = np.array([-3.0, *[-2.0] * 4, *[1.0] * 11])
    options = {
        "feature_types": ["c"],
        "max_depth": 1,
        "max_cat_threshold": 1,
        "max_cat_to_onehot": 1,
        **PLAIN,
    }
    assert grow(codes, grad, **options).tree.categories.tolist() == [0]
    assert grow(codes, grad, **options, cat_smooth=3.0).tree.categories.tolist() == [1]


@pytest.mark.parametrize(
    "extra", [{}, {"grow_policy": "lossguide"}, {"cat_smooth": 2.0, "cat_min_weight": 3.0}]
)
def test_sets_do_not_depend_on_threads(extra: dict[str, Any], monkeypatch) -> None:
    rng = np.random.default_rng(6)
    codes = rng.integers(0, 90, (4000, 2)).astype(np.float32)
    grad = rng.normal(size=90)[codes[:, 0].astype(int)] + rng.normal(size=4000)
    monkeypatch.setattr("boost.threads.SERIAL_WORK", 0)
    trees = [
        grow(codes, grad, feature_types=["c", "c"], threads=n, max_depth=5, **extra).tree for n in (1, 2, 3)
    ]
    assert trees[0].categories.size and same(trees[0], trees[1]) and same(trees[0], trees[2])


LEAVES = [
    {},
    {"alpha": 1.5},
    {"min_child_weight": 6.0},
    {"max_delta_step": 0.3},
]


@pytest.mark.parametrize("extra", LEAVES, ids=lambda extra: next(iter(extra), "plain"))
@pytest.mark.parametrize("depth", [1, 4])
def test_one_round_on_categories_equals_xgboost(depth: int, extra: dict[str, float]) -> None:
    xgboost = pytest.importorskip("xgboost")
    for seed in range(3):
        rng = np.random.default_rng(seed)
        count = int(rng.integers(8, 60))
        codes = rng.choice(count, 800, p=rng.dirichlet(np.full(count, 0.5)))
        y = 0.5 * rng.normal(size=count)[codes] + rng.normal(size=800)
        x = pd.DataFrame({"code": pd.Categorical(codes, categories=range(count))})
        params = {
            "max_depth": depth,
            "max_cat_threshold": 1000,
            "tree_method": "hist",
            "base_score": 0.0,
            **extra,
        }

        def prediction(library: Any, data: pd.DataFrame = x, y: Any = y, params: Any = params) -> Any:
            table = library.DMatrix(data, y, enable_categorical=True)
            return library.train({**params, "verbosity": 0}, table, 1).predict(table)

        np.testing.assert_allclose(prediction(boost), prediction(xgboost), atol=1e-5)


# Vectors


def test_vector_leaves_hold_each_outputs_weight() -> None:
    x, rng = table(400, 3, 11), np.random.default_rng(12)
    grad = rng.normal(size=(400, 3)) + np.nan_to_num(x)[:, :1]
    hess = rng.random((400, 3)) + 0.5
    grown = grow(x, grad, hess, max_depth=3, eta=0.5)
    check_rows(grown, x)
    for leaf, begin, end in zip(grown.leaves, grown.begins, grown.ends, strict=True):
        rows = grown.rows[begin:end]
        expected = -0.5 * grad[rows].sum(axis=0) / (hess[rows].sum(axis=0) + 1.0)
        np.testing.assert_allclose(grown.tree.vectors[leaf], expected, rtol=1e-5, atol=1e-7)
    margin = np.zeros((400, 3))
    with Team(1) as team:
        grown.add_to(margin, team)
    first = grown.rows[grown.begins[0]]
    np.testing.assert_array_equal(margin[first], grown.tree.vectors[grown.leaves[0]])


def test_vector_of_equal_outputs_is_the_tree_of_one() -> None:
    x, rng = table(300, 4, 13), np.random.default_rng(14)
    grad = rng.normal(size=300)
    one = grow(x, grad, max_depth=4).tree
    two = grow(x, np.column_stack((grad, grad)), max_depth=4).tree
    for name in ("left", "feature", "default_left"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
    leaf = one.left == NO_NODE
    np.testing.assert_allclose(
        two.vectors[leaf], np.repeat(one.condition[leaf, np.newaxis], 2, axis=1), rtol=1e-6
    )


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"monotone_constraints": [1] * 9}, "has 9 directions for 3 features"),
        ({"monotone_constraints": {"a": 1}}, "names the feature 'a', which the table does not have"),
        ({"interaction_constraints": [[0, 7]]}, "holds the feature index 7: give an index from 0 to 2"),
    ],
)
def test_constraints_on_features_that_are_not_there(params: dict, match: str) -> None:
    with pytest.raises(ParameterError, match=match):
        grow(table(20, 3, 0), np.ones(20), **params)


@pytest.mark.parametrize("step", [0.05, 0.3, 1.0])
def test_limited_vector_of_equal_outputs_is_the_limited_tree_of_one(step: float) -> None:
    x, rng = table(300, 4, 13), np.random.default_rng(14)
    grad = rng.normal(size=300) + 2.0 * np.nan_to_num(x[:, 0])

    def margins(*outputs: np.ndarray) -> np.ndarray:
        # of rows, not of leaves: a split of missing from present values has two equally good forms
        given = outputs[0] if len(outputs) == 1 else np.column_stack(outputs)
        grown = grow(x, given, max_depth=4, max_delta_step=step)
        margin = np.zeros(given.shape)
        with Team(1) as team:
            grown.add_to(margin, team)
        return margin

    both = np.repeat(margins(grad)[:, np.newaxis], 2, axis=1)
    np.testing.assert_allclose(margins(grad, grad), both, rtol=1e-6)
    assert np.abs(both).max() == pytest.approx(0.3 * step)  # the limit is reached, and obeyed
    np.testing.assert_allclose(margins(grad, -grad), both * [1, -1], rtol=1e-6)

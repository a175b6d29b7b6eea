"""Indicators: columns of a single value, which are scanned row by row."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from boost import DMatrix
from boost.data.sorted_columns import key_values, sort_columns
from boost.forest.tree import Tree
from boost.grow import exact
from boost.grow.kernels.one_hot import Indicators, find_indicators
from boost.params import resolve
from boost.threads import Team


def indicators_of(x: Any) -> Indicators:
    with Team(1) as team:
        columns = sort_columns(DMatrix(x), team)
    return find_indicators(columns, exact.constant_columns(columns))


def test_which_columns_are_indicators() -> None:
    nan = np.nan
    x = np.array(
        [
            # an indicator, everywhere the same, two values, nowhere, an indicator of another value
            [1.0, 2.0, 1.0, nan, nan],
            [nan, 2.0, 2.0, nan, -3.0],
            [1.0, 2.0, nan, nan, -3.0],
        ],
        dtype=np.float32,
    )
    indicators = indicators_of(x)
    assert indicators.features.tolist() == [0, 4]
    assert key_values(indicators.keys).tolist() == [1.0, -3.0]
    rows = [
        indicators.codes[a:b].tolist() for a, b in zip(indicators.indptr, indicators.indptr[1:], strict=False)
    ]
    assert rows == [[0], [1], [0, 1]]


def test_a_few_indicators_stay_sorted_columns() -> None:
    """A scan of the rows is not worth its time for few indicators."""
    x = np.full((4, 2), np.nan, dtype=np.float32)
    x[:2, 0] = 1.0
    x[1:, 1] = np.arange(3)
    assert indicators_of(x).features.size == 0
    x[2, 0] = x[3, 0] = np.nan
    x = np.hstack((x, x[::-1, :1]))
    assert indicators_of(x).features.size == 2


def one_hot_table(rng: np.random.Generator, rows: int) -> sparse.csr_matrix:
    """Three one-hot codes, some of them absent, among columns of numbers with missing values."""
    parts = []
    for levels in (2, 9, 40):
        code = rng.integers(0, levels, rows)
        hot = np.full((rows, levels), np.nan)
        present = rng.random(rows) < 0.9
        hot[np.flatnonzero(present), code[present]] = rng.choice([1.0, -2.5])
        numbers = rng.normal(size=(rows, 1)).round(1)
        numbers[rng.random(rows) < 0.2] = np.nan
        parts += [hot, numbers]
    x = np.hstack(parts)
    here = ~np.isnan(x)
    return sparse.csr_matrix((x[here], np.nonzero(here)), shape=x.shape)


@settings(max_examples=20, deadline=None)
@given(
    st.integers(0, 2**31),
    st.sampled_from(
        [
            {},
            {"monotone_constraints": {"f3": 1, "f12": -1, "f0": 1}},
            {"colsample_bynode": 0.6},
            {"max_delta_step": 3.0, "alpha": 0.2},
            {"interaction_constraints": [[0, 1, 2, 3], [4, 5, 6, 20, 30]]},
        ],
    ),
    st.sampled_from([0, 8]),
)
def test_the_tree_is_that_of_sorted_columns(seed: int, extra: dict[str, Any], candidates: int) -> None:
    """Byte for byte, for any number of threads, with rows of zero weight."""
    rng = np.random.default_rng(seed)
    rows = 400
    x = one_hot_table(rng, rows)
    g = rng.normal(size=rows) + x[:, :2].toarray().sum(axis=1)
    weight = rng.integers(0, 3, rows).astype(np.float64)
    params = resolve({"tree_method": "exact", "max_depth": 6, "min_child_weight": 0.0} | extra)
    trees = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("boost.threads.SERIAL_WORK", 0)
        for threads, search in ((1, find_indicators), (3, find_indicators), (1, _none)):
            patch.setattr(exact, "find_indicators", search)
            data = DMatrix(x, feature_names=[f"f{i}" for i in range(x.shape[1])])
            with Team(threads) as team:
                grower = exact.ExactGrower(data, params, team, candidates)
                assert (grower._indicators.features.size > 40) == (search is find_indicators)
                grown = grower.grow(g, np.ones(rows), weight, np.random.default_rng(1))
            trees.append((grown.tree, grown.rows.copy()))
    tree = trees[0][0]
    indicators = [*range(2), *range(3, 12), *range(13, 53)]
    if "interaction_constraints" not in extra:  # the root may choose a feature that allows no indicator
        assert np.isin(tree.feature[tree.left >= 0], indicators).any()
    for other, rows_of in trees[1:]:
        assert all(getattr(tree, f).tobytes() == getattr(other, f).tobytes() for f in Tree.__slots__)
        assert rows_of.tobytes() == trees[0][1].tobytes()


def _none(columns: Any, constant: Any) -> Indicators:
    return find_indicators(columns, np.zeros_like(constant))

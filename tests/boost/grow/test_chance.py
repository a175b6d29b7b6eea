"""The noise of gradients that categories do not explain."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

from boost import DMatrix
from boost.data.binning import bin_matrix, bin_sparse, make_cuts
from boost.grow.chance import chance_score
from boost.threads import Team


def score(codes: np.ndarray, g: np.ndarray, h: np.ndarray, types: list[str], sparse: bool = False) -> float:
    with Team(1) as team:
        x = codes.astype(np.float32)
        data = DMatrix(csr_matrix(x) if sparse else x, feature_types=types)
        binned = (bin_sparse if sparse else bin_matrix)(data, make_cuts(data, 255, team), team)
    return chance_score(binned, np.column_stack((g, h)))


def test_variance_within_categories_by_hand() -> None:
    # The gradients (1, 3), (-2, 0) and (5, 7) of categories have the means 2, -1 and 6: squares of 6
    # together, 6 - 3 degrees of freedom. Without categories: squares of 88 by 6 rows.
    codes, g = np.array([[0], [0], [1], [1], [2], [2]]), np.array([1.0, 3, -2, 0, 5, 7])
    ones = np.ones(6)
    assert score(codes, g, ones, ["c"]) == 2.0
    assert score(codes, g, ones, ["q"]) == 0.0  # which nothing uses
    np.testing.assert_allclose(score(codes, g, ones, ["c"], sparse=True), 88 / 6)
    # the score of a category, g**2 / h, halves when all hessians double
    np.testing.assert_allclose(score(codes, g, 2 * ones, ["c"]), 1.0)
    # rows outside the sample are zero, and no rows
    more = np.vstack((codes, [[1], [2]]))
    np.testing.assert_allclose(score(more, np.append(g, [0, 0]), np.append(ones, [0, 0]), ["c"]), 2.0)


def test_the_column_that_explains_most_counts() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, [50, 500], (20_000, 2))
    g = 3.0 * rng.normal(size=50)[codes[:, 0]] + 0.5 * rng.normal(size=20_000)
    np.testing.assert_allclose(score(codes, g, np.ones(20_000), ["c", "c"]), 0.25, rtol=0.05)
    # pure noise stays what it is, also for categories of few rows
    g = rng.normal(size=20_000)
    np.testing.assert_allclose(score(codes, g, np.ones(20_000), ["c", "c"]), 1.0, rtol=0.05)
    assert score(np.arange(5)[:, np.newaxis], np.ones(5), np.ones(5), ["c"]) == 1.0  # a category each

"""Histograms: row by row and column by column, of all rows and of a few."""

from __future__ import annotations

import numpy as np
import pytest

from boost import DMatrix
from boost.data.binning import BinnedMatrix, bin_table
from boost.grow.kernels.histogram import SMALL_TABLE, fill, fill_columns
from boost.grow.kernels.small_node import make_few, take_rows
from boost.threads import Team


@pytest.fixture
def binned() -> BinnedMatrix:
    x = np.random.default_rng(0).normal(size=(300, 7)).astype(np.float32)
    x[::5, 2] = np.nan
    with Team(1) as team:
        found = bin_table(DMatrix(x), 32, team)
    assert isinstance(found, BinnedMatrix)
    return found


def test_columns_make_the_sums_of_rows(binned: BinnedMatrix) -> None:
    """Of two nodes, by some of the features."""
    rng = np.random.default_rng(1)
    pairs = rng.integers(-1000, 1000, (300, 2)).astype(np.float64)
    rows = rng.permutation(300).astype(np.uint32)
    parts = np.array([[0, 0, 120, 1], [1, 120, 251, 0]])
    features = np.array([0, 2, 3, 6], dtype=np.int32)
    bins = int(binned.offsets[-1])
    by_rows, by_columns = np.full((2, bins, 2), 7.0), np.full((2, bins, 2), 7.0)
    fill(binned.codes, pairs, rows, parts, 0, 2, features, binned.offsets, by_rows)
    fill_columns(binned.columns, pairs, rows, parts, 0, 2, features, binned.offsets, by_columns)
    np.testing.assert_array_equal(by_columns, by_rows)
    own = slice(binned.offsets[3], binned.offsets[4])
    np.testing.assert_array_equal(by_rows[0, own].sum(axis=0), pairs[rows[120:251]].sum(axis=0))


def test_few_rows_are_taken_from_columns_or_from_rows(binned: BinnedMatrix) -> None:
    pairs = np.random.default_rng(2).normal(size=(300, 2))
    rows = np.arange(300, dtype=np.uint32)[::-1].copy()
    features = np.array([1, 2, 5], dtype=np.int32)
    taken = []
    large = np.zeros((1, SMALL_TABLE + 1), dtype=binned.columns.dtype)
    for columns in (binned.columns, large):
        few = make_few(binned, 40)
        take_rows(binned.codes, columns, pairs, rows, 10, 40, features, few)
        taken.append((few.codes[: 30 * 3].reshape(3, 30).copy(), few.pairs[:30].copy()))
    for codes, own in taken:
        np.testing.assert_array_equal(codes, binned.codes[rows[10:40]][:, features].T)
        np.testing.assert_array_equal(own, pairs[rows[10:40]])

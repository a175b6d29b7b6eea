"""Histograms filled row by row and column by column, and the gathered rows of small nodes."""

from __future__ import annotations

import numpy as np
import pytest

from boost import DMatrix
from boost.data.binning import BinnedMatrix, bin_table
from boost.grow.kernels.histogram import SMALL_TABLE, fill, fill_columns
from boost.grow.kernels.records import DenseBins, Features, NodeArrays, TreeState
from boost.grow.kernels.small_node import make_scratch, take_rows
from boost.jit import kernel
from boost.threads import Team

NO_MASK = np.empty((0, 0), dtype=np.uint8)


@pytest.fixture
def binned() -> BinnedMatrix:
    x = np.random.default_rng(0).normal(size=(300, 7)).astype(np.float32)
    x[::5, 2] = np.nan
    with Team(1) as team:
        table = bin_table(DMatrix(x), 32, team)
    assert isinstance(table, BinnedMatrix)
    return table


def test_fill_columns_gives_the_same_sums_as_fill(binned: BinnedMatrix) -> None:
    """Fill the histograms of two nodes in a subset of the features."""
    rng = np.random.default_rng(1)
    gpairs = rng.integers(-1000, 1000, (300, 2)).astype(np.float64)
    order = rng.permutation(300).astype(np.uint32)
    ranges = np.array([[0, 0, 120, 1], [1, 120, 251, 0]])
    features = Features(np.array([0, 2, 3, 6], dtype=np.int32), NO_MASK, binned.offsets, None, None)
    bins = int(binned.offsets[-1])
    by_rows, by_columns = np.full((2, bins, 2), 7.0), np.full((2, bins, 2), 7.0)
    fill(binned.codes, gpairs, order, ranges, 0, 2, features, by_rows)
    fill_columns(binned.columns, gpairs, order, ranges, 0, 2, features, by_columns)
    np.testing.assert_array_equal(by_columns, by_rows)
    feature_3 = slice(binned.offsets[3], binned.offsets[4])
    np.testing.assert_array_equal(by_rows[0, feature_3].sum(axis=0), gpairs[order[120:251]].sum(axis=0))


def test_take_rows_reads_columns_or_rows_depending_on_the_table_size(binned: BinnedMatrix) -> None:
    take = kernel(lazy=True)(take_rows.py_func)
    gpairs = np.random.default_rng(2).normal(size=(300, 2))
    order = np.arange(300, dtype=np.uint32)[::-1].copy()
    chosen = np.array([1, 2, 5], dtype=np.int32)
    features = Features(chosen, NO_MASK, binned.offsets, None, None)
    # Columns above SMALL_TABLE codes: the kernel must read the codes of rows instead, as these are all zero.
    large = np.zeros((1, SMALL_TABLE + 1), dtype=binned.columns.dtype)
    floats, integers = np.empty((0, 0)), np.empty((0, 0), dtype=np.int64)
    nodes = NodeArrays(integers, integers, floats, floats, None, np.empty(0), integers, None)
    for columns in (binned.columns, large):
        scratch = make_scratch(binned, 40)
        bins = DenseBins(binned.codes, columns, np.diff(binned.offsets) - 1)
        state = TreeState(bins, gpairs, order, np.empty((0, 0, 2)), nodes, features, np.empty(0))
        take(state, 10, 40, scratch)
        codes = scratch.codes[: 30 * 3].reshape(3, 30)
        np.testing.assert_array_equal(codes, binned.codes[order[10:40]][:, chosen].T)
        np.testing.assert_array_equal(scratch.gpairs[:30], gpairs[order[10:40]])


def test_calling_an_inner_kernel_from_python_raises() -> None:
    with pytest.raises(TypeError, match="take_rows can be called by other kernels only"):
        take_rows(None, 0, 1, None)

"""Cuts and codes: the bin of each value, and equal bins of dense and sparse tables of the same values."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from boost import DataError, DMatrix
from boost.data.binning import (
    BinnedMatrix,
    SparseBinnedMatrix,
    bin_matrix,
    bin_table,
    code_cuts,
    make_cuts,
)
from boost.data.quantile_dmatrix import QuantileDMatrix
from boost.threads import Team
from sketch import Cuts, WeightedQuantileSketch, column_cuts

NAN = np.nan


def want_codes(x: np.ndarray, cuts: Cuts) -> np.ndarray:
    """The number of cuts <= x, and the code after the last bin for NaN."""
    want = np.empty(x.shape, dtype=int)
    for f in range(x.shape[1]):
        want[:, f] = np.searchsorted(cuts.column(f), x[:, f], side="right")
        want[np.isnan(x[:, f]), f] = cuts.bins[f]
    return want


@pytest.mark.parametrize("max_bin", [2, 16, 255, 256, 257, 1000])
@pytest.mark.parametrize("threads", [1, 2])
def test_codes_are_counts_of_cuts(max_bin: int, threads: int) -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(3000, 5)).astype(np.float32)
    x[:, 1] = NAN
    x[::7, 0] = NAN
    x[:, 2] *= 10.0 ** rng.integers(-30, 30, size=3000)
    x[:, 3] += 1e6
    with Team(threads) as team:
        d = DMatrix(x)
        cuts = make_cuts(d, max_bin, team)
        binned = bin_matrix(d, cuts, team)
    assert binned.codes.dtype == (np.uint8 if max_bin <= 255 else np.uint16)
    assert cuts.bins.max() <= max_bin
    np.testing.assert_array_equal(binned.codes, want_codes(x, cuts))
    np.testing.assert_array_equal(binned.codes.T, binned.columns)
    np.testing.assert_array_equal(np.diff(binned.offsets), cuts.bins + 1)


VALUES = st.floats(width=32, allow_infinity=False)


@given(st.lists(VALUES, min_size=1, max_size=30), st.lists(VALUES, max_size=30))
def test_any_float_gets_its_bin(values: list[float], at: list[float]) -> None:
    x = np.array(values, dtype=np.float32).reshape(-1, 1)
    cuts = np.array(at, dtype=np.float32)
    table = Cuts.from_columns([np.unique(cuts[~np.isnan(cuts)] + np.float32(0))])
    with Team(1) as team:
        binned = bin_matrix(DMatrix(x), table, team)
    np.testing.assert_array_equal(binned.codes, want_codes(x, table))


def test_bytes_hold_256_bins_of_a_full_column() -> None:
    x = np.arange(512, dtype=np.float32).reshape(-1, 1) // 2
    with Team(1) as team:
        full = bin_table(DMatrix(x), 256, team)
        assert isinstance(full, BinnedMatrix) and full.codes.dtype == np.uint8
        np.testing.assert_array_equal(full.codes, x)
        np.testing.assert_array_equal(full.offsets, [0, 257])
        x[0] = NAN
        with_missing = bin_table(DMatrix(x), 256, team)
        assert isinstance(with_missing, BinnedMatrix) and with_missing.codes.dtype == np.uint16
        assert with_missing.codes[0, 0] == 256


def sparse_table(rows: int, columns: int, share: float, seed: int) -> tuple[sp.csr_matrix, np.ndarray]:
    rng = np.random.default_rng(seed)
    dense = np.where(rng.random((rows, columns)) < share, rng.normal(size=(rows, columns)), NAN)
    at = np.nonzero(~np.isnan(dense))
    return sp.csr_matrix((dense[at], at), shape=dense.shape), dense.astype(np.float32)


@pytest.mark.parametrize("form", [sp.csr_matrix, sp.csc_matrix, sp.coo_matrix, sp.csr_array])
@pytest.mark.parametrize("weighted", [False, True])
def test_sparse_and_dense_forms_agree(form: type, weighted: bool) -> None:
    matrix, dense = sparse_table(400, 9, 0.1, 0)
    weight = np.random.default_rng(1).integers(1, 5, size=400) if weighted else None
    with Team(2) as team:
        one = bin_table(DMatrix(dense, weight=weight), 8, team)
        two = bin_table(DMatrix(form(matrix), weight=weight), 8, team)
    assert isinstance(one, BinnedMatrix) and isinstance(two, SparseBinnedMatrix)
    assert one.cuts.values.tobytes() == two.cuts.values.tobytes()
    np.testing.assert_array_equal(one.offsets, two.offsets)
    missing = one.cuts.bins
    by_row = np.tile(missing, (400, 1))
    by_column = by_row.copy()
    of = np.searchsorted(two.offsets, two.bins, side="right") - 1
    for i in range(400):
        inside = slice(two.indptr[i], two.indptr[i + 1])
        assert (np.diff(of[inside]) > 0).all()
        by_row[i, of[inside]] = two.bins[inside] - two.offsets[of[inside]]
    for f in range(9):
        inside = slice(two.col_indptr[f], two.col_indptr[f + 1])
        assert (np.diff(two.col_rows[inside].astype(int)) > 0).all()
        by_column[two.col_rows[inside], f] = two.col_codes[inside]
    np.testing.assert_array_equal(by_row, one.codes)
    np.testing.assert_array_equal(by_column, one.codes)


def test_full_sparse_tables_become_dense() -> None:
    matrix, dense = sparse_table(300, 4, 0.6, 2)
    with Team(1) as team:
        one, two = bin_table(DMatrix(dense), 16, team), bin_table(DMatrix(matrix), 16, team)
    assert isinstance(one, BinnedMatrix) and isinstance(two, BinnedMatrix)
    np.testing.assert_array_equal(one.codes, two.codes)


@pytest.mark.parametrize("weighted", [False, True])
def test_cuts_are_those_of_one_sketch_of_the_column(weighted: bool) -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(150_000, 3)).astype(np.float32)
    x[rng.random(x.shape) < 0.1] = NAN
    x[:, 1] = rng.integers(0, 20, size=150_000)
    x[60_000:, 2] = NAN
    weight = rng.random(150_000).astype(np.float32) if weighted else None
    for threads in (1, 2):
        with Team(threads) as team:
            cuts = make_cuts(DMatrix(x, weight=weight), 32, team)
        for f in range(3):
            sketch = WeightedQuantileSketch(1 / 64)
            for begin in range(0, 150_000, 7001):  # in batches of another size
                part = slice(begin, begin + 7001)
                sketch.add(x[part, f], None if weight is None else weight[part])
            want = column_cuts(sketch.summary(), 32)
            assert cuts.column(f).tobytes() == want.tobytes()
    np.testing.assert_array_equal(cuts.column(1), np.arange(19) + 0.5)
    counts = np.bincount(np.searchsorted(cuts.column(0), x[:, 0][~np.isnan(x[:, 0])], side="right"))
    if not weighted:
        assert abs(counts / counts.sum() - 1 / 32).max() <= 1 / 64


def test_wide_tables_are_cut_in_blocks_of_columns() -> None:
    x = np.random.default_rng(8).normal(size=(40, 77)).astype(np.float32)
    with Team(1) as team:
        cuts = make_cuts(DMatrix(x), 64, team)
    for f in range(77):
        want = np.sort(x[:, f]).astype(float)
        np.testing.assert_array_equal(cuts.column(f), ((want[1:] + want[:-1]) / 2).astype(np.float32))


def test_weights_may_be_replaced() -> None:
    x, weight = np.random.default_rng(4).normal(size=(500, 2)), np.random.default_rng(5).random(500)
    with Team(1) as team:
        weighted = make_cuts(DMatrix(x, weight=weight), 8, team)
        given = make_cuts(DMatrix(x), 8, team, weight.astype(np.float32).astype(float))
        plain = make_cuts(DMatrix(x), 8, team)
    np.testing.assert_array_equal(weighted.values, given.values)
    assert (weighted.values != plain.values).any()


def test_the_bin_of_a_category_is_its_code() -> None:
    frame = pd.DataFrame({"n": [0.5, 1.5, 2.5, 3.5], "w": ["b", None, "a", "c"]})
    x = np.array([[0, 5], [3, NAN], [NAN, 1], [1, 0]])
    with Team(1) as team:
        binned = bin_table(DMatrix(frame), 2, team)
        marked = bin_table(DMatrix(x, feature_types=["c", "c"]), 2, team)
    assert isinstance(binned, BinnedMatrix) and isinstance(marked, BinnedMatrix)
    np.testing.assert_array_equal(binned.categorical, [False, True])
    np.testing.assert_array_equal(binned.cuts.bins, [2, 3])
    np.testing.assert_array_equal(binned.codes[:, 1], [1, 3, 0, 2])
    np.testing.assert_array_equal(marked.cuts.bins, [4, 6])
    np.testing.assert_array_equal(marked.codes, [[0, 5], [3, 6], [4, 1], [1, 0]])


def test_too_many_categories() -> None:
    x = np.array([[65534.0], [0.0]])
    with Team(1) as team:
        wide = bin_table(DMatrix(x, feature_types=["c"]), 4, team)
        assert isinstance(wide, BinnedMatrix)
        np.testing.assert_array_equal(wide.codes, x)
        assert wide.codes.dtype == np.uint16
        x[0] = 65535
        wider = bin_table(DMatrix(x, feature_types=["c"]), 4, team)
        assert isinstance(wider, BinnedMatrix) and wider.codes.dtype == np.uint32
        np.testing.assert_array_equal(wider.codes, x)
    with pytest.raises(DataError, match="column 'city' has 16777216 categories, at most 16777215 are"):
        code_cuts(1 << 24, "'city'")


def test_columns_without_values() -> None:
    x = np.full((5, 2), NAN)
    with Team(1) as team:
        binned = bin_table(DMatrix(x, feature_types=["q", "c"]), 4, team)
    assert isinstance(binned, BinnedMatrix)
    np.testing.assert_array_equal(binned.cuts.bins, [1, 1])
    np.testing.assert_array_equal(binned.codes, np.ones((5, 2)))


def test_bins_of_a_quantile_matrix() -> None:
    rng = np.random.default_rng(6)
    x = rng.normal(size=(300, 2))
    train = QuantileDMatrix(x, max_bin=8)
    with Team(1) as team:
        one, two = bin_table(train, 8, team), bin_table(DMatrix(x), 8, team)
        other = bin_table(QuantileDMatrix(x * 3, ref=train), 8, team)
        with pytest.raises(DataError, match="has max_bin=8, the parameters have max_bin=16"):
            bin_table(train, 16, team)
    assert isinstance(one, BinnedMatrix) and isinstance(two, BinnedMatrix) and isinstance(other, BinnedMatrix)
    np.testing.assert_array_equal(one.codes, two.codes)
    np.testing.assert_array_equal(one.cuts.values, other.cuts.values)


def test_new_weights_make_new_bins() -> None:
    d = DMatrix(np.random.default_rng(7).normal(size=(300, 1)))
    with Team(1) as team:
        first = bin_table(d, 8, team)
        assert bin_table(d, 8, team) is first
        d.set_weight(np.arange(300))
        assert (bin_table(d, 8, team).cuts.values != first.cuts.values).any()

"""Binned tables that are filled batch by batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from boost.data.batches.summary import TableSummary
from boost.data.binned_matrix import BinnedMatrix, SparseBinnedMatrix
from boost.data.binning import SPARSE_BELOW, Encoder, bin_offsets, code_type
from boost.data.table import Table
from boost.errors import DataError
from sketch import Cuts

if TYPE_CHECKING:
    from boost.threads import Team


class BinWriter(Protocol):
    """Builds a binned table from batches."""

    def write(self, table: Table, begin: int) -> None:
        """Write the bins of a batch whose first row is row `begin` of the whole table."""

    def matrix(self) -> BinnedMatrix | SparseBinnedMatrix:
        """Return the whole table, once all batches are written."""


def make_bin_writer(
    summary: TableSummary, cuts: Cuts, categorical: NDArray[np.bool_], team: Team
) -> BinWriter:
    """Return a writer of the dense or the sparse layout, by the density of the whole table.

    Parameters
    ----------
    summary : TableSummary
        Of all batches.
    cuts : Cuts
    categorical : bool array of shape (features,)
    team : Team
    """
    is_thin = summary.present.sum() < SPARSE_BELOW * sum(summary.rows) * summary.columns
    kind = SparseBinWriter if summary.sparse and is_thin else DenseBinWriter
    return kind(summary, cuts, categorical, team)


class DenseBinWriter:
    """Builds a `BinnedMatrix`; parameters as for `make_bin_writer`."""

    def __init__(self, summary: TableSummary, cuts: Cuts, categorical: NDArray[np.bool_], team: Team) -> None:
        rows = sum(summary.rows)
        self._cuts, self._categorical, self._team = cuts, categorical, team
        self._codes = np.empty((rows, cuts.columns), dtype=code_type(cuts, summary.present < rows))
        self._columns = np.empty(self._codes.shape[::-1], dtype=self._codes.dtype)
        self._encoder = Encoder(cuts)

    def write(self, table: Table, begin: int) -> None:
        """Write the bins of a batch whose first row is row `begin` of the whole table."""

        def write(first: int, last: int) -> None:
            rows = table.dense_rows(first, last)
            self._encoder.write(rows, begin + first, self._codes, self._columns)

        self._team.share(write, table.num_row(), work=table.num_row() * self._cuts.columns * 4)

    def matrix(self) -> BinnedMatrix:
        """Return the whole table."""
        offsets = bin_offsets(self._cuts)
        return BinnedMatrix(self._codes, self._columns, self._cuts, offsets, self._categorical)


class SparseBinWriter:
    """Builds a `SparseBinnedMatrix`; parameters as for `make_bin_writer`."""

    def __init__(self, summary: TableSummary, cuts: Cuts, categorical: NDArray[np.bool_], team: Team) -> None:
        self._cuts, self._categorical, self._team = cuts, categorical, team
        self._col_indptr = np.concatenate(([0], np.cumsum(summary.present)))
        # Where the next entry of each column goes.
        self._next = self._col_indptr[:-1].copy()
        entries = int(self._col_indptr[-1])
        self._rows = np.empty(entries, dtype=np.uint32)
        self._codes = np.empty(entries, dtype=code_type(cuts, np.zeros(cuts.columns, dtype=bool)))
        self._counts = np.zeros(sum(summary.rows) + 1, dtype=np.int64)

    def write(self, table: Table, begin: int) -> None:
        """Write the bins of a batch whose first row is row `begin` of the whole table."""
        from boost.data.encode import encode_entries

        starts, rows, values = table.by_column()
        counts = np.diff(starts)
        if (self._next + counts > self._col_indptr[1:]).any():
            raise DataError("a batch has more entries in the second pass than in the first")
        codes = np.empty(values.size, dtype=self._codes.dtype)
        encode_entries(values, starts, self._cuts.values, self._cuts.indptr, 0, counts.size, codes)
        at = np.repeat(self._next - starts[:-1], counts) + np.arange(values.size)
        self._rows[at], self._codes[at] = rows + np.uint32(begin), codes
        self._next += counts
        self._counts[begin + 1 : begin + 1 + table.num_row()] = np.diff(table.by_row()[0])

    def matrix(self) -> SparseBinnedMatrix:
        """Return the whole table."""
        from boost.data.encode import EntryColumns, entries_by_row

        columns = EntryColumns(self._col_indptr, self._rows, self._codes)
        indptr = np.cumsum(self._counts)
        offsets = bin_offsets(self._cuts)
        bins = np.empty(self._codes.size, dtype=np.int32)

        def fill(first: int, last: int) -> None:
            entries_by_row(columns, offsets, indptr, first, last, bins)

        self._team.share(fill, indptr.size - 1, work=bins.size * 5)
        return SparseBinnedMatrix(
            rows=indptr.size - 1,
            features=self._cuts.columns,
            cuts=self._cuts,
            offsets=offsets,
            categorical=self._categorical,
            indptr=indptr,
            bins=bins,
            col_indptr=self._col_indptr,
            col_rows=self._rows,
            col_codes=self._codes,
        )

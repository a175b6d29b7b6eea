"""Quantization of tables: cuts of each column by quantile sketches, and the bin of each value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from boost.data.binned_matrix import BinnedMatrix, SparseBinnedMatrix
from boost.data.binned_values import BinnedValues
from boost.data.meta_info import State
from boost.data.table import Table
from boost.errors import DataError
from sketch import Cuts, WeightedQuantileSketch, column_cuts

if TYPE_CHECKING:
    from boost.threads import Team

# Rows of a dense table that are converted and encoded at a time.
BLOCK_ROWS = 1 << 12
# Values in a block of a sketch, its default `block_rows`: a column of fewer values is summarised exactly.
SKETCH_ROWS = 1 << 16
# Columns that a thread sketches at a time: the values of one block of each are held in memory.
SKETCH_COLUMNS = 32
# Resolution of a sketch relative to that of the bins. With 2, the error of the weight of a bin is below half
# that weight, and far below it while there are few blocks to prune.
OVERSAMPLING = 2
# Most bins of a column, which only categories reach: their codes must be exact in float32, and one more code
# means "missing".
MAX_BINS = (1 << 24) - 1
# A sparse table is binned in sparse form below this density (present entries / cells). An entry takes nine
# bytes and a cell of a dense table two, but at this density trees grow 2.6 times faster from the sparse form
# (60,000 x 100, depth 6).
SPARSE_BELOW = 0.3
# Most entries, over all features, of the table of intervals that shortens the search for a bin.
INDEX_ENTRIES = 1 << 20


def bin_table(data: Table, max_bin: int, team: Team) -> BinnedMatrix | SparseBinnedMatrix:
    """Return the binned form of a table, kept with the table until its weights or feature types are set.

    Parameters
    ----------
    data : Table
        Uses the cuts of ``data.ref`` when it has one.
    max_bin : int
        Most bins of a numerical feature, not counting the bin of missing values.
    team : Team
        The result does not depend on its number of threads.

    Returns
    -------
    BinnedMatrix or SparseBinnedMatrix
        As `bin_by_cuts` chooses.

    Raises
    ------
    DataError
        For a categorical column of more than `MAX_BINS` categories, and for a `QuantileDMatrix` made with
        another `max_bin`.
    """
    if data.max_bin not in (None, max_bin):
        raise DataError(
            f"the QuantileDMatrix has max_bin={data.max_bin}, the parameters have max_bin={max_bin}: "
            "give both the same"
        )
    if isinstance(data._values, BinnedValues):
        return data._values.matrix
    if data.binned_as is not None:
        return bin_table(data.binned_as, max_bin, team)
    given = None if data.ref is None else bin_table(data.ref, max_bin, team).cuts
    state = State((*data.state("weight", "_types"), given))
    if max_bin not in data._binned or data._binned[max_bin][0] != state:
        cuts = make_cuts(data, max_bin, team) if given is None else given
        data._binned[max_bin] = state, bin_by_cuts(data, cuts, team)
    return data._binned[max_bin][1]


def bin_by_cuts(data: Table, cuts: Cuts, team: Team) -> BinnedMatrix | SparseBinnedMatrix:
    """Bin a table by the given cuts; a sparse table of a density below `SPARSE_BELOW` in sparse form.

    Parameters
    ----------
    data : Table
        The table that the cuts were made from, or one without further categories.
    cuts : Cuts
    team : Team
    """
    data.check_values()
    sparse = data.is_sparse and data.density < SPARSE_BELOW
    return (bin_sparse if sparse else bin_matrix)(data, cuts, team)


def make_cuts(data: Table, max_bin: int, team: Team, weight: NDArray[np.float64] | None = None) -> Cuts:
    """Choose the cuts of each column: weighted quantiles of a numerical one, 1, 2, ... of a categorical one.

    Parameters
    ----------
    data : Table
    max_bin : int
        Most bins of a numerical feature, not counting the bin of missing values.
    team : Team
        Its threads process ranges of columns; the cuts do not depend on the number of threads.
    weight : float64 array of shape (rows,), optional
        Row weights; by default those of the table.

    Returns
    -------
    Cuts
        The cuts of a categorical column of n categories are 1, 2, ... n - 1.

    Raises
    ------
    DataError
        For a categorical column of more than `MAX_BINS` categories.

    Notes
    -----
    A column of fewer than `SKETCH_ROWS` values gets exact quantiles, a longer one those of a
    `WeightedQuantileSketch`.
    """
    if weight is None and data.weight is not None:
        weight = data.weight.astype(np.float64)
    weights = np.empty(0) if weight is None else weight
    columns = data.num_col()
    cuts_by_column = [np.empty(0, dtype=np.float32)] * columns
    categories = category_cuts(data)

    def sketch_columns(first: int, last: int) -> None:
        if data.is_sparse:
            _sketch_sparse(data, weights, max_bin, first, last, cuts_by_column)
        else:
            for begin in range(first, last, SKETCH_COLUMNS):
                end = min(begin + SKETCH_COLUMNS, last)
                _sketch_dense(data, weights, max_bin, begin, end, cuts_by_column)

    team.share(sketch_columns, columns, work=data.num_nonmissing() * 12)
    for f, cuts in categories.items():
        cuts_by_column[f] = cuts
    return Cuts.from_columns(cuts_by_column)


def category_cuts(data: Table) -> dict[int, NDArray[np.float32]]:
    """Return the cuts of each categorical column by its index: 1, 2, ... n - 1, so that bin k is category k.

    The number n of categories is that of the known categories or the largest code + 1, whichever is larger.

    Raises
    ------
    DataError
        For a column of more than `MAX_BINS` categories.
    """
    cuts = {}
    for f in np.flatnonzero(data.categorical).tolist():
        name = repr(data.feature_names[f]) if data.feature_names else str(f)
        cuts[f] = code_cuts(max(len(data.categories.get(f, ())), largest_code(data, f) + 1), name)
    return cuts


def largest_code(data: Table, f: int) -> int:
    """Return the largest code in categorical column `f`, -1 when all of its values are missing."""
    values = data.column(f)[1]
    return int(np.nanmax(values)) if values.size and not np.isnan(values).all() else -1


def code_cuts(count: int, name: str) -> NDArray[np.float32]:
    """Return the cuts of a categorical column: float32, shape (count - 1,), or (0,) without categories.

    Parameters
    ----------
    count : int
        Number of categories.
    name : str
        The column, for the message of an error.

    Raises
    ------
    DataError
        For more than `MAX_BINS` categories.
    """
    if count > MAX_BINS:
        raise DataError(
            f"column {name} has {count} categories, at most {MAX_BINS} are possible: merge rare categories, "
            "or pass the column as a numerical feature"
        )
    return np.arange(1, count, dtype=np.float32)


def _sketch_dense(
    data: Table,
    weights: NDArray[np.float64],
    max_bin: int,
    first: int,
    last: int,
    cuts_by_column: list[NDArray[np.float32]],
) -> None:
    """Choose the cuts of columns `first` to `last` (exclusive) of a dense table.

    They are written to `cuts_by_column`.
    """
    from boost.data.encode import gather_columns
    from sketch.kernels import Columns, cut_columns

    rows, width = data.num_row(), last - first
    if rows >= SKETCH_ROWS:
        sketches = new_sketches(width, max_bin)
        feed_sketches(data, weights, first, sketches)
        for j, sketch in enumerate(sketches):
            cuts_by_column[first + j] = column_cuts(sketch.summary(), max_bin)
        return
    # All values of a column are less than one block of a sketch: compute the exact quantiles.
    values = np.empty((width, rows), dtype=np.float32)
    value_weights = np.empty((width, rows) if weights.size else (width, 0))
    counts = np.empty(width, dtype=np.int64)
    gather_columns(data.dense_rows(0, rows), weights, first, values, value_weights, counts)
    begins = np.arange(width) * rows
    cuts = np.empty(values.size, dtype=np.float32)
    ends = begins + counts
    columns = Columns(values.ravel().view(np.uint32), value_weights.ravel(), begins, ends)
    cut_columns(columns, max_bin, cuts, counts)
    for j in range(width):
        cuts_by_column[first + j] = cuts[begins[j] : begins[j] + counts[j]].copy()


def new_sketches(columns: int, max_bin: int) -> list[WeightedQuantileSketch]:
    """Return one empty sketch per column, of a resolution that suits `max_bin` bins."""
    return [WeightedQuantileSketch(1 / (OVERSAMPLING * max_bin)) for _ in range(columns)]


def feed_sketches(
    data: Table, weights: NDArray[np.float64], first: int, sketches: list[WeightedQuantileSketch]
) -> None:
    """Add the values of consecutive columns of a table to their sketches.

    A table may be added in batches of rows. The blocks of a sketch depend on the sequence of present values
    only, so that the batches do not change the result.

    Parameters
    ----------
    data : Table
    weights : float64 array of shape (rows,) or (0,)
        Row weights; empty for equal weights.
    first : int
        The column of the first sketch.
    sketches : list of WeightedQuantileSketch
        Sketches of the columns ``first``, ``first + 1``, ...; updated in place.
    """
    from boost.data.encode import gather_columns

    rows = data.num_row()
    if data.is_sparse:
        indptr, entry_rows, entries = data.by_column()
        for j, sketch in enumerate(sketches):
            column = slice(indptr[first + j], indptr[first + j + 1])
            sketch.add(entries[column], weights[entry_rows[column]] if weights.size else None)
        return
    size = min(rows, SKETCH_ROWS)
    for left in range(0, len(sketches), SKETCH_COLUMNS):
        batch = sketches[left : left + SKETCH_COLUMNS]
        values = np.empty((len(batch), size), dtype=np.float32)
        value_weights = np.empty((len(batch), size) if weights.size else (len(batch), 0))
        counts = np.empty(len(batch), dtype=np.int64)
        for begin in range(0, rows, SKETCH_ROWS):
            end = min(begin + SKETCH_ROWS, rows)
            block = data.dense_rows(begin, end)
            gather_columns(block, weights[begin:end], first + left, values, value_weights, counts)
            for j, sketch in enumerate(batch):
                present = slice(0, counts[j])
                sketch.add(values[j, present], value_weights[j, present] if weights.size else None)


def _sketch_sparse(
    data: Table,
    weights: NDArray[np.float64],
    max_bin: int,
    first: int,
    last: int,
    cuts_by_column: list[NDArray[np.float32]],
) -> None:
    """Choose the cuts of columns `first` to `last` (exclusive) of a sparse table from its present entries.

    They are written to `cuts_by_column`.
    """
    from sketch.kernels import Columns, cut_columns

    indptr, rows, values = data.by_column()
    counts = np.zeros(last - first, dtype=np.int64)
    begins, ends = indptr[first:last], indptr[first + 1 : last + 1]
    # `cut_columns` computes exact quantiles; to it, the columns that need a sketch are empty.
    exact_ends = np.where(ends - begins < SKETCH_ROWS, ends, begins)
    start, stop = indptr[first], indptr[last]
    cuts = np.empty(stop - start, dtype=np.float32)
    entries = values[start:stop]
    entry_weights = weights[rows[start:stop]] if weights.size else weights
    columns = Columns(entries.view(np.uint32), entry_weights, begins - start, exact_ends - start)
    cut_columns(columns, max_bin, cuts, counts)
    for j in range(last - first):
        begin, end = begins[j] - start, ends[j] - start
        if exact_ends[j] == ends[j]:
            cuts_by_column[first + j] = cuts[begin : begin + counts[j]].copy()
        else:
            sketch = WeightedQuantileSketch(1 / (OVERSAMPLING * max_bin))
            sketch.add(entries[begin:end], entry_weights[begin:end] if weights.size else None)
            cuts_by_column[first + j] = column_cuts(sketch.summary(), max_bin)


def bin_matrix(data: Table, cuts: Cuts, team: Team) -> BinnedMatrix:
    """Bin a table in dense form, in O(rows * features * log(bins)) time.

    Parameters
    ----------
    data : Table
        The table that the cuts were made from, or one without further categories.
    cuts : Cuts
    team : Team
    """
    codes = np.empty((data.num_row(), cuts.columns), dtype=_code_type(data, cuts))
    columns = np.empty(codes.shape[::-1], dtype=codes.dtype)
    encoder = Encoder(cuts)

    def encode_rows(first: int, last: int) -> None:
        for begin in range(first, last, BLOCK_ROWS):
            encoder.write(data.dense_rows(begin, min(begin + BLOCK_ROWS, last)), begin, codes, columns)

    team.share(encode_rows, data.num_row(), work=codes.size * 4)
    return BinnedMatrix(codes, columns, cuts, bin_offsets(cuts), data.categorical)


class Encoder:
    """Encoder of dense blocks of rows by fixed cuts.

    Parameters
    ----------
    cuts : Cuts
        Indexed by a `boost.data.encode.CutIndex`, which shortens the search for a bin.
    """

    def __init__(self, cuts: Cuts) -> None:
        from boost.data.encode import CutIndex, index_cuts

        width = cuts.columns
        buckets = max(1, min(1 << 11, 1 << (INDEX_ENTRIES // width).bit_length() >> 1))
        self._index = CutIndex(
            indptr=cuts.indptr,
            keys=np.empty(2 * cuts.values.size, dtype=np.int32),
            scale=np.empty((width, 4), dtype=np.int32),
            starts=np.empty((width, buckets), dtype=np.int32),
        )
        index_cuts(cuts.values.view(np.int32), self._index)

    def write(self, values: NDArray[np.float32], begin: int, codes: NDArray, columns: NDArray) -> None:
        """Write the bin codes of a block of rows, in both layouts of a `BinnedMatrix`.

        Parameters
        ----------
        values : float32 array of shape (rows of the block, features)
        begin : int
            The row of the table that the block starts at.
        codes : uint8, uint16 or uint32 array of shape (rows, features), output
        columns : array of the dtype of `codes`, shape (features, rows), output
        """
        from boost.data.encode import BLOCK, encode

        block = np.empty((2, BLOCK), dtype=np.int32)
        encode(values.view(np.int32), self._index, begin, block, codes, columns)


def bin_sparse(data: Table, cuts: Cuts, team: Team) -> SparseBinnedMatrix:
    """Bin the present entries of a sparse table, in O(entries * log(bins)) time.

    Parameters
    ----------
    data : Table
        Made from a sparse matrix: the table that the cuts were made from, or one without further categories.
    cuts : Cuts
    team : Team
    """
    from boost.data.encode import EntryColumns, encode_entries, entries_by_row

    offsets = bin_offsets(cuts)
    indptr = data.by_row()[0]
    col_indptr, col_rows, values = data.by_column()
    bins = np.empty(values.size, dtype=np.int32)
    col_codes = np.empty(values.size, dtype=_code_type(data, cuts, entries_only=True))

    def encode_columns(first: int, last: int) -> None:
        encode_entries(values, col_indptr, cuts.values, cuts.indptr, first, last, col_codes)

    def fill_rows(first: int, last: int) -> None:
        entries_by_row(EntryColumns(col_indptr, col_rows, col_codes), offsets, indptr, first, last, bins)

    team.share(encode_columns, cuts.columns, work=values.size * 10)
    team.share(fill_rows, data.num_row(), work=values.size * 5)
    return SparseBinnedMatrix(
        rows=data.num_row(),
        features=cuts.columns,
        cuts=cuts,
        offsets=offsets,
        categorical=data.categorical,
        indptr=indptr,
        bins=bins,
        col_indptr=col_indptr,
        col_rows=col_rows,
        col_codes=col_codes,
    )


def bin_offsets(cuts: Cuts) -> NDArray[np.int64]:
    """Return the first histogram slot of each feature, and the number of slots: int64, shape (features + 1,).

    A feature has one slot per bin and one for missing values.
    """
    return np.concatenate(([0], np.cumsum(cuts.bins + 1)))


def code_type(cuts: Cuts, has_missing: NDArray[np.bool_]) -> type[np.unsignedinteger]:
    """Return the smallest of uint8, uint16 and uint32 that holds every code that occurs in a table.

    Parameters
    ----------
    cuts : Cuts
    has_missing : bool array of shape (features,)
        Whether any value of the feature is missing, which then has the code ``cuts.bins[f]``. Read only for
        features of 256 bins.
    """
    widest = int(cuts.bins.max()) if cuts.columns else 0
    fits_byte = widest < 256 or (widest == 256 and not has_missing[cuts.bins == 256].any())
    if fits_byte:
        return np.uint8
    return np.uint16 if widest < 1 << 16 else np.uint32


def _code_type(data: Table, cuts: Cuts, *, entries_only: bool = False) -> type[np.unsignedinteger]:
    """Return `code_type` for a table; with `entries_only`, codes of missing values are not stored."""
    features = np.flatnonzero(cuts.bins == 256)
    has_missing = np.zeros(cuts.columns, dtype=bool)
    has_missing[features] = not entries_only and features.size > 0 and data.has_missing(features)
    return code_type(cuts, has_missing)

"""Cut points to codes: the binned tables that tree growing reads in place of the values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from boost.data.binned_matrix import BinnedMatrix, SparseBinnedMatrix
from boost.data.dmatrix import DMatrix
from boost.errors import DataError
from sketch import Cuts, WeightedQuantileSketch, column_cuts

if TYPE_CHECKING:
    from boost.threads import Team

# Rows that are read at once to be encoded, and values that a block of a sketch holds.
BLOCK_ROWS = 1 << 12
SKETCH_ROWS = 1 << 16
# Columns that are sketched at the same time: their blocks are held in memory.
SKETCH_COLUMNS = 32
# A sketch with this many times the resolution of the bins: the error of a bin's weight is below half of it,
# and far below as long as there are few blocks to prune.
OVERSAMPLING = 2
# Codes are two bytes at most, and one code means "missing".
MOST_BINS = (1 << 16) - 1
# A sparse table that is filled less than this stays sparse: an entry takes nine bytes, a full cell two, but
# trees grow 2.6 times faster from the entries at this density (60,000 x 100, depth 6).
SPARSE_BELOW = 0.3
# Memory for the tables that make the search for a bin short.
INDEX_PLACES = 1 << 20


def bin_table(data: DMatrix, max_bin: int, team: Team) -> BinnedMatrix | SparseBinnedMatrix:
    """Return a table's bins, in the form that suits its density. They are made once for each `max_bin`.

    Raises
    ------
    DataError
        For a categorical column of too many categories, and for a `QuantileDMatrix` of another `max_bin`.
    """
    found = data._binned.get(max_bin)
    if found is None:
        if data.max_bin not in (None, max_bin):
            raise DataError(
                f"the QuantileDMatrix has max_bin={data.max_bin}, the parameters have max_bin={max_bin}: "
                "give both the same"
            )
        ref = data.ref
        cuts = make_cuts(data, max_bin, team) if ref is None else bin_table(ref, max_bin, team).cuts
        found = data._binned[max_bin] = bin_by_cuts(data, cuts, team)
    return found


def bin_by_cuts(data: DMatrix, cuts: Cuts, team: Team) -> BinnedMatrix | SparseBinnedMatrix:
    """Return a table's bins by these cuts, in the form that suits its density."""
    sparse = data.is_sparse and data.density < SPARSE_BELOW
    return (bin_sparse if sparse else bin_matrix)(data, cuts, team)


def make_cuts(data: DMatrix, max_bin: int, team: Team, weight: NDArray[np.float64] | None = None) -> Cuts:
    """Sketch each column of a table, and choose its cuts.

    Parameters
    ----------
    data : DMatrix
    max_bin : int
        Most bins of a numerical feature, without the bin of missing values.
    team : Team
        Columns are shared out among its threads; the cuts do not depend on how.
    weight : float64 array of shape (rows,), optional
        Of rows, in place of those of the table.

    Returns
    -------
    Cuts
        Of a categorical column, 1, 2, ... n - 1 for n categories.

    Raises
    ------
    DataError
        For a column of more categories than codes.
    """
    if weight is None and data.weight is not None:
        weight = data.weight.astype(np.float64)
    weights = np.empty(0) if weight is None else weight
    columns = data.num_col()
    found = [np.empty(0, dtype=np.float32)] * columns
    categories = category_cuts(data)

    def sketch_columns(first: int, last: int) -> None:
        if data.is_sparse:
            _sketch_sparse(data, weights, max_bin, first, last, found)
        else:
            for begin in range(first, last, SKETCH_COLUMNS):
                _sketch_dense(data, weights, max_bin, begin, min(begin + SKETCH_COLUMNS, last), found)

    team.share(sketch_columns, columns, work=data.num_nonmissing() * 12)
    for f, cuts in categories.items():
        found[f] = cuts
    return Cuts.from_columns(found)


def category_cuts(data: DMatrix) -> dict[int, NDArray[np.float32]]:
    """Return the cuts of each categorical column, 1, 2, ... n - 1: the bin is the category.

    Raises
    ------
    DataError
        For a column of more categories than codes.
    """
    cuts = {}
    for f in np.flatnonzero(data.categorical).tolist():
        name = repr(data.feature_names[f]) if data.feature_names else str(f)
        cuts[f] = code_cuts(max(len(data.categories.get(f, ())), largest_code(data, f) + 1), name)
    return cuts


def largest_code(data: DMatrix, f: int) -> int:
    """Return the largest code that occurs in a categorical column, -1 when none does."""
    values = data.column(f)[1]
    return int(np.nanmax(values)) if values.size and not np.isnan(values).all() else -1


def code_cuts(count: int, name: str) -> NDArray[np.float32]:
    """Return the cuts of a column of so many categories; raise `DataError` for too many."""
    if count > MOST_BINS:
        raise DataError(
            f"column {name} has {count} categories, at most {MOST_BINS} are possible: join the rare "
            "ones, or give the column as numbers"
        )
    return np.arange(1, count, dtype=np.float32)


def _sketch_dense(
    data: DMatrix,
    weights: NDArray[np.float64],
    max_bin: int,
    first: int,
    last: int,
    found: list[NDArray[np.float32]],
) -> None:
    """Find the cuts of a range of columns of a dense table."""
    from boost.data.encode import gather_columns
    from sketch.kernels import Columns, cut_columns

    rows, width = data.num_row(), last - first
    if rows >= SKETCH_ROWS:
        sketches = new_sketches(width, max_bin)
        feed_sketches(data, weights, first, sketches)
        for j, sketch in enumerate(sketches):
            found[first + j] = column_cuts(sketch.summary(), max_bin)
        return
    # One block, that is not full: its summary is exact.
    values = np.empty((width, rows), dtype=np.float32)
    held = np.empty((width, rows) if weights.size else (width, 0))
    counts = np.empty(width, dtype=np.int64)
    gather_columns(data.dense_rows(0, rows), weights, first, values, held, counts)
    begins = np.arange(width) * rows
    cuts = np.empty(values.size, dtype=np.float32)
    ends = begins + counts
    columns = Columns(values.ravel().view(np.uint32), held.ravel(), begins, ends)
    cut_columns(columns, max_bin, cuts, counts)
    for j in range(width):
        found[first + j] = cuts[begins[j] : begins[j] + counts[j]].copy()


def new_sketches(columns: int, max_bin: int) -> list[WeightedQuantileSketch]:
    """Return an empty sketch for each of some columns."""
    return [WeightedQuantileSketch(1 / (OVERSAMPLING * max_bin)) for _ in range(columns)]


def feed_sketches(
    data: DMatrix, weights: NDArray[np.float64], first: int, sketches: list[WeightedQuantileSketch]
) -> None:
    """Add the rows of a table to the sketches of its columns from `first` on.

    A table may come in parts: blocks of a sketch end where the stream of present values says, so that the
    parts make no difference.

    Parameters
    ----------
    data : DMatrix
    weights : float64 array of shape (rows,), or (0,) without weights
    first : int
    sketches : list of WeightedQuantileSketch
    """
    from boost.data.encode import gather_columns

    rows = data.num_row()
    if data.is_sparse:
        indptr, entry_rows, entries = data.by_column()
        for j, sketch in enumerate(sketches):
            inside = slice(indptr[first + j], indptr[first + j + 1])
            sketch.add(entries[inside], weights[entry_rows[inside]] if weights.size else None)
        return
    size = min(rows, SKETCH_ROWS)
    for left in range(0, len(sketches), SKETCH_COLUMNS):
        some = sketches[left : left + SKETCH_COLUMNS]
        values = np.empty((len(some), size), dtype=np.float32)
        held = np.empty((len(some), size) if weights.size else (len(some), 0))
        counts = np.empty(len(some), dtype=np.int64)
        for begin in range(0, rows, SKETCH_ROWS):
            end = min(begin + SKETCH_ROWS, rows)
            block = data.dense_rows(begin, end)
            gather_columns(block, weights[begin:end], first + left, values, held, counts)
            for j, sketch in enumerate(some):
                sketch.add(values[j, : counts[j]], held[j, : counts[j]] if weights.size else None)


def _sketch_sparse(
    data: DMatrix,
    weights: NDArray[np.float64],
    max_bin: int,
    first: int,
    last: int,
    found: list[NDArray[np.float32]],
) -> None:
    """Find the cuts of a range of columns of a sparse table, from the entries that are present."""
    from sketch.kernels import Columns, cut_columns

    indptr, rows, values = data.by_column()
    counts = np.zeros(last - first, dtype=np.int64)
    begins, ends = indptr[first:last], indptr[first + 1 : last + 1]
    small = np.where(ends - begins < SKETCH_ROWS, ends, begins)
    start, stop = indptr[first], indptr[last]
    cuts = np.empty(stop - start, dtype=np.float32)
    inside = values[start:stop]
    held = weights[rows[start:stop]] if weights.size else weights
    columns = Columns(inside.view(np.uint32), held, begins - start, small - start)
    cut_columns(columns, max_bin, cuts, counts)
    for j in range(last - first):
        begin, end = begins[j] - start, ends[j] - start
        if small[j] == ends[j]:
            found[first + j] = cuts[begin : begin + counts[j]].copy()
        else:
            sketch = WeightedQuantileSketch(1 / (OVERSAMPLING * max_bin))
            sketch.add(inside[begin:end], held[begin:end] if weights.size else None)
            found[first + j] = column_cuts(sketch.summary(), max_bin)


def bin_matrix(data: DMatrix, cuts: Cuts, team: Team) -> BinnedMatrix:
    """Replace every value by the number of its bin. O(rows * features * log bins).

    Parameters
    ----------
    data : DMatrix
        The table that the cuts were made from, or one with no other categories.
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
    """Cuts, with the tables that make the search for a bin short."""

    def __init__(self, cuts: Cuts) -> None:
        from boost.data.encode import CutIndex, index_cuts

        width = cuts.columns
        buckets = max(1, min(1 << 11, 1 << (INDEX_PLACES // width).bit_length() >> 1))
        self._index = CutIndex(
            indptr=cuts.indptr,
            keys=np.empty(2 * cuts.values.size, dtype=np.int32),
            scale=np.empty((width, 4), dtype=np.int32),
            starts=np.empty((width, buckets), dtype=np.int32),
        )
        index_cuts(cuts.values.view(np.int32), self._index)

    def write(self, values: NDArray[np.float32], begin: int, codes: NDArray, columns: NDArray) -> None:
        """Write the codes of some rows, the first of which has the number `begin`; see `BinnedMatrix`."""
        from boost.data.encode import BLOCK, encode

        block = np.empty((2, BLOCK), dtype=np.int32)
        encode(values.view(np.int32), self._index, begin, block, codes, columns)


def bin_sparse(data: DMatrix, cuts: Cuts, team: Team) -> SparseBinnedMatrix:
    """Replace every present entry of a sparse table by the number of its bin. O(entries * log bins).

    Parameters
    ----------
    data : DMatrix
        From a sparse matrix; the table that the cuts were made from, or one with no other categories.
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
    """Return where the bins of each feature start in a histogram; int64, shape (features + 1,)."""
    return np.concatenate(([0], np.cumsum(cuts.bins + 1)))


def code_type(cuts: Cuts, holed: NDArray[np.bool_]) -> type[np.unsignedinteger]:
    """Return the type that holds every code that occurs.

    Parameters
    ----------
    cuts : Cuts
    holed : bool array of shape (features,)
        Whether any value is missing; looked at where a feature has 256 bins.
    """
    most = int(cuts.bins.max()) if cuts.columns else 0
    return np.uint8 if most < 256 or (most == 256 and not holed[cuts.bins == 256].any()) else np.uint16


def _code_type(data: DMatrix, cuts: Cuts, *, entries_only: bool = False) -> type[np.unsignedinteger]:
    full = np.flatnonzero(cuts.bins == 256)
    holed = np.zeros(cuts.columns, dtype=bool)
    holed[full] = not entries_only and full.size > 0 and data.has_missing(full)
    return code_type(cuts, holed)

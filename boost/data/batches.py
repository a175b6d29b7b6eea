"""Tables that come in batches: read twice, first to find the cuts, then to bin, and never held as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from boost.data import check
from boost.data.binning import (
    SPARSE_BELOW,
    BinnedMatrix,
    Encoder,
    SparseBinnedMatrix,
    bin_offsets,
    code_cuts,
    code_type,
    feed_sketches,
    largest_code,
    new_sketches,
)
from boost.data.check import DataError
from boost.data.columns import in_order
from boost.data.dmatrix import DMatrix
from boost.data.frames.dictionary import Categories, join
from boost.data.info import BY_ROW
from sketch import Cuts, WeightedQuantileSketch, column_cuts

if TYPE_CHECKING:
    from boost.threads import Team

# What a batch may be called with besides its values, and what must be the same for all batches.
OPTIONS = "missing", "feature_names", "feature_types", "enable_categorical"
INFO = (*BY_ROW, "group", "qid", "feature_weights")
# The arguments that a batch as a tuple stands for.
PLACES = "data", "label", "weight"


class DataIter:
    """Batches of a table, in the form that XGBoost has for them: derive a class with `next` and `reset`.

    Parameters
    ----------
    cache_prefix, release_data, on_host, min_cache_page_bytes
        For XGBoost's sake; they have no effect: bins are held in memory.
    """

    def __init__(
        self,
        cache_prefix: str | None = None,
        release_data: bool = True,
        *,
        on_host: bool = True,
        min_cache_page_bytes: int | None = None,
    ) -> None:
        self.cache_prefix = cache_prefix

    def reset(self) -> None:
        """Go back to the first batch."""
        raise NotImplementedError(f"{type(self).__name__} must define reset()")

    def next(self, input_data: Callable[..., Any]) -> bool:
        """Hand over the next batch.

        Parameters
        ----------
        input_data : callable
            To be called once, with the arguments of `DMatrix` by name: ``data``, ``label``, ``weight``...

        Returns
        -------
        bool
            False, without a call of `input_data`, when there is no batch left.
        """
        raise NotImplementedError(f"{type(self).__name__} must define next(input_data)")


def is_batches(source: Any) -> bool:
    """Whether this makes batches: has `next` and `reset`, or is a function that makes an iterator."""
    return (hasattr(source, "next") and hasattr(source, "reset")) or (
        callable(source) and not hasattr(source, "__array__") and not hasattr(source, "shape")
    )


def read_batches(source: Any) -> Iterator[dict[str, Any]]:
    """Yield the arguments of each batch, from the first one on.

    Parameters
    ----------
    source : DataIter, or a callable without arguments that returns an iterable
        Items of the iterable are values, tuples of values, labels and weights, or dicts of arguments.

    Raises
    ------
    DataError
        For an item or a call that is something else.
    """
    if hasattr(source, "next"):
        yield from _calls(source)
        return
    for item in source():
        if isinstance(item, Mapping):
            yield dict(item)
        elif isinstance(item, tuple):
            if len(item) > len(PLACES):
                raise DataError(f"a batch is a tuple of {', '.join(PLACES)} at most, got {len(item)} things")
            yield dict(zip(PLACES, item, strict=False))
        else:
            yield {"data": item}


def _calls(source: Any) -> Iterator[dict[str, Any]]:
    source.reset()
    while True:
        calls: list[dict[str, Any]] = []

        def input_data(data: Any = None, label: Any = None, *, calls: Any = calls, **options: Any) -> None:
            calls.append({"data": data, "label": label, **options})

        more = source.next(input_data)
        if not more and not calls:
            return
        if len(calls) != 1:
            raise DataError(
                f"{type(source).__name__}.next called input_data {len(calls)} times: it must do so once and "
                "return True, or not at all and return False"
            )
        yield calls[0]
        if not more:
            return


@dataclass
class Survey:
    """What the first reading of the batches finds out.

    Attributes
    ----------
    rows : list of int
        Rows of each batch.
    names, types : list of str, or None
        Of the columns; a column is "float" as soon as it is so in one batch.
    known : dict of int to list of lists
        The dictionaries that a column has in the batches.
    numeric : dict of int to int
        Columns without a dictionary that hold values, and the first batch where they do.
    top : int array of shape (features,)
        The largest code of each column that is marked as categorical.
    present : int array of shape (features,)
        Values that are not missing.
    sparse : bool
        Whether all batches are.
    info : dict of str to list of arrays
        Labels, weights and so on of the batches.
    """

    rows: list[int] = field(default_factory=list)
    names: list[str] | None = None
    types: list[str] | None = None
    known: dict[int, list[list[Any]]] = field(default_factory=dict)
    numeric: dict[int, int] = field(default_factory=dict)
    top: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    present: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    sparse: bool = True
    info: dict[str, list[Any]] = field(default_factory=dict)
    sketches: list[WeightedQuantileSketch] = field(default_factory=list)

    @property
    def columns(self) -> int:
        """Number of columns."""
        return self.present.size

    def categories(self) -> Categories:
        """Return the dictionary of each column: all values of all batches, sorted."""
        found = {}
        for f, parts in sorted(self.known.items()):
            if f in self.numeric:
                raise DataError(
                    f"column {self.name(f)} holds numbers in batch {self.numeric[f]}, but strings or "
                    "categories in another one"
                )
            found[f] = join(parts, self.name(f).strip("'"))
        return found

    def mark(self, categories: Categories) -> NDArray[np.bool_]:
        """Make the columns of these dictionaries categorical; return which columns are, bool, (features,)."""
        if self.types is not None:
            self.types = ["c" if f in categories else t for f, t in enumerate(self.types)]
        return np.array([t == "c" for t in self.types or [""] * self.columns], dtype=bool)

    def check_codes(self, cuts: Cuts, categorical: NDArray[np.bool_]) -> None:
        """Raise `DataError` for a code that has no bin: as a bin, it would pass for another category."""
        for f in np.flatnonzero(categorical & (self.top >= cuts.bins)).tolist():
            raise DataError(
                f"column {self.name(f)} holds the code {self.top[f]}, but ref has the codes 0 to "
                f"{cuts.bins[f] - 1} there: give the table as a DMatrix, which keeps unknown codes"
            )

    def name(self, f: int) -> str:
        """Return a column's name for a message."""
        return repr(self.names[f]) if self.names else str(f)


class Reader:
    """Batches, read twice.

    Parameters
    ----------
    source : see `read_batches`
    options : dict
        Arguments of `DMatrix` that hold for every batch.
    max_bin : int
    team : Team
    """

    def __init__(self, source: Any, options: dict[str, Any], max_bin: int, team: Team) -> None:
        self._source, self._options, self._max_bin, self._team = source, options, max_bin, team

    def survey(self, ref: DMatrix | None) -> Survey:
        """Read all batches: labels and the like, dictionaries of categories, and, without `ref`, sketches."""
        found = Survey()
        for i, given in enumerate(read_batches(self._source)):
            try:
                self._survey_batch(i, given, found, ref)
            except DataError as problem:
                raise DataError(f"batch {i}: {problem}") from None
        if not found.rows:
            raise DataError("the iterator has no batches")
        return found

    def _survey_batch(self, i: int, given: dict[str, Any], found: Survey, ref: DMatrix | None) -> None:
        table = self._table(given)
        if not i:
            like = ref or table
            found.names, found.types = like.feature_names, table.feature_types
            found.top = np.full(like.num_col(), -1)
            found.present = np.zeros(like.num_col(), dtype=np.int64)
            found.sketches = [] if ref else new_sketches(table.num_col(), self._max_bin)
        table = in_order(table, found.columns, found.names, "ref" if ref else "the first batch")
        found.rows.append(table.num_row())
        weight = self._take_info(given, table, found.info, i)
        if (table.feature_types is None) != (found.types is None):
            raise DataError("a frame and an array cannot be batches of one table")
        if found.types is not None:
            both = zip(found.types, table.feature_types or (), strict=True)
            found.types = [_wider(a, b) for a, b in both]
        found.sparse &= table.is_sparse
        marked = table.categorical
        for f in range(table.num_col()):
            present = int(np.count_nonzero(~np.isnan(table.column(f)[1])))
            found.present[f] += present
            if f in table.categories:
                found.known.setdefault(f, []).append(table.categories[f])
            elif marked[f]:
                found.top[f] = max(found.top[f], largest_code(table, f))
            elif present:
                found.numeric.setdefault(f, i)
        if ref is None:
            weights = np.empty(0) if weight is None else weight.astype(np.float64)

            def feed(first: int, last: int) -> None:
                feed_sketches(table, weights, first, found.sketches[first:last])

            self._team.share(feed, table.num_col(), work=table.num_nonmissing() * 12)

    def _table(self, given: dict[str, Any]) -> DMatrix:
        if unknown := sorted(set(given) - {"data", *OPTIONS, *INFO}):
            raise DataError(f"a batch has data and {', '.join((*INFO, *OPTIONS))}, got {', '.join(unknown)}")
        if given.get("data") is None:
            raise DataError("no data was given")
        options = {name: given[name] for name in OPTIONS if given.get(name) is not None}
        return DMatrix(given["data"], **{**self._options, **options})

    def _take_info(
        self, given: dict[str, Any], table: DMatrix, info: dict[str, list[Any]], i: int
    ) -> NDArray[np.float32] | None:
        """Keep labels and the like of a batch; return the weights of its rows."""
        rows = table.num_row()
        here: dict[str, Any] = {name: given[name] for name in INFO if given.get(name) is not None}
        bounds = check.check_groups(here.get("group"), here.get("qid"), rows)
        if "label" in here:
            here["label"] = check.check_label(here["label"], rows)
        if "weight" in here:
            here["weight"] = check.row_weight(here["weight"], rows, bounds)
        if "base_margin" in here:
            here["base_margin"] = check.check_margin(here["base_margin"], rows)
        for name in ("label_lower_bound", "label_upper_bound"):
            if name in here:
                here[name] = check.check_bound(name, here[name], rows)
        if i and set(here) - {"feature_weights"} != set(info) - {"feature_weights"}:
            raise DataError(
                f"it comes with {sorted(here) or 'nothing'}, the batches before it with "
                f"{sorted(info) or 'nothing'}: all must have the same"
            )
        for name, values in here.items():
            info.setdefault(name, []).append(np.asarray(values))
        return here.get("weight")

    def cuts(self, survey: Survey, categories: Categories) -> Cuts:
        """Return the cuts of the whole table, and drop the sketches."""
        found = [column_cuts(sketch.summary(), self._max_bin) for sketch in survey.sketches]
        survey.sketches.clear()
        for f in range(survey.columns):
            if f in categories or (survey.types and survey.types[f] == "c"):
                count = max(len(categories.get(f, ())), int(survey.top[f]) + 1)
                found[f] = code_cuts(count, survey.name(f))
        return Cuts.from_columns(found)

    def encode(
        self, survey: Survey, cuts: Cuts, categories: Categories, categorical: NDArray[np.bool_]
    ) -> BinnedMatrix | SparseBinnedMatrix:
        """Read all batches again, and bin them."""
        rows = sum(survey.rows)
        thin = survey.present.sum() < SPARSE_BELOW * rows * survey.columns
        sink: _DenseBins | _SparseBins
        if survey.sparse and thin:
            sink = _SparseBins(survey, cuts, categorical, self._team)
        else:
            sink = _DenseBins(survey, cuts, categorical, self._team)
        begin, i = 0, -1
        for i, given in enumerate(read_batches(self._source)):
            table = self._table(given)
            if i >= len(survey.rows) or table.num_row() != survey.rows[i]:
                raise _changed(i)
            table = in_order(table, survey.columns, survey.names, "the first batch")
            sink.write(table.recoded(categories), begin)
            begin += table.num_row()
        if i + 1 != len(survey.rows):
            raise _changed(i + 1)
        return sink.matrix()


class _DenseBins:
    """Room for the codes of a table."""

    def __init__(self, survey: Survey, cuts: Cuts, categorical: NDArray[np.bool_], team: Team) -> None:
        rows = sum(survey.rows)
        self._cuts, self._categorical, self._team = cuts, categorical, team
        self._codes = np.empty((rows, cuts.columns), dtype=code_type(cuts, survey.present < rows))
        self._columns = np.empty(self._codes.shape[::-1], dtype=self._codes.dtype)
        self._encoder = Encoder(cuts)

    def write(self, table: DMatrix, begin: int) -> None:
        def write(first: int, last: int) -> None:
            rows = table.dense_rows(first, last)
            self._encoder.write(rows, begin + first, self._codes, self._columns)

        self._team.share(write, table.num_row(), work=table.num_row() * self._cuts.columns * 4)

    def matrix(self) -> BinnedMatrix:
        offsets = bin_offsets(self._cuts)
        return BinnedMatrix(self._codes, self._columns, self._cuts, offsets, self._categorical)


class _SparseBins:
    """Room for the codes of the entries of a sparse table."""

    def __init__(self, survey: Survey, cuts: Cuts, categorical: NDArray[np.bool_], team: Team) -> None:
        self._cuts, self._categorical, self._team = cuts, categorical, team
        self._starts = np.concatenate(([0], np.cumsum(survey.present)))
        self._free = self._starts[:-1].copy()
        entries = int(self._starts[-1])
        self._rows = np.empty(entries, dtype=np.uint32)
        self._codes = np.empty(entries, dtype=code_type(cuts, np.zeros(cuts.columns, dtype=bool)))
        self._indptr = np.zeros(sum(survey.rows) + 1, dtype=np.int64)

    def write(self, table: DMatrix, begin: int) -> None:
        from boost.data.encode import encode_entries

        starts, rows, values = table.by_column()
        counts = np.diff(starts)
        if (self._free + counts > self._starts[1:]).any():
            raise DataError("a batch has more entries in the second reading than in the first one")
        codes = np.empty(values.size, dtype=self._codes.dtype)
        encode_entries(values, starts, self._cuts.values, self._cuts.indptr, 0, counts.size, codes)
        at = np.repeat(self._free - starts[:-1], counts) + np.arange(values.size)
        self._rows[at], self._codes[at] = rows + np.uint32(begin), codes
        self._free += counts
        self._indptr[begin + 1 : begin + 1 + table.num_row()] = np.diff(table.by_row()[0])

    def matrix(self) -> SparseBinnedMatrix:
        from boost.data.encode import EntryColumns, entries_by_row

        columns = EntryColumns(self._starts, self._rows, self._codes)
        indptr = np.cumsum(self._indptr)
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
            col_indptr=self._starts,
            col_rows=self._rows,
            col_codes=self._codes,
        )


def _wider(a: str, b: str) -> str:
    """Return the type of a column of which two parts have these."""
    return "c" if "c" in (a, b) else a if a == b else "float"


def _changed(i: int) -> DataError:
    return DataError(
        f"batch {i} is not the same in the second reading: the iterator must give the same batches each time"
    )

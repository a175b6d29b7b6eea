"""The two passes over the batches of a table: one to find the cuts, one to bin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from boost.data import validation
from boost.data.batches.bin_writer import make_bin_writer
from boost.data.batches.data_iter import read_batches
from boost.data.batches.summary import TableSummary
from boost.data.binned_matrix import BinnedMatrix, SparseBinnedMatrix
from boost.data.binning import feed_sketches, largest_code, new_sketches
from boost.data.columns import order_columns
from boost.data.frames.dictionary import Categories
from boost.data.meta_info import BY_ROW
from boost.data.table import Source, Table
from boost.data.values import DenseValues, Values, sparse_values
from boost.errors import DataError
from sketch import Cuts

if TYPE_CHECKING:
    from boost.threads import Team

# Arguments of `DMatrix` that define how a batch is read, and those that hold its meta information.
OPTIONS = "missing", "feature_names", "feature_types", "enable_categorical"
INFO = (*BY_ROW, "group", "qid", "feature_weights")
# Nanoseconds to add one value to a sketch.
SKETCH_WORK = 12


class _Batch(Table):
    """The values of one batch, which are read before the next batch is requested."""

    owns_values = False


class BatchReader:
    """Two passes over the batches of a table.

    Parameters
    ----------
    source : DataIter or callable
        The batches, in a form that `boost.data.batches.data_iter.read_batches` accepts.
    options : dict
        Arguments of `DMatrix` for every batch.
    max_bin : int or None
        None when no cuts are needed: nothing is sketched then.
    team : Team
    """

    def __init__(self, source: Any, options: dict[str, Any], max_bin: int | None, team: Team) -> None:
        self._source, self._options, self._max_bin, self._team = source, options, max_bin, team

    def summarize(self, ref: Table | None, kept: list[Table] | None = None) -> TableSummary:
        """Read all batches once.

        Parameters
        ----------
        ref : Table, optional
            A table whose columns and cuts are used; nothing is sketched then.
        kept : list, optional
            Filled with the values of each batch, in the columns of the first one.

        Raises
        ------
        DataError
            For batches that do not belong to one table; the message names the batch.
        """
        summary = TableSummary()
        for i, arguments in enumerate(read_batches(self._source)):
            try:
                table = self._add_batch(i, arguments, summary, ref)
            except DataError as problem:
                raise DataError(f"batch {i}: {problem}") from None
            if kept is not None:
                kept.append(table.slice(np.arange(table.num_row())))  # the iterator may refill the batch
        if not summary.rows:
            raise DataError("the iterator has no batches")
        return summary

    def bin(
        self, summary: TableSummary, cuts: Cuts, categories: Categories, categorical: NDArray[np.bool_]
    ) -> BinnedMatrix | SparseBinnedMatrix:
        """Read all batches again, and bin them.

        Parameters
        ----------
        summary : TableSummary
            From `summarize`.
        cuts : Cuts
        categories : dict of int to list
            The dictionaries of the whole table.
        categorical : bool array of shape (features,)

        Raises
        ------
        DataError
            When the batches differ from those of the first pass.
        """
        writer = make_bin_writer(summary, cuts, categorical, self._team)
        begin, i = 0, -1
        for i, arguments in enumerate(read_batches(self._source)):
            table = self._table(arguments)
            if i >= len(summary.rows) or table.num_row() != summary.rows[i]:
                raise _changed(i)
            table = order_columns(table, summary.columns, summary.names, "the first batch")
            writer.write(table.recoded(categories), begin)
            begin += table.num_row()
        if i + 1 != len(summary.rows):
            raise _changed(i + 1)
        return writer.matrix()

    def _add_batch(
        self, i: int, arguments: dict[str, Any], summary: TableSummary, ref: Table | None
    ) -> Table:
        table = self._table(arguments)
        if i == 0:
            first = ref or table
            summary.names, summary.types = first.feature_names, table.feature_types
            summary.largest_codes = np.full(first.num_col(), -1)
            summary.present = np.zeros(first.num_col(), dtype=np.int64)
            if ref is None and self._max_bin is not None:
                summary.sketches = new_sketches(table.num_col(), self._max_bin)
        table = order_columns(table, summary.columns, summary.names, "ref" if ref else "the first batch")
        summary.rows.append(table.num_row())
        weight = _add_info(i, arguments, table.num_row(), summary.info)
        if (table.feature_types is None) != (summary.types is None):
            raise DataError("a frame and an array cannot be batches of one table")
        if summary.types is not None:
            both = zip(summary.types, table.feature_types or (), strict=True)
            summary.types = [_common_type(a, b) for a, b in both]
        summary.sparse &= table.is_sparse
        marked = table.categorical
        for f in range(table.num_col()):
            present = int(np.count_nonzero(~np.isnan(table.column(f)[1])))
            summary.present[f] += present
            if f in table.categories:
                summary.dictionaries.setdefault(f, []).append(table.categories[f])
            elif marked[f]:
                summary.largest_codes[f] = max(summary.largest_codes[f], largest_code(table, f))
            elif present:
                summary.first_numeric.setdefault(f, i)
        if summary.sketches:
            weights = np.empty(0) if weight is None else weight.astype(np.float64)

            def feed(first: int, last: int) -> None:
                feed_sketches(table, weights, first, summary.sketches[first:last])

            self._team.share(feed, table.num_col(), work=table.num_nonmissing() * SKETCH_WORK)
        return table

    def _table(self, arguments: dict[str, Any]) -> Table:
        """Return the values of a batch as a table."""
        if unknown := sorted(set(arguments) - {"data", *OPTIONS, *INFO}):
            raise DataError(f"a batch has data and {', '.join((*INFO, *OPTIONS))}, got {', '.join(unknown)}")
        if arguments.get("data") is None:
            raise DataError("the batch has no data")
        options = {name: arguments[name] for name in OPTIONS if arguments.get(name) is not None}
        return _Batch(arguments["data"], **{**self._options, **options})


def join_batches(source: Any, options: dict[str, Any]) -> Source:
    """Return the values of all batches, joined in memory.

    Parameters
    ----------
    source, options
        As for `BatchReader`.

    Raises
    ------
    DataError
        As `BatchReader.summarize`.
    """
    from boost.threads import Team

    tables: list[Table] = []
    given = {name: value for name, value in options.items() if value is not None}
    summary = BatchReader(source, given, None, Team(1)).summarize(None, tables)
    categories = summary.categories()
    summary.mark(categories)
    values: Values
    if summary.sparse:
        from scipy.sparse import vstack

        values = sparse_values(
            vstack([table.get_data() for table in tables], format="csr"), np.nan, own=False
        )
    else:
        coded = (table.recoded(categories) for table in tables)
        values = DenseValues(np.concatenate([table.dense_rows(0, table.num_row()) for table in coded]))
    weights = summary.info.pop("feature_weights", [])
    info = {name: np.concatenate(arrays) for name, arrays in summary.info.items()}
    info |= {"feature_weights": weights[0]} if weights else {}
    columns = {"names": summary.names, "types": summary.types, "categories": categories}
    return Source(values, columns, info)


def _add_info(
    i: int, arguments: dict[str, Any], rows: int, info: dict[str, list[Any]]
) -> NDArray[np.float32] | None:
    """Check the meta information of batch `i`, append it to `info`, and return the weights of its rows."""
    here: dict[str, Any] = {name: arguments[name] for name in INFO if arguments.get(name) is not None}
    bounds = validation.check_groups(here.get("group"), here.get("qid"), rows)
    if "label" in here:
        here["label"] = validation.check_label(here["label"], rows)
    if "weight" in here:
        here["weight"] = validation.row_weight(here["weight"], rows, bounds)
    if "base_margin" in here:
        here["base_margin"] = validation.check_margin(here["base_margin"], rows)
    for name in ("label_lower_bound", "label_upper_bound"):
        if name in here:
            here[name] = validation.check_bound(name, here[name], rows)
    if i and set(here) - {"feature_weights"} != set(info) - {"feature_weights"}:
        raise DataError(
            f"it has {sorted(here) or 'no meta information'}, the batches before it have "
            f"{sorted(info) or 'none'}: all batches must have the same fields"
        )
    for name, values in here.items():
        info.setdefault(name, []).append(np.asarray(values))
    return here.get("weight")


def _common_type(a: str, b: str) -> str:
    """Return the type of a column whose batches have these types."""
    return "c" if "c" in (a, b) else a if a == b else "float"


def _changed(i: int) -> DataError:
    return DataError(
        f"batch {i} differs between the first and the second pass: the iterator must give the same batches "
        "each time"
    )

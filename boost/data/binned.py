"""Bins alone, in place of the values of a table that nobody holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import numpy as np
from numpy.typing import NDArray

from boost.data.binning import BinnedMatrix, SparseBinnedMatrix
from boost.errors import DataError

if TYPE_CHECKING:
    from boost.forest.forest import Forest

LARGEST = np.finfo(np.float32).max


class BinnedValues:
    """Bins in place of values; see `boost.data.values.Values`.

    A row that is asked for holds, for each bin, a value of that bin: a tree whose conditions are cuts sends
    it where it sends the row that was binned. Trees of other conditions are refused by `check_forest`.

    Parameters
    ----------
    matrix : BinnedMatrix or SparseBinnedMatrix
    present : int
        Number of values that are not missing.
    """

    def __init__(self, matrix: BinnedMatrix | SparseBinnedMatrix, present: int) -> None:
        self.matrix = matrix
        self.shape = matrix.rows, matrix.features
        self.present = present
        cuts = matrix.cuts
        self._of_bin = np.full(int(matrix.offsets[-1]), np.nan, dtype=np.float32)
        for f in range(cuts.columns):
            own = cuts.column(f)
            lowest = np.nextafter(own[:1], np.float32(-np.inf)) if own.size else np.zeros(1, np.float32)
            if matrix.categorical[f]:
                lowest = np.zeros(1, dtype=np.float32)
            begin = matrix.offsets[f]
            self._of_bin[begin : begin + own.size + 1] = np.concatenate((lowest, own))

    def dense_rows(self, begin: int, end: int) -> NDArray[np.float32]:
        """Return a value of the bin of each value of some rows."""
        matrix = self.matrix
        if isinstance(matrix, BinnedMatrix):
            return self._of_bin[matrix.codes[begin:end] + matrix.offsets[:-1]]
        block = np.full((end - begin, matrix.features), np.nan, dtype=np.float32)
        at = np.repeat(np.arange(end - begin), np.diff(matrix.indptr[begin : end + 1]))
        bins = matrix.bins[matrix.indptr[begin] : matrix.indptr[end]]
        block[at, np.searchsorted(matrix.offsets, bins, side="right") - 1] = self._of_bin[bins]
        return block

    def check_forest(self, forest: Forest) -> None:
        """Raise `DataError` when a tree asks what bins cannot answer."""
        cuts = self.matrix.cuts
        for tree in (forest[t] for t in range(forest.trees)):
            inner = np.flatnonzero(tree.left >= 0)
            for f in np.unique(tree.feature[inner]).tolist():
                if not self.matrix.categorical[f]:
                    asked = tree.condition[inner[tree.feature[inner] == f]]
                    # The largest number asks whether there is a value at all.
                    if not (np.isin(asked, cuts.column(f)) | (asked == LARGEST)).all():
                        raise self._gone("the model's splits are not among the cuts of its bins", "a model")

    def column(self, f: int) -> NoReturn:
        """Raise `DataError`: the values are gone."""
        raise self._gone("they are asked for", "tree_method='hist' of the same max_bin")

    def has_missing(self, features: NDArray[np.intp]) -> NoReturn:
        """Raise `DataError`, as `column`."""
        self.column(0)

    def take(self, rows: NDArray) -> NoReturn:
        """Raise `DataError`, as `column`."""
        self.column(0)

    def reordered(self, features: NDArray[np.intp]) -> NoReturn:
        """Raise `DataError`, as `column`."""
        self.column(0)

    def _gone(self, why: str, what: str) -> DataError:
        return DataError(
            f"a table made from batches keeps bins and no values, and {why}: give the whole table as a "
            f"DMatrix, or {what} that works on these bins; weights and types come with the batches"
        )

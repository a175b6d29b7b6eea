"""The values of a table made from batches, of which only the bins are stored."""

from __future__ import annotations

from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from boost.data.binned_matrix import BinnedMatrix, SparseBinnedMatrix
from boost.errors import DataError

LARGEST = np.finfo(np.float32).max


class BinnedValues:
    """Values of which only the bins are stored; implements `boost.data.values.Values` as far as bins allow.

    `dense_rows` returns for each value one value of the same bin. A tree whose thresholds are cuts sends such
    a row to the leaf of the original row; `check_forest` refuses trees with other thresholds.

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
        # A value of each bin: its lower end, and below the first cut the next smaller number.
        self._of_bin = np.full(int(matrix.offsets[-1]), np.nan, dtype=np.float32)
        for f in range(cuts.columns):
            ends = cuts.column(f)
            lowest = np.nextafter(ends[:1], np.float32(-np.inf)) if ends.size else np.zeros(1, np.float32)
            if matrix.categorical[f]:
                lowest = np.zeros(1, dtype=np.float32)
            begin = matrix.offsets[f]
            self._of_bin[begin : begin + ends.size + 1] = np.concatenate((lowest, ends))

    def dense_rows(self, begin: int, end: int) -> NDArray[np.float32]:
        """Return rows ``begin`` to ``end - 1``: for each value one of the same bin; NaN for a missing one."""
        matrix = self.matrix
        if isinstance(matrix, BinnedMatrix):
            return self._of_bin[matrix.codes[begin:end] + matrix.offsets[:-1]]
        block = np.full((end - begin, matrix.features), np.nan, dtype=np.float32)
        at = np.repeat(np.arange(end - begin), np.diff(matrix.indptr[begin : end + 1]))
        bins = matrix.bins[matrix.indptr[begin] : matrix.indptr[end]]
        block[at, np.searchsorted(matrix.offsets, bins, side="right") - 1] = self._of_bin[bins]
        return block

    def check_forest(self, forest: Any) -> None:
        """Raise `DataError` for a split whose threshold is not a cut: bins cannot decide it.

        Parameters
        ----------
        forest : Forest
        """
        cuts = self.matrix.cuts
        for tree in (forest[t] for t in range(forest.trees)):
            inner = np.flatnonzero(tree.left >= 0)
            for f in np.unique(tree.feature[inner]).tolist():
                if not self.matrix.categorical[f]:
                    thresholds = tree.condition[inner[tree.feature[inner] == f]]
                    # The largest number only separates present values from missing ones.
                    if not (np.isin(thresholds, cuts.column(f)) | (thresholds == LARGEST)).all():
                        raise _no_values(
                            "the thresholds of the model are not among its cuts",
                            "use a model trained on these bins",
                        )

    def check(self) -> None:
        """Do nothing: the bins are the table's own."""

    def column(self, f: int) -> NoReturn:
        """Raise `DataError`: the values are not stored."""
        raise _no_values(
            "this operation needs values",
            "use tree_method='hist' with the same max_bin, and set feature types in the batches",
        )

    def has_missing(self, features: NDArray[np.intp]) -> NoReturn:
        """Raise `DataError`, as `column`."""
        self.column(0)

    def take(self, rows: NDArray) -> NoReturn:
        """Raise `DataError`, as `column`."""
        self.column(0)

    def reordered(self, features: NDArray[np.intp]) -> NoReturn:
        """Raise `DataError`, as `column`."""
        self.column(0)


def _no_values(problem: str, remedy: str) -> DataError:
    return DataError(
        f"a table made from batches stores bins and no values, and {problem}: give the whole table as a "
        f"DMatrix, or {remedy}"
    )

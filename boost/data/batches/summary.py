"""The summary of all batches of a table, which the first pass over them collects."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boost.data.binning import code_cuts
from boost.data.frames.dictionary import Categories, join
from boost.errors import DataError
from sketch import Cuts, WeightedQuantileSketch, column_cuts


@dataclass
class TableSummary:
    """Sizes, columns, dictionaries, quantile sketches and meta information of all batches.

    Attributes
    ----------
    rows : list of int
        Number of rows of each batch.
    names, types : list of str, or None
        The names and types of the columns; a column is "float" if it is "float" in any batch.
    dictionaries : dict of int to list of lists
        For each column of categories, the dictionary of each batch that has one.
    first_numeric : dict of int to int
        For each column that holds numbers without a dictionary in some batch, the first such batch.
    largest_codes : int array of shape (features,)
        The largest code of each column that is marked as categorical, -1 where there is none.
    present : int array of shape (features,)
        Number of values that are not missing.
    sparse : bool
        Whether all batches are sparse.
    info : dict of str to list of arrays
        Labels, weights and other meta information, one array of each batch.
    sketches : list of WeightedQuantileSketch
        One for each column; empty when the cuts are given.
    """

    rows: list[int] = field(default_factory=list)
    names: list[str] | None = None
    types: list[str] | None = None
    dictionaries: dict[int, list[list[Any]]] = field(default_factory=dict)
    first_numeric: dict[int, int] = field(default_factory=dict)
    largest_codes: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    present: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    sparse: bool = True
    info: dict[str, list[Any]] = field(default_factory=dict)
    sketches: list[WeightedQuantileSketch] = field(default_factory=list)

    @property
    def columns(self) -> int:
        """Number of columns."""
        return self.present.size

    def categories(self) -> Categories:
        """Return the dictionary of each column of categories: all values of all batches, sorted.

        Raises
        ------
        DataError
            For a column that holds numbers in one batch and categories in another.
        """
        joined = {}
        for f, parts in sorted(self.dictionaries.items()):
            if f in self.first_numeric:
                raise DataError(
                    f"column {self.name(f)} holds numbers in batch {self.first_numeric[f]}, but strings or "
                    "categories in another one"
                )
            joined[f] = join(parts, self.name(f).strip("'"))
        return joined

    def mark(self, categories: Categories) -> NDArray[np.bool_]:
        """Mark the columns with a dictionary as categorical.

        Returns
        -------
        bool array of shape (features,)
            Which columns are categorical now.
        """
        if self.types is not None:
            self.types = ["c" if f in categories else t for f, t in enumerate(self.types)]
        return np.array([t == "c" for t in self.types or [""] * self.columns], dtype=bool)

    def cuts(self, categories: Categories, max_bin: int) -> Cuts:
        """Return the cuts of the whole table, and release the sketches."""
        cuts = [column_cuts(sketch.summary(), max_bin) for sketch in self.sketches]
        self.sketches.clear()
        for f in range(self.columns):
            if f in categories or (self.types and self.types[f] == "c"):
                count = max(len(categories.get(f, ())), int(self.largest_codes[f]) + 1)
                cuts[f] = code_cuts(count, self.name(f))
        return Cuts.from_columns(cuts)

    def check_codes(self, cuts: Cuts, categorical: NDArray[np.bool_]) -> None:
        """Raise `DataError` for a code without a bin, which would get the bin of another category."""
        for f in np.flatnonzero(categorical & (self.largest_codes >= cuts.bins)).tolist():
            raise DataError(
                f"column {self.name(f)} holds the code {self.largest_codes[f]}, but ref has the codes 0 to "
                f"{cuts.bins[f] - 1} there: give the table as a DMatrix, which keeps unknown codes"
            )

    def name(self, f: int) -> str:
        """Return the name of a column for a message."""
        return repr(self.names[f]) if self.names else str(f)

"""Binned tables, which tree growing reads: the bin of each value in place of the value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sketch import Cuts


@dataclass(frozen=True, slots=True, eq=False)
class BinnedMatrix:
    """Bin codes of a table, once row by row and once column by column.

    Attributes
    ----------
    codes : uint8, uint16 or uint32 array of shape (rows, features)
        The bin of each value, numbered within its feature; a missing value has the code ``cuts.bins[f]``, one
        more than the last bin. uint8 when no code that occurs is above 255: a feature of 256 bins fits if
        none of its values is missing. Histograms are filled from this array.
    columns : uint8, uint16 or uint32 array of shape (features, rows)
        The same codes column by column. Rows are partitioned by this array.
    cuts : Cuts
        The cuts of a categorical column of n categories are 1, 2, ... n - 1: the bin is the category.
    offsets : int64 array of shape (features + 1,)
        The first histogram slot of each feature. A feature has ``cuts.bins[f] + 1`` slots; the last one is
        for missing values and exists even if no value is missing.
    categorical : bool array of shape (features,)
    """

    codes: NDArray
    columns: NDArray
    cuts: Cuts
    offsets: NDArray[np.int64]
    categorical: NDArray[np.bool_]

    @property
    def rows(self) -> int:
        """Number of rows."""
        return int(self.codes.shape[0])

    @property
    def features(self) -> int:
        """Number of features."""
        return int(self.codes.shape[1])


@dataclass(frozen=True, slots=True, eq=False)
class SparseBinnedMatrix:
    """Bins of the present entries of a table, in CSR and in CSC layout; all other values are missing.

    Attributes
    ----------
    rows, features : int
    cuts : Cuts
    offsets : int64 array of shape (features + 1,)
    categorical : bool array of shape (features,)
        These three are those of the `BinnedMatrix` of the same table, bit for bit. No entry has the bin of
        missing values.
    indptr : int64 array of shape (rows + 1,)
        The entries of row i are ``bins[indptr[i]:indptr[i + 1]]``, by increasing feature.
    bins : int32 array of shape (entries,)
        The histogram slot of each entry: the offset of its feature plus its code.
    col_indptr : int64 array of shape (features + 1,)
        The entries of feature f, by increasing row, are ``col_rows[begin:end]`` and ``col_codes[begin:end]``
        with ``begin, end = col_indptr[f], col_indptr[f + 1]``.
    col_rows : uint32 array of shape (entries,)
    col_codes : uint8, uint16 or uint32 array of shape (entries,)
        The bin of each entry, numbered within its feature.
    """

    rows: int
    features: int
    cuts: Cuts
    offsets: NDArray[np.int64]
    categorical: NDArray[np.bool_]
    indptr: NDArray[np.int64]
    bins: NDArray[np.int32]
    col_indptr: NDArray[np.int64]
    col_rows: NDArray[np.uint32]
    col_codes: NDArray

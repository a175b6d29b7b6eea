"""Candidate cut points: where a column may be split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sketch.summary import Summary

Float32s = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Cuts:
    """Cut points of every column, end to end.

    Column f has the cuts ``values[indptr[f]:indptr[f + 1]]``, strictly increasing; a value x falls into the
    bin whose number is the count of cuts <= x, so that "bin <= b" is equivalent to "x < cut b". A column of k
    cuts has k + 1 bins.

    Attributes
    ----------
    values : float32 array of shape (total,)
    indptr : int64 array of shape (columns + 1,)
    """

    values: Float32s
    indptr: NDArray[np.int64]

    @classmethod
    def from_columns(cls, columns: Sequence[Float32s]) -> Cuts:
        """Join the cuts of single columns."""
        indptr = np.zeros(len(columns) + 1, dtype=np.int64)
        np.cumsum([c.size for c in columns], out=indptr[1:])
        values = np.concatenate(columns) if columns else np.empty(0, dtype=np.float32)
        return cls(np.ascontiguousarray(values, dtype=np.float32), indptr)

    @property
    def columns(self) -> int:
        """Number of columns."""
        return int(self.indptr.size - 1)

    @property
    def bins(self) -> NDArray[np.int64]:
        """Number of bins of each column, without the bin of missing values; int64, shape (columns,)."""
        return np.diff(self.indptr) + 1

    def column(self, f: int) -> Float32s:
        """Return the cuts of one column."""
        return self.values[self.indptr[f] : self.indptr[f + 1]]


def column_cuts(summary: Summary, max_bin: int) -> Float32s:
    """Choose at most ``max_bin - 1`` cuts, so that the bins between them have near equal weight.

    With an exact summary of at most `max_bin` distinct values there is a cut between any two neighbours. Cuts
    of an exact summary are half-way between two neighbouring values; cuts of a pruned one are values
    themselves, because pruning has removed their neighbours.

    Parameters
    ----------
    summary : Summary
        Of the column's values without the missing ones.
    max_bin : int
        At least 2.

    Returns
    -------
    float32 array, strictly increasing; empty for a column of at most one distinct value.

    Raises
    ------
    ValueError
        For `max_bin` below 2.
    """
    if max_bin < 2:
        raise ValueError(f"max_bin must be at least 2, got {max_bin}")
    if summary.size < 2:
        return np.empty(0, dtype=np.float32)
    from sketch.kernels import Entries, choose_cuts

    cuts = np.empty(min(max_bin, summary.size), dtype=np.float32)
    upper = np.empty(max_bin, dtype=np.int64)
    entries = Entries(summary.value, summary.rmin, summary.rmax, summary.wmin)
    return cuts[: choose_cuts(entries, summary.size, summary.slack == 0, max_bin, upper, cuts)]

"""Sorted columns: the present entries of every feature, in order of value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from boost.jit import kernel

if TYPE_CHECKING:
    from boost.data.dmatrix import DMatrix
    from boost.threads import Team

SIGN = np.uint32(1 << 31)
# Nanoseconds to sort one entry.
SORT_WORK = 20
# Entries that kernels may read beyond the last one.
PADDING = 64


# Columns of fewer entries are sorted by comparison; bits of a digit of the radix sort.
SHORT = 1 << 13
DIGIT = 11


@kernel("void(uint64[::1], uint64[::1])")
def sort_by_value(entries, spare):
    """Sort entries by their upper 32 bits, by radix in three passes; the sort is stable.

    Parameters
    ----------
    entries : (entries,), changed in place
    spare : (entries,), overwritten
    """
    low = np.uint64(32)
    counts = np.zeros((3, 1 << DIGIT), dtype=np.int64)
    mask = np.uint64((1 << DIGIT) - 1)
    for entry in entries:
        for d in range(3):
            counts[d, (entry >> (low + np.uint64(d * DIGIT))) & mask] += 1
    source = entries
    target = spare
    for d in range(3):
        shift = low + np.uint64(d * DIGIT)
        place = 0
        for b in range(counts.shape[1]):
            size = counts[d, b]
            counts[d, b] = place
            place += size
        for entry in source:
            b = (entry >> shift) & mask
            target[counts[d, b]] = entry
            counts[d, b] += 1
        source, target = target, source
    # After three passes the sorted entries are in `spare`.
    for i in range(entries.size):
        entries[i] = spare[i]


@dataclass(frozen=True, slots=True, eq=False)
class SortedColumns:
    """The present entries of a table, column after column, each in order of value and then of row.

    One block that holds all rows (XGBoost paper, arXiv 1603.02754, section 4.1); missing and absent entries
    are left out.

    Attributes
    ----------
    indptr : int64 array of shape (features + 1,)
        Where each column starts.
    rows : int
        Rows of the table.
    padded : uint64 array of shape (entries + PADDING,)
        The entries: the key of the value (see `value_keys`) in the upper half, the row in the lower one, so
        that an entry is moved by one load and one store, and that entries of a column compare as their
        values do. The padding is for kernels that read ahead.
    """

    padded: NDArray[np.uint64]
    indptr: NDArray[np.int64]
    rows: int

    @property
    def entries(self) -> NDArray[np.uint64]:
        """The entries of all columns."""
        return self.padded[: self.indptr[-1]]

    @property
    def features(self) -> int:
        """Number of columns."""
        return int(self.indptr.size - 1)

    def column(self, f: int) -> tuple[NDArray[np.uint32], NDArray[np.float32]]:
        """Return rows and values of the entries of one column, in their order."""
        entries = self.entries[self.indptr[f] : self.indptr[f + 1]]
        return entries.astype(np.uint32), key_values(entries >> np.uint64(32))


def value_keys(values: ArrayLike) -> NDArray[np.uint32]:
    """Return keys that compare as the float32 values do; uint32, same shape. Both zeros have the same key."""
    bits = (np.asarray(values, dtype=np.float32) + np.float32(0)).view(np.uint32)
    return np.where(bits & SIGN, ~bits, bits | SIGN)


def key_values(keys: ArrayLike) -> NDArray[np.float32]:
    """Return the float32 values of keys: the inverse of `value_keys`."""
    bits = np.asarray(keys).astype(np.uint32)
    values: NDArray[np.float32] = np.where(bits & SIGN, bits ^ SIGN, ~bits).view(np.float32)
    return values


def sort_columns(data: DMatrix, team: Team) -> SortedColumns:
    """Sort every column of a table, once in a training run. O(entries) for long columns."""
    data.check_values()
    features = data.num_col()
    counts = np.zeros(features, dtype=np.int64)

    def count(first: int, last: int) -> None:
        for f in range(first, last):
            values = data.column(f)[1]
            counts[f] = values.size - np.count_nonzero(np.isnan(values))

    data.column(0)  # the columns of a sparse table are made here, on one thread
    total = data.num_row() * features
    team.share(count, features, work=total)
    indptr = np.concatenate(([0], np.cumsum(counts)))
    entries = np.zeros(int(indptr[-1]) + PADDING, dtype=np.uint64)
    row_numbers = np.arange(data.num_row(), dtype=np.uint64)

    def sort(first: int, last: int) -> None:
        spare = np.empty(int(counts[first:last].max()), dtype=np.uint64)
        for f in range(first, last):
            selected, values = data.column(f)
            rows = row_numbers[selected]
            present = ~np.isnan(values)
            if not present.all():
                rows, values = rows[present], values[present]
            column = entries[indptr[f] : indptr[f + 1]]
            np.left_shift(value_keys(values).astype(np.uint64), np.uint64(32), out=column)
            column |= rows
            if column.size < SHORT:
                column.sort()
            else:
                sort_by_value(column, spare[: column.size])

    share_features(team, sort, counts, SORT_WORK)
    return SortedColumns(entries, indptr, data.num_row())


def feature_ranges(team: Team, counts: NDArray[np.int64], cost: float) -> list[tuple[int, int]]:
    """Divide the features into ranges of nearly equal numbers of entries, one for each thread worth starting.

    Parameters
    ----------
    team : Team
    counts : int64 array of shape (features,)
        Entries of each feature.
    cost : float
        Nanoseconds that one entry takes.
    """
    # An empty feature takes some time as well.
    ends = np.cumsum(counts + 16)
    parts = team.parts(counts.size, float(ends[-1]) * cost) if counts.size else 1
    edges = (
        np.searchsorted(ends, ends[-1] * np.arange(1, parts) / parts, side="left") + 1 if parts > 1 else []
    )
    bounds = [0, *(int(e) for e in edges), counts.size]
    return [(a, b) for a, b in zip(bounds, bounds[1:], strict=False) if a < b]


def share_features(
    team: Team, task: Callable[[int, int], None], counts: NDArray[np.int64], cost: float
) -> None:
    """Call ``task(begin, end)`` in parallel on the ranges of `feature_ranges`."""
    ranges = feature_ranges(team, counts, cost)
    if len(ranges) == 1:
        task(*ranges[0])
    else:
        team.run([(task, begin, end) for begin, end in ranges])

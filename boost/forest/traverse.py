"""Tables that walk through a forest: block by block, and on several threads where that pays."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from boost.data.dmatrix import DMatrix
from boost.forest.tree import Forest
from boost.threads import SERIAL_WORK, Team

# Rows that are made dense at once.
BLOCK_ROWS = 1 << 14
Floats = NDArray[np.float64]
# From a range of rows to a row-major array of them, NaN where values are missing.
DenseRows = Callable[[int, int], NDArray[np.float32]]


class SparseRows(NamedTuple):
    """Some rows of a sparse table.

    Attributes
    ----------
    starts, features, values : arrays
        See `DMatrix.by_row`; `starts` is cut to these rows.
    columns : int
        Number of features.
    """

    starts: NDArray[np.int64]
    features: NDArray[np.int32]
    values: NDArray[np.float32]
    columns: int


def rows_of(table: DMatrix) -> Callable[[int, int], NDArray[np.float32] | SparseRows]:
    """Return what gives a range of rows of a table, in the form in which it has them."""
    if not table.is_sparse:
        return table.dense_rows
    starts, features, values = table.by_row()
    columns = table.num_col()
    return lambda begin, end: SparseRows(starts[begin : end + 1], features, values, columns)


def add_trees(
    forest: Forest,
    rows: Callable[[int, int], NDArray[np.float32] | SparseRows],
    margin: Floats,
    first: int,
    last: int,
    team: Team | int | None,
) -> bool:
    """Add the trees ``first`` to ``last - 1`` to margins.

    Parameters
    ----------
    forest : Forest
    rows : callable
        From a range of rows to these: see `rows_of`.
    margin : float64 array of shape (rows, groups)
        Changed in place.
    first, last : int
    team : Team, or number of threads as for `Team`

    Returns
    -------
    bool
        Whether there is an infinity among dense rows.
    """
    count = len(margin)
    work = count * (last - first) * 10.0
    if work < SERIAL_WORK and count <= BLOCK_ROWS:
        return _add(forest, rows(0, count), margin, first, last)
    infinite = []

    def add(begin: int, end: int) -> None:
        infinite.append(_add(forest, rows(begin, end), margin[begin:end], first, last))

    share_rows(add, count, work, team)
    return any(infinite)


def _add(
    forest: Forest, rows: NDArray[np.float32] | SparseRows, margin: Floats, first: int, last: int
) -> bool:
    if isinstance(rows, SparseRows):
        forest.add_sparse_margins(*rows, margin, first, last)
        return False
    return forest.add_margins(rows, margin, first, last)


def leaf_nodes(
    forest: Forest, rows: DenseRows, count: int, first: int, last: int, team: Team | int | None
) -> NDArray[np.int32]:
    """Return the leaf of each row in some trees; int32, shape (count, trees). See `add_trees`."""
    out = np.empty((count, last - first), dtype=np.int32)

    def find(begin: int, end: int) -> None:
        out[begin:end] = forest.leaf_nodes(rows(begin, end), first, last)

    share_rows(find, count, out.size * 10.0, team)
    return out


def share_rows(task: Callable[[int, int], None], rows: int, work: float, team: Team | int | None) -> None:
    def in_blocks(begin: int, end: int) -> None:
        for at in range(begin, end, BLOCK_ROWS):
            task(at, min(at + BLOCK_ROWS, end))

    if isinstance(team, Team):
        team.share(in_blocks, rows, work)
    elif work < 2 * SERIAL_WORK:  # a team of its own must be worth its start
        in_blocks(0, rows)
    else:
        with Team(team) as own:
            own.share(in_blocks, rows, work)

"""Traversal of a forest by the rows of a table: in blocks, and on several threads for larger work."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from boost.data.dmatrix import DMatrix
from boost.forest.forest import Forest
from boost.threads import SERIAL_WORK, Team

# Most rows of a block, which limits the memory for the dense rows of a sparse table.
BLOCK_ROWS = 1 << 14
# Estimated nanoseconds for one row in one tree.
TREE_WORK = 10.0
Floats = NDArray[np.float64]
# From a range of rows to a row-major array of them, NaN where values are missing.
DenseRows = Callable[[int, int], NDArray[np.float32]]


class SparseRows(NamedTuple):
    """Some rows of a sparse table.

    Attributes
    ----------
    starts : int64 array of shape (rows + 1,)
    features, values : int32 and float32 arrays of shape (entries of the table,)
        As `DMatrix.by_row` returns them; `starts` holds positions in them.
    columns : int
        Number of features.
    """

    starts: NDArray[np.int64]
    features: NDArray[np.int32]
    values: NDArray[np.float32]
    columns: int


Rows = NDArray[np.float32] | SparseRows


def rows_of(table: DMatrix) -> Callable[[int, int], Rows]:
    """Return a function from a range of rows of a table to these rows, dense or sparse like the table."""
    if not table.is_sparse:
        return table.dense_rows
    starts, features, values = table.by_row()
    columns = table.num_col()
    return lambda begin, end: SparseRows(starts[begin : end + 1], features, values, columns)


def add_trees(
    forest: Forest,
    rows: Callable[[int, int], Rows],
    margin: Floats,
    first: int,
    last: int,
    team: Team | int | None,
) -> bool:
    """Add the values of the trees ``first`` to ``last - 1`` to margins.

    Parameters
    ----------
    forest : Forest
    rows : callable
        From a range of rows to these rows, see `rows_of`.
    margin : float64 array of shape (rows, n_outputs)
        Changed in place.
    first, last : int
        The range of the trees.
    team : Team, or number of threads as for `Team`

    Returns
    -------
    bool
        Whether dense rows hold an infinity.
    """
    count = len(margin)
    work = count * (last - first) * TREE_WORK
    if work < SERIAL_WORK and count <= BLOCK_ROWS:
        return _add(forest, rows(0, count), margin, first, last)
    infinite = []

    def add(begin: int, end: int) -> None:
        infinite.append(_add(forest, rows(begin, end), margin[begin:end], first, last))

    share_rows(add, count, work, team)
    return any(infinite)


def _add(forest: Forest, rows: Rows, margin: Floats, first: int, last: int) -> bool:
    if isinstance(rows, SparseRows):
        forest.add_sparse_margins(*rows, margin, first, last)
        return False
    return forest.add_margins(rows, margin, first, last)


def leaf_nodes(
    forest: Forest, rows: DenseRows, count: int, first: int, last: int, team: Team | int | None
) -> NDArray[np.int32]:
    """Return the leaf of each row in the trees ``first`` to ``last - 1``; int32, shape (count, trees).

    Parameters
    ----------
    forest, first, last, team
        As for `add_trees`.
    rows : callable
        From a range of rows to a dense array of them.
    count : int
        Number of rows.
    """
    out = np.empty((count, last - first), dtype=np.int32)

    def find(begin: int, end: int) -> None:
        out[begin:end] = forest.leaf_nodes(rows(begin, end), first, last)

    share_rows(find, count, out.size * TREE_WORK, team)
    return out


def share_rows(task: Callable[[int, int], None], rows: int, work: float, team: Team | int | None) -> None:
    """Call ``task(begin, end)`` for blocks that cover ``range(rows)``, on several threads for larger work.

    Parameters
    ----------
    task : callable
    rows : int
    work : float
        Estimated nanoseconds of all blocks on one thread.
    team : Team, or number of threads as for `Team`
        A new team starts for twice the work that an existing one does, because its threads must be started.
    """

    def in_blocks(begin: int, end: int) -> None:
        for at in range(begin, end, BLOCK_ROWS):
            task(at, min(at + BLOCK_ROWS, end))

    if isinstance(team, Team):
        team.share(in_blocks, rows, work)
    elif work < 2 * SERIAL_WORK:
        in_blocks(0, rows)
    else:
        with Team(team) as started:
            started.share(in_blocks, rows, work)

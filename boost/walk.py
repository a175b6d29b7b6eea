"""Tables that walk through a forest: block by block, and on several threads where that pays."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from boost.data import DMatrix
from boost.threads import SERIAL_WORK, Team
from boost.tree import Forest

# Rows that are made dense at once.
BLOCK_ROWS = 1 << 14
Floats = NDArray[np.float64]
# From a range of rows to a row-major array of them, NaN where values are missing.
DenseRows = Callable[[int, int], NDArray[np.float32]]


def add_trees(
    forest: Forest,
    table: DMatrix | NDArray[np.float32],
    margin: Floats,
    first: int,
    last: int,
    team: Team | int | None,
) -> bool:
    """Add the trees ``first`` to ``last - 1`` to margins.

    Parameters
    ----------
    forest : Forest
    table : DMatrix, or row-major float32 array of shape (rows, features)
    margin : float64 array of shape (rows, groups)
        Changed in place.
    first, last : int
    team : Team, or number of threads as for `Team`

    Returns
    -------
    bool
        Whether an array holds an infinity, which a DMatrix never does.
    """
    count = len(margin)
    work = count * (last - first) * 10.0
    if isinstance(table, np.ndarray):
        if work < SERIAL_WORK and count <= BLOCK_ROWS:
            return forest.add_margins(table, margin, first, last)
    elif first == last:
        return False
    infinite: list[bool] = []

    def add(begin: int, end: int) -> None:
        if isinstance(table, np.ndarray):
            infinite.append(forest.add_margins(table[begin:end], margin[begin:end], first, last))
        elif table.is_sparse:
            starts, features, values = table.by_row()
            entries = starts[begin : end + 1], features, values
            forest.add_sparse_margins(entries, table.num_col(), margin[begin:end], first, last)
        else:
            forest.add_margins(table.dense_rows(begin, end), margin[begin:end], first, last)

    share_rows(add, count, work, team)
    return any(infinite)


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

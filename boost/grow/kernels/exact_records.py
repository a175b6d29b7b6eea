"""The records that the kernels of exact growing share, and the names of the columns of their arrays.

A piece is the range of entries that one feature has in one node. The pieces of a node are adjacent rows of a
table; a feature without entries in a node has no piece there.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

# The key of an entry is its upper half, the row number its lower half.
KEY_SHIFT = np.uint64(32)
ROW_MASK = np.uint64(0xFFFFFFFF)
# Columns of a table of pieces, and the first columns of `Splits.location`: the feature, and its range in the
# entries. LOW and HIGH are the keys of the values on both sides of a split, 0 for a side that holds only
# missing values; MISSING_LEFT is 1 where missing values go left. FEATURE is -1 where there is no split.
FEATURE, BEGIN, END, LOW, HIGH, MISSING_LEFT = range(6)
PIECE_COLUMNS, LOCATION_COLUMNS = 3, 6
# Columns of `Level.nodes`: the sums of gradients and hessians, the score that a split has to beat, and the
# bounds of the weight. The first three are also those of `Splits.children`: sums of the left child, and the
# score of both children together.
SUM_G, SUM_H, SCORE, LOWER, UPPER = range(5)
NODE_COLUMNS, CHILDREN_COLUMNS = 5, 3


class Entries(NamedTuple):
    """Sorted entries, and the gradient pairs that they refer to.

    Attributes
    ----------
    entries : (entries + at least AHEAD,)
        See `boost.data.sorted_columns.SortedColumns`.
    gpairs : (rows, 2)
    """

    entries: NDArray[np.uint64]
    gpairs: NDArray[np.float64]


class Pieces(NamedTuple):
    """The pieces of the nodes of a level, for the features of one task.

    Attributes
    ----------
    table : (at least pieces, PIECE_COLUMNS)
    starts, stops : (nodes of the level,)
        The range of each node in `table`.
    """

    table: NDArray[np.int64]
    starts: NDArray[np.int64]
    stops: NDArray[np.int64]


class Level(NamedTuple):
    """The nodes of a level.

    Attributes
    ----------
    splittable : (nodes,)
        Zero for a node that cannot be split.
    counts : (nodes,)
        Rows of each node.
    nodes : (nodes, NODE_COLUMNS)
    allowed : (nodes, all features), or (1, all features) for all nodes alike
        Zero for a feature that a node may not use.
    """

    splittable: NDArray[np.uint8]
    counts: NDArray[np.int64]
    nodes: NDArray[np.float64]
    allowed: NDArray[np.uint8]


class Rules(NamedTuple):
    """What restricts the splits of a tree.

    Attributes
    ----------
    limits : see `boost.grow.kernels.score.make_limits`
    directions : (all features,) for monotone constraints, or (0,)
    bounded : bool
        Whether weights are bounded: by `directions`, or by a largest step.
    constant : (all features,)
        Whether the present values of a column are all the same.
    spacing : float
        The fraction of a piece's hessian between two candidates; 0 to consider every value.
    """

    limits: NDArray[np.float64]
    directions: NDArray[np.int8]
    bounded: bool
    constant: NDArray[np.uint8]
    spacing: float


class Splits(NamedTuple):
    """The best split of each node of a level; output.

    Attributes
    ----------
    children : (nodes, CHILDREN_COLUMNS)
    location : (nodes, LOCATION_COLUMNS)
    """

    children: NDArray[np.float64]
    location: NDArray[np.int64]


class Move(NamedTuple):
    """The entries of the level above, which are partitioned between the children.

    Attributes
    ----------
    source : as `Entries.entries`, or (0,)
        Where the entries are; may be the array that they go to. Empty for the root, whose pieces are given.
    spare : (longest piece,)
    side : (rows,)
        One for a row that goes left.
    pieces : Pieces
    children : (nodes of the level above,)
        The index of the left child in the level, or negative. The right child is the next one. For the root,
        0 alone.
    """

    source: NDArray[np.uint64]
    spare: NDArray[np.uint64]
    side: NDArray[np.uint8]
    pieces: Pieces
    children: NDArray[np.int64]


class RowRanges(NamedTuple):
    """The row numbers of a table, those of a node side by side.

    Attributes
    ----------
    rows, spare : (rows,)
        Row numbers, and scratch of the same length.
    side : (rows,)
        By row number; one for a row that goes left.
    begins, ends : (nodes of the level,)
        The range of each node in `rows`.
    """

    rows: NDArray[np.uint32]
    spare: NDArray[np.uint32]
    side: NDArray[np.uint8]
    begins: NDArray[np.int64]
    ends: NDArray[np.int64]

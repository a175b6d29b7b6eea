"""The records that the kernels of growing share, and the names of the columns of their arrays.

A field that a fit has no use for is None: kernels are compiled for the types that they meet, and what would
read such a field is left out (`boost.jit.by_type`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

# Columns of gradient pairs, of histograms and of sums; with several outputs, two columns for each of them.
GRAD, HESS = range(2)
# Columns of `NodeArrays.tree`.
LEFT, PARENT, DEPTH, BEGIN, END = range(5)
TREE_COLUMNS = 5
# Columns of `NodeArrays.plan`.
SLOT, SUBTRAHEND, SEARCH = range(3)
PLAN_COLUMNS = 3
# What is in the column `SEARCH`: no split is looked for, or from a histogram, or from the rows themselves.
NO_SEARCH, BY_HISTOGRAM, BY_ROWS = range(3)
# Columns of `NodeArrays.splits`.
FEATURE, BIN, MISSING_LEFT = range(3)
SPLIT_COLUMNS = 3
# A split by a set of categories has this in the column `BIN`.
BY_CATEGORIES = -1
# Columns of `NodeArrays.bounds`.
LOWER, UPPER = range(2)
# Columns of row ranges. The last one is a histogram slot; for `partition`, whether the range is only a part
# of its node.
RANGE_NODE, RANGE_BEGIN, RANGE_END, RANGE_SLOT = range(4)
RANGE_PARTIAL = RANGE_SLOT
RANGE_COLUMNS = 4
# Rows of `TreeArrays.links` and of `TreeArrays.numbers`.
LEFT_CHILD, RIGHT_CHILD, PARENT_NODE, SPLIT_FEATURE = range(4)
CONDITION, GAIN_OF_SPLIT, HESSIAN = range(3)


class DenseBins(NamedTuple):
    """The bins of a table; see `boost.data.binning.BinnedMatrix`.

    Attributes
    ----------
    codes : (rows, features)
    columns : (features, rows)
        The same codes: one feature's codes fit a cache that whole rows do not.
    missing : (features,)
        The code of missing values.
    """

    codes: NDArray[np.unsignedinteger]
    columns: NDArray[np.unsignedinteger]
    missing: Integers


class SparseBins(NamedTuple):
    """The bins of the present entries of a table; see `boost.data.binning.SparseBinnedMatrix`."""

    indptr: Integers
    bins: NDArray[np.int32]
    col_indptr: Integers
    col_rows: NDArray[np.uint32]
    col_codes: NDArray[np.unsignedinteger]


class Features(NamedTuple):
    """What nodes may be split by.

    Attributes
    ----------
    chosen : (features,)
        The features of the tree, increasing.
    allowed : (0, 0), or (1 or nodes of the level, all features)
        Zero for a feature that a node may not use; empty when all nodes may use all of the tree's.
    offsets : (all features + 1,)
        See `boost.data.binning.BinnedMatrix`.
    categorical : (all features,), or None for numerical features alone
    directions : (all features,), or None
        Of the monotone constraints.
    """

    chosen: NDArray[np.int32]
    allowed: NDArray[np.uint8]
    offsets: Integers
    categorical: NDArray[np.uint8] | None
    directions: NDArray[np.int8] | None


class NodeArrays(NamedTuple):
    """The nodes of a tree as kernels see them, a row for each.

    Attributes
    ----------
    tree : (nodes, 5)
        `LEFT` child or -1 (the right one is the next), `PARENT` or -1, `DEPTH`, and the range `BEGIN` to
        `END` of the node's rows.
    plan : (nodes, 3)
        The `SLOT` of the node's histogram (or -1), the slot of the `SUBTRAHEND`, which is to be subtracted
        from it first (or -1), and how to `SEARCH` for a split.
    sums, left_sums : (nodes, 2 * outputs)
        The sums of gradients and hessians of the node, and those of its left child.
    bounds : (nodes, 2), or None
        `LOWER` and `UPPER` bound of the nodes' weights; None when nothing is bounded.
    gains : (nodes,)
        0 for no split.
    splits : (nodes, 3)
        `FEATURE`, `BIN` (`BY_CATEGORIES` for a set) and `MISSING_LEFT`.
    sets : (nodes, words), or None
        The bits of the categories that go right; None when no feature is categorical.
    """

    tree: Integers
    plan: Integers
    sums: Floats
    left_sums: Floats
    bounds: Floats | None
    gains: Floats
    splits: Integers
    sets: NDArray[np.uint64] | None


class Slots(NamedTuple):
    """The histogram slots that no node has.

    Attributes
    ----------
    free : (slots,)
        Their numbers, the first `n_free[0]` of these.
    n_free : (1,)
    """

    free: Integers
    n_free: Integers


class Rows(NamedTuple):
    """Row numbers, those of a node side by side and increasing.

    Attributes
    ----------
    order : (rows,)
    spare : (rows,)
        Room for those that are on their way to a right child.
    """

    order: NDArray[np.uint32]
    spare: NDArray[np.uint32]


class Run(NamedTuple):
    """Numerical features whose splits are scanned together, one after the other.

    Attributes
    ----------
    below_g, below_h : (at least all bins and `STRIDE` more,)
        The sums of the gradients and the hessians of each feature's present values up to a bin.
    above_g, above_h : as those
        The sums past a bin; only `scan` writes them, where values are missing.
    start : (features + 1,)
        Where each feature's bins start in these.
    feature : (features,)
        Their numbers.
    number : as `below_g`
        The bins, where only those that hold rows are here; or categories in order.
    spare : as `below_g`
        Room for sorting.
    """

    below_g: Floats
    below_h: Floats
    above_g: Floats
    above_h: Floats
    start: Integers
    feature: Integers
    number: Integers
    spare: Integers


class Scratch(NamedTuple):
    """The room that one thread has.

    Attributes
    ----------
    codes : (rows of a small node * features,), or (0,) for a sparse table
        The codes of the node's rows, feature after feature: the table of a single feature fits the first
        cache, which that of all of them does not.
    gpairs : (rows of a small node, 2), or (0, 2)
        The gradient pairs of these rows.
    table : (bins of the widest feature, 2), or (all bins, 2) for a sparse table
        Sums by bin, zero between two uses.
    marks : (words,)
        A bit for each row of `table` that is not empty; zero between two uses.
    run : Run
    """

    codes: NDArray[np.unsignedinteger]
    gpairs: Floats
    table: Floats
    marks: NDArray[np.uint64]
    run: Run


class TreeState(NamedTuple):
    """What the kernels that grow one tree work on.

    Attributes
    ----------
    bins : DenseBins or SparseBins
    gpairs : (rows, 2 * outputs)
        The rounded gradient pairs, see `boost.grow.kernels.rounding.round_gradients`.
    order : (rows,)
        See `Rows`.
    hist : (slots, bins, 2 * outputs)
    nodes : NodeArrays
    features : Features
    limits : (LIMITS,)
        See `boost.grow.kernels.score.make_limits`.
    """

    bins: DenseBins | SparseBins
    gpairs: Floats
    order: NDArray[np.uint32]
    hist: Floats
    nodes: NodeArrays
    features: Features
    limits: Floats


class Stop(NamedTuple):
    """Which nodes are not split, and which are split without a histogram.

    Attributes
    ----------
    smallest : float
        A node whose hessian is below this has no split.
    max_depth : int
        A node of this depth has no split; 0 means no limit.
    max_leaves : int
        0 means no limit.
    small : int
        A node of at most so many rows needs no histogram, see `boost.grow.kernels.small_node`.
    """

    smallest: float
    max_depth: int
    max_leaves: int
    small: int


class Work(NamedTuple):
    """Lists that the steps of growing write.

    Attributes
    ----------
    ranges : (nodes, 4)
        Row ranges: node, begin, end, and histogram slot.
    lefts : (ranges,)
        How many rows of each range go left.
    middles : (nodes,)
        Where the right child's rows start.
    """

    ranges: Integers
    lefts: Integers
    middles: Integers


class Units(NamedTuple):
    """How weights and gains are brought into the units of the loss.

    Attributes
    ----------
    rate : float
        Factor on the weights of leaves.
    grad_scale, hess_scale : float
        See `boost.grow.kernels.rounding.round_gradients`.
    """

    rate: float
    grad_scale: float
    hess_scale: float


class CutArrays(NamedTuple):
    """The arrays of `sketch.Cuts`."""

    values: NDArray[np.float32]
    indptr: Integers


class TreeArrays(NamedTuple):
    """The nodes of a finished tree; output of `boost.grow.kernels.partition.write_nodes`.

    Attributes
    ----------
    links : (4, nodes)
        `LEFT_CHILD`, `RIGHT_CHILD`, `PARENT_NODE`, `SPLIT_FEATURE`.
    numbers : (3, nodes)
        The `CONDITION`: the cut, or a leaf's weight; `GAIN_OF_SPLIT`; `HESSIAN`, the mean over the outputs.
    default_left : (nodes,)
    weights : (nodes, outputs)
    """

    links: NDArray[np.int32]
    numbers: NDArray[np.float32]
    default_left: NDArray[np.uint8]
    weights: NDArray[np.float32]

"""Trees from histograms of bins."""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray

from boost.data.binning import BinnedMatrix, SparseBinnedMatrix, bin_table
from boost.data.dmatrix import DMatrix
from boost.forest.grown_tree import GrownTree
from boost.forest.tree import NO_NODE
from boost.grow.constraint import InteractionConstraints, monotone_directions
from boost.grow.kernels.histogram import (
    SMALL_TABLE,
    cut_rows,
    fill,
    fill_sparse,
    merge_parts,
    plan_histograms,
    release,
)
from boost.grow.kernels.partition import (
    carry_rows,
    divide_rows,
    make_children,
    partition,
    partition_sparse,
    settle,
)
from boost.grow.kernels.records import (
    BEGIN,
    BY_ROWS,
    DEPTH,
    END,
    FEATURE,
    LEFT,
    PARENT,
    RANGE_BEGIN,
    RANGE_END,
    RANGE_NODE,
    RANGE_PARTIAL,
    SEARCH,
    SLOT,
    SUBTRAHEND,
    DenseBins,
    Features,
    Rows,
    Scratch,
    Slots,
    SparseBins,
    Stop,
    TreeState,
    Units,
)
from boost.grow.kernels.rounding import round_gradients
from boost.grow.kernels.score import LEAST, make_limits
from boost.grow.kernels.search import SMALL_OF_LAST, grow_tree, search
from boost.grow.kernels.small_node import make_scratch
from boost.grow.kernels.split import find_splits
from boost.grow.kernels.vector import fill_vectors, find_vector_splits
from boost.grow.nodes import Nodes
from boost.grow.sample import ColumnSampler
from boost.params import Params, largest_step
from boost.threads import Team

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
# Memory for histograms; where more are wanted, they are made in pieces, without subtraction.
HISTOGRAM_BYTES = 1 << 28
# From this many nodes a thread on, each thread searches whole nodes; below, they share each node's rows.
NODES_OF_SHARE = 16
# A node is small when its rows have fewer entries than so many times all bins: in a small table, in others.
SMALL_IN_SMALL_TABLE, SMALL = 2.0, 1.0
# Row numbers that are written at once.
PIECE = 1 << 16
NO_MASK = np.empty((0, 0), dtype=np.uint8)


class HistGrower:
    """Grow trees from histograms; all trees of a training run share its buffers.

    Histograms hold exact sums: a tree depends neither on subtraction nor on the number of threads.

    Parameters
    ----------
    data : DMatrix
        The training table.
    params : Params
        The checked parameters. The learning rate is read anew for each tree.
    team : Team
    binned : BinnedMatrix or SparseBinnedMatrix, optional
        The codes to grow from; made from quantiles of the table when absent, and kept with it.

    Raises
    ------
    ParameterError
        For constraints on features that the table does not have, and combinations that are not supported.
    """

    made_from = frozenset(("weight", "feature_weights", "_names", "_types"))  # cuts depend on the weights

    def __init__(
        self,
        data: DMatrix,
        params: Params,
        team: Team,
        binned: BinnedMatrix | SparseBinnedMatrix | None = None,
    ) -> None:
        self.binned = bin_table(data, params["max_bin"], team) if binned is None else binned
        self.params = params
        self.team = team
        self.feature_weights = np.empty(0) if data.feature_weights is None else data.feature_weights
        names, count = data.feature_names, self.binned.features
        self.directions = monotone_directions(params["monotone_constraints"], names, count)
        self.interactions = InteractionConstraints(params["interaction_constraints"], names, count)
        self.step = largest_step(params)
        self.bounded = bool(self.directions.size) or self.step > 0.0
        rows = self.binned.rows
        self._rows = np.empty(rows, dtype=np.uint32)
        self._spare = np.empty(rows, dtype=np.uint32)
        self._bins = int(self.binned.offsets[-1])
        self._missing = np.diff(self.binned.offsets) - 1
        most = int(self._missing[self.binned.categorical].max(initial=0))
        self._words = -(-most // 64)
        self._categorical = self.binned.categorical.astype(np.uint8) if self._words else None
        self._directions = self.directions if self.directions.size else None
        # Bins that a row updates.
        self._row_work = float(self.binned.features)
        if isinstance(self.binned, SparseBinnedMatrix):
            self._row_work = self.binned.bins.size / rows
        self._outputs = 0
        # Below this, it is quicker to look at the bins that occur than at all of them.
        dense = isinstance(self.binned, BinnedMatrix)
        share = SMALL_IN_SMALL_TABLE if dense and rows * self.binned.features <= SMALL_TABLE else SMALL
        self._small = 0 if self.bounded else int(share * self._bins / max(1.0, self._row_work))
        self._scratches: dict[int, Scratch] = {}
        self._table: DenseBins | SparseBins
        if isinstance(self.binned, SparseBinnedMatrix):
            sparse = self.binned
            self._table = SparseBins(
                sparse.indptr, sparse.bins, sparse.col_indptr, sparse.col_rows, sparse.col_codes
            )
        else:
            self._table = DenseBins(self.binned.codes, self.binned.columns, self._missing)
        self._columns_of_threads: dict[int, NDArray[np.int32]] = {}

    def grow(self, grad: Floats, hess: Floats, weight: Floats, rng: np.random.Generator) -> GrownTree:
        """Grow one tree; see `Grower.grow`."""
        self._begin(1 if grad.ndim == 1 else grad.shape[1])
        scales, total = round_gradients(grad, hess, weight, self._gpairs, self.team)
        rows, out = self._divide(weight)
        self._limits = make_limits(self.params, scales, self.step)
        self._columns = ColumnSampler(self.binned.features, self.params, self.feature_weights, rng)
        self._paths: dict[int, tuple[int, ...]] = {0: ()}
        self.nodes.begin(rows.size, total)
        size = -1
        if self._serial(rows.size):
            size = self._grow_whole(rows, total)
        if size < 0:
            lossguide = self.params["grow_policy"] == "lossguide"
            size = (self._grow_by_loss if lossguide else self._grow_by_depth)(rows)
        leaves = self.nodes.leaves(size)
        begins, ends = self.nodes.tree[leaves, BEGIN].copy(), self.nodes.tree[leaves, END].copy()
        if out.size:
            rows, begins, ends = self._carry(out, size, rows, leaves, begins, ends)
        rate = self.params["eta"] / self.params["num_parallel_tree"]
        tree = self.nodes.to_tree(size, self._limits, Units(rate, *scales), self.binned.cuts)
        return GrownTree(tree, rows, leaves, begins, ends)

    def _divide(self, weight: Floats) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
        """Return the numbers of the rows with a weight, and of those with zero weight."""
        if weight.size:
            out = np.empty(weight.size, dtype=np.uint32)
            count = int(divide_rows(weight, self._rows, out))
            return self._rows[:count], out[: weight.size - count]
        for begin in range(0, self._rows.size, PIECE):  # no second array of all rows
            end = min(begin + PIECE, self._rows.size)
            self._rows[begin:end] = np.arange(begin, end, dtype=np.uint32)
        return self._rows, np.empty(0, dtype=np.uint32)

    # Policies

    def _serial(self, rows: int) -> bool:
        """Whether one kernel may grow the tree: little work, of the plain kind."""
        work = float(rows) * self._row_work + 2.0 * self._bins
        return (
            isinstance(self.binned, BinnedMatrix)
            and self._outputs == 1
            and self.params["grow_policy"] == "depthwise"
            and self.params["colsample_bylevel"] == self.params["colsample_bynode"] == 1.0
            and not self.interactions.active
            and self.team.parts(max(rows, 1), work) == 1
        )

    def _grow_whole(self, rows: NDArray[np.uint32], total: Floats) -> int:
        """Grow level by level in one call; return the number of nodes, or -1 when memory does not suffice."""
        depth = self.params["max_depth"]
        most = 2 * rows.size
        self.nodes.reserve(min(most, 2 ** (depth + 1)) if 0 < depth < 40 else most)
        stop = Stop(2.0 * self._limits[LEAST], depth, self.params["max_leaves"], self._small)
        size = grow_tree(
            self._state(NO_MASK),
            self._scratch(0),
            Rows(rows, self._spare),
            self._slots,
            self.nodes.work,
            stop,
        )
        if size < 0:  # start again
            rows.sort()
            self.nodes.begin(rows.size, total)
            self._forget()
        return int(size)

    def _grow_by_depth(self, rows: NDArray[np.uint32]) -> int:
        """Split level by level; return the number of nodes."""
        most = self.params["max_leaves"] or np.inf
        first, size, leaves = 0, 1, 1
        while first < size:
            last = size
            self._evaluate(first, last, rows)
            split = np.flatnonzero(self.nodes.gains[first:last] > 0.0)
            if leaves + split.size > most:
                refused = first + split[int(most) - leaves :]
                self.nodes.gains[refused] = 0.0
                split = split[: int(most) - leaves]
                release(self.nodes.arrays, self._slots, first, last)
            leaves += split.size
            size = self._split(first, last, size, rows)
            first = last
        return size

    def _grow_by_loss(self, rows: NDArray[np.uint32]) -> int:
        """Split the leaf of the largest gain, the first of equals; return the number of nodes."""
        most = self.params["max_leaves"] or np.inf
        self._evaluate(0, 1, rows)
        queue = [(-self.nodes.gains[0], 0)] if self.nodes.gains[0] > 0.0 else []
        size, leaves = 1, 1
        while queue and leaves < most:
            node = heapq.heappop(queue)[1]
            first, size = size, self._split(node, node + 1, size, rows)
            self._evaluate(first, size, rows)
            leaves += 1
            for n in range(first, size):
                if self.nodes.gains[n] > 0.0:
                    heapq.heappush(queue, (-self.nodes.gains[n], n))
        return size

    # Steps

    def _evaluate(self, first: int, last: int, rows: NDArray[np.uint32]) -> None:
        """Find the best splits of new nodes: the root, or siblings side by side."""
        self._apart = self._nodes_apart(first, last)
        small = self._small if self._apart else 0
        stop = Stop(2.0 * self._limits[LEAST], self.params["max_depth"], 0, small)
        nodes, ranges = self.nodes.arrays, self.nodes.ranges
        count = plan_histograms(nodes, self._slots, ranges, first, last, stop)
        if count >= 0:
            self._search(first, last, count)
            return
        # Too many for the memory: forget all histograms, and take as many nodes at a time as fit.
        most = max(2, self._slot_count // 2 * 2)
        for begin in range(first, last, most):
            self._forget()
            end = min(begin + most, last)
            self._search(begin, end, plan_histograms(nodes, self._slots, ranges, begin, end, stop))
        self._forget()

    def _nodes_apart(self, first: int, last: int) -> bool:
        """Whether each thread searches whole nodes, or all share each node's rows."""
        if self._outputs > 1:
            return False
        rows = int(self.nodes.rows(first, last).sum())
        shares = self.team.parts(max(rows, 1), rows * self._row_work)
        return shares == 1 or last - first >= NODES_OF_SHARE * shares

    def _forget(self) -> None:
        self.nodes.plan[:, SLOT] = self.nodes.plan[:, SUBTRAHEND] = -1
        self._slots.free[:] = np.arange(self._slot_count - 1, -1, -1)
        self._slots.n_free[0] = self._slot_count

    def _search(self, first: int, last: int, count: int) -> None:
        """Make the histograms that were planned, and find splits in them."""
        ranges = self.nodes.ranges[:count]
        rows = int(self.nodes.rows(first, last).sum())
        bins = (last - first) * self._bins
        work = self._outputs * (float(rows) * self._row_work + 2.0 * bins)
        shares = self.team.parts(max(rows, 1), work)
        state = self._state(self._allowed(first, last))
        how = self._search_apart if self._apart else self._search_together
        how(state, first, last, ranges, shares, work)
        release(self.nodes.arrays, self._slots, first, last)

    def _search_apart(
        self, state: TreeState, first: int, last: int, ranges: Integers, shares: int, work: float
    ) -> None:
        """Let each thread search nodes that no other thread does."""
        edges = [first, last]
        shares = min(shares, (last - first) // 2) or 1
        if shares > 1:
            # Shares of one work, which end between pairs of siblings.
            small = self.nodes.plan[first:last, SEARCH] == BY_ROWS
            rows = self.nodes.rows(first, last) * self._row_work
            scan = np.where(self.nodes.plan[first:last, SLOT] >= 0, 3.0 * self._bins, 0.0)
            cost = np.where(small, 7.0 * rows, scan)
            cost[ranges[:, RANGE_NODE] - first] += rows[ranges[:, RANGE_NODE] - first]
            cost = cost.reshape(-1, 2).sum(axis=1)
            done = np.cumsum(cost)
            targets = done[-1] * np.arange(1, shares) / shares
            edges = [first, *(first + 2 * np.searchsorted(done, targets)).tolist(), last]
        begins = np.searchsorted(ranges[:, RANGE_NODE], edges).tolist()

        def do(share: int, _: int) -> None:
            search(state, self._scratch(share), ranges, begins[share], first, edges[share], edges[share + 1])

        self.team.share(do, shares, work)

    def _search_together(
        self, state: TreeState, first: int, last: int, ranges: Integers, shares: int, work: float
    ) -> None:
        """Let all threads sum up the rows of the same nodes, and then find the splits."""
        hist, parts = self._hist, self.nodes.parts
        count = cut_rows(ranges, ranges.shape[0], shares, self._slot_count, parts, self._starts)

        def fill_parts(begin: int, end: int) -> None:
            share = (self._gpairs, state.order, parts, int(self._starts[begin]), int(self._starts[end]))
            if isinstance(state.bins, SparseBins):
                fill_sparse(state.bins, *share, hist)
            else:
                kernel = fill if self._outputs == 1 else fill_vectors
                kernel(state.bins.codes, *share, state.features, hist)

        self.team.share(fill_parts, shares, work)
        if shares > 1:
            merge_parts(parts, count, self._slot_count, self.nodes.plan, hist)
        work = 2.0 * (last - first) * self._bins * self._outputs
        shares = self.team.parts(last - first, work)
        edges = [first + (last - first) * k // shares for k in range(shares + 1)]

        def find(share: int, _: int) -> None:
            if self._outputs == 1:
                find_splits(state, self._scratch(share).run, first, edges[share], edges[share + 1])
            else:
                sums = np.empty((2, 2 * self._outputs))
                find_vector_splits(state, sums[0], sums[1], first, edges[share], edges[share + 1])

        self.team.share(find, shares, work)

    def _state(self, allowed: NDArray[np.uint8]) -> TreeState:
        """Return what kernels work on."""
        tree, offsets, nodes = self._columns.tree, self.binned.offsets, self.nodes.arrays
        features = Features(tree, allowed, offsets, self._categorical, self._directions)
        return TreeState(self._table, self._gpairs, self._rows, self._hist, nodes, features, self._limits)

    def _allowed(self, first: int, last: int) -> NDArray[np.uint8]:
        """Return which features new nodes may use: nothing for all, one row for all nodes, or a row each."""
        columns, interactions = self._columns, self.interactions
        depth = int(self.nodes.tree[first, DEPTH])
        level = columns.level(depth)
        count = self.binned.features
        if not columns.by_node and not interactions.active:
            if level.size == columns.tree.size:
                return NO_MASK
            mask = np.zeros((1, count), dtype=np.uint8)
            mask[0, level] = 1
            return mask
        mask = np.zeros((last - first, count), dtype=np.uint8)
        for n in range(first, last):
            mask[n - first, columns.node(depth) if columns.by_node else level] = 1
            if interactions.active:
                if n:
                    parent = int(self.nodes.tree[n, PARENT])
                    self._paths[n] = (*self._paths[parent], int(self.nodes.splits[parent, FEATURE]))
                mask[n - first] &= interactions.allowed(self._paths[n])
        return mask

    def _split(self, first: int, last: int, size: int, rows: NDArray[np.uint32]) -> int:
        """Order the rows of the nodes that have a gain by their children, and append these."""
        split = first + np.flatnonzero(self.nodes.gains[first:last] > 0.0)
        if split.size == 0:
            return size
        self.nodes.reserve(size + 2 * split.size)
        tree, middles = self.nodes.tree, self.nodes.middles
        self._partition(split, tree[split, BEGIN], tree[split, END], rows, middles)
        return int(
            make_children(self.nodes.arrays, middles, self._directions, self._limits, first, last, size)
        )

    def _partition(
        self,
        nodes: NDArray[np.int64],
        begins: NDArray[np.int64],
        ends: NDArray[np.int64],
        rows: NDArray[np.uint32],
        middles: NDArray[np.int64],
    ) -> None:
        """Reorder the rows of nodes by the split of each; `middles` is filled at the nodes' numbers."""
        ranges = self.nodes.ranges
        ranges[: nodes.size, RANGE_NODE] = nodes
        ranges[: nodes.size, RANGE_BEGIN] = begins
        ranges[: nodes.size, RANGE_END] = ends
        ranges[: nodes.size, RANGE_PARTIAL] = 0
        count = int((ends - begins).sum())
        shares = self.team.parts(max(count, 1), count * 3.0)
        parts, lefts, starts = self.nodes.parts, self.nodes.lefts, self._starts
        used = cut_rows(ranges, int(nodes.size), shares, 0, parts, starts)
        # A node of more than one part is put together afterwards.
        table = parts[:used]
        again = table[1:, RANGE_NODE] == table[:-1, RANGE_NODE]
        table[:, RANGE_PARTIAL] = 0
        table[1:, RANGE_PARTIAL] |= again
        table[:-1, RANGE_PARTIAL] |= again
        bins, arrays, moved = self._table, self.nodes.arrays, Rows(rows, self._spare)

        def move(begin: int, end: int) -> None:
            share = (arrays, moved, parts, lefts, int(starts[begin]), int(starts[end]))
            if isinstance(bins, SparseBins):
                column = self._columns_of_threads.get(begin)
                if column is None:
                    column = self._columns_of_threads[begin] = np.full(rows_of_table, -1, dtype=np.int32)
                partition_sparse(bins, column, *share)
            else:
                partition(bins, *share)

        rows_of_table = self.binned.rows
        self.team.share(move, shares, count * 3.0)
        settle(parts, used, lefts, moved, middles)

    def _carry(
        self,
        out: NDArray[np.uint32],
        size: int,
        rows: NDArray[np.uint32],
        leaves: NDArray[np.int64],
        begins: NDArray[np.int64],
        ends: NDArray[np.int64],
    ) -> tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.int64]]:
        """Bring rows with zero weight to their leaves; return the rows of all leaves, and their ranges."""
        bins = self._table
        if isinstance(bins, DenseBins):
            together = np.empty(rows.size + out.size, dtype=np.uint32)
            carried, ranges = Rows(out, self._spare), self.nodes.ranges
            carry_rows(bins, self.nodes.arrays, carried, size, rows, ranges, together)
            sizes = (ends - begins) + (ranges[leaves, RANGE_END] - ranges[leaves, RANGE_BEGIN])
            edges = np.cumsum(sizes)
            return together, edges - sizes, edges
        first, last = np.zeros((2, size), dtype=np.int64)  # the range of each node in `out`
        last[0] = out.size
        middles = np.zeros(size, dtype=np.int64)
        depth = self.nodes.tree[:size, DEPTH]
        for level in range(int(depth.max()) + 1):
            nodes = np.flatnonzero((depth == level) & (self.nodes.tree[:size, LEFT] != NO_NODE))
            middles[nodes] = first[nodes]  # where a node has no rows, there is nothing to partition
            filled = nodes[first[nodes] < last[nodes]]
            if filled.size:
                self._partition(filled, first[filled], last[filled], out, middles)
            left = self.nodes.tree[nodes, LEFT]
            first[left], last[left] = first[nodes], middles[nodes]
            first[left + 1], last[left + 1] = middles[nodes], last[nodes]
        sizes = (ends - begins) + (last[leaves] - first[leaves])
        starts = np.concatenate(([0], np.cumsum(sizes)))
        parts = ((rows[begins[k] : ends[k]], out[first[n] : last[n]]) for k, n in enumerate(leaves))
        together = np.concatenate([part for pair in parts for part in pair])
        return together, starts[:-1], starts[1:]

    # Numbers and buffers

    def _begin(self, outputs: int) -> None:
        """Make the buffers whose size depends on the number of outputs, and forget the last tree."""
        if outputs != self._outputs:
            self._outputs = outputs
            self._gpairs = np.empty((self.binned.rows, 2 * outputs))
            slot_bytes = 16 * outputs * max(1, self._bins)
            depth = self.params["max_depth"]
            deepest = 2 ** min(depth, 30) if depth else 2**30
            useful = min(deepest, 2 * self.binned.rows) + 2
            self._slot_count = int(max(4, min(useful, HISTOGRAM_BYTES // slot_bytes)))
            self._hist = np.empty((self._slot_count + self.team.size, self._bins, 2 * outputs))
            self._slots = Slots(np.empty(self._slot_count, dtype=np.int64), np.zeros(1, dtype=np.int64))
            self._starts = np.empty(self.team.size + 1, dtype=np.int64)
            self.nodes = Nodes(outputs, self.bounded, self._words, self.team.size)
        self._forget()

    def _scratch(self, share: int) -> Scratch:
        """Return the scratch arrays of one thread."""
        if share not in self._scratches:
            self._scratches[share] = make_scratch(
                self.binned, min(SMALL_OF_LAST * self._small, self.binned.rows)
            )
        return self._scratches[share]

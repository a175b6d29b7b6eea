"""Trees from histograms of bins."""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray

from boost.data.binning import BinnedMatrix, SparseBinnedMatrix, bin_table
from boost.data.dmatrix import DMatrix
from boost.errors import ParameterError
from boost.forest.grown import Grown
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
    round_gradients,
)
from boost.grow.kernels.partition import make_children, partition, partition_sparse, settle
from boost.grow.kernels.score import LEAST, make_limits
from boost.grow.kernels.search import LAST_FEW, DenseBins, SparseBins, grow_tree, search
from boost.grow.kernels.small_node import Few, make_few
from boost.grow.kernels.split import Features, find_splits
from boost.grow.kernels.vector import fill_vectors, find_vector_splits
from boost.grow.nodes import Nodes
from boost.grow.sample import ColumnSampler
from boost.params import Params, largest_step
from boost.threads import Team

Floats = NDArray[np.float64]
# Memory for histograms; where more are wanted, they are made in pieces, without subtraction.
HISTOGRAM_BYTES = 1 << 28
# From this many nodes a thread on, threads take nodes of their own; below, they share each node's rows.
NODES_OF_SHARE = 16
# A node has few rows when their entries are fewer than so many times all bins: in a small table, in others.
FEW_OF_SMALL, FEW = 2.0, 1.0
# Row numbers that are written at once.
PIECE = 1 << 16
NO_MASK = np.empty((0, 0), dtype=np.uint8)


class HistGrower:
    """Grow trees from histograms; all trees of a training run share its buffers.

    Because histograms hold exact sums, it makes no difference to the tree whether one is summed or
    subtracted, and on how many threads.

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
        self._categorical = self.binned.categorical.astype(np.uint8)
        # Bins that a row updates.
        self._row_work = float(self.binned.features)
        if isinstance(self.binned, SparseBinnedMatrix):
            self._row_work = self.binned.bins.size / rows
        self._outputs = 0
        # Below this, it is quicker to look at the bins that occur than at all of them.
        dense = isinstance(self.binned, BinnedMatrix)
        share = FEW_OF_SMALL if dense and rows * self.binned.features <= SMALL_TABLE else FEW
        self._few = 0 if self.bounded else int(share * self._bins / max(1.0, self._row_work))
        self._scratches: dict[int, Few] = {}
        self._table: DenseBins | SparseBins
        if isinstance(self.binned, SparseBinnedMatrix):
            self._table = SparseBins(self.binned.indptr, self.binned.bins)
        else:
            self._table = DenseBins(self.binned.codes, self.binned.columns)
        self._columns_of_threads: dict[int, NDArray[np.int32]] = {}

    def grow(self, grad: Floats, hess: Floats, weight: Floats, rng: np.random.Generator) -> Grown:
        """Grow one tree; see `Grower.grow`."""
        self._begin(1 if grad.ndim == 1 else grad.shape[1])
        scales, total = round_gradients(grad, hess, weight, self._pairs, self.team)
        rows, out = self._part(weight)
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
        begins, ends = self.nodes.tree[leaves, 3].copy(), self.nodes.tree[leaves, 4].copy()
        if out.size:
            rows, begins, ends = self._carry(out, size, rows, leaves, begins, ends)
        rate = self.params["eta"] / self.params["num_parallel_tree"]
        tree = self.nodes.to_tree(size, self._limits, scales, rate, self.binned.cuts)
        return Grown(tree, rows, leaves, begins, ends)

    def _part(self, weight: Floats) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
        """Return the numbers of the rows that have a say, and of the others."""
        if weight.size and not weight.all():
            active = np.flatnonzero(weight)
            self._rows[: active.size] = active
            return self._rows[: active.size], np.flatnonzero(weight == 0).astype(np.uint32)
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
        binned = self.binned
        assert isinstance(binned, BinnedMatrix)
        size = grow_tree(
            self._table,
            binned.columns,
            self._missing,
            self._pairs,
            rows,
            self._spare,
            self._hist,
            self._free,
            self._free_count,
            self.nodes.steps,
            self.nodes.lefts,
            self.nodes.middles,
            self._scratch(0),
            self.nodes.arrays,
            self._features(NO_MASK),
            self._limits,
            depth,
            self.params["max_leaves"],
            self._few,
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
                release(first, last, self.nodes.gains, self.nodes.plan, self._free, self._free_count)
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
        p = self.params
        smallest = 2 * self._limits[LEAST]
        self._apart = self._nodes_apart(first, last)
        few = self._few if self._apart else 0
        state = (self.nodes.tree, self.nodes.sums, self.nodes.plan, self._free, self._free_count)
        plan = (smallest, p["max_depth"], few, *state)
        steps = plan_histograms(first, last, *plan, self.nodes.steps)
        if steps >= 0:
            self._search(first, last, steps)
            return
        # Too many for the memory: forget all histograms, and take as many nodes at a time as fit.
        most = max(2, self._places // 2 * 2)
        for begin in range(first, last, most):
            self._forget()
            end = min(begin + most, last)
            self._search(begin, end, plan_histograms(begin, end, *plan, self.nodes.steps))
        self._forget()

    def _nodes_apart(self, first: int, last: int) -> bool:
        """Whether threads take nodes of their own, or share each node's rows."""
        if self._outputs > 1:
            return False
        rows = int(self.nodes.rows(first, last).sum())
        shares = self.team.parts(max(rows, 1), rows * self._row_work)
        return shares == 1 or last - first >= NODES_OF_SHARE * shares

    def _forget(self) -> None:
        self.nodes.plan[:, :2] = -1
        self._free[: self._places] = np.arange(self._places - 1, -1, -1)
        self._free_count[0] = self._places

    def _search(self, first: int, last: int, count: int) -> None:
        """Make the histograms that were planned, and find splits in them."""
        steps = self.nodes.steps[:count]
        rows = int(self.nodes.rows(first, last).sum())
        bins = (last - first) * self._bins
        work = self._outputs * (float(rows) * self._row_work + 2.0 * bins)
        shares = self.team.parts(max(rows, 1), work)
        features = self._features(self._allowed(first, last))
        how = self._search_apart if self._apart else self._search_together
        how(first, last, steps, shares, features, work)
        release(first, last, self.nodes.gains, self.nodes.plan, self._free, self._free_count)

    def _search_apart(
        self,
        first: int,
        last: int,
        steps: NDArray[np.int64],
        shares: int,
        features: Features,
        work: float,
    ) -> None:
        """Give each thread nodes of its own."""
        edges = [first, last]
        shares = min(shares, (last - first) // 2) or 1
        if shares > 1:
            # Shares of one work, which end between pairs of siblings.
            few = self.nodes.plan[first:last, 2] == 2
            rows = self.nodes.rows(first, last) * self._row_work
            cost = np.where(
                few, 7.0 * rows, np.where(self.nodes.plan[first:last, 0] >= 0, 3.0 * self._bins, 0.0)
            )
            cost[steps[:, 0] - first] += rows[steps[:, 0] - first]
            cost = cost.reshape(-1, 2).sum(axis=1)
            done = np.cumsum(cost)
            wanted = done[-1] * np.arange(1, shares) / shares
            edges = [first, *(first + 2 * np.searchsorted(done, wanted)).tolist(), last]
        begins = np.searchsorted(steps[:, 0], edges)

        def do(share: int, _: int) -> None:
            search(
                self._table,
                self._pairs,
                self._rows,
                steps,
                begins[share],
                self._hist,
                self._scratch(share),
                self.nodes.arrays,
                first,
                edges[share],
                edges[share + 1],
                features,
                self._limits,
            )

        self.team.share(do, shares, work)

    def _search_together(
        self,
        first: int,
        last: int,
        steps: NDArray[np.int64],
        shares: int,
        features: Features,
        work: float,
    ) -> None:
        """Let all threads sum up the rows of the same nodes, and then find the splits."""
        binned, hist = self.binned, self._hist
        parts = cut_rows(steps, steps.shape[0], shares, self._places, self.nodes.parts, self._starts)

        def fill_parts(begin: int, end: int) -> None:
            which = (self._rows, self.nodes.parts, self._starts[begin], self._starts[end])
            if isinstance(binned, SparseBinnedMatrix):
                fill_sparse(binned.indptr, binned.bins, self._pairs, *which, hist)
            else:
                kernel = fill if self._outputs == 1 else fill_vectors
                kernel(binned.codes, self._pairs, *which, features.chosen, binned.offsets, hist)

        def find(begin: int, end: int) -> None:
            kernel = find_splits if self._outputs == 1 else find_vector_splits
            kernel(hist, self.nodes.arrays, first, first + begin, first + end, features, self._limits)

        self.team.share(fill_parts, shares, work)
        if shares > 1:
            merge_parts(self.nodes.parts, parts, self._places, self.nodes.plan, hist)
        self.team.share(find, last - first, work=2.0 * (last - first) * self._bins * self._outputs)

    def _features(self, allowed: NDArray[np.uint8]) -> Features:
        """Return what nodes may be split by, for kernels."""
        return Features(self._columns.tree, allowed, self.binned.offsets, self._categorical, self.directions)

    def _allowed(self, first: int, last: int) -> NDArray[np.uint8]:
        """Return which features new nodes may use: nothing for all, one row for all nodes, or a row each."""
        columns, interactions = self._columns, self.interactions
        depth = int(self.nodes.tree[first, 2])
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
                    parent = int(self.nodes.tree[n, 1])
                    self._paths[n] = (*self._paths[parent], int(self.nodes.found[parent, 0]))
                mask[n - first] &= interactions.allowed(self._paths[n])
        return mask

    def _split(self, first: int, last: int, size: int, rows: NDArray[np.uint32]) -> int:
        """Order the rows of the nodes that have a gain by their children, and append these."""
        split = first + np.flatnonzero(self.nodes.gains[first:last] > 0.0)
        if split.size == 0:
            return size
        self.nodes.reserve(size + 2 * split.size)
        self._partition(split, self.nodes.tree[split, 3], self.nodes.tree[split, 4], rows, self.nodes.middles)
        return int(
            make_children(
                first,
                last,
                size,
                self.nodes.gains,
                self.nodes.middles,
                self.nodes.tree,
                self.nodes.sums,
                self.nodes.left_sums,
                self.nodes.found,
                self.directions,
                self.nodes.bounds,
                self._limits,
            )
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
        steps = self.nodes.steps[: nodes.size]
        steps[:, 0], steps[:, 1], steps[:, 2], steps[:, 3] = nodes, begins, ends, 0
        count = int((ends - begins).sum())
        shares = self.team.parts(max(count, 1), count * 3.0)
        parts = cut_rows(self.nodes.steps, nodes.size, shares, 0, self.nodes.parts, self._starts)
        # A node of more than one part is put together afterwards.
        table = self.nodes.parts[:parts]
        again = table[1:, 0] == table[:-1, 0]
        table[:, 3] = 0
        table[1:, 3] |= again
        table[:-1, 3] |= again
        lefts = self.nodes.lefts

        def move(begin: int, end: int) -> None:
            binned = self.binned
            how = (
                self.nodes.found,
                self.nodes.sets,
                self.nodes.parts,
                self._starts[begin],
                self._starts[end],
            )
            if isinstance(binned, SparseBinnedMatrix):
                column = self._columns_of_threads.get(begin)
                if column is None:
                    column = self._columns_of_threads[begin] = np.full(binned.rows, -1, dtype=np.int32)
                entries = binned.col_indptr, binned.col_rows, binned.col_codes
                partition_sparse(*entries, column, *how, rows, self._spare, lefts)
            else:
                partition(binned.columns, self._missing, *how, rows, self._spare, lefts)

        self.team.share(move, shares, count * 3.0)
        settle(self.nodes.parts, parts, lefts, rows, self._spare, middles)

    def _carry(
        self,
        out: NDArray[np.uint32],
        size: int,
        rows: NDArray[np.uint32],
        leaves: NDArray[np.int64],
        begins: NDArray[np.int64],
        ends: NDArray[np.int64],
    ) -> tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.int64]]:
        """Bring the rows that had no say to their leaves; return the rows of all leaves, and their ranges."""
        place = np.zeros((size, 2), dtype=np.int64)
        place[0] = (0, out.size)
        middles = np.zeros(size, dtype=np.int64)
        depth = self.nodes.tree[:size, 2]
        for level in range(int(depth.max()) + 1):
            nodes = np.flatnonzero((depth == level) & (self.nodes.tree[:size, 0] != NO_NODE))
            if nodes.size == 0:
                continue
            middles[nodes] = place[nodes, 0]  # a node without rows has no part
            filled = nodes[place[nodes, 0] < place[nodes, 1]]
            if filled.size:
                self._partition(filled, place[filled, 0], place[filled, 1], out, middles)
            left = self.nodes.tree[nodes, 0]
            place[left, 0], place[left, 1] = place[nodes, 0], middles[nodes]
            place[left + 1, 0], place[left + 1, 1] = middles[nodes], place[nodes, 1]
        sizes = (ends - begins) + (place[leaves, 1] - place[leaves, 0])
        starts = np.concatenate(([0], np.cumsum(sizes)))
        together = np.empty(rows.size + out.size, dtype=np.uint32)
        for k, leaf in enumerate(leaves):
            middle = starts[k] + ends[k] - begins[k]
            together[starts[k] : middle] = rows[begins[k] : ends[k]]
            together[middle : starts[k + 1]] = out[place[leaf, 0] : place[leaf, 1]]
        return together, starts[:-1], starts[1:]

    # Numbers and buffers

    def _begin(self, outputs: int) -> None:
        """Make the buffers whose size depends on the number of outputs, and forget the last tree."""
        if outputs != self._outputs:
            if outputs > 1 and (self.bounded or self.binned.categorical.any()):
                raise ParameterError(
                    "multi_strategy='multi_output_tree' does not go with monotone_constraints, "
                    "max_delta_step or categorical features: use 'one_output_per_tree'"
                )
            self._outputs = outputs
            self._pairs = np.empty((self.binned.rows, 2 * outputs))
            place_bytes = 16 * outputs * max(1, self._bins)
            depth = self.params["max_depth"]
            deepest = 2 ** min(depth, 30) if depth else 2**30
            wanted = min(deepest, 2 * self.binned.rows) + 2
            self._places = int(max(4, min(wanted, HISTOGRAM_BYTES // place_bytes)))
            self._hist = np.empty((self._places + self.team.size, self._bins, 2 * outputs))
            self._free = np.empty(self._places, dtype=np.int64)
            self._free_count = np.zeros(1, dtype=np.int64)
            self._starts = np.empty(self.team.size + 1, dtype=np.int64)
            self.nodes = Nodes(outputs, self.bounded, self._words, self.team.size)
        self._forget()

    def _scratch(self, share: int) -> Few:
        """Return the room for nodes of few rows that one thread has."""
        if share not in self._scratches:
            self._scratches[share] = make_few(self.binned, min(LAST_FEW * self._few, self.binned.rows))
        return self._scratches[share]

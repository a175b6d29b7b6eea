"""Trees from histograms of bins."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from boost.binning import bin_matrix, make_cuts
from boost.data import DMatrix
from boost.grow.grown import Grown
from boost.histogram import fill, plan_level, round_gradients
from boost.partition import make_children, partition
from boost.sample import ColumnSampler
from boost.split import find_splits
from boost.threads import Team
from boost.tree import NO_NODE, Tree

# Memory for the histograms of one level; a level that needs more is done in pieces, without subtraction.
LEVEL_BYTES = 1 << 28
PAIR_BYTES = 16
Floats = NDArray[np.float64]
LARGEST = np.finfo(np.float32).max


class HistGrower:
    """Grow trees level by level from histograms; all trees of a training run share its buffers.

    Because histograms hold exact sums, it makes no difference to the tree whether one is summed or
    subtracted, and on how many threads.

    Parameters
    ----------
    data : DMatrix
        The training table.
    params : dict
        From `boost.params.resolve`.
    team : Team
    """

    def __init__(self, data: DMatrix, params: dict[str, Any], team: Team) -> None:
        binned = data._binned.get(params["max_bin"])
        if binned is None:
            binned = bin_matrix(data, make_cuts(data, params["max_bin"], team), team)
            data._binned[params["max_bin"]] = binned
        self.binned = binned
        self.params = params
        self.team = team
        rows = binned.rows
        self._pairs = np.empty((rows, 2))
        self._identity = np.arange(rows, dtype=np.uint32)
        self._rows = np.empty(rows, dtype=np.uint32)
        self._spare = np.empty(rows, dtype=np.uint32)
        self._bins = int(binned.offsets[-1])
        self._most_places = max(2, LEVEL_BYTES // (PAIR_BYTES * max(1, self._bins)))
        self._hist = self._above = np.empty((0, self._bins, 2))
        self._size = 0
        self._reserve(64)
        self._values = np.empty(0, dtype=np.float32)

    def grow(self, grad: Floats, hess: Floats, weight: Floats, rng: np.random.Generator) -> Grown:
        """Grow one tree; see `Grower.grow`."""
        pairs = self._pairs
        scales = round_gradients(grad, hess, weight, pairs)
        features = ColumnSampler(self.binned.features, self.params, np.empty(0), rng).tree
        p = self.params
        grad_scale, hess_scale = scales
        # score * unit is the score in the units of the loss
        unit = hess_scale / (grad_scale * grad_scale)
        smallest = p["min_child_weight"] * hess_scale
        limits = np.array([p["alpha"] * grad_scale, p["lambda"] * hess_scale, smallest, p["gamma"] / unit])
        np.copyto(self._rows, self._identity)
        self._begins[0], self._ends[0] = 0, self._rows.size
        self._left[0] = self._parent[0] = NO_NODE
        self._sums[0] = 0.0
        self._sums[0, :2] = pairs.sum(axis=0)
        above, first, last, depth = -1, 0, 1, 0
        while first < last and (p["max_depth"] == 0 or depth < p["max_depth"]):
            self._reserve(last + 2 * (last - first))
            kept = self._evaluate(pairs, features, limits, above, first, last)
            self._split(first, last)
            size = make_children(
                first, last, self._left, self._parent, self._begins, self._ends, self._middles, self._sums
            )
            above, first, last, depth = first if kept else -1, last, size, depth + 1
        tree = self._finish(last, scales, unit)
        leaves = np.flatnonzero(tree.left == NO_NODE)
        return Grown(tree, self._rows, leaves, self._begins[leaves], self._ends[leaves])

    def _evaluate(
        self,
        pairs: NDArray[np.float64],
        features: NDArray[np.int32],
        limits: NDArray[np.float64],
        above: int,
        first: int,
        last: int,
    ) -> bool:
        """Find the splits of a level. Returns whether its histograms are all there for the next one."""
        count = last - first
        whole = count <= self._most_places
        if not whole:
            for begin in range(first, last, self._most_places):
                self._evaluate_nodes(pairs, features, limits, -1, begin, min(begin + self._most_places, last))
            return False
        self._evaluate_nodes(pairs, features, limits, above, first, last)
        return True

    def _evaluate_nodes(
        self,
        pairs: NDArray[np.float64],
        features: NDArray[np.int32],
        limits: NDArray[np.float64],
        above: int,
        first: int,
        last: int,
    ) -> None:
        count = last - first
        self._hist, self._above = self._above, self._hist
        if self._hist.shape[0] < count:
            self._hist = np.empty((count, self._bins, 2))
        binned, offsets = self.binned, self.binned.offsets
        hist, parents = self._hist, self._above
        steps = plan_level(
            self._begins,
            self._ends,
            self._parent,
            self._sums,
            first,
            last,
            above,
            2 * limits[2],
            self._places,
            self._plan,
        )
        in_level = int(self._ends[last - 1] - self._begins[first]) if count == 1 else self._rows.size

        def fill_features(begin: int, end: int) -> None:
            fill(
                binned.codes,
                pairs,
                self._rows,
                self._begins,
                self._ends,
                self._plan,
                0,
                steps,
                features[begin:end],
                offsets,
                parents,
                hist,
            )

        def search(begin: int, end: int) -> None:
            find_splits(
                hist,
                self._places,
                first + begin,
                first + end,
                features,
                offsets,
                limits,
                self._sums,
                self._found,
            )

        self.team.share(fill_features, features.size, work=in_level * features.size)
        self.team.share(search, count, work=count * self._bins * 4)

    def _split(self, first: int, last: int) -> None:
        """Order the rows of a level's nodes by the child they go to."""

        def split_nodes(begin: int, end: int) -> None:
            partition(
                self.binned.columns,
                self.binned.offsets,
                self._found,
                self._sums,
                self._begins,
                self._ends,
                self._middles,
                first + begin,
                first + end,
                self._rows,
                self._spare,
            )

        self.team.share(split_nodes, last - first, work=self._rows.size * 3)

    def _finish(self, size: int, scales: tuple[float, float], unit: float) -> Tree:
        p = self.params
        cuts = self.binned.cuts
        left = self._left[:size].copy()
        leaf = left == NO_NODE
        sums = self._sums[:size]
        grad, hess = sums[:, 0] / scales[0], sums[:, 1] / scales[1]
        soft = np.sign(grad) * np.maximum(np.abs(grad) - p["alpha"], 0.0)
        bottom = hess + p["lambda"]
        weight = np.divide(-soft, bottom, out=np.zeros(size), where=bottom > 0)
        with np.errstate(over="ignore"):  # a leaf that is not finite ends the training
            value = np.where(leaf, p["eta"] * weight, weight).astype(np.float32)
        feature = np.where(leaf, 0, self._found[:size, 0]).astype(np.int32)
        bins = self._found[:size, 1]
        at = cuts.indptr[feature] + bins
        # A split after the last bin parts the present values from the missing ones.
        beyond = at >= cuts.indptr[feature + 1]
        condition = np.full(size, LARGEST, dtype=np.float32)
        inner = ~leaf
        asked = inner & ~beyond
        condition[asked] = cuts.values[at[asked]]
        condition[leaf] = value[leaf]
        return Tree(
            left=left,
            right=np.where(leaf, NO_NODE, left + 1).astype(np.int32),
            parent=self._parent[:size].copy(),
            feature=feature,
            condition=condition,
            default_left=np.where(leaf, 0, self._found[:size, 2]).astype(np.uint8),
            base_weight=value,
            gain=np.where(leaf, 0.0, np.minimum(sums[:, 2] * unit, LARGEST)).astype(np.float32),
            hessian=np.minimum(hess, LARGEST).astype(np.float32),
        )

    def _reserve(self, size: int) -> None:
        """Make room for this many nodes."""
        if size <= self._size:
            return
        size = max(size, 2 * self._size)

        def grown(name: str, shape: tuple[int, ...], kind: type[np.generic]) -> NDArray:
            array = np.zeros(shape, dtype=kind)
            if self._size:
                array[: self._size] = getattr(self, name)
            return array

        self._begins = grown("_begins", (size,), np.int64)
        self._ends = grown("_ends", (size,), np.int64)
        self._middles = grown("_middles", (size,), np.int64)
        self._left = grown("_left", (size,), np.int32)
        self._parent = grown("_parent", (size,), np.int32)
        self._places = grown("_places", (size,), np.int64)
        self._sums = grown("_sums", (size, 5), np.float64)
        self._found = grown("_found", (size, 3), np.int64)
        self._plan = np.empty((size, 4), dtype=np.int64)
        self._size = size

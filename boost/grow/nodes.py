"""The nodes of the tree that is being grown."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from boost.forest.tree import NO_NODE, Tree
from boost.grow.kernels.partition import write_nodes
from boost.grow.kernels.split import NodeArrays
from sketch import Cuts

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class Nodes:
    """Arrays of nodes, which grow by doubling; a row for each node, in the order in which nodes are made.

    Parameters
    ----------
    outputs : int
        Of a leaf.
    bounded : bool
        Whether weights have bounds.
    words : int
        Of 64 bits, for a set of categories.
    threads : int
        Most shares that the rows of nodes are cut into.

    Attributes
    ----------
    tree, sums, left_sums, gains, found, sets, plan, bounds : arrays
        See `boost.grow.kernels.split.NodeArrays`.
    arrays : NodeArrays
        All of these, for kernels.
    middles : int64 array of shape (nodes,)
        Where the right child's rows start.
    steps, parts, lefts : int64 arrays
        Work lists, see `boost.grow.kernels.histogram.cut_rows` and `boost.grow.kernels.partition.partition`.
    """

    tree: Integers
    sums: Floats
    left_sums: Floats
    gains: Floats
    bounds: Floats
    found: Integers
    sets: NDArray[np.uint64]
    plan: Integers
    middles: Integers
    arrays: NodeArrays

    def __init__(self, outputs: int, bounded: bool, words: int, threads: int) -> None:
        self.outputs, self.bounded, self.words, self.threads = outputs, bounded, words, threads
        self.room = 0
        self.reserve(64)

    def reserve(self, size: int) -> None:
        """Make room for this many nodes."""
        if size <= self.room:
            return
        size = max(size, 2 * self.room)

        def grown(name: str, shape: tuple[int, ...], kind: type[np.generic]) -> None:
            array = np.zeros(shape, dtype=kind)
            if self.room:
                array[: self.room] = getattr(self, name)[: self.room]
            setattr(self, name, array)

        grown("tree", (size, 5), np.int64)
        grown("sums", (size, 2 * self.outputs), np.float64)
        grown("left_sums", (size, 2 * self.outputs), np.float64)
        grown("gains", (size,), np.float64)
        grown("bounds", (size if self.bounded else 0, 2), np.float64)
        grown("found", (size, 3), np.int64)
        grown("sets", (size, self.words), np.uint64)
        grown("plan", (size, 3), np.int64)
        grown("middles", (size,), np.int64)
        self.steps = np.empty((size, 4), dtype=np.int64)
        self.parts = np.empty((size + self.threads, 4), dtype=np.int64)
        self.lefts = np.empty(size + self.threads, dtype=np.int64)
        self.room = size
        self.arrays = NodeArrays(*(getattr(self, name) for name in NodeArrays._fields))

    def begin(self, rows: int, sums: Floats) -> None:
        """Start again with a root of all rows."""
        self.tree[0] = (NO_NODE, NO_NODE, 0, 0, rows)
        self.sums[0] = sums
        self.gains[0] = 0.0
        if self.bounded:
            self.bounds[0] = (-np.inf, np.inf)

    def rows(self, first: int, last: int) -> Integers:
        """Return the numbers of rows of some nodes."""
        out: Integers = self.tree[first:last, 4] - self.tree[first:last, 3]
        return out

    def leaves(self, size: int) -> Integers:
        """Return which of the first nodes are leaves."""
        return np.flatnonzero(self.tree[:size, 0] == NO_NODE)

    def to_tree(
        self, size: int, limits: Floats, scales: tuple[float, float], rate: float, cuts: Cuts
    ) -> Tree:
        """Return the first nodes as a tree, in the units of the loss.

        Parameters
        ----------
        size : int
        limits : float64 array
            See `boost.grow.kernels.score.LIMITS`.
        scales : (float, float)
            See `boost.grow.kernels.histogram.round_gradients`.
        rate : float
            Factor on the weights of leaves.
        cuts : Cuts
        """
        links = np.empty((4, size), dtype=np.int32)
        numbers = np.empty((3, size), dtype=np.float32)
        default_left = np.empty(size, dtype=np.uint8)
        weights = np.empty((size, self.outputs), dtype=np.float32)
        write_nodes(
            size,
            rate,
            *scales,
            self.tree,
            self.sums,
            self.gains,
            self.found,
            self.bounds,
            limits,
            cuts.values,
            cuts.indptr,
            links,
            numbers,
            default_left,
            weights,
        )
        extra: dict[str, Any] = {} if self.outputs == 1 else {"vectors": weights}
        if self.words:
            by_set = (links[0] != NO_NODE) & (self.found[:size, 1] < 0)
            if by_set.any():
                extra["categories"], extra["category_starts"] = self._category_lists(by_set)
        return Tree(
            left=links[0],
            right=links[1],
            parent=links[2],
            feature=links[3],
            condition=numbers[0],
            default_left=default_left,
            base_weight=np.ascontiguousarray(weights[:, 0]),
            gain=numbers[1],
            hessian=numbers[2],
            **extra,
        )

    def _category_lists(self, chosen: NDArray[np.bool_]) -> tuple[NDArray[np.int32], Integers]:
        starts = np.zeros(chosen.size + 1, dtype=np.int64)
        words = self.sets[: chosen.size][chosen].astype("<u8")
        bits = np.unpackbits(words.view(np.uint8), axis=1, bitorder="little")
        starts[1:][chosen] = bits.sum(axis=1, dtype=np.int64)
        return np.nonzero(bits)[1].astype(np.int32), np.cumsum(starts)

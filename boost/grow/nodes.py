"""The nodes of the tree that is being grown."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from boost.forest.tree import NO_NODE, Tree
from boost.grow.kernels.partition import write_nodes
from boost.grow.kernels.records import (
    BEGIN,
    BIN,
    CONDITION,
    END,
    GAIN_OF_SPLIT,
    HESSIAN,
    LEFT,
    LEFT_CHILD,
    PARENT_NODE,
    PLAN_COLUMNS,
    RANGE_COLUMNS,
    RIGHT_CHILD,
    SPLIT_COLUMNS,
    SPLIT_FEATURE,
    TREE_COLUMNS,
    CutArrays,
    NodeArrays,
    TreeArrays,
    Units,
    Work,
)
from sketch import Cuts

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Nodes:
    """The nodes of a tree as arrays that grow by doubling: a row for each node, in order of creation.

    Parameters
    ----------
    outputs : int
        Values of a leaf.
    bounded : bool
        Whether weights have bounds.
    words : int
        Words of 64 bits in a set of categories; 0 when no feature is categorical.
    threads : int
        Upper bound on the number of tasks that the rows of the nodes of a level are divided into.

    Attributes
    ----------
    tree, plan, sums, left_sums, bounds, gains, splits, sets : arrays
        See `boost.grow.kernels.records.NodeArrays`.
    arrays : NodeArrays
        All of these, for kernels.
    middles, ranges, lefts : int64 arrays
        See `boost.grow.kernels.records.Work`.
    work : Work
        All of these, for kernels.
    parts : int64 array of shape (nodes + threads, 4)
        Row ranges, divided into tasks for threads.
    """

    tree: Ints
    plan: Ints
    sums: Floats
    left_sums: Floats
    bounds: Floats | None
    gains: Floats
    splits: Ints
    sets: NDArray[np.uint64] | None
    middles: Ints
    arrays: NodeArrays
    work: Work

    def __init__(self, outputs: int, bounded: bool, words: int, threads: int) -> None:
        self.outputs, self.bounded, self.words, self.threads = outputs, bounded, words, threads
        self.capacity = 0
        self.bounds = self.sets = None
        self.reserve(64)

    def reserve(self, size: int) -> None:
        """Enlarge the arrays to at least `size` nodes."""
        if size <= self.capacity:
            return
        size = max(size, 2 * self.capacity)

        def enlarge(name: str, shape: tuple[int, ...], kind: type[np.generic]) -> None:
            array = np.zeros(shape, dtype=kind)
            if self.capacity:
                array[: self.capacity] = getattr(self, name)[: self.capacity]
            setattr(self, name, array)

        enlarge("tree", (size, TREE_COLUMNS), np.int64)
        enlarge("plan", (size, PLAN_COLUMNS), np.int64)
        enlarge("sums", (size, 2 * self.outputs), np.float64)
        enlarge("left_sums", (size, 2 * self.outputs), np.float64)
        if self.bounded:
            enlarge("bounds", (size, 2), np.float64)
        enlarge("gains", (size,), np.float64)
        enlarge("splits", (size, SPLIT_COLUMNS), np.int64)
        if self.words:
            enlarge("sets", (size, self.words), np.uint64)
        enlarge("middles", (size,), np.int64)
        self.ranges = np.empty((size, RANGE_COLUMNS), dtype=np.int64)
        self.parts = np.empty((size + self.threads, RANGE_COLUMNS), dtype=np.int64)
        self.lefts = np.empty(size + self.threads, dtype=np.int64)
        self.capacity = size
        self.arrays = NodeArrays(*(getattr(self, name) for name in NodeArrays._fields))
        self.work = Work(*(getattr(self, name) for name in Work._fields))

    def begin(self, rows: int, sums: Floats) -> None:
        """Start a new tree: a root that holds all rows, with the given sums of gradients and hessians."""
        self.tree[0] = (NO_NODE, NO_NODE, 0, 0, rows)
        self.sums[0] = sums
        self.gains[0] = 0.0
        if self.bounds is not None:
            self.bounds[0] = (-np.inf, np.inf)

    def rows(self, first: int, last: int) -> Ints:
        """Return the numbers of rows of some nodes."""
        out: Ints = self.tree[first:last, END] - self.tree[first:last, BEGIN]
        return out

    def leaves(self, size: int) -> Ints:
        """Return which of the first nodes are leaves."""
        return np.flatnonzero(self.tree[:size, LEFT] == NO_NODE)

    def to_tree(self, size: int, limits: Floats, units: Units, cuts: Cuts) -> Tree:
        """Return the first nodes as a tree, in the units of the loss.

        Parameters
        ----------
        size : int
        limits : float64 array
            The split parameters, as `boost.grow.kernels.score.make_limits` returns them.
        units : Units
        cuts : Cuts
        """
        out = TreeArrays(
            links=np.empty((4, size), dtype=np.int32),
            numbers=np.empty((3, size), dtype=np.float32),
            default_left=np.empty(size, dtype=np.uint8),
            weights=np.empty((size, self.outputs), dtype=np.float32),
        )
        write_nodes(self.arrays, size, units, limits, CutArrays(cuts.values, cuts.indptr), out)
        links, numbers = out.links, out.numbers
        extra: dict[str, Any] = {} if self.outputs == 1 else {"vectors": out.weights}
        if self.words:
            by_set = (links[LEFT_CHILD] != NO_NODE) & (self.splits[:size, BIN] < 0)
            if by_set.any():
                extra["categories"], extra["category_starts"] = self._category_lists(by_set)
        return Tree(
            left=links[LEFT_CHILD],
            right=links[RIGHT_CHILD],
            parent=links[PARENT_NODE],
            feature=links[SPLIT_FEATURE],
            condition=numbers[CONDITION],
            default_left=out.default_left,
            base_weight=np.ascontiguousarray(out.weights[:, 0]),
            gain=numbers[GAIN_OF_SPLIT],
            hessian=numbers[HESSIAN],
            **extra,
        )

    def _category_lists(self, chosen: NDArray[np.bool_]) -> tuple[NDArray[np.int32], Ints]:
        assert self.sets is not None
        starts = np.zeros(chosen.size + 1, dtype=np.int64)
        words = self.sets[: chosen.size][chosen].astype("<u8")
        bits = np.unpackbits(words.view(np.uint8), axis=1, bitorder="little")
        starts[1:][chosen] = bits.sum(axis=1, dtype=np.int64)
        return np.nonzero(bits)[1].astype(np.int32), np.cumsum(starts)

"""One regression tree, and many: structures of arrays with the fields of XGBoost's model file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boost.params import nearest

NO_NODE = -1


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """A binary tree; node 0 is the root. Unless it is said otherwise, arrays have the shape (nodes,).

    Attributes
    ----------
    left, right : int32
        The children, -1 for a leaf.
    parent : int32
        -1 for the root.
    feature : int32
        The feature that a node asks for; 0 for a leaf.
    condition : float32
        A row goes left when its value < condition. For a leaf: its value, learning rate included.
    default_left : uint8
        Whether a missing value goes left.
    base_weight : float32
        The optimal weight of a node, without the learning rate; for a leaf, its value.
    gain : float32
        What the split gained; 0 for a leaf.
    hessian : float32
        Sum of the hessians of the node's rows.
    categories : int32 array of shape (total,)
        The categories that go right, node after node, increasing in each; all others go left, and missing
        ones as `default_left` says.
    category_starts : int64 array of shape (nodes + 1,), or (0,) for a tree without categorical splits
        The range of a node in `categories`; a node whose range is empty asks `condition`.
    vectors : float32 array of shape (nodes, outputs), or (0, 0) for a tree of one output
        In place of `condition` at leaves and of `base_weight`: a value for each output.
    """

    left: NDArray[np.int32]
    right: NDArray[np.int32]
    parent: NDArray[np.int32]
    feature: NDArray[np.int32]
    condition: NDArray[np.float32]
    default_left: NDArray[np.uint8]
    base_weight: NDArray[np.float32]
    gain: NDArray[np.float32]
    hessian: NDArray[np.float32]
    categories: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, dtype=np.int32))
    category_starts: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    vectors: NDArray[np.float32] = field(default_factory=lambda: np.empty((0, 0), dtype=np.float32))

    @property
    def size(self) -> int:
        """Number of nodes."""
        return int(self.left.size)

    @property
    def leaves(self) -> int:
        """Number of leaves."""
        return int(np.count_nonzero(self.left == NO_NODE))


FIELDS: dict[str, type[np.generic]] = {
    "left": np.int32,
    "right": np.int32,
    "parent": np.int32,
    "feature": np.int32,
    "condition": np.float32,
    "default_left": np.uint8,
    "base_weight": np.float32,
    "gain": np.float32,
    "hessian": np.float32,
}


class Forest:
    """Trees end to end in shared arrays, which grow by doubling.

    Parameters
    ----------
    groups : int
        Number of outputs; each tree adds to one of them.
    """

    def __init__(self, groups: int = 1) -> None:
        self.groups = groups
        self.trees = 0
        self._nodes = 0
        self._arrays: dict[str, NDArray] = {name: np.empty(64, dtype=kind) for name, kind in FIELDS.items()}
        self._starts = np.zeros(16, dtype=np.int64)
        self._group = np.zeros(16, dtype=np.int32)
        # What prediction walks, made when it is first needed; see `boost.predict.link`.
        self._child = np.empty((0, 2), dtype=np.int32)
        self._depth = np.empty(0, dtype=np.int32)
        self._linked = 0

    @property
    def nodes(self) -> int:
        """Number of nodes of all trees."""
        return self._nodes

    @property
    def rounds(self) -> int:
        """Number of boosting rounds: one tree for each output makes a round."""
        return self.trees // self.groups

    def add(self, tree: Tree, group: int) -> None:
        """Append a tree."""
        if not 0 <= group < self.groups:
            raise ValueError(f"group must be in [0, {self.groups}), got {group}")
        end = self._nodes + tree.size
        for name, array in self._arrays.items():
            if end > array.size:
                grown = np.empty(max(end, 2 * array.size), dtype=array.dtype)
                grown[: self._nodes] = array[: self._nodes]
                self._arrays[name] = array = grown
            array[self._nodes : end] = getattr(tree, name)
        if self.trees + 1 >= self._starts.size:
            self._starts = np.concatenate((self._starts, np.zeros_like(self._starts)))
            self._group = np.concatenate((self._group, np.zeros_like(self._group)))
        self._group[self.trees] = group
        self.trees += 1
        self._nodes = end
        self._starts[self.trees] = end

    def truncate(self, trees: int) -> None:
        """Forget all trees but the first ones."""
        if not 0 <= trees <= self.trees:
            raise ValueError(f"trees must be in [0, {self.trees}], got {trees}")
        self.trees = trees
        self._nodes = int(self._starts[trees])
        self._linked = min(self._linked, trees)

    def copy(self) -> Forest:
        """Return a forest of its own with the same trees."""
        other = Forest(self.groups)
        for t in range(self.trees):
            other.add(self[t], int(self._group[t]))
        return other

    def __len__(self) -> int:
        return self.trees

    def __getitem__(self, t: int) -> Tree:
        if not 0 <= t < self.trees:
            raise IndexError(f"tree {t} of a forest of {self.trees}")
        return Tree(**{name: a[self._starts[t] : self._starts[t + 1]] for name, a in self._arrays.items()})

    def group(self, t: int) -> int:
        """Return the output that a tree adds to."""
        return int(self._group[t])

    def importance(self, kind: str, features: int) -> NDArray[np.float64]:
        """Sum up the splits of each feature; shape (features,).

        The sum of 1 ("weight"), of the gain ("total_gain") or of the hessian ("total_cover"), or the mean of
        one of the last two ("gain", "cover").
        """
        kinds = ("weight", "gain", "cover", "total_gain", "total_cover")
        if kind not in kinds:
            raise ValueError(f"importance must be one of {kinds}, got {kind!r}{nearest(kind, kinds)}")
        inner = np.flatnonzero(self._arrays["left"][: self._nodes] != NO_NODE)
        asked = self._arrays["feature"][inner]
        count = np.bincount(asked, minlength=features).astype(np.float64)
        if kind == "weight":
            return count
        column = "gain" if kind.endswith("gain") else "hessian"
        amounts = self._arrays[column][inner].astype(np.float64)
        total = np.bincount(asked, weights=amounts, minlength=features).astype(np.float64)
        return total if kind.startswith("total") else total / np.maximum(count, 1)

    def add_margins(self, x: NDArray[np.float32], margin: NDArray[np.float64], first: int, last: int) -> None:
        """Add the values of the trees ``first`` to ``last - 1`` to the margins of dense rows.

        Parameters
        ----------
        x : float32 array of shape (rows, features), row-major
            NaN means missing.
        margin : float64 array of shape (rows, groups), row-major
            Changed in place. Trees are added in their order, so that any cutting of rows or rounds gives the
            same bits.
        """
        from boost.predict import add_trees, link

        if first >= last:
            return
        a = self._arrays
        if self._linked < self.trees:
            if self._child.shape[0] < self._nodes or self._depth.size < self.trees:
                self._child = np.empty((a["left"].size, 2), dtype=np.int32)
                self._depth = np.empty(self._group.size, dtype=np.int32)
                self._linked = 0
            link(self._starts, self._linked, self.trees, a["left"], a["right"], self._child, self._depth)
            self._linked = self.trees
        add_trees(
            x,
            self._starts,
            self._group,
            self._depth,
            first,
            last,
            self._child,
            a["feature"],
            a["condition"],
            a["default_left"],
            margin,
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Arrays that come back from a memory map may be read-only, which no kernel is compiled for.
        self.__dict__.update(state)
        self._arrays = {name: np.require(a, requirements="W") for name, a in self._arrays.items()}
        for name in ("_starts", "_group", "_child", "_depth"):
            setattr(self, name, np.require(getattr(self, name), requirements="W"))

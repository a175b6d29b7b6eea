"""One regression tree, and many: structures of arrays with the fields of XGBoost's model file."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from boost.errors import nearest

if TYPE_CHECKING:
    from boost.forest.predict import PackedForest

Floats = NDArray[np.float64]
NO_NODE = -1


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """A binary tree; node 0 is the root. Unless it is said otherwise, arrays have the shape (nodes,).

    Attributes
    ----------
    left, right : int32
        The children, -1 for a leaf. They are neighbours, ``right == left + 1``: XGBoost counts on it.
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


class Forest:
    """The trees of a model, in the order in which they were grown.

    A round grows ``parallel`` trees for the first output, then for the second, and so on; if the leaves are
    vectors, ``parallel`` trees for all outputs together.

    Parameters
    ----------
    groups : int
        Number of outputs.
    parallel : int
        Trees of each output in a round: above 1, a boosted random forest.
    vector : bool
        Whether a tree's leaves hold a value for each output; if not, a tree adds to one of them.

    Attributes
    ----------
    groups, parallel, vector
        As given.
    """

    def __init__(self, groups: int = 1, parallel: int = 1, vector: bool = False) -> None:
        self.groups, self.parallel, self.vector = groups, parallel, vector
        self._trees: list[Tree] = []
        self._group: list[int] = []
        self._weights: list[float] = []
        self._packed: PackedForest | None = None  # made when prediction needs it

    @property
    def trees(self) -> int:
        """Number of trees."""
        return len(self._trees)

    @property
    def nodes(self) -> int:
        """Number of nodes of all trees."""
        return sum(tree.size for tree in self._trees)

    @property
    def round_trees(self) -> int:
        """Number of trees that make a round."""
        return self.parallel * (1 if self.vector else self.groups)

    @property
    def rounds(self) -> int:
        """Number of whole boosting rounds."""
        return self.trees // self.round_trees

    def trees_of_rounds(self, first: int, last: int) -> tuple[int, int]:
        """Return the range of the trees of the rounds ``first`` to ``last - 1``."""
        if not 0 <= first <= last <= self.rounds:
            raise ValueError(f"rounds must lie within [0, {self.rounds}], got ({first}, {last})")
        return first * self.round_trees, last * self.round_trees

    @property
    def weights(self) -> Floats:
        """Factors on the values of the trees, float64 of shape (trees,): 1, unless dropout has changed them.

        Assign an array to change them; what is returned is a copy.
        """
        return np.array(self._weights)

    @weights.setter
    def weights(self, values: Floats) -> None:
        given = np.array(values, dtype=np.float64)
        if given.shape != (self.trees,) or not np.isfinite(given).all():
            raise ValueError(f"weights must be {self.trees} finite numbers, got {values!r}")
        self._weights = given.tolist()
        if self._packed is not None:
            self._packed.weights = given

    def add(self, tree: Tree, group: int, copy: bool = True) -> None:
        """Append a tree, of weight 1.

        Parameters
        ----------
        tree : Tree
        group : int
            The output that it adds to; 0 if the leaves are vectors.
        copy : bool
            Whether its arrays are copied; else nobody else may have them.
        """
        if not 0 <= group < (1 if self.vector else self.groups):
            raise ValueError(f"group must be in [0, {1 if self.vector else self.groups}), got {group}")
        held = tree.vectors.shape[1] if tree.vectors.size else 0
        wanted = self.groups if self.vector else 0
        if held != wanted:
            ours, theirs = (f"vectors of {n}" if n else "single values" for n in (wanted, held))
            raise ValueError(f"the leaves of this forest hold {ours}, a tree came with {theirs}")
        if copy:
            tree = replace(tree, **{f.name: getattr(tree, f.name).copy() for f in fields(tree)})
        self._append(tree, group, 1.0)

    def _append(self, tree: Tree, group: int, weight: float) -> None:
        self._trees.append(tree)
        self._group.append(group)
        self._weights.append(weight)

    def truncate(self, trees: int) -> None:
        """Forget all trees but the first ones."""
        if not 0 <= trees <= self.trees:
            raise ValueError(f"trees must be in [0, {self.trees}], got {trees}")
        del self._trees[trees:], self._group[trees:], self._weights[trees:]
        self._packed = None

    def slice(self, begin: int, end: int, step: int = 1) -> Forest:
        """Return a forest of every ``step``-th round from ``begin`` up to, and without, ``end``."""
        self.trees_of_rounds(begin, end)
        if step < 1:
            raise ValueError(f"step must be at least 1, got {step}")
        other = Forest(self.groups, self.parallel, self.vector)
        for first in range(begin * self.round_trees, end * self.round_trees, step * self.round_trees):
            for t in range(first, first + self.round_trees):
                other._append(self._trees[t], self._group[t], self._weights[t])
        return other

    def copy(self) -> Forest:
        """Return a forest of its own with the same trees; their arrays, which nobody changes, are shared."""
        other = Forest(self.groups, self.parallel, self.vector)
        other._trees, other._group, other._weights = self._trees[:], self._group[:], self._weights[:]
        return other

    def __len__(self) -> int:
        return self.trees

    def __getitem__(self, t: int) -> Tree:
        if not 0 <= t < self.trees:
            raise IndexError(f"tree {t} of a forest of {self.trees}")
        return self._trees[t]

    def group(self, t: int) -> int:
        """Return the output that a tree adds to."""
        return self._group[t]

    def importance(self, kind: str, features: int) -> Floats:
        """Sum up the splits of each feature; shape (features,).

        The sum of 1 ("weight"), of the gain ("total_gain") or of the hessian ("total_cover"), or the mean of
        one of the last two ("gain", "cover").
        """
        kinds = ("weight", "gain", "cover", "total_gain", "total_cover")
        if kind not in kinds:
            raise ValueError(f"importance must be one of {kinds}, got {kind!r}{nearest(kind, kinds)}")
        if not self._trees:
            return np.zeros(features)
        inner = np.concatenate([tree.left for tree in self._trees]) != NO_NODE
        asked = np.concatenate([tree.feature for tree in self._trees])[inner]
        count = np.bincount(asked, minlength=features).astype(np.float64)
        if kind == "weight":
            return count
        column = "gain" if kind.endswith("gain") else "hessian"
        amounts = np.concatenate([getattr(tree, column) for tree in self._trees])[inner].astype(np.float64)
        total = np.bincount(asked, weights=amounts, minlength=features).astype(np.float64)
        return total if kind.startswith("total") else total / np.maximum(count, 1)

    def add_margins(self, x: NDArray[np.float32], margin: Floats, first: int, last: int) -> bool:
        """Add the values of the trees ``first`` to ``last - 1`` to the margins of dense rows.

        Parameters
        ----------
        x : float32 array of shape (rows, features), row-major
            NaN means missing.
        margin : float64 array of shape (rows, groups), row-major
            Changed in place. Trees are added in their order, so that any cutting of rows or rounds gives the
            same bits.

        Returns
        -------
        bool
            Whether x holds an infinity.
        """
        from boost.forest.predict import add_trees

        p = self._packed
        if p is None or p.count < last:
            p = self.packed()
        return add_trees(p, x, first, last, margin)

    def add_sparse_margins(
        self,
        starts: NDArray[np.int64],
        features: NDArray[np.int32],
        values: NDArray[np.float32],
        columns: int,
        margin: Floats,
        first: int,
        last: int,
    ) -> None:
        """Do what `add_margins` does for rows of a sparse table, see `boost.forest.traverse.SparseRows`."""
        from boost.forest.predict import SparseEntries, add_trees_sparse

        entries = SparseEntries(starts, features, values)
        add_trees_sparse(self.packed(), entries, columns, first, last, margin)

    def leaf_nodes(self, x: NDArray[np.float32], first: int, last: int) -> NDArray[np.int32]:
        """Return the numbers of the leaves of dense rows; int32, shape (rows, last - first).

        Parameters
        ----------
        x : float32 array of shape (rows, features), row-major
            NaN means missing.
        first, last : int
            The range of the trees.
        """
        from boost.forest.predict import find_leaves

        out = np.empty((x.shape[0], last - first), dtype=np.int32)
        find_leaves(self.packed(), x, first, last, out)
        return out

    def packed(self) -> PackedForest:
        """Return the trees as the kernels of prediction take them."""
        from boost.forest.predict import PackedForest

        packed = self._packed or PackedForest(self.groups)
        if packed.count < self.trees:
            packed.extend(self._trees, self._group, self._weights)
        self._packed = packed
        return packed

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_packed": None}

"""`Forest`: the trees of a model in the order of their rounds, with the output and the weight of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from boost.errors import nearest
from boost.forest.tree import NO_NODE, Tree

if TYPE_CHECKING:
    from boost.forest.packed import PackedForest

Floats = NDArray[np.float64]


class Forest:
    """The trees of a model, in the order in which they were grown.

    A round grows `parallel` trees for the first output, then for the second, and so on; with vector leaves,
    `parallel` trees for all outputs together.

    Parameters
    ----------
    n_outputs : int
    parallel : int
        Trees of each output in a round: above 1, a boosted random forest.
    vector : bool
        Whether a leaf holds a value for each output. If not, a tree adds to one output only.

    Attributes
    ----------
    n_outputs, parallel, vector
        As given.
    revision : int
        How often trees were removed or weights were set; adding trees does not count.
    """

    revision = 0

    def __init__(self, n_outputs: int = 1, parallel: int = 1, vector: bool = False) -> None:
        self.n_outputs, self.parallel, self.vector = n_outputs, parallel, vector
        self._trees: list[Tree] = []
        self._outputs: list[int] = []
        # A tree is in the forest once it has a weight: an interrupt may leave the other lists longer.
        self._weights: list[float] = []
        self._packed: PackedForest | None = None  # made by the first prediction

    @property
    def trees(self) -> int:
        """Number of trees."""
        return len(self._weights)

    @property
    def nodes(self) -> int:
        """Number of nodes of all trees."""
        return sum(tree.size for tree in self._trees[: self.trees])

    @property
    def round_trees(self) -> int:
        """Number of trees of a round."""
        return self.parallel * (1 if self.vector else self.n_outputs)

    @property
    def rounds(self) -> int:
        """Number of whole boosting rounds."""
        return self.trees // self.round_trees

    def trees_of_rounds(self, first: int, last: int) -> tuple[int, int]:
        """Return the range of the trees of the rounds ``first`` to ``last - 1``, which must exist."""
        if not 0 <= first <= last <= self.rounds:
            raise ValueError(f"rounds must lie within [0, {self.rounds}], got ({first}, {last})")
        return first * self.round_trees, last * self.round_trees

    @property
    def weights(self) -> Floats:
        """Factors on the values of the trees, float64 of shape (trees,); 1 except where dropout changed them.

        The result is a copy; assign an array to change them.
        """
        return np.array(self._weights)

    @weights.setter
    def weights(self, values: Floats) -> None:
        given = np.array(values, dtype=np.float64)
        if given.shape != (self.trees,) or not np.isfinite(given).all():
            raise ValueError(f"weights must be {self.trees} finite numbers, got {values!r}")
        self._weights = given.tolist()
        self.revision += 1

    def add(self, tree: Tree, output: int, copy: bool = True) -> None:
        """Append a tree, of weight 1.

        Parameters
        ----------
        tree : Tree
        output : int
            The output that it adds to; 0 for vector leaves.
        copy : bool
            Whether to copy its arrays. Without a copy, the caller must not change them afterwards.

        Raises
        ------
        ValueError
            For an output out of range, and for leaves of another shape than those of the forest.
        """
        outputs = 1 if self.vector else self.n_outputs
        if not 0 <= output < outputs:
            raise ValueError(f"output must be in [0, {outputs}), got {output}")
        given = tree.vectors.shape[1] if tree.vectors.size else 0
        expected = self.n_outputs if self.vector else 0
        if given != expected:
            ours, theirs = (f"vectors of {n}" if n else "single values" for n in (expected, given))
            raise ValueError(f"the leaves of this forest hold {ours}, those of the tree hold {theirs}")
        if copy:
            tree = replace(tree, **{f.name: getattr(tree, f.name).copy() for f in fields(tree)})
        self.extend([tree], [output])

    def extend(
        self, trees: Sequence[Tree], outputs: Sequence[int], weights: Sequence[float] | None = None
    ) -> None:
        """Append several trees at once: an interrupt at any point leaves either all of them or none.

        Parameters
        ----------
        trees : sequence of Tree
            Not copied: the caller must not change their arrays afterwards.
        outputs : sequence of int
            The output that each adds to.
        weights : sequence of float, optional
            The weights of all trees of the forest, those before included; by default those stay, and the new
            ones are 1.
        """
        count = self.trees
        del self._trees[count:], self._outputs[count:]  # what an interrupt has left
        self._trees.extend(trees)
        self._outputs.extend(outputs)
        if weights is None:
            self._weights.extend([1.0] * len(trees))
        else:
            self._weights = list(weights)

    def truncate(self, trees: int, weights: Floats | None = None) -> None:
        """Remove all trees but the first `trees`, and give these other weights, if there are any given."""
        if not 0 <= trees <= self.trees:
            raise ValueError(f"trees must be in [0, {self.trees}], got {trees}")
        self.revision += 1
        self._packed = None
        self._weights = self._weights[:trees] if weights is None else np.asarray(weights).tolist()
        del self._trees[trees:], self._outputs[trees:]

    def slice(self, begin: int, end: int, step: int = 1) -> Forest:
        """Return a forest of every `step`-th round from `begin` to ``end - 1``; the trees are shared.

        Raises
        ------
        ValueError
            For rounds that the forest does not have, and for a step below 1.
        """
        self.trees_of_rounds(begin, end)
        if step < 1:
            raise ValueError(f"step must be at least 1, got {step}")
        other = Forest(self.n_outputs, self.parallel, self.vector)
        for first in range(begin * self.round_trees, end * self.round_trees, step * self.round_trees):
            chosen = slice(first, first + self.round_trees)
            weights = other._weights + self._weights[chosen]
            other.extend(self._trees[chosen], self._outputs[chosen], weights)
        return other

    def copy(self) -> Forest:
        """Return another forest of the same trees; their arrays are shared, because they never change."""
        other = Forest(self.n_outputs, self.parallel, self.vector)
        other.extend(self._trees[: self.trees], self._outputs[: self.trees], self._weights)
        return other

    def __len__(self) -> int:
        return self.trees

    def __getitem__(self, t: int) -> Tree:
        if not 0 <= t < self.trees:
            raise IndexError(f"tree {t} of a forest of {self.trees}")
        return self._trees[t]

    def output(self, t: int) -> int:
        """Return the output that tree `t` adds to."""
        return self._outputs[t]

    def importance(self, kind: str, features: int) -> Floats:
        """Return the importance of each feature; float64, shape (features,).

        Parameters
        ----------
        kind : {"weight", "gain", "cover", "total_gain", "total_cover"}
            The number of splits by the feature; the mean, or the sum, of their gains, or of the hessians of
            their nodes.
        features : int
            Number of features.

        Raises
        ------
        ValueError
            For an unknown kind.
        """
        kinds = ("weight", "gain", "cover", "total_gain", "total_cover")
        if kind not in kinds:
            raise ValueError(f"importance must be one of {kinds}, got {kind!r}{nearest(kind, kinds)}")
        trees = self._trees[: self.trees]
        if not trees:
            return np.zeros(features)
        inner = np.concatenate([tree.left for tree in trees]) != NO_NODE
        feature = np.concatenate([tree.feature for tree in trees])[inner]
        count = np.bincount(feature, minlength=features).astype(np.float64)
        if kind == "weight":
            return count
        column = "gain" if kind.endswith("gain") else "hessian"
        amounts = np.concatenate([getattr(tree, column) for tree in trees])[inner].astype(np.float64)
        total = np.bincount(feature, weights=amounts, minlength=features).astype(np.float64)
        return total if kind.startswith("total") else total / np.maximum(count, 1)

    def add_margins(self, x: NDArray[np.float32], margin: Floats, first: int, last: int) -> bool:
        """Add the values of the trees ``first`` to ``last - 1`` to the margins of dense rows.

        Parameters
        ----------
        x : float32 array of shape (rows, features), row-major
            NaN means missing.
        margin : float64 array of shape (rows, n_outputs), row-major
            Changed in place. Trees are added in their order, so that the result does not depend on how rows
            or rounds are divided among calls.

        Returns
        -------
        bool
            Whether `x` holds an infinity.
        """
        from boost.forest.predict import add_trees

        p = self._packed
        if p is None or p.count < last or p.source is not self._weights:
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
        """Add the values of trees to the margins of rows of a sparse table, as `add_margins` for dense rows.

        Parameters
        ----------
        starts, features, values : arrays
            The present entries in CSR layout, as `boost.DMatrix.by_row` returns them.
        columns : int
            Number of features.
        margin, first, last
            As for `add_margins`.
        """
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
        """Return the trees as arrays for the prediction kernels; made once, then extended."""
        from boost.forest.packed import PackedForest

        packed, weights = self._packed or PackedForest(self.n_outputs), self._weights
        if packed.count < len(weights) or packed.source is not weights:
            packed.extend(self._trees, self._outputs, weights)
        self._packed = packed
        return packed

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_packed": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        # Pickles of version 0.1 have the first names.
        renamed = {"groups": "n_outputs", "_group": "_outputs"}
        self.__dict__.update({renamed.get(name, name): value for name, value in state.items()})

"""`GrownTree`: a newly grown tree with the training rows of its leaves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from boost.forest.tree import Tree

if TYPE_CHECKING:
    from boost.threads import Team

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class GrownTree:
    """A tree and the training rows of its leaves: the result of a grower.

    The arrays may be views of a grower's buffers: they are valid until its next tree.

    Attributes
    ----------
    tree : Tree
    rows : uint32 array of shape (rows,)
        All rows of the training table, leaf after leaf.
    leaves : int64 array of shape (leaves,)
        Node numbers of the leaves.
    begins, ends : int64 arrays of shape (leaves,)
        The range of each leaf in `rows`.
    """

    tree: Tree
    rows: NDArray[np.uint32]
    leaves: NDArray[np.int64]
    begins: NDArray[np.int64]
    ends: NDArray[np.int64]

    def with_leaf_values(self, values: Floats) -> GrownTree:
        """Return the same tree with other leaf values.

        Parameters
        ----------
        values : float64 array of shape (leaves,), or (leaves, outputs) for leaf vectors
            Including the learning rate.
        """
        if values.ndim == 2:
            vectors = self.tree.vectors.copy()
            vectors[self.leaves] = values
            return replace(self, tree=replace(self.tree, vectors=vectors))
        condition, weight = self.tree.condition.copy(), self.tree.base_weight.copy()
        condition[self.leaves] = weight[self.leaves] = values
        return replace(self, tree=replace(self.tree, condition=condition, base_weight=weight))

    def add_to(self, margin: Floats, team: Team) -> None:
        """Add each leaf's value to the margins of its rows, without traversing the tree. O(rows).

        Parameters
        ----------
        margin : float64 array of shape (rows,), or (rows, outputs) for leaf vectors
            Changed in place.
        team : Team
        """
        from boost.forest.leaf_kernels import add_leaves, add_vectors

        kernel = add_leaves if margin.ndim == 1 else add_vectors
        values = (self.tree.condition if margin.ndim == 1 else self.tree.vectors)[self.leaves]

        def add(first: int, last: int) -> None:
            kernel(self.rows, self.begins, self.ends, values, first, last, margin)

        team.share(add, self.leaves.size, work=self.rows.size * 2.0)

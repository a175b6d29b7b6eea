"""`Tree`: one regression tree as a structure of arrays, with the fields of XGBoost's model file."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

NO_NODE = -1


@dataclass(frozen=True, slots=True, eq=False)
class Tree:
    """A binary tree; node 0 is the root. Arrays have the shape (nodes,), except where another one is given.

    Attributes
    ----------
    left, right : int32
        The children, -1 for a leaf. They are adjacent, ``right == left + 1``: XGBoost relies on it.
    parent : int32
        -1 for the root.
    feature : int32
        The feature that a node splits by; 0 for a leaf.
    condition : float32
        The threshold: a row goes left when its value is below it. For a leaf: its value, learning rate
        included.
    default_left : uint8
        Whether a missing value goes left.
    base_weight : float32
        The optimal weight of a node, without the learning rate; for a leaf, its value.
    gain : float32
        Gain of the split; 0 for a leaf.
    hessian : float32
        Sum of the hessians of the node's rows.
    categories : int32 array of shape (total,)
        The categories that go right, node after node, increasing within a node; all others go left, and
        missing values as `default_left` defines.
    category_starts : int64 array of shape (nodes + 1,), or (0,) for a tree without categorical splits
        The range of a node in `categories`; a node whose range is empty compares with `condition`.
    vectors : float32 array of shape (nodes, outputs), or (0, 0) for a tree of one output
        In place of `condition` at leaves and of `base_weight`: a value for each output of the model.
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

"""Names and constants of XGBoost's model format, shared by its reader and its writer."""

from __future__ import annotations

from typing import Any

import numpy as np

VERSION = [3, 2, 0]  # of the format
NEWEST = [3, 4]  # version that is supported
# The parent of the root; -1 in trees with vector leaves.
ROOT_PARENT = 2**31 - 1
# Prefix of the attributes for which XGBoost's format has no entry.
PREFIX = "espalier_"
CATEGORIES = PREFIX + "categories"  # dictionaries of booleans, fractions or a mixture
DROPOUT = PREFIX + "dropout"  # weights of trees with vector leaves
CLASSES = PREFIX + "classes"  # labels of a classifier
# Bound on the categories of a feature: codes must be exact in float32.
MOST_CATEGORIES = 1 << 24
# File name of each tree array, the field of `Tree`, and whether it holds whole numbers.
TREE_ARRAYS = (
    ("left_children", "left", True),
    ("right_children", "right", True),
    ("parents", "parent", True),
    ("split_indices", "feature", True),
    ("split_conditions", "condition", False),
    ("default_left", "default_left", True),
    ("loss_changes", "gain", False),
    ("sum_hessian", "hessian", False),
)


def as_list(values: Any) -> Any:
    """Return a list for an array: UBJSON is decoded to arrays, JSON to lists."""
    return values.tolist() if isinstance(values, np.ndarray) else values

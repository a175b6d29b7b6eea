"""What reader and writer of model files agree on."""

from __future__ import annotations

from typing import Any

import numpy as np

VERSION = [3, 2, 0]  # of the format
NEWEST = [3, 4]  # that is known
# What the root has in place of a parent; XGBoost has -1 in trees whose leaves are vectors.
ROOT_PARENT = 2**31 - 1
# Our attributes, for what XGBoost's format has no place for, begin with this.
OWN = "espalier_"
CATEGORIES = OWN + "categories"  # dictionaries of booleans, fractions or a mixture
CLASSES = OWN + "classes"  # labels of a classifier
# Most categories of a feature: a code must be exact as float32.
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


def listed(values: Any) -> Any:
    """Return a list in place of an array; UBJSON has arrays, JSON has lists."""
    return values.tolist() if isinstance(values, np.ndarray) else values

"""LightGBM's text of random trees, and a traversal in Python as LightGBM documents it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

FEATURES = 4
# The features from this one on are categorical.
CATEGORICAL = 3
TINY = float(np.float32(1e-35))
# Thresholds that are special: zero, next to it, halfway between two float32, and beyond them.
THRESHOLDS = (0.0, TINY, -TINY, 1e-40, -1e-40, 0.1, -0.1, 1.0, -1.0, 0.5 + 2**-30, 1e300, -1e300, np.inf)
KINDS = {"None": 0, "Zero": 1, "NaN": 2}


@dataclass(frozen=True)
class TextTree:
    """A tree in LightGBM's arrays; `sets` holds the categories that a split lists, or None."""

    left: list[int]
    right: list[int]
    feature: list[int]
    threshold: list[float]
    missing: list[str]
    default_left: list[bool]
    sets: list[set[int] | None]
    leaves: list[float]

    def text(self, number: int) -> str:
        """Return the block of this tree."""
        threshold, words, bounds, decisions = list(self.threshold), [], [0], []
        for n, listed in enumerate(self.sets):
            kind = KINDS[self.missing[n]] * 4 + 2 * self.default_left[n] + (listed is not None)
            decisions.append(kind)
            if listed is not None:
                threshold[n] = len(bounds) - 1
                count = max(listed, default=0) // 32 + 1
                words += [sum(1 << (c % 32) for c in listed if c // 32 == w) for w in range(count)]
                bounds.append(len(words))
        splits = len(self.left)
        entries: dict[str, Any] = {
            "num_leaves": [len(self.leaves)],
            "num_cat": [len(bounds) - 1],
            "split_feature": self.feature,
            "split_gain": [1.0] * splits,
            "threshold": threshold,
            "decision_type": decisions,
            "left_child": self.left,
            "right_child": self.right,
            "leaf_value": self.leaves,
            "leaf_weight": [2.0] * len(self.leaves) if splits else [],
            "internal_value": [0.25] * splits,
        }
        if len(bounds) > 1:
            entries |= {"cat_boundaries": bounds, "cat_threshold": words}
        entries |= {"is_linear": [0], "shrinkage": [1]}
        lines = [f"{name}={' '.join(map(repr, values))}" for name, values in entries.items()]
        return "\n".join([f"Tree={number}", *lines]) + "\n\n\n"

    def leaf_value(self, row: np.ndarray) -> float:
        """Return the value of a row; numbers up to 1e-35 count as zero."""
        n = 0 if self.left else -1
        while n >= 0:
            value, listed = float(row[self.feature[n]]), self.sets[n]
            value = 0.0 if abs(value) <= TINY else value
            if listed is not None:
                left = not np.isnan(value) and value >= 0 and int(value) in listed
            else:
                missing = self.missing[n]
                if np.isnan(value) and missing != "NaN":
                    value = 0.0
                if (missing == "Zero" and value == 0.0) or np.isnan(value):
                    left = self.default_left[n]
                else:
                    left = value <= self.threshold[n]
            n = self.left[n] if left else self.right[n]
        return self.leaves[~n]


def random_text_tree(rng: np.random.Generator, splits: int, missing: str | None = None) -> TextTree:
    """Return a tree of random splits, numbered as LightGBM does."""
    left, right, feature, sets = [], [], [], []
    parents: list[tuple[list[int], int] | None] = [None]
    for n in range(splits):
        leaf = int(rng.integers(len(parents)))
        if (place := parents[leaf]) is not None:
            place[0][place[1]] = n
        left.append(~leaf)
        right.append(~(n + 1))
        parents[leaf] = (left, n)
        parents.append((right, n))
        feature.append(int(rng.integers(FEATURES)))
        listed = set(rng.integers(0, rng.choice([3, 33, 70]), rng.integers(0, 4)).tolist())
        sets.append(listed if feature[-1] >= CATEGORICAL else None)
    kinds = rng.choice(list(KINDS), splits).tolist() if missing is None else [missing] * splits
    return TextTree(
        left=left,
        right=right,
        feature=feature,
        threshold=rng.choice([*THRESHOLDS, *rng.normal(size=8)], splits).tolist(),
        missing=kinds,
        default_left=(rng.random(splits) < 0.5).tolist(),
        sets=sets,
        leaves=rng.normal(size=splits + 1).tolist(),
    )


def model_text(trees: list[TextTree], **header: str) -> bytes:
    """Return a whole file."""
    entries = {
        "version": "v4",
        "num_class": "1",
        "num_tree_per_iteration": "1",
        "label_index": "0",
        "max_feature_idx": str(FEATURES - 1),
        "objective": "regression",
        "feature_names": " ".join(f"Column_{f}" for f in range(FEATURES)),
        "feature_infos": " ".join(["[-3:3]"] * CATEGORICAL + ["0:1:2"] * (FEATURES - CATEGORICAL)),
        **header,
    }
    head = "\n".join(["tree", *(f"{name}={value}" if value else name for name, value in entries.items())])
    body = "".join(tree.text(t) for t, tree in enumerate(trees))
    return f"{head}\n\n{body}end of trees\n\npandas_categorical:null\n".encode()


def random_rows(rng: np.random.Generator, rows: int) -> np.ndarray:
    """Rows with zeros, numbers next to zero, missing values, and codes of categories."""
    special = np.array([0, 1e-35, -1e-35, 1.1e-35, -1.1e-35, 1e-40, np.nan, 1, -1, 0.1, 0.5, 3e38, -3e38])
    x = np.where(
        rng.random((rows, FEATURES)) < 0.6,
        rng.choice(special, (rows, FEATURES)),
        rng.normal(size=(rows, FEATURES)),
    )
    codes = rng.choice([0, 1, 2, 5, 31, 32, 40, 69, 1000, -1, np.nan, 1.5], (rows, FEATURES - CATEGORICAL))
    x[:, CATEGORICAL:] = codes
    return x.astype(np.float32)

"""A table whose labels need interactions, and labels of several kinds, shared by the tests of training."""

from __future__ import annotations

import numpy as np


def rough_table(seed: int = 0, rows: int = 60_000) -> tuple[np.ndarray, np.ndarray]:
    """Return a table with missing values, and a label that needs interactions."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 8)).astype(np.float32)
    x[rng.random(x.shape) < 0.1] = np.nan
    y = (
        np.nan_to_num(x[:, 0]) * np.nan_to_num(x[:, 1])
        + np.sin(np.nan_to_num(x[:, 2]))
        + rng.normal(size=rows)
    )
    return x, y


OBJECTIVES = {
    "reg:squarederror": lambda y: y,
    "binary:logistic": lambda y: y > 0,
    "multi:softprob": lambda y: np.digitize(y, [-1, 1]),
    "rank:pairwise": lambda y: np.digitize(y, [-1, 1]),
}

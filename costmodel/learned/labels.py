"""What cost models learn from throughputs: labels that are comparable between tasks."""

from __future__ import annotations

from typing import Any

import numpy as np

# logarithm by which a program that failed is slower than the slowest that ran
FAILED = 1.0


def checked(features: Any, throughputs: Any, groups: Any = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return features as float32, throughputs as float64 and groups as int64, all of n rows.

    Raises
    ------
    ValueError
        If the shapes do not fit, or a throughput is negative or not finite.
    """
    features, throughputs = np.asarray(features, np.float32), np.asarray(throughputs, np.float64)
    if features.ndim != 2 or throughputs.shape != (len(features),) or not len(features):
        raise ValueError(
            f"features of shape (n, f) and throughputs of shape (n,) are needed with n > 0, "
            f"not {features.shape} and {throughputs.shape}"
        )
    if not np.all(np.isfinite(throughputs)) or throughputs.min() < 0:
        raise ValueError("throughputs must be finite and not negative; zero means a failure")
    groups = np.zeros(len(features), np.int64) if groups is None else np.asarray(groups)
    if groups.shape != (len(features),) or groups.dtype.kind not in "iu":
        raise ValueError(
            f"groups must be a whole number for each of the {len(features)} rows, not {groups.dtype} "
            f"of shape {groups.shape}"
        )
    return features, throughputs, groups.astype(np.int64)


def relative_speeds(throughputs: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return throughputs divided by the best one of their group, 0 to 1, shape (n,)."""
    best = _best(throughputs, groups)
    return throughputs / np.where(best > 0, best, 1.0)


def log_speeds(throughputs: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return the natural logarithms of `relative_speeds`, at most 0, shape (n,).

    A program that failed is `FAILED` below the slowest of its group that ran.
    """
    speeds = relative_speeds(throughputs, groups)
    ran = speeds > 0
    logarithms = np.log(np.where(ran, speeds, 1.0))
    slowest = _best(np.where(ran, -logarithms, 0.0), groups)
    return np.where(ran, logarithms, -slowest - FAILED)


def _best(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """The greatest value of the group of each row."""
    _, number = np.unique(groups, return_inverse=True)
    greatest = np.zeros(number.max(initial=0) + 1)
    np.maximum.at(greatest, number, values)
    return greatest[number]

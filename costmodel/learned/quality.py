"""Measures of a cost model: how well its scores order programs whose throughputs were measured."""

from __future__ import annotations

import numpy as np


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Return Spearman's rank correlation of two sequences; NaN for fewer than two values or a constant
    one.
    """
    a, b = _pair(a, b)
    if len(a) < 2 or np.all(a == a[0]) or np.all(b == b[0]):
        return float("nan")
    from scipy.stats import spearmanr

    return float(spearmanr(a, b).statistic)


def pairwise_accuracy(scores: np.ndarray, throughputs: np.ndarray, *, noise: float = 0.0) -> float:
    """Return the share of the pairs of programs that scores order as measured.

    A pair with equal scores counts half. 0.5 is the accuracy of random scores.

    Parameters
    ----------
    scores, throughputs : ndarray of float64, shape (n,)
        Higher for faster programs.
    noise : float
        Relative noise of the measurements: pairs whose throughputs differ by at most this share of the higher
        one are left out.

    Returns
    -------
    float
        NaN if no pair remains.
    """
    scores, throughputs = _pair(scores, throughputs)
    if not 0 <= noise < 1:
        raise ValueError(f"noise is a share, 0 or more and less than 1, not {noise}")
    i, j = np.triu_indices(len(scores), 1)
    difference = throughputs[i] - throughputs[j]
    kept = np.abs(difference) > noise * np.maximum(throughputs[i], throughputs[j])
    if not kept.any():
        return float("nan")
    agreement = np.sign(scores[i] - scores[j]) * np.sign(difference)
    return float(np.mean(agreement[kept] + 1) / 2)


def top_recall(scores: np.ndarray, throughputs: np.ndarray, n: int) -> float:
    """Return the share of the `n` fastest programs that are among the `n` of the highest scores.

    Raises
    ------
    ValueError
        If there are fewer than `n` programs, or `n` is less than 1.
    """
    scores, throughputs = _pair(scores, throughputs)
    if not 1 <= n <= len(scores):
        raise ValueError(f"n must be between 1 and the number of programs, {len(scores)}, not {n}")
    best = [set(np.argsort(-values, kind="stable")[:n].tolist()) for values in (scores, throughputs)]
    return len(best[0] & best[1]) / n


def _pair(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"two sequences of equal length are needed, not {a.shape} and {b.shape}")
    return a, b

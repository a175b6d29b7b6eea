"""Sampling of the rows of a tree, and of the features of a tree, a level and a node."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from boost.params import Params

Floats = NDArray[np.float64]
Features = NDArray[np.int32]


def sample_rows(grad: Floats, hess: Floats, params: Params, rng: np.random.Generator) -> Floats:
    """Draw the rows that one tree is grown from.

    Parameters
    ----------
    grad, hess : float64 arrays of shape (rows,) or (rows, n_outputs)
        Gradient pairs. "gradient_based" requires them multiplied by the row weights; "uniform" reads only the
        number of rows.
    params : Params
        "subsample", "sampling_method" and "lambda" are read.
    rng : numpy.random.Generator
        One uniform number per row is drawn from it, none when "subsample" is 1.

    Returns
    -------
    float64 array of shape (rows,) or (0,)
        The factor by which each gradient pair is multiplied, zero for a row that is not sampled. Empty when
        "subsample" is 1: every row is used with the factor 1.

    Notes
    -----
    "uniform" samples each row with probability ``subsample``, and the factor of a sampled row is 1.

    "gradient_based" samples each row with probability ``min(s / t, 1)``, where ``s = sqrt(g**2 + lambda *
    h**2)``, the squares summed over the outputs, and t is such that ``subsample * rows`` rows are expected.
    The factor of a sampled row is the inverse of its probability, so that sums of gradient pairs are unbiased
    (R. Ou, "Out-of-core GPU gradient boosting", arXiv 2005.09148, section 3.2; minimal variance sampling,
    arXiv 1910.13204).
    """
    fraction = params["subsample"]
    rows = grad.shape[0]
    if fraction >= 1.0:
        return np.empty(0)
    draws = rng.random(rows)
    if params["sampling_method"] == "uniform":
        return (draws < fraction).astype(np.float64)
    squares = grad * grad + params["lambda"] * hess * hess
    scores = np.sqrt(squares if squares.ndim == 1 else squares.sum(axis=1))
    probability = np.minimum(scores / _threshold(scores, fraction * rows), 1.0)
    return np.divide(draws < probability, probability, out=np.zeros(rows), where=probability > 0)


def _threshold(scores: Floats, count: float) -> float:
    """Return the t for which the sum of ``min(scores / t, 1)`` is `count`.

    Parameters
    ----------
    scores : float64 array of shape (rows,)
        Not negative.
    count : float
        Expected number of sampled rows, below ``rows``.

    Returns
    -------
    float
        Positive. When no t solves the equation, because no more than `count` scores are above zero, the
        smallest of these: every row with such a score is drawn.
    """
    ordered = np.sort(scores)
    sums = np.cumsum(ordered)
    # If t lies between the k-th and the next score, sums[k - 1] / t + (rows - k) = count.
    k = np.arange(1, ordered.size + 1)
    remaining = count - (ordered.size - k)
    with np.errstate(divide="ignore"):
        t = np.where(remaining > 0, sums / np.where(remaining > 0, remaining, 1.0), np.inf)
    is_solution = t >= ordered
    is_solution[:-1] &= t[:-1] <= ordered[1:]
    solutions = t[is_solution & np.isfinite(t)]
    if solutions.size and solutions[0] > 0:
        return float(solutions[0])
    return float(np.min(scores, where=scores > 0, initial=np.inf))


class ColumnSampler:
    """Features sampled for one tree, for each of its levels and for each of its nodes.

    The features of a level are drawn from those of the tree, and the features of a node from those of its
    level, always without replacement. A draw of fraction p from n features keeps ``max(1, int(n * p))``.

    Parameters
    ----------
    features : int
        Number of features of the table.
    params : Params
        "colsample_bytree", "colsample_bylevel" and "colsample_bynode" are read.
    weights : float64 array of shape (features,) or (0,)
        Each of the successive draws selects a feature with probability proportional to its weight among the
        features that remain. Empty for equal weights.
    rng : numpy.random.Generator

    Attributes
    ----------
    tree : int32 array of shape (features of the tree,)
        Indices of the features of the tree, increasing.
    """

    def __init__(self, features: int, params: Params, weights: Floats, rng: np.random.Generator) -> None:
        self._params = params
        self._weights = weights
        self._rng = rng
        self._levels: dict[int, Features] = {}
        self.tree = self._draw(np.arange(features, dtype=np.int32), params["colsample_bytree"])

    @property
    def by_node(self) -> bool:
        """Whether features are drawn for each node, rather than for each level only."""
        return bool(self._params["colsample_bynode"] < 1.0)

    def level(self, depth: int) -> Features:
        """Return the features of a level, increasing int32 indices; drawn once per depth."""
        if depth not in self._levels:
            self._levels[depth] = self._draw(self.tree, self._params["colsample_bylevel"])
        return self._levels[depth]

    def node(self, depth: int) -> Features:
        """Draw the features of one node at this depth, increasing int32 indices; each call is a new draw."""
        return self._draw(self.level(depth), self._params["colsample_bynode"])

    def _draw(self, features: Features, fraction: float) -> Features:
        """Draw a fraction of the given features without replacement; all of them when it is 1."""
        if fraction >= 1.0:
            return features
        count = max(1, int(features.size * fraction))
        if self._weights.size == 0:
            return np.sort(self._rng.choice(features, size=count, replace=False)).astype(np.int32)
        # Give each feature an exponential random key of rate equal to its weight: the features with the
        # smallest keys are a weighted sample without replacement. The key of zero weight is infinite.
        with np.errstate(divide="ignore"):
            keys = self._rng.exponential(size=features.size) / self._weights[features]
        order = np.lexsort((features, keys))[:count]
        return np.sort(features[order]).astype(np.int32)

"""Samples: the rows that a tree learns from, and the features that a tree, a level and a node may use."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from boost.params import Params

Floats = NDArray[np.float64]
Features = NDArray[np.int32]


def sample_rows(grad: Floats, hess: Floats, params: Params, rng: np.random.Generator) -> Floats:
    """Draw the rows of a tree.

    Parameters
    ----------
    grad, hess : float64 arrays of shape (rows,) or (rows, outputs)
        With the weights of the rows.
    params : dict
        "subsample", "sampling_method" and "lambda".
    rng : numpy.random.Generator

    Returns
    -------
    float64 array of shape (rows,) or (0,)
        The factor on the weight of each row, zero for a row that is left out; empty when all take part.

    Notes
    -----
    "gradient_based" takes a row with a chance in proportion to ``sqrt(g**2 + lambda * h**2)`` and at most
    one, and weighs it by one over that chance, so that sums keep their expectation (R. Ou, "Out-of-core GPU
    gradient boosting", arXiv 2005.09148, section 3.2; minimal variance sampling, arXiv 1910.13204).
    """
    fraction = params["subsample"]
    rows = grad.shape[0]
    if fraction >= 1.0:
        return np.empty(0)
    draws = rng.random(rows)
    if params["sampling_method"] == "uniform":
        return (draws < fraction).astype(np.float64)
    size = grad * grad + params["lambda"] * hess * hess
    size = np.sqrt(size if size.ndim == 1 else size.sum(axis=1))
    chance = np.minimum(size / _threshold(size, fraction * rows), 1.0)
    return np.divide(draws < chance, chance, out=np.zeros(rows), where=chance > 0)


def _threshold(size: Floats, count: float) -> float:
    """Return the t for which the sum of min(size / t, 1) is `count`."""
    ordered = np.sort(size)
    below = np.cumsum(ordered)
    # With the k smallest rows below t: below[k - 1] / t + (rows - k) = count.
    k = np.arange(1, ordered.size + 1)
    room = count - (ordered.size - k)
    with np.errstate(divide="ignore"):
        t = np.where(room > 0, below / np.where(room > 0, room, 1.0), np.inf)
    fits = t >= ordered
    fits[:-1] &= t[:-1] <= ordered[1:]
    found = np.flatnonzero(fits & np.isfinite(t))
    # No row is large, or all gradients are zero: any t will do.
    return float(t[found[0]]) if found.size and t[found[0]] > 0 else 1.0


class ColumnSampler:
    """The features of one tree, of its levels and of its nodes; each is drawn from the one before.

    Parameters
    ----------
    features : int
        Number of features of the table.
    params : dict
        "colsample_bytree", "colsample_bylevel" and "colsample_bynode".
    weights : float64 array of shape (features,) or (0,)
        A feature of twice the weight is twice as likely to be drawn; an empty array means one each.
    rng : numpy.random.Generator

    Attributes
    ----------
    tree : int32 array
        The features of the tree, increasing.
    """

    def __init__(self, features: int, params: Params, weights: Floats, rng: np.random.Generator) -> None:
        self._params = params
        self._weights = weights
        self._rng = rng
        self._levels: dict[int, Features] = {}
        self.tree = self._draw(np.arange(features, dtype=np.int32), params["colsample_bytree"])

    @property
    def by_node(self) -> bool:
        """Whether nodes of one level have features of their own."""
        return bool(self._params["colsample_bynode"] < 1.0)

    def level(self, depth: int) -> Features:
        """Return the features of a level, increasing; the same ones each time."""
        if depth not in self._levels:
            self._levels[depth] = self._draw(self.tree, self._params["colsample_bylevel"])
        return self._levels[depth]

    def node(self, depth: int) -> Features:
        """Draw the features of a node of this level, increasing."""
        return self._draw(self.level(depth), self._params["colsample_bynode"])

    def _draw(self, features: Features, fraction: float) -> Features:
        if fraction >= 1.0:
            return features
        count = max(1, int(features.size * fraction))
        if self._weights.size == 0:
            return np.sort(self._rng.choice(features, size=count, replace=False)).astype(np.int32)
        # The smallest of exponential draws of rate w: one after the other, each in proportion to its weight.
        with np.errstate(divide="ignore"):
            keys = self._rng.exponential(size=features.size) / self._weights[features]
        order = np.lexsort((features, keys))[:count]
        return np.sort(features[order]).astype(np.int32)

"""Feature contributions: exact Shapley values, Shapley interactions, and an approximation."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from boost.forest.forest import Forest
from boost.forest.shapley import credit_features, credit_path, outline_trees
from boost.forest.traverse import share_rows

if TYPE_CHECKING:
    from boost.data.dmatrix import DMatrix
    from boost.forest.predict import PackedForest
    from boost.model.model import Model

Floats = NDArray[np.float64]
# Estimated nanoseconds per row, node and quadrature point; per row and path. Threads start by them.
POINT_WORK, PATH_WORK = 1.5, 50.0


@cache
def _rule(count: int) -> Floats:
    """Return Gauss-Legendre points t in (0, 1), weights w, and w / (1 - t); float64, shape (3, count)."""
    points, weights = np.polynomial.legendre.leggauss(count)
    return np.stack(((1.0 + points) / 2.0, weights / 2.0, weights / (1.0 - points)))


class Outlines:
    """A range of trees in the form that the kernels of `boost.forest.shapley` traverse.

    Parameters
    ----------
    forest : Forest
    first, last : int
        The range of the trees.
    features : int
        Number of features of the table.

    Attributes
    ----------
    packed : PackedForest
    used : int64 array of shape (used,)
        The features that the trees split by, increasing.
    steps, shares, starts, points : arrays
        See `boost.forest.shapley.credit_features`.
    rules : float64 array of shape (most points + 1, 3, most points)
        The quadrature rule for each number of points in use; see `boost.forest.shapley.credit_features`.
    means : float64 array of shape (nodes, outputs of a tree)
        The mean of the leaves below each node.
    expected : float64 array of shape (outputs,)
        The sum of the means of the trees.
    """

    def __init__(self, forest: Forest, first: int, last: int, features: int) -> None:
        self.packed: PackedForest = forest.packed()
        self.first, self.last = first, last
        p, trees = self.packed, range(first, last)
        sizes = [forest[t].size for t in range(last)]
        end, size = sum(sizes), sum(sizes[first:])
        used = np.zeros(features, dtype=bool)
        inner = p.nodes[end - size : end, 2] != np.arange(end - size, end)
        used[(p.nodes[end - size : end, 0][inner] & 0x7FFFFFFF) >> 1] = True
        self.used = np.flatnonzero(used)
        place = np.cumsum(used) - 1
        cover = np.concatenate([np.empty(0, np.float32), *(forest[t].hessian for t in range(last))])
        self.steps = np.empty((size, 6), dtype=np.int32)
        self.shares = np.empty((size, 2))
        self.starts = np.zeros(len(trees) + 1, dtype=np.int64)
        self.points = np.zeros(len(trees), dtype=np.int64)
        self.means = np.empty((end, forest.n_outputs if forest.vector else 1))
        outline_trees(
            p.nodes,
            p.number,
            cover,
            p.vectors,
            p.trees,
            first,
            place,
            self.steps,
            self.shares,
            self.starts,
            self.points,
            self.means,
        )
        self.expected = np.zeros(forest.n_outputs)
        for t, weight in zip(trees, forest.weights[first:last], strict=True):
            mean = weight * self.means[p.trees[t, 0]]
            if forest.vector:
                self.expected += mean
            else:
                self.expected[forest.output(t)] += mean[0]
        most = int(self.points.max(initial=1))
        self.rules = np.zeros((most + 1, 3, most))
        for n in np.unique(self.points[self.points > 0]):
            self.rules[n, :, :n] = _rule(int(n))

    def work(self, approximate: bool) -> float:
        """Estimate the nanoseconds that one row takes."""
        if approximate:
            return PATH_WORK * (self.last - self.first)
        return POINT_WORK * float(np.diff(self.starts) @ self.points)


def contributions(
    model: Model,
    table: DMatrix,
    trees: tuple[int, int],
    *,
    approximate: bool = False,
    pairs: bool = False,
) -> Floats:
    """Return what each feature contributes to the margins of a table.

    Parameters
    ----------
    model : Model
    table : DMatrix
        In the model's columns and codes, see `Model.fit_table`.
    trees : (int, int)
        The range of the trees.
    approximate : bool
        Credit the features of the splits on the path of a row with the change of the mean (Saabas), in place
        of Shapley values.
    pairs : bool
        Return the interactions of pairs of features.

    Returns
    -------
    float64 array of shape (rows, outputs, features + 1), or (rows, outputs, features + 1, features + 1)
        The last column is the expected margin; the columns sum up to the margin. With `pairs`, rows (and
        columns) sum up to the contributions; the main effect of a feature is on the diagonal.
    """
    (first, last), features = trees, model.n_features
    outlines = Outlines(model.forest, first, last, features)
    start = model.start_margins(table)
    count, outputs = start.shape
    out = np.zeros((count, outputs, features + 1))
    out[:, :, features] = start + outlines.expected
    matrix = np.zeros((count if pairs else 0, outputs, features + 1, features + 1))
    p, o = outlines.packed, outlines

    def credit(begin: int, end: int) -> None:
        x, added = table.dense_rows(begin, end), out[begin:end]
        if approximate:
            credit_path(x, p.nodes, p.trees, p.weights, p.bits, o.means, first, last, added)
            return
        credit_features(
            x,
            o.used,
            p.nodes,
            p.trees,
            p.weights,
            p.bits,
            p.vectors,
            first,
            o.steps,
            o.shares,
            o.starts,
            o.points,
            o.rules,
            added,
            matrix[begin:end],
        )

    if first < last:
        share_rows(credit, count, count * outlines.work(approximate), model.params.nthread)
    if not pairs:
        return out
    diagonal = np.arange(features + 1)
    matrix[:, :, diagonal, diagonal] = out - matrix.sum(axis=3)
    return matrix

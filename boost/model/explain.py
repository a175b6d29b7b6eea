"""Feature contributions: exact Shapley values, Shapley interactions, and an approximation."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from boost.forest.forest import Forest
from boost.forest.outline import (
    SHARE_COLUMNS,
    STEP_COLUMNS,
    Cover,
    ForestArrays,
    Outline,
    make_traversal,
    outline_trees,
)
from boost.forest.packed import CHILD, NO_SIGN, ROOT, SPLIT
from boost.forest.saabas import credit_path
from boost.forest.shapley import RULE_ROWS, Credits, credit_features, make_scratch
from boost.forest.traverse import share_rows

if TYPE_CHECKING:
    from boost.data.dmatrix import DMatrix
    from boost.forest.packed import PackedForest
    from boost.model.model import Model

Floats = NDArray[np.float64]
# Estimated nanoseconds per row, node and quadrature point, and per row and path; they decide about threads.
POINT_WORK, PATH_WORK = 1.5, 50.0


@cache
def _quadrature_rule(count: int) -> Floats:
    """Return the Gauss-Legendre rule on [0, 1], with the rows of `Outlines.rules`; (RULE_ROWS, count)."""
    points, weights = np.polynomial.legendre.leggauss(count)
    return np.stack(((1.0 + points) / 2.0, weights / 2.0, weights / (1.0 - points)))


class Outlines:
    """The quantities of a range of trees that their contributions need, computed once for all rows.

    Parameters
    ----------
    forest : Forest
    first, last : int
        The range of the trees.
    features : int
        Number of features of the table.

    Attributes
    ----------
    arrays : ForestArrays
    depth : int
        Depth of the deepest tree.
    used : int64 array of shape (used features,)
        The features that the trees split by, increasing.
    outline : Outline
    rules : float64 array of shape (most points + 1, RULE_ROWS, most points)
        For each number of points that is needed, its integration rule.
    means : float64 array of shape (nodes, outputs of a tree)
        The mean of the leaves below each node.
    expected : float64 array of shape (outputs,)
        The sum of the means of the trees.
    """

    def __init__(self, forest: Forest, first: int, last: int, features: int) -> None:
        packed: PackedForest = forest.packed()
        self.first, self.last = first, last
        trees = range(first, last)
        self.arrays = ForestArrays(
            nodes=packed.nodes,
            values=packed.nodes.view(np.float32),
            trees=packed.trees,
            weights=packed.weights,
            bits=packed.bits,
            vectors=packed.vectors,
        )
        sizes = [forest[t].size for t in range(last)]
        end, size = sum(sizes), sum(sizes[first:])
        tested = np.zeros(features, dtype=bool)
        inner = packed.nodes[end - size : end, CHILD] != np.arange(end - size, end)
        tested[(packed.nodes[end - size : end, SPLIT][inner] & NO_SIGN) >> 1] = True
        self.used = np.flatnonzero(tested)
        hessian = np.concatenate([np.empty(0, np.float32), *(forest[t].hessian for t in range(last))])
        self.outline = Outline(
            steps=np.empty((size, STEP_COLUMNS), dtype=np.int32),
            shares=np.empty((size, SHARE_COLUMNS)),
            starts=np.zeros(len(trees) + 1, dtype=np.int64),
            points=np.zeros(len(trees), dtype=np.int64),
        )
        self.means = np.empty((end, forest.n_outputs if forest.vector else 1))
        cover, place = Cover(packed.number, hessian), np.cumsum(tested) - 1
        traversal = make_traversal(self.arrays, first, last, end)
        outline_trees(self.arrays, cover, first, place, traversal, self.outline, self.means)
        self.depth = traversal.step_of.size - 1
        self.expected = np.zeros(forest.n_outputs)
        for t, weight in zip(trees, forest.weights[first:last], strict=True):
            mean = weight * self.means[packed.trees[t, ROOT]]
            if forest.vector:
                self.expected += mean
            else:
                self.expected[forest.output(t)] += mean[0]
        points = self.outline.points
        most = int(points.max(initial=1))
        self.rules = np.zeros((most + 1, RULE_ROWS, most))
        for n in np.unique(points[points > 0]):
            self.rules[n, :, :n] = _quadrature_rule(int(n))

    def work(self, approximate: bool) -> float:
        """Estimate the nanoseconds that one row takes."""
        if approximate:
            return PATH_WORK * (self.last - self.first)
        return POINT_WORK * float(np.diff(self.outline.starts) @ self.outline.points)


def contributions(
    model: Model,
    table: DMatrix,
    trees: tuple[int, int],
    *,
    approximate: bool = False,
    interactions: bool = False,
) -> Floats:
    """Return the contribution of each feature to the margins of a table.

    Parameters
    ----------
    model : Model
    table : DMatrix
        In the model's columns and codes, see `Model.align`.
    trees : (int, int)
        The range of the trees.
    approximate : bool
        Credit the features of the splits on the path of a row with the change of the mean (Saabas), in place
        of Shapley values.
    interactions : bool
        Return the interactions of pairs of features.

    Returns
    -------
    float64 array of shape (rows, outputs, features + 1), or (rows, outputs, features + 1, features + 1)
        The last column is the expected margin; the columns sum up to the margin. With `interactions`, rows
        (and columns) sum up to the contributions; the main effect of a feature is on the diagonal.
    """
    (first, last), features = trees, model.n_features
    outlines = Outlines(model.forest, first, last, features)
    start = model.start_margins(table)
    count, outputs = start.shape
    out = np.zeros((count, outputs, features + 1))
    out[:, :, features] = start + outlines.expected
    matrix = np.zeros((count if interactions else 0, outputs, features + 1, features + 1))
    forest, outline = outlines.arrays, outlines.outline

    def credit(begin: int, end: int) -> None:
        x = table.dense_rows(begin, end)
        if approximate:
            credit_path(x, forest, outlines.means, first, last, out[begin:end])
            return
        credits = Credits(out[begin:end], matrix[begin:end] if interactions else None)
        scratch = make_scratch(
            end - begin, outlines.depth, outline, outlines.used.size, outputs, interactions
        )
        credit_features(x, outlines.used, forest, first, outline, outlines.rules, scratch, credits)

    if first < last:
        share_rows(credit, count, count * outlines.work(approximate), model.params.nthread)
    if not interactions:
        return out
    diagonal = np.arange(features + 1)
    matrix[:, :, diagonal, diagonal] = out - matrix.sum(axis=3)
    return matrix

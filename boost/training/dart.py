"""DART: rounds of boosting that leave some of the earlier trees out.

K. V. Rashmi and R. Gilad-Bachrach, "DART: Dropouts meet Multiple Additive Regression Trees", AISTATS 2015.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from boost.forest.traverse import leaf_nodes

if TYPE_CHECKING:
    from boost.booster import Booster
    from boost.data.dmatrix import DMatrix
    from boost.forest.grown import Grown
    from boost.forest.tree import Forest, Tree
    from boost.threads import Team

Floats = NDArray[np.float64]
# Bits of a margin below the largest leaf of the first tree. With 53 in all, sums up to 2**17 times that leaf
# are exact.
FINE = 36


def drop_trees(weights: Floats, params: dict[str, Any], rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw the trees that a round leaves out.

    Parameters
    ----------
    weights : float64 array of shape (trees,)
    params : dict
        "sample_type", "rate_drop", "one_drop" and "skip_drop".
    rng : numpy.random.Generator

    Returns
    -------
    int64 array
        Numbers of trees, increasing.
    """
    trees = weights.size
    if trees == 0 or (params["skip_drop"] > 0.0 and rng.random() < params["skip_drop"]):
        return np.empty(0, dtype=np.int64)
    share = weights / weights.sum() if weights.sum() > 0.0 else np.full(trees, 1.0 / trees)
    weighted = params["sample_type"] == "weighted"
    chance = params["rate_drop"] * (trees * share if weighted else np.ones(trees))
    dropped = np.flatnonzero(rng.random(trees) < chance)
    if dropped.size == 0 and params["one_drop"]:
        dropped = np.array([rng.choice(trees, p=share if weighted else None)])
    return dropped.astype(np.int64)


def normalize(dropped: int, rate: float, kind: str) -> tuple[float, float]:
    """Return the weight of a new tree, and the factor on the weights of the dropped ones.

    Parameters
    ----------
    dropped : int
        How many trees were left out.
    rate : float
        Learning rate of a new tree.
    kind : {"tree", "forest"}
        Whether a new tree shall weigh as much as each dropped one, or as all of them together.
    """
    if dropped == 0:
        return 1.0, 1.0
    if kind == "forest":
        return 1.0 / (1.0 + rate), 1.0 / (1.0 + rate)
    return 1.0 / (dropped + rate), dropped / (dropped + rate)


class ExactMargins:
    """Margins from which a tree can be taken out and put back without a trace.

    What a tree adds is rounded to a whole multiple of one unit. Sums of such numbers are exact, so that a
    training that goes on from a saved model has the same margins as one that was never interrupted, whatever
    was dropped before.

    Parameters
    ----------
    booster : Booster
    data : DMatrix
        A table that fits the model.
    team : Team

    Attributes
    ----------
    values : float64 array of shape (rows, groups)
        The margins, as of the last `refresh`.
    """

    def __init__(self, booster: Booster, data: DMatrix, team: Team) -> None:
        self._booster, self._data, self._team = booster, data, team
        self._start = booster.start_margins(data)
        self._sums = np.zeros_like(self._start)
        self._unit = 0.0
        self.values = self._start.copy()
        for t, weight in enumerate(booster.forest.weights.tolist()):
            self.change(t, self.leaves(t), 0.0, weight)
        self.refresh()

    def leaves(self, t: int) -> NDArray[np.int32]:
        """Return the leaf of each row in a tree; int32, shape (rows,)."""
        rows, forest = self._data.num_row(), self._booster.forest
        return leaf_nodes(forest, self._data.dense_rows, rows, t, t + 1, self._team)[:, 0]

    def change(self, t: int, leaves: NDArray[np.int32], before: float, after: float) -> None:
        """Change the weight of a tree."""
        tree, group = self._booster.forest[t], self._booster.forest.group(t)
        amount = self._amounts(tree, after) - self._amounts(tree, before)
        self._columns(tree, group)[...] += amount[leaves]

    def add(self, grown: Grown, group: int, weight: float) -> None:
        """Add a new tree to the margins of the table that it was grown on."""
        tree = grown.tree
        order = np.argsort(grown.begins, kind="stable")
        amount = self._amounts(tree, weight)[grown.leaves[order]]
        sizes = (grown.ends - grown.begins)[order]
        self._columns(tree, group)[grown.rows] += np.repeat(amount, sizes, axis=0)

    def refresh(self) -> None:
        """Bring `values` up to date."""
        np.add(self._start, self._sums, out=self.values)

    def _columns(self, tree: Tree, group: int) -> Floats:
        return self._sums if tree.vectors.size else self._sums[:, group]

    def _amounts(self, tree: Tree, weight: float) -> Floats:
        """Return what each leaf adds, in whole units; shape (nodes,) or (nodes, outputs)."""
        leaf = tree.left < 0
        values = tree.vectors.astype(np.float64) if tree.vectors.size else tree.condition.astype(np.float64)
        values[~leaf] = 0.0
        if self._unit == 0.0:
            # The first tree that adds anything fixes the unit: who goes on from a saved model finds it there.
            largest = float(np.abs(values).max())
            if largest == 0.0:
                return values
            self._unit = math.ldexp(1.0, max(math.frexp(largest)[1] - FINE, -1000))
        return np.rint(values * (weight / self._unit)) * self._unit


class Dropout:
    """What is left out of one round, and how it comes back.

    Parameters
    ----------
    forest : Forest
    params : dict
    margins : ExactMargins
        Of the training table; the trees that are dropped are taken out of them.
    rng : numpy.random.Generator

    Attributes
    ----------
    new_weights : list of float
        Weight of the new trees of each output.

    Notes
    -----
    The weights are normalised for each output by itself: its new trees make up for its dropped trees.
    """

    def __init__(
        self, forest: Forest, params: dict[str, Any], margins: ExactMargins, rng: np.random.Generator
    ) -> None:
        self._forest, self._margins = forest, margins
        self._before = forest.weights
        self._first_new = forest.trees
        self._dropped = drop_trees(self._before, params, rng).tolist()
        self._leaves = {t: margins.leaves(t) for t in self._dropped}
        for t, leaves in self._leaves.items():
            margins.change(t, leaves, self._before[t], 0.0)
        if self._dropped:
            margins.refresh()
        outputs = forest.round_trees // forest.parallel
        groups = [forest.group(t) for t in self._dropped]
        rate = params["eta"] / forest.parallel
        rules = [normalize(groups.count(k), rate, params["normalize_type"]) for k in range(outputs)]
        # As a model file will hold them: who goes on from a file must have the same weights.
        self.new_weights = [float(np.float32(new)) for new, _ in rules]
        self._after = self._before.copy()
        for t, k in zip(self._dropped, groups, strict=True):
            self._after[t] = np.float32(self._before[t] * rules[k][1])

    def finish(self, others: list[ExactMargins]) -> None:
        """Put the dropped trees back, weigh all trees, and bring all margins up to date.

        Parameters
        ----------
        others : list of ExactMargins
            Of the tables that are watched.
        """
        forest = self._forest
        new = range(self._first_new, forest.trees)
        forest.weights = np.concatenate((self._after, [self.new_weights[forest.group(t)] for t in new]))
        for t, leaves in self._leaves.items():
            self._margins.change(t, leaves, 0.0, self._after[t])
        self._margins.refresh()
        for margins in others:
            for t in self._dropped:
                margins.change(t, margins.leaves(t), self._before[t], self._after[t])
            for t in new:
                margins.change(t, margins.leaves(t), 0.0, self.new_weights[forest.group(t)])
            margins.refresh()

"""DART: boosting rounds that drop some of the earlier trees.

K. V. Rashmi and R. Gilad-Bachrach, "DART: Dropouts meet Multiple Additive Regression Trees", AISTATS 2015.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from boost.forest.traverse import leaf_nodes
from boost.params import seed_of

if TYPE_CHECKING:
    from boost.data.dmatrix import DMatrix
    from boost.forest.forest import Forest
    from boost.forest.grown_tree import GrownTree
    from boost.forest.tree import Tree
    from boost.model.model import Model
    from boost.params import Params
    from boost.threads import Team

Floats = NDArray[np.float64]
# Bits of the unit of a margin below the largest leaf of the first tree. With 53 bits in all, sums up to 2**17
# times that leaf are exact.
UNIT_BITS = 36


def drop_trees(weights: Floats, params: Params, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw the trees that a round drops.

    Parameters
    ----------
    weights : float64 array of shape (trees,)
    params : Params
        `sample_type`, `rate_drop`, `one_drop` and `skip_drop` are used.
    rng : numpy.random.Generator

    Returns
    -------
    int64 array
        Numbers of trees, increasing.
    """
    trees = weights.size
    if trees == 0 or (params.skip_drop > 0.0 and rng.random() < params.skip_drop):
        return np.empty(0, dtype=np.int64)
    share = weights / weights.sum() if weights.sum() > 0.0 else np.full(trees, 1.0 / trees)
    weighted = params.sample_type == "weighted"
    chance = params.rate_drop * (trees * share if weighted else np.ones(trees))
    dropped = np.flatnonzero(rng.random(trees) < chance)
    if dropped.size == 0 and params.one_drop:
        dropped = np.array([rng.choice(trees, p=share if weighted else None)])
    return dropped.astype(np.int64)


def normalize(dropped: int, rate: float, kind: str) -> tuple[float, float]:
    """Return the weight of a new tree, and the factor on the weights of the dropped ones.

    Parameters
    ----------
    dropped : int
        Number of dropped trees.
    rate : float
        Learning rate of a new tree.
    kind : {"tree", "forest"}
        Whether a new tree gets the weight of each dropped tree, or of all of them together.
    """
    if dropped == 0:
        return 1.0, 1.0
    if kind == "forest":
        return 1.0 / (1.0 + rate), 1.0 / (1.0 + rate)
    return 1.0 / (dropped + rate), dropped / (dropped + rate)


def without_dropped(model: Model) -> Model:
    """Return the model with weight 0 for the trees that its next training round would drop."""
    rng = np.random.default_rng((seed_of(model.params), model.forest.rounds))
    weights = model.forest.weights
    weights[drop_trees(weights, model.params, rng)] = 0.0
    other = model.copy()
    other.forest.weights = weights
    return other


class ExactMargins:
    """Margins from which trees are subtracted, and to which they are added again, without rounding errors.

    The contribution of a tree is rounded to a multiple of one unit. Sums of such numbers are exact, so that a
    training that continues from a saved model has the same margins as an uninterrupted one, whatever trees
    were dropped before.

    Parameters
    ----------
    model : Model
    table : DMatrix
        In the model's columns and codes.
    team : Team

    Attributes
    ----------
    values : float64 array of shape (rows, n_outputs)
        The margins, as of the last `refresh`.
    """

    def __init__(self, model: Model, table: DMatrix, team: Team) -> None:
        self._model, self._table, self._team = model, table, team
        self._start = model.start_margins(table)
        self._sums = np.zeros_like(self._start)
        self._unit = 0.0
        self.values = self._start.copy()
        for t, weight in enumerate(model.forest.weights.tolist()):
            self.change(t, self.leaves(t), 0.0, weight)
        self.refresh()

    def leaves(self, t: int) -> NDArray[np.int32]:
        """Return the leaf of each row in a tree; int32, shape (rows,)."""
        rows, forest = self._table.num_row(), self._model.forest
        return leaf_nodes(forest, self._table.dense_rows, rows, t, t + 1, self._team)[:, 0]

    def change(self, t: int, leaves: NDArray[np.int32], before: float, after: float) -> None:
        """Change the weight of tree `t` from `before` to `after`; `leaves` as from the method `leaves`."""
        tree, output = self._model.forest[t], self._model.forest.output(t)
        amount = self._amounts(tree, after) - self._amounts(tree, before)
        self._columns(tree, output)[...] += amount[leaves]

    def add(self, grown: GrownTree, output: int, weight: float) -> None:
        """Add a new tree to the margins of the table that it was grown on."""
        tree = grown.tree
        order = np.argsort(grown.begins, kind="stable")
        amount = self._amounts(tree, weight)[grown.leaves[order]]
        sizes = (grown.ends - grown.begins)[order]
        self._columns(tree, output)[grown.rows] += np.repeat(amount, sizes, axis=0)

    def refresh(self) -> None:
        """Update `values`."""
        np.add(self._start, self._sums, out=self.values)

    def _columns(self, tree: Tree, output: int) -> Floats:
        return self._sums if tree.vectors.size else self._sums[:, output]

    def _amounts(self, tree: Tree, weight: float) -> Floats:
        """Return the values of the leaves, as multiples of the unit; shape (nodes,) or (nodes, outputs)."""
        leaf = tree.left < 0
        values = tree.vectors.astype(np.float64) if tree.vectors.size else tree.condition.astype(np.float64)
        values[~leaf] = 0.0
        if self._unit == 0.0:
            # The first tree with a leaf other than zero defines the unit: a saved model contains it too.
            largest = float(np.abs(values).max())
            if largest == 0.0:
                return values
            self._unit = math.ldexp(1.0, max(math.frexp(largest)[1] - UNIT_BITS, -1000))
        return np.rint(values * (weight / self._unit)) * self._unit


class Dropout:
    """The trees that one round drops, and the weights of all trees after it.

    Parameters
    ----------
    forest : Forest
    params : Params
    margins : ExactMargins
        Of the training table; the dropped trees are subtracted from them.
    rng : numpy.random.Generator

    Attributes
    ----------
    new_weights : list of float
        Weight of the new trees of each output.

    Notes
    -----
    The weights are normalised for each output separately: its new trees replace its dropped trees.
    """

    def __init__(
        self, forest: Forest, params: Params, margins: ExactMargins, rng: np.random.Generator
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
        outputs = [forest.output(t) for t in self._dropped]
        rate = params.eta / forest.parallel
        rules = [
            normalize(outputs.count(k), rate, params.normalize_type)
            for k in range(forest.round_trees // forest.parallel)
        ]
        # In the precision of a model file: a training that continues from a file must have the same weights.
        self.new_weights = [float(np.float32(new)) for new, _ in rules]
        self._after = self._before.copy()
        for t, k in zip(self._dropped, outputs, strict=True):
            self._after[t] = np.float32(self._before[t] * rules[k][1])

    def add(self, grown: GrownTree, output: int) -> None:
        """Add a new tree, with its weight, to the margins of the training table."""
        self._margins.add(grown, output, self.new_weights[output])

    def finish(self, trees: Sequence[Tree], outputs: Sequence[int], others: list[ExactMargins]) -> None:
        """Add the new trees to the forest, the dropped ones to the margins again, and set all weights.

        Parameters
        ----------
        trees : sequence of Tree
        outputs : sequence of int
            The output that each adds to.
        others : list of ExactMargins
            Of the evaluation tables.
        """
        forest = self._forest
        forest.extend(trees, outputs, [*self._after.tolist(), *(self.new_weights[k] for k in outputs)])
        new = range(self._first_new, forest.trees)
        for t, leaves in self._leaves.items():
            self._margins.change(t, leaves, 0.0, self._after[t])
        self._margins.refresh()
        for margins in others:
            for t in self._dropped:
                margins.change(t, margins.leaves(t), self._before[t], self._after[t])
            for t in new:
                margins.change(t, margins.leaves(t), 0.0, self.new_weights[forest.output(t)])
            margins.refresh()

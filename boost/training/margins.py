"""The margins of a table during training without dropout: trees are only added."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from boost.forest.traverse import add_trees, rows_of

if TYPE_CHECKING:
    from boost.data.dmatrix import DMatrix
    from boost.forest.forest import Forest
    from boost.forest.grown_tree import GrownTree
    from boost.forest.tree import Tree
    from boost.model.model import Model
    from boost.threads import Team


class Margins:
    """The margins of a table, to which trees are only added.

    Parameters
    ----------
    model : Model
    table : DMatrix
        In the model's columns and codes.
    team : Team

    Attributes
    ----------
    values : float64 array of shape (rows, n_outputs)
    """

    def __init__(self, model: Model, table: DMatrix, team: Team) -> None:
        self._model, self._table, self._team = model, table, team
        self.values = model.start_margins(table)
        self.add_last(model.forest.trees)

    def add(self, grown: GrownTree, output: int) -> None:
        """Add a new tree to the margins of the table that it was grown on; no tree is traversed."""
        grown.add_to(self.values if grown.tree.vectors.size else self.values[:, output], self._team)

    def add_last(self, trees: int) -> None:
        """Add the last `trees` trees of the model to the margins of any table."""
        forest = self._model.forest
        if trees:
            add_trees(
                forest, rows_of(self._table), self.values, forest.trees - trees, forest.trees, self._team
            )


class Additions:
    """A round without dropout: adds its new trees to all margins.

    Parameters
    ----------
    forest : Forest
    margins : Margins
        Of the training table.
    """

    def __init__(self, forest: Forest, margins: Margins) -> None:
        self._forest, self._margins = forest, margins

    def add(self, grown: GrownTree, output: int) -> None:
        """Add a new tree to the margins of the training table."""
        self._margins.add(grown, output)

    def finish(self, trees: Sequence[Tree], outputs: Sequence[int], others: list[Margins]) -> None:
        """Add the trees of the round, and the output of each, to the forest and to the evaluation tables."""
        self._forest.extend(trees, outputs)
        for margins in others:
            margins.add_last(self._forest.round_trees)

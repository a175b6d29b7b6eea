"""`Trainer`: boosting round by round, from gradients to trees, margins and metrics."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from boost.data.dmatrix import DMatrix
from boost.grow import make_grower
from boost.grow.sample import sample_rows
from boost.metric import Metric
from boost.model.model import Model
from boost.objective import Objective, Round
from boost.objective.custom import Custom, Loss
from boost.params import seed_of
from boost.threads import Team
from boost.training.evaluation import evaluate
from boost.training.margins import Additions, Margins
from boost.training.update import TreeUpdater

if TYPE_CHECKING:
    from boost.forest.grown_tree import GrownTree
    from boost.forest.tree import Tree
    from boost.params import Params

Floats = NDArray[np.float64]
Evals = Sequence[tuple[DMatrix, str]]
# In place of the number of trees of the last complete round: the margins may be those of half a round.
INCOMPLETE = -1
SAMPLING = ("subsample", "colsample_bytree", "colsample_bylevel", "colsample_bynode")


class Trainer:
    """The state of the training of a model on one table: margins, buffers and threads.

    Parameters
    ----------
    model : Model
        New trees are added to it.
    data : DMatrix
        The training table.
    evals : sequence of (DMatrix, name)
        Tables to evaluate after each round. Evaluating `data` itself needs no predictions.
    metrics : sequence of Metric
    custom_margin : bool
        Whether custom metrics take margins in place of predictions.

    Attributes
    ----------
    team : Team
        A context manager: inside it, the threads are kept between rounds.
    """

    def __init__(
        self,
        model: Model,
        data: DMatrix,
        evals: Evals = (),
        metrics: Sequence[Metric] = (),
        custom_margin: bool = False,
    ) -> None:
        self._model, self._data, self._metrics, self._custom_margin = model, data, metrics, custom_margin
        self._grower: Any = None
        self.team = Team(model.params.nthread)
        for table in (data, *(table for table, _ in evals)):
            table.check_complete()
        self._table = model.align(data)
        # The rounds of process_type="update" begin without the trees that they change, and add them again.
        self._earlier = model.forest.copy() if model.params.process_type == "update" else None
        if self._earlier is not None:
            model.forest.truncate(0)
        with _notice(model.params), self.team:
            self._configure(model.params)
            self._margins = self._make_margins(self._table)
            self._evals = [
                (table, name, self._margins if table is data else self._make_margins(model.align(table)))
                for table, name in evals
            ]
        self._others = [margins for _, _, margins in self._evals if margins is not self._margins]
        self._trees = model.forest.trees  # after the last complete round

    def can_continue(self, data: DMatrix) -> bool:
        """Return whether the next round may use this state: the same table, and no trees changed since."""
        update = self._model.params.process_type == "update"
        return (
            data is self._data
            and self._trees == self._model.forest.trees
            and update == (self._earlier is not None)
        )

    def _make_margins(self, table: DMatrix) -> Any:
        if self._params.booster != "dart":
            return Margins(self._model, table, self.team)
        from boost.training.dart import ExactMargins

        return ExactMargins(self._model, table, self.team)

    def _configure(self, params: Params) -> None:
        """Make the grower, weights and generator, which depend on the parameters."""
        self._params = params
        if self._earlier is None:
            self._grower = make_grower(self._table, params, self.team, self._model.forest.vector)
        elif self._grower is None:
            self._grower = TreeUpdater(self._earlier, self._table, params, self.team)
        else:
            self._grower.params = params
        # Updaters that keep the leaves keep those that an objective has refitted, too.
        self._refits = self._earlier is None or ("refresh" in params.updater and params.refresh_leaf)
        self._objective = self._model.objective
        self._weight = self._objective.row_weight(self._table)
        self._seed = seed_of(params)
        draws = params.booster == "dart" or any(params[name] < 1.0 for name in SAMPLING)
        # A round with random draws gets a new generator, so that it does not depend on earlier rounds.
        self._constant_rng = None if draws else np.random.default_rng(0)

    def _change_params(self, params: Params) -> None:
        """Use the parameters that were set after the last round."""
        before = self._params
        if params.booster != before.booster:
            raise ValueError(
                f"booster cannot change from {before.booster!r} to {params.booster!r} between rounds: call "
                "train with the model as xgb_model"
            )
        if self._model.objective is self._objective:  # only the learning rate changed: the buffers stay
            self._params = self._grower.params = params
        else:
            self._configure(params)

    def update(self, iteration: int, loss: Loss | None = None) -> None:
        """Add one round to the model.

        Parameters
        ----------
        iteration : int
            Number of the round; together with the seed it determines all random draws.
        loss : callable, optional
            Used in place of the objective, see `boost.objective.custom.Custom`.

        Raises
        ------
        ValueError
            When a leaf is not finite, and for gradients of a wrong shape.

        Notes
        -----
        The trees are added to the model all at once, at the end. After an error or an interrupt the model has
        whole rounds only, and this state, whose margins may be those of half a round, is of no more use.
        """
        objective, forest = self._model.objective, self._model.forest
        self._trees, before, estimates = INCOMPLETE, forest.trees, objective.estimates()
        try:
            self._add_round(iteration, loss)
        except BaseException:
            if forest.trees == before:
                objective.set_estimates(estimates)
            raise
        self._trees = forest.trees

    def _add_round(self, iteration: int, loss: Loss | None) -> None:
        """Grow the trees of a round, add them to the margins, and at the end to the model."""
        model, forest, data = self._model, self._model.forest, self._data
        if model.params is not self._params:
            self._change_params(model.params)
        rng = self._constant_rng or np.random.default_rng((self._seed, iteration))
        objective, weight = model.objective, self._weight
        if loss is not None:
            objective = Custom(loss, objective)
            weight = objective.row_weight(data)
        trees, outputs = [], []
        with _notice(model.params), self.team:
            additions = self._start_round(rng)
            margin = self._margins.values
            grad, hess = objective.gradient(margin, data, Round(self._seed, iteration, self.team))
            # All trees of a round start from the same margins, which change with each tree.
            before = margin.copy() if forest.parallel > 1 else margin
            for k in range(forest.round_trees // forest.parallel):
                g, h = (grad, hess) if forest.vector else (grad[:, k], hess[:, k])
                for _ in range(forest.parallel):
                    grown = self._grow(g, h, weight, before, k, rng, objective)
                    _check_tree(grown.tree, iteration)
                    trees.append(grown.tree)
                    outputs.append(k)
                    additions.add(grown, k)
            additions.finish(trees, outputs, self._others)

    def _start_round(self, rng: np.random.Generator) -> Any:
        """Return the object that adds the trees of the round to the margins: `Additions` or `Dropout`."""
        if self._params.booster != "dart":
            return Additions(self._model.forest, self._margins)
        from boost.training.dart import Dropout

        return Dropout(self._model.forest, self._params, self._margins, rng)

    def _grow(
        self,
        grad: Floats,
        hess: Floats,
        weight: Floats,
        margin: Floats,
        output: int,
        rng: np.random.Generator,
        objective: Objective,
    ) -> GrownTree:
        """Return a new tree for one output, or for all of them if leaves are vectors."""
        params = self._params
        if params.subsample < 1.0:
            factor = _sample(grad, hess, weight, params, rng)
            weight = weight * factor if weight.size else factor
        grown = self._grower.grow(grad, hess, weight, rng)
        if not self._refits:
            return grown
        vector = self._model.forest.vector
        outputs = range(margin.shape[1]) if vector else (output,)
        refits = [objective.refit(grown, margin[:, j], self._data, j, weight, self.team) for j in outputs]
        values = [v for v in refits if v is not None]
        if not values:
            return grown
        rate = params.eta / params.num_parallel_tree
        return grown.with_leaf_values(rate * (np.column_stack(values) if vector else values[0]))

    def evaluate(self) -> list[tuple[str, str, float]]:
        """Return (table, metric, value) for all evaluation tables, in their order."""
        objective, metrics = self._model.objective, self._metrics
        with _notice(self._params):
            return [
                (name, metric, value)
                for table, name, margins in self._evals
                for metric, value in evaluate(objective, metrics, margins.values, table, self._custom_margin)
            ]


def _notice(params: Params) -> AbstractContextManager[None]:
    """Return a block in which ``verbosity=0`` silences the notice that kernels are compiled."""
    from boost.jit import NOTICE  # Numba is loaded by the first training, not by the import of `boost`

    return NOTICE.muted(params.verbosity == 0)


def _sample(grad: Floats, hess: Floats, weight: Floats, params: Params, rng: np.random.Generator) -> Floats:
    if weight.size and params.sampling_method == "gradient_based":
        by_row = weight if grad.ndim == 1 else weight[:, np.newaxis]
        grad, hess = grad * by_row, hess * by_row
    return sample_rows(grad, hess, params, rng)


def _check_tree(tree: Tree, iteration: int) -> None:
    values = tree.vectors if tree.vectors.size else tree.condition[:, np.newaxis]
    finite = np.isfinite(values).all(axis=1)
    if not finite.all():
        node = int(np.argmin(finite))
        raise ValueError(
            f"round {iteration} made a leaf that is not finite in float32: {values[node][~np.isfinite(values[node])][0]}"
            f", from a sum of hessians of {tree.hessian[node]:g}. Its gradients are too large for its hessians: "
            "raise lambda or min_child_weight, lower eta, set max_delta_step, or divide the labels by a constant"
        )

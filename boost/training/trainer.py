"""`Trainer`: boosting round by round, from gradients to trees, margins and metrics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from boost.data.dmatrix import DMatrix
from boost.data.meta_info import FIELDS, State
from boost.errors import DataError
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
SAMPLING = ("subsample", "colsample_bytree", "colsample_bylevel", "colsample_bynode")
# The fields that the form of a table in the model's columns depends on: what growers and margins read.
OF_COLUMNS = {"weight", "base_margin", "feature_weights", "_names", "_types"}


class _Table:
    """A table of a training, which follows what is set in the table that was given.

    Attributes
    ----------
    given : DMatrix
    table : DMatrix
        In the model's columns and codes.
    margins : Margins or ExactMargins
    state : State, or None
        Of the fields of `given` that were last followed.
    """

    table: DMatrix
    _categorical: list[bool]

    def __init__(self, given: DMatrix, model: Model, make_margins: Callable[[DMatrix], Any]) -> None:
        self.given, self._model, self._make_margins = given, model, make_margins
        self.margins: Any = None
        self.state: State | None = None
        self.follow(self.changed())

    def changed(self) -> set[str]:
        """Return the fields that were set since the last call of `follow`."""
        now = self.given.state()
        if self.state is None:
            return set(FIELDS)
        return {name for name, a, b in zip(FIELDS, self.state, now, strict=True) if a is not b}

    def follow(self, changed: set[str]) -> None:
        """Use the fields that were set.

        Raises
        ------
        DataError
            For columns that are no longer those of the model.
        """
        if changed & OF_COLUMNS:
            table = self._model.align(self.given)
            categorical = table.categorical.tolist()
            if self.state is not None and categorical != self._categorical:
                raise DataError(
                    "feature_types changed between rounds: a feature cannot become categorical, or "
                    "numerical, during a training"
                )
            self.table, self._categorical = table, categorical
        if "base_margin" in changed:
            self.restart()
        self.state = self.given.state()

    def restart(self) -> None:
        """Compute the margins from all trees."""
        self.margins = self._make_margins(self.table)


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
        self.team = Team(model.params.nthread)
        for table, _ in [(data, ""), *evals]:
            table.check_complete()
        # The rounds of process_type="update" begin without the trees that they change, and add them again.
        self._earlier = model.forest.copy() if model.params.process_type == "update" else None
        if self._earlier is not None:
            model.forest.truncate(0)
        self._params = model.params
        with _notice(model.params), self.team:
            self._train = _Table(data, model, self._make_margins)
            self._evals = [
                (self._train if given is data else _Table(given, model, self._make_margins), name)
                for given, name in evals
            ]
            self._configure(model.params)
        self._checked = [table.state for table, _ in self._evals]
        self._others = [table for table, _ in self._evals if table is not self._train]
        # After the last round; None after one that was interrupted.
        self._trees: tuple[State, int, int] | None = self._state_of_trees()

    @property
    def margins(self) -> Floats:
        """The margins of the training table after the last round; float64, shape (rows, n_outputs)."""
        values: Floats = self._train.margins.values
        return values

    def can_continue(self, model: Model, data: DMatrix) -> bool:
        """Return whether this is the state of the training of a model on a table, after a whole round."""
        update = model.params.process_type == "update"
        same = model is self._model and data is self._data and update == (self._earlier is not None)
        return same and self._trees is not None

    def _state_of_trees(self) -> tuple[State, int, int]:
        """Return what margins depend on besides the tables: all trees, and the base score."""
        forest = self._model.forest
        return State((forest, self._model.base_score)), forest.trees, forest.revision

    def _make_grower(self) -> Any:
        """Return the grower, or in its place the updater of the trees that are not updated yet."""
        if self._earlier is None:
            return make_grower(self._train.table, self._params, self.team, self._model.forest.vector)
        first = self._model.forest.trees
        return TreeUpdater(self._earlier, first, self._train.table, self._params, self.team)

    def _make_margins(self, table: DMatrix) -> Any:
        if self._params.booster != "dart":
            return Margins(self._model, table, self.team)
        from boost.training.dart import ExactMargins

        return ExactMargins(self._model, table, self.team)

    def _configure(self, params: Params) -> None:
        """Make the grower, weights and generator, which depend on the parameters."""
        self._params = params
        self._grower = self._make_grower()
        # Updaters that keep the leaves keep those that an objective has refitted, too.
        self._refits = self._earlier is None or ("refresh" in (params.updater or ()) and params.refresh_leaf)
        self._objective = self._model.objective
        self._weight = self._objective.row_weight(self._data)
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

    def _follow(self, custom: bool) -> None:
        """Use what was set in the training table, and in the model, after the last round."""
        if changed := self._train.changed():
            if not custom:
                self._objective.check(self._data)
            self._train.follow(changed)
            if changed & self._grower.made_from:
                self._grower = self._make_grower()
            self._weight = self._objective.row_weight(self._data)
        if self._trees != self._state_of_trees():
            for table in (self._train, *self._others):
                table.restart()

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
        before, estimates = forest.trees, objective.estimates()
        try:
            self._add_round(iteration, loss)
        except BaseException as error:
            if not isinstance(error, ValueError):  # which refuses what was set, and leaves this as it is
                self._trees = None
            if forest.trees == before:
                objective.set_estimates(estimates)
            raise

    def _add_round(self, iteration: int, loss: Loss | None) -> None:
        """Grow the trees of a round, add them to the margins, and at the end to the model."""
        model, forest, data = self._model, self._model.forest, self._data
        if model.params is not self._params:
            known, self._trees = self._trees, None  # half of a change is of no use either
            self._change_params(model.params)
            self._trees = known
        rng = self._constant_rng or np.random.default_rng((self._seed, iteration))
        trees, outputs = [], []
        with _notice(model.params), self.team:
            self._follow(custom=loss is not None)
            objective, weight = model.objective, self._weight
            if loss is not None:
                objective = Custom(loss, objective)
                weight = objective.row_weight(data)
            self._trees = None  # from here on, the margins may be those of half a round
            additions = self._start_round(rng)
            margin = self._train.margins.values
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
            additions.finish(trees, outputs, [table.margins for table in self._others])
        self._trees = self._state_of_trees()

    def _start_round(self, rng: np.random.Generator) -> Any:
        """Return the object that adds the trees of the round to the margins: `Additions` or `Dropout`."""
        if self._params.booster != "dart":
            return Additions(self._model.forest, self._train.margins)
        from boost.training.dart import Dropout

        return Dropout(self._model.forest, self._params, self._train.margins, rng)

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
        out = []
        with _notice(self._params):
            for i, (table, name) in enumerate(self._evals):
                given = table.given
                if self._checked[i] != given.state():
                    for metric in metrics:
                        metric.check(given, objective.n_outputs)
                    if table is not self._train:
                        table.follow(table.changed())
                    self._checked[i] = given.state()
                values = evaluate(objective, metrics, table.margins.values, given, self._custom_margin)
                out += [(name, metric_name, value) for metric_name, value in values]
        return out


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
        value = values[node][~np.isfinite(values[node])][0]
        raise ValueError(
            f"round {iteration} made a leaf that is not finite in float32: {value}, of rows whose hessians "
            f"sum up to {tree.hessian[node]:g}. Their gradients are too large: raise lambda or "
            "min_child_weight, lower eta, set max_delta_step, or scale the labels"
        )

"""One round of boosting: gradients, trees, margins; and the metrics of the tables that are watched."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from boost.data.dmatrix import DMatrix
from boost.forest.traverse import add_trees, rows_of
from boost.forest.tree import Forest, Tree
from boost.grow import make_grower
from boost.grow.sample import sample_rows
from boost.metric import Metric, custom_metric, make_metric
from boost.metric.custom import CustomMetric
from boost.objective import Objective, Round
from boost.objective.custom import Custom, Loss
from boost.params import ParameterError
from boost.threads import Team

if TYPE_CHECKING:
    from boost.booster import Booster
    from boost.grow import Grown

Floats = NDArray[np.float64]
SAMPLING = ("subsample", "colsample_bytree", "colsample_bylevel", "colsample_bynode")


class Margins:
    """The margins of a table, to which trees are only ever added.

    Attributes
    ----------
    values : float64 array of shape (rows, groups)
    """

    def __init__(self, booster: Booster, data: DMatrix, team: Team) -> None:
        self._booster, self._data, self._team = booster, data, team
        self.values = booster.start_margins(data)
        self.add_last(booster.forest.trees)

    def add(self, grown: Grown, group: int) -> None:
        """Add a new tree to the margins of the table that it was grown on."""
        grown.add_to(self.values if grown.tree.vectors.size else self.values[:, group], self._team)

    def add_last(self, trees: int) -> None:
        """Add the last trees of the model."""
        forest = self._booster.forest
        if trees:
            add_trees(
                forest, rows_of(self._data), self.values, forest.trees - trees, forest.trees, self._team
            )


class Trainer:
    """The state of a training on one table: margins, buffers and threads.

    Parameters
    ----------
    booster : Booster
        The model that grows.
    data : DMatrix
        The table to train on.
    evals : sequence of (DMatrix, name)
        Tables to evaluate after each round. Evaluating `data` itself costs no predictions.
    metrics : sequence of Metric
    raw : bool
        Whether metrics of the user's own see margins, in place of predictions.
    """

    def __init__(
        self,
        booster: Booster,
        data: DMatrix,
        evals: Sequence[tuple[DMatrix, str]] = (),
        metrics: Sequence[Metric] = (),
        raw: bool = False,
    ) -> None:
        from boost import jit

        jit.NOTICE.quiet = booster.params["verbosity"] == 0
        self._booster, self._given, self._metrics, self._raw = booster, data, metrics, raw
        self.team = Team(booster.params["nthread"])
        self._table = booster.fit_table(data)
        self._params: dict[str, Any] = {}
        with self.team:
            self._configure()
            self._margins = self._make_margins(self._table)
            self._watched = [
                (t, name, self._margins if t is data else self._make_margins(booster.fit_table(t)))
                for t, name in evals
            ]
        self._others = [m for _, _, m in self._watched if m is not self._margins]
        self._trees = booster.forest.trees

    def fits(self, data: DMatrix) -> bool:
        """Whether the model can go on with this state on a table."""
        return data is self._given and self._trees == self._booster.forest.trees

    def _make_margins(self, table: DMatrix) -> Any:
        if self._booster.params["booster"] != "dart":
            return Margins(self._booster, table, self.team)
        from boost.training.dart import ExactMargins

        return ExactMargins(self._booster, table, self.team)

    def _configure(self) -> None:
        """Make what depends on the parameters; a training may change them between rounds."""
        params = self._booster.params
        if self._params and params["booster"] != self._params["booster"]:
            raise ValueError("booster cannot change between rounds: train on, with the model as xgb_model")
        self._params = params
        self._grower = make_grower(self._table, params, self.team)
        self._weight = self._booster.objective.row_weight(self._table)
        self._seed = params["seed"] or 0
        draws = params["booster"] == "dart" or any(params[name] < 1.0 for name in SAMPLING)
        # Made anew for each round where something is drawn, so that rounds do not depend on earlier ones.
        self._idle = None if draws else np.random.default_rng(0)

    def update(self, iteration: int, loss: Loss | None = None) -> None:
        """Add one round to the model.

        Parameters
        ----------
        iteration : int
            With the seed, it fixes what is drawn.
        loss : callable, optional
            In place of the objective, see `boost.objective.custom.Custom`.

        Raises
        ------
        ValueError
            When a leaf is not finite, and for gradients of a wrong shape.
        """
        booster, forest = self._booster, self._booster.forest
        if booster.params is not self._params:
            self._configure()
        rng = self._idle or np.random.default_rng((self._seed, iteration))
        dropout = None
        if self._params["booster"] == "dart":
            from boost.training.dart import Dropout

            dropout = Dropout(forest, self._params, self._margins, rng)
        objective, weight = booster.objective, self._weight
        if loss is not None:
            objective = Custom(loss, objective)
            weight = objective.row_weight(self._given)
        with self.team:
            margin = self._margins.values
            grad, hess = objective.gradient(margin, self._given, Round(self._seed, iteration, self.team))
            # A round's trees all start from the same margins, but margins change with each tree.
            before = margin.copy() if forest.parallel > 1 else margin
            for k in range(forest.round_trees // forest.parallel):
                g, h = (grad, hess) if forest.vector else (grad[:, k], hess[:, k])
                for _ in range(forest.parallel):
                    grown = self._grow(g, h, weight, before, k, rng, objective)
                    _check_tree(grown.tree, iteration)
                    forest.add(grown.tree, k, copy=False)
                    if dropout is None:
                        self._margins.add(grown, k)
                    else:
                        self._margins.add(grown, k, dropout.new_weights[k])
            if dropout is not None:
                dropout.finish(self._others)
            else:
                for margins in self._others:
                    margins.add_last(forest.round_trees)
        self._trees = forest.trees

    def _grow(
        self,
        grad: Floats,
        hess: Floats,
        weight: Floats,
        margin: Floats,
        output: int,
        rng: np.random.Generator,
        objective: Objective,
    ) -> Grown:
        if self._params["subsample"] < 1.0:
            factor = _sample(grad, hess, weight, self._params, rng)
            weight = weight * factor if weight.size else factor
        grown = self._grower.grow(grad, hess, weight, rng)
        vector = self._booster.forest.vector
        outputs = range(margin.shape[1]) if vector else (output,)
        values = [objective.refit(grown, margin[:, j], self._given, j, weight) for j in outputs]
        found = [v for v in values if v is not None]
        if not found:
            return grown
        rate = self._params["eta"] / self._params["num_parallel_tree"]
        return grown.with_leaf_values(rate * (np.column_stack(found) if vector else found[0]))

    def evaluate(self) -> list[tuple[str, str, float]]:
        """Return (table, metric, value) for all tables that are watched."""
        objective = self._booster.objective
        return [
            (name, metric, value)
            for table, name, margins in self._watched
            for metric, value in evaluate(objective, self._metrics, margins.values, table, self._raw)
        ]


def start(booster: Booster, data: DMatrix, custom: bool = False) -> None:
    """Give a new model the columns of a table, and a base score.

    Parameters
    ----------
    booster : Booster
    data : DMatrix
    custom : bool
        Whether gradients come from the caller: labels are then not looked at.

    Raises
    ------
    LabelError
        For labels that the objective does not allow.
    ParameterError
        For a base score that does not fit.
    """
    objective, params = booster.objective, booster.params
    objective.fit_outputs(data)
    if not custom:
        objective.check(data)
    groups = objective.groups
    booster.features = data.num_col()
    booster.feature_names, booster.feature_types = data.feature_names, data.feature_types
    booster.categories = dict(data.categories)
    vector = params["multi_strategy"] == "multi_output_tree" and groups > 1
    booster.forest = Forest(groups, params["num_parallel_tree"], vector)
    given = params["base_score"]
    if given is not None:
        if np.size(given) not in (1, groups):
            raise ParameterError(f"base_score has {np.size(given)} numbers for {groups} outputs")
        score = np.resize(np.asarray(given, dtype=np.float64), groups)
        objective.to_margin(score)  # raises when it is out of range
        if not custom:
            objective.start(data)  # raises for labels of one class
    elif custom:
        score = np.full(groups, 0.5)
    else:
        score = objective.start(data)
        if data.base_margin is not None:
            score = objective.neutral()
    # As a model file will hold it: a saved model must predict the same.
    booster.base_score = score.astype(np.float32).astype(np.float64)


def make_metrics(booster: Booster, function: Any = None, maximize: bool | None = None) -> list[Metric]:
    """Return the metrics that the parameters name, or else the objective's own, and one of the user's."""
    params = booster.params
    names = params["eval_metric"]
    if names is None:
        names = [] if params["disable_default_eval_metric"] else [booster.objective.metric]
    metrics = [make_metric(name, params) for name in names]
    if function is not None:
        metrics.append(custom_metric(function, bool(maximize)))
    return metrics


def evaluate(
    objective: Objective, metrics: Sequence[Metric], margin: Floats, table: DMatrix, raw: bool
) -> list[tuple[str, float]]:
    """Return name and value of each metric of a table; the user's own see margins, if `raw`."""
    prediction = objective.transform(margin) if metrics else margin
    return [m.named(margin if raw and isinstance(m, CustomMetric) else prediction, table) for m in metrics]


def _sample(
    grad: Floats, hess: Floats, weight: Floats, params: dict[str, Any], rng: np.random.Generator
) -> Floats:
    if weight.size and params["sampling_method"] == "gradient_based":
        by_row = weight if grad.ndim == 1 else weight[:, np.newaxis]
        grad, hess = grad * by_row, hess * by_row
    return sample_rows(grad, hess, params, rng)


def _check_tree(tree: Tree, iteration: int) -> None:
    if not (np.isfinite(tree.condition).all() and np.isfinite(tree.vectors).all()):
        raise ValueError(
            f"round {iteration} made a leaf that is not finite: the labels are too large for float32, or "
            "eta, lambda and min_child_weight let the margins diverge"
        )

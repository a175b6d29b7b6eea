"""The boosting loop, and the model it makes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boost.data import DMatrix
from boost.frame import Categories, is_frame
from boost.grow import make_grower
from boost.metric import Metric, make_metric
from boost.objective import Objective, Round, make_objective
from boost.params import resolve
from boost.sample import sample_rows
from boost.threads import SERIAL_WORK, Team
from boost.tree import Forest, Tree

Floats = NDArray[np.float64]
# Rows that are made dense at once.
PREDICT_ROWS = 1 << 14


class Booster:
    """A trained model: a base score and a forest.

    Parameters
    ----------
    params : dict, optional
        As for `train`.
    model_file : path, optional
        A model to load, see `load_model`.

    Attributes
    ----------
    params : dict
        Every parameter with its value.
    base_score : float64 array of shape (outputs,)
        The prediction before the first tree; for multi:softprob, the margins.
    forest : Forest
    num_features : int
    feature_names, feature_types : list of str, or None
    categories : dict of int to list
        Dictionaries of the categorical columns, see `DMatrix`.
    attributes : dict of str to str
        Anything else that is saved with the model.
    best_iteration, best_score : int and float, or None
        Set by early stopping.
    """

    def __init__(self, params: dict[str, Any] | None = None, *, model_file: Any = None) -> None:
        self.params = resolve(params)
        self.objective: Objective = make_objective(self.params)
        self.base_score: Floats = np.zeros(self.objective.groups)
        self.forest = Forest(self.objective.groups)
        self.num_features = 0
        self.feature_names: list[str] | None = None
        self.feature_types: list[str] | None = None
        self.categories: Categories = {}
        self.attributes: dict[str, str] = {}
        self.best_iteration: int | None = None
        self.best_score: float | None = None
        if model_file is not None:
            self.load_model(model_file)

    def num_boosted_rounds(self) -> int:
        """Number of boosting rounds in the model."""
        return self.forest.rounds

    def save_model(self, path: Any) -> None:
        """Write the model as XGBoost's JSON; the file appears whole or not at all.

        Raises
        ------
        ValueError
            When the name does not end in ".json", the only format so far.
        """
        from boost.model_io import write_model

        write_model(self, path)

    def load_model(self, path: Any) -> None:
        """Read a model in XGBoost's JSON, ours or XGBoost's own.

        Raises
        ------
        ModelError
            A `ValueError`, for anything that is not a complete and consistent model that this package can
            hold.
        """
        from boost.model_io import read_model

        read_model(self, path)

    def predict(
        self, data: Any, *, output_margin: bool = False, iteration_range: tuple[int, int] | None = None
    ) -> Floats:
        """Predict.

        Parameters
        ----------
        data : DMatrix, array, frame or sparse matrix of shape (rows, features)
        output_margin : bool
            Return margins, in place of values or probabilities.
        iteration_range : (int, int), optional
            Use only the rounds from the first up to, and without, the second.

        Returns
        -------
        float64 array of shape (rows,), or (rows, classes) for multi:softprob

        Raises
        ------
        ValueError
            For tables that do not fit the model: other columns, or values that `DMatrix` refuses.
        """
        margin = self.margins(self._table(data), iteration_range)
        out = margin if output_margin else self.objective.transform(margin)
        return out[:, 0] if self.objective.groups == 1 else out

    def margins(self, data: DMatrix, iteration_range: tuple[int, int] | None = None) -> Floats:
        """Return the margins of a table that fits the model; float64, shape (rows, groups)."""
        first, last = (0, self.forest.rounds) if iteration_range is None else iteration_range
        if not 0 <= first <= last <= self.forest.rounds:
            raise ValueError(
                f"iteration_range must lie within (0, {self.forest.rounds}), got {iteration_range}"
            )
        margin = self.start_margins(data)
        groups = self.objective.groups
        self.add_rounds(data, margin, first * groups, last * groups)
        return margin

    def start_margins(self, data: DMatrix) -> Floats:
        """Return the margins before the first tree; float64, shape (rows, groups)."""
        shape = (data.num_row(), self.objective.groups)
        if data.base_margin is None:
            return np.tile(self.objective.to_margin(self.base_score), (shape[0], 1))
        if data.base_margin.shape != shape:
            raise ValueError(f"base_margin must have the shape {shape}, got {data.base_margin.shape}")
        return data.base_margin.copy()

    def add_rounds(
        self, data: DMatrix, margin: Floats, first: int, last: int, team: Team | None = None
    ) -> None:
        """Add the trees ``first`` to ``last - 1`` to the margins of a table that fits the model."""
        rows, trees = data.num_row(), last - first
        work = float(rows) * trees * 10

        def add(begin: int, end: int) -> None:
            for at in range(begin, end, PREDICT_ROWS):
                stop = min(at + PREDICT_ROWS, end)
                self.forest.add_margins(data.dense_rows(at, stop), margin[at:stop], first, last)

        if team is not None:
            team.share(add, rows, work)
        elif work < 2 * SERIAL_WORK:  # a team of its own must be worth its start
            add(0, rows)
        else:
            with Team(self.params["nthread"]) as own:
                own.share(add, rows, work)

    def get_score(self, importance_type: str = "weight") -> dict[str, float]:
        """Return the importance of the features that are used in splits, by name (f0, f1, ... without names).

        Parameters
        ----------
        importance_type : {"weight", "gain", "cover", "total_gain", "total_cover"}
        """
        score = self.forest.importance(importance_type, self.num_features)
        used = np.flatnonzero(self.forest.importance("weight", self.num_features))
        names = self.feature_names or [f"f{i}" for i in range(self.num_features)]
        return {names[f]: float(score[f]) for f in used}

    def fit_table(self, data: DMatrix) -> DMatrix:
        """Return the table in the model's category codes; raise ValueError when it does not fit the model."""
        if data.num_col() != self.num_features:
            raise ValueError(f"the model has {self.num_features} features, the data has {data.num_col()}")
        if self.feature_names is not None and data.feature_names is not None:
            for f, (ours, theirs) in enumerate(zip(self.feature_names, data.feature_names, strict=True)):
                if ours != theirs:
                    raise ValueError(
                        f"column {f} is named {theirs!r}, but the model was trained with {ours!r} there: "
                        "give the columns of the training table in their order"
                    )
        return data.recoded(self.categories)

    def _table(self, data: Any) -> DMatrix:
        if not isinstance(data, DMatrix):
            if self.categories and not is_frame(data):
                # An array of codes: the caller has applied the dictionary.
                made = DMatrix(data)
                made.categories = dict(self.categories)
                return self.fit_table(made)
            data = DMatrix(data)
        return self.fit_table(data)


def train(
    params: dict[str, Any] | None,
    dtrain: DMatrix,
    num_boost_round: int = 10,
    *,
    evals: Sequence[tuple[DMatrix, str]] = (),
    evals_result: dict[str, dict[str, list[float]]] | None = None,
    verbose_eval: bool | int = False,
    early_stopping_rounds: int | None = None,
    xgb_model: Booster | str | None = None,
) -> Booster:
    """Train a model.

    Parameters
    ----------
    params : dict
        See `boost.params.describe`; names and defaults are XGBoost's.
    dtrain : DMatrix
        With labels.
    num_boost_round : int
        Number of rounds; each adds one tree for each output.
    evals : sequence of (DMatrix, name)
        Tables to evaluate after each round. Evaluating `dtrain` itself costs no predictions.
    evals_result : dict, optional
        Filled with ``{name: {metric: [value of each round]}}``.
    verbose_eval : bool or int
        Print the metrics of every round, or of every n-th.
    early_stopping_rounds : int, optional
        Stop when the last metric of the last table has not become better for so many rounds. The model then
        keeps only the rounds up to the best one, so that there is no doubt about which trees predict.
    xgb_model : Booster or path, optional
        A model to go on from. It stays as it is.

    Returns
    -------
    Booster

    Raises
    ------
    ValueError
        For unknown parameters, bad values, labels that the objective does not allow, and tables that do not
        fit.

    Notes
    -----
    The same table, parameters and seed give the same model, byte for byte, for any number of threads.
    """
    if not isinstance(dtrain, DMatrix):
        raise ValueError(f"dtrain must be a DMatrix, got {type(dtrain).__name__}: wrap it in boost.DMatrix")
    rounds = _check_count("num_boost_round", num_boost_round, 0)
    patience = None
    if early_stopping_rounds is not None:
        patience = _check_count("early_stopping_rounds", early_stopping_rounds, 1)
        if not evals:
            raise ValueError("early_stopping_rounds needs a table to watch: give evals")
    booster = _start(params, dtrain, xgb_model)
    metrics = [make_metric(n) for n in booster.params["eval_metric"] or [booster.objective.metric]]
    history: dict[str, dict[str, list[float]]] = {} if evals_result is None else evals_result
    history.clear()
    for table, name in evals:
        if not isinstance(table, DMatrix):
            raise ValueError(f"evals must hold pairs (DMatrix, name), got {type(table).__name__}")
        for metric in metrics:
            metric.check(table, booster.objective.groups)
        history[str(name)] = {m.name: [] for m in metrics}
    if len(history) != len(evals):
        raise ValueError(f"evals has two tables of one name: {[name for _, name in evals]}")
    with Team(booster.params["nthread"]) as team:
        _boost(booster, dtrain, rounds, evals, metrics, history, int(verbose_eval), patience, team)
    return booster


def _check_count(name: str, value: Any, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"{name} must be an integer of at least {least}, got {value!r}")
    return int(value)


def _start(params: dict[str, Any] | None, dtrain: DMatrix, earlier: Booster | str | None) -> Booster:
    """Return the model before the first new round."""
    booster = Booster(params)
    objective = booster.objective
    objective.check(dtrain)
    if earlier is not None:
        old = earlier if isinstance(earlier, Booster) else Booster(model_file=earlier)
        if (old.objective.name, old.objective.groups) != (objective.name, objective.groups):
            raise ValueError(
                f"xgb_model was trained with {old.objective.name} of {old.objective.groups} outputs, "
                f"params ask for {objective.name} of {objective.groups}"
            )
        booster.base_score, booster.forest = old.base_score.copy(), old.forest.copy()
        booster.num_features, booster.categories = old.num_features, dict(old.categories)
        booster.feature_names, booster.feature_types = old.feature_names, old.feature_types
        booster.attributes = dict(old.attributes)
        return booster
    booster.num_features = dtrain.num_col()
    booster.feature_names, booster.feature_types = dtrain.feature_names, dtrain.feature_types
    booster.categories = dict(dtrain.categories)
    given = booster.params["base_score"]
    if given is not None:
        score = np.resize(np.asarray(given, dtype=np.float64), objective.groups)
        objective.to_margin(score)  # raises when it is out of range
        objective.start(dtrain)  # raises for labels of one class
    elif dtrain.base_margin is not None:
        objective.start(dtrain)
        score = np.full(objective.groups, 0.5 if objective.name == "binary:logistic" else 0.0)
    else:
        score = objective.start(dtrain)
    # As a model file will hold it: a saved model must predict the same.
    booster.base_score = score.astype(np.float32).astype(np.float64)
    return booster


def _boost(
    booster: Booster,
    dtrain: DMatrix,
    rounds: int,
    evals: Sequence[tuple[DMatrix, str]],
    metrics: Sequence[Metric],
    history: dict[str, dict[str, list[float]]],
    verbose_eval: int,
    patience: int | None,
    team: Team,
) -> None:
    from boost import jit

    jit.NOTICE.said |= booster.params["verbosity"] == 0

    params, objective = booster.params, booster.objective
    train_table = booster.fit_table(dtrain)
    margin = booster.margins(train_table)
    watched = [(t if t is dtrain else booster.fit_table(t), str(name)) for t, name in evals]
    eval_margins = [margin if t is dtrain else booster.margins(t) for t, _ in watched]
    grower = make_grower(train_table, params, team)
    row_weight = objective.row_weight(train_table)
    best: tuple[float, int] | None = None
    offset = booster.forest.rounds
    seed = params["seed"] or 0
    for iteration in range(offset, offset + rounds):
        rng = np.random.default_rng((seed, iteration))
        grad, hess = objective.gradient(margin, train_table, Round(seed, iteration, team))
        for k in range(objective.groups):
            factor = sample_rows(grad[:, k], hess[:, k], params, rng)
            weight = (
                row_weight if factor.size == 0 else factor if row_weight.size == 0 else row_weight * factor
            )
            grown = grower.grow(grad[:, k], hess[:, k], weight, rng)
            _check_tree(grown.tree, iteration)
            booster.forest.add(grown.tree, k)
            grown.add_to(margin[:, k], team)
        last = booster.forest.trees
        for (table, _), out in zip(watched, eval_margins, strict=True):
            if table is not dtrain:
                booster.add_rounds(table, out, last - objective.groups, last, team)
        for (table, name), out in zip(watched, eval_margins, strict=True):
            for metric in metrics:
                history[name][metric.name].append(metric(objective.transform(out), table))
        if verbose_eval and watched and (iteration - offset) % verbose_eval == 0:
            print(_line(iteration, history), file=sys.stdout)
        if patience is None:
            continue
        value = history[watched[-1][1]][metrics[-1].name][-1]
        signed = -value if metrics[-1].maximize else value
        if best is None or signed < best[0]:
            best = (signed, iteration)
            booster.best_iteration, booster.best_score = iteration, value
        elif iteration - best[1] >= patience:
            break
    if booster.best_iteration is not None and best is not None:
        booster.forest.truncate((booster.best_iteration + 1) * objective.groups)


def _check_tree(tree: Tree, iteration: int) -> None:
    if not np.isfinite(tree.condition).all():
        raise ValueError(
            f"round {iteration} made a leaf that is not finite: the labels are too large for float32, or "
            "eta, lambda and min_child_weight let the margins diverge"
        )


def _line(iteration: int, history: dict[str, dict[str, list[float]]]) -> str:
    parts = [
        f"{name}-{metric}:{values[-1]:.5f}" for name, m in history.items() for metric, values in m.items()
    ]
    return "\t".join([f"[{iteration}]", *parts])

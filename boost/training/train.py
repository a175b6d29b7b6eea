"""`train`: rounds, one after the other, with callbacks around them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from boost.booster import Booster
from boost.data.dmatrix import DMatrix
from boost.training.callback import Callbacks, EarlyStopping, EvaluationMonitor, History, TrainingCallback
from boost.training.trainer import Trainer, make_metrics, start


def train(
    params: dict[str, Any] | None,
    dtrain: DMatrix,
    num_boost_round: int = 10,
    *,
    evals: Sequence[tuple[DMatrix, str]] | None = None,
    obj: Callable[[Any, DMatrix], tuple[ArrayLike, ArrayLike]] | None = None,
    maximize: bool | None = None,
    early_stopping_rounds: int | None = None,
    evals_result: dict[str, dict[str, list[float]]] | None = None,
    verbose_eval: bool | int | None = True,
    xgb_model: Booster | str | None = None,
    callbacks: Sequence[TrainingCallback] | None = None,
    custom_metric: Callable[[Any, DMatrix], tuple[str, float]] | None = None,
) -> Booster:
    """Train a model.

    Parameters
    ----------
    params : dict
        See `boost.params.describe`; names and defaults are XGBoost's.
    dtrain : DMatrix
        With labels.
    num_boost_round : int
        Number of rounds; each adds ``num_parallel_tree`` trees for each output.
    evals : sequence of (DMatrix, name)
        Tables to evaluate after each round. Evaluating `dtrain` itself costs no predictions.
    obj : callable, optional
        A loss of one's own: returns gradients and hessians, weights included, from the margins and the
        table, all of shape (rows,), or (rows, outputs) for several outputs. ``params["objective"]`` still
        says how margins become predictions; where boosting starts is ``base_score``, 0.5 when absent.
    maximize : bool, optional
        Whether more is better for early stopping; known for the built-in metrics.
    early_stopping_rounds : int, optional
        Stop when the last metric of the last table has not become better for so many rounds. The model then
        keeps only the rounds up to the best one, so that there is no doubt about which trees predict; use
        the callback `EarlyStopping` to keep them all.
    evals_result : dict, optional
        Filled with ``{name: {metric: [value of each round]}}``.
    verbose_eval : bool or int
        Print the metrics of every round, or of every n-th.
    xgb_model : Booster or path, optional
        A model to go on from. It stays as it is.
    callbacks : sequence of boost.callback.TrainingCallback, optional
    custom_metric : callable, optional
        A metric of one's own, besides the others: returns a pair (name, value) from predictions and the
        table; with `obj`, from margins.

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
    The same table, parameters and seed give the same model, byte for byte, for any number of threads, and
    whether it is trained at once or goes on from a saved model.
    """
    if not isinstance(dtrain, DMatrix):
        raise ValueError(f"dtrain must be a DMatrix, got {type(dtrain).__name__}: wrap it in boost.DMatrix")
    rounds = check_count("num_boost_round", num_boost_round, 0)
    evals = list(evals or ())
    hooks = make_callbacks(callbacks, early_stopping_rounds, maximize, verbose_eval, save_best=True)
    if early_stopping_rounds is not None and not evals:
        raise ValueError("early_stopping_rounds needs a table to watch: give evals")
    booster = _start(params, dtrain, xgb_model, obj is not None)
    metrics = make_metrics(booster, custom_metric, maximize)
    for table, _ in evals:
        if not isinstance(table, DMatrix):
            raise ValueError(f"evals must hold pairs (DMatrix, name), got {type(table).__name__}")
        for metric in metrics:
            metric.check(table, booster.objective.n_outputs)
    names = [str(name) for _, name in evals]
    if len(set(names)) != len(names):
        raise ValueError(f"evals has two tables of one name: {names}")
    history: History = {} if evals_result is None else evals_result
    history.clear()
    history |= {name: {} for name in names}
    trainer = Trainer(
        booster, dtrain, list(zip([t for t, _ in evals], names, strict=True)), metrics, obj is not None
    )
    model = hooks.before_training(booster)
    first = booster.num_boosted_rounds()
    with trainer.team:
        for iteration in range(first, first + rounds):
            if hooks.before_iteration(model, iteration, history):
                break
            trainer.update(iteration, obj)
            for name, metric_name, value in trainer.evaluate():
                history[name].setdefault(metric_name, []).append(value)
            if hooks.after_iteration(model, iteration, history):
                break
    model = hooks.after_training(model)
    # A copy, because the caller's dictionary is cleared when it is given to another training.
    model.history = {name: {m: list(v) for m, v in found.items()} for name, found in history.items()}
    return model


def make_callbacks(
    given: Sequence[TrainingCallback] | None,
    early_stopping_rounds: int | None,
    maximize: bool | None,
    verbose_eval: bool | int | None,
    save_best: bool,
    show_stdv: bool = False,
) -> Callbacks:
    """Return the callbacks that are given, and those that the other arguments of `train` stand for."""
    hooks = list(given or ())
    if verbose_eval:
        hooks.append(EvaluationMonitor(period=int(verbose_eval), show_stdv=show_stdv))
    if early_stopping_rounds is not None:
        rounds = check_count("early_stopping_rounds", early_stopping_rounds, 1)
        hooks.append(EarlyStopping(rounds=rounds, maximize=maximize, save_best=save_best))
    return Callbacks(hooks)


def check_count(name: str, value: Any, least: int) -> int:
    """Return an integer argument, or raise ValueError."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"{name} must be an integer of at least {least}, got {value!r}")
    return int(value)


def _start(
    params: dict[str, Any] | None, dtrain: DMatrix, earlier: Booster | str | None, custom: bool
) -> Booster:
    """Return the model before the first new round."""
    booster = Booster(params)
    if earlier is None:
        start(booster, dtrain, custom)
        return booster
    old = earlier if isinstance(earlier, Booster) else Booster(model_file=earlier)
    objective = booster.objective
    objective.fit_outputs(dtrain)
    if not custom:
        objective.check(dtrain)
    mine, theirs = booster.params, old.params
    if old.objective.name != objective.name or old.objective.n_outputs != objective.n_outputs:
        raise ValueError(
            f"xgb_model was trained with {old.objective.name} of {old.objective.n_outputs} outputs, "
            f"params ask for {objective.name} of {objective.n_outputs}"
        )
    vector = mine["multi_strategy"] == "multi_output_tree" and objective.n_outputs > 1
    if (old.forest.parallel, old.forest.vector) != (mine["num_parallel_tree"], vector):
        raise ValueError(
            f"xgb_model was trained with num_parallel_tree={old.forest.parallel} and multi_strategy="
            f"{theirs['multi_strategy']!r}, params ask for {mine['num_parallel_tree']} and "
            f"{mine['multi_strategy']!r}"
        )
    objective.restore(old.objective.file_entry())
    booster.base_score, booster.forest = old.base_score.copy(), old.forest.copy()
    booster.features, booster.categories = old.features, dict(old.categories)
    booster.feature_names, booster.feature_types = old.feature_names, old.feature_types
    booster.attributes = old.attributes
    return booster

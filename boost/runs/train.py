"""`train`: one training, round by round, with its callbacks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from numpy.typing import ArrayLike

from boost.booster import Booster
from boost.data.dmatrix import DMatrix
from boost.params.record import Given
from boost.training.callback import (
    Callbacks,
    EarlyStopping,
    EvaluationMonitor,
    History,
    TrainingCallback,
    check_count,
)
from boost.training.evaluation import MetricFunction, make_metrics
from boost.training.start import resume, start
from boost.training.trainer import Trainer


def train(
    params: Given | None,
    dtrain: DMatrix,
    num_boost_round: int = 10,
    evals: Sequence[tuple[DMatrix, str]] | None = None,
    obj: Callable[[Any, DMatrix], tuple[ArrayLike, ArrayLike]] | None = None,
    maximize: bool | None = None,
    early_stopping_rounds: int | None = None,
    evals_result: dict[str, dict[str, list[float]]] | None = None,
    verbose_eval: bool | int | None = True,
    xgb_model: Any = None,
    callbacks: Sequence[TrainingCallback] | None = None,
    custom_metric: MetricFunction | Sequence[MetricFunction] | None = None,
) -> Booster:
    """Train a model.

    Parameters
    ----------
    params : dict, or list of pairs
        Names and defaults are XGBoost's; `boost.params.describe` returns their documentation. Values may be
        text. A name that does not exist, or does not apply to the objective, gives a warning.
    dtrain : DMatrix
        With labels.
    num_boost_round : int
        Number of rounds; each adds ``num_parallel_tree`` trees for each output.
    evals : sequence of (DMatrix, name)
        Tables to evaluate after each round. Evaluating `dtrain` itself needs no predictions.
    obj : callable, optional
        A custom loss: returns gradients and hessians, weights included, from the margins and the table, all
        of shape (rows,), or (rows, outputs) for several outputs. ``params["objective"]`` still defines the
        predictions made from margins; the base score is ``params["base_score"]``, by default 0.5.
    maximize : bool, optional
        Whether early stopping maximizes the metric; by default, the metric defines it.
    early_stopping_rounds : int, optional
        Stop when the last metric of the last table has not improved for so many rounds. The model then keeps
        the rounds up to the best one only; the callback `EarlyStopping` can keep them all.
    evals_result : dict, optional
        Filled with ``{name: {metric: [value of each round]}}``.
    verbose_eval : bool or int
        Print the metrics of every round, or of every n-th.
    xgb_model : Booster, path or bytes, optional
        A model to continue from; it is not changed. With process_type=update its trees are changed, in a
        copy, in place of growing new ones: one round of them for each round.
    callbacks : sequence of boost.callback.TrainingCallback, optional
    custom_metric : callable, or list of callables, optional
        Metrics in addition to the others: return a pair (name, value), or a list of pairs, from predictions
        and the table; with `obj`, from margins.

    Returns
    -------
    Booster

    Raises
    ------
    ValueError
        For bad values, labels that the objective does not allow, and tables that do not fit.

    Notes
    -----
    The same table, parameters and seed give the same model, byte for byte, for any number of threads, and
    whether trained at once or continued from a saved model.
    """
    check_table("dtrain", dtrain)
    rounds = check_count("num_boost_round", num_boost_round, 0)
    tables = _check_evals(evals)
    hooks = make_callbacks(callbacks, early_stopping_rounds, maximize, verbose_eval, save_best=True)
    if early_stopping_rounds is not None and not tables:
        raise ValueError("early_stopping_rounds needs an evaluation table: give evals")
    booster = Booster(params)
    if xgb_model is None:
        start(booster.model, dtrain, obj is not None)
    else:
        resume(booster.model, Booster(model_file=xgb_model).model, dtrain, obj is not None)
    metrics = make_metrics(booster.model, [table for table, _ in tables], custom_metric, maximize)
    history: History = {} if evals_result is None else evals_result
    history.clear()
    history |= {name: {} for _, name in tables}
    trainer = Trainer(booster.model, dtrain, tables, metrics, custom_margin=obj is not None)
    trained = hooks.before_training(booster)
    first = booster.num_boosted_rounds()
    with trainer.team:
        for iteration in range(first, first + rounds):
            if hooks.before_iteration(trained, iteration, history):
                break
            trainer.update(iteration, obj)
            for name, metric_name, value in trainer.evaluate():
                history[name].setdefault(metric_name, []).append(value)
            if hooks.after_iteration(trained, iteration, history):
                break
    trained = hooks.after_training(trained)
    # A copy, because the caller may pass the same dictionary to another training, which clears it.
    trained.history = {name: {m: list(v) for m, v in by.items()} for name, by in history.items()}
    return trained


def check_table(name: str, table: Any) -> None:
    """Raise ValueError for an argument that is no `DMatrix`."""
    if not isinstance(table, DMatrix):
        raise ValueError(f"{name} must be a DMatrix, got {type(table).__name__}: wrap it in boost.DMatrix")


def _check_evals(evals: Sequence[tuple[DMatrix, str]] | None) -> list[tuple[DMatrix, str]]:
    """Return the evaluation tables and their names; raise ValueError for other types and repeated names."""
    try:
        tables = [(table, str(name)) for table, name in evals or ()]
    except (TypeError, ValueError):
        raise ValueError(f"evals must be a list of pairs (DMatrix, name), got {evals!r:.60}") from None
    for table, _ in tables:
        if not isinstance(table, DMatrix):
            raise ValueError(f"evals must hold pairs (DMatrix, name), got {type(table).__name__}")
    names = [name for _, name in tables]
    if len(set(names)) != len(names):
        raise ValueError(f"evals has two tables of one name: {names}")
    return tables


def make_callbacks(
    given: Sequence[TrainingCallback] | None,
    early_stopping_rounds: int | None,
    maximize: bool | None,
    verbose_eval: bool | int | None,
    save_best: bool,
    show_stdv: bool = False,
) -> Callbacks:
    """Return the callbacks of a training: those given, and those that implement arguments of `train`."""
    hooks = list(given or ())
    if verbose_eval:
        hooks.append(EvaluationMonitor(period=int(verbose_eval), show_stdv=show_stdv))
    if early_stopping_rounds is not None:
        rounds = check_count("early_stopping_rounds", early_stopping_rounds, 1)
        hooks.append(EarlyStopping(rounds=rounds, maximize=maximize, save_best=save_best))
    return Callbacks(hooks)

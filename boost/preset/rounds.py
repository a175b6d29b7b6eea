"""`fit`: one training as estimators and the command line do it, with the rounds that the preset finds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boost.booster import Booster
from boost.data.dmatrix import DMatrix
from boost.data.frames.frame import is_frame
from boost.encoding.encoding import Encoding, Options, date_columns
from boost.params import BY_NAME, MULTI, RANK, Params
from boost.preset.members import Members, Plan
from boost.preset.preset import MOST_WATCHED, Choice, Task, choose
from boost.runs.train import train
from boost.training.callback import Callbacks, EvaluationMonitor, History, TrainingCallback
from boost.training.evaluation import MetricFunction, evaluate, make_metrics


@dataclass(frozen=True)
class Source:
    """A raw table with its labels, and how a `DMatrix` is made of it.

    Attributes
    ----------
    X : array, frame or sparse matrix of shape (rows, features)
    label : array_like, optional
    columns : mapping of str to array_like
        Other columns of the rows, by the names of the arguments of `DMatrix`: weight, base_margin, qid, ...
    make : callable
        Makes the table of X, label and columns.
    dates : mapping of str to str or None
        Columns of a frame that hold dates in text, and their formats; columns of a type of dates need not be
        named.
    """

    X: Any
    label: Any = None
    columns: Mapping[str, Any] = field(default_factory=dict)
    make: Callable[..., DMatrix] = DMatrix
    dates: Mapping[str, str | None] = field(default_factory=dict)

    def table(self, encoding: Encoding | None = None) -> DMatrix:
        """Return the table of all rows, with the columns that an encoding derives."""
        return self._table(self.X if encoding is None else encoding.transform(self.X))

    def encoded(self, seed: int) -> tuple[Encoding, DMatrix]:
        """Return what is derived from the columns, and the table of the training rows with it."""
        dates = {**dict.fromkeys(date_columns(self.X)), **self.dates} if is_frame(self.X) else {}
        if not dates:
            return Encoding(), self.table()
        encoding, frame = Encoding.fit(self.X, self.label, seed=seed, options=Options(dates=dates))
        return encoding, self._table(frame)

    def _table(self, X: Any) -> DMatrix:
        given = {name: column for name, column in self.columns.items() if column is not None}
        return self.make(X, self.label, **given)


@dataclass(frozen=True)
class Fit:
    """A trained model, and what was chosen for it.

    Attributes
    ----------
    booster : Booster
    choice : Choice
        With the number of rounds that the model has.
    history : dict
        For each metric its mean over the rows that the members leave out, after each round; empty when the
        rounds were not found so.
    """

    booster: Booster
    choice: Choice
    history: Mapping[str, Sequence[float]] = field(default_factory=dict)


def fit(
    source: Source | DMatrix,
    params: Mapping[str, Any],
    *,
    preset: str = "espalier",
    rounds: int | None = None,
    stopping: int | None = None,
    evals: Sequence[tuple[Source | DMatrix, str]] = (),
    options: Mapping[str, Any] | None = None,
    observer: TrainingCallback | None = None,
) -> Fit:
    """Train a model; what the user did not give is chosen by the preset.

    Parameters
    ----------
    source : Source or DMatrix
    params : mapping of str to object
        The parameters of `boost.train` that the user gave; a value of None is not given.
    preset : {"espalier", "xgboost"}
    rounds : int, optional
        Number of rounds. By default, those of the preset.
    stopping : int, optional
        As ``early_stopping_rounds`` of `boost.train` with `evals`; without them, when the rows that are left
        out stop the members.
    evals : sequence of (Source or DMatrix, str)
        A source gets the derived columns of the model.
    options : mapping of str to object, optional
        Other arguments of `boost.train`.
    observer : boost.callback.TrainingCallback, optional
        Sees the history after each round, and may end the training; it changes nothing else, unlike the
        callbacks in `options`, with which one plain model is trained.

    Returns
    -------
    Fit

    Raises
    ------
    ValueError
        As `boost.train`, and for an unknown preset.
    """
    given = {name: value for name, value in params.items() if value is not None}
    named = {BY_NAME[name].name: value for name, value in given.items() if name in BY_NAME}
    encoding = Encoding()
    if isinstance(source, Source):
        encoding, table = source.encoded(int(named.get("seed") or 0))
    else:
        table = source
    watched = [(_watched(one, source, table, encoding), name) for one, name in evals]
    options = {"verbose_eval": False, **(options or {})}
    choice = choose(preset, describe(table, given), given)
    watching = stopping is not None and bool(watched)
    own = rounds is not None or watching or options.get("xgb_model") is not None
    if choice.members > 1 and not own and can_divide(given, options):
        if stopping is not None:
            choice = replace(choice, patience=stopping)
        members = make_members(table, given, choice, options.get("custom_metric"))
        members.advance(choice.rounds, None if observer is None else Callbacks([observer]))
        booster, history = members.booster(), members.history
        booster.model.encoding = encoding
        if watched:
            evaluate_rounds(booster, watched, options)
        return Fit(booster, replace(choice, rounds=booster.num_boosted_rounds()), history)
    choice = choice.alone(rounds)
    most = choice.rounds
    if watching and rounds is None and preset != "xgboost":
        most = MOST_WATCHED  # the table that is watched ends the training
    stopping = stopping if watching else None
    earlier = options.get("xgb_model")
    if earlier is not None and preset != "xgboost" and int(named.get("num_parallel_tree", 1)) == 1:
        given["num_parallel_tree"] = Booster(model_file=earlier).model.forest.parallel
    if observer is not None:
        options["callbacks"] = [*(options.get("callbacks") or ()), observer]
    booster = train(
        {**given, **choice.params}, table, most, evals=watched, early_stopping_rounds=stopping, **options
    )
    booster.model.encoding = encoding
    return Fit(booster, replace(choice, rounds=booster.num_boosted_rounds()))


def make_members(
    table: DMatrix, given: Mapping[str, Any], choice: Choice, metric: MetricFunction | None = None
) -> Members:
    """Return the members of a choice before their first round.

    Parameters
    ----------
    table : DMatrix
    given : mapping of str to object
        The parameters that the user gave.
    choice : Choice
    metric : callable, optional
        As ``custom_metric`` of `boost.train`.
    """
    plan = Plan(choice.members, choice.parts, choice.rounds, choice.patience, choice.varied)
    return Members(Params({**given, **choice.params}), table, plan, metric)


def _watched(one: Source | DMatrix, source: Source | DMatrix, table: DMatrix, encoding: Encoding) -> DMatrix:
    """Return the table of rows to evaluate, with the columns that the encoding derives."""
    if one is source:
        return table
    return one.table(encoding) if isinstance(one, Source) else one


def describe(table: DMatrix, params: Mapping[str, Any]) -> Task:
    """Return the description of a task that defaults depend on.

    Parameters
    ----------
    table : DMatrix
    params : mapping of str to object
        Those that the user gave.
    """
    named = {BY_NAME[name].name: value for name, value in params.items() if name in BY_NAME}
    objective = str(named.get("objective", BY_NAME["objective"].default))
    rows = table.num_row() if table.weight is None else int(np.count_nonzero(table.weight))
    label: NDArray[Any] | None = table.label
    outputs = 1 if label is None or label.ndim == 1 else int(label.shape[1])
    if objective in MULTI:
        outputs = int(named.get("num_class", 1))
    bounds = table.group_bounds()
    return Task(
        rows=rows,
        columns=table.num_col(),
        outputs=outputs,
        levels=max(map(len, table.categories.values()), default=0),
        objective=objective,
        groups=bounds.size - 1 if bounds.size > 2 or objective in RANK else 0,
    )


def can_divide(params: Mapping[str, Any], options: Mapping[str, Any]) -> bool:
    """Return whether rounds can be found by leaving rows out: not for what needs one plain training."""
    named = {BY_NAME[name].name: value for name, value in params.items() if name in BY_NAME}
    plain = all(options.get(name) is None for name in ("obj", "callbacks"))
    return (
        plain
        and named.get("booster", "gbtree") == "gbtree"
        and named.get("process_type", "default") == "default"
        and int(named.get("num_parallel_tree", 1)) == 1
        and not named.get("disable_default_eval_metric")
    )


def evaluate_rounds(
    booster: Booster, evals: Sequence[tuple[DMatrix, str]], options: Mapping[str, Any]
) -> None:
    """Evaluate tables after each round of a trained model.

    Parameters
    ----------
    booster : Booster
    evals : sequence of (DMatrix, str)
    options : mapping of str to object
        Arguments of `boost.train`: the metrics in "custom_metric" are evaluated, too; "evals_result" is
        filled, and "verbose_eval" prints.
    """
    model = booster.model
    metrics = make_metrics(model, [table for table, _ in evals], options.get("custom_metric"))
    history: History = {name: {} for _, name in evals}
    for table, name in evals:
        for margin in model.staged_margins(model.align(table)):
            for metric, value in evaluate(model.objective, metrics, margin, table, False):
                history[name].setdefault(metric, []).append(value)
    if (result := options.get("evals_result")) is not None:
        result.clear()
        result |= history
    if verbose := options.get("verbose_eval"):
        monitor = EvaluationMonitor(period=int(verbose))
        for i in range(booster.num_boosted_rounds()):
            newest = {n: {m: v[: i + 1] for m, v in by.items()} for n, by in history.items()}
            monitor.after_iteration(booster, i, newest)
        monitor.after_training(booster)

"""`cv`: cross-validation; each round is trained on all folds before the next one begins."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from boost.booster import Booster
from boost.data.dmatrix import DMatrix
from boost.params import Params, as_dict
from boost.params.record import Given
from boost.runs.train import check_table, make_callbacks
from boost.training.callback import History, TrainingCallback, check_count
from boost.training.evaluation import MetricFunction, make_metrics
from boost.training.start import start
from boost.training.trainer import Trainer

Rows = NDArray[np.int64]


class Folds:
    """The models of a cross-validation, which callbacks receive in place of one model.

    Attributes
    ----------
    cvfolds : list of Booster
    params : dict
        Of the first model.
    best_iteration, best_score : int and float, or None
        Set by early stopping.
    """

    def __init__(self, boosters: list[Booster]) -> None:
        self.cvfolds = boosters
        self.best_iteration: int | None = None
        self.best_score: float | None = None

    @property
    def params(self) -> Params:
        """Parameters of the first model."""
        return self.cvfolds[0].params

    def set_param(self, params: Any, value: Any = None) -> None:
        """Change parameters of all models."""
        for booster in self.cvfolds:
            booster.set_param(params, value)

    def set_attr(self, **attributes: Any) -> None:
        """Set attributes of all models, which are strings; None removes one."""
        for booster in self.cvfolds:
            booster.set_attr(**attributes)

    def attr(self, key: str) -> str | None:
        """Return an attribute of the first model."""
        return self.cvfolds[0].attr(key)

    def num_boosted_rounds(self) -> int:
        """Number of rounds of each model."""
        return self.cvfolds[0].num_boosted_rounds()

    def tree_weights(self) -> list[Any]:
        """Return the factors of the trees of each model."""
        return [booster.tree_weights() for booster in self.cvfolds]

    def keep_rounds(self, rounds: int, weights: list[Any]) -> None:
        """Keep the first rounds of each model; `weights` as from `tree_weights` after these rounds."""
        for booster, of_booster in zip(self.cvfolds, weights, strict=True):
            booster.keep_rounds(rounds, of_booster)

    def save_model(self, path: Any) -> None:
        """Raise ValueError: a cross-validation has no model to save."""
        raise ValueError(f"boost.cv keeps no model to save as {path!r}: leave TrainingCheckPoint out")


def cv(
    params: Given | None,
    dtrain: DMatrix,
    num_boost_round: int = 10,
    nfold: int = 3,
    stratified: bool = False,
    folds: Any = None,
    metrics: str | Sequence[str] = (),
    obj: Callable[[Any, DMatrix], tuple[ArrayLike, ArrayLike]] | None = None,
    maximize: bool | None = None,
    early_stopping_rounds: int | None = None,
    fpreproc: Callable[[DMatrix, DMatrix, Any], tuple[DMatrix, DMatrix, Any]] | None = None,
    as_pandas: bool = True,
    verbose_eval: bool | int | None = None,
    show_stdv: bool = True,
    seed: int = 0,
    callbacks: Sequence[TrainingCallback] | None = None,
    shuffle: bool = True,
    custom_metric: MetricFunction | Sequence[MetricFunction] | None = None,
) -> Any:
    """Cross-validate: for each fold, train on the rows outside of it, and evaluate on the rows in it.

    Parameters
    ----------
    params, dtrain, num_boost_round, obj, maximize, custom_metric
        As for `train`.
    nfold : int
        Number of folds. Query groups are not divided.
    stratified : bool
        Whether each fold gets the same share of each label.
    folds : splitter of scikit-learn, or sequence of pairs of row numbers, optional
        In place of `nfold` and `stratified`: training rows and test rows. A splitter gets the labels and the
        numbers of the query groups.
    metrics : str or sequence of str
        In place of the parameter ``eval_metric``. Functions are given as `custom_metric`.
    early_stopping_rounds : int, optional
        Stop when the mean of the last metric of the test rows has not improved for so many rounds; the
        result ends with the best round.
    fpreproc : callable, optional
        Called for each fold with the training table, the test table and a copy of the parameters; returns
        those that the fold uses.
    as_pandas : bool
        Whether to return a DataFrame in place of a dict of lists.
    verbose_eval : bool or int
        Print the means of every round, or of every n-th.
    show_stdv : bool
        Whether to print standard deviations too.
    seed : int
        Seed of the shuffling; that of the trees is in `params`.
    callbacks : sequence of boost.callback.TrainingCallback, optional
        Their hooks receive `Folds` in place of a model, and pairs (mean, standard deviation) as values.
    shuffle : bool
        Whether rows, or query groups, are shuffled before they are assigned to folds.

    Returns
    -------
    DataFrame or dict
        For each table and metric the columns ``<table>-<metric>-mean`` and ``<table>-<metric>-std``, the
        tables being train and test; one row for each round.

    Raises
    ------
    ValueError
        As `train`; also for fewer rows or groups than folds.
    """
    check_table("dtrain", dtrain)
    rounds, seed = check_count("num_boost_round", num_boost_round, 0), check_count("seed", seed, 0)
    named = [metrics] if isinstance(metrics, str) else list(metrics)
    if functions := [metric for metric in named if not isinstance(metric, str)]:
        raise ValueError(f"metrics must be names, got {functions[0]!r}: give functions as custom_metric")
    given = {**as_dict(params), **({"eval_metric": named} if named else {})}
    hooks = make_callbacks(
        callbacks, early_stopping_rounds, maximize, verbose_eval, save_best=False, show_stdv=show_stdv
    )
    trainers, boosters = [], []
    for train_rows, test_rows in _folds(dtrain, nfold, stratified, folds, seed, shuffle):
        train = dtrain.slice(train_rows, allow_groups=True)
        test = dtrain.slice(test_rows, allow_groups=True)
        of_fold: Given = given
        if fpreproc is not None:
            train, test, of_fold = _preprocessed(fpreproc, train, test, dict(given))
        booster = Booster(of_fold)
        start(booster.model, train, obj is not None)
        checked = make_metrics(booster.model, [train, test], custom_metric, maximize)
        evals = [(train, "train"), (test, "test")]
        trainers.append(Trainer(booster.model, train, evals, checked, custom_margin=obj is not None))
        boosters.append(booster)
    history: History = {"train": {}, "test": {}}
    model = hooks.before_training(Folds(boosters))
    for iteration in range(rounds):
        if hooks.before_iteration(model, iteration, history):
            break
        values: dict[tuple[str, str], list[float]] = {}
        for trainer in trainers:
            trainer.update(iteration, obj)
            for table_name, metric_name, value in trainer.evaluate():
                values.setdefault((table_name, metric_name), []).append(value)
        for (table_name, metric_name), each in values.items():
            summary = (float(np.mean(each)), float(np.std(each)))
            history[table_name].setdefault(metric_name, []).append(summary)
        if hooks.after_iteration(model, iteration, history):
            break
    model = hooks.after_training(model)
    return _result(history, model.best_iteration, as_pandas)


def _preprocessed(function: Callable[..., Any], *given: Any) -> tuple[DMatrix, DMatrix, Given]:
    """Return what `fpreproc` makes of the tables and the parameters of a fold."""
    result = function(*given)
    if not (isinstance(result, (tuple, list)) and len(result) == 3):
        raise ValueError(f"fpreproc must return (dtrain, dtest, params), got {result!r:.60}")
    train, test, params = result
    check_table("dtrain of fpreproc", train)
    check_table("dtest of fpreproc", test)
    return train, test, params


def _result(history: History, best: int | None, as_pandas: bool) -> Any:
    columns: dict[str, list[float]] = {}
    stop = None if best is None else best + 1
    for table, by_metric in history.items():
        for metric, values in by_metric.items():
            columns[f"{table}-{metric}-mean"] = [mean for mean, _ in values[:stop]]
            columns[f"{table}-{metric}-std"] = [deviation for _, deviation in values[:stop]]
    if not as_pandas:
        return columns
    import pandas as pd

    return pd.DataFrame(columns)


def _folds(
    data: DMatrix, nfold: int, stratified: bool, folds: Any, seed: int, shuffle: bool
) -> Iterator[tuple[Rows, Rows]]:
    """Return an iterator over the training rows and the test rows of each fold."""
    rows, bounds = data.num_row(), data.group_bounds()
    grouped = bounds.size > 2
    if folds is not None:
        if hasattr(folds, "split"):
            group = np.repeat(np.arange(bounds.size - 1), np.diff(bounds)) if grouped else None
            folds = folds.split(np.empty((rows, 1)), data.label, groups=group)
        return iter([(_rows(a, rows), _rows(b, rows)) for a, b in folds])
    count = check_count("nfold", nfold, 2)
    units = bounds.size - 1 if grouped else rows  # what is assigned to folds
    if units < count:
        raise ValueError(
            f"nfold is {count}, but there are only {units} {'query groups' if grouped else 'rows'}"
        )
    if stratified and grouped:
        raise ValueError("query groups cannot be stratified: leave stratified out, or give folds")
    if stratified:
        from sklearn.model_selection import StratifiedKFold

        if data.label is None or data.label.ndim != 1:
            raise ValueError("stratified needs one label for each row")
        splitter = StratifiedKFold(count, shuffle=shuffle, random_state=seed if shuffle else None)
        return iter(splitter.split(np.empty((rows, 1)), data.label))
    order = np.random.default_rng(seed).permutation(units) if shuffle else np.arange(units)
    fold_of = np.empty(units, dtype=np.int64)
    for k, part in enumerate(np.array_split(order, count)):
        fold_of[part] = k
    if grouped:
        fold_of = np.repeat(fold_of, np.diff(bounds))
    return iter([(np.flatnonzero(fold_of != k), np.flatnonzero(fold_of == k)) for k in range(count)])


def _rows(given: Any, rows: int) -> Rows:
    out = np.asarray(given)
    if out.ndim != 1 or out.dtype.kind not in "iu" or out.size == 0:
        raise ValueError("folds must hold pairs of arrays of row numbers, none of them empty")
    if out.min() < 0 or out.max() >= rows:
        raise ValueError(f"folds hold rows {out.min()} to {out.max()}, the table has 0 to {rows - 1}")
    return out.astype(np.int64)

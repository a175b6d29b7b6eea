"""Cross-validation of a table: a model of each fold's other rows, scored on the rows of the fold."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from boost.tables.examples import Examples
from boost.tables.model import TableModel
from boost.tables.split import fold_rows

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class FoldScores:
    """The scores of the folds.

    Attributes
    ----------
    scores, constant : list of dict of str to float
        Of the rows of each fold: by its model, and by the constant prediction of the other rows.
    rounds : list of int
        Of each model.
    rows : list of int
        Number of rows of each fold.
    predictions : DataFrame or None
        Of every row, by the model of the other folds: ``row``, ``fold`` and the columns of
        `TableModel.predict`.
    """

    scores: list[dict[str, float]] = field(default_factory=list)
    constant: list[dict[str, float]] = field(default_factory=list)
    rounds: list[int] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    predictions: pd.DataFrame | None = None

    @property
    def names(self) -> list[str]:
        """The names of the scores."""
        return list(self.scores[0])

    def mean(self, name: str, constant: bool = False) -> float:
        """Return the mean of a score over the folds."""
        return float(np.mean([one[name] for one in (self.constant if constant else self.scores)]))

    def error(self, name: str, constant: bool = False) -> float:
        """Return the standard error of the mean over the folds.

        The folds share rows of training, so that it is too small by an unknown factor (Bengio and Grandvalet,
        "No Unbiased Estimator of the Variance of K-Fold Cross-Validation", JMLR 5, 2004).
        """
        values = [one[name] for one in (self.constant if constant else self.scores)]
        return float(np.std(values, ddof=1) / np.sqrt(len(values)))


def cross_validate(
    examples: Examples,
    params: Mapping[str, Any],
    *,
    folds: int = 5,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    coverage: float | None = None,
    observer: Any = None,
    after_fold: Callable[[int], bool] = lambda fold: False,
) -> FoldScores:
    """Train a model for each fold on the other rows, as `TableModel.train` does, and score it.

    Parameters
    ----------
    examples : Examples
        Rows of a group stay together; classes, and observed events, keep their shares.
    params : dict
        From `TableModel.training_params`.
    folds : int
    seed : int
        Draws the folds.
    settings : dict, optional
        Other arguments of `TableModel.train`.
    coverage : float, optional
        Of intervals, which are calibrated with a fifth of the rows of each training.
    observer : boost.callback.TrainingCallback, optional
        Sees the metrics after each round, and may end a training.
    after_fold : callable
        Called with the number of folds that are done; returns whether to stop.

    Raises
    ------
    TableError
        For fewer rows or groups than folds.
    """
    import pandas as pd

    from boost.tables.split import DEFAULT_SHARE, hold_out

    rng = np.random.default_rng(seed)
    found, predicted = FoldScores(), []
    for fold, held in enumerate(fold_rows(examples, folds, rng)):
        train = examples.take(np.setdiff1d(np.arange(len(examples)), held))
        aside = None
        if coverage is not None:
            kept, calibrating = hold_out(train, DEFAULT_SHARE, rng)
            train, aside = train.take(kept), train.take(calibrating)
        model = TableModel.train(train, params, observer=observer, **(settings or {}))
        constant = model.constant()
        if aside is not None and coverage is not None:
            model.calibrate(aside, coverage)
            constant.calibrate(aside, coverage)
        test = examples.take(held)
        found.scores.append(model.evaluate(test))
        found.constant.append(constant.evaluate(test))
        found.rounds.append(model.booster.num_boosted_rounds())
        found.rows.append(len(held))
        beside = {"row": test.features.index.to_numpy(), "fold": fold + 1}
        if test.ids is not None:
            beside |= {str(name): test.ids[name].to_numpy() for name in test.ids}
        table = model.predict(test.features)
        predicted.append(pd.concat([pd.DataFrame(beside), table], axis=1))
        if after_fold(fold + 1):
            break
    every = pd.concat(predicted).sort_values("row", ignore_index=True) if predicted else None
    return replace(found, predictions=every)

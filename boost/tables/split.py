"""The rows of a table, split at random into those to train on and those to hold out, or into folds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from boost.errors import TableError
from boost.tables.examples import Examples

# Default share of the training rows that early stopping or calibration uses.
DEFAULT_SHARE = 0.2


@dataclass(frozen=True)
class RowSplit:
    """Row numbers of a table, each in one part.

    Parameters
    ----------
    train : int array
        The rows to train on.
    test : int array
        The rows that measure the quality of the model; the training does not depend on them.
    calibration : int array
        The rows that calibrate intervals.
    """

    train: np.ndarray
    test: np.ndarray
    calibration: np.ndarray


def split_rows(examples: Examples, share: float, *, calibrating: bool, rng: np.random.Generator) -> RowSplit:
    """Split the rows of a table at random.

    Classes, and observed events, keep their shares; the rows of a group stay together.

    Parameters
    ----------
    examples : Examples
    share : float
        Of the test rows, in [0, 1). Calibration rows are that share of the remaining rows, or
        `DEFAULT_SHARE` when it is 0.
    calibrating : bool
        Whether calibration rows are needed.
    rng : numpy.random.Generator

    Raises
    ------
    TableError
        As `hold_out`.
    """
    train, test = hold_out(examples, share, rng)
    calibration = np.empty(0, dtype=int)
    if calibrating:
        kept, held = hold_out(examples.take(train), share or DEFAULT_SHARE, rng)
        train, calibration = train[kept], train[held]
    return RowSplit(train, test, calibration)


def hold_out(examples: Examples, share: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the row numbers to keep and to hold out, both increasing.

    Classes, and observed events, keep their shares; the rows of a group stay together.

    Raises
    ------
    TableError
        For a share outside of [0, 1), and one that would hold out no row of the table.
    """
    if not 0 <= share < 1:
        raise TableError(f"the share of held-out rows must be at least 0 and below 1, got {share}")
    units = examples.target.strata
    if examples.group is not None:  # the groups are what is drawn
        units = np.zeros(len(np.unique(examples.group)))
    held = []
    for label in np.unique(units):
        rows = rng.permutation(np.flatnonzero(units == label))
        # The only row of a class is kept.
        held.append(rows[: min(round(share * len(rows)), len(rows) - 1)])
    chosen = np.concatenate(held)
    if share and not len(chosen):
        what = "rows" if examples.group is None else "groups"
        raise TableError(f"{len(units)} {what} are too few to hold out a share of {share}")
    if examples.group is not None:
        number = np.unique(examples.group, return_inverse=True)[1]
        chosen = np.flatnonzero(np.isin(number, chosen))
    return np.setdiff1d(np.arange(len(examples)), chosen), np.sort(chosen)


def fold_rows(examples: Examples, folds: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Return the row numbers of each fold, increasing: every row is in one of them.

    Classes, and observed events, keep their shares; the rows of a group stay together.

    Raises
    ------
    TableError
        For fewer rows, groups, or rows of a class than folds.
    """
    if examples.group is not None:
        number = np.unique(examples.group, return_inverse=True)[1]
        units, words = np.zeros(number.max() + 1), "groups"
    else:
        number, units, words = np.arange(len(examples)), examples.target.strata, "rows"
    if len(units) < folds or folds < 2:
        raise TableError(f"{len(units)} {words} cannot be divided into {folds} folds")
    fold_of = np.empty(len(units), dtype=int)
    begin = 0  # each class goes on with the fold after the last one, so that folds have equal sizes
    for label in np.unique(units):
        rows = rng.permutation(np.flatnonzero(units == label))
        fold_of[rows] = (begin + np.arange(len(rows))) % folds
        begin += len(rows)
    return [np.flatnonzero(fold_of[number] == k) for k in range(folds)]

"""The rows of a table, split into those to train on and those to hold out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from boost.errors import TableError
from boost.tables.target import Target

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
    validation : int array
        The rows of early stopping.
    calibration : int array
        The rows that calibrate intervals.
    """

    train: np.ndarray
    test: np.ndarray
    validation: np.ndarray
    calibration: np.ndarray


def split_rows(
    target: Target, share: float, *, stopping: bool, calibrating: bool, rng: np.random.Generator
) -> RowSplit:
    """Split the rows of a table at random; the classes keep their shares.

    Parameters
    ----------
    target : Target
    share : float
        Of the test rows, in [0, 1). Validation and calibration rows are each that share of the remaining
        rows, or `DEFAULT_SHARE` when it is 0.
    stopping, calibrating : bool
        Whether validation and calibration rows are needed.
    rng : numpy.random.Generator

    Raises
    ------
    TableError
        As `hold_out`.
    """
    train, test = hold_out(target, share, rng)
    validation = calibration = np.empty(0, dtype=int)
    if stopping:
        train, validation = _hold_out_of(target, train, share or DEFAULT_SHARE, rng)
    if calibrating:
        train, calibration = _hold_out_of(target, train, share or DEFAULT_SHARE, rng)
    return RowSplit(train, test, validation, calibration)


def hold_out(target: Target, share: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return the row numbers to keep and to hold out, both increasing; the classes keep their shares.

    Raises
    ------
    TableError
        For a share outside of [0, 1), and one that would hold out no row of the table.
    """
    if not 0 <= share < 1:
        raise TableError(f"the share of held-out rows must be at least 0 and below 1, got {share}")
    labels = target.labels if target.classes else np.zeros_like(target.labels)
    held = []
    for label in np.unique(labels):
        rows = rng.permutation(np.flatnonzero(labels == label))
        # The only row of a class is kept.
        held.append(rows[: min(round(share * len(rows)), len(rows) - 1)])
    held_rows = np.sort(np.concatenate(held))
    kept = np.setdiff1d(np.arange(len(labels)), held_rows)
    if share and not len(held_rows):
        raise TableError(f"{len(labels)} rows are too few to hold out a share of {share}")
    return kept, held_rows


def _hold_out_of(
    target: Target, rows: np.ndarray, share: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Hold out a share of some rows; returns row numbers of the whole table."""
    kept, held = hold_out(target.take(rows), share, rng)
    return rows[kept], rows[held]

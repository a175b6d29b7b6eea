"""`Progress`: the state of a run after a trial."""

from __future__ import annotations

from dataclasses import dataclass

from costmodel.records import Record
from costmodel.task import Task


@dataclass(frozen=True)
class Progress:
    """The state of a run after a trial.

    Parameters
    ----------
    task : Task
    source : str
        ``"model"``, ``"random"`` or the name of a custom explorer.
    trial, trials : int
        Number of trials done (those of the records included), and of all trials.
    resumed : int
        Number of trials that came from the records.
    best_gflops : float
        Zero before the first success.
    correlation : float or None
        Rank correlation of the model's scores with the measured speeds of the last complete batch.
    failures : dict
        Reason to number of trials.
    seconds_left : float
        Estimated.
    last : Record or None
        The newest trial.
    """

    task: Task
    source: str
    trial: int
    trials: int
    resumed: int
    best_gflops: float
    correlation: float | None
    failures: dict[str, int]
    seconds_left: float
    last: Record | None

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
        Estimated; at most what is left of the time budget.
    last : Record or None
        The newest trial.
    best : Record or None
        The fastest trial.
    refused : int
        Number of candidates that were refused before they were compiled, see `costmodel.refuse`.
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
    best: Record | None = None
    refused: int = 0


@dataclass(frozen=True)
class TaskShare:
    """The state of one task of a run over many.

    Parameters
    ----------
    task : Task
    weight : float
        How often the task occurs.
    trials : int
        Trials of the task so far.
    cost : float
        Seconds of one call of its best program; infinite before the first success.
    first_cost : float
        The same after its first batch.
    gain : float
        Seconds of the total that the next trial of this task is expected to save; NaN before every task has
        been tried.
    stopped : str
        Why it gets no more trials, as `TuneResult.stopped`; empty while it does.
    """

    task: Task
    weight: float
    trials: int
    cost: float
    first_cost: float
    gain: float
    stopped: str


@dataclass(frozen=True)
class TotalProgress:
    """The state of a run over many tasks after a trial.

    Parameters
    ----------
    current : Progress
        The task that was tried last.
    tasks : tuple of TaskShare
        Every task, in the order in which they were given.
    trial, trials : int
        Number of trials of all tasks, and the budget.
    total : float
        Weighted sum of the best seconds of each task; infinite until each has a program.
    seconds_left : float
        Estimated; at most what is left of the time budget.
    """

    current: Progress
    tasks: tuple[TaskShare, ...]
    trial: int
    trials: int
    total: float
    seconds_left: float

"""The progress of a training on the terminal, and Ctrl-C that ends the training after a whole round."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import TYPE_CHECKING, Any

from boost.training.callback import TrainingCallback

if TYPE_CHECKING:
    from rich.console import Console


class TrainingProgress(TrainingCallback):
    """Show the round and its metrics; the first Ctrl-C ends the training and keeps the rounds so far.

    A second Ctrl-C raises KeyboardInterrupt. Nothing is shown when the output is not a terminal. A context
    manager: the handler of Ctrl-C and the display exist inside the ``with`` block only.

    Parameters
    ----------
    console : Console
    rounds : int or None
        The largest number of rounds; None when it is not known.

    Attributes
    ----------
    interrupted : bool
        Whether Ctrl-C ended the training.
    """

    def __init__(self, console: Console, rounds: int | None) -> None:
        self.console = console
        self.rounds = rounds
        self.interrupted = False
        self._progress: Any = None
        self._bar: Any = None
        self._before: Any = None

    def __enter__(self) -> TrainingProgress:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._on_interrupt)
        if self.console.is_terminal:
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            self._progress = Progress(
                TextColumn("{task.fields[words]}"),
                TextColumn("round"),
                MofNCompleteColumn(),
                BarColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[metrics]}"),
                console=self.console,
            )
            self._progress.start()
            self._bar = self._progress.add_task("rounds", total=self.rounds, metrics="", words="")
        return self

    def begin(self, words: str) -> None:
        """Show the rounds of the next training, and what it is, from the first one."""
        if self._progress is not None:
            self._progress.reset(self._bar, total=self.rounds, metrics="", words=words)

    def __exit__(self, *exc: object) -> None:
        if self._progress is not None:
            self._progress.stop()
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)

    def _on_interrupt(self, number: int, frame: FrameType | None) -> None:
        if self.interrupted:
            raise KeyboardInterrupt
        self.interrupted = True

    def after_iteration(self, model: Any, epoch: int, evals_log: dict[str, dict[str, list[Any]]]) -> bool:
        """Show the round; return True after Ctrl-C, which ends the training."""
        if self._progress is not None:
            metrics = [
                f"{table} {metric} {values[-1]:.5g}"
                for table, of_table in evals_log.items()
                for metric, values in of_table.items()
            ]
            self._progress.update(self._bar, advance=1, metrics="  ".join(metrics))
        return self.interrupted

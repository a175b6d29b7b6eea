"""The live line of a training, and Ctrl-C that ends it after a whole round."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import TYPE_CHECKING, Any

from boost.training.callback import TrainingCallback

if TYPE_CHECKING:
    from rich.console import Console


class RoundLine(TrainingCallback):
    """Shows the round and the newest metrics; the first Ctrl-C ends the training and keeps its rounds.

    A second Ctrl-C interrupts as usual. Where the output is no terminal, nothing is shown.

    Parameters
    ----------
    console : Console
    rounds : int
        How many there will be at most.

    Attributes
    ----------
    interrupted : bool
        Whether Ctrl-C ended the training.
    """

    def __init__(self, console: Console, rounds: int) -> None:
        self.console = console
        self.rounds = rounds
        self.interrupted = False
        self._progress: Any = None
        self._bar: Any = None
        self._before: Any = None

    def __enter__(self) -> RoundLine:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._on_interrupt)
        if self.console.is_terminal:
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            self._progress = Progress(
                TextColumn("round"),
                MofNCompleteColumn(),
                BarColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[metrics]}"),
                console=self.console,
            )
            self._progress.start()
            self._bar = self._progress.add_task("rounds", total=self.rounds, metrics="")
        return self

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
        """Move the line; True after Ctrl-C."""
        if self._progress is not None:
            told = [f"{name} {m} {v[-1]:.5g}" for name, of in evals_log.items() for m, v in of.items()]
            self._progress.update(self._bar, advance=1, metrics="  ".join(told))
        return self.interrupted

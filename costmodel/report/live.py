"""`LiveLine`: the progress of a run on the terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from costmodel.tuning.progress import Progress

if TYPE_CHECKING:
    from rich.console import Console


def progress_line(progress: Progress) -> str:
    """Return the state of a run as one line of text."""
    parts = [
        f"{progress.task.operator.name} · {progress.source}",
        f"trial {progress.trial}/{progress.trials}",
        f"best {progress.best_gflops:.1f} GFLOP/s",
    ]
    if progress.source != "random":
        correlation = progress.correlation
        defined = correlation is not None and math.isfinite(correlation)
        parts.append(f"rank correlation {correlation:+.2f}" if defined else "rank correlation -")
    parts.append(f"failed {failure_counts(progress.failures)}")
    parts.append(f"{_duration(progress.seconds_left)} left")
    return "  ".join(parts)


def failure_counts(failures: Mapping[str, int]) -> str:
    """Return the number of failed trials with their reasons, e.g. ``"3 (2 timeout, 1 crash)"``."""
    if not failures:
        return "0"
    return f"{sum(failures.values())} ({', '.join(f'{n} {reason}' for reason, n in failures.items())})"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"


class LiveLine:
    """Shows the newest `Progress` in place; a callback of `tune`.

    It draws between trials only, so that it does not disturb a measurement.
    If the output is not a terminal it prints a line every `every` trials instead.
    """

    def __init__(self, console: Console, every: int = 16) -> None:
        self.console = console
        self.every = every
        self._live: Any = None
        self._text = ""

    def __enter__(self) -> LiveLine:
        if self.console.is_terminal:
            from rich.live import Live

            self._live = Live(console=self.console, auto_refresh=False)
            self._live.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._live is not None:
            self._live.stop()

    def __call__(self, progress: Progress) -> None:
        from rich.text import Text

        self._text = progress_line(progress)
        if self._live is not None:
            self._live.update(Text(self._text, no_wrap=True, overflow="ellipsis"), refresh=True)
        elif progress.last is not None and (
            progress.trial % self.every == 0 or progress.trial == progress.trials
        ):
            self.console.print(Text(self._text), soft_wrap=True)

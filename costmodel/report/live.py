"""`LiveLine`: the progress of a run on the terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from costmodel.tuning.progress import Progress, TotalProgress

if TYPE_CHECKING:
    from rich.console import Console
    from typing_extensions import Self


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


def total_line(progress: TotalProgress) -> str:
    """Return the state of a run over many tasks as one line of text."""
    tried = [share for share in progress.tasks if math.isfinite(share.cost)]
    parts = [f"trial {progress.trial}/{progress.trials}"]
    if len(tried) < len(progress.tasks):
        parts.append(f"{len(tried)} of {len(progress.tasks)} tasks have a program")
    else:
        first = sum(share.weight * share.first_cost for share in tried)
        gained = (
            f", {first / progress.total:.2f}x as fast as after the first round" if first < math.inf else ""
        )
        parts.append(f"total {progress.total * 1e3:.4g} ms{gained}")
    parts.append(f"{_duration(progress.seconds_left)} left")
    # the longest part is the last, where a terminal cuts it
    parts.append(f"now {progress.current.task.call}")
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

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            from rich.live import Live

            self._live = Live(console=self.console, auto_refresh=False)
            self._live.start()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._live is not None:
            self._live.stop()

    def __call__(self, progress: Progress) -> None:
        due = progress.trial % self.every == 0 or progress.trial == progress.trials
        self._show(progress_line(progress), due and progress.last is not None)

    def _show(self, line: str, due: bool) -> None:
        """Show a line in place, or print it if it is due."""
        from rich.text import Text

        if self._live is not None:
            self._live.update(Text(line, no_wrap=True, overflow="ellipsis"), refresh=True)
        elif due:
            self.console.print(Text(line), soft_wrap=True)


class TotalLine(LiveLine):
    """Shows the newest `TotalProgress` in the same way; a callback of `tune_all`."""

    def __call__(self, progress: TotalProgress) -> None:  # type: ignore[override]
        due = progress.trial % self.every == 0 or progress.trial == progress.trials
        self._show(total_line(progress), due)

"""`LiveView` and `TotalView`: the progress of a run on the terminal, for one task and for many."""

from __future__ import annotations

import io
import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from costmodel.tuning.progress import Progress, TaskShare, TotalProgress

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table
    from typing_extensions import Self

LEVELS = "▁▂▃▄▅▆▇█"
# characters of a trend, and batches of which the model's correlation is shown
WIDTH = 24
BATCHES = 8
# lines around the rows of tasks, which the terminal must have room for
AROUND = 9
# columns and lines of a view in a notebook
WIDE, HIGH = 80, 40
# Seconds between two drawings, for each second that one takes: a view of many tasks takes some hundredths of
# a second, and a trial may take no more.
PAUSE = 30.0

HEAD = ("task", "times", "trials", "best ms", "speedup", "trend")

Context = Callable[[], Mapping[str, Any]]


def progress_line(progress: Progress) -> str:
    """Return the state of a run as one line of text."""
    parts = [
        f"{progress.task.operator.name} · {progress.source}",
        f"trial {progress.trial}/{progress.trials}",
        f"best {progress.best_gflops:.1f} GFLOP/s",
    ]
    if progress.source not in ("random", "grid"):
        parts.append(f"rank correlation {_signed(progress.correlation)}")
    parts.append(f"failed {failure_counts(progress.failures)}")
    if progress.refused:
        parts.append(f"refused {progress.refused}")
    parts.append(f"{_duration(progress.seconds_left)} left")
    return "  ".join(parts)


def total_line(progress: TotalProgress) -> str:
    """Return the state of a run over many tasks as one line of text."""
    parts = [f"trial {progress.trial}/{progress.trials}", _total(progress)]
    parts.append(f"{_duration(progress.seconds_left)} left")
    # the longest part is the last, where a terminal cuts it
    parts.append(f"now {progress.current.task.call}")
    return "  ".join(parts)


def failure_counts(failures: Mapping[str, int]) -> str:
    """Return the number of failed trials with their reasons, e.g. ``"3 (2 timeout, 1 crash)"``."""
    if not failures:
        return "0"
    return f"{sum(failures.values())} ({', '.join(f'{n} {reason}' for reason, n in failures.items())})"


def sparkline(values: Sequence[float], width: int = WIDTH) -> str:
    """Return values as a row of bars, from zero (or the least, if it is below) to the greatest.

    Parameters
    ----------
    values : sequence of float
        One that is not finite is a blank.
    width : int
        Number of characters at most; of more values each character shows the last of its share.
    """
    if len(values) > width:
        values = [values[(i + 1) * len(values) // width - 1] for i in range(width)]
    finite = [v for v in values if math.isfinite(v)]
    low = min([0.0, *finite])
    span = max([0.0, *finite]) - low
    return "".join(
        LEVELS[round((v - low) / span * (len(LEVELS) - 1)) if span else 0] if math.isfinite(v) else " "
        for v in values
    )


def _duration(seconds: float) -> str:
    if not math.isfinite(seconds):
        return "-:--"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"


def _signed(correlation: float | None) -> str:
    return f"{correlation:+.2f}" if correlation is not None and math.isfinite(correlation) else "-"


def _total(progress: TotalProgress) -> str:
    tried = [share for share in progress.tasks if math.isfinite(share.cost)]
    if len(tried) < len(progress.tasks):
        return f"{len(tried)} of {len(progress.tasks)} tasks have a program"
    first = sum(share.weight * share.first_cost for share in tried)
    gained = f", {first / progress.total:.2f}x as fast as after the first round" if first < math.inf else ""
    return f"total {progress.total * 1e3:.4g} ms{gained}"


class LiveView:
    """Shows the newest `Progress` in place; a callback of `tune`.

    It shows the best program and its trend over the trials, how well the model ranked the last batches,
    failures by reason, how many candidates were refused before they were compiled, the noise of the
    measurements, and the time left. It draws between trials only, so that it does not disturb a measurement,
    and less often than after each trial where a trial takes hardly longer than a drawing.
    If the output is neither a terminal nor a cell of a notebook, it prints a line every `every` trials.

    Parameters
    ----------
    console : rich.console.Console, optional
        By default one on standard output.
    every : int
        Trials between two lines where there is no terminal.
    context : callable, optional
        `Runner.context` of the measurer, which states the noise floor and the drift of the machine.
    """

    def __init__(
        self, console: Console | None = None, every: int = 16, *, context: Context | None = None
    ) -> None:
        if console is None:
            from rich.console import Console

            console = Console()
        self.console = console
        self.every = every
        self.context = context
        self._live: Any = None
        # what is to be drawn, and when at the earliest
        self._pending: Callable[[], RenderableType] | None = None
        self._earliest = 0.0
        # key of a task -> its best speed after each trial, and the correlations of its batches
        self._trends: dict[str, list[float]] = {}
        self._correlations: dict[str, list[float]] = {}
        self._failures: dict[str, dict[str, int]] = {}
        self._refused: dict[str, int] = {}

    def __enter__(self) -> Self:
        if self.console.is_terminal:
            from rich.live import Live

            self._live = Live(console=self.console, auto_refresh=False)
            self._live.start()
        elif self.console.is_jupyter:
            self._live = _Cell()
        return self

    def __exit__(self, *exc: object) -> None:
        if self._live is not None:
            self._earliest = 0.0
            self._draw()
            self._live.stop()
            self._live = None

    def __call__(self, progress: Progress) -> None:
        self._note(progress)
        due = progress.trial % self.every == 0 or progress.trial == progress.trials
        if self._live is not None:
            self._pending = lambda: self.view(progress)
            self._draw()
        elif due and progress.last is not None:
            self._print(progress_line(progress))

    def _draw(self) -> None:
        """Draw what is pending, unless the last drawing was too short a time ago."""
        began = time.perf_counter()
        if self._pending is not None and began >= self._earliest:
            self._live.update(self._pending(), refresh=True)
            self._pending = None
            ended = time.perf_counter()
            self._earliest = ended + PAUSE * (ended - began)

    def _print(self, line: str) -> None:
        from rich.text import Text

        self.console.print(Text(line), soft_wrap=True)

    def _note(self, progress: Progress) -> None:
        key = progress.task.key
        self._trends.setdefault(key, []).append(progress.best_gflops)
        # Equal floats are one batch: the correlation stays what it is until the next batch is complete.
        of_task = self._correlations.setdefault(key, [])
        correlation = progress.correlation
        if correlation is not None and math.isfinite(correlation) and of_task[-1:] != [correlation]:
            of_task.append(correlation)
        self._failures[key] = progress.failures
        self._refused[key] = progress.refused

    def view(self, progress: Progress) -> RenderableType:
        """Return what is drawn for a state of the run."""
        key = progress.task.key
        table = _grid()
        head = f"trial {progress.trial}/{progress.trials} · {_duration(progress.seconds_left)} left"
        _row(table, progress.source, f"{head} · {progress.task.call}")
        best = f"{progress.best_gflops:.1f} GFLOP/s"
        if progress.best is not None:
            best += f" · {progress.best.cost * 1e3:.4g} ms · trial {progress.best.trial}"
        _row(table, "best", f"{sparkline(self._trends.get(key, []))} {best}")
        if progress.source not in ("random", "grid"):
            _row(table, "model", self._model(key, progress.correlation))
        self._conditions(table, progress)
        return table

    def _model(self, key: str, correlation: float | None) -> str:
        batches = self._correlations.get(key, [])[-BATCHES:]
        if not batches:
            return "no batch of it is complete"
        text = f"rank correlation {_signed(correlation)} in the last batch"
        if len(batches) > 1:
            text += f", {sum(batches) / len(batches):+.2f} on average of {len(batches)}"
        return text

    def _conditions(self, table: Table, progress: Progress) -> None:
        """Add what failed and was refused, and the state of the machine."""
        failures: Counter[str] = Counter()
        for of_task in self._failures.values():
            failures.update(of_task)
        text = failure_counts(dict(failures.most_common()))
        if refused := sum(self._refused.values()):
            text += f" · {refused} more refused before compilation"
        _row(table, "failed", text)
        context = {} if self.context is None else self.context()
        noise, drift = context.get("noise"), context.get("drift")
        if drift is None and progress.last is not None:
            drift = progress.last.drift
        stated = []
        if noise is not None:
            stated.append(f"noise floor {noise:.1%}")
        if drift is not None:
            stated.append(f"a reference program takes {drift:.2f}x its usual time")
        if stated:
            _row(table, "machine", " · ".join(stated))


class TotalView(LiveView):
    """Shows the newest `TotalProgress` in the same way; a callback of `tune_all`.

    Below the total there is a row for each task, those that take most of the total first where the terminal
    has no room for all; the one that was tried last is marked.
    """

    def __call__(self, progress: TotalProgress) -> None:  # type: ignore[override]
        self._note(progress.current)
        due = progress.trial % self.every == 0 or progress.trial == progress.trials
        if self._live is not None:
            self._pending = lambda: self.view(progress)
            self._draw()
        elif due:
            self._print(total_line(progress))

    def view(self, progress: TotalProgress) -> RenderableType:  # type: ignore[override]
        from rich.console import Group

        table = _grid()
        head = f"trial {progress.trial}/{progress.trials} · {_duration(progress.seconds_left)} left"
        _row(table, progress.current.source, head)
        _row(table, "total", _total(progress))
        current = progress.current
        if current.source not in ("random", "grid"):
            _row(table, "model", self._model(current.task.key, current.correlation))
        self._conditions(table, current)
        return Group(table, self._tasks(progress))

    def _tasks(self, progress: TotalProgress) -> RenderableType:
        """Return the rows of tasks as lines, in which the name alone is cut; rich's tables cut numbers, too,
        and take ten times as long.
        """
        from rich.text import Text

        notebook = self.console.is_jupyter
        room = max((HIGH if notebook else self.console.size.height) - AROUND, 1)
        shares = list(progress.tasks)
        if len(shares) > room:
            shares = sorted(shares, key=lambda s: -s.weight * s.cost)[:room]
        left = (WIDE if notebook else self.console.width) - len(_line("", *HEAD[1:]))
        names = {share.task.key: share.task.call for share in shares}
        width = max(min(max(map(len, names.values())) + 2, left), 10)
        lines = Text(_line(HEAD[0].ljust(width), *HEAD[1:]) + "\n", style="underline")
        for share in shares:
            current = share.task.key == progress.current.task.key
            name = ("> " if current else "  ") + names[share.task.key]
            name = name if len(name) <= width else name[: width - 1] + "…"
            trend = sparkline(self._trends.get(share.task.key, []), 10)
            line = _line(name.ljust(width), f"{share.weight:g}", str(share.trials), *_speeds(share), trend)
            lines.append(line + "\n", style="bold" if current else "dim" if share.stopped else "")
        if len(progress.tasks) > len(shares):
            lines.append(f"  and {len(progress.tasks) - len(shares)} more\n")
        lines.right_crop(1)
        lines.no_wrap = True
        return lines


def _line(name: str, times: str, trials: str, best: str, speedup: str, trend: str) -> str:
    return f"{name}{times:>6}{trials:>8}{best:>10}{speedup:>9}  {trend:10}"


class _Cell:
    """The output of a notebook's cell, in which one display is replaced by the next."""

    def __init__(self) -> None:
        self._display: Any = None

    def update(self, view: RenderableType, *, refresh: bool) -> None:
        from rich.console import Console

        text = io.StringIO()
        Console(file=text, width=WIDE, height=HIGH, color_system=None, force_jupyter=False).print(view)
        data = {"text/plain": "\n".join(line.rstrip() for line in text.getvalue().rstrip().splitlines())}
        if self._display is None:
            from IPython.display import display

            self._display = display(data, raw=True, display_id=True)
        else:
            self._display.update(data, raw=True)

    def stop(self) -> None:
        """The last display stays."""


def _speeds(share: TaskShare) -> tuple[str, str]:
    """The best milliseconds of a task, and the speedup since its first batch; dashes where there is none."""
    if not math.isfinite(share.cost):
        return "-", "-"
    gained = f"{share.first_cost / share.cost:.2f}" if math.isfinite(share.first_cost) else "-"
    return f"{share.cost * 1e3:.4g}", gained


def _grid() -> Table:
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, min_width=len("machine"))
    table.add_column(overflow="fold")
    return table


def _row(table: Table, name: str, text: str) -> None:
    from rich.text import Text

    table.add_row(Text(name, style="bold"), Text(text))

"""What a person sees of a run: the live line, the table at the end, the curves, the summary."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from boost.atomic import new_file, write_text
from costmodel.measure.finals import Finals
from costmodel.tune import Progress, TuneResult

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def progress_line(progress: Progress) -> str:
    """The state of a run in one line of plain text."""
    parts = [
        f"{progress.task.operator.name} · {progress.source}",
        f"trial {progress.trial}/{progress.trials}",
        f"best {progress.best_gflops:.1f} GFLOP/s",
    ]
    if progress.source != "random":
        correlation = progress.correlation
        known = correlation is not None and math.isfinite(correlation)
        parts.append(f"rank correlation {correlation:+.2f}" if known else "rank correlation -")
    parts.append(f"failed {failure_counts(progress.failures)}")
    parts.append(f"{_duration(progress.seconds_left)} left")
    return "  ".join(parts)


def failure_counts(failures: Mapping[str, int]) -> str:
    """Failed trials with their reasons, e.g. ``"3 (2 timeout, 1 crash)"``."""
    if not failures:
        return "0"
    return f"{sum(failures.values())} ({', '.join(f'{n} {reason}' for reason, n in failures.items())})"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"


class LiveLine:
    """Shows the newest `Progress` in place; call it with each.

    It draws between trials only, never while one is measured, so that it cannot disturb a measurement.
    Where the output is no terminal it prints a line every `every` trials instead.
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


def finals_table(finals: Sequence[Finals]) -> Table:
    """Median speed, quartiles, and whether the answer was checked, one row a program."""
    from rich import box
    from rich.table import Table

    title = "Programs, measured in turns"
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=title, title_justify="left")
    table.add_column("", no_wrap=True)
    table.add_column("GFLOP/s", justify="right")
    table.add_column("quartiles", justify="right", no_wrap=True)
    table.add_column("ms", justify="right")
    table.add_column("checked", justify="center")
    for one in finals:
        table.add_row(f"[bold]{one.task.call}")
        for number, comparison in enumerate(one.comparisons):
            low, high = comparison.quartiles
            table.add_row(
                f"  {comparison.name}",
                f"{comparison.gflops:.1f}",
                f"{low:.1f} - {high:.1f}",
                f"{one.task.flops / comparison.gflops / 1e6:.3f}",
                # a program whose answer is wrong is never timed: the comparison raises
                "yes",
                end_section=number == len(one.comparisons) - 1,
            )
    table.caption = "checked: every answer was compared with a NumPy reference before it was timed"
    table.caption_justify = "left"
    return table


def check_plotting() -> None:
    """Raise ValueError unless matplotlib is installed."""
    from importlib.util import find_spec

    if find_spec("matplotlib") is None:
        raise ValueError("plots need matplotlib: pip install 'espalier[plot]'")


def plot_curves(
    path: str | os.PathLike[str], panels: Mapping[str, tuple[Mapping[str, np.ndarray], Mapping[str, float]]]
) -> None:
    """Write a PNG of best GFLOP/s against trials, one panel a task.

    Parameters
    ----------
    path : path
        Where to write; replaced whole.
    panels : mapping
        Title to ``(curves, levels)``: named arrays, one value a trial, and named horizontal lines.

    Raises
    ------
    ValueError
        If matplotlib is not installed.
    """
    check_plotting()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # a Figure of its own: pyplot would keep state and look for a display
    figure = Figure(figsize=(6.0 * len(panels), 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (title, (curves, levels)) in zip(
        np.atleast_1d(figure.subplots(1, len(panels))), panels.items(), strict=True
    ):
        for name, curve in curves.items():
            axes.step(np.arange(1, len(curve) + 1), curve, where="post", label=name)
        for number, (name, level) in enumerate(levels.items()):
            axes.axhline(level, linestyle=(":", "--", "-.")[number % 3], color="0.5", label=name)
        axes.set(title=title, xlabel="trials", ylabel="best GFLOP/s")
        axes.set_ylim(bottom=0)
        axes.legend()
        axes.grid(alpha=0.3)
    with new_file(path) as file:
        figure.savefig(file, format="png", dpi=120)


def summary(result: TuneResult) -> dict[str, Any]:
    """A run in plain values, ready for JSON."""
    best = result.best
    return {
        "task": result.task.key,
        "source": result.source,
        "trials": len(result.records),
        "resumed": result.resumed,
        "interrupted": result.interrupted,
        "seconds": round(result.seconds, 3),
        "best_gflops": round(result.best_gflops, 3),
        "best_config": best.config if best else None,
        "failures": result.failures,
        "rank_correlations": [round(c, 4) if math.isfinite(c) else None for c in result.correlations],
        "curve_gflops": [round(float(v), 3) for v in result.curve()],
    }


def finals_summary(finals: Finals) -> dict[str, Any]:
    """A final comparison in plain values, ready for JSON."""
    rows = [
        {
            "program": c.name,
            "gflops": round(c.gflops, 3),
            "quartiles": [round(q, 3) for q in c.quartiles],
            "costs": list(c.costs),
            "checked": True,
            "config": finals.configs[c.name].plain() if c.name in finals.configs else None,
        }
        for c in finals.comparisons
    ]
    return {"task": finals.task.key, "programs": rows}


def write_json(path: str | os.PathLike[str], value: Mapping[str, Any] | Sequence[Any]) -> None:
    """Write JSON; the file appears complete or not at all."""
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")

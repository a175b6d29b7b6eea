"""The plot of tuning curves."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np


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
        Of the file, which appears complete or not at all.
    panels : mapping
        Title to ``(curves, levels)``: named arrays, one value for each trial, and named horizontal lines.

    Raises
    ------
    ValueError
        If matplotlib is not installed.
    """
    check_plotting()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from boost.atomic import new_file

    # pyplot would keep state and look for a display
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

"""The axes of plots: colours, light grids, short numbers, and pages of several axes.

Matplotlib is imported by the first plot.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boost.model.model import Model
from boost.show.words import short_number

Floats = NDArray[np.float64]
# Colours that people with any colour vision can tell apart: M. Okabe and K. Ito, "Color Universal Design",
# 2008, without yellow, which is hard to see on white.
PALETTE = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#222222")
POSITIVE, NEGATIVE, NEUTRAL = "#d55e00", "#0072b2", "#9a9a9a"
GRID, FRAME, INK = "#e6e6e6", "#bdbdbd", "#444444"
# Colours from low to high values; the middle is dark enough for white paper.
LOW_TO_HIGH = ("#0072b2", "#a79aa6", "#d55e00")
# Most panels of a page, and panels beside each other.
MOST_PANELS, PANELS_ACROSS = 12, 4
# More points than these are drawn as an image inside of a vector drawing.
MOST_VECTOR_POINTS = 4000


class PlotError(ValueError):
    """A model, table or name that cannot be plotted, or a missing Matplotlib."""


def new_axes(ax: Any, figsize: tuple[float, float] | None = None, dpi: float | None = None) -> Any:
    """Return the given axes, or new ones.

    Raises
    ------
    PlotError
        When Matplotlib is not installed.
    """
    if ax is not None:
        return ax
    return _pyplot().subplots(figsize=figsize, dpi=dpi, layout="constrained")[1]


def _pyplot() -> Any:
    try:
        from matplotlib import pyplot
    except ImportError:
        raise PlotError("plots need matplotlib: pip install 'espalier[plot]'") from None
    return pyplot


def panels_of(
    ax: Any, panels: int, size: tuple[float, float], *, panel_size: tuple[float, float], share: bool = True
) -> tuple[Any, NDArray[np.object_]]:
    """Return one plot's axes, or those of a page of several panels.

    Parameters
    ----------
    ax : Axes, Figure or None
        Where to draw: the axes of a single plot, or a figure; a new figure by default.
    panels : int
    size, panel_size : (float, float)
        Of a single plot, and of a panel, in inches.
    share : bool
        Whether the panels have the same axes.

    Returns
    -------
    figure : Figure or None
        That of a page; None for a single plot.
    axes : array of Axes

    Raises
    ------
    PlotError
        For the axes of a single plot and several panels.
    """
    is_figure = hasattr(ax, "subplots")
    if panels == 1:
        return None, np.array([ax.subplots() if is_figure else new_axes(ax, size)], dtype=object)
    if ax is not None and not is_figure:
        raise PlotError(
            f"the model has {panels} outputs, a panel for each: choose one with output=0 to {panels - 1}, or "
            "give no ax, or a Figure"
        )
    down = math.ceil(panels / PANELS_ACROSS)
    across = math.ceil(panels / down)
    wide, high = across * panel_size[0], down * panel_size[1] + 0.5
    if ax is None:
        ax = _pyplot().figure(figsize=(wide, high), layout="constrained")
    else:
        ax.set_size_inches(wide, high)
    axes = ax.subplots(down, across, squeeze=False, sharex=share, sharey=share).ravel()
    for spare in axes[panels:]:
        spare.remove()
    for shown in axes[max(panels - across, 0) : panels]:  # the lowest of each column
        shown.tick_params(labelbottom=True)
    return ax, axes[:panels]


def write_page(
    figure: Any,
    panels: Any,
    names: Sequence[str],
    *,
    title: str | None,
    xlabel: str,
    ylabel: str | None = None,
) -> None:
    """Write the name of each panel, and the words that all panels share once."""
    for panel, name in zip(panels, names, strict=True):
        panel.set_title(plain(name), fontsize="medium")
    figure.supxlabel(plain(xlabel), fontsize="medium")
    if ylabel is not None:
        figure.supylabel(plain(ylabel), fontsize="medium")
    if title is not None:
        figure.suptitle(plain(title))


def booster_of(source: Any) -> Any:
    """Return the booster of a fitted estimator; a `Booster` or a `Model` as it is.

    Raises
    ------
    PlotError
        For anything else.
    """
    inner = getattr(source, "estimator_", source)  # of intervals
    booster = inner.get_booster() if hasattr(inner, "get_booster") else inner
    if not isinstance(getattr(booster, "model", booster), Model):
        raise PlotError(f"give a Booster or a fitted estimator, got {type(source).__name__}")
    return booster


def model_of(source: Any) -> Model:
    """Return the model of a booster or a fitted estimator; raise `PlotError` for anything else."""
    booster = booster_of(source)
    model: Model = getattr(booster, "model", booster)
    return model


def rounds_of(source: Any) -> tuple[int, int]:
    """Return the rounds that the predictions of an estimator use; all of them, (0, 0), for a `Booster`."""
    inner = getattr(source, "estimator_", source)
    rounds: tuple[int, int] = inner._rounds() if hasattr(inner, "_rounds") else (0, 0)
    return rounds


def _limit(name: str, limit: Any) -> tuple[float, float]:
    if not isinstance(limit, (tuple, list)) or len(limit) != 2:
        raise PlotError(f"{name} must be a pair (least, most), got {limit!r}")
    return float(limit[0]), float(limit[1])


def finish(
    ax: Any,
    *,
    labels: Mapping[str, str | None] | None = None,
    xlim: Any = None,
    ylim: Any = None,
    grid: bool | str = True,
    numbers: str = "xy",
) -> Any:
    """Write the words of a plot, lay a light grid below its data, and shorten the numbers of its axes.

    Parameters
    ----------
    ax : Axes
    labels : dict
        Words by the keys "title", "xlabel" and "ylabel"; None writes nothing.
    xlim, ylim : pair of float, optional
    grid : bool, or "x" or "y" for the lines of one axis
    numbers : str
        The axes that have numbers: "x", "y", "xy" or "".
    """
    if xlim is not None:
        ax.set_xlim(_limit("xlim", xlim))
    if ylim is not None:
        ax.set_ylim(_limit("ylim", ylim))
    for name, text in (labels or {}).items():
        if text is not None:
            getattr(ax, f"set_{name}")(plain(text))
    ax.set_axisbelow(True)
    if grid:
        ax.grid(True, axis="both" if grid is True else grid, color=GRID, linewidth=0.8)
    else:
        ax.grid(False)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        ax.spines[side].set_color(FRAME)
    ax.tick_params(length=0, colors=INK)
    for name in numbers:
        _shorten_numbers(getattr(ax, f"{name}axis"))
    return ax


def _shorten_numbers(axis: Any) -> None:
    from matplotlib.ticker import FuncFormatter

    axis.set_major_formatter(FuncFormatter(lambda value, _: short_number(value)))


def signed(value: float) -> str:
    """Return a number of three digits with its sign, as text beside a bar."""
    return f"{value:+.3g}".replace("-", "\N{MINUS SIGN}")


def plain(text: str) -> str:
    """Return a text with escaped dollar signs, which would begin a formula."""
    return text.replace("$", r"\$")


def colour(k: int) -> str:
    """Return a colour for the k-th of several things; grey for those beyond the palette."""
    return PALETTE[k] if k < len(PALETTE) else NEUTRAL


def value_colours() -> Any:
    """Return the colour map of values from low to high."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("low to high", LOW_TO_HIGH)


def value_bar(
    axes: Sequence[Any], points: Any, label: str, ticks: Sequence[float], words: Sequence[str]
) -> None:
    """Draw the key of values that have colours, beside all axes."""
    shrink = 0.8 if len(axes) == 1 else 0.4
    bar = axes[0].figure.colorbar(
        points, ax=list(axes), ticks=list(ticks), aspect=50 * shrink, pad=0.02, shrink=shrink
    )
    bar.ax.set_yticklabels(list(words), color=INK)
    bar.ax.tick_params(length=0)
    bar.outline.set_visible(False)
    bar.set_label(plain(label), fontsize="small", color=INK)


def legend(ax: Any, **options: Any) -> None:
    """Draw a legend without a frame."""
    ax.legend(frameon=False, fontsize="small", **options)


def check_count(name: str, value: Any) -> None:
    """Raise `PlotError` unless a value is None or an integer of at least 1."""
    if value is not None and (
        isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1
    ):
        raise PlotError(f"{name} must be an integer of at least 1, got {value!r}")


def check_output(model: Model, output: Any) -> None:
    """Raise `PlotError` unless an output is None or one of the model's."""
    outputs = model.forest.n_outputs
    if output is not None and (isinstance(output, bool) or output not in range(outputs)):
        raise PlotError(f"output must lie within 0 and {outputs - 1}, got {output!r}")

"""Plots of feature contributions: of one row, and of many."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boost.errors import nearest
from boost.model.model import Model
from boost.show.plots.canvas import (
    INK,
    MOST_PANELS,
    MOST_VECTOR_POINTS,
    NEGATIVE,
    NEUTRAL,
    PALETTE,
    POSITIVE,
    Floats,
    PlotError,
    check_count,
    check_output,
    colour,
    finish,
    legend,
    model_of,
    panels_of,
    plain,
    signed,
    value_bar,
    value_colours,
    write_page,
)
from boost.show.plots.explained import Explained, category_colour, explain, most_frequent
from boost.show.words import MOST_LETTERS, margin_words, short_number, shorten

KINDS = ("waterfall", "beeswarm", "bar")
# Bins along the axis of a swarm; the points of one bin are drawn beside each other.
SWARM_BINS = 80


def plot_contributions(
    booster: Any,
    data: Any,
    *,
    kind: str | None = None,
    output: int | None = None,
    max_num_features: int = 10,
    target: str | None = None,
    class_names: Sequence[object] | None = None,
    ax: Any = None,
    title: str | None = None,
    xlabel: str | None = None,
    grid: bool = True,
) -> Any:
    """Plot feature contributions, which are those of ``pred_contribs`` of `Booster.predict`.

    Parameters
    ----------
    booster : Booster or fitted estimator
    data : DMatrix, array, frame or sparse matrix of shape (rows, features)
    kind : {"waterfall", "beeswarm", "bar"}, optional
        For one row, a waterfall from the expected margin to that of the row. For many rows, a point for each
        row and feature, coloured by the value of the feature, or the mean of the absolute contributions as
        bars. By default, a waterfall for one row and a beeswarm for several.
    output : int, optional
        The output, or class. By default, all of them on one page: bars of several colours, or a panel for
        each of the `canvas.MOST_PANELS` outputs with the largest contributions.
    max_num_features : int
        Number of features to show, those of the largest contributions; a waterfall shows the sum of the rest.
    target : str, optional
        The name of the label, for the words of the axes.
    class_names : sequence, optional
        Names of the classes; by default, those of an estimator, or numbers.
    ax : Axes, or Figure for a page, optional
    title, xlabel, grid
        As for `plot_importance`.

    Returns
    -------
    Axes, or an array of Axes for a page of several panels

    Raises
    ------
    PlotError
        A `ValueError`: for a waterfall of several rows, an output that does not exist, or an unknown kind.
    """
    model = model_of(booster)
    check_count("max_num_features", max_num_features)
    if kind is not None and kind not in KINDS:
        raise PlotError(f"kind must be one of {KINDS}, got {kind!r}{nearest(str(kind), KINDS)}")
    check_output(model, output)
    outputs = model.forest.n_outputs
    shown = explain(booster, data, target, class_names)
    rows = len(shown.values)
    kind = kind or ("waterfall" if rows == 1 else "beeswarm")
    if kind == "waterfall" and rows != 1:
        raise PlotError(f"a waterfall shows one row, the data has {rows}: give one, or kind='beeswarm'")
    chosen = list(range(outputs)) if output is None else [output]
    features = shown.order(chosen)[:max_num_features][::-1]
    size = (6.4, max(2.4, (0.42 if kind == "beeswarm" else 0.34) * len(features) + 1.2))
    panels = [k for k in chosen if kind != "bar"]
    if len(panels) > MOST_PANELS:
        mean = np.abs(shown.added[:, :, :-1]).mean(axis=(0, 2))
        panels = sorted(np.argsort(-mean, kind="stable")[:MOST_PANELS].tolist())
    figure, axes = panels_of(
        ax,
        max(len(panels), 1),
        size,
        panel_size=(0.62 * size[0], 0.8 * size[1]),
        share=kind == "beeswarm",
    )
    if kind == "bar":
        _bars(axes[0], shown, chosen, features)
        words = xlabel or f"mean size of the contribution to the {_common_margin(shown, chosen)}"
        return finish(
            axes[0], labels={"title": title, "xlabel": words}, grid="x" if grid else False, numbers="x"
        )
    points = None
    for panel, k in zip(axes, panels, strict=True):
        if kind == "waterfall":
            _waterfall(panel, shown, k, shown.order([k]), max_num_features)
        else:
            points = _beeswarm(panel, shown, k, features) or points
        finish(panel, grid="x" if grid else False, numbers="x")
    if points is not None:
        value_bar(list(axes), points, "value of the feature (grey: missing)", (0, 1), ("low", "high"))
    margin = _common_margin(shown, chosen)
    words = xlabel or (margin if kind == "waterfall" else f"contribution to the {margin}")
    if figure is None:
        axes[0].set_xlabel(plain(words))
        if title is not None:
            axes[0].set_title(plain(title), pad=24 if kind == "waterfall" else None)  # above the legend
        return axes[0]
    if title is None and outputs > len(panels):
        title = f"the {len(panels)} of {outputs} outputs with the largest contributions"
    write_page(figure, axes, [shown.output_name(k) for k in panels], title=title, xlabel=words)
    return axes


def _common_margin(shown: Explained, outputs: Sequence[int]) -> str:
    if len(outputs) == 1:
        return shown.margin(outputs[0])
    return "log score of a class" if shown.model.objective.name.startswith("multi:") else "margin"


def _bars(ax: Any, shown: Explained, outputs: Sequence[int], features: NDArray[np.intp]) -> None:
    """Draw the mean absolute contributions; those of several outputs after each other on one bar."""
    mean = np.abs(shown.added[:, :, :-1]).mean(axis=0)
    places = np.arange(len(features))
    ax.set_yticks(places, [shown.label(f) for f in features])
    ax.set_ylim(-0.6, len(features) - 0.4)
    left = np.zeros(len(features))
    several = len(outputs) > 1
    largest = sorted(outputs, key=lambda k: -float(mean[k].sum()))[: len(PALETTE)]
    for place, k in enumerate(sorted(largest)):
        ax.barh(
            places,
            mean[k, features],
            left=left,
            height=0.62,
            color=colour(place) if several else NEGATIVE,
            label=shown.output_name(k),
        )
        left += mean[k, features]
    others = [k for k in outputs if k not in largest]
    if others:
        ax.barh(
            places,
            mean[others][:, features].sum(axis=0),
            left=left,
            color=NEUTRAL,
            label=f"{len(others)} others",
        )
    if len(outputs) > 1 and len(features):
        legend(ax, loc="lower right")


def _beeswarm(ax: Any, shown: Explained, output: int, features: NDArray[np.intp]) -> Any:
    """Draw a swarm of points for each feature; return those of the last one of numbers, or None."""
    ax.axvline(0.0, color=NEUTRAL, linewidth=0.8, zorder=1)
    ax.set_yticks(np.arange(len(features)), [shown.label(f) for f in features])
    points = None
    for place, f in enumerate(features):
        x, values = shown.added[:, output, f], shown.values[:, f]
        if shown.names.types[f] == "c":
            codes = most_frequent(values)
            _swarm(ax, x, place, np.array([category_colour(codes, v) for v in values]))
            if ax.get_subplotspec() is None or ax.get_subplotspec().is_first_col():
                words = [(shown.names.category(f, c), colour(k)) for k, c in enumerate(codes)]
                others = len(np.unique(values[~np.isnan(values)])) > len(codes)
                _colour_words(ax, place, [*words, *([("others", NEUTRAL)] if others else [])])
        else:
            points = _swarm(ax, x, place, _ranks(values)) or points
    ax.set_ylim(-0.7, len(features) - 0.4)
    return points


def _colour_words(ax: Any, place: float, words: list[tuple[str, str]]) -> None:
    """Write the names of categories in their colours, below the name of their feature."""
    from matplotlib.offsetbox import AnnotationBbox, HPacker, TextArea

    room = MOST_LETTERS + 6
    parts: list[tuple[str, str]] = []
    for word, its_colour in words:
        text = shorten(word, 12)
        if sum(len(t) + 1 for t, _ in parts) + len(text) > room:
            parts.append(("…", NEUTRAL))
            break
        parts.append((text, its_colour))
    areas: list[Any] = [TextArea(plain(t), textprops={"color": c, "fontsize": "x-small"}) for t, c in parts]
    box = HPacker(children=areas, pad=0, sep=4)
    ax.add_artist(
        AnnotationBbox(
            box,
            (0, place),
            xybox=(-4, -6),
            xycoords=("axes fraction", "data"),
            boxcoords="offset points",
            box_alignment=(1, 1),
            frameon=False,
            pad=0,
            annotation_clip=False,
        )
    )


def _value(shown: Explained, f: int, value: float) -> str:
    """Return the text of a value of a feature: for a code, its category."""
    if np.isnan(value):
        return "missing"
    if shown.names.types[f] == "c":
        return shorten(shown.names.category(f, int(value)), MOST_LETTERS)
    return f"{value:.6g}"


def _waterfall(ax: Any, shown: Explained, output: int, order: NDArray[np.intp], most: int) -> None:
    """Draw steps from the expected margin, at the bottom, to the margin of a row, at the top."""
    added = shown.added[0, output]
    features, rest = order[:most][::-1], order[most:]
    steps = added[features].tolist()
    labels = [f"{shown.label(f)} = {plain(_value(shown, f, shown.values[0, f]))}" for f in features]
    if len(rest):
        steps.insert(0, float(added[rest].sum()))
        labels.insert(0, f"{len(rest)} others")
    base = at = float(added[-1])
    for place, step in enumerate(steps):
        ax.barh(place, step, left=at, color=POSITIVE if step > 0 else NEGATIVE, height=0.62)
        ax.annotate(
            signed(step),
            (max(at, at + step), place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize="small",
            color=INK,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.4, "alpha": 0.85},
        )
        if place + 1 < len(steps):
            ax.plot([at + step] * 2, [place - 0.31, place + 1.31], color=NEUTRAL, linewidth=0.8)
        at += step
    words = [f"{short_number(float(f'{m:.3g}'))}{_probability(shown.model, m)}" for m in (base, at)]
    ax.axvline(base, color=NEUTRAL, linestyle=":", label=f"expected: {words[0]}")
    ax.axvline(at, color="black", linestyle=":", label=f"this row: {words[1]}")
    ax.set_yticks(np.arange(len(steps)), labels)
    reached = base + np.concatenate(([0.0], np.cumsum(steps)))
    padding = 0.14 * max(float(np.ptp(reached)), 1e-9)
    ax.set_xlim(reached.min() - padding, reached.max() + padding)
    inside = ax.get_subplotspec() is not None and ax.get_subplotspec().get_gridspec().ncols > 1
    if not inside:  # a panel of a page has its name there
        legend(ax, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2)


def _probability(model: Model, margin: float) -> str:
    """Return the probability of log odds in brackets; nothing for other margins."""
    if not margin_words(model).startswith("log odds"):
        return ""
    return f" (probability {1.0 / (1.0 + np.exp(-margin)):.2f})"


def _ranks(values: NDArray) -> Floats:
    """Return the rank of each value between 0 and 1, equal for equal values; NaN where it is missing."""
    present = ~np.isnan(values)
    out = np.full(values.size, np.nan)
    if present.any():
        different, place = np.unique(values[present], return_inverse=True)
        out[present] = place / max(different.size - 1, 1)
    return out


def _swarm(ax: Any, x: Floats, place: int, colours: NDArray) -> Any:
    """Draw points on one line; points that would overlap are moved up and down from it alternately.

    `colours` are names, or numbers of the colour map. Returns the points that have numbers, or None.
    """
    low, high = float(x.min()), float(x.max())
    bins = ((x - low) / (high - low) * (SWARM_BINS - 1)).astype(int) if high > low else np.zeros(x.size, int)
    order = np.argsort(bins, kind="stable")
    counts = np.bincount(bins, minlength=SWARM_BINS)
    starts = np.cumsum(counts) - counts
    within = np.empty(x.size, dtype=int)
    within[order] = np.arange(x.size) - starts[bins[order]]
    aside = (within + 1) // 2 * np.where(within % 2, 1, -1)
    y = place + 0.36 * aside / max(int(np.abs(aside).max()), 6)
    options = {"s": 8, "linewidths": 0, "rasterized": x.size > MOST_VECTOR_POINTS, "zorder": 2}
    if colours.dtype.kind == "U":
        ax.scatter(x, y, c=colours, **options)
        return None
    grey = np.isnan(colours)
    ax.scatter(x[grey], y[grey], color=NEUTRAL, **options)
    return ax.scatter(x[~grey], y[~grey], c=colours[~grey], cmap=value_colours(), vmin=0, vmax=1, **options)

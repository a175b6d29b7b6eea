"""Plots of a model: importance, learning curves, and feature contributions.

Matplotlib is imported by the first plot. Each function draws on the given axes, or new ones, and returns
them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boost.data.dmatrix import DMatrix
from boost.errors import nearest
from boost.model.model import Model
from boost.show.importance import importance
from boost.show.names import names_of

Floats = NDArray[np.float64]
POSITIVE, NEGATIVE, NEUTRAL = "#d95f02", "#1f78b4", "#8c8c8c"
KINDS = ("waterfall", "beeswarm", "bar")
# Bins along the axis of a swarm; the points of one bin are drawn beside each other.
SWARM_BINS = 80


class PlotError(ValueError):
    """A model, table or name that cannot be plotted, or a missing Matplotlib."""


def _axes(ax: Any, figsize: tuple[float, float] | None = None, dpi: float | None = None) -> Any:
    """Return the given axes, or new ones."""
    if ax is not None:
        return ax
    try:
        from matplotlib import pyplot
    except ImportError:
        raise PlotError("plots need matplotlib: pip install 'espalier[plot]'") from None
    return pyplot.subplots(figsize=figsize, dpi=dpi)[1]


def _booster(source: Any) -> Any:
    """Return the booster of a fitted estimator; a `Booster` or a `Model` as it is."""
    booster = source.get_booster() if hasattr(source, "get_booster") else source
    if not isinstance(getattr(booster, "model", booster), Model):
        raise PlotError(f"give a Booster or a fitted estimator, got {type(source).__name__}")
    return booster


def model_of(source: Any) -> Model:
    """Return the model of a booster or a fitted estimator; raise `PlotError` for anything else."""
    booster = _booster(source)
    model: Model = getattr(booster, "model", booster)
    return model


def _limit(name: str, limit: Any) -> tuple[float, float]:
    if not isinstance(limit, (tuple, list)) or len(limit) != 2:
        raise PlotError(f"{name} must be a pair (least, most), got {limit!r}")
    return float(limit[0]), float(limit[1])


def _finish(
    ax: Any,
    xlim: Any = None,
    ylim: Any = None,
    title: str | None = None,
    xlabel: str | None = None,
    ylabel: str | None = None,
    grid: bool = True,
) -> Any:
    if xlim is not None:
        ax.set_xlim(_limit("xlim", xlim))
    if ylim is not None:
        ax.set_ylim(_limit("ylim", ylim))
    for write, text in ((ax.set_title, title), (ax.set_xlabel, xlabel), (ax.set_ylabel, ylabel)):
        if text is not None:
            write(_plain(text))
    ax.set_axisbelow(True)
    ax.grid(grid)
    return ax


def _plain(text: str) -> str:
    """Return a text with escaped dollar signs, which would begin a formula."""
    return text.replace("$", r"\$")


def _check_count(name: str, value: Any) -> None:
    if value is not None and (
        isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1
    ):
        raise PlotError(f"{name} must be an integer of at least 1, got {value!r}")


def plot_importance(
    booster: Any,
    *,
    ax: Any = None,
    height: float = 0.6,
    xlim: tuple[float, float] | None = None,
    ylim: tuple[float, float] | None = None,
    title: str | None = "Feature importance",
    xlabel: str | None = None,
    ylabel: str | None = "Features",
    fmap: Any = "",
    importance_type: str = "weight",
    max_num_features: int | None = None,
    grid: bool = True,
    show_values: bool = True,
    values_format: str = "{v:.6g}",
    **kwargs: Any,
) -> Any:
    """Plot the importance of the features as bars, the largest on top.

    Parameters
    ----------
    booster : Booster, fitted estimator, or dict of str to float
        A dict as from `Booster.get_score`.
    ax : Axes, optional
        New ones are made when absent.
    height : float
        Of a bar.
    xlim, ylim : (float, float), optional
    title, xlabel, ylabel : str, optional
        None writes nothing; for `xlabel`, it writes the kind of importance.
    fmap : path
        A feature map, as for `Booster.get_dump`.
    importance_type : {"weight", "gain", "cover", "total_gain", "total_cover"}
        As for `Booster.get_score`.
    max_num_features : int, optional
        The number of bars; all by default.
    grid, show_values : bool
    values_format : str
        Format string of a value ``v``.
    **kwargs
        Passed to ``Axes.barh``.

    Returns
    -------
    Axes

    Raises
    ------
    PlotError
        A `ValueError`: when no feature has an importance, or Matplotlib is not installed.
    """
    _check_count("max_num_features", max_num_features)
    score = booster if isinstance(booster, Mapping) else importance(model_of(booster), importance_type, fmap)
    if not score:
        raise PlotError("there is no importance to plot: no tree of the model has a split")
    names = sorted(score, key=lambda name: score[name])[-(max_num_features or len(score)) :]
    values = [float(score[name]) for name in names]
    ax = _axes(ax, (6.4, max(2.0, 0.28 * len(names) + 1.0)))
    places = np.arange(len(names))
    ax.barh(places, values, height=height, **kwargs)
    if show_values:
        for place, value in zip(places, values, strict=True):
            ax.annotate(
                values_format.format(v=value),
                (value, place),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize="small",
            )
    ax.set_yticks(places, [_plain(str(name)) for name in names])
    if xlim is None and max(values) > 0:
        xlim = 0.0, 1.15 * max(values)
    kind = "importance" if isinstance(booster, Mapping) else importance_type.replace("_", " ")
    return _finish(ax, xlim, ylim or (-0.6, len(names) - 0.4), title, xlabel or kind, ylabel, grid)


def plot_metric(
    booster: Any,
    *,
    metric: str | None = None,
    dataset_names: Sequence[str] | None = None,
    ax: Any = None,
    xlim: tuple[float, float] | None = None,
    ylim: tuple[float, float] | None = None,
    title: str | None = None,
    xlabel: str | None = "Round",
    ylabel: str | None = None,
    figsize: tuple[float, float] | None = None,
    dpi: float | None = None,
    grid: bool = True,
) -> Any:
    """Plot a metric of each round for the evaluation tables of a training.

    Parameters
    ----------
    booster : Booster from `train`, fitted estimator, or dict
        A dict as ``evals_result`` of `train`. A model that is loaded from a file has no metrics.
    metric : str, optional
        By default, the first one.
    dataset_names : sequence of str, optional
        All tables by default.
    ax, xlim, ylim, title, xlabel, grid
        As for `plot_importance`.
    ylabel : str, optional
        By default, the name of the metric.
    figsize, dpi
        Of a new figure.

    Returns
    -------
    Axes

    Raises
    ------
    PlotError
        A `ValueError`: when no metric was recorded, and for unknown names.
    """
    history = booster if isinstance(booster, Mapping) else getattr(_booster(booster), "history", {})
    if not history:
        raise PlotError("no metric was recorded: train with evals (for an estimator, fit with eval_set)")
    tables = list(history) if dataset_names is None else list(dataset_names)
    for name in tables:
        if name not in history:
            raise PlotError(
                f"no table is called {name!r}{nearest(str(name), list(history))}; there are {list(history)}"
            )
    metrics = list(dict.fromkeys(m for name in tables for m in history[name]))
    if not metrics:
        raise PlotError("no metric was recorded: the training had no round")
    chosen = metrics[0] if metric is None else metric
    if chosen not in metrics:
        raise PlotError(f"no metric is called {chosen!r}{nearest(str(chosen), metrics)}; there are {metrics}")
    ax = _axes(ax, figsize, dpi)
    for name in tables:
        if chosen in history[name]:
            ax.plot(np.asarray(history[name][chosen], dtype=float), label=_plain(name))
    best = None if isinstance(booster, Mapping) else model_of(booster).best_iteration
    if best is not None:
        ax.axvline(best, color=NEUTRAL, linestyle=":", label="best round")
    ax.legend()
    return _finish(ax, xlim, ylim, title, xlabel, chosen if ylabel is None else ylabel, grid)


def plot_contributions(
    booster: Any,
    data: Any,
    *,
    kind: str | None = None,
    output: int | None = None,
    max_num_features: int = 10,
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
        The output, or class; required for a model of several.
    max_num_features : int
        Number of features to show, those of the largest contributions; a waterfall shows the sum of the rest.
    ax, title, xlabel, grid
        As for `plot_importance`.

    Returns
    -------
    Axes

    Raises
    ------
    PlotError
        A `ValueError`: for a waterfall of several rows, an output that does not exist, or an unknown kind.
    """
    model = model_of(booster)
    from boost.model.explain import contributions

    _check_count("max_num_features", max_num_features)
    if kind is not None and kind not in KINDS:
        raise PlotError(f"kind must be one of {KINDS}, got {kind!r}{nearest(str(kind), KINDS)}")
    outputs = model.forest.n_outputs
    if output is None and outputs > 1:
        raise PlotError(f"the model has {outputs} outputs: choose one with output=0 to {outputs - 1}")
    if output is not None and (isinstance(output, bool) or output not in range(outputs)):
        raise PlotError(f"output must lie within 0 and {outputs - 1}, got {output!r}")
    missing = getattr(booster, "missing", None)
    table = data if isinstance(data, DMatrix) else model.make_table(data, missing)
    rows = table.num_row()
    kind = kind or ("waterfall" if rows == 1 else "beeswarm")
    if kind == "waterfall" and rows != 1:
        raise PlotError(f"a waterfall shows one row, the data has {rows}: give one, or kind='beeswarm'")
    table = model.align(table)
    added = contributions(model, table, model.trees_of())[:, output or 0]
    features = added[:, :-1]
    labels = names_of(model)
    names = [_plain(name) for name in labels.names]
    values = table.dense_rows(0, rows)
    order = np.argsort(-np.abs(features).mean(axis=0), kind="stable")
    order = order[np.abs(features[:, order]).max(axis=0) > 0]
    shown = order[:max_num_features][::-1]
    ax = _axes(ax, (6.4, max(2.4, 0.34 * len(shown) + 1.2)))
    if kind == "waterfall":
        rest = order[max_num_features:]
        lines = [f"{names[f]} = {_plain(_value(model, f, values[0, f]))}" for f in shown]
        _waterfall(
            ax, features[0, shown], lines, float(features[0, rest].sum()), len(rest), float(added[0, -1])
        )
        _finish(ax, xlabel=xlabel or "margin", grid=grid)
        if title is not None:
            ax.set_title(_plain(title), pad=24)  # above the legend
        return ax
    ax.axvline(0.0, color=NEUTRAL, linewidth=0.8)
    ax.set_yticks(np.arange(len(shown)), [names[f] for f in shown])
    if kind == "bar":
        ax.barh(np.arange(len(shown)), np.abs(features[:, shown]).mean(axis=0), color=NEGATIVE)
        return _finish(
            ax, title=title, xlabel=xlabel or "mean absolute contribution to the margin", grid=grid
        )
    points = None
    for place, f in enumerate(shown):
        colours = None if labels.types[f] == "c" else _ranks(values[:, f])
        points = _swarm(ax, features[:, f], place, colours) or points
    if points is not None:
        bar = ax.figure.colorbar(points, ax=ax, ticks=[0, 1], aspect=40, pad=0.02)
        bar.ax.set_yticklabels(["low", "high"])
        bar.set_label("value of the feature (grey: missing, or a category)", fontsize="small")
    return _finish(ax, title=title, xlabel=xlabel or "contribution to the margin", grid=grid)


def _value(model: Model, f: int, value: float) -> str:
    """Return the text of a value of a feature: for a code, its category."""
    if np.isnan(value):
        return "missing"
    dictionary = model.categories.get(f)
    return f"{value:.6g}" if dictionary is None else str(dictionary[int(value)])


def _waterfall(ax: Any, added: Floats, lines: list[str], rest: float, others: int, base: float) -> None:
    """Draw steps from the expected margin, at the bottom, to the margin of a row, at the top."""
    steps, labels = list(added), list(lines)
    if others:
        steps.insert(0, rest)
        labels.insert(0, f"{others} others")
    at = base
    for place, step in enumerate(steps):
        ax.barh(place, step, left=at, color=POSITIVE if step > 0 else NEGATIVE, height=0.7)
        ax.annotate(
            f"{step:+.3g}",
            (max(at, at + step), place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize="small",
        )
        if place + 1 < len(steps):
            ax.plot([at + step] * 2, [place - 0.35, place + 1.35], color=NEUTRAL, linewidth=0.8)
        at += step
    ax.axvline(base, color=NEUTRAL, linestyle=":", label=f"expected: {base:.4g}")
    ax.axvline(at, color="black", linestyle=":", label=f"this row: {at:.4g}")
    ax.set_yticks(np.arange(len(steps)), labels)
    reached = base + np.concatenate(([0.0], np.cumsum(steps)))
    padding = 0.14 * max(float(np.ptp(reached)), 1e-9)
    ax.set_xlim(reached.min() - padding, reached.max() + padding)
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False, fontsize="small")


def _ranks(values: NDArray) -> Floats:
    """Return the rank of each value between 0 and 1, equal for equal values; NaN where it is missing."""
    present = ~np.isnan(values)
    out = np.full(values.size, np.nan)
    if present.any():
        different, place = np.unique(values[present], return_inverse=True)
        out[present] = place / max(different.size - 1, 1)
    return out


def _swarm(ax: Any, x: Floats, place: int, colours: Floats | None) -> Any:
    """Draw points on one line; points that would overlap are moved up and down from it alternately.

    Returns the coloured points, or None.
    """
    low, high = float(x.min()), float(x.max())
    bins = ((x - low) / (high - low) * (SWARM_BINS - 1)).astype(int) if high > low else np.zeros(x.size, int)
    order = np.argsort(bins, kind="stable")
    counts = np.bincount(bins, minlength=SWARM_BINS)
    starts = np.cumsum(counts) - counts
    within = np.empty(x.size, dtype=int)
    within[order] = np.arange(x.size) - starts[bins[order]]
    aside = (within + 1) // 2 * np.where(within % 2, 1, -1)
    y = place + 0.4 * aside / max(int(np.abs(aside).max()), 6)
    grey = np.ones(x.size, dtype=bool) if colours is None else np.isnan(colours)
    ax.scatter(x[grey], y[grey], s=8, color=NEUTRAL, linewidths=0)
    if colours is None:
        return None
    return ax.scatter(
        x[~grey], y[~grey], s=8, c=colours[~grey], cmap="coolwarm", vmin=0, vmax=1, linewidths=0
    )

"""Plots of a model and its training: the importance of features, and learning curves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from boost.errors import nearest
from boost.show.importance import importance
from boost.show.plots.canvas import (
    GRID,
    NEGATIVE,
    NEUTRAL,
    PlotError,
    booster_of,
    check_count,
    colour,
    finish,
    legend,
    model_of,
    new_axes,
    plain,
)
from boost.show.words import short_number

# What the kinds of importance measure.
MEASURES = {
    "weight": "number of splits",
    "gain": "mean gain of a split (reduction of the loss)",
    "total_gain": "total gain of the splits (reduction of the loss)",
    "cover": "mean cover of a split (sum of hessians)",
    "total_cover": "total cover of the splits (sum of hessians)",
}


def plot_importance(
    booster: Any,
    *,
    ax: Any = None,
    height: float = 0.6,
    xlim: tuple[float, float] | None = None,
    ylim: tuple[float, float] | None = None,
    title: str | None = "Feature importance",
    xlabel: str | None = None,
    ylabel: str | None = None,
    fmap: Any = "",
    importance_type: str = "weight",
    max_num_features: int | None = None,
    grid: bool = True,
    show_values: bool = True,
    values_format: str | None = None,
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
        None writes nothing; for `xlabel`, it writes what the kind of importance measures.
    fmap : path
        A feature map, as for `Booster.get_dump`.
    importance_type : {"weight", "gain", "cover", "total_gain", "total_cover"}
        As for `Booster.get_score`.
    max_num_features : int, optional
        The number of bars; all by default.
    grid, show_values : bool
    values_format : str, optional
        Format string of a value ``v``; short numbers such as 1.2k by default.
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
    check_count("max_num_features", max_num_features)
    score = booster if isinstance(booster, Mapping) else importance(model_of(booster), importance_type, fmap)
    if not score:
        raise PlotError("there is no importance to plot: no tree of the model has a split")
    names = sorted(score, key=lambda name: score[name])[-(max_num_features or len(score)) :]
    values = [float(score[name]) for name in names]
    ax = new_axes(ax, (6.4, max(2.0, 0.28 * len(names) + 1.0)))
    places = np.arange(len(names))
    ax.barh(places, values, height=height, **{"color": NEGATIVE, **kwargs})
    if show_values:
        for place, value in zip(places, values, strict=True):
            ax.annotate(
                _value_text(value) if values_format is None else values_format.format(v=value),
                (value, place),
                xytext=(4, 0),
                textcoords="offset points",
                va="center",
                fontsize="small",
            )
    ax.set_yticks(places, [plain(str(name)) for name in names])
    if xlim is None and max(values) > 0:
        xlim = 0.0, 1.15 * max(values)
    measure = "importance" if isinstance(booster, Mapping) else MEASURES[importance_type]
    labels = {"title": title, "xlabel": measure if xlabel is None else xlabel, "ylabel": ylabel}
    return finish(
        ax,
        labels=labels,
        xlim=xlim,
        ylim=ylim or (-0.6, len(names) - 0.4),
        grid="x" if grid else False,
        numbers="x",
    )


def _value_text(value: float) -> str:
    """Return a value in three digits."""
    digits = 3 - math.ceil(math.log10(abs(value))) if value else 0
    return short_number(round(value, digits))


def plot_metric(
    booster: Any,
    *,
    metric: str | None = None,
    dataset_names: Sequence[str] | None = None,
    best_round: int | None = None,
    ax: Any = None,
    xlim: tuple[float, float] | None = None,
    ylim: tuple[float, float] | None = None,
    title: str | None = None,
    xlabel: str | None = "round",
    ylabel: str | None = None,
    figsize: tuple[float, float] | None = None,
    dpi: float | None = None,
    grid: bool = True,
) -> Any:
    """Plot a metric of each round for the evaluation tables of a training, and mark the best round.

    Parameters
    ----------
    booster : Booster from `train`, fitted estimator, or dict
        A dict as ``evals_result`` of `train`. A model that is loaded from a file has no metrics.
    metric : str, optional
        By default, the first one.
    dataset_names : sequence of str, optional
        All tables by default.
    best_round : int, optional
        The round to mark; by default, the one that early stopping found.
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
    history = booster if isinstance(booster, Mapping) else getattr(booster_of(booster), "history", {})
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
    ax = new_axes(ax, figsize or (6.4, 3.8), dpi)
    curves = {name: np.asarray(history[name][chosen], float) for name in tables if chosen in history[name]}
    for k, (name, values) in enumerate(curves.items()):
        ax.plot(values, label=plain(name), color=colour(k), linewidth=1.6)
    stopped_by = None
    if best_round is None and not isinstance(booster, Mapping):
        model = model_of(booster)
        best_round = model.best_iteration
        stopped_by = _stopping_metric(history, best_round, model.best_score)
    if best_round is not None:
        _mark_best(ax, curves, best_round, "" if stopped_by in (None, chosen) else f" by {stopped_by}")
    legend(ax)
    labels = {"title": title, "xlabel": xlabel, "ylabel": chosen if ylabel is None else ylabel}
    return finish(ax, labels=labels, xlim=xlim, ylim=ylim, grid=grid)


def _stopping_metric(
    history: Mapping[str, Mapping[str, Sequence[float]]], best: int | None, score: float | None
) -> str | None:
    """Return the metric whose value after the best round is the best score; None where there is none."""
    if best is None or score is None:
        return None
    for table in reversed(list(history.values())):
        for name, values in reversed(list(table.items())):
            if best < len(values) and math.isclose(values[best], score, rel_tol=1e-9):
                return name
    return None


def _mark_best(ax: Any, curves: Mapping[str, Any], best: int, by: str) -> None:
    """Draw a line at the best round, and a point on the curve of the last table, which stops a training."""
    last = len(curves) - 1
    values = list(curves.values())[last]
    words = f"best round{by}: {best}"
    if best < len(values):
        words += f" ({values[best]:.4g})"
        ax.plot([best], [values[best]], "o", color=colour(last), markeredgecolor="white", zorder=4)
    ax.axvline(best, color=NEUTRAL, linestyle=(0, (4, 3)), linewidth=1.0, label=words, zorder=1.5)
    ax.axvspan(best, max(map(len, curves.values())) - 1, color=GRID, alpha=0.4, linewidth=0, zorder=0.5)

"""Plots of predictions beside labels: calibration, residuals, and intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from boost.data.dmatrix import DMatrix
from boost.errors import nearest
from boost.model.model import Model
from boost.show.names import names_of
from boost.show.plots.canvas import (
    MOST_PANELS,
    MOST_VECTOR_POINTS,
    NEGATIVE,
    NEUTRAL,
    POSITIVE,
    Floats,
    PlotError,
    check_count,
    check_output,
    finish,
    legend,
    model_of,
    new_axes,
    panels_of,
    rounds_of,
    write_page,
)
from boost.show.words import class_name

# Size of a plot whose two axes have the same unit, in inches.
SQUARE = (4.6, 4.4)
# Intervals that are drawn; the share inside is of all rows.
MOST_INTERVALS = 120
# Objectives whose predictions are means of the label, or probabilities.
MEANS = (
    "reg:squarederror",
    "reg:squaredlogerror",
    "reg:pseudohubererror",
    "count:poisson",
    "reg:gamma",
    "reg:tweedie",
    "reg:normal",
)
PROBABILITIES = ("binary:logistic", "binary:logitraw", "reg:logistic", "multi:softprob", "multi:softmax")


def _table_of(source: Any, model: Model, data: Any) -> DMatrix:
    """Return rows in the model's columns."""
    inner = getattr(source, "estimator_", source)
    return model.align(
        data if isinstance(data, DMatrix) else model.make_table(data, getattr(inner, "missing", None))
    )


def _labels(source: Any, label: Any, table: DMatrix, data: Any) -> Floats:
    """Return the label of each row; the number of its class, for the classes of an estimator.

    Raises
    ------
    PlotError
        For labels of another number than that of the rows, and for none.
    """
    if label is None and isinstance(data, DMatrix):
        label = data.label
    if label is None:
        raise PlotError("give the labels of the rows: label=y, or a DMatrix with a label")
    values = np.asarray(label)
    classes = getattr(source, "classes_", None)
    if classes is not None and len(values) and np.isin(values, classes).all():
        values = np.searchsorted(classes, values)
    if values.shape != (table.num_row(),):
        raise PlotError(f"there are {table.num_row()} rows, and labels of the shape {values.shape}")
    return values.astype(float)


def _predicted(source: Any, model: Model, table: DMatrix) -> Floats:
    """Return the predictions as probabilities or means; float64, shape (rows, outputs)."""
    margins = model.margins(table, rounds_of(source))
    name = model.objective.name
    if name.startswith("multi:"):
        scores = np.exp(margins - margins.max(axis=1, keepdims=True))
        return scores / scores.sum(axis=1, keepdims=True)
    if name == "binary:logitraw":
        return np.asarray(1.0 / (1.0 + np.exp(-margins)))
    return np.asarray(model.objective.transform(margins), dtype=float).reshape(len(margins), -1)


def plot_calibration(
    booster: Any,
    data: Any,
    label: Any = None,
    *,
    bins: int = 10,
    output: int | None = None,
    target: str | None = None,
    class_names: Sequence[object] | None = None,
    ax: Any = None,
    title: str | None = None,
    grid: bool = True,
) -> Any:
    """Plot the mean label against the mean prediction in bins: a reliability diagram.

    Points on the diagonal are calibrated: of the rows with a predicted probability of 0.3, three in ten are
    of the class. The vertical lines are 95 % confidence intervals (of E. B. Wilson, 1927, for shares), and
    the marks at the lower edge are the predictions. The labels of each bin of probabilities have the same
    expected variance, so that a few high probabilities of a rare class are no less visible than many low
    ones; bins of other means have equally many rows. Use rows that are not of the training.

    Parameters
    ----------
    booster : Booster or fitted estimator
        Of probabilities or means.
    data : DMatrix, array, frame or sparse matrix of shape (rows, features)
    label : array_like of shape (rows,), optional
        By default, that of a `DMatrix`.
    bins : int
        Most bins; fewer where many predictions are equal.
    output : int, optional
        The class. By default, all of them on one page.
    target, class_names, ax, title, grid
        As for `plot_contributions`.

    Returns
    -------
    Axes, or an array of Axes for a page of several classes

    Raises
    ------
    PlotError
        A `ValueError`: for labels that do not fit, and an objective that predicts neither means nor
        probabilities.
    """
    model = model_of(booster)
    check_output(model, output)
    check_count("bins", bins)
    name, outputs = model.objective.name, model.forest.n_outputs
    if name not in MEANS + PROBABILITIES:
        raise PlotError(f"{name} predicts neither means nor probabilities, which can be calibrated")
    table = _table_of(booster, model, data)
    label = _labels(booster, label, table, data)
    predicted = _predicted(booster, model, table)
    is_share = name in PROBABILITIES
    if class_names is None:
        class_names = getattr(booster, "classes_", None)
    if not name.startswith("multi:"):
        _, axes = panels_of(ax, 1, SQUARE, panel_size=SQUARE)
        words = _calibration_words(is_share, target, class_names)
        return _reliability(axes[0], predicted[:, 0], label, bins, is_share, words, title, grid)
    chosen = list(range(outputs)) if output is None else [output]
    if len(chosen) > MOST_PANELS:
        counts = np.bincount(label.astype(int), minlength=outputs)
        chosen = sorted(np.argsort(-counts, kind="stable")[:MOST_PANELS].tolist())
        title = title or f"the {MOST_PANELS} of {outputs} classes with the most rows"
    figure, axes = panels_of(ax, len(chosen), SQUARE, panel_size=(3.2, 3.1))
    names = [class_name(class_names, k) for k in chosen]
    for panel, k, own in zip(axes, chosen, names, strict=True):
        words = ("", "") if figure is not None else _calibration_words(True, None, ("", own))
        of_panel = title if figure is None else None
        _reliability(panel, predicted[:, k], label == k, bins, True, words, of_panel, grid)
    if figure is None:
        return axes[0]
    words = _calibration_words(True, None, None)
    write_page(figure, axes, names, title=title, xlabel=words[0], ylabel=words[1])
    return axes


def _calibration_words(
    is_share: bool, target: str | None, classes: Sequence[object] | None
) -> tuple[str, str]:
    """Return what the axes of a calibration plot are."""
    of_target = f" of {target}" if target else ""
    if not is_share:
        return f"predicted mean{of_target}", f"mean{of_target or ' label'} of the rows"
    if classes is None or not isinstance(classes[1], str):
        return f"predicted probability{of_target}", "share of the rows"
    name = classes[1]
    return f"predicted probability of {name}", f"share of the rows that are {name}"


def _reliability(
    ax: Any,
    predicted: Floats,
    label: Any,
    bins: int,
    is_share: bool,
    words: tuple[str, str],
    title: str | None,
    grid: bool,
) -> Any:
    label = np.asarray(label, dtype=float)
    x, y, low, high = reliability(predicted, label, bins, is_share)
    ends = (0.0, 1.0) if is_share else (float(min(x.min(), low.min())), float(max(x.max(), high.max())))
    ax.plot(ends, ends, color=NEUTRAL, linewidth=1.0, linestyle=(0, (4, 3)), zorder=1, label="calibrated")
    ax.vlines(x, low, high, color=NEGATIVE, linewidth=1.4, alpha=0.55, zorder=2)
    ax.plot(x, y, "o", color=NEGATIVE, markeredgecolor="white", markersize=6.5, zorder=3)
    edge = ax.get_xaxis_transform()
    marks = np.sort(predicted)[np.linspace(0, len(predicted) - 1, min(len(predicted), 400)).astype(int)]
    ax.vlines(marks, 0.0, 0.025, color=NEUTRAL, linewidth=0.5, alpha=0.6, transform=edge, zorder=1)
    if is_share:
        finish(ax, xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        ax.set_aspect("equal")
    return finish(ax, labels={"title": title, "xlabel": words[0], "ylabel": words[1]}, grid=grid)


def reliability(
    predicted: Floats, label: Floats, bins: int, is_share: bool
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return mean prediction, mean label and the ends of its 95 % interval in bins.

    The bins have equally many rows, or, for shares, equal sums of p (1 - p). Rows of equal predictions are in
    the same bin.
    """
    ordered = np.sort(predicted)
    mass = np.cumsum(ordered * (1.0 - ordered) + 1e-9 if is_share else np.ones(len(ordered)))
    ends = np.searchsorted(mass, mass[-1] * np.arange(1, bins) / bins)
    edges = np.unique(ordered[np.minimum(ends, len(ordered) - 1)])
    place = np.searchsorted(edges, predicted, side="left")
    count = np.bincount(place)
    used = np.flatnonzero(count)
    n = count[used].astype(float)
    x = np.bincount(place, predicted)[used] / n
    y = np.bincount(place, label)[used] / n
    z = 1.96
    if is_share:
        centre = (y + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z * np.sqrt(y * (1 - y) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
        return x, y, centre - half, centre + half
    spread = np.maximum(np.bincount(place, label**2)[used] / n - y**2, 0.0)
    half = z * np.sqrt(spread / np.maximum(n - 1, 1))
    return x, y, y - half, y + half


def plot_residuals(
    booster: Any,
    data: Any,
    label: Any = None,
    *,
    by: str | int | None = None,
    bins: int = 12,
    target: str | None = None,
    ax: Any = None,
    title: str | None = None,
    grid: bool = True,
) -> Any:
    """Plot label minus prediction against the prediction, or against a feature.

    The line is the median in bins of equally many rows, and the band holds the middle 80 % of them: a median
    away from 0 is a bias, a band that widens a variance that changes. Use rows that are not of the training.

    Parameters
    ----------
    booster : Booster or fitted estimator
        Of a regression with one output.
    data : DMatrix, array, frame or sparse matrix of shape (rows, features)
    label : array_like of shape (rows,), optional
        By default, that of a `DMatrix`.
    by : str or int, optional
        A numerical feature for the horizontal axis, by its name or number; the prediction by default.
    bins : int
        Most bins.
    target, ax, title, grid
        As for `plot_contributions`.

    Returns
    -------
    Axes

    Raises
    ------
    PlotError
        A `ValueError`: for labels that do not fit, several outputs, and a feature that is no number.
    """
    model = model_of(booster)
    check_count("bins", bins)
    if model.forest.n_outputs > 1 and model.objective.name != "reg:normal":
        raise PlotError(f"residuals are of one output, the model has {model.forest.n_outputs}")
    table = _table_of(booster, model, data)
    label = _labels(booster, label, table, data)
    predicted = _predicted(booster, model, table)[:, 0]
    residual = label - predicted
    of_target = f" of {target}" if target else ""
    x, words = predicted, f"prediction{of_target}"
    if by is not None:
        x, words = _numbers_of(model, table, by)
    present = ~np.isnan(x)
    x, residual = x[present], residual[present]
    ax = new_axes(ax, (6.4, 4.0))
    ax.axhline(0.0, color=NEUTRAL, linewidth=1.0, zorder=1)
    ax.scatter(
        x,
        residual,
        s=9,
        color=NEGATIVE,
        alpha=float(np.clip(300 / max(len(x), 1), 0.08, 0.5)),
        linewidths=0,
        rasterized=len(x) > MOST_VECTOR_POINTS,
        zorder=2,
    )
    middle, quantiles = _bin_quantiles(x, residual, bins)
    ax.fill_between(middle, quantiles[0], quantiles[2], color=POSITIVE, alpha=0.18, linewidth=0, zorder=2.5)
    for side in (0, 2):
        ax.plot(
            middle,
            quantiles[side],
            color=POSITIVE,
            linewidth=0.9,
            alpha=0.7,
            zorder=3,
            label="middle 80 %" if side else None,
        )
    ax.plot(middle, quantiles[1], color=POSITIVE, linewidth=1.8, zorder=3, label="median")
    _limit_outliers(ax, x, residual)
    legend(ax)
    labels = {"title": title, "xlabel": words, "ylabel": f"{target or 'label'} \N{MINUS SIGN} prediction"}
    return finish(ax, labels=labels, grid=grid)


def _limit_outliers(ax: Any, x: Floats, residual: Floats) -> None:
    """Keep a few far residuals from squeezing the others: they become marks at the edge, and are counted."""
    low, high = np.quantile(residual, (0.005, 0.995))
    room = 0.6 * max(high - low, 1e-12)
    least, most = low - room, high + room
    beyond = (residual < least) | (residual > most)
    if not beyond.any():
        return
    ax.set_ylim(least, most)
    for rows, edge, mark in ((residual > most, most, "^"), (residual < least, least, "v")):
        options = {"color": "#333333", "markersize": 5, "clip_on": False, "zorder": 4}
        if rows.any():
            ax.plot(x[rows], np.full(int(rows.sum()), edge), mark, **options)
    ax.plot([], [], "^", **options, label=f"{beyond.sum()} beyond the axis")


def _numbers_of(model: Model, table: DMatrix, feature: str | int) -> tuple[Floats, str]:
    """Return the values of a numerical feature, and its name."""
    names = names_of(model)
    if isinstance(feature, str) and feature not in names.names:
        raise PlotError(f"the model has no feature {feature!r}{nearest(feature, names.names)}")
    f = names.names.index(feature) if isinstance(feature, str) else int(feature)
    if not 0 <= f < len(names.names):
        raise PlotError(f"a feature is a name, or a number from 0 to {len(names.names) - 1}, got {feature!r}")
    if names.types[f] == "c":
        raise PlotError(f"{names.names[f]} is categorical: give a feature of numbers")
    return table.dense_rows(0, table.num_row())[:, f].astype(float), names.names[f]


def _bin_quantiles(x: Floats, y: Floats, bins: int) -> tuple[Floats, Floats]:
    """Return the median of x, and the quantiles 0.1, 0.5 and 0.9 of y, in bins of equal size."""
    edges = np.unique(np.quantile(x, np.linspace(0.0, 1.0, bins + 1)[1:-1]))
    place = np.searchsorted(edges, x, side="left")
    used = np.unique(place)
    middle = np.array([np.median(x[place == k]) for k in used])
    quantiles = np.array([np.quantile(y[place == k], (0.1, 0.5, 0.9)) for k in used]).T
    ends = np.concatenate(([x.min()], middle, [x.max()]))  # the outer bins reach to the ends
    return ends, np.pad(quantiles, ((0, 0), (1, 1)), mode="edge")


def plot_intervals(
    booster: Any,
    data: Any,
    label: Any = None,
    *,
    by: str | int | None = None,
    target: str | None = None,
    ax: Any = None,
    title: str | None = None,
    grid: bool = True,
) -> Any:
    """Plot prediction intervals, and the labels inside and outside of them.

    Parameters
    ----------
    booster : Booster or fitted estimator
        With calibrated intervals: a `BoostIntervalRegressor`, or a model of `Booster.calibrate`.
    data : DMatrix, array, frame or sparse matrix of shape (rows, features)
    label : array_like of shape (rows,), optional
        By default, that of a `DMatrix`; without labels, the intervals alone are drawn.
    by : str or int, optional
        A numerical feature for the horizontal axis, by its name or number. By default, rows are in the order
        of their medians.
    target, ax, title, grid
        As for `plot_contributions`. The title is the share of the labels inside, unless one is given.

    Returns
    -------
    Axes

    Raises
    ------
    PlotError
        A `ValueError`: for labels that do not fit.
    ModelError
        For a model without intervals.
    """
    from boost.model.interval import interval_of, predict_interval

    model = model_of(booster)
    table = _table_of(booster, model, data)
    lower, upper = predict_interval(model, table).T
    stated = interval_of(model)["coverage"]
    known = label is not None or (isinstance(data, DMatrix) and data.label is not None)
    values = _labels(booster, label, table, data) if known else None
    centre = np.median(_predicted(booster, model, table), axis=1)
    order = np.argsort(centre, kind="stable")
    rows = order[np.linspace(0, len(order) - 1, min(len(order), MOST_INTERVALS)).round().astype(int)]
    x, words = np.arange(len(rows), dtype=float), "rows in the order of their predicted medians"
    if len(rows) < len(order):
        words = f"{len(rows)} of {len(order):,} {words}"
    if by is not None:
        of_rows, words = _numbers_of(model, table, by)
        x = of_rows[rows]
    ax = new_axes(ax, (7.2, 4.0))
    ax.vlines(
        x,
        lower[rows],
        upper[rows],
        color=NEGATIVE,
        alpha=0.35,
        linewidth=2.2,
        zorder=2,
        label=f"{stated:.0%} interval",
    )
    ax.plot(x, centre[rows], "_", color=NEGATIVE, markersize=6, markeredgewidth=1.6, zorder=3, label="median")
    if values is not None:
        inside = (lower <= values) & (values <= upper)
        for shown, style, name in ((inside, ("#333333", 9), "inside"), (~inside, (POSITIVE, 16), "outside")):
            own = shown[rows]
            ax.scatter(
                x[own], values[rows][own], color=style[0], s=style[1], linewidths=0, zorder=4, label=name
            )
        if title is None:
            title = f"{inside.mean():.1%} of {len(values):,} rows inside, {stated:.0%} stated"
    legend(ax, ncols=4, loc="upper left" if by is None else "best")
    if by is None:
        ax.set_xticks([])
    labels = {"title": title, "xlabel": words, "ylabel": target or "label"}
    return finish(
        ax, labels=labels, grid="y" if grid and by is None else grid, numbers="y" if by is None else "xy"
    )

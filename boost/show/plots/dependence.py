"""The contribution of one feature by its value."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from boost.errors import nearest
from boost.show.names import Names
from boost.show.plots.canvas import (
    MOST_VECTOR_POINTS,
    NEGATIVE,
    NEUTRAL,
    Floats,
    PlotError,
    check_output,
    colour,
    finish,
    legend,
    model_of,
    new_axes,
    plain,
    value_bar,
    value_colours,
)
from boost.show.plots.explained import Explained, explain, most_frequent
from boost.show.words import short_number, shorten

# Rows from which the strongest interaction of a feature is found.
INTERACTION_ROWS = 200


def plot_dependence(
    booster: Any,
    data: Any,
    feature: str | int,
    *,
    colour_by: str | int | None = "strongest",
    output: int | None = None,
    target: str | None = None,
    class_names: Sequence[object] | None = None,
    ax: Any = None,
    title: str | None = None,
    grid: bool = True,
) -> Any:
    """Plot the contribution of one feature by its value, a point for each row.

    The vertical spread of the points at one value is the interaction with other features, as the colours show
    for one of them. (S. M. Lundberg et al., "From local explanations to global understanding with explainable
    AI for trees", 2020, section "Local explanations".)

    Parameters
    ----------
    booster : Booster or fitted estimator
    data : DMatrix, array, frame or sparse matrix of shape (rows, features)
    feature : str or int
        Its name or number.
    colour_by : str or int, optional
        The feature whose values are the colours; by default, that of the strongest interaction in the first
        `INTERACTION_ROWS` rows. None for one colour.
    output : int, optional
        The output, or class; required for a model of several.
    target, class_names, ax, title, grid
        As for `plot_contributions`.

    Returns
    -------
    Axes

    Raises
    ------
    PlotError
        A `ValueError`, for an unknown feature or output.
    """
    model = model_of(booster)
    check_output(model, output)
    if output is None and model.forest.n_outputs > 1:
        raise PlotError(
            f"the model has {model.forest.n_outputs} outputs: choose one with output=0 to "
            f"{model.forest.n_outputs - 1}"
        )
    k = output or 0
    shown = explain(booster, data, target, class_names)
    f = _feature(shown.names, feature)
    other = None
    if colour_by == "strongest" and "strongest" not in shown.names.names:
        other = _strongest(shown, f, k)
    elif colour_by is not None:
        other = _feature(shown.names, colour_by)
    ax = new_axes(ax, (6.4, 4.0))
    y, values = shown.added[:, k, f], shown.values[:, f]
    is_category = shown.names.types[f] == "c"
    x = _category_places(ax, shown, f, y) if is_category else _number_places(ax, values)
    ax.axhline(0.0, color=NEUTRAL, linewidth=0.8, zorder=1)
    options = {"s": 12, "linewidths": 0, "alpha": 0.8, "rasterized": len(x) > MOST_VECTOR_POINTS, "zorder": 2}
    _coloured(ax, shown, x, y, other, options)
    words = f"contribution of {shown.names.names[f]} to the {shown.margin(k)}"
    labels = {"title": title, "xlabel": shown.names.names[f], "ylabel": words}
    return finish(
        ax,
        labels=labels,
        grid="y" if grid and is_category else grid,
        numbers="y" if is_category or np.isnan(values).any() else "xy",
    )


def _feature(names: Names, given: str | int) -> int:
    """Return the number of a feature, or raise `PlotError`."""
    if isinstance(given, str):
        if given not in names.names:
            raise PlotError(f"the model has no feature {given!r}{nearest(given, names.names)}")
        return names.names.index(given)
    if isinstance(given, bool) or not 0 <= int(given) < len(names.names):
        raise PlotError(f"a feature is a name, or a number from 0 to {len(names.names) - 1}, got {given!r}")
    return int(given)


def _strongest(shown: Explained, f: int, output: int) -> int | None:
    """Return the feature of the largest mean absolute interaction with a feature; None without any."""
    from boost.model.explain import contributions

    model = shown.model
    rows = shown.values[:INTERACTION_ROWS]
    table = model.align(model.make_table(np.ascontiguousarray(rows)), validate_features=False)
    both = contributions(model, table, model.trees_of(), interactions=True)
    pairs = np.abs(both[:, output, f, :-1]).mean(axis=0)
    pairs[f] = 0.0
    return int(np.argmax(pairs)) if pairs.max() > 0 else None


def _category_places(ax: Any, shown: Explained, f: int, y: Floats) -> Floats:
    """Return places of categories, in the order of their mean contribution, and write their names."""
    values = shown.values[:, f]
    codes = np.where(np.isnan(values), -1, values).astype(int)
    different = np.unique(codes)
    order = sorted(different, key=lambda c: float(y[codes == c].mean()))
    place = {c: k for k, c in enumerate(order)}
    words = ["missing" if c < 0 else shorten(shown.names.category(f, int(c)), 18) for c in order]
    turned = sum(map(len, words)) > 70
    ax.set_xticks(np.arange(len(order)), [plain(w) for w in words], rotation=45 if turned else 0)
    if turned:
        for label in ax.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
    spread = (np.arange(len(codes)) * 0.618034) % 1.0 - 0.5  # as even as random ones, and the same every time
    return np.array([place[c] for c in codes]) + 0.5 * spread


def _number_places(ax: Any, values: NDArray[np.float32]) -> Floats:
    """Return the places of numbers; those of missing values are left of all others, with a name."""
    from matplotlib.ticker import FixedLocator, MaxNLocator

    present = values[~np.isnan(values)].astype(float)
    if present.size == values.size:
        return values.astype(float)
    low, high = (float(present.min()), float(present.max())) if present.size else (0.0, 1.0)
    span = (high - low) or 1.0
    aside = low - 0.1 * span
    ticks = [t for t in MaxNLocator(6).tick_values(low, high) if low <= t <= high]
    ax.xaxis.set_major_locator(FixedLocator([aside, *ticks]))
    ax.set_xticks([aside, *ticks], ["missing", *map(short_number, ticks)])
    ax.axvline(low - 0.05 * span, color=NEUTRAL, linewidth=0.8, linestyle=":", zorder=1)
    spread = (np.arange(values.size) * 0.618034) % 1.0 - 0.5
    return np.where(np.isnan(values), aside + 0.04 * span * spread, values)


def _coloured(
    ax: Any, shown: Explained, x: Floats, y: Floats, other: int | None, options: dict[str, Any]
) -> None:
    """Draw points in the colours of the values of another feature, and the key of the colours."""
    if other is None:
        ax.scatter(x, y, color=NEGATIVE, **options)
        return
    values, name = shown.values[:, other], shown.names.names[other]
    if shown.names.types[other] == "c":
        codes = most_frequent(values)
        for k, c in enumerate(codes):
            rows = values == c
            ax.scatter(
                x[rows],
                y[rows],
                color=colour(k),
                label=plain(shorten(shown.names.category(other, c), 18)),
                **options,
            )
        rest = ~np.isin(values, codes)
        if rest.any():
            ax.scatter(x[rest], y[rest], color=NEUTRAL, label="others, missing", **options)
        legend(ax, title=plain(name), loc="center left", bbox_to_anchor=(1.0, 0.5))
        return
    missing = np.isnan(values)
    ax.scatter(x[missing], y[missing], color=NEUTRAL, **options)
    if missing.all():
        return
    low, high = np.quantile(values[~missing], (0.02, 0.98))
    points = ax.scatter(
        x[~missing], y[~missing], c=values[~missing], cmap=value_colours(), vmin=low, vmax=high, **options
    )
    ticks = np.linspace(low, high, 3).tolist()
    value_bar([ax], points, name, ticks, [short_number(float(f"{t:.3g}")) for t in ticks])

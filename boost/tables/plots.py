"""The plots beside a model file or a table of contributions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from boost.atomic import new_file
from boost.errors import TableError

if TYPE_CHECKING:
    import pandas as pd

    from boost.tables.examples import Examples
    from boost.tables.model import TableModel

# SVG files, and functions that draw their content on a Matplotlib figure.
Plots = dict[Path, Callable[[Any], Any]]


def contribution_plots(model: TableModel, features: pd.DataFrame, output: Path, row: int | None) -> Plots:
    """Return the plots beside a table of contributions: bars, a beeswarm, and a waterfall of one row.

    A model of several outputs has a panel for each of them on the same page.

    Parameters
    ----------
    model : TableModel
    features : DataFrame
    output : Path
        The file of the table.
    row : int or None
        The row of the waterfall plot; None for no such plot.

    Raises
    ------
    TableError
        For a row that does not exist.
    """
    if row is not None and not 0 <= row < len(features):
        raise TableError(f"row {row} does not exist: the table has the rows 0 to {len(features) - 1}")
    tables = {"bar": features, "beeswarm": features}
    if row is not None:
        tables[f"row-{row}"] = features.iloc[[row]]
    plots: Plots = {}
    for label, rows in tables.items():
        kind = "waterfall" if label.startswith("row") else label
        plots[output.with_name(f"{output.stem}.{label}.svg")] = _contribution_plot(model, rows, kind)
    return plots


def _contribution_plot(model: TableModel, rows: pd.DataFrame, kind: str) -> Callable[[Any], Any]:
    import boost

    table = model.table(rows)
    return lambda figure: boost.plot_contributions(
        model.booster, table, kind=kind, ax=figure, target=model.target, class_names=model.classes
    )


def training_plots(model: TableModel, path: Path, test: Examples | None = None) -> Plots:
    """Return the plots beside a new model file.

    Feature importance, a learning curve of each metric, and, of the rows held out to test, the calibration of
    probabilities, the residuals of means, or the intervals.

    Parameters
    ----------
    model : TableModel
    path : Path
        The model file.
    test : Examples, optional
    """
    import boost

    plots: Plots = {}
    if model.booster.get_score():
        plots[path.with_name(f"{path.stem}.importance.svg")] = lambda figure: boost.plot_importance(
            model.booster, ax=figure.subplots(), importance_type="total_gain", max_num_features=20
        )
    for metric in dict.fromkeys(m for of_table in model.history.values() for m in of_table):
        plots[path.with_name(f"{path.stem}.{metric}.svg")] = _learning_curve(model, metric)
    if test is not None and len(test):
        plots |= _fit_plot(model, path, test)
    return plots


def _fit_plot(model: TableModel, path: Path, test: Examples) -> Plots:
    """Return the plot of the predictions beside the labels of rows, if the objective has one."""
    import boost
    from boost.show.plots.fit import MEANS, PROBABILITIES

    booster, label, target = model.booster, test.target.labels, model.target
    table = model.table(test.features)
    name = booster.objective.name
    if model.has_intervals:
        return {
            path.with_name(f"{path.stem}.intervals.svg"): lambda figure: boost.plot_intervals(
                booster, table, label, target=target, ax=figure.subplots()
            )
        }
    if name in PROBABILITIES:
        return {
            path.with_name(f"{path.stem}.calibration.svg"): lambda figure: boost.plot_calibration(
                booster, table, label, target=target, class_names=model.classes, ax=figure
            )
        }
    if name in MEANS:
        return {
            path.with_name(f"{path.stem}.residuals.svg"): lambda figure: boost.plot_residuals(
                booster, table, label, target=target, ax=figure.subplots()
            )
        }
    return {}


def _learning_curve(model: TableModel, metric: str) -> Callable[[Any], Any]:
    import boost

    best = model.booster.model.best_iteration
    return lambda figure: boost.plot_metric(
        model.history, metric=metric, best_round=best, ax=figure.subplots()
    )


def write_plots(plots: Plots) -> list[Path]:
    """Draw each plot into its SVG file; return the files.

    Raises
    ------
    TableError
        When Matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_svg import FigureCanvasSVG
        from matplotlib.figure import Figure
    except ImportError as error:
        raise TableError("plots need matplotlib: pip install 'espalier[plot]'") from error
    for path, draw in plots.items():
        figure = Figure(figsize=(8, 5), layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure)
        with new_file(path) as file:
            figure.savefig(file, format="svg", metadata={"Date": None})
    return list(plots)

"""What the features add to each prediction of a table: as a table, and as plots."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from boost.errors import TableError

if TYPE_CHECKING:
    import pandas as pd

    from boost.tables.model import TableModel

# the columns of a contributions table that are no features
ROW, OUTPUT, BASE, MARGIN = "row", "output", "(base)", "(margin)"


def contributions(model: TableModel, features: pd.DataFrame) -> pd.DataFrame:
    """The contribution of each feature to the margin of each row, exact Shapley values.

    Returns
    -------
    DataFrame
        The number of the row; for several outputs, the name of the output; a column for each feature; the
        expected margin as ``(base)``, and their sum, the margin of the row, as ``(margin)``.
    """
    import pandas as pd

    table = model.table(features)
    added = np.asarray(model.booster.predict(table, pred_contribs=True, strict_shape=True))
    rows, outputs, columns = added.shape
    names = table.feature_names or [f"f{i}" for i in range(columns - 1)]
    found: dict[str, Any] = {ROW: np.repeat(np.arange(rows), outputs)}
    if outputs > 1:
        found[OUTPUT] = model.output_names() * rows
    flat = added.reshape(rows * outputs, columns)
    found |= {name: flat[:, f] for f, name in enumerate([*names, BASE])}
    found[MARGIN] = flat.sum(axis=1)
    return pd.DataFrame(found)


def plot_files(
    model: TableModel, features: pd.DataFrame, output: Path, row: int | None
) -> dict[Path, Callable[[Any], Any]]:
    """The plots that go with a table of contributions: their files, and what draws them on axes."""
    import boost

    if row is not None and not 0 <= row < len(features):
        raise TableError(f"row {row} does not exist: the table has the rows 0 to {len(features) - 1}")
    outputs = model.booster.objective.n_outputs
    plots: dict[Path, Callable[[Any], Any]] = {}
    for k in range(outputs):
        middle = f".{k}" if outputs > 1 else ""
        name = f" of {model.output_names()[k]}" if outputs > 1 else ""
        kinds = {"bar": features, "beeswarm": features}
        if row is not None:
            kinds[f"row-{row}"] = features.iloc[[row]]
        for kind, rows in kinds.items():
            form = "waterfall" if kind.startswith("row") else kind
            plots[output.with_name(f"{output.stem}{middle}.{kind}.svg")] = _contributions_plot(
                boost, model, rows, form, k if outputs > 1 else None, f"Contributions to the margin{name}"
            )
    return plots


def _contributions_plot(
    boost: Any, model: TableModel, rows: pd.DataFrame, kind: str, output: int | None, title: str
) -> Callable[[Any], Any]:
    table = model.table(rows)
    return lambda ax: boost.plot_contributions(
        model.booster, table, kind=kind, output=output, ax=ax, title=title
    )


def training_plots(model: TableModel, path: Path) -> dict[Path, Callable[[Any], Any]]:
    """The plots that go beside a new model: importance, and the curve of each metric that was watched."""
    import boost

    plots: dict[Path, Callable[[Any], Any]] = {}
    if model.booster.get_score():
        plots[path.with_name(f"{path.stem}.importance.svg")] = lambda ax: boost.plot_importance(
            model.booster, ax=ax, importance_type="total_gain", max_num_features=20, values_format="{v:.3g}"
        )
    for metric in dict.fromkeys(m for of in model.history.values() for m in of):
        plots[path.with_name(f"{path.stem}.{metric}.svg")] = _curve(boost, model, metric)
    return plots


def _curve(boost: Any, model: TableModel, metric: str) -> Callable[[Any], Any]:
    return lambda ax: boost.plot_metric(model.history, metric=metric, ax=ax)


def write_plots(plots: dict[Path, Callable[[Any], Any]]) -> list[Path]:
    """Draw each plot into its SVG file, under a temporary name that is then changed.

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
        draw(figure.add_subplot())
        temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
        try:
            figure.savefig(temporary, format="svg", metadata={"Date": None})
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    return list(plots)

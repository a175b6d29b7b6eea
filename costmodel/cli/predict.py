"""The commands that use a trained model on a table: predict, explain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from costmodel.cli.errors import clean_errors
from costmodel.cli.terminal import draw

if TYPE_CHECKING:
    import pandas as pd

    from boost.tables.model import TableModel


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("predictions.csv"),
    show_default=True,
    help="The file of the predictions: CSV, Parquet or Arrow.",
)
@click.option(
    "--uncertainty", is_flag=True, help="Add the uncertainty: the variances of the model and of the data."
)
@clean_errors
def predict(model: Path, data: Path, output: Path, uncertainty: bool) -> None:
    """Predict for the rows of a CSV, Parquet or Arrow file with a saved model."""
    from boost.tables.file import check_extension, write_table

    check_extension(output)
    trained, features = _open(model, data)
    write_table(output, trained.predict(features, uncertainty=uncertainty))
    click.echo(f"{len(features)} predictions: {output}")


@click.command()
@click.argument("model", type=click.Path(path_type=Path))
@click.argument("data", type=click.Path(path_type=Path))
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("contributions.csv"),
    show_default=True,
    help="The file of the contributions: CSV, Parquet or Arrow; plots are written beside it.",
)
@click.option("--rows", type=click.IntRange(min=1), help="Explain only the first rows.")
@click.option(
    "--row", type=click.IntRange(min=0), help="Draw a waterfall plot of this row; the first row is 0."
)
@click.option("--plots/--no-plots", default=True, help="Draw the contributions beside the table.")
@clean_errors
def explain(model: Path, data: Path, output: Path, rows: int | None, row: int | None, plots: bool) -> None:
    """Write the contribution of each feature to the predictions for a CSV, Parquet or Arrow file.

    The contributions to the margin are exact Shapley values; the base and the contributions sum to the
    margin.
    """
    from boost.tables.explanation import contributions, mean_contributions
    from boost.tables.file import check_extension, write_table
    from boost.tables.plots import contribution_plots

    check_extension(output)
    trained, features = _open(model, data)
    features = features.iloc[:rows]
    drawn = contribution_plots(trained, features, output, row)
    table = contributions(trained, features)
    write_table(output, table)
    click.echo(f"{len(features)} rows explained: {output}")
    largest = mean_contributions(table).head(5)
    click.echo("add most: " + ", ".join(f"{name} {value:.4g}" for name, value in largest.items()))
    if plots:
        draw(drawn)


def _open(model: Path, data: Path) -> tuple[TableModel, pd.DataFrame]:
    """Return the model and the columns of the file that it uses; print the names of the others."""
    from boost.tables.file import read_table
    from costmodel.cli.trees import load_model

    trained = load_model(model)
    frame = read_table(data)
    features = trained.columns_of(frame)
    unused = [str(c) for c in frame.columns if c not in features.columns and c != trained.target]
    if unused:
        click.echo(f"columns that the model does not use: {', '.join(unused)}", err=True)
    return trained, features

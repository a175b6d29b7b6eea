"""The commands that use a trained model on a table: predict, explain."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from costmodel.cli.errors import clean_errors
from costmodel.cli.table import print_scores
from costmodel.cli.terminal import draw, note

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
    help="The file of the predictions, by its extension.",
)
@click.option(
    "--uncertainty", is_flag=True, help="Add the uncertainty: the variances of the model and of the data."
)
@click.option(
    "--id", "ids", multiple=True, metavar="COLUMN", help="A column to write beside the predictions."
)
@clean_errors
def predict(model: Path, data: Path, output: Path, uncertainty: bool, ids: tuple[str, ...]) -> None:
    """Predict for the rows of a table with a saved model.

    The table has the columns of the table of the training, as they are in its file. Values that the training
    rows do not have are counted, and taken as missing.
    """
    from boost.errors import unknown
    from boost.tables.file import check_extension, write_table

    check_extension(output)
    trained, features = _open(model, data)
    trained.ids = list(dict.fromkeys([*trained.ids, *ids]))
    for name in ids:
        if name not in features.columns:
            raise ValueError(unknown("column", name, map(str, features.columns)))
    write_table(output, trained.predict(features, uncertainty=uncertainty))
    click.echo(f"{len(features):,} predictions: {output}")
    _score(trained, features)


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
    trained, frame = _open(model, data)
    features = trained.columns_of(frame).iloc[:rows]
    drawn = contribution_plots(trained, features, output, row)
    table = contributions(trained, features)
    write_table(output, table)
    click.echo(f"{len(features)} rows explained: {output}")
    largest = mean_contributions(table).head(5)
    click.echo("add most: " + ", ".join(f"{name} {value:.4g}" for name, value in largest.items()))
    if plots:
        draw(drawn)


def _score(trained: TableModel, frame: pd.DataFrame) -> None:
    """Print the scores of the predictions for a table that has the target, if it is numbers or classes."""
    from boost.tables.examples import Examples
    from boost.tables.target import Target

    if trained.target not in frame.columns or trained.task not in ("regression", "classification"):
        return
    known = frame[frame[trained.target].notna()]
    try:
        empty = Target(str(trained.target), trained.task, trained.classes, known.index.to_numpy())
        examples = Examples(trained.columns_of(known), empty.of(known))
    except ValueError as error:
        note(f"no scores: {error}")
        return
    title = f"{len(known):,} rows with {trained.target!r} (those of the training score too well):"
    print_scores(title, {"model": trained.evaluate(examples)})


def _open(model: Path, data: Path) -> tuple[TableModel, pd.DataFrame]:
    """Return the model and the table; print the columns that it does not use, and values new to it."""
    from boost.tables.file import read_table
    from boost.tables.roles import short_list
    from costmodel.ensemble.files import load_model

    trained = load_model(model)
    notes: list[str] = []
    frame = read_table(data, notes)
    features = trained.columns_of(frame)
    used = {*features.columns, trained.target, *trained.ids}
    if unused := [str(c) for c in frame.columns if c not in used]:
        names = ", ".join(unused[:8]) + (f", ... {len(unused) - 8} more" if len(unused) > 8 else "")
        notes.append(f"columns that the model does not use: {names}")
    for name, (rows, values) in trained.unseen(features).items():
        notes.append(
            f"column {name!r}: {rows:,} of {len(frame):,} rows have values that the training rows do not "
            f"have, taken as missing: {short_list(values, 3)}"
        )
    for text in notes:
        note(text)
    return trained, frame
